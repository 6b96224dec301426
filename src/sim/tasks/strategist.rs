//! The teacher: from a task and the true state to the shortest list of sub-goals that solves it, with a reason in few
//! words. It writes the training data and the measure of success; nothing that plans ever asks it.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::arrangement::{Arrangement, Place};
use super::{Goal, Task};
use crate::sim::{Primitive, Target, WorldState};

/// Longer lists are not looked for.
const MOST_PRIMITIVES: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubGoal {
    pub primitive: Primitive,
    /// "place the red block on the yellow pad"
    pub text: String,
    /// "red block", "yellow pad"
    pub objects: Vec<String>,
}

impl SubGoal {
    pub fn new(primitive: Primitive, state: &WorldState) -> Self {
        Self {
            primitive,
            text: primitive.text(state),
            objects: primitive.objects(state),
        }
    }
}

/// An answer to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where each block is, then what must happen first; empty where no reason is asked for.
    pub reasoning: String,
    pub sub_goals: Vec<SubGoal>,
}

impl Plan {
    /// The answer as a model writes it, and the byte range of each sub-goal's text in it.
    pub fn answer(&self) -> (String, Vec<Range<usize>>) {
        let mut text = self.reasoning.clone();
        let mut spans = vec![];
        for (i, sub_goal) in self.sub_goals.iter().enumerate() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("{}. [", i + 1));
            let start = text.len();
            text.push_str(&sub_goal.text);
            spans.push(start..text.len());
            text.push_str(&format!("] | [{}]", sub_goal.objects.join(", ")));
        }
        (text, spans)
    }
}

/// The shortest list that makes every goal hold from this state, with its reason; empty where they hold already, none
/// where no list of a dozen primitives does. Of equally short lists it is the one that works through the goals in order.
pub fn decompose(task: &Task, state: &WorldState) -> Option<Plan> {
    let start = Arrangement::of(state);
    let primitives = shortest(&task.goals, &start)?;
    Some(Plan {
        reasoning: reasoning(&primitives, &start, state),
        sub_goals: primitives
            .iter()
            .map(|&primitive| SubGoal::new(primitive, state))
            .collect(),
    })
}

/// Whether the primitive can be carried out from this state without anything else first; a pad must be free for it.
pub fn feasible(primitive: Primitive, state: &WorldState) -> bool {
    Arrangement::of(state).allows(primitive)
}

/// Breadth first over arrangements, neighbours in the order of the goals: the first list found is the shortest, and
/// the first of those in that order.
pub(super) fn shortest(goals: &[Goal], start: &Arrangement) -> Option<Vec<Primitive>> {
    let order = order_of_work(goals, start.places.len());
    let mut came_from: HashMap<Arrangement, (Arrangement, Primitive)> = HashMap::new();
    let mut queue = VecDeque::from([(start.clone(), 0)]);
    while let Some((here, length)) = queue.pop_front() {
        if goals_hold(goals, &here) {
            let mut list = vec![];
            let mut at = &here;
            while at != start {
                let (before, primitive) = &came_from[at];
                list.push(*primitive);
                at = before;
            }
            list.reverse();
            return Some(list);
        }
        if length == MOST_PRIMITIVES {
            continue;
        }
        for primitive in choices(goals, &order, &here) {
            let next = here.after(primitive);
            if next != *start && !came_from.contains_key(&next) {
                came_from.insert(next.clone(), (here.clone(), primitive));
                queue.push_back((next, length + 1));
            }
        }
    }
    None
}

/// Whether every goal holds, and the gripper is empty unless a goal fills it.
pub(super) fn goals_hold(goals: &[Goal], arrangement: &Arrangement) -> bool {
    let holds = |goal: &Goal| match *goal {
        Goal::On { block, target } => arrangement.places[block] == target.into(),
        Goal::Held { block } => arrangement.held() == Some(block),
        Goal::Bare { block } => arrangement.is_clear(block),
        Goal::Empty { pad } => arrangement.on(Place::Pad(pad)).is_none(),
    };
    let hand = arrangement.held().is_none() || goals.iter().any(|goal| matches!(goal, Goal::Held { .. }));
    hand && goals.iter().all(holds)
}

/// Blocks in the order in which goals want them moved, then the rest.
fn order_of_work(goals: &[Goal], blocks: usize) -> Vec<usize> {
    let mut order: Vec<usize> = goals
        .iter()
        .filter_map(|goal| match *goal {
            Goal::On { block, .. } | Goal::Held { block } => Some(block),
            Goal::Bare { .. } | Goal::Empty { .. } => None,
        })
        .collect();
    let rest: Vec<usize> = (0..blocks).filter(|block| !order.contains(block)).collect();
    order.extend(rest);
    order
}

/// What can be done here that may serve: a held block goes to where a goal wants it or to the table.
fn choices(goals: &[Goal], order: &[usize], here: &Arrangement) -> Vec<Primitive> {
    let all: Vec<Primitive> = match here.held() {
        None => order.iter().map(|&block| Primitive::Pick { block }).collect(),
        Some(held) => goals
            .iter()
            .filter_map(|goal| match *goal {
                Goal::On { block, target } if block == held => Some(target),
                _ => None,
            })
            .chain([Target::Table])
            .map(|target| Primitive::Place { block: held, target })
            .collect(),
    };
    all.into_iter().filter(|&primitive| here.allows(primitive)).collect()
}

/// "Red on table, green on red, blue held. First put down blue, then move green."
fn reasoning(primitives: &[Primitive], start: &Arrangement, state: &WorldState) -> String {
    let short = |block: usize| short_name(&state.blocks[block].name, state);
    let facts: Vec<String> = (0..state.blocks.len())
        .map(|block| match start.places[block] {
            Place::Gripper => format!("{} held", short(block)),
            Place::Table => format!("{} on table", short(block)),
            Place::Pad(pad) => format!("{} on {}", short(block), state.pads[pad].name),
            Place::Block(lower) => format!("{} on {}", short(block), short(lower)),
        })
        .collect();
    let mut text = sentence(&facts.join(", "));
    let aside: Vec<String> = primitives
        .iter()
        .enumerate()
        .filter_map(|(i, primitive)| match *primitive {
            Primitive::Place {
                block,
                target: Target::Table,
            } if i == 0 => Some(format!("put down {}", short(block))),
            Primitive::Place {
                block,
                target: Target::Table,
            } => Some(format!("move {}", short(block))),
            _ => None,
        })
        .collect();
    if !aside.is_empty() {
        text.push(' ');
        text.push_str(&sentence(&format!("first {}", aside.join(", then "))));
    }
    text
}

/// "red" for "red block", as long as no other object is called so too.
pub(super) fn short_name<'a>(name: &'a str, state: &WorldState) -> &'a str {
    let Some((short, _)) = name.rsplit_once(' ') else {
        return name;
    };
    let others = state
        .blocks
        .iter()
        .map(|block| &block.name)
        .chain(state.pads.iter().map(|pad| &pad.name));
    if others
        .filter(|other| other.rsplit_once(' ').is_some_and(|(first, _)| first == short))
        .count()
        == 1
    {
        short
    } else {
        name
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    format!("{}{}.", first.to_uppercase(), chars.as_str())
}

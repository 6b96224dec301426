//! The teacher: from a task and the true state to the shortest list of sub-goals that solves it, with a reason in few
//! words. It writes the training data and the measure of success; nothing that plans ever asks it.

use std::ops::Range;

use super::arrangement::{Arrangement, Place};
use super::search::shortest;
use super::{Goal, Task};
use crate::sim::{Primitive, Target, WorldState};

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
        reasoning: reasoning(&primitives, None, state),
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

/// A plan's reason that also says what the task comes to, between what is and what must happen first: what is there and what
/// is wanted are then enough to go on from, however the task was said.
pub fn restated(plan: &Plan, goals: &[Goal], state: &WorldState) -> String {
    let primitives: Vec<Primitive> = plan.sub_goals.iter().map(|sub_goal| sub_goal.primitive).collect();
    reasoning(&primitives, Some(goals), state)
}

/// "Red on table, green on red, blue held. Wanted: red block on yellow pad. First put down blue, then move green."
fn reasoning(primitives: &[Primitive], wanted: Option<&[Goal]>, state: &WorldState) -> String {
    let start = Arrangement::of(state);
    let short = |block: usize| short_name(&state.blocks[block].name, state).to_owned();
    let facts: Vec<String> = (0..state.blocks.len())
        .map(|block| lies(block, start.places[block], &short, state))
        .collect();
    let mut text = sentence(&facts.join(", "));
    if let Some(goals) = wanted {
        let goals: Vec<String> = goals.iter().map(|goal| wanted_said(*goal, state)).collect();
        text.push_str(&format!(" Wanted: {}.", goals.join(", ")));
    }
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

/// "red block on yellow pad", "green block held", "nothing in blue bin": by whole names, as the list will have them.
fn wanted_said(goal: Goal, state: &WorldState) -> String {
    let block_name = |block: usize| state.blocks[block].name.clone();
    match goal {
        Goal::On { block, target } => lies(block, target.into(), &block_name, state),
        Goal::Held { block } => lies(block, Place::Gripper, &block_name, state),
        Goal::Bare { block } => format!("nothing on {}", block_name(block)),
        Goal::Empty { pad } => format!("nothing on {}", state.pads[pad].name),
        Goal::EmptyBin { bin } => format!("nothing in {}", state.bins[bin].name),
    }
}

/// "red on table", "red held", in the words that blocks are `called` by.
fn lies(block: usize, place: Place, called: &dyn Fn(usize) -> String, state: &WorldState) -> String {
    let name = called(block);
    match place {
        Place::Gripper => format!("{name} held"),
        Place::Table => format!("{name} on table"),
        Place::Pad(pad) => format!("{name} on {}", state.pads[pad].name),
        Place::Block(lower) => format!("{name} on {}", called(lower)),
        Place::Bin(bin) => format!("{name} in {}", state.bins[bin].name),
    }
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
        .chain(state.pads.iter().map(|pad| &pad.name))
        .chain(state.bins.iter().map(|bin| &bin.name));
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

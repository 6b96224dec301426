//! Draws pairs of a world and a task: a function of (seed, index) alone, feasible, not solved yet, and such that in
//! about half of them the frame decides the list.

use std::ops::RangeInclusive;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::arrangement::{Arrangement, Place};
use super::check::expert_solves;
use super::compose::compose;
use super::layout::{Mix, lay_out, legible, nearly_legible};
use super::phrase::{fill, politely, spell};
use super::search::{goals_hold, shortest};
use super::strategist::{Plan, decompose};
use super::template::{Binding, Kind, Object, TaskBook, Template};
use super::{Goal, Phrasing, Task};
use crate::random::{Stream, rng};
use crate::sim::{Looks, Primitive, Scene, SceneError, Target, Variety, World, WorldState};

/// Draws for one index before a wish is given up: first the wish about the frame, then the template.
const PATIENCE: u64 = 200;
/// The same for a template whose lists are of one length: starts that are right for it are rare.
const LONG_PATIENCE: u64 = 6000;
/// So many blocks have room in one bin.
const BIN_ROOM: usize = 4;

/// Lists of a bare task are this short.
const SHORT: usize = 2;
/// Longer lists than this are drawn less often.
const LONG: usize = 3;
/// Share of the long ones that is thrown away where there are others.
const THINNED: f64 = 0.6;

/// Size of frames of a world that nobody looks at.
const NO_PICTURES_PX: usize = 1;

/// A world and a task in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub state: WorldState,
    pub task: Task,
    /// The teacher's answer.
    pub plan: Plan,
    /// The text alone does not give this list: with everything on the bare table and an empty gripper it would be
    /// another, or the text would be about nothing.
    pub depends_on_frame: bool,
}

/// Draws tasks for one set of blocks and pads.
#[derive(Clone, Debug)]
pub struct TaskSampler {
    pub book: TaskBook,
    /// Names, colours and sizes of what is on the table; where it stands is drawn.
    pub furniture: WorldState,
    /// What colours, shapes and sizes are drawn from; by default all stay as they are.
    pub variety: Variety,
    pub looks: Looks,
    pub mix: Mix,
    /// Lists of other lengths are not drawn.
    pub primitives: RangeInclusive<usize>,
    /// Templates to draw from; empty for all.
    pub only: Vec<String>,
    /// Share of the seen phrasings that is made from a task's goals instead of taken from the book, where they can be.
    pub composed: f64,
}

impl TaskSampler {
    /// All templates, lists of up to four primitives or of as many as templates say.
    pub fn new(book: TaskBook, furniture: WorldState) -> Self {
        Self {
            primitives: 1..=book.longest(),
            book,
            furniture,
            variety: Variety::default(),
            looks: Looks::Seen,
            mix: Mix::default(),
            only: vec![],
            composed: 0.,
        }
    }

    /// The same on the table of a scene, with all that its blocks may look like.
    ///
    /// # Errors
    /// The scene has no room for what is on it.
    pub fn on(book: TaskBook, scene: &Scene, seed: u64) -> Result<Self, SceneError> {
        Ok(Self {
            variety: scene.variety(),
            ..Self::new(book, scene.start(seed)?)
        })
    }

    /// Blocks, pads and bins of one draw; where they stand means nothing.
    pub fn dressed(&self, rng: &mut impl Rng) -> WorldState {
        self.variety.dress(&self.furniture, self.looks, rng)
    }

    /// The pair of that index; none where no template can be drawn with this furniture.
    pub fn sample(&self, seed: u64, index: u64, phrasing: Phrasing) -> Option<Sample> {
        let mut first = rng(seed, Stream::Tasks, index, 0);
        let wants_frame = first.random_bool(0.5);
        self.search(seed, index, first, |template, failed, rng| {
            let wish = (failed < PATIENCE / 2 && template.sub_goals.is_none()).then_some(wants_frame);
            let state = lay_out(&self.dressed(rng), template.start.as_ref().unwrap_or(&self.mix), rng);
            self.pose(template, state, phrasing, wish, rng)
        })
    }

    /// A task in a world as it is; none where no template fits it.
    pub fn sample_in(&self, state: &WorldState, seed: u64, index: u64, phrasing: Phrasing) -> Option<Sample> {
        let first = rng(seed, Stream::Tasks, index, 0);
        self.search(seed, index, first, |template, _, rng| {
            self.pose(template, state.clone(), phrasing, None, rng)
        })
    }

    /// Templates in an order that `first` draws, each until its patience ends; `attempt` gets a template, how many draws of it
    /// came to nothing, and what to draw with.
    fn search(
        &self,
        seed: u64,
        index: u64,
        mut first: ChaCha8Rng,
        attempt: impl Fn(&Template, u64, &mut ChaCha8Rng) -> Option<Sample>,
    ) -> Option<Sample> {
        let asked = |template: &&Template| self.only.is_empty() || self.only.contains(&template.name);
        let mut templates: Vec<&Template> = self.book.templates.iter().filter(asked).collect();
        for round in 0.. {
            let template = draw(&mut templates, &mut first)?;
            let patience = if template.sub_goals.is_some() {
                LONG_PATIENCE
            } else {
                PATIENCE
            };
            for failed in 0..patience {
                let mut rng = rng(seed, Stream::Tasks, index, 1 + round * PATIENCE + failed);
                if let Some(sample) = attempt(template, failed, &mut rng) {
                    return Some(sample);
                }
            }
        }
        None
    }

    /// A task of that template in that world, if the draw comes to one.
    fn pose(
        &self,
        template: &Template,
        state: WorldState,
        phrasing: Phrasing,
        wish: Option<bool>,
        rng: &mut impl Rng,
    ) -> Option<Sample> {
        let slots = draw_slots(template, &state, rng)?;
        if !nearly_legible(&state) {
            return None;
        }
        let binding = template.find(slots.clone(), &state)?;
        let goals = template.goals(&binding, &state)?;
        let start = Arrangement::of(&state);
        // What the goals are about must still be to do, else the task is odd even where something is held.
        if goals.iter().all(|goal| goal.holds(&state)) || goals_hold(&goals, &start) {
            return None;
        }
        if let Some(length) = template.sub_goals
            && (overfills(&goals, &start) || stacks_in_bin(&goals, &start) || shortest(&goals, &start)?.len() != length)
        {
            return None;
        }
        let depends_on_frame =
            template.looks() || template.compares() || shortest(&goals, &start)? != plain_list(&goals, &state)?;
        let patterns = match phrasing {
            Phrasing::Seen => &template.seen,
            Phrasing::HeldOut => &template.held_out,
        };
        let composed = if phrasing == Phrasing::Seen && self.composed > 0. && rng.random_bool(self.composed) {
            compose(template, rng)
        } else {
            None
        };
        let pattern = match composed {
            Some(pattern) => pattern,
            None => spell(patterns.get(rng.random_range(0..patterns.len().max(1)))?, rng),
        };
        let text = fill(&pattern, &slots, &state, rng);
        let task = Task {
            template: template.name.clone(),
            text: match phrasing {
                Phrasing::Seen => politely(text, rng),
                Phrasing::HeldOut => text,
            },
            phrasing,
            goals,
        };
        let plan = decompose(&task, &state)?;
        let steps = plan.sub_goals.len();
        if let Some(wish) = wish {
            // Where the text names nothing the frame always decides: then the wish is for a short list or a long one.
            let comes_true = if template.looks() {
                wish == (steps > SHORT)
            } else {
                wish == depends_on_frame
            };
            if !comes_true || (steps > LONG && rng.random_bool(THINNED)) {
                return None;
            }
        }
        if !self.primitives.contains(&steps) {
            return None;
        }
        if !legible(&state) {
            let primitives: Vec<Primitive> = plan.sub_goals.iter().map(|sub_goal| sub_goal.primitive).collect();
            if !expert_solves(&World::from_state(&state, NO_PICTURES_PX), &task, &primitives) {
                return None;
            }
        }
        Some(Sample {
            state,
            task,
            plan,
            depends_on_frame,
        })
    }
}

/// Takes a template out of the list, by weight.
fn draw<'a>(templates: &mut Vec<&'a Template>, rng: &mut impl Rng) -> Option<&'a Template> {
    let total: f64 = templates.iter().map(|template| template.weight).sum();
    let mut left = rng.random::<f64>() * total;
    let place = templates.iter().position(|template| {
        left -= template.weight;
        left < 0.
    });
    // Rounding may leave a crumb of the last weight.
    let place = place.or(templates.len().checked_sub(1))?;
    Some(templates.remove(place))
}

/// A different object for each slot.
fn draw_slots(template: &Template, state: &WorldState, rng: &mut impl Rng) -> Option<Binding> {
    let mut blocks: Vec<usize> = (0..state.blocks.len()).collect();
    let mut pads: Vec<usize> = (0..state.pads.len()).collect();
    blocks.shuffle(rng);
    pads.shuffle(rng);
    let mut bins: Vec<Object> = vec![];
    template
        .slots
        .iter()
        .map(|(slot, kind)| {
            let object = match kind {
                Kind::Block => Object::Block(blocks.pop()?),
                Kind::Pad => Object::Pad(pads.pop()?),
                Kind::Cuboid | Kind::Cylinder => {
                    let of_kind = kind.objects(state);
                    let last = blocks
                        .iter()
                        .rposition(|&block| of_kind.contains(&Object::Block(block)))?;
                    Object::Block(blocks.remove(last))
                }
                Kind::Bin => {
                    let mut free = kind.objects(state);
                    free.retain(|bin| !bins.contains(bin));
                    let bin = *free.choose(rng)?;
                    bins.push(bin);
                    bin
                }
            };
            Some((slot.clone(), object))
        })
        .collect()
}

/// Whether a bin would hold more on the way than it has room for: what is in it now and what is to come.
fn overfills(goals: &[Goal], start: &Arrangement) -> bool {
    let bins: Vec<Target> = goals
        .iter()
        .filter_map(|goal| match *goal {
            Goal::On {
                target: target @ Target::Bin(_),
                ..
            } => Some(target),
            _ => None,
        })
        .collect();
    bins.iter().any(|&bin| {
        let wanted = |block| goals.contains(&Goal::On { block, target: bin });
        let all = (0..start.places.len()).filter(|&block| start.is_at(block, bin) || wanted(block));
        all.count() > BIN_ROOM
    })
}

/// Whether something is to stand on what lies in a bin and stays there: wider than that, it would lean on what lies beside.
fn stacks_in_bin(goals: &[Goal], start: &Arrangement) -> bool {
    let stays = |lower: usize| {
        !goals
            .iter()
            .any(|goal| matches!(goal, Goal::On { block, .. } if *block == lower))
    };
    goals.iter().any(|goal| match *goal {
        Goal::On {
            target: Target::Block(lower),
            ..
        } => stays(lower) && matches!(start.places[lower], Place::Bin(_)),
        _ => false,
    })
}

/// The list that the text alone suggests: everything on the bare table, nothing held.
fn plain_list(goals: &[Goal], state: &WorldState) -> Option<Vec<Primitive>> {
    shortest(goals, &Arrangement::plain(state.blocks.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;
    use crate::sim::tasks::restated;

    fn sampler() -> TaskSampler {
        TaskSampler::new(TaskBook::built_in().unwrap(), three_blocks())
    }

    #[test]
    fn a_list_solves_its_task_one_possible_primitive_after_the_other() {
        let sampler = sampler();
        for index in 0..1500 {
            let sample = sampler.sample(3, index, Phrasing::Seen).unwrap();
            assert!(!sample.task.solved(&sample.state) && nearly_legible(&sample.state));
            assert!((1..=4).contains(&sample.plan.sub_goals.len()));
            let mut arrangement = Arrangement::of(&sample.state);
            for sub_goal in &sample.plan.sub_goals {
                assert!(arrangement.allows(sub_goal.primitive), "{sample:?}");
                arrangement = arrangement.after(sub_goal.primitive);
            }
            assert!(goals_hold(&sample.task.goals, &arrangement), "{sample:?}");
        }
    }

    #[test]
    fn draws_are_repeatable_and_the_frame_decides_about_half_of_them() {
        let sampler = sampler();
        let draw = |seed, index| sampler.sample(seed, index, Phrasing::Seen).unwrap();
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(2, 5));
        let samples: Vec<Sample> = (0..2000).map(|index| draw(9, index)).collect();
        let share = |of: &dyn Fn(&Sample) -> bool| samples.iter().filter(|sample| of(sample)).count() as f64 / 2000.;
        let depends = share(&|sample| sample.depends_on_frame);
        assert!((0.5..0.8).contains(&depends), "{depends}");
        let middle = share(&|sample| (2..=3).contains(&sample.plan.sub_goals.len()));
        assert!(middle > 0.6, "{middle}");
        for template in &sampler.book.templates {
            assert!(
                samples.iter().any(|sample| sample.task.template == template.name),
                "{}",
                template.name
            );
        }
    }

    #[test]
    fn what_was_written_is_recognised() {
        let sampler = sampler();
        for phrasing in [Phrasing::Seen, Phrasing::HeldOut] {
            for index in 0..400 {
                let sample = sampler.sample(4, index, phrasing).unwrap();
                let typed = format!(" {}. ", sample.task.text.to_uppercase());
                let read = sampler.book.recognise(&typed, &sample.state).expect(&sample.task.text);
                // Two templates may share a text where they share its meaning.
                assert_eq!(read.goals, sample.task.goals, "{}", sample.task.text);
            }
        }
        assert!(sampler.book.recognise("make tea", &sampler.furniture).is_none());
    }

    #[test]
    fn obstacles_are_moved_first() {
        let mut state = three_blocks();
        let [x, y, _] = state.blocks[0].position_m;
        state.blocks[1].position_m = [x, y, 0.24 + 0.105];
        state.held = Some(2);
        state.blocks[2].position_m = [0., 0.5, 0.8];
        let task = sampler()
            .book
            .recognise("put the red block on the purple pad", &state)
            .unwrap();
        let plan = decompose(&task, &state).unwrap();
        let (answer, spans) = plan.answer();
        assert_eq!(
            answer,
            "Red on yellow pad, green on red, blue held. First put down blue, then move green.\n\
             1. [place the blue block on the table] | [blue block]\n\
             2. [pick up the green block] | [green block]\n\
             3. [place the green block on the table] | [green block]\n\
             4. [pick up the red block] | [red block]\n\
             5. [place the red block on the purple pad] | [red block, purple pad]"
        );
        assert_eq!(&answer[spans[1].clone()], "pick up the green block");
        assert_eq!(
            restated(&plan, &task.goals, &state),
            "Red on yellow pad, green on red, blue held. Wanted: red block on purple pad. \
             First put down blue, then move green."
        );
        // The held block goes straight to where it is wanted.
        let task = sampler().book.recognise("blue on green?", &state);
        assert!(task.is_none());
        let task = sampler().book.recognise("stack blue on green", &state).unwrap();
        assert_eq!(decompose(&task, &state).unwrap().sub_goals.len(), 1);
        assert_eq!(Arrangement::of(&state).places[1], Place::Block(0));
    }
}

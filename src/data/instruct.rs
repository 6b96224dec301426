//! Examples for instruction tuning: a frame, a task, the answer, and where the named objects are in the frame.
//!
//! Frames come from the world alone; the truth that answers and maps are made from never reaches a model's input.
//! Every example is a function of (seed, index), so batches can be made on any number of threads and again on resume.

use std::ops::Range;

use rand::{Rng, RngExt, seq::IndexedRandom};

use crate::random::{Stream, rng};
use crate::sim::tasks::{
    Phrasing, Plan, Sample, SubGoal, Task, TaskSampler, Template, decompose, expert_solves, feasible, lay_out, legible,
    nearly_legible, restated,
};
use crate::sim::{
    Camera, Environment, Frame, Primitive, Shape, Support, Target, World, WorldState, destination, in_bin, is_clear,
    on_pad, support,
};
use crate::vlm::History;

/// Standard deviation of a blob of the target map, as a share of the frame's height.
const BLOB: f32 = 6. / 64.;
/// Draws for one index before another start is taken.
const PATIENCE: u64 = 40;
/// A failed grasp leaves the gripper this far from its block at most, per axis.
const MISS_M: f32 = 0.35;
/// A sub-goal that is reached is reached this far off the middle at most, per axis.
const ROUGH_M: f32 = 0.06;
/// What is dropped or moved by hand lands within this of the table's middle, per axis.
const DROP_AREA_M: f32 = 0.8;

/// A half width in the middle of those that blocks have, and how far apart two have to be to look it.
const SIZE_M: f32 = 0.10;
const SIZE_UNIT_M: f32 = 0.02;

/// What an example teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lesson {
    /// A task from the start: reasoning, then the list.
    Task,
    /// A task half done or disturbed, with its history: the rest of the list.
    Again,
    /// A sub-goal's own text as the task: its line alone, so that its words find their objects.
    Grounding,
}

/// A sub-goal's text in an answer, and where its objects are.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Bytes of the answer, without the brackets.
    pub text: Range<usize>,
    /// `[grid * grid]`, row-major from the top left, sum 1: a blob on each named object.
    pub map: Vec<f32>,
}

/// Where things are, as labels to warm up a vision tower with.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// For each block in the state's order: 0 in the gripper, 1 on the bare table, then a class for each pad, then one
    /// for each block that it may lie on, then one for each bin. See [`fact_classes`].
    pub places: Vec<usize>,
    /// Centres of the blocks, then of the pads, then of the bins, in patches from the top left: x, y in `0..grid`.
    pub centres: Vec<[f32; 2]>,
    /// Half widths of the blocks, as multiples of [`SIZE_UNIT_M`] above [`SIZE_M`].
    pub sizes: Vec<f32>,
    /// Which blocks are cylinders.
    pub cylinders: Vec<bool>,
    /// Red, green and blue of the blocks, 0 to 1.
    pub colours: Vec<[f32; 3]>,
}

/// Number of classes of [`Facts::places`].
pub fn fact_classes(furniture: &WorldState) -> usize {
    2 + furniture.pads.len() + furniture.blocks.len() + furniture.bins.len()
}

#[derive(Clone, Debug, PartialEq)]
pub struct InstructExample {
    pub lesson: Lesson,
    /// `[3, frame_px, frame_px]`, as a model sees it.
    pub frame: Frame,
    pub task: String,
    /// None for a first query.
    pub history: Option<History>,
    pub answer: String,
    pub spans: Vec<Span>,
    pub facts: Facts,
    /// The text alone does not give this list.
    pub depends_on_frame: bool,
    /// The true state of the frame and the task's goals, for measurements; none for [`Lesson::Grounding`].
    pub truth: Option<(WorldState, Task)>,
}

/// Makes examples.
#[derive(Clone, Debug)]
pub struct Instructions {
    pub sampler: TaskSampler,
    /// Height and width of the frames.
    pub frame_px: usize,
    /// Patches along one side of the VLM's grid.
    pub grid: usize,
    /// Share of [`Lesson::Again`].
    pub requery_share: f64,
    /// Share of [`Lesson::Grounding`].
    pub grounding_share: f64,
    /// Answers say what the task comes to before they list what to do.
    pub restated: bool,
}

impl Instructions {
    /// A quarter of the examples for grounding.
    pub fn new(sampler: TaskSampler, frame_px: usize, grid: usize, requery_share: f64) -> Self {
        Self {
            sampler,
            frame_px,
            grid,
            requery_share,
            grounding_share: 0.25,
            restated: false,
        }
    }

    /// The example of that index; none where no task can be drawn with the sampler's blocks and pads.
    pub fn example(&self, seed: u64, index: u64, phrasing: Phrasing) -> Option<InstructExample> {
        let mut rng = rng(seed, Stream::Tasks, index, u64::MAX);
        let kind: f64 = rng.random();
        if kind < self.grounding_share {
            return self.grounding(&mut rng);
        }
        let sample = self.sampler.sample(seed, index, phrasing)?;
        if kind < self.grounding_share + self.requery_share {
            for _ in 0..PATIENCE {
                if let Some(example) = self.again(&sample, &mut rng) {
                    return Some(example);
                }
            }
        }
        Some(self.from_start(sample))
    }

    /// A frame and its facts, without any text.
    pub fn facts(&self, seed: u64, index: u64) -> (Frame, Facts) {
        let mut rng = rng(seed, Stream::Tasks, index, u64::MAX - 1);
        let mut world = World::from_state(
            &lay_out(&self.sampler.dressed(&mut rng), &self.sampler.mix, &mut rng),
            self.frame_px,
        );
        // Some after a fall, and off the grid of neat starts.
        if rng.random_bool(0.25) {
            let block = rng.random_range(0..self.sampler.furniture.blocks.len());
            world.put_block(block, somewhere(&mut rng));
        }
        (world.observe().frame, self.facts_of(world.state()))
    }

    /// A task from the start, with the teacher's answer.
    pub fn from_start(&self, sample: Sample) -> InstructExample {
        let world = World::from_state(&sample.state, self.frame_px);
        self.write(
            Lesson::Task,
            &world,
            sample.task,
            None,
            sample.plan,
            sample.depends_on_frame,
        )
    }

    /// Some sub-goals done by the expert, then one failed, a block moved by hand, or both; and sometimes all that again.
    fn again(&self, sample: &Sample, rng: &mut impl Rng) -> Option<InstructExample> {
        let task = &sample.task;
        let looks = self.sampler.book.template(&task.template).is_some_and(Template::looks);
        let mut world = World::from_state(&sample.state, self.frame_px);
        let mut history = History::default();
        let mut plan = sample.plan.clone();
        for _ in 0..if rng.random_bool(0.2) { 2 } else { 1 } {
            let done = rng.random_range(0..plan.sub_goals.len());
            for sub_goal in &plan.sub_goals[..done] {
                if !do_roughly(&mut world, sub_goal.primitive, rng) {
                    return None;
                }
                history.reached.push(sub_goal.text.clone());
            }
            if rng.random_bool(0.85) || done == 0 || looks {
                let failed = &plan.sub_goals[done];
                history.failed.push(failed.text.clone());
                fail(&mut world, failed.primitive, rng);
            }
            // What a text leaves to be found cannot be found once it is elsewhere, and the history may not name it.
            if !looks && rng.random_bool(0.3) {
                let state = world.state();
                let loose: Vec<usize> = (0..state.blocks.len())
                    .filter(|&block| state.held != Some(block) && is_clear(state, block))
                    .collect();
                world.put_block(*loose.choose(rng)?, somewhere(rng));
            }
            if !nearly_legible(world.state()) || task.solved(world.state()) {
                return None;
            }
            plan = decompose(task, world.state())?;
            if !self.sampler.primitives.contains(&plan.sub_goals.len()) {
                return None;
            }
        }
        let primitives: Vec<Primitive> = plan.sub_goals.iter().map(|sub_goal| sub_goal.primitive).collect();
        if !legible(world.state()) && !expert_solves(&world, task, &primitives) {
            return None;
        }
        Some(self.write(Lesson::Again, &world, task.clone(), Some(history), plan, true))
    }

    /// One sub-goal that can be carried out in the frame.
    fn grounding(&self, rng: &mut impl Rng) -> Option<InstructExample> {
        let mut mix = self.sampler.mix.clone();
        mix.held = 0.55;
        for _ in 0..PATIENCE {
            let state = lay_out(&self.sampler.dressed(rng), &mix, rng);
            let possible: Vec<Primitive> = every_primitive(&state, rng.random_bool(0.1))
                .into_iter()
                .filter(|primitive| feasible(*primitive, &state) && !primitive.holds(&state))
                .collect();
            let Some(&primitive) = possible.choose(rng) else {
                continue;
            };
            let world = World::from_state(&state, self.frame_px);
            let sub_goal = SubGoal::new(primitive, &state);
            let text = sub_goal.text.clone();
            let plan = Plan {
                reasoning: String::new(),
                sub_goals: vec![sub_goal],
            };
            return Some(self.pack(Lesson::Grounding, &world, text, None, &plan, false, None));
        }
        None
    }

    fn write(
        &self,
        lesson: Lesson,
        world: &World,
        task: Task,
        history: Option<History>,
        mut plan: Plan,
        depends_on_frame: bool,
    ) -> InstructExample {
        // A task that is itself a sub-goal which can be done at once needs no reason: the same text has the same
        // answer as in a grounding example.
        if history.is_none() && matches!(plan.sub_goals.as_slice(), [only] if only.text == task.text) {
            plan.reasoning.clear();
        } else if self.restated {
            plan.reasoning = restated(&plan, &task.goals, world.state());
        }
        let truth = Some((world.state().clone(), task.clone()));
        self.pack(lesson, world, task.text, history, &plan, depends_on_frame, truth)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one example, put together in one place"
    )]
    fn pack(
        &self,
        lesson: Lesson,
        world: &World,
        task: String,
        history: Option<History>,
        plan: &Plan,
        depends_on_frame: bool,
        truth: Option<(WorldState, Task)>,
    ) -> InstructExample {
        let (answer, texts) = plan.answer();
        let spans = texts.into_iter().zip(&plan.sub_goals);
        InstructExample {
            lesson,
            frame: world.observe().frame,
            task,
            history,
            answer,
            spans: spans
                .map(|(text, sub_goal)| Span {
                    text,
                    map: target_map(&sub_goal.objects, world.state(), self.frame_px, self.grid),
                })
                .collect(),
            facts: self.facts_of(world.state()),
            depends_on_frame,
            truth,
        }
    }

    fn facts_of(&self, state: &WorldState) -> Facts {
        let pads = state.pads.len();
        let place = |block| match support(state, block) {
            Support::Gripper => 0,
            Support::Table => match (on_pad(state, block), in_bin(state, block)) {
                (Some(pad), _) => 2 + pad,
                (None, Some(bin)) => 2 + pads + state.blocks.len() + bin,
                (None, None) => 1,
            },
            Support::Block(lower) => 2 + pads + lower,
        };
        let scale = self.grid as f32 / self.frame_px as f32;
        let blocks = state.blocks.iter().map(|block| block.position_m);
        let points = blocks
            .chain(state.pads.iter().map(|pad| [pad.position_m[0], pad.position_m[1], 0.]))
            .chain(state.bins.iter().map(|bin| [bin.position_m[0], bin.position_m[1], 0.]));
        Facts {
            places: (0..state.blocks.len()).map(place).collect(),
            centres: points
                .map(|point| Camera::project(point, self.frame_px).map(|px| px * scale))
                .collect(),
            sizes: (state.blocks.iter())
                .map(|block| (block.half_m - SIZE_M) / SIZE_UNIT_M)
                .collect(),
            cylinders: (state.blocks.iter())
                .map(|block| block.shape == Shape::Cylinder)
                .collect(),
            colours: state.blocks.iter().map(|block| block.colour).collect(),
        }
    }
}

/// `[grid * grid]`, row-major from the top left, sum 1: the mean of a blob on each named object that the state has;
/// uniform where it has none of them.
pub fn target_map(objects: &[String], state: &WorldState, frame_px: usize, grid: usize) -> Vec<f32> {
    let mut map = vec![0.; grid * grid];
    for name in objects {
        let centre = match (state.block(name), state.pad(name), state.bin(name)) {
            (Some(block), _, _) => state.blocks[block].position_m,
            (None, Some(pad), _) => [state.pads[pad].position_m[0], state.pads[pad].position_m[1], 0.],
            (None, None, Some(bin)) => [state.bins[bin].position_m[0], state.bins[bin].position_m[1], 0.],
            (None, None, None) => continue,
        };
        let [u, v] = Camera::project(centre, frame_px);
        let patch_px = frame_px as f32 / grid as f32;
        let sigma_px = BLOB * frame_px as f32;
        let mut blob: Vec<f32> = (0..grid * grid)
            .map(|patch| {
                let x = (patch % grid) as f32 * patch_px + patch_px / 2. - u;
                let y = (patch / grid) as f32 * patch_px + patch_px / 2. - v;
                (-(x * x + y * y) / (2. * sigma_px * sigma_px)).exp()
            })
            .collect();
        let sum: f32 = blob.iter().sum();
        blob.iter_mut().for_each(|value| *value /= sum);
        map.iter_mut().zip(blob).for_each(|(sum, value)| *sum += value);
    }
    let sum: f32 = map.iter().sum();
    if sum > 0. {
        map.iter_mut().for_each(|value| *value /= sum);
    } else {
        map.fill(1. / (grid * grid) as f32);
    }
    map
}

/// Carries the primitive out as far off the middle as a planner does; whether it holds then.
fn do_roughly(world: &mut World, primitive: Primitive, rng: &mut impl Rng) -> bool {
    if !primitive.possible(world.state()) {
        return false;
    }
    let place = destination(world.state(), &primitive);
    world.put_gripper(place.map(|coordinate| coordinate + rng.random_range(-ROUGH_M..ROUGH_M)));
    world.step([
        0.,
        0.,
        if matches!(primitive, Primitive::Pick { .. }) {
            1.
        } else {
            -1.
        },
    ]);
    primitive.holds(world.state()) && world.at_rest()
}

/// Makes the sub-goal fail in the way it fails in practice: a grasp beside the block, a block that is let go elsewhere,
/// or nothing but time that passed.
fn fail(world: &mut World, primitive: Primitive, rng: &mut impl Rng) {
    let miss = |[x, y]: [f32; 2], rng: &mut dyn Rng| {
        [
            x + rng.random_range(-MISS_M..MISS_M),
            y + rng.random_range(-MISS_M..MISS_M),
        ]
    };
    match primitive {
        Primitive::Place { block, .. } if rng.random_bool(0.6) => {
            let place = somewhere(rng);
            world.put_block(block, place);
            world.put_gripper(place);
            world.step([0., 0., -1.]);
        }
        Primitive::Pick { block } | Primitive::Reach { block } => {
            let [x, y, _] = world.state().blocks[block].position_m;
            world.put_gripper(miss([x, y], rng));
        }
        Primitive::Place { .. } => world.put_gripper(somewhere(rng)),
    }
}

fn somewhere(rng: &mut impl Rng) -> [f32; 2] {
    std::array::from_fn(|_| rng.random_range(-DROP_AREA_M..DROP_AREA_M))
}

pub(super) fn every_primitive(state: &WorldState, reach: bool) -> Vec<Primitive> {
    let blocks = 0..state.blocks.len();
    let targets: Vec<Target> = (0..state.pads.len())
        .map(Target::Pad)
        .chain((0..state.bins.len()).map(Target::Bin))
        .chain(blocks.clone().map(Target::Block))
        .chain([Target::Table])
        .collect();
    blocks
        .flat_map(|block| {
            let targets = targets.iter().filter(move |&&target| target != Target::Block(block));
            let places = targets.map(move |&target| Primitive::Place { block, target });
            let grasp = if reach {
                Primitive::Reach { block }
            } else {
                Primitive::Pick { block }
            };
            places.chain([grasp])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::sim::Scene;
    use crate::sim::tasks::{TaskBook, list_is_right};

    fn instructions() -> Instructions {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        Instructions::new(TaskSampler::new(TaskBook::built_in().unwrap(), furniture), 64, 8, 0.2)
    }

    #[test]
    fn examples_are_sound() {
        let instructions = instructions();
        let mut lessons: HashMap<Lesson, usize> = HashMap::new();
        for index in 0..300 {
            let example = instructions.example(5, index, Phrasing::Seen).unwrap();
            *lessons.entry(example.lesson).or_default() += 1;
            assert_eq!(example.frame.rgb.len(), 3 * 64 * 64);
            assert_eq!(example.history.is_some(), example.lesson == Lesson::Again);
            assert!(!example.spans.is_empty() && example.answer.is_ascii());
            let texts: Vec<&str> = example
                .spans
                .iter()
                .map(|span| &example.answer[span.text.clone()])
                .collect();
            for (i, (span, text)) in example.spans.iter().zip(&texts).enumerate() {
                assert!(example.answer.contains(&format!("{}. [{text}] | [", i + 1)));
                assert!((span.map.iter().sum::<f32>() - 1.).abs() < 1e-4);
            }
            if let Some((state, task)) = &example.truth {
                assert!(
                    list_is_right(&texts, &World::from_state(state, 64), task),
                    "{example:?}"
                );
            }
        }
        let share = |lesson| lessons[&lesson] as f64 / 300.;
        assert!((0.15..0.35).contains(&share(Lesson::Grounding)), "{lessons:?}");
        assert!((0.1..0.3).contains(&share(Lesson::Again)), "{lessons:?}");
        assert_eq!(
            instructions.example(5, 7, Phrasing::Seen),
            instructions.example(5, 7, Phrasing::Seen)
        );
    }

    #[test]
    fn examples_of_thinkbench_are_sound() {
        let scene = Scene::load("thinkbench").unwrap();
        let book = TaskBook::named(&scene.tasks).unwrap();
        let instructions = Instructions::new(TaskSampler::on(book, &scene, 1).unwrap(), 64, 8, 0.2);
        let (mut lengths, mut bins) = (HashMap::<usize, usize>::new(), 0);
        for index in 0..60 {
            let example = instructions.example(5, index, Phrasing::Seen).unwrap();
            *lengths.entry(example.spans.len()).or_default() += 1;
            bins += usize::from(example.answer.contains(" in the blue bin] | ["));
            assert!(!example.task.contains("orange block") && !example.task.contains("green cylinder"));
            let texts: Vec<&str> = (example.spans.iter())
                .map(|span| &example.answer[span.text.clone()])
                .collect();
            if let Some((state, task)) = &example.truth {
                assert!(
                    list_is_right(&texts, &World::from_state(state, 64), task),
                    "{example:?}"
                );
            }
            let classes = fact_classes(&instructions.sampler.furniture);
            assert!(example.facts.places.iter().all(|&place| place < classes));
            assert_eq!(example.facts.centres.len(), 11);
        }
        assert!(lengths.len() > 4 && bins > 5, "{lengths:?} {bins}");
    }

    #[test]
    fn a_map_has_its_weight_where_its_object_is() {
        let instructions = instructions();
        let state = &instructions.sampler.furniture;
        let facts = instructions.facts_of(state);
        for (block, centre) in state.blocks.iter().zip(&facts.centres) {
            let map = target_map(std::slice::from_ref(&block.name), state, 64, 8);
            let top = (0..64).max_by(|&a, &b| map[a].total_cmp(&map[b])).unwrap();
            assert_eq!([top % 8, top / 8], centre.map(|value| value as usize));
        }
        assert!(
            target_map(&["pink block".to_owned()], state, 64, 8)
                .iter()
                .all(|value| *value == 1. / 64.)
        );
        assert!(facts.places.iter().all(|&place| place < fact_classes(state)));
        assert_eq!(facts.centres.len(), 5);
    }
}

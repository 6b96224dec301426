//! Whole tasks, judged by the physical world: an episode of Algorithm 2 with whatever reasons in it, with or without a
//! hand that moves a block, and random motion.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use super::EvalEpisode;
use super::baselines::{RandomPolicy, Truth};
use super::hand::{Hand, Moment, Moved};
use crate::config::PlanConfig;
use crate::planner::{Episode, EpisodeSetup, Models, PlannerError, Progress, run_episode};
use crate::recording::{Outcome, Recording, SubGoalRecord};
use crate::sim::tasks::Task;
use crate::sim::{Action, Environment, Frame, Judge, Observation, Primitive, Target, World, WorldState};

/// Steps in a row for which a task must hold to count as held on the way.
const HOLD: usize = 2;
/// Nobody looks.
const NO_VIEW_PX: usize = 1;

/// A world whose truth is watched, and may be interfered with, while something acts in it.
pub(super) struct Watched<'a> {
    pub world: World,
    task: &'a Task,
    truth: Truth,
    hand: Option<Hand>,
    /// The first sub-goal was declared reached, and another follows.
    pub first_reached: Rc<Cell<bool>>,
    moved: Option<Moved>,
    pub step: usize,
    in_a_row: usize,
    held_on_the_way: bool,
}

impl<'a> Watched<'a> {
    pub fn new(world: World, task: &'a Task, truth: Truth, moment: Option<Moment>, seed: u64) -> Self {
        truth.replace(world.state().clone());
        Self {
            world,
            task,
            truth,
            hand: moment.map(|moment| Hand::new(moment, seed)),
            first_reached: Rc::default(),
            moved: None,
            step: 0,
            in_a_row: 0,
            held_on_the_way: false,
        }
    }

    /// What the task has come to by now, as far as the world shows it.
    pub fn come_to(&self) -> TaskRun {
        let solved = self.task.solved(self.world.state());
        TaskRun {
            solved,
            held_on_the_way: solved || self.held_on_the_way,
            steps: self.step,
            moved: self.moved,
            end: Some(self.world.state().clone()),
            ..TaskRun::default()
        }
    }
}

impl Environment for Watched<'_> {
    fn observe(&self) -> Observation {
        self.world.observe()
    }

    fn view(&self, height: usize) -> Frame {
        self.world.view(height)
    }

    fn step(&mut self, action: Action) {
        self.world.step(action);
        self.step += 1;
        if let Some(hand) = &mut self.hand {
            let moved = hand.after(&mut self.world, self.task, self.step, self.first_reached.get());
            self.moved = self.moved.or(moved);
        }
        let solved = self.task.solved(self.world.state());
        self.in_a_row = if solved { self.in_a_row + 1 } else { 0 };
        self.held_on_the_way |= self.in_a_row >= HOLD;
        self.truth.replace(self.world.state().clone());
    }
}

impl Judge for Watched<'_> {
    fn holds(&self, sub_goal: &str) -> Option<bool> {
        self.world.holds(sub_goal)
    }
}

/// A sub-goal that was declared reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub kind: &'static str,
    /// Its predicate held in the world then.
    pub achieved: bool,
}

/// What one task came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskRun {
    /// The task's predicate held at the end.
    pub solved: bool,
    /// It held at the end, or at two steps in a row before.
    pub held_on_the_way: bool,
    pub steps: usize,
    /// Every sub-goal was declared reached.
    pub declared: bool,
    pub unparsed: bool,
    pub replans: usize,
    /// Texts of the first answer's sub-goals.
    pub first_list: Vec<String>,
    /// Sub-goals that were declared reached, where their text can be judged.
    pub declarations: Vec<Declared>,
    pub moved: Option<Moved>,
    /// What the world has come to.
    pub end: Option<WorldState>,
}

/// Who an episode is run for.
pub struct Run<'a> {
    pub scene: &'a str,
    pub checkpoint: (&'a str, &'a str),
    pub config: &'a PlanConfig,
    /// Height and width of the frames that the models see.
    pub frame_px: usize,
    /// Kept up to date with the world's true state, for a reasoner that may know it.
    pub truth: Truth,
}

impl Run<'_> {
    /// What an episode is about.
    pub(super) fn setup(&self, one: &EvalEpisode) -> EpisodeSetup {
        EpisodeSetup {
            task: one.task.text.clone(),
            scene: self.scene.to_owned(),
            scene_text: None,
            seed: one.seed,
            checkpoint_name: self.checkpoint.0.to_owned(),
            checkpoint_hash: self.checkpoint.1.to_owned(),
            scene_objects: one.state.object_names(),
            view_height_px: NO_VIEW_PX,
        }
    }

    /// Runs an episode to its end, with a block moved at `moment` if there is one.
    ///
    /// # Errors
    /// A model or its device failed.
    pub fn task(
        &self,
        one: &EvalEpisode,
        models: &Models,
        moment: Option<Moment>,
        cancel: &AtomicBool,
    ) -> Result<TaskRun, PlannerError> {
        let start = one.world(self.frame_px);
        let mut world = Watched::new(start, &one.task, self.truth.clone(), moment, one.seed);
        let mut episode = Episode::new(self.setup(one), self.config.clone());
        let first_reached = world.first_reached.clone();
        let outcome = run_episode(
            &mut episode,
            &mut world,
            models,
            None,
            &mut |_| (),
            &mut |_, progress| {
                if matches!(progress, Progress::Switched { next: Some(_), .. }) {
                    first_reached.set(true);
                }
            },
            cancel,
        )?;
        let recording = episode.recording().snapshot();
        Ok(TaskRun {
            declared: outcome == Outcome::Reached,
            unparsed: matches!(outcome, Outcome::Unparsed { .. }),
            replans: recording.replans.len(),
            first_list: first_list(&recording),
            declarations: recording
                .sub_goals
                .iter()
                .filter_map(|record| declared(record, one))
                .collect(),
            ..world.come_to()
        })
    }
}

/// Smooth random motion for `budget` steps. Nothing is declared.
pub fn run_random(one: &EvalEpisode, budget: usize) -> TaskRun {
    let truth = Rc::new(RefCell::new(one.state.clone()));
    let mut world = Watched::new(one.world(NO_VIEW_PX), &one.task, truth, None, one.seed);
    let mut motion = RandomPolicy::new(one.seed);
    for _ in 0..budget {
        world.step(motion.act());
    }
    world.come_to()
}

fn declared(record: &SubGoalRecord, one: &EvalEpisode) -> Option<Declared> {
    let achieved = record.achieved.filter(|_| record.declared)?;
    let kind = kind_of(Primitive::parse(&record.text, &one.state)?);
    Some(Declared { kind, achieved })
}

/// What a report calls a sub-goal's kind.
pub(super) fn kind_of(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Reach { .. } => "reach",
        Primitive::Pick { .. } => "pick",
        Primitive::Place {
            target: Target::Block(_),
            ..
        } => "stack",
        Primitive::Place { .. } => "place",
    }
}

/// The sub-goals of the first answer: those before the first re-plan's.
pub(super) fn first_list(recording: &Recording) -> Vec<String> {
    let later: usize = recording.replans.iter().map(|replan| replan.sub_goals.len()).sum();
    let first = recording.sub_goals.len().saturating_sub(later);
    recording.sub_goals[..first]
        .iter()
        .map(|record| record.text.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::demo_suite;
    use crate::planner::toy::{ToyGoals, ToyModel, toy_config};
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook};

    fn suite(n: usize) -> Vec<EvalEpisode> {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        demo_suite(&TaskBook::built_in().unwrap(), &furniture, 9, n, Phrasing::Seen, None)
    }

    #[test]
    fn random_motion_hardly_ever_solves_a_task_and_is_the_same_again() {
        let suite = suite(30);
        let runs: Vec<TaskRun> = suite.iter().map(|one| run_random(one, 40)).collect();
        let again: Vec<TaskRun> = suite.iter().map(|one| run_random(one, 40)).collect();
        assert_eq!(runs, again);
        assert!(runs.iter().all(|run| run.steps == 40 && !run.declared));
        assert!(runs.iter().filter(|run| run.solved).count() < 6);
        assert!(runs.iter().all(|run| run.held_on_the_way || !run.solved));
    }

    /// Says what the teacher says and steers by its own eyes: the planner's part is played by the goals' texts alone.
    #[test]
    fn an_episode_writes_down_what_it_came_to() {
        let suite = suite(30);
        let (model, goals) = (ToyModel::new(), ToyGoals::default());
        let reasoner = crate::planner::toy::ToyReasoner::new(&["1. go to 1.9 -1.9 | red pad\n"]);
        let mut config = toy_config();
        (config.t_max, config.max_replans) = (3, 1);
        let run = Run {
            scene: "three-blocks",
            checkpoint: ("toy", "0"),
            config: &config,
            frame_px: 8,
            truth: Rc::new(RefCell::new(suite[0].state.clone())),
        };
        let models = Models {
            world: &model,
            goals: &goals,
            reasoner: &reasoner,
        };
        let result = run.task(&suite[0], &models, None, &AtomicBool::new(false)).unwrap();
        assert_eq!(result.first_list, ["go to 1.9 -1.9"]);
        assert_eq!((result.steps, result.replans, result.declared), (6, 1, false));
        assert!(result.declarations.is_empty() && result.moved.is_none());
        assert_eq!(
            run.truth.borrow().blocks.len(),
            suite[0].state.blocks.len(),
            "the truth is kept up to date"
        );
        assert_ne!(run.truth.borrow().gripper_m, suite[0].state.gripper_m);
    }

    #[test]
    fn a_block_is_moved_on_the_way_to_it() {
        let (model, goals) = (ToyModel::new(), ToyGoals::default());
        let mut config = toy_config();
        (config.t_max, config.max_replans) = (5, 0);
        let mut moved = 0;
        for one in suite(120) {
            let Some(moment @ Moment::OnTheWay { block }) = Moment::of(&one.primitives) else {
                continue;
            };
            let reasoner = crate::planner::toy::ToyReasoner::new(&["1. go to 1.9 -1.9 | red pad\n"]);
            let run = Run {
                scene: "three-blocks",
                checkpoint: ("toy", "0"),
                config: &config,
                frame_px: 8,
                truth: Rc::new(RefCell::new(one.state.clone())),
            };
            let models = Models {
                world: &model,
                goals: &goals,
                reasoner: &reasoner,
            };
            let result = run.task(&one, &models, Some(moment), &AtomicBool::new(false)).unwrap();
            let Some(hand) = result.moved else { continue };
            moved += 1;
            assert_eq!((hand.block, hand.step), (block, 3));
            let [x, y, _] = run.truth.borrow().blocks[block].position_m;
            assert!((x - hand.to_m[0]).hypot(y - hand.to_m[1]) < 0.05 || run.truth.borrow().held == Some(block));
        }
        assert!(moved > 2, "{moved}");
    }
}

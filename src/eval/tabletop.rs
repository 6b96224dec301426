//! The tabletop's oracle tasks as worlds that [`run_batch`](super::oracle::run_batch) can run.

use super::misses::misses;
use super::oracle::OracleWorld;
use crate::data::target_map;
use crate::sim::{
    Action, Environment, Frame, Observation, OracleKind, OracleTask, Scene, SceneError, World, oracle_tasks,
};

/// Every kind of sub-goal, in the order in which tables list them.
pub const KINDS: [OracleKind; 4] = [
    OracleKind::Reach,
    OracleKind::Pick,
    OracleKind::Place,
    OracleKind::Stack,
];

/// The name of a kind on the command line and in reports.
pub fn kind_name(kind: OracleKind) -> &'static str {
    match kind {
        OracleKind::Reach => "reach",
        OracleKind::Pick => "pick",
        OracleKind::Place => "place",
        OracleKind::Stack => "stack",
    }
}

/// One sub-goal in one world.
#[derive(Clone, Debug)]
pub struct TabletopTask {
    world: World,
    task: OracleTask,
}

impl TabletopTask {
    /// The sub-goal in words.
    pub fn text(&self) -> String {
        self.task.primitive.text(self.task.start.state())
    }

    /// Names of the objects that it is about.
    pub fn objects(&self) -> Vec<String> {
        self.task.primitive.objects(self.task.start.state())
    }

    /// Frames in which the sub-goal was attempted from the start and failed; the same ones for the same seed and number.
    pub fn misses(&self, seed: u64, number: usize) -> Vec<Frame> {
        misses(&self.task, seed, number)
    }

    /// Weights of the true map over `grid` x `grid` patches of the start's frame; sum 1.
    pub fn true_map(&self, grid: usize) -> Vec<f32> {
        target_map(
            &self.objects(),
            self.task.start.state(),
            self.task.start.frame_px(),
            grid,
        )
    }
}

/// `count` tasks of a kind; the same ones for the same seed.
///
/// # Errors
/// The scene found no room for what is placed at random.
pub fn tabletop_tasks(
    scene: &Scene,
    kind: OracleKind,
    seed: u64,
    count: usize,
    frame_px: usize,
) -> Result<Vec<TabletopTask>, SceneError> {
    let tasks = oracle_tasks(scene, kind, seed, count, frame_px)?;
    let world = |task: OracleTask| TabletopTask {
        world: task.start.clone(),
        task,
    };
    Ok(tasks.into_iter().map(world).collect())
}

impl Environment for TabletopTask {
    fn observe(&self) -> Observation {
        self.world.observe()
    }

    fn view(&self, height: usize) -> Frame {
        self.world.view(height)
    }

    fn step(&mut self, action: Action) {
        self.world.step(action);
    }
}

impl OracleWorld for TabletopTask {
    fn goal_frame(&self) -> Frame {
        self.task.goal.observe().frame
    }

    fn achieved(&self) -> bool {
        self.task.primitive.holds(self.world.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, rng};
    use crate::sim::{Expert, Noise};

    #[test]
    fn the_expert_achieves_what_the_goal_frame_shows() {
        let scene = Scene::load("three-blocks").unwrap();
        for kind in KINDS {
            let tasks = tabletop_tasks(&scene, kind, 3, 5, 64).unwrap();
            assert_eq!(tasks.len(), 5);
            for mut task in tasks {
                assert!(!task.achieved() && task.goal_frame() != task.observe().frame);
                let mut expert = Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE);
                for _ in 0..20 {
                    let action = expert.act(&task.task.primitive, task.world.state());
                    task.step(action);
                }
                assert!(task.achieved(), "{}", task.text());
            }
        }
    }
}

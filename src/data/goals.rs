//! Pairs for the goal projection interface: a frame, a sub-goal that can be carried out in it, and the frame in which it
//! is achieved. Several sub-goals come from each scene, since planning has to tell states of the same scene apart.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::instruct::{every_primitive, target_map};
use crate::random::{Stream, rng};
use crate::sim::tasks::{TaskSampler, feasible, lay_out};
use crate::sim::{Environment, Frame, World, achieve};

/// Share of scenes that start with a block in the gripper: only then can anything be placed.
const HELD: f64 = 0.5;
/// Share of scenes whose grasps are asked for as reaches.
const REACH: f64 = 0.1;

/// A sub-goal and the state in which it is achieved.
#[derive(Clone, Debug, PartialEq)]
pub struct GoalExample {
    pub text: String,
    pub objects: Vec<String>,
    pub achieved: Frame,
    /// The true map over a `grid` x `grid` of patches, mean 1; for measurements alone.
    pub true_map: Vec<f32>,
}

/// One start and what can be done from it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoalScene {
    pub frame: Frame,
    pub goals: Vec<GoalExample>,
}

/// Makes goal scenes; each is a function of (seed, index).
#[derive(Clone, Debug)]
pub struct GoalScenes {
    pub sampler: TaskSampler,
    /// Height and width of the frames.
    pub frame_px: usize,
    /// Patches along one side of the world model's grid.
    pub grid: usize,
    /// Most sub-goals a scene.
    pub goals: usize,
}

impl GoalScenes {
    /// A scene with at least two sub-goals that can be carried out and come out right: an empty gripper has as many as
    /// there are clear blocks, a held block as many as there are places for it.
    pub fn scene(&self, seed: u64, index: u64) -> GoalScene {
        let mut rng = rng(seed, Stream::Tasks, index, u64::MAX - 2);
        let mut mix = self.sampler.mix.clone();
        mix.held = HELD;
        loop {
            let state = lay_out(&self.sampler.dressed(&mut rng), &mix, &mut rng);
            let world = World::from_state(&state, self.frame_px);
            let mut primitives = every_primitive(&state, rng.random_bool(REACH));
            primitives.retain(|primitive| feasible(*primitive, &state) && !primitive.holds(&state));
            primitives.shuffle(&mut rng);
            let goals: Vec<GoalExample> = primitives
                .iter()
                .filter_map(|primitive| {
                    let achieved = achieve(&world, primitive)?;
                    let objects = primitive.objects(&state);
                    let mut true_map = target_map(&objects, &state, self.frame_px, self.grid);
                    true_map
                        .iter_mut()
                        .for_each(|value| *value *= (self.grid * self.grid) as f32);
                    Some(GoalExample {
                        text: primitive.text(&state),
                        objects,
                        achieved: achieved.observe().frame,
                        true_map,
                    })
                })
                .take(self.goals)
                .collect();
            if goals.len() >= 2 {
                return GoalScene {
                    frame: world.observe().frame,
                    goals,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scene;
    use crate::sim::tasks::TaskBook;

    #[test]
    fn grasps_and_placements_both_occur_and_are_achieved_in_another_frame() {
        let furniture = Scene::load("three-blocks")
            .expect("the demo scene")
            .start(0)
            .expect("a start");
        let sampler = TaskSampler::new(TaskBook::built_in().expect("the built-in tasks"), furniture);
        let source = GoalScenes {
            sampler,
            frame_px: 64,
            grid: 4,
            goals: 4,
        };
        let scenes: Vec<GoalScene> = (0..24).map(|index| source.scene(5, index)).collect();
        assert_eq!(scenes[3], source.scene(5, 3));
        let texts: Vec<&str> = scenes
            .iter()
            .flat_map(|scene| &scene.goals)
            .map(|goal| goal.text.as_str())
            .collect();
        for verb in ["pick up", "place"] {
            let share = texts.iter().filter(|text| text.starts_with(verb)).count() as f64 / texts.len() as f64;
            assert!(share > 0.2, "{verb}: {share}");
        }
        for scene in &scenes {
            assert!((2..=4).contains(&scene.goals.len()));
            assert!(scene.goals.iter().all(|goal| goal.achieved != scene.frame));
        }
    }
}

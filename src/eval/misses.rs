//! Worlds in which a sub-goal was attempted and failed: a grasp beside the block or of another one, a block let go
//! elsewhere. A planner that works hardly ever visits them, so a threshold that is fitted on its visits alone tells "not
//! yet" from "done" and knows nothing of "done wrong": there the flags are those of the goal, and only the places differ.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use crate::random::{Stream, rng};
use crate::sim::{Environment, Frame, OracleTask, Primitive, World, destination, is_clear};

/// Keeps these numbers apart from others of the stream.
const MISSES: u64 = 7;
/// Failures of each task.
pub const PER_TASK: usize = 4;
/// How far off, metres: from just beside it to half of the table.
const OFF_M: std::ops::Range<f32> = 0.14..0.6;
/// Tries for a failure that is one.
const PATIENCE: usize = 30;
/// Time for what was let go to come to rest.
const SETTLING: usize = 3;

/// Frames of [`PER_TASK`] failures, or fewer where a task hardly allows any; the same ones for the same seed.
pub fn misses(task: &OracleTask, seed: u64, number: usize) -> Vec<Frame> {
    let mut rng = rng(seed, Stream::Eval, number as u64, MISSES);
    let missed = (0..PATIENCE).filter_map(|_| miss(&task.start, task.primitive, &mut rng));
    missed.take(PER_TASK).map(|world| world.observe().frame).collect()
}

fn miss(start: &World, primitive: Primitive, rng: &mut impl Rng) -> Option<World> {
    let mut world = start.clone();
    let state = world.state();
    let others: Vec<usize> = (0..state.blocks.len())
        .filter(|&block| block != primitive.block() && state.held != Some(block) && is_clear(state, block))
        .collect();
    let angle = rng.random_range(0.0..std::f32::consts::TAU);
    let off_m = rng.random_range(OFF_M);
    let [x, y] = destination(state, &primitive);
    let mut place = [x + off_m * angle.cos(), y + off_m * angle.sin()];
    // Half of the failed grasps are of another block.
    if matches!(primitive, Primitive::Pick { .. } | Primitive::Reach { .. })
        && rng.random_bool(0.5)
        && let Some(&other) = others.choose(rng)
    {
        let [x, y, _] = state.blocks[other].position_m;
        place = [x, y];
    }
    world.put_gripper(place);
    let grip = if matches!(primitive, Primitive::Pick { .. }) {
        1.0
    } else {
        -1.0
    };
    for _ in 0..SETTLING {
        world.step([0.0, 0.0, grip]);
    }
    (!primitive.holds(world.state()) && world.at_rest()).then_some(world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::KINDS;
    use crate::sim::{OracleKind, Scene, oracle_tasks};

    #[test]
    fn they_are_failures_with_the_grip_of_the_goal() {
        let scene = Scene::load("three-blocks").unwrap();
        for kind in KINDS {
            for (number, task) in oracle_tasks(&scene, kind, 3, 6, 32).unwrap().iter().enumerate() {
                let mut numbers = rng(1, Stream::Eval, number as u64, MISSES);
                let worlds: Vec<World> = (0..PATIENCE)
                    .filter_map(|_| miss(&task.start, task.primitive, &mut numbers))
                    .collect();
                assert!(worlds.len() >= PER_TASK, "{kind:?}: {}", worlds.len());
                for world in &worlds {
                    assert!(!task.primitive.holds(world.state()));
                    assert_eq!(world.state().suction, kind == OracleKind::Pick);
                }
                let frames = misses(task, 1, number);
                assert_eq!(frames.len(), PER_TASK);
                assert_eq!(frames, misses(task, 1, number));
                assert!(frames.iter().all(|frame| *frame != task.goal.observe().frame));
            }
        }
    }
}

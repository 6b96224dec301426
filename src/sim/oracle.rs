//! What the world looks like when a primitive is physically done: the goals that a planner is measured against before
//! any language is involved.

use rand::RngExt;

use super::expert::{clear_blocks, destination};
use super::interface::Environment;
use super::primitive::{Primitive, Target};
use super::relations::is_clear;
use super::scene::{Scene, SceneError};
use super::world::World;
use crate::random::{self, Stream};

/// The four kinds of sub-goal that planning is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleKind {
    Reach,
    Pick,
    Place,
    Stack,
}

/// A start, a sub-goal that does not hold there, and the world in which it does.
#[derive(Clone, Debug)]
pub struct OracleTask {
    pub start: World,
    pub primitive: Primitive,
    pub goal: World,
}

/// The world after the primitive: the gripper stands where it happens, the grip is switched, all has settled. None
/// where it cannot be done from here or does not come to hold.
pub fn achieve(world: &World, primitive: &Primitive) -> Option<World> {
    if !primitive.possible(world.state()) {
        return None;
    }
    let mut goal = world.clone();
    goal.put_gripper(destination(world.state(), primitive));
    match primitive {
        Primitive::Reach { .. } => {}
        Primitive::Pick { .. } => goal.step([0., 0., 1.]),
        Primitive::Place { .. } => goal.step([0., 0., -1.]),
    }
    for _ in 0..3 {
        if !goal.at_rest() {
            goal.settle();
        }
    }
    primitive.holds(goal.state()).then_some(goal)
}

/// `count` feasible tasks of that kind from random starts of the scene; the same ones for the same seed. Place and
/// stack start with the block in the gripper. A scene in which a kind cannot occur (one block: nothing to stack) gives
/// none.
///
/// # Errors
/// The scene found no room for what is placed at random.
pub fn oracle_tasks(
    scene: &Scene,
    kind: OracleKind,
    seed: u64,
    count: usize,
    frame_px: usize,
) -> Result<Vec<OracleTask>, SceneError> {
    let scene = Scene {
        held_share: 0.,
        ..scene.clone()
    };
    let mut tasks = vec![];
    // Most draws are feasible; the bound is for scenes in which none is.
    for draw in 0..(50 * count.max(1)) as u64 {
        if tasks.len() == count {
            break;
        }
        let mut rng = random::rng(seed, Stream::Tasks, draw, kind as u64);
        let mut state = scene.draw(&mut rng)?;
        let clear = clear_blocks(&state);
        if clear.is_empty() {
            continue;
        }
        let block = clear[rng.random_range(0..clear.len())];
        let primitive = match kind {
            OracleKind::Reach => Primitive::Reach { block },
            OracleKind::Pick => Primitive::Pick { block },
            OracleKind::Place if !state.pads.is_empty() => Primitive::Place {
                block,
                target: Target::Pad(rng.random_range(0..state.pads.len())),
            },
            OracleKind::Stack if state.blocks.len() > 1 => {
                let other = (block + rng.random_range(1..state.blocks.len())) % state.blocks.len();
                Primitive::Place {
                    block,
                    target: Target::Block(other),
                }
            }
            OracleKind::Place | OracleKind::Stack => continue,
        };
        if matches!(kind, OracleKind::Place | OracleKind::Stack) {
            state.hold(block);
        }
        if matches!(primitive, Primitive::Place { target: Target::Block(lower), .. } if !is_clear(&state, lower)) {
            continue;
        }
        let start = World::from_state(&state, frame_px);
        if primitive.holds(start.state()) {
            continue;
        }
        if let Some(goal) = achieve(&start, &primitive) {
            tasks.push(OracleTask { start, primitive, goal });
        }
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;

    #[test]
    fn achieved_goals_hold_and_impossible_ones_are_none() {
        let world = World::from_state(&three_blocks(), 64);
        let picked = achieve(&world, &Primitive::Pick { block: 1 }).unwrap();
        assert_eq!(picked.state().held, Some(1));
        let stack = Primitive::Place {
            block: 1,
            target: Target::Block(2),
        };
        assert!(achieve(&world, &stack).is_none(), "nothing is held");
        let stacked = achieve(&picked, &stack).unwrap();
        assert!(stack.holds(stacked.state()) && stacked.at_rest() && !stacked.state().suction);
        assert!(
            achieve(&stacked, &Primitive::Pick { block: 2 }).is_none(),
            "green stands on blue"
        );
        // The yellow pad is red's.
        let on_yellow = Primitive::Place {
            block: 1,
            target: Target::Pad(0),
        };
        assert!(achieve(&picked, &on_yellow).is_none());
    }
}

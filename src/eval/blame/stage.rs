//! The world of an episode that is looked into: whoever may know its truth holds a handle to it, and what falls in it is
//! noted, or undone.

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::eval::baselines::Truth;
use crate::sim::{Action, Environment, Frame, Judge, Observation, World, WorldState, upright};

/// A block that nobody carried and that is this much further than before was knocked; one that was let go and comes to
/// rest this far from there did not stand.
const MOVED_M: f32 = 0.05;

/// The whole world of the moment, for what is allowed to know it.
pub(super) type TrueWorld = Rc<RefCell<World>>;

/// How a block came to lie elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fell {
    /// It was let go and did not stay, or does not stand upright any more.
    Toppled,
    /// It stands, and not where it stood.
    Knocked,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fall {
    /// Actions executed until then, in this run.
    pub step: usize,
    pub block: String,
    pub how: Fell,
}

pub(super) struct Stage {
    world: TrueWorld,
    truth: Truth,
    /// An action by which a block falls is undone.
    forgiving: bool,
    step: usize,
    pub falls: Vec<Fall>,
}

impl Stage {
    /// `truth` is kept up to date from now on; `step` actions were executed before.
    pub fn new(world: World, truth: Truth, step: usize, forgiving: bool) -> Self {
        truth.replace(world.state().clone());
        Self {
            truth,
            world: Rc::new(RefCell::new(world)),
            forgiving,
            step,
            falls: Vec::new(),
        }
    }

    pub fn world(&self) -> TrueWorld {
        self.world.clone()
    }

    pub fn truth(&self) -> Truth {
        self.truth.clone()
    }
}

impl Environment for Stage {
    fn observe(&self) -> Observation {
        self.world.borrow().observe()
    }

    fn view(&self, height: usize) -> Frame {
        self.world.borrow().view(height)
    }

    fn step(&mut self, action: Action) {
        let before = self.world.borrow().clone();
        let mut after = before.clone();
        after.step(action);
        self.step += 1;
        if let Some((block, how)) = fallen(before.state(), after.state()) {
            self.falls.push(Fall {
                step: self.step,
                block: after.state().blocks[block].name.clone(),
                how,
            });
            if self.forgiving {
                after = before;
            }
        }
        self.truth.replace(after.state().clone());
        self.world.replace(after);
    }
}

impl Judge for Stage {
    fn holds(&self, sub_goal: &str) -> Option<bool> {
        self.world.borrow().holds(sub_goal)
    }
}

/// The first block that one action made fall.
fn fallen(before: &WorldState, after: &WorldState) -> Option<(usize, Fell)> {
    (0..before.blocks.len()).find_map(|block| {
        if after.held == Some(block) {
            return None;
        }
        let released = before.held == Some(block);
        let [x, y, _] = before.blocks[block].position_m;
        let from = if released { after.gripper_m } else { [x, y] };
        let away = after.blocks[block].distance_m(from) > MOVED_M;
        let toppled = upright(before, block) && !upright(after, block);
        match (toppled || (released && away), away) {
            (true, _) => Some((block, Fell::Toppled)),
            (false, true) => Some((block, Fell::Knocked)),
            (false, false) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Scene, Support, support};

    /// Block 0 hangs beside the middle of block 1, by that share of its half width.
    fn hanging(share: f32) -> World {
        let mut state = Scene::load("three-blocks").unwrap().start(0).unwrap();
        for (block, x) in state.blocks.iter_mut().zip([-0.6, 0.0, 0.6]) {
            (block.position_m[0], block.position_m[1]) = (x, 0.0);
            block.position_m[2] = block.height_m / 2.0;
            block.rotation = [0.0, 0.0, 0.0, 1.0];
        }
        state.gripper_m = [share * state.blocks[1].half_m, 0.0];
        state.hold(0);
        World::from_state(&state, 8)
    }

    fn stage(world: &World, step: usize, forgiving: bool) -> Stage {
        let truth = Rc::new(RefCell::new(world.state().clone()));
        Stage::new(world.clone(), truth, step, forgiving)
    }

    #[test]
    fn a_fall_is_noted_and_undone_where_the_world_forgives() {
        for forgiving in [false, true] {
            let start = hanging(1.2);
            let mut stage = stage(&start, 4, forgiving);
            stage.step([0.0, 0.0, -1.0]);
            let name = start.state().blocks[0].name.clone();
            let fall = Fall {
                step: 5,
                block: name,
                how: Fell::Toppled,
            };
            assert_eq!(stage.falls, [fall]);
            assert_eq!(*stage.world().borrow() == start, forgiving);
            assert_eq!(stage.truth().borrow().held.is_some(), forgiving);
        }
    }

    #[test]
    fn what_stands_or_is_carried_has_not_fallen() {
        let mut stage = stage(&hanging(0.0), 0, true);
        stage.step([0.0, 0.0, -1.0]);
        assert_eq!(support(stage.world().borrow().state(), 0), Support::Block(1));
        stage.step([0.0, 0.0, 1.0]);
        assert_eq!(stage.truth().borrow().held, Some(0));
        for _ in 0..4 {
            stage.step([0.9, 0.9, 1.0]);
        }
        stage.step([0.0, 0.0, -1.0]);
        assert_eq!(support(stage.world().borrow().state(), 0), Support::Table);
        assert!(stage.falls.is_empty(), "{:?}", stage.falls);
    }

    #[test]
    fn a_block_that_stands_elsewhere_was_knocked() {
        let before = hanging(0.0).state().clone();
        let mut after = before.clone();
        after.blocks[2].position_m[1] += 0.08;
        assert_eq!(fallen(&before, &after), Some((2, Fell::Knocked)));
        after.blocks[2].position_m[1] -= 0.06;
        assert_eq!(fallen(&before, &after), None);
    }
}

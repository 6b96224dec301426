//! The tabletop as an environment: a suction gripper that moves at carrying height, and blocks that fall.
//!
//! One action: move by at most [`STEP_M`] per axis, then switch the suction. Its strokes are vertical and lie within
//! the action: letting go lowers the held block to just above what is beneath it and lets it fall and settle; a grasp
//! lifts the topmost clear block within [`GRASP_RADIUS_M`](super::GRASP_RADIUS_M) of the cup until it hangs centred
//! with its bottom at [`CARRY_M`].

use super::interface::{Action, Environment, Frame, Judge, Observation};
use super::physics::{self, Velocity};
use super::primitive::{GRASP_RADIUS_M, Primitive};
use super::relations::is_clear;
use super::renderer::render;
use super::scene::{Scene, SceneError};
use super::state::WorldState;

/// Largest way of the gripper in one action, per axis.
pub const STEP_M: f32 = 0.14;
/// The gripper comes no further from the middle of the table, per axis.
pub const REACH_LIMIT_M: f32 = 0.92;
/// Height of a held block's bottom.
pub const CARRY_M: f32 = 0.60;

/// A table that acts. A clone goes its own way and, acted on alike, stays the same to the bit.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    state: WorldState,
    /// How each block moves; all zero but after an action that left something still toppling.
    velocities: Vec<Velocity>,
    /// Height and width of the pictures that a model sees.
    frame_px: usize,
}

impl World {
    /// A start of the scene, drawn from the seed; `frame_px` is the size of the pictures that a model sees.
    ///
    /// # Errors
    /// The scene found no room for what is placed at random.
    pub fn new(scene: &Scene, seed: u64, frame_px: usize) -> Result<Self, SceneError> {
        Ok(Self::from_state(&scene.start(seed)?, frame_px))
    }

    /// A world at rest in that state. What stands in the air stays there until something is let go, or until
    /// [`Self::settle`].
    pub fn from_state(state: &WorldState, frame_px: usize) -> Self {
        let mut state = state.clone();
        state.gripper_m = state.gripper_m.map(limited);
        if let Some(block) = state.held.filter(|&block| block < state.blocks.len()) {
            state.hold(block);
        } else {
            state.held = None;
        }
        let velocities = vec![Velocity::REST; state.blocks.len()];
        Self {
            state,
            velocities,
            frame_px,
        }
    }

    /// What is where; for predicates, the expert and the window, never for a model or the planner.
    pub fn state(&self) -> &WorldState {
        &self.state
    }

    /// Height and width of the pictures that a model sees.
    pub fn frame_px(&self) -> usize {
        self.frame_px
    }

    /// Nothing moves any more.
    pub fn at_rest(&self) -> bool {
        self.velocities.iter().all(|velocity| *velocity == Velocity::REST)
    }

    /// Lets everything that is not held fall and come to rest, for the time of one action.
    pub fn settle(&mut self) {
        physics::settle(&mut self.state, &mut self.velocities);
    }

    /// Moves a block by hand: it is lifted, put down at that place, on whatever is there, and everything settles.
    /// What stood on it falls. A held block leaves the gripper.
    pub fn put_block(&mut self, block: usize, place_m: [f32; 2]) {
        if self.state.held == Some(block) {
            self.state.held = None;
        }
        let [x, y] = place_m.map(limited);
        let lifted = &mut self.state.blocks[block];
        lifted.position_m = [x, y, CARRY_M + lifted.extents_m()[2]];
        self.let_fall(block);
    }

    /// A hand pushes a block along the table: it sets out with this velocity in metres a second, meets what is in its way,
    /// and friction stops it. What the gripper holds stays where it is.
    pub fn push_block(&mut self, block: usize, velocity_m_per_sec: [f32; 2]) {
        if self.state.held != Some(block) {
            self.velocities[block] = Velocity::along_table(velocity_m_per_sec);
            self.settle();
        }
    }

    /// Moves the gripper, and what it holds, without acting.
    pub fn put_gripper(&mut self, place_m: [f32; 2]) {
        self.state.gripper_m = place_m.map(limited);
        if let Some(block) = self.state.held {
            let [x, y] = self.state.gripper_m;
            let held = &mut self.state.blocks[block].position_m;
            (held[0], held[1]) = (x, y);
        }
    }

    fn let_fall(&mut self, block: usize) {
        self.state.blocks[block].position_m[2] = physics::letting_go_height(&self.state, block);
        self.velocities[block] = Velocity::REST;
        self.settle();
    }

    /// The topmost clear block under the cup, the nearest of several at that height.
    fn graspable(&self) -> Option<usize> {
        let state = &self.state;
        let score =
            |&block: &usize| state.blocks[block].bottom_m() * 10. - state.blocks[block].distance_m(state.gripper_m);
        (0..state.blocks.len())
            .filter(|&block| state.blocks[block].distance_m(state.gripper_m) < GRASP_RADIUS_M && is_clear(state, block))
            .max_by(|a, b| score(a).total_cmp(&score(b)))
    }
}

impl Environment for World {
    fn observe(&self) -> Observation {
        Observation {
            frame: render(&self.state, self.frame_px),
            last_grip_command: self.state.suction,
            vacuum: self.state.held.is_some(),
        }
    }

    fn view(&self, height: usize) -> Frame {
        render(&self.state, height)
    }

    fn step(&mut self, action: Action) {
        let [dx, dy, grip] = action.map(|value| if value.is_nan() { 0. } else { value.clamp(-1., 1.) });
        let [x, y] = self.state.gripper_m;
        self.put_gripper([x + STEP_M * dx, y + STEP_M * dy]);
        let on = grip > 0.;
        self.state.suction = on;
        if let Some(block) = self.state.held.filter(|_| !on) {
            self.state.held = None;
            self.let_fall(block);
        } else if let Some(block) = self.graspable().filter(|_| on && self.state.held.is_none()) {
            self.state.hold(block);
            self.velocities[block] = Velocity::REST;
            self.settle();
        } else if !self.at_rest() {
            self.settle();
        }
    }
}

impl Judge for World {
    fn holds(&self, sub_goal: &str) -> Option<bool> {
        Primitive::parse(sub_goal, &self.state).map(|primitive| primitive.holds(&self.state))
    }
}

fn limited(value_m: f32) -> f32 {
    if value_m.is_nan() {
        0.
    } else {
        value_m.clamp(-REACH_LIMIT_M, REACH_LIMIT_M)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random::{Stream, rng};
    use crate::sim::relations::tests::three_blocks;
    use crate::sim::relations::{Support, support, upright};

    /// Shares of the half width: up to the first a block stands, from the edge on it topples. In between the side decides
    /// (at 0.96 it stands on two of four).
    const NEAREST_IN: f32 = 0.95;
    const NEAREST_OUT: f32 = 1.0;

    /// Red hangs over green with its centre off by that share of green's half width, is let go, and comes to rest.
    fn released(share: f32, along: usize, side: f32) -> World {
        let mut state = three_blocks();
        let offset = share * state.blocks[1].half_m * side;
        let [x, y, _] = state.blocks[1].position_m;
        state.gripper_m = [x, y];
        state.gripper_m[along] += offset;
        state.hold(0);
        let mut world = World::from_state(&state, 64);
        world.step([0., 0., -1.]);
        for _ in 0..4 {
            world.step([0., 0., -1.]);
        }
        world
    }

    #[test]
    fn a_block_topples_when_its_centre_is_beyond_the_edge_and_stands_otherwise() {
        for seed in 0..50 {
            let mut rng = rng(seed, Stream::Eval, 0, 0);
            let (along, side) = (
                usize::from(rng.random_bool(0.5)),
                if rng.random_bool(0.5) { 1. } else { -1. },
            );
            // Anywhere, and just beside the edge.
            for share in [rng.random_range(0.0..NEAREST_IN), NEAREST_IN] {
                let stands = released(share, along, side);
                assert_eq!(support(stands.state(), 0), Support::Block(1), "{seed}: {share}");
                assert!(stands.at_rest() && upright(stands.state(), 0), "{seed}: {share}");
            }
            for share in [rng.random_range(NEAREST_OUT..1.5), NEAREST_OUT] {
                let topples = released(share, along, side);
                assert!(
                    !upright(topples.state(), 0) || support(topples.state(), 0) == Support::Table,
                    "{seed}: {share}"
                );
                assert!(topples.at_rest(), "{seed}: {share}");
            }
        }
    }

    #[test]
    fn an_action_moves_then_grasps_then_carries_then_lets_fall() {
        let mut state = three_blocks();
        state.gripper_m = [0., 0.1];
        let mut world = World::from_state(&state, 64);
        world.step([0., -0.5, 1.]);
        assert_eq!(world.state().held, Some(1));
        let [x, y, z] = world.state().blocks[1].position_m;
        assert!((x, y) == (world.state().gripper_m[0], world.state().gripper_m[1]) && (z - 0.705).abs() < 1e-6);
        assert_eq!(world.holds("pick up the green block"), Some(true));
        for _ in 0..5 {
            world.step([1., 1., 0.3]);
        }
        let [x, y] = world.state().gripper_m;
        assert!((x - 0.7).abs() < 1e-5 && (y - 0.73).abs() < 1e-5);
        world.step([0., 0., -0.3]);
        assert_eq!(world.holds("place the green block on the purple pad"), Some(true));
        let [x, y, z] = world.state().blocks[1].position_m;
        assert!(
            (x - 0.7).abs() < 2e-3 && (y - 0.73).abs() < 2e-3 && (z - 0.105).abs() < 3e-3,
            "{x} {y} {z}"
        );
        assert_eq!(world.holds("sing"), None);
    }

    #[test]
    fn a_cylinder_stands_on_a_block_and_rolls_off_its_edge_until_it_lies() {
        for seed in 0..30 {
            let mut rng = rng(seed, Stream::Eval, 2, 0);
            let mut state = three_blocks();
            state.blocks[0].shape = crate::sim::Shape::Cylinder;
            state.blocks[0].half_m = 0.1;
            let [x, y, _] = state.blocks[1].position_m;
            let stands = seed % 2 == 0;
            let off = if stands {
                rng.random_range(0.0..0.1)
            } else {
                rng.random_range(0.135..0.2)
            };
            state.gripper_m = [x, y - off];
            state.hold(0);
            let mut world = World::from_state(&state, 64);
            for _ in 0..12 {
                world.step([0., 0., -1.]);
            }
            assert!(world.at_rest(), "{seed}: {off}");
            let on = support(world.state(), 0) == Support::Block(1) && upright(world.state(), 0);
            assert_eq!(on, stands, "{seed}: {off}");
            let [x, y, _] = world.state().blocks[0].position_m;
            assert!(x.abs() < 1.05 && y.abs() < 1.05, "{seed}: {x} {y}");
        }
    }

    #[test]
    fn what_is_let_go_in_a_bin_stays_between_its_walls() {
        let scene = Scene::load("thinkbench").unwrap();
        for seed in 0..20 {
            let mut world = World::new(&scene, seed, 64).unwrap();
            if !is_clear(world.state(), 5) {
                continue;
            }
            let bin = world.state().bins[seed as usize % 2].clone();
            let place = crate::sim::destination(
                world.state(),
                &Primitive::Place {
                    block: 5,
                    target: crate::sim::Target::Bin(seed as usize % 2),
                },
            );
            world.put_block(5, place);
            assert_eq!(crate::sim::in_bin(world.state(), 5), Some(seed as usize % 2), "{seed}");
            assert!(upright(world.state(), 5) && world.at_rest(), "{seed}");
            let block = &world.state().blocks[5];
            for axis in 0..2 {
                let off = (block.position_m[axis] - bin.position_m[axis]).abs();
                assert!(off + block.extents_m()[axis] < bin.inner_half_m() + 2e-3, "{seed}");
            }
        }
    }

    #[test]
    fn only_the_top_of_a_tower_is_grasped() {
        let mut state = three_blocks();
        state.blocks[1].position_m = [-0.6, 0., 0.24 + 0.105];
        state.gripper_m = [-0.6, 0.];
        let mut world = World::from_state(&state, 64);
        world.step([0., 0., 1.]);
        assert_eq!(world.state().held, Some(1));
        world.step([0., 0., 1.]);
        assert_eq!(world.state().held, Some(1));
    }

    #[test]
    fn clones_and_copies_of_the_state_go_the_same_way() {
        let scene = Scene::load("three-blocks").unwrap();
        for seed in 0..10 {
            let mut rng = rng(seed, Stream::Eval, 0, 0);
            let mut world = World::new(&scene, seed, 64).unwrap();
            for _ in 0..30 {
                let action = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
                let mut clone = world.clone();
                let mut copy = world.at_rest().then(|| World::from_state(world.state(), 64));
                world.step(action);
                clone.step(action);
                assert_eq!(world, clone);
                if let Some(copy) = &mut copy {
                    copy.step(action);
                    assert_eq!(world.state(), copy.state());
                }
            }
        }
    }

    #[test]
    fn blocks_stay_on_the_table_and_nothing_becomes_nan() {
        let scene = Scene::load("three-blocks").unwrap();
        for seed in 0..20 {
            let mut rng = rng(seed, Stream::Eval, 1, 0);
            let mut world = World::new(&scene, seed, 64).unwrap();
            for step in 0..60 {
                let towards_a_corner = if seed % 2 == 0 { 0.6 } else { 0. };
                let (dx, dy) = (rng.random_range(-1.0..1.0f32), rng.random_range(-1.0..1.0f32));
                let grip = if step % 7 < 4 { 1. } else { -1. };
                world.step([
                    dx + towards_a_corner,
                    dy - towards_a_corner,
                    if step == 30 { f32::NAN } else { grip },
                ]);
                for block in &world.state().blocks {
                    let [x, y, z] = block.position_m;
                    assert!(
                        x.abs() < 1.06 && y.abs() < 1.06 && (0.04..1.).contains(&z),
                        "{seed} {step}: {block:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_pushed_block_slides_until_friction_stops_it_and_shoves_what_it_meets() {
        let mut world = World::from_state(&three_blocks(), 64);
        world.push_block(1, [0., 1.]);
        let [x, y, _] = world.state().blocks[1].position_m;
        // v^2 / 2 mu g, and nothing else has moved.
        assert!(x.abs() < 5e-3 && (y - 1. / (2. * 0.6 * 9.81)).abs() < 0.02, "{x} {y}");
        assert!(world.at_rest() && upright(world.state(), 1));
        assert!(world.state().blocks[0].distance_m([-0.6, 0.]) < 1e-3);
        let mut state = three_blocks();
        state.blocks[2].position_m[0] = 0.35;
        let mut world = World::from_state(&state, 64);
        world.push_block(1, [1.5, 0.]);
        assert!(
            world.state().blocks[2].position_m[0] > 0.355,
            "{:?}",
            world.state().blocks[2]
        );
        world.put_gripper([0.7, 0.7]);
        let mut held = world.state().clone();
        held.hold(0);
        let mut world = World::from_state(&held, 64);
        world.push_block(0, [1., 0.]);
        assert_eq!(world.state(), &held);
    }

    #[test]
    fn a_block_moved_by_hand_settles_where_it_was_put() {
        let mut world = World::from_state(&three_blocks(), 64);
        world.put_block(1, [-0.6, 0.]);
        assert_eq!(support(world.state(), 1), Support::Block(0));
        world.put_block(0, [0.2, -0.6]);
        assert_eq!(support(world.state(), 1), Support::Table);
        assert_eq!(support(world.state(), 0), Support::Table);
    }
}

//! What is where on the table, as plain data: what predicates, tasks, the expert and the renderer read, and what a
//! world can be built from. It says nothing of velocities: it is exact for a world at rest.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::bin::BinState;
use super::relations::is_clear;
use super::world::CARRY_M;

/// A table with its gripper, blocks, pads and bins. Metres; x to the right, y away from the camera, z up from the table top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldState {
    pub gripper_m: [f32; 2],
    /// The suction is switched on.
    pub suction: bool,
    /// The block that hangs from the cup.
    pub held: Option<usize>,
    pub blocks: Vec<BlockState>,
    pub pads: Vec<PadState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<BinState>,
}

/// What a thing that can be moved is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A box with a square base.
    #[default]
    Cuboid,
    /// A cylinder that stands on its base.
    Cylinder,
}

impl Shape {
    pub(super) fn is_cuboid(&self) -> bool {
        *self == Self::Cuboid
    }
}

/// What can be moved: a block, or another shape that is handled like one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockState {
    /// What people call it: "red block".
    pub name: String,
    /// RGB in 0..=1.
    pub colour: [f32; 3],
    #[serde(default, skip_serializing_if = "Shape::is_cuboid")]
    pub shape: Shape,
    /// Half of the base's width.
    pub half_m: f32,
    pub height_m: f32,
    /// Centre of its volume.
    pub position_m: [f32; 3],
    /// Unit quaternion x, y, z, w.
    pub rotation: [f32; 4],
}

/// A square coloured field of the table; it has no height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadState {
    /// What people call it: "yellow pad".
    pub name: String,
    /// RGB in 0..=1.
    pub colour: [f32; 3],
    pub half_m: f32,
    /// Centre.
    pub position_m: [f32; 2],
}

impl WorldState {
    /// Index of the block of that name.
    pub fn block(&self, name: &str) -> Option<usize> {
        self.blocks.iter().position(|block| block.name == name)
    }

    /// Index of the pad of that name.
    pub fn pad(&self, name: &str) -> Option<usize> {
        self.pads.iter().position(|pad| pad.name == name)
    }

    /// Index of the bin of that name.
    pub fn bin(&self, name: &str) -> Option<usize> {
        self.bins.iter().position(|bin| bin.name == name)
    }

    /// Names of all blocks, pads and bins.
    pub fn object_names(&self) -> Vec<String> {
        let blocks = self.blocks.iter().map(|block| block.name.clone());
        let pads = self.pads.iter().map(|pad| pad.name.clone());
        let bins = self.bins.iter().map(|bin| bin.name.clone());
        blocks.chain(pads).chain(bins).collect()
    }

    /// What a robot knows of itself and of nothing else: gripper x, y in metres, suction, holding (each -1 or 1).
    pub fn proprioception(&self) -> [f32; 4] {
        let flag = |on: bool| if on { 1. } else { -1. };
        let [x, y] = self.gripper_m;
        [x, y, flag(self.suction), flag(self.held.is_some())]
    }

    /// Hangs a clear block, drawn at random, from the gripper.
    pub fn hold_any(&mut self, rng: &mut impl Rng) {
        let clear: Vec<usize> = (0..self.blocks.len()).filter(|&block| is_clear(self, block)).collect();
        if !clear.is_empty() {
            self.hold(clear[rng.random_range(0..clear.len())]);
        }
    }

    /// Hangs the block from the gripper: centred, square to the table, with that face up which is uppermost now.
    pub fn hold(&mut self, block: usize) {
        let [x, y] = self.gripper_m;
        self.suction = true;
        self.held = Some(block);
        let held = &mut self.blocks[block];
        held.square_up();
        held.position_m = [x, y, CARRY_M + held.extents_m()[2]];
    }
}

impl BlockState {
    /// The box's own axes in the world: column `i` is where its axis `i` points.
    pub fn axes(&self) -> [[f32; 3]; 3] {
        let [x, y, z, w] = self.rotation;
        [
            [1. - 2. * (y * y + z * z), 2. * (x * y + z * w), 2. * (x * z - y * w)],
            [2. * (x * y - z * w), 1. - 2. * (x * x + z * z), 2. * (y * z + x * w)],
            [2. * (x * z + y * w), 2. * (y * z - x * w), 1. - 2. * (x * x + y * y)],
        ]
    }

    /// Turns the box the shortest way until its sides are parallel to the table's. The base being square, three
    /// poses are left that differ: upright, and lying along x or y.
    fn square_up(&mut self) {
        let axes = self.axes();
        let half_turn = std::f32::consts::FRAC_1_SQRT_2;
        let long = axes[2].map(f32::abs);
        self.rotation = if long[2] >= long[0] && long[2] >= long[1] {
            [0., 0., 0., 1.]
        } else if long[0] >= long[1] {
            [0., half_turn, 0., half_turn]
        } else {
            [half_turn, 0., 0., half_turn]
        };
    }

    /// Half of the upright shape's bounding box along its own axes.
    pub fn half_extents_m(&self) -> [f32; 3] {
        [self.half_m, self.half_m, self.height_m / 2.]
    }

    /// Half of the upright bounding box along the table's axes.
    pub fn extents_m(&self) -> [f32; 3] {
        let (axes, half) = (self.axes(), self.half_extents_m());
        match self.shape {
            Shape::Cuboid => std::array::from_fn(|i| (0..3).map(|axis| axes[axis][i].abs() * half[axis]).sum()),
            // A disc reaches as far along an axis as its normal leaves it.
            Shape::Cylinder => {
                axes[2].map(|along| half[0] * (1. - along * along).max(0.).sqrt() + along.abs() * half[2])
            }
        }
    }

    /// Height of the lowest point.
    pub fn bottom_m(&self) -> f32 {
        self.position_m[2] - self.extents_m()[2]
    }

    /// Height of the highest point.
    pub fn top_m(&self) -> f32 {
        self.position_m[2] + self.extents_m()[2]
    }

    /// Distance of the centre from a point of the table, seen from above.
    pub fn distance_m(&self, point_m: [f32; 2]) -> f32 {
        (self.position_m[0] - point_m[0]).hypot(self.position_m[1] - point_m[1])
    }
}

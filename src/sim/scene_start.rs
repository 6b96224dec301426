//! The draw of a start from a scene: what has its place stands there, the rest goes where there is room.

use rand::{Rng, RngExt};

use super::bin::{BinState, free_place};
use super::crowd::Crowd;
use super::relations::{in_bin, is_clear};
use super::scene::{Place, Scene, SceneBlock, SceneError};
use super::state::{BlockState, PadState, WorldState};
use super::variety::Looks;
use crate::random::{self, Stream};

/// Objects at random lie at most this far from the middle of the table, per axis.
const RANDOM_LIMIT_M: f32 = 0.8;
/// The gripper starts at most this far from the middle, per axis.
const GRIPPER_LIMIT_M: f32 = 0.9;
/// Objects at random keep this factor of the sum of their half widths apart.
const SPACING: f32 = 1.12;
/// Share of starts in which blocks may lie on pads.
const BLOCKS_ON_PADS: f64 = 0.15;
/// A stacked block is at most this far off the centre of the one below, per axis.
const STACK_JITTER_M: f32 = 0.05;
/// The same where bins make the table full.
const STACK_JITTER_AMONG_BINS_M: f32 = 0.02;
/// Attempts to place everything before a scene counts as too full.
pub(super) const ATTEMPTS: usize = 20_000;

impl Scene {
    /// A start of this scene; the same one for the same seed.
    ///
    /// # Errors
    /// No room was found for what is placed at random.
    pub fn start(&self, seed: u64) -> Result<WorldState, SceneError> {
        self.draw(&mut random::rng(seed, Stream::Scene, 0, 0))
    }

    /// A start of this scene, drawn from a generator.
    ///
    /// # Errors
    /// No room was found for what is placed at random.
    pub fn draw(&self, rng: &mut impl Rng) -> Result<WorldState, SceneError> {
        let mut state = self.variety().dress(&self.furniture(), Looks::Seen, rng);
        if self.bins.is_empty() {
            self.spread(&mut state, rng)?;
        } else {
            self.spread_in_turn(&mut state, rng)?;
        }
        for (block, spec) in self.blocks.iter().enumerate() {
            self.put_on(&mut state, block, spec);
        }
        let loose: Vec<usize> = (0..self.blocks.len())
            .filter(|&b| self.blocks[b].place == Place::Random && is_clear(&state, b))
            .collect();
        if rng.random::<f32>() < self.stacked_share && self.blocks.len() > 1 && !loose.is_empty() {
            let upper = loose[rng.random_range(0..loose.len())];
            let lower: Vec<usize> = (0..self.blocks.len())
                // On what lies in a bin, a wider block would lean on what lies beside.
                .filter(|&b| b != upper && is_clear(&state, b) && in_bin(&state, b).is_none())
                .collect();
            if !lower.is_empty() {
                let lower = lower[rng.random_range(0..lower.len())];
                let jitter_m = if self.bins.is_empty() {
                    STACK_JITTER_M
                } else {
                    STACK_JITTER_AMONG_BINS_M
                };
                let jitter: [f32; 2] = std::array::from_fn(|_| rng.random_range(-jitter_m..jitter_m));
                stack(&mut state, upper, lower, jitter);
            }
        }
        if rng.random::<f32>() < self.held_share {
            state.hold_any(rng);
        }
        Ok(state)
    }

    /// What is on the table, wherever it may be.
    fn furniture(&self) -> WorldState {
        let blocks = self.blocks.iter().map(|block| BlockState {
            name: block.name.clone(),
            colour: block.colour,
            shape: block.shape,
            half_m: block.half_m,
            height_m: block.height_m,
            position_m: [0., 0., block.height_m / 2.],
            rotation: [0., 0., 0., 1.],
        });
        let pads = self.pads.iter().map(|pad| PadState {
            name: pad.name.clone(),
            colour: pad.colour,
            half_m: pad.half_m,
            position_m: [0.; 2],
        });
        let bins = self.bins.iter().map(|bin| BinState {
            name: bin.name.clone(),
            colour: bin.colour,
            half_m: bin.half_m,
            wall_m: bin.wall_m,
            position_m: [0.; 2],
        });
        WorldState {
            gripper_m: [0.; 2],
            suction: false,
            held: None,
            blocks: blocks.collect(),
            pads: pads.collect(),
            bins: bins.collect(),
        }
    }

    fn draw_gripper(&self, rng: &mut impl Rng) -> [f32; 2] {
        match self.gripper {
            Place::At(x, y) => [x, y],
            _ => std::array::from_fn(|_| rng.random_range(-GRIPPER_LIMIT_M..GRIPPER_LIMIT_M)),
        }
    }

    /// A table with bins is too full to hit on a start by throwing everything at once: one thing after the other finds
    /// its place, the widest first.
    fn spread_in_turn(&self, state: &mut WorldState, rng: &mut impl Rng) -> Result<(), SceneError> {
        for _ in 0..ATTEMPTS {
            if let Some(spread) = self.spread_once(state, rng) {
                *state = spread;
                state.gripper_m = self.draw_gripper(rng);
                return Ok(());
            }
        }
        Err(SceneError::NoRoom {
            source_name: self.name.clone(),
        })
    }

    fn spread_once(&self, state: &WorldState, rng: &mut impl Rng) -> Option<WorldState> {
        let mut state = state.clone();
        let (mut crowd, mut floor) = (Crowd::default(), Crowd::default());
        for (bin, spec) in state.bins.iter_mut().zip(&self.bins) {
            if let Place::At(x, y) = spec.place {
                bin.position_m = [x, y];
                crowd.take([x, y], spec.half_m);
            }
        }
        for (pad, spec) in state.pads.iter_mut().zip(&self.pads) {
            if let Place::At(x, y) = spec.place {
                pad.position_m = [x, y];
                crowd.take([x, y], spec.half_m);
            }
        }
        for (block, spec) in state.blocks.iter_mut().zip(&self.blocks) {
            if let Place::At(x, y) = spec.place {
                block.position_m = [x, y, block.height_m / 2.];
                crowd.take([x, y], block.half_m);
                floor.take([x, y], block.half_m);
            }
        }
        for (bin, spec) in state.bins.iter_mut().zip(&self.bins) {
            if spec.place == Place::Random {
                bin.position_m = crowd.find(bin.half_m, RANDOM_LIMIT_M - bin.half_m / 2., rng)?;
            }
            floor.take(bin.position_m, bin.half_m);
        }
        for (pad, spec) in state.pads.iter_mut().zip(&self.pads) {
            if spec.place == Place::Random {
                pad.position_m = crowd.find(pad.half_m, RANDOM_LIMIT_M, rng)?;
            }
        }
        // Blocks that mind bins and each other, but not pads.
        if rng.random_bool(BLOCKS_ON_PADS) {
            crowd = floor;
        }
        // Those that have no place yet are out of the way of those that look for one in a bin.
        let far = 10. * RANDOM_LIMIT_M;
        for (block, spec) in state.blocks.iter_mut().zip(&self.blocks) {
            if spec.place == Place::Random {
                block.position_m[0] = far;
            }
        }
        for (index, spec) in self.blocks.iter().enumerate() {
            if spec.place != Place::Random {
                continue;
            }
            let [x, y] = if rng.random_bool(f64::from(self.binned_share)) {
                free_place(&state, index, rng.random_range(0..state.bins.len()))?
            } else {
                crowd.find(state.blocks[index].half_m, RANDOM_LIMIT_M, rng)?
            };
            let block = &mut state.blocks[index];
            block.position_m = [x, y, block.height_m / 2.];
        }
        Some(state)
    }

    /// Rejection sampling of everything that is placed at random, beside what has its place.
    fn spread(&self, state: &mut WorldState, rng: &mut impl Rng) -> Result<(), SceneError> {
        let blocks = self.blocks.len();
        let places: Vec<(&Place, f32)> = (self
            .blocks
            .iter()
            .zip(&state.blocks)
            .map(|(b, now)| (&b.place, now.half_m)))
        .chain(self.pads.iter().map(|p| (&p.place, p.half_m)))
        .collect();
        for _ in 0..ATTEMPTS {
            let free_pads = rng.random_bool(BLOCKS_ON_PADS);
            let points: Vec<[f32; 2]> = places
                .iter()
                .map(|(place, _)| match **place {
                    Place::At(x, y) => [x, y],
                    _ => std::array::from_fn(|_| rng.random_range(-RANDOM_LIMIT_M..RANDOM_LIMIT_M)),
                })
                .collect();
            let apart = |i: usize, j: usize| {
                let ((a, ha), (b, hb)) = (places[i], places[j]);
                let stacked = matches!(a, Place::On(_)) || matches!(b, Place::On(_));
                let fixed = *a != Place::Random && *b != Place::Random;
                let on_pad = i < blocks && j >= blocks && free_pads;
                stacked || fixed || on_pad || chebyshev(points[i], points[j]) >= SPACING * (ha + hb)
            };
            if (0..points.len()).all(|j| (0..j).all(|i| apart(i, j))) {
                for (block, &[x, y]) in state.blocks.iter_mut().zip(&points) {
                    block.position_m = [x, y, block.height_m / 2.];
                }
                for (pad, &place) in state.pads.iter_mut().zip(&points[blocks..]) {
                    pad.position_m = place;
                }
                state.gripper_m = self.draw_gripper(rng);
                return Ok(());
            }
        }
        Err(SceneError::NoRoom {
            source_name: self.name.clone(),
        })
    }

    /// Puts a block on the one that it is said to stand on, from the bottom of the tower up.
    fn put_on(&self, state: &mut WorldState, block: usize, spec: &SceneBlock) {
        if let Place::On(below) = &spec.place
            && let Some(lower) = state.block(below)
        {
            self.put_on(state, lower, &self.blocks[lower]);
            stack(state, block, lower, [0.; 2]);
        }
    }
}

fn stack(state: &mut WorldState, upper: usize, lower: usize, offset_m: [f32; 2]) {
    let below = &state.blocks[lower];
    let position_m = [
        below.position_m[0] + offset_m[0],
        below.position_m[1] + offset_m[1],
        below.top_m() + state.blocks[upper].height_m / 2.,
    ];
    state.blocks[upper].position_m = position_m;
}

/// The larger of the two distances along the axes.
pub(super) fn chebyshev(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
}

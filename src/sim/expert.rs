//! The scripted expert: it sees the true state and carries out one primitive, with or without noise. It is a yardstick
//! and a source of data; no model learns what it knows.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bin::free_place;
use super::interface::Action;
use super::primitive::{Primitive, Target};
use super::relations::{Support, is_clear, support};
use super::state::WorldState;
use super::world::{REACH_LIMIT_M, STEP_M};

/// The grip is switched when the gripper will be nearer than this to the place.
const NEAR_M: f32 = 0.05;
/// The same on a table with bins, which is full.
const NEAR_AMONG_BINS_M: f32 = 0.01;
/// Distance between the places that are tried when the best one is taken.
const GRID_M: f32 = 0.02;
/// A block is set down so far from others.
const MARGIN_M: f32 = 0.03;
/// On a table with bins, which is full, what is put aside leaves room for wider blocks on narrower ones.
const WIDE_MARGIN_M: f32 = 0.06;
/// Where a block is put merely aside: as near as there is room to this one corner, not to the gripper. Of many places that
/// are equally good a goal projection learns the mean, which is often one that is not free.
const ASIDE_M: [f32; 2] = [-0.8, -0.8];
/// Chance per step of a detour, and its length in steps.
const DETOUR: f64 = 0.03;
const DETOUR_STEPS: std::ops::Range<u32> = 3..9;

/// How unsteady the expert is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Standard deviation added to dx and dy.
    pub sigma: f32,
    /// Share of a full step that it moves at a time.
    pub gain: f32,
    /// Chance per step that the grip command is flipped.
    pub flip: f64,
    /// It wanders off now and then.
    pub detours: bool,
}

impl Noise {
    pub const NONE: Self = Self {
        sigma: 0.,
        gain: 1.,
        flip: 0.,
        detours: false,
    };

    /// The unsteadiness of one episode of training data.
    pub fn for_data(rng: &mut impl Rng) -> Self {
        let sigma = [0.05, 0.2, 0.4][rng.random_range(0..3)];
        Self {
            sigma,
            gain: rng.random_range(0.45..1.0),
            flip: 0.03,
            detours: true,
        }
    }
}

/// Carries out primitives, one action at a time.
#[derive(Clone, Debug)]
pub struct Expert {
    rng: ChaCha8Rng,
    noise: Noise,
    detour_m: [f32; 2],
    detour_steps: u32,
    near: bool,
}

impl Expert {
    /// `rng` from [`crate::random::rng`] with the stream `Expert`.
    pub fn new(rng: ChaCha8Rng, noise: Noise) -> Self {
        Self {
            rng,
            noise,
            detour_m: [0.; 2],
            detour_steps: 0,
            near: false,
        }
    }

    /// The next action toward the primitive; it rests when that holds. What stands in its way is done first: a wrong
    /// block in the gripper is set down on the table, a block that is to be placed is picked up.
    pub fn act(&mut self, primitive: &Primitive, state: &WorldState) -> Action {
        if primitive.holds(state) {
            let strength = self.magnitude();
            return [0., 0., if state.suction { strength } else { -strength }];
        }
        let block = primitive.block();
        match (state.held, primitive) {
            (Some(held), Primitive::Place { .. }) if held == block => {
                self.move_and_grip(state, destination(state, primitive), false, true)
            }
            (Some(held), _) => {
                let aside = Primitive::Place {
                    block: held,
                    target: Target::Table,
                };
                self.move_and_grip(state, destination(state, &aside), false, true)
            }
            (None, Primitive::Reach { .. }) => self.move_and_grip(state, destination(state, primitive), false, false),
            (None, _) => {
                let pick = Primitive::Pick { block };
                self.move_and_grip(state, destination(state, &pick), true, false)
            }
        }
    }

    /// Moves toward a place and commands `near` there and `far` on the way.
    pub(super) fn move_and_grip(&mut self, state: &WorldState, place_m: [f32; 2], near: bool, far: bool) -> Action {
        let detour = self.detour_steps > 0;
        let goal = if detour { self.detour_m } else { place_m };
        let way: [f32; 2] = std::array::from_fn(|i| goal[i] - state.gripper_m[i]);
        let gain = if way[0].abs().max(way[1].abs()) > STEP_M {
            self.noise.gain
        } else {
            1.
        };
        let mut moves = way.map(|d| (d / STEP_M).clamp(-1., 1.) * gain);
        let left = (way[0] - moves[0] * STEP_M).hypot(way[1] - moves[1] * STEP_M);
        let near_m = if state.bins.is_empty() {
            NEAR_M
        } else {
            NEAR_AMONG_BINS_M
        };
        self.near = left < near_m && !detour;
        let mut grip = if self.near { near } else { far };
        if self.noise.sigma > 0. {
            for value in &mut moves {
                let normal: f32 = StandardNormal.sample(&mut self.rng);
                *value += normal * self.noise.sigma;
            }
        }
        if self.noise.detours {
            self.detour_steps = self.detour_steps.saturating_sub(1);
            if self.rng.random_bool(DETOUR) && self.detour_steps == 0 {
                self.detour_m = std::array::from_fn(|_| self.rng.random_range(-0.9..0.9));
                self.detour_steps = self.rng.random_range(DETOUR_STEPS);
            }
        }
        if self.noise.flip > 0. {
            grip ^= self.rng.random_bool(self.noise.flip);
        }
        let strength = self.magnitude();
        [
            moves[0].clamp(-1., 1.),
            moves[1].clamp(-1., 1.),
            if grip { strength } else { -strength },
        ]
    }

    /// The last action was meant to end at its place.
    pub(super) fn near(&self) -> bool {
        self.near
    }

    /// Any value above zero commands the suction: all of them are shown to the model.
    fn magnitude(&mut self) -> f32 {
        if self.noise == Noise::NONE {
            1.
        } else {
            self.rng.random_range(0.15..1.0)
        }
    }
}

/// Where the gripper must be for the primitive: above its block, or where the held block is to be let go. A pad's
/// centre is taken if there is room, else the nearest place on the pad that has; the bare table likewise. Bins are filled
/// from a corner on.
pub fn destination(state: &WorldState, primitive: &Primitive) -> [f32; 2] {
    let above = |block: usize| {
        let [x, y, _] = state.blocks[block].position_m;
        [x, y].map(|value| value.clamp(-REACH_LIMIT_M, REACH_LIMIT_M))
    };
    match *primitive {
        Primitive::Reach { block } | Primitive::Pick { block } => above(block),
        Primitive::Place {
            target: Target::Block(lower),
            ..
        } => above(lower),
        Primitive::Place {
            block,
            target: Target::Pad(pad),
        } => {
            let pad = &state.pads[pad];
            // Falling may shift the block a little; its centre must stay within the pad.
            let reach = pad.half_m - MARGIN_M;
            nearest(pad.position_m, pad.position_m, reach, |place| {
                has_room(state, block, place, MARGIN_M)
            })
            .unwrap_or(pad.position_m)
        }
        Primitive::Place {
            block,
            target: Target::Bin(bin),
        } => free_place(state, block, bin).unwrap_or(state.bins[bin].position_m),
        Primitive::Place {
            block,
            target: Target::Table,
        } => {
            let own = state.blocks[block].half_m;
            let margin_m = if state.bins.is_empty() { MARGIN_M } else { WIDE_MARGIN_M };
            let off_bins = |[x, y]: [f32; 2]| {
                state.bins.iter().all(|bin| {
                    let [u, v] = bin.position_m;
                    (x - u).abs().max((y - v).abs()) > bin.half_m + own + MARGIN_M
                })
            };
            let off_pads = |[x, y]: [f32; 2]| {
                state.pads.iter().all(|pad| {
                    let [u, v] = pad.position_m;
                    (x - u).abs().max((y - v).abs()) > pad.half_m + own
                })
            };
            let near_pads_too = |[x, y]: [f32; 2]| {
                state.pads.iter().all(|pad| {
                    let [u, v] = pad.position_m;
                    (x - u).abs().max((y - v).abs()) > pad.half_m + MARGIN_M
                })
            };
            nearest(ASIDE_M, [0., 0.], 0.85, |place| {
                has_room(state, block, place, margin_m) && off_pads(place) && off_bins(place)
            })
            .or_else(|| {
                nearest(ASIDE_M, [0., 0.], 0.85, |place| {
                    has_room(state, block, place, MARGIN_M) && near_pads_too(place) && off_bins(place)
                })
            })
            .unwrap_or(ASIDE_M)
        }
    }
}

/// The block fits there, so far from every other.
fn has_room(state: &WorldState, block: usize, [x, y]: [f32; 2], margin_m: f32) -> bool {
    let [ex, ey, _] = state.blocks[block].extents_m();
    (0..state.blocks.len()).all(|other| {
        let there = &state.blocks[other];
        let [ox, oy, _] = there.extents_m();
        other == block
            || state.held == Some(other)
            || (x - there.position_m[0]).abs() > ex + ox + margin_m
            || (y - there.position_m[1]).abs() > ey + oy + margin_m
    })
}

/// The point nearest to `from` of a grid around `centre` for which `fits` holds.
fn nearest(from: [f32; 2], centre: [f32; 2], reach: f32, fits: impl Fn([f32; 2]) -> bool) -> Option<[f32; 2]> {
    let count = (reach / GRID_M) as i32;
    let mut best: Option<(f32, [f32; 2])> = None;
    for i in -count..=count {
        for j in -count..=count {
            let place = [centre[0] + i as f32 * GRID_M, centre[1] + j as f32 * GRID_M];
            let within = place.iter().all(|value| value.abs() <= REACH_LIMIT_M);
            let distance = (place[0] - from[0]).hypot(place[1] - from[1]);
            if within && best.is_none_or(|(least, _)| distance < least) && fits(place) {
                best = Some((distance, place));
            }
        }
    }
    best.map(|(_, place)| place)
}

/// Clear blocks that are not held.
pub(super) fn clear_blocks(state: &WorldState) -> Vec<usize> {
    (0..state.blocks.len())
        .filter(|&b| is_clear(state, b) && support(state, b) != Support::Gripper)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, rng};
    use crate::sim::interface::Environment;
    use crate::sim::oracle::{OracleKind, oracle_tasks};
    use crate::sim::scene::Scene;

    #[test]
    fn without_noise_it_solves_every_kind_from_a_hundred_starts() {
        let scene = Scene::load("three-blocks").unwrap();
        for kind in [
            OracleKind::Reach,
            OracleKind::Pick,
            OracleKind::Place,
            OracleKind::Stack,
        ] {
            for (seed, task) in oracle_tasks(&scene, kind, 7, 100, 64).unwrap().into_iter().enumerate() {
                let mut world = task.start;
                let mut expert = Expert::new(rng(seed as u64, Stream::Expert, 0, 0), Noise::NONE);
                let mut steps = 0;
                while !task.primitive.holds(world.state()) {
                    world.step(expert.act(&task.primitive, world.state()));
                    steps += 1;
                    assert!(steps < 20, "{kind:?} {seed}");
                }
            }
        }
    }

    #[test]
    fn it_clears_its_hands_and_fetches_what_it_places() {
        let scene = Scene::load("four-small-blocks").unwrap();
        for seed in 0..20 {
            let mut world = crate::sim::World::new(&scene, seed, 64).unwrap();
            let clear = clear_blocks(world.state());
            let mut state = world.state().clone();
            state.hold(clear[0]);
            world = crate::sim::World::from_state(&state, 64);
            let stack = Primitive::Place {
                block: clear[1],
                target: Target::Block(clear[2]),
            };
            let mut expert = Expert::new(rng(seed, Stream::Expert, 0, 0), Noise::NONE);
            for goal in [
                Primitive::Pick { block: clear[1] },
                stack,
                Primitive::Pick { block: clear[0] },
            ] {
                for _ in 0..60 {
                    world.step(expert.act(&goal, world.state()));
                }
                assert!(goal.holds(world.state()), "{seed} {}", goal.text(world.state()));
            }
        }
    }
}

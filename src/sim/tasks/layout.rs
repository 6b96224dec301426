//! Where things lie when a task is given: blocks apart, on pads, on each other or in the gripper, as often as tasks
//! need that.

use rand::{Rng, RngExt, seq::SliceRandom};
use serde::{Deserialize, Serialize};

use super::arrangement::{Arrangement, Place};
use crate::sim::bin::free_place;
use crate::sim::crowd::Crowd;
use crate::sim::{WorldState, upright};

/// Centres of blocks and pads stay within this of the middle of the table, per axis.
const AREA_M: f32 = 0.8;
/// The gripper starts within this.
const GRIPPER_AREA_M: f32 = 0.9;
/// Neighbours keep this multiple of the distance at which they would touch.
const APART: f32 = 1.12;
/// A block on a pad or on another block is off the middle by at most this, per axis.
const OFF_CENTRE_M: f32 = 0.05;
/// Where bins make the table full, by at most this.
const OFF_CENTRE_AMONG_BINS_M: f32 = 0.02;
/// A centre this near a pad's edge is neither on the pad nor off it, to the eye.
const EDGE_M: f32 = 0.03;

/// How often things are where, each from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// A block hangs from the gripper.
    pub held: f64,
    /// One of the other blocks stands on another.
    pub stacked: f64,
    /// A third stands on those two.
    pub tower: f64,
    /// A block that stands on the table stands on a pad.
    pub on_pad: f64,
    /// Where there are bins: one that stands on no pad lies in a bin.
    pub in_bin: f64,
    /// Blocks stand anywhere about the pads, half on them too.
    pub careless: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            held: 0.3,
            stacked: 0.45,
            tower: 0.1,
            on_pad: 0.35,
            in_bin: 0.2,
            careless: 0.12,
        }
    }
}

/// The same blocks and pads in new places.
pub fn lay_out(furniture: &WorldState, mix: &Mix, rng: &mut impl Rng) -> WorldState {
    loop {
        let state = if furniture.bins.is_empty() {
            attempt(furniture, mix, rng)
        } else {
            attempt_in_turn(furniture, mix, rng)
        };
        if let Some(state) = state {
            return state;
        }
    }
}

fn attempt(furniture: &WorldState, mix: &Mix, rng: &mut impl Rng) -> Option<WorldState> {
    let mut state = furniture.clone();
    let mut free: Vec<usize> = (0..state.blocks.len()).collect();
    free.shuffle(rng);
    let point = |rng: &mut dyn Rng, within: f32| -> [f32; 2] {
        [rng.random_range(-within..within), rng.random_range(-within..within)]
    };
    // Centres and half widths.
    let mut pads_at: Vec<([f32; 2], f32)> = vec![];
    let mut blocks_at: Vec<([f32; 2], f32)> = vec![];
    for pad in &mut state.pads {
        pad.position_m = point(rng, AREA_M);
        if !apart(&pads_at, pad.position_m, pad.half_m) {
            return None;
        }
        pads_at.push((pad.position_m, pad.half_m));
    }
    let careless = rng.random_bool(mix.careless);
    state.gripper_m = point(rng, GRIPPER_AREA_M);
    (state.suction, state.held) = (false, None);
    if rng.random_bool(mix.held)
        && let Some(block) = free.pop()
    {
        state.hold(block);
    }
    let storeys = if free.len() >= 2 && rng.random_bool(mix.stacked) {
        if free.len() >= 3 && rng.random_bool(mix.tower) {
            3
        } else {
            2
        }
    } else {
        1
    };
    let stack = free.split_off(free.len().saturating_sub(storeys));
    let mut pads: Vec<usize> = (0..state.pads.len()).collect();
    pads.shuffle(rng);
    for base in stack.first().into_iter().chain(&free) {
        let half_m = state.blocks[*base].half_m;
        let place = if rng.random_bool(mix.on_pad)
            && let Some(pad) = pads.pop()
        {
            near(state.pads[pad].position_m, rng)
        } else {
            let place = point(rng, AREA_M);
            if !careless && !apart(&pads_at, place, half_m) {
                return None;
            }
            place
        };
        if !apart(&blocks_at, place, half_m) {
            return None;
        }
        blocks_at.push((place, half_m));
        let [x, y] = place;
        let block = &mut state.blocks[*base];
        block.position_m = [x, y, block.height_m / 2.];
        block.rotation = [0., 0., 0., 1.];
    }
    for storey in stack.windows(2) {
        let [x, y, _] = state.blocks[storey[0]].position_m;
        let bottom_m = state.blocks[storey[0]].top_m();
        let [x, y] = near([x, y], rng);
        let block = &mut state.blocks[storey[1]];
        block.rotation = [0., 0., 0., 1.];
        block.position_m = [x, y, bottom_m + block.height_m / 2.];
    }
    Some(state)
}

/// The same on a table that is too full to hit on a layout all at once: bins, pads and blocks find their places one after
/// the other.
fn attempt_in_turn(furniture: &WorldState, mix: &Mix, rng: &mut impl Rng) -> Option<WorldState> {
    let mut state = furniture.clone();
    let mut crowd = Crowd::furnish(&mut state, AREA_M, rng)?;
    state.gripper_m = std::array::from_fn(|_| rng.random_range(-GRIPPER_AREA_M..GRIPPER_AREA_M));
    (state.suction, state.held) = (false, None);
    for block in &mut state.blocks {
        // Out of the way of those that look for a place in a bin.
        block.position_m[0] = 10.;
        block.rotation = [0., 0., 0., 1.];
    }
    let mut free: Vec<usize> = (0..state.blocks.len()).collect();
    free.shuffle(rng);
    if rng.random_bool(mix.held)
        && let Some(block) = free.pop()
    {
        state.hold(block);
    }
    let storeys = match (rng.random_bool(mix.stacked), rng.random_bool(mix.tower)) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    };
    let mut stack = free.split_off(free.len().saturating_sub(storeys));
    if storeys > 2 {
        // A high tower stands on its widest block.
        stack.sort_by(|&a, &b| state.blocks[b].half_m.total_cmp(&state.blocks[a].half_m));
    }
    let mut pads: Vec<usize> = (0..state.pads.len()).collect();
    pads.shuffle(rng);
    for (i, &base) in stack.first().into_iter().chain(&free).enumerate() {
        let is_base = i == 0 && storeys > 1;
        let [x, y] = if rng.random_bool(mix.on_pad)
            && let Some(pad) = pads.pop()
        {
            let off = OFF_CENTRE_AMONG_BINS_M;
            state.pads[pad]
                .position_m
                .map(|middle| middle + rng.random_range(-off..off))
        } else if !is_base && rng.random_bool(mix.in_bin) {
            free_place(&state, base, rng.random_range(0..state.bins.len()))?
        } else {
            crowd.find(state.blocks[base].half_m, AREA_M, rng)?
        };
        let block = &mut state.blocks[base];
        block.position_m = [x, y, block.height_m / 2.];
    }
    for storey in stack.windows(2) {
        let [x, y, _] = state.blocks[storey[0]].position_m;
        let bottom_m = state.blocks[storey[0]].top_m();
        let off = OFF_CENTRE_AMONG_BINS_M;
        let [x, y] = [x, y].map(|middle| middle + rng.random_range(-off..off));
        let block = &mut state.blocks[storey[1]];
        block.position_m = [x, y, bottom_m + block.height_m / 2.];
    }
    Some(state)
}

/// Whether the words for places say all that matters: blocks upright, one a pad and one a block, pads either clearly
/// taken or clearly free.
pub fn legible(state: &WorldState) -> bool {
    let arrangement = Arrangement::of(state);
    let widest_m = state.blocks.iter().map(|block| block.half_m).fold(0., f32::max);
    (0..state.blocks.len()).all(|block| {
        let place = arrangement.places[block];
        let alone = || arrangement.places.iter().filter(|&&other| other == place).count() == 1;
        let half_m = state.blocks[block].half_m;
        match place {
            Place::Gripper => true,
            Place::Table => {
                upright(state, block) && off_pads_m(state, block).all(|(off_m, _)| off_m > widest_m + half_m)
            }
            Place::Pad(_) | Place::Block(_) => upright(state, block) && alone(),
            Place::Bin(_) => upright(state, block),
        }
    })
}

/// Whether it is clear of every block, if not how it lies, at least which pad it counts as being on. Lists for such
/// states must be tried out.
pub fn nearly_legible(state: &WorldState) -> bool {
    let clear = |(off_m, half_m): (f32, f32)| (off_m - half_m).abs() > EDGE_M;
    (0..state.blocks.len()).all(|block| {
        // A bin's walls leave no doubt, unless something lies across them.
        let [x, y, _] = state.blocks[block].position_m;
        let off_bins_m = state.bins.iter().map(|bin| {
            let [u, v] = bin.position_m;
            ((x - u).abs().max((y - v).abs()), bin.half_m)
        });
        off_pads_m(state, block).all(clear) && off_bins_m.into_iter().all(clear)
    })
}

/// How far the block's centre is from each pad's, along the axis in which it is farther; with the pad's half width.
fn off_pads_m(state: &WorldState, block: usize) -> impl Iterator<Item = (f32, f32)> {
    let [x, y, _] = state.blocks[block].position_m;
    state.pads.iter().map(move |pad| {
        let off_m = (x - pad.position_m[0]).abs().max((y - pad.position_m[1]).abs());
        (off_m, pad.half_m)
    })
}

fn apart(taken: &[([f32; 2], f32)], place: [f32; 2], half_m: f32) -> bool {
    taken.iter().all(|(other, other_half_m)| {
        let off_m = (place[0] - other[0]).abs().max((place[1] - other[1]).abs());
        off_m > APART * (half_m + other_half_m)
    })
}

fn near(place: [f32; 2], rng: &mut impl Rng) -> [f32; 2] {
    place.map(|coordinate| coordinate + rng.random_range(-OFF_CENTRE_M..OFF_CENTRE_M))
}

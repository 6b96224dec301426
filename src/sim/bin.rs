//! Bins: open boxes with low walls that are fixed to the table, for several blocks to lie in.

use serde::{Deserialize, Serialize};

use super::state::WorldState;

/// Thickness of the walls.
pub(super) const WALL_M: f32 = 0.02;
/// Blocks that are put into a bin keep these distances from each other and from its walls.
const GAP_M: f32 = 0.02;
const WALL_GAP_M: f32 = 0.01;
/// Distance between the places that are tried.
const GRID_M: f32 = 0.01;

/// A square box without a lid; its floor is the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinState {
    /// What people call it: "blue bin".
    pub name: String,
    /// RGB in 0..=1.
    pub colour: [f32; 3],
    /// Half of its width, with its walls.
    pub half_m: f32,
    /// Height of the walls.
    pub wall_m: f32,
    /// Centre.
    pub position_m: [f32; 2],
}

/// An upright box that does not move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wall {
    pub half_m: [f32; 3],
    pub centre_m: [f32; 3],
}

impl BinState {
    /// Half of the room between the walls.
    pub fn inner_half_m(&self) -> f32 {
        self.half_m - WALL_M
    }

    /// The point of the table is between the walls.
    pub fn contains(&self, [x, y]: [f32; 2]) -> bool {
        let [u, v] = self.position_m;
        (x - u).abs().max((y - v).abs()) < self.inner_half_m()
    }

    /// Back, left, right and front.
    pub(super) fn walls(&self) -> [Wall; 4] {
        let ([x, y], thick, high) = (self.position_m, WALL_M / 2., self.wall_m / 2.);
        let off = self.half_m - thick;
        // The side walls stand between the other two.
        let (along, between) = ([self.half_m, thick, high], [thick, self.inner_half_m(), high]);
        [
            (along, [x, y + off, high]),
            (between, [x - off, y, high]),
            (between, [x + off, y, high]),
            (along, [x, y - off, high]),
        ]
        .map(|(half_m, centre_m)| Wall { half_m, centre_m })
    }
}

/// Where a block goes in a bin: the free place nearest to the back left corner, so that what comes later has room too;
/// none where it is full. Of many places that are equally good a goal projection would learn the mean.
pub(super) fn free_place(state: &WorldState, block: usize, bin: usize) -> Option<[f32; 2]> {
    let bin = &state.bins[bin];
    let ([x, y], [ex, ey, _]) = (bin.position_m, state.blocks[block].extents_m());
    let reach = [ex, ey].map(|extent| bin.inner_half_m() - extent - WALL_GAP_M);
    let taken: Vec<([f32; 2], [f32; 2])> = (0..state.blocks.len())
        .filter(|&other| other != block && state.held != Some(other))
        .map(|other| {
            let ([u, v, _], [ox, oy, _]) = (state.blocks[other].position_m, state.blocks[other].extents_m());
            ([u, v], [ex + ox + GAP_M, ey + oy + GAP_M])
        })
        .collect();
    let free = |[a, b]: [f32; 2]| {
        let apart = |&([u, v], [dx, dy]): &([f32; 2], [f32; 2])| (a - u).abs() >= dx || (b - v).abs() >= dy;
        taken.iter().all(apart)
    };
    if reach.iter().any(|reach| *reach < 0.) {
        return None;
    }
    let steps = reach.map(|reach| (2. * reach / GRID_M) as i32);
    let mut best: Option<(i32, [f32; 2])> = None;
    for i in 0..=steps[0] {
        for j in 0..=steps[1] {
            let (way, place) = (
                i * i + j * j,
                [x - reach[0] + i as f32 * GRID_M, y + reach[1] - j as f32 * GRID_M],
            );
            if best.is_none_or(|(least, _)| way < least) && free(place) {
                best = Some((way, place));
            }
        }
    }
    best.map(|(_, place)| place)
}

//! Room on a full table: things are placed one after the other, each where there is room beside those that are there.

use rand::{Rng, RngExt};

use super::state::WorldState;

/// What stands beside something else keeps this distance: a block that hangs over the one below it still passes.
const GAP_M: f32 = 0.05;
/// Places that are tried for one thing.
const TRIES: usize = 60;

/// Squares that are taken, seen from above.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    /// Centre and half width of each.
    taken: Vec<([f32; 2], f32)>,
}

impl Crowd {
    /// Something is there, whether there is room or not.
    pub fn take(&mut self, place: [f32; 2], half_m: f32) {
        self.taken.push((place, half_m));
    }

    /// A free place for something so wide, its centre within so much of the table's middle per axis; it is taken.
    pub fn find(&mut self, half_m: f32, within_m: f32, rng: &mut impl Rng) -> Option<[f32; 2]> {
        for _ in 0..TRIES {
            let place = [
                rng.random_range(-within_m..within_m),
                rng.random_range(-within_m..within_m),
            ];
            if self.is_free(place, half_m) {
                self.take(place, half_m);
                return Some(place);
            }
        }
        None
    }

    fn is_free(&self, [x, y]: [f32; 2], half_m: f32) -> bool {
        self.taken
            .iter()
            .all(|&([u, v], other_half_m)| (x - u).abs().max((y - v).abs()) >= half_m + other_half_m + GAP_M)
    }

    /// Bins and pads of the state in new places; none where there is no room for all of them.
    pub fn furnish(state: &mut WorldState, within_m: f32, rng: &mut impl Rng) -> Option<Self> {
        let mut crowd = Self::default();
        for bin in &mut state.bins {
            // As far out as what is narrower: its outer side may come nearer to the table's edge than a block's.
            bin.position_m = crowd.find(bin.half_m, within_m - bin.half_m / 2., rng)?;
        }
        for pad in &mut state.pads {
            pad.position_m = crowd.find(pad.half_m, within_m, rng)?;
        }
        Some(crowd)
    }
}

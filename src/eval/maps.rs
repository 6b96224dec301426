//! Other maps in the place of the language model's own: what its attention is worth to the goals and to the planner.

use rand::seq::SliceRandom;

use crate::random::{Stream, rng};
use crate::recording::AttentionMap;
use crate::vlm::maps::attention_map;

/// Keeps the numbers of shuffled maps apart from others of the stream.
const SHUFFLE: u64 = 2;

/// Where a sub-goal's map comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSource {
    /// The language model's own.
    Vlm,
    /// The same values on other patches.
    Shuffled,
    /// The same everywhere.
    Uniform,
    /// Where the named objects really are: the blob that training pulls toward.
    True,
}

impl MapSource {
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlm => "vlm",
            Self::Shuffled => "shuffled",
            Self::Uniform => "uniform",
            Self::True => "true",
        }
    }

    /// The map to use instead of `own` in that episode; `truth` gives the weights of the true one on `own`'s grid.
    pub fn replace(
        self,
        own: AttentionMap,
        truth: impl FnOnce() -> Vec<f32>,
        seed: u64,
        episode: usize,
    ) -> AttentionMap {
        let weights = match self {
            Self::Vlm => return own,
            Self::Shuffled => {
                let mut values = own.values;
                values.shuffle(&mut rng(seed, Stream::Eval, episode as u64, SHUFFLE));
                values
            }
            Self::Uniform => vec![1.0; own.values.len()],
            Self::True => truth(),
        };
        attention_map(&weights, own.grid, own.model_grid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_map_of_mean_one() {
        let weights: Vec<f32> = (0..64).map(|i| if i == 9 { 20.0 } else { 0.1 }).collect();
        let own = attention_map(&weights, [8, 8], [4, 4]);
        let truth = || {
            let mut blob = vec![0.0; 64];
            blob[63] = 1.0;
            blob
        };
        let map = |source: MapSource, seed, episode| source.replace(own.clone(), truth, seed, episode);
        let sources = [MapSource::Vlm, MapSource::Shuffled, MapSource::Uniform, MapSource::True];
        for source in sources {
            let map = map(source, 1, 0);
            let mean = map.resampled.iter().sum::<f32>() / 16.0;
            assert!((mean - 1.0).abs() < 1e-5, "{}: {mean}", source.name());
        }
        assert_eq!(map(MapSource::Vlm, 1, 0), own);
        assert!(map(MapSource::Uniform, 1, 0).values.iter().all(|value| *value == 1.0));
        // The bottom right patch of 8 x 8 lies in the bottom right one of 4 x 4.
        assert!(map(MapSource::True, 1, 0).resampled[15] > 15.0);
        let sorted = |map: &AttentionMap| {
            let mut values = map.values.clone();
            values.sort_by(f32::total_cmp);
            values
        };
        let shuffled = map(MapSource::Shuffled, 1, 0);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&sorted(&shuffled), &sorted(&own)), "the same values");
        assert_ne!(shuffled, own);
        assert_eq!(shuffled, map(MapSource::Shuffled, 1, 0));
        assert!((1..6).any(|episode| map(MapSource::Shuffled, 1, episode) != shuffled));
    }
}

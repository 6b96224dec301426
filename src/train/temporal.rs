//! Pairs of states for the temporal distance: where a rollout imagines to be, and a frame that the same episode came to
//! later, with the actions that passed in between.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use super::stage1b::LatentCache;
use crate::data::EpisodeStore;
use crate::random::{Stream, rng};
use crate::world_model::{TemporalDistance, temporal_loss};

/// Goals of each imagined state.
const GOALS: usize = 4;
/// Half of the goals are frames after the next grasps and releases, up to this one; as sub-goals are.
const EVENTS: usize = 3;
/// The others are at most so many actions ahead.
const AHEAD: usize = 20;
/// Of the regression; 0.5 would be the mean over all detours.
const EXPECTILE: f64 = 0.25;
/// Keeps these draws apart from those of the clips.
const PAIRS: u64 = 1;

/// Where grasps and releases lead to, episode by episode: the first frame after each.
pub(super) struct Goals {
    seed: u64,
    after_events: Vec<Vec<usize>>,
    last: usize,
}

impl Goals {
    pub fn of(store: &EpisodeStore, seed: u64) -> Self {
        let holding = |episode, frame| store.proprio(episode, frame)[3] > 0.0;
        let after_events = (0..store.episodes())
            .map(|episode| {
                let changed = |&frame: &usize| holding(episode, frame - 1) != holding(episode, frame);
                (1..=store.steps()).filter(changed).collect()
            })
            .collect();
        Self {
            seed,
            after_events,
            last: store.steps(),
        }
    }

    /// Frames of the episode at or after `frame` for batch `index`, in turns near and after an event.
    fn draw(&self, rng: &mut impl RngExt, episode: usize, frame: usize) -> [usize; GOALS] {
        let next = self.after_events[episode].iter().filter(|&&after| after >= frame);
        let next: Vec<usize> = next.take(EVENTS).copied().collect();
        std::array::from_fn(|i| {
            if i % 2 == 1 && !next.is_empty() {
                next[rng.random_range(0..next.len())]
            } else {
                (frame + rng.random_range(0..=AHEAD)).min(self.last)
            }
        })
    }

    /// The loss of batch `index`, `[1]`. `states[i]` `[B, D]` are the pooled latents `i` actions after the `starts`.
    pub fn loss(
        &self,
        head: &TemporalDistance,
        index: usize,
        (starts, states): (&[(usize, usize)], &[Tensor<2>]),
        cache: &LatentCache,
        device: &Device,
    ) -> Tensor<1> {
        let mut rng = rng(self.seed, Stream::Clips, index as u64, PAIRS);
        let dim = head.mean.dims()[0];
        let (mut goals, mut passed) = (Vec::new(), Vec::new());
        for ahead in 0..states.len() {
            for &(episode, start) in starts {
                let now = start + ahead;
                for frame in self.draw(&mut rng, episode, now) {
                    goals.extend(cache.pooled_frame(episode, frame, dim));
                    passed.push((frame - now) as f32);
                }
            }
        }
        let pairs = passed.len();
        let goals = Tensor::<2>::from_data(TensorData::new(goals, [pairs, dim]), device);
        let passed = Tensor::<1>::from_data(TensorData::new(passed, [pairs]), device);
        let each = |state: &Tensor<2>| {
            let [rows, dim] = state.dims();
            let state = state.clone().detach().reshape([rows, 1, dim]);
            state.repeat_dim(1, GOALS).reshape([rows * GOALS, dim])
        };
        let states = Tensor::cat(states.iter().map(each).collect(), 0);
        temporal_loss(head.forward(states, goals), passed, EXPECTILE)
    }
}

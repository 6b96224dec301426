//! Clips for training: short runs of frames, drawn by a counter, so that step 1000 of a run sees the same clips
//! whether or not the run was interrupted before.

use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;

use super::episodes::EpisodeStore;
use super::format::{PROPRIO, StoreError};
use crate::random::{Stream, rng};

/// Draws batches of clips from a part of a store.
#[derive(Clone, Debug)]
pub struct ClipSampler {
    store: Arc<EpisodeStore>,
    seed: u64,
    episodes: Range<usize>,
    /// (episode, step) of every action that changed whether something is held.
    events: Arc<[(usize, usize)]>,
}

/// A batch of B clips of T frames, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipBatch {
    pub batch: usize,
    pub clip_len: usize,
    pub frame_px: usize,
    /// `[B, T, 3, px, px]`
    pub frames: Vec<u8>,
    /// `[B, T-1, 3]`
    pub actions: Vec<f32>,
    /// `[B, T, 4]`: gripper x, y in metres, suction, holding (each -1 or 1)
    pub proprio: Vec<f32>,
    /// Episode and first frame of each clip, `[B]`.
    pub starts: Vec<(usize, usize)>,
}

impl ClipSampler {
    /// Clips of `episodes` alone; a range beyond the store's end is cut.
    pub fn new(store: Arc<EpisodeStore>, seed: u64, episodes: Range<usize>) -> Self {
        let episodes = episodes.start.min(store.episodes())..episodes.end.min(store.episodes());
        let holding = |episode, frame| store.proprio(episode, frame)[3] > 0.;
        let events = episodes
            .clone()
            .flat_map(|episode| (0..store.steps()).map(move |step| (episode, step)))
            .filter(|&(episode, step)| holding(episode, step) != holding(episode, step + 1))
            .collect();
        Self {
            store,
            seed,
            episodes,
            events,
        }
    }

    pub fn store(&self) -> &Arc<EpisodeStore> {
        &self.store
    }

    /// Grasps and releases in the sampler's episodes.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// The batch of training step `step`: `batch` clips of `clip_len` frames, of which the first `event_share` hold a
    /// grasp or a release. A function of the seed, the step and these numbers.
    ///
    /// # Errors
    /// Clips longer than an episode, no episodes, or a disk that fails.
    pub fn sample(&self, step: u64, batch: usize, clip_len: usize, event_share: f32) -> Result<ClipBatch, StoreError> {
        let starts = self.starts(step, batch, clip_len, event_share)?;
        let meta = self.store.meta();
        let bytes = clip_len * meta.frame_bytes();
        let mut clips = ClipBatch {
            batch,
            clip_len,
            frame_px: meta.frame_px,
            frames: vec![0; batch * bytes],
            actions: Vec::with_capacity(batch * (clip_len - 1) * 3),
            proprio: Vec::with_capacity(batch * clip_len * PROPRIO),
            starts,
        };
        for (&(episode, first), out) in clips.starts.iter().zip(clips.frames.chunks_exact_mut(bytes)) {
            self.store.read_frames(episode, first..first + clip_len, out)?;
            clips
                .actions
                .extend((first..first + clip_len - 1).flat_map(|t| self.store.action(episode, t)));
            clips
                .proprio
                .extend((first..first + clip_len).flat_map(|t| self.store.proprio(episode, t)));
        }
        Ok(clips)
    }

    /// Episode and first frame of each clip of that step, without reading frames.
    ///
    /// # Errors
    /// Clips longer than an episode, or no episodes.
    pub fn starts(
        &self,
        step: u64,
        batch: usize,
        clip_len: usize,
        event_share: f32,
    ) -> Result<Vec<(usize, usize)>, StoreError> {
        let (moves, steps) = (clip_len.saturating_sub(1), self.store.steps());
        if clip_len == 0 || moves > steps || self.episodes.is_empty() {
            return Err(StoreError::Range {
                episode: self.episodes.start,
                frames: 0..clip_len,
                episodes: self.episodes.end,
                count: steps + 1,
            });
        }
        let mut rng = rng(self.seed, Stream::Clips, step, 0);
        let of_events = if self.events.is_empty() {
            0
        } else {
            (batch as f32 * event_share) as usize
        };
        let last = steps - moves;
        Ok((0..batch)
            .map(|i| {
                if i < of_events && moves > 0 {
                    let (episode, at) = self.events[rng.random_range(0..self.events.len())];
                    (episode, at.saturating_sub(rng.random_range(0..moves)).min(last))
                } else {
                    (rng.random_range(self.episodes.clone()), rng.random_range(0..=last))
                }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::data::{GenerateSettings, generate};
    use crate::sim::Scene;

    #[test]
    fn clips_repeat_by_step_and_the_first_ones_hold_events() {
        let folder = tempfile::tempdir().unwrap();
        let settings = GenerateSettings {
            episodes: 12,
            steps: 20,
            seed: 5,
            frame_px: 16,
            ..GenerateSettings::default()
        };
        let scene = Scene::load("three-blocks").unwrap();
        generate(folder.path(), &scene, &settings, &|_, _| {}, &AtomicBool::new(false)).unwrap();
        let store = Arc::new(EpisodeStore::open(folder.path()).unwrap());
        let sampler = ClipSampler::new(store.clone(), 9, 2..12);
        assert!(sampler.events() > 10);
        let clips = sampler.sample(4, 16, 5, 0.5).unwrap();
        assert_eq!(clips, sampler.sample(4, 16, 5, 0.5).unwrap());
        assert_ne!(clips.starts, sampler.sample(5, 16, 5, 0.5).unwrap().starts);
        assert_eq!(
            (clips.frames.len(), clips.actions.len(), clips.proprio.len()),
            (16 * 5 * 768, 16 * 4 * 3, 16 * 5 * 4)
        );
        for (i, &(episode, first)) in clips.starts.iter().enumerate() {
            assert!((2..12).contains(&episode) && first + 5 <= 21);
            let holding: Vec<bool> = (0..5).map(|t| clips.proprio[(i * 5 + t) * 4 + 3] > 0.).collect();
            assert!(i >= 8 || holding.windows(2).any(|pair| pair[0] != pair[1]), "{i}");
            let mut frame = vec![0; 768];
            store.read_frames(episode, first + 3..first + 4, &mut frame).unwrap();
            assert_eq!(frame, clips.frames[(i * 5 + 3) * 768..(i * 5 + 4) * 768]);
            assert_eq!(
                clips.actions[(i * 4 + 1) * 3..(i * 4 + 1) * 3 + 3],
                store.action(episode, first + 1)
            );
        }
        assert!(sampler.sample(0, 4, 22, 0.).is_err());
    }
}

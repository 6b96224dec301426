//! A fixed set of frames seen through an encoder: their spectrum, and what a line reads out of them. The episodes are the
//! store's last ones; the line is fitted on three quarters of them and asked about the others.

use burn::tensor::{Device, Tensor};

use super::{LatentKind, ProbeErrors, SampleContent, Spectrum};
use crate::data::{EpisodeStore, StoreError};
use crate::eval::Figure;
use crate::eval::probe::Encoded;
use crate::eval::probe::read_out::ReadOut;
use crate::nn::wide;
use crate::world_model::{Encoder, pixels};

/// Episodes that are looked at, and frames of each: what they cost is a few tenths of a training step.
const EPISODES: usize = 32;
const FRAMES: usize = 10;
/// Tokens whose covariance is taken.
const TOKENS: usize = 5120;

/// Spectra and read-out of the frames. `encoder` lies on `device`, which records no gradients.
///
/// # Errors
/// The store cannot be read.
pub(in crate::train) fn look(
    encoder: &Encoder,
    store: &EpisodeStore,
    seed: u64,
    device: &Device,
) -> Result<SampleContent, StoreError> {
    let size = store.meta().frame_px;
    let from = store.episodes().saturating_sub(EPISODES);
    let stride = (store.steps() + 1).div_ceil(FRAMES);
    let at: Vec<usize> = (0..=store.steps()).step_by(stride).collect();
    let mut bytes = vec![0; at.len() * store.meta().frame_bytes()];
    let (mut episodes, mut kept) = (Vec::new(), Vec::new());
    let mut dim = 0;
    for episode in from..store.episodes() {
        for (&frame, out) in at.iter().zip(bytes.chunks_exact_mut(store.meta().frame_bytes())) {
            store.read_frames(episode, frame..frame + 1, out)?;
        }
        let tokens = wide(encoder.forward(pixels(&bytes, [at.len(), 3, size, size], device)));
        let [frames, patches, width] = tokens.dims();
        dim = width;
        let pooled: Vec<f32> = tokens.clone().mean_dim(1).into_data().iter::<f32>().collect();
        // As many frames of each episode as leave room for those of the others.
        let most = (TOKENS / EPISODES / patches).clamp(1, frames);
        kept.push(tokens.slice([0..most]));
        let states = at.iter().map(|&frame| store.state(episode, frame));
        episodes.push(Encoded {
            tokens: pooled.chunks_exact(dim).map(<[f32]>::to_vec).collect(),
            actions: Vec::new(),
            states: states.collect::<Result<_, _>>()?,
            shape: [1, dim],
        });
    }
    if episodes.is_empty() {
        return Ok(SampleContent::default());
    }
    let pooled: Vec<f32> = episodes.iter().flat_map(|one| one.tokens.concat()).collect();
    let tokens = Tensor::cat(kept, 0);
    // About the mean of each position, as in the loss: what depends on the position alone says nothing of the scene.
    let tokens = tokens.clone() - tokens.mean_dim(0);
    let tokens: Vec<f32> = tokens.into_data().iter::<f32>().collect();
    let spectra = [(LatentKind::Pooled, &pooled), (LatentKind::Tokens, &tokens)];
    Ok(SampleContent {
        spectra: spectra
            .into_iter()
            .filter_map(|(of, rows)| Spectrum::of_rows(of, rows, dim))
            .collect(),
        probe: read_out(episodes, seed),
        ..SampleContent::default()
    })
}

/// None of too few episodes, or where latents are not finite.
fn read_out(mut episodes: Vec<Encoded>, seed: u64) -> Option<ProbeErrors> {
    let fresh = episodes.split_off((episodes.len() * 3).div_ceil(4));
    let fitted = [episodes.len(), fresh.len()];
    let line = ReadOut::of_few_pooled(&episodes)?;
    let fresh: Vec<_> = fresh.into_iter().map(|episode| (episode, Vec::new())).collect();
    let found = line.score(&fresh, seed)?.found;
    let value = |figure: Option<Figure>| figure.map(|figure| figure.value);
    Some(ProbeErrors {
        gripper_m: value(found.gripper_m)?,
        blocks_m: value(found.blocks_m)?,
        gripper_chance_m: value(found.gripper_chance_m)?,
        blocks_chance_m: value(found.blocks_chance_m)?,
        by_block_m: found
            .by_block_m
            .into_iter()
            .filter_map(|(name, figure)| Some((name, value(figure)?)))
            .collect(),
        episodes: fitted,
    })
}

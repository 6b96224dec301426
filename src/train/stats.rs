//! Latent statistics of a trained world model over the episodes that it was trained on.

use burn::tensor::Device;

use crate::data::{EpisodeStore, StoreError};
use crate::nn::wide;
use crate::world_model::{LatentStats, WorldModel, pixels};

/// Episodes that are looked at: twelve thousand frames fix a mean and a covariance of 128 dimensions well enough.
const EPISODES: usize = 300;

/// Mean and covariance of the target encoder's pooled latents over a sample of the store. `progress` hears how many
/// episodes of how many are done.
///
/// # Errors
/// The store cannot be read.
pub fn fit_stats(
    model: &WorldModel,
    store: &EpisodeStore,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<LatentStats, StoreError> {
    let frames = store.steps() + 1;
    let size = store.meta().frame_px;
    let mut bytes = vec![0; frames * store.meta().frame_bytes()];
    let stride = (store.episodes() / EPISODES).max(1);
    let chosen: Vec<usize> = (0..store.episodes()).step_by(stride).collect();
    let mut pooled = Vec::new();
    let mut dim = 0;
    for (done, &episode) in chosen.iter().enumerate() {
        store.read_frames(episode, 0..frames, &mut bytes)?;
        let tokens = model
            .target_encoder
            .forward(pixels(&bytes, [frames, 3, size, size], device));
        dim = tokens.dims()[2];
        pooled.extend(wide(tokens).mean_dim(1).into_data().iter::<f32>());
        progress(done + 1, chosen.len());
    }
    Ok(LatentStats::fit(
        &pooled,
        dim,
        xy_variance(store),
        proprio_weight(model),
    ))
}

/// Total variance of the gripper's x and y over the whole store, square metres.
fn xy_variance(store: &EpisodeStore) -> f32 {
    let places = (0..store.episodes()).flat_map(|episode| (0..=store.steps()).map(move |frame| (episode, frame)));
    let (mut count, mut sum, mut squares) = (0.0, [0.0f64; 2], [0.0f64; 2]);
    for (episode, frame) in places {
        let [x, y, ..] = store.proprio(episode, frame);
        count += 1.0;
        for (i, value) in [f64::from(x), f64::from(y)].into_iter().enumerate() {
            sum[i] += value;
            squares[i] += value * value;
        }
    }
    let variance = |i: usize| squares[i] / count - (sum[i] / count).powi(2);
    // A gripper that never moved has no unit to be measured by.
    (variance(0) + variance(1)).max(1e-9) as f32
}

/// Weight of the proprioception head, `[4, D]` row-major; in memory it is `[D, 4]`.
fn proprio_weight(model: &WorldModel) -> Vec<f32> {
    model
        .heads
        .prop
        .weight
        .val()
        .transpose()
        .into_data()
        .iter::<f32>()
        .collect()
}

//! What the model's latents look like, seen and imagined: the small pictures that its head reads out of them.

use burn::tensor::{Device, Tensor, TensorData};

use super::{PictureRow, PictureSample};
use crate::data::{EpisodeStore, StoreError};
use crate::nn::wide;
use crate::world_model::{WorldModel, pictures, pixels, small_frames};

/// Episodes, the store's last ones, and how far ahead they are imagined.
const EPISODES: usize = 6;
const AHEAD: [usize; 4] = [0, 1, 4, 8];

/// Rolls the episodes' own actions out from where each first holds something. None where the model reads no pictures.
///
/// # Errors
/// The store cannot be read.
pub(in crate::train) fn read_pictures(
    model: &WorldModel,
    side: usize,
    store: &EpisodeStore,
    device: &Device,
) -> Result<Vec<PictureRow>, StoreError> {
    if model.heads.picture.is_none() {
        return Ok(Vec::new());
    }
    let longest = AHEAD[AHEAD.len() - 1].min(store.steps());
    let (size, bytes) = (store.meta().frame_px, store.meta().frame_bytes());
    let mut frames = vec![0; (longest + 1) * bytes];
    let mut rows = Vec::new();
    for episode in store.episodes().saturating_sub(EPISODES)..store.episodes() {
        let last = store.steps() - longest;
        let holding = |&frame: &usize| store.proprio(episode, frame)[3] > 0.0;
        let from = (0..=last).find(holding).unwrap_or(0);
        store.read_frames(episode, from..from + longest + 1, &mut frames)?;
        let truth = pictures(pixels(&frames, [longest + 1, 3, size, size], device), side);
        let first = pixels(&frames[..bytes], [1, 3, size, size], device);
        let mut state = model.target_encoder.forward(first);
        let mut steps = Vec::new();
        for (ahead, seen) in small_frames(truth).into_iter().enumerate() {
            if ahead > 0 {
                let action = store.action(episode, from + ahead - 1);
                let action = Tensor::<2>::from_data(TensorData::new(action.to_vec(), [1, 3]), device);
                state = model.predictor.step(state, action, None);
            }
            let pooled: Tensor<2> = wide(state.clone()).mean_dim(1).squeeze_dim(1);
            let read = model.heads.read_picture(pooled).filter(|_| AHEAD.contains(&ahead));
            let read = read.and_then(|read| small_frames(read).pop());
            steps.extend(read.map(|read| PictureSample { ahead, seen, read }));
        }
        rows.push(PictureRow { episode, from, steps });
    }
    Ok(rows)
}

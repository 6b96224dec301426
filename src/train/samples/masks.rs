//! The masks of a training step over frames of its own clips: drawn again from the run's seed and the step's number.

use super::{MaskedClip, MaskedFrame, Masks, TokenRole};
use crate::config::Config;
use crate::data::ClipSampler;
use crate::sim::Frame;
use crate::train::TrainError;
use crate::train::world_loss::{Shown, shown};

/// Clips of the batch, and frames of each, that are kept.
const CLIPS: usize = 2;
const FRAMES: usize = 8;

/// Of batch `index` of stage 1.
///
/// # Errors
/// The masks never fit, or the data cannot be read.
pub(in crate::train) fn masks(config: &Config, clips: &ClipSampler, index: usize) -> Result<Masks, TrainError> {
    let (stage, model) = (&config.train.stage1, &config.world_model);
    let (length, patches) = (model.clip_len, model.tokens());
    let shown = shown(config, [stage.batch, length], index)?;
    let starts = clips.starts(index as u64, stage.batch, length, stage.event_share as f32)?;
    // A causal step may look at any two frames of its clips.
    let first = match &shown {
        Shown::Causal { at } => (*at).min(length.saturating_sub(FRAMES)),
        Shown::Blocks(_) => 0,
    };
    let frames = first..length.min(first + FRAMES);
    let store = clips.store();
    let (size, bytes) = (store.meta().frame_px, store.meta().frame_bytes());
    let mut pixels = vec![0; frames.len() * bytes];
    let mut kept = Vec::new();
    for (clip, &(episode, start)) in starts.iter().take(CLIPS).enumerate() {
        let mut roles = vec![TokenRole::Unused; length * patches];
        match &shown {
            Shown::Causal { at } => {
                roles[at * patches..(at + 1) * patches].fill(TokenRole::Context);
                roles[(at + 1) * patches..(at + 2) * patches].fill(TokenRole::Target);
            }
            Shown::Blocks(blocks) => {
                blocks.visible[clip]
                    .iter()
                    .for_each(|&token| roles[token] = TokenRole::Context);
                blocks.target[clip]
                    .iter()
                    .for_each(|&token| roles[token] = TokenRole::Target);
            }
        }
        store.read_frames(episode, start + frames.start..start + frames.end, &mut pixels)?;
        let pictures = pixels
            .chunks_exact(bytes)
            .zip(roles[frames.start * patches..].chunks_exact(patches));
        let frames = pictures.map(|(rgb, roles)| MaskedFrame {
            frame: Frame {
                width: size,
                height: size,
                rgb: rgb.into(),
            },
            roles: roles.to_vec(),
        });
        kept.push(MaskedClip {
            frames: frames.collect(),
        });
    }
    Ok(Masks {
        causal: matches!(shown, Shown::Causal { .. }),
        grid: model.grid(),
        clips: kept,
    })
}

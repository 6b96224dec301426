//! Spatio-temporal block masks (method, 4.6): which tokens of a clip the encoder sees and which the predictor must fill in.

use rand::{Rng, RngExt};

use crate::config::MaskConfig;

/// Tokens of one clip: indices `t * N + n`, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub visible: Vec<usize>,
    pub target: Vec<usize>,
    /// Draws until the masked share lay in its range.
    pub draws: usize,
}

/// Blocks are drawn again at most so often; a configuration that never fits is refused by [`block_mask`].
const MAX_DRAWS: usize = 10_000;

/// No union of blocks fell into the range of masked shares.
#[derive(Debug, thiserror::Error)]
#[error(
    "No mask fits: {MAX_DRAWS} draws of {blocks} blocks never hid {from} to {to} of a clip. Widen train.stage1.mask.ratio or change its scale."
)]
pub struct MaskError {
    blocks: usize,
    from: f64,
    to: f64,
}

/// A union of blocks that hides a share of `grid` x `grid` x `frames` tokens within `config.ratio`.
///
/// # Errors
/// The configuration's blocks never reach its range.
pub fn block_mask(config: &MaskConfig, grid: usize, frames: usize, rng: &mut impl Rng) -> Result<Mask, MaskError> {
    let tokens = grid * grid;
    for draws in 1..=MAX_DRAWS {
        let mut hidden = vec![false; frames * tokens];
        for _ in 0..config.blocks {
            let area = uniform(rng, config.scale) * tokens as f64;
            let aspect = uniform(rng, config.aspect);
            let side = |length: f64| (length.round() as usize).clamp(1, grid);
            let (height, width) = (side((area * aspect).sqrt()), side((area / aspect).sqrt()));
            let length = rng.random_range(config.temporal.0..=config.temporal.1).min(frames);
            let top = rng.random_range(0..=grid - height);
            let left = rng.random_range(0..=grid - width);
            let start = rng.random_range(0..=frames - length);
            for t in start..start + length {
                for row in top..top + height {
                    let from = t * tokens + row * grid + left;
                    hidden[from..from + width].fill(true);
                }
            }
        }
        let share = hidden.iter().filter(|&&h| h).count() as f64 / hidden.len() as f64;
        if share >= config.ratio.0 && share <= config.ratio.1 {
            let (target, visible) = (0..hidden.len()).partition(|&i| hidden[i]);
            return Ok(Mask { visible, target, draws });
        }
    }
    Err(MaskError {
        blocks: config.blocks,
        from: config.ratio.0,
        to: config.ratio.1,
    })
}

/// Masks of a batch, cut to the smallest number of visible and of target tokens so that they stack: `[B][K]`, `[B][M]`.
/// What is cut is chosen at random, so that no place is favoured.
pub fn stack(masks: &[Mask], rng: &mut impl Rng) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let visible = masks.iter().map(|mask| mask.visible.len()).min().unwrap_or(0);
    let target = masks.iter().map(|mask| mask.target.len()).min().unwrap_or(0);
    let mut cut = |tokens: &[usize], count: usize| {
        let mut kept = tokens.to_vec();
        while kept.len() > count {
            let drop = rng.random_range(0..kept.len());
            kept.remove(drop);
        }
        kept
    };
    let visible = masks.iter().map(|mask| cut(&mask.visible, visible)).collect();
    let target = masks.iter().map(|mask| cut(&mask.target, target)).collect();
    (visible, target)
}

fn uniform(rng: &mut impl Rng, (from, to): (f64, f64)) -> f64 {
    if from < to { rng.random_range(from..to) } else { from }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, rng};

    fn paper() -> MaskConfig {
        MaskConfig {
            blocks: 4,
            scale: (0.15, 0.7),
            aspect: (0.75, 1.5),
            temporal: (4, 8),
            ratio: (0.65, 0.9),
            causal_share: 0.0,
        }
    }

    #[test]
    fn masked_share_lies_in_its_range_and_tokens_are_split() {
        for seed in 0..50 {
            let mask =
                block_mask(&paper(), 14, 16, &mut rng(seed, Stream::Masks, 0, 0)).expect("the method's masks fit");
            let total = 14 * 14 * 16;
            let share = mask.target.len() as f64 / total as f64;
            assert!((0.65..=0.9).contains(&share), "{share}");
            let mut all: Vec<_> = mask.visible.iter().chain(&mask.target).copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..total).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_range_that_blocks_cannot_reach_is_an_error() {
        let config = MaskConfig {
            blocks: 1,
            scale: (0.15, 0.2),
            ..paper()
        };
        assert!(block_mask(&config, 14, 16, &mut rng(0, Stream::Masks, 0, 0)).is_err());
    }

    #[test]
    fn a_batch_is_cut_to_one_size() {
        let masks: Vec<_> = (0..8)
            .map(|seed| block_mask(&paper(), 14, 16, &mut rng(seed, Stream::Masks, 0, 0)).expect("fits"))
            .collect();
        let (visible, target) = stack(&masks, &mut rng(0, Stream::Masks, 1, 0));
        assert!(visible.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        assert!(target.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        assert!(
            visible
                .iter()
                .zip(&masks)
                .all(|(kept, mask)| kept.iter().all(|i| mask.visible.contains(i)))
        );
    }
}

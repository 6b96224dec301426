//! What a frozen encoder makes of clips, computed once and kept in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};

use super::{DownstreamError, numbers};
use crate::config::{EncoderAttention, WorldModelConfig};
use crate::data::EventClips;
use crate::nn::wide;
use crate::sim::EVENT_FRAMES;
use crate::world_model::{Encoder, pixels};

/// Clips that are encoded at once.
const AT_ONCE: usize = 4;
/// Under this a number of the features counts as constant.
const LEAST_SD: f32 = 1e-6;

/// Features of clips, `[C, width]`, and the number of each clip's event.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    pub width: usize,
    pub values: Vec<f32>,
    pub labels: Vec<usize>,
}

/// Tokens of whole clips: `[B, T, 3, H, W]` (0 to 255) to `[B, T, N, D]`. Where frames see each other, as many at a time as
/// the encoder was made for.
pub fn tokens(encoder: &Encoder, config: &WorldModelConfig, clips: Tensor<5>) -> Tensor<4> {
    let [b, t, c, h, w] = clips.dims();
    let together = match config.encoder.attention {
        EncoderAttention::Frame => 1,
        EncoderAttention::Clip => (1..=t.min(config.clip_len))
            .rev()
            .find(|run| t.is_multiple_of(*run))
            .unwrap_or(1),
    };
    let runs = clips.reshape([b * t / together, together, c, h, w]);
    wide(encoder.forward_clips(runs)).reshape([b, t, config.tokens(), config.dim])
}

/// The chosen clips as the encoder takes them, `[B, T, 3, H, W]`.
pub fn picked(clips: &EventClips, chosen: &[usize], device: &Device) -> Tensor<5> {
    let bytes: Vec<u8> = chosen.iter().flat_map(|&clip| clips.frames(clip)).copied().collect();
    let px = clips.frame_px();
    pixels(&bytes, [chosen.len(), EVENT_FRAMES, 3, px, px], device)
}

impl Features {
    /// Every token of every frame, row by row `[T, N, D]`. `watch` hears how many clips are done.
    ///
    /// # Errors
    /// `cancel` was set, or the device failed.
    pub fn of_tokens(
        encoder: &Encoder,
        config: &WorldModelConfig,
        clips: &EventClips,
        device: &Device,
        watch: &mut dyn FnMut(usize),
        cancel: &AtomicBool,
    ) -> Result<Self, DownstreamError> {
        let width = EVENT_FRAMES * config.tokens() * config.dim;
        let mut values = Vec::with_capacity(clips.len() * width);
        let all: Vec<usize> = (0..clips.len()).collect();
        for chosen in all.chunks(AT_ONCE) {
            if cancel.load(Ordering::Relaxed) {
                return Err(DownstreamError::Cancelled);
            }
            values.extend(numbers(tokens(encoder, config, picked(clips, chosen, device)))?);
            watch(values.len() / width);
        }
        Ok(Self {
            width,
            values,
            labels: clips.labels().collect(),
        })
    }

    /// The mean over space and time, `[C, D]`.
    pub fn pooled(&self, dim: usize) -> Self {
        let mean = |row: &[f32]| -> Vec<f32> {
            let mut sum = vec![0.0f64; dim];
            for token in row.chunks_exact(dim) {
                sum.iter_mut()
                    .zip(token)
                    .for_each(|(sum, &value)| *sum += f64::from(value));
            }
            let tokens = (row.len() / dim) as f64;
            sum.into_iter().map(|sum| (sum / tokens) as f32).collect()
        };
        Self {
            width: dim,
            values: self.values.chunks_exact(self.width).flat_map(mean).collect(),
            labels: self.labels.clone(),
        }
    }

    /// Mean and standard deviation of each number of a row.
    fn units(&self) -> Vec<(f32, f32)> {
        let count = self.labels.len().max(1) as f64;
        (0..self.width)
            .map(|at| {
                let column = || self.values.iter().skip(at).step_by(self.width).map(|&x| f64::from(x));
                let mean = column().sum::<f64>() / count;
                let variance = column().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                (mean as f32, (variance.sqrt() as f32).max(LEAST_SD))
            })
            .collect()
    }

    /// Both with each number brought to zero mean and unit variance over the first: a line on features that hardly vary
    /// would learn at the pace of the smallest.
    pub fn standardised(mut self, mut other: Self) -> (Self, Self) {
        let units = self.units();
        for features in [&mut self, &mut other] {
            for row in features.values.chunks_exact_mut(units.len()) {
                for (value, (mean, sd)) in row.iter_mut().zip(&units) {
                    *value = (*value - mean) / sd;
                }
            }
        }
        (self, other)
    }

    /// Rows of the chosen clips, `[B, width]`.
    pub fn rows(&self, chosen: &[usize], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = chosen
            .iter()
            .flat_map(|&clip| &self.values[clip * self.width..(clip + 1) * self.width])
            .copied()
            .collect();
        Tensor::from_data(TensorData::new(values, [chosen.len(), self.width]), device)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::config::preset;

    #[test]
    fn pooled_and_standardised_features_are_means_and_units() {
        let features = Features {
            width: 4,
            values: vec![1.0, 5.0, 3.0, 5.0, 5.0, 5.0, 7.0, 5.0],
            labels: vec![0, 1],
        };
        let pooled = features.pooled(2);
        assert_eq!((pooled.width, &pooled.values[..]), (2, &[2.0, 5.0, 6.0, 5.0][..]));
        let (first, second) = pooled.clone().standardised(pooled);
        assert_eq!(first.values, [-1.0, 0.0, 1.0, 0.0]);
        assert_eq!(first, second);
        let rows = first.rows(&[1, 0], &Device::flex()).into_data();
        assert_eq!(rows.try_into_vec_as::<f32>().unwrap(), [1.0, 0.0, -1.0, 0.0]);
    }

    /// Frame by frame where frames are alone, and in runs of `clip_len` where they see each other.
    #[test]
    fn tokens_are_what_the_encoder_makes_of_the_frames_it_sees_together() {
        let device = Device::flex();
        device.seed(9);
        for (attention, clip_len, together) in [
            (EncoderAttention::Frame, 2, 1),
            (EncoderAttention::Clip, 4, 4),
            (EncoderAttention::Clip, 3, 2),
        ] {
            let mut config = preset("nano").unwrap().world_model;
            (config.encoder.attention, config.clip_len) = (attention, clip_len);
            let encoder = Encoder::new(&config, &device);
            let clips = Tensor::<5>::random([1, EVENT_FRAMES, 3, 64, 64], Distribution::Uniform(0.0, 255.0), &device);
            let all = tokens(&encoder, &config, clips.clone());
            assert_eq!(all.dims(), [1, EVENT_FRAMES, 16, 128]);
            let second = clips.slice([0..1, together..2 * together]);
            let alone = encoder.forward_clips(second).reshape([together * 16, 128]);
            let within = all.slice([0..1, together..2 * together]).reshape([together * 16, 128]);
            let worst = (alone - within).abs().max().into_scalar::<f32>();
            assert!(worst < 1e-4, "{attention:?} {clip_len}: {worst}");
        }
    }
}

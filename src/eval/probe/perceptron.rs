//! A small perceptron as a read-out: one hidden layer, trained on frozen latents. What it finds is in the latent, though
//! not in plain sight.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;

use crate::nn::Mlp;
use crate::random::{Stream, rng};

const HIDDEN: usize = 128;
const STEPS: usize = 2000;
const BATCH: usize = 128;
/// First learning rate; it falls to zero along a cosine.
const RATE: f64 = 2e-3;
const DECAY: f32 = 0.05;
/// Keeps the draws of batches apart from others of the stream.
const BATCHES: u64 = 8;

/// A perceptron with the units that it was trained in.
pub struct Perceptron {
    mlp: Mlp,
    features: Unit,
    targets: Unit,
    device: Device,
}

/// Mean of each number, and what a difference to it is divided by.
#[derive(Clone, Debug)]
struct Unit {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Unit {
    /// Of rows of equal length; with a common scale where the numbers are alike.
    fn of<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, common: bool) -> Option<Self> {
        let width = rows.clone().next()?.len();
        let (mut sum, mut squares, mut count) = (vec![0.0f64; width], vec![0.0f64; width], 0.0);
        for row in rows {
            for (i, &value) in row.iter().enumerate() {
                sum[i] += f64::from(value);
                squares[i] += f64::from(value).powi(2);
            }
            count += 1.0;
        }
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let mut variance: Vec<f64> = squares
            .iter()
            .zip(&mean)
            .map(|(square, mean)| square / count - mean * mean)
            .collect();
        if common {
            let all = variance.iter().sum::<f64>() / width as f64;
            variance.fill(all);
        }
        let finite = variance.iter().all(|value| value.is_finite());
        finite.then(|| Self {
            mean: mean.into_iter().map(|mean| mean as f32).collect(),
            // What never varies has no unit.
            scale: variance
                .into_iter()
                .map(|variance| variance.max(1e-12).sqrt() as f32)
                .collect(),
        })
    }

    fn put(&self, row: &[f32]) -> impl Iterator<Item = f32> {
        row.iter()
            .zip(self.mean.iter().zip(&self.scale))
            .map(|(x, (mean, scale))| (x - mean) / scale)
    }

    fn back(&self, row: &[f32]) -> Vec<f64> {
        let values = row.iter().zip(self.mean.iter().zip(&self.scale));
        values.map(|(x, (mean, scale))| f64::from(x * scale + mean)).collect()
    }
}

impl Perceptron {
    /// Trains on rows of `[F]` features and `[K]` targets, on the CPU. None where there are no rows, their numbers are not
    /// finite, or `cancel` was set.
    pub fn fit(features: &[Vec<f32>], targets: &[Vec<f32>], seed: u64, cancel: &AtomicBool) -> Option<Self> {
        let of_features = Unit::of(features.iter().map(Vec::as_slice), true)?;
        let of_targets = Unit::of(targets.iter().map(Vec::as_slice), false)?;
        let (device, plain) = (Device::flex().autodiff(), Device::flex());
        device.seed(seed);
        let (inputs, outputs) = (features[0].len(), targets[0].len());
        let mut mlp = Mlp::new(inputs, HIDDEN, outputs, &device);
        let mut optimizer = AdamWConfig::new().with_weight_decay(DECAY).init();
        let mut draws = rng(seed, Stream::Eval, 0, BATCHES);
        for step in 0..STEPS {
            if cancel.load(Ordering::Relaxed) {
                return None;
            }
            let (mut x, mut y) = (Vec::with_capacity(BATCH * inputs), Vec::with_capacity(BATCH * outputs));
            for _ in 0..BATCH {
                let row = draws.random_range(0..features.len());
                x.extend(of_features.put(&features[row]));
                y.extend(of_targets.put(&targets[row]));
            }
            let x = Tensor::<2>::from_data(TensorData::new(x, [BATCH, inputs]), &device);
            let y = Tensor::<2>::from_data(TensorData::new(y, [BATCH, outputs]), &device);
            let loss = (mlp.forward(x) - y).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &mlp);
            let rate = 0.5 * RATE * (1.0 + (std::f64::consts::PI * step as f64 / STEPS as f64).cos());
            mlp = optimizer.step(rate, mlp, gradients);
        }
        Some(Self {
            mlp: mlp.valid(),
            features: of_features,
            targets: of_targets,
            device: plain,
        })
    }

    /// Targets of each row of features; none where the device failed.
    pub fn read(&self, rows: &[Vec<f32>]) -> Option<Vec<Vec<f64>>> {
        let Some(first) = rows.first() else {
            return Some(Vec::new());
        };
        let x: Vec<f32> = rows.iter().flat_map(|row| self.features.put(row)).collect();
        let x = Tensor::<2>::from_data(TensorData::new(x, [rows.len(), first.len()]), &self.device);
        let read = self.mlp.forward(x).try_into_vec_as::<f32>().ok()?;
        Some(
            read.chunks_exact(self.targets.mean.len())
                .map(|row| self.targets.back(row))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_no_line_fits_and_is_the_same_again() {
        let mut numbers = rng(3, Stream::Init, 0, 0);
        let features: Vec<Vec<f32>> = (0..900)
            .map(|_| (0..4).map(|_| numbers.random_range(-1.0f32..1.0)).collect())
            .collect();
        // A product: no linear read-out explains any of it.
        let targets: Vec<Vec<f32>> = features.iter().map(|row| vec![5.0 + row[0] * row[1], row[2]]).collect();
        let cancel = AtomicBool::new(false);
        let fit = || Perceptron::fit(&features[..800], &targets[..800], 7, &cancel).unwrap();
        let read = fit().read(&features[800..]).unwrap();
        let error = |k: usize| {
            let gaps = read
                .iter()
                .zip(&targets[800..])
                .map(|(read, truth)| (read[k] - f64::from(truth[k])).abs());
            gaps.sum::<f64>() / 100.0
        };
        assert!(error(0) < 0.05 && error(1) < 0.05, "{} {}", error(0), error(1));
        assert_eq!(fit().read(&features[800..]).unwrap(), read);
        assert!(Perceptron::fit(&[], &[], 7, &cancel).is_none());
        cancel.store(true, Ordering::Relaxed);
        assert!(Perceptron::fit(&features, &targets, 7, &cancel).is_none());
    }
}

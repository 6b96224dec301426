//! What planning knows about the latent space as a whole: where its mean lies, how two states are compared, and what
//! similarity means "reached". Fitted once after training and part of the checkpoint.

use nalgebra::DMatrix;

/// `T` in `sim = exp(-(1 - cos) / T)`, one per source of goals, so that the best threshold is always 0.85.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimTemperature {
    pub oracle: f32,
    pub gpi: f32,
    pub image: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LatentStats {
    /// Mean of the pooled latent, `[D]`.
    pub mean: Vec<f32>,
    /// Its covariance, `[D, D]`, row-major.
    pub covariance: Vec<f32>,
    /// Total variance of the gripper's x and y in the data, square metres.
    pub xy_variance: f32,
    /// Weight of the proprioception head, `[4, D]`, row-major.
    pub proprio_weight: Vec<f32>,
    pub sim_temperature: SimTemperature,
}

impl LatentStats {
    /// Mean and covariance of pooled latents `[M, D]`, row-major.
    pub fn fit(pooled: &[f32], dim: usize, xy_variance: f32, proprio_weight: Vec<f32>) -> Self {
        let rows = pooled.len() / dim;
        let mut mean = vec![0.0f64; dim];
        for row in pooled.chunks_exact(dim) {
            for (m, &x) in mean.iter_mut().zip(row) {
                *m += f64::from(x) / rows as f64;
            }
        }
        let centred = DMatrix::from_fn(rows, dim, |i, j| f64::from(pooled[i * dim + j]) - mean[j]);
        let covariance = centred.tr_mul(&centred) / (rows.max(2) - 1) as f64;
        Self {
            mean: mean.iter().map(|&m| m as f32).collect(),
            covariance: covariance.transpose().iter().map(|&c| c as f32).collect(),
            xy_variance,
            proprio_weight,
            // Replaced by calibration; about what the recipe's oracle goals gave.
            sim_temperature: SimTemperature {
                oracle: 0.1,
                gpi: 0.92,
                image: 0.1,
            },
        }
    }

    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// `[D, D + 4]`, row-major: `(p - mean) C` is the comparison vector. Its first D entries are the scene's content, the
    /// pooled latent with the four proprioceptive directions projected out and unit total variance; then gripper x, y
    /// (unit total variance times `xy`) and the flags suction, holding (unit total variance times `flags`).
    pub fn comparison(&self, xy: f32, flags: f32) -> Vec<f32> {
        let dim = self.dim();
        let weight = DMatrix::from_fn(dim, 4, |i, j| f64::from(self.proprio_weight[j * dim + i]));
        let q = weight.clone().qr().q();
        let projector = DMatrix::identity(dim, dim) - &q * q.transpose();
        let covariance = DMatrix::from_fn(dim, dim, |i, j| f64::from(self.covariance[i * dim + j]));
        let content_variance = projector.component_mul(&(&covariance * &projector)).sum();
        let content = projector / content_variance.max(1e-12).sqrt();
        let xy_scale = f64::from(xy / self.xy_variance).sqrt();
        // Flags are -1 or 1: a variance of about 1 each.
        let flag_scale = f64::from(flags / 2.0).sqrt();
        let mut matrix = Vec::with_capacity(dim * (dim + 4));
        for i in 0..dim {
            matrix.extend((0..dim).map(|j| content[(i, j)] as f32));
            for j in 0..4 {
                let scale = if j < 2 { xy_scale } else { flag_scale };
                matrix.push((weight[(i, j)] * scale) as f32);
            }
        }
        matrix
    }
}

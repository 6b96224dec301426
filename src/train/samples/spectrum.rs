//! The spectrum of latents: how many directions are in use. It is the quantity whose entropy SIGReg raises (method, 4.7),
//! taken over fixed frames and not over a batch.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// What the covariance is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatentKind {
    Pooled,
    /// Centred per position.
    Tokens,
}

/// Eigenvalues of the covariance as shares of their sum, the largest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    pub of: LatentKind,
    /// `[D]`, sum 1.
    pub shares: Vec<f32>,
    /// `exp(H(p))` of the shares p: between 1 and D.
    pub effective_rank: f64,
    /// Rows that the covariance is of: no more directions than that can be seen.
    pub rows: usize,
}

impl Spectrum {
    /// Of rows `[M, D]`, row-major, centred here; none where nothing varies or a number is not finite.
    pub fn of_rows(of: LatentKind, rows: &[f32], dim: usize) -> Option<Self> {
        let count = rows.len() / dim.max(1);
        let matrix = DMatrix::from_fn(count, dim, |i, j| f64::from(rows[i * dim + j]));
        let mean = matrix.row_mean();
        let centred = DMatrix::from_fn(count, dim, |i, j| matrix[(i, j)] - mean[j]);
        let scatter = centred.tr_mul(&centred);
        let trace = scatter.trace();
        if !(trace.is_finite() && trace > 0.0) {
            return None;
        }
        let values = (scatter / trace).symmetric_eigenvalues();
        let mut shares: Vec<f64> = values.iter().map(|value| value.max(0.0)).collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        let entropy: f64 = shares.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        Some(Self {
            of,
            shares: shares.into_iter().map(|share| share as f32).collect(),
            effective_rank: entropy.exp(),
            rows: count,
        })
    }

    /// The least number of directions that hold this share of the variance.
    pub fn directions_of(&self, share: f32) -> usize {
        let mut sum = 0.0;
        let before = self.shares.iter().take_while(|value| {
            sum += **value;
            sum < share
        });
        (before.count() + 1).min(self.shares.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_directions_count_fully_and_a_single_one_as_one() {
        // Corners of a cube, off the origin: three directions, all alike.
        let cube: Vec<f32> = (0..8)
            .flat_map(|i| (0..3).map(move |bit| if i >> bit & 1 == 1 { 5.0 } else { 3.0 }))
            .collect();
        let even = Spectrum::of_rows(LatentKind::Tokens, &cube, 3).unwrap();
        assert!((even.effective_rank - 3.0).abs() < 1e-9, "{even:?}");
        assert_eq!((even.directions_of(0.9), even.directions_of(0.3), even.rows), (3, 1, 8));
        let line: Vec<f32> = (0..8).flat_map(|i| [i as f32, 2.0 * i as f32, 1.0]).collect();
        let line = Spectrum::of_rows(LatentKind::Tokens, &line, 3).unwrap();
        assert!((line.effective_rank - 1.0).abs() < 1e-6, "{line:?}");
        // Variances 4 and 1 by hand: shares 0.8 and 0.2.
        let cross = [2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        let cross = Spectrum::of_rows(LatentKind::Tokens, &cross, 2).unwrap();
        let expected = (-(0.8f64 * 0.8f64.ln() + 0.2 * 0.2f64.ln())).exp();
        assert!((cross.effective_rank - expected).abs() < 1e-9 && (cross.shares[0] - 0.8).abs() < 1e-6);
        assert_eq!(Spectrum::of_rows(LatentKind::Tokens, &[1.0; 6], 2), None);
        assert_eq!(
            Spectrum::of_rows(LatentKind::Tokens, &[f32::NAN, 1.0, 2.0, 3.0], 2),
            None
        );
    }
}

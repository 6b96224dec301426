//! Ridge regression by its normal equations, with each target's strength of the penalty chosen on rows that were not
//! fitted.

use nalgebra::{DMatrix, DVector};

/// Strengths that are tried, in units of the mean variance of a feature.
const STRENGTHS: [f64; 5] = [1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// Of the rows, the last share is for choosing the strength.
const CHOOSING: f64 = 0.2;
/// Rows that are added to the normal equations at once.
const CHUNK: usize = 256;
/// Width of the blocks that a matrix is factored by.
const BLOCK: usize = 64;

/// A linear map from features to targets.
#[derive(Clone, Debug)]
pub struct Ridge {
    feature_mean: DVector<f64>,
    target_mean: DVector<f64>,
    /// `[K, F]`.
    weight: DMatrix<f64>,
    /// The strength that was chosen for each target, `[K]`, in units of the mean variance of a feature.
    pub strengths: Vec<f64>,
}

/// Sums over rows: features by features, targets by features.
struct Sums {
    gram: DMatrix<f64>,
    cross: DMatrix<f64>,
}

impl Ridge {
    /// Fits rows of `[F]` features to rows of `[K]` targets. Rows of one episode should lie together: the last fifth
    /// chooses the strength. None of too few rows, or where numbers are not finite.
    pub fn fit(features: &[Vec<f32>], targets: &[Vec<f64>]) -> Option<Self> {
        let kept = features.len() - (features.len() as f64 * CHOOSING) as usize;
        if kept < 2 || kept == features.len() || features.len() != targets.len() {
            return None;
        }
        let feature_mean = mean(features.iter().map(|row| row.iter().map(|&value| f64::from(value))))?;
        let target_mean = mean(targets.iter().map(|row| row.iter().copied()))?;
        let sums = |from: usize, to: usize| {
            let mut sums = Sums {
                gram: DMatrix::zeros(feature_mean.len(), feature_mean.len()),
                cross: DMatrix::zeros(target_mean.len(), feature_mean.len()),
            };
            for start in (from..to).step_by(CHUNK) {
                let end = (start + CHUNK).min(to);
                // A row is a column here.
                let x = centred(&features[start..end], &feature_mean);
                let y = centred(&targets[start..end], &target_mean);
                let x_rows = x.transpose();
                sums.gram.gemm(1.0, &x, &x_rows, 1.0);
                sums.cross.gemm(1.0, &y, &x_rows, 1.0);
            }
            sums
        };
        let (fitted, choosing) = (sums(0, kept), sums(kept, features.len()));
        let unit = |sums: &Sums| sums.gram.trace() / sums.gram.nrows() as f64;
        let mut best = vec![(f64::INFINITY, STRENGTHS[0]); target_mean.len()];
        for strength in STRENGTHS {
            let weight = solve(&fitted, strength * unit(&fitted))?;
            // Squared errors on the rows for choosing, less what does not depend on the weights.
            let explained = weight.component_mul(&choosing.cross);
            let errors = (&weight * &choosing.gram).component_mul(&weight) - 2.0 * explained;
            for (best, errors) in best.iter_mut().zip(errors.row_iter()) {
                if errors.sum() < best.0 {
                    *best = (errors.sum(), strength);
                }
            }
        }
        let all = Sums {
            gram: fitted.gram + choosing.gram,
            cross: fitted.cross + choosing.cross,
        };
        let mut weight = DMatrix::zeros(target_mean.len(), feature_mean.len());
        for strength in STRENGTHS {
            if best.iter().all(|(_, chosen)| *chosen != strength) {
                continue;
            }
            let of_all = solve(&all, strength * unit(&all))?;
            for (target, _) in best.iter().enumerate().filter(|(_, (_, chosen))| *chosen == strength) {
                weight.row_mut(target).copy_from(&of_all.row(target));
            }
        }
        Some(Self {
            feature_mean,
            target_mean,
            weight,
            strengths: best.into_iter().map(|(_, strength)| strength).collect(),
        })
    }

    /// Targets `[K]` of features `[F]`.
    pub fn read(&self, features: &[f32]) -> Vec<f64> {
        let centred = DVector::from_iterator(
            features.len(),
            features
                .iter()
                .zip(&self.feature_mean)
                .map(|(&x, mean)| f64::from(x) - mean),
        );
        (&self.weight * centred + &self.target_mean).iter().copied().collect()
    }
}

fn mean<R: Iterator<Item = f64>>(rows: impl Iterator<Item = R>) -> Option<DVector<f64>> {
    let (mut sum, mut count): (Vec<f64>, f64) = (Vec::new(), 0.0);
    for row in rows {
        if sum.is_empty() {
            sum = row.collect();
        } else {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        count += 1.0;
    }
    let finite = sum.iter().all(|sum| sum.is_finite());
    (finite && count > 0.0).then(|| DVector::from_vec(sum) / count)
}

fn centred<T: Copy + Into<f64>>(rows: &[Vec<T>], mean: &DVector<f64>) -> DMatrix<f64> {
    let values = rows
        .iter()
        .flat_map(|row| row.iter().zip(mean).map(|(&value, mean)| value.into() - mean));
    DMatrix::from_iterator(mean.len(), rows.len(), values)
}

/// Weights `[K, F]` with that penalty; none where the matrix is not positive definite.
fn solve(sums: &Sums, penalty: f64) -> Option<DMatrix<f64>> {
    let mut lower = sums.gram.clone();
    // A feature that never varies would leave the matrix singular.
    let penalty = penalty.max(1e-12);
    for i in 0..lower.nrows() {
        lower[(i, i)] += penalty;
    }
    factor(&mut lower)?;
    let half = lower.solve_lower_triangular(&sums.cross.transpose())?;
    Some(lower.tr_solve_lower_triangular(&half)?.transpose())
}

/// The lower Cholesky factor in place of the lower triangle, block by block: nearly all of the work is then in products
/// of matrices, which are fast however this crate is compiled.
fn factor(matrix: &mut DMatrix<f64>) -> Option<()> {
    let n = matrix.nrows();
    for start in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - start);
        let (below, rest) = (start + size, n - start - size);
        let diagonal = matrix.view((start, start), (size, size)).clone_owned().cholesky()?.l();
        let inverse = diagonal.solve_lower_triangular(&DMatrix::identity(size, size))?;
        matrix.view_mut((start, start), (size, size)).copy_from(&diagonal);
        if rest > 0 {
            let panel = matrix.view((below, start), (rest, size)) * inverse.transpose();
            let across = panel.transpose();
            matrix.view_mut((below, start), (rest, size)).copy_from(&panel);
            matrix
                .view_mut((below, below), (rest, rest))
                .gemm(-1.0, &panel, &across, 1.0);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random::{Stream, rng};

    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let mut numbers = rng(seed, Stream::Init, 0, 0);
        (0..count).map(|_| numbers.random_range(-1.0f32..1.0)).collect()
    }

    #[test]
    fn the_block_wise_factor_is_the_plain_one() {
        let n = 2 * BLOCK + 17;
        let values = noise(n * n, 1);
        let half = DMatrix::from_fn(n, n, |i, j| f64::from(values[i * n + j]));
        let matrix = &half * half.transpose() + DMatrix::identity(n, n);
        let mut lower = matrix.clone();
        factor(&mut lower).unwrap();
        let plain = matrix.cholesky().unwrap().l();
        let gap = (0..n)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .map(|at| (lower[at] - plain[at]).abs())
            .fold(0.0, f64::max);
        assert!(gap < 1e-9, "{gap}");
        assert!(factor(&mut -DMatrix::<f64>::identity(3, 3)).is_none());
    }

    #[test]
    fn it_finds_a_linear_map_and_is_not_fooled_by_noise() {
        let features: Vec<Vec<f32>> = (0..600).map(|i| noise(80, i)).collect();
        let linear = |row: &[f32]| f64::from(row[3]) - 2.0 * f64::from(row[7]) + 0.5;
        let targets: Vec<Vec<f64>> = features
            .iter()
            .enumerate()
            .map(|(i, row)| vec![linear(row), f64::from(noise(1, 10_000 + i as u64)[0])])
            .collect();
        let ridge = Ridge::fit(&features[..500], &targets[..500]).unwrap();
        let (mut worst, mut of_noise) = (0.0f64, 0.0);
        for row in &features[500..] {
            let read = ridge.read(row);
            worst = worst.max((read[0] - linear(row)).abs());
            of_noise += read[1].abs() / 100.0;
        }
        assert!(worst < 0.2, "{worst}");
        assert!(
            of_noise < 0.25,
            "reads {of_noise} out of nothing, where a guess would be 0.5 off"
        );
        assert!(ridge.strengths[0] < ridge.strengths[1], "{:?}", ridge.strengths);
        assert!(Ridge::fit(&features[..2], &targets[..2]).is_none());
        assert!(
            Ridge::fit(
                &[vec![f32::NAN], vec![1.0], vec![1.0], vec![1.0], vec![0.0]],
                &vec![vec![0.0]; 5]
            )
            .is_none()
        );
    }
}

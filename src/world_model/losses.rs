//! The terms of stage 1 (method, 4.7) and the terms that keep a small latent alive beside them. All are means.

use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};
use rand::RngExt;
use rand_distr::StandardNormal;

use crate::config::{PredictionLoss, SigReg};
use crate::random::{Stream, rng};

/// Where the quadratic part of Smooth-L1 ends (method, 4.7).
const BETA: f64 = 1.0;
/// Knots of the sketched regulariser on `[0, SKETCH_MAX]`, and its random projections.
const SKETCH_KNOTS: usize = 17;
const SKETCH_MAX: f32 = 3.0;
const SKETCH_PROJECTIONS: usize = 256;

/// Mean Smooth-L1 or squared error of predictions and targets of one shape.
pub fn prediction_loss<const R: usize>(kind: PredictionLoss, predicted: Tensor<R>, target: Tensor<R>) -> Tensor<1> {
    let error = predicted - target;
    match kind {
        PredictionLoss::Mse => error.square().mean(),
        PredictionLoss::SmoothL1 => {
            // With c = min(|e|, beta): c^2 / 2 beta + (|e| - c) is quadratic below beta and linear above it.
            let size = error.abs();
            let clipped = size.clone().clamp_max(BETA);
            (clipped.clone().square() / (2.0 * BETA) + size - clipped).mean()
        }
    }
}

/// Target tokens as the loss wants them: divided by their L2 norm and multiplied by `scale`, or untouched where it is 0.
pub fn scale_targets(target: Tensor<3>, scale: f64) -> Tensor<3> {
    if scale == 0.0 {
        return target;
    }
    let norm = target.clone().square().sum_dim(2).sqrt().clamp_min(1e-6);
    target / norm * scale
}

/// SIGReg of rows `[M, D]`, centred by the caller: lower is better conditioned. The sketched variant draws its
/// projections from `(seed, step)`, so that a run that is resumed sees the same ones.
pub fn sigreg(kind: SigReg, rows: Tensor<2>, (seed, step): (u64, u64)) -> Tensor<1> {
    match kind {
        SigReg::Spectral => spectral(rows),
        SigReg::Sketched => sketched(rows, seed, step),
    }
}

/// Negative entropy of the normalised spectrum. The eigenvectors U of C = S'S / tr(S'S) are constants and
/// p = diag(U'CU): the exact gradient of the entropy without an eigensolver in the graph.
fn spectral(rows: Tensor<2>) -> Tensor<1> {
    let device = rows.device();
    let [_, d] = rows.dims();
    let scatter = rows.clone().transpose().matmul(rows);
    // tr(S'S) is the sum over the diagonal; the mask keeps it inside the graph.
    let eye = Tensor::<2>::eye(d, &device);
    let trace = (scatter.clone() * eye).sum();
    let c = scatter / trace.reshape([1, 1]);
    let values: Vec<f64> = c.clone().detach().into_data().iter::<f64>().collect();
    let vectors = SymmetricEigen::new(DMatrix::from_row_slice(d, d, &values)).eigenvectors;
    // nalgebra is column-major: iterating over the transpose gives rows.
    let flat: Vec<f32> = vectors.transpose().iter().map(|&x| x as f32).collect();
    let u = Tensor::<1>::from_floats(flat.as_slice(), &device).reshape([d, d]);
    let p = (u.clone() * c.matmul(u)).sum_dim(0).clamp_min(1e-9);
    (p.clone() * p.log()).sum()
}

/// LeJEPA's test: characteristic functions of random projections against the standard normal's (Epps and Pulley),
/// weight `exp(-t^2 / 2)`.
fn sketched(rows: Tensor<2>, seed: u64, step: u64) -> Tensor<1> {
    let device = rows.device();
    let [m, d] = rows.dims();
    let numbers: Vec<f32> = rng(seed, Stream::Sketch, step, 0)
        .sample_iter(StandardNormal)
        .take(d * SKETCH_PROJECTIONS)
        .collect();
    let directions = Tensor::<2>::from_data(TensorData::new(numbers, [d, SKETCH_PROJECTIONS]), &device);
    let directions = directions.clone() / directions.square().sum_dim(0).sqrt();
    let step = SKETCH_MAX / (SKETCH_KNOTS - 1) as f32;
    let knots: Vec<f32> = (0..SKETCH_KNOTS).map(|i| i as f32 * step).collect();
    let normal: Vec<f32> = knots.iter().map(|t| (-t * t / 2.0).exp()).collect();
    let weights: Vec<f32> = normal
        .iter()
        .enumerate()
        .map(|(i, n)| n * step * if i == 0 || i + 1 == SKETCH_KNOTS { 0.5 } else { 1.0 })
        .collect();
    let row = |values: &[f32]| Tensor::<1>::from_floats(values, &device).reshape([1, 1, SKETCH_KNOTS]);
    let phase = rows.matmul(directions).unsqueeze_dim::<3>(2) * row(&knots);
    let real = phase.clone().cos().mean_dim(0) - row(&normal);
    let imaginary = phase.sin().mean_dim(0);
    let error = (real.square() + imaginary.square()) * row(&weights);
    // Twice: the integral runs over negative t as well.
    error.sum_dim(2).mean() * (2.0 * m as f64)
}

/// Hinge on the standard deviation of every feature of rows `[M, D]`: the spectrum is blind to scale.
pub fn variance_hinge(rows: Tensor<2>) -> Tensor<1> {
    let [m, _] = rows.dims();
    let centred = rows.clone() - rows.mean_dim(0);
    let variance = centred.square().sum_dim(0) / (m - 1) as f64;
    let deviation = (variance + 1e-8).sqrt();
    relu(deviation.neg() + 1.0).mean()
}

/// Squared error of mean-pooled latents, `[B, D]` each.
pub fn pooled_error(predicted: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (predicted - target).square().mean()
}

/// Half the mean squared change from one frame's pooled latent to the next, `[B, D]` each; 1 is as far as two random frames.
pub fn slowness(before: Tensor<2>, after: Tensor<2>) -> Tensor<1> {
    (after - before).square().mean() * 0.5
}

/// Inverse dynamics: squared error of dx, dy and half the cross-entropy of the grip; `[B, 3]` each, logit last.
pub fn inverse_dynamics(predicted: Tensor<2>, action: Tensor<2>) -> Tensor<1> {
    let [b, d] = action.dims();
    let moved = (predicted.clone().slice([0..b, 0..d - 1]) - action.clone().slice([0..b, 0..d - 1]))
        .square()
        .mean();
    let logit = predicted.slice([0..b, d - 1..d]);
    let on = action.slice([0..b, d - 1..d]).greater_scalar(0.0).float();
    moved + binary_cross_entropy(logit, on) * 0.5
}

/// Squared error of the read-out of gripper x, y, suction and holding, `[M, 4]` each.
pub fn proprioception(read: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    (read - truth).square().mean()
}

/// Mean of `max(x, 0) - x y + log(1 + exp(-|x|))`, which never overflows.
pub fn binary_cross_entropy(logit: Tensor<2>, label: Tensor<2>) -> Tensor<1> {
    let tail = (logit.clone().abs().neg().exp() + 1.0).log();
    (relu(logit.clone()) - logit * label + tail).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::nn::gradcheck::check;

    fn normal<const R: usize>(shape: [usize; R], scale: f64, seed: u64) -> Tensor<R> {
        let mut numbers = rng(seed, Stream::Init, 0, 0);
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| (scale * numbers.sample::<f64, _>(StandardNormal)) as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn tracked<const R: usize>(x: &Tensor<R>) -> Tensor<R> {
        x.clone().autodiff()
    }

    /// Errors on both sides of beta, and targets as they are, of norm 1 (the method) and of norm sqrt(D).
    #[test]
    fn gradients_of_the_prediction_loss_are_right() {
        let target = normal([2, 3, 4], 1.0, 1);
        let predicted = normal([2, 3, 4], 2.0, 2);
        for scale in [0.0, 1.0, 2.0] {
            let gap = (predicted.clone() - scale_targets(target.clone(), scale)).abs();
            let linear = gap.greater_scalar(BETA).int().sum().into_scalar::<i64>();
            assert!((4..21).contains(&linear), "{linear} of 24 errors are large");
            for kind in [PredictionLoss::SmoothL1, PredictionLoss::Mse] {
                check("predicted", &predicted, |x| {
                    prediction_loss(kind, x, scale_targets(tracked(&target), scale))
                });
                check("target", &target, |x| {
                    prediction_loss(kind, tracked(&predicted), scale_targets(x, scale))
                });
            }
        }
    }

    #[test]
    fn gradients_of_both_regularisers_are_right() {
        // Unequal widths keep the eigenvalues apart, as they are in a trained latent.
        let widths = Tensor::<2>::from_floats([[2.0, 1.3, 0.8, 0.4]], &Device::flex());
        let rows = normal([9, 4], 1.0, 3) * widths;
        for kind in [SigReg::Spectral, SigReg::Sketched] {
            check("rows", &rows, |rows| {
                sigreg(kind, rows.clone() - rows.mean_dim(0), (5, 7))
            });
        }
    }

    #[test]
    fn projections_belong_to_their_step() {
        let rows = normal([6, 4], 1.0, 4);
        let at = |step| sigreg(SigReg::Sketched, rows.clone(), (5, step)).into_scalar::<f32>();
        // Whatever else draws from the device changes nothing.
        let first = at(0);
        let _ = Tensor::<1>::random([3], Distribution::Default, &Device::flex());
        assert_eq!(first, at(0));
        assert_ne!(first, at(1));
    }

    /// Features on both sides of the hinge, none near its edge.
    #[test]
    fn gradients_of_hinge_and_slowness_are_right() {
        let widths = Tensor::<2>::from_floats([[2.5, 0.5, 0.3]], &Device::flex());
        let rows = normal([7, 3], 1.0, 6) * widths;
        check("hinge", &rows, variance_hinge);
        let after = normal([7, 3], 1.0, 7);
        check("before", &rows, |before| slowness(before, tracked(&after)));
        check("after", &after, |after| slowness(tracked(&rows), after));
    }

    #[test]
    fn gradients_of_the_pooled_error_are_right() {
        let (predicted, target) = (normal([5, 3], 1.5, 12), normal([5, 3], 1.0, 13));
        check("predicted", &predicted, |x| pooled_error(x, tracked(&target)));
        check("target", &target, |x| pooled_error(tracked(&predicted), x));
    }

    #[test]
    fn gradients_of_the_heads_losses_are_right() {
        let predicted = normal([5, 3], 1.5, 8);
        let action = normal([5, 3], 1.0, 9);
        check("inverse dynamics", &predicted, |x| {
            inverse_dynamics(x, tracked(&action))
        });
        let truth = normal([5, 4], 1.0, 10);
        check("proprioception", &normal([5, 4], 1.0, 11), |x| {
            proprioception(x, tracked(&truth))
        });
    }
}

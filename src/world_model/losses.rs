//! The terms of stage 1 (method, 4.7) and the terms that keep a small latent alive beside them. All are means.

use burn::tensor::activation::relu;
use burn::tensor::{Distribution, Tensor};
use nalgebra::{DMatrix, SymmetricEigen};

use crate::config::{PredictionLoss, SigReg};

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

/// SIGReg of rows `[M, D]`, centred by the caller: lower is better conditioned.
pub fn sigreg(kind: SigReg, rows: Tensor<2>) -> Tensor<1> {
    match kind {
        SigReg::Spectral => spectral(rows),
        SigReg::Sketched => sketched(rows),
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
fn sketched(rows: Tensor<2>) -> Tensor<1> {
    let device = rows.device();
    let [m, d] = rows.dims();
    let directions = Tensor::<2>::random([d, SKETCH_PROJECTIONS], Distribution::Normal(0.0, 1.0), &device);
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

/// Mean of `max(x, 0) - x y + log(1 + exp(-|x|))`, which never overflows.
fn binary_cross_entropy(logit: Tensor<2>, label: Tensor<2>) -> Tensor<1> {
    let tail = (logit.clone().abs().neg().exp() + 1.0).log();
    (relu(logit.clone()) - logit * label + tail).mean()
}

//! Layer normalisation without parameters: latents of the encoder and predictions of the predictor are put on one
//! scale by it, so that a rollout can feed a prediction back as context.

use burn::tensor::Tensor;

use super::wide;

/// Added to the variance, as in PyTorch's `LayerNorm`.
const EPSILON: f64 = 1e-5;

/// `(x - mean) / sqrt(var + eps)` over the last axis, shape and number format unchanged.
pub fn layer_norm<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    let format = x.dtype();
    let x = wide(x);
    let centred = x.clone() - x.mean_dim(R - 1);
    let variance = centred.clone().square().mean_dim(R - 1);
    (centred / (variance + EPSILON).sqrt()).cast(format)
}

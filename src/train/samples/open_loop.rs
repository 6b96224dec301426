//! The predictor's error over a rollout, by how far it looks ahead.

use burn::tensor::Tensor;

use super::OpenLoopError;
use crate::nn::wide;
use crate::world_model::Predictor;

/// Rolls out from the first frame of `latents` `[B, R + 1, N, D]` with `actions` `[B, R, D_a]`; `comparison` is `[D, D + 4]`.
/// Where nothing has moved there is no error to measure by, and no entry.
pub(in crate::train) fn open_loop(
    predictor: &Predictor,
    latents: &Tensor<4>,
    actions: &Tensor<3>,
    comparison: &Tensor<2>,
) -> Vec<OpenLoopError> {
    let [b, r, d] = actions.dims();
    let [_, _, n, width] = latents.dims();
    let frame = |i: usize| latents.clone().slice([0..b, i..i + 1]).reshape([b, n, width]);
    let size = |x: Tensor<3>| x.square().mean().into_scalar::<f64>();
    let compared = |x: Tensor<3>| {
        let pooled: Tensor<2> = x.mean_dim(1).reshape([b, width]);
        pooled.matmul(comparison.clone()).square().mean().into_scalar::<f64>()
    };
    let first = frame(0);
    let mut state = first.clone();
    (0..r)
        .filter_map(|i| {
            let action = actions.clone().slice([0..b, i..i + 1]).reshape([b, d]);
            state = predictor.step(state.clone(), action, None);
            let real = frame(i + 1);
            let (missed, moved) = (wide(state.clone()) - real.clone(), first.clone() - real);
            let (still, still_compared) = (size(moved.clone()), compared(moved));
            (still > 0.0 && still_compared > 0.0).then(|| OpenLoopError {
                ahead: i + 1,
                tokens: size(missed.clone()) / still,
                comparison: compared(missed) / still_compared,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::config::preset;
    use crate::nn::layer_norm;

    #[test]
    fn a_predictor_that_stands_still_has_persistence_s_error() {
        let (config, device) = (preset("nano").unwrap().world_model, Device::flex());
        device.seed(3);
        // A residual predictor begins as "nothing changes".
        let predictor = Predictor::new(&config, &device);
        let normal = Distribution::Normal(0.0, 1.0);
        // As an encoder's tokens are.
        let latents = layer_norm(Tensor::<3>::random([8, config.tokens(), config.dim], normal, &device));
        let latents = latents.reshape([2, 4, config.tokens(), config.dim]);
        let actions = Tensor::random([2, 3, 3], normal, &device);
        let comparison = Tensor::random([config.dim, config.dim + 4], normal, &device);
        let same = latents.clone().slice([0..2, 0..1]).repeat_dim(1, 4);
        assert_eq!(
            open_loop(&predictor, &same, &actions, &comparison),
            [],
            "nothing has moved"
        );
        let errors = open_loop(&predictor, &latents, &actions, &comparison);
        assert_eq!(errors.iter().map(|error| error.ahead).collect::<Vec<_>>(), [1, 2, 3]);
        for error in errors {
            assert!(
                (error.tokens - 1.0).abs() < 1e-5 && (error.comparison - 1.0).abs() < 1e-5,
                "{error:?}"
            );
        }
    }
}

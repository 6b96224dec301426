//! Root-mean-square normalisation, as Llama has it.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{DType, Device, Tensor},
};

/// `y = x / sqrt(mean(x^2) + eps) * gamma` over the last dimension.
///
/// The fields are named as in burn's own layer, so that its PyTorch adapter renames `gamma` to `weight`.
#[derive(Module, Debug)]
pub struct RmsNorm {
    pub gamma: Param<Tensor<1>>,
    epsilon: f64,
}

impl RmsNorm {
    pub fn new(dim: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([dim], device),
            epsilon,
        }
    }

    /// `[..., D]` to `[..., D]`.
    pub fn forward<const R: usize>(&self, x: Tensor<R>) -> Tensor<R> {
        let dtype = x.dtype();
        // A sum of squares overflows half precision. Multiplying by the reciprocal keeps the backward pass to products:
        // dividing by a broadcast denominator costs two more passes over the activations.
        let wide = if dtype == DType::F32 {
            x.clone()
        } else {
            x.clone().cast(DType::F32)
        };
        let scale = (wide.clone() * wide)
            .mean_dim(R - 1)
            .add_scalar(self.epsilon)
            .sqrt()
            .recip();
        let scale = if dtype == DType::F32 { scale } else { scale.cast(dtype) };
        x * scale * self.gamma.val().unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_formula() {
        let device = Device::flex();
        let mut norm = RmsNorm::new(2, 0.5, &device);
        norm.gamma = Param::from_data([2.0f32, -1.0], &device);
        let out = norm
            .forward(Tensor::<2>::from_floats([[3.0, 4.0]], &device))
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        let scale = 1.0 / 13.0f32.sqrt();
        assert!(
            (out[0] - 6.0 * scale).abs() < 1e-6 && (out[1] + 4.0 * scale).abs() < 1e-6,
            "{out:?}"
        );
    }
}

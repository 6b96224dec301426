//! Feature-wise linear modulation (Perez et al., 2018; method, 4.3): a condition scales and shifts the hidden
//! features after every normalisation.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// The scale and the shift of one normalisation, `[B, G, d]` with G = 1 (one condition for all tokens) or G = n.
#[derive(Clone, Debug)]
pub struct Modulation {
    pub scale: Tensor<3>,
    pub shift: Tensor<3>,
}

impl Modulation {
    /// `x * (1 + scale) + shift`; x is `[B, n, d]`.
    pub fn apply(self, x: Tensor<3>) -> Tensor<3> {
        x * (self.scale + 1.0) + self.shift
    }
}

/// From a condition to the modulations of a block's two normalisations.
#[derive(Module, Debug)]
pub struct Film {
    pub proj: Linear,
}

impl Film {
    pub fn new(condition: usize, dim: usize, device: &Device) -> Self {
        let mut proj = LinearConfig::new(condition, 4 * dim)
            .with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 })
            .init(device);
        proj.bias = Some(Initializer::Zeros.init([4 * dim], device));
        Self { proj }
    }

    /// `[B, G, condition]` to the two modulations.
    pub fn forward(&self, condition: Tensor<3>) -> [Modulation; 2] {
        let mut parts = self.proj.forward(condition).chunk(4, 2).into_iter();
        let mut next = || {
            parts
                .next()
                .unwrap_or_else(|| unreachable!("chunk(4) gives four parts"))
        };
        let (scale_1, shift_1, scale_2, shift_2) = (next(), next(), next(), next());
        [
            Modulation {
                scale: scale_1,
                shift: shift_1,
            },
            Modulation {
                scale: scale_2,
                shift: shift_2,
            },
        ]
    }
}

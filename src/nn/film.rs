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

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::gradcheck::{check, check_param};

    /// By the condition, by what is modulated and by the projection, with one condition for all tokens and with one for
    /// each.
    #[test]
    fn gradients_are_right() {
        let device = Device::flex().autodiff();
        device.seed(21);
        let normal = |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let film = Film::new(5, 3, &device);
        let (x, wanted) = (normal([2, 4, 3]), normal([2, 4, 3]));
        for groups in [1, 4] {
            let condition = normal([2, groups, 5]);
            let loss = |film: &Film, x: Tensor<3>, condition: Tensor<3>| {
                let [first, second] = film.forward(condition);
                let out = second.apply(first.apply(x).tanh());
                (out - wanted.clone()).square().mean()
            };
            check("condition", &condition, |c| loss(&film, x.clone(), c));
            check("tokens", &x, |x| loss(&film, x, condition.clone()));
            check_param(
                "projection",
                &film,
                |film| &mut film.proj.weight,
                |film| loss(film, x.clone(), condition.clone()),
            );
        }
    }
}

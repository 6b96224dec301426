//! Multi-head self-attention with an optional additive bias on the keys' columns.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::wide;

#[derive(Module, Debug)]
pub struct Attention {
    pub qkv: Linear,
    pub out: Linear,
    heads: usize,
}

impl Attention {
    /// `dim` must be a multiple of `heads`.
    pub fn new(dim: usize, heads: usize, device: &Device) -> Self {
        Self {
            qkv: LinearConfig::new(dim, 3 * dim).init(device),
            out: LinearConfig::new(dim, dim).init(device),
            heads,
        }
    }

    pub fn heads(&self) -> usize {
        self.heads
    }

    /// `x` `[B, n, d]` to `[B, n, d]`. `column_bias` `[B or 1, n]` is added to every query's logits of key j:
    /// the reasoning-guided bias `alpha log(w_j + eps)` of the method, 4.8.
    pub fn forward(&self, x: Tensor<3>, column_bias: Option<Tensor<2>>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        let head_dim = d / self.heads;
        // [B, n, 3 d] -> [3 B h, n, d/h] in three slices
        let qkv = self
            .qkv
            .forward(x)
            .reshape([b, n, 3, self.heads, head_dim])
            .permute([2, 0, 3, 1, 4]);
        let part = |i: usize| qkv.clone().slice([i..i + 1]).reshape([b, self.heads, n, head_dim]);
        let (q, k, v) = (part(0), part(1), part(2));
        let mut logits = wide((q * (head_dim as f64).powf(-0.5)).matmul(k.swap_dims(2, 3)));
        if let Some(bias) = column_bias {
            let rows = bias.dims()[0];
            logits = logits + bias.reshape([rows, 1, 1, n]);
        }
        let mixed = softmax(logits, 3).cast(v.dtype()).matmul(v);
        self.out.forward(mixed.swap_dims(1, 2).reshape([b, n, d]))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::gradcheck::{check, check_param};

    /// The reasoning-guided bias `alpha log(w + eps)` (method, 4.8): by the map, one for the batch or one a member, and
    /// by tokens and weights through the biased attention.
    #[test]
    fn gradients_through_a_biased_attention_are_right() {
        let device = Device::flex().autodiff();
        device.seed(22);
        let (alpha, eps) = (0.3, 1e-6);
        let layer = Attention::new(6, 2, &device);
        let x = Tensor::<3>::random([2, 4, 6], Distribution::Normal(0.0, 1.0), &device);
        let wanted = Tensor::<3>::random([2, 4, 6], Distribution::Normal(0.0, 1.0), &device);
        for rows in [1, 2] {
            // Of mean 1, far from uniform, away from zero where the logarithm bends too much for differences.
            let map = Tensor::<2>::random([rows, 4], Distribution::Uniform(0.4, 1.6), &device);
            let loss = |layer: &Attention, x: Tensor<3>, map: Tensor<2>| {
                let bias = (map + eps).log() * alpha;
                (layer.forward(x, Some(bias)) - wanted.clone()).square().sum()
            };
            check("map", &map, |map| loss(&layer, x.clone(), map));
            check("tokens", &x, |x| loss(&layer, x, map.clone()));
            check_param(
                "queries, keys and values",
                &layer,
                |layer| &mut layer.qkv.weight,
                |layer| loss(layer, x.clone(), map.clone()),
            );
        }
    }
}

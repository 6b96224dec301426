//! Multi-head self-attention with an optional additive bias on the keys' columns.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

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
        let mut logits = (q * (head_dim as f64).powf(-0.5)).matmul(k.swap_dims(2, 3));
        if let Some(bias) = column_bias {
            let rows = bias.dims()[0];
            logits = logits + bias.reshape([rows, 1, 1, n]);
        }
        let mixed = softmax(logits, 3).matmul(v);
        self.out.forward(mixed.swap_dims(1, 2).reshape([b, n, d]))
    }
}

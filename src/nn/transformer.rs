//! The pre-norm transformer block of the encoder, the predictor and the GPI.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use super::{Attention, Film, Mlp, layer_norm};

/// Sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShape {
    pub dim: usize,
    pub heads: usize,
    pub mlp_ratio: usize,
    /// Width of the condition that modulates both normalisations; they then carry no parameters of their own.
    pub condition: Option<usize>,
}

#[derive(Module, Debug)]
pub struct Block {
    pub norm1: Option<LayerNorm>,
    pub attn: Attention,
    pub norm2: Option<LayerNorm>,
    pub mlp: Mlp,
    pub film: Option<Film>,
}

impl Block {
    pub fn new(shape: BlockShape, device: &Device) -> Self {
        let norm = || {
            shape
                .condition
                .is_none()
                .then(|| LayerNormConfig::new(shape.dim).init(device))
        };
        Self {
            norm1: norm(),
            attn: Attention::new(shape.dim, shape.heads, device),
            norm2: norm(),
            mlp: Mlp::new(shape.dim, shape.mlp_ratio * shape.dim, shape.dim, device),
            film: shape.condition.map(|width| Film::new(width, shape.dim, device)),
        }
    }

    /// `x` `[B, n, d]`; `condition` `[B, 1 or n, c]` where the block was made with one; `column_bias` `[B or 1, n]`.
    pub fn forward(&self, x: Tensor<3>, condition: Option<Tensor<3>>, column_bias: Option<Tensor<2>>) -> Tensor<3> {
        let modulations = match (&self.film, condition) {
            (Some(film), Some(condition)) => {
                let [first, second] = film.forward(condition);
                [Some(first), Some(second)]
            }
            _ => [None, None],
        };
        let [first, second] = modulations;
        let normed = |x: Tensor<3>, norm: &Option<LayerNorm>| match norm {
            Some(norm) => norm.forward(x),
            None => layer_norm(x),
        };
        let modulated = |x: Tensor<3>, by: Option<super::Modulation>| match by {
            Some(by) => by.apply(x),
            None => x,
        };
        let x = x.clone() + self.attn.forward(modulated(normed(x, &self.norm1), first), column_bias);
        x.clone() + self.mlp.forward(modulated(normed(x, &self.norm2), second))
    }
}

//! The vision tower: a ViT that turns a frame into patch features (method, 4.4). From CLIP-L/14-336 (class token, norm
//! before the first block, quick-gelu, features of the last layer but one) to a convolutional stem with two blocks.

use burn::{
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{
        Device, Tensor,
        activation::{gelu, sigmoid},
    },
};

use crate::{
    config::{Stem, VlmConfig},
    nn::{Conv, wide_softmax},
};

/// `[B, 3, H, W]` to patch features `[B, P, D_v]`, row-major from the top left.
#[derive(Module, Debug)]
pub struct Tower {
    stem: Vec<Conv>,
    class_token: Option<Param<Tensor<1>>>,
    /// `[P, D_v]`, one row more with a class token.
    position: Param<Tensor<2>>,
    pre_norm: Option<LayerNorm>,
    blocks: Vec<TowerBlock>,
}

impl Tower {
    pub fn new(config: &VlmConfig, device: &Device) -> Self {
        let dim = config.vision_dim;
        let stem = match &config.stem {
            // CLIP's patch embedding has no bias; with learned positions one would add nothing.
            Stem::Patch => vec![Conv::new([3, dim], config.patch_size, config.patch_size, 0, device).without_bias()],
            Stem::Conv(layers) => {
                let inputs = std::iter::once(3).chain(layers.iter().map(|layer| layer.0));
                let conv = |(input, &(output, kernel, stride)): (usize, &(usize, usize, usize))| {
                    Conv::new([input, output], kernel, stride, 1, device)
                };
                inputs.zip(layers).map(conv).collect()
            }
        };
        let init = Initializer::Normal { mean: 0.0, std: 0.02 };
        let tokens = config.image_tokens() + usize::from(config.class_token);
        Self {
            stem,
            class_token: config.class_token.then(|| init.init([dim], device)),
            position: init.init([tokens, dim], device),
            pre_norm: config.pre_norm.then(|| LayerNormConfig::new(dim).init(device)),
            blocks: (config.unused_blocks..config.vision_depth)
                .map(|_| TowerBlock::new(config, device))
                .collect(),
        }
    }

    /// Pixels `[B, 3, H, W]`, already normalised, to features `[B, P, D_v]`.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let mut x = pixels.cast(self.stem[0].weight.val().dtype()).permute([0, 2, 3, 1]);
        for (i, conv) in self.stem.iter().enumerate() {
            x = conv.forward(x);
            if i + 1 < self.stem.len() {
                x = gelu(x);
            }
        }
        let mut x: Tensor<3> = x.flatten(1, 2);
        let [batch, _, dim] = x.dims();
        if let Some(token) = &self.class_token {
            let token = token.val().reshape([1, 1, dim]).expand([batch, 1, dim]);
            x = Tensor::cat(vec![token, x], 1);
        }
        x = x + self.position.val().unsqueeze();
        if let Some(norm) = &self.pre_norm {
            x = norm.forward(x);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        let first = usize::from(self.class_token.is_some());
        if first == 0 { x } else { x.slice_dim(1, first..) }
    }
}

/// A pre-norm block: every token sees every other.
#[derive(Module, Debug)]
struct TowerBlock {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    quick_gelu: bool,
}

impl TowerBlock {
    fn new(config: &VlmConfig, device: &Device) -> Self {
        let dim = config.vision_dim;
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let norm = || LayerNormConfig::new(dim).init(device);
        Self {
            layer_norm1: norm(),
            q_proj: linear(dim, dim),
            k_proj: linear(dim, dim),
            v_proj: linear(dim, dim),
            out_proj: linear(dim, dim),
            layer_norm2: norm(),
            fc1: linear(dim, config.vision_mlp),
            fc2: linear(config.vision_mlp, dim),
            heads: config.vision_heads,
            quick_gelu: config.quick_gelu,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, dim] = x.dims();
        let head_dim = dim / self.heads;
        let split = |t: Tensor<3>| t.reshape([batch, tokens, self.heads, head_dim]);
        let normed = self.layer_norm1.forward(x.clone());
        let queries = self
            .q_proj
            .forward(normed.clone())
            .mul_scalar((head_dim as f64).powf(-0.5));
        let keys = split(self.k_proj.forward(normed.clone())).permute([0, 2, 3, 1]);
        let values = split(self.v_proj.forward(normed)).swap_dims(1, 2);
        let weights = wide_softmax(split(queries).swap_dims(1, 2).matmul(keys));
        let mixed = weights.matmul(values).swap_dims(1, 2).reshape([batch, tokens, dim]);
        let x = x + self.out_proj.forward(mixed);

        let hidden = self.fc1.forward(self.layer_norm2.forward(x.clone()));
        let hidden = if self.quick_gelu {
            hidden.clone() * sigmoid(hidden.mul_scalar(1.702))
        } else {
            gelu(hidden)
        };
        x + self.fc2.forward(hidden)
    }
}

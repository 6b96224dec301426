//! Language projector, spatial modulation, transformer refinement.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::config::{GpiConfig, WorldModelConfig};
use crate::nn::{Block, BlockShape, Mlp, layer_norm};

#[derive(Module, Debug)]
pub struct Gpi {
    /// `pi_lang`.
    pub lang: Mlp,
    /// A copy of the embedding that the map does not modulate, so that no patch is without it.
    pub unmodulated: Option<Linear>,
    pub context: Option<Linear>,
    /// `[N, d]`.
    pub pos: Param<Tensor<2>>,
    pub blocks: Vec<Block>,
    pub output: Linear,
}

impl Gpi {
    /// `vlm_dim` is the width of the language embedding, `D_VLM`.
    pub fn new(config: &GpiConfig, world_model: &WorldModelConfig, vlm_dim: usize, device: &Device) -> Self {
        let linear = |from: usize, to: usize| LinearConfig::new(from, to).init(device);
        let shape = BlockShape {
            dim: config.dim,
            heads: config.heads,
            mlp_ratio: config.mlp_ratio,
            condition: None,
        };
        // With context the goal is a change of the present, and training starts from "the goal is now".
        let output = if config.context {
            LinearConfig::new(config.dim, world_model.dim)
                .with_initializer(Initializer::Zeros)
                .init(device)
        } else {
            linear(config.dim, world_model.dim)
        };
        Self {
            lang: Mlp::new(vlm_dim, config.dim, config.dim, device),
            unmodulated: config.unmodulated.then(|| linear(vlm_dim, config.dim)),
            context: config.context.then(|| linear(world_model.dim, config.dim)),
            pos: Initializer::Normal { mean: 0.0, std: 0.02 }.init([world_model.tokens(), config.dim], device),
            blocks: (0..config.depth).map(|_| Block::new(shape, device)).collect(),
            output,
        }
    }

    /// Embeddings `e_k` `[B, D_VLM]`, maps `w_k` `[B, N]` of mean 1, and the present tokens `[B, N, D]` to goals `g_k`
    /// `[B, N, D]`. The present is not looked at where the interface was made without context.
    pub fn forward(&self, embedding: Tensor<2>, map: Tensor<2>, present: Tensor<3>) -> Tensor<3> {
        let format = self.lang.fc1.weight.val().dtype();
        let (embedding, map, present) = (embedding.cast(format), map.cast(format), present.cast(format));
        let spread = self.lang.forward(embedding.clone()).unsqueeze_dim::<3>(1) * map.unsqueeze_dim::<3>(2);
        let mut x = spread + self.pos.val().unsqueeze::<3>();
        if let Some(unmodulated) = &self.unmodulated {
            x = x + unmodulated.forward(embedding).unsqueeze_dim::<3>(1);
        }
        if let Some(context) = &self.context {
            x = x + context.forward(present.clone());
        }
        for block in &self.blocks {
            x = block.forward(x, None, None);
        }
        let out = self.output.forward(layer_norm(x));
        layer_norm(if self.context.is_some() { present + out } else { out })
    }
}

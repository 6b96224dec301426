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
        let modulated = self.lang.forward(embedding.clone()).unsqueeze_dim::<3>(1) * map.unsqueeze_dim::<3>(2);
        self.refine(modulated, embedding, present)
    }

    /// The goals of language features at each patch, `[B, N, d]`.
    fn refine(&self, features: Tensor<3>, embedding: Tensor<2>, present: Tensor<3>) -> Tensor<3> {
        let mut x = features + self.pos.val().unsqueeze::<3>();
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;
    use crate::config::preset;
    use crate::vlm::maps::attention_map;

    #[test]
    fn a_uniform_map_leaves_the_goal_as_it_is_without_one_and_another_changes_it() {
        let (config, device) = (preset("nano").unwrap(), Device::flex());
        device.seed(23);
        let (dim, tokens, grid) = (
            config.world_model.dim,
            config.world_model.tokens(),
            config.world_model.grid(),
        );
        let mut gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        // Untrained, the goal is the present whatever the map.
        gpi.output = LinearConfig::new(config.gpi.dim, dim).init(&device);
        let normal = Distribution::Normal(0.0, 1.0);
        let embedding = Tensor::<2>::random([1, config.vlm.dim], normal, &device);
        let present = layer_norm(Tensor::<3>::random([1, tokens, dim], normal, &device));
        let with = |weights: &[f32]| {
            let map = attention_map(weights, [config.vlm.grid(); 2], [grid; 2]).resampled;
            let map = Tensor::<2>::from_data(TensorData::new(map, [1, tokens]), &device);
            gpi.forward(embedding.clone(), map, present.clone())
        };
        let features = gpi.lang.forward(embedding.clone()).unsqueeze_dim::<3>(1);
        let without = gpi.refine(features.repeat_dim(1, tokens), embedding.clone(), present.clone());
        let gap = |goal: Tensor<3>| (goal - without.clone()).abs().max().into_scalar::<f32>();
        let patches = config.vlm.grid() * config.vlm.grid();
        let uniform = gap(with(&vec![0.013; patches]));
        assert!(uniform < 1e-5, "{uniform}");
        let peaked: Vec<f32> = (0..patches).map(|i| if i == 9 { 1.0 } else { 0.01 }).collect();
        assert!(gap(with(&peaked)) > 1e-2);
    }
}

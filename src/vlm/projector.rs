//! From patch features to image tokens: LLaVA's two-layer MLP, with a norm before it where the tower ends without one.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::gelu},
};

use crate::config::VlmConfig;

#[derive(Module, Debug)]
pub struct Projector {
    norm: Option<LayerNorm>,
    pub(super) linear_1: Linear,
    pub(super) linear_2: Linear,
}

impl Projector {
    pub fn new(config: &VlmConfig, device: &Device) -> Self {
        Self {
            norm: config
                .feature_norm
                .then(|| LayerNormConfig::new(config.vision_dim).init(device)),
            linear_1: LinearConfig::new(config.vision_dim, config.dim).init(device),
            linear_2: LinearConfig::new(config.dim, config.dim).init(device),
        }
    }

    /// `[B, P, D_v]` to `[B, P, D_VLM]`.
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let features = match &self.norm {
            Some(norm) => norm.forward(features),
            None => features,
        };
        self.linear_2.forward(gelu(self.linear_1.forward(features)))
    }
}

//! Shapes of the vision-language model: ViT tower, MLP projector, Llama decoder (method, 4.4).

use serde::{Deserialize, Serialize};

use super::Stem;

/// Low-rank adapters on the decoder's linear layers (Hu et al., 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    pub rank: usize,
    pub alpha: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VlmConfig {
    /// Height and width of the tower's input in pixels; frames are resized to it.
    pub image_size: usize,
    pub patch_size: usize,
    pub stem: Stem,
    pub vision_dim: usize,
    pub vision_depth: usize,
    pub vision_heads: usize,
    pub vision_mlp: usize,
    /// `D_VLM` of the method.
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    /// Key and value heads (grouped-query attention); divides `heads`.
    pub kv_heads: usize,
    /// Hidden width of SwiGLU.
    pub mlp: usize,
    pub vocab_size: usize,
    pub rope_theta: f64,
    pub rms_eps: f64,
    /// Longest prompt and answer together, image tokens included.
    pub max_tokens: usize,
    pub lora: LoraConfig,
}

impl VlmConfig {
    /// Image patches along one side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Image tokens a frame.
    pub fn image_tokens(&self) -> usize {
        self.grid() * self.grid()
    }
}

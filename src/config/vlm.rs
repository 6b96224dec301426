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
    /// Mean and standard deviation that a pixel in [0, 1] is normalised by, red, green, blue.
    #[serde(default = "half")]
    pub pixel_mean: [f64; 3],
    #[serde(default = "half")]
    pub pixel_std: [f64; 3],
    /// A learned token before the patches, dropped before the projector (CLIP).
    #[serde(default)]
    pub class_token: bool,
    /// A layer norm between the embeddings and the first block (CLIP).
    #[serde(default)]
    pub pre_norm: bool,
    /// `x * sigmoid(1.702 x)` instead of GELU in the tower (CLIP).
    #[serde(default)]
    pub quick_gelu: bool,
    /// Last blocks of the tower whose output is not used: 1 for LLaVA's feature layer -2. They are not built.
    #[serde(default)]
    pub unused_blocks: usize,
    /// A layer norm between tower and projector; LLaVA has none.
    #[serde(default)]
    pub feature_norm: bool,
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
    /// The output head is the embedding transposed.
    #[serde(default)]
    pub tied_head: bool,
    /// Longest prompt and answer together, image tokens included.
    pub max_tokens: usize,
    pub lora: LoraConfig,
}

/// (x - 0.5) / 0.5: pixels in [-1, 1].
fn half() -> [f64; 3] {
    [0.5; 3]
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

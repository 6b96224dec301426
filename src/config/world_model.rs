//! Shapes of the encoder and the predictor (method, 4.1 and 4.3).

use serde::{Deserialize, Serialize};

/// How a frame becomes patch tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// One linear map per `patch_size` x `patch_size` square (ViT).
    Patch,
    /// Convolutions whose strides multiply to `patch_size`; each is (channels, kernel, stride), padding 1.
    /// The last one has `dim` channels.
    Conv(Vec<(usize, usize, usize)>),
}

/// Which tokens see each other in the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderAttention {
    /// Every frame by itself, as it is met in planning.
    Frame,
    /// All frames of a clip together.
    Clip,
}

/// How the action enters the predictor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionConditioning {
    /// Scale and shift after every normalisation (method, 4.3).
    Film,
    /// The embedded action is concatenated to every input token (the ablation of section 9).
    Concat,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    pub stem: Stem,
    /// Two constant input channels that hold the pixel's x and y in [-1, 1].
    pub coordinates: bool,
    pub depth: usize,
    pub heads: usize,
    pub mlp_ratio: usize,
    pub attention: EncoderAttention,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorConfig {
    /// `D_p` of the method.
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub mlp_ratio: usize,
    pub conditioning: ActionConditioning,
    /// Hidden width of the action MLP.
    pub action_hidden: usize,
    /// The prediction is added to the last context token of the same patch, so that training starts from persistence.
    pub residual: bool,
    /// The grip command enters as its sign: a suction cup is on or off.
    pub grip_sign: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldModelConfig {
    /// Frame height and width in pixels.
    pub image_size: usize,
    /// Patch height and width in pixels.
    pub patch_size: usize,
    /// `D` of the method.
    pub dim: usize,
    /// `T` of the method, frames a clip.
    pub clip_len: usize,
    /// `D_a` of the method: dx, dy, grip.
    pub action_dim: usize,
    pub encoder: EncoderConfig,
    pub predictor: PredictorConfig,
    /// Hidden width of the temporal distance that stage 1b trains beside the predictor; 0 for none.
    #[serde(default)]
    pub temporal_distance: usize,
    /// Side in pixels of the small picture that a head reads out of the pooled latent, a divisor of the frame's; 0 for none.
    #[serde(default)]
    pub picture: usize,
}

impl WorldModelConfig {
    /// Patches along one side of a frame.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// `N` of the method, tokens a frame.
    pub fn tokens(&self) -> usize {
        self.grid() * self.grid()
    }
}

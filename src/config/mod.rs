//! Every switch of the system in one validated RON document, and the presets that ship with the program.
//!
//! `nano` is small enough to train and plan on two CPU cores and uses what was measured to work; `paper` follows
//! the method to the letter; `vit-l` is the paper's smaller encoder. All three run through the same code.

mod difference;
mod edit;
mod gpi;
#[cfg(test)]
mod paper_test;
mod plan;
mod presets;
mod rules;
mod set;
mod train;
mod validate;
mod vlm;
mod world_model;

pub use difference::Difference;
pub use edit::{Edited, Field, FieldKind};
pub use gpi::GpiConfig;
pub use plan::{Aggregation, CemConfig, CostConfig, CostTerm, GoalTiming, PlanConfig, PlanEncoder, SimilarityKind};
pub use presets::{PRESETS, load, named, preset};
pub use train::{
    BcConfig, LearningRates, MaskConfig, PredictionLoss, SigReg, Stage1Config, Stage1Losses, Stage1bConfig,
    Stage2Config, TrainConfig, VlmTrainConfig,
};
pub use validate::ConfigError;
pub use vlm::{LoraConfig, VlmConfig};
pub use world_model::{ActionConditioning, EncoderAttention, EncoderConfig, PredictorConfig, Stem, WorldModelConfig};

use serde::{Deserialize, Serialize};

/// Number format of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    F32,
    Bf16,
}

/// The whole system: architecture, planning and training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the preset, or of the file it was loaded from.
    pub name: String,
    pub precision: Precision,
    pub world_model: WorldModelConfig,
    pub vlm: VlmConfig,
    pub gpi: GpiConfig,
    pub plan: PlanConfig,
    pub train: TrainConfig,
}

impl Config {
    /// Height and width in pixels of the frames that both models are shown: the language model's, where the world model's
    /// divide them, which then sees the same frame coarser; otherwise the world model's, which the language model scales.
    /// Episodes for the world model alone are rendered at its own size.
    pub fn frame_px(&self) -> usize {
        let (world, vlm) = (self.world_model.image_size, self.vlm.image_size);
        if vlm.is_multiple_of(world.max(1)) { vlm } else { world }
    }
}

#[cfg(test)]
mod tests {
    use super::preset;

    #[test]
    fn frames_are_as_fine_as_both_models_can_take() {
        let mut config = preset("nano").expect("the preset");
        assert_eq!(config.frame_px(), config.world_model.image_size);
        config.vlm.image_size = 2 * config.world_model.image_size;
        assert_eq!(config.frame_px(), config.vlm.image_size);
        config.vlm.image_size += 1;
        assert_eq!(config.frame_px(), config.world_model.image_size);
    }
}

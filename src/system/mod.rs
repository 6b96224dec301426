//! A checkpoint brought to life: world model, goal projection interface and vision-language model with what a checkpoint
//! says of them, as the planner wants to see them.
//!
//! - [`System`]: loaded, on its device, ready to plan
//! - [`Draft`]: a checkpoint as it is put together, module by module, by the stages of training and by calibration
//!
//! A checkpoint need not hold everything: a world model alone can be measured toward oracle goals. What is missing is
//! said when it is asked for.

mod draft;
mod load;
mod models;
mod stats;

use burn::tensor::Device;

pub use draft::Draft;
pub use load::{load_gpi, load_vlm, load_world_model};

use crate::config::Config;
use crate::gpi::Gpi;
use crate::planner::{Models, TrainedWorld};
use crate::vlm::{Vlm, VlmError};
use crate::weights::WeightsError;

/// Prefixes of a checkpoint's tensors.
pub const MODULES: [&str; 7] = [
    "encoder.",
    "target_encoder.",
    "predictor.",
    "heads.",
    "gpi.",
    "vlm.",
    "latent_stats.",
];

/// Why a system cannot be loaded, or cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Vlm(#[from] VlmError),
    #[error("Checkpoint {checkpoint} holds no {what} (its keys would begin with {prefix}). {advice}")]
    Missing {
        checkpoint: String,
        what: &'static str,
        prefix: &'static str,
        advice: &'static str,
    },
    #[error("Checkpoint {checkpoint} has no tokenizer.json beside its language model. Copy or download it again.")]
    NoTokenizer { checkpoint: String },
}

/// Everything that a plan is made with.
pub struct System {
    pub config: Config,
    pub world: TrainedWorld,
    pub gpi: Option<Gpi>,
    pub vlm: Option<Vlm>,
    /// The checkpoint's folder name.
    pub name: String,
    /// Identity of what it computes.
    pub hash: String,
    pub device: Device,
}

impl System {
    /// The models of an episode.
    ///
    /// # Errors
    /// The checkpoint holds no language model, or no goal projection interface.
    pub fn models(&self) -> Result<Models<'_>, SystemError> {
        self.vlm()?;
        self.gpi()?;
        Ok(Models {
            world: &self.world,
            goals: self,
            reasoner: self,
        })
    }

    fn vlm(&self) -> Result<&Vlm, SystemError> {
        self.vlm.as_ref().ok_or_else(|| SystemError::Missing {
            checkpoint: self.name.clone(),
            what: "vision-language model",
            prefix: "vlm.",
            advice: "Train one with `thinkjepa train --stage vlm`, or measure the world model alone with `thinkjepa \
                     eval --suite oracle`.",
        })
    }

    fn gpi(&self) -> Result<&Gpi, SystemError> {
        self.gpi.as_ref().ok_or_else(|| SystemError::Missing {
            checkpoint: self.name.clone(),
            what: "goal projection interface",
            prefix: "gpi.",
            advice: "Train one with `thinkjepa train --stage 2`, or measure the world model alone with `thinkjepa eval \
                     --suite oracle`.",
        })
    }
}

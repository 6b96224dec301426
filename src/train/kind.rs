//! The names of the stages, as the command line and the window write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;

/// A stage of training (`thinkjepa train --stage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StageKind {
    /// World model pre-training (Algorithm 1).
    #[serde(rename = "1")]
    One,
    /// The predictor alone, on rollouts.
    #[serde(rename = "1b")]
    OneB,
    /// Instruction tuning of the VLM.
    #[serde(rename = "vlm")]
    Vlm,
    /// GPI and LoRA.
    #[serde(rename = "2")]
    Two,
    /// The policy of the baseline, by behaviour cloning.
    #[serde(rename = "bc")]
    Bc,
}

impl StageKind {
    pub const ALL: [Self; 5] = [Self::One, Self::OneB, Self::Vlm, Self::Two, Self::Bc];

    /// The stage's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::OneB => "1b",
            Self::Vlm => "vlm",
            Self::Two => "2",
            Self::Bc => "bc",
        }
    }

    /// What it trains, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::One => "World model",
            Self::OneB => "Predictor rollouts",
            Self::Vlm => "VLM instructions",
            Self::Two => "GPI and LoRA",
            Self::Bc => "Behaviour cloning (baseline)",
        }
    }
}

impl StageKind {
    /// Whether it is ever trained on episodes of a folder; examples and demonstrations are made as they are needed.
    pub fn reads_episodes(self) -> bool {
        !matches!(self, Self::Vlm | Self::Bc)
    }

    /// Where the stage's own settings stand in the configuration.
    pub fn settings(self) -> &'static str {
        match self {
            Self::One => "train.stage1",
            Self::OneB => "train.stage1b",
            Self::Vlm => "train.vlm",
            Self::Two => "train.stage2",
            Self::Bc => "train.bc",
        }
    }

    /// Gives the stage another number of steps; a warm-up that would be longer than that ends with it.
    pub fn set_steps(self, train: &mut TrainConfig, steps: usize) {
        let (of_stage, warmup) = match self {
            Self::One => (&mut train.stage1.steps, &mut train.stage1.lr.warmup_steps),
            Self::OneB => (&mut train.stage1b.steps, &mut train.stage1b.warmup_steps),
            Self::Vlm => (&mut train.vlm.steps, &mut train.vlm.warmup_steps),
            Self::Two => (&mut train.stage2.steps, &mut train.stage2.warmup_steps),
            Self::Bc => (&mut train.bc.steps, &mut train.bc.warmup_steps),
        };
        *of_stage = steps;
        *warmup = (*warmup).min(steps);
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such stage.
#[derive(Debug, thiserror::Error)]
#[error("There is no stage \"{0}\". Choose 1, 1b, vlm, 2 or bc.")]
pub struct UnknownStage(String);

impl FromStr for StageKind {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let found = Self::ALL.into_iter().find(|stage| stage.name() == text);
        found.ok_or_else(|| UnknownStage(text.to_owned()))
    }
}

//! Looking into the world model at a recorded step: what it sees there, what it imagines, and how far that came true. All
//! of it is made from the recording and the loaded model alone, so a live episode and a reopened one look the same, and
//! nothing of the episode is touched.
//!
//! - [`landscape`]: how near each first action would lead to a goal
//! - [`patches`]: the patch tokens as colours, by their principal components
//! - [`open_loop`]: what was imagined from a step against what then came
//! - [`sensitivity`]: how much the imagined future depends on the actions
//! - [`imagined`]: the chosen plan's imagined states, each as the nearest recorded frame

pub mod imagined;
pub mod landscape;
mod moment;
pub mod open_loop;
pub mod patches;
pub mod sensitivity;

pub use imagined::{Imagined, Nearest};
pub use landscape::{Landscape, Rest};
pub use moment::{Latents, Moment};
pub use open_loop::{OpenLoop, Part};
pub use patches::{Centre, Patches};
pub use sensitivity::Sensitivity;

use crate::planner::PlannerError;
use crate::recording::Recording;

/// What can be asked of the world model about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatentQuestion {
    /// Toward the goal of this sub-goal.
    Landscape {
        sub_goal: usize,
        rest: Rest,
    },
    Patches(Centre),
    OpenLoop,
    Sensitivity,
    Imagined,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum LatentAnswer {
    Landscape(Landscape),
    Patches(Patches),
    OpenLoop(OpenLoop),
    Sensitivity(Sensitivity),
    Imagined(Imagined),
}

/// Why a step cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum LatentError {
    #[error(transparent)]
    Planner(#[from] PlannerError),
    #[error("Step {0} is not recorded yet.")]
    NoStep(usize),
    #[error("{0}")]
    Nothing(&'static str),
}

impl LatentQuestion {
    /// How many steps of the recording have a say in the answer.
    pub fn reach(&self, recording: &Recording, step: usize) -> usize {
        match self {
            Self::Landscape { .. } => step + 1,
            Self::OpenLoop => step + 1 + moment::horizon(recording, step).unwrap_or(0),
            Self::Patches(_) | Self::Sensitivity | Self::Imagined => recording.steps.len(),
        }
    }

    /// Answers for one moment of a recording.
    ///
    /// # Errors
    /// The recording does not hold what the question needs, a model failed, or the moment's stop was set.
    pub fn answer(self, moment: &mut Moment) -> Result<LatentAnswer, LatentError> {
        Ok(match self {
            Self::Landscape { sub_goal, rest } => {
                LatentAnswer::Landscape(landscape::landscape(moment, sub_goal, rest)?)
            }
            Self::Patches(centre) => LatentAnswer::Patches(patches::patches(moment, centre)?),
            Self::OpenLoop => LatentAnswer::OpenLoop(open_loop::open_loop(moment)?),
            Self::Sensitivity => LatentAnswer::Sensitivity(sensitivity::sensitivity(moment)?),
            Self::Imagined => LatentAnswer::Imagined(imagined::imagined(moment)?),
        })
    }
}

#[cfg(test)]
mod tests;

//! Answers to questions about recorded steps, by the models that are loaded.

use std::sync::atomic::AtomicBool;

use super::{failed, refused};
use crate::config::PlanConfig;
use crate::engine::{Answer, Examination, Question, SessionError};
use crate::eval::latent::{LatentError, Latents, Moment};
use crate::planner::PlannerError;
use crate::recording::Recording;
use crate::system::System;

/// # Errors
/// The recording is not of this checkpoint or does not hold what the question needs, a model failed, or it was stopped.
pub(super) fn examine(
    system: &System,
    config: &PlanConfig,
    latents: &mut Latents,
    asked: &Examination,
    recording: &Recording,
    stop: &AtomicBool,
) -> Result<Answer, SessionError> {
    if recording.checkpoint_hash != system.hash {
        let (theirs, ours) = (&recording.checkpoint_name, &system.name);
        let named = |name: &str, hash: &str| format!("{name} ({})", &hash[..hash.len().min(8)]);
        return Err(refused(format!(
            "This episode was made with the checkpoint {}, and {} is loaded: it would see and imagine other things. Load \
             the episode's own with Open… (Ctrl+O).",
            named(theirs, &recording.checkpoint_hash),
            named(ours, &system.hash),
        )));
    }
    match &asked.question {
        Question::Attention(question) => {
            let none = || refused(format!("This recording has no step {}.", asked.step));
            let frame = &recording.steps.get(asked.step).ok_or_else(none)?.frame;
            let attention = system.attention(frame, question).map_err(refused)?;
            Ok(Answer::Attention(attention))
        }
        Question::Latent(question) => {
            let mut moment = Moment {
                model: &system.world,
                goals: system,
                recording,
                step: asked.step,
                config,
                latents,
                stop,
            };
            let answer = question.answer(&mut moment).map_err(|err| match err {
                LatentError::Planner(PlannerError::Cancelled) => SessionError::Cancelled,
                LatentError::Planner(err) => failed(err),
                err => refused(err),
            })?;
            Ok(Answer::Latent(answer))
        }
    }
}

//! An episode from its first question to its end, for whoever does not want to stop in between.

use std::sync::atomic::AtomicBool;

use super::episode::{Episode, Event, Models, Pace, Progress, Switches};
use super::models::PlannerError;
use crate::recording::Outcome;
use crate::sim::{Environment, Judge};

/// Runs an episode to its end. After `most_steps` actions it ends as not reached; once `cancel` is set, as interrupted.
/// `observer` hears what happens within a call, `on_progress` what each call came to.
///
/// # Errors
/// A model or its device failed. The recording is kept up to there.
pub fn run_episode<W: Environment + Judge>(
    episode: &mut Episode,
    world: &mut W,
    models: &Models,
    most_steps: Option<usize>,
    observer: &mut dyn FnMut(Event),
    on_progress: &mut dyn FnMut(&Episode, &Progress),
    cancel: &AtomicBool,
) -> Result<Outcome, PlannerError> {
    episode.set_switches(Switches::default(), Pace::Step);
    loop {
        if let Some(most) = most_steps.filter(|&most| episode.outcome().is_none() && episode.step() >= most) {
            episode.give_up(format!("{most} steps were executed, and no more were allowed."));
        }
        let progress = episode.advance(world, models, observer, cancel)?;
        episode.judge(world);
        on_progress(episode, &progress);
        match progress {
            Progress::Over(outcome) => return Ok(outcome),
            Progress::Cancelled => episode.interrupt(),
            Progress::Reasoned
            | Progress::Switched { .. }
            | Progress::OutOfTime { .. }
            | Progress::Planned { .. }
            | Progress::Held(_)
            | Progress::Acted { .. } => {}
        }
    }
}

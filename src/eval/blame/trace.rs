//! An episode with the states that it can go back to: its start, and the moment before each sub-goal began.

use std::sync::atomic::AtomicBool;

use super::stage::{Fall, Stage};
use crate::eval::EvalEpisode;
use crate::eval::chain::Run;
use crate::planner::{Episode, EpisodeSnapshot, Models, PlannerError, Progress};
use crate::recording::{Outcome, Recording};
use crate::sim::{World, WorldState};

/// A state to go back to.
pub(super) struct Point {
    /// The sub-goal that begins here; none at the start, before the language model was asked.
    pub sub_goal: Option<usize>,
    pub snapshot: EpisodeSnapshot,
    pub world: World,
}

/// What happened in an episode.
pub(super) struct Trace {
    pub solved: bool,
    pub outcome: Outcome,
    pub recording: Recording,
    /// The start, then the begin of each sub-goal in order.
    pub points: Vec<Point>,
    /// The true state at each step.
    pub states: Vec<WorldState>,
    pub falls: Vec<Fall>,
}

impl Trace {
    pub fn start(&self) -> &Point {
        &self.points[0]
    }

    /// Where that sub-goal began.
    pub fn point(&self, sub_goal: usize) -> &Point {
        let point = self.points.iter().find(|point| point.sub_goal == Some(sub_goal));
        point.unwrap_or_else(|| self.start())
    }
}

/// Advances an episode to its end; `before` is called before each thing that it does.
///
/// # Errors
/// A model or its device failed, or `cancel` was set.
pub(super) fn drive(
    episode: &mut Episode,
    stage: &mut Stage,
    models: &Models,
    before: &mut dyn FnMut(&mut Episode, &Stage),
    cancel: &AtomicBool,
) -> Result<Outcome, PlannerError> {
    loop {
        before(episode, stage);
        let progress = episode.advance(stage, models, &mut |_| (), cancel)?;
        episode.judge(stage);
        match progress {
            Progress::Over(outcome) => return Ok(outcome),
            Progress::Cancelled => return Err(PlannerError::Cancelled),
            _ => {}
        }
    }
}

/// The sub-goal that began last.
fn last_begun(episode: &Episode) -> Option<usize> {
    let begun = |recording: &Recording| {
        recording
            .sub_goals
            .iter()
            .rposition(|record| record.start_step.is_some())
    };
    episode.recording().read(begun)
}

/// Runs an episode as it is.
///
/// # Errors
/// As [`drive`].
pub(super) fn trace(run: &Run, one: &EvalEpisode, models: &Models, cancel: &AtomicBool) -> Result<Trace, PlannerError> {
    let mut stage = Stage::new(one.world(run.frame_px), run.truth.clone(), 0, false);
    let mut episode = Episode::new(run.setup(one), run.config.clone());
    let here = |episode: &Episode, stage: &Stage| Point {
        sub_goal: None,
        snapshot: episode.snapshot(),
        world: stage.world().borrow().clone(),
    };
    let mut points = vec![here(&episode, &stage)];
    let mut states = Vec::new();
    let mut last: Option<Point> = None;
    let mut before = |episode: &mut Episode, stage: &Stage| {
        if states.len() == episode.step() {
            states.push(stage.truth().borrow().clone());
        }
        let begun = last_begun(episode);
        if begun != points.last().and_then(|point| point.sub_goal)
            && let Some(point) = last.take()
        {
            points.push(Point {
                sub_goal: begun,
                ..point
            });
        }
        last = Some(here(episode, stage));
    };
    let outcome = drive(&mut episode, &mut stage, models, &mut before, cancel)?;
    Ok(Trace {
        solved: one.task.solved(&stage.truth().borrow()),
        outcome,
        recording: episode.recording().snapshot(),
        points,
        states,
        falls: stage.falls,
    })
}

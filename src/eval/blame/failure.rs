//! What went wrong first in an episode that failed, and where to go back to.

use serde::{Deserialize, Serialize};

use super::trace::{Point, Trace};
use crate::eval::EvalEpisode;
use crate::eval::chain::first_list;
use crate::recording::{EndedBecause, Outcome, SubGoalRecord};
use crate::sim::tasks::list_is_right;

/// How an episode began to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// No answer could be read.
    Unreadable,
    /// The expert does not solve the task with the first list, or a sub-goal of a later one means nothing.
    WrongList,
    /// A sub-goal was declared reached, and its predicate did not hold.
    DeclaredEarly,
    /// A sub-goal's predicate never held, and its time ran out.
    OutOfTime,
    /// A sub-goal's predicate held, and yet its time ran out.
    NotDeclared,
    /// Each sub-goal was reached, and something was undone afterwards.
    Undone,
}

impl How {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::WrongList => "wrong_list",
            Self::DeclaredEarly => "declared_early",
            Self::OutOfTime => "out_of_time",
            Self::NotDeclared => "not_declared",
            Self::Undone => "undone",
        }
    }
}

/// The first thing that went wrong.
pub(super) struct Failure<'a> {
    pub how: How,
    /// The first sub-goal that failed, also where the list was wrong before it; none where each was reached.
    pub sub_goal: Option<usize>,
    pub list_right: bool,
    pub point: &'a Point,
}

/// How one sub-goal failed; none where it did not.
fn failed(record: &SubGoalRecord) -> Option<How> {
    match (record.ended_because?, record.achieved) {
        (EndedBecause::Reached | EndedBecause::StepLimit, None) => Some(How::WrongList),
        (EndedBecause::Reached, Some(false)) => Some(How::DeclaredEarly),
        (EndedBecause::StepLimit, Some(false)) => Some(How::OutOfTime),
        (EndedBecause::StepLimit, Some(true)) => Some(How::NotDeclared),
        _ => None,
    }
}

/// What went wrong in an episode that did not solve its task.
pub(super) fn failure<'a>(trace: &'a Trace, one: &EvalEpisode, frame_px: usize) -> Failure<'a> {
    let records = trace.recording.sub_goals.iter().enumerate();
    let begun = records.filter(|(_, record)| record.start_step.is_some());
    let first = begun
        .filter_map(|(index, record)| Some((index, failed(record)?)))
        .next();
    let list_right = list_is_right(&first_list(&trace.recording), &one.world(frame_px), &one.task);
    let nothing_read = trace.recording.sub_goals.is_empty() && matches!(trace.outcome, Outcome::Unparsed { .. });
    let (how, point) = match first {
        _ if nothing_read => (How::Unreadable, trace.start()),
        _ if !list_right => (How::WrongList, trace.start()),
        Some((index, how)) => (how, trace.point(index)),
        None => (How::Undone, before_first_fall(trace)),
    };
    Failure {
        how,
        sub_goal: first.map(|(index, _)| index),
        list_right,
        point,
    }
}

/// The last state to go back to before something fell; the start where nothing did.
fn before_first_fall(trace: &Trace) -> &Point {
    let fell_at = trace.falls.first().map_or(0, |fall| fall.step);
    let before = trace.points.iter().rfind(|point| point.snapshot.step() < fell_at);
    before.unwrap_or_else(|| trace.start())
}

//! One episode, looked into: whether it failed, how, and by which part.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Part;
use super::explain::{Numbers, explain};
use super::failure::{How, failure};
use super::replay::replay;
use super::stage::Fall;
use super::trace::trace;
use crate::eval::EvalEpisode;
use crate::eval::chain::{Run, first_list, kind_of};
use crate::planner::{Models, PlannerError};
use crate::random::{Stream, rng};
use crate::sim::Primitive;

/// Keeps the seed of the run with other random numbers apart from others of the stream.
const AGAIN: u64 = 11;

/// Who has the blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// No part alone, but several together.
    Several,
    /// Not even all of them together.
    None,
    /// The first part that cures alone.
    #[serde(untagged)]
    Part(Part),
}

impl Blame {
    /// In the order in which a report lists them.
    pub fn all() -> impl Iterator<Item = Self> {
        Part::ALL.into_iter().map(Self::Part).chain([Self::Several, Self::None])
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Part(part) => part.name(),
            Self::Several => "several",
            Self::None => "none",
        }
    }
}

/// What a failed episode failed by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    pub how: How,
    pub blame: Blame,
    /// Parts whose replacement alone solves the task.
    pub cures: Vec<Part>,
    /// Solved with nothing replaced but the planner's random numbers.
    pub cured_again: bool,
    /// The first sub-goal that failed, its kind, and the step at which it began.
    pub sub_goal: Option<String>,
    pub kind: Option<String>,
    pub from_step: usize,
    pub list_right: bool,
    pub first_list: Vec<String>,
    pub numbers: Numbers,
    pub(super) falls: Vec<Fall>,
}

/// What became of an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub episode: usize,
    pub template: String,
    pub horizon: usize,
    pub task: String,
    pub steps: usize,
    /// None where the task was solved.
    pub failed: Option<Failed>,
}

impl Verdict {
    pub fn solved(&self) -> bool {
        self.failed.is_none()
    }
}

/// Runs an episode and, where it fails, looks for the part to blame among `parts`, in their order.
///
/// # Errors
/// A model or its device failed, or `cancel` was set.
pub fn judge_episode(
    run: &Run,
    one: &EvalEpisode,
    models: &Models,
    parts: &[Part],
    cancel: &AtomicBool,
) -> Result<Verdict, PlannerError> {
    let trace = trace(run, one, models, cancel)?;
    let mut verdict = Verdict {
        episode: one.index,
        template: one.task.template.clone(),
        horizon: one.horizon,
        task: one.task.text.clone(),
        steps: trace.states.len().saturating_sub(1),
        failed: None,
    };
    if trace.solved {
        return Ok(verdict);
    }
    let failure = failure(&trace, one, run.frame_px);
    let from_step = failure.point.snapshot.step();
    let cures_with = |parts: &[Part], seed: u64| {
        let started = Instant::now();
        let cured = replay(run, (one, seed), models, failure.point, parts, cancel)?;
        let secs = started.elapsed().as_secs_f64();
        log::info!(
            "episode {}: {parts:?} replaced in {secs:.1} s, solved: {cured}",
            one.index
        );
        Ok::<bool, PlannerError>(cured)
    };
    let mut cures = Vec::new();
    for &part in parts {
        // Where nothing falls, a world without falls is the same one.
        let idle = part == Part::Physics && trace.falls.iter().all(|fall| fall.step <= from_step);
        if !idle && cures_with(&[part], one.seed)? {
            cures.push(part);
        }
    }
    let again = rng(one.seed, Stream::Eval, 0, AGAIN).next_u64();
    let cured_again = cures_with(&[], again)?;
    // CEM stays as it is then: a wider one with the true futures would cost minutes a step.
    let together: Vec<Part> = parts.iter().copied().filter(|part| *part != Part::Cem).collect();
    let blame = match cures.first() {
        Some(&part) => Blame::Part(part),
        None if cures_with(&together, one.seed)? => Blame::Several,
        None => Blame::None,
    };
    let numbers = match failure.sub_goal {
        Some(sub_goal) => explain(&trace, trace.point(sub_goal), sub_goal, run.config, models)?,
        None => Numbers::default(),
    };
    let text = failure
        .sub_goal
        .map(|index| trace.recording.sub_goals[index].text.clone());
    let kind = text.as_deref().and_then(|text| Primitive::parse(text, &one.state));
    verdict.failed = Some(Failed {
        how: failure.how,
        blame,
        cures,
        cured_again,
        kind: kind.map(|primitive| kind_of(primitive).to_owned()),
        sub_goal: text,
        from_step,
        list_right: failure.list_right,
        first_list: first_list(&trace.recording),
        numbers,
        falls: trace.falls.clone(),
    });
    Ok(verdict)
}

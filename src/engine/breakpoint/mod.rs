//! Where a run pauses by itself: at steps, and on what was just seen and planned. What fires is a pure function of the
//! recording and of what the last advance led to, so that the same episode pauses at the same steps again.
//!
//! A condition fires when it begins to hold and not for as long as it holds: a run that is resumed goes on.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::session::Advance;
use crate::recording::{EndedBecause, PauseRecord, Recording, StepRecord};

/// A similarity to compare with, from -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Threshold(f32);

/// It is always a number.
impl Eq for Threshold {}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a similarity: those are from -1 to 1.")]
pub struct NotASimilarity(f32);

impl Threshold {
    /// # Errors
    /// The value is not from -1 to 1.
    pub fn new(value: f32) -> Result<Self, NotASimilarity> {
        if (-1.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(NotASimilarity(value))
        }
    }
}

impl TryFrom<f32> for Threshold {
    type Error = NotASimilarity;

    fn try_from(value: f32) -> Result<Self, NotASimilarity> {
        Self::new(value)
    }
}

impl From<Threshold> for f32 {
    fn from(threshold: Threshold) -> Self {
        threshold.0
    }
}

/// Where a run pauses. None and `false` are off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breakpoints {
    /// Before these steps are planned.
    pub steps: BTreeSet<usize>,
    /// The VLM was asked again.
    pub replan: bool,
    /// A sub-goal ended.
    pub switch: bool,
    /// The similarity of the frame to the current sub-goal's goal fell below this.
    pub below: Option<Threshold>,
    /// It rose above this.
    pub above: Option<Threshold>,
    /// It fell for so many steps in a row.
    pub falling: Option<NonZeroU32>,
    /// A cost or a similarity of the newest plan is not finite.
    pub not_finite: bool,
    /// A plan took longer than this, ms.
    pub slow_ms: Option<NonZeroU32>,
}

/// What a run can pause on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Step,
    Replan,
    Switch,
    Below,
    Above,
    Falling,
    NotFinite,
    Slow,
}

/// A condition that made a run pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The step that would have been planned next.
    pub step: usize,
    pub condition: Condition,
    /// "the similarity to sub-goal 2 fell for 4 steps, 0.61 to 0.44".
    pub why: String,
}

impl Fired {
    pub fn record(&self) -> PauseRecord {
        PauseRecord {
            step: self.step,
            why: self.why.clone(),
        }
    }
}

/// Why a run paused, as a sentence.
pub fn sentence(step: usize, fired: &[Fired]) -> String {
    let reasons: Vec<&str> = fired.iter().map(|fired| fired.why.as_str()).collect();
    format!("Paused at step {step}: {}.", reasons.join("; "))
}

/// The step that comes next.
pub(super) fn position(recording: &Recording) -> usize {
    recording
        .steps
        .last()
        .map_or(0, |last| last.step + usize::from(last.action.is_some()))
}

impl Breakpoints {
    /// How many are set.
    pub fn count(&self) -> usize {
        let conditions = [
            self.replan,
            self.switch,
            self.below.is_some(),
            self.above.is_some(),
            self.falling.is_some(),
            self.not_finite,
            self.slow_ms.is_some(),
        ];
        self.steps.len() + conditions.into_iter().filter(|&on| on).count()
    }

    /// What of it makes a run pause after an advance that led to `done`.
    pub fn fired(&self, recording: &Recording, done: Advance) -> Vec<Fired> {
        let step = position(recording);
        let fired: Vec<(Condition, Option<String>)> = match done {
            Advance::Asked => vec![(Condition::Replan, self.replan.then(|| why_asked(recording)))],
            Advance::Switched => vec![(Condition::Switch, self.switch.then(|| how_it_ended(recording, step)))],
            Advance::Stepped => {
                let set = self.steps.contains(&step);
                vec![
                    (Condition::Step, set.then(|| "a breakpoint is set here".to_owned())),
                    (Condition::Below, self.fell_below(recording)),
                    (Condition::Above, self.rose_above(recording)),
                    (Condition::Falling, self.fell_in_a_row(recording)),
                    (Condition::NotFinite, self.became_not_finite(recording)),
                    (Condition::Slow, self.became_slow(recording)),
                ]
            }
            Advance::Finished | Advance::Planned | Advance::Held(_) => Vec::new(),
        };
        let known = |(condition, why): (Condition, Option<String>)| why.map(|why| Fired { step, condition, why });
        fired.into_iter().filter_map(known).collect()
    }

    fn fell_below(&self, recording: &Recording) -> Option<String> {
        let Threshold(threshold) = self.below?;
        let (sub_goal, [before, now]) = newest_two(recording)?;
        (before >= threshold && now < threshold).then(|| {
            let values = values(before, now);
            format!("the similarity to sub-goal {sub_goal} fell below {threshold}, {values}")
        })
    }

    fn rose_above(&self, recording: &Recording) -> Option<String> {
        let Threshold(threshold) = self.above?;
        let (sub_goal, [before, now]) = newest_two(recording)?;
        (before <= threshold && now > threshold).then(|| {
            let values = values(before, now);
            format!("the similarity to sub-goal {sub_goal} rose above {threshold}, {values}")
        })
    }

    fn fell_in_a_row(&self, recording: &Recording) -> Option<String> {
        let falls = self.falling?.get() as usize;
        let (sub_goal, values_back) = back_from_newest(recording)?;
        let falling = values_back.windows(2).take_while(|pair| pair[0] < pair[1]).count();
        // One more fall after these is no news.
        (falling == falls).then(|| {
            let (steps, values) = (plural(falls, "step"), values(values_back[falls], values_back[0]));
            format!("the similarity to sub-goal {sub_goal} fell for {steps}, {values}")
        })
    }

    fn became_not_finite(&self, recording: &Recording) -> Option<String> {
        let steps = &recording.steps;
        let executed = steps.iter().rposition(|step| step.action.is_some())?;
        let seen = steps.len() - 1;
        let before = executed
            .checked_sub(1)
            .is_some_and(|executed| not_finite(&steps[executed], &steps[seen - 1]).is_some());
        not_finite(&steps[executed], &steps[seen]).filter(|_| self.not_finite && !before)
    }

    fn became_slow(&self, recording: &Recording) -> Option<String> {
        let limit_ms = f64::from(self.slow_ms?.get());
        let took_ms = |step: &StepRecord| step.plan_secs * 1e3;
        let executed = recording.steps.iter().rposition(|step| step.action.is_some())?;
        // A step that was executed without a plan of its own took no time.
        let mut planned = recording.steps[..=executed].iter().rev();
        let newest = planned.next().filter(|step| step.cost.is_some())?;
        let before = planned.find(|step| step.cost.is_some());
        let slow = took_ms(newest) > limit_ms && before.is_none_or(|before| took_ms(before) <= limit_ms);
        slow.then(|| format!("the plan took {:.0} ms, more than {limit_ms} ms", took_ms(newest)))
    }
}

/// Similarities to the current sub-goal, newest first, as far back as they are to the same goal; and its number.
fn back_from_newest(recording: &Recording) -> Option<(usize, Vec<f32>)> {
    let index = recording.steps.last()?.sub_goal?;
    let sub_goal = recording.sub_goals.get(index)?;
    let since = sub_goal.start_step?.max(sub_goal.goal_made_at_step);
    let values = recording
        .steps
        .iter()
        .rev()
        .take_while(|step| step.sub_goal == Some(index) && step.step >= since)
        .map_while(|step| step.similarities.get(index).copied().flatten())
        .collect();
    Some((index + 1, values))
}

/// The last but one similarity to the current sub-goal and the last.
fn newest_two(recording: &Recording) -> Option<(usize, [f32; 2])> {
    match back_from_newest(recording)? {
        (sub_goal, back) if back.len() > 1 => Some((sub_goal, [back[1], back[0]])),
        _ => None,
    }
}

/// What of a plan and of the frame that came of it is not finite.
fn not_finite(executed: &StepRecord, seen: &StepRecord) -> Option<String> {
    let odd = |value: &f32| !value.is_finite();
    let similarity = seen
        .similarities
        .iter()
        .position(|value| value.as_ref().is_some_and(odd));
    if let Some(index) = similarity {
        return Some(format!("the similarity to sub-goal {} is not finite", index + 1));
    }
    if executed.cost.as_ref().is_some_and(odd) {
        return Some("the cost of the chosen plan is not finite".to_owned());
    }
    if executed.predicted_similarity.iter().any(odd) {
        return Some("the similarity of an imagined state is not finite".to_owned());
    }
    executed.cem.iter().enumerate().find_map(|(iteration, cem)| {
        let (count, of) = (cem.costs.iter().filter(|cost| odd(cost)).count(), cem.costs.len());
        let iteration = iteration + 1;
        (count > 0).then(|| format!("{count} of {of} costs of CEM iteration {iteration} are not finite"))
    })
}

fn why_asked(recording: &Recording) -> String {
    match recording.replans.last() {
        Some(replan) => format!("the VLM was asked again: {}", replan.reason.trim_end_matches('.')),
        None => "the VLM was asked again".to_owned(),
    }
}

fn how_it_ended(recording: &Recording, step: usize) -> String {
    let ended = recording.sub_goals.iter().enumerate().rev().find(|(_, sub_goal)| {
        sub_goal.end_step == Some(step) && sub_goal.ended_because != Some(EndedBecause::Replaced)
    });
    match ended {
        Some((index, sub_goal)) if sub_goal.ended_because == Some(EndedBecause::StepLimit) => {
            format!("sub-goal {} was not reached within its step limit", index + 1)
        }
        Some((index, sub_goal)) if sub_goal.declared => format!("sub-goal {} was declared reached", index + 1),
        Some((index, _)) => format!("sub-goal {} ended", index + 1),
        None => "a sub-goal ended".to_owned(),
    }
}

/// "0.61 to 0.44", with as many decimals as it takes to tell them apart.
fn values(before: f32, now: f32) -> String {
    let written = |decimals: usize| (format!("{before:.decimals$}"), format!("{now:.decimals$}"));
    let (before, now) = (2..6)
        .map(written)
        .find(|(before, now)| before != now)
        .unwrap_or_else(|| written(6));
    format!("{before} to {now}")
}

fn plural(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

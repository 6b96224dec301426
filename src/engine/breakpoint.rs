//! Where a run pauses by itself: at steps, and on what was just seen and planned. What fires is a pure function of the
//! recording and of what the last advance led to, so that the same episode pauses at the same steps again.
//!
//! A condition fires when it begins to hold and not for as long as it holds: a run that is resumed goes on.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::session::Advance;
use crate::recording::{EndedBecause, Recording, StepRecord};

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::recording::{AttentionMap, CemIteration, ReplanRecord, StageSecs, SubGoalRecord};
    use crate::sim::Frame;

    fn frame() -> Frame {
        Frame {
            width: 1,
            height: 1,
            rgb: Arc::new([0; 3]),
        }
    }

    fn sub_goal(start_step: usize) -> SubGoalRecord {
        SubGoalRecord {
            edited: false,
            text: "pick up the red block".to_owned(),
            objects: Vec::new(),
            unmatched: Vec::new(),
            map: AttentionMap {
                grid: [1, 1],
                values: vec![1.0],
                model_grid: [1, 1],
                resampled: vec![1.0],
            },
            goal_made_at_step: start_step,
            start_step: Some(start_step),
            end_step: None,
            declared: false,
            achieved: None,
            ended_because: None,
            goal_gripper_m: None,
        }
    }

    /// An episode whose second sub-goal was begun at step 2 and came to these similarities from there on, one a frame;
    /// the first one's stand at 0.9. The last frame has no action yet.
    fn episode(similarities: &[f32]) -> Recording {
        let frames = [0.9, 0.9].iter().chain(similarities);
        let last = similarities.len() + 1;
        let steps = frames.enumerate().map(|(step, &similarity)| {
            let second = step >= 2;
            let planned = step < last;
            Arc::new(StepRecord {
                step,
                frame: frame(),
                view: frame(),
                vacuum: false,
                sub_goal: Some(usize::from(second)),
                similarities: vec![Some(0.9), second.then_some(similarity)],
                predicted_similarity: vec![0.5; 2],
                gripper_m: [0.0; 2],
                cem: vec![CemIteration {
                    mean: Vec::new(),
                    sigma: Vec::new(),
                    costs: vec![0.3, 0.2],
                    elites: Vec::new(),
                    elite_costs: vec![0.2],
                    elite_paths_m: Vec::new(),
                }],
                action: planned.then_some([0.0; 3]),
                cost: planned.then_some(0.2),
                plan_secs: if planned { 0.4 } else { 0.0 },
                stages: StageSecs::default(),
                draw: 0,
                open_loop_from: None,
            })
        });
        Recording {
            task: "stack".to_owned(),
            steps: steps.collect(),
            sub_goals: vec![sub_goal(0), sub_goal(2)],
            ..Recording::default()
        }
    }

    /// The same with a step changed.
    fn with(mut recording: Recording, step: usize, change: impl FnOnce(&mut StepRecord)) -> Recording {
        change(Arc::make_mut(&mut recording.steps[step]));
        recording
    }

    /// The sentence that a run pauses with after a step, if it does.
    fn after_a_step(breakpoints: &Breakpoints, recording: &Recording) -> Option<String> {
        let fired = breakpoints.fired(recording, Advance::Stepped);
        (!fired.is_empty()).then(|| sentence(position(recording), &fired))
    }

    fn level(value: f32) -> Option<Threshold> {
        Some(Threshold::new(value).unwrap())
    }

    #[test]
    fn a_similarity_fires_where_it_crosses_and_only_there() {
        let below = Breakpoints {
            below: level(0.4),
            ..Breakpoints::default()
        };
        let above = Breakpoints {
            above: level(0.8),
            ..Breakpoints::default()
        };
        let falling = Breakpoints {
            falling: NonZeroU32::new(3),
            ..Breakpoints::default()
        };
        let cases: &[(&Breakpoints, &[f32], Option<&str>)] = &[
            (&below, &[0.43, 0.38], Some("fell below 0.4, 0.43 to 0.38")),
            (&below, &[0.4, 0.399], Some("fell below 0.4, 0.400 to 0.399")),
            (&below, &[0.43, 0.4], None),
            (&below, &[0.43, 0.38, 0.35], None),
            (&below, &[0.43, 0.38, 0.41, 0.39], Some("fell below 0.4, 0.41 to 0.39")),
            // It begins below: nothing fell.
            (&below, &[0.2], None),
            (&below, &[0.3, 0.2], None),
            (&above, &[0.78, 0.83], Some("rose above 0.8, 0.78 to 0.83")),
            (&above, &[0.78, 0.83, 0.9], None),
            (&above, &[0.83], None),
            (&above, &[0.83, 0.78], None),
            (
                &falling,
                &[0.61, 0.58, 0.5, 0.44],
                Some("fell for 3 steps, 0.61 to 0.44"),
            ),
            (
                &falling,
                &[0.6, 0.61, 0.58, 0.5, 0.44],
                Some("fell for 3 steps, 0.61 to 0.44"),
            ),
            (&falling, &[0.61, 0.58, 0.5], None),
            (&falling, &[0.61, 0.58, 0.58, 0.5, 0.44], None),
            // The fourth fall is no news.
            (&falling, &[0.61, 0.58, 0.5, 0.44, 0.4], None),
            (&falling, &[0.61, f32::NAN, 0.58, 0.5, 0.44], None),
        ];
        for (breakpoints, similarities, expected) in cases {
            let recording = episode(similarities);
            let step = similarities.len() + 1;
            let expected = expected.map(|why| format!("Paused at step {step}: the similarity to sub-goal 2 {why}."));
            assert_eq!(after_a_step(breakpoints, &recording), expected, "{similarities:?}");
            for other in [Advance::Switched, Advance::Asked, Advance::Finished] {
                assert_eq!(breakpoints.fired(&recording, other), [], "{other:?}");
            }
        }
    }

    #[test]
    fn similarities_to_another_goal_are_not_compared() {
        let breakpoints = Breakpoints {
            below: level(0.8),
            falling: NonZeroU32::new(1),
            ..Breakpoints::default()
        };
        // The sub-goal before stood at 0.9 one frame ago.
        assert_eq!(after_a_step(&breakpoints, &episode(&[0.5])), None);
        let mut remade = episode(&[0.9, 0.5]);
        remade.sub_goals[1].goal_made_at_step = 3;
        assert_eq!(after_a_step(&breakpoints, &remade), None, "its goal was made anew");
        let resting = with(episode(&[0.9, 0.5]), 3, |step| step.sub_goal = None);
        assert_eq!(
            after_a_step(&breakpoints, &resting),
            None,
            "there is no sub-goal any more"
        );
        assert_eq!(after_a_step(&breakpoints, &Recording::default()), None);
    }

    #[test]
    fn what_is_not_finite_fires_once() {
        let breakpoints = Breakpoints {
            not_finite: true,
            ..Breakpoints::default()
        };
        let fine = || episode(&[0.5, 0.5, 0.5]);
        assert_eq!(after_a_step(&breakpoints, &fine()), None);
        let cases: [(Recording, &str); 4] = [
            (
                with(fine(), 4, |step| step.similarities[1] = Some(f32::NAN)),
                "the similarity to sub-goal 2 is not finite",
            ),
            (
                with(fine(), 3, |step| step.cost = Some(f32::INFINITY)),
                "the cost of the chosen plan is not finite",
            ),
            (
                with(fine(), 3, |step| step.predicted_similarity[1] = f32::NAN),
                "the similarity of an imagined state is not finite",
            ),
            (
                with(fine(), 3, |step| step.cem[0].costs[1] = f32::INFINITY),
                "1 of 2 costs of CEM iteration 1 are not finite",
            ),
        ];
        for (recording, why) in cases {
            let expected = format!("Paused at step 4: {why}.");
            assert_eq!(after_a_step(&breakpoints, &recording), Some(expected));
            assert_eq!(after_a_step(&Breakpoints::default(), &recording), None);
        }
        let still = with(fine(), 2, |step| step.cost = Some(f32::NAN));
        assert_eq!(
            after_a_step(&breakpoints, &with(still, 3, |step| step.cost = Some(f32::NAN))),
            None,
            "it was so a step ago"
        );
    }

    #[test]
    fn a_slow_plan_fires_after_one_that_was_not() {
        let breakpoints = Breakpoints {
            slow_ms: NonZeroU32::new(500),
            ..Breakpoints::default()
        };
        let took = |recording, step, secs| with(recording, step, move |step: &mut StepRecord| step.plan_secs = secs);
        let slow = took(episode(&[0.5, 0.5]), 2, 0.8124);
        let said = "Paused at step 3: the plan took 812 ms, more than 500 ms.";
        assert_eq!(after_a_step(&breakpoints, &slow).as_deref(), Some(said));
        assert_eq!(
            after_a_step(&breakpoints, &took(slow.clone(), 1, 0.7)),
            None,
            "the one before was slow, too"
        );
        assert_eq!(after_a_step(&breakpoints, &took(slow.clone(), 2, 0.5)), None);
        let unplanned = with(slow.clone(), 2, |step| step.cost = None);
        assert_eq!(
            after_a_step(&breakpoints, &unplanned),
            None,
            "nothing was planned for this step"
        );
        let after_unplanned = with(took(slow, 0, 0.6), 1, |step| step.cost = None);
        assert_eq!(
            after_a_step(&breakpoints, &after_unplanned),
            None,
            "the plan before was slow, too"
        );
    }

    #[test]
    fn steps_switches_and_questions_fire_on_their_own_advance() {
        let everything = Breakpoints {
            steps: [3].into(),
            replan: true,
            switch: true,
            ..Breakpoints::default()
        };
        let mut recording = episode(&[0.5, 0.5]);
        assert_eq!(
            after_a_step(&everything, &recording).as_deref(),
            Some("Paused at step 3: a breakpoint is set here.")
        );
        assert_eq!(after_a_step(&everything, &episode(&[0.5])), None);
        let ended = |recording: &Recording| everything.fired(recording, Advance::Switched)[0].clone();
        assert_eq!(ended(&recording).why, "a sub-goal ended");
        recording.sub_goals[1].end_step = Some(3);
        recording.sub_goals[1].declared = true;
        recording.sub_goals[1].ended_because = Some(EndedBecause::Reached);
        let switched = ended(&recording);
        assert_eq!(
            (switched.step, switched.condition, switched.why.as_str()),
            (3, Condition::Switch, "sub-goal 2 was declared reached")
        );
        recording.sub_goals[1].ended_because = Some(EndedBecause::StepLimit);
        assert_eq!(
            ended(&recording).why,
            "sub-goal 2 was not reached within its step limit"
        );
        let asked = |recording: &Recording| everything.fired(recording, Advance::Asked)[0].why.clone();
        assert_eq!(asked(&recording), "the VLM was asked again");
        recording.replans.push(ReplanRecord {
            step: 3,
            reason: "it was not reached in 20 steps".to_owned(),
            reasoning: String::new(),
            answer: String::new(),
            sub_goals: Vec::new(),
            unread: Vec::new(),
        });
        assert_eq!(
            asked(&recording),
            "the VLM was asked again: it was not reached in 20 steps"
        );
        assert_eq!(everything.fired(&recording, Advance::Finished), []);
        for done in [Advance::Stepped, Advance::Switched, Advance::Asked] {
            assert_eq!(Breakpoints::default().fired(&recording, done), [], "{done:?}");
        }
    }

    #[test]
    fn all_that_fires_at_a_step_is_said() {
        let breakpoints = Breakpoints {
            steps: [3].into(),
            below: level(0.4),
            falling: NonZeroU32::new(1),
            ..Breakpoints::default()
        };
        assert_eq!(breakpoints.count(), 3);
        assert_eq!(
            after_a_step(&breakpoints, &episode(&[0.5, 0.3])).unwrap(),
            "Paused at step 3: a breakpoint is set here; the similarity to sub-goal 2 fell below 0.4, 0.50 to 0.30; the \
             similarity to sub-goal 2 fell for 1 step, 0.50 to 0.30."
        );
    }

    #[test]
    fn only_what_makes_sense_can_be_read() {
        let breakpoints = Breakpoints {
            steps: [4, 9].into(),
            above: level(-0.25),
            falling: NonZeroU32::new(2),
            ..Breakpoints::default()
        };
        let written = serde_json::to_string(&breakpoints).unwrap();
        assert_eq!(serde_json::from_str::<Breakpoints>(&written).unwrap(), breakpoints);
        assert_eq!(
            serde_json::from_str::<Breakpoints>("{}").unwrap(),
            Breakpoints::default()
        );
        for bad in [r#"{"below":1.5}"#, r#"{"falling":0}"#, r#"{"slow_ms":-3}"#] {
            assert!(serde_json::from_str::<Breakpoints>(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Threshold::new(f32::NAN).unwrap_err().to_string(),
            "NaN is not a similarity: those are from -1 to 1."
        );
    }
}

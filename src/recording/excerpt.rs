//! A range of an episode as a recording of its own, to be sent to somebody or shown in a talk.

use std::sync::Arc;

use super::{Recording, StageSecs, StepRecord, SubGoalRecord};

impl Recording {
    /// The episode as it was when step `to` was the present, with the steps from `from` on whole. Steps before them are
    /// what was seen and done there alone, without pictures for people and without plans: steps keep their numbers, and
    /// the frames that goals were made from stay. Ends of the range that lie outside of the episode are moved into it.
    #[must_use]
    pub fn excerpt(&self, [from, to]: [usize; 2]) -> Self {
        let Some(last) = self.steps.len().checked_sub(1) else {
            return self.clone();
        };
        let to = to.min(last);
        let bare_until = self.kept_whole.map_or(0, |[first, _]| first);
        let from = from.max(bare_until).min(to);
        let mut steps = self.steps[..=to].to_vec();
        for step in &mut steps[..from] {
            *step = Arc::new(bare(step));
        }
        let mut sub_goals = self.sub_goals.clone();
        if to < last {
            sub_goals.truncate(steps[to].similarities.len());
            for (index, sub_goal) in sub_goals.iter_mut().enumerate() {
                let mut asked = self.questions.iter().rev();
                let asked = asked.find(|question| question.first_sub_goal.is_some_and(|first| first <= index));
                forget_after(sub_goal, to, asked.map_or(0, |question| question.step));
                if sub_goal.start_step.is_none() && !self.revised(index, to) {
                    sub_goal.ended_because = None;
                }
            }
        }
        let until = |step: usize| step <= to;
        Self {
            steps,
            sub_goals,
            replans: self.replans.iter().filter(|it| until(it.step)).cloned().collect(),
            edits: self.edits.iter().filter(|it| until(it.step)).cloned().collect(),
            questions: self.questions.iter().filter(|it| until(it.step)).cloned().collect(),
            branched_from: self.branched_from.iter().filter(|it| until(it.step)).cloned().collect(),
            pauses: self.pauses.iter().filter(|it| until(it.step)).cloned().collect(),
            changes: self.changes.iter().filter(|it| until(it.step)).cloned().collect(),
            outcome: self.outcome.clone().filter(|_| to == last),
            task_achieved: self.task_achieved.filter(|_| to == last),
            kept_whole: Some([from, to]),
            ..self.clone()
        }
    }

    /// Whether the list was written anew, by the VLM or the user, once it held this sub-goal and not after `to`.
    fn revised(&self, index: usize, to: usize) -> bool {
        let replans = self.replans.iter().map(|replan| replan.step);
        let mut revised = replans.chain(self.edits.iter().map(|edit| edit.step));
        revised.any(|at| {
            let before = at.checked_sub(1).and_then(|before| self.steps.get(before));
            at <= to && before.is_some_and(|before| before.similarities.len() > index)
        })
    }
}

/// What was seen and done, as small as it can be.
fn bare(step: &StepRecord) -> StepRecord {
    StepRecord {
        view: step.frame.clone(),
        predicted_similarity: Vec::new(),
        predicted_others: Vec::new(),
        cem: Vec::new(),
        stages: StageSecs::default(),
        ..step.clone()
    }
}

/// A sub-goal as it stood at a step. Where its goal was made later, that of its list was in force.
fn forget_after(sub_goal: &mut SubGoalRecord, step: usize, asked_at: usize) {
    let later = |at: &usize| *at > step;
    if sub_goal.goal_made_at_step > step {
        (sub_goal.goal_made_at_step, sub_goal.goal_gripper_m) = (asked_at, None);
    }
    if sub_goal.end_step.as_ref().is_some_and(later) {
        (sub_goal.end_step, sub_goal.ended_because) = (None, None);
        (sub_goal.declared, sub_goal.achieved) = (false, None);
    }
    if sub_goal.start_step.as_ref().is_some_and(later) {
        sub_goal.start_step = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::file::tests::episode;
    use crate::recording::{EndedBecause, Outcome, QuestionRecord, ReplanRecord};

    /// Three sub-goals of the first list, the second begun at step 3; a re-plan at step 4 with one in the third's place.
    fn long() -> Recording {
        let mut long = episode(6);
        let first = long.sub_goals[0].clone();
        let second = SubGoalRecord {
            start_step: Some(3),
            goal_made_at_step: 3,
            end_step: Some(4),
            ended_because: Some(EndedBecause::StepLimit),
            ..first.clone()
        };
        let never_begun = SubGoalRecord {
            start_step: None,
            ended_because: Some(EndedBecause::Replaced),
            ..first.clone()
        };
        let revised = SubGoalRecord {
            start_step: Some(4),
            goal_made_at_step: 4,
            ..first.clone()
        };
        long.sub_goals = vec![
            SubGoalRecord {
                end_step: Some(3),
                declared: true,
                ended_because: Some(EndedBecause::Reached),
                ..first
            },
            second,
            never_begun,
            revised,
        ];
        for step in &mut long.steps {
            let step = Arc::make_mut(step);
            step.similarities = vec![Some(0.5); if step.step < 4 { 3 } else { 4 }];
        }
        long.questions.push(QuestionRecord {
            step: 4,
            first_sub_goal: Some(3),
            ..QuestionRecord::default()
        });
        long.replans.push(ReplanRecord {
            step: 4,
            reason: String::new(),
            reasoning: String::new(),
            answer: String::new(),
            sub_goals: vec![],
            unread: vec![],
        });
        long.outcome = Some(Outcome::Reached);
        long.task_achieved = Some(true);
        long
    }

    #[test]
    fn an_excerpt_knows_what_was_known_then_and_keeps_its_numbers() {
        let long = long();
        let cut = long.excerpt([1, 2]);
        assert_eq!((cut.steps.len(), cut.kept_whole), (3, Some([1, 2])));
        assert!(cut.steps[0].cem.is_empty() && cut.steps[0].view == long.steps[0].frame);
        assert_eq!(
            (&cut.steps[0].frame, cut.steps[0].action),
            (&long.steps[0].frame, long.steps[0].action)
        );
        assert_eq!(cut.steps[1..], long.steps[1..3]);
        assert_eq!((cut.questions.len(), cut.replans.len(), cut.changes.len()), (1, 0, 1));
        assert_eq!((&cut.outcome, cut.task_achieved), (&None, None));
        let [first, second, third] = &cut.sub_goals[..] else {
            panic!("{:?}", cut.sub_goals)
        };
        assert_eq!(
            (first.end_step, first.ended_because, first.declared),
            (None, None, false)
        );
        assert_eq!((second.start_step, second.goal_made_at_step), (None, 0));
        assert_eq!(
            (first.start_step, first.goal_gripper_m),
            (Some(0), long.sub_goals[0].goal_gripper_m)
        );
        assert_eq!(second.goal_gripper_m, None, "where the later goal reads as");
        assert_eq!(third.ended_because, None, "nothing had taken its place");
        let replaced = long.excerpt([1, 4]).sub_goals[2].ended_because;
        assert_eq!(replaced, Some(EndedBecause::Replaced));
        assert_eq!(cut.excerpt([0, 2]).kept_whole, Some([1, 2]));
    }

    #[test]
    fn an_excerpt_up_to_the_end_keeps_the_end() {
        let long = long();
        let cut = long.excerpt([4, 99]);
        assert_eq!(cut.kept_whole, Some([4, 5]));
        assert_eq!(
            (&cut.sub_goals, &cut.replans, &cut.questions),
            (&long.sub_goals, &long.replans, &long.questions)
        );
        assert_eq!((cut.outcome, cut.task_achieved), (long.outcome.clone(), Some(true)));
        assert_eq!(long.excerpt([99, 99]).kept_whole, Some([5, 5]));
        assert_eq!(Recording::default().excerpt([0, 3]), Recording::default());
    }
}

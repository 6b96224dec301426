//! The user's hand in the list: what is left of it is changed, and only what changed is made anew.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Episode, Models, Phase};
use crate::planner::goals::{end_record, new_record};
use crate::planner::models::{PlannerError, SubGoal};
use crate::recording::{EditRecord, EndedBecause, Recording};
use crate::sim::Environment;
use crate::vlm::parse_answer;

impl Episode {
    /// Puts a list in the place of what is left of the present one. `from` is the first sub-goal that was open when the
    /// user wrote the list: what was reached since is not pursued again. Sub-goals that stay at the beginning keep their
    /// goals and their steps, the others get goals from the present frame; `on_goal` hears how many of how many are made.
    /// An episode that was over goes on.
    ///
    /// # Errors
    /// The list is empty, a goal could not be made, or `cancel` was set; nothing was changed.
    pub fn edit(
        &mut self,
        list: Vec<SubGoal>,
        from: usize,
        world: &dyn Environment,
        models: &Models,
        on_goal: &mut dyn FnMut(usize, usize),
        cancel: &AtomicBool,
    ) -> Result<(), PlannerError> {
        let seen = self.look(world, models.world)?;
        let wanted = list.len();
        let list = self.not_reached_since(list, from);
        if wanted == 0 {
            let value = "empty".to_owned();
            return Err(PlannerError::Setting {
                field: "the list of sub-goals",
                value,
                expected: "at least one",
            });
        }
        let open = self.recording.read(Recording::open_sub_goals);
        let same = |pair: &(&usize, &SubGoal)| self.state.sub_goals[*pair.0] == *pair.1;
        let kept = open.iter().zip(&list).take_while(same).count();
        let new = &list[kept..];
        let mut goals = Vec::with_capacity(new.len());
        for sub_goal in new {
            on_goal(goals.len(), new.len());
            if cancel.load(Ordering::Relaxed) {
                return Err(PlannerError::Cancelled);
            }
            goals.push(self.make_goal(sub_goal, &seen, models)?);
        }

        let edit = EditRecord {
            step: self.state.step,
            before: open.iter().map(|&index| self.state.sub_goals[index].line()).collect(),
            after: list.iter().map(SubGoal::line).collect(),
        };
        self.take_back_replan();
        self.drop_open(&open[kept..]);
        let first = self.state.sub_goals.len();
        let objects = &self.setup.scene_objects;
        self.recording.write(|recording| {
            for (sub_goal, goal) in new.iter().zip(&goals) {
                let mut record = new_record(sub_goal, goal, objects);
                record.edited = !is_the_models(recording, sub_goal);
                recording.sub_goals.push(record);
            }
            if edit.before != edit.after || !matches!(self.state.phase, Phase::Act) {
                recording.edits.push(edit);
            }
            (recording.outcome, recording.task_achieved) = (None, None);
        });
        self.state.sub_goals.extend_from_slice(new);
        self.state.goals.extend(goals);
        let current = open[..kept].first().copied().unwrap_or(first);
        if kept == 0 || current != self.state.current {
            self.become_current(current);
        }
        self.state.phase = if list.is_empty() { Phase::Rest } else { Phase::Act };
        let similarities = self.similarities(&seen)?;
        self.change_record(|record| record.similarities = similarities);
        Ok(())
    }

    /// The user answers in the VLM's place: what it was about to be asked is not asked, and costs no re-plan.
    fn take_back_replan(&mut self) {
        if !matches!(self.state.phase, Phase::Reason { history: Some(_) }) {
            return;
        }
        self.state.replans -= 1;
        self.recording.write(|recording| {
            recording.replans.pop();
            // One more than re-plans: an answer that was broken off goes too.
            recording.questions.truncate(recording.replans.len() + 1);
        });
    }

    /// The list without what was reached since the user saw it.
    fn not_reached_since(&self, mut list: Vec<SubGoal>, from: usize) -> Vec<SubGoal> {
        self.recording.read(|recording| {
            for record in recording.sub_goals.iter().skip(from) {
                let reached = record.ended_because == Some(EndedBecause::Reached);
                let first = list.first();
                if reached && first.is_some_and(|first| first.text == record.text && first.objects == record.objects) {
                    list.remove(0);
                }
            }
        });
        list
    }

    /// Takes sub-goals out of the list. They stay in the record as replaced, unless nothing in it speaks of them yet.
    fn drop_open(&mut self, dropped: &[usize]) {
        let step = self.state.step;
        let Some(&first) = dropped.first() else {
            return;
        };
        let unseen = self.recording.write(|recording| {
            let tail = &recording.sub_goals[first..];
            let begun = tail
                .iter()
                .any(|record| record.start_step.is_some() || record.ended_because.is_some());
            let past = recording.steps.len().saturating_sub(1);
            let known = recording.steps[..past]
                .iter()
                .any(|step| step.similarities.len() > first);
            if begun || known {
                for &index in dropped {
                    end_record(&mut recording.sub_goals[index], step, EndedBecause::Replaced);
                }
                return false;
            }
            recording.sub_goals.truncate(first);
            true
        });
        if unseen {
            self.state.sub_goals.truncate(first);
            self.state.goals.truncate(first);
            self.state.truths.truncate(first);
        }
    }
}

/// Whether a sub-goal stands in one of the VLM's answers.
fn is_the_models(recording: &Recording, sub_goal: &SubGoal) -> bool {
    let later = recording.replans.iter().map(|replan| replan.answer.as_str());
    let mut answers = std::iter::once(recording.answer.as_str()).chain(later);
    answers.any(|answer| {
        let list = parse_answer(answer).sub_goals;
        list.iter()
            .any(|read| read.text == sub_goal.text && read.objects == sub_goal.objects)
    })
}

//! Asking the VLM: the first time for a task's sub-goals, later for a revised list (method, 4.4 and 8).

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Episode, Event, Models, Progress};
use crate::planner::goals::Seen;
use crate::planner::models::{PlannerError, Question, TEMPERATURES};
use crate::recording::{Outcome, QuestionRecord, Recording};
use crate::vlm::History;

impl Episode {
    pub(super) fn ask(
        &mut self,
        history: Option<History>,
        seen: &Seen,
        models: &Models,
        observer: &mut dyn FnMut(Event),
        cancel: &AtomicBool,
    ) -> Result<Progress, PlannerError> {
        let mut unreadable = String::new();
        let (step, first) = (self.state.step, self.state.sub_goals.len());
        for temperature in TEMPERATURES {
            let question = Question {
                frame: &seen.frame,
                task: &self.setup.task,
                history: history.as_ref(),
                temperature,
                seed: self.setup.seed,
                cancel,
            };
            let recording = self.recording.clone();
            let again = history.is_some();
            let mut written = String::new();
            recording.write(|recording| {
                set_answer(recording, again, "", "", &[]);
                // One a re-plan: what is left of a try before this one goes.
                recording.questions.truncate(recording.replans.len());
                recording.questions.push(QuestionRecord {
                    step,
                    ..QuestionRecord::default()
                });
            });
            let answer = models.reasoner.reason(&question, &mut |piece, token| {
                written.push_str(piece);
                recording.write(|recording| {
                    set_answer(recording, again, &written, before_list(&written), &[]);
                    if let Some(question) = recording.questions.last_mut() {
                        question.tokens.extend(token.cloned());
                    }
                });
                observer(Event::Text(piece));
            })?;
            recording.write(|recording| {
                set_answer(recording, again, &answer.text, &answer.reasoning, &answer.unread);
                if let Some(question) = recording.questions.last_mut() {
                    question.prompt = answer.prompt;
                }
            });
            if cancel.load(Ordering::Relaxed) {
                return Err(PlannerError::Cancelled);
            }
            if answer.sub_goals.is_empty() {
                unreadable = answer.text;
                continue;
            }
            let texts: Vec<String> = answer.sub_goals.iter().map(|sub_goal| sub_goal.text.clone()).collect();
            self.take_list(answer.sub_goals, seen, models, observer)?;
            recording.write(|recording| {
                if let Some(question) = recording.questions.last_mut() {
                    question.first_sub_goal = Some(first);
                }
                if let Some(replan) = recording.replans.last_mut().filter(|_| again) {
                    replan.sub_goals = texts;
                }
            });
            return Ok(Progress::Reasoned);
        }
        Ok(self.finish(Outcome::Unparsed { answer: unreadable }))
    }
}

/// The first answer is the episode's; a later one belongs to its re-plan. What of it cannot be read is known at its end.
fn set_answer(recording: &mut Recording, again: bool, text: &str, reasoning: &str, unread: &[String]) {
    let place = if again {
        let replan = recording.replans.last_mut();
        replan.map(|replan| (&mut replan.answer, &mut replan.reasoning, &mut replan.unread))
    } else {
        Some((&mut recording.answer, &mut recording.reasoning, &mut recording.unread))
    };
    if let Some((its_text, its_reasoning, its_unread)) = place {
        text.clone_into(its_text);
        reasoning.clone_into(its_reasoning);
        unread.clone_into(its_unread);
    }
}

/// What stands before the first line that begins with a number and a full stop.
fn before_list(answer: &str) -> &str {
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && line[digits..].starts_with('.') {
            return answer[..at].trim_end();
        }
        at += line.len();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_ends_where_the_list_begins() {
        assert_eq!(
            before_list("There are 2. Red lies\n1. [a] | [b]"),
            "There are 2. Red lies"
        );
        assert_eq!(before_list("1. [a]"), "");
        assert_eq!(before_list("The red"), "The red");
    }
}

//! Asking the models about the shown step: a pane says in every frame what it wants to know, and gets what is known. The
//! question goes out once the selection has rested for a moment, and once more where it was interrupted.

use std::sync::Arc;

use egui::Ui;

use super::state::{View, ViewState};
use crate::engine::{Command, Examination, Examined, Phase, Question};

/// How long the same thing must be wanted, seconds.
const REST_SECS: f64 = 0.15;
/// An engine that has not taken a question up by then is asked again, seconds.
const AGAIN_SECS: f64 = 2.0;

/// What a pane wants to know.
#[derive(Debug, Default)]
pub struct Asking {
    wanted: Option<(Examination, f64)>,
    sent_at: Option<f64>,
}

/// What is known of what a pane wants.
pub enum Known {
    /// Nothing can be asked: what the pane is for is said by it, and what is missing here.
    NotYet { advice: &'static str },
    /// The newest answer to the topic, and whether it is the one to what was asked last.
    Answer {
        newest: Option<Arc<Examined>>,
        current: bool,
    },
}

/// What is known of `question` about the shown step; `asking` picks the pane's own memory out of the state.
pub fn ask(
    ui: &Ui,
    state: &mut ViewState,
    view: &View<'_>,
    question: Question,
    asking: fn(&mut ViewState) -> &mut Asking,
) -> Known {
    if view.board.phase == Phase::Closed || view.board.info.is_none() {
        let advice = "No model is loaded. Load a checkpoint with Open… (Ctrl+O).";
        return Known::NotYet { advice };
    }
    let recording = view.recording;
    let step = view.shown(state).map(|step| step.step);
    let Some(step) = step.filter(|&step| step < recording.steps.len()) else {
        let advice = "Type a task and press Enter, or open a recording.";
        return Known::NotYet { advice };
    };
    let topic = question.topic();
    let wanted = Examination::new(question, recording, step, state.shown_branch);
    let newest = view.board.examined.get(&topic).cloned();
    let current = newest.as_ref().is_some_and(|newest| newest.asked == wanted);
    // While a run is followed, every step would stop the answer to the one before it: that one is let come first.
    let following = state.selection.step.is_none() && view.board.phase.is_planning();
    let same = |asked: &Examination| *asked == wanted || following && asked.question == wanted.question;
    let under_way = view.board.examining.iter().any(same);
    let now = ui.input(|input| input.time);
    let asking = asking(state);
    if asking.wanted.as_ref().is_none_or(|(before, _)| *before != wanted) {
        *asking = Asking {
            wanted: Some((wanted.clone(), now)),
            sent_at: None,
        };
    }
    if !current && !under_way {
        let since = asking.wanted.as_ref().map_or(now, |(_, since)| *since);
        let due = asking.sent_at.map_or(since + REST_SECS, |at| at + AGAIN_SECS);
        if now >= due {
            asking.sent_at = Some(now);
            state.outbox.push(Command::Examine(wanted));
        } else {
            ui.ctx()
                .request_repaint_after(std::time::Duration::from_secs_f64(due - now));
        }
    }
    Known::Answer { newest, current }
}

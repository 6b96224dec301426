//! Asking the models about the shown step: a pane says in every frame what it wants to know, and gets what is known. The
//! question goes out once the selection has rested for a moment, and once more where it was interrupted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use egui::{Context, Ui};

use super::state::{View, ViewState};
use crate::engine::{Command, Examination, Examined, Phase, Question, Topic};

/// How long the same thing must be wanted, seconds.
const REST_SECS: f64 = 0.15;
/// An engine that has not taken a question up by then is asked again, seconds.
const AGAIN_SECS: f64 = 2.0;

/// What the panes want to know: one question a topic.
#[derive(Debug, Default)]
pub struct Asking(BTreeMap<Topic, Wanted>);

#[derive(Debug)]
struct Wanted {
    what: Examination,
    since: f64,
    sent_at: Option<f64>,
    /// By the user.
    stopped: bool,
}

impl Asking {
    /// Asks no more for what this topic wants now.
    pub(super) fn stop(&mut self, topic: Topic) {
        if let Some(wanted) = self.0.get_mut(&topic) {
            wanted.stopped = true;
        }
    }

    pub(super) fn ask_again(&mut self, topic: Topic) {
        self.0.remove(&topic);
    }
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
    /// The user stopped the work on the answer.
    Stopped,
}

/// What is known of `question` about the shown step.
pub fn ask(ui: &Ui, state: &mut ViewState, view: &View<'_>, question: Question) -> Known {
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
    let wanted = Examination::new(question, recording, step, state.shown_branch);
    let topic = wanted.question.topic();
    let newest = view.board.examined.get(&topic).cloned();
    let current = answer(ui.ctx(), state, view, wanted).is_some();
    if state.asking.0.get(&topic).is_some_and(|wanted| wanted.stopped) {
        return Known::Stopped;
    }
    Known::Answer { newest, current }
}

/// The answer to a question; where there is none, it is asked.
pub(super) fn answer<'a>(
    ctx: &Context,
    state: &mut ViewState,
    view: &View<'a>,
    wanted: Examination,
) -> Option<&'a Examined> {
    let topic = wanted.question.topic();
    let newest = view.board.examined.get(&topic);
    if let Some(answer) = newest.filter(|newest| newest.asked == wanted) {
        state.asking.0.remove(&topic);
        return Some(answer);
    }
    let now = ctx.input(|input| input.time);
    let asking = &mut state.asking.0;
    if asking.get(&topic).is_none_or(|before| before.what != wanted) {
        let what = wanted.clone();
        let wanted = Wanted {
            what,
            since: now,
            sent_at: None,
            stopped: false,
        };
        asking.insert(topic, wanted);
    }
    // While a run is followed, every step would stop the answer to the one before it: that one is let come first.
    let following = state.selection.step.is_none() && view.board.phase.is_planning();
    let same = |asked: &Examination| *asked == wanted || following && asked.question == wanted.question;
    if !view.board.examining.iter().any(same)
        && let Some(asking) = asking.get_mut(&topic).filter(|asking| !asking.stopped)
    {
        let due = asking.sent_at.map_or(asking.since + REST_SECS, |at| at + AGAIN_SECS);
        if now >= due {
            asking.sent_at = Some(now);
            state.outbox.push(Command::Examine(wanted));
        } else {
            ctx.request_repaint_after(Duration::from_secs_f64(due - now));
        }
    }
    None
}

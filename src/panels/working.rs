//! The face of a panel while a job is under way that it waits for.

use egui::Ui;

use super::state::ViewState;
use crate::engine::{Command, Job};
use crate::ui::faces;

/// What is done, how far it is and how long it takes; `true` when the user wants it to stop, and `tip` says what that does.
pub(super) fn working_ui(ui: &mut Ui, job: &Job, tip: &str) -> bool {
    let (share, elapsed) = (job.fraction(), job.started.elapsed());
    faces::working_ui(ui, &job.what, share, elapsed, job.eta(std::time::Instant::now()), tip)
}

/// A plan is made, and can be stopped.
pub(super) fn planning_ui(ui: &mut Ui, state: &mut ViewState, job: &Job) {
    if working_ui(ui, job, "Stop this work now\nEscape") {
        state.outbox.push(Command::Cancel);
    }
}

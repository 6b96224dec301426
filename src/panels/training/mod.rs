//! The panes of the training workspace: runs, the form of a new one, the curves of those that are watched, and samples of
//! one of them.

mod charts;
mod curve;
mod form;
mod group;
mod menu;
mod needs;
mod runs;
mod samples;
mod state;

use std::path::PathBuf;

pub use charts::charts_ui;
pub use form::train_ui;
pub use runs::runs_ui;
pub use samples::{SamplesView, samples_ui};
pub use state::TrainingForm;

use super::state::{View, ViewState};
use crate::engine::{Command, TrainingCommand};

/// Where runs lie.
const ROOT: &str = "runs";

/// What all of these panes need, whichever are open: the list of runs, and a colour for each that is watched.
pub fn follow_runs(state: &mut ViewState, view: &View<'_>) {
    if !std::mem::replace(&mut state.training.listed, true) {
        let list = TrainingCommand::List(PathBuf::from(ROOT));
        state.outbox.push(Command::Training(list));
    }
    state.training.give_colors(view.metrics.watched.keys());
}

//! The face of every panel that follows the selected step while that is not the newest one.

use egui::Ui;

use super::state::{View, ViewState};
use crate::ui::faces;

/// The shown step and the last one, where the panels show the past.
pub(super) fn past(state: &ViewState, view: &View<'_>) -> Option<[usize; 2]> {
    let step = view.shown(state).map_or(0, |step| step.step);
    view.is_past(state).then(|| [step, view.last_step()])
}

/// Says in the title strip of the panel `name` that it shows the past, and leads back to live.
pub(super) fn frozen_ui(ui: &mut Ui, name: &str, state: &mut ViewState, view: &View<'_>) {
    if let Some([step, last]) = past(state, view)
        && faces::frozen_ui(ui, name, step, last)
    {
        state.follow_live();
    }
}

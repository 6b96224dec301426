//! The manual.

use egui::{Align2, Grid, Label, RichText, Ui, Window, vec2};

use super::state::ViewState;
use crate::ui::Palette;
use crate::ui::keys::{self, KEYMAP};
use crate::ui::theme::semibold;

/// How the window is read and which keys it has.
pub fn manual_ui(ui: &mut Ui, state: &mut ViewState) {
    let mut open = state.manual_open;
    Window::new("Manual").open(&mut open).collapsible(false).resizable(false).anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(
        ui.ctx(),
        |ui| {
            let p = Palette::of(ui);
            ui.set_width(760.0);
            for text in [
                "Type a task and press Enter. The VLM breaks it into sub-goals; each becomes a goal in latent space; the \
                 cross-entropy method plans through the world model towards it, one action at a time.",
                "What you select is selected everywhere: a sub-goal, a step, a CEM iteration, an elite, a patch. Drag on the \
                 timeline to look at the past; nothing moves there until you press End.",
                "Hover over any number for its name, its place in the method, its unit and its range.",
            ] {
                ui.add(Label::new(RichText::new(text).color(p.text)).wrap());
                ui.add_space(4.0);
            }
            ui.label(RichText::new("Keys").family(semibold()).color(p.strong));
            // Two columns, so that all of it fits into the least window.
            let half = KEYMAP.len().div_ceil(2);
            ui.columns(2, |columns| {
                for (index, (column, bindings)) in columns.iter_mut().zip(KEYMAP.chunks(half)).enumerate() {
                    Grid::new(("keys", index)).num_columns(2).spacing(vec2(18.0, 3.0)).show(column, |ui| {
                        for binding in bindings {
                            ui.label(RichText::new(keys::label(ui.ctx(), binding.act)).monospace().color(p.weak));
                            ui.label(binding.title);
                            ui.end_row();
                        }
                    });
                }
            });
        },
    );
    state.manual_open = open;
}

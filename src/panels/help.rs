//! The palette and the manual, both made from the table of keys.

use egui::{Align2, Grid, Key, Label, RichText, ScrollArea, Ui, Window, vec2};

use super::state::ViewState;
use crate::ui::Palette;
use crate::ui::keys::{self, Act, Binding, KEYMAP};
use crate::ui::theme::semibold;

/// Finds a command by a few letters of its title.
pub fn palette_ui(ui: &mut Ui, state: &mut ViewState) {
    let Some(mut text) = state.palette.take() else {
        return;
    };
    let mut chosen: Option<Act> = None;
    let mut open = true;
    Window::new("Commands")
        .title_bar(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 120.0))
        .fixed_size(vec2(480.0, 360.0))
        .show(ui.ctx(), |ui| {
            let field = ui.add(
                egui::TextEdit::singleline(&mut text)
                    .desired_width(f32::INFINITY)
                    .hint_text("Find a command")
                    .margin(egui::Margin::symmetric(9, 5)),
            );
            field.request_focus();
            let field = field.accessible_name("Find a command");
            let found = matches(&text);
            let (enter, escape) = ui.input(|input| (input.key_pressed(Key::Enter), input.key_pressed(Key::Escape)));
            if enter {
                chosen = found.first().map(|binding| binding.act);
            }
            if escape || enter {
                open = false;
                field.surrender_focus();
            }
            ui.add_space(4.0);
            ScrollArea::vertical()
                .max_height(300.0)
                .auto_shrink(false)
                .show(ui, |ui| {
                    for (index, binding) in found.iter().enumerate() {
                        let keys = keys::label(ui.ctx(), binding.act);
                        let button =
                            egui::Button::selectable(index == 0, binding.title).right_text(RichText::new(keys).weak());
                        if ui.add_sized(vec2(ui.available_width(), 24.0), button).clicked() {
                            chosen = Some(binding.act);
                            open = false;
                        }
                    }
                });
        });
    if open {
        state.palette = Some(text);
    }
    state.acts.extend(chosen.filter(|&act| act != Act::Palette));
}

/// Bindings whose title has all words of the text.
fn matches(text: &str) -> Vec<&'static Binding> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let fits = |binding: &&Binding| words.iter().all(|word| binding.title.to_lowercase().contains(word));
    KEYMAP.iter().filter(fits).collect()
}

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
                "Plan and Act in the CEM panel are two switches: plan without moving, or execute the last plan without planning \
                 anew. A plan can be made one iteration at a time. Settings that you turn apply at the next step; the \
                 timeline marks where, and they stay until you reset them or load another checkpoint.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_narrows_the_search() {
        assert_eq!(matches("").len(), KEYMAP.len());
        let found: Vec<Act> = matches("sub-goal next").iter().map(|binding| binding.act).collect();
        assert_eq!(found, [Act::NextSubGoal]);
        assert!(matches("no such thing").is_empty());
    }
}

//! The command palette: every command there is, with its keys, found by a few letters.

mod offers;

use std::path::PathBuf;
use std::rc::Rc;

use egui::{Align, Align2, Key, Modifiers, RichText, ScrollArea, Ui, Window, gui_zoom::kb_shortcuts, vec2};

use super::files::{PathField, shortened};
use super::pane::Pane;
use super::shell::WindowAct;
use super::state::{View, ViewState};
use super::tables::Table;
use super::view_menu::THEMES;
use crate::ui::fuzzy;
use crate::ui::keys::{self, Act, KEYMAP};

/// What a line of the palette does.
#[derive(Clone)]
enum Does {
    Act(Act),
    Window(WindowAct),
    /// What a button of a panel does.
    Change(Rc<dyn Fn(&mut ViewState, &View<'_>)>),
}

/// A line of the palette.
#[derive(Clone)]
struct Entry {
    title: String,
    keys: String,
    does: Does,
}

/// Everything that can be done now: what has keys, then what buttons do, then what the window itself can.
fn entries(ui: &Ui, state: &mut ViewState, view: &View<'_>) -> Vec<Entry> {
    let mut all: Vec<Entry> = KEYMAP
        .iter()
        .filter(|binding| binding.act != Act::Palette)
        .map(|binding| Entry {
            title: binding.title.to_owned(),
            keys: keys::label(ui.ctx(), binding.act),
            does: Does::Act(binding.act),
        })
        .collect();
    for (title, does) in offers::offers(state, view) {
        all.push(Entry {
            title,
            keys: String::new(),
            does,
        });
    }
    let state = &*state;
    let mut add = |title: String, act: WindowAct| {
        all.push(Entry {
            title,
            keys: String::new(),
            does: Does::Window(act),
        });
    };
    if !view.recording.task.is_empty() {
        add("Export the plan as JSON…".to_owned(), WindowAct::ExportAs("plan.json"));
        add(
            "Export a GIF of the episode…".to_owned(),
            WindowAct::ExportAs("episode.gif"),
        );
        add("Export the recording…".to_owned(), WindowAct::ExportAs("episode.tjrec"));
        if state.playback.range_within(view.last_step()).is_some() {
            add("Export the loop's steps…".to_owned(), WindowAct::ExportLoop);
        }
    }
    for table in Table::EACH {
        add(table.title().to_owned(), WindowAct::SaveTable(table));
    }
    add("Save a picture of the window".to_owned(), WindowAct::PictureWindow);
    panes(state, &mut add);
    layouts(state, &mut add);
    for (theme, text) in THEMES {
        add(format!("Theme: {}", text.to_lowercase()), WindowAct::Theme(theme));
    }
    let log = if state.log_open { "Hide the log" } else { "Show the log" };
    add(log.to_owned(), WindowAct::ToggleLog);
    for field in [PathField::Checkpoint, PathField::Scene, PathField::Recording] {
        for path in state.shell.recents.of(field) {
            if let Some(command) = field.open(PathBuf::from(path)) {
                add(format!("Open {}", shortened(path)), WindowAct::Send(command));
            }
        }
    }
    for (title, act, shortcut) in [
        ("Zoom in", WindowAct::ZoomIn, kb_shortcuts::ZOOM_IN),
        ("Zoom out", WindowAct::ZoomOut, kb_shortcuts::ZOOM_OUT),
        ("Zoom to 100 %", WindowAct::ZoomReset, kb_shortcuts::ZOOM_RESET),
    ] {
        all.push(Entry {
            title: title.to_owned(),
            keys: ui.ctx().format_shortcut(&shortcut),
            does: Does::Window(act),
        });
    }
    all
}

/// What is of the other workspace can be gone to.
fn panes(state: &ViewState, add: &mut impl FnMut(String, WindowAct)) {
    for &pane in Pane::ALL {
        let title = pane.title();
        if pane.workspace() == state.workspace && state.panes().is_open(pane) {
            add(format!("Close the pane {title}"), WindowAct::ClosePane(pane));
            add(format!("Save a picture of the pane {title}"), WindowAct::Picture(pane));
        } else {
            add(format!("Open the pane {title}"), WindowAct::OpenPane(pane));
        }
    }
}

fn layouts(state: &ViewState, add: &mut impl FnMut(String, WindowAct)) {
    let panes = state.panes();
    if state.can_undo_layout() {
        add("Undo layout change".to_owned(), WindowAct::UndoLayout);
    }
    if panes.custom().is_some() {
        add("Reset the layout".to_owned(), WindowAct::ResetLayout);
    }
    add("Save the layout as…".to_owned(), WindowAct::NameLayout);
    for name in panes.named.keys() {
        add(format!("Use the layout {name}"), WindowAct::UseLayout(name.clone()));
    }
}

/// What fits what was typed, best first.
fn found(typed: &str, all: Vec<Entry>) -> Vec<Entry> {
    let scored = all.into_iter().filter_map(|entry| {
        let score = fuzzy::score(typed, &entry.title)?;
        Some((score, entry))
    });
    let mut scored: Vec<(u32, Entry)> = scored.collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, entry)| entry).collect()
}

/// Type to find, arrows to choose, Enter to do it.
pub fn palette_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let Some(mut text) = state.palette.take() else {
        state.shell.palette_row = 0;
        return;
    };
    // Arrows belong to the list, Enter and Escape to the palette: the text field must not have them.
    let (moved, enter, escape) = ui.input_mut(|input| {
        let mut pressed = |key| input.count_and_consume_key(Modifiers::NONE, key) as i64;
        let moved = pressed(Key::ArrowDown) - pressed(Key::ArrowUp);
        (moved, pressed(Key::Enter) > 0, pressed(Key::Escape) > 0)
    });
    let mut chosen: Option<Does> = None;
    let shown = Window::new("Commands")
        .title_bar(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 90.0))
        .fixed_size(vec2(520.0, 400.0))
        .show(ui.ctx(), |ui| {
            let field = ui.add(
                egui::TextEdit::singleline(&mut text)
                    .desired_width(f32::INFINITY)
                    .hint_text("Find a command")
                    .margin(egui::Margin::symmetric(9, 5)),
            );
            field.request_focus();
            if field.changed() {
                state.shell.palette_row = 0;
            }
            field.accessible_name("Find a command");
            let found = found(&text, entries(ui, state, view));
            let last = found.len().saturating_sub(1) as i64;
            let row = (state.shell.palette_row as i64 + moved).clamp(0, last) as usize;
            state.shell.palette_row = row;
            if enter {
                chosen = found.get(row).map(|entry| entry.does.clone());
            }
            ui.add_space(4.0);
            if found.is_empty() {
                ui.label(RichText::new("No command is called that. F1 lists the keys.").weak());
            }
            ScrollArea::vertical()
                .max_height(340.0)
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    for (index, entry) in found.iter().enumerate() {
                        let button = egui::Button::selectable(index == row, &entry.title)
                            .right_text(RichText::new(&entry.keys).weak());
                        let line = ui.add_sized(vec2(ui.available_width(), 24.0), button);
                        let line = line.accessible_name(format!("{} {}", entry.title, entry.keys).trim());
                        if line.clicked() {
                            chosen = Some(entry.does.clone());
                        }
                        if index == row && moved != 0 {
                            line.scroll_to_me(Some(Align::Center));
                        }
                    }
                });
        });
    let elsewhere = shown.is_some_and(|shown| shown.response.clicked_elsewhere());
    if enter || escape || chosen.is_some() || elsewhere {
        ui.ctx().memory_mut(egui::Memory::stop_text_input);
    } else {
        state.palette = Some(text);
    }
    match chosen {
        Some(Does::Act(act)) => state.acts.push(act),
        Some(Does::Window(act)) => state.shell.acts.push(act),
        Some(Does::Change(change)) => change(state, view),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_find_stands_first_and_the_order_of_the_table_holds_otherwise() {
        let entry = |title: &str| Entry {
            title: title.to_owned(),
            keys: String::new(),
            does: Does::Window(WindowAct::ZoomIn),
        };
        let all = vec![entry("Previous sub-goal"), entry("Next sub-goal"), entry("Next step")];
        let titles =
            |typed: &str| -> Vec<String> { found(typed, all.clone()).into_iter().map(|entry| entry.title).collect() };
        assert_eq!(titles(""), ["Previous sub-goal", "Next sub-goal", "Next step"]);
        assert_eq!(titles("sub-goal next"), ["Next sub-goal"]);
        assert_eq!(titles("next"), ["Next sub-goal", "Next step"]);
        assert!(titles("no such thing").is_empty());
    }
}

//! The small forms that Open…, Export… and "Save the layout as…" unfold under the task bar.

use std::path::{Path, PathBuf};

use egui::{Align, Button, Checkbox, Key, Layout, Response, RichText, Ui, vec2};

use super::files::{PathField, dialog_button_ui, recents_ui};
use super::shell::WindowAct;
use super::state::{Popup, View, ViewState};
use crate::engine::Command;
use crate::recording::file::{EXTENSION, has_extension};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

const ROW: f32 = 30.0;

/// How high a form is, points.
pub fn popup_height(popup: Popup) -> f32 {
    match popup {
        Popup::Open => 3.0 * ROW + 8.0,
        Popup::Export | Popup::Layout => ROW + 8.0,
    }
}

pub fn popup_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let Some(popup) = state.task.popup else {
        return;
    };
    let focus = std::mem::take(&mut state.task.focus_popup);
    ui.add_space(4.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    match popup {
        Popup::Open => {
            for (index, row) in OPEN.iter().enumerate() {
                open_ui(ui, state, row, focus && index == 0);
            }
        }
        Popup::Export => export_ui(ui, state, view, focus),
        Popup::Layout => layout_ui(ui, state, focus),
    }
}

/// Something to open, and the button that opens it.
struct OpenRow {
    field: PathField,
    what: &'static str,
    example: &'static str,
    button: &'static str,
}

const OPEN: [OpenRow; 3] = [
    OpenRow {
        field: PathField::Checkpoint,
        what: "Checkpoint folder",
        example: "checkpoints/nano",
        button: "Load checkpoint",
    },
    OpenRow {
        field: PathField::Scene,
        what: "Scene file",
        example: "scenes/tower.ron",
        button: "Load scene",
    },
    OpenRow {
        field: PathField::Recording,
        what: "Recording",
        example: "recordings/episode-0001.tjrec",
        button: "Open recording",
    },
];

/// A row of the form: its label, and the rest from right to left, so that fields are as wide as they can be.
fn row_ui(ui: &mut Ui, label: &str, rest: impl FnOnce(&mut Ui)) {
    let p = Palette::of(ui);
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), ROW),
        Layout::left_to_right(Align::Center),
        |ui| {
            let text = RichText::new(label).size(SMALL).color(p.weak);
            ui.allocate_ui_with_layout(vec2(110.0, ROW), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(110.0);
                ui.label(text);
            });
            ui.with_layout(Layout::right_to_left(Align::Center), rest);
        },
    );
}

fn entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// The field of a row, in what is left of it.
fn field_ui(ui: &mut Ui, text: &mut String, hint: &str, name: &str, focus: bool) -> Response {
    let width = ui.available_width() - 10.0;
    let field = widgets::field(ui, text, width, hint, name);
    if focus {
        field.request_focus();
    }
    field
}

fn open_ui(ui: &mut Ui, state: &mut ViewState, row: &OpenRow, focus: bool) {
    let mut chosen: Option<PathBuf> = None;
    row_ui(ui, row.what, |ui| {
        let typed = row.field.text(state).trim().to_owned();
        let button = Button::new(row.button).min_size(vec2(124.0, 0.0));
        if ui.add_enabled(!typed.is_empty(), button).clicked() {
            chosen = Some(PathBuf::from(&typed));
        }
        if let Some(path) = recents_ui(ui, state.shell.recents.of(row.field), row.what) {
            chosen = Some(path);
        }
        dialog_button_ui(ui, &mut state.shell.dialogs, row.field, &typed);
        let field = field_ui(ui, row.field.text(state), row.example, row.what, focus);
        if entered(ui, &field) && !typed.is_empty() {
            chosen = Some(PathBuf::from(row.field.text(state).trim()));
        }
    });
    if let Some(command) = chosen.and_then(|path| row.field.open(path)) {
        state.outbox.push(command);
        state.task.popup = None;
    }
}

fn export_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, focus: bool) {
    row_ui(ui, "Export to", |ui| {
        let path = state.task.export.trim().to_owned();
        let there = state.shell.export_over.as_deref() == Some(path.as_str());
        // What is written is the episode at hand.
        let ready = !path.is_empty() && !view.recording.task.is_empty() && state.shown_branch.is_none();
        let button = ui.add_enabled(ready, Button::new(if there { "Replace it" } else { "Export plan" }));
        let button = button.on_disabled_hover_text(match state.shown_branch {
            Some(_) => "Go over to this branch to write it",
            None => "There is no episode yet",
        });
        dialog_button_ui(ui, &mut state.shell.dialogs, PathField::Export, &path);
        let p = Palette::of(ui);
        let (note, color) = if there {
            ("This file is there already", p.warn)
        } else {
            ("Plan JSON, a GIF or a recording, as the name says", p.weak)
        };
        ui.label(RichText::new(note).size(SMALL).color(color));
        let steps = range_ui(ui, state, view, &path);
        let hint = "plan.json, episode.gif or episode.tjrec";
        let field = field_ui(ui, &mut state.task.export, hint, "Export file", focus);
        if (button.clicked() || entered(ui, &field)) && ready {
            let path = state.task.export.trim().to_owned();
            // What is there is replaced only when that was said once more.
            if !there && std::path::Path::new(&path).exists() {
                state.shell.export_over = Some(path);
                field.request_focus();
            } else {
                let path = PathBuf::from(path);
                state.outbox.push(Command::Export { path, steps });
                state.shell.export_over = None;
                state.task.popup = None;
            }
        }
    });
}

/// The choice between the episode and the steps of its loop; a plan has no range.
fn range_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, path: &str) -> Option<[usize; 2]> {
    let looped = state.playback.range_within(view.last_step());
    let plan = !["gif", EXTENSION]
        .iter()
        .any(|kind| has_extension(Path::new(path), kind));
    let text = match looped {
        Some([from, to]) => format!("Steps {from} to {to} alone"),
        None => "A range of steps alone".to_owned(),
    };
    let enabled = looped.is_some() && !plan;
    let mut chosen = enabled && state.task.export_loop;
    let text = RichText::new(text).size(SMALL);
    let response = ui.add_enabled(enabled, Checkbox::new(&mut chosen, text));
    if response.changed() {
        state.task.export_loop = chosen;
    }
    response
        .on_hover_text(
            "What is written is the loop of the timeline. In a recording, steps before it are kept as frames and actions, so \
             that numbers and goals stay what they are.",
        )
        .on_disabled_hover_text(if looped.is_some() {
            "A plan is written whole. Name a recording or a GIF."
        } else {
            "Shift+drag on the timeline chooses a range"
        });
    looped.filter(|_| chosen)
}

fn layout_ui(ui: &mut Ui, state: &mut ViewState, focus: bool) {
    let mut save = false;
    row_ui(ui, "Layout name", |ui| {
        let name = state.shell.layout_name.trim().to_owned();
        let there = state.panes().named.contains_key(&name);
        let shell = &mut state.shell;
        let button = ui.add_enabled(
            !name.is_empty(),
            Button::new(if there { "Replace it" } else { "Save layout" }),
        );
        let field = field_ui(
            ui,
            &mut shell.layout_name,
            "for example: planning",
            "Layout name",
            focus,
        );
        save = (button.clicked() || entered(ui, &field)) && !shell.layout_name.trim().is_empty();
    });
    if save {
        let name = std::mem::take(&mut state.shell.layout_name);
        state.shell.acts.push(WindowAct::SaveLayout(name.trim().to_owned()));
        state.task.popup = None;
    }
}

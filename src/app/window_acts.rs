//! What is asked of the window itself, done.

use std::path::{Path, PathBuf};

use egui::{Context, gui_zoom};

use crate::engine::{Command, FileContent};
use crate::panels::{Arrangement, Popup, View, ViewState, WindowAct};

/// Does everything that was asked for since the last time.
pub(super) fn do_window_acts(ctx: &Context, state: &mut ViewState, view: &View<'_>) {
    for act in std::mem::take(&mut state.shell.acts) {
        match act {
            WindowAct::OpenPane(pane) => state.open_pane(pane),
            WindowAct::ClosePane(pane) => state.change_layout(pane.workspace(), |panes| panes.close(pane)),
            WindowAct::ResetLayout => state.change_layout(state.workspace, Arrangement::reset),
            WindowAct::UndoLayout => state.undo_layout(),
            WindowAct::NameLayout => unfold(state, Popup::Layout),
            WindowAct::SaveLayout(name) => state.panes_mut().save_as(&name),
            WindowAct::UseLayout(name) => state.change_layout(state.workspace, |panes| panes.use_named(&name)),
            WindowAct::ForgetLayout(name) => state.panes_mut().forget(&name),
            WindowAct::Theme(theme) => ctx.set_theme(theme),
            WindowAct::ZoomIn => gui_zoom::zoom_in(ctx),
            WindowAct::ZoomOut => gui_zoom::zoom_out(ctx),
            WindowAct::ZoomReset => ctx.set_zoom_factor(1.0),
            WindowAct::ToggleLog => state.log_open = !state.log_open,
            WindowAct::PictureWindow => state.shell.capture.ask(ctx, "window.png", None),
            WindowAct::Picture(pane) => match state.panes().room_of(pane) {
                Some(part) => {
                    let name = format!("{}.png", pane.title().to_lowercase());
                    state.shell.capture.ask(ctx, name, Some(part));
                }
                None => {
                    let what = format!("{} is not on the screen: open its pane first.", pane.title());
                    state.shell.warnings.push(what);
                }
            },
            WindowAct::SaveTable(table) => match table.text(state, view) {
                Some(text) => {
                    let path = beside_export(state, table.file_name());
                    let content = FileContent::Text(text);
                    state.outbox.push(Command::Write { path, content });
                }
                None => {
                    let what = format!("{}: there is nothing in it yet.", table.file_name());
                    state.shell.warnings.push(what);
                }
            },
            WindowAct::SaveText { file, text } => {
                let path = beside_export(state, &file);
                let content = FileContent::Text(text);
                state.outbox.push(Command::Write { path, content });
            }
            WindowAct::ExportAs(name) => {
                let path = beside_export(state, name);
                state.task.export = path.display().to_string();
                state.task.export_loop = false;
                unfold(state, Popup::Export);
            }
            WindowAct::ExportLoop => {
                if let Some([from, to]) = state.playback.range_within(view.last_step()) {
                    let path = beside_export(state, &format!("steps-{from}-{to}.tjrec"));
                    state.task.export = path.display().to_string();
                    state.task.export_loop = true;
                    unfold(state, Popup::Export);
                }
            }
            WindowAct::Send(command) => state.outbox.push(command),
        }
        ctx.request_repaint();
    }
    if let Some(taken) = state.shell.capture.frame(ctx) {
        let path = beside_export(state, &taken.name);
        let content = FileContent::Picture {
            size: taken.size,
            rgb: taken.rgb,
        };
        state.outbox.push(Command::Write { path, content });
    }
}

fn unfold(state: &mut ViewState, popup: Popup) {
    state.task.popup = Some(popup);
    state.task.focus_popup = true;
}

/// Files of the window lie where exports do.
fn beside_export(state: &ViewState, name: &str) -> PathBuf {
    Path::new(state.task.export.trim()).with_file_name(name)
}

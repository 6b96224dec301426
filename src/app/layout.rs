//! Where everything stands. One function of state and view, so that a test or a picture needs no window.

use egui::{Frame, Margin, Panel, Theme, Ui, ViewportCommand};

use super::panes::panes_ui;
use super::window_acts::do_window_acts;
use crate::engine::{Command, Level};
use crate::panels::{
    View, ViewState, Workspace, examples_ui, follow_runs, log_ui, manual_ui, palette_ui, perform, play, popup_height,
    popup_ui, shown_branch, status_ui, take_chosen, task_bar_ui, toasts_ui,
};
use crate::ui::faces::{self, BannerAnswer};
use crate::ui::keys::{self, Act};
use crate::ui::{Palette, theme};

/// The whole window. What the user asks for is in [`ViewState::outbox`] afterwards.
pub fn studio_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    // A branch that is looked at takes the place of the episode at hand in every panel.
    let branch = shown_branch(state, view);
    let view = &View {
        recording: branch.as_deref().unwrap_or(view.recording),
        live: view.live.filter(|_| branch.is_none()),
        ..*view
    };
    // The palette and the popups take their own keys first.
    if state.palette.is_none() {
        let pressed = keys::pressed(ui.ctx());
        state.acts.extend(pressed);
    }
    do_acts(ui, state, view);
    play(ui.ctx(), state, view);

    let p = Palette::of(ui);
    let strip = |fill, x, y| Frame::NONE.fill(fill).inner_margin(Margin::symmetric(x, y));
    Panel::top("task-bar")
        .exact_size(44.0)
        .resizable(false)
        .frame(strip(p.panel, 10, 0))
        .show(ui, |ui| {
            task_bar_ui(ui, state, view);
        });
    if let Some(popup) = state.task.popup {
        Panel::top(("popup", popup_height(popup) as u32))
            .exact_size(popup_height(popup))
            .resizable(false)
            .frame(strip(p.header, 10, 0))
            .show(ui, |ui| {
                popup_ui(ui, state, view);
            });
    }
    let fresh = !state.task.planned_once && view.recording.task.is_empty();
    if fresh && !state.task.examples.is_empty() && state.workspace == Workspace::Episode {
        Panel::top("examples")
            .exact_size(30.0)
            .resizable(false)
            .frame(strip(p.panel, 10, 0))
            .show(ui, |ui| {
                examples_ui(ui, state);
            });
    }
    banner(ui, state, view);
    Panel::bottom("status")
        .exact_size(26.0)
        .resizable(false)
        .frame(strip(p.header, 10, 0))
        .show(ui, |ui| {
            status_ui(ui, state, view);
        });
    if state.log_open {
        let panel = Panel::bottom("log")
            .default_size(150.0)
            .size_range(60.0..=400.0)
            .resizable(true);
        panel
            .frame(strip(p.panel, 10, 4))
            .show(ui, |ui| log_ui(ui, state, view));
    }
    // The palette offers what can be done with runs, wherever it is opened.
    if state.workspace == Workspace::Training || state.palette.is_some() {
        follow_runs(state, view);
    }
    panes_ui(ui, state, view);
    palette_ui(ui, state, view);
    manual_ui(ui, state);
    toasts_ui(ui, state, view);
    take_chosen(state);
    // Buttons fill the same list as keys; theirs are done before the next frame is drawn.
    do_acts(ui, state, view);
    do_window_acts(ui.ctx(), state, view);
    state.notice_edits(ui.ctx());
}

fn do_acts(ui: &Ui, state: &mut ViewState, view: &View<'_>) {
    for act in std::mem::take(&mut state.acts) {
        match act {
            Act::ToggleTheme => {
                let dark = ui.visuals().dark_mode;
                ui.ctx().set_theme(if dark { Theme::Light } else { Theme::Dark });
            }
            Act::FullScreen => {
                let full = ui.input(|input| input.viewport().fullscreen.unwrap_or(false));
                ui.ctx().send_viewport_cmd(ViewportCommand::Fullscreen(!full));
            }
            act => perform(act, state, view),
        }
        ui.ctx().request_repaint();
    }
}

fn banner(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let Some(failure) = &view.board.failure else {
        return;
    };
    let height = faces::banner_height(ui, &failure.what, &failure.kept, &failure.advice);
    let panel = Panel::top("banner")
        .exact_size(height)
        .resizable(false)
        .frame(Frame::NONE);
    let answer = panel.show(ui, |ui| {
        let error = failure.level == Level::Error;
        faces::banner_ui(ui, error, &failure.what, &failure.kept, &failure.advice)
    });
    match answer.inner {
        BannerAnswer::None => {}
        BannerAnswer::Dismiss => state.outbox.push(Command::DismissFailure),
        BannerAnswer::Copy => ui.ctx().copy_text(failure.what.clone()),
    }
}

/// Everything that a context needs before the first frame.
pub fn prepare(ctx: &egui::Context) {
    theme::apply(ctx);
    ctx.set_theme(Theme::Dark);
}

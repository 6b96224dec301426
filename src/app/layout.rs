//! Where everything stands. One function of state and view, so that a test or a picture needs no window.

use egui::{CentralPanel, Frame, Margin, Panel, Theme, Ui, ViewportCommand};

use crate::engine::{Command, Level, RunMetrics};
use crate::panels::{
    View, ViewState, Workspace, camera_ui, cem_ui, examples_ui, log_ui, manual_ui, palette_ui, perform, play, popup_ui,
    reasoning_ui, similarity_ui, status_ui, sub_goals_ui, task_bar_ui, timeline_ui, training_ui,
};
use crate::ui::faces::{self, BannerAnswer};
use crate::ui::keys::{self, Act};
use crate::ui::{Palette, theme};

/// The whole window. What the user asks for is in [`ViewState::outbox`] afterwards.
pub fn studio_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, metrics: &RunMetrics) {
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
    if state.task.popup.is_some() {
        Panel::top("popup")
            .exact_size(38.0)
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
        panel.frame(strip(p.panel, 10, 4)).show(ui, |ui| log_ui(ui, view));
    }
    match state.workspace {
        Workspace::Episode => episode_ui(ui, state, view),
        Workspace::Training => training_ui(ui, state, view, metrics),
    }
    palette_ui(ui, state);
    manual_ui(ui, state);
    // Buttons fill the same list as keys; theirs are done before the next frame is drawn.
    do_acts(ui, state, view);
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

fn episode_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let plain = Frame::NONE.fill(p.panel);
    // The camera keeps the greatest share of a small window, too.
    let window = ui.available_size();
    let time = Panel::bottom("time")
        .default_size((window.y * 0.3).clamp(235.0, 280.0))
        .size_range(170.0..=560.0)
        .resizable(true)
        .frame(plain);
    time.show(ui, |ui| {
        timeline_ui(ui, state, view);
        similarity_ui(ui, state, view);
    });
    let left = Panel::left("left")
        .default_size((window.x * 0.27).min(375.0))
        .size_range(230.0..=520.0)
        .resizable(true)
        .frame(plain);
    left.show(ui, |ui| {
        let height = ui.available_height();
        let upper = Panel::top("sub-goals")
            .default_size(height * 0.55)
            .size_range(90.0..=height - 90.0);
        upper.resizable(true).frame(plain).show(ui, |ui| {
            sub_goals_ui(ui, state, view);
            ui.take_available_space();
        });
        CentralPanel::no_frame().show(ui, |ui| reasoning_ui(ui, state, view));
    });
    let right = Panel::right("right")
        .default_size((window.x * 0.28).min(410.0))
        .size_range(300.0..=640.0)
        .resizable(true)
        .frame(plain);
    right.show(ui, |ui| cem_ui(ui, state, view));
    CentralPanel::no_frame()
        .frame(plain)
        .show(ui, |ui| camera_ui(ui, state, view));
}

/// Everything that a context needs before the first frame.
pub fn prepare(ctx: &egui::Context) {
    theme::apply(ctx);
    ctx.set_theme(Theme::Dark);
}

//! The status line: what is under way, the last line of the log, and the numbers of the window itself.

use std::time::Instant;

use egui::containers::menu::MenuButton;
use egui::{Align, Button, Label, Layout, RichText, Ui};

use super::log::color;
use super::state::{View, ViewState};
use super::toasts::{in_banner, past_ui};
use crate::engine::{Command, JobKind, Level, Phase};
use crate::recording::Outcome;
use crate::ui::icons::Icon;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers, widgets};

pub fn status_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        ui.spacing_mut().interact_size.y = 18.0;
        let (text, color) = phase_text(p, view);
        ui.label(RichText::new(text).size(SMALL).color(color));
        switches_ui(ui, view);
        jobs_ui(ui, state, view);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            numbers_ui(ui, state, view);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| log_line_ui(ui, state, view));
        });
    });
}

/// A switch that is off is easily forgotten.
fn switches_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    let switches = view.board.switches;
    for (on, text) in [(switches.plan, "Plan is off"), (switches.act, "Act is off")] {
        if !on {
            widgets::chip(ui, text, p.warn, p.warn_fill).on_hover_text("A switch of the CEM panel");
        }
    }
}

fn phase_text(p: &Palette, view: &View<'_>) -> (String, egui::Color32) {
    let steps = view.recording.steps.iter().filter(|step| step.action.is_some()).count();
    match view.board.phase {
        Phase::Opening => ("Loading".to_owned(), p.accent),
        Phase::Idle => ("Ready".to_owned(), p.weak),
        Phase::Thinking => ("Thinking".to_owned(), p.accent),
        Phase::Paused => (format!("Paused after {steps} steps"), p.weak),
        Phase::Stepping => (format!("Planning step {}", view.last_step()), p.accent),
        Phase::Running => (format!("Running, step {}", view.last_step()), p.good),
        Phase::Closed => ("No model".to_owned(), p.bad),
        Phase::Finished => outcome_text(p, view, steps),
        Phase::Opened => {
            let (text, color) = outcome_text(p, view, steps);
            let excerpt = view.recording.kept_whole;
            let excerpt = excerpt.map_or(String::new(), |[from, to]| format!(" · steps {from} to {to}"));
            (format!("Opened recording{excerpt} · {text}"), color)
        }
    }
}

fn outcome_text(p: &Palette, view: &View<'_>, steps: usize) -> (String, egui::Color32) {
    match &view.recording.outcome {
        Some(Outcome::Reached) => match view.recording.task_achieved {
            Some(true) => (format!("Task done after {steps} steps"), p.good),
            Some(false) => (
                format!("Reached after {steps} steps as declared, but the task is not done"),
                p.warn,
            ),
            None => (format!("Reached after {steps} steps, as declared"), p.accent),
        },
        Some(Outcome::NotReached { .. }) => (format!("Not reached after {steps} steps"), p.warn),
        Some(Outcome::Unparsed { .. }) => ("The answer could not be read".to_owned(), p.warn),
        Some(Outcome::Interrupted) => (format!("Interrupted after {steps} steps"), p.weak),
        None => (format!("Without an outcome after {steps} steps"), p.weak),
    }
}

fn jobs_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let now = Instant::now();
    for job in &view.board.jobs {
        ui.label(RichText::new(job.said()).size(SMALL).color(p.text));
        if job.fraction().is_some() {
            widgets::progress_bar(ui, 90.0, job.fraction(), &job.what);
        }
        let mut times = numbers::duration(job.elapsed(now));
        if let Some(total) = job.total.filter(|&total| total > 1) {
            times = format!(
                "{} / {} · {times}",
                numbers::grouped(job.done as i64),
                numbers::grouped(total as i64)
            );
        }
        if let Some(eta) = job.eta(now) {
            times = format!("{times} · {} left", numbers::duration(eta));
        }
        ui.label(RichText::new(times).size(SMALL).color(p.weak));
        let stop = match job.kind {
            JobKind::Plan => Some(Command::Cancel),
            JobKind::Train => Some(Command::StopTraining),
            JobKind::File | JobKind::Examine => None,
        };
        if let Some(command) = stop {
            let name = format!("Stop: {}", job.what);
            if widgets::icon_button(ui, true, Icon::Cross, "", &name)
                .on_hover_text(&name)
                .clicked()
            {
                state.outbox.push(command);
            }
        }
    }
}

fn numbers_ui(ui: &mut Ui, state: &ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let memory = state.status.memory_bytes.map_or_else(|| "–".to_owned(), numbers::bytes);
    widgets::value(ui, "memory", &memory, 6, "Resident memory of the program");
    let p95 = state
        .status
        .ui_p95_ms
        .map_or_else(|| "–".to_owned(), |ms| format!("{} ms", numbers::fixed(ms, 1)));
    let tip = "Time to lay out and tessellate one frame of the window, 95th percentile of the last frames; under 8 ms";
    widgets::value(ui, "UI p95", &p95, 6, tip);
    if let Some(info) = &view.board.info {
        widgets::value(ui, "device", &info.device, 0, "The device that computes (--device)");
        widgets::value(ui, "scene", &info.scene, 0, "The scene that is loaded (--scene)");
    }
    ui.label(RichText::new("F1 manual").size(SMALL).color(p.weak));
}

fn log_line_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let toggle = widgets::toggle(ui, state.log_open, "Log", "Log");
    if toggle.on_hover_text("Show all lines of the log").clicked() {
        state.log_open = !state.log_open;
    }
    let button = Button::new(RichText::new("Messages").size(SMALL).color(p.weak)).frame_when_inactive(false);
    let (past, _) = MenuButton::from_button(button).ui(ui, |ui| past_ui(ui, view));
    past.on_hover_text("The last messages, newest first");
    // What the banner or a message says is not said here as well.
    let last = view.board.log.back();
    if let Some(line) = last.filter(|line| !in_banner(view.board, line) && !state.shell.toasts.shows(line)) {
        let color = match line.level {
            Level::Info => p.weak,
            level => color(p, level),
        };
        ui.add(Label::new(RichText::new(&line.text).size(SMALL).color(color)).truncate());
    }
}

//! The form of a run: stage, preset and every setting that the stage depends on, what it will need, and the buttons that
//! lead it.

use std::path::PathBuf;
use std::time::Duration;

use egui::{CollapsingHeader, ComboBox, Label, RichText, ScrollArea, Ui};

use super::runs::{is_busy, is_paused, start};
use super::state::Checked;
use crate::config::{Field, FieldKind, PRESETS};
use crate::engine::{Command, JobKind, Priority, RunMetrics, Stage, TrainingCommand, TrainingState};
use crate::panels::files::{PathField, dialog_button_ui};
use crate::panels::state::{View, ViewState};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, faces, numbers, widgets};

/// Room for the button of a file dialog, points.
const DIALOG: f32 = 42.0;

pub fn train_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    faces::header_ui(ui, "Train", |_| {});
    let scroll = ScrollArea::vertical().id_salt("form").auto_shrink(false);
    scroll.show(ui, |ui| form_ui(ui, state, view));
}

fn form_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    egui::Frame::NONE
        .inner_margin(egui::Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            if is_busy(view) {
                lead_ui(ui, state, view);
            }
            state_ui(ui, view);
            priority_ui(ui, state);
            if !is_busy(view) {
                new_run_ui(ui, state, view);
            }
        });
}

/// The buttons of the run at hand.
fn lead_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.horizontal_wrapped(|ui| {
        let mut button = |ui: &mut Ui, text: &str, tip: &str, command: Command| {
            if ui.button(text).on_hover_text(tip).clicked() {
                state.outbox.push(command);
            }
        };
        if is_paused(view) {
            let tip = "Do the next step";
            button(ui, "Resume training", tip, Command::Training(TrainingCommand::Resume));
        } else {
            let tip = "Save a checkpoint after the step at hand and wait; the models stay loaded";
            button(ui, "Pause training", tip, Command::Training(TrainingCommand::Pause));
        }
        let tip = "Save a checkpoint after the step at hand and end; the run can go on from it";
        button(ui, "Stop and save", tip, Command::StopTraining);
        let tip = "End after the step at hand; what was done since the last checkpoint is dropped";
        button(ui, "Just stop", tip, Command::Training(TrainingCommand::StopUnsaved));
    });
}

fn state_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    let line = |ui: &mut Ui, text: String, color| {
        ui.add(Label::new(RichText::new(text).color(color)).wrap());
    };
    match &view.board.training {
        TrainingState::Idle => {}
        TrainingState::Running { title } => line(ui, format!("{title}: running"), p.good),
        TrainingState::Paused { title } => line(ui, format!("{title}: paused, with a checkpoint"), p.warn),
        TrainingState::Stopped { title } => line(ui, format!("{title}: stopped. Start it again to go on."), p.text),
        TrainingState::Finished { title } => line(ui, format!("{title}: finished"), p.good),
        TrainingState::Failed { title, message } => {
            line(ui, format!("{title}: {message}"), p.bad);
            line(ui, "Its checkpoints and metrics were kept.".to_owned(), p.text);
        }
    }
    let now = std::time::Instant::now();
    if let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Train) {
        widgets::progress_bar(ui, ui.available_width(), job.fraction(), &job.what);
        let mut text = format!("{}: {}", job.what, numbers::grouped(job.done as i64));
        if let Some(total) = job.total {
            text = format!("{text} of {}", numbers::grouped(total as i64));
        }
        if let Some(eta) = job.eta(now) {
            text = format!("{text} · {} left", numbers::duration(eta));
        }
        line(ui, text, p.weak);
    }
}

/// Who gets the machine.
fn priority_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    ui.add_space(4.0);
    let tip = "Who gets the machine while an episode is planned. Training waits between two steps alone: its numbers stay \
               the same.";
    ui.label(RichText::new("While an episode is planned").size(SMALL).color(p.weak))
        .on_hover_text(tip);
    ui.horizontal(|ui| {
        for priority in Priority::ALL {
            let (text, tip) = match priority {
                Priority::Training => ("Training first", "Training never waits"),
                Priority::Even => ("Even", "Training rests after each step for as long as the step took"),
                Priority::Episode => ("Episode first", "Training waits until nothing is planned"),
            };
            let on = state.training.priority == priority;
            if widgets::toggle(ui, on, text, text).on_hover_text(tip).clicked() && !on {
                state.training.priority = priority;
                let set = TrainingCommand::SetPriority(priority);
                state.outbox.push(Command::Training(set));
            }
        }
    });
}

fn new_run_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let form = &mut state.training;
    ui.add_space(6.0);
    label(
        ui,
        "Folder",
        "runs/NAME: config, metrics and checkpoints of the run. What is there is resumed.",
    );
    ui.horizontal(|ui| {
        let width = ui.available_width() - DIALOG;
        widgets::field(ui, &mut form.run, width, "runs/first", "Run folder");
        dialog_button_ui(ui, &mut state.shell.dialogs, PathField::Run, &form.run);
    });
    label(
        ui,
        "Stage",
        "1: world model (Algorithm 1). 1b: predictor on rollouts. vlm: instructions. 2: GPI and LoRA (method 7).",
    );
    let titled = |stage: Stage| format!("{}  {}", stage.name(), stage.title());
    let before = (form.stage, form.preset.clone());
    let combo = ComboBox::from_id_salt("stage")
        .selected_text(titled(form.stage))
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for stage in Stage::ALL {
            ui.selectable_value(&mut form.stage, stage, titled(stage));
        }
    });
    combo.response.accessible_name("Stage");
    label(ui, "Preset", "Shapes and schedules: nano, vit-l or paper");
    choice_ui(ui, "Preset", &mut form.preset, &PRESETS.map(str::to_owned));
    if before != (form.stage, form.preset.clone()) {
        form.edits.clear();
    }
    label(
        ui,
        "Steps",
        "Optimiser steps of the schedule; empty takes the preset's own number",
    );
    widgets::field(ui, &mut form.steps, f32::INFINITY, "the preset's own", "Steps");
    let steps = form.steps.trim();
    let parsed: Option<usize> = steps.parse().ok().filter(|steps| *steps > 0);
    let steps_are_wrong = !steps.is_empty() && parsed.is_none();
    if steps_are_wrong {
        problem(ui, "A whole number above 0, or nothing");
    }
    let in_use = view.board.info.as_ref().and_then(|info| info.checkpoint_folder.clone());
    if form.stage != Stage::One {
        label(
            ui,
            "From",
            "The checkpoint that this stage goes on from; empty takes the one in use. It is not written to.",
        );
        let hint = in_use
            .as_ref()
            .map_or(String::new(), |folder| folder.display().to_string());
        ui.horizontal(|ui| {
            let width = ui.available_width() - DIALOG;
            widgets::field(ui, &mut form.from, width, &hint, "From checkpoint");
            dialog_button_ui(ui, &mut state.shell.dialogs, PathField::From, &form.from);
        });
    }
    let from = match form.from.trim() {
        "" => in_use,
        named => Some(PathBuf::from(named)),
    };
    let mut edits = form.edits.clone();
    let (stage, preset) = (form.stage, form.preset.clone());
    let Some(checked) = form.checked() else {
        problem(ui, "There is no such preset.");
        return;
    };
    estimate_ui(ui, &checked, stage, &preset, view.metrics);
    let problems = checked.edited.problems.len();
    let run = PathBuf::from(form.run.trim());
    let sound = !steps_are_wrong && problems == 0 && !run.as_os_str().is_empty();
    ui.add_space(4.0);
    let mut begins = false;
    ui.horizontal(|ui| {
        begins = widgets::primary_button(ui, sound, "Start training")
            .on_hover_text("Start the run, or go on with it")
            .clicked();
        if problems > 0 {
            let fields = if problems == 1 { "field" } else { "fields" };
            problem(ui, &format!("{problems} {fields} to correct"));
        }
    });
    settings_ui(ui, &checked, &mut edits);
    form.edits.clone_from(&edits);
    if begins {
        start(state, view, run, stage, |request| {
            (request.preset, request.settings) = (preset, edits);
            (request.steps, request.from) = (parsed, from);
        });
    }
}

fn label(ui: &mut Ui, text: &str, tip: &str) {
    let p = Palette::of(ui);
    ui.label(RichText::new(text).size(SMALL).color(p.weak))
        .on_hover_text(tip);
}

fn problem(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.bad)).wrap());
}

fn choice_ui(ui: &mut Ui, name: &str, chosen: &mut String, words: &[String]) {
    let combo = ComboBox::from_id_salt(name)
        .selected_text(chosen.clone())
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for word in words {
            ui.selectable_value(chosen, word.clone(), word);
        }
    });
    combo.response.accessible_name(name);
}

/// Every setting that the stage depends on, under its part's heading.
fn settings_ui(ui: &mut Ui, checked: &Checked, edits: &mut std::collections::BTreeMap<String, String>) {
    let p = Palette::of(ui);
    ui.add_space(4.0);
    if !edits.is_empty() {
        ui.horizontal(|ui| {
            let changed = if edits.len() == 1 { "setting" } else { "settings" };
            let text = format!("{} {changed} changed", edits.len());
            ui.label(RichText::new(text).size(SMALL).color(p.warn));
            if ui
                .small_button("Reset all")
                .on_hover_text("Back to the preset's own settings")
                .clicked()
            {
                edits.clear();
            }
        });
    }
    for (title, fields) in &checked.fields {
        // A mistake is never folded away.
        let wrong = fields
            .iter()
            .any(|field| checked.edited.problems.contains_key(&field.path));
        CollapsingHeader::new(*title)
            .id_salt(("settings", *title))
            .open(wrong.then_some(true))
            .show(ui, |ui| {
                for field in fields {
                    field_ui(ui, checked, field, edits);
                }
            });
    }
}

fn field_ui(ui: &mut Ui, checked: &Checked, field: &Field, edits: &mut std::collections::BTreeMap<String, String>) {
    const LABEL: f32 = 150.0;
    let p = Palette::of(ui);
    let changed = edits.contains_key(&field.path);
    let mut text = edits.get(&field.path).unwrap_or(&field.text).clone();
    let mut names = field.path.rsplitn(3, '.');
    let short = names.next().unwrap_or_default();
    // Names such as "lr" and "heads" need the part that they belong to.
    let name = match names.next() {
        Some(part @ ("lr" | "mask" | "losses" | "encoder" | "predictor" | "lora")) => format!("{part}.{short}"),
        _ => short.to_owned(),
    };
    ui.horizontal(|ui| {
        let color = if changed { p.warn } else { p.text };
        let galley = widgets::elided(ui, &name, SMALL, color, LABEL);
        let (rect, response) = ui.allocate_exact_size(egui::vec2(LABEL, 20.0), egui::Sense::hover());
        ui.painter().galley(
            egui::pos2(rect.left(), rect.center().y - galley.size().y * 0.5),
            galley,
            color,
        );
        response.on_hover_text(format!("{}\nThe preset has {}", field.path, field.text));
        let room = (ui.available_width() - if changed { 52.0 } else { 0.0 }).max(60.0);
        match &field.kind {
            FieldKind::Number | FieldKind::Row => {
                widgets::field(ui, &mut text, room, &field.text, &field.path);
            }
            FieldKind::Switch => {
                let mut on = text == "true";
                ui.checkbox(&mut on, "").accessible_name(field.path.clone());
                text = on.to_string();
            }
            FieldKind::Choice(words) => {
                ui.scope(|ui| {
                    ui.set_max_width(room);
                    choice_ui(ui, &field.path, &mut text, words);
                });
            }
        }
        if changed {
            let reset = ui.add(egui::Button::new(RichText::new("Reset").size(SMALL)).small());
            let reset = reset.accessible_name(format!("Reset {}", field.path));
            if reset.on_hover_text(format!("Back to {}", field.text)).clicked() {
                text.clone_from(&field.text);
            }
        }
    });
    if let Some(what) = checked.edited.problems.get(&field.path) {
        problem(ui, what);
    }
    if text == field.text {
        edits.remove(&field.path);
    } else {
        edits.insert(field.path.clone(), text);
    }
}

/// Memory from the shapes, time from what the stage took before.
fn estimate_ui(ui: &mut Ui, checked: &Checked, stage: Stage, preset: &str, metrics: &RunMetrics) {
    let p = Palette::of(ui);
    ui.add_space(4.0);
    let memory = &checked.memory;
    let size = |bytes: f64| numbers::bytes(bytes as u64);
    let text = format!(
        "About {} of memory for {} parameters",
        size(memory.total()),
        millions(memory.parameters)
    );
    let tip = format!(
        "Resident memory at its highest: {} of weights, gradients and AdamW's two moments; {} of weights that stay as they are; \
         {} that a batch keeps for its way back, with gradients on their way; {} of data (latents of all frames in stage 1b, \
         for as many episodes as are made by default; scenes in stage 2); {} of the program itself. Within about a quarter for nano's stages on a CPU.",
        size(memory.state),
        size(memory.frozen),
        size(memory.activations),
        size(memory.data),
        size(memory.program)
    );
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.text)).wrap())
        .on_hover_text(tip);
    let known = metrics.listed.iter().filter(|facts| {
        facts.stage == Some(stage) && facts.preset.as_deref() == Some(preset) && facts.steps_per_sec.is_some()
    });
    let last = known.max_by_key(|facts| facts.changed);
    let time = last.zip(checked.steps).and_then(|(facts, steps)| {
        let secs = steps as f64 / facts.steps_per_sec?;
        let time = numbers::duration(Duration::try_from_secs_f64(secs).ok()?);
        let name = super::runs::name_of(&facts.run);
        Some(format!(
            "About {time} for {} steps, at the pace of {name}",
            numbers::grouped(steps as i64)
        ))
    });
    let text = time.unwrap_or_else(|| "Time unknown: no run of this stage and preset is listed".to_owned());
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.weak)).wrap());
}

fn millions(parameters: u64) -> String {
    format!("{} M", numbers::sig3(parameters as f64 / 1e6))
}

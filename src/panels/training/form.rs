//! The form of a run: stage, preset and every setting that the stage depends on, what it will need, and the buttons that
//! lead it.

mod meanings;

use egui::{CollapsingHeader, ComboBox, Label, RichText, ScrollArea, Slider, Ui};

use super::needs::needs_ui;
use super::runs::{checkpoint_in_use, is_busy, training_job};
use super::state::{Checked, TrainingForm, named_path};
use crate::config::{Field, FieldKind, PRESETS};
use crate::engine::{Command, Priority, Stage, TrainingCommand, TrainingState};
use crate::panels::files::{Dialogs, PathField, dialog_button_ui};
use crate::panels::state::{View, ViewState};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, faces, numbers, widgets};

/// Room for the button of a file dialog, points.
pub(super) const DIALOG: f32 = 42.0;

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
        for lead in TrainingForm::leads(view) {
            if ui.button(lead.button).on_hover_text(lead.tip).clicked() {
                state.outbox.push(lead.command);
            }
        }
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
        TrainingState::Failed { title, message, advice } => {
            line(ui, format!("{title}: {message}"), p.bad);
            line(ui, advice.clone(), p.text);
        }
    }
    let now = std::time::Instant::now();
    if let Some(job) = training_job(view) {
        widgets::progress_bar(ui, ui.available_width(), job.fraction(), &job.what);
        let mut text = format!("{}: {}", job.said(), numbers::grouped(job.done as i64));
        if let Some(total) = job.total {
            text = format!("{text} of {}", numbers::grouped(total as i64));
        }
        if let Some(eta) = job.eta(now) {
            text = format!("{text} · {} left", numbers::duration(eta));
        }
        line(ui, text, p.weak);
    }
}

/// Who gets the machine: a slider from the episode over even shares to the training.
fn priority_ui(ui: &mut Ui, state: &mut ViewState) {
    const NAMED: [(Priority, &str, &str); 3] = [
        (
            Priority::EPISODE,
            "Episode first",
            "Training waits until nothing is planned",
        ),
        (
            Priority::EVEN,
            "Even",
            "Training rests after each step for as long as the step took",
        ),
        (Priority::TRAINING, "Training first", "Training never waits"),
    ];
    let p = Palette::of(ui);
    ui.add_space(4.0);
    let tip = "Who gets the machine while an episode is planned. After a step of s seconds training rests for s p / (1 - p), \
               where p is the share of planning. It waits between two steps alone: its numbers stay the same.";
    ui.label(RichText::new("While an episode is planned").size(SMALL).color(p.weak))
        .on_hover_text(tip);
    let before = state.training.priority;
    let mut priority = before;
    let mut training = 100 - before.percent();
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 4.0).max(80.0);
        let slider = Slider::new(&mut training, 0..=100).show_value(false);
        let name = "Share of training while an episode is planned, percent";
        if ui.add(slider).on_hover_text(tip).accessible_name(name).changed() {
            priority = Priority::of_planning(100 - training);
        }
    });
    ui.horizontal(|ui| {
        for (named, text, tip) in NAMED {
            if widgets::toggle(ui, before == named, text, text)
                .on_hover_text(tip)
                .clicked()
            {
                priority = named;
            }
        }
        let shares = format!("{} % planning", priority.percent());
        ui.label(RichText::new(shares).size(SMALL).color(p.weak));
    });
    if priority != before {
        state.training.priority = priority;
        let set = TrainingCommand::SetPriority(priority);
        state.outbox.push(Command::Training(set));
    }
}

fn new_run_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let (form, dialogs) = (&mut state.training, &mut state.shell.dialogs);
    ui.add_space(6.0);
    label(
        ui,
        "Folder",
        "runs/NAME: config, metrics and checkpoints of the run. What is there is resumed.",
    );
    path_ui(ui, dialogs, PathField::Run, &mut form.run, "runs/first", "Run folder");
    label(
        ui,
        "Stage",
        "1: world model (Algorithm 1). 1b: predictor on rollouts. vlm: instructions. 2: GPI and LoRA (method 7). bc: behaviour cloning, the baseline.",
    );
    let titled = |stage: Stage| format!("{}  {}", stage.name(), stage.title());
    let combo = ComboBox::from_id_salt("stage")
        .selected_text(titled(form.stage))
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for stage in Stage::ALL {
            ui.selectable_value(&mut form.stage, stage, titled(stage));
        }
    });
    combo.response.accessible_name("Stage");
    label(
        ui,
        "Preset",
        "Shapes and schedules: nano, vit-l or paper; or a file of your own in its place, RON or the config.json of a checkpoint",
    );
    ui.horizontal(|ui| {
        ui.add_enabled_ui(form.configuration.trim().is_empty(), |ui| {
            ui.set_max_width(80.0);
            choice_ui(ui, "Preset", &mut form.preset, &PRESETS.map(str::to_owned));
        });
        let (path, hint) = (&mut form.configuration, "or a file of your own");
        path_ui(ui, dialogs, PathField::Configuration, path, hint, "Configuration file");
    });
    if !ui.ctx().text_edit_focused() {
        form.drop_edits_of_another();
    }
    label(
        ui,
        "Steps",
        "Optimiser steps of the schedule; empty takes the number of the preset or the file",
    );
    widgets::field(ui, &mut form.steps, f32::INFINITY, "as the schedule has it", "Steps");
    if let Err(expected) = form.own_steps() {
        problem(ui, expected);
    }
    let (tip, hint) = match form.stage {
        Stage::One => (
            "A checkpoint or a run of stage 1 whose weights this run begins with; empty begins from nothing",
            "from nothing".to_owned(),
        ),
        _ => (
            "The checkpoint that this stage goes on from; empty takes the one in use. It is not written to.",
            checkpoint_in_use(view).map_or_else(String::new, |folder| folder.display().to_string()),
        ),
    };
    label(ui, "From", tip);
    path_ui(ui, dialogs, PathField::From, &mut form.from, &hint, "From checkpoint");
    let named = named_path(&form.from);
    let nowhere = named.as_deref().filter(|named| !named.exists());
    if let Some(nowhere) = nowhere {
        problem(ui, &format!("From: there is nothing at {}.", nowhere.display()));
    }
    if form.stage.reads_episodes() {
        let tip =
            "Folder of episodes, made where it is missing or empty; stage 2 reads them where joint_rate is above 0";
        label(ui, "Data", tip);
        let scene = view.board.info.as_ref().map_or("SCENE", |info| &info.scene);
        path_ui(
            ui,
            dialogs,
            PathField::Data,
            &mut form.data,
            &format!("data/{scene}"),
            "Data folder",
        );
    }
    let mut edits = form.edits.clone();
    let stage = form.stage;
    let checked = match form.checked() {
        Ok(checked) => checked,
        Err(what) => {
            problem(ui, &what);
            return;
        }
    };
    needs_ui(ui, &checked, stage, view.metrics);
    let problems = checked.edited.problems.len();
    let wanted = form.wanted(view);
    ui.add_space(4.0);
    let mut begins = false;
    ui.horizontal(|ui| {
        begins = widgets::primary_button(ui, wanted.is_some(), "Start training")
            .on_hover_text("Start the run, or go on with it")
            .clicked();
        if problems > 0 {
            let fields = if problems == 1 { "field" } else { "fields" };
            problem(ui, &format!("{problems} {fields} to correct"));
        }
    });
    settings_ui(ui, &checked, &mut edits);
    form.edits = edits;
    if let Some(wanted) = wanted.filter(|_| begins) {
        state.begin_training(wanted);
    }
}

/// A field for a path, and the button of its dialog.
fn path_ui(ui: &mut Ui, dialogs: &mut Dialogs, field: PathField, path: &mut String, hint: &str, name: &str) {
    ui.horizontal(|ui| {
        let width = ui.available_width() - DIALOG;
        widgets::field(ui, path, width, hint, name);
        dialog_button_ui(ui, dialogs, field, path);
    });
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
                .on_hover_text("Back to the settings of the preset or the file")
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
                if let Some((_, field, text)) = checked.stem.as_ref().filter(|stem| stem.0 == *title) {
                    let tip = format!(
                        "{field}: channels (kernel, stride) of each convolution. A configuration file of your own can have others."
                    );
                    let text = RichText::new(format!("stem  {text}")).size(SMALL).color(p.weak);
                    ui.add(Label::new(text).wrap()).on_hover_text(tip);
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
        let meaning = meanings::meaning(&field.path).unwrap_or_default();
        response.on_hover_text(format!("{meaning}\n{}\nUnchanged it is {}", field.path, field.text));
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

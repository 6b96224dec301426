//! The task box and the controls of the episode.

use egui::{Align, DragValue, Key, Layout, Modifiers, RichText, TextEdit, Ui, vec2};

use super::device_menu::device_menu_ui;
use super::state::{Popup, View, ViewState, Workspace};
use super::view_menu::view_menu_ui;
use crate::engine::{Command, Phase};
use crate::ui::icons::Icon;
use crate::ui::keys::{Act, with_keys};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

/// Longest task, characters.
pub(super) const TASK_LIMIT: usize = 300;

pub fn task_bar_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.horizontal_centered(|ui| {
        workspaces_ui(ui, state);
        ui.add_space(6.0);
        // The controls keep their place on the right; the box takes what is left.
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            outer_ui(ui, state, view);
            separator_ui(ui);
            seed_ui(ui, state);
            separator_ui(ui);
            episode_ui(ui, state, view);
            separator_ui(ui);
            let has_task = !state.task.task.trim().is_empty();
            let plan = widgets::primary_button(ui, has_task && view.board.phase != Phase::Opening, "Plan");
            let tip = "Ask the VLM for sub-goals, then run (Algorithm 2)\nEnter; Shift+Enter plans and waits";
            let disabled = "Type a task first";
            if plan.on_hover_text(tip).on_disabled_hover_text(disabled).clicked() {
                state.plan(true);
            }
            task_ui(ui, state);
        });
    });
}

fn separator_ui(ui: &mut Ui) {
    let p = Palette::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(9.0, 22.0), egui::Sense::hover());
    ui.painter()
        .vline(rect.center().x, rect.y_range(), egui::Stroke::new(1.0, p.line));
}

fn workspaces_ui(ui: &mut Ui, state: &mut ViewState) {
    ui.spacing_mut().item_spacing.x = 3.0;
    for (workspace, text, act) in [
        (Workspace::Episode, "Episode", Act::ShowEpisode),
        (Workspace::Training, "Training", Act::ShowTraining),
    ] {
        let button = widgets::toggle(ui, state.workspace == workspace, text, &format!("{text} workspace"));
        if button
            .on_hover_text(with_keys(ui.ctx(), &format!("Show {}", text.to_lowercase()), act))
            .clicked()
        {
            state.workspace = workspace;
        }
    }
}

fn task_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    let length = state.task.task.chars().count();
    let over = length > TASK_LIMIT;
    if length > TASK_LIMIT * 4 / 5 {
        let color = if over { p.bad } else { p.weak };
        ui.label(
            RichText::new(format!("{length} / {TASK_LIMIT}"))
                .size(SMALL)
                .color(color),
        );
    }
    // Enter is read before the field sees it, so that its modifiers are known.
    let edit = TextEdit::singleline(&mut state.task.task)
        .id_salt("task")
        .hint_text("Type a task, for example: stack the red block on the green block")
        .desired_width(ui.available_width())
        .margin(egui::Margin::symmetric(9, 4))
        .text_color_opt(over.then_some(p.bad));
    let output = edit.show(ui);
    let response = output.response.response.clone().accessible_name("Task");
    let id = response.id;
    if state.task.focus {
        state.task.focus = false;
        response.request_focus();
        let mut edit_state = output.state;
        let all = egui::text::CCursorRange::two(
            egui::text::CCursor::new(0),
            egui::text::CCursor::new(state.task.task.chars().count()),
        );
        edit_state.cursor.set_char_range(Some(all));
        edit_state.store(ui.ctx(), id);
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
        let wait = ui.input(|input| input.modifiers.matches_logically(Modifiers::SHIFT));
        state.plan(!wait);
    }
}

/// Three more tasks to try, until the first plan.
pub fn examples_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    ui.horizontal_centered(|ui| {
        ui.label(RichText::new("Or try").size(SMALL).color(p.weak));
        for example in state.task.examples.clone() {
            let text = RichText::new(&example).size(SMALL + 0.5).color(p.accent);
            let button = ui.add(egui::Button::new(text).frame_when_inactive(false));
            if button.on_hover_text("Put this task into the box").clicked() {
                state.task.task = example;
                state.task.focus = true;
            }
        }
    });
}

/// Run, step, reset; laid out from the right.
fn episode_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let phase = view.board.phase;
    let ctx = ui.ctx().clone();
    let reset = widgets::icon_button(
        ui,
        phase != Phase::Opening && phase != Phase::Closed,
        Icon::Reset,
        "Reset",
        "Reset",
    );
    let tip = "Put the scene back to its first state under this seed. The recording is dropped.";
    if reset.on_hover_text(with_keys(&ctx, tip, Act::Reset)).clicked() {
        state.acts.push(Act::Reset);
    }
    let step = widgets::icon_button(ui, phase.can_step(), Icon::StepForward, "Step", "Step");
    let tip = "Plan and execute one action (Algorithm 2, lines 11 to 28)";
    if step
        .on_hover_text(with_keys(&ctx, tip, Act::StepForward))
        .on_disabled_hover_text(waiting(phase))
        .clicked()
    {
        state.plan_action();
    }
    let running = matches!(phase, Phase::Running | Phase::Stepping);
    let (icon, text) = if running {
        (Icon::Pause, "Pause")
    } else {
        (Icon::Play, "Run")
    };
    if phase == Phase::Thinking || phase == Phase::Opening {
        let stop = widgets::icon_button(ui, true, Icon::Stop, "Stop", "Stop");
        if stop
            .on_hover_text(with_keys(&ctx, "Stop this work now", Act::Stop))
            .clicked()
        {
            state.outbox.push(Command::Cancel);
        }
    } else {
        let run = widgets::icon_button(ui, running || phase.can_step(), icon, text, text);
        let tip = if running {
            "Pause after this step"
        } else {
            "Run until the end, a breakpoint or a pause"
        };
        if run
            .on_hover_text(with_keys(&ctx, tip, Act::RunPause))
            .on_disabled_hover_text(waiting(phase))
            .clicked()
        {
            state.acts.push(Act::RunPause);
        }
    }
}

/// Why the episode cannot go on now.
pub(super) fn waiting(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "The models are being loaded",
        Phase::Thinking => "The VLM is answering",
        Phase::Finished => "The episode is over: plan again, or go on from an earlier step",
        Phase::Opened => {
            "This episode is a recording: it can be looked at, played and exported, not gone on with. Plan a task to begin another."
        }
        Phase::Closed => "No model is loaded",
        Phase::Idle => "Plan a task first",
        Phase::Paused | Phase::Stepping | Phase::Running => "A step is being planned",
    }
}

fn seed_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    let drag = DragValue::new(&mut state.task.seed).speed(0.1).range(0..=9_999_999);
    ui.add(drag).accessible_name("Seed").on_hover_text(
        "Seed of the scene's jitter, CEM and sampling; the same seed gives the same plan here and on the command line. Drag or click to change it.",
    );
    ui.label(RichText::new("seed").size(SMALL).color(p.weak));
}

/// View, export, checkpoint, device; laid out from the right.
fn outer_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let ctx = ui.ctx().clone();
    view_menu_ui(ui, state);
    let export = widgets::icon_toggle(
        ui,
        true,
        state.task.popup == Some(Popup::Export),
        Icon::Export,
        "Export…",
        "Export",
    );
    if export
        .on_hover_text(with_keys(
            &ctx,
            "Write the episode so far: plan JSON, a GIF or a recording",
            Act::Export,
        ))
        .clicked()
    {
        state.acts.push(Act::Export);
    }
    let open = widgets::icon_toggle(
        ui,
        true,
        state.task.popup == Some(Popup::Open),
        Icon::Folder,
        "Open…",
        "Open",
    );
    if open
        .on_hover_text(with_keys(
            &ctx,
            "Load a checkpoint or a scene, or open a recording",
            Act::OpenCheckpoint,
        ))
        .clicked()
    {
        state.acts.push(Act::OpenCheckpoint);
    }
    separator_ui(ui);
    device_menu_ui(ui, state, view);
    if let Some(info) = &view.board.info {
        let checkpoint = info.checkpoint.as_deref().unwrap_or("random weights");
        let name = if checkpoint == info.preset {
            info.preset.clone()
        } else {
            format!("{} · {checkpoint}", info.preset)
        };
        let color = if info.checkpoint.is_some() { p.text } else { p.warn };
        ui.label(RichText::new(name).size(SMALL).color(color))
            .on_hover_text(format!(
                "Preset {}, checkpoint {checkpoint}, scene {}",
                info.preset, info.scene
            ));
    }
}

//! The knobs of planning. They apply at the next step, are checked by the rules of the configuration, and can be undone.

use std::path::PathBuf;

use egui::{DragValue, Grid, Response, RichText, Ui};
use serde_json::Value;

use super::super::history::Edit;
use super::super::state::{View, ViewState};
use crate::config::{ConfigError, Difference, PlanConfig};
use crate::engine::{Command, SessionInfo};
use crate::ui::keys::{Act, with_keys};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

/// What the form remembers.
#[derive(Debug, Default)]
pub struct SettingsForm {
    pub open: bool,
    /// What is being typed or dragged, or is not valid yet.
    draft: Option<PlanConfig>,
    /// Whose settings they are: those of another checkpoint cannot be gone back to.
    checkpoint: Option<(Option<PathBuf>, PlanConfig)>,
}

/// Where a knob's number stands.
enum At {
    Whole(fn(&mut PlanConfig) -> &mut usize),
    Real(fn(&mut PlanConfig) -> &mut f64),
}

struct Knob {
    /// As the configuration names it.
    field: &'static str,
    symbol: &'static str,
    name: &'static str,
    about: &'static str,
    at: At,
    /// How much a drag by one point turns it.
    speed: f64,
}

const fn knob(
    field: &'static str,
    symbol: &'static str,
    name: &'static str,
    about: &'static str,
    at: At,
    speed: f64,
) -> Knob {
    Knob {
        field,
        symbol,
        name,
        about,
        at,
        speed,
    }
}

const KNOBS: [Knob; 8] = [
    knob(
        "plan.cem.population",
        "P",
        "Population P",
        "Candidates in each iteration (Algorithm 2, line 15). 2 or more",
        At::Whole(|plan| &mut plan.cem.population),
        0.5,
    ),
    knob(
        "plan.cem.elite_fraction",
        "ρ",
        "Elite fraction rho",
        "Share of the candidates that are elites (Algorithm 2, line 24). Above 0, up to 1",
        At::Real(|plan| &mut plan.cem.elite_fraction),
        0.002,
    ),
    knob(
        "plan.cem.iterations",
        "I",
        "Iterations I",
        "Refinements of the action distribution (Algorithm 2, line 14). 1 or more",
        At::Whole(|plan| &mut plan.cem.iterations),
        0.05,
    ),
    knob(
        "plan.horizon",
        "H",
        "Horizon H",
        "Steps that each candidate is rolled out (Algorithm 2, line 16). 1 or more",
        At::Whole(|plan| &mut plan.horizon),
        0.05,
    ),
    knob(
        "plan.cem.sigma_floor",
        "σ floor",
        "Sigma floor",
        "Least standard deviation after a refit, so that the search does not close too early. 0 to that of the first iteration",
        At::Real(|plan| &mut plan.cem.sigma_floor),
        0.002,
    ),
    knob(
        "plan.reasoning_alpha",
        "α",
        "Reasoning bias alpha",
        "How much the VLM's attention map steers the predictor's: α log(w + ε) is added to its logits (method, 4.8). 0 is off",
        At::Real(|plan| &mut plan.reasoning_alpha),
        0.005,
    ),
    knob(
        "plan.delta_goal",
        "δ goal",
        "Threshold delta_goal",
        "A sub-goal is declared reached above this similarity (Algorithm 2, line 11). Above 0, below 1",
        At::Real(|plan| &mut plan.delta_goal),
        0.002,
    ),
    knob(
        "plan.t_max",
        "T max",
        "Step limit T_max",
        "Steps a sub-goal before the VLM is asked again (Algorithm 2, line 31). 1 or more",
        At::Whole(|plan| &mut plan.t_max),
        0.05,
    ),
];

/// What the settings will be once everything that was asked for is taken up.
pub(super) fn asked<'a>(view: &View<'a>, info: &'a SessionInfo) -> &'a PlanConfig {
    view.board.pending_plan.as_ref().unwrap_or(&info.plan)
}

/// The settings under the switches, where they are unfolded.
pub(super) fn settings_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let Some(info) = view.board.info.as_deref().filter(|_| state.settings.open) else {
        return;
    };
    let p = Palette::of(ui);
    let now = asked(view, info);
    let mut draft = state.settings.draft.take().unwrap_or_else(|| now.clone());
    let differing: Vec<String> = info
        .checkpoint_plan
        .differences(&draft)
        .into_iter()
        .map(|difference| difference.field)
        .collect();
    let mut busy = false;
    Grid::new("knobs").num_columns(4).spacing([8.0, 4.0]).show(ui, |ui| {
        for (index, knob) in KNOBS.iter().enumerate() {
            let changed = differing.iter().any(|field| field == knob.field);
            let response = knob_ui(ui, knob, &mut draft, &info.checkpoint_plan, changed);
            busy |= response.dragged() || response.has_focus();
            if index % 2 == 1 {
                ui.end_row();
            }
        }
    });
    let refused = draft.validate("").err();
    if let Some(ConfigError::Value {
        field, value, expected, ..
    }) = &refused
    {
        let name = KNOBS.iter().find(|knob| knob.field == field.as_str());
        let name = name.map_or(field.as_str(), |knob| knob.name);
        let said = format!("{name} is {value}, expected {expected}. The old value stays in use.");
        ui.add(egui::Label::new(RichText::new(said).size(SMALL).color(p.bad)).wrap());
    }
    let mut wanted = (refused.is_none() && !busy && draft != *now).then(|| draft.clone());
    ui.horizontal(|ui| {
        let reset = ui.add_enabled(
            *now != info.checkpoint_plan || refused.is_some(),
            egui::Button::new("Reset to the checkpoint's"),
        );
        if reset
            .on_hover_text("Put every setting of planning back to what the checkpoint came with")
            .on_disabled_hover_text("The settings are the checkpoint's")
            .clicked()
        {
            draft = info.checkpoint_plan.clone();
            wanted = (draft != *now).then(|| draft.clone());
        }
        let title = state.history.next_undo().map(|title| format!("Undo: {title}"));
        let undo = ui.add_enabled(title.is_some(), egui::Button::new("Undo"));
        let title = title.unwrap_or_else(|| "Nothing to undo".to_owned());
        if undo
            .on_hover_text(with_keys(ui.ctx(), &title, Act::Undo))
            .on_disabled_hover_text(title)
            .clicked()
        {
            state.acts.push(Act::Undo);
        }
        if view.board.pending_plan.is_some() {
            ui.label(RichText::new("from the next step on").size(SMALL).color(p.weak));
        }
    });
    if let Some(to) = wanted {
        set(state, now, to);
    } else if busy || draft != *now {
        state.settings.draft = Some(draft);
    }
}

fn knob_ui(ui: &mut Ui, knob: &Knob, draft: &mut PlanConfig, checkpoint: &PlanConfig, changed: bool) -> Response {
    let p = Palette::of(ui);
    let (mark, color) = if changed { (" •", p.accent) } else { ("", p.weak) };
    let mut tip = format!("{}\n{}", knob.name, knob.about);
    if changed {
        tip = format!("{tip}\nThe checkpoint's is {}", value(knob, checkpoint));
    }
    let text = RichText::new(format!("{}{mark}", knob.symbol)).size(SMALL).color(color);
    ui.label(text).on_hover_text(&tip);
    let drag = match knob.at {
        At::Whole(at) => DragValue::new(at(draft)),
        At::Real(at) => DragValue::new(at(draft)).max_decimals(4),
    };
    ui.add(drag.speed(knob.speed))
        .accessible_name(knob.name)
        .on_hover_text(tip)
}

fn value(knob: &Knob, plan: &PlanConfig) -> String {
    let mut plan = plan.clone();
    match knob.at {
        At::Whole(at) => at(&mut plan).to_string(),
        At::Real(at) => numbers::sig3(*at(&mut plan)),
    }
}

/// Asks for settings, so that it can be undone.
fn set(state: &mut ViewState, from: &PlanConfig, to: PlanConfig) {
    let differences = from.differences(&to);
    let title = match &differences[..] {
        [one] => format!("Set {}", describe(one)),
        many => format!("Set {} settings", many.len()),
    };
    let (undo, redo) = (Command::SetPlanConfig(from.clone()), Command::SetPlanConfig(to.clone()));
    state.history.push(Edit::commands(title, undo, redo));
    state.outbox.push(Command::SetPlanConfig(to));
}

fn describe(difference: &Difference) -> String {
    let Difference { field, from, to } = difference;
    let knob = KNOBS.iter().find(|knob| knob.field == field);
    let number = |value: &Value| match value.as_f64() {
        Some(number) if value.is_f64() => numbers::sig3(number),
        _ => value.to_string(),
    };
    let name = knob.map_or(field.as_str(), |knob| knob.symbol);
    format!("{name} from {} to {}", number(from), number(to))
}

/// What differs from the checkpoint's settings, a line each; none where nothing does.
pub(super) fn differing_text(view: &View<'_>, info: &SessionInfo) -> Option<String> {
    let differences = info.checkpoint_plan.differences(asked(view, info));
    let lines: Vec<String> = differences.iter().map(describe).collect();
    (!lines.is_empty()).then(|| format!("Not the checkpoint's settings:\n{}", lines.join("\n")))
}

/// Edits of another checkpoint's settings are forgotten, for they would bring all of its settings back.
pub fn keep_to_checkpoint(state: &mut ViewState, view: &View<'_>) {
    let Some(info) = &view.board.info else {
        return;
    };
    let here = (info.checkpoint_folder.clone(), info.checkpoint_plan.clone());
    if state.settings.checkpoint.as_ref() != Some(&here) {
        if state.settings.checkpoint.replace(here).is_some() {
            state.history.keep_layouts();
        }
        state.settings.draft = None;
    }
}

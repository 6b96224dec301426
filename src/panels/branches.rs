//! The branches of an episode: what it did when it went on from a step in another way, to be looked at, gone over to,
//! pinned and deleted.

use std::sync::Arc;

use egui::containers::menu::MenuButton;
use egui::{Align, Button, DragValue, Grid, Label, Layout, RichText, Ui};

use super::compare::Pin;
use super::state::{View, ViewState};
use crate::engine::{Branch, Command, Phase};
use crate::recording::{Outcome, Recording};
use crate::ui::icons::Icon;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, widgets};

/// Why nothing can go on from an opened recording.
pub(super) const NO_WORLD: &str = "An opened recording has no world behind it: it can be looked at, pinned and exported, not gone on with. Plan its task again to branch from it.";

/// The recording of the branch that is looked at; none while the episode at hand is shown.
pub fn shown_branch(state: &mut ViewState, view: &View<'_>) -> Option<Arc<Recording>> {
    let branches = &view.board.branches;
    let shown = state
        .shown_branch
        .filter(|&id| branches.at_hand != Some(id))
        .and_then(|id| branches.get(id));
    state.shown_branch = shown.map(|branch| branch.id);
    shown.map(|branch| Arc::clone(&branch.recording))
}

/// How an episode ended, in few words.
pub(super) fn outcome_words(recording: &Recording) -> &'static str {
    match (&recording.outcome, recording.task_achieved) {
        (None, _) => "not ended",
        (Some(Outcome::Reached), Some(true)) => "task done",
        (Some(Outcome::Reached), Some(false)) => "declared, not done",
        (Some(Outcome::Reached), None) => "reached",
        (Some(Outcome::NotReached { .. }), _) => "not reached",
        (Some(Outcome::Unparsed { .. }), _) => "answer not read",
        (Some(Outcome::Interrupted), _) => "interrupted",
    }
}

/// Actions that were executed.
pub(super) fn actions(recording: &Recording) -> usize {
    recording.steps.iter().filter(|step| step.action.is_some()).count()
}

/// The button with the list under it, and, while a branch is looked at, the way back.
pub(super) fn branches_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let count = view.board.branches.list.len();
    let text = if count > 1 {
        format!("Branches {count}")
    } else {
        "Branches".to_owned()
    };
    let button = Button::new(RichText::new(text).size(SMALL));
    let (response, _) = MenuButton::from_button(button)
        .config(widgets::form_menu())
        .ui(ui, |ui| menu_ui(ui, state, view));
    response.accessible_name("Branches").on_hover_text(
        "Go on from any step under another seed or with other settings; what it did before stays beside it.",
    );
    let Some(id) = state.shown_branch else { return };
    if ui.button(RichText::new("Leave the branch").size(SMALL)).clicked() {
        state.follow_live();
    }
    if ui
        .button(RichText::new("Go over to it").size(SMALL))
        .on_hover_text("Make this branch the episode at hand, as it was left. The other one waits in the list.")
        .clicked()
    {
        go_over(state, id);
    }
    let name = view.board.branches.get(id).map_or_else(String::new, Branch::name);
    widgets::chip(ui, &format!("Looking at {}", name.to_lowercase()), p.warn, p.warn_fill);
}

pub(super) fn go_over(state: &mut ViewState, id: usize) {
    state.outbox.push(Command::GoToBranch(id));
    state.follow_live();
    state.time_range = None;
}

/// Looks at a branch, or back at the episode at hand.
pub(super) fn look_at(state: &mut ViewState, view: &View<'_>, id: usize) {
    state.follow_live();
    state.time_range = None;
    state.shown_branch = (view.board.branches.at_hand != Some(id)).then_some(id);
}

/// Goes on from the shown step, of the branch that is shown.
pub(super) fn go_from_here(state: &mut ViewState, view: &View<'_>, seed: Option<u64>) {
    let step = view.shown(state).map_or(0, |step| step.step);
    let branch = state.shown_branch;
    state.outbox.push(Command::Seek { branch, step, seed });
    state.follow_live();
}

fn menu_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let branches = &view.board.branches;
    ui.set_width(560.0);
    ui.spacing_mut().item_spacing.y = 5.0;
    from_here_ui(ui, state, view);
    ui.separator();
    if branches.list.len() < 2 {
        note_ui(
            ui,
            "Look at a step, choose a seed and go on: what the episode did from there on is kept here beside it.",
        );
    }
    Grid::new("branches").num_columns(7).striped(true).show(ui, |ui| {
        for title in ["Episode", "from step", "seed", "steps", "outcome", ""] {
            ui.label(RichText::new(title).size(SMALL).color(Palette::of(ui).weak));
        }
        ui.end_row();
        for branch in &branches.list {
            row_ui(ui, state, view, branch);
            ui.end_row();
        }
    });
    if let Some(id) = branches.deleted {
        let button = ui.button(format!("Bring back branch {id}"));
        if button.on_hover_text("Undo the last deletion").clicked() {
            state.outbox.push(Command::UndeleteBranch);
        }
    }
}

/// The seed, and the button that goes on from the shown step under it.
fn from_here_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let in_force = view.recording.plan_seed();
    let step = view.shown(state).map_or(0, |step| step.step);
    let mut seed = state.branch_seed.unwrap_or(in_force + 1);
    ui.horizontal(|ui| {
        ui.label(format!("Go on from step {step} under seed"));
        let drag = ui.add(DragValue::new(&mut seed).speed(0.1).range(0..=9_999_999));
        let drag = drag.accessible_name("Seed of the branch");
        let tip = format!("Seed of CEM and sampling from that step on; {in_force} was in force. The noise of a plan is drawn from (seed, step, iteration): the same seed does the same.");
        if drag.on_hover_text(tip).changed() {
            state.branch_seed = Some(seed);
        }
        let possible = view.board.branches.at_hand.is_some() && !matches!(view.board.phase, Phase::Opening | Phase::Closed);
        let other = view.is_past(state) || seed != in_force;
        let go = ui.add_enabled(possible && other, Button::new("Go on as a branch"));
        let disabled = if possible {
            "This is the newest step, and its seed: there is nothing to do in another way"
        } else {
            NO_WORLD
        };
        if go.on_disabled_hover_text(disabled).clicked() {
            go_from_here(state, view, Some(seed));
            state.branch_seed = None;
            ui.close();
        }
    });
}

fn row_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, branch: &Branch) {
    let p = Palette::of(ui);
    let name = branch.name();
    let at_hand = view.board.branches.at_hand == Some(branch.id);
    // The list's copy of the one at hand is older.
    let recording = if at_hand { view.at_hand } else { &branch.recording };
    let shown = if at_hand {
        state.shown_branch.is_none()
    } else {
        state.shown_branch == Some(branch.id)
    };
    let show = ui.selectable_label(shown, RichText::new(&name).family(semibold()));
    let tip = match (&branch.file, at_hand) {
        (Some(file), true) => format!("The episode at hand, recorded in {file}"),
        (Some(file), false) => format!("Look at it. It is recorded in {file}."),
        (None, true) => "The episode at hand".to_owned(),
        (None, false) => "Look at it".to_owned(),
    };
    if show
        .accessible_name(format!("Show {}", name.to_lowercase()))
        .on_hover_text(tip)
        .clicked()
    {
        look_at(state, view, branch.id);
    }
    let from = branch
        .from_step()
        .map_or_else(|| "–".to_owned(), |step| step.to_string());
    let seed = recording.plan_seed().to_string();
    let steps = actions(recording).to_string();
    for text in [from.as_str(), &seed, &steps, outcome_words(recording)] {
        ui.label(RichText::new(text).color(p.text));
    }
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        let word = if at_hand { "At hand" } else { "Go over" };
        let go = ui.add_enabled(!at_hand, Button::new(RichText::new(word).size(SMALL)).small());
        if go
            .on_hover_text("Make it the episode at hand, as it was left")
            .clicked()
        {
            go_over(state, branch.id);
            ui.close();
        }
        let pin = widgets::icon_button(ui, true, Icon::Pin, "", &format!("Pin {}", name.to_lowercase()));
        if pin.on_hover_text("Compare with it").clicked() {
            let pin = Pin::new(name.clone(), Arc::new(recording.clone()));
            state.pin(pin);
        }
        let delete = widgets::icon_button(
            ui,
            !at_hand,
            Icon::Cross,
            "",
            &format!("Delete {}", name.to_lowercase()),
        );
        if delete
            .on_hover_text("Take it out of the list. Its file stays, and the last deletion can be undone.")
            .clicked()
        {
            state.outbox.push(Command::DeleteBranch(branch.id));
        }
    });
}

fn note_ui(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.weak)).wrap());
}

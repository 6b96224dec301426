//! What the palette offers besides keys and the window itself: what the panels' buttons do, where it can be done now.

use std::rc::Rc;

use super::super::branches::{go_over, look_at};
use super::super::cem::{can_plan_iteration, set_switches};
use super::super::compare::{can_pin, pin_shown};
use super::super::device_menu::device_choices;
use super::super::state::{View, ViewState, Workspace};
use super::super::training::TrainingForm;
use super::{Does, WindowAct};
use crate::engine::{Branch, Command, DeviceSearch, Until};
use crate::planner::Switches;

fn change(act: impl Fn(&mut ViewState, &View<'_>) + 'static) -> Does {
    Does::Change(Rc::new(act))
}

fn send(command: Command) -> Does {
    Does::Window(WindowAct::Send(command))
}

/// Every offer with its title.
pub(super) fn offers(state: &mut ViewState, view: &View<'_>) -> Vec<(String, Does)> {
    let mut all = Vec::new();
    let mut add = |title: String, does: Does| all.push((title, does));
    episode(view, &mut add);
    breakpoints(state, &mut add);
    branches(state, view, &mut add);
    pins(state, view, &mut add);
    devices(view, &mut add);
    training(state, view, &mut add);
    all
}

/// Steps, and the two switches.
fn episode(view: &View<'_>, add: &mut impl FnMut(String, Does)) {
    if view.board.phase.can_step() {
        let action = change(|state, _| state.plan_action());
        add("Plan and execute one action".to_owned(), action);
        let sub_goal = change(|state, _| state.run(Until::NextSubGoal));
        add("Run until the next sub-goal".to_owned(), sub_goal);
        let replan = change(|state, _| state.run(Until::NextReplan));
        add("Run until the VLM is asked again".to_owned(), replan);
    }
    if can_plan_iteration(view) {
        let iteration = change(|state, _| state.plan_iteration());
        add("Plan one iteration".to_owned(), iteration);
    }
    let Switches { plan, act } = view.board.switches;
    let title = if plan {
        "Switch Plan off: execute the last plan open loop"
    } else {
        "Switch Plan on: plan each step"
    };
    let to = Switches { plan: !plan, act };
    add(
        title.to_owned(),
        change(move |state, view| set_switches(state, view, to)),
    );
    let title = if act {
        "Switch Act off: plan and move nothing"
    } else {
        "Switch Act on: execute what was planned"
    };
    let to = Switches { plan, act: !act };
    add(
        title.to_owned(),
        change(move |state, view| set_switches(state, view, to)),
    );
}

fn breakpoints(state: &ViewState, add: &mut impl FnMut(String, Does)) {
    if state.breakpoints.count() > 0 {
        let clear = change(|state, _| state.clear_breakpoints());
        add("Clear all breakpoints".to_owned(), clear);
    }
}

fn branches(state: &ViewState, view: &View<'_>, add: &mut impl FnMut(String, Does)) {
    let called = |branch: &Branch| match branch.id {
        0 => "the first episode".to_owned(),
        id => format!("branch {id}"),
    };
    let all = &view.board.branches;
    for branch in &all.list {
        let (name, id) = (called(branch), branch.id);
        let at_hand = all.at_hand == Some(id);
        if at_hand && state.shown_branch.is_some() || !at_hand && state.shown_branch != Some(id) {
            let look = change(move |state, view| look_at(state, view, id));
            add(format!("Look at {name}"), look);
        }
        if !at_hand {
            let over = change(move |state, _| go_over(state, id));
            add(format!("Go over to {name}"), over);
            add(format!("Delete {name}"), send(Command::DeleteBranch(id)));
        }
    }
    if let Some(id) = all.deleted {
        add(format!("Bring back branch {id}"), send(Command::UndeleteBranch));
    }
}

fn pins(state: &ViewState, view: &View<'_>, add: &mut impl FnMut(String, Does)) {
    if can_pin(state, view) {
        add("Pin this episode".to_owned(), change(pin_shown));
    }
    for pin in &state.pins {
        let letter = pin.letter;
        let unpin = change(move |state, _| state.unpin(letter));
        add(format!("Unpin {letter}, {}", pin.name.to_lowercase()), unpin);
    }
    if !state.pins.is_empty() {
        let forget = change(|state, _| state.pins.clear());
        add("Forget all pins".to_owned(), forget);
    }
}

fn devices(view: &View<'_>, add: &mut impl FnMut(String, Does)) {
    for choice in device_choices(view).into_iter().filter(|choice| !choice.chosen) {
        let drops = if view.recording.task.is_empty() {
            ""
        } else {
            " (drops the episode)"
        };
        let title = format!("Compute on {}{drops}", choice.said());
        add(title, send(Command::SetDevice(choice.id)));
    }
    if matches!(view.board.devices, DeviceSearch::NotYet | DeviceSearch::Failed(_)) {
        add("Look for graphics cards".to_owned(), send(Command::FindDevices));
    }
}

fn training(state: &mut ViewState, view: &View<'_>, add: &mut impl FnMut(String, Does)) {
    for lead in TrainingForm::leads(view) {
        add(lead.title.to_owned(), send(lead.command));
    }
    let form = state.training.wanted(view).map(|request| {
        let (stage, run) = (request.stage.name(), request.run.display());
        (format!("Start training: stage {stage} in {run}"), request)
    });
    let resumable = TrainingForm::resumable(view).into_iter();
    let resumable = resumable.map(|(name, request)| (format!("Resume the run {name}"), request));
    for (title, request) in form.into_iter().chain(resumable) {
        let begin = move |state: &mut ViewState, _: &View<'_>| {
            state.workspace = Workspace::Training;
            state.begin_training(request.clone());
        };
        add(title, change(begin));
    }
    for (name, watched, command) in TrainingForm::watchable(view) {
        let no_more = if watched { " no more" } else { "" };
        add(format!("Watch the run {name}{no_more}"), send(command));
    }
    let watch = change(|state, _| {
        state.workspace = Workspace::Training;
        state.training.focus_path = true;
    });
    add("Watch a run in another folder…".to_owned(), watch);
}

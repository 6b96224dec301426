//! What keys and buttons do, in one place.

use super::branches;
use super::cem::keep_to_checkpoint;
use super::playback;
use super::state::{Popup, View, ViewState, Workspace};
use super::sub_goal_edit;
use crate::engine::{Command, Phase, Until};
use crate::ui::keys::Act;

/// Does one act: changes the selection, or puts commands into the outbox. Acts that belong to the frame around the
/// panels (theme, full screen) are left to the caller.
pub fn perform(act: Act, state: &mut ViewState, view: &View<'_>) {
    let phase = view.board.phase;
    let shown = view.shown(state).map_or(0, |step| step.step);
    if state.shown_branch.is_some() && goes_on(act, state, view) {
        let what =
            "A branch is looked at: go over to it to run and step it, or leave it to go on with the episode at hand.";
        return state.shell.warnings.push(what.to_owned());
    }
    match act {
        Act::RunPause => match phase {
            Phase::Running | Phase::Stepping => state.outbox.push(Command::Pause),
            Phase::Paused => state.run(Until::End),
            Phase::Idle => state.plan(true),
            Phase::Opening | Phase::Thinking | Phase::Finished | Phase::Opened | Phase::Closed => {}
        },
        Act::StepForward if view.is_past(state) => {
            state.playback.stop();
            state.select_step(shown + 1, view);
        }
        Act::StepForward => {
            if phase.can_step() {
                state.plan_action();
            }
        }
        Act::StepBack => {
            state.playback.stop();
            if let Some(step) = shown.checked_sub(1) {
                state.select_step(step, view);
            }
        }
        Act::NextIteration if plans_on(state, view) => state.plan_iteration(),
        Act::NextIteration | Act::PreviousIteration => {
            let count = view.planned(state).map_or(0, |step| step.cem.len());
            if let Some((index, _)) = view.iteration(state) {
                let next = if act == Act::NextIteration {
                    index + 1
                } else {
                    index.saturating_sub(1)
                };
                state.selection.iteration = (next + 1 < count).then_some(next);
                state.selection.elite = None;
            }
        }
        Act::NextSubGoal => match view.sub_goal_starts().into_iter().find(|&start| start > shown) {
            Some(start) => state.select_step(start, view),
            None if phase.can_step() => state.run(Until::NextSubGoal),
            None => {}
        },
        Act::PreviousSubGoal => {
            if let Some(start) = view.sub_goal_starts().into_iter().rev().find(|&start| start < shown) {
                state.select_step(start, view);
            }
        }
        Act::First => state.select_step(0, view),
        Act::Last => state.follow_live(),
        Act::ToggleBreakpoint => {
            let steps = &mut state.breakpoints.steps;
            if !steps.remove(&shown) {
                steps.insert(shown);
            }
            state.outbox.push(Command::SetBreakpoints(state.breakpoints.clone()));
        }
        Act::GoFromHere => {
            let can_go_on = view.board.branches.at_hand.is_some() && phase != Phase::Closed;
            if can_go_on && (view.is_past(state) || state.shown_branch.is_some()) {
                branches::go_from_here(state, view, None);
            }
        }
        Act::Play => playback::toggle(state, view),
        Act::Slower => state.playback.slower(),
        Act::Faster => state.playback.faster(),
        Act::LoopFrom => playback::loop_from(state, view),
        Act::LoopTo => playback::loop_to(state, view),
        Act::Loop => playback::toggle_loop(state, view),
        Act::Stop => {
            if state.palette.is_some() || state.manual_open || state.task.popup.is_some() {
                state.palette = None;
                state.manual_open = false;
                state.task.popup = None;
            } else if phase.is_busy() {
                state.outbox.push(Command::Cancel);
            } else {
                state.selection.word = None;
            }
        }
        Act::Undo | Act::Redo => {
            keep_to_checkpoint(state, view);
            sub_goal_edit::follow(state, view);
            sub_goal_edit::undo_or_redo(act, state, view);
        }
        Act::Reset => {
            state.follow_live();
            state.outbox.push(Command::Reset { seed: state.task.seed });
        }
        Act::FocusTask => {
            state.workspace = Workspace::Episode;
            state.task.focus = true;
        }
        Act::OpenCheckpoint | Act::Export => {
            let popup = if act == Act::Export { Popup::Export } else { Popup::Open };
            state.task.popup = (state.task.popup != Some(popup)).then_some(popup);
            state.task.focus_popup = state.task.popup.is_some();
        }
        Act::Palette => {
            state.palette = if state.palette.is_some() {
                None
            } else {
                Some(String::new())
            }
        }
        Act::Manual => state.manual_open = !state.manual_open,
        Act::ShowEpisode => state.workspace = Workspace::Episode,
        Act::ShowTraining => state.workspace = Workspace::Training,
        Act::FullScreen | Act::ToggleTheme => {}
    }
}

/// Whether an act goes on with the episode at hand, and does not only move the look.
fn goes_on(act: Act, state: &ViewState, view: &View<'_>) -> bool {
    let shown = view.shown(state).map_or(0, |step| step.step);
    match act {
        Act::RunPause => view.board.phase == Phase::Paused,
        Act::StepForward => !view.is_past(state),
        Act::NextIteration => plans_on(state, view),
        Act::NextSubGoal => view.sub_goal_starts().into_iter().all(|start| start <= shown),
        _ => false,
    }
}

/// The newest iteration is shown, and the present step can be planned further.
fn plans_on(state: &ViewState, view: &View<'_>) -> bool {
    let newest = state.selection.iteration.is_none() && !view.is_past(state);
    let open = view.newest().is_none_or(|step| step.action.is_none());
    newest && open && view.board.phase.can_step()
}

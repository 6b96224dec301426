//! The two switches, planning by iterations, what the next step is planned with, and the way to its settings.

use egui::{Align, Layout, RichText, Ui};

use super::super::history::Edit;
use super::super::state::{View, ViewState};
use super::settings::{asked, differing_text};
use crate::engine::Command;
use crate::planner::Switches;
use crate::ui::icons::Icon;
use crate::ui::keys::{Act, with_keys};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

/// Room for the sizes of a plan, points.
const SIZES: f32 = 105.0;

pub(super) fn controls_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.horizontal(|ui| {
        let Switches { plan, act } = view.board.switches;
        let tip = "Plan each step with CEM. Off: the last plan's next actions are executed open loop, until they are \
                   used up or its sub-goal ends; the VLM is not asked again. From the next step on.";
        if widgets::toggle(ui, plan, "Plan", "Plan switch")
            .on_hover_text(tip)
            .clicked()
        {
            set_switches(state, view, Switches { plan: !plan, act });
        }
        let tip = "Execute what was planned. Off: a step is planned and nothing moves; planned again, it gets noise of \
                   its own. From the next step on.";
        if widgets::toggle(ui, act, "Act", "Act switch")
            .on_hover_text(tip)
            .clicked()
        {
            set_switches(state, view, Switches { plan, act: !act });
        }
        let enabled = can_plan_iteration(view);
        let iteration = widgets::icon_button(ui, enabled, Icon::StepForward, "Iteration", "Plan one iteration");
        let tip =
            "Plan one iteration of CEM and wait (Algorithm 2, lines 14 to 26). Step goes on and executes the plan.";
        if iteration
            .on_hover_text(with_keys(ui.ctx(), tip, Act::NextIteration))
            .on_disabled_hover_text("Needs an episode that is paused, and Plan on")
            .clicked()
        {
            state.plan_iteration();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let open = state.settings.open;
            let tip = "P, ρ, I, H, σ floor, α, δ and T_max of the steps to come";
            if widgets::toggle(ui, open, "Settings", "Settings of CEM")
                .on_hover_text(tip)
                .clicked()
            {
                state.settings.open = !open;
            }
            sizes_ui(ui, view);
        });
    });
}

/// An episode waits, and its steps are planned.
pub(in crate::panels) fn can_plan_iteration(view: &View<'_>) -> bool {
    view.board.phase.can_step() && view.board.switches.plan
}

/// Throws a switch, so that it can be undone.
pub(in crate::panels) fn set_switches(state: &mut ViewState, view: &View<'_>, to: Switches) {
    let from = view.board.switches;
    let word = |on| if on { "on" } else { "off" };
    let title = if from.plan == to.plan {
        format!("Switch Act {}", word(to.act))
    } else {
        format!("Switch Plan {}", word(to.plan))
    };
    let (undo, redo) = (Command::SetSwitches(from), Command::SetSwitches(to));
    state.history.push(Edit::commands(title, undo, redo));
    state.outbox.push(Command::SetSwitches(to));
}

/// What the next step is planned with, where there is room for it.
fn sizes_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    let Some(info) = view.board.info.as_ref().filter(|_| ui.available_width() > SIZES) else {
        return;
    };
    let plan = asked(view, info);
    let (cem, differing) = (&plan.cem, differing_text(view, info));
    let (mark, color) = if differing.is_some() {
        (" •", p.accent)
    } else {
        ("", p.weak)
    };
    let text = format!("P {} · H {} · I {}{mark}", cem.population, plan.horizon, cem.iterations);
    let tip = "P candidates of H actions in each of I iterations, from the next step on (Algorithm 2, lines 13 to 26)";
    let tip = differing.map_or_else(|| tip.to_owned(), |differing| format!("{tip}\n{differing}"));
    ui.label(RichText::new(text).size(SMALL).color(color))
        .on_hover_text(tip);
}

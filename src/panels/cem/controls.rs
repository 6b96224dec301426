//! The two switches, planning by iterations, and the way to the settings.

use egui::{Align, Layout, Ui};

use super::super::state::{View, ViewState};
use crate::engine::Command;
use crate::planner::Switches;
use crate::ui::icons::Icon;
use crate::ui::keys::{Act, with_keys};
use crate::ui::widgets;

pub(super) fn controls_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.horizontal(|ui| {
        let Switches { plan, act } = view.board.switches;
        let tip = "Plan each step with CEM. Off: the last plan's next actions are executed open loop, until they are \
                   used up or its sub-goal ends; the VLM is not asked again. From the next step on.";
        if widgets::toggle(ui, plan, "Plan", "Plan switch")
            .on_hover_text(tip)
            .clicked()
        {
            state.outbox.push(Command::SetSwitches(Switches { plan: !plan, act }));
        }
        let tip = "Execute what was planned. Off: a step is planned and nothing moves; planned again, it gets noise of \
                   its own. From the next step on.";
        if widgets::toggle(ui, act, "Act", "Act switch")
            .on_hover_text(tip)
            .clicked()
        {
            state.outbox.push(Command::SetSwitches(Switches { plan, act: !act }));
        }
        let enabled = view.board.phase.can_step() && plan;
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
        });
    });
}

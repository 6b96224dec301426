//! The cross-entropy method at the shown step: its iterations, its costs, and the distribution of actions it ends in.

mod charts;
mod controls;
mod heat;
mod settings;
mod stages;

use egui::{RichText, Role, Sense, Slider, Stroke, Ui, WidgetInfo, vec2};

pub(super) use charts::{TITLE, chart_room};
use charts::{actions_ui, costs_ui, histogram_ui};
use controls::controls_ui;
pub(super) use controls::{can_plan_iteration, set_switches};
use heat::heat_map_ui;
use settings::settings_ui;
pub use settings::{SettingsForm, keep_to_checkpoint};
use stages::stages_ui;

use super::frozen::past;
use super::state::{View, ViewState};
use super::working::planning_ui;
use crate::config::CostTerm;
use crate::engine::{JobKind, Phase};
use crate::recording::{CemIteration, CostScale, StepRecord};
use crate::ui::color::cost_ramp;
use crate::ui::icons::Icon;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

pub fn cem_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    keep_to_checkpoint(state, view);
    let step = view.planned(state);
    let open_loop = view.shown(state).and_then(|shown| shown.open_loop_from);
    let settings = view.settings_at(step.or_else(|| view.shown(state)).map_or(0, |step| step.step));
    let title = if ui.available_width() > 470.0 {
        "Cross-entropy method"
    } else {
        "CEM"
    };
    let past = past(state, view);
    let mut back = false;
    faces::panel_ui(
        ui,
        title,
        |ui| {
            if let Some([step, last]) = past {
                back = faces::frozen_ui(ui, "CEM", step, last);
            }
            // Tabs stand in the same strip: the cost's name is what there is always room for.
            let planned = step.filter(|step| step.plan_secs > 0.0);
            if let Some(step) = planned.filter(|_| ui.available_width() > 215.0) {
                let text = numbers::duration(std::time::Duration::from_secs_f64(step.plan_secs));
                ui.label(RichText::new(text).size(SMALL).color(p.text))
                    .on_hover_text("Wall time of this step's plan");
            }
            let said = |step: &StepRecord| past.is_some_and(|[shown, _]| shown == step.step) && step.draw == 0;
            if let Some(step) = planned.filter(|step| ui.available_width() > 100.0 && !said(step)) {
                let again = if step.draw > 0 {
                    format!(", draw {}", step.draw + 1)
                } else {
                    String::new()
                };
                let text = RichText::new(format!("step {}{again}", step.step)).size(SMALL);
                let plan = ui.label(text.color(if open_loop.is_some() { p.warn } else { p.weak }));
                plan.on_hover_text(open_loop.map_or_else(
                    || "The step that this plan was made for".to_owned(),
                    |from| {
                        format!(
                            "The shown step was not planned: its action is a later one of step {from}'s plan, executed \
                             open loop."
                        )
                    },
                ));
                ui.add_space(10.0);
            }
            if let Some(settings) = &settings {
                let (name, about) = cost_name(settings.cost.term);
                ui.label(RichText::new(format!("cost {name}")).size(SMALL).color(p.weak))
                    .on_hover_text(about);
            }
        },
        |ui| {
            controls_ui(ui, state, view);
            settings_ui(ui, state, view);
            match (step, view.iteration(state)) {
                (Some(step), Some((index, iteration))) => body_ui(ui, state, step, index, iteration),
                _ => nothing_ui(ui, state, view),
            }
        },
    );
    if back {
        state.follow_live();
    }
}

/// The cost's name, and what it reads out of an imagined latent.
fn cost_name(term: CostTerm) -> (&'static str, &'static str) {
    match term {
        CostTerm::Similarity => (
            "similarity",
            "1 - cosine of the pooled latents, imagined and goal, 0 to 2 (1 − sim; Algorithm 2, line 22): the gripper and the scene",
        ),
        CostTerm::Content => (
            "content",
            "Squared distance of the comparison vectors, 0 or more, in place of the reward of Algorithm 2, line 22: scene content, the gripper's place and its flags",
        ),
        CostTerm::Temporal => (
            "temporal",
            "Actions it still takes from an imagined state to the goal, 0 or more, as a head on the pooled latents judges it, in place of the reward of Algorithm 2, line 22: learnt from recorded episodes (stage 1b), without a read-out of the gripper",
        ),
        CostTerm::Gate => (
            "gate",
            "First the gripper's place, then its grip, as read out of the imagined latent, 0 or more, in place of the reward of Algorithm 2, line 22. Scene content has no share in it.",
        ),
    }
}

fn nothing_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let planning = matches!(view.board.phase, Phase::Running | Phase::Stepping);
    let shown = view.shown(state).map_or(0, |step| step.step);
    if planning
        && !view.is_past(state)
        && let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Plan)
    {
        planning_ui(ui, state, job);
    } else if let Some([from, to]) = view.recording.kept_whole.filter(|[from, _]| shown < *from) {
        faces::empty_ui(
            ui,
            "Of this step, only its frame and its action were kept.",
            &format!("Plans are in steps {from} to {to} of this excerpt."),
        );
    } else if view.recording.outcome.is_some() && !view.recording.steps.is_empty() {
        faces::empty_ui(
            ui,
            "Nothing was planned from this last frame.",
            "Press Left to see the step before it.",
        );
    } else {
        let advice = if view.board.phase.can_step() {
            "Press Right to plan a step."
        } else {
            "Type a task and press Enter."
        };
        faces::empty_ui(
            ui,
            "How each action was found: costs, elites and the distribution they leave.",
            advice,
        );
    }
}

fn body_ui(ui: &mut Ui, state: &mut ViewState, step: &StepRecord, index: usize, iteration: &CemIteration) {
    iteration_ui(ui, state, step, index);
    numbers_ui(ui, step, index, iteration);
    stages_ui(ui, step);
    let room = ui.available_height();
    // The four charts share what room there is; under their least height the panel scrolls.
    let unit = ((room - 4.0 * 34.0) / 5.2).max(56.0);
    egui::ScrollArea::vertical()
        .id_salt("cem")
        .auto_shrink(false)
        .show(ui, |ui| {
            costs_ui(ui, state, step, index, unit * 1.1);
            map_toggle_ui(ui, &mut state.actions_as_map);
            if state.actions_as_map {
                heat_map_ui(ui, &mut state.shell, iteration, unit * 2.3);
            } else {
                let elite = state.selection.elite;
                actions_ui(ui, &mut state.shell, iteration, elite, unit * 2.3);
            }
            let elite = state.selection.elite;
            histogram_ui(ui, &mut state.shell, step, iteration, elite, unit);
            elites_ui(ui, state, step, iteration);
        });
}

/// Stands in the row of the title that comes next, and takes no room of its own.
fn map_toggle_ui(ui: &mut Ui, on: &mut bool) {
    let row = ui.available_rect_before_wrap();
    let rect = egui::Rect::from_min_max(
        egui::pos2(row.right() - 60.0, row.top() + 4.0),
        egui::pos2(row.right() - 8.0, row.top() + 22.0),
    );
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(layout));
    ui.spacing_mut().interact_size.y = 18.0;
    let map = widgets::toggle(&mut ui, *on, "Map", "Actions as a heat map");
    if map
        .on_hover_text("Draw μ and σ of the actions as a heat map, H x D_a, in place of curves")
        .clicked()
    {
        *on = !*on;
    }
}

fn iteration_ui(ui: &mut Ui, state: &mut ViewState, step: &StepRecord, index: usize) {
    let p = Palette::of(ui);
    let count = step.cem.len();
    ui.horizontal(|ui| {
        ui.label(RichText::new("Iteration").size(SMALL).color(p.weak))
            .on_hover_text(
                "Refinements of the action distribution (i in Algorithm 2, line 14)\nShift+Left, Shift+Right",
            );
        let back = widgets::icon_button(ui, index > 0, Icon::StepBack, "", "Previous CEM iteration");
        if back.on_hover_text("Previous CEM iteration\nShift+Left").clicked() {
            state.acts.push(crate::ui::keys::Act::PreviousIteration);
        }
        let mut chosen = index + 1;
        ui.spacing_mut().slider_width = (ui.available_width() - 92.0).max(40.0);
        let slider = Slider::new(&mut chosen, 1..=count).show_value(false).step_by(1.0);
        let response = ui.add_enabled(count > 1, slider).accessible_name("CEM iteration");
        if response.changed() {
            state.selection.iteration = (chosen < count).then(|| chosen - 1);
            state.selection.elite = None;
        }
        let next = widgets::icon_button(ui, index + 1 < count, Icon::StepForward, "", "Next CEM iteration");
        if next.on_hover_text("Next CEM iteration\nShift+Right").clicked() {
            state.acts.push(crate::ui::keys::Act::NextIteration);
        }
        ui.label(
            RichText::new(format!("{} / {count}", index + 1))
                .family(semibold())
                .color(p.strong),
        );
    });
}

/// Least, mean and elite mean of an iteration's costs; what is not finite does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Costs {
    pub(super) best: f64,
    pub(super) elite: f64,
    pub(super) mean: f64,
}

pub(super) fn costs(iteration: &CemIteration) -> Costs {
    let mean = |values: &[f32]| {
        let finite: Vec<f64> = values
            .iter()
            .filter(|value| value.is_finite())
            .map(|&value| f64::from(value))
            .collect();
        if finite.is_empty() {
            f64::NAN
        } else {
            finite.iter().sum::<f64>() / finite.len() as f64
        }
    };
    let best = iteration
        .costs
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(f32::INFINITY, f32::min);
    let best = if best.is_finite() { f64::from(best) } else { f64::NAN };
    Costs {
        best,
        elite: mean(&iteration.elite_costs),
        mean: mean(&iteration.costs),
    }
}

/// How far the mean of the distribution moved in this refit: root mean square over H x D_a; none in the first iteration,
/// since what it began with is not recorded.
pub(super) fn mean_shift(step: &StepRecord, index: usize) -> Option<f64> {
    let before = &step.cem.get(index.checked_sub(1)?)?.mean;
    let moved = step.cem[index].mean.iter().zip(before);
    let squares: Vec<f64> = moved
        .flat_map(|(now, before)| {
            now.iter()
                .zip(before)
                .map(|(now, before)| f64::from(now - before).powi(2))
        })
        .collect();
    (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / squares.len() as f64).sqrt())
}

/// Standard deviation of the refitted distribution, mean over H x D_a.
pub(super) fn spread(iteration: &CemIteration) -> f64 {
    let sigmas = iteration.sigma.iter().flatten().map(|&sigma| f64::from(sigma));
    sigmas.sum::<f64>() / (3 * iteration.sigma.len()).max(1) as f64
}

fn numbers_ui(ui: &mut Ui, step: &StepRecord, index: usize, iteration: &CemIteration) {
    let costs = costs(iteration);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(7.0, 2.0);
        let note = "J is a cost: lower is better; the method's reward is −J (Algorithm 2, line 22)";
        widgets::value(
            ui,
            "best J",
            &numbers::sig3(costs.best),
            5,
            &format!("Cost of the best candidate. {note}"),
        );
        widgets::value(
            ui,
            "elite",
            &numbers::sig3(costs.elite),
            5,
            &format!("Mean cost of the elites. {note}"),
        );
        widgets::value(
            ui,
            "mean",
            &numbers::sig3(costs.mean),
            5,
            &format!("Mean cost of all candidates. {note}"),
        );
        let tip = "Standard deviation of the refitted distribution, mean over H x D_a; of an action from −1 to 1, so 0 to 1 (Algorithm 2, line 25)";
        widgets::value(ui, "σ", &numbers::sig3(spread(iteration)), 5, tip);
        let tip = "How far this refit moved the mean μ: root mean square over H x D_a, in shares of a step's reach (Algorithm 2, \
                   line 25). From the second iteration on.";
        widgets::value(ui, "Δμ", &numbers::sig3(mean_shift(step, index).unwrap_or(f64::NAN)), 5, tip);
    });
}

/// One chip an elite, best first; hovering nothing, clicking selects its path in the camera.
fn elites_ui(ui: &mut Ui, state: &mut ViewState, step: &StepRecord, iteration: &CemIteration) {
    let p = Palette::of(ui);
    let scale = CostScale::of_elites(step);
    let count = iteration.elites.len();
    ui.add_space(6.0);
    ui.label(
        RichText::new(format!("Elites · {count}"))
            .size(SMALL)
            .family(semibold())
            .color(p.text),
    )
    .on_hover_text(
        "The best candidates, ρP of them, rounded up, best first (Algorithm 2, line 24), coloured by cost: the least of all iterations' elites is the brightest. Click one to see its path in the camera, and its actions and cost in the charts.",
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(3.0, 3.0);
        for index in 0..count.min(64) {
            let (rect, response) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::click());
            let selected = state.selection.elite == Some(index);
            let cost = iteration.elite_costs.get(index).copied().unwrap_or(f32::NAN);
            let goodness = scale.map_or(0.0, |scale| scale.goodness(cost));
            let name = format!("Elite {}, J {}", index + 1, numbers::sig3(f64::from(cost)));
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &name));
            ui.painter().rect_filled(rect.shrink(1.0), 2.0, cost_ramp(goodness));
            if selected || response.hovered() {
                let color = if selected { p.strong } else { p.weak };
                ui.painter()
                    .rect_stroke(rect, 3.0, Stroke::new(1.5, color), egui::StrokeKind::Inside);
            }
            if response.on_hover_text(&name).clicked() {
                state.selection.elite = (!selected).then_some(index);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_s_shift_is_told_from_the_second_refit_on() {
        let refit = |mean: [f32; 3], sigma: f32| CemIteration {
            mean: vec![mean; 2],
            sigma: vec![[sigma; 3]; 2],
            costs: vec![1.0],
            elites: vec![],
            elite_costs: vec![1.0],
            elite_paths_m: vec![],
        };
        let frame = crate::sim::Frame {
            width: 0,
            height: 0,
            rgb: Vec::new().into(),
        };
        let step = StepRecord {
            step: 0,
            frame: frame.clone(),
            view: frame,
            vacuum: false,
            sub_goal: None,
            similarities: vec![],
            predicted_similarity: vec![],
            predicted_others: vec![],
            gripper_m: [0.0; 2],
            cem: vec![refit([0.0; 3], 0.5), refit([0.3, -0.3, 0.3], 0.25)],
            action: None,
            cost: None,
            plan_secs: 0.0,
            stages: crate::recording::StageSecs::default(),
            draw: 0,
            open_loop_from: None,
        };
        assert_eq!(mean_shift(&step, 0), None);
        assert!((mean_shift(&step, 1).unwrap() - 0.3).abs() < 1e-6);
        assert_eq!(spread(&step.cem[1]), 0.25);
    }

    #[test]
    fn costs_that_are_not_finite_count_nowhere() {
        let iteration = CemIteration {
            mean: Vec::new(),
            sigma: Vec::new(),
            costs: vec![0.5, f32::NAN, 0.25, f32::INFINITY],
            elites: Vec::new(),
            elite_costs: vec![0.25],
            elite_paths_m: Vec::new(),
        };
        assert_eq!(
            costs(&iteration),
            Costs {
                best: 0.25,
                elite: 0.25,
                mean: 0.375
            }
        );
    }
}

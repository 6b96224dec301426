//! The cross-entropy method at the shown step: its iterations, its costs, and the distribution of actions it ends in.

use egui::{Align2, Color32, FontId, Rect, RichText, Role, Sense, Slider, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::state::{View, ViewState};
use crate::engine::{JobKind, Phase};
use crate::recording::{CemIteration, StepRecord};
use crate::ui::chart::{self, Axes};
use crate::ui::color::cost_ramp;
use crate::ui::icons::Icon;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

/// Room for the labels left of a chart.
const LABELS: f32 = 40.0;
const BINS: usize = 28;
/// The dimensions of an action, with their units.
const ACTION: [(&str, &str); 3] = [
    ("dx", "Move to the right, share of a step's reach, −1 to 1"),
    ("dy", "Move away, share of a step's reach, −1 to 1"),
    ("grip", "Suction: on above 0, off below, −1 to 1"),
];

pub fn cem_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let step = view.planned(state);
    faces::panel_ui(
        ui,
        "Cross-entropy method",
        |ui| {
            if let Some(step) = step.filter(|step| step.plan_secs > 0.0) {
                let text = numbers::duration(std::time::Duration::from_secs_f64(step.plan_secs));
                ui.label(RichText::new(text).size(SMALL).color(p.weak))
                    .on_hover_text("Wall time of this step's plan");
            }
            if let Some(info) = &view.board.info {
                let cem = &info.plan.cem;
                let text = format!("P {} · H {} · I {}", cem.population, info.plan.horizon, cem.iterations);
                ui.label(RichText::new(text).size(SMALL).color(p.weak))
                    .on_hover_text("P candidates of H actions in each of I iterations (Algorithm 2, lines 13 to 26)");
            }
        },
        |ui| match (step, view.iteration(state)) {
            (Some(step), Some((index, iteration))) => body_ui(ui, state, step, index, iteration),
            _ => nothing_ui(ui, state, view),
        },
    );
}

fn nothing_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let planning = matches!(view.board.phase, Phase::Running | Phase::Stepping);
    if planning
        && !view.is_past(state)
        && let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Plan)
    {
        let now = std::time::Instant::now();
        if faces::working_ui(ui, &job.what, job.fraction(), job.started.elapsed(), job.eta(now)) {
            state.outbox.push(crate::engine::Command::Cancel);
        }
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
    numbers_ui(ui, iteration);
    let room = ui.available_height();
    // The four charts share what room there is; under their least height the panel scrolls.
    let unit = ((room - 4.0 * 34.0) / 5.2).max(56.0);
    egui::ScrollArea::vertical()
        .id_salt("cem")
        .auto_shrink(false)
        .show(ui, |ui| {
            costs_ui(ui, state, step, index, unit * 1.1);
            actions_ui(ui, iteration, unit * 2.3);
            histogram_ui(ui, step, iteration, unit);
            elites_ui(ui, state, iteration);
        });
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
struct Costs {
    best: f64,
    elite: f64,
    mean: f64,
}

fn costs(iteration: &CemIteration) -> Costs {
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

fn numbers_ui(ui: &mut Ui, iteration: &CemIteration) {
    let costs = costs(iteration);
    let spread = iteration
        .sigma
        .iter()
        .flatten()
        .map(|&sigma| f64::from(sigma))
        .sum::<f64>()
        / (3 * iteration.sigma.len()).max(1) as f64;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 14.0;
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
        let tip = "Standard deviation of the refitted distribution, mean over H x D_a (Algorithm 2, line 25)";
        widgets::value(ui, "σ", &numbers::sig3(spread), 5, tip);
    });
}

/// A chart with its title; returns the plot's rectangle.
fn chart_room(ui: &mut Ui, title: &str, height: f32, below: f32, name: &str, tip: &str) -> (Rect, egui::Response) {
    let p = Palette::of(ui);
    ui.add_space(6.0);
    ui.label(RichText::new(title).size(SMALL).family(semibold()).color(p.text))
        .on_hover_text(tip);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let plot = Rect::from_min_max(
        pos2(rect.left() + LABELS, rect.top() + 5.0),
        pos2(rect.right() - 8.0, rect.bottom() - below),
    );
    (plot, response)
}

fn costs_ui(ui: &mut Ui, state: &mut ViewState, step: &StepRecord, index: usize, height: f32) {
    let p = Palette::of(ui);
    let all: Vec<Costs> = step.cem.iter().map(costs).collect();
    let finite = || {
        all.iter()
            .flat_map(|costs| [costs.best, costs.elite, costs.mean])
            .filter(|value| value.is_finite())
    };
    let (low, high) = (
        finite().fold(f64::INFINITY, f64::min),
        finite().fold(f64::NEG_INFINITY, f64::max),
    );
    let name = format!("Cost over {} iterations", all.len());
    let (plot, response) = chart_room(
        ui,
        "Cost by iteration",
        height,
        18.0,
        &name,
        "J of the best candidate, the elites and the whole population. Click an iteration to see it.",
    );
    if low > high {
        ui.painter().text(
            plot.center(),
            Align2::CENTER_CENTER,
            "No cost is finite",
            FontId::proportional(SMALL),
            p.bad,
        );
        return;
    }
    let margin = ((high - low) * 0.08).max(1e-6);
    let last = all.len() as f64;
    let axes = Axes::new(plot, 0.6..=last + 0.4, low - margin..=high + margin);
    let painter = ui.painter();
    axes.y_grid(painter, p, &chart::ticks(axes.y[0]..=axes.y[1], 3));
    axes.x_labels(painter, p, &chart::integer_ticks(1.0..=last, 8));
    let x = axes.at_x(index as f64 + 1.0);
    painter.vline(x, plot.y_range(), Stroke::new(1.0, p.accent));
    let best = if ui.visuals().dark_mode {
        cost_ramp(0.95)
    } else {
        cost_ramp(0.55)
    };
    let curves: [(&str, fn(&Costs) -> f64, Color32, f32); 3] = [
        ("mean", |costs| costs.mean, p.edge, 1.5),
        ("elite", |costs| costs.elite, p.weak, 1.5),
        ("best", |costs| costs.best, best, 2.2),
    ];
    let mut at = pos2(plot.right() - 150.0, plot.top() + 2.0);
    for (word, pick, color, width) in curves {
        let points: Vec<[f64; 2]> = all
            .iter()
            .enumerate()
            .map(|(i, costs)| [i as f64 + 1.0, pick(costs)])
            .collect();
        axes.line(painter, &points, Stroke::new(width, color), false);
        if let Some(value) = all.get(index).map(pick).filter(|value| value.is_finite()) {
            painter.circle_filled(pos2(x, axes.at_y(value)), 2.8, color);
        }
        at.x += chart::legend_entry(painter, p, at, color, word);
    }
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.clicked()) {
        let chosen = (axes.x_of(at.x).round().max(1.0) as usize).min(all.len());
        state.selection.iteration = (chosen < all.len()).then(|| chosen - 1);
        state.selection.elite = None;
    }
}

fn actions_ui(ui: &mut Ui, iteration: &CemIteration, height: f32) {
    let p = Palette::of(ui);
    let horizon = iteration.mean.len();
    let name = format!("Actions over {horizon} steps, mean and standard deviation");
    let tip = "The action distribution after the refit: mean μ with a band of one σ, H x D_a (Algorithm 2, line 25). The first action's mean is executed.";
    let (plot, response) = chart_room(ui, "Actions  μ ± σ", height, 18.0, &name, tip);
    let gap = 6.0;
    let row = (plot.height() - 2.0 * gap) / 3.0;
    let painter = ui.painter();
    for (dimension, (word, _)) in ACTION.iter().enumerate() {
        let top = plot.top() + dimension as f32 * (row + gap);
        let rect = Rect::from_min_size(pos2(plot.left(), top), vec2(plot.width(), row));
        let axes = Axes::new(rect, 0.0..=horizon.max(1) as f64 - 1.0, -1.15..=1.15);
        let inside = Rect::from_x_y_ranges(rect.x_range(), axes.at_y(1.0)..=axes.at_y(-1.0));
        painter.rect_filled(inside, 2.0, p.header);
        painter.hline(rect.x_range(), axes.at_y(0.0), Stroke::new(1.0, p.edge));
        let font = FontId::proportional(SMALL);
        painter.text(
            pos2(rect.left() - 8.0, axes.at_y(0.0)),
            Align2::RIGHT_CENTER,
            word,
            font,
            p.text,
        );
        let curve = |sign: f64| -> Vec<[f64; 2]> {
            let pairs = iteration.mean.iter().zip(&iteration.sigma).enumerate();
            pairs
                .map(|(h, (mean, sigma))| {
                    let value = f64::from(mean[dimension]) + sign * f64::from(sigma[dimension]);
                    [h as f64, value.clamp(-1.15, 1.15)]
                })
                .collect()
        };
        axes.band(painter, &curve(-1.0), &curve(1.0), p.accent.gamma_multiply(0.22));
        let mean = curve(0.0);
        axes.line(painter, &mean, Stroke::new(1.6, p.accent), false);
        if let Some(first) = mean.first() {
            painter.circle_filled(axes.at(first[0], first[1]), 3.0, p.accent);
        }
        if dimension == 2 {
            axes.x_labels(painter, p, &chart::integer_ticks(axes.x[0]..=axes.x[1], 10));
        }
    }
    if let Some(at) = response.hover_pos().filter(|at| plot.contains(*at) && horizon > 0) {
        let dimension = (((at.y - plot.top()) / (row + gap)) as usize).min(2);
        let share = ((at.x - plot.left()) / plot.width()).clamp(0.0, 1.0);
        let h = (share * (horizon - 1) as f32).round() as usize;
        let (word, unit) = ACTION[dimension];
        let value = |rows: &[[f32; 3]]| rows.get(h).map_or(f64::NAN, |row| f64::from(row[dimension]));
        response.on_hover_text_at_pointer(format!(
            "{word} at h = {h}: μ {}, σ {}\n{unit}",
            numbers::fixed(value(&iteration.mean), 3),
            numbers::fixed(value(&iteration.sigma), 3),
        ));
    }
}

fn histogram_ui(ui: &mut Ui, step: &StepRecord, iteration: &CemIteration, height: f32) {
    let p = Palette::of(ui);
    let finite = || {
        step.cem
            .iter()
            .flat_map(|iteration| &iteration.costs)
            .copied()
            .filter(|cost| cost.is_finite())
    };
    // One scale for all iterations, so that the histogram moves and its axis does not.
    let (low, high) = (
        finite().fold(f32::INFINITY, f32::min),
        finite().fold(f32::NEG_INFINITY, f32::max),
    );
    let bad = iteration.costs.iter().filter(|cost| !cost.is_finite()).count();
    let title = if bad == 0 {
        "Histogram of J".to_owned()
    } else {
        format!("Histogram of J · {bad} not finite")
    };
    let name = format!("Histogram of {} costs", iteration.costs.len());
    let tip = "Costs of this iteration's whole population; the line stands at the worst elite. The scale is that of all iterations.";
    let (plot, response) = chart_room(ui, &title, height, 18.0, &name, tip);
    if low > high {
        return;
    }
    let bins = histogram(&iteration.costs, low, high);
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let axes = Axes::new(plot, f64::from(low)..=f64::from(high), 0.0..=most as f64 * 1.05);
    let painter = ui.painter();
    let width = (axes.x[1] - axes.x[0]) / BINS as f64;
    for (index, &count) in bins.iter().enumerate() {
        let from = axes.x[0] + index as f64 * width;
        let goodness = 1.0 - (index as f32 + 0.5) / BINS as f32;
        if count > 0 {
            axes.bar(painter, from..=from + width, count as f64, cost_ramp(goodness));
        }
    }
    axes.frame(painter, p);
    axes.x_labels(painter, p, &chart::ticks(axes.x[0]..=axes.x[1], 4));
    if let Some(&worst) = iteration.elite_costs.last() {
        let x = axes.at_x(f64::from(worst));
        painter.vline(x, plot.y_range(), Stroke::new(1.4, p.strong));
        chart::legend_entry(
            painter,
            p,
            pos2(plot.right() - 74.0, plot.top()),
            p.strong,
            "worst elite",
        );
    }
    let font = FontId::proportional(SMALL - 1.0);
    painter.text(
        pos2(plot.left() - 5.0, plot.top()),
        Align2::RIGHT_CENTER,
        most.to_string(),
        font,
        p.weak,
    );
    if let Some(at) = response.hover_pos().filter(|at| plot.contains(*at)) {
        let index = ((axes.x_of(at.x) - axes.x[0]) / width).clamp(0.0, BINS as f64 - 1.0) as usize;
        let from = axes.x[0] + index as f64 * width;
        let range = format!("{} to {}", numbers::sig3(from), numbers::sig3(from + width));
        response.on_hover_text_at_pointer(format!("{} candidates with J from {range}", bins[index]));
    }
}

fn histogram(costs: &[f32], low: f32, high: f32) -> [usize; BINS] {
    let mut bins = [0; BINS];
    let extent = (high - low).max(1e-9);
    for &cost in costs.iter().filter(|cost| cost.is_finite()) {
        let share = ((cost - low) / extent).clamp(0.0, 1.0);
        bins[((share * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    bins
}

/// One chip an elite, best first; hovering nothing, clicking selects its path in the camera.
fn elites_ui(ui: &mut Ui, state: &mut ViewState, iteration: &CemIteration) {
    let p = Palette::of(ui);
    let count = iteration.elites.len();
    ui.add_space(6.0);
    ui.label(
        RichText::new(format!("Elites · {count}"))
            .size(SMALL)
            .family(semibold())
            .color(p.text),
    )
    .on_hover_text(
        "The top ⌈ρP⌉ candidates, best first (Algorithm 2, line 24). Click one to see its path in the camera.",
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(3.0, 3.0);
        for index in 0..count.min(64) {
            let goodness = 1.0 - index as f32 / count.max(2) as f32;
            let (rect, response) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::click());
            let selected = state.selection.elite == Some(index);
            let cost = iteration
                .elite_costs
                .get(index)
                .map_or(f64::NAN, |&cost| f64::from(cost));
            let name = format!("Elite {}, J {}", index + 1, numbers::sig3(cost));
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
        let bins = histogram(&iteration.costs, 0.25, 0.5);
        assert_eq!((bins[0], bins[BINS - 1], bins.iter().sum::<usize>()), (1, 1, 2));
    }
}

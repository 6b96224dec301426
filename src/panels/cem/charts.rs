//! The charts of one plan: cost by iteration, the distribution of actions, and the histogram of costs.

use egui::{Align2, Color32, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::super::pane::Pane;
use super::super::shell::Shell;
use super::super::state::ViewState;
use super::super::tables::{Table, plot_menu};
use super::{Costs, costs};
use crate::recording::{CemIteration, CostScale, StepRecord};
use crate::ui::chart::{self, Axes};
use crate::ui::color::cost_ramp;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, numbers};

/// Room for the labels left of a chart.
const LABELS: f32 = 40.0;
/// From the top of a chart up to the middle of its title.
pub(in crate::panels) const TITLE: f32 = 15.0;
const BINS: usize = 28;
/// The dimensions of an action, with their units.
pub(super) const ACTION: [(&str, &str); 3] = [
    ("dx", "Move to the right, share of a step's reach, −1 to 1"),
    ("dy", "Move away, share of a step's reach, −1 to 1"),
    ("grip", "Suction: on above 0, off below, −1 to 1"),
];

/// What both ways to draw the actions offer.
pub(super) const ACTION_TABLES: [Table; 2] = [Table::Actions { visible: false }, Table::Actions { visible: true }];

/// A chart with its title; returns the plot's rectangle.
pub(in crate::panels) fn chart_room(
    ui: &mut Ui,
    title: &str,
    height: f32,
    below: f32,
    name: &str,
    tip: &str,
) -> (Rect, egui::Response) {
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

pub(super) fn costs_ui(ui: &mut Ui, state: &mut ViewState, step: &StepRecord, index: usize, height: f32) {
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
        "J of the best candidate, the elites and the whole population, lower is better (−J is the reward of Algorithm 2, line 22; elites: line 24). Click an iteration to see it.",
    );
    let tables = [false, true].map(|visible| Table::Costs { visible });
    plot_menu(&response, &mut state.shell, Pane::Cem, &tables);
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
        ("mean", |costs| costs.mean, p.weak, 1.3),
        ("elite", |costs| costs.elite, p.text, 1.5),
        ("best", |costs| costs.best, best, 2.2),
    ];
    // The legend stands in the row of the title, where no curve can pass under it.
    let mut at = pos2(plot.right() - 150.0, plot.top() - TITLE);
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

/// With the actions of the selected elite, if there is one.
pub(super) fn actions_ui(ui: &mut Ui, shell: &mut Shell, iteration: &CemIteration, elite: Option<usize>, height: f32) {
    let p = Palette::of(ui);
    let horizon = iteration.mean.len();
    let name = format!("Actions over {horizon} steps, mean and standard deviation");
    let tip = "The action distribution after the refit: mean μ with a band of one σ, H x D_a (Algorithm 2, line 25). The first action's mean is executed.";
    let (plot, response) = chart_room(ui, "Actions  μ ± σ", height, 18.0, &name, tip);
    plot_menu(&response, shell, Pane::Cem, &ACTION_TABLES);
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
        if let Some(elite) = elite.and_then(|index| iteration.elites.get(index)) {
            let actions = elite.iter().enumerate();
            let actions = actions.map(|(h, action)| [h as f64, f64::from(action[dimension]).clamp(-1.15, 1.15)]);
            axes.line(painter, &actions.collect::<Vec<_>>(), Stroke::new(1.2, p.strong), false);
        }
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
        response.on_hover_text_at_pointer(action_tip(iteration, dimension, h));
    }
}

/// One number of the distribution, in words.
pub(super) fn action_tip(iteration: &CemIteration, dimension: usize, h: usize) -> String {
    let (word, unit) = ACTION[dimension];
    let value = |rows: &[[f32; 3]]| rows.get(h).map_or(f64::NAN, |row| f64::from(row[dimension]));
    format!(
        "{word} at h = {h}: μ {}, σ {}\n{unit}",
        numbers::fixed(value(&iteration.mean), 3),
        numbers::fixed(value(&iteration.sigma), 3),
    )
}

/// With the cost of the selected elite, if there is one.
pub(super) fn histogram_ui(
    ui: &mut Ui,
    shell: &mut Shell,
    step: &StepRecord,
    iteration: &CemIteration,
    elite: Option<usize>,
    height: f32,
) {
    let p = Palette::of(ui);
    let bad = iteration.costs.iter().filter(|cost| !cost.is_finite()).count();
    let title = if bad == 0 {
        "Histogram of J".to_owned()
    } else {
        format!("Histogram of J · {bad} not finite")
    };
    let name = format!("Histogram of {} costs", iteration.costs.len());
    let tip = "Costs J of this iteration's whole population (Algorithm 2, line 22); the line stands at the worst elite (line 24). The scale is that of all iterations.";
    let (plot, response) = chart_room(ui, &title, height, 18.0, &name, tip);
    let tables = [false, true].map(|visible| Table::Candidates { visible });
    plot_menu(&response, shell, Pane::Cem, &tables);
    // One scale for all iterations, so that the histogram moves and its axis does not.
    let Some(CostScale { low, high }) = CostScale::of_populations(step) else {
        return;
    };
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
    if let Some(&cost) = elite.and_then(|index| iteration.elite_costs.get(index)) {
        let x = axes.at_x(f64::from(cost));
        painter.vline(x, plot.y_range(), Stroke::new(1.4, p.accent));
    }
    if let Some(&worst) = iteration.elite_costs.last() {
        let x = axes.at_x(f64::from(worst));
        painter.vline(x, plot.y_range(), Stroke::new(1.4, p.strong));
        chart::legend_entry(
            painter,
            p,
            pos2(plot.right() - 78.0, plot.top() - TITLE),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_finite_and_holds_both_ends() {
        let bins = histogram(&[0.5, f32::NAN, 0.25, f32::INFINITY], 0.25, 0.5);
        assert_eq!((bins[0], bins[BINS - 1], bins.iter().sum::<usize>()), (1, 1, 2));
    }
}

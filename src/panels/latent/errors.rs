//! Two charts by steps ahead: the open-loop error beside persistence, and how much the imagined future minds its actions.

use egui::{Color32, Response, RichText, Stroke, Ui, pos2};

use super::super::cem::{TITLE, chart_room};
use crate::eval::latent::{OpenLoop, Part, Sensitivity};
use crate::ui::chart::{self, Axes};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers, widgets};

pub(super) const PARTS: [(Part, &str, &str); 3] = [
    (
        Part::Tokens,
        "Tokens",
        "Mean squared error of a number of a patch token, |ŝ_t+h − s_t+h|² / (N D); ŝ as in Algorithm 2, line 20",
    ),
    (
        Part::Content,
        "Content",
        "Squared distance of the scene content in the comparison space: 1 is its variance over the training data",
    ),
    (
        Part::Gripper,
        "Gripper",
        "Distance of the gripper's places that are read out of the imagined and of the real latent, metres",
    ),
];

/// A quantity by steps ahead.
struct Curve<'a> {
    name: &'static str,
    values: &'a [f64],
    color: Color32,
    dashed: bool,
}

pub(super) fn open_loop_ui(ui: &mut Ui, part: Part, step: usize, found: &OpenLoop) -> Response {
    let p = Palette::of(ui);
    let (errors, known) = (found.errors(part), found.known());
    let word = PARTS[part as usize].1.to_lowercase();
    let unit = if part == Part::Gripper { " m" } else { "" };
    let share = |h: usize| {
        let base = *errors.persistence.get(h)?;
        (base > 0.0).then_some(errors.imagined.get(h)? / base)
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        for h in [0, known - 1].into_iter().take(known) {
            let value = numbers::sig3(share(h).unwrap_or(f64::NAN));
            let tip = format!(
                "Error {} steps ahead over that of persistence (nothing changes): {}{unit} over {}{unit}. Under 1, imagining \
                 is better than standing still",
                h + 1,
                numbers::sig3(errors.imagined[h]),
                numbers::sig3(errors.persistence[h]),
            );
            widgets::value(ui, &format!("+{} over persistence", h + 1), &value, 5, &tip);
        }
    });
    let first = numbers::sig3(share(0).unwrap_or(f64::NAN));
    let name = format!("Open-loop error of {word} at step {step}, {known} steps ahead; {first} of persistence at +1");
    let title = format!("Error of {word}{}", if unit.is_empty() { "" } else { ", m" });
    let curves = [
        Curve {
            name: "nothing changes",
            values: &errors.persistence,
            color: p.weak,
            dashed: true,
        },
        Curve {
            name: "imagined",
            values: &errors.imagined,
            color: p.accent,
            dashed: false,
        },
    ];
    let tip = "By steps ahead h: the state imagined from this step under the executed actions against the frame that came, \
               and this step's own state in its place";
    let response = curves_ui(ui, &title, &name, tip, found.horizon, &curves);
    if known < found.horizon {
        let text = format!("{known} of {} steps have followed so far.", found.horizon);
        ui.label(RichText::new(text).size(SMALL).color(p.weak));
    }
    response
}

pub(super) fn sensitivity_ui(ui: &mut Ui, step: usize, found: &Sensitivity) -> Response {
    let p = Palette::of(ui);
    let ratio = numbers::sig3(found.ratio().unwrap_or(f64::NAN));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        let tip = "Distance of the end states under shuffled actions from that under the true ones, over the distance by \
                   which the true actions move the state. Near 0 the model hardly minds what is done; 1 and more is sound";
        widgets::value(ui, "shuffled over moved", &ratio, 5, tip);
        let tip = "Distance of the end state if the gripper stands still and keeps its grip from that under the true actions";
        let still = numbers::sig3(found.still.last().copied().unwrap_or(f64::NAN));
        widgets::value(ui, "still", &still, 5, tip);
    });
    let horizon = found.moved.len();
    let name = format!("Sensitivity to actions at step {step}, {horizon} steps ahead; shuffled over moved {ratio}");
    let tip = "Distances in the comparison space by steps ahead h, between states that the predictor imagines from this step. \
               Bars: between the future under the true actions and those under shuffled ones (of other steps of this episode, \
               mean of several draws) and under none (the gripper stands still). Line: how far the true actions move the state";
    let height = (ui.available_height() - 60.0).clamp(110.0, 260.0);
    let (plot, response) = chart_room(ui, "Distance of the imagined futures", height, 18.0, &name, tip);
    let shuffled = found.shuffled.as_deref().unwrap_or(&[]);
    let all = [&found.moved, &found.still, shuffled];
    let top = highest(all);
    let axes = Axes::new(plot, 0.4..=horizon as f64 + 0.6, 0.0..=top);
    let painter = ui.painter();
    axes.y_grid(painter, p, &chart::ticks(0.0..=top, 4));
    let kinds = [("shuffled", shuffled, p.accent), ("still", &found.still[..], p.weak)];
    for (kind, (_, values, color)) in kinds.iter().enumerate() {
        for (h, &value) in values.iter().enumerate() {
            let from = (h + 1) as f64 - 0.32 + 0.32 * kind as f64;
            axes.bar(painter, from..=from + 0.32, value, *color);
        }
    }
    axes.line(painter, &points(&found.moved), Stroke::new(1.6, p.text), false);
    axes.frame(painter, p);
    axes.x_labels(painter, p, &chart::integer_ticks(1.0..=horizon as f64, 10));
    let mut at = pos2(plot.right() - 165.0, plot.top() - TITLE);
    for (word, color) in [("shuffled", p.accent), ("still", p.weak), ("moved", p.text)] {
        at.x += chart::legend_entry(painter, p, at, color, word);
    }
    if let Some(at) = response.hover_pos().filter(|at| plot.contains(*at)) {
        let h = (axes.x_of(at.x).round().max(1.0) as usize).min(horizon) - 1;
        let value = |values: &[f64]| numbers::sig3(values.get(h).copied().unwrap_or(f64::NAN));
        response.clone().on_hover_text_at_pointer(format!(
            "h = {}\nshuffled {}\nstill {}\nmoved {}",
            h + 1,
            value(shuffled),
            value(&found.still),
            value(&found.moved)
        ));
    }
    let text = match (found.executed, found.shuffled.is_some()) {
        (_, false) => "No other step of the episode has an action to shuffle in yet.".to_owned(),
        (executed, _) if executed < horizon => {
            format!("{executed} of {horizon} actions were executed, the others are those that were planned.")
        }
        _ => return response,
    };
    ui.label(RichText::new(text).size(SMALL).color(p.weak));
    response
}

fn points(values: &[f64]) -> Vec<[f64; 2]> {
    let ahead = values.iter().enumerate();
    ahead.map(|(h, &value)| [(h + 1) as f64, value]).collect()
}

/// The top of an axis that begins at zero.
fn highest<'a>(all: impl IntoIterator<Item = &'a [f64]>) -> f64 {
    let values = all.into_iter().flatten().copied().filter(|value| value.is_finite());
    values.fold(0.0, f64::max).max(1e-9) * 1.08
}

fn curves_ui(ui: &mut Ui, title: &str, name: &str, tip: &str, horizon: usize, curves: &[Curve<'_>]) -> Response {
    let p = Palette::of(ui);
    let height = (ui.available_height() - 60.0).clamp(110.0, 260.0);
    let (plot, response) = chart_room(ui, title, height, 18.0, name, tip);
    let top = highest(curves.iter().map(|curve| curve.values));
    let axes = Axes::new(plot, 0.8..=horizon as f64 + 0.2, 0.0..=top);
    let painter = ui.painter();
    axes.y_grid(painter, p, &chart::ticks(0.0..=top, 4));
    axes.frame(painter, p);
    axes.x_labels(painter, p, &chart::integer_ticks(1.0..=horizon as f64, 10));
    let mut at = pos2(plot.right() - 190.0, plot.top() - TITLE);
    for curve in curves {
        let points = points(curve.values);
        axes.line(painter, &points, Stroke::new(1.8, curve.color), curve.dashed);
        for point in &points {
            painter.circle_filled(axes.at(point[0], point[1]), 2.6, curve.color);
        }
        at.x += chart::legend_entry(painter, p, at, curve.color, curve.name);
    }
    if let Some(at) = response.hover_pos().filter(|at| plot.contains(*at)) {
        let h = (axes.x_of(at.x).round().max(1.0) as usize).min(horizon);
        let line = |curve: &Curve<'_>| {
            let value = curve.values.get(h - 1);
            let value = value.map_or_else(|| "not yet".to_owned(), |&value| numbers::sig3(value));
            format!("\n{} {value}", curve.name)
        };
        let lines: String = curves.iter().map(line).collect();
        response.clone().on_hover_text_at_pointer(format!("h = {h}{lines}"));
    }
    response
}

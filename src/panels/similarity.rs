//! Similarity to every sub-goal's goal over time, on the time axis of the timeline, with the threshold and what the
//! chosen plan predicts.

use egui::{Align2, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::frozen::frozen_ui;
use super::pane::Pane;
use super::playback::loop_band_ui;
use super::state::{View, ViewState};
use super::tables::{Table, plot_menu};
use super::timeline::{LEFT, RIGHT, navigate, time_range};
use crate::ui::chart::{self, Axes};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers};

/// The title strip has room for its note from this width on, points.
const NOTE: f32 = 320.0;

pub fn similarity_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Similarity to the goals", |ui| {
        frozen_ui(ui, "Similarity", state, view);
        if ui.available_width() < NOTE {
            return;
        }
        ui.label(RichText::new("sim(s, g_k), 0 to 1 · dashed: predicted by the chosen plan").size(SMALL).color(p.weak))
            .on_hover_text("Similarity of the frame's latent to each latent goal (Algorithm 2 line 11). A sub-goal is declared reached above delta_goal.");
    });
    let (area, response) = ui.allocate_exact_size(ui.available_size().max(vec2(80.0, 40.0)), Sense::click_and_drag());
    let rect = Rect::from_min_max(
        pos2(area.left() + LEFT, area.top() + 10.0),
        pos2(area.right() - RIGHT, area.bottom() - 20.0),
    );
    let [from, to] = time_range(state, view);
    let axes = Axes::new(rect, from..=to, value_range(view));
    navigate(ui, &response, &axes, state, view);
    let tables = [false, true].map(|visible| Table::Similarity { visible });
    plot_menu(&response, &mut state.shell, Pane::Similarity, &tables);
    let steps = &view.recording.steps;
    response.widget_info(|| {
        let curves = view.recording.sub_goals.len();
        let drawn = state.pins.iter().filter(|pin| pin.drawn);
        let with: String = drawn.map(|pin| format!(", with {}", pin.letter)).collect();
        WidgetInfo::labeled(
            Role::Image,
            true,
            format!(
                "Similarity curves of {curves} sub-goals over {} steps{with}",
                steps.len()
            ),
        )
    });
    let painter = ui.painter();
    axes.y_grid(
        painter,
        p,
        &chart::ticks(axes.y[0]..=axes.y[1], (rect.height() / 24.0).clamp(2.0, 5.0) as usize),
    );
    axes.x_labels(
        painter,
        p,
        &chart::integer_ticks(from.max(0.0)..=to, (rect.width() / 60.0) as usize),
    );
    painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, p.edge));
    if steps.is_empty() {
        let text = "How close each step comes to each sub-goal's goal.";
        painter.text(
            rect.center(),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(SMALL),
            p.weak,
        );
        return;
    }
    loop_band_ui(ui, &axes, response.id, state);
    thresholds(ui, p, &axes, view);
    let clipped = painter.with_clip_rect(rect.expand(2.0));
    let chosen = view.shown_sub_goal(state);
    let order = (0..view.recording.sub_goals.len())
        .filter(|&index| Some(index) != chosen)
        .chain(chosen);
    pinned(&clipped, p, &axes, state, view);
    let mut ends: Vec<(usize, f32, f64)> = Vec::new();
    for index in order {
        let points: Vec<[f64; 2]> = steps
            .iter()
            .map(|step| {
                [
                    step.step as f64,
                    similarity(&step.similarities, index).unwrap_or(f64::NAN),
                ]
            })
            .collect();
        let color = p.sub_goal(index);
        let strong = chosen == Some(index);
        let stroke = Stroke::new(
            if strong { 2.2 } else { 1.3 },
            if strong { color } else { color.gamma_multiply(0.75) },
        );
        axes.line(&clipped, &points, stroke, false);
        if let Some(last) = points.iter().rev().find(|point| point[1].is_finite() && point[0] <= to) {
            ends.push((index, axes.at_y(last[1]).clamp(rect.top(), rect.bottom()), last[1]));
        }
    }
    predicted(&clipped, p, &axes, state, view);
    end_labels(painter, p, rect, ends, chosen);
    playhead(ui, p, &axes, &response, state, view);
}

/// The curves of pinned episodes, thin and each dashed in its own way, with its letter at their ends: while their sub-goal
/// was pursued, or all along for the one that is selected. A sub-goal of the same text has the same colour.
fn pinned(painter: &egui::Painter, p: &Palette, axes: &Axes, state: &ViewState, view: &View<'_>) {
    let texts: Vec<&str> = view.recording.sub_goals.iter().map(|own| own.text.as_str()).collect();
    for (place, pin) in state.pins.iter().enumerate().filter(|(_, pin)| pin.drawn) {
        let dash = [2.0, 6.0, 10.0, 4.0][place % 4];
        for (index, sub_goal) in pin.recording.sub_goals.iter().enumerate() {
            let same = texts.iter().position(|text| *text == sub_goal.text);
            let whole = same.is_some() && same == state.selection.sub_goal;
            let span = match (sub_goal.start_step, whole) {
                (_, true) => 0..=usize::MAX,
                (Some(start), false) => start..=sub_goal.end_step.unwrap_or(usize::MAX),
                (None, false) => continue,
            };
            let steps = pin.recording.steps.iter().filter(|step| span.contains(&step.step));
            let points = steps.filter_map(|step| {
                let value = similarity(&step.similarities, index)?;
                value.is_finite().then(|| axes.at(step.step as f64, value))
            });
            let path: Vec<egui::Pos2> = points.collect();
            let color = p.sub_goal(same.unwrap_or(index)).gamma_multiply(0.85);
            painter.extend(egui::Shape::dashed_line(&path, Stroke::new(1.0, color), dash, 3.0));
            if let Some(end) = path.last() {
                let font = FontId::new(SMALL - 0.5, semibold());
                let at = *end + vec2(3.0, 0.0);
                painter.text(at, Align2::LEFT_BOTTOM, pin.letter, font, color);
            }
        }
    }
}

fn similarity(similarities: &[Option<f32>], index: usize) -> Option<f64> {
    similarities.get(index).copied().flatten().map(f64::from)
}

/// 0 to 1, and as far below as plain cosines go.
fn value_range(view: &View<'_>) -> std::ops::RangeInclusive<f64> {
    let lowest = view
        .recording
        .steps
        .iter()
        .flat_map(|step| &step.similarities)
        .flatten()
        .copied();
    let lowest = f64::from(lowest.filter(|value| value.is_finite()).fold(0.0f32, f32::min));
    (lowest * 1.05)..=1.0
}

/// `delta_goal` over time: a line for each value that it had.
fn thresholds(ui: &Ui, p: &Palette, axes: &Axes, view: &View<'_>) {
    let values = view.recording.delta_goals();
    let ends = values[1..].iter().map(|&(step, _)| axes.at_x(step as f64));
    let mut left = axes.rect.left();
    for (&(_, value), right) in values.iter().zip(ends.chain([axes.rect.right()])) {
        let right = right.clamp(left, axes.rect.right());
        if right > left {
            threshold(ui, p, axes, value, [left, right]);
        }
        left = right;
    }
}

fn threshold(ui: &Ui, p: &Palette, axes: &Axes, delta_goal: f64, [left, right]: [f32; 2]) {
    let y = axes.at_y(delta_goal);
    let path = [pos2(left, y), pos2(right, y)];
    ui.painter()
        .extend(egui::Shape::dashed_line(&path, Stroke::new(1.0, p.text), 2.0, 3.0));
    let text = format!("δ {}", numbers::fixed(delta_goal, 2));
    let font = FontId::new(SMALL - 0.5, semibold());
    ui.painter()
        .text(pos2(left + 4.0, y - 2.0), Align2::LEFT_BOTTOM, text, font, p.text);
}

/// The chosen plan's imagined similarity to every goal, from the shown step on: strong to the one that it was made for.
fn predicted(painter: &egui::Painter, p: &Palette, axes: &Axes, state: &ViewState, view: &View<'_>) {
    let Some(step) = view.shown(state) else {
        return;
    };
    for index in 0..view.recording.sub_goals.len() {
        let here = similarity(&step.similarities, index).map(|value| [step.step as f64, value]);
        let ahead = step.predicted(index).iter().enumerate();
        let ahead = ahead.map(|(h, &value)| [(step.step + h + 1) as f64, f64::from(value)]);
        let points: Vec<[f64; 2]> = here.into_iter().chain(ahead).collect();
        if points.len() > 1 {
            let color = p.sub_goal(index);
            let stroke = if step.sub_goal == Some(index) {
                Stroke::new(1.6, color)
            } else {
                Stroke::new(1.1, color.gamma_multiply(0.75))
            };
            axes.line(painter, &points, stroke, true);
        }
    }
}

/// Each curve's number and newest value at its right, moved apart where they would lie on each other.
fn end_labels(
    painter: &egui::Painter,
    p: &Palette,
    rect: Rect,
    mut ends: Vec<(usize, f32, f64)>,
    chosen: Option<usize>,
) {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let height = 13.0;
    let mut floor = rect.top() - height;
    for end in &mut ends {
        end.1 = end.1.max(floor + height);
        floor = end.1;
    }
    let overflow = (floor - rect.bottom()).max(0.0);
    for (index, y, value) in ends {
        let value = numbers::fixed(value, 3);
        let family = if chosen == Some(index) {
            semibold()
        } else {
            egui::FontFamily::Proportional
        };
        let at = pos2(rect.right() + 8.0, y - overflow);
        painter.text(
            at,
            Align2::LEFT_CENTER,
            format!("{}  {value}", index + 1),
            FontId::new(SMALL, family),
            p.sub_goal(index),
        );
    }
}

fn playhead(ui: &Ui, p: &Palette, axes: &Axes, response: &egui::Response, state: &ViewState, view: &View<'_>) {
    let painter = ui.painter();
    let rect = axes.rect;
    if let Some(step) = view.shown(state) {
        let x = axes.at_x(step.step as f64);
        if rect.x_range().expand(1.0).contains(x) {
            painter.vline(x, rect.top() - 10.0..=rect.bottom(), Stroke::new(1.2, p.accent));
        }
        if let Some(index) = view.shown_sub_goal(state)
            && let Some(value) = similarity(&step.similarities, index)
        {
            painter.circle(
                pos2(x, axes.at_y(value)),
                3.5,
                p.sub_goal(index),
                Stroke::new(1.5, p.panel),
            );
        }
    }
    let Some(at) = response.hover_pos().filter(|at| rect.contains(*at)) else {
        return;
    };
    let under = axes.x_of(at.x).round();
    if under < 0.0 || under > view.last_step() as f64 {
        return;
    }
    painter.vline(axes.at_x(under), rect.y_range(), Stroke::new(1.0, p.edge));
    let Some(step) = view.step_at(under as usize) else {
        return;
    };
    response.clone().on_hover_ui_at_pointer(|ui| {
        ui.label(RichText::new(format!("Step {}", step.step)).family(semibold()));
        for (index, sub_goal) in view.recording.sub_goals.iter().enumerate() {
            if let Some(value) = similarity(&step.similarities, index) {
                let text = format!("{}  {}  {}", index + 1, numbers::fixed(value, 3), sub_goal.text);
                ui.label(RichText::new(text).color(p.sub_goal(index)));
            }
        }
    });
}

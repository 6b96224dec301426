//! The curves of the runs that are watched, laid over one another: groups of charts over one x axis, the raw line thin with
//! its lowest and highest values, a smoothed line over it, and a mark wherever a value was no number.

use std::collections::BTreeSet;
use std::path::Path;

use egui::{
    CollapsingHeader, FontId, Frame, Id, Margin, PopupAnchor, Rangef, RichText, Role, ScrollArea, Slider, Stroke,
    Tooltip, Ui, WidgetInfo, vec2,
};
use egui_plot::{
    AxisHints, FilledArea, GridInput, GridMark, Line, MarkerShape, Plot, PlotPoints, PlotResponse, PlotUi, Points,
};

use super::group::{Group, explained};
use super::menu::{self, ChartAct, InSight, chart_menu};
use super::runs::name_of;
use super::state::TrainingForm;
use crate::engine::{Run, RunMetrics, Series, Stretch};
use crate::panels::state::{View, ViewState};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, chart, faces, numbers, widgets};

/// Steps of the longest smoothing.
const SMOOTHEST: f64 = 10_000.0;

/// A run that is drawn, and the number of its colour.
type Drawn<'a> = (&'a Path, &'a Run, usize);

/// How all charts are drawn.
#[derive(Clone, Copy)]
struct Style {
    by_time: bool,
    logarithmic: bool,
    smoothing: f64,
}

impl Style {
    fn scale(self, value: f64) -> f64 {
        if self.logarithmic {
            value.max(1e-12).log10()
        } else {
            value
        }
    }

    fn unscale(self, value: f64) -> f64 {
        if self.logarithmic { 10f64.powf(value) } else { value }
    }

    /// Where a step of a run lies on the x axis; none where the run does not know its time.
    fn x(self, run: &Run, step: f64) -> Option<f64> {
        if self.by_time { run.secs_at(step) } else { Some(step) }
    }

    fn step(self, run: &Run, x: f64) -> Option<f64> {
        if self.by_time { run.step_at(x) } else { Some(x) }
    }

    fn x_text(self, x: f64) -> String {
        if self.by_time {
            numbers::duration(std::time::Duration::try_from_secs_f64(x.max(0.0)).unwrap_or_default())
        } else {
            numbers::grouped(x as i64)
        }
    }
}

pub fn charts_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let mut acts = Vec::new();
    groups_ui(ui, &mut state.training, view.metrics, &mut acts);
    menu::perform(state, acts);
}

fn groups_ui(ui: &mut Ui, form: &mut TrainingForm, metrics: &RunMetrics, acts: &mut Vec<ChartAct>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Metrics", |ui| header_ui(ui, form));
    let drawn = form.drawn(metrics);
    let names: BTreeSet<&String> = drawn
        .iter()
        .flat_map(|(_, run, _)| run.series.keys().chain(run.not_finite.keys()))
        .collect();
    if names.is_empty() {
        let advice = if metrics.watched.is_empty() {
            "Start a run, or check one in the list."
        } else if drawn.is_empty() {
            "Every run that is watched is hidden."
        } else {
            "Nothing was written yet."
        };
        faces::empty_ui(
            ui,
            "The loss and every other number of a run, as they are written.",
            advice,
        );
        return;
    }
    let scroll = ScrollArea::vertical().id_salt("charts").auto_shrink(false);
    scroll.show(ui, |ui| {
        let margin = Margin {
            left: 10,
            right: 18,
            top: 4,
            bottom: 8,
        };
        Frame::NONE.inner_margin(margin).show(ui, |ui| {
            for group in Group::ALL {
                let of_group: Vec<&String> = names.iter().copied().filter(|name| Group::of(name) == group).collect();
                if !of_group.is_empty() {
                    group_ui(ui, form, group, &of_group, &drawn, acts);
                }
            }
        });
    });
}

fn header_ui(ui: &mut Ui, form: &mut TrainingForm) {
    let p = Palette::of(ui);
    let toggle = widgets::toggle(ui, form.log_scale, "Log y", "Log scale of the losses");
    let tip = "Losses and gradients on a logarithmic axis; what has values at or below 0 stays as it is";
    if toggle.on_hover_text(tip).clicked() {
        form.log_scale = !form.log_scale;
    }
    let time = widgets::toggle(ui, form.by_time, "Time", "Time on the x axis");
    if time
        .on_hover_text("Seconds that were spent in steps, without rests and pauses")
        .clicked()
    {
        form.by_time = true;
    }
    let step = widgets::toggle(ui, !form.by_time, "Step", "Steps on the x axis");
    if step.on_hover_text("Optimiser steps").clicked() {
        form.by_time = false;
    }
    let slider = Slider::new(&mut form.smoothing, 0.0..=SMOOTHEST)
        .logarithmic(true)
        .smallest_positive(1.0)
        .max_decimals(0)
        .suffix(" steps");
    let tip = "Time constant w of the thick line: a mean with weights exp(-(t - s) / w) over the steps s before t. The \
               values themselves stay as a thin line with their lowest and highest.";
    ui.add(slider).on_hover_text(tip).accessible_name("Smoothing");
    ui.label(RichText::new("Smoothing").size(SMALL).color(p.weak));
}

/// The loss wide, everything else in two columns.
fn group_ui(
    ui: &mut Ui,
    form: &TrainingForm,
    group: Group,
    names: &[&String],
    drawn: &[Drawn<'_>],
    acts: &mut Vec<ChartAct>,
) {
    let style = |name: &str| {
        let chosen = form.logarithmic.get(name).copied();
        Style {
            by_time: form.by_time,
            logarithmic: chosen.unwrap_or(form.log_scale && group.is_logarithmic()),
            smoothing: form.smoothing,
        }
    };
    let header = CollapsingHeader::new(RichText::new(group.title()).family(semibold()));
    header
        .id_salt(("group", group.title()))
        .default_open(true)
        .show_unindented(ui, |ui| {
            let mut names = names.to_vec();
            names.sort_by_key(|name| (name.as_str() != "loss", name.as_str()));
            let (wide, rest) = names.split_at(usize::from(names[0] == "loss"));
            for name in wide {
                chart_ui(ui, name, drawn, style(name), 280.0, acts);
            }
            for pair in rest.chunks(2) {
                ui.columns(2, |columns| {
                    for (column, name) in columns.iter_mut().zip(pair) {
                        chart_ui(column, name, drawn, style(name), 140.0, acts);
                    }
                });
            }
        });
}

fn chart_ui(ui: &mut Ui, name: &str, drawn: &[Drawn<'_>], mut style: Style, height: f32, acts: &mut Vec<ChartAct>) {
    let p = Palette::of(ui);
    let known: Vec<Drawn<'_>> = drawn
        .iter()
        .copied()
        .filter(|(_, run, _)| run.series.contains_key(name) || run.not_finite.contains_key(name))
        .collect();
    // No logarithm of what is not above 0.
    let whole = |(_, run, _): &Drawn<'_>| {
        run.series
            .get(name)
            .map(|series| series.decimated(f64::MIN..=f64::MAX, 8))
    };
    let lowest = known.iter().filter_map(whole).flatten().map(|stretch| stretch.y[0]);
    style.logarithmic &= lowest.fold(f64::INFINITY, f64::min) > 0.0;
    ui.add_space(6.0);
    title_ui(ui, name, &known);

    let font = FontId::proportional(SMALL - 1.0);
    let x_axis = AxisHints::new_x().formatter(move |mark, _| style.x_text(mark.value));
    let y_axis = AxisHints::new_y().min_thickness(48.0);
    let y_axis = y_axis.formatter(move |mark, _| numbers::sig3(style.unscale(mark.value)));
    // Steps and seconds have nothing in common that a zoom could keep.
    let axis = Id::unique(("training-x", style.by_time));
    let plot = Plot::new(Id::unique(("metric", name, style.by_time, style.logarithmic)))
        .height(height)
        .show_background(false)
        .grid_color(p.line)
        .grid_spacing(Rangef::new(28.0, 120.0))
        .cursor_color(p.edge)
        .custom_x_axes(vec![x_axis.tick_label_color(p.weak).tick_label_font(font.clone())])
        .custom_y_axes(vec![y_axis.tick_label_color(p.weak).tick_label_font(font)])
        .set_margin_fraction(vec2(0.015, 0.08))
        .link_axis(axis, [true, false])
        .link_cursor(axis, [true, false])
        .allow_scroll(false)
        .allow_zoom([true, false])
        .label_formatter(|_| None)
        .x_grid_spacer(|input| round_marks(input, 7));
    let rows = (height / 44.0) as usize;
    let plot = if style.logarithmic {
        plot.y_grid_spacer(log_marks)
    } else {
        plot.y_grid_spacer(move |input| round_marks(input, rows))
    };
    // Two points for each place where a stretch may be drawn: more than the eye tells apart.
    let most = (ui.available_width() * 0.5).max(64.0) as usize;
    let shown = plot.show(ui, |plot| {
        for (path, run, color) in &known {
            curve(plot, p, name, (path, run, *color), style, most);
        }
    });
    let count = known.len();
    let runs = if count == 1 { "run" } else { "runs" };
    let label = format!("Chart of {name}, {count} {runs}");
    shown
        .response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, label.clone()));
    let bounds = shown.transform.bounds();
    let in_sight = known.iter().map(|(path, run, _)| {
        let step = |x| style.step(run, x).unwrap_or(x);
        (*path, *run, step(bounds.min()[0])..=step(bounds.max()[0]))
    });
    let in_sight: Vec<InSight<'_>> = in_sight.collect();
    chart_menu(
        &shown.response,
        name,
        (style.logarithmic, style.smoothing),
        &in_sight,
        acts,
    );
    if !shown.response.context_menu_opened() {
        values_ui(ui, &shown, name, &known, style);
    }
}

/// The chart's name, each run's newest value, and where one was no number.
fn title_ui(ui: &mut Ui, name: &str, known: &[Drawn<'_>]) {
    /// Values that have room beside the name.
    const VALUES: usize = 4;
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        let title = ui.label(RichText::new(name).size(SMALL).family(semibold()).color(p.text));
        title.on_hover_text(explained(name));
        let last = |run: &Run| run.series.get(name).and_then(Series::last);
        for (_, run, color) in known.iter().take(VALUES) {
            if let Some([step, value]) = last(run) {
                let text = match known.len() {
                    1 => format!("{} at step {}", numbers::sig3(value), numbers::grouped(step as i64)),
                    _ => numbers::sig3(value),
                };
                let color = if known.len() == 1 { p.weak } else { p.sub_goal(*color) };
                ui.label(RichText::new(text).size(SMALL).color(color));
            }
        }
        for (path, run, _) in known {
            let Some(marks) = run.not_finite.get(name).filter(|marks| !marks.is_empty()) else {
                continue;
            };
            let times = if marks.len() == 1 { "once" } else { "several times" };
            let text = format!(
                "{}: not a number {times}, first at step {}",
                name_of(path),
                numbers::grouped(marks[0] as i64)
            );
            ui.label(RichText::new(text).size(SMALL).color(p.bad));
        }
    });
}

/// One run's curve in a chart.
fn curve(plot: &mut PlotUi<'_>, p: &Palette, name: &str, (path, run, color): Drawn<'_>, style: Style, most: usize) {
    let color = p.sub_goal(color);
    // Before the first layout the plot has no bounds: then all of the curve is wanted.
    let bounds = plot.plot_bounds();
    let ends = (style.step(run, bounds.min()[0]), style.step(run, bounds.max()[0]));
    let range = match ends {
        (Some(from), Some(to)) if !plot.auto_bounds().x => from..=to,
        _ => f64::MIN..=f64::MAX,
    };
    let title = format!("{name} of {}", name_of(path));
    if let Some(series) = run.series.get(name) {
        // The smoothed line at the left edge is made of what lies before it.
        let from = range.start() - 5.0 * style.smoothing;
        let stretches = series.decimated(from..=*range.end(), most);
        let at = |stretch: &Stretch| style.x(run, middle(stretch));
        let first = stretches
            .partition_point(|stretch| stretch.x[1] < *range.start())
            .saturating_sub(1);
        let seen: Vec<(f64, &Stretch)> = stretches[first..]
            .iter()
            .filter_map(|stretch| Some((at(stretch)?, stretch)))
            .collect();
        if seen.iter().any(|(_, stretch)| stretch.y[0] < stretch.y[1]) {
            let xs: Vec<f64> = seen.iter().map(|(x, _)| *x).collect();
            let low: Vec<f64> = seen.iter().map(|(_, stretch)| style.scale(stretch.y[0])).collect();
            let high: Vec<f64> = seen.iter().map(|(_, stretch)| style.scale(stretch.y[1])).collect();
            let area = FilledArea::new(format!("{title}, lowest to highest"), &xs, &low, &high);
            plot.add(area.fill_color(color.gamma_multiply(0.2)).allow_hover(false));
        }
        let mean: PlotPoints<'_> = seen
            .iter()
            .map(|(x, stretch)| [*x, style.scale(stretch.mean)])
            .collect();
        let raw = if style.smoothing > 0.0 {
            Stroke::new(0.8, color.gamma_multiply(0.45))
        } else {
            Stroke::new(1.4, color)
        };
        plot.line(Line::new(title.clone(), mean).stroke(raw).allow_hover(false));
        if style.smoothing > 0.0 {
            let smooth = smoothed(&stretches, style.smoothing);
            let smooth: PlotPoints<'_> = smooth[first..]
                .iter()
                .filter_map(|[step, value]| Some([style.x(run, *step)?, style.scale(*value)]))
                .collect();
            let line = Line::new(format!("{title}, smoothed"), smooth);
            plot.line(line.stroke(Stroke::new(1.8, color)).allow_hover(false));
        }
    }
    let marks = run.not_finite.get(name).map_or(&[][..], Vec::as_slice);
    let marks = apart(marks, &range, most);
    if !marks.is_empty() {
        let beside = |step: f64| run.series.get(name).and_then(|series| series.nearest(step));
        let points: PlotPoints<'_> = marks
            .into_iter()
            .filter_map(|step| {
                Some([
                    style.x(run, step)?,
                    style.scale(beside(step).map_or(1.0, |point| point[1])),
                ])
            })
            .collect();
        let points = Points::new(format!("{title}, not a number"), points)
            .shape(MarkerShape::Cross)
            .radius(5.0)
            .color(p.bad);
        plot.points(points.allow_hover(false));
    }
}

fn middle(stretch: &Stretch) -> f64 {
    0.5 * (stretch.x[0] + stretch.x[1])
}

/// Steps within a range, so far apart that at most about `most` are left.
fn apart(steps: &[f64], range: &std::ops::RangeInclusive<f64>, most: usize) -> Vec<f64> {
    let from = steps.partition_point(|step| step < range.start());
    let to = steps.partition_point(|step| step <= range.end());
    let within = &steps[from.min(to)..to];
    let (Some(first), Some(last)) = (within.first(), within.last()) else {
        return Vec::new();
    };
    let gap = (last - first) / most.max(1) as f64;
    let mut kept: Vec<f64> = Vec::new();
    for &step in within {
        if kept.last().is_none_or(|before| step - before >= gap) {
            kept.push(step);
        }
    }
    kept
}

/// Steps and means with weights `exp(-(t - s) / constant)` over what lies at or before t: the same whether a stretch is one
/// point or a thousand.
fn smoothed(stretches: &[Stretch], constant: f64) -> Vec<[f64; 2]> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let mut before: Option<f64> = None;
    let mut line = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let step = middle(stretch);
        let passed = before.map_or(1.0, |before| step - before);
        let left = (-passed / constant).exp();
        sum = sum * left + stretch.mean * (1.0 - left);
        weight = weight * left + (1.0 - left);
        before = Some(step);
        line.push([step, sum / weight]);
    }
    line
}

/// What every run has at the pointer.
fn values_ui(ui: &Ui, shown: &PlotResponse<()>, name: &str, known: &[Drawn<'_>], style: Style) {
    let Some(pointer) = shown.response.hover_pos() else {
        return;
    };
    let p = Palette::of(ui);
    let x = shown.transform.value_from_position(pointer).x;
    let tooltip = Tooltip::always_open(
        ui.ctx().clone(),
        ui.layer_id(),
        shown.response.id.with("values"),
        PopupAnchor::Pointer,
    );
    tooltip.gap(14.0).show(|ui| {
        let at = if style.by_time {
            style.x_text(x)
        } else {
            format!("step {}", style.x_text(x.round()))
        };
        ui.label(RichText::new(format!("{name} at {at}")).size(SMALL).color(p.weak));
        for (path, run, color) in known {
            let value = style.step(run, x).and_then(|step| run.series.get(name)?.nearest(step));
            if let Some([step, value]) = value {
                ui.horizontal(|ui| {
                    let (swatch, _) = ui.allocate_exact_size(vec2(9.0, 9.0), egui::Sense::hover());
                    ui.painter().rect_filled(swatch, 2.0, p.sub_goal(*color));
                    let step = numbers::grouped(step as i64);
                    ui.label(format!("{}  {}  (step {step})", name_of(path), numbers::sig3(value)));
                });
            }
        }
    });
}

/// Round values, all with a label.
fn round_marks(input: GridInput, most: usize) -> Vec<GridMark> {
    let marks = chart::ticks(input.bounds.0..=input.bounds.1, most);
    let step_size = input.bounds.1 - input.bounds.0;
    marks
        .into_iter()
        .map(|(value, _)| GridMark { value, step_size })
        .collect()
}

/// 1, 2 and 5 of each decade, on an axis that holds log10.
fn log_marks(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    if !(low.is_finite() && high.is_finite()) || high - low > 40.0 {
        return Vec::new();
    }
    let decades = low.floor() as i32..=high.ceil() as i32;
    let marks = decades.flat_map(|decade| {
        [(1.0f64, 1.0), (2.0, 0.3), (5.0, 0.3)].map(|(digit, step_size)| (decade, digit, step_size))
    });
    let marks = marks.map(|(decade, digit, step_size)| GridMark {
        value: f64::from(decade) + digit.log10(),
        step_size,
    });
    marks.filter(|mark| (low..=high).contains(&mark.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_line_is_the_same_over_points_and_over_stretches() {
        let mut series = Series::default();
        for step in 0..40_000u32 {
            let noise = if step % 2 == 0 { 0.5 } else { -0.5 };
            series.push(f64::from(step), 3.0 - f64::from(step) * 5e-5 + noise);
        }
        let fine = smoothed(&series.decimated(f64::MIN..=f64::MAX, 40_000), 800.0);
        let coarse = smoothed(&series.decimated(f64::MIN..=f64::MAX, 700), 800.0);
        assert!(coarse.len() < 900 && fine.len() == 40_000);
        for [step, value] in coarse.iter().skip(40) {
            let other = fine[*step as usize][1];
            assert!((value - other).abs() < 0.01, "{value} and {other} at {step}");
        }
        // A constant stays what it is from the first point on.
        let flat: Vec<Stretch> = series
            .decimated(0.0..=100.0, 200)
            .into_iter()
            .map(|stretch| Stretch { mean: 2.0, ..stretch })
            .collect();
        assert!(smoothed(&flat, 1e4).iter().all(|[_, value]| (value - 2.0).abs() < 1e-9));
    }

    #[test]
    fn marks_are_thinned_and_none_is_lost_among_few() {
        let few = [3.0, 500.0, 501.0];
        assert_eq!(apart(&few, &(0.0..=1e4), 600), few);
        assert_eq!(apart(&few, &(100.0..=500.0), 600), [500.0]);
        let all: Vec<f64> = (0..100_000).map(f64::from).collect();
        let kept = apart(&all, &(f64::MIN..=f64::MAX), 200);
        assert!((150..=202).contains(&kept.len()), "{}", kept.len());
        assert!(apart(&[], &(0.0..=1.0), 10).is_empty());
    }
}

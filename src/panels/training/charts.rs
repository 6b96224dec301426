//! The curves of the runs that are watched, laid over one another: groups of charts over one x axis, the raw line thin with
//! its lowest and highest values, a smoothed line over it, and a mark wherever a value was no number.

use std::collections::BTreeSet;
use std::time::Duration;

use egui::{
    CollapsingHeader, FontId, Frame, Id, Margin, PopupAnchor, Rangef, Rect, RichText, Role, ScrollArea, Sense, Slider,
    Tooltip, Ui, WidgetInfo, vec2,
};
use egui_plot::{AxisHints, GridInput, GridMark, Plot, PlotResponse};

use super::curve::{Drawn, Style, curve};
use super::group::{Group, explained};
use super::menu::{self, ChartAct, InSight, chart_menu};
use super::state::TrainingForm;
use crate::engine::{Run, RunMetrics, Series, run_name};
use crate::panels::state::{View, ViewState};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, chart, faces, numbers, widgets};

/// Steps of the longest smoothing.
const SMOOTHEST: f64 = 10_000.0;

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
                    let in_sight = group_ui(ui, form, group, &of_group, &drawn, acts);
                    form.in_sight = in_sight.or(form.in_sight);
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
    let toggle = widgets::toggle(ui, form.log_x, "Log x", "Log scale of the x axis");
    let tip = "Steps or seconds on a logarithmic axis, which has no place for what is at or below 0";
    if toggle.on_hover_text(tip).clicked() {
        form.log_x = !form.log_x;
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

/// The loss wide, everything else in two columns. What the x axis shows, if the group is unfolded.
fn group_ui(
    ui: &mut Ui,
    form: &TrainingForm,
    group: Group,
    names: &[&String],
    drawn: &[Drawn<'_>],
    acts: &mut Vec<ChartAct>,
) -> Option<[f64; 2]> {
    let mut in_sight = None;
    let style = |name: &str| {
        let chosen = form.logarithmic.get(name).copied();
        Style {
            by_time: form.by_time,
            log_x: form.log_x,
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
                in_sight = chart_ui(ui, name, drawn, style(name), 280.0, acts).or(in_sight);
            }
            for pair in rest.chunks(2) {
                ui.columns(2, |columns| {
                    for (column, name) in columns.iter_mut().zip(pair) {
                        in_sight = chart_ui(column, name, drawn, style(name), 140.0, acts).or(in_sight);
                    }
                });
            }
        });
    in_sight
}

/// Gives what the x axis shows; nothing where the chart is scrolled out of sight, which is then not drawn.
fn chart_ui(
    ui: &mut Ui,
    name: &str,
    drawn: &[Drawn<'_>],
    mut style: Style,
    height: f32,
    acts: &mut Vec<ChartAct>,
) -> Option<[f64; 2]> {
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
    title_ui(ui, name, &known, style);
    let count = known.len();
    let runs = if count == 1 { "run" } else { "runs" };
    let label = format!("Chart of {name}, {count} {runs}");
    let room = vec2(ui.available_width(), height);
    if !ui.is_rect_visible(Rect::from_min_size(ui.cursor().min, room)) {
        let (_, response) = ui.allocate_exact_size(room, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label.clone()));
        return None;
    }

    let font = FontId::proportional(SMALL - 1.0);
    let x_axis = AxisHints::new_x().formatter(move |mark, _| x_text(style, style.progress_at(mark.value)));
    let y_axis = AxisHints::new_y().min_thickness(48.0);
    let y_axis = y_axis.formatter(move |mark, _| numbers::sig3(style.unscale(mark.value)));
    // Steps and seconds have nothing in common that a zoom could keep.
    let axis = Id::unique(("training-x", style.by_time, style.log_x));
    let plot = Plot::new(Id::unique((
        "metric",
        name,
        style.by_time,
        style.log_x,
        style.logarithmic,
    )))
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
    .label_formatter(|_| None);
    let plot = if style.log_x {
        plot.x_grid_spacer(log_marks)
    } else {
        plot.x_grid_spacer(|input| round_marks(input, 7))
    };
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
    Some([bounds.min()[0], bounds.max()[0]].map(|x| style.progress_at(x)))
}

/// The chart's name, each run's newest value, and where one was no number.
fn title_ui(ui: &mut Ui, name: &str, known: &[Drawn<'_>], style: Style) {
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
        let left_out: usize = known.iter().map(|(_, run, _)| style.left_out(run, name)).sum();
        if left_out > 0 {
            let text = match left_out {
                1 => "1 value at or below zero is not shown".to_owned(),
                more => format!(
                    "{} values at or below zero are not shown",
                    numbers::grouped(more as i64)
                ),
            };
            ui.label(RichText::new(text).size(SMALL).color(p.warn));
        }
        for (path, run, _) in known {
            let Some(marks) = run.not_finite.get(name).filter(|marks| !marks.is_empty()) else {
                continue;
            };
            let times = if marks.len() == 1 { "once" } else { "several times" };
            let text = format!(
                "{}: not a number {times}, first at step {}",
                run_name(path),
                numbers::grouped(marks[0] as i64)
            );
            ui.label(RichText::new(text).size(SMALL).color(p.bad));
        }
    });
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
        let progress = style.progress_at(x);
        let at = if style.by_time {
            x_text(style, progress)
        } else {
            format!("step {}", x_text(style, progress.round()))
        };
        ui.label(RichText::new(format!("{name} at {at}")).size(SMALL).color(p.weak));
        for (path, run, color) in known {
            let value = style.step(run, x).and_then(|step| run.series.get(name)?.nearest(step));
            if let Some([step, value]) = value {
                ui.horizontal(|ui| {
                    let (swatch, _) = ui.allocate_exact_size(vec2(9.0, 9.0), egui::Sense::hover());
                    ui.painter().rect_filled(swatch, 2.0, p.sub_goal(*color));
                    let step = numbers::grouped(step as i64);
                    ui.label(format!("{}  {}  (step {step})", run_name(path), numbers::sig3(value)));
                });
            }
        }
    });
}

/// Steps or seconds in words.
fn x_text(style: Style, progress: f64) -> String {
    if style.by_time {
        numbers::duration(Duration::try_from_secs_f64(progress.max(0.0)).unwrap_or_default())
    } else {
        numbers::grouped(progress as i64)
    }
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

//! Training: start a run, stop it, and watch its numbers grow in `metrics.jsonl`.

use std::path::PathBuf;

use egui::{ComboBox, FontId, Frame, Id, Label, Margin, Rangef, Response, RichText, ScrollArea, Stroke, Ui, vec2};
use egui_plot::{AxisHints, FilledArea, GridInput, GridMark, HoverPosition, Line, Plot, PlotPoints};

use super::files::{PathField, dialog_button_ui};
use super::state::{View, ViewState};
use super::tables::{Table, plot_menu};
use crate::config::PRESETS;
use crate::engine::{Command, JobKind, RunMetrics, Series, Stage, Stretch, TrainingRequest, TrainingState};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, chart, faces, numbers, widgets};

/// Room for the button of a file dialog, points.
const DIALOG: f32 = 42.0;

pub fn training_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, metrics: &RunMetrics) {
    let p = Palette::of(ui);
    let side = egui::Panel::left("training-form")
        .default_size(320.0)
        .size_range(260.0..=460.0)
        .frame(Frame::NONE.fill(p.panel));
    side.show(ui, |ui| {
        faces::panel_ui(ui, "Run", |_| {}, |ui| form_ui(ui, state, view));
        faces::panel_ui(ui, "State", |_| {}, |ui| run_state_ui(ui, state, view, metrics));
    });
    egui::CentralPanel::no_frame()
        .frame(Frame::NONE.fill(p.panel))
        .show(ui, |ui| charts_ui(ui, state, metrics));
}

fn form_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let running = matches!(view.board.training, TrainingState::Running { .. });
    let form = &mut state.training;
    let label = |ui: &mut Ui, text: &str, tip: &str| {
        ui.label(RichText::new(text).size(SMALL).color(p.weak))
            .on_hover_text(tip);
    };
    label(
        ui,
        "Folder",
        "runs/NAME: config, metrics and checkpoints of the run. What is there is resumed.",
    );
    ui.horizontal(|ui| {
        let width = ui.available_width() - DIALOG;
        widgets::field(ui, &mut form.run, width, "runs/first", "Run folder");
        dialog_button_ui(ui, &mut state.shell.dialogs, PathField::Run, &form.run);
    });
    ui.add_space(4.0);
    label(
        ui,
        "Stage",
        "1: world model (Algorithm 1). 1b: predictor on rollouts. vlm: instructions. 2: GPI and LoRA (method 7).",
    );
    let shown = format!("{}  {}", form.stage.name(), form.stage.title());
    let combo = ComboBox::from_id_salt("stage")
        .selected_text(shown)
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for stage in Stage::ALL {
            ui.selectable_value(&mut form.stage, stage, format!("{}  {}", stage.name(), stage.title()));
        }
    });
    combo.response.accessible_name("Stage");
    ui.add_space(4.0);
    label(ui, "Preset", "Shapes and schedules: nano, vit-l or paper");
    let combo = ComboBox::from_id_salt("preset")
        .selected_text(form.preset.clone())
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for preset in PRESETS {
            ui.selectable_value(&mut form.preset, preset.to_owned(), preset);
        }
    });
    combo.response.accessible_name("Preset");
    ui.add_space(4.0);
    label(
        ui,
        "Steps",
        "Optimiser steps of the schedule; empty takes the preset's own number",
    );
    widgets::field(ui, &mut form.steps, f32::INFINITY, "the preset's own", "Steps");
    let in_use = view.board.info.as_ref().and_then(|info| info.checkpoint_folder.clone());
    if form.stage != Stage::One {
        ui.add_space(4.0);
        label(
            ui,
            "From",
            "The checkpoint that this stage goes on from; empty takes the one in use. It is not written to.",
        );
        let hint = in_use
            .as_ref()
            .map_or(String::new(), |folder| folder.display().to_string());
        ui.horizontal(|ui| {
            let width = ui.available_width() - DIALOG;
            widgets::field(ui, &mut form.from, width, &hint, "From checkpoint");
            dialog_button_ui(ui, &mut state.shell.dialogs, PathField::From, &form.from);
        });
    }
    let from = match form.from.trim() {
        "" => in_use,
        named => Some(PathBuf::from(named)),
    };
    let steps = form.steps.trim();
    let parsed: Option<usize> = steps.parse().ok();
    let sound = (steps.is_empty() || parsed.is_some_and(|steps| steps > 0)) && !form.run.trim().is_empty();
    if !steps.is_empty() && parsed.is_none_or(|steps| steps == 0) {
        ui.label(
            RichText::new("A whole number above 0, or nothing")
                .size(SMALL)
                .color(p.bad),
        );
    }
    ui.add_space(8.0);
    let run = PathBuf::from(form.run.trim());
    ui.horizontal(|ui| {
        if running {
            if widgets::primary_button(ui, true, "Stop training")
                .on_hover_text("Stop after this step; the run can go on from its last checkpoint")
                .clicked()
            {
                state.outbox.push(Command::StopTraining);
            }
        } else if widgets::primary_button(ui, sound, "Start training")
            .on_hover_text("Start the run, or go on with it")
            .clicked()
        {
            let request = TrainingRequest {
                stage: form.stage,
                preset: form.preset.clone(),
                run: run.clone(),
                steps: parsed,
                from,
                device: view.board.info.as_ref().map(|info| info.device_choice),
            };
            form.watched = Some(run.clone());
            state
                .outbox
                .extend([Command::StartTraining(request), Command::WatchRun(run.clone())]);
        }
        if ui
            .add_enabled(!run.as_os_str().is_empty(), egui::Button::new("Watch"))
            .on_hover_text("Show the metrics of this folder, whoever writes them")
            .clicked()
        {
            form.watched = Some(run.clone());
            state.outbox.push(Command::WatchRun(run));
        }
    });
}

fn run_state_ui(ui: &mut Ui, state: &ViewState, view: &View<'_>, metrics: &RunMetrics) {
    let p = Palette::of(ui);
    let line = |ui: &mut Ui, text: String, color| {
        ui.add(Label::new(RichText::new(text).color(color)).wrap());
    };
    match &view.board.training {
        TrainingState::Idle => line(ui, "No run was started here.".to_owned(), p.weak),
        TrainingState::Running { title } => line(ui, format!("{title}: running"), p.good),
        TrainingState::Stopped { title } => line(ui, format!("{title}: stopped. Start it again to go on."), p.text),
        TrainingState::Finished { title } => line(ui, format!("{title}: finished"), p.good),
        TrainingState::Failed { title, message } => {
            line(ui, format!("{title}: {message}"), p.bad);
            line(ui, "Its checkpoints and metrics were kept.".to_owned(), p.text);
        }
    }
    let now = std::time::Instant::now();
    if let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Train) {
        widgets::progress_bar(ui, ui.available_width(), job.fraction(), &job.what);
        let mut text = format!("{}: {}", job.what, numbers::grouped(job.done as i64));
        if let Some(total) = job.total {
            text = format!("{text} of {}", numbers::grouped(total as i64));
        }
        if let Some(eta) = job.eta(now) {
            text = format!("{text} · {} left", numbers::duration(eta));
        }
        line(ui, text, p.weak);
    }
    if let Some(watched) = &state.training.watched {
        ui.add_space(4.0);
        line(ui, format!("Watching {}", watched.display()), p.weak);
    }
    if let Some(problem) = &metrics.problem {
        line(ui, problem.clone(), p.bad);
    }
    if metrics.unread_lines > 0 {
        line(ui, format!("{} lines could not be read", metrics.unread_lines), p.warn);
    }
    for (name, count) in &metrics.not_finite {
        line(ui, format!("{name} was not finite {count} times"), p.bad);
    }
}

/// The loss first and wide, everything else in two columns under it.
fn charts_ui(ui: &mut Ui, state: &mut ViewState, metrics: &RunMetrics) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let title = if metrics.run.as_os_str().is_empty() {
        "Metrics".to_owned()
    } else {
        format!("Metrics of {}", metrics.run.display())
    };
    faces::header_ui(ui, &title, |ui| {
        let toggle = widgets::toggle(ui, state.training.log_scale, "Log scale", "Log scale of the loss");
        if toggle.on_hover_text("Loss on a logarithmic axis").clicked() {
            state.training.log_scale = !state.training.log_scale;
        }
    });
    if metrics.series.is_empty() {
        let advice = if metrics.run.as_os_str().is_empty() {
            "Start a run, or watch a folder under runs/."
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
    let log_scale = state.training.log_scale;
    ScrollArea::vertical()
        .id_salt("charts")
        .auto_shrink(false)
        .show(ui, |ui| {
            Frame::NONE
                .inner_margin(Margin {
                    left: 10,
                    right: 18,
                    top: 2,
                    bottom: 8,
                })
                .show(ui, |ui| {
                    let mut names: Vec<&String> = metrics.series.keys().collect();
                    names.sort_by_key(|name| (name.as_str() != "loss", name.as_str()));
                    let (first, rest) =
                        names.split_at(usize::from(names.first().is_some_and(|name| name.as_str() == "loss")));
                    let shell = &mut state.shell;
                    for name in first {
                        let chart = chart_ui(ui, name, &metrics.series[*name], log_scale, 300.0);
                        plot_menu(&chart, shell, None, &[Table::Training]);
                    }
                    for pair in rest.chunks(2) {
                        ui.columns(2, |columns| {
                            for (column, name) in columns.iter_mut().zip(pair) {
                                let chart = chart_ui(column, name, &metrics.series[*name], false, 150.0);
                                plot_menu(&chart, shell, None, &[Table::Training]);
                            }
                        });
                    }
                });
        });
}

fn chart_ui(ui: &mut Ui, name: &str, series: &Series, log_scale: bool, height: f32) -> Response {
    let p = Palette::of(ui);
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.label(RichText::new(name).size(SMALL).family(semibold()).color(p.text));
        if let Some(last) = series.last() {
            let text = format!(
                "{} at step {}",
                numbers::sig3(last[1]),
                numbers::grouped(last[0] as i64)
            );
            ui.label(RichText::new(text).size(SMALL).color(p.weak));
        }
    });
    let scale = move |value: f64| if log_scale { value.max(1e-12).log10() } else { value };
    let unscale = move |value: f64| if log_scale { 10f64.powf(value) } else { value };
    // Two points for each place where a stretch may be drawn: more than the eye tells apart.
    let most = (ui.available_width() * 0.5).max(64.0) as usize;
    let owned = name.to_owned();
    let font = FontId::proportional(SMALL - 1.0);
    let x_axis = AxisHints::new_x().formatter(|mark, _| numbers::grouped(mark.value as i64));
    let y_axis = AxisHints::new_y().min_thickness(48.0);
    let y_axis = y_axis.formatter(move |mark, _| numbers::sig3(unscale(mark.value)));
    let plot = Plot::new(Id::unique(("metric", name)))
        .height(height)
        .show_background(false)
        .grid_color(p.line)
        .grid_spacing(Rangef::new(28.0, 120.0))
        .cursor_color(p.edge)
        .custom_x_axes(vec![x_axis.tick_label_color(p.weak).tick_label_font(font.clone())])
        .custom_y_axes(vec![y_axis.tick_label_color(p.weak).tick_label_font(font)])
        .set_margin_fraction(vec2(0.015, 0.08))
        .link_axis(Id::unique("training-x"), [true, false])
        .allow_scroll(false)
        .allow_zoom([true, false])
        .label_formatter(move |at| {
            let (HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position }) = at;
            let (x, y) = (numbers::grouped(position.x as i64), numbers::sig3(unscale(position.y)));
            Some(format!("{owned} {y}\nstep {x}"))
        });
    let plot = plot.x_grid_spacer(|input| round_marks(input, 7));
    let rows = (height / 44.0) as usize;
    let plot = if log_scale {
        plot.y_grid_spacer(log_marks)
    } else {
        plot.y_grid_spacer(move |input| round_marks(input, rows))
    };
    let shown = plot.show(ui, |plot| {
        // Before the first layout the plot has no bounds: then all of the curve is wanted.
        let bounds = plot.plot_bounds();
        let all = plot.auto_bounds().x;
        let range = if all {
            f64::NEG_INFINITY..=f64::INFINITY
        } else {
            bounds.min()[0]..=bounds.max()[0]
        };
        let stretches = series.decimated(range, most);
        let middle = |stretch: &Stretch| 0.5 * (stretch.x[0] + stretch.x[1]);
        if stretches.iter().any(|stretch| stretch.y[0] < stretch.y[1]) {
            let xs: Vec<f64> = stretches.iter().map(middle).collect();
            let low: Vec<f64> = stretches.iter().map(|stretch| scale(stretch.y[0])).collect();
            let high: Vec<f64> = stretches.iter().map(|stretch| scale(stretch.y[1])).collect();
            let area = FilledArea::new(format!("{name}, lowest to highest"), &xs, &low, &high);
            plot.add(area.fill_color(p.accent.gamma_multiply(0.25)).allow_hover(false));
        }
        let mean: PlotPoints<'_> = stretches
            .iter()
            .map(|stretch| [middle(stretch), scale(stretch.mean)])
            .collect();
        plot.line(Line::new(name.to_owned(), mean).stroke(Stroke::new(1.4, p.accent)));
    });
    shown.response
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

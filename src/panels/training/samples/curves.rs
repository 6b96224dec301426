//! Errors as curves: of the read-out over the run's steps, and of a rollout over the steps that it looks ahead.

use egui::{Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::{line_ui, menu, title_ui};
use crate::engine::Run;
use crate::panels::Shell;
use crate::panels::tables::SamplePlot;
use crate::train::{OpenLoopError, ProbeErrors};
use crate::ui::chart::{self, Axes};
use crate::ui::{Palette, numbers};

const HEIGHT: f32 = 110.0;
const PROBE: &str = "A ridge regression from the target encoder's pooled latent to x and y of the gripper and of the blocks, \
                     fitted on some of the store's last episodes and asked about others; mean |error| per axis, metres. It \
                     reads and never trains: places of blocks reach no loss. Dashed: what knowing the mean alone gives.";
const OPEN_LOOP: &str = "Error of a rollout with the episode's own actions over that of \"nothing changes\", by steps ahead: \
                         |z_t+h predicted - z_t+h|^2 / |z_t - z_t+h|^2. Below 1 (dashed) the predictor knows more than \
                         persistence. Comparison: the same in the space in which planning compares states.";

/// One curve with its word in the legend.
struct Curve<'a> {
    word: &'a str,
    color: egui::Color32,
    points: Vec<[f64; 2]>,
    /// A level that it is measured against.
    level: Option<f64>,
}

pub(super) fn probe_ui(ui: &mut Ui, shell: &mut Shell, probe: &ProbeErrors, run: Option<&Run>, step: usize) {
    let p = Palette::of(ui);
    title_ui(ui, "Read-out", PROBE);
    let centimetres = |metres: f64| format!("{} cm", numbers::sig3(100.0 * metres));
    let text = format!(
        "gripper {} (mean alone {}); blocks {} (mean alone {})",
        centimetres(probe.gripper_m),
        centimetres(probe.gripper_chance_m),
        centimetres(probe.blocks_m),
        centimetres(probe.blocks_chance_m),
    );
    line_ui(ui, text, PROBE);
    let blocks: Vec<String> = probe
        .by_block_m
        .iter()
        .map(|(name, error)| format!("{name} {}", centimetres(*error)))
        .collect();
    line_ui(ui, blocks.join(" · "), PROBE);
    let points = |name: &str| -> Vec<[f64; 2]> {
        let known = run.and_then(|run| run.series.get(name));
        known.map_or_else(Vec::new, |series| {
            let stretches = series.decimated(f64::MIN..=f64::MAX, 400);
            stretches.iter().map(|stretch| [stretch.x[1], stretch.mean]).collect()
        })
    };
    let curves = [
        Curve {
            word: "gripper",
            color: p.accent,
            points: points("probe_gripper_m"),
            level: Some(probe.gripper_chance_m),
        },
        Curve {
            word: "blocks",
            color: p.text,
            points: points("probe_blocks_m"),
            level: Some(probe.blocks_chance_m),
        },
    ];
    if curves.iter().any(|curve| curve.points.len() > 1) {
        let name = "Read-out errors over steps, metres";
        let chart = chart_ui(ui, name, &curves, Some(step as f64), PROBE);
        menu(&chart, shell, SamplePlot::ReadOut);
    }
}

pub(super) fn open_loop_ui(ui: &mut Ui, shell: &mut Shell, errors: &[OpenLoopError]) {
    let p = Palette::of(ui);
    title_ui(ui, "Open-loop error over persistence", OPEN_LOOP);
    let points = |of: fn(&OpenLoopError) -> f64| errors.iter().map(|error| [error.ahead as f64, of(error)]).collect();
    if let (Some(first), Some(last)) = (errors.first(), errors.last()) {
        let text = format!(
            "tokens {} after {} step, {} after {}",
            numbers::sig3(first.tokens),
            first.ahead,
            numbers::sig3(last.tokens),
            last.ahead
        );
        line_ui(ui, text, OPEN_LOOP);
    }
    let curves = [
        Curve {
            word: "tokens",
            color: p.accent,
            points: points(|error| error.tokens),
            level: Some(1.0),
        },
        Curve {
            word: "comparison",
            color: p.text,
            points: points(|error| error.comparison),
            level: None,
        },
    ];
    let chart = chart_ui(ui, "Open-loop error by steps ahead", &curves, None, OPEN_LOOP);
    menu(&chart, shell, SamplePlot::OpenLoop);
}

/// Curves from 0 up, with a line at `marked`.
fn chart_ui(ui: &mut Ui, name: &str, curves: &[Curve<'_>], marked: Option<f64>, tip: &str) -> Response {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let response = response.on_hover_text(tip);
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let plot = Rect::from_min_max(
        pos2(rect.left() + 40.0, rect.top() + 18.0),
        pos2(rect.right() - 8.0, rect.bottom() - 18.0),
    );
    let points = || {
        curves
            .iter()
            .flat_map(|curve| &curve.points)
            .filter(|point| point[1].is_finite())
    };
    let levels = curves.iter().filter_map(|curve| curve.level);
    let highest = points().map(|point| point[1]).chain(levels).fold(0.0, f64::max);
    let (from, to) = (
        points().map(|point| point[0]).fold(f64::INFINITY, f64::min),
        points().map(|point| point[0]).fold(f64::NEG_INFINITY, f64::max),
    );
    if from > to {
        return response;
    }
    let axes = Axes::new(plot, from..=to, 0.0..=highest * 1.08);
    let painter = ui.painter();
    axes.y_grid(painter, p, &chart::ticks(axes.y[0]..=axes.y[1], 3));
    axes.x_labels(painter, p, &chart::integer_ticks(from..=to, 5));
    if let Some(x) = marked.filter(|x| (from..=to).contains(x)) {
        painter.vline(axes.at_x(x), plot.y_range(), Stroke::new(1.0, p.edge));
    }
    let mut legend = pos2(plot.right() - 160.0, rect.top() + 8.0);
    for curve in curves {
        axes.line(painter, &curve.points, Stroke::new(1.6, curve.color), false);
        if let Some(level) = curve.level {
            let across = [[from, level], [to, level]];
            axes.line(
                painter,
                &across,
                Stroke::new(1.0, curve.color.gamma_multiply(0.7)),
                true,
            );
        }
        legend.x += chart::legend_entry(painter, p, legend, curve.color, curve.word);
    }
    response
}

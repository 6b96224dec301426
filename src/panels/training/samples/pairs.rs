//! The matrix of goals and states that InfoNCE works on, as a heat map, and how well the diagonal does.

use egui::{Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::{line_ui, menu, title_ui};
use crate::panels::Shell;
use crate::panels::tables::SamplePlot;
use crate::train::Pairs;
use crate::ui::color::cost_ramp;
use crate::ui::{Palette, numbers};

const TIP: &str = "Cosines of K goals g_k (rows) with the K states in which their sub-goals are achieved, then with the scenes' \
                   start states (columns). InfoNCE raises the diagonal over its row and its column, at temperature tau_c: \
                   L_GPI = -log softmax(cos / tau_c) (method 4.7; method 7, stage 2, step 5). The scenes have numbers that training never draws.";

pub(super) fn pairs_ui(ui: &mut Ui, shell: &mut Shell, pairs: &Pairs) {
    let p = Palette::of(ui);
    let (rows, columns) = (pairs.rows(), pairs.columns);
    title_ui(ui, "Goals and states", TIP);
    let ranks = pairs.ranks();
    let mean = ranks.iter().sum::<usize>() as f64 / rows as f64;
    let text = format!(
        "{} of {rows} goals are nearest to their own state; mean rank {} of {columns}, worst {}",
        ranks.iter().filter(|rank| **rank == 1).count(),
        numbers::sig3(mean),
        ranks.iter().max().unwrap_or(&1),
    );
    line_ui(
        ui,
        text,
        "Rank of the diagonal: place of a goal's own state among all that it is told from, by cosine. 1 is right; equals of \
         the goal do not count.",
    );
    let side = (ui.available_width() / columns as f32).min(18.0);
    let size = vec2(side * columns as f32, side * rows as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let label = format!("Cosines of {rows} goals with {columns} states");
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label.clone()));
    menu(&response, shell, SamplePlot::Pairs);
    if !ui.is_rect_visible(rect) {
        return;
    }
    let finite = || pairs.cosines.iter().copied().filter(|cosine| cosine.is_finite());
    let (low, high) = (
        finite().fold(f32::INFINITY, f32::min),
        finite().fold(f32::NEG_INFINITY, f32::max),
    );
    let cell = |row: usize, column: usize| {
        let at = rect.min + vec2(column as f32, row as f32) * side;
        Rect::from_min_size(at, vec2(side, side))
    };
    let painter = ui.painter();
    for (row, &rank) in ranks.iter().enumerate().take(rows) {
        for column in 0..columns {
            let share = (pairs.cosine(row, column) - low) / (high - low).max(1e-6);
            painter.rect_filled(cell(row, column).shrink(0.5), 0.0, cost_ramp(share));
            if pairs.is_equal(row, column) {
                painter.line_segment(
                    [cell(row, column).left_top(), cell(row, column).right_bottom()],
                    Stroke::new(1.0, p.over),
                );
            }
        }
        let color = if rank == 1 { p.over } else { p.bad };
        painter.rect_stroke(cell(row, row), 0.0, Stroke::new(1.5, color), StrokeKind::Inside);
    }
    let starts = pos2(rect.left() + side * rows as f32, rect.top());
    painter.vline(starts.x, rect.y_range(), Stroke::new(1.5, p.panel));
    let range = format!(
        "Dark {}, bright {}; right of the gap the start states",
        numbers::fixed(f64::from(low), 2),
        numbers::fixed(f64::from(high), 2)
    );
    let tip = match response.hover_pos() {
        Some(pointer) => {
            let at = (pointer - rect.min) / side;
            let (row, column) = ((at.y as usize).min(rows - 1), (at.x as usize).min(columns - 1));
            let state = match pairs.labels.get(column) {
                Some(label) => format!("state of {label}"),
                None => format!("start of scene {}", column - rows + 1),
            };
            format!(
                "Goal {}\n{state}\ncosine {}, rank of the goal's own state {}",
                pairs.labels[row],
                numbers::fixed(f64::from(pairs.cosine(row, column)), 3),
                ranks[row],
            )
        }
        None => TIP.to_owned(),
    };
    response.on_hover_text(tip);
    line_ui(ui, range, TIP);
    ui.add_space(4.0);
    for (label, rank) in pairs.labels.iter().zip(&ranks) {
        line_ui(
            ui,
            format!("{label}, rank {rank}"),
            "The scene's number, the sub-goal, and the rank of its own state",
        );
    }
}

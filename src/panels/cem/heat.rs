//! The distribution of actions as a heat map, H x D_a: colour for the mean, a bar for the standard deviation.

use egui::{Align2, Color32, FontId, Rect, Stroke, Ui, pos2, vec2};

use super::super::pane::Pane;
use super::super::shell::Shell;
use super::super::tables::plot_menu;
use super::charts::{ACTION, ACTION_TABLES, action_tip, chart_room};
use crate::recording::CemIteration;
use crate::ui::chart::{self, Axes};
use crate::ui::color::mix;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

/// A cell this wide has room for its numbers.
const WORDS: f32 = 62.0;
/// Light at -1, the panel's grey at 0, the accent at 1.
fn color(p: &Palette, mean: f32) -> Color32 {
    let end = if mean < 0.0 { p.weak } else { p.accent };
    mix(p.header, end, mean.abs().min(1.0))
}

pub(super) fn heat_map_ui(ui: &mut Ui, shell: &mut Shell, iteration: &CemIteration, height: f32) {
    let p = Palette::of(ui);
    let horizon = iteration.mean.len();
    let name = format!("Heat map of the actions over {horizon} steps, mean and standard deviation");
    let tip = "The action distribution after the refit, H x D_a (Algorithm 2, line 25): a cell's colour is its mean μ, light \
               at −1, the panel's grey at 0, blue at 1; the bar in it one standard deviation σ, the whole cell wide at 1. The first column is executed.";
    let (plot, response) = chart_room(ui, "Actions  μ, σ", height, 18.0, &name, tip);
    plot_menu(&response, shell, Pane::Cem, &ACTION_TABLES);
    if horizon == 0 {
        return;
    }
    let cell = vec2(plot.width() / horizon as f32, plot.height() / ACTION.len() as f32);
    let painter = ui.painter();
    for (dimension, (word, _)) in ACTION.iter().enumerate() {
        let top = plot.top() + dimension as f32 * cell.y;
        let font = FontId::proportional(SMALL);
        let label = pos2(plot.left() - 8.0, top + 0.5 * cell.y);
        painter.text(label, Align2::RIGHT_CENTER, word, font, p.text);
        for (h, (mean, sigma)) in iteration.mean.iter().zip(&iteration.sigma).enumerate() {
            let (mean, sigma) = (mean[dimension], sigma[dimension]);
            let rect = Rect::from_min_size(pos2(plot.left() + h as f32 * cell.x, top), cell).shrink(1.0);
            let ground = color(p, mean);
            painter.rect_filled(rect, 2.0, ground);
            let ink = p.readable_on(ground);
            let length = sigma.clamp(0.0, 1.0) * rect.width();
            let y = rect.bottom() - 4.0;
            let middle = rect.center().x;
            painter.hline(middle - 0.5 * length..=middle + 0.5 * length, y, Stroke::new(2.0, ink));
            if cell.x > WORDS {
                let text = format!(
                    "{} ± {}",
                    numbers::fixed(mean.into(), 2),
                    numbers::fixed(sigma.into(), 2)
                );
                let at = pos2(middle, rect.center().y - 3.0);
                painter.text(at, Align2::CENTER_CENTER, text, FontId::proportional(SMALL - 1.0), ink);
            }
        }
    }
    let axes = Axes::new(plot, -0.5..=horizon as f64 - 0.5, 0.0..=1.0);
    axes.x_labels(painter, p, &chart::integer_ticks(0.0..=horizon as f64 - 1.0, 10));
    if let Some(at) = response.hover_pos().filter(|at| plot.contains(*at)) {
        let dimension = (((at.y - plot.top()) / cell.y) as usize).min(ACTION.len() - 1);
        let h = (((at.x - plot.left()) / cell.x) as usize).min(horizon - 1);
        response.on_hover_text_at_pointer(action_tip(iteration, dimension, h));
    }
}

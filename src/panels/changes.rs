//! Settings that were turned while the episode ran, on the time axis.

use egui::{Painter, Stroke, pos2, vec2};

use super::state::View;
use crate::recording::SettingChange;
use crate::ui::Palette;
use crate::ui::chart::Axes;

/// A small diamond at each step at which a setting was turned.
pub(super) fn marks(painter: &Painter, p: &Palette, axes: &Axes, y: f32, view: &View<'_>) {
    let mut last = None;
    for change in &view.recording.changes {
        if last.replace(change.step) == Some(change.step) {
            continue;
        }
        let at = pos2(axes.at_x(change.step as f64), y);
        let diamond = [vec2(0.0, -5.0), vec2(5.0, 0.0), vec2(0.0, 5.0), vec2(-5.0, 0.0)];
        let corners = diamond.iter().map(|&corner| at + corner).collect();
        painter.add(egui::Shape::convex_polygon(
            corners,
            p.accent,
            Stroke::new(1.0, p.panel),
        ));
    }
}

/// What was turned at a step, a line each; empty where nothing was.
pub(super) fn text_at(step: usize, view: &View<'_>) -> String {
    let at_step = view.recording.changes.iter().filter(|change| change.step == step);
    at_step.map(|change| format!("\n{}", describe(change))).collect()
}

fn describe(change: &SettingChange) -> String {
    let field = change.field.trim_start_matches("plan.").trim_start_matches("cem.");
    format!("Setting turned: {field} {} → {}", change.from, change.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_field_and_both_values() {
        let change = SettingChange {
            step: 3,
            field: "plan.cem.population".to_owned(),
            from: 48.into(),
            to: 96.into(),
        };
        assert_eq!(describe(&change), "Setting turned: population 48 → 96");
    }
}

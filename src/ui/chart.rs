//! Axes for small, dense charts that the painter draws: an even scale with round ticks, and the curves in it.

use std::ops::RangeInclusive;

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::Palette;
use super::theme::SMALL;

/// A rectangle with a scale on either side.
#[derive(Clone, Copy, Debug)]
pub struct Axes {
    pub rect: Rect,
    pub x: [f64; 2],
    pub y: [f64; 2],
}

impl Axes {
    pub fn new(rect: Rect, x: RangeInclusive<f64>, y: RangeInclusive<f64>) -> Self {
        let wide = |low: f64, high: f64| {
            if high - low > 1e-12 {
                [low, high]
            } else {
                [low - 0.5, high + 0.5]
            }
        };
        Self {
            rect,
            x: wide(*x.start(), *x.end()),
            y: wide(*y.start(), *y.end()),
        }
    }

    pub fn at_x(&self, x: f64) -> f32 {
        self.rect.left() + self.rect.width() * ((x - self.x[0]) / (self.x[1] - self.x[0])) as f32
    }

    pub fn at_y(&self, y: f64) -> f32 {
        self.rect.bottom() - self.rect.height() * ((y - self.y[0]) / (self.y[1] - self.y[0])) as f32
    }

    pub fn at(&self, x: f64, y: f64) -> Pos2 {
        pos2(self.at_x(x), self.at_y(y))
    }

    pub fn x_of(&self, screen: f32) -> f64 {
        self.x[0] + (self.x[1] - self.x[0]) * f64::from((screen - self.rect.left()) / self.rect.width())
    }

    /// Horizontal lines at these values with their labels on the left.
    pub fn y_grid(&self, painter: &Painter, p: &Palette, ticks: &[(f64, String)]) {
        for (value, label) in ticks {
            let y = self.at_y(*value);
            painter.hline(self.rect.x_range(), y, Stroke::new(1.0, p.line));
            let font = FontId::proportional(SMALL - 1.0);
            painter.text(
                pos2(self.rect.left() - 5.0, y),
                Align2::RIGHT_CENTER,
                label,
                font,
                p.weak,
            );
        }
    }

    /// Labels under the chart at these values, with a small tick.
    pub fn x_labels(&self, painter: &Painter, p: &Palette, ticks: &[(f64, String)]) {
        for (value, label) in ticks {
            let x = self.at_x(*value);
            painter.vline(
                x,
                self.rect.bottom()..=self.rect.bottom() + 3.0,
                Stroke::new(1.0, p.edge),
            );
            let font = FontId::proportional(SMALL - 1.0);
            painter.text(
                pos2(x, self.rect.bottom() + 4.0),
                Align2::CENTER_TOP,
                label,
                font,
                p.weak,
            );
        }
    }

    pub fn frame(&self, painter: &Painter, p: &Palette) {
        painter.hline(self.rect.x_range(), self.rect.bottom(), Stroke::new(1.0, p.edge));
        painter.vline(self.rect.left(), self.rect.y_range(), Stroke::new(1.0, p.edge));
    }

    /// A curve; points that are not finite leave a gap.
    pub fn line(&self, painter: &Painter, points: &[[f64; 2]], stroke: Stroke, dashed: bool) {
        for run in points.split(|point| !point[0].is_finite() || !point[1].is_finite()) {
            let path: Vec<Pos2> = run.iter().map(|point| self.at(point[0], point[1])).collect();
            match path.len() {
                0 => {}
                1 => {
                    painter.circle_filled(path[0], stroke.width, stroke.color);
                }
                _ if dashed => painter.extend(Shape::dashed_line(&path, stroke, 5.0, 4.0)),
                _ => {
                    painter.add(Shape::line(path, stroke));
                }
            }
        }
    }

    /// The band between two curves over the same x.
    pub fn band(&self, painter: &Painter, low: &[[f64; 2]], high: &[[f64; 2]], color: Color32) {
        let mut mesh = egui::Mesh::default();
        for (a, b) in low.iter().zip(high) {
            let index = mesh.vertices.len() as u32;
            mesh.colored_vertex(self.at(a[0], a[1]), color);
            mesh.colored_vertex(self.at(b[0], b[1]), color);
            if index > 0 {
                mesh.add_triangle(index - 2, index - 1, index);
                mesh.add_triangle(index - 1, index, index + 1);
            }
        }
        painter.add(Shape::mesh(mesh));
    }

    /// A vertical bar from the bottom of the chart.
    pub fn bar(&self, painter: &Painter, x: RangeInclusive<f64>, y: f64, color: Color32) {
        let rect = Rect::from_min_max(
            pos2(self.at_x(*x.start()) + 0.5, self.at_y(y)),
            pos2(self.at_x(*x.end()) - 0.5, self.rect.bottom()),
        );
        painter.rect_filled(rect, 0.0, color);
    }
}

/// Whole numbers over a range, at most about `most` of them, in steps of 1, 2 or 5 times a power of ten.
pub fn integer_ticks(range: RangeInclusive<f64>, most: usize) -> Vec<(f64, String)> {
    let step = round_step((range.end() - range.start()) / most.max(1) as f64).max(1.0);
    ticks_at(range, step, |value| super::numbers::grouped(value.round() as i64))
}

/// Round values over a range, at most about `most` of them; two at least, because one alone tells no scale.
pub fn ticks(range: RangeInclusive<f64>, most: usize) -> Vec<(f64, String)> {
    let at = |step: f64| {
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        ticks_at(range.clone(), step, |value| super::numbers::fixed(value, decimals))
    };
    let step = round_step((range.end() - range.start()) / most.max(1) as f64);
    let found = at(step);
    if found.len() < 2 {
        at(round_step(step * 0.4))
    } else {
        found
    }
}

fn ticks_at(range: RangeInclusive<f64>, step: f64, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    if !(step.is_finite() && step > 0.0 && range.start().is_finite() && range.end().is_finite()) {
        return Vec::new();
    }
    let first = (range.start() / step).ceil() as i64;
    let last = (range.end() / step + 1e-9).floor() as i64;
    (first..=last)
        .take(100)
        .map(|i| (i as f64 * step, label(i as f64 * step)))
        .collect()
}

fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(1e-12).log10().floor());
    let share = rough / power;
    power
        * if share <= 1.0 {
            1.0
        } else if share <= 2.0 {
            2.0
        } else if share <= 5.0 {
            5.0
        } else {
            10.0
        }
}

/// A line of a legend: a stroke of colour and its word. Returns the room it took.
pub fn legend_entry(painter: &Painter, p: &Palette, at: Pos2, color: Color32, text: &str) -> f32 {
    painter.line_segment([at, at + vec2(12.0, 0.0)], Stroke::new(2.0, color));
    let font = FontId::proportional(SMALL - 0.5);
    let rect = painter.text(at + vec2(16.0, 0.0), Align2::LEFT_CENTER, text, font, p.weak);
    rect.right() - at.x + 12.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |ticks: Vec<(f64, String)>| ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ");
        assert_eq!(labels(ticks(0.0..=1.0, 5)), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(ticks(-0.031..=0.012, 4)), "−0.02 0.00");
        assert_eq!(labels(integer_ticks(0.0..=3.0, 10)), "0 1 2 3");
        assert_eq!(labels(integer_ticks(0.0..=100.0, 6)), "0 20 40 60 80 100");
        assert_eq!(labels(ticks(0.55..=1.95, 2)), "1.0 1.5");
        assert!(ticks(0.0..=f64::NAN, 5).is_empty());
    }

    #[test]
    fn a_scale_without_extent_still_has_room() {
        let axes = Axes::new(
            Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 50.0)),
            3.0..=3.0,
            1.0..=1.0,
        );
        assert_eq!(axes.at(3.0, 1.0), pos2(50.0, 25.0));
        assert!((axes.x_of(axes.at_x(3.2)) - 3.2).abs() < 1e-6);
    }
}

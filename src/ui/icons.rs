//! Icons drawn by the painter: crisp at every size, in the colour of the text beside them, and independent of fonts.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, Vec2, pos2, vec2};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Play,
    Pause,
    StepForward,
    StepBack,
    First,
    Last,
    NextSubGoal,
    Stop,
    Reset,
    Check,
    Cross,
    Warning,
    Clock,
    Live,
    Sun,
    Moon,
    Export,
    Folder,
    Panes,
    Pencil,
    Plus,
    Up,
    Down,
    Undo,
    Redo,
    Pin,
    Branch,
    /// What something is dragged by.
    Grip,
    Repeat,
}

/// Draws an icon into the largest square in the middle of `rect`.
pub fn paint(painter: &Painter, rect: Rect, icon: Icon, color: Color32) {
    let side = rect.width().min(rect.height());
    let square = Rect::from_center_size(rect.center(), Vec2::splat(side));
    // Icons are designed on a square from 0 to 16.
    let at = |x: f32, y: f32| square.min + vec2(x, y) * (side / 16.0);
    let stroke = Stroke::new((side / 16.0 * 1.6).max(1.2), color);
    let line = |points: &[Pos2]| painter.add(Shape::line(points.to_vec(), stroke));
    let fill = |points: Vec<Pos2>| painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
    let bar = |x0: f32, y0: f32, x1: f32, y1: f32| {
        painter.rect_filled(Rect::from_min_max(at(x0, y0), at(x1, y1)), 0.5, color)
    };
    let arc = |from: f32, to: f32, radius: f32| {
        let points: Vec<Pos2> = (0..=24)
            .map(|i| {
                let angle = (from + (to - from) * i as f32 / 24.0).to_radians();
                at(8.0 + radius * angle.cos(), 8.0 + radius * angle.sin())
            })
            .collect();
        painter.add(Shape::line(points, stroke));
    };
    match icon {
        Icon::Play => {
            fill(vec![at(4.0, 2.5), at(13.5, 8.0), at(4.0, 13.5)]);
        }
        Icon::Pause => {
            bar(3.5, 3.0, 6.5, 13.0);
            bar(9.5, 3.0, 12.5, 13.0);
        }
        Icon::StepForward => {
            bar(3.0, 3.5, 5.0, 12.5);
            fill(vec![at(6.5, 3.0), at(13.5, 8.0), at(6.5, 13.0)]);
        }
        Icon::StepBack => {
            bar(11.0, 3.5, 13.0, 12.5);
            fill(vec![at(9.5, 3.0), at(2.5, 8.0), at(9.5, 13.0)]);
        }
        Icon::First => {
            bar(2.5, 3.5, 4.0, 12.5);
            fill(vec![at(9.0, 3.5), at(4.2, 8.0), at(9.0, 12.5)]);
            fill(vec![at(14.0, 3.5), at(9.2, 8.0), at(14.0, 12.5)]);
        }
        Icon::Last => {
            bar(12.0, 3.5, 13.5, 12.5);
            fill(vec![at(7.0, 3.5), at(11.8, 8.0), at(7.0, 12.5)]);
            fill(vec![at(2.0, 3.5), at(6.8, 8.0), at(2.0, 12.5)]);
        }
        Icon::NextSubGoal => {
            fill(vec![at(2.5, 3.5), at(8.0, 8.0), at(2.5, 12.5)]);
            painter.circle_stroke(at(11.5, 8.0), 2.6 * side / 16.0, stroke);
        }
        Icon::Stop => {
            bar(3.5, 3.5, 12.5, 12.5);
        }
        Icon::Reset => {
            arc(-40.0, 250.0, 5.2);
            fill(vec![at(9.2, 5.6), at(14.4, 6.0), at(12.6, 1.6)]);
        }
        Icon::Check => {
            line(&[at(3.0, 8.5), at(6.5, 12.0), at(13.0, 4.5)]);
        }
        Icon::Cross => {
            line(&[at(4.0, 4.0), at(12.0, 12.0)]);
            line(&[at(12.0, 4.0), at(4.0, 12.0)]);
        }
        Icon::Warning => {
            painter.add(Shape::closed_line(
                vec![at(8.0, 2.5), at(14.5, 13.5), at(1.5, 13.5)],
                stroke,
            ));
            line(&[at(8.0, 6.5), at(8.0, 9.8)]);
            painter.circle_filled(at(8.0, 11.6), 0.9 * side / 16.0, color);
        }
        Icon::Clock => {
            painter.circle_stroke(at(8.0, 8.0), 5.8 * side / 16.0, stroke);
            line(&[at(8.0, 4.8), at(8.0, 8.2), at(10.4, 9.6)]);
        }
        Icon::Live => {
            painter.circle_filled(at(8.0, 8.0), 2.4 * side / 16.0, color);
            arc(-50.0, 50.0, 5.6);
            arc(130.0, 230.0, 5.6);
        }
        Icon::Sun => {
            painter.circle_stroke(at(8.0, 8.0), 3.0 * side / 16.0, stroke);
            for i in 0..8 {
                let (sin, cos) = (i as f32 * std::f32::consts::FRAC_PI_4).sin_cos();
                line(&[
                    at(8.0 + 5.0 * cos, 8.0 + 5.0 * sin),
                    at(8.0 + 6.8 * cos, 8.0 + 6.8 * sin),
                ]);
            }
        }
        Icon::Moon => {
            // A disc without the part that a second disc covers: its outer edge, then back along the inner one.
            let arcs = [(7.5, 8.5, 5.8, 12.2, 257.8), (10.5, 5.5, 5.0, 212.3, 57.7)];
            let points = arcs.into_iter().flat_map(|(x, y, radius, from, to)| {
                (0..=20).map(move |i| {
                    let angle: f32 = f32::to_radians(from + (to - from) * i as f32 / 20.0);
                    (x + radius * angle.cos(), y + radius * angle.sin())
                })
            });
            let points: Vec<Pos2> = points.map(|(x, y)| at(x, y)).collect();
            painter.add(Shape::closed_line(points, stroke));
        }
        Icon::Export => {
            line(&[at(8.0, 2.5), at(8.0, 10.0)]);
            line(&[at(4.8, 7.0), at(8.0, 10.2), at(11.2, 7.0)]);
            line(&[at(2.8, 10.5), at(2.8, 13.2), at(13.2, 13.2), at(13.2, 10.5)]);
        }
        Icon::Panes => {
            painter.add(Shape::closed_line(
                vec![at(2.0, 3.0), at(14.0, 3.0), at(14.0, 13.0), at(2.0, 13.0)],
                stroke,
            ));
            line(&[at(6.5, 3.0), at(6.5, 13.0)]);
            line(&[at(6.5, 8.5), at(14.0, 8.5)]);
        }
        Icon::Pencil => {
            let outline = [(3.0, 13.0), (3.8, 9.6), (10.6, 2.8), (13.2, 5.4), (6.4, 12.2)];
            painter.add(Shape::closed_line(
                outline.iter().map(|&(x, y)| at(x, y)).collect(),
                stroke,
            ));
        }
        Icon::Plus => {
            line(&[at(8.0, 3.0), at(8.0, 13.0)]);
            line(&[at(3.0, 8.0), at(13.0, 8.0)]);
        }
        Icon::Up => {
            line(&[at(3.5, 10.0), at(8.0, 5.5), at(12.5, 10.0)]);
        }
        Icon::Down => {
            line(&[at(3.5, 6.0), at(8.0, 10.5), at(12.5, 6.0)]);
        }
        Icon::Undo | Icon::Redo => {
            let x = |x: f32| if icon == Icon::Undo { x } else { 16.0 - x };
            line(&[at(x(5.8), 2.8), at(x(2.8), 6.0), at(x(5.8), 9.2)]);
            let hook = [
                (2.8, 6.0),
                (9.8, 6.0),
                (12.2, 7.2),
                (13.0, 9.6),
                (12.2, 12.0),
                (9.8, 13.0),
                (6.0, 13.0),
            ];
            line(&hook.map(|(left, y)| at(x(left), y)));
        }
        Icon::Pin => {
            line(&[at(5.0, 2.5), at(11.0, 2.5)]);
            line(&[
                at(6.2, 2.5),
                at(6.2, 7.0),
                at(3.8, 9.6),
                at(12.2, 9.6),
                at(9.8, 7.0),
                at(9.8, 2.5),
            ]);
            line(&[at(8.0, 9.6), at(8.0, 14.0)]);
        }
        Icon::Branch => {
            line(&[at(4.5, 3.0), at(4.5, 13.0)]);
            line(&[at(4.5, 10.0), at(8.0, 9.0), at(11.5, 7.4), at(11.5, 5.0)]);
            for (x, y) in [(4.5, 3.0), (4.5, 13.0), (11.5, 4.0)] {
                painter.circle_filled(at(x, y), 1.8 * side / 16.0, color);
            }
        }
        Icon::Grip => {
            for (x, y) in [
                (6.0, 4.0),
                (10.0, 4.0),
                (6.0, 8.0),
                (10.0, 8.0),
                (6.0, 12.0),
                (10.0, 12.0),
            ] {
                painter.circle_filled(at(x, y), 1.3 * side / 16.0, color);
            }
        }
        Icon::Repeat => {
            line(&[at(2.5, 8.0), at(2.5, 5.0), at(12.0, 5.0)]);
            fill(vec![at(11.0, 2.0), at(14.5, 5.0), at(11.0, 8.0)]);
            line(&[at(13.5, 8.0), at(13.5, 11.0), at(4.0, 11.0)]);
            fill(vec![at(5.0, 8.0), at(1.5, 11.0), at(5.0, 14.0)]);
        }
        Icon::Folder => {
            let outline = [
                (2.0, 4.0),
                (6.2, 4.0),
                (7.8, 5.8),
                (14.0, 5.8),
                (14.0, 12.8),
                (2.0, 12.8),
            ];
            painter.add(Shape::closed_line(
                outline.iter().map(|&(x, y)| at(x, y)).collect(),
                stroke,
            ));
        }
    }
}

/// A triangle that points at `tip`.
pub fn pointer(tip: Pos2, size: f32, color: Color32) -> Shape {
    let points = vec![
        tip,
        pos2(tip.x - size * 0.6, tip.y - size),
        pos2(tip.x + size * 0.6, tip.y - size),
    ];
    Shape::convex_polygon(points, color, Stroke::NONE)
}

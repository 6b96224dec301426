//! What is drawn over the camera's picture: the elites' imagined paths, the action, the goal, and where the model
//! believes the gripper is. Every mark has a dark edge, because the picture below has any colour.

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use crate::engine::SessionInfo;
use crate::recording::{CemIteration, CostScale, StepRecord};
use crate::sim::Action;
use crate::ui::Palette;
use crate::ui::color::cost_ramp;

/// From metres on the table to points on the screen.
pub struct Lens<'a> {
    pub rect: Rect,
    pub info: &'a SessionInfo,
}

impl Lens<'_> {
    /// A gripper position x, y at carrying height.
    pub fn gripper(&self, [x, y]: [f32; 2]) -> Pos2 {
        self.point([x, y, self.info.gripper_height_m])
    }

    pub fn table(&self, [x, y]: [f32; 2]) -> Pos2 {
        self.point([x, y, 0.0])
    }

    fn point(&self, point: [f32; 3]) -> Pos2 {
        let [u, v] = (self.info.project)(point, self.rect.height());
        self.rect.min + vec2(u, v)
    }
}

fn edged_line(painter: &Painter, path: Vec<Pos2>, width: f32, color: Color32, edge: Color32) {
    painter.add(Shape::line(path.clone(), Stroke::new(width + 2.0, edge)));
    painter.add(Shape::line(path, Stroke::new(width, color)));
}

/// All elites as a fan from the gripper, the best brightest and on top; `selected` stands out.
pub fn fans(
    painter: &Painter,
    p: &Palette,
    lens: &Lens<'_>,
    step: &StepRecord,
    cem: &CemIteration,
    selected: Option<usize>,
) {
    let from = lens.gripper(step.gripper_m);
    let scale = CostScale::of_elites(step);
    for (index, path) in cem.elite_paths_m.iter().enumerate().rev() {
        if path.is_empty() || selected == Some(index) {
            continue;
        }
        let cost = cem.elite_costs.get(index).copied().unwrap_or(f32::NAN);
        let goodness = scale.map_or(0.0, |scale| scale.goodness(cost));
        let alpha = if selected.is_some() { 0.35 } else { 0.7 + 0.3 * goodness };
        let color = cost_ramp(goodness).gamma_multiply(alpha);
        let width = if index == 0 { 3.0 } else { 1.8 };
        let points: Vec<Pos2> = std::iter::once(from)
            .chain(path.iter().map(|&at| lens.gripper(at)))
            .collect();
        let end = points.last().copied();
        edged_line(painter, points, width, color, p.over_edge.gamma_multiply(0.45 * alpha));
        if let Some(end) = end {
            painter.circle_filled(end, width, color);
        }
    }
    let marked = selected.unwrap_or(0);
    if let Some(path) = cem.elite_paths_m.get(marked).filter(|path| !path.is_empty()) {
        if selected.is_some() {
            let points: Vec<Pos2> = std::iter::once(from)
                .chain(path.iter().map(|&at| lens.gripper(at)))
                .collect();
            edged_line(painter, points, 2.6, p.over, p.over_edge.gamma_multiply(0.7));
        }
        ghost(painter, p, lens, path[path.len() - 1], lens.rect.height());
    }
}

/// Where the gripper would be at the end of the plan: an outline of its cup and its rod.
fn ghost(painter: &Painter, p: &Palette, lens: &Lens<'_>, at: [f32; 2], height: f32) {
    let tip = lens.gripper(at);
    let unit = height / 64.0;
    let cup = Rect::from_center_size(tip - vec2(0.0, 0.3 * unit), vec2(6.0, 3.2) * unit);
    let rod = Rect::from_min_max(
        pos2(tip.x - 1.2 * unit, tip.y - 9.0 * unit),
        pos2(tip.x + 1.2 * unit, cup.top()),
    );
    for (width, color) in [
        (3.0, p.over_edge.gamma_multiply(0.6)),
        (1.2, p.over.gamma_multiply(0.9)),
    ] {
        for part in [cup, rod] {
            painter.rect_stroke(part, 1.0, Stroke::new(width, color), egui::StrokeKind::Middle);
        }
    }
}

/// The executed action: where it moves the gripper, and whether suction is on (full head) or off (open head).
pub fn action(painter: &Painter, p: &Palette, lens: &Lens<'_>, from_m: [f32; 2], action: Action) {
    let reach = lens.info.reach_m;
    let from = lens.gripper(from_m);
    let to = lens.gripper([from_m[0] + action[0] * reach, from_m[1] + action[1] * reach]);
    let along = to - from;
    let length = along.length();
    let on = action[2] > 0.0;
    let strokes = [(6.0, p.over_edge.gamma_multiply(0.8)), (3.0, p.over)];
    if length > 6.0 {
        let unit = along / length;
        let side = vec2(-unit.y, unit.x);
        let neck = to - unit * 9.0;
        let head = vec![to + unit * 2.0, neck + side * 6.0, neck - side * 6.0];
        for (width, color) in strokes {
            painter.line_segment([from, neck], Stroke::new(width, color));
            painter.add(Shape::closed_line(head.clone(), Stroke::new(width - 1.0, color)));
        }
        if on {
            painter.add(Shape::convex_polygon(head, p.over, Stroke::NONE));
        }
    } else {
        for (width, color) in strokes {
            painter.circle_stroke(from, 6.0, Stroke::new(width - 1.0, color));
        }
        if on {
            painter.circle_filled(from, 4.0, p.over);
        }
    }
}

/// A small cross where the model reads its own gripper out of the latent.
pub fn gripper(painter: &Painter, p: &Palette, lens: &Lens<'_>, at_m: [f32; 2]) {
    let at = lens.gripper(at_m);
    for (width, color) in [(3.5, p.over_edge.gamma_multiply(0.8)), (1.4, p.over)] {
        painter.line_segment([at - vec2(5.0, 0.0), at + vec2(5.0, 0.0)], Stroke::new(width, color));
        painter.line_segment([at - vec2(0.0, 5.0), at + vec2(0.0, 5.0)], Stroke::new(width, color));
    }
}

/// The goal's gripper position: a ring in the sub-goal's colour, with a thread down to the table.
pub fn goal(painter: &Painter, p: &Palette, lens: &Lens<'_>, at_m: [f32; 2], color: Color32) {
    let at = lens.gripper(at_m);
    let foot = lens.table(at_m);
    painter.extend(Shape::dashed_line(&[at, foot], Stroke::new(1.2, color), 3.0, 3.0));
    painter.add(Shape::ellipse_stroke(foot, vec2(6.0, 3.5), Stroke::new(1.2, color)));
    for (width, color) in [(4.5, p.over_edge.gamma_multiply(0.8)), (2.2, color)] {
        painter.circle_stroke(at, 9.0, Stroke::new(width, color));
    }
    painter.circle_filled(at, 2.2, color);
}

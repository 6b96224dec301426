//! The landscape as a map of cells, with marks for the actions that were chosen.

use egui::{
    Align2, Color32, FontId, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo,
    pos2, vec2,
};

use super::Shade;
use crate::eval::latent::{Landscape, Rest};
use crate::sim::Action;
use crate::ui::chart::Axes;
use crate::ui::color::cost_ramp;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers, widgets};

pub(super) const RESTS: [(Rest, &str, &str); 2] = [
    (
        Rest::Held,
        "Held",
        "The first action is held for all H steps: where each direction leads",
    ),
    (
        Rest::Planned,
        "As planned",
        "After the first action come the other actions of the chosen plan: the cost that CEM saw around its choice",
    ),
];
pub(super) const SHADES: [(Shade, &str, &str); 2] = [
    (
        Shade::Similarity,
        "sim",
        "Similarity of the imagined state at the horizon to the goal: sim(s_t+H, g_k), 0 to 1 (Algorithm 2, line 11)",
    ),
    (
        Shade::Cost,
        "J",
        "The planner's own cost of the whole sequence, lower is better; the method's reward is −J (Algorithm 2, line 22)",
    ),
];

/// Room for the labels of the axes.
const LABELS: f32 = 30.0;

/// `chosen`: the first action of CEM's last mean.
pub(super) fn landscape_ui(
    ui: &mut Ui,
    shade: Shade,
    step: usize,
    found: &Landscape,
    chosen: Option<Action>,
) -> Response {
    let p = Palette::of(ui);
    let values = match shade {
        Shade::Similarity => &found.similarity,
        Shade::Cost => &found.cost,
    };
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (
        finite().fold(f32::INFINITY, f32::min),
        finite().fold(f32::NEG_INFINITY, f32::max),
    );
    numbers_ui(ui, found);
    let side = (ui.available_width() - LABELS - 8.0)
        .min(ui.available_height() - 62.0)
        .max(120.0);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), side + 22.0), Sense::click());
    let left = area.center().x + (LABELS - side) * 0.5;
    let rect = Rect::from_min_size(pos2(left, area.top() + 2.0), vec2(side, side));
    let count = found.axis.len();
    // Cells lie around their action, so the map reaches half a cell beyond the last ones.
    let reach = 1.0 + 1.0 / (count.max(2) - 1) as f64;
    let axes = Axes::new(rect, -reach..=reach, -reach..=reach);
    let painter = ui.painter();
    let cell = side / count as f32;
    for (at, &value) in values.iter().enumerate() {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        let goodness = if shade == Shade::Cost { 1.0 - share } else { share };
        let color = if value.is_finite() {
            cost_ramp(goodness)
        } else {
            p.bad_fill
        };
        let min = pos2(
            rect.left() + (at % count) as f32 * cell,
            rect.bottom() - (at / count + 1) as f32 * cell,
        );
        painter.rect_filled(Rect::from_min_size(min, vec2(cell, cell)), 0.0, color);
    }
    let ticks = [-1.0, 0.0, 1.0].map(|value| (value, numbers::fixed(value, 0)));
    axes.x_labels(painter, p, &ticks);
    for (value, label) in &ticks {
        let font = FontId::proportional(SMALL - 1.0);
        let at = pos2(rect.left() - 5.0, axes.at_y(*value));
        painter.text(at, Align2::RIGHT_CENTER, label, font, p.weak);
    }
    let font = FontId::proportional(SMALL);
    let under = pos2(axes.at_x(0.5), rect.bottom() + 4.0);
    painter.text(under, Align2::CENTER_TOP, "dx", font.clone(), p.text);
    painter.text(
        pos2(rect.left() - 5.0, axes.at_y(0.5)),
        Align2::RIGHT_CENTER,
        "dy",
        font,
        p.text,
    );

    let best = found.best();
    let at = |action: [f32; 2]| axes.at(f64::from(action[0]), f64::from(action[1]));
    if let Some(best) = best {
        let outline = Rect::from_center_size(at(best), vec2(cell, cell));
        painter.rect_stroke(outline, 0.0, Stroke::new(3.0, p.over_edge), StrokeKind::Inside);
        painter.rect_stroke(outline, 0.0, Stroke::new(1.5, p.over), StrokeKind::Inside);
    }
    if let Ok([x, y, _]) = found.expert {
        diamond(painter, p, at([x, y]));
    }
    if let Some([x, y, _]) = chosen {
        ring(painter, p, at([x, y]));
    }
    let words = |action: Option<[f32; 2]>| {
        action.map_or_else(
            || "not known".to_owned(),
            |[x, y]| format!("dx {}, dy {}", numbers::fixed(x.into(), 2), numbers::fixed(y.into(), 2)),
        )
    };
    let pair = |action: Option<Action>| action.map(|[x, y, _]| [x, y]);
    response.widget_info(|| {
        let name = format!(
            "Landscape at step {step} toward sub-goal {}, {count} x {count} actions; CEM: {}; expert: {}",
            found.sub_goal + 1,
            words(pair(chosen)),
            match &found.expert {
                Ok(action) => words(pair(Some(*action))),
                Err(why) => format!("not known. {why}"),
            },
        );
        WidgetInfo::labeled(Role::Image, true, name)
    });
    if let Some(at) = response.hover_pos().filter(|at| rect.contains(*at)) {
        let column = (((at.x - rect.left()) / cell) as usize).min(count - 1);
        let row = (((rect.bottom() - at.y) / cell) as usize).min(count - 1);
        let cell = row * count + column;
        response.clone().on_hover_text_at_pointer(format!(
            "dx {}, dy {}, grip {}\nsim(s_t+{}, g_{}) {}\nJ {}",
            numbers::fixed(found.axis[column].into(), 2),
            numbers::fixed(found.axis[row].into(), 2),
            numbers::fixed(found.grip.into(), 2),
            found.horizon,
            found.sub_goal + 1,
            numbers::sig3(found.similarity[cell].into()),
            numbers::sig3(found.cost[cell].into()),
        ));
    }
    legend_ui(ui, shade, [low, high], chosen.is_some(), &found.expert);
    response
}

fn numbers_ui(ui: &mut Ui, found: &Landscape) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        let best = found.similarity.iter().copied().filter(|value| value.is_finite());
        let best = best.fold(f32::NAN, f32::max);
        let tip = "Similarity of this step's own frame to the goal: sim(s_t, g_k), 0 to 1 (Algorithm 2, line 11)";
        widgets::value(ui, "now", &numbers::sig3(found.now.into()), 5, tip);
        let tip = "The highest similarity that any of these actions is imagined to lead to, 0 to 1 (Algorithm 2, lines 16 to 22)";
        widgets::value(ui, "best ahead", &numbers::sig3(best.into()), 5, tip);
        let tip = "Grip of all of these actions, as in the chosen one: suction on above 0, off below";
        widgets::value(ui, "grip", &numbers::fixed(found.grip.into(), 2), 5, tip);
    });
}

fn legend_ui(ui: &mut Ui, shade: Shade, [low, high]: [f32; 2], chosen: bool, expert: &Result<Action, String>) {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    let painter = ui.painter();
    let font = FontId::proportional(SMALL - 0.5);
    let middle = rect.center().y;
    let write = |x: f32, text: &str, color: Color32| {
        let at = pos2(x, middle);
        painter.text(at, Align2::LEFT_CENTER, text, font.clone(), color).right()
    };
    let (from, to) = match shade {
        Shade::Similarity => (low, high),
        Shade::Cost => (high, low),
    };
    let mut x = write(rect.left(), &numbers::sig3(from.into()), p.weak) + 5.0;
    for i in 0..24 {
        let bar = Rect::from_min_size(pos2(x + 2.0 * i as f32, middle - 4.0), vec2(2.0, 8.0));
        painter.rect_filled(bar, 0.0, cost_ramp((i as f32 + 0.5) / 24.0));
    }
    x = write(x + 53.0, &numbers::sig3(to.into()), p.weak) + 14.0;
    for (there, word, mark) in [
        (chosen, "CEM", ring as fn(&Painter, &Palette, Pos2)),
        (expert.is_ok(), "expert", diamond),
    ] {
        if there {
            mark(painter, p, pos2(x + 5.0, middle));
            x = write(x + 16.0, word, p.text) + 12.0;
        }
    }
    let square = Rect::from_center_size(pos2(x + 5.0, middle), vec2(9.0, 9.0));
    painter.rect_stroke(square, 0.0, Stroke::new(1.5, p.text), StrokeKind::Inside);
    x = write(x + 14.0, "least J", p.text) + 12.0;
    let mut tip = "CEM: the first action of its last mean, a* (Algorithm 2, line 27). Expert: what the scripted expert would do \
                   here; it knows the true state, is drawn for the eye alone, and no model ever sees it. Square: the cell of \
                   the least cost J."
        .to_owned();
    if let Err(why) = expert {
        write(x, "no expert", p.weak);
        tip = format!("{tip}\nThe expert is not shown: {why}");
    }
    response.on_hover_text(tip);
}

fn ring(painter: &Painter, p: &Palette, at: Pos2) {
    painter.circle_stroke(at, 5.0, Stroke::new(4.0, p.over_edge));
    painter.circle_stroke(at, 5.0, Stroke::new(2.0, p.over));
}

fn diamond(painter: &Painter, p: &Palette, at: Pos2) {
    let path = [vec2(0.0, -6.0), vec2(6.0, 0.0), vec2(0.0, 6.0), vec2(-6.0, 0.0)].map(|offset| at + offset);
    painter.add(Shape::closed_line(path.to_vec(), Stroke::new(4.0, p.over_edge)));
    painter.add(Shape::closed_line(path.to_vec(), Stroke::new(2.0, p.over)));
}

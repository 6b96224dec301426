//! What is marked on the time axis: where sub-goals end and begin, where the VLM was asked again, where runs pause and
//! did. Each mark has a name for those who cannot see it; what it means is in the tooltip of its step.

use egui::{Color32, Painter, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::state::{View, ViewState};
use crate::recording::EndedBecause;
use crate::ui::Palette;
use crate::ui::chart::Axes;
use crate::ui::icons::{self, Icon};

/// A mark and what is said of it.
struct Mark {
    step: usize,
    said: String,
    sign: Sign,
}

#[derive(Clone, Copy)]
enum Sign {
    /// A sub-goal begins.
    Begins(usize),
    /// A sub-goal ends.
    Ends,
    Replan,
    Breakpoint,
    Pause,
}

fn all(state: &ViewState, view: &View<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut mark = |step, sign, said| marks.push(Mark { step, said, sign });
    for (index, sub_goal) in view.recording.sub_goals.iter().enumerate() {
        let number = index + 1;
        if let Some(step) = sub_goal.end_step.filter(|_| sub_goal.start_step.is_some()) {
            let how = match sub_goal.ended_because {
                Some(EndedBecause::Reached) => "was declared reached",
                Some(EndedBecause::StepLimit) => "was not reached within its step limit",
                Some(EndedBecause::Replaced) => "was replaced",
                Some(EndedBecause::Interrupted) => "was interrupted",
                None => "ended",
            };
            mark(step, Sign::Ends, format!("Sub-goal {number} {how}"));
        }
        if let Some(step) = sub_goal.start_step {
            mark(
                step,
                Sign::Begins(index),
                format!("Sub-goal {number} begins: {}", sub_goal.text),
            );
        }
    }
    for replan in &view.recording.replans {
        let said = format!("The VLM was asked again: {}", replan.reason);
        mark(replan.step, Sign::Replan, said);
    }
    for &step in &state.breakpoints.steps {
        mark(step, Sign::Breakpoint, "Breakpoint: a run pauses here".to_owned());
    }
    for pause in &view.recording.pauses {
        mark(pause.step, Sign::Pause, format!("A run paused here: {}", pause.why));
    }
    marks
}

/// What is marked at a step, a line each.
pub(super) fn said_at(step: usize, state: &ViewState, view: &View<'_>) -> Vec<String> {
    let here = all(state, view).into_iter().filter(|mark| mark.step == step);
    here.map(|mark| mark.said).collect()
}

/// Draws all marks around the lane of steps, whose dots have this radius.
pub(super) fn marks_ui(
    ui: &Ui,
    painter: &Painter,
    axes: &Axes,
    lane_y: f32,
    radius: f32,
    state: &ViewState,
    view: &View<'_>,
) {
    let p = Palette::of(ui);
    let seen = painter.clip_rect();
    for (number, mark) in all(state, view).into_iter().enumerate() {
        let x = axes.at_x(mark.step as f64);
        if !seen.x_range().contains(x) {
            continue;
        }
        let rect = sign(painter, p, axes, pos2(x, lane_y), radius, mark.sign);
        // Nobody needs to be told of an end beside the beginning that it is drawn as.
        if !matches!(mark.sign, Sign::Ends) {
            ui.interact(rect, ui.scope_id().with(("mark", number)), Sense::hover())
                .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Step {}. {}", mark.step, mark.said)));
        }
    }
}

fn sign(painter: &Painter, p: &Palette, axes: &Axes, at: egui::Pos2, radius: f32, sign: Sign) -> Rect {
    let icon = |dy: f32, icon: Icon, color: Color32| {
        let rect = Rect::from_center_size(at + vec2(0.0, dy), vec2(12.0, 12.0));
        icons::paint(painter, rect, icon, color);
        rect
    };
    let line = |color| painter.vline(at.x, axes.rect.y_range(), Stroke::new(1.0, color));
    match sign {
        Sign::Begins(index) => {
            line(p.sub_goal(index).gamma_multiply(0.55));
            Rect::from_center_size(at - vec2(0.0, 24.0), vec2(6.0, 16.0))
        }
        Sign::Ends => Rect::NOTHING,
        Sign::Replan => {
            line(p.warn);
            icon(-10.0, Icon::Warning, p.warn)
        }
        Sign::Breakpoint => {
            painter.circle_stroke(at, radius + 3.0, Stroke::new(2.0, p.bad));
            Rect::from_center_size(at, vec2(1.0, 1.0) * 2.0 * (radius + 3.0))
        }
        Sign::Pause => icon(10.0, Icon::Pause, p.bad),
    }
}

//! The time axis: steps, sub-goals, re-plans, breakpoints, and where the user looks.

use egui::{Align2, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::branches::{NO_WORLD, branches_ui};
use super::breakpoints::breakpoints_menu_ui;
use super::changes;
use super::marks;
use super::playback::{loop_band_ui, playback_ui};
use super::shell::WindowAct;
use super::state::{View, ViewState};
use crate::engine::Phase;
use crate::ui::chart::Axes;
use crate::ui::icons::{self, Icon};
use crate::ui::keys::{Act, with_keys};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, widgets};

/// Room for the labels left of the axis; the similarity curves share it.
pub(super) const LEFT: f32 = 58.0;
pub(super) const RIGHT: f32 = 64.0;
/// Height of the track where there is room for it.
const TRACK: f32 = 68.0;

/// The steps that the time axis shows, first and last.
pub(super) fn time_range(state: &ViewState, view: &View<'_>) -> [f64; 2] {
    let whole = whole_range(state, view);
    state
        .time_range
        .map_or(whole, |[from, to]| [from.max(whole[0]), to.min(whole[1])])
}

/// All that there is to see: the episode, and the pinned ones whose curves are drawn.
fn whole_range(state: &ViewState, view: &View<'_>) -> [f64; 2] {
    let [from, to] = state.frozen_range.unwrap_or_else(|| view.whole_range());
    let pins = state.pins.iter().filter(|pin| pin.drawn);
    let ends = pins.filter_map(|pin| pin.recording.steps.last());
    [from, ends.fold(to, |to, end| to.max(end.step as f64 + 0.5))]
}

/// Wheel: zoom about the pointer, or pan with Shift; double click: the whole episode, or no loop any more if it is in
/// one. Drag or click: look at a step; drag with Shift: loop a range.
pub(super) fn navigate(ui: &Ui, response: &egui::Response, axes: &Axes, state: &mut ViewState, view: &View<'_>) {
    let step_at = |at: egui::Pos2| axes.x_of(at.x).round().clamp(0.0, view.last_step() as f64) as usize;
    let pointer = response.interact_pointer_pos();
    if response.double_clicked() {
        let in_loop = |[from, to]: [usize; 2]| pointer.is_some_and(|at| (from..=to).contains(&step_at(at)));
        if state.playback.range.is_some_and(in_loop) {
            state.playback.range = None;
        } else {
            state.time_range = None;
        }
    }
    let (shift, pressed_at) = ui.input(|input| (input.modifiers.shift, input.pointer.press_origin()));
    if response.drag_started() {
        state.playback.drawn_from = pressed_at.filter(|_| shift).map(step_at);
    }
    if let Some(at) = pointer.filter(|_| response.clicked() || response.dragged()) {
        match state.playback.drawn_from {
            Some(from) => state.playback.set_range(from, step_at(at)),
            None => state.select_step(step_at(at), view),
        }
    }
    if response.drag_stopped() {
        state.playback.drawn_from = None;
    }
    if let Some(at) = response.hover_pos() {
        let scroll = ui.input(|input| input.smooth_scroll_delta);
        let [from, to] = time_range(state, view);
        if scroll.y.abs() > 0.1 && !ui.input(|input| input.modifiers.shift) {
            let factor = f64::from((-scroll.y * 0.004).exp());
            let pivot = axes.x_of(at.x);
            let range = [pivot + (from - pivot) * factor, pivot + (to - pivot) * factor];
            if range[1] - range[0] >= 4.0 {
                state.time_range = Some(range);
            }
        }
        if scroll.x.abs() > 0.1 {
            let whole = whole_range(state, view);
            let shift = -f64::from(scroll.x / axes.rect.width()) * (to - from);
            let shift = shift.clamp(whole[0] - from, (whole[1] - to).max(whole[0] - from));
            state.time_range = Some([from + shift, to + shift]);
        }
    }
}

pub fn timeline_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Timeline", |ui| {
        header_right_ui(ui, state, view);
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            transport_ui(ui, state, view);
        });
    });
    track_ui(ui, state, view);
}

fn header_right_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let live = state.selection.step.is_none();
    let follow = widgets::icon_toggle(ui, true, live, Icon::Live, "Follow live", "Follow live");
    if follow
        .on_hover_text(with_keys(
            ui.ctx(),
            "Show each new step as it comes. Off while you look at the past.",
            Act::Last,
        ))
        .clicked()
    {
        if live {
            state.selection.step = Some(view.last_step());
            state.frozen_range = Some(view.whole_range());
        } else {
            state.follow_live();
        }
    }
    branches_ui(ui, state, view);
    breakpoints_menu_ui(ui, state);
    if view.is_past(state) {
        let step = view.shown(state).map_or(0, |step| step.step);
        let label = format!("Go on from step {step}");
        let button = ui.add_enabled(
            !matches!(view.board.phase, Phase::Opening | Phase::Opened | Phase::Closed)
                && view.board.branches.at_hand.is_some(),
            egui::Button::new(RichText::new(label).size(SMALL)),
        );
        let tip = "Put the world back to this step and go on from here as a branch, under the same seed: what came after stays in the list of branches.";
        if button
            .on_hover_text(with_keys(ui.ctx(), tip, Act::GoFromHere))
            .on_disabled_hover_text(NO_WORLD)
            .clicked()
        {
            state.acts.push(Act::GoFromHere);
        }
        widgets::chip(ui, "Looking at the past", p.warn, p.warn_fill);
    }
}

/// First, back, forward, last, and what is shown.
fn transport_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let shown = view.shown(state).map_or(0, |step| step.step);
    let has_steps = view.newest().is_some() && !view.recording.task.is_empty();
    let live_step = view.board.phase.can_step();
    ui.spacing_mut().item_spacing.x = 3.0;
    for (enabled, icon, name, act) in [
        (has_steps && shown > 0, Icon::First, "First step", Act::First),
        (has_steps && shown > 0, Icon::StepBack, "Step back", Act::StepBack),
        (
            has_steps && (view.is_past(state) || live_step),
            Icon::StepForward,
            "Step forward",
            Act::StepForward,
        ),
        (has_steps && view.is_past(state), Icon::Last, "Last step", Act::Last),
    ] {
        let button = widgets::icon_button(ui, enabled, icon, "", name);
        if button.on_hover_text(with_keys(ui.ctx(), name, act)).clicked() {
            state.acts.push(act);
        }
    }
    ui.add_space(6.0);
    playback_ui(ui, state, view);
    ui.add_space(10.0);
    let text = RichText::new(format!("Step {shown}"))
        .family(semibold())
        .color(p.strong);
    ui.add_sized(vec2(64.0, 20.0), egui::Label::new(text).halign(egui::Align::Min));
    if let Some(index) = view.shown(state).and_then(|step| step.sub_goal)
        && let Some(sub_goal) = view.recording.sub_goals.get(index)
    {
        let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
        ui.painter().circle_filled(dot.center(), 4.0, p.sub_goal(index));
        let text = format!("{} {}", index + 1, sub_goal.text);
        ui.add(egui::Label::new(RichText::new(text).color(p.text)).truncate());
    }
}

fn track_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let height = ui.available_height().clamp(TRACK * 0.6, TRACK * 1.5);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click_and_drag());
    let count = view.recording.steps.len();
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, format!("Timeline, {count} steps")));
    let [from, to] = time_range(state, view);
    let rect = Rect::from_min_max(
        pos2(area.left() + LEFT, area.top() + 5.0),
        pos2(area.right() - RIGHT, area.bottom()),
    );
    let axes = Axes::new(rect, from..=to, 0.0..=1.0);
    navigate(ui, &response, &axes, state, view);
    let painter = ui.painter().with_clip_rect(Rect::from_min_max(
        pos2(rect.left() - 8.0, area.top()),
        pos2(rect.right() + 8.0, area.bottom()),
    ));
    let lanes = [12.0, 36.0, 53.0].map(|y| rect.top() + y * height / TRACK);
    for (y, word) in [(lanes[0], "Sub-goal"), (lanes[1], "Steps"), (lanes[2], "Vacuum")] {
        let font = FontId::proportional(SMALL - 0.5);
        ui.painter()
            .text(pos2(area.left() + 10.0, y), Align2::LEFT_CENTER, word, font, p.weak);
    }
    if count == 0 {
        let text = "Each step becomes a mark here. Drag to look at any of them.";
        painter.text(
            rect.center(),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(SMALL),
            p.weak,
        );
        return;
    }
    loop_band_ui(ui, &axes, response.id, state);
    spans(&painter, p, &axes, lanes[0], view);
    vacuum(&painter, p, &axes, lanes[2], view);
    painter.hline(rect.x_range(), lanes[1], Stroke::new(1.0, p.edge));
    let shown = view.shown(state).map_or(0, |step| step.step);
    let spacing = axes.at_x(1.0) - axes.at_x(0.0);
    let radius = (spacing * 0.3).clamp(1.5, 5.0);
    for step in &view.recording.steps {
        let at = pos2(axes.at_x(step.step as f64), lanes[1]);
        let color = step.sub_goal.map_or(p.weak, |index| p.sub_goal(index));
        let whole = view.recording.kept_whole.is_none_or(|[first, _]| step.step >= first);
        let radius = if whole { radius } else { radius * 0.5 };
        if step.action.is_some() {
            painter.circle_filled(at, radius, color);
        } else {
            painter.circle(at, radius, p.panel, Stroke::new(1.2, color));
        }
    }
    marks::marks_ui(ui, &painter, &axes, lanes[1], radius, state, view);
    changes::marks(&painter, p, &axes, lanes[1] - 11.0, view);
    let x = axes.at_x(shown as f64);
    painter.vline(x, rect.top() - 2.0..=area.bottom(), Stroke::new(1.2, p.accent));
    painter.add(icons::pointer(pos2(x, rect.top() + 4.0), 7.0, p.accent));
    hover_ui(&response, &axes, state, view);
    context_ui(&response, &axes, state, view);
}

fn spans(painter: &egui::Painter, p: &Palette, axes: &Axes, y: f32, view: &View<'_>) {
    for (index, sub_goal) in view.recording.sub_goals.iter().enumerate() {
        let Some(start) = sub_goal.start_step else {
            continue;
        };
        let end = sub_goal.end_step.unwrap_or_else(|| view.last_step()).max(start);
        let color = p.sub_goal(index);
        let bar = Rect::from_min_max(
            pos2(axes.at_x(start as f64) + 1.0, y - 8.0),
            pos2(axes.at_x(end as f64).max(axes.at_x(start as f64) + 4.0) - 1.0, y + 8.0),
        );
        painter.rect_filled(bar, 3.0, color.gamma_multiply(0.22));
        painter.rect_filled(Rect::from_min_size(bar.min, vec2(3.0, bar.height())), 1.0, color);
        let text = format!("{}  {}", index + 1, sub_goal.text);
        let room = bar.width() - 12.0;
        let mut job = egui::text::LayoutJob::simple_singleline(text, FontId::proportional(SMALL), color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(0.0));
        if room > 10.0 {
            let galley = painter.layout_job(job);
            painter.galley(pos2(bar.left() + 8.0, y - galley.size().y * 0.5), galley, color);
        }
    }
}

fn vacuum(painter: &egui::Painter, p: &Palette, axes: &Axes, y: f32, view: &View<'_>) {
    painter.hline(axes.rect.x_range(), y, Stroke::new(1.0, p.line));
    for pair in view.recording.steps.windows(2).filter(|pair| pair[0].vacuum) {
        let x = axes.at_x(pair[0].step as f64)..=axes.at_x(pair[1].step as f64);
        painter.hline(x, y, Stroke::new(4.0, p.weak));
    }
}

fn hover_ui(response: &egui::Response, axes: &Axes, state: &ViewState, view: &View<'_>) {
    let Some(at) = response.hover_pos().filter(|at| axes.rect.expand(8.0).contains(*at)) else {
        return;
    };
    let step = axes.x_of(at.x).round();
    if step < 0.0 || step > view.last_step() as f64 {
        return;
    }
    let step = step as usize;
    let mut lines = vec![format!("Step {step}")];
    if let Some([first, _]) = view.recording.kept_whole.filter(|[first, _]| step < *first) {
        lines.push(format!(
            "Kept without its plan: this is an excerpt from step {first} on"
        ));
    }
    lines.extend(marks::said_at(step, state, view));
    let text = lines.join("\n") + &changes::text_at(step, view);
    response.clone().on_hover_text_at_pointer(text);
}

fn context_ui(response: &egui::Response, axes: &Axes, state: &mut ViewState, view: &View<'_>) {
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.secondary_clicked()) {
        let step = axes.x_of(at.x).round().clamp(0.0, view.last_step() as f64) as usize;
        state.select_step(step, view);
    }
    let loop_text = if state.playback.range.is_some() {
        "Loop no more"
    } else {
        "Loop this sub-goal"
    };
    response.context_menu(|ui| {
        for (text, act) in [
            ("Set or clear a breakpoint", Act::ToggleBreakpoint),
            ("Go on from here", Act::GoFromHere),
            ("Loop from here", Act::LoopFrom),
            ("Loop to here", Act::LoopTo),
            (loop_text, Act::Loop),
            ("Back to live", Act::Last),
        ] {
            let keys = crate::ui::keys::label(ui.ctx(), act);
            if ui.add(egui::Button::new(text).shortcut_text(keys)).clicked() {
                state.acts.push(act);
                ui.close();
            }
        }
        let looped = state.playback.range_within(view.last_step()).is_some();
        if looped && ui.button("Export the loop's steps…").clicked() {
            state.shell.acts.push(WindowAct::ExportLoop);
            ui.close();
        }
    });
}

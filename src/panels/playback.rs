//! Playing what is recorded: the shown step walks forward in time, once or in a loop. It moves the look and nothing
//! else; the episode runs or rests as before.

use std::time::Duration;

use egui::containers::menu::MenuButton;
use egui::{Button, Context, Id, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2};

use super::state::{View, ViewState};
use crate::ui::chart::Axes;
use crate::ui::icons::Icon;
use crate::ui::keys::{Act, label, with_keys};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

/// Steps a second at speed 1.
const STEPS_PER_SEC: f64 = 5.0;
const SPEEDS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

#[derive(Clone, Debug)]
pub struct Playback {
    pub playing: bool,
    /// Of [`SPEEDS`].
    speed: usize,
    /// First and last step of the loop.
    pub range: Option<[usize; 2]>,
    /// When the shown step was due, seconds of the window's clock; none until the first frame that plays.
    since: Option<f64>,
    /// Where a loop is being drawn from.
    pub(super) drawn_from: Option<usize>,
}

impl Default for Playback {
    fn default() -> Self {
        Self {
            playing: false,
            speed: 1,
            range: None,
            since: None,
            drawn_from: None,
        }
    }
}

impl Playback {
    pub fn stop(&mut self) {
        (self.playing, self.since) = (false, None);
    }

    /// Another episode begins: its steps are not those of the loop.
    pub fn leave(&mut self) {
        self.stop();
        (self.range, self.drawn_from) = (None, None);
    }

    pub fn slower(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    pub fn faster(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
    }

    /// Sets the loop between two steps, whichever comes first; one step alone is no loop.
    pub(super) fn set_range(&mut self, a: usize, b: usize) {
        self.range = (a != b).then(|| [a.min(b), a.max(b)]);
    }

    /// The loop as far as there are steps.
    pub fn range_within(&self, last: usize) -> Option<[usize; 2]> {
        self.range
            .filter(|[from, _]| *from < last)
            .map(|[from, to]| [from, to.min(last)])
    }
}

/// There is something to play.
fn can_play(view: &View<'_>) -> bool {
    !view.recording.task.is_empty() && view.last_step() > 0
}

/// Plays from the shown step, from the loop's first if that is outside of it, and from the beginning at the end.
pub(super) fn toggle(state: &mut ViewState, view: &View<'_>) {
    if state.playback.playing {
        return state.playback.stop();
    }
    if !can_play(view) {
        return;
    }
    let last = view.last_step();
    let shown = view.shown(state).map_or(0, |step| step.step);
    match state.playback.range_within(last) {
        Some([from, to]) if !(from..=to).contains(&shown) => show(state, view, from),
        None if shown >= last => show(state, view, 0),
        _ => {}
    }
    state.playback.playing = true;
}

pub(super) fn loop_from(state: &mut ViewState, view: &View<'_>) {
    let (shown, last) = (view.shown(state).map_or(0, |step| step.step), view.last_step());
    let to = state.playback.range.map(|[_, to]| to).filter(|&to| to > shown);
    if shown < last {
        state.playback.set_range(shown, to.unwrap_or(last));
    }
}

pub(super) fn loop_to(state: &mut ViewState, view: &View<'_>) {
    let shown = view.shown(state).map_or(0, |step| step.step);
    let from = state.playback.range.map(|[from, _]| from).filter(|&from| from < shown);
    if shown > 0 {
        state.playback.set_range(from.unwrap_or(0), shown);
    }
}

/// Loops the sub-goal of the shown step, or nothing any more.
pub(super) fn toggle_loop(state: &mut ViewState, view: &View<'_>) {
    if state.playback.range.take().is_none() {
        let shown = view.shown(state).map_or(0, |step| step.step);
        let starts = view.sub_goal_starts();
        let from = starts.iter().rev().find(|&&start| start <= shown);
        let to = starts.iter().find(|&&start| start > shown);
        state
            .playback
            .set_range(*from.unwrap_or(&0), *to.unwrap_or(&view.last_step()));
    }
}

/// Walks on if it is time, and asks for the frame in which the next step is due. Nothing is asked for while nothing
/// plays.
pub fn play(ctx: &Context, state: &mut ViewState, view: &View<'_>) {
    if !state.playback.playing {
        return;
    }
    let now = ctx.input(|input| input.time);
    let period_secs = 1.0 / (STEPS_PER_SEC * SPEEDS[state.playback.speed]);
    let since = *state.playback.since.get_or_insert(now);
    // A frame that comes a hair too early is not waited for once more.
    let due = ((now - since) / period_secs + 0.01).floor().max(0.0);
    let since = since + due * period_secs;
    state.playback.since = Some(since);
    if due > 0.0 {
        walk(state, view, due as usize);
    }
    if state.playback.playing {
        let wait = (since + period_secs - now).max(0.0);
        ctx.request_repaint_after(Duration::from_secs_f64(wait));
    }
}

fn walk(state: &mut ViewState, view: &View<'_>, due: usize) {
    let last = view.last_step();
    let shown = view.shown(state).map_or(0, |step| step.step);
    match state.playback.range_within(last) {
        Some(range) => show(state, view, looped(shown, due, range)),
        None if shown + due < last => show(state, view, shown + due),
        // A branch is left at its end by nobody but the user.
        None if state.shown_branch.is_some() => {
            show(state, view, last);
            state.playback.stop();
        }
        // Back to live, which ends it.
        None => state.follow_live(),
    }
}

/// Where `due` steps lead in a loop that is entered at its first step.
fn looped(shown: usize, due: usize, [from, to]: [usize; 2]) -> usize {
    if (from..=to).contains(&shown) {
        from + (shown - from + due) % (to - from + 1)
    } else {
        from
    }
}

/// Shows a step without leaving the past, even if it is the newest.
fn show(state: &mut ViewState, view: &View<'_>, step: usize) {
    let frozen = state.frozen_range.unwrap_or_else(|| view.whole_range());
    state.select_step(step, view);
    state.selection.step = Some(step);
    state.frozen_range = Some(frozen);
}

/// Play, the speed, and the loop.
pub(super) fn playback_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let ctx = ui.ctx().clone();
    let enabled = can_play(view);
    let playing = state.playback.playing;
    let (icon, name, tip) = if playing {
        (Icon::Pause, "Stop playing", "Stay at this step")
    } else {
        let tip = "Play what is recorded: walk through its steps in time. The episode itself runs or rests as before.";
        (Icon::Play, "Play the recording", tip)
    };
    let play = widgets::icon_toggle(ui, enabled, playing, icon, "", name);
    if play
        .on_hover_text(with_keys(&ctx, tip, Act::Play))
        .on_disabled_hover_text("There is nothing to play before the first step")
        .clicked()
    {
        state.acts.push(Act::Play);
    }
    let speed = SPEEDS[state.playback.speed];
    let button = Button::new(RichText::new(format!("{speed}×")).size(SMALL));
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
        for (index, speed) in SPEEDS.into_iter().enumerate() {
            let text = format!("{speed}×  {} steps a second", speed * STEPS_PER_SEC);
            let radio = ui.radio(state.playback.speed == index, text);
            if radio.accessible_name(format!("Play at speed {speed}")).clicked() {
                state.playback.speed = index;
            }
        }
    });
    let tip = format!(
        "Speed of playing\n{} slower, {} faster",
        label(&ctx, Act::Slower),
        label(&ctx, Act::Faster)
    );
    response
        .accessible_name(format!("Speed of playing: {speed}"))
        .on_hover_text(tip);
    let looping = state.playback.range.is_some();
    let (name, tip) = match state.playback.range {
        Some([from, to]) => ("Loop no more", format!("Playing loops in steps {from} to {to}")),
        None => (
            "Loop this sub-goal",
            "Loop this step's sub-goal. Shift+drag on the timeline loops any range.".to_owned(),
        ),
    };
    let toggle = widgets::icon_toggle(ui, enabled || looping, looping, Icon::Repeat, "", name);
    if toggle.on_hover_text(with_keys(&ctx, &tip, Act::Loop)).clicked() {
        state.acts.push(Act::Loop);
    }
}

/// The loop as a band over the height of the axes of this widget.
pub(super) fn loop_band_ui(ui: &Ui, axes: &Axes, id: Id, state: &ViewState) {
    let Some([from, to]) = state.playback.range else {
        return;
    };
    let p = Palette::of(ui);
    let [left, right] = [from, to].map(|step| axes.at_x(step as f64).clamp(axes.rect.left(), axes.rect.right()));
    let band = Rect::from_min_max(pos2(left, axes.rect.top()), pos2(right, axes.rect.bottom()));
    ui.painter().rect_filled(band, 0.0, p.accent.gamma_multiply(0.14));
    for x in [left, right] {
        ui.painter()
            .vline(x, band.y_range(), Stroke::new(1.0, p.accent.gamma_multiply(0.6)));
    }
    ui.interact(band, id.with("loop"), Sense::hover())
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Loop, steps {from} to {to}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_comes_round_however_late_the_frame_is() {
        for (shown, due, expected) in [(4, 1, 5), (6, 1, 4), (4, 3, 4), (5, 301, 6), (0, 1, 4), (9, 2, 4)] {
            assert_eq!(looped(shown, due, [4, 6]), expected, "{shown} and {due} more");
        }
    }

    #[test]
    fn a_loop_has_two_ends_among_the_steps() {
        let mut playback = Playback::default();
        playback.set_range(7, 3);
        assert_eq!(playback.range, Some([3, 7]));
        assert_eq!(playback.range_within(5), Some([3, 5]));
        assert_eq!(playback.range_within(3), None);
        playback.set_range(3, 3);
        assert_eq!(playback.range, None);
    }

    #[test]
    fn speeds_end_where_they_end() {
        let mut playback = Playback::default();
        assert_eq!(SPEEDS[playback.speed], 1.0);
        (0..9).for_each(|_| playback.faster());
        assert_eq!(SPEEDS[playback.speed], 8.0);
        (0..9).for_each(|_| playback.slower());
        assert_eq!(SPEEDS[playback.speed], 0.5);
    }
}

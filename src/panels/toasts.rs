//! Messages that come and go at the bottom right: each line of the log when it is new, unless it stands in the banner.
//! They are nothing but the log; what is gone is still there.

use std::time::Duration;

use egui::{Align, Align2, Area, Frame, Id, Label, Layout, Order, RichText, Stroke, Ui, vec2};

use super::state::{View, ViewState};
use crate::engine::{BoardView, Level, LogLine, Phase};
use crate::ui::icons::Icon;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers, widgets};

/// How long a message stays, seconds; a warning longer.
const STAY_SECS: f64 = 5.0;
const WARNING_SECS: f64 = 9.0;
/// Messages at once.
const MOST: usize = 4;
/// Past messages that are listed.
const PAST: usize = 20;
const WIDTH: f32 = 340.0;

/// A line of the log, on the screen until a time of the window's clock.
#[derive(Clone, Debug)]
struct Toast {
    line: LogLine,
    until_secs: f64,
}

#[derive(Debug, Default)]
pub struct Toasts {
    /// Nothing is shown: the window is being pictured.
    pub muted: bool,
    /// The newest line that was looked at.
    seen: Option<Duration>,
    live: Vec<Toast>,
}

impl Toasts {
    /// Whether a line of the log is on the screen as a message.
    pub fn shows(&self, line: &LogLine) -> bool {
        self.live.iter().any(|toast| toast.line.at == line.at)
    }

    fn update(&mut self, board: &BoardView, now_secs: f64) {
        self.live.retain(|toast| toast.until_secs > now_secs);
        let seen = self.seen;
        self.seen = board.log.back().map(|line| line.at).or(seen);
        // What was said before the first frame, and while the models are loaded, was not done by the user.
        let Some(seen) = seen.filter(|_| !self.muted && board.phase != Phase::Opening) else {
            self.seen = self.seen.or(Some(Duration::ZERO));
            return;
        };
        let newer = board.log.iter().filter(|line| line.at > seen);
        for line in newer.filter(|line| !in_banner(board, line)) {
            let stay = if line.level == Level::Info {
                STAY_SECS
            } else {
                WARNING_SECS
            };
            self.live.push(Toast {
                line: line.clone(),
                until_secs: now_secs + stay,
            });
        }
        let over = self.live.len().saturating_sub(MOST);
        self.live.drain(..over);
    }
}

/// Whether the banner says this already.
pub(super) fn in_banner(board: &BoardView, line: &LogLine) -> bool {
    board.failure.as_ref().is_some_and(|failure| failure.what == line.text)
}

pub fn toasts_ui(ui: &Ui, state: &mut ViewState, view: &View<'_>) {
    let (now, passed) = ui.input(|input| (input.time, f64::from(input.unstable_dt)));
    let toasts = &mut state.shell.toasts;
    toasts.update(view.board, now);
    let Some(next) = toasts.live.iter().map(|toast| toast.until_secs).reduce(f64::min) else {
        return;
    };
    let shown = Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, vec2(-12.0, -36.0))
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            // The newest at the bottom, where the eye is led from the status line.
            toasts.live.retain(|toast| !toast_ui(ui, toast));
        });
    if shown.response.contains_pointer() {
        for toast in &mut toasts.live {
            toast.until_secs += passed;
        }
    }
    ui.ctx()
        .request_repaint_after_secs((next - now).clamp(0.05, 10.0) as f32);
}

/// `true` once it was dismissed.
fn toast_ui(ui: &mut Ui, toast: &Toast) -> bool {
    let p = Palette::of(ui);
    let edge = match toast.line.level {
        Level::Info => p.edge,
        Level::Warning => p.warn,
        Level::Error => p.bad,
    };
    let frame = Frame::popup(ui.style()).fill(p.header).stroke(Stroke::new(1.0, edge));
    let shown = frame.inner_margin(8).show(ui, |ui| {
        ui.set_width(WIDTH);
        let row = ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            let dismissed = widgets::icon_button(ui, true, Icon::Cross, "", "Dismiss this message").clicked();
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.add(Label::new(RichText::new(&toast.line.text).color(p.text)).wrap());
            });
            dismissed
        });
        row.inner
    });
    shown.inner
}

/// The last messages, newest first, with how long ago each was.
pub(super) fn past_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    ui.set_width(420.0);
    if view.board.log.is_empty() {
        ui.label(RichText::new("Nothing was said yet.").color(p.weak));
    }
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        for line in view.board.log.iter().rev().take(PAST) {
            let color = super::log::color(p, line.level);
            let secs = numbers::grouped(line.at.as_secs() as i64);
            let text = RichText::new(format!("{secs} s  {}", line.text))
                .size(SMALL)
                .color(color);
            ui.add(Label::new(text).wrap());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Failure;
    use std::sync::Arc;

    fn board(lines: &[(u64, Level, &str)]) -> BoardView {
        let line = |&(secs, level, text): &(u64, Level, &str)| LogLine {
            at: Duration::from_secs(secs),
            level,
            text: text.to_owned(),
        };
        BoardView {
            phase: Phase::Idle,
            log: Arc::new(lines.iter().map(line).collect()),
            ..BoardView::default()
        }
    }

    fn texts(toasts: &Toasts) -> Vec<&str> {
        toasts.live.iter().map(|toast| toast.line.text.as_str()).collect()
    }

    #[test]
    fn each_new_line_comes_once_and_goes_and_what_the_banner_says_never_comes() {
        let mut toasts = Toasts::default();
        let (old, wrote, refused) = (
            (1, Level::Info, "Loaded."),
            (2, Level::Info, "Wrote plan.json."),
            (3, Level::Warning, "There is no purple block."),
        );
        toasts.update(&board(&[old]), 0.0);
        assert!(texts(&toasts).is_empty(), "it was there before the window");
        let said = board(&[old, wrote]);
        toasts.update(&said, 1.0);
        toasts.update(&said, 1.1);
        assert_eq!(texts(&toasts), ["Wrote plan.json."]);
        assert!(toasts.shows(&said.log[1]) && !toasts.shows(&said.log[0]));
        let mut failed = board(&[old, wrote, refused]);
        failed.failure = Some(Failure {
            level: Level::Warning,
            what: refused.2.to_owned(),
            kept: String::new(),
            advice: String::new(),
        });
        toasts.update(&failed, 2.0);
        assert_eq!(texts(&toasts), ["Wrote plan.json."]);
        toasts.update(&failed, 1.0 + STAY_SECS);
        assert!(texts(&toasts).is_empty());
    }

    #[test]
    fn a_burst_shows_its_last_lines() {
        let mut toasts = Toasts::default();
        toasts.update(&board(&[]), 0.0);
        let lines: Vec<_> = (1..9).map(|secs| (secs, Level::Info, "a line")).collect();
        toasts.update(&board(&lines), 0.1);
        assert_eq!(toasts.live.len(), MOST);
        assert_eq!(toasts.live[MOST - 1].line.at, Duration::from_secs(8));
    }
}

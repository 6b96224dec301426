//! All lines of the log, with a filter, a search and a way to take them along.

use egui::{Align, Label, Layout, RichText, Ui, vec2};

use super::state::{View, ViewState};
use crate::engine::{Level, LogLine};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, widgets};

const ROW: f32 = 17.0;

/// Which lines of the log are shown.
#[derive(Clone, Debug)]
pub struct LogView {
    /// The least level.
    pub least: Level,
    pub search: String,
}

impl Default for LogView {
    fn default() -> Self {
        Self {
            least: Level::Info,
            search: String::new(),
        }
    }
}

impl LogView {
    fn shows(&self, line: &LogLine) -> bool {
        let high = match self.least {
            Level::Info => true,
            Level::Warning => line.level != Level::Info,
            Level::Error => line.level == Level::Error,
        };
        let search = self.search.trim().to_lowercase();
        high && (search.is_empty() || line.text.to_lowercase().contains(&search))
    }
}

pub(super) fn color(p: &Palette, level: Level) -> egui::Color32 {
    match level {
        Level::Info => p.text,
        Level::Warning => p.warn,
        Level::Error => p.bad,
    }
}

/// A line as it is copied.
fn plain(line: &LogLine) -> String {
    let level = match line.level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    format!("{:8.1} s  {level:7}  {}", line.at.as_secs_f64(), line.text)
}

/// Newest at the bottom.
pub fn log_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let log = &mut state.shell.log;
    ui.spacing_mut().item_spacing.y = 0.0;
    let lines: Vec<&LogLine> = view.board.log.iter().filter(|line| log.shows(line)).collect();
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), 28.0),
        Layout::left_to_right(Align::Center),
        |ui| {
            ui.spacing_mut().interact_size.y = 20.0;
            ui.label(RichText::new("Log").family(semibold()).color(p.strong));
            for (level, text) in [
                (Level::Info, "All"),
                (Level::Warning, "Warnings"),
                (Level::Error, "Errors"),
            ] {
                let name = format!("Log level: {text}");
                if widgets::toggle(ui, log.least == level, text, &name).clicked() {
                    log.least = level;
                }
            }
            widgets::field(ui, &mut log.search, 200.0, "Search", "Search the log");
            let count = format!("{} of {} lines", lines.len(), view.board.log.len());
            ui.label(RichText::new(count).size(SMALL).color(p.weak));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui
                    .add_enabled(!lines.is_empty(), egui::Button::new("Copy"))
                    .on_hover_text("Copy the lines that are shown")
                    .clicked()
                {
                    let all: Vec<String> = lines.iter().map(|line| plain(line)).collect();
                    ui.ctx().copy_text(all.join("\n"));
                }
            });
        },
    );
    if lines.is_empty() {
        let (what, advice) = if view.board.log.is_empty() {
            ("What the program did, line by line.", "")
        } else {
            (
                "No line of the log is like that.",
                "Show all levels, or search for something else.",
            )
        };
        faces::empty_ui(ui, what, advice);
        return;
    }
    egui::ScrollArea::vertical()
        .id_salt("log")
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show_rows(ui, ROW, lines.len(), |ui, range| {
            for line in &lines[range] {
                ui.horizontal(|ui| {
                    ui.spacing_mut().interact_size.y = ROW;
                    ui.set_height(ROW);
                    let secs = format!("{:8.1} s", line.at.as_secs_f64());
                    ui.label(RichText::new(secs).monospace().size(SMALL).color(p.weak));
                    let text = RichText::new(&line.text).size(SMALL).color(color(p, line.level));
                    ui.add(Label::new(text).selectable(true).truncate())
                        .on_hover_text(&line.text);
                });
            }
        });
}

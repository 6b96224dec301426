//! What the window has around the panels: its layout, and what its menus and the palette ask for.

use egui::ThemePreference;

use super::files::{Dialogs, Recents};
use super::layouts::Arrangements;
use super::log::LogView;
use super::pane::Pane;
use super::tables::Table;
use super::toasts::Toasts;
use crate::engine::Command;
use crate::ui::capture::Capture;

/// What is asked of the window itself. Unlike [`crate::ui::keys::Act`]s these have no keys of their own; menus and the
/// palette offer them.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowAct {
    /// In its workspace, which is shown then.
    OpenPane(Pane),
    ClosePane(Pane),
    /// This and the other layout acts are about the workspace that is shown.
    ResetLayout,
    UndoLayout,
    /// Ask for a name.
    NameLayout,
    SaveLayout(String),
    UseLayout(String),
    ForgetLayout(String),
    Theme(ThemePreference),
    ZoomIn,
    ZoomOut,
    ZoomReset,
    ToggleLog,
    /// A PNG of the window.
    PictureWindow,
    /// A PNG of one pane.
    Picture(Pane),
    /// The numbers of a plot as CSV: all, or what the plot shows.
    SaveTable(Table),
    /// A file of text that a menu has made.
    SaveText {
        file: String,
        text: String,
    },
    /// Unfold the export form with this file's name in it.
    ExportAs(&'static str),
    /// Unfold the export form for the steps of the loop, as a recording.
    ExportLoop,
    /// What a recent file or a button asks of the engine.
    Send(Command),
}

/// All that the window keeps for itself.
#[derive(Default)]
pub struct Shell {
    pub panes: Arrangements,
    /// What menus and the palette asked for in this frame.
    pub acts: Vec<WindowAct>,
    /// Name for the layout at hand, while it is typed.
    pub layout_name: String,
    pub dialogs: Dialogs,
    pub recents: Recents,
    /// The file that an export would replace, once the user was told.
    pub export_over: Option<String>,
    pub toasts: Toasts,
    pub log: LogView,
    /// The palette's row that Enter takes.
    pub palette_row: usize,
    pub capture: Capture,
    /// What the window has to say in the log.
    pub warnings: Vec<String>,
}

//! The window's path fields: which they are, the dialog beside each, and what was opened last.

use std::path::{Path, PathBuf};

use egui::containers::menu::MenuButton;
use egui::{Button, RichText, Ui};
use serde::{Deserialize, Serialize};

use super::state::ViewState;
use crate::engine::Command;
use crate::recording::file::EXTENSION;
use crate::ui::file_dialog::{Answer, FileDialog, Wanted};
use crate::ui::icons::Icon;
use crate::ui::theme::SMALL;
use crate::ui::widgets;

/// Paths of each kind that are remembered.
const RECENT: usize = 8;

/// A field that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathField {
    Checkpoint,
    Scene,
    Recording,
    Export,
    /// The folder of a training run.
    Run,
    /// The folder of a run that is to be watched.
    Watch,
    /// The checkpoint that a training run goes on from.
    From,
    /// The configuration of a training run, in place of a preset.
    Configuration,
    /// The episodes of a training run.
    Data,
}

impl PathField {
    fn wanted(self) -> Wanted {
        match self {
            Self::Checkpoint | Self::Run | Self::Watch | Self::From | Self::Data => Wanted::Folder,
            Self::Scene => Wanted::File(&["ron"]),
            Self::Configuration => Wanted::File(&["ron", "json"]),
            Self::Recording => Wanted::File(&[EXTENSION]),
            Self::Export => Wanted::NewFile,
        }
    }

    /// What its button says.
    fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "Choose a checkpoint folder…",
            Self::Scene => "Choose a scene file…",
            Self::Recording => "Choose a recording…",
            Self::Export => "Choose where to export to…",
            Self::Run => "Choose a run folder…",
            Self::Watch => "Choose a run to watch…",
            Self::From => "Choose the checkpoint to go on from…",
            Self::Configuration => "Choose a configuration file…",
            Self::Data => "Choose a folder of episodes…",
        }
    }

    /// The command that opens what the field names.
    pub(super) fn open(self, path: PathBuf) -> Option<Command> {
        match self {
            Self::Checkpoint => Some(Command::LoadCheckpoint(path)),
            Self::Scene => Some(Command::LoadScene(path)),
            Self::Recording => Some(Command::OpenRecording(path)),
            Self::Watch => Some(Command::WatchRun(path)),
            Self::Export | Self::Run | Self::From | Self::Configuration | Self::Data => None,
        }
    }

    pub(super) fn text(self, state: &mut ViewState) -> &mut String {
        match self {
            Self::Checkpoint => &mut state.task.checkpoint,
            Self::Scene => &mut state.task.scene,
            Self::Recording => &mut state.task.recording,
            Self::Export => &mut state.task.export,
            Self::Run => &mut state.training.run,
            Self::Watch => &mut state.training.path,
            Self::From => &mut state.training.from,
            Self::Configuration => &mut state.training.configuration,
            Self::Data => &mut state.training.data,
        }
    }
}

/// The dialogs of these fields.
pub type Dialogs = FileDialog<PathField>;

/// The button beside a field that opens the system's dialog for it.
pub fn dialog_button_ui(ui: &mut Ui, dialogs: &mut Dialogs, field: PathField, near: &str) {
    let button = widgets::icon_button(ui, !dialogs.is_open(), Icon::Folder, "", field.name());
    let button = button
        .on_hover_text(field.name())
        .on_disabled_hover_text("A file dialog is open already");
    if button.clicked() {
        dialogs.ask(ui.ctx(), field, field.wanted(), near);
    }
}

/// Puts what was chosen in a dialog into its field, and opens it where the field is one that opens.
pub fn take_chosen(state: &mut ViewState) {
    match state.shell.dialogs.answer() {
        Some((field, Answer::Chosen(path))) => {
            // What is watched stands in the list; its field is free for another.
            *field.text(state) = match field {
                PathField::Watch => String::new(),
                _ => path.display().to_string(),
            };
            if let Some(command) = field.open(path) {
                state.outbox.push(command);
                state.task.popup = None;
            }
        }
        Some((_, Answer::NotThere)) => {
            let what = "No file dialog answered (is there a portal or zenity?). Type the path instead.";
            state.shell.warnings.push(what.to_owned());
        }
        Some((_, Answer::NotOpened(err))) => {
            let what = format!("No file dialog could be opened: {err}. Type the path instead.");
            state.shell.warnings.push(what);
        }
        Some((_, Answer::Cancelled)) | None => {}
    }
}

/// What was opened last, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recents {
    pub checkpoints: Vec<PathBuf>,
    pub scenes: Vec<PathBuf>,
    pub recordings: Vec<PathBuf>,
}

impl Recents {
    /// Remembers what a command opens.
    pub fn note(&mut self, command: &Command) {
        let (list, path) = match command {
            Command::LoadCheckpoint(path) => (&mut self.checkpoints, path),
            Command::LoadScene(path) => (&mut self.scenes, path),
            Command::OpenRecording(path) => (&mut self.recordings, path),
            _ => return,
        };
        // Where the program is started from next time, a relative path may mean something else. A scene may also be a
        // name, which is no path.
        let path = if path.exists() {
            std::path::absolute(path).unwrap_or_else(|_| path.clone())
        } else {
            path.clone()
        };
        list.retain(|other| *other != path);
        list.insert(0, path);
        list.truncate(RECENT);
    }

    pub fn of(&self, field: PathField) -> &[PathBuf] {
        match field {
            PathField::Checkpoint => &self.checkpoints,
            PathField::Scene => &self.scenes,
            PathField::Recording => &self.recordings,
            PathField::Export
            | PathField::Run
            | PathField::Watch
            | PathField::From
            | PathField::Configuration
            | PathField::Data => &[],
        }
    }
}

/// A menu of what was opened last in a field; the path that was chosen.
pub(super) fn recents_ui(ui: &mut Ui, paths: &[PathBuf], what: &str) -> Option<PathBuf> {
    let mut chosen = None;
    ui.add_enabled_ui(!paths.is_empty(), |ui| {
        let button = Button::new(RichText::new("Recent").size(SMALL));
        let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
            for path in paths {
                if ui
                    .button(shortened(path))
                    .on_hover_text(path.display().to_string())
                    .clicked()
                {
                    chosen = Some(path.clone());
                    ui.close();
                }
            }
        });
        response
            .accessible_name(format!("Recent: {what}"))
            .on_disabled_hover_text("What you open is listed here");
    });
    chosen
}

/// A path's last parts: its beginning is the same for all of them.
pub(super) fn shortened(path: &Path) -> String {
    let parts: Vec<_> = path.components().collect();
    match parts.len() {
        0..=4 => path.display().to_string(),
        n => PathBuf::from("…")
            .join(parts[n - 3..].iter().collect::<PathBuf>())
            .display()
            .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stand_first_once_and_no_more_than_eight() {
        let mut recents = Recents::default();
        for i in [0, 1, 2, 1] {
            recents.note(&Command::LoadCheckpoint(PathBuf::from(format!("not-there/{i}"))));
        }
        recents.note(&Command::Pause);
        let paths = |indices: &[usize]| -> Vec<PathBuf> {
            indices
                .iter()
                .map(|i| PathBuf::from(format!("not-there/{i}")))
                .collect()
        };
        assert_eq!(recents.of(PathField::Checkpoint), paths(&[1, 2, 0]));
        for i in 0..20 {
            recents.note(&Command::OpenRecording(PathBuf::from(format!("not-there/{i}"))));
        }
        assert_eq!(recents.recordings, paths(&[19, 18, 17, 16, 15, 14, 13, 12]));
        assert!(recents.of(PathField::Scene).is_empty());
    }

    #[test]
    fn a_dialog_that_could_not_be_opened_is_said_and_another_can_be_asked() {
        let mut state = ViewState::new(&[], 0);
        let refused = std::io::Error::other("no thread is left");
        state.shell.dialogs.not_opened(PathField::Export, &refused);
        take_chosen(&mut state);
        assert_eq!(
            state.shell.warnings,
            ["No file dialog could be opened: no thread is left. Type the path instead."]
        );
        assert!(!state.shell.dialogs.is_open());
        assert_eq!(state.task.export, "plan.json");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(shortened(Path::new("/a/b/c")), "/a/b/c");
        assert_eq!(
            shortened(Path::new("/home/me/runs/first/checkpoint")),
            "…/runs/first/checkpoint"
        );
    }
}

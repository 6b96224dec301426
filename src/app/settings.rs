//! What the window remembers from one start to the next: its size, theme, zoom, layouts and what was opened last, as RON
//! in the user's config folder. A file that cannot be read is put aside, never an error; one that cannot be written is
//! said once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use egui::{Context, ThemePreference};
use serde::{Deserialize, Serialize};

use super::LEAST_SIZE;
use crate::panels::{Node, Recents, Shell, Workspace};
use crate::weights::{make_parent, write_file};

/// Everything that is saved. What a file lacks is as at the first start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: ThemePreference,
    pub zoom: f32,
    /// Inner size of the window at a zoom of 1, points.
    pub size: Option<[f32; 2]>,
    /// Of the episode; none is the standard layout.
    pub layout: Option<Node>,
    pub layouts: BTreeMap<String, Node>,
    pub training_layout: Option<Node>,
    pub training_layouts: BTreeMap<String, Node>,
    pub recents: Recents,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemePreference::Dark,
            zoom: 1.0,
            size: None,
            layout: None,
            layouts: BTreeMap::new(),
            training_layout: None,
            training_layouts: BTreeMap::new(),
            recents: Recents::default(),
        }
    }
}

impl Settings {
    /// Gives the window what was saved.
    fn restore(&self, ctx: &Context, shell: &mut Shell) {
        ctx.set_theme(self.theme);
        if self.zoom.is_finite() {
            ctx.set_zoom_factor(self.zoom.clamp(0.5, 3.0));
        }
        for (workspace, layout, named) in [
            (Workspace::Episode, &self.layout, &self.layouts),
            (Workspace::Training, &self.training_layout, &self.training_layouts),
        ] {
            let panes = &mut shell.panes[workspace];
            panes.restore(layout.as_ref());
            panes.named = named.clone();
        }
        shell.recents = self.recents.clone();
    }

    /// What is worth saving now; `before` has the size that a full screen does not change.
    fn of(ctx: &Context, shell: &Shell, before: &Self) -> Self {
        let zoom = ctx.zoom_factor();
        let (size, whole) = ctx.input(|input| {
            let viewport = input.viewport();
            let size: [f32; 2] = (input.content_rect().size() * zoom).round().into();
            (
                size,
                viewport.maximized.unwrap_or(false) || viewport.fullscreen.unwrap_or(false),
            )
        });
        let [episode, training] = [Workspace::Episode, Workspace::Training].map(|workspace| &shell.panes[workspace]);
        Self {
            theme: ctx.options(|options| options.theme_preference),
            zoom,
            size: if whole { before.size } else { Some(size) },
            layout: episode.custom().cloned(),
            layouts: episode.named.clone(),
            training_layout: training.custom().cloned(),
            training_layouts: training.named.clone(),
            recents: shell.recents.clone(),
        }
    }
}

/// Where the settings of this user lie.
pub fn settings_path() -> Option<PathBuf> {
    let folder = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let base = if cfg!(target_os = "windows") {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))
    };
    Some(base?.join("thinkjepa").join("window.ron"))
}

/// Size of the window when it was last closed, where that is known.
pub fn remembered_size(path: &Path) -> Option<[f32; 2]> {
    let size = read(path).ok().flatten()?.size?;
    let [width, height] = LEAST_SIZE;
    (size[0] >= width && size[1] >= height).then_some(size)
}

/// None where there is no file yet.
fn read(path: &Path) -> Result<Option<Settings>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => ron::from_str(&text).map(Some).map_err(|err| err.to_string()),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err.to_string()),
    }
}

/// Moves a file that cannot be read out of the way, and says so.
fn put_aside(path: &Path, what: &str) -> String {
    let aside = path.with_extension("broken.ron");
    match std::fs::rename(path, &aside) {
        Ok(()) => format!(
            "The window's settings could not be read ({what}). They were put aside as {}; the window begins anew.",
            aside.display()
        ),
        Err(err) => format!(
            "The window's settings {} could not be read ({what}) nor put aside ({err}).",
            path.display()
        ),
    }
}

/// The file of the settings, written when they change.
pub(super) struct SettingsFile {
    path: PathBuf,
    saved: Settings,
    /// Writes at this moment: a slow disk must not hold the window up.
    writer: Option<JoinHandle<Result<(), String>>>,
    failed: bool,
}

impl SettingsFile {
    /// Reads the file and gives the window what is in it; also what there is to say about it.
    pub(super) fn open(path: PathBuf, ctx: &Context, shell: &mut Shell) -> (Self, Option<String>) {
        let (saved, said) = match read(&path) {
            Ok(settings) => (settings.unwrap_or_default(), None),
            Err(what) => (Settings::default(), Some(put_aside(&path, &what))),
        };
        saved.restore(ctx, shell);
        let file = Self {
            path,
            saved,
            writer: None,
            failed: false,
        };
        (file, said)
    }

    /// Writes what has changed, on a thread of its own; what went wrong the time before, once.
    pub(super) fn keep(&mut self, ctx: &Context, shell: &Shell) -> Option<String> {
        let mut problem = None;
        if let Some(writer) = self.writer.take_if(|writer| writer.is_finished()) {
            problem = self.written(writer);
        }
        let now = Settings::of(ctx, shell, &self.saved);
        if self.writer.is_none() && now != self.saved {
            let (path, text) = (self.path.clone(), to_text(&now));
            let writer = std::thread::Builder::new().name("settings".to_owned());
            self.writer = writer.spawn(move || write(&path, &text?)).ok();
            self.saved = now;
        }
        problem
    }

    fn written(&mut self, writer: JoinHandle<Result<(), String>>) -> Option<String> {
        let result = writer.join().unwrap_or_else(|_| Err("the writer panicked".to_owned()));
        let first = !std::mem::replace(&mut self.failed, result.is_err());
        result
            .err()
            .filter(|_| first)
            .map(|what| format!("The window's settings are not kept: {what}"))
    }

    /// The window closes: everything is on disk afterwards, if it can be.
    pub(super) fn close(&mut self, ctx: &Context, shell: &Shell) {
        if let Some(writer) = self.writer.take() {
            self.written(writer);
        }
        self.keep(ctx, shell);
        if let Some(what) = self.writer.take().and_then(|writer| self.written(writer)) {
            log::warn!("{what}");
        }
    }
}

fn to_text(settings: &Settings) -> Result<String, String> {
    ron::ser::to_string_pretty(settings, ron::ser::PrettyConfig::default()).map_err(|err| err.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    make_parent(path).map_err(|err| err.to_string())?;
    write_file(path, text.as_bytes()).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Command;
    use crate::panels::Pane;

    fn frame(ctx: &Context) {
        let mut output = ctx.run_ui(egui::RawInput::default(), |_| ());
        // Nothing is drawn.
        output.textures_delta.clear();
    }

    #[test]
    fn what_was_changed_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not-yet").join("window.ron");
        let (ctx, mut shell) = (Context::default(), Shell::default());
        let (mut file, said) = SettingsFile::open(path.clone(), &ctx, &mut shell);
        assert_eq!(said, None, "a first start has nothing to say");
        shell.panes[Workspace::Episode].close(Pane::Cem);
        shell.panes[Workspace::Episode].save_as("no plans");
        shell.panes[Workspace::Training].close(Pane::Samples);
        shell.panes[Workspace::Training].save_as("curves");
        shell.recents.note(&Command::LoadCheckpoint(PathBuf::from("not-there")));
        ctx.set_theme(ThemePreference::System);
        ctx.set_zoom_factor(1.3);
        // A new zoom holds from the next frame on.
        frame(&ctx);
        file.close(&ctx, &shell);

        let (ctx, mut again) = (Context::default(), Shell::default());
        let (_, said) = SettingsFile::open(path, &ctx, &mut again);
        assert_eq!(said, None);
        frame(&ctx);
        for (pane, name) in [(Pane::Cem, "no plans"), (Pane::Samples, "curves")] {
            let panes = &again.panes[pane.workspace()];
            assert!(!panes.is_open(pane));
            assert_eq!(panes.named.keys().collect::<Vec<_>>(), [name]);
        }
        assert_eq!(again.recents.checkpoints, [PathBuf::from("not-there")]);
        let theme = ctx.options(|options| options.theme_preference);
        assert_eq!((theme, ctx.zoom_factor()), (ThemePreference::System, 1.3));
    }

    #[test]
    fn a_broken_file_is_put_aside_and_one_from_another_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("window.ron");
        std::fs::write(&path, "(theme: Purple").unwrap();
        let (ctx, mut shell) = (Context::default(), Shell::default());
        let (_, said) = SettingsFile::open(path.clone(), &ctx, &mut shell);
        assert!(said.unwrap().contains("were put aside"));
        assert!(!path.exists());
        let aside = std::fs::read_to_string(folder.path().join("window.broken.ron")).unwrap();
        assert_eq!(aside, "(theme: Purple");

        let other = "(zoom: 1.5, something_new: 7, layout: Some(Row([(1, Pane(Camera)), (1, Closed(Cem))])))";
        std::fs::write(&path, other).unwrap();
        let (file, said) = SettingsFile::open(path, &ctx, &mut shell);
        assert_eq!((said, file.saved.zoom), (None, 1.5));
        let [episode, training] = [Workspace::Episode, Workspace::Training].map(|workspace| &shell.panes[workspace]);
        assert!(episode.is_open(Pane::Camera) && !episode.is_open(Pane::Cem));
        assert!(training.custom().is_none(), "which it does not know");
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let (ctx, mut shell) = (Context::default(), Shell::default());
        let (mut file, _) = SettingsFile::open(blocked.join("window.ron"), &ctx, &mut shell);
        let mut said = Vec::new();
        for pane in [Pane::Cem, Pane::Camera, Pane::Timeline] {
            shell.panes[Workspace::Episode].close(pane);
            said.extend(file.keep(&ctx, &shell));
            let begun = std::time::Instant::now();
            while file.writer.as_ref().is_some_and(|writer| !writer.is_finished()) {
                assert!(begun.elapsed().as_secs() < 20);
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        said.extend(file.keep(&ctx, &shell));
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

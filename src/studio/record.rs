//! The episode at hand, recorded on disk as it happens.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::{Control, Level};
use crate::recording::Recording;
use crate::recording::file::{EXTENSION, RecordingFileError, RecordingWriter};

/// Files of one folder that are counted up to.
const MOST: usize = 9999;

/// The folder that episodes are recorded in, and the files of those that may go on.
#[derive(Clone, Default)]
pub(super) struct Recordings {
    /// None: nothing is recorded.
    folder: Option<PathBuf>,
    /// Without links and dots, so that they can be compared.
    open: Arc<Mutex<Vec<PathBuf>>>,
}

impl Recordings {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            ..Self::default()
        }
    }

    /// Begins the next free `episode-N.tjrec` of the folder, which is made if need be.
    pub(super) fn begin(&self, control: &Control) -> Recorder {
        let mut recorder = Recorder {
            writer: None,
            canonical: None,
            recordings: self.clone(),
        };
        let Some(folder) = &self.folder else {
            return recorder;
        };
        match next(folder) {
            Ok((writer, path)) => {
                control.log(Level::Info, format!("Recording into {path}."));
                recorder.canonical = writer.path().canonicalize().ok();
                self.change(|open| open.extend(recorder.canonical.clone()));
                recorder.writer = Some(writer);
            }
            Err(err) => {
                control.log(Level::Warning, format!("{err} The episode is not recorded on disk."));
            }
        }
        recorder
    }

    /// Whether an episode is recorded into this file, by whatever path.
    pub(super) fn holds(&self, path: &Path) -> bool {
        path.canonicalize()
            .is_ok_and(|path| self.change(|open| open.contains(&path)))
    }

    fn change<R>(&self, change: impl FnOnce(&mut Vec<PathBuf>) -> R) -> R {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what happens into a file of its own; a disk that fails is said once, and the episode goes on without.
pub(super) struct Recorder {
    writer: Option<RecordingWriter>,
    /// Its file among those that are open.
    canonical: Option<PathBuf>,
    recordings: Recordings,
}

impl Recorder {
    /// Name of the file that is written to.
    pub(super) fn file_name(&self) -> Option<String> {
        let name = self.writer.as_ref()?.path().file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    pub(super) fn update(&mut self, recording: &Recording, control: &Control) {
        let Some(writer) = &mut self.writer else { return };
        if let Err(err) = writer.update(recording) {
            let lost = "The file ends here; Export writes the whole episode to another disk.";
            control.log(Level::Warning, format!("{err} {lost}"));
            self.end();
        }
    }

    fn end(&mut self) {
        self.writer = None;
        if let Some(path) = self.canonical.take() {
            self.recordings.change(|open| open.retain(|other| *other != path));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

fn next(folder: &Path) -> Result<(RecordingWriter, String), RecordingFileError> {
    std::fs::create_dir_all(folder).map_err(|err| RecordingFileError::Io {
        action: "make the folder",
        path: folder.to_owned(),
        err,
    })?;
    let mut number = 1;
    loop {
        let path = folder.join(format!("episode-{number:04}.{EXTENSION}"));
        match RecordingWriter::create(&path) {
            Err(RecordingFileError::Exists(_)) if number < MOST => number += 1,
            Err(err) => return Err(err),
            Ok(writer) => return Ok((writer, path.display().to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_episode_gets_the_next_free_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("recordings");
        for number in 1..=3 {
            let (_, path) = next(&at).unwrap();
            assert!(path.ends_with(&format!("episode-000{number}.tjrec")), "{path}");
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        let said = next(&folder.path().join("file")).err().unwrap().to_string();
        assert!(said.contains("make the folder"), "{said}");
    }
}

//! The episode at hand, recorded on disk as it happens.

use std::path::Path;

use crate::engine::{Control, Level};
use crate::recording::Recording;
use crate::recording::file::{EXTENSION, RecordingFileError, RecordingWriter};

/// Files of one folder that are counted up to.
const MOST: usize = 9999;

/// Writes what happens into a file of its own; a disk that fails is said once, and the episode goes on without.
pub(super) struct Recorder(Option<RecordingWriter>);

impl Recorder {
    /// The next free `episode-N.tjrec` of the folder, which is made if need be.
    pub(super) fn begin(folder: Option<&Path>, control: &Control) -> Self {
        let Some(folder) = folder else {
            return Self(None);
        };
        match next(folder) {
            Ok((writer, path)) => {
                control.log(Level::Info, format!("Recording into {path}."));
                Self(Some(writer))
            }
            Err(err) => {
                control.log(Level::Warning, format!("{err} The episode is not recorded on disk."));
                Self(None)
            }
        }
    }

    /// Name of the file that is written to.
    pub(super) fn file_name(&self) -> Option<String> {
        let name = self.0.as_ref()?.path().file_name()?;
        Some(name.to_string_lossy().into_owned())
    }

    pub(super) fn update(&mut self, recording: &Recording, control: &Control) {
        let Some(writer) = &mut self.0 else { return };
        if let Err(err) = writer.update(recording) {
            let lost = "The file ends here; Export writes the whole episode to another disk.";
            control.log(Level::Warning, format!("{err} {lost}"));
            self.0 = None;
        }
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

//! A window whose graphics card is lost cannot draw again, and a program can open only one window: the program starts
//! anew in its place, with the episode that was recorded last. What goes over is told by two variables of the environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{CliError, CliResult};
use crate::recording::file::{EXTENSION, has_extension};

/// How often the window opened anew without having stayed open for [`STAYED`].
const TIMES: &str = "THINKJEPA_WINDOW_REOPENED";
/// The recording that is opened with it; empty if there was none.
const RECORDING: &str = "THINKJEPA_WINDOW_RECORDING";
/// A card that is lost once more after that does not come back.
const MOST_TIMES: usize = 3;
/// A window that stayed open for as long had a card that works.
const STAYED: Duration = Duration::from_secs(60);

/// What the window before this one left.
pub(super) struct Before {
    times: usize,
    /// Its newest recording.
    pub(super) recording: Option<PathBuf>,
}

impl Before {
    /// None if this window is the first.
    pub(super) fn here() -> Option<Self> {
        let times = std::env::var(TIMES).ok()?.parse().ok()?;
        let recording = std::env::var_os(RECORDING).filter(|path| !path.is_empty());
        Some(Self {
            times,
            recording: recording.map(PathBuf::from),
        })
    }

    /// What is said in the new window.
    pub(super) fn notice(&self) -> String {
        let so = "The window broke off, perhaps since its graphics card was lost, and opened anew.";
        match &self.recording {
            Some(path) => format!("{so} The newest episode is opened from {}.", path.display()),
            None => so.to_owned(),
        }
    }
}

/// Starts the program anew, as it was started, after a window that opened at `opened` and broke off for `problem`.
///
/// # Errors
/// The window broke off too often in a row, or the program cannot be started.
pub(super) fn reopen(recordings: &Path, opened: SystemTime, problem: &str) -> CliResult {
    let stayed = opened.elapsed().is_ok_and(|stayed| stayed > STAYED);
    let before = Before::here();
    let times = before.as_ref().filter(|_| !stayed).map_or(0, |before| before.times);
    if times == MOST_TIMES {
        return Err(CliError::new(problem));
    }
    log::warn!("{problem} The window opens anew.");
    let recording = newest(recordings, opened).or_else(|| before?.recording);
    let mut program = Command::new(std::env::current_exe()?);
    program
        .args(std::env::args_os().skip(1))
        .env(TIMES, (times + 1).to_string())
        .env(RECORDING, recording.unwrap_or_default());
    replace_by(program)
}

/// Nothing of this program is left: the new one has its place, its terminal and its exit code.
#[cfg(unix)]
fn replace_by(mut program: Command) -> CliResult {
    use std::os::unix::process::CommandExt;
    Err(program.exec().into())
}

#[cfg(not(unix))]
fn replace_by(mut program: Command) -> CliResult {
    program.spawn()?;
    Ok(super::Exit::Done)
}

/// The recording in `folder` that was written last, if that was after `since`.
fn newest(folder: &Path, since: SystemTime) -> Option<PathBuf> {
    let written = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| has_extension(path, EXTENSION))
        .filter_map(|path| Some((written(&path)?, path)))
        .filter(|(written, _)| *written >= since)
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_recording_since_the_window_opened_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let opened = SystemTime::now();
        let write = |name: &str, secs: i64| {
            let path = folder.path().join(name);
            let offset = Duration::from_secs(secs.unsigned_abs());
            let at = if secs < 0 { opened - offset } else { opened + offset };
            std::fs::File::create(&path).unwrap().set_modified(at).unwrap();
            path
        };
        write("before.tjrec", -5);
        assert_eq!(newest(folder.path(), opened), None);
        write("first.tjrec", 1);
        let second = write("second.tjrec", 2);
        write("notes.txt", 3);
        assert_eq!(newest(folder.path(), opened), Some(second));
        assert_eq!(newest(&folder.path().join("none"), opened), None);
    }
}

//! Files that are dropped on the window.

use std::path::Path;

use egui::{Align2, Area, Frame, Id, Order, Ui, Vec2};

use crate::engine::{Command, is_run};
use crate::recording::file::{EXTENSION, has_extension};

/// What a dropped path asks for.
///
/// # Errors
/// It is nothing that can be opened, in words.
fn command_of(path: &Path) -> Result<Command, String> {
    if is_run(path) {
        Ok(Command::WatchRun(path.to_owned()))
    } else if path.is_dir() {
        Ok(Command::LoadCheckpoint(path.to_owned()))
    } else if has_extension(path, EXTENSION) {
        Ok(Command::OpenRecording(path.to_owned()))
    } else if has_extension(path, "ron") {
        Ok(Command::LoadScene(path.to_owned()))
    } else {
        Err(format!(
            "{} is nothing that can be opened here. Drop a checkpoint's folder, a run's folder, a scene (.ron) or a recording (.{EXTENSION}).",
            path.display()
        ))
    }
}

/// What was dropped since the last frame; while something is held over the window, it says what may be dropped.
pub(super) fn dropped(ui: &Ui) -> Vec<Result<Command, String>> {
    let (hovered, dropped) = ui.input(|input| {
        let dropped = input.raw.dropped_files.iter().map(|file| command_of(file.path()));
        (!input.raw.hovered_files.is_empty(), dropped.collect())
    });
    if hovered {
        Area::new(Id::unique("drop"))
            .order(Order::Foreground)
            .anchor(Align2::CENTER_CENTER, Vec2::ZERO)
            .show(ui.ctx(), |ui| {
                Frame::popup(ui.style()).inner_margin(18).show(ui, |ui| {
                    ui.label("Drop a checkpoint's folder, a run's folder, a scene or a recording to open it");
                });
            });
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_opened_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(
            command_of(folder.path()),
            Ok(Command::LoadCheckpoint(folder.path().to_owned()))
        );
        std::fs::write(at("metrics.jsonl"), "").unwrap();
        assert_eq!(
            command_of(folder.path()),
            Ok(Command::WatchRun(folder.path().to_owned())),
            "a run is watched, not loaded"
        );
        assert_eq!(command_of(&at("a.TJREC")), Ok(Command::OpenRecording(at("a.TJREC"))));
        assert_eq!(command_of(&at("a.ron")), Ok(Command::LoadScene(at("a.ron"))));
        let said = command_of(&at("plan.json")).unwrap_err();
        assert!(said.contains("plan.json is nothing that can be opened"), "{said}");
    }
}

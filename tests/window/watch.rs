//! Runs that others write, brought to the window: by a dialog, and by dropping their folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::app::{AppOptions, Studio, prepare};
use thinkjepa::engine::{Command, Phase};
use thinkjepa::panels::Workspace;
use thinkjepa::recording::Recording;
use thinkjepa::ui::file_dialog::Wanted;

use super::{Desk, script, window};

/// A folder that is dropped on the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|err| err.to_string())
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_run_is_chosen_in_the_dialog_beside_its_field() {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    (desk.state.workspace, desk.state.task.focus) = (Workspace::Training, false);
    desk.state.shell.dialogs.choose = Arc::new(|wanted: &Wanted, _: &Path| match wanted {
        Wanted::Folder => Some(PathBuf::from("elsewhere/run")),
        Wanted::File(_) | Wanted::NewFile => None,
    });
    let mut window = window(desk);
    window.run_steps(3);
    window.state_mut().take();
    window.get_by_label("Choose a run to watch…").click();
    let begun = Instant::now();
    while window.state().sent.is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        window.step();
    }
    let watch = Command::WatchRun(PathBuf::from("elsewhere/run"));
    assert_eq!(window.state_mut().take(), [watch]);
    assert_eq!(window.state().state.training.path, "", "the field is free for another");
}

#[test]
fn the_folder_of_a_run_that_is_dropped_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("theirs");
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("metrics.jsonl"), "{\"step\": 1, \"loss\": 0.5}\n").unwrap();
    let options = AppOptions::default();
    let mut engine = Some(script::engine(Arc::new(|| ())));
    let mut window = Harness::<Option<Studio>>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui_state(
            move |ui, studio: &mut Option<Studio>| {
                let studio = studio
                    .get_or_insert_with(|| Studio::with_engine(ui.ctx(), &options, engine.take().expect("made once")));
                studio.frame_ui(ui);
            },
            None,
        );
    window.run_steps(3);
    window.input_mut().dropped_files.push(Arc::new(Dropped(run)));
    let begun = Instant::now();
    while window.query_by_label("Chart of loss, 1 run").is_none() {
        assert!(begun.elapsed() < PATIENCE, "its curve is not drawn");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(window.state().as_ref().unwrap().state().workspace, Workspace::Training);
}

//! A training in the real window, by its buttons alone: filled in, started, stopped, dropped, gone on with to its end, and
//! watched with everything that its charts offer.

use std::path::Path;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::config::Config;
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{Series, TrainingState};
use thinkjepa::train::{RunFile, RunStanding, newest_checkpoint};
use thinkjepa::weights::Checkpoint;

use crate::support::{config, made_data, untrained};
use crate::window::Window;

const STEPS: usize = 1000;
const EVERY: usize = 20;

fn small() -> Config {
    let mut config = config();
    config.name = "small".to_owned();
    config.train.checkpoint_every = EVERY;
    config.train.samples_every = 0;
    config
}

fn standing(run: &Path) -> Option<RunStanding> {
    RunFile::read(run).map(|file| file.standing)
}

/// Values of the loss that the window knows.
fn known(window: &Window, run: &Path) -> usize {
    let engine = window.engine();
    engine.with_metrics(|metrics| {
        let loss = metrics.watched.get(run).and_then(|run| run.series.get("loss"));
        loss.map_or(0, Series::len)
    })
}

#[test]
fn a_run_is_started_stopped_dropped_resumed_and_watched_by_its_buttons() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let path = |name: &str| at(name).display().to_string();
    untrained(&at("tiny"));
    std::fs::write(at("small.ron"), ron::ser::to_string(&small()).unwrap()).unwrap();
    made_data(folder.path(), "small.ron");

    let mut window = Window::open(at("tiny"), DeviceChoice::Cpu, &at("recordings"));
    let state = |window: &Window| window.engine().board().training;
    let run = at("first");
    window.press("Training workspace");
    for (field, words) in [
        ("Run folder", path("first")),
        ("Configuration file", path("small.ron")),
        ("Steps", STEPS.to_string()),
        ("Data folder", path("data")),
    ] {
        window.fill(field, &words);
    }
    window.says("The time is known after the first steps");
    window.press("Start training");
    window.until("trained for some steps", |window| known(window, &run) > 2 * EVERY);
    window.says("Chart of loss, 1 run");
    window.press("Stop and save");
    window.until("stopped", |window| {
        matches!(state(window), TrainingState::Stopped { .. })
    });
    let (kept, _) = newest_checkpoint(&run).unwrap();
    assert!((2 * EVERY..STEPS).contains(&kept), "{kept}");
    assert_eq!(standing(&run), Some(RunStanding::Stopped));

    // Gone on with from the list, and dropped: nothing is kept of it but whole checkpoints.
    window.says("Resume first");
    window.press("Resume first");
    window.until("further", |window| known(window, &run) > kept + EVERY + 5);
    window.press("Just stop");
    window.until("dropped", |window| {
        matches!(state(window), TrainingState::Stopped { .. })
    });
    let (dropped, _) = newest_checkpoint(&run).unwrap();
    assert!(dropped > kept && dropped % EVERY == 0, "{dropped} after {kept}");

    window.until("listed as stopped", |window| {
        window.0.query_by_label("Resume first").is_some() && window.0.query_by_label("running here").is_none()
    });
    window.press("Resume first");
    window.until("finished", |window| {
        matches!(state(window), TrainingState::Finished { .. })
    });
    assert_eq!(standing(&run), Some(RunStanding::Finished));
    assert_eq!(newest_checkpoint(&run).unwrap().0, STEPS);
    assert_eq!(Checkpoint::open(&run.join("result")).unwrap().config.name, "small");
    let file = RunFile::read(&run).unwrap();
    assert_eq!((file.data, file.from), (Some(at("data")), None), "as it was begun");
    window.until("all of the curve", |window| known(window, &run) == STEPS);

    // Another run beside it, which this program did not start.
    std::fs::create_dir(at("other")).unwrap();
    std::fs::copy(run.join("metrics.jsonl"), at("other").join("metrics.jsonl")).unwrap();
    window.fill("Run to watch", &path("other"));
    window.press("Watch");
    window.says("Chart of loss, 2 runs");
    window.press("Log scale of the x axis");
    window.0.get_by_role_and_label(Role::Slider, "Smoothing").focus();
    window.0.run_steps(2);
    for _ in 0..3 {
        window.0.key_press(Key::ArrowRight);
        window.0.run_steps(2);
    }
    window.says("Chart of loss, 2 runs");
    let form = &window.state().training;
    assert!(form.log_x && form.smoothing > 0.0, "{}", form.smoothing);
}

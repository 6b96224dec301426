//! The window's engine with a real system behind it: the same episode as on the command line, to the byte, also after
//! going back, and requests that it refuses.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{
    BoardView, Command, Engine, Level, Phase, Stage, TrainingCommand, TrainingRequest, TrainingState, Until,
};
use thinkjepa::planner::Switches;
use thinkjepa::recording::file;
use thinkjepa::sim::DEMO_SCENE;
use thinkjepa::studio::{StudioSettings, start};
use thinkjepa::train::{RunFile, RunStanding, newest_checkpoint};
use thinkjepa::weights::FullDisk;

use crate::support::{TASK, config, planned_headless, with_list};

fn engine(checkpoint: &Path) -> Engine {
    let settings = StudioSettings {
        checkpoint: checkpoint.to_owned(),
        scene: DEMO_SCENE.to_owned(),
        seed: 7,
        device: DeviceChoice::Cpu,
        recordings: None,
    };
    start(settings, Arc::new(|| ())).unwrap()
}

/// Waits until the board shows it.
fn until(engine: &Engine, what: &str, shown: impl Fn(&BoardView) -> bool) {
    let begun = Instant::now();
    loop {
        let board = engine.board();
        if shown(&board) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "never {what}: {board:?}");
        engine.wait(Duration::from_millis(20));
    }
}

fn exported(engine: &Engine, path: &Path) -> Vec<u8> {
    assert!(engine.send(Command::Export {
        path: path.to_owned(),
        steps: None
    }));
    let wrote = format!("Wrote {}.", path.display());
    until(engine, "exported", |board| {
        board.log.iter().any(|line| line.text == wrote)
    });
    std::fs::read(path).unwrap()
}

#[test]
fn the_window_makes_the_plan_of_the_command_line_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let headless = planned_headless(folder.path());

    let engine = engine(&at("tiny"));
    until(&engine, "idle", |board| board.phase == Phase::Idle);
    let scene = engine.live().unwrap();
    assert_eq!((scene.step, scene.view.height > scene.frame.height), (0, true));
    let info = engine.board().info.unwrap();
    assert_eq!(
        (info.checkpoint.as_deref(), info.device.as_str()),
        (Some("tiny"), "cpu")
    );

    let plan = |text: &str| {
        assert!(engine.send(Command::Plan {
            task: text.to_owned(),
            seed: 7,
            then: None,
        }));
    };
    plan(TASK);
    until(&engine, "planned", |board| board.phase == Phase::Paused);
    let recording = engine.recording();
    assert_eq!((recording.sub_goals.len(), recording.steps.len()), (2, 1));
    assert!(recording.answer.starts_with("red is free."));
    assert!(engine.send(Command::Run(Until::End)));
    until(&engine, "finished", |board| board.phase == Phase::Finished);
    assert!(
        exported(&engine, &at("window.json")) == headless,
        "the window made another plan"
    );
    let iterations = &engine.recording().steps[0].cem;
    assert_eq!(iterations.len(), info.plan.cem.iterations);
    let costs = &iterations[0].costs;
    assert!(
        costs.iter().any(|cost| (cost - costs[0]).abs() > 1e-6),
        "every candidate costs the same: {costs:?}"
    );

    // Back to the second step, and on again.
    assert!(engine.send(Command::Seek {
        branch: None,
        step: 1,
        seed: None
    }));
    until(&engine, "back", |board| board.phase == Phase::Paused);
    assert_eq!(
        (engine.recording().steps.len(), engine.recording().task_achieved),
        (2, None)
    );
    assert!(engine.send(Command::Step));
    assert!(engine.send(Command::Run(Until::End)));
    until(&engine, "finished again", |board| board.phase == Phase::Finished);
    assert!(
        exported(&engine, &at("again.json")) == headless,
        "going back changed the plan"
    );
    let gif = exported(&engine, &at("episode.gif"));
    assert!(gif.starts_with(b"GIF89a"));

    assert!(engine.send(Command::Reset { seed: 8 }));
    until(&engine, "reset", |board| board.phase == Phase::Idle);
    assert!(engine.recording().task.is_empty() && engine.live().unwrap().frame != scene.frame);
}

/// The disk of recordings is full after a few steps, then that of exports: both are said, the episode ends as it would have,
/// what was written is whole, and another disk takes all of it.
#[test]
fn a_full_disk_is_said_and_takes_nothing_from_the_episode() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let settings = StudioSettings {
        checkpoint: at("tiny"),
        scene: DEMO_SCENE.to_owned(),
        seed: 7,
        device: DeviceChoice::Cpu,
        recordings: Some(at("recordings")),
    };
    let disk = FullDisk::after(&at("recordings"), 3);
    let engine = start(settings, Arc::new(|| ())).unwrap();
    until(&engine, "idle", |board| board.phase == Phase::Idle);
    assert!(engine.send(Command::Plan {
        task: TASK.to_owned(),
        seed: 7,
        then: Some(Until::End),
    }));
    until(&engine, "finished", |board| board.phase == Phase::Finished);
    let said = |words: &str| {
        engine
            .board()
            .log
            .iter()
            .any(|line| line.level == Level::Warning && line.text.contains(words))
    };
    assert!(
        said("The file ends here; Export writes the whole episode"),
        "{:?}",
        engine.board().log
    );
    drop(disk);
    let whole = engine.recording();
    let files: Vec<_> = std::fs::read_dir(at("recordings"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    let kept = file::open(&files[0]).unwrap();
    assert_eq!(kept.cut_at, None, "half a block was left");
    let steps = kept.recording.steps.len();
    assert!(steps < whole.steps.len() && kept.recording.task == TASK);
    // The newest step of a recording is filled in later.
    let done = steps.saturating_sub(1);
    assert_eq!(kept.recording.steps[..done], whole.steps[..done]);

    std::fs::create_dir(at("out")).unwrap();
    for name in ["plan.json", "episode.gif", "episode.tjrec"] {
        let disk = FullDisk::after(&at("out"), 0);
        assert!(engine.send(Command::Export {
            path: at("out").join(name),
            steps: None
        }));
        until(&engine, "refused", |board| {
            board
                .failure
                .as_ref()
                .is_some_and(|failure| failure.what.contains(name))
        });
        let failure = engine.board().failure.unwrap();
        assert_eq!(
            (failure.level, failure.kept.as_str()),
            (Level::Warning, "The episode was not touched.")
        );
        assert_eq!(
            std::fs::read_dir(at("out")).unwrap().count(),
            0,
            "{name}: something was left behind"
        );
        drop(disk);
        assert!(!exported(&engine, &at("out").join(name)).is_empty());
        std::fs::remove_file(at("out").join(name)).unwrap();
    }
    let saved = at("out").join("again.tjrec");
    exported(&engine, &saved);
    assert_eq!(file::open(&saved).unwrap().recording, *whole);
}

/// Stage `vlm` needs no episodes: it is paused with a checkpoint, goes on, is stopped with nothing kept of the last steps,
/// and ends with the log of a run that was left alone.
#[test]
fn a_training_is_paused_dropped_and_resumed_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let mut config = config();
    config.vlm.max_tokens = 512;
    let stage = &mut config.train.vlm;
    (stage.facts_steps, stage.steps, stage.warmup_steps) = (0, 24, 0);
    (stage.facts_batch, stage.batch) = (2, 2);
    config.train.checkpoint_every = 1000;
    std::fs::write(at("tiny.ron"), ron::ser::to_string(&config).unwrap()).unwrap();
    let engine = engine(&at("tiny"));
    until(&engine, "idle", |board| board.phase == Phase::Idle);
    let start = |run: &str, lr: &str| {
        assert!(engine.send(Command::StartTraining(TrainingRequest {
            stage: Stage::Vlm,
            preset: at("tiny.ron").display().to_string(),
            settings: [("train.vlm.lr".to_owned(), lr.to_owned())].into(),
            run: at(run),
            steps: None,
            from: None,
            scene: None,
            data: None,
            device: None,
        })));
    };
    let training = |asked| assert!(engine.send(Command::Training(asked)));
    let losses = |run: &str| -> Vec<f64> {
        let log = std::fs::read_to_string(at(run).join("metrics.jsonl")).unwrap_or_default();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.map(|line| line["loss"].as_f64().unwrap()).collect()
    };
    let standing = |run: &str| RunFile::read(&at(run)).unwrap().standing;

    start("whole", "0.001");
    until(&engine, "finished", |board| {
        matches!(board.training, TrainingState::Finished { .. })
    });
    assert_eq!((losses("whole").len(), standing("whole")), (24, RunStanding::Finished));

    start("led", "0.001");
    until(&engine, "steps", |_| losses("led").len() >= 2);
    training(TrainingCommand::Pause);
    until(&engine, "paused", |board| {
        matches!(board.training, TrainingState::Paused { .. })
    });
    let paused_at = losses("led").len();
    assert_eq!(newest_checkpoint(&at("led")).unwrap().0, paused_at);
    assert_eq!(standing("led"), RunStanding::Running);
    training(TrainingCommand::Resume);
    until(&engine, "further", |_| losses("led").len() > paused_at);
    training(TrainingCommand::StopUnsaved);
    until(&engine, "stopped", |board| {
        matches!(board.training, TrainingState::Stopped { .. })
    });
    assert_eq!(
        (newest_checkpoint(&at("led")).unwrap().0, standing("led")),
        (paused_at, RunStanding::Stopped)
    );

    start("led", "0.002");
    until(
        &engine,
        "refused",
        |board| matches!(&board.training, TrainingState::Failed { message, .. } if message.contains("train.vlm.lr")),
    );
    start("led", "0.001");
    until(&engine, "finished", |board| {
        matches!(board.training, TrainingState::Finished { .. })
    });
    assert_eq!(losses("led"), losses("whole"));
    start("bad", "-1");
    until(
        &engine,
        "refused",
        |board| matches!(&board.training, TrainingState::Failed { message, .. } if message.starts_with("train.vlm.lr: Expected")),
    );
    assert!(!at("bad").exists());
}

#[test]
fn a_plan_in_pieces_is_the_same_plan_and_turned_settings_are_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_list(&at("tiny"));
    let headless = planned_headless(folder.path());
    let engine = engine(&at("tiny"));
    until(&engine, "idle", |board| board.phase == Phase::Idle);
    let plan = || {
        assert!(engine.send(Command::Plan {
            task: TASK.to_owned(),
            seed: 7,
            then: None,
        }));
        until(&engine, "planned", |board| {
            board.phase == Phase::Paused && engine.recording().steps.len() == 1
        });
    };
    let present = || engine.recording().steps.last().cloned().unwrap();
    plan();
    assert!(engine.send(Command::StepIteration));
    until(&engine, "an iteration", |board| {
        board.phase == Phase::Paused && present().cem.len() == 1
    });
    assert_eq!(engine.live().unwrap().cem.len(), 1);
    let act_off = Switches { plan: true, act: false };
    assert!(engine.send(Command::SetSwitches(act_off)));
    assert!(engine.send(Command::Step));
    until(&engine, "the whole plan", |board| {
        board.phase == Phase::Paused && present().cost.is_some()
    });
    assert_eq!((present().action, engine.live().unwrap()), (None, present()));
    assert!(present().stages.roll_out_secs > 0.0);
    assert!(engine.send(Command::SetSwitches(Switches::default())));
    assert!(engine.send(Command::Run(Until::End)));
    until(&engine, "finished", |board| board.phase == Phase::Finished);
    assert!(
        exported(&engine, &at("pieces.json")) == headless,
        "the plan in pieces is another plan"
    );

    // Turned after the second step; the episode after that begins with what was turned.
    let info = engine.board().info.unwrap();
    let mut turned = info.plan.clone();
    turned.cem.population += 6;
    plan();
    assert!(engine.send(Command::Step));
    assert!(engine.send(Command::SetPlanConfig(turned.clone())));
    assert!(engine.send(Command::Step));
    until(&engine, "two steps", |board| {
        board.phase == Phase::Paused && engine.recording().steps.len() == 3
    });
    let document = |name: &str| -> serde_json::Value { serde_json::from_slice(&exported(&engine, &at(name))).unwrap() };
    let (before, after) = (info.plan.cem.population, turned.cem.population);
    let steps = &engine.recording().steps;
    assert_eq!([0, 1].map(|step| steps[step].cem[0].costs.len()), [before, after]);
    let told = document("turned.json");
    assert_eq!(told["cem"]["population"], before);
    assert_eq!(told["changes"][0]["step"], 1);
    assert_eq!(told["changes"][0]["field"], "plan.cem.population");
    plan();
    let told = document("again.json");
    assert_eq!((&told["cem"]["population"], told.get("changes")), (&after.into(), None));
    assert_eq!(engine.board().info.unwrap().plan, turned);
    assert!(engine.send(Command::LoadCheckpoint(at("tiny"))));
    until(&engine, "the checkpoint's settings", |board| {
        board
            .info
            .as_ref()
            .is_some_and(|info| info.plan.cem.population == before)
    });
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("tiny");
    with_list(&checkpoint);
    let engine = engine(&checkpoint);
    until(&engine, "idle", |board| board.phase == Phase::Idle);
    let refusals = [
        (
            Command::Plan {
                task: "stack the orange ball".to_owned(),
                seed: 7,
                then: Some(Until::End),
            },
            "orange",
        ),
        (
            Command::Plan {
                task: "  ".to_owned(),
                seed: 7,
                then: Some(Until::End),
            },
            "The task is empty",
        ),
        (Command::LoadCheckpoint(folder.path().join("none")), "config.json"),
        (Command::LoadScene(folder.path().join("moon.ron")), "moon.ron"),
        (
            Command::Seek {
                branch: None,
                step: 4,
                seed: None,
            },
            "no episode",
        ),
    ];
    for (command, words) in refusals {
        assert!(engine.send(command));
        until(&engine, words, |board| {
            board
                .failure
                .as_ref()
                .is_some_and(|failure| failure.what.contains(words))
        });
        assert!(engine.send(Command::DismissFailure));
        until(&engine, "dismissed", |board| board.failure.is_none());
        assert_eq!(engine.board().info.unwrap().checkpoint.as_deref(), Some("tiny"));
    }
    assert!(engine.send(Command::Plan {
        task: TASK.to_owned(),
        seed: 7,
        then: None,
    }));
    until(&engine, "planned", |board| board.phase == Phase::Paused);
}

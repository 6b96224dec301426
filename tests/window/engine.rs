//! The engine behind the window: commands in, recording and board out, panics and all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::app::{AppOptions, Measured, Script, Studio, measure, prepare};
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{
    Breakpoints, Command, Engine, Examination, Level, Phase, Question, Stage, Topic, TrainingRequest, TrainingState,
    Until,
};
use thinkjepa::eval::latent::LatentQuestion;
use thinkjepa::planner::{Held, SubGoal, Switches};
use thinkjepa::recording::{Outcome, file};

use super::{at_steps, script, synthetic};

/// Far more than anything here takes, even on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`; what the board says is part of the panic.
fn until(engine: &Engine, what: &str, done: impl Fn(&Engine) -> bool) {
    let begun = Instant::now();
    while !done(engine) {
        assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", engine.board());
        engine.wait(Duration::from_millis(20));
    }
}

fn quiet() -> Engine {
    let engine = script::engine(Arc::new(|| ()));
    until(&engine, "opening", |engine| engine.board().phase == Phase::Idle);
    engine
}

fn plan(engine: &Engine, task: &str) {
    assert!(engine.send(Command::Plan {
        task: task.to_owned(),
        seed: 7,
        then: None,
    }));
}

#[test]
fn an_episode_is_planned_stepped_run_to_a_break_and_finished() {
    let engine = quiet();
    plan(&engine, "stack");
    until(&engine, "planning", |engine| engine.board().phase == Phase::Paused);
    engine.send(Command::Step);
    until(&engine, "one step", |engine| {
        engine.recording().steps.len() == 1 && engine.board().phase == Phase::Paused
    });
    engine.send(Command::SetBreakpoints(at_steps(&[2, 4])));
    engine.send(Command::Step);
    until(&engine, "the mark of a breakpoint that was stepped onto", |engine| {
        let board = engine.board();
        let recording = engine.recording();
        board.phase == Phase::Paused && recording.pauses.len() == 1 && recording.steps.len() == 2
    });
    engine.send(Command::Run(Until::End));
    until(&engine, "the breakpoint", |engine| {
        engine.board().phase == Phase::Paused && engine.recording().steps.len() == 4
    });
    engine.send(Command::Run(Until::NextSubGoal));
    until(&engine, "the switch", |engine| {
        engine.board().phase == Phase::Paused && engine.recording().steps.len() == 8
    });
    engine.send(Command::Seek {
        branch: None,
        step: 2,
        seed: None,
    });
    until(&engine, "going back", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::SetBreakpoints(Breakpoints::default()));
    engine.send(Command::Run(Until::End));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
    assert_eq!(engine.recording().outcome, Some(Outcome::Reached));
}

#[test]
fn an_edit_stops_no_run_and_a_branch_that_was_left_is_gone_back_to() {
    let engine = quiet();
    plan(&engine, "hang");
    engine.send(Command::Step);
    engine.send(Command::Step);
    until(&engine, "two steps", |engine| {
        engine.recording().steps.len() == 2 && engine.board().phase == Phase::Paused
    });
    let edit = |text: &str| Command::EditSubGoals {
        list: vec![SubGoal::read(text).expect("a text")],
        from: 1,
    };
    engine.send(edit("lift the green block"));
    until(&engine, "the edit", |engine| {
        engine.recording().sub_goals[1].text == "lift the green block"
    });
    assert_eq!(engine.board().phase, Phase::Paused);

    engine.send(Command::Seek {
        branch: None,
        step: 1,
        seed: Some(8),
    });
    until(&engine, "the branch", |engine| {
        engine.board().branches.at_hand == Some(1)
    });
    assert_eq!((engine.recording().steps.len(), engine.recording().plan_seed()), (1, 8));
    engine.send(Command::GoToBranch(0));
    until(&engine, "going over", |engine| {
        engine.board().branches.at_hand == Some(0)
    });
    assert_eq!((engine.recording().steps.len(), engine.recording().plan_seed()), (2, 7));
    let branches = engine.board().branches;
    assert_eq!(branches.get(1).map(|left| left.recording.steps.len()), Some(1));

    // A run goes on, also where an edit or a deletion is refused.
    plan(&engine, "stack");
    engine.send(Command::Run(Until::End));
    engine.send(edit("refuse"));
    engine.send(Command::DeleteBranch(0));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
    let refused = |text: &str| engine.board().log.iter().any(|line| line.text.contains(text));
    assert!(refused("That cannot be a goal.") && refused("Branch 0 is needed."));
}

#[test]
fn a_stop_ends_the_step_at_hand_and_what_was_queued_before_it() {
    let engine = quiet();
    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::Run(Until::End));
    engine.send(Command::Cancel);
    until(&engine, "stopping", |engine| engine.board().phase == Phase::Paused);
    assert_eq!(
        engine.recording().steps.len(),
        2,
        "the step at hand was dropped, the recording kept"
    );
    // What comes after the stop runs again.
    plan(&engine, "stack");
    engine.send(Command::Run(Until::End));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
}

#[test]
fn refused_input_changes_nothing() {
    let engine = quiet();
    plan(&engine, "stack");
    engine.send(Command::Step);
    until(&engine, "one step", |engine| engine.recording().steps.len() == 1);
    plan(&engine, "refuse");
    until(&engine, "refusing", |engine| engine.board().failure.is_some());
    let failure = engine.board().failure.expect("a message");
    assert_eq!(
        (failure.level, failure.what.as_str()),
        (Level::Warning, "There is no purple block in this scene.")
    );
    engine.send(Command::LoadCheckpoint(PathBuf::from("broken")));
    engine.send(Command::Step);
    until(&engine, "going on", |engine| engine.recording().steps.len() == 2);
    assert_eq!(engine.recording().task, "stack");
    assert_eq!(
        engine.board().info.and_then(|info| info.checkpoint.clone()),
        Some("nano".to_owned())
    );
}

#[test]
fn a_refused_request_starts_no_run_and_lets_one_go_on() {
    let engine = quiet();
    plan(&engine, "stack");
    until(&engine, "planning", |engine| engine.board().phase == Phase::Paused);
    engine.send(Command::Plan {
        task: "refuse".to_owned(),
        seed: 7,
        then: Some(Until::End),
    });
    until(&engine, "refusing", |engine| engine.board().failure.is_some());
    engine.send(Command::DismissFailure);
    until(&engine, "dismissing", |engine| engine.board().failure.is_none());
    assert_eq!(
        (engine.board().phase, engine.recording().steps.len()),
        (Phase::Paused, 0)
    );

    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::LoadCheckpoint(PathBuf::from("broken")));
    until(&engine, "going on", |engine| {
        let board = engine.board();
        board.failure.is_some() && board.phase == Phase::Running
    });
    assert_eq!(
        (engine.recording().task.as_str(), engine.recording().steps.len()),
        ("hang", 2)
    );
}

#[test]
fn a_recording_opens_without_models_and_what_asks_them_says_that_there_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("episode.tjrec");
    let recording = synthetic::recording();
    file::save(&recording, &path).expect("the recording is saved");
    let engine = script::engine_without_models(Arc::new(|| ()));
    until(&engine, "closing", |engine| engine.board().phase == Phase::Closed);
    engine.send(Command::OpenRecording(folder.path().join("none.tjrec")));
    until(&engine, "refusing", |engine| {
        let failure = engine.board().failure;
        failure.is_some_and(|failure| failure.what.contains("none.tjrec"))
    });
    assert_eq!(engine.board().phase, Phase::Closed);

    engine.send(Command::OpenRecording(path));
    until(&engine, "opening", |engine| engine.board().phase == Phase::Opened);
    until(&engine, "no complaint", |engine| engine.board().failure.is_none());
    assert_eq!(*engine.recording(), recording);
    assert_eq!(engine.live().map(|live| live.step), Some(11));
    let question = Question::Latent(LatentQuestion::OpenLoop);
    engine.send(Command::Examine(Examination::new(question, &recording, 0, None)));
    until(&engine, "an answer", |engine| !engine.board().examined.is_empty());
    let answer = engine.board().examined[&Topic::Latent].answer.clone();
    assert!(answer.is_err_and(|why| why.contains("No model is loaded")));
    // A plan is tried, and what is looked at stays.
    plan(&engine, "stack");
    until(&engine, "no plan", |engine| {
        let failure = engine.board().failure;
        failure.is_some_and(|failure| failure.what.contains("model.safetensors"))
    });
    until(&engine, "settling", |engine| engine.board().phase == Phase::Opened);
    assert_eq!(*engine.recording(), recording);
}

#[test]
fn a_device_that_is_not_there_changes_nothing_and_a_chosen_one_outlives_a_panic() {
    let engine = quiet();
    let choice = |engine: &Engine| engine.board().info.map(|info| info.device_choice);
    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::SetDevice(DeviceChoice::Wgpu(9)));
    until(&engine, "going on", |engine| {
        let board = engine.board();
        board.failure.is_some() && board.phase == Phase::Running
    });
    let failure = engine.board().failure.expect("a message");
    assert_eq!(failure.what, "Device wgpu:9 is not there.");
    assert_eq!(
        (failure.kept.as_str(), failure.advice.as_str()),
        ("What was loaded before is still in use.", "Choose another device.")
    );
    assert_eq!(
        (engine.recording().steps.len(), choice(&engine)),
        (2, Some(DeviceChoice::Auto))
    );

    engine.send(Command::SetDevice(DeviceChoice::Cpu));
    until(&engine, "the other device", |engine| {
        let board = engine.board();
        choice(engine) == Some(DeviceChoice::Cpu) && board.phase == Phase::Idle && board.failure.is_none()
    });
    assert!(engine.recording().task.is_empty());
    plan(&engine, "panic");
    engine.send(Command::Run(Until::End));
    until(&engine, "the panic", |engine| engine.board().failure.is_some());
    assert_eq!(choice(&engine), Some(DeviceChoice::Cpu));
}

#[test]
fn planning_and_acting_are_two_switches_that_stay_where_they_are_put() {
    let engine = quiet();
    let act_off = Switches { plan: true, act: false };
    engine.send(Command::SetSwitches(act_off));
    plan(&engine, "stack");
    engine.send(Command::Run(Until::End));
    until(&engine, "one plan and no more", |engine| {
        let board = engine.board();
        let told = board.log.iter().any(|line| line.text.contains("Act is off"));
        told && board.phase == Phase::Paused
    });
    let first = &engine.recording().steps[0];
    assert_eq!((first.action, first.cem.is_empty()), (None, false));
    // A panic and another episode leave the switches alone.
    plan(&engine, "panic");
    engine.send(Command::SetSwitches(Switches::default()));
    engine.send(Command::Run(Until::End));
    until(&engine, "the panic", |engine| engine.board().failure.is_some());
    let neither = Switches {
        plan: false,
        act: false,
    };
    engine.send(Command::SetSwitches(neither));
    plan(&engine, "stack");
    engine.send(Command::Step);
    until(&engine, "nothing to do", |engine| {
        let board = engine.board();
        let last = board.log.back().map(|line| line.text.clone());
        board.phase == Phase::Paused && last == Some(Held::BothOff.to_string())
    });
    assert_eq!((engine.board().switches, engine.recording().steps.len()), (neither, 0));
}

#[test]
fn a_plan_waits_between_two_iterations_and_answers_everything_at_once() {
    let engine = quiet();
    plan(&engine, "stack");
    let iterations = |engine: &Engine| engine.recording().steps.last().map_or(0, |step| step.cem.len());
    for count in 1..=3 {
        engine.send(Command::StepIteration);
        until(&engine, "an iteration", |engine| {
            iterations(engine) == count && engine.board().phase == Phase::Paused
        });
    }
    assert!(engine.recording().steps[0].action.is_none());
    assert!(engine.board().jobs.is_empty(), "nothing is under way");
    engine.send(Command::Step);
    until(&engine, "the rest of the step", |engine| {
        engine.recording().steps[0].action.is_some() && engine.board().phase == Phase::Paused
    });
    engine.send(Command::StepIteration);
    engine.send(Command::StepIteration);
    until(&engine, "half a plan", |engine| {
        engine.recording().steps.len() == 2 && iterations(engine) == 2
    });
    engine.send(Command::Seek {
        branch: None,
        step: 0,
        seed: None,
    });
    until(&engine, "going back", |engine| engine.recording().steps.is_empty());
    engine.send(Command::Run(Until::End));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
}

#[test]
fn settings_are_checked_and_outlive_a_stop_and_a_panic_but_not_another_checkpoint() {
    let engine = quiet();
    let config = |engine: &Engine| engine.board().info.map(|info| info.plan.clone());
    let checkpoint = config(&engine).expect("the models are loaded");
    let mut other = checkpoint.clone();
    other.cem.population = 96;
    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::SetPlanConfig(other.clone()));
    engine.send(Command::Cancel);
    until(&engine, "the setting", |engine| config(engine) == Some(other.clone()));

    let mut wrong = other.clone();
    wrong.cem.elite_fraction = 1.5;
    engine.send(Command::SetPlanConfig(wrong));
    until(&engine, "refusing", |engine| engine.board().failure.is_some());
    let failure = engine.board().failure.expect("a message");
    assert_eq!(
        failure.what,
        "The settings: plan.cem.elite_fraction is 1.5, expected a share above 0 and up to 1."
    );
    engine.send(Command::DismissFailure);
    plan(&engine, "panic");
    engine.send(Command::Run(Until::End));
    until(&engine, "the panic", |engine| {
        engine
            .board()
            .failure
            .is_some_and(|failure| failure.level == Level::Error)
    });
    assert_eq!(config(&engine), Some(other));
    engine.send(Command::LoadCheckpoint(PathBuf::from("another")));
    until(&engine, "the other checkpoint", |engine| {
        config(engine).as_ref() == Some(&checkpoint)
    });
}

#[test]
fn a_window_that_drives_itself_plans_runs_and_exports() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.json");
    let options = AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        script: Some(Script {
            run: true,
            exports: vec![path.clone()],
            ..Script::default()
        }),
        ..AppOptions::default()
    };
    let mut engine = Some(quiet());
    let mut studio = None;
    let mut window = Harness::<()>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui(|ui| {
            let studio = studio.get_or_insert_with(|| {
                Studio::with_engine(
                    ui.ctx(),
                    &options,
                    engine.take().expect("the first frame makes the app"),
                )
            });
            studio.frame_ui(ui);
        });
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < PATIENCE, "nothing was exported");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(window.query_by_label_contains("Reached after").is_some());
}

/// As of a minimised window: no event is taken, nothing is drawn, and all that happened is there in the end.
#[test]
fn workers_never_wait_for_a_window_that_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = script::engine(Arc::new(|| ()));
    let begun = Instant::now();
    // It only looks, and so takes no event as `until` would.
    let look = |what: &str, done: &dyn Fn() -> bool| {
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", engine.board());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    look("opening", &|| engine.board().phase == Phase::Idle);
    let run = folder.path().join("unseen");
    std::fs::create_dir(&run).unwrap();
    let request = TrainingRequest {
        stage: Stage::One,
        preset: "nano".to_owned(),
        settings: BTreeMap::new(),
        run: run.clone(),
        steps: None,
        from: None,
        scene: None,
        data: None,
        device: None,
    };
    assert!(engine.send(Command::StartTraining(request)));
    assert!(engine.send(Command::WatchRun(run.clone())));
    let mut steps = 0;
    for episode in 0..60 {
        let task = format!("stack {episode}");
        assert!(engine.send(Command::Plan {
            task: task.clone(),
            seed: 7,
            then: Some(Until::End),
        }));
        look("an episode", &|| {
            engine.board().phase == Phase::Finished && engine.recording().task == task
        });
        steps += engine.recording().steps.len();
    }
    assert!(steps > 500, "{steps}");
    look("the training", &|| {
        matches!(engine.board().training, TrainingState::Finished { .. })
    });
    look("its curve", &|| {
        engine.with_metrics(|metrics| {
            metrics
                .watched
                .get(&run)
                .is_some_and(|run| run.series.get("loss").is_some_and(|loss| loss.len() == 1000))
        })
    });
    assert!(engine.drain_events(), "what woke it is still there");
}

#[test]
fn files_are_written_while_the_planner_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = quiet();
    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::Export {
        path: folder.path().join("plan.json"),
        steps: None,
    });
    engine.send(Command::Export {
        path: folder.path().join("none").join("plan.json"),
        steps: None,
    });
    until(&engine, "both exports", |engine| {
        let log = engine.board().log;
        log.iter().any(|line| line.text.starts_with("Wrote"))
            && log.iter().any(|line| line.text.starts_with("Could not write"))
    });
    assert_eq!(
        std::fs::read_to_string(folder.path().join("plan.json")).expect("the file"),
        "hang"
    );
}

#[test]
fn questions_about_a_step_are_answered_beside_a_run_and_the_newest_wins() {
    let engine = quiet();
    let about = |step: usize| {
        let question = Question::Latent(LatentQuestion::OpenLoop);
        Examination::new(question, &engine.recording(), step, None)
    };
    let known = |engine: &Engine| engine.board().examined.get(&Topic::Latent).cloned();
    plan(&engine, "ponder");
    engine.send(Command::Step);
    until(&engine, "one step", |engine| {
        engine.recording().steps.len() == 1 && engine.board().phase == Phase::Paused
    });
    // It ponders until another question comes; that one, until planning is interrupted.
    let (first, second) = (about(0), about(1));
    engine.send(Command::Examine(first.clone()));
    assert!(engine.board().examining.contains(&first));
    engine.send(Command::Examine(second.clone()));
    until(&engine, "the second", |engine| {
        *engine.board().examining == [second.clone()]
    });
    assert!(known(&engine).is_none(), "what was stopped has no answer");
    plan(&engine, "stack");
    engine.send(Command::Run(Until::End));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
    assert!(engine.board().examining.is_empty() && known(&engine).is_none());

    let third = about(4);
    engine.send(Command::Examine(third.clone()));
    until(&engine, "an answer", |engine| known(engine).is_some());
    let examined = known(&engine).expect("an answer");
    assert_eq!(examined.asked, third);
    assert_eq!(examined.answer, Ok(synthetic::answer(&third.question)));
    assert_eq!(engine.board().phase, Phase::Finished);
    // Other models know nothing of it.
    engine.send(Command::LoadCheckpoint("other".into()));
    until(&engine, "forgetting", |engine| known(engine).is_none());
}

#[test]
fn training_is_started_watched_stopped_and_survives_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = quiet();
    let request = |run: &Path| TrainingRequest {
        stage: Stage::One,
        preset: "nano".to_owned(),
        settings: BTreeMap::new(),
        run: run.to_owned(),
        steps: None,
        from: None,
        scene: None,
        data: None,
        device: None,
    };
    engine.send(Command::StartTraining(request(folder.path())));
    engine.send(Command::WatchRun(folder.path().to_owned()));
    until(&engine, "a curve", |engine| {
        engine.with_metrics(|metrics| {
            let run = metrics.watched.get(folder.path());
            run.and_then(|run| run.series.get("loss"))
                .is_some_and(|loss| loss.len() >= 100)
        })
    });
    engine.send(Command::StopTraining);
    until(&engine, "stopping", |engine| {
        !matches!(
            engine.board().training,
            TrainingState::Running { .. } | TrainingState::Idle
        )
    });
    engine.send(Command::StartTraining(request(Path::new("panic"))));
    until(
        &engine,
        "a panic",
        |engine| matches!(&engine.board().training, TrainingState::Failed { message, .. } if message == "out of memory"),
    );
    let log = engine.board().log;
    let said = &log
        .iter()
        .find(|line| line.level == Level::Error)
        .expect("an error")
        .text;
    assert!(
        said.contains("out of memory. Its checkpoints and metrics were kept. Press Resume"),
        "{said}"
    );
    engine.send(Command::StartTraining(request(folder.path())));
    until(&engine, "another run", |engine| {
        matches!(engine.board().training, TrainingState::Finished { .. })
    });
}

#[test]
fn a_panic_in_a_worker_leaves_the_recording_and_a_working_window() {
    let engine = quiet();
    plan(&engine, "panic");
    engine.send(Command::Run(Until::End));
    until(&engine, "the panic", |engine| engine.board().failure.is_some());
    let failure = engine.board().failure.expect("a message");
    assert_eq!(failure.what, "tensor shapes [4, 128] and [4, 192] do not match");
    assert_eq!(failure.kept, "The recording of 2 steps was kept.");

    let options = AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        ..AppOptions::default()
    };
    let mut engine = Some(engine);
    let mut studio = None;
    let mut window = Harness::<()>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui(|ui| {
            let studio = studio.get_or_insert_with(|| {
                Studio::with_engine(
                    ui.ctx(),
                    &options,
                    engine.take().expect("the first frame makes the app"),
                )
            });
            studio.frame_ui(ui);
        });
    window.step();
    // It stands in the banner, and nowhere else.
    let told = window.query_all_by_label("tensor shapes [4, 128] and [4, 192] do not match");
    assert_eq!(told.count(), 1);
    assert!(
        window.query_by_label_contains("Camera at step 1").is_some(),
        "the recording is drawn"
    );
    window.key_press(Key::Enter);
    let begun = Instant::now();
    while window.query_by_label_contains("Reached after").is_none() {
        assert!(begun.elapsed() < PATIENCE, "the restarted worker plans again");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_windows_own_time_is_measured_while_an_episode_runs() {
    let options = AppOptions {
        // Its third step lasts until the window closes.
        examples: vec!["hang".to_owned()],
        seed: 7,
        ..AppOptions::default()
    };
    let Measured { times, training, .. } = measure(quiet(), &options, 12, None).expect("the script plans");
    assert_eq!(training, None);
    assert_eq!(times.frames, 12);
    assert!(
        times.p50_ms > 0.0 && times.p50_ms <= times.p95_ms && times.p95_ms <= times.max_ms,
        "{times:?}"
    );
}

//! The training workspace by its labels: a form filled in and refused in place, runs laid over one another, a run of the
//! engine led from its first step to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::app::{AppOptions, Studio, prepare};
use thinkjepa::engine::{
    BoardView, Command, FileContent, Job, JobKind, Phase, Priority, Run, RunFacts, RunState, Stage, TrainingCommand,
    TrainingRequest, TrainingState,
};
use thinkjepa::panels::Workspace;
use thinkjepa::recording::Recording;

use super::{Desk, builder, draw, script, window};

fn desk() -> Desk {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.workspace = Workspace::Training;
    desk.state.task.focus = false;
    desk
}

pub(super) fn facts(run: &str, state: RunState, step: usize) -> RunFacts {
    RunFacts {
        run: PathBuf::from(run),
        stage: Some(Stage::One),
        preset: Some("nano".to_owned()),
        config: None,
        from: None,
        scene: None,
        data: None,
        state,
        step,
        steps: Some(8000),
        steps_per_sec: Some(4.0),
        changed: SystemTime::UNIX_EPOCH + Duration::from_secs(step as u64),
    }
}

/// A run of so many steps with a falling loss; at `wrong` it is no number.
pub(super) fn run(steps: u32, scale: f64, wrong: Option<u32>) -> Run {
    let mut run = Run::default();
    for step in 1..=steps {
        let t = f64::from(step);
        let wave = (t * 0.7).sin() * 0.04;
        let loss = scale * (1.6 / (1.0 + t / 200.0) + 0.08 + wave * 0.3);
        let loss = if wrong == Some(step) { f64::NAN } else { loss };
        for (name, value) in [
            ("loss", loss),
            ("prediction", scale * (1.1 / (1.0 + t / 180.0) + 0.05 + wave * 0.2)),
            ("sigreg", -3.5 - 0.4 / (1.0 + t / 300.0) + wave * 0.1),
            (
                "learning_rate",
                3e-4 * (t / 4000.0 * std::f64::consts::PI).cos().mul_add(0.5, 0.5),
            ),
            (
                "learning_rate_encoder",
                1e-4 * (t / 4000.0 * std::f64::consts::PI).cos().mul_add(0.5, 0.5),
            ),
            ("ema_tau", 0.996 + 0.004 * t / 4000.0),
            ("gradient_norm", scale * (1.0 + wave * 4.0)),
            ("secs", 0.25 + wave * 0.2),
            ("loader_secs", 0.012 + wave * 0.05),
            ("memory_bytes", 8.1e8),
        ] {
            run.push(name.to_owned(), t, value);
        }
    }
    run
}

fn type_into(window: &mut Harness<'_, Desk>, field: &str, words: &str) {
    window.get_by_role_and_label(Role::TextInput, field).focus();
    window.run_steps(2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.run_steps(2);
    window.get_by_role_and_label(Role::TextInput, field).type_text(words);
    window.run_steps(3);
}

#[test]
fn a_form_says_in_place_what_is_wrong_and_starts_what_is_right() {
    let mut window = builder().with_size([1600.0, 1500.0]).build_ui_state(draw, desk());
    window.run_steps(3);
    let list = Command::Training(TrainingCommand::List(PathBuf::from("runs")));
    assert_eq!(std::mem::take(&mut window.state_mut().sent), [list]);
    let heading = window.get_all_by_label("Optimiser and run").next().unwrap();
    heading.click();
    window.run_steps(8);
    type_into(&mut window, "train.clip_norm", "-1");
    assert!(window.query_by_label("1 field to correct").is_some());
    assert!(
        window
            .query_by_label_contains("Expected a finite number above 0")
            .is_some()
    );
    window.get_by_label("Start training").click();
    window.run_steps(2);
    assert_eq!(window.state_mut().take(), [], "a wrong form starts nothing");

    type_into(&mut window, "train.clip_norm", "0.25");
    type_into(&mut window, "train.checkpoint_every", "50");
    assert!(window.query_by_label("2 settings changed").is_some());
    window.get_by_label("Reset train.checkpoint_every").click();
    window.run_steps(2);
    assert!(window.query_by_label("1 setting changed").is_some());
    assert!(window.query_by_label_contains("of memory for").is_some());
    window.get_by_label("Start training").click();
    window.run_steps(2);
    let sent = window.state_mut().take();
    let [Command::StartTraining(request), Command::WatchRun(run)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (request.stage, request.preset.as_str(), request.steps),
        (Stage::One, "nano", None)
    );
    let settings: Vec<(&str, &str)> = request.settings.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(settings, [("train.clip_norm", "0.25")]);
    assert_eq!(
        request.scene.as_deref(),
        Some("scenes/demo.ron"),
        "the one that is loaded"
    );
    assert_eq!(run, Path::new("runs/first"));
}

fn request(run: &Path) -> TrainingRequest {
    TrainingRequest {
        stage: Stage::One,
        preset: "nano".to_owned(),
        settings: std::collections::BTreeMap::new(),
        run: run.to_owned(),
        steps: None,
        from: None,
        scene: None,
        data: None,
        device: None,
    }
}

/// A job that was resumed `secs` ago with `first` steps done.
fn job(first: u64, done: u64, secs: u64) -> Job {
    Job {
        id: 1,
        kind: JobKind::Train,
        what: "Training".to_owned(),
        done,
        total: Some(8000),
        started: Instant::now() - Duration::from_secs(secs),
        first,
        waits_since: None,
        pausing: false,
    }
}

#[test]
fn the_time_left_of_a_resumed_run_is_one_number_in_the_list_the_form_and_the_status_line() {
    let mut desk = desk();
    desk.board.training = TrainingState::Running {
        title: "Stage 1 · first".to_owned(),
    };
    desk.board.jobs.push(job(3800, 4000, 1800));
    desk.metrics.listed = vec![facts("runs/first", RunState::Here, 4000)];
    let window = window(desk);
    // 200 steps in half an hour, and 4000 to go.
    assert_eq!(window.query_all_by_label_contains("10 h 00 min left").count(), 3);
    assert_eq!(window.query_all_by_label_contains(" left").count(), 3);
}

#[test]
fn a_pause_is_said_at_once_while_data_is_made_and_can_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = script::engine(Arc::new(|| ()));
    let until = |what: &str, so: &dyn Fn(&BoardView) -> bool| {
        let begun = Instant::now();
        while !so(&engine.board()) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "never {what}: {:?}",
                engine.board()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // A run of that name makes data until it is stopped.
    let run = folder.path().join("data");
    engine.send(Command::StartTraining(request(&run)));
    until("making data", &|board| {
        board.jobs.iter().any(|job| job.what == "Making episodes")
    });
    engine.send(Command::Training(TrainingCommand::Pause));
    let said = || {
        let jobs = engine.board().jobs;
        jobs.iter().find(|job| job.kind == JobKind::Train).map(Job::said)
    };
    assert_eq!(said().as_deref(), Some("Pausing… · Making episodes"));

    let mut desk = desk();
    desk.board = engine.board();
    let mut window = window(desk);
    window.run_steps(3);
    assert!(window.query_all_by_label_contains("Pausing… · Making episodes").count() >= 2);
    window.get_by_label("Resume training").click();
    window.run_steps(2);
    for command in window.state_mut().take() {
        engine.send(command);
    }
    assert_eq!(said().as_deref(), Some("Making episodes"));
    engine.send(Command::StopTraining);
    until("stopped", &|board| {
        matches!(board.training, TrainingState::Stopped { .. })
    });
}

#[test]
fn a_failed_training_says_what_happened_what_was_kept_and_what_to_do_in_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let engine = script::engine(Arc::new(|| ()));
    engine.send(Command::StartTraining(request(&folder.path().join("panic"))));
    let begun = Instant::now();
    while !matches!(engine.board().training, TrainingState::Failed { .. }) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", engine.board());
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut desk = desk();
    desk.board = engine.board();
    let TrainingState::Failed { advice, .. } = desk.board.training.clone() else {
        panic!("it has failed")
    };
    assert!(advice.starts_with("Its checkpoints and metrics were kept. Press Resume beside the run"));
    let mut window = window(desk);
    window.run_steps(3);
    assert!(window.query_by_label("Stage 1 · panic: out of memory").is_some());
    assert!(window.query_by_label(&advice).is_some());
    assert!(
        window.query_by_label("Start training").is_some(),
        "the form is there again"
    );
}

#[test]
fn a_run_takes_a_configuration_data_and_weights_of_one_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut config = thinkjepa::config::preset("nano").unwrap();
    config.name = "mine".to_owned();
    config.train.stage1.batch = 0;
    std::fs::write(at("mine.ron"), ron::ser::to_string(&config).unwrap()).unwrap();
    let mut window = builder().with_size([1600.0, 1500.0]).build_ui_state(draw, desk());
    window.run_steps(3);
    window.state_mut().take();
    type_into(&mut window, "Configuration file", &at("mine.ron"));
    // The file and the field, and nothing to start.
    assert!(
        window
            .query_by_label_contains("mine.ron: train.stage1.batch is 0")
            .is_some()
    );
    assert!(window.query_by_label("Start training").is_none());

    // Corrected in place, it is read again.
    config.train.stage1.batch = 3;
    std::fs::write(at("mine.ron"), ron::ser::to_string(&config).unwrap()).unwrap();
    let now = SystemTime::now() + Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(at("mine.ron"))
        .unwrap()
        .set_modified(now)
        .unwrap();
    window.run_steps(3);
    assert!(window.query_by_label_contains("train.stage1.batch is 0").is_none());

    type_into(&mut window, "From checkpoint", &at("none"));
    assert!(
        window
            .query_by_label(&format!("From: there is nothing at {}.", at("none")))
            .is_some()
    );
    window.get_by_label("Start training").click();
    window.run_steps(2);
    assert_eq!(window.state_mut().take(), []);
    type_into(&mut window, "From checkpoint", &folder.path().display().to_string());
    type_into(&mut window, "Data folder", &at("episodes"));
    window.get_by_label("World model").click();
    window.run_steps(8);
    assert!(window.query_by_label_contains("stem  ").is_some());
    for dialog in [
        "a configuration file",
        "a folder of episodes",
        "the checkpoint to go on from",
        "a run folder",
    ] {
        assert!(
            window.query_by_label(&format!("Choose {dialog}…")).is_some(),
            "{dialog}"
        );
    }
    window.get_by_label("Start training").click();
    window.run_steps(2);
    let sent = window.state_mut().take();
    let Some(Command::StartTraining(request)) = sent.first() else {
        panic!("{sent:?}");
    };
    assert_eq!((request.stage, &request.preset), (Stage::One, &at("mine.ron")));
    assert_eq!(request.from.as_deref(), Some(folder.path()));
    assert_eq!(request.data, Some(folder.path().join("episodes")));
    assert!(request.settings.is_empty());
}

#[test]
fn several_runs_are_overlaid_hidden_and_a_loss_that_is_no_number_is_marked() {
    let mut desk = desk();
    desk.metrics.listed = vec![
        facts("runs/first", RunState::Here, 4000),
        facts("runs/other", RunState::Elsewhere, 900),
        facts("runs/old", RunState::Stopped, 10),
    ];
    desk.board.training = TrainingState::Running {
        title: "Stage 1 · first".to_owned(),
    };
    desk.metrics.watched.insert("runs/first".into(), run(400, 1.0, None));
    desk.metrics.watched.insert("runs/other".into(), run(90, 1.7, Some(60)));
    let mut window = window(desk);
    window.run_steps(3);
    window.state_mut().take();
    assert!(window.query_by_label("Chart of loss, 2 runs").is_some());
    assert!(
        window
            .query_by_label("other: not a number once, first at step 60")
            .is_some()
    );
    assert!(window.query_by_label("running here").is_some());
    assert!(window.query_by_label("running elsewhere").is_some());
    assert!(window.query_by_label("stopped").is_some());

    // Every run's value at the pointer, in one place.
    window.get_by_label("Chart of loss, 2 runs").hover();
    window.run_steps(3);
    assert!(window.query_by_label_contains("loss at step").is_some());
    assert!(window.query_by_label_contains("first  ").is_some());
    assert!(window.query_by_label_contains("other  ").is_some());

    window.get_by_label("Time on the x axis").click();
    window.run_steps(3);
    window.get_by_label("Chart of loss, 2 runs").hover();
    window.run_steps(3);
    assert!(window.query_by_label_contains("loss at step").is_none());
    // Every step of these runs is above 0; one at 0 has no place on a logarithmic axis.
    let values = "not shown";
    window.get_by_label("Log scale of the x axis").click();
    window.run_steps(3);
    assert!(window.query_by_label_contains(values).is_none());
    window
        .state_mut()
        .metrics
        .watched
        .get_mut(Path::new("runs/other"))
        .unwrap()
        .push("goals_found".to_owned(), 0.0, 0.5);
    window.get_by_label("Steps on the x axis").click();
    window.run_steps(3);
    let chart = window.query_by_label("Chart of goals_found, 1 run");
    assert!(chart.is_some());
    assert!(window.query_by_label("1 value at or below zero is not shown").is_some());
    window.get_by_label("Chart of loss, 2 runs").hover();
    window.run_steps(3);
    assert!(window.query_by_label_contains("loss at step").is_some());
    window.get_by_label("Log scale of the x axis").click();
    window.run_steps(3);
    assert!(window.query_by_label_contains(values).is_none());
    window.get_by_label("Hide other").click();
    window.run_steps(2);
    assert!(window.query_by_label("Chart of loss, 1 run").is_some());
    assert!(window.query_by_label_contains("not a number").is_none());
    assert!(window.state_mut().take().is_empty(), "what is hidden is read on");

    window.get_by_role_and_label(Role::CheckBox, "Draw old").click();
    window.run_steps(2);
    window.get_by_role_and_label(Role::CheckBox, "Draw other").click();
    window.run_steps(2);
    let forget = TrainingCommand::Forget("runs/other".into());
    assert_eq!(
        window.state_mut().take(),
        [Command::WatchRun("runs/old".into()), Command::Training(forget)]
    );
    assert!(
        window.query_by_label("Resume old").is_some(),
        "it can go on when the trainer is free"
    );
    window.state_mut().board.training = TrainingState::Idle;
    window.run_steps(2);
    window.get_by_label("Resume old").click();
    window.run_steps(2);
    let sent = window.state_mut().take();
    assert!(
        matches!(&sent[0], Command::StartTraining(request) if request.preset == "runs/old/config.ron"),
        "{sent:?}"
    );
    window.get_by_label("Episode first").click();
    window.run_steps(2);
    assert_eq!(
        window.state_mut().take(),
        [Command::Training(TrainingCommand::SetPriority(Priority::EPISODE))]
    );
    // The slider goes on from the named position.
    let share = "Share of training while an episode is planned, percent";
    window.get_by_role_and_label(Role::Slider, share).focus();
    window.run_steps(2);
    window.key_press(Key::ArrowRight);
    window.run_steps(2);
    let set = TrainingCommand::SetPriority(Priority::of_planning(99));
    assert_eq!(window.state_mut().take(), [Command::Training(set)]);
    assert!(window.query_by_label("99 % planning").is_some());
}

#[test]
fn a_run_is_started_watched_paused_resumed_and_stopped_by_its_buttons() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counted");
    std::fs::create_dir(&path).unwrap();
    let options = AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        ..AppOptions::default()
    };
    let mut engine = Some(script::engine(Arc::new(|| ())));
    let run = path.display().to_string();
    let mut window = Harness::<Option<Studio>>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui_state(
            move |ui, studio: &mut Option<Studio>| {
                let studio = studio.get_or_insert_with(|| {
                    let mut studio = Studio::with_engine(ui.ctx(), &options, engine.take().expect("made once"));
                    let state = studio.state_mut();
                    (state.workspace, state.task.focus) = (Workspace::Training, false);
                    state.training.run.clone_from(&run);
                    studio
                });
                studio.frame_ui(ui);
            },
            None,
        );
    let until = |window: &mut Harness<'_, Option<Studio>>, what: &str, so: &dyn Fn(&Studio) -> bool| {
        let begun = Instant::now();
        while !window.state().as_ref().is_some_and(so) {
            assert!(begun.elapsed() < PATIENCE, "never {what}");
            window.step();
            std::thread::sleep(Duration::from_millis(5));
        }
        window.run_steps(2);
    };
    let training = |studio: &Studio| studio.engine().board().training;
    let known = |studio: &Studio| {
        let path = path.clone();
        studio.engine().with_metrics(move |metrics| {
            let run = metrics.watched.get(&path).and_then(|run| run.series.get("loss"));
            run.map_or(0, thinkjepa::engine::Series::len)
        })
    };
    window.run_steps(3);
    window.get_by_label("Start training").click();
    until(&mut window, "running", &|studio| {
        matches!(training(studio), TrainingState::Running { .. }) && known(studio) >= 100
    });
    window.get_by_label("Pause training").click();
    until(&mut window, "paused", &|studio| {
        matches!(training(studio), TrainingState::Paused { .. })
    });
    // The list follows within seconds.
    let begun = Instant::now();
    while window.query_by_label("paused").is_none() {
        assert!(begun.elapsed() < PATIENCE, "it is not listed as paused");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(window.query_by_label("Chart of loss, 1 run").is_some());
    assert!(!window.state().as_ref().unwrap().engine().board().jobs[0].pausing);
    let held = window.state().as_ref().unwrap().engine().board().jobs[0].done;
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(window.state().as_ref().unwrap().engine().board().jobs[0].done, held);
    window.get_by_label("Resume training").click();
    until(&mut window, "running again", &|studio| {
        matches!(training(studio), TrainingState::Running { .. })
    });
    window.get_by_label("Stop and save").click();
    until(&mut window, "stopped", &|studio| {
        matches!(training(studio), TrainingState::Stopped { .. })
    });
    window.get_by_label("Start training").click();
    until(&mut window, "finished", &|studio| {
        matches!(training(studio), TrainingState::Finished { .. })
    });
    until(&mut window, "all of the curve", &|studio| known(studio) == 1000);
}

#[test]
fn a_right_click_on_a_chart_offers_its_numbers_its_axis_and_smoothing() {
    let mut desk = desk();
    desk.metrics.watched.insert("runs/first".into(), run(400, 1.0, None));
    let mut window = window(desk);
    window.run_steps(3);
    let choose = |window: &mut Harness<'_, Desk>, word: &str| {
        window.get_by_label("Chart of loss, 1 run").click_secondary();
        window.run_steps(4);
        window.get_by_label(word).click();
        window.run_steps(4);
    };
    choose(&mut window, "Save this chart as CSV");
    let sent = window.state_mut().take();
    let written = sent.iter().find_map(|command| match command {
        Command::Write {
            path,
            content: FileContent::Text(text),
        } => Some((path, text)),
        _ => None,
    });
    let Some((path, text)) = written else {
        panic!("{sent:?}");
    };
    assert!(
        path.ends_with("training-loss.csv") && text.lines().count() == 401,
        "{path:?}"
    );
    // The axis of this chart alone, and back.
    choose(&mut window, "Linear y axis");
    assert_eq!(
        window.state().state.training.logarithmic,
        [("loss".to_owned(), false)].into()
    );
    choose(&mut window, "Logarithmic y axis");
    assert_eq!(
        window.state().state.training.logarithmic,
        [("loss".to_owned(), true)].into()
    );
    choose(&mut window, "Smooth over 100 steps");
    assert_eq!(window.state().state.training.smoothing, 100.0);
    choose(&mut window, "No smoothing");
    assert_eq!(window.state().state.training.smoothing, 0.0);
}

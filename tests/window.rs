//! The window without a window: panels drawn from a made-up episode, keys pressed, and the engine behind it.

#[path = "window/script.rs"]
mod script;
#[path = "window/synthetic.rs"]
mod synthetic;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui_wgpu::RendererOptions;
use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::app::{AppOptions, Studio, measure, prepare, studio_ui};
use thinkjepa::engine::{
    BoardView, Command, Engine, Failure, Level, LogLine, Phase, RunMetrics, Stage, TrainingRequest, TrainingState,
    Until,
};
use thinkjepa::panels::{View, ViewState, Workspace};
use thinkjepa::recording::{Outcome, Recording, StepRecord};

/// All that one drawn window needs.
struct Desk {
    state: ViewState,
    recording: Recording,
    live: Option<StepRecord>,
    board: BoardView,
    metrics: RunMetrics,
    /// Commands so far, taken from the outbox as the app would.
    sent: Vec<Command>,
}

impl Desk {
    fn new(recording: Recording, phase: Phase) -> Self {
        let mut state = ViewState::new(&synthetic::EXAMPLES.map(str::to_owned), 7);
        state.task.focus = recording.task.is_empty();
        state.task.planned_once = !recording.task.is_empty();
        Self {
            state,
            recording,
            live: None,
            board: synthetic::board(phase),
            metrics: RunMetrics::default(),
            sent: Vec::new(),
        }
    }

    fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.sent)
    }
}

fn builder() -> egui_kittest::HarnessBuilder<Desk> {
    Harness::<Desk>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .with_max_steps(12)
}

fn draw(ui: &mut egui::Ui, desk: &mut Desk) {
    let view = View {
        recording: &desk.recording,
        live: desk.live.as_ref(),
        board: &desk.board,
    };
    studio_ui(ui, &mut desk.state, &view, &desk.metrics);
    desk.sent.append(&mut desk.state.outbox);
}

fn window(desk: Desk) -> Harness<'static, Desk> {
    builder().build_ui_state(draw, desk)
}

#[test]
fn the_example_is_selected_and_enter_plans_what_was_typed_over_it() {
    let mut window = window(Desk::new(Recording::default(), Phase::Idle));
    window.run();
    assert!(window.get_by_label("Task").is_focused());
    assert!(
        window.query_by_label(synthetic::EXAMPLES[1]).is_some(),
        "more examples stand under the box"
    );
    window
        .get_by_label("Task")
        .type_text("put the red block on the blue pad");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    let task = "put the red block on the blue pad".to_owned();
    assert_eq!(
        window.state_mut().take(),
        [Command::Plan { task, seed: 7 }, Command::Run(Until::End)]
    );
    assert!(
        window.query_by_label(synthetic::EXAMPLES[2]).is_none(),
        "the examples leave with the first plan"
    );
}

#[test]
fn keys_drive_the_episode_but_never_while_text_is_typed() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    for (key, expected) in [
        (Key::Space, vec![Command::Run(Until::End)]),
        (Key::ArrowRight, vec![Command::Step]),
        (Key::B, vec![Command::SetBreakpoints([11].into())]),
        (Key::ArrowLeft, vec![]),
    ] {
        window.key_press(key);
        window.run();
        assert_eq!(window.state_mut().take(), expected, "{key:?}");
    }
    assert_eq!(
        window.state().state.selection.step,
        Some(10),
        "Left looks one step back"
    );
    window.key_press(Key::ArrowRight);
    window.run();
    assert_eq!(
        window.state().state.selection.step,
        None,
        "Right goes back to the newest step before it plans another"
    );
    assert_eq!(window.state_mut().take(), []);
    window.key_press_modifiers(Modifiers::COMMAND, Key::ArrowRight);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Run(Until::NextSubGoal)]);

    window.key_press_modifiers(Modifiers::COMMAND, Key::L);
    window.run();
    for key in [Key::Space, Key::ArrowRight, Key::ArrowLeft, Key::B, Key::G, Key::Home] {
        window.key_press(key);
        window.run();
    }
    assert!(window.get_by_label("Task").is_focused());
    assert_eq!(window.state_mut().take(), []);
    assert_eq!(window.state().state.selection.step, None);
}

#[test]
fn the_past_is_frozen_and_says_so() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Running));
    assert!(window.query_by_label("Back to live").is_none());
    window.key_press(Key::Home);
    window.run();
    assert!(window.query_by_label("Step 0 of 11").is_some());
    assert!(
        window
            .query_by_label("Camera at step 0, attention map of sub-goal 1")
            .is_some()
    );
    assert!(
        window
            .query_by_label_contains("Sub-goal 2: place the red block on the blue pad, Waiting")
            .is_some()
    );

    // Another step arrives: what is looked at stays.
    let mut next = (**window.state().recording.steps.last().expect("a step")).clone();
    next.step = 12;
    window.state_mut().recording.steps.push(Arc::new(next));
    window.run();
    assert!(
        window
            .query_by_label("Camera at step 0, attention map of sub-goal 1")
            .is_some()
    );
    window.key_press(Key::G);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Seek { step: 0 }]);
    window.key_press(Key::Home);
    window.run();
    window.get_by_label("Back to live").click();
    window.run();
    assert!(
        window
            .query_by_label("Camera at step 12, attention map of sub-goal 2")
            .is_some()
    );
}

#[test]
fn one_selection_reaches_every_panel() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window
        .get_by_label_contains("Sub-goal 3: pick up the green block")
        .click();
    window.run();
    assert_eq!(window.state().state.selection.sub_goal, Some(2));
    assert!(
        window
            .query_by_label("Camera at step 11, attention map of sub-goal 3")
            .is_some()
    );
    window.key_press(Key::ArrowLeft);
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    window.run();
    assert_eq!(
        (
            window.state().state.selection.step,
            window.state().state.selection.iteration
        ),
        (Some(10), Some(2))
    );
    assert!(window.query_by_label("3 / 4").is_some());
    window.get_by_label_contains("Elite 2, J").click();
    window.run();
    assert_eq!(window.state().state.selection.elite, Some(1));
}

#[test]
fn the_step_that_is_being_planned_is_seen_before_it_is_recorded() {
    let recording = synthetic::recording();
    let mut desk = Desk::new(recording.clone(), Phase::Running);
    desk.live = Some(synthetic::live(&recording));
    let mut window = window(desk);
    window.run();
    assert!(window.query_by_label("2 / 2").is_some(), "the iterations so far");
    window.state_mut().recording.outcome = Some(Outcome::Reached);
    window.run();
    assert!(
        window.query_by_label("2 / 2").is_none(),
        "a finished episode has no live step"
    );
}

#[test]
fn a_failure_says_what_happened_what_was_kept_and_what_to_do() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.board.failure = Some(Failure {
        level: Level::Error,
        what: "tensor shapes [4, 128] and [4, 192] do not match".to_owned(),
        kept: "The recording of 12 steps was kept.".to_owned(),
        advice: "Press Plan to begin again.".to_owned(),
    });
    let mut window = window(desk);
    assert!(
        window
            .query_by_label("tensor shapes [4, 128] and [4, 192] do not match")
            .is_some()
    );
    assert!(
        window
            .query_by_label_contains("12 steps was kept. Press Plan")
            .is_some()
    );
    assert!(
        window
            .query_by_label_contains("Sub-goal 1: pick up the red block")
            .is_some(),
        "the recording is still there"
    );
    window.get_by_label("Dismiss the message").click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::DismissFailure]);
}

#[test]
fn the_palette_finds_and_does_a_command() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run();
    window.get_by_label("Find a command").type_text("reset");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Reset { seed: 7 }]);
    assert!(window.query_by_label("Find a command").is_none());
}

#[test]
fn paths_are_typed_and_sent() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.run();
    window
        .get_by_role_and_label(egui::accesskit::Role::TextInput, "Checkpoint folder")
        .type_text("checkpoints/other");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.run();
    window.get_by_label("Export").click();
    window.run();
    let sent = window.state_mut().take();
    assert_eq!(
        sent[0],
        Command::LoadCheckpoint(PathBuf::from("checkpoints/other")),
        "{sent:?}"
    );
}

#[test]
fn a_million_points_are_drawn_within_a_frame() {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.workspace = Workspace::Training;
    desk.state.task.focus = false;
    let mut series = thinkjepa::engine::Series::default();
    for step in 0..1_000_000u32 {
        series.push(
            f64::from(step),
            1.0 / (1.0 + f64::from(step)).sqrt() + 0.01 * f64::from(step % 7),
        );
    }
    desk.metrics = RunMetrics::new(PathBuf::from("runs/long"));
    desk.metrics.series.insert("loss".to_owned(), series);
    let mut window = window(desk);
    window.run_steps(3);
    let begun = Instant::now();
    window.run_steps(10);
    let shapes: usize = window.output().shapes.len();
    assert!(shapes < 2000, "{shapes} shapes");
    let vertices: usize = window
        .ctx
        .tessellate(window.output().shapes.clone(), 1.0)
        .iter()
        .map(|primitive| match &primitive.primitive {
            egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
            egui::epaint::Primitive::Callback(_) => 0,
        })
        .sum();
    assert!(vertices < 60_000, "{vertices} vertices");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn every_workspace_and_every_phase_can_be_drawn_in_both_themes_and_at_the_least_size() {
    for theme in [Theme::Dark, Theme::Light] {
        for phase in [
            Phase::Opening,
            Phase::Idle,
            Phase::Thinking,
            Phase::Stepping,
            Phase::Finished,
            Phase::Closed,
        ] {
            for recording in [Recording::default(), synthetic::recording()] {
                let mut desk = Desk::new(recording, phase);
                desk.state.log_open = phase == Phase::Finished;
                desk.board.training = TrainingState::Running {
                    title: "Stage 1 · first".to_owned(),
                };
                let mut window = builder()
                    .with_size([1120.0, 700.0])
                    .with_theme(theme)
                    .build_ui_state(draw, desk);
                window.run_steps(2);
                window.state_mut().state.workspace = Workspace::Training;
                window.run_steps(2);
                window.check_accessibility();
            }
        }
    }
}

/// Waits until `done`; what the board says is part of the panic.
fn until(engine: &Engine, what: &str, done: impl Fn(&Engine) -> bool) {
    let begun = Instant::now();
    while !done(engine) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{what}: {:?}",
            engine.board()
        );
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
        seed: 7
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
    engine.send(Command::SetBreakpoints([4].into()));
    engine.send(Command::Run(Until::End));
    until(&engine, "the breakpoint", |engine| {
        engine.board().phase == Phase::Paused && engine.recording().steps.len() == 4
    });
    engine.send(Command::Run(Until::NextSubGoal));
    until(&engine, "the switch", |engine| {
        engine.board().phase == Phase::Paused && engine.recording().steps.len() == 8
    });
    engine.send(Command::Seek { step: 2 });
    until(&engine, "going back", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::SetBreakpoints([].into()));
    engine.send(Command::Run(Until::End));
    until(&engine, "the end", |engine| engine.board().phase == Phase::Finished);
    assert_eq!(engine.recording().outcome, Some(Outcome::Reached));
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
fn files_are_written_while_the_planner_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = quiet();
    plan(&engine, "hang");
    engine.send(Command::Run(Until::End));
    until(&engine, "hanging", |engine| engine.recording().steps.len() == 2);
    engine.send(Command::Export(folder.path().join("plan.json")));
    engine.send(Command::Export(folder.path().join("none").join("plan.json")));
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
fn training_is_started_watched_stopped_and_survives_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = quiet();
    let request = |run: &Path| TrainingRequest {
        stage: Stage::One,
        preset: "nano".to_owned(),
        run: run.to_owned(),
        steps: None,
    };
    engine.send(Command::StartTraining(request(folder.path())));
    engine.send(Command::WatchRun(folder.path().to_owned()));
    until(&engine, "a curve", |engine| {
        engine.with_metrics(|metrics| metrics.series.get("loss").is_some_and(|loss| loss.len() >= 100))
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
        plan_at_once: false,
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
    assert!(
        window
            .query_by_label("tensor shapes [4, 128] and [4, 192] do not match")
            .is_some()
    );
    assert!(
        window.query_by_label_contains("Camera at step 1").is_some(),
        "the recording is drawn"
    );
    window.key_press(Key::Enter);
    let begun = Instant::now();
    while window.query_by_label_contains("Reached after").is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the restarted worker plans again"
        );
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_windows_own_time_is_measured_while_an_episode_runs() {
    let options = AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        plan_at_once: false,
    };
    let times = measure(quiet(), &options, 12);
    assert_eq!(times.frames, 12);
    assert!(
        times.p50_ms > 0.0 && times.p50_ms <= times.p95_ms && times.p95_ms <= times.max_ms,
        "{times:?}"
    );
}

/// A renderer and its target's format; none where this machine cannot draw, not even in software.
fn renderer() -> Option<(egui_kittest::wgpu::WgpuTestRenderer, wgpu::TextureFormat)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut adapters = std::pin::pin!(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let adapters = loop {
        if let std::task::Poll::Ready(adapters) = adapters.as_mut().poll(&mut context) {
            break adapters;
        }
    };
    if adapters.is_empty() {
        eprintln!(
            "No graphics adapter: nothing is drawn in this test. Install mesa-vulkan-drivers to draw in software."
        );
        return None;
    }
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let state = egui_kittest::wgpu::create_render_state(setup, RendererOptions::PREDICTABLE);
    let format = state.target_format;
    Some((egui_kittest::wgpu::WgpuTestRenderer::from_render_state(state), format))
}

/// The window as pixels. With THINKJEPA_PICTURES set to a folder it is saved there, to be looked at.
fn picture(
    name: &str,
    theme: Theme,
    mut desk: Desk,
    prepare_more: impl FnOnce(&mut Harness<'_, Desk>),
) -> Option<image::RgbaImage> {
    let (renderer, format) = renderer()?;
    desk.state.target_format = Some(format);
    let mut window = builder()
        .with_theme(theme)
        .renderer(renderer)
        .build_ui_state(draw, desk);
    prepare_more(&mut window);
    window.remove_cursor();
    window.run_steps(3);
    let image = window.render().expect("the adapter draws");
    if let Some(folder) = std::env::var_os("THINKJEPA_PICTURES") {
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        image
            .save(Path::new(&folder).join(format!("{name}-{theme}.png")))
            .expect("the picture is saved");
    }
    Some(image)
}

#[test]
fn the_heatmap_tints_where_the_vlm_looked_dims_elsewhere_and_a_uniform_map_changes_nothing() {
    use thinkjepa::panels::MapGrid;
    let shot = |map: Option<Vec<f32>>, grid: MapGrid| {
        let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
        if let Some(values) = map {
            desk.recording.sub_goals[1].map.values = values;
        }
        desk.state.camera.map = grid;
        desk.state.camera.plans = false;
        desk.state.camera.goal = false;
        desk.state.camera.action = false;
        picture("heatmap", Theme::Dark, desk, |_| ())
    };
    let Some(plain) = shot(None, MapGrid::Off) else {
        return;
    };
    let peak_in_corner = || {
        let mut values = vec![0.25; 64];
        values[0] = 48.25;
        values
    };
    let (Some(peak), Some(uniform)) = (
        shot(Some(peak_in_corner()), MapGrid::Vlm),
        shot(Some(vec![1.0; 64]), MapGrid::Vlm),
    ) else {
        panic!("the first picture was drawn, so these are");
    };
    // The camera's square fills the middle: its first patch is at its top left, its last at its bottom right.
    let (top_left, bottom_right) = picture_corners(&plain);
    let size = (bottom_right.0 - top_left.0) / 8;
    let first = (top_left.0 + size / 2, top_left.1 + size / 2);
    let last = (bottom_right.0 - size, bottom_right.1 - size);
    let light = |image: &image::RgbaImage, at: (u32, u32)| {
        let pixel = image.get_pixel(at.0, at.1).0;
        pixel[..3].iter().map(|&channel| i32::from(channel)).sum::<i32>()
    };
    assert!((light(&uniform, first) - light(&plain, first)).abs() <= 3);
    assert!((light(&uniform, last) - light(&plain, last)).abs() <= 3);
    assert!(light(&peak, last) < light(&plain, last) - 60, "dimmed below the mean");
    let (tinted, before) = (peak.get_pixel(first.0, first.1), plain.get_pixel(first.0, first.1));
    let moved: i32 = (0..3)
        .map(|i| (i32::from(tinted[i]) - i32::from(before[i])).abs())
        .sum();
    assert!(moved > 60, "tinted at the peak: {before:?} to {tinted:?}");
}

/// The corners of the camera's square, found by the wall and the table that only it shows.
fn picture_corners(image: &image::RgbaImage) -> ((u32, u32), (u32, u32)) {
    let wall = [140, 153, 168, 255];
    let found: Vec<(u32, u32)> = image
        .enumerate_pixels()
        .filter(|(_, _, pixel)| pixel.0 == wall)
        .map(|(x, y, _)| (x, y))
        .collect();
    let (left, right) = (found.iter().map(|at| at.0).min(), found.iter().map(|at| at.0).max());
    let (top, bottom) = (found.iter().map(|at| at.1).min(), found.iter().map(|at| at.1).max());
    (
        (left.expect("a wall"), top.expect("a wall")),
        (right.expect("a wall"), bottom.expect("a wall")),
    )
}

#[test]
fn the_window_looks_as_it_should_to_those_who_look() {
    for theme in [Theme::Dark, Theme::Light] {
        let episode = || Desk::new(synthetic::recording(), Phase::Paused);
        let Some(live) = picture("episode", theme, episode(), |_| ()) else {
            return;
        };
        let past = picture("past", theme, episode(), |window| {
            window.key_press(Key::ArrowLeft);
            window.key_press(Key::ArrowLeft);
            window.run_steps(2);
        });
        assert!(past.is_some_and(|past| past != live));
        let mut first = Desk::new(Recording::default(), Phase::Idle);
        let seen = &synthetic::recording().steps[0];
        first.live = Some(StepRecord {
            sub_goal: None,
            similarities: Vec::new(),
            cem: Vec::new(),
            action: None,
            ..(**seen).clone()
        });
        assert!(picture("first", theme, first, |_| ()).is_some());
        let mut training = Desk::new(Recording::default(), Phase::Idle);
        training.state.workspace = Workspace::Training;
        training.state.task.focus = false;
        training.board.training = TrainingState::Running {
            title: "Stage 1 · first".to_owned(),
        };
        training.metrics = RunMetrics::new(PathBuf::from("runs/first"));
        for step in 0..4000u32 {
            let t = f64::from(step);
            let wave = (t * 0.7).sin() * 0.04;
            for (name, value) in [
                ("loss", 1.6 / (1.0 + t / 200.0) + 0.08 + wave * 0.3),
                ("prediction", 1.1 / (1.0 + t / 180.0) + 0.05 + wave * 0.2),
                ("sigreg", 0.4 / (1.0 + t / 300.0) + wave * 0.1),
                (
                    "lr.encoder",
                    3e-4 * (t / 4000.0 * std::f64::consts::PI).cos().mul_add(0.5, 0.5),
                ),
                ("loader_wait", 0.012 + wave * 0.05),
            ] {
                training
                    .metrics
                    .series
                    .entry(name.to_owned())
                    .or_default()
                    .push(t, value);
            }
        }
        assert!(picture("training", theme, training, |_| ()).is_some());
        let mut failed = episode();
        failed.board.failure = Some(Failure {
            level: Level::Error,
            what: "Could not read model.safetensors: tensor encoder.blocks.3.attn.qkv.weight is [384, 128], expected [384, 192]."
                .to_owned(),
            kept: "The recording of 12 steps was kept.".to_owned(),
            advice: "Choose the preset it was made with, or another file.".to_owned(),
        });
        failed.state.log_open = true;
        let line = |secs, level, text: &str| LogLine {
            at: Duration::from_secs_f64(secs),
            level,
            text: text.to_owned(),
        };
        failed.board.log = Arc::new(
            [
                line(0.8, Level::Info, "Loaded checkpoints/nano."),
                line(12.4, Level::Info, "Paused at the breakpoint at step 4."),
                line(31.0, Level::Warning, "There is no purple block in this scene."),
                line(
                    47.2,
                    Level::Error,
                    "Could not read model.safetensors: tensor encoder.blocks.3.attn.qkv.weight is [384, 128].",
                ),
            ]
            .into(),
        );
        failed.state.task.popup = Some(thinkjepa::panels::Popup::Open);
        assert!(picture("failure", theme, failed, |_| ()).is_some());
    }
}

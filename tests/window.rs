//! The window without a window: panels drawn from a made-up episode, keys pressed, and the engine behind it.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

#[path = "window/driven.rs"]
mod driven;
#[path = "window/engine.rs"]
mod engine;
#[path = "window/episode.rs"]
mod episode;
#[path = "window/hand.rs"]
mod hand;
#[path = "window/latent.rs"]
mod latent;
#[path = "window/layouts.rs"]
mod layouts;
#[path = "window/palette.rs"]
mod palette;
#[path = "window/pictures.rs"]
mod pictures;
#[path = "window/planning.rs"]
mod planning;
#[path = "window/reasoning.rs"]
mod reasoning;
#[path = "window/samples.rs"]
mod samples;
#[path = "window/script.rs"]
mod script;
#[path = "window/shell.rs"]
mod shell;
#[path = "window/snapshots.rs"]
mod snapshots;
#[path = "window/synthetic.rs"]
mod synthetic;
#[path = "window/tables.rs"]
mod tables;
#[path = "window/time.rs"]
mod time;
#[path = "window/training.rs"]
mod training;
#[path = "window/undo.rs"]
mod undo;
#[path = "window/watch.rs"]
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::{Role, Toggled};
use egui::{Key, Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::app::{prepare, studio_ui};
use thinkjepa::device::{DeviceChoice, FoundDevice};
use thinkjepa::engine::{
    BoardView, Breakpoints, Command, DeviceSearch, Failure, Level, Phase, Run, RunMetrics, TrainingCommand,
    TrainingState, Until,
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

    /// What was sent; that runs are to be listed, which the palette and the training workspace ask for, is left out.
    fn take(&mut self) -> Vec<Command> {
        let mut sent = std::mem::take(&mut self.sent);
        sent.retain(|command| !matches!(command, Command::Training(TrainingCommand::List(_))));
        sent
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
        at_hand: &desk.recording,
        live: desk.live.as_ref(),
        board: &desk.board,
        metrics: &desk.metrics,
    };
    studio_ui(ui, &mut desk.state, &view);
    desk.sent.append(&mut desk.state.outbox);
}

fn window(desk: Desk) -> Harness<'static, Desk> {
    builder().build_ui_state(draw, desk)
}

/// Breakpoints at steps and on nothing else.
fn at_steps(steps: &[usize]) -> Breakpoints {
    Breakpoints {
        steps: steps.iter().copied().collect(),
        ..Breakpoints::default()
    }
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
        [Command::Plan {
            task,
            seed: 7,
            then: Some(Until::End)
        }]
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
        (Key::B, vec![Command::SetBreakpoints(at_steps(&[11]))]),
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
    window.key_press(Key::F1);
    window.run();
    assert!(
        window.state().state.manual_open,
        "the manual is there whatever has the focus"
    );
}

#[test]
fn the_past_is_frozen_and_says_so() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Running));
    assert!(window.query_by_label("Camera: back to live").is_none());
    window.key_press(Key::Home);
    window.run();
    assert!(window.query_all_by_label("Step 0 of 11").next().is_some());
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
    assert_eq!(
        window.state_mut().take(),
        [Command::Seek {
            branch: None,
            step: 0,
            seed: None
        }]
    );
    window.key_press(Key::Home);
    window.run();
    window.get_by_label("Camera: back to live").click();
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
        .get_by_role_and_label(Role::TextInput, "Checkpoint folder")
        .type_text("checkpoints/other");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::E);
    window.run();
    window.get_by_label("Export plan").click();
    window.run();
    let sent = window.state_mut().take();
    assert_eq!(
        sent[0],
        Command::LoadCheckpoint(PathBuf::from("checkpoints/other")),
        "{sent:?}"
    );
}

#[test]
fn the_device_is_chosen_from_what_was_found() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    window.get_by_label("Device: cpu").click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::FindDevices]);
    let toggled = |window: &Harness<'_, Desk>, label: &str| {
        let radio = window.get_by_role_and_label(Role::RadioButton, label);
        radio.accesskit_node().toggled() == Some(Toggled::True)
    };
    assert!(toggled(&window, "auto: the fastest, by measurement"));
    assert!(
        !toggled(&window, "cpu: the processor"),
        "it is there before any card was looked for"
    );
    assert!(
        window
            .query_by_label_contains("Now cpu: there is no graphics card")
            .is_some()
    );

    let device = |id, name: &str, kind: &str, drawback: Option<&str>| FoundDevice {
        id,
        name: name.to_owned(),
        kind: kind.to_owned(),
        drawback: drawback.map(str::to_owned),
    };
    window.state_mut().board.devices = DeviceSearch::Found(Arc::new(vec![
        device(DeviceChoice::Cpu, "two cores", "cpu", None),
        device(DeviceChoice::Wgpu(0), "llvmpipe", "software", Some("it is slow")),
    ]));
    window.run();
    window.check_accessibility();
    assert!(window.query_by_label("cpu: the processor").is_none());
    assert!(
        window
            .query_by_label("wgpu:0: llvmpipe (software). Not recommended: it is slow")
            .is_some()
    );
    window
        .get_by_role_and_label(Role::RadioButton, "cpu: two cores (cpu)")
        .click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::SetDevice(DeviceChoice::Cpu)]);
    assert!(
        window.query_by_label("auto: the fastest, by measurement").is_none(),
        "the menu closes"
    );

    // What is chosen already is not loaded again; what is known is not looked for again.
    window.get_by_label("Device: cpu").click();
    window.run();
    window.get_by_label("auto: the fastest, by measurement").click();
    window.run();
    assert_eq!(window.state_mut().take(), []);
}

#[test]
fn a_million_points_are_drawn_within_a_frame() {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.workspace = Workspace::Training;
    desk.state.task.focus = false;
    let mut run = Run::default();
    for step in 0..1_000_000u32 {
        run.push(
            "loss".to_owned(),
            f64::from(step),
            1.0 / (1.0 + f64::from(step)).sqrt() + 0.01 * f64::from(step % 7),
        );
    }
    desk.metrics.watched.insert(PathBuf::from("runs/long"), run);
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
            Phase::Opened,
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

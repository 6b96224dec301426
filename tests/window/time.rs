//! Breakpoints on conditions, playing and looping what is recorded, and a recording that cannot be gone on with.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, ViewportId, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::app::{AppOptions, Studio, prepare};
use thinkjepa::engine::{Breakpoints, Command, Phase, Threshold, Until};
use thinkjepa::recording::{Outcome, Recording, file};

use super::{Desk, at_steps, builder, draw, script, synthetic, window};

fn paused() -> Desk {
    Desk::new(synthetic::recording(), Phase::Paused)
}

fn above(value: f32) -> Breakpoints {
    Breakpoints {
        above: Some(Threshold::new(value).unwrap()),
        ..Breakpoints::default()
    }
}

/// Types over what a field holds.
fn fill<State>(window: &mut Harness<'_, State>, field: &str, text: &str) {
    window.get_by_role_and_label(Role::TextInput, field).click();
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.get_by_role_and_label(Role::TextInput, field).type_text(text);
    window.run();
}

fn press<State>(window: &mut Harness<'_, State>, label: &str) {
    window.get_by_label(label).click();
    window.run();
}

#[test]
fn conditions_are_switched_and_typed_in_the_menu_and_bad_values_are_explained() {
    let mut window = window(paused());
    press(&mut window, "Breakpoints, 0 set");
    press(&mut window, "A sub-goal ends");
    let switch = Breakpoints {
        switch: true,
        ..Breakpoints::default()
    };
    assert_eq!(window.state_mut().take(), [Command::SetBreakpoints(switch.clone())]);
    assert!(
        window.query_by_label("Breakpoints, 1 set").is_some(),
        "the menu stays open"
    );
    window.check_accessibility();

    // A value that is typed switches its condition on.
    fill(&mut window, "Similarity rises above: value", "0,55");
    let both = Breakpoints {
        switch: true,
        ..above(0.55)
    };
    let sent = window.state_mut().take();
    assert_eq!(sent.last(), Some(&Command::SetBreakpoints(both)));
    fill(&mut window, "Similarity rises above: value", "1.5");
    assert!(
        window
            .query_by_label("Not in force: type a number from −1 to 1.")
            .is_some()
    );
    assert_eq!(window.state().state.breakpoints, switch, "a bad value is not in force");
    assert!(window.query_by_label("Breakpoints, 1 set").is_some());
    fill(&mut window, "Similarity falls for steps in a row: value", "2.5");
    fill(&mut window, "A plan takes longer than, ms: value", "0");
    for expected in ["steps", "ms"] {
        let said = format!("Not in force: type a whole number of {expected}, 1 or more.");
        assert!(window.query_by_label(&said).is_some(), "{said}");
    }
    press(&mut window, "Similarity rises above");
    assert!(
        window
            .query_by_label("Not in force: type a number from −1 to 1.")
            .is_none(),
        "what is off needs no value"
    );
    press(&mut window, "Clear all");
    assert_eq!(window.state().state.breakpoints, Breakpoints::default());
    assert_eq!(
        window.state_mut().take().last(),
        Some(&Command::SetBreakpoints(Breakpoints::default()))
    );
    assert!(window.query_by_label_contains("Not in force").is_none());
}

#[test]
fn steps_are_listed_and_removed_and_escape_closes_the_menu_alone() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Running);
    desk.state.breakpoints = at_steps(&[4, 9]);
    let mut window = window(desk);
    window.run();
    assert!(window.query_by_label("Step 9. Breakpoint: a run pauses here").is_some());
    press(&mut window, "Breakpoints, 2 set");
    press(&mut window, "Remove the breakpoint at step 9");
    assert_eq!(window.state_mut().take(), [Command::SetBreakpoints(at_steps(&[4]))]);
    assert!(window.query_by_label("Step 9. Breakpoint: a run pauses here").is_none());
    window.key_press(Key::Escape);
    window.run();
    assert!(window.query_by_label("Remove the breakpoint at step 4").is_none());
    assert_eq!(window.state_mut().take(), [], "the run goes on");
    window.key_press(Key::Escape);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::Cancel]);
}

#[test]
fn switches_and_replans_are_marked() {
    let mut window = window(paused());
    window.run();
    for mark in [
        "Step 7. Sub-goal 2 begins: place the red block on the blue pad",
        "Step 4. The VLM was asked again: \"pick up the red block\" was not reached in 20 steps",
    ] {
        assert!(window.query_by_label(mark).is_some(), "{mark}");
    }
    let at = at_step(&window, 7);
    window.hover_at(at);
    window.run_steps(8);
    let told = "Step 7\nSub-goal 1 was declared reached\nSub-goal 2 begins: place the red block on the blue pad";
    assert!(
        window.query_by_label(told).is_some(),
        "a step's tooltip says what is marked there"
    );
}

/// Where a step lies on the timeline: the newest plan looks ten steps ahead.
fn at_step(window: &Harness<'_, Desk>, step: usize) -> Pos2 {
    let track = window.get_by_label("Timeline, 12 steps").rect();
    let (left, right) = (track.left() + 58.0, track.right() - 64.0);
    pos2(left + (right - left) * (step as f32 + 0.5) / 22.0, track.center().y)
}

/// Frames are so far apart that two of them are a step at speed 1.
fn playing(desk: Desk) -> Harness<'static, Desk> {
    builder().with_step_dt(0.1).build_ui_state(draw, desk)
}

fn shown(window: &Harness<'_, Desk>) -> Option<usize> {
    window.state().state.selection.step
}

/// The steps that the next frames show, each said once.
fn walked(window: &mut Harness<'_, Desk>, frames: usize) -> Vec<usize> {
    let mut steps = Vec::new();
    for _ in 0..frames {
        window.step();
        let step = shown(window).unwrap_or(usize::MAX);
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    steps
}

fn asks_for_frames(window: &Harness<'_, Desk>) -> bool {
    window.output().viewport_output[&ViewportId::ROOT].repaint_delay < Duration::MAX
}

#[test]
fn a_recording_plays_to_its_end_at_the_chosen_speed_and_the_episode_is_left_alone() {
    let mut finished = synthetic::recording();
    finished.outcome = Some(Outcome::Reached);
    for (recording, phase) in [
        (synthetic::recording(), Phase::Paused),
        (synthetic::recording(), Phase::Running),
        (finished.clone(), Phase::Finished),
        (finished, Phase::Opened),
    ] {
        let mut window = playing(Desk::new(recording, phase));
        window.run();
        assert!(!asks_for_frames(&window), "{phase:?}: nothing plays yet");
        window.get_by_label("Play the recording").click();
        window.step();
        assert!(window.state().state.playback.playing, "{phase:?}");
        let steps = walked(&mut window, 10);
        assert_eq!(steps, [0, 1, 2, 3, 4, 5][..steps.len()], "{phase:?}");
        assert!(steps.len() >= 5, "{phase:?}: {steps:?} in a second");
        assert!(asks_for_frames(&window));
        assert!(window.query_by_label("Camera: back to live").is_some());
        let steps = walked(&mut window, 16);
        assert_eq!(steps.last(), Some(&usize::MAX), "{phase:?}: it ends where it is live");
        assert!(!window.state().state.playback.playing);
        // Numbers that changed with the last step stand out a moment longer.
        window.run_steps(10);
        assert!(!asks_for_frames(&window), "{phase:?}: nothing plays any more");
        assert_eq!(window.state_mut().take(), []);
    }

    let mut window = playing(paused());
    window.run();
    for _ in 0..2 {
        window.key_press(Key::Comma);
    }
    window.key_press(Key::Home);
    window.run();
    assert!(window.query_by_label("Speed of playing: 0.5").is_some());
    window.key_press(Key::P);
    window.step();
    assert_eq!(walked(&mut window, 8), [0, 1, 2], "four frames a step");
    window.key_press(Key::P);
    window.key_press(Key::Home);
    window.run();
    press(&mut window, "Speed of playing: 0.5");
    press(&mut window, "Play at speed 8");
    window.get_by_label("Play the recording").click();
    let begun = walked(&mut window, 4);
    assert!(
        begun.contains(&4) && begun.contains(&8),
        "four steps a frame: {begun:?}"
    );
}

#[test]
fn stepping_stops_the_playback_and_text_is_only_typed() {
    let mut window = playing(paused());
    window.key_press(Key::Home);
    window.key_press(Key::P);
    walked(&mut window, 6);
    let before = shown(&window).expect("a step of the past");
    window.key_press(Key::ArrowLeft);
    window.step();
    assert!(!window.state().state.playback.playing);
    let after = shown(&window).expect("a step of the past");
    assert!(after + 1 >= before, "{before} to {after}");
    window.run_steps(8);
    assert_eq!(shown(&window), Some(after), "nothing moves");

    window.key_press_modifiers(Modifiers::COMMAND, Key::L);
    window.run();
    for key in [Key::P, Key::I, Key::O, Key::L, Key::Comma, Key::Period] {
        window.key_press(key);
        window.run();
    }
    let playback = &window.state().state.playback;
    assert!(!playback.playing && playback.range.is_none());
}

#[test]
fn a_loop_is_drawn_with_shift_played_round_and_round_and_cleared() {
    let mut window = playing(paused());
    window.run();
    let drag = |window: &mut Harness<'_, Desk>, modifiers: Modifiers, from: usize, to: usize| {
        let (from, to) = (at_step(window, from), at_step(window, to));
        window.event(Event::ModifiersChanged(modifiers));
        window.event(Event::PointerMoved(from));
        for (pos, pressed) in [(from, true), (to, false)] {
            window.event(Event::PointerMoved(pos));
            window.event(Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers,
            });
        }
        window.event(Event::PointerGone);
        window.event(Event::ModifiersChanged(Modifiers::NONE));
        window.run();
    };
    drag(&mut window, Modifiers::NONE, 6, 8);
    assert_eq!((shown(&window), window.state().state.playback.range), (Some(8), None));
    drag(&mut window, Modifiers::SHIFT, 5, 3);
    assert_eq!(
        (shown(&window), window.state().state.playback.range),
        (Some(8), Some([3, 5])),
        "the look stays"
    );
    // Over the timeline and over the curves.
    assert_eq!(window.query_all_by_label("Loop, steps 3 to 5").count(), 2);

    window.key_press(Key::P);
    window.step();
    let steps = walked(&mut window, 16);
    let begun = steps.iter().position(|&step| step == 3).expect("it enters the loop");
    for (step, expected) in steps[begun..].iter().zip([3, 4, 5].iter().cycle()) {
        assert_eq!(step, expected, "{steps:?}");
    }
    assert!(steps.len() - begun > 4, "{steps:?}");
    window.key_press(Key::P);
    window.run();

    // Each event is a frame of its own, and clicks that are far apart are no double click.
    let at = at_step(&window, 4);
    window.event(Event::PointerMoved(at));
    for _ in 0..2 {
        for pressed in [true, false] {
            window.event(Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
    }
    window.run();
    assert_eq!(window.state().state.playback.range, None);
    assert_eq!(window.query_all_by_label("Loop, steps 3 to 5").count(), 0);
}

#[test]
fn a_loop_is_set_with_keys_and_is_the_sub_goal_by_itself() {
    let mut window = window(paused());
    let range = |window: &Harness<'_, Desk>| window.state().state.playback.range;
    let key = |window: &mut Harness<'_, Desk>, key| {
        window.key_press(key);
        window.run();
    };
    key(&mut window, Key::L);
    assert_eq!(range(&window), Some([7, 11]), "the second sub-goal");
    key(&mut window, Key::L);
    assert_eq!(range(&window), None);
    key(&mut window, Key::Home);
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::I);
    assert_eq!(range(&window), Some([1, 11]));
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::O);
    assert_eq!(range(&window), Some([1, 2]));
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::I);
    assert_eq!(range(&window), Some([3, 11]));
    press(&mut window, "Loop no more");
    assert_eq!((range(&window), window.state_mut().take()), (None, vec![]));
}

/// The app around the scripted engine.
pub type App = Harness<'static, Option<Studio>>;

pub fn app() -> App {
    let options = AppOptions {
        examples: vec!["stack".to_owned()],
        seed: 7,
        ..AppOptions::default()
    };
    let mut app = Harness::<Option<Studio>>::builder()
        .with_size([1600.0, 1000.0])
        .with_context_setup(prepare)
        .build_ui_state(
            move |ui, studio: &mut Option<Studio>| {
                let make = || Studio::with_engine(ui.ctx(), &options, script::engine(Arc::new(|| ())));
                studio.get_or_insert_with(make).frame_ui(ui);
            },
            None,
        );
    until(&mut app, "idle", |studio| studio.engine().board().phase == Phase::Idle);
    app
}

pub fn studio(app: &App) -> &Studio {
    app.state().as_ref().expect("the first frame makes the app")
}

pub fn until(app: &mut App, what: &str, so: impl Fn(&Studio) -> bool) {
    let begun = Instant::now();
    while !so(studio(app)) {
        let board = studio(app).engine().board();
        assert!(begun.elapsed() < Duration::from_secs(60), "never {what}: {board:?}");
        app.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    app.run_steps(2);
}

pub fn resting_at(studio: &Studio, steps: usize) -> bool {
    studio.engine().board().phase == Phase::Paused && studio.engine().recording().steps.len() == steps
}

pub fn send(app: &App, command: Command) {
    assert!(studio(app).engine().send(command));
}

/// An episode that waits at its first step.
pub fn planned() -> App {
    let mut app = app();
    send(
        &app,
        Command::Plan {
            task: "stack".to_owned(),
            seed: 7,
            then: None,
        },
    );
    until(&mut app, "planned", |studio| resting_at(studio, 0));
    app
}

#[test]
fn a_run_pauses_on_a_condition_of_the_menu_is_marked_there_and_goes_on() {
    let mut app = planned();
    app.get_by_label("Breakpoints, 0 set").click();
    app.run_steps(3);
    app.get_by_label("A sub-goal ends").click();
    app.run_steps(2);
    let field = "Similarity rises above: value";
    app.get_by_role_and_label(Role::TextInput, field).click();
    app.run_steps(2);
    app.key_press_modifiers(Modifiers::COMMAND, Key::A);
    app.get_by_role_and_label(Role::TextInput, field).type_text("0.5");
    app.run_steps(2);
    // The first Escape leaves the field and closes the menu.
    app.key_press(Key::Escape);
    app.run_steps(3);
    assert!(app.query_by_label("Breakpoints, 2 set").is_some());
    app.key_press(Key::Space);
    until(&mut app, "the condition", |studio| resting_at(studio, 4));
    let why = "the similarity to sub-goal 1 rose above 0.5, 0.45 to 0.51";
    assert!(
        app.query_by_label(&format!("Step 4. A run paused here: {why}"))
            .is_some()
    );
    let paused = |app: &App| {
        let recording = studio(app).engine().recording();
        recording.pauses.iter().map(|pause| pause.step).collect::<Vec<_>>()
    };
    assert_eq!(paused(&app), [4]);
    let said = format!("Paused at step 4: {why}.");
    let log = studio(&app).engine().board().log;
    assert_eq!(log.back().map(|line| line.text.as_str()), Some(said.as_str()));

    app.key_press(Key::Space);
    until(&mut app, "the switch", |studio| resting_at(studio, 8));
    assert_eq!(paused(&app), [4, 7]);
    // What came after a step that is gone back to did not happen.
    send(
        &app,
        Command::Seek {
            branch: None,
            step: 5,
            seed: None,
        },
    );
    until(&mut app, "going back", |studio| resting_at(studio, 5));
    assert_eq!(paused(&app), [4]);
    let marked = |app: &App| app.query_by_label_contains("Step 7. A run paused here").is_some();
    assert!(!marked(&app));
    app.get_by_label("Branches").click();
    app.run_steps(3);
    app.get_by_label("Show first").click();
    app.run_steps(3);
    assert!(marked(&app), "that of a branch is drawn where the branch is");
    app.key_press(Key::Escape);
    app.run_steps(2);
    app.get_by_label("Leave the branch").click();
    app.run_steps(2);
    send(&app, Command::Run(Until::End));
    until(&mut app, "the switch again", |studio| resting_at(studio, 8));
    send(&app, Command::Run(Until::End));
    until(&mut app, "the end", |studio| {
        studio.engine().board().phase == Phase::Finished
    });
    send(&app, Command::Reset { seed: 7 });
    until(&mut app, "a new scene", |studio| {
        studio.engine().board().phase == Phase::Idle
    });
    assert!(paused(&app).is_empty());
}

#[test]
fn an_opened_recording_is_played_and_cannot_be_gone_on_with_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |app: &mut App, path: &Path, recording: &Recording| {
        file::save(recording, path).expect("the recording is saved");
        send(app, Command::OpenRecording(path.to_owned()));
        until(app, "opened", |studio| {
            studio.engine().board().phase == Phase::Opened && studio.engine().recording().task == recording.task
        });
    };
    let disabled = |app: &App, label: &str| app.get_by_label(label).accesskit_node().is_disabled();
    let mut app = app();
    let cut = synthetic::recording();
    open(&mut app, &folder.path().join("cut.tjrec"), &cut);
    assert!(disabled(&app, "Run") && disabled(&app, "Step"));
    app.get_by_label("Run").hover();
    app.run_steps(8);
    assert!(
        app.query_by_label_contains("This episode is a recording: it can be looked at, played and exported")
            .is_some()
    );
    assert!(app.query_by_label_contains("Opened recording").is_some());
    // Neither do keys, nor is anything said about it.
    app.get_by_label("Timeline, 12 steps").click();
    for key in [Key::Space, Key::ArrowRight, Key::G] {
        app.key_press(key);
        app.run_steps(2);
    }
    app.key_press(Key::Home);
    app.run_steps(2);
    assert!(disabled(&app, "Go on from step 0"));
    let board = studio(&app).engine().board();
    assert!(board.phase == Phase::Opened && board.failure.is_none(), "{board:?}");
    assert_eq!(*studio(&app).engine().recording(), cut);
    app.key_press(Key::P);
    app.run_steps(6);
    assert!(studio(&app).state().selection.step.is_some_and(|step| step > 0));
    app.key_press(Key::P);
    app.run_steps(2);

    // An episode with an outcome is shown with it, and another one is planned as ever.
    let whole = Recording {
        task: "whole".to_owned(),
        outcome: Some(Outcome::Reached),
        task_achieved: Some(true),
        ..cut
    };
    open(&mut app, &folder.path().join("whole.tjrec"), &whole);
    assert!(
        app.query_by_label("Opened recording · Task done after 11 steps")
            .is_some()
    );
    send(
        &app,
        Command::Plan {
            task: "stack".to_owned(),
            seed: 7,
            then: None,
        },
    );
    until(&mut app, "planned", |studio| resting_at(studio, 0));
    assert!(!disabled(&app, "Run") && !disabled(&app, "Step"));
}

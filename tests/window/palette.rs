//! What the palette offers of the panels' buttons: it does what they do, and only what can be done now.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::device::{DeviceChoice, FoundDevice};
use thinkjepa::engine::{
    Branch, Branches, Breakpoints, Command, DeviceSearch, Phase, RunState, TrainingCommand, TrainingState, Until,
};
use thinkjepa::panels::Workspace;
use thinkjepa::planner::Switches;
use thinkjepa::recording::Recording;

use super::training::facts;
use super::{Desk, at_steps, synthetic, window};

fn paused() -> Harness<'static, Desk> {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run_steps(3);
    window.state_mut().take();
    window
}

/// Types into the palette and looks for a line of this title, beside the buttons of that name.
fn offers(window: &mut Harness<'_, Desk>, title: &str) -> bool {
    let buttons = window.query_all_by_label(title).count();
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run_steps(3);
    window.get_by_label("Find a command").type_text(title);
    window.run_steps(3);
    let found = window.query_all_by_label(title).count() > buttons;
    window.key_press(Key::Escape);
    window.run_steps(3);
    found
}

/// Does the line of this title, and gives what was sent to the engine.
fn does(window: &mut Harness<'_, Desk>, title: &str) -> Vec<Command> {
    window.state_mut().take();
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    window.run_steps(3);
    window.get_by_label("Find a command").type_text(title);
    window.run_steps(3);
    // The palette is drawn over all that may have the same name.
    let line = window.get_all_by_label(title).last();
    line.unwrap_or_else(|| panic!("{title} is not offered")).click();
    window.run_steps(3);
    window.state_mut().take()
}

#[test]
fn steps_and_switches_are_offered_while_an_episode_waits() {
    let mut window = paused();
    window.key_press(Key::Home);
    window.run_steps(2);
    assert_eq!(does(&mut window, "Plan and execute one action"), [Command::Step]);
    assert_eq!(window.state().state.selection.step, None, "it is followed live");
    assert_eq!(does(&mut window, "Plan one iteration"), [Command::StepIteration]);
    let run = Command::Run(Until::NextSubGoal);
    assert_eq!(does(&mut window, "Run until the next sub-goal"), [run]);
    let off = does(&mut window, "Switch Plan off: execute the last plan open loop");
    let switches = Switches { plan: false, act: true };
    assert_eq!(off, [Command::SetSwitches(switches)]);
    window.state_mut().board.switches = switches;
    assert!(!offers(&mut window, "Plan one iteration"));
    let off = does(&mut window, "Switch Act off: plan and move nothing");
    assert_eq!(
        off,
        [Command::SetSwitches(Switches {
            plan: false,
            act: false
        })]
    );
    window.state_mut().board.phase = Phase::Running;
    assert!(!offers(&mut window, "Plan and execute one action"));
}

#[test]
fn breakpoints_and_pins_are_cleared_by_the_palette() {
    let mut window = paused();
    assert!(!offers(&mut window, "Clear all breakpoints"));
    window.state_mut().state.breakpoints = at_steps(&[3, 5]);
    let cleared = Command::SetBreakpoints(Breakpoints::default());
    assert_eq!(does(&mut window, "Clear all breakpoints"), [cleared]);

    assert!(!offers(&mut window, "Forget all pins"));
    does(&mut window, "Pin this episode");
    does(&mut window, "Pin this episode");
    let letters =
        |window: &Harness<'_, Desk>| -> String { window.state().state.pins.iter().map(|pin| pin.letter).collect() };
    assert_eq!(letters(&window), "AB");
    does(&mut window, "Unpin A, recording");
    assert_eq!(letters(&window), "B");
    does(&mut window, "Forget all pins");
    assert_eq!(letters(&window), "");
}

#[test]
fn branches_are_looked_at_gone_over_to_deleted_and_brought_back() {
    let mut window = paused();
    let branch = |id, parent| Branch {
        id,
        parent,
        recording: Arc::new(synthetic::recording()),
        file: None,
    };
    window.state_mut().board.branches = Arc::new(Branches {
        at_hand: Some(0),
        list: vec![branch(0, None), branch(1, Some(0))],
        deleted: Some(2),
    });
    assert!(!offers(&mut window, "Go over to the first episode"));
    does(&mut window, "Look at branch 1");
    assert_eq!(window.state().state.shown_branch, Some(1));
    does(&mut window, "Look at the first episode");
    assert_eq!(window.state().state.shown_branch, None);
    assert_eq!(does(&mut window, "Go over to branch 1"), [Command::GoToBranch(1)]);
    assert_eq!(does(&mut window, "Delete branch 1"), [Command::DeleteBranch(1)]);
    assert_eq!(does(&mut window, "Bring back branch 2"), [Command::UndeleteBranch]);
}

#[test]
fn a_device_is_chosen_among_those_that_are_known() {
    let mut window = paused();
    assert_eq!(does(&mut window, "Look for graphics cards"), [Command::FindDevices]);
    assert!(
        !offers(
            &mut window,
            "Compute on auto: the fastest, by measurement (drops the episode)"
        ),
        "it is chosen already"
    );
    let sent = does(&mut window, "Compute on cpu: the processor (drops the episode)");
    assert_eq!(sent, [Command::SetDevice(DeviceChoice::Cpu)]);
    let card = FoundDevice {
        id: DeviceChoice::Wgpu(0),
        name: "llvmpipe".to_owned(),
        kind: "software".to_owned(),
        drawback: None,
    };
    window.state_mut().board.devices = DeviceSearch::Found(Arc::new(vec![card]));
    let sent = does(
        &mut window,
        "Compute on wgpu:0: llvmpipe (software) (drops the episode)",
    );
    assert_eq!(sent, [Command::SetDevice(DeviceChoice::Wgpu(0))]);
    assert!(!offers(&mut window, "Look for graphics cards"));
}

#[test]
fn a_training_is_begun_led_and_watched() {
    let mut desk = Desk::new(Recording::default(), Phase::Idle);
    desk.state.task.focus = false;
    desk.metrics.listed = vec![facts("runs/old", RunState::Stopped, 10)];
    let mut window = window(desk);
    window.run_steps(3);
    let started = |sent: &[Command]| {
        sent.iter().find_map(|command| match command {
            Command::StartTraining(request) => Some((request.run.clone(), request.preset.clone())),
            _ => None,
        })
    };
    let sent = does(&mut window, "Start training: stage 1 in runs/first");
    assert_eq!(
        started(&sent),
        Some(("runs/first".into(), "nano".to_owned())),
        "{sent:?}"
    );
    assert!(sent.contains(&Command::WatchRun("runs/first".into())));
    assert_eq!(window.state().state.workspace, Workspace::Training);
    let sent = does(&mut window, "Resume the run old");
    let config = "runs/old/config.ron".to_owned();
    assert_eq!(started(&sent), Some((PathBuf::from("runs/old"), config)), "{sent:?}");

    let sent = does(&mut window, "Watch the run old");
    assert_eq!(sent, [Command::WatchRun("runs/old".into())]);
    let run = super::training::run(3, 1.0, None);
    window.state_mut().metrics.watched.insert("runs/old".into(), run);
    let sent = does(&mut window, "Watch the run old no more");
    let forget = TrainingCommand::Forget("runs/old".into());
    assert!(sent.contains(&Command::Training(forget)), "{sent:?}");
    does(&mut window, "Watch a run in another folder…");
    assert!(window.get_by_label("Run to watch").is_focused());
    // Keys are not commands while something is typed.
    window.key_press(Key::Escape);
    window.run_steps(2);

    let title = "Stage 1 · first".to_owned();
    window.state_mut().board.training = TrainingState::Running { title: title.clone() };
    assert!(!offers(&mut window, "Start training: stage 1 in runs/first"));
    let pause = Command::Training(TrainingCommand::Pause);
    assert_eq!(does(&mut window, "Pause training"), [pause]);
    assert_eq!(does(&mut window, "Stop training and save"), [Command::StopTraining]);
    window.state_mut().board.training = TrainingState::Paused { title };
    let resume = Command::Training(TrainingCommand::Resume);
    assert_eq!(does(&mut window, "Resume training"), [resume]);
    let stop = Command::Training(TrainingCommand::StopUnsaved);
    assert_eq!(does(&mut window, "Just stop training"), [stop]);
    window.state_mut().board.training = TrainingState::Idle;
    window.state_mut().state.training.steps = "none".to_owned();
    assert!(
        !offers(&mut window, "Start training: stage 1 in runs/first"),
        "a form that is to be corrected starts nothing"
    );
}

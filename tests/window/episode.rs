//! Episodes through the whole window: what keys and buttons come to in the engine behind it.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::Command;

use super::time::{App, planned, resting_at, send, studio, until};

fn press(app: &mut App, label: &str) {
    app.get_by_label(label).click();
    app.run_steps(3);
}

/// Types over what a field holds.
fn fill(app: &mut App, field: &str, text: &str) {
    app.get_by_role_and_label(Role::TextInput, field).focus();
    app.run_steps(2);
    app.key_press_modifiers(Modifiers::COMMAND, Key::A);
    app.get_by_role_and_label(Role::TextInput, field).type_text(text);
    app.run_steps(2);
}

/// A planned episode of so many steps.
fn stepped(steps: usize) -> App {
    let mut app = planned();
    for step in 1..=steps {
        send(&app, Command::Step);
        until(&mut app, "a step", |studio| resting_at(studio, step));
    }
    app
}

#[test]
fn going_on_from_a_branch_that_is_looked_at_goes_on_from_that_branch() {
    let mut app = stepped(3);
    let seek = Command::Seek {
        branch: None,
        step: 1,
        seed: Some(8),
    };
    send(&app, seek);
    until(&mut app, "the branch", |studio| resting_at(studio, 1));
    press(&mut app, "Branches");
    press(&mut app, "Show first");
    app.key_press(Key::Escape);
    app.run_steps(2);
    app.key_press(Key::ArrowLeft);
    app.run_steps(2);
    app.key_press(Key::G);
    until(&mut app, "a second branch", |studio| {
        studio.engine().board().branches.at_hand == Some(2) && resting_at(studio, 1)
    });
    let recording = studio(&app).engine().recording();
    let points: Vec<_> = recording.branched_from.iter().map(|point| point.step).collect();
    assert_eq!(points, [1], "it left the first one and not the branch at hand");
    assert_eq!(recording.plan_seed(), 7);
    let branches = studio(&app).engine().board().branches;
    let steps = |id| branches.get(id).map(|branch| branch.recording.steps.len());
    assert_eq!((steps(0), steps(1)), (Some(3), Some(1)));
    let log = studio(&app).engine().board().log;
    assert!(log.iter().all(|line| line.text != "Stopped."), "{log:?}");
}

#[test]
fn an_edit_that_is_refused_can_be_mended_and_sent_again() {
    let mut app = stepped(1);
    press(&mut app, "Edit the sub-goals");
    let list = |app: &mut App, text: &str| {
        fill(app, "Sub-goal 2 text", text);
        press(app, "Apply the edit");
    };
    list(&mut app, "refuse it");
    until(&mut app, "refusing", |studio| studio.engine().board().failure.is_some());
    assert!(app.query_by_label("Taken up at the next step").is_none());
    list(&mut app, "lift the green block");
    until(&mut app, "the edit", |studio| {
        studio.engine().recording().edits.len() == 1
    });
    assert!(
        app.query_by_role_and_label(Role::TextInput, "Sub-goal 2 text")
            .is_none()
    );
}

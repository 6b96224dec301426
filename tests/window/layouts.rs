//! The panes of both workspaces are panes of one kind: closed, brought back, moved, kept and undone in the same ways, each in
//! its workspace.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, Rect, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::app::{AppOptions, Picture, Script, Studio};
use thinkjepa::engine::{Phase, Stage};
use thinkjepa::panels::{Pane, Workspace};

use super::shell::{command, right_click, studio, studio_with};
use super::{Desk, samples, synthetic, window};

fn workspace(window: &Harness<'_, Desk>) -> Workspace {
    window.state().state.workspace
}

fn is_there<State>(window: &Harness<'_, State>, pane: &str) -> bool {
    window.query_by_label(&format!("{pane} pane")).is_some()
}

/// Training with a run that has curves and samples.
fn training() -> Harness<'static, Desk> {
    let mut window = window(samples::desk(Stage::One));
    window.run();
    window
}

#[test]
fn panes_of_training_have_one_title_each_and_are_closed_and_brought_back() {
    let mut window = training();
    for pane in Pane::of(Workspace::Training) {
        let title = pane.title();
        assert!(is_there(&window, title), "{title}");
        assert!(window.query_by_label(title).is_none(), "{title} has a second title");
    }
    assert!(window.query_by_label("Chart of loss, 2 runs").is_some());
    window.get_by_label("Close Metrics").click();
    window.run();
    assert!(window.query_by_label("Chart of loss, 2 runs").is_none());
    command(&mut window, "open pane metrics");
    assert!(window.query_by_label("Chart of loss, 2 runs").is_some());
    right_click(&mut window, "Samples pane");
    window.get_by_label("Close this pane").click();
    window.run();
    assert!(!is_there(&window, "Samples"));

    // The menu is about what is shown.
    window.get_by_label("View").click();
    window.run();
    assert!(window.query_by_role_and_label(Role::CheckBox, "Camera").is_none());
    window.get_by_role_and_label(Role::CheckBox, "Samples").click();
    window.run();
    assert!(is_there(&window, "Samples"));
    window.get_by_role_and_label(Role::CheckBox, "Runs").click();
    window.run();
    assert!(!is_there(&window, "Runs"));
    window.get_by_label("Reset the layout").click();
    window.run();
    assert!(is_there(&window, "Runs"));
}

#[test]
fn a_pane_of_the_other_workspace_is_gone_to() {
    let mut window = training();
    window.get_by_label("Close Metrics").click();
    window.run();
    command(&mut window, "open pane camera");
    assert_eq!(workspace(&window), Workspace::Episode);
    assert!(is_there(&window, "Camera") && !is_there(&window, "Runs"));
    command(&mut window, "open pane metrics");
    assert_eq!(workspace(&window), Workspace::Training);
    assert!(is_there(&window, "Metrics"));
}

#[test]
fn each_workspace_has_layouts_of_its_own() {
    let mut window = training();
    window.get_by_label("Close Train").click();
    window.run();
    command(&mut window, "save layout");
    window
        .get_by_role_and_label(Role::TextInput, "Layout name")
        .type_text("watching");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    command(&mut window, "reset the layout");
    assert!(is_there(&window, "Train"));
    command(&mut window, "show episode");
    window.get_by_label("View").click();
    window.run();
    assert!(window.query_by_label("Use the layout watching").is_none());
    window.key_press(Key::Escape);
    window.run();
    command(&mut window, "show training");
    command(&mut window, "layout watching");
    assert!(!is_there(&window, "Train") && is_there(&window, "Metrics"));
}

#[test]
fn keys_undo_layouts_in_their_turn_and_where_it_is_seen() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    window.get_by_label("Close CEM").click();
    window.run();
    command(&mut window, "show training");
    window.get_by_label("Close Samples").click();
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert!(is_there(&window, "Samples"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert_eq!(workspace(&window), Workspace::Episode);
    assert!(is_there(&window, "CEM"));
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.run();
    assert!(!is_there(&window, "CEM"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert!(is_there(&window, "CEM"), "there is nothing else to undo");
}

fn title<State>(window: &Harness<'_, State>, pane: &str) -> Rect {
    window.get_by_label(&format!("{pane} pane")).rect()
}

fn show_training(window: &mut Harness<'_, Option<Studio>>) {
    let studio = window.state_mut().as_mut().unwrap();
    studio.state_mut().workspace = Workspace::Training;
}

/// Samples and runs share a place.
fn are_together(window: &Harness<'_, Option<Studio>>) -> bool {
    let (runs, samples) = (title(window, "Runs"), title(window, "Samples"));
    (runs.center().y - samples.center().y).abs() < 2.0 && samples.left() - runs.right() < 60.0
}

fn drag<State>(window: &mut Harness<'_, State>, pane: &str, to: Pos2) {
    let from = title(window, pane).center();
    window.drag_at(from);
    window.step();
    for part in 1..=8 {
        window.hover_at(from + (to - from) * (part as f32 / 8.0));
        window.step();
    }
    window.drop_at(to);
    window.run_steps(3);
}

#[test]
fn a_pane_dropped_beside_all_others_has_its_title_in_a_tab_and_no_second_one() {
    let mut window = training();
    assert!(is_there(&window, "Samples") && is_there(&window, "Metrics"));
    drag(&mut window, "Samples", pos2(800.0, 509.0));
    assert!(!is_there(&window, "Samples") && !is_there(&window, "Metrics"));
    assert!(window.query_by_label("Newest sample").is_some(), "it is shown");
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert!(is_there(&window, "Samples") && is_there(&window, "Metrics"));
}

#[test]
fn a_pane_of_training_that_was_moved_is_found_where_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window.ron");
    let mut first = studio(path.clone());
    first.run_steps(3);
    show_training(&mut first);
    first.run_steps(3);
    let upper = 0.5 * (title(&first, "Runs").top() + title(&first, "Train").top());
    drag(&mut first, "Samples", pos2(185.0, upper));
    assert!(are_together(&first), "one strip for both");
    first.state_mut().as_mut().unwrap().close();
    drop(first);

    let mut second = studio(path);
    second.run_steps(3);
    assert!(is_there(&second, "CEM"), "the episode's layout is as it was");
    show_training(&mut second);
    second.run_steps(3);
    assert!(are_together(&second));
}

#[test]
fn a_window_that_pictures_a_pane_shows_its_workspace() {
    let script = Script {
        picture: Some(Picture {
            path: Path::new("not-drawn.png").to_owned(),
            step: None,
            panes: vec![Pane::Metrics],
        }),
        ..Script::default()
    };
    let mut window = studio_with(AppOptions {
        script: Some(script),
        ..AppOptions::default()
    });
    let begun = Instant::now();
    while !is_there(&window, "Metrics") {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came up");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
}

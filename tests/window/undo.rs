//! Undo by keys, whatever was changed and wherever.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::{Breakpoints, Command, Phase};
use thinkjepa::panels::Workspace;
use thinkjepa::planner::Switches;

use super::{Desk, at_steps, builder, draw, synthetic, window};

const REDO: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

fn press(window: &mut Harness<'_, Desk>, modifiers: Modifiers, key: Key) -> Vec<Command> {
    window.state_mut().take();
    window.key_press_modifiers(modifiers, key);
    window.run_steps(3);
    window.state_mut().take()
}

/// Types over what a field holds, and leaves it.
fn fill(window: &mut Harness<'_, Desk>, role: Role, field: &str, words: &str) {
    window.get_by_role_and_label(role, field).click();
    window.run_steps(2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.run_steps(2);
    for letter in words.chars() {
        window.event(egui::Event::Text(letter.to_string()));
        window.run_steps(1);
    }
    window.key_press(Key::Enter);
    window.run_steps(3);
}

#[test]
fn the_seed_breakpoints_and_switches_go_back_one_by_one() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run_steps(3);
    fill(&mut window, Role::SpinButton, "Seed", "4321");
    assert_eq!(window.state().state.task.seed, 4321);
    press(&mut window, Modifiers::NONE, Key::B);
    window.get_by_label("Act switch").click();
    window.run_steps(3);

    let on = [Command::SetSwitches(Switches::default())];
    assert_eq!(press(&mut window, Modifiers::COMMAND, Key::Z), on);
    let none = [Command::SetBreakpoints(Breakpoints::default())];
    assert_eq!(press(&mut window, Modifiers::COMMAND, Key::Z), none);
    assert!(window.query_by_label("Breakpoints, 0 set").is_some());
    assert_eq!(press(&mut window, Modifiers::COMMAND, Key::Z), []);
    assert_eq!(window.state().state.task.seed, 7, "four digits were one edit");
    assert_eq!(press(&mut window, Modifiers::COMMAND, Key::Z), []);

    press(&mut window, REDO, Key::Z);
    assert_eq!(window.state().state.task.seed, 4321);
    let set = [Command::SetBreakpoints(at_steps(&[11]))];
    assert_eq!(press(&mut window, REDO, Key::Z), set);
    let off = Switches { plan: true, act: false };
    assert_eq!(press(&mut window, REDO, Key::Z), [Command::SetSwitches(off)]);
}

#[test]
fn a_condition_that_was_typed_leaves_the_menu_when_it_is_undone() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run_steps(3);
    window.get_by_label("Breakpoints, 0 set").click();
    window.run_steps(3);
    fill(&mut window, Role::TextInput, "Similarity falls below: value", "0.25");
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(window.query_by_label("Breakpoints, 1 set").is_some());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.query_by_label("Breakpoints, 0 set").is_some());
    window.get_by_label("Breakpoints, 0 set").click();
    window.run_steps(3);
    assert_eq!(window.state_mut().take(), [], "what the menu holds is what is in force");
}

#[test]
fn a_setting_of_a_run_is_undone_in_the_form() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.state.workspace = Workspace::Training;
    let mut window = builder().with_size([1600.0, 1500.0]).build_ui_state(draw, desk);
    window.run_steps(3);
    window.get_all_by_label("Optimiser and run").next().unwrap().click();
    window.run_steps(8);
    fill(&mut window, Role::TextInput, "train.clip_norm", "0.25");
    fill(&mut window, Role::TextInput, "train.checkpoint_every", "50");
    assert!(window.query_by_label("2 settings changed").is_some());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    let edits = &window.state().state.training.edits;
    assert_eq!(
        edits.iter().collect::<Vec<_>>(),
        [(&"train.clip_norm".to_owned(), &"0.25".to_owned())]
    );
    press(&mut window, REDO, Key::Z);
    assert!(window.query_by_label("2 settings changed").is_some());
}

//! The user's hand in an episode: sub-goals edited in their list, branches looked at and gone over to, episodes pinned and
//! compared.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::{Branch, Branches, Command, Phase};
use thinkjepa::panels::Edit;
use thinkjepa::planner::SubGoal;
use thinkjepa::recording::{BranchPoint, EditRecord, EndedBecause, Outcome, Recording};

use super::{Desk, builder, draw, synthetic, window};

fn press(window: &mut Harness<'_, Desk>, label: &str) {
    window.get_by_label(label).click();
    window.run();
}

fn write(window: &mut Harness<'_, Desk>, field: &str, text: &str) {
    window.get_by_role_and_label(Role::TextInput, field).focus();
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.run();
    window.get_by_role_and_label(Role::TextInput, field).type_text(text);
    window.run();
}

/// The sub-goals of a command, line by line.
fn sent(window: &mut Harness<'_, Desk>) -> (Vec<String>, usize) {
    let sent = window.state_mut().take();
    let [Command::EditSubGoals { list, from }] = &sent[..] else {
        panic!("{sent:?}");
    };
    (list.iter().map(SubGoal::line).collect(), *from)
}

/// What the engine makes of a list at its next step: the sub-goals from `from` on are replaced.
fn take_up(recording: &mut Recording, list: &[String], from: usize) {
    let step = recording.steps.len() - 1;
    for record in &mut recording.sub_goals[from..] {
        record.ended_because.get_or_insert(EndedBecause::Replaced);
    }
    for line in list {
        let mut record = recording.sub_goals[0].clone();
        let SubGoal { text, objects } = SubGoal::read(line).expect("a line that was sent");
        (record.text, record.objects) = (text, objects);
        (record.start_step, record.end_step, record.ended_because) = (None, None, None);
        record.edited = true;
        recording.sub_goals.push(record);
    }
    recording.edits.push(EditRecord {
        step,
        before: vec![],
        after: list.to_vec(),
    });
}

#[test]
fn the_open_sub_goals_are_typed_moved_added_deleted_and_sent_at_once() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Running));
    window.run();
    press(&mut window, "Edit the sub-goals");
    assert!(
        window
            .query_by_role_and_label(Role::TextInput, "Sub-goal 1 text")
            .is_none(),
        "what is done is fixed"
    );
    assert!(window.query_by_label_contains("Nothing is changed yet").is_some());
    write(&mut window, "Sub-goal 3 text", "pick up the blue block");
    press(&mut window, "Insert a sub-goal after 3");
    assert!(
        window
            .get_by_role_and_label(Role::TextInput, "Sub-goal 4 text")
            .is_focused()
    );
    window
        .get_by_role_and_label(Role::TextInput, "Sub-goal 4 text")
        .type_text("wait for it | [moon]");
    window.run();
    press(&mut window, "Move sub-goal 4 up");
    press(&mut window, "Delete sub-goal 2");
    assert!(
        window.state_mut().take().is_empty(),
        "nothing is sent before it is applied"
    );
    window.check_accessibility();
    press(&mut window, "Apply the edit");
    let (list, from) = sent(&mut window);
    assert_eq!(list, ["wait for it | [moon]", "pick up the blue block"]);
    assert_eq!(from, 1);
    assert!(window.query_by_label("Taken up at the next step").is_some());

    take_up(&mut window.state_mut().recording, &list, from);
    window.run();
    assert!(
        window
            .query_by_role_and_label(Role::TextInput, "Sub-goal 2 text")
            .is_none()
    );
    assert!(window.query_by_label_contains("wait for it, Waiting").is_some());
    assert!(
        window
            .query_by_label_contains("Sub-goal 3: pick up the green block")
            .is_none(),
        "what was replaced before it began is out of the way"
    );
    assert!(window.query_by_label("Edited").is_some());

    // The edit is undone by the list before it, and done again.
    press(&mut window, "Undo the edit");
    let (before, from) = sent(&mut window);
    assert_eq!(
        before,
        ["place the red block on the blue pad", "pick up the green block"]
    );
    take_up(&mut window.state_mut().recording, &before, from);
    window.run();
    press(&mut window, "Redo the edit");
    assert_eq!(sent(&mut window).0, list);
}

#[test]
fn an_applied_edit_is_undone_by_keys_before_what_came_before_it_and_only_where_it_was_made() {
    let mut window = window(branched());
    window.run();
    let setting = Edit::commands("Set P", Command::Pause, Command::Step);
    window.state_mut().state.history.push(setting);
    press(&mut window, "Edit the sub-goals");
    write(&mut window, "Sub-goal 3 text", "pick up the blue block");
    press(&mut window, "Apply the edit");
    let (after, from) = sent(&mut window);
    take_up(&mut window.state_mut().recording, &after, from);
    window.run();
    let undo = |window: &mut Harness<'_, Desk>| {
        window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        window.run();
    };
    let redo = |window: &mut Harness<'_, Desk>| {
        window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
        window.run();
    };
    window.key_press(Key::Home);
    window.run();
    undo(&mut window);
    assert_eq!(window.state_mut().take(), []);
    let said = window.state().state.shell.warnings.join(" ");
    assert!(said.contains("You look at the past"), "{said}");
    window.key_press(Key::End);
    window.run();

    undo(&mut window);
    let (before, from) = sent(&mut window);
    assert_eq!(
        before,
        ["place the red block on the blue pad", "pick up the green block"]
    );
    take_up(&mut window.state_mut().recording, &before, from);
    window.run();
    undo(&mut window);
    assert_eq!(window.state_mut().take(), [Command::Pause]);
    redo(&mut window);
    assert_eq!(window.state_mut().take(), [Command::Step]);
    redo(&mut window);
    assert_eq!(sent(&mut window).0, after);

    // Another episode has a list of its own.
    Arc::make_mut(&mut window.state_mut().board.branches).at_hand = Some(1);
    undo(&mut window);
    assert_eq!(window.state_mut().take(), [Command::Pause]);
}

#[test]
fn a_draft_is_undone_by_keys_moved_by_keys_and_dragged() {
    // Quick enough for a double click.
    let mut window = builder()
        .with_step_dt(1.0 / 60.0)
        .build_ui_state(draw, Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    let row = "Sub-goal 3: pick up the green block, Waiting · provisional goal";
    window.get_by_label(row).click();
    window.run_steps(1);
    window.get_by_label(row).click();
    window.run();
    assert!(
        window
            .get_by_role_and_label(Role::TextInput, "Sub-goal 3 text")
            .is_focused()
    );
    window.key_press_modifiers(Modifiers::ALT, Key::ArrowUp);
    window.run();
    let text = |window: &Harness<'_, Desk>, field: &str| {
        let field = window.get_by_role_and_label(Role::TextInput, field);
        egui_kittest::kittest::NodeT::accesskit_node(&field)
            .value()
            .unwrap_or_default()
    };
    assert_eq!(text(&window, "Sub-goal 2 text"), "pick up the green block");
    assert!(
        window
            .get_by_role_and_label(Role::TextInput, "Sub-goal 2 text")
            .is_focused()
    );
    window.key_press(Key::Escape);
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert_eq!(text(&window, "Sub-goal 3 text"), "pick up the green block");
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.run();
    assert_eq!(text(&window, "Sub-goal 2 text"), "pick up the green block");

    let at = |window: &Harness<'_, Desk>, number: usize| {
        window.get_by_label(&format!("Drag sub-goal {number}")).rect().center()
    };
    let (from, to) = (at(&window, 2), at(&window, 3));
    window.drag_at(from);
    window.run_steps(1);
    window.hover_at(to);
    window.run_steps(1);
    window.drop_at(to);
    window.run();
    assert_eq!(text(&window, "Sub-goal 3 text"), "pick up the green block");

    write(&mut window, "Sub-goal 2 text", "broken [bracket");
    assert!(window.query_by_label("Sub-goal 2 cannot be read").is_some());
    press(&mut window, "Apply the edit");
    press(&mut window, "Discard");
    assert!(
        window
            .query_by_role_and_label(Role::TextInput, "Sub-goal 2 text")
            .is_none()
    );
    assert_eq!(window.state_mut().take(), []);
}

#[test]
fn an_episode_that_nothing_can_go_on_from_is_not_edited_and_not_branched() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.board.branches = Arc::default();
    let mut window = window(desk);
    window.key_press(Key::Home);
    window.run();
    window.key_press(Key::G);
    window.run();
    for label in ["Go on from step 0", "Edit the sub-goals"] {
        press(&mut window, label);
    }
    assert_eq!(window.state_mut().take(), []);
    assert!(window.state().state.sub_goal_editor.draft.is_none());
}

/// The synthetic episode as a branch that stopped at its sixth step, under another seed.
fn branch() -> Recording {
    let mut recording = synthetic::recording();
    recording.steps.truncate(6);
    let sub_goals = &mut recording.sub_goals;
    (sub_goals[0].end_step, sub_goals[0].ended_because) = (None, Some(EndedBecause::StepLimit));
    sub_goals[1].start_step = None;
    recording.branched_from.push(BranchPoint {
        file: None,
        step: 3,
        seed: 8,
    });
    recording.outcome = Some(Outcome::NotReached {
        reason: "out of time".to_owned(),
    });
    recording
}

pub fn branched() -> Desk {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    let entry = |id, parent, recording| Branch {
        id,
        parent,
        recording: Arc::new(recording),
        file: None,
    };
    desk.board.branches = Arc::new(Branches {
        at_hand: Some(0),
        list: vec![entry(0, None, synthetic::recording()), entry(1, Some(0), branch())],
        deleted: Some(2),
    });
    desk
}

#[test]
fn branches_are_looked_at_gone_over_to_deleted_and_made_under_another_seed() {
    let mut window = window(branched());
    window.run();
    press(&mut window, "Branches");
    for text in ["not reached", "not ended", "8"] {
        assert!(window.query_all_by_label(text).next().is_some(), "{text}");
    }
    press(&mut window, "Show branch 1");
    assert!(
        window.query_by_label_contains("Camera at step 5").is_some(),
        "the branch is drawn"
    );
    assert!(window.query_by_label("Looking at branch 1").is_some());
    press(&mut window, "Delete branch 1");
    press(&mut window, "Bring back branch 2");
    assert_eq!(
        window.state_mut().take(),
        [Command::DeleteBranch(1), Command::UndeleteBranch]
    );
    window.key_press(Key::Escape);
    window.run();
    press(&mut window, "Leave the branch");
    assert!(window.query_by_label_contains("Camera at step 11").is_some());

    // From a step of a branch.
    press(&mut window, "Branches");
    press(&mut window, "Show branch 1");
    window.key_press(Key::Escape);
    window.key_press(Key::ArrowLeft);
    window.run();
    window.key_press(Key::G);
    window.run();
    let seek = |branch, step, seed| Command::Seek { branch, step, seed };
    assert_eq!(window.state_mut().take(), [seek(Some(1), 4, None)]);
    assert!(window.query_by_label_contains("Camera at step 11").is_some());

    // Under the next seed, from a step of the past.
    window.key_press(Key::Home);
    window.run();
    press(&mut window, "Branches");
    press(&mut window, "Go on as a branch");
    assert_eq!(window.state_mut().take(), [seek(None, 0, Some(8))]);
    press(&mut window, "Branches");
    press(&mut window, "Go over");
    assert_eq!(window.state_mut().take(), [Command::GoToBranch(1)]);
}

#[test]
fn what_is_pinned_is_compared_and_drawn_beside_the_shown_episode() {
    let mut window = window(branched());
    window.run();
    press(&mut window, "Compare pane");
    assert!(
        window
            .query_by_label_contains("Pin this one, then plan again")
            .is_some()
    );
    press(&mut window, "Pin this episode");
    press(&mut window, "Branches");
    press(&mut window, "Pin branch 1");
    window.key_press(Key::Escape);
    window.run();
    for text in ["First", "Branch 1", "Shown", "7 → 8 at 3", "620 ms", "1 of 3", "0 of 3"] {
        assert!(window.query_all_by_label(text).next().is_some(), "{text}");
    }
    assert!(
        window
            .query_by_label_contains("over 12 steps, with A, with B")
            .is_some()
    );
    window.check_accessibility();

    // Older records do not say what the plans were made with.
    for pin in &mut window.state_mut().state.pins {
        Arc::make_mut(&mut pin.recording).settings = None;
    }
    window.state_mut().recording.settings = None;
    window.run();
    assert!(window.query_by_label("not recorded").is_some());

    press(&mut window, "Draw the curves of A");
    assert!(window.query_by_label_contains("over 12 steps, with B").is_some());
    press(&mut window, "Unpin A");
    assert_eq!(window.state().state.pins.len(), 1);

    // Settings are told where they differ.
    let plan = synthetic::info().plan;
    let mut other = plan.clone();
    other.cem.population += 100;
    Arc::make_mut(&mut window.state_mut().state.pins[0].recording).settings = Some(plan);
    window.state_mut().recording.settings = Some(other.clone());
    window.run();
    assert!(window.query_by_label("cem.population").is_some() && window.query_by_label("horizon").is_none());
    assert!(window.query_by_label(&other.cem.population.to_string()).is_some());
}

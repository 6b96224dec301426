//! The CEM panel's switches, iterations and settings, by the labels of their widgets.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use serde_json::Value;
use thinkjepa::config::{CostTerm, PlanConfig};
use thinkjepa::engine::{Command, Phase};
use thinkjepa::planner::Switches;
use thinkjepa::recording::{Recording, SettingChange};

use super::{Desk, synthetic, window};

fn paused() -> Harness<'static, Desk> {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    window
}

#[test]
fn planning_and_acting_are_switched_and_what_is_off_is_said() {
    let mut window = paused();
    let act_off = Switches { plan: true, act: false };
    window.get_by_label("Act switch").click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::SetSwitches(act_off)]);
    assert!(
        window.query_by_label("Act is off").is_none(),
        "the engine's word counts"
    );
    window.state_mut().board.switches = act_off;
    window.run();
    assert!(window.query_by_label("Act is off").is_some());
    window.get_by_label("Plan switch").click();
    window.run();
    let neither = Switches {
        plan: false,
        act: false,
    };
    assert_eq!(window.state_mut().take(), [Command::SetSwitches(neither)]);
}

#[test]
fn at_the_newest_iteration_the_key_plans_one_more() {
    let mut window = paused();
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    window.run();
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    window.run();
    assert_eq!(window.state_mut().take(), [], "first it walks to the newest one");
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    window.run();
    assert_eq!(window.state_mut().take(), [Command::StepIteration]);
    window.get_by_label("Plan one iteration").click();
    window.run();
    assert_eq!(window.state_mut().take(), [Command::StepIteration]);
    window.key_press(Key::Home);
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    window.run();
    assert_eq!(window.state_mut().take(), [], "nothing is planned from the past");
    window.key_press(Key::End);
    window.state_mut().board.phase = Phase::Running;
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    window.run();
    assert_eq!(window.state_mut().take(), [], "and nothing while it runs");
}

#[test]
fn settings_are_shown_as_they_were_in_force_at_the_shown_step() {
    let mut recording = synthetic::recording();
    let mut plan = synthetic::info().plan;
    let loaded = plan.cost.term;
    (plan.cost.term, plan.t_max) = (CostTerm::Similarity, 33);
    recording.settings = Some(plan);
    let change = |field: &str, from: Value, to: Value| SettingChange {
        step: 8,
        field: field.to_owned(),
        from,
        to,
    };
    recording.changes = vec![
        change("plan.cost.term", "similarity".into(), "content".into()),
        change("plan.t_max", 33.into(), 44.into()),
    ];
    let mut window = window(Desk::new(recording, Phase::Paused));
    window.run();
    assert_eq!(loaded, CostTerm::Gate);
    for (key, cost, active) in [
        (Key::Home, "cost similarity", "Active · 0 of 33 steps"),
        (Key::End, "cost content", "Active · 4 of 44 steps"),
    ] {
        window.key_press(key);
        window.run();
        assert!(window.query_by_label(cost).is_some(), "{cost}");
        assert!(window.query_by_label_contains(active).is_some(), "{active}");
    }
    // Where it is not recorded, nothing is said.
    window.state_mut().recording.settings = None;
    window.run();
    assert!(window.query_by_label("cost gate").is_none());
    assert!(window.query_by_label_contains("Active · 4 steps").is_some());
    // Before there is an episode, those of the one to come are.
    window.state_mut().recording = Recording::default();
    window.run();
    assert!(window.query_by_label("cost gate").is_some());
}

#[test]
fn actions_are_drawn_as_curves_or_as_a_heat_map() {
    let mut window = paused();
    assert!(window.query_by_label_contains("Heat map of the actions").is_none());
    window.get_by_label("Actions as a heat map").click();
    window.run();
    let map = window.get_by_label("Heat map of the actions over 10 steps, mean and standard deviation");
    assert!(map.rect().width() > 200.0);
    assert!(window.query_by_label_contains("Actions over 10 steps").is_none());
}

/// Types a number into a knob and leaves it.
fn turn(window: &mut Harness<'static, Desk>, knob: &str, number: &str) {
    window.get_by_label(knob).click();
    window.run();
    window.get_by_label(knob).type_text(number);
    window.run();
    window.key_press(Key::Enter);
    window.run();
}

/// What the settings were set to; the engine's part is done here.
fn set(window: &mut Harness<'static, Desk>) -> PlanConfig {
    let sent = window.state_mut().take();
    let [Command::SetPlanConfig(plan)] = &sent[..] else {
        panic!("one setting was expected: {sent:?}")
    };
    let info = synthetic::info();
    window.state_mut().board.info = Some(Arc::new(thinkjepa::engine::SessionInfo {
        plan: plan.clone(),
        ..info
    }));
    window.run();
    plan.clone()
}

#[test]
fn a_knob_is_turned_marked_undone_and_reset() {
    let mut window = paused();
    let checkpoint = synthetic::info().plan;
    let head = |population: usize, mark: &str| {
        format!(
            "P {population} · H {} · I {}{mark}",
            checkpoint.horizon, checkpoint.cem.iterations
        )
    };
    assert!(window.query_by_label("Population P").is_none());
    window.get_by_label("Settings of CEM").click();
    window.run();
    window.check_accessibility();
    turn(&mut window, "Population P", "96");
    let mut expected = checkpoint.clone();
    expected.cem.population = 96;
    assert_eq!(set(&mut window), expected);
    assert!(window.query_by_label("P •").is_some(), "what was turned is marked");
    assert!(window.query_by_label(&head(96, " •")).is_some());
    turn(&mut window, "Reasoning bias alpha", "0.75");
    expected.reasoning_alpha = 0.75;
    assert_eq!(set(&mut window), expected);

    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    expected.reasoning_alpha = checkpoint.reasoning_alpha;
    assert_eq!(set(&mut window), expected);
    window.get_by_label("Undo").click();
    window.run();
    assert_eq!(set(&mut window), checkpoint);
    assert!(window.query_by_label(&head(checkpoint.cem.population, "")).is_some());
    window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.run();
    assert_eq!(set(&mut window), expected);
    window.get_by_label("Reset to the checkpoint's").click();
    window.run();
    assert_eq!(set(&mut window), checkpoint);
}

#[test]
fn a_number_out_of_range_is_refused_in_place_and_stays_to_be_mended() {
    let mut window = paused();
    window.get_by_label("Settings of CEM").click();
    window.run();
    turn(&mut window, "Elite fraction rho", "1.5");
    assert_eq!(window.state_mut().take(), []);
    let message = "Elite fraction rho is 1.5, expected a share above 0 and up to 1. The old value stays in use.";
    assert!(window.query_by_label(message).is_some());
    turn(&mut window, "Elite fraction rho", "0.5");
    let plan = set(&mut window);
    assert!((plan.cem.elite_fraction - 0.5).abs() < 1e-12);
    assert!(window.query_by_label(message).is_none());
}

#[test]
fn another_checkpoint_forgets_the_edits_of_the_one_before() {
    let mut window = paused();
    window.get_by_label("Settings of CEM").click();
    window.run();
    turn(&mut window, "Horizon H", "7");
    set(&mut window);
    window.state_mut().board.info = Some(Arc::new(thinkjepa::engine::SessionInfo {
        checkpoint_folder: Some("checkpoints/other".into()),
        ..synthetic::info()
    }));
    window.run();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run();
    assert_eq!(window.state_mut().take(), []);
}

#[test]
fn a_plan_tells_its_stages_and_an_open_loop_step_where_it_is_from() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    let step = Arc::make_mut(&mut desk.recording.steps[10]);
    step.cem.clear();
    step.open_loop_from = Some(8);
    let before = Arc::make_mut(&mut desk.recording.steps[8]);
    before.draw = 1;
    let mut window = window(desk);
    window.run();
    assert!(
        window.query_by_label("step 8, draw 2").is_some(),
        "also from the frame that came after"
    );
    window.key_press(Key::ArrowLeft);
    window.run();
    assert!(window.query_by_label("step 8, draw 2").is_some());
    let stages = "Stages: encode 10 ms, sample 20 ms, roll out 500 ms, score 60 ms, refit 30 ms";
    assert!(window.query_by_label(stages).is_some());
    window.key_press(Key::Home);
    window.run();
    assert!(window.query_by_label("CEM: back to live").is_some());
}

#[test]
fn the_timeline_tells_what_was_turned() {
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.recording.changes = (0..12)
        .map(|step| SettingChange {
            step,
            field: "plan.cem.population".to_owned(),
            from: 48.into(),
            to: (49 + step).into(),
        })
        .collect();
    let mut window = window(desk);
    window.run();
    window.get_by_label("Timeline, 12 steps").hover();
    window.run_steps(60);
    assert!(
        window
            .query_by_label_contains("Setting turned: population 48 →")
            .is_some()
    );
}

//! Buttons that other tests press by key or not at all, each by the name that a screen reader tells.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::engine::{Command, Phase};
use thinkjepa::panels::MapGrid;

use super::{Desk, hand, synthetic, window};

fn press(window: &mut Harness<'_, Desk>, label: &str) {
    window.get_by_label(label).click();
    window.run();
}

fn paused() -> Harness<'static, Desk> {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run();
    window
}

#[test]
fn the_transport_s_buttons_move_the_look_and_follow_live_comes_back() {
    let mut window = paused();
    let shown = |window: &Harness<'_, Desk>| window.state().state.selection.step;
    press(&mut window, "First step");
    assert_eq!(shown(&window), Some(0));
    press(&mut window, "Step forward");
    press(&mut window, "Step forward");
    press(&mut window, "Step back");
    assert_eq!(shown(&window), Some(1));
    press(&mut window, "Last step");
    assert_eq!(shown(&window), None);
    press(&mut window, "Follow live");
    assert_eq!(shown(&window), Some(11), "the newest step stays where it is");
    press(&mut window, "Follow live");
    assert_eq!(shown(&window), None);
    assert_eq!(window.state_mut().take(), [], "nothing was asked of the engine");
}

#[test]
fn iterations_and_elites_are_chosen_by_their_buttons() {
    let mut window = paused();
    press(&mut window, "Step back");
    press(&mut window, "Previous CEM iteration");
    assert_eq!(window.state().state.selection.iteration, Some(2));
    let slider = window.get_by_role_and_label(Role::Slider, "CEM iteration");
    assert_eq!(slider.accesskit_node().numeric_value(), Some(3.0));
    press(&mut window, "Next CEM iteration");
    assert_eq!(
        window.state().state.selection.iteration,
        None,
        "the last one follows the plan"
    );
    assert!(window.query_all_by_label_contains("Histogram of ").count() > 0);
    assert!(
        window.query_by_label_contains("Δμ 0").is_some(),
        "the mean's shift is told"
    );
    window.get_by_label_contains("Elite 2, J ").click();
    window.run();
    assert_eq!(window.state().state.selection.elite, Some(1));
}

#[test]
fn the_other_breakpoints_are_switched_on_by_name() {
    let mut window = paused();
    press(&mut window, "Breakpoints, 0 set");
    press(&mut window, "The VLM is asked again");
    press(&mut window, "A cost or similarity is not finite");
    press(&mut window, "Similarity falls below");
    let sent = window.state_mut().take();
    let Some(Command::SetBreakpoints(last)) = sent.last() else {
        panic!("{sent:?}")
    };
    assert!(last.below.is_some(), "{last:?}");
    assert_eq!((last.replan, last.not_finite, last.switch), (true, true, false));
}

#[test]
fn the_camera_s_switches_are_pressed_by_name() {
    let mut window = paused();
    press(&mut window, "Model's eye");
    assert!(window.state().state.camera.models_eye);
    press(&mut window, "Attention map: Patches");
    assert_eq!(window.state().state.camera.map, MapGrid::Model);
    for name in ["Show plans", "Show action", "Show goal"] {
        press(&mut window, name);
    }
    let camera = &window.state().state.camera;
    assert!(!camera.plans && !camera.action && !camera.goal);
}

#[test]
fn keys_do_not_step_the_episode_at_hand_while_a_branch_is_looked_at() {
    let mut window = window(hand::branched());
    window.run();
    press(&mut window, "Branches");
    press(&mut window, "Show branch 1");
    window.key_press(Key::Escape);
    window.run();
    for key in [Key::ArrowRight, Key::Space] {
        window.key_press(key);
        window.run();
        assert_eq!(window.state_mut().take(), [], "{key:?}");
        let said = window.state_mut().state.shell.warnings.pop();
        assert!(
            said.is_some_and(|said| said.starts_with("A branch is looked at")),
            "{key:?}"
        );
    }
    assert_eq!(window.state().state.shown_branch, Some(1));
    press(&mut window, "Go over to it");
    assert_eq!(window.state_mut().take(), [Command::GoToBranch(1)]);
}

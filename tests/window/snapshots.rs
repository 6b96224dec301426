//! A few small parts of the window, pixel for pixel as they were when somebody last looked at them. After a change that is
//! meant, run the tests with UPDATE_SNAPSHOTS=1 and look at tests/snapshots.

use egui::{Theme, Ui};
use egui_kittest::SnapshotOptions;
use thinkjepa::engine::Phase;
use thinkjepa::panels::{View, ViewState, camera_ui, cem_ui, similarity_ui, sub_goals_ui, timeline_ui};

use super::pictures::render_state;
use super::{Desk, builder, synthetic};

type Part = fn(&mut Ui, &mut ViewState, &View<'_>);

fn matches(name: &str, size: [f32; 2], theme: Theme, part: Part) {
    let Some(state) = render_state() else { return };
    let mut desk = Desk::new(synthetic::recording(), Phase::Paused);
    desk.state.target_format = Some(state.target_format);
    desk.state.selection.step = Some(5);
    let renderer = egui_kittest::wgpu::WgpuTestRenderer::from_render_state(state);
    let draw = move |ui: &mut Ui, desk: &mut Desk| {
        let view = View {
            recording: &desk.recording,
            at_hand: &desk.recording,
            metrics: &desk.metrics,
            live: desk.live.as_ref(),
            board: &desk.board,
        };
        part(ui, &mut desk.state, &view);
    };
    let mut window = builder()
        .with_size(size)
        .with_theme(theme)
        .with_render_cursor(false)
        .renderer(renderer)
        .build_ui_state(draw, desk);
    window.run_steps(3);
    // Rasterisers differ by a shade at edges.
    let options = SnapshotOptions::new().threshold(1.5).max_failed_pixels(30);
    window.snapshot_options(name, &options);
}

#[test]
fn the_camera_shows_the_map_the_elites_and_the_action() {
    matches("camera", [440.0, 480.0], Theme::Dark, camera_ui);
}

#[test]
fn curves_have_their_goals_colours_and_predictions_are_dashed() {
    matches("similarity", [640.0, 180.0], Theme::Dark, similarity_ui);
}

#[test]
fn the_time_axis_has_its_marks() {
    matches("timeline", [1060.0, 100.0], Theme::Light, timeline_ui);
}

#[test]
fn a_plan_has_its_numbers_and_its_charts() {
    matches("cem", [410.0, 560.0], Theme::Light, cem_ui);
}

#[test]
fn sub_goals_stand_as_they_stood_at_the_shown_step() {
    matches("sub-goals", [360.0, 190.0], Theme::Dark, sub_goals_ui);
}

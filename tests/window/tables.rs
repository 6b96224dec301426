//! Every plot gives its numbers: by a right click on it, and by the palette.

use std::path::PathBuf;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::{Command, FileContent, Phase, Stage};

use super::shell::press_secondary;
use super::{Desk, builder, draw, samples, synthetic, window};

/// Chooses a line of what a right click on a plot offers, and gives the file that is written.
fn saved(window: &mut Harness<'_, Desk>, plot: &str, line: &str) -> (PathBuf, Vec<String>) {
    window.state_mut().take();
    press_secondary(window, plot);
    window.run_steps(4);
    window.get_by_label(line).click();
    window.run_steps(4);
    let sent = window.state_mut().take();
    let written = sent.iter().find_map(|command| match command {
        Command::Write {
            path,
            content: FileContent::Text(text),
        } => Some((path.clone(), text.lines().map(str::to_owned).collect())),
        _ => None,
    });
    written.unwrap_or_else(|| panic!("{line}: {sent:?}"))
}

#[test]
fn the_histogram_and_the_actions_are_saved_whole_or_as_they_are_shown() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Paused));
    window.run_steps(3);
    let step = &synthetic::recording().steps[10];
    let (path, rows) = saved(
        &mut window,
        "Histogram of 64 costs",
        "Save J of all candidates as CSV, this iteration",
    );
    assert_eq!(path, PathBuf::from("cem-candidates.csv"));
    assert_eq!(rows.len(), 65, "a head and 64 candidates");
    assert_eq!(rows[0], "step,iteration,candidate,J");
    assert_eq!(rows[1], format!("10,4,1,{}", step.cem[3].costs[0]));
    let (_, rows) = saved(
        &mut window,
        "Histogram of 64 costs",
        "Save J of all candidates as CSV, all steps",
    );
    assert_eq!(rows.len(), 1 + 11 * 4 * 64);

    let line = "Save μ and σ of the actions as CSV, this iteration";
    let (path, rows) = saved(&mut window, "Actions over 10 steps", line);
    assert_eq!((path, rows.len()), (PathBuf::from("cem-actions.csv"), 11));
    let [x, y, grip] = step.cem[3].mean[0];
    assert!(rows[1].starts_with(&format!("10,4,0,{x},{y},{grip},")), "{}", rows[1]);
    window.get_by_label("Actions as a heat map").click();
    window.run_steps(3);
    let (_, rows) = saved(&mut window, "Heat map of the actions", line);
    assert_eq!(rows.len(), 11);
}

#[test]
fn training_curves_are_saved_whole_or_as_far_as_they_are_seen() {
    let mut window = window(samples::desk(Stage::One));
    window.run_steps(4);
    let chart = "Chart of loss, 2 runs";
    let (path, all) = saved(&mut window, chart, "Save the training curves as CSV");
    assert_eq!(path, PathBuf::from("training.csv"));
    window.get_by_label("Hide first").click();
    window.run_steps(3);
    let line = "Save the training curves as CSV, visible range";
    let (_, drawn) = saved(&mut window, "Chart of loss, 1 run", line);
    assert!(
        drawn.iter().skip(1).all(|row| row.starts_with("\"runs/other\"")),
        "one is hidden"
    );
    assert!(
        drawn.len() < all.len() && drawn.len() > 3000,
        "{} of {}",
        drawn.len(),
        all.len()
    );

    // A zoom leaves the ends out.
    let at = window.get_by_label("Chart of loss, 1 run").rect().center();
    window.hover_at(at);
    window.event(egui::Event::Zoom(2.0));
    window.run_steps(6);
    let (_, zoomed) = saved(&mut window, "Chart of loss, 1 run", line);
    assert!(
        zoomed.len() * 3 < drawn.len() * 2,
        "{} of {}",
        zoomed.len(),
        drawn.len()
    );
}

#[test]
fn the_plots_of_a_sample_are_saved() {
    for (stage, plot, line, file, rows) in [
        (
            Stage::One,
            "Spectrum of 32 directions",
            "Save the sample's spectrum as CSV",
            "sample-spectrum.csv",
            65,
        ),
        (
            Stage::One,
            "Read-out errors over steps",
            "Save the read-out errors as CSV",
            "read-out.csv",
            4,
        ),
        (
            Stage::OneB,
            "Open-loop error by steps ahead",
            "Save the sample's open-loop errors as CSV",
            "sample-open-loop.csv",
            9,
        ),
        (
            Stage::Two,
            "Cosines of 2 goals with 3 states",
            "Save the sample's K x K cosines as CSV",
            "sample-pairs.csv",
            7,
        ),
    ] {
        let mut window = builder()
            .with_size([1600.0, 1500.0])
            .build_ui_state(draw, samples::desk(stage));
        window.run_steps(4);
        let (path, text) = saved(&mut window, plot, line);
        assert_eq!((path, text.len()), (PathBuf::from(file), rows), "{text:?}");
    }
}

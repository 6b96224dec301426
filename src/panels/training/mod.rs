//! The training workspace: runs and the form of a new one on the left, the curves of the runs that are watched beside
//! them, and samples of one of them on the right.

mod charts;
mod curve;
mod form;
mod group;
mod menu;
mod needs;
mod runs;
mod samples;
mod state;

use std::path::PathBuf;

use egui::{Frame, ScrollArea, Ui};

pub use samples::SamplesView;
pub use state::TrainingForm;

use super::state::{View, ViewState};
use crate::engine::{Command, RunMetrics, TrainingCommand};
use crate::ui::{Palette, faces};

/// Where runs lie.
const ROOT: &str = "runs";

pub fn training_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, metrics: &RunMetrics) {
    if !std::mem::replace(&mut state.training.listed, true) {
        let list = TrainingCommand::List(PathBuf::from(ROOT));
        state.outbox.push(Command::Training(list));
    }
    state.training.give_colors(metrics.watched.keys());
    let p = Palette::of(ui);
    let side = egui::Panel::left("training-side")
        .default_size(370.0)
        .size_range(300.0..=560.0)
        .resizable(true)
        .frame(Frame::NONE.fill(p.panel));
    side.show(ui, |ui| {
        let height = ui.available_height();
        let upper = egui::Panel::top("training-runs")
            .default_size(height * 0.4)
            .size_range(120.0..=(height - 160.0).max(130.0))
            .resizable(true)
            .frame(Frame::NONE.fill(p.panel));
        upper.show(ui, |ui| {
            faces::header_ui(ui, "Runs", |_| {});
            ScrollArea::vertical()
                .id_salt("runs")
                .auto_shrink(false)
                .show(ui, |ui| runs::runs_ui(ui, state, view, metrics));
        });
        egui::CentralPanel::no_frame().show(ui, |ui| {
            faces::header_ui(ui, "Train", |_| {});
            ScrollArea::vertical()
                .id_salt("form")
                .auto_shrink(false)
                .show(ui, |ui| form::form_ui(ui, state, view, metrics));
        });
    });
    egui::Panel::right("training-samples")
        .default_size(380.0)
        .size_range(260.0..=640.0)
        .resizable(true)
        .frame(Frame::NONE.fill(p.panel))
        .show(ui, |ui| samples::samples_ui(ui, state, metrics));
    egui::CentralPanel::no_frame()
        .frame(Frame::NONE.fill(p.panel))
        .show(ui, |ui| charts::charts_ui(ui, state, metrics));
}

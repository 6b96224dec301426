//! The samples of a run: what its networks made of fixed inputs at one of its steps, and a scrubber over the steps that have
//! a sample. Whoever writes the run, it is read from its folder.

mod answers;
mod curves;
mod imagined;
mod masks;
mod pairs;
mod pictures;
mod spectrum;
mod table;

use std::path::{Path, PathBuf};

use egui::{ComboBox, Frame, Label, Margin, Response, RichText, ScrollArea, Slider, Ui};

pub use pictures::Pictures;

use crate::engine::{Command, Run, RunMetrics, TrainingCommand, run_name};
use crate::panels::state::{View, ViewState};
use crate::panels::tables::{SamplePlot, Table, plot_menu};
use crate::panels::{Pane, Shell};
use crate::train::Sample;
use crate::ui::icons::Icon;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

/// Whose samples are shown.
#[derive(Clone, Debug, Default)]
pub struct SamplesView {
    /// None: the first of the runs that are drawn.
    pub run: Option<PathBuf>,
    /// None: the newest, whichever that is.
    pub step: Option<usize>,
    /// What was asked for last.
    asked: Option<(PathBuf, Option<usize>)>,
    pictures: Pictures,
}

pub fn samples_ui(ui: &mut Ui, state: &mut ViewState, &View { metrics, .. }: &View<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Samples", |_| {});
    let watched: Vec<&PathBuf> = metrics.watched.keys().collect();
    let view = &mut state.training.samples;
    let chosen = view.run.take().filter(|run| watched.contains(&run));
    view.run = chosen.or_else(|| first(metrics));
    let Some(run) = view.run.clone() else {
        faces::empty_ui(
            ui,
            "What a run's networks make of fixed inputs, every train.samples_every steps.",
            "Start a run, or check one in the list.",
        );
        return;
    };
    let asked = Some((run.clone(), view.step));
    if view.asked != asked {
        view.asked = asked;
        let step = view.step;
        let show = TrainingCommand::ShowSample { run: run.clone(), step };
        state.outbox.push(Command::Training(show));
    }
    let view = &mut state.training.samples;
    let margin = Margin::symmetric(10, 6);
    Frame::NONE.inner_margin(margin).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        run_ui(ui, view, &watched, &run);
        if metrics.samples.run == run {
            scrubber_ui(ui, view, &metrics.samples.steps);
        }
    });
    let samples = &metrics.samples;
    if samples.run == run
        && let Some(problem) = &samples.problem
    {
        let p = Palette::of(ui);
        Frame::NONE.inner_margin(margin).show(ui, |ui| {
            ui.add(Label::new(RichText::new(problem).color(p.bad)).wrap());
            ui.label(RichText::new("The run itself is not touched. Choose another step.").color(p.text));
        });
        return;
    }
    let Some(sample) = samples.shown.as_ref().filter(|_| samples.run == run) else {
        faces::empty_ui(
            ui,
            "Spectrum and masks of stage 1, rollouts of 1b, answers of stage vlm, the K x K of stage 2, sub-goals in the hands of bc.",
            "This run has no sample: it has done no step yet, was made without them (train.samples_every = 0), or is older \
             than they are.",
        );
        return;
    };
    let curves = metrics.watched.get(&run);
    let scroll = ScrollArea::vertical().id_salt("samples").auto_shrink(false);
    scroll.show(ui, |ui| {
        Frame::NONE.inner_margin(margin).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            sample_ui(ui, &mut view.pictures, &mut state.shell, sample, curves);
        });
    });
    view.pictures.forget_unused();
}

/// A run that goes on, or the first one.
fn first(metrics: &RunMetrics) -> Option<PathBuf> {
    let runs = || metrics.watched.keys();
    let goes_on = |run: &&PathBuf| {
        let facts = metrics.listed.iter().find(|facts| facts.run == **run);
        facts.is_some_and(crate::engine::RunFacts::is_running)
    };
    runs().find(goes_on).or_else(|| runs().next()).cloned()
}

fn run_ui(ui: &mut Ui, view: &mut SamplesView, watched: &[&PathBuf], run: &Path) {
    let mut chosen = run.to_owned();
    let combo = ComboBox::from_id_salt("samples-run")
        .selected_text(run_name(run))
        .width(ui.available_width());
    let combo = combo.show_ui(ui, |ui| {
        for &run in watched {
            ui.selectable_value(&mut chosen, run.clone(), run_name(run))
                .on_hover_text(run.display().to_string());
        }
    });
    combo.response.accessible_name("Run of the samples");
    if chosen != run {
        (view.run, view.step) = (Some(chosen), None);
    }
}

/// Steps that have a sample, and which of them is shown.
fn scrubber_ui(ui: &mut Ui, view: &mut SamplesView, steps: &[usize]) {
    let Some(last) = steps.len().checked_sub(1) else {
        return;
    };
    let at = match view.step {
        Some(step) => steps.iter().rposition(|have| *have <= step).unwrap_or(0),
        None => last,
    };
    let mut to = at;
    ui.horizontal(|ui| {
        if widgets::icon_button(ui, at > 0, Icon::StepBack, "", "Sample before this one").clicked() {
            to = at - 1;
        }
        if widgets::icon_button(ui, at < last, Icon::StepForward, "", "Sample after this one").clicked() {
            to = at + 1;
        }
        let newest = widgets::toggle(ui, view.step.is_none(), "Newest", "Newest sample");
        if newest
            .on_hover_text("Show each new sample as it is written; off, what you look at stays")
            .clicked()
        {
            view.step = match view.step {
                None => Some(steps[at]),
                Some(_) => None,
            };
            to = if view.step.is_none() { last } else { at };
        }
        ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(40.0);
        let slider = ui.add_enabled(last > 0, Slider::new(&mut to, 0..=last.max(1)).show_value(false));
        slider
            .on_hover_text("Steps of the run that have a sample")
            .accessible_name("Step of the sample");
    });
    if to != at && to <= last {
        // Who goes to the newest follows it from there.
        view.step = (to < last).then(|| steps[to]);
    }
}

fn sample_ui(ui: &mut Ui, pictures: &mut Pictures, shell: &mut Shell, sample: &Sample, curves: Option<&Run>) {
    let p = Palette::of(ui);
    let at = numbers::grouped(sample.step as i64);
    let took = std::time::Duration::try_from_secs_f64(sample.secs).unwrap_or_default();
    let text = format!(
        "After step {at} of stage {} · took {}",
        sample.stage,
        numbers::duration(took)
    );
    ui.label(RichText::new(text).size(SMALL).color(p.weak)).on_hover_text(
        "A sample only reads: the run has the same weights with and without. What it takes counts as no time of a step.",
    );
    let content = &sample.content;
    if !content.spectra.is_empty() {
        spectrum::spectra_ui(ui, shell, &content.spectra);
    }
    if let Some(probe) = &content.probe {
        curves::probe_ui(ui, shell, probe, curves, sample.step);
    }
    if let Some(masks) = &content.masks {
        masks::masks_ui(ui, pictures, masks);
    }
    if !content.pictures.is_empty() {
        imagined::pictures_ui(ui, pictures, &content.pictures);
    }
    if !content.open_loop.is_empty() {
        curves::open_loop_ui(ui, shell, &content.open_loop);
    }
    if let Some(matrix) = content.pairs.as_ref().filter(|matrix| matrix.is_whole()) {
        pairs::pairs_ui(ui, shell, matrix);
    }
    if !content.plans.is_empty() {
        answers::plans_ui(ui, &content.plans);
    }
    if !content.answers.is_empty() {
        answers::answers_ui(ui, pictures, &content.answers);
    }
}

/// What a right click on a plot of the sample offers.
fn menu(response: &Response, shell: &mut Shell, plot: SamplePlot) {
    plot_menu(response, shell, Pane::Samples, &[Table::Sample(plot)]);
}

/// The title of a part, which explains what stands under it.
fn title_ui(ui: &mut Ui, title: &str, tip: &str) {
    let p = Palette::of(ui);
    ui.add_space(8.0);
    ui.label(RichText::new(title).family(semibold()).color(p.strong))
        .on_hover_text(tip);
}

/// A line of small text.
fn line_ui(ui: &mut Ui, text: impl Into<String>, tip: &str) {
    let p = Palette::of(ui);
    let label = Label::new(RichText::new(text.into()).size(SMALL).color(p.text)).wrap();
    let response = ui.add(label);
    if !tip.is_empty() {
        response.on_hover_text(tip);
    }
}

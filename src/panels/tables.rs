//! The numbers of a plot as CSV, for other programs: all of them, or what the plot shows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use egui::Response;

use super::cem::{costs, mean_shift, spread};
use super::latent::latent_table;
use super::pane::Pane;
use super::shell::{Shell, WindowAct};
use super::state::{View, ViewState};
use super::timeline::time_range;
use crate::engine::RunMetrics;
use crate::recording::{CemIteration, StepRecord};

/// A plot whose numbers can be taken along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Similarity {
        visible: bool,
    },
    /// Of every step, or of the shown one.
    Costs {
        visible: bool,
    },
    /// J of every candidate: of all plans, or of the shown iteration.
    Candidates {
        visible: bool,
    },
    /// The distribution of actions: of all plans, or of the shown iteration.
    Actions {
        visible: bool,
    },
    /// Of every run that is watched, or what the charts show.
    Training {
        visible: bool,
    },
    /// What a sample of a run shows.
    Sample(SamplePlot),
    /// What the Latent pane shows.
    Latent,
}

/// A plot of a sample of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplePlot {
    Spectrum,
    /// Errors of the read-out, over the run's steps.
    ReadOut,
    OpenLoop,
    /// The K x K of goals and states.
    Pairs,
}

impl SamplePlot {
    fn title(self) -> &'static str {
        match self {
            Self::Spectrum => "Save the sample's spectrum as CSV",
            Self::ReadOut => "Save the read-out errors as CSV",
            Self::OpenLoop => "Save the sample's open-loop errors as CSV",
            Self::Pairs => "Save the sample's K x K cosines as CSV",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Spectrum => "sample-spectrum.csv",
            Self::ReadOut => "read-out.csv",
            Self::OpenLoop => "sample-open-loop.csv",
            Self::Pairs => "sample-pairs.csv",
        }
    }
}

impl Table {
    pub const EACH: [Self; 15] = [
        Self::Similarity { visible: false },
        Self::Similarity { visible: true },
        Self::Costs { visible: false },
        Self::Costs { visible: true },
        Self::Candidates { visible: false },
        Self::Candidates { visible: true },
        Self::Actions { visible: false },
        Self::Actions { visible: true },
        Self::Training { visible: false },
        Self::Training { visible: true },
        Self::Sample(SamplePlot::Spectrum),
        Self::Sample(SamplePlot::ReadOut),
        Self::Sample(SamplePlot::OpenLoop),
        Self::Sample(SamplePlot::Pairs),
        Self::Latent,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Similarity { visible: false } => "Save the similarity curves as CSV",
            Self::Similarity { visible: true } => "Save the similarity curves as CSV, visible range",
            Self::Costs { visible: false } => "Save the CEM costs as CSV, all steps",
            Self::Costs { visible: true } => "Save the CEM costs as CSV, this step",
            Self::Candidates { visible: false } => "Save J of all candidates as CSV, all steps",
            Self::Candidates { visible: true } => "Save J of all candidates as CSV, this iteration",
            Self::Actions { visible: false } => "Save μ and σ of the actions as CSV, all steps",
            Self::Actions { visible: true } => "Save μ and σ of the actions as CSV, this iteration",
            Self::Training { visible: false } => "Save the training curves as CSV",
            Self::Training { visible: true } => "Save the training curves as CSV, visible range",
            Self::Sample(plot) => plot.title(),
            Self::Latent => "Save the numbers of the Latent pane as CSV",
        }
    }

    pub fn file_name(self) -> &'static str {
        match self {
            Self::Similarity { .. } => "similarity.csv",
            Self::Costs { .. } => "cem-costs.csv",
            Self::Candidates { .. } => "cem-candidates.csv",
            Self::Actions { .. } => "cem-actions.csv",
            Self::Training { .. } => "training.csv",
            Self::Sample(plot) => plot.file_name(),
            Self::Latent => "latent.csv",
        }
    }

    /// The table as text; none where there is nothing in it.
    pub fn text(self, state: &ViewState, view: &View<'_>) -> Option<String> {
        match self {
            Self::Similarity { visible } => similarity(view, visible.then(|| time_range(state, view))),
            Self::Costs { visible } => {
                let shown = view.planned(state).map(|step| step.step);
                cem_costs(view, visible.then_some(shown))
            }
            Self::Candidates { visible } => candidates(view, visible.then(|| shown_iteration(state, view))),
            Self::Actions { visible } => actions(view, visible.then(|| shown_iteration(state, view))),
            Self::Training { visible } => training(state, view.metrics, visible),
            Self::Sample(plot) => state.training.samples.table(plot, view.metrics),
            Self::Latent => latent_table(view),
        }
    }
}

/// The menu of a plot: its numbers, and a picture of the pane that it stands in.
pub(super) fn plot_menu(response: &Response, shell: &mut Shell, pane: Pane, tables: &[Table]) {
    response.context_menu(|ui| {
        let tables = tables.iter().map(|&table| (table.title(), WindowAct::SaveTable(table)));
        let picture = ("Save a picture of this pane", WindowAct::Picture(pane));
        for (text, act) in tables.chain([picture]) {
            if ui.button(text).clicked() {
                shell.acts.push(act);
                ui.close();
            }
        }
    });
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A number that is not known, or not finite, is an empty cell.
fn cell(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(String::new, |value| value.to_string())
}

/// A row a step, a column a sub-goal.
fn similarity(view: &View<'_>, range: Option<[f64; 2]>) -> Option<String> {
    let sub_goals = &view.recording.sub_goals;
    let mut text = "step,sub_goal".to_owned();
    for (index, sub_goal) in sub_goals.iter().enumerate() {
        let _ = write!(text, ",{}", quoted(&format!("{} {}", index + 1, sub_goal.text)));
    }
    let inside = |step: usize| range.is_none_or(|[from, to]| (from..=to).contains(&(step as f64)));
    let mut rows = view.recording.steps.iter().filter(|step| inside(step.step)).peekable();
    rows.peek()?;
    for step in rows {
        let active = step.sub_goal.map_or_else(String::new, |index| (index + 1).to_string());
        let _ = write!(text, "\n{},{active}", step.step);
        for index in 0..sub_goals.len() {
            let value = step.similarities.get(index).copied().flatten();
            // As an f32 it has no more digits than it knows.
            let value = value.filter(|value| value.is_finite());
            let _ = write!(text, ",{}", value.map_or_else(String::new, |value| value.to_string()));
        }
    }
    text.push('\n');
    Some(text)
}

/// Every step that is recorded or being planned.
fn steps<'a>(view: &View<'a>) -> impl Iterator<Item = &'a StepRecord> {
    let steps = view.recording.steps.iter().map(AsRef::as_ref);
    let ahead = view.newest().filter(|newest| newest.step >= view.recording.steps.len());
    steps.chain(ahead)
}

/// Step and iteration that are shown, where a plan is.
fn shown_iteration(state: &ViewState, view: &View<'_>) -> Option<(usize, usize)> {
    Some((view.planned(state)?.step, view.iteration(state)?.0))
}

/// Every iteration with its step and its index. `only`: this one.
fn iterations<'a>(
    view: &View<'a>,
    only: Option<Option<(usize, usize)>>,
) -> impl Iterator<Item = (usize, usize, &'a CemIteration)> {
    let all = steps(view).flat_map(|step| {
        let iterations = step.cem.iter().enumerate();
        iterations.map(move |(index, iteration)| (step.step, index, iteration))
    });
    all.filter(move |(step, index, _)| only.is_none_or(|only| only == Some((*step, *index))))
}

/// A row a candidate, in the order in which they were drawn.
fn candidates(view: &View<'_>, only: Option<Option<(usize, usize)>>) -> Option<String> {
    let mut text = "step,iteration,candidate,J\n".to_owned();
    let mut any = false;
    for (step, index, iteration) in iterations(view, only) {
        for (candidate, cost) in iteration.costs.iter().enumerate() {
            any = true;
            // As an f32 it has no more digits than it knows.
            let cost = if cost.is_finite() {
                cost.to_string()
            } else {
                String::new()
            };
            let _ = writeln!(text, "{step},{},{},{cost}", index + 1, candidate + 1);
        }
    }
    any.then_some(text)
}

/// A row an action of the distribution after the refit.
fn actions(view: &View<'_>, only: Option<Option<(usize, usize)>>) -> Option<String> {
    let mut text = "step,iteration,h,mean_dx,mean_dy,mean_grip,sigma_dx,sigma_dy,sigma_grip\n".to_owned();
    let mut any = false;
    for (step, index, iteration) in iterations(view, only) {
        for (h, (mean, sigma)) in iteration.mean.iter().zip(&iteration.sigma).enumerate() {
            any = true;
            let _ = write!(text, "{step},{},{h}", index + 1);
            for value in mean.iter().chain(sigma) {
                let _ = write!(text, ",{value}");
            }
            text.push('\n');
        }
    }
    any.then_some(text)
}

/// A row an iteration. `only`: the plan of this step.
fn cem_costs(view: &View<'_>, only: Option<Option<usize>>) -> Option<String> {
    let mut text = "step,iteration,best,elite,mean,sigma,mean_shift".to_owned();
    let mut any = false;
    for step in steps(view).filter(|step| only.is_none_or(|only| only == Some(step.step))) {
        for (index, iteration) in step.cem.iter().enumerate() {
            any = true;
            let all = costs(iteration);
            let moved = mean_shift(step, index);
            let values = [
                Some(all.best),
                Some(all.elite),
                Some(all.mean),
                Some(spread(iteration)),
                moved,
            ];
            let _ = write!(text, "\n{},{},{}", step.step, index + 1, values.map(cell).join(","));
        }
    }
    text.push('\n');
    any.then_some(text)
}

/// A row a point of every run that is watched, or of those that are drawn: the curves need not have the same steps. A value
/// that was no number is an empty cell.
fn training(state: &ViewState, metrics: &RunMetrics, visible: bool) -> Option<String> {
    let mut text = "run,metric,step,value\n".to_owned();
    let mut any = false;
    for (folder, run) in &metrics.watched {
        let seen = if visible {
            state.training.steps_in_sight(folder, run)
        } else {
            Some(f64::MIN..=f64::MAX)
        };
        let Some(seen) = seen else { continue };
        let folder = quoted(&folder.display().to_string());
        let names: BTreeSet<&String> = run.series.keys().chain(run.not_finite.keys()).collect();
        for name in names {
            let rows = run.rows(name).into_iter().filter(|(step, _)| seen.contains(step));
            let name = quoted(name);
            for (step, value) in rows {
                any = true;
                let _ = writeln!(text, "{folder},{name},{step},{}", cell(value));
            }
        }
    }
    any.then_some(text)
}

//! The numbers of a plot as CSV, for other programs: all of them, or what the plot shows.

use std::fmt::Write as _;

use egui::Response;

use super::cem::costs;
use super::latent::latent_table;
use super::pane::Pane;
use super::shell::{Shell, WindowAct};
use super::state::{View, ViewState};
use super::timeline::time_range;
use crate::engine::RunMetrics;

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
    Training,
    /// What the Latent pane shows.
    Latent,
}

impl Table {
    pub const EACH: [Self; 6] = [
        Self::Similarity { visible: false },
        Self::Similarity { visible: true },
        Self::Costs { visible: false },
        Self::Costs { visible: true },
        Self::Training,
        Self::Latent,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Similarity { visible: false } => "Save the similarity curves as CSV",
            Self::Similarity { visible: true } => "Save the similarity curves as CSV, visible range",
            Self::Costs { visible: false } => "Save the CEM costs as CSV, all steps",
            Self::Costs { visible: true } => "Save the CEM costs as CSV, this step",
            Self::Training => "Save the training curves as CSV",
            Self::Latent => "Save the numbers of the Latent pane as CSV",
        }
    }

    pub fn file_name(self) -> &'static str {
        match self {
            Self::Similarity { .. } => "similarity.csv",
            Self::Costs { .. } => "cem-costs.csv",
            Self::Training => "training.csv",
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
            Self::Training => training(view.metrics),
            Self::Latent => latent_table(view),
        }
    }
}

/// The menu of a plot: its numbers, and a picture of the pane that it stands in.
pub(super) fn plot_menu(response: &Response, shell: &mut Shell, pane: Option<Pane>, tables: &[Table]) {
    response.context_menu(|ui| {
        let tables = tables.iter().map(|&table| (table.title(), WindowAct::SaveTable(table)));
        let picture = pane.map(|pane| ("Save a picture of this pane", WindowAct::Picture(pane)));
        for (text, act) in tables.chain(picture) {
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

/// A row an iteration. `only`: the plan of this step.
fn cem_costs(view: &View<'_>, only: Option<Option<usize>>) -> Option<String> {
    let mut text = "step,iteration,best,elite,mean".to_owned();
    let steps = view.recording.steps.iter().map(AsRef::as_ref);
    let ahead = view.newest().filter(|newest| newest.step >= view.recording.steps.len());
    let mut any = false;
    for step in steps
        .chain(ahead)
        .filter(|step| only.is_none_or(|only| only == Some(step.step)))
    {
        for (index, iteration) in step.cem.iter().enumerate() {
            any = true;
            let all = costs(iteration);
            let [best, elite, mean] = [all.best, all.elite, all.mean].map(|value| cell(Some(value)));
            let _ = write!(text, "\n{},{},{best},{elite},{mean}", step.step, index + 1);
        }
    }
    text.push('\n');
    any.then_some(text)
}

/// A row a point of every run that is watched: the curves need not have the same steps.
fn training(metrics: &RunMetrics) -> Option<String> {
    let mut text = "run,metric,step,value\n".to_owned();
    let mut any = false;
    for (folder, run) in &metrics.watched {
        let folder = quoted(&folder.display().to_string());
        for (name, series) in &run.series {
            let name = quoted(name);
            for [step, value] in series.points() {
                any = true;
                let _ = writeln!(text, "{folder},{name},{step},{}", cell(Some(*value)));
            }
        }
    }
    any.then_some(text)
}

//! What a right click on a training chart offers: its numbers as CSV, a picture, its axis, the smoothing.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;

use egui::{Response, Ui};

use crate::engine::Run;
use crate::panels::state::ViewState;
use crate::panels::tables::{Table, quoted};
use crate::panels::{Pane, WindowAct};

/// Time constants that are offered, steps.
const SMOOTHING: [f64; 4] = [0.0, 10.0, 100.0, 1000.0];

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ChartAct {
    Logarithmic { name: String, on: bool },
    Smooth(f64),
    SaveCsv { name: String, text: String },
    SaveAll { visible: bool },
    Picture,
}

/// A run of the chart, and the steps of it that are in sight.
pub(super) type InSight<'a> = (&'a Path, &'a Run, RangeInclusive<f64>);

pub(super) fn chart_menu(
    response: &Response,
    name: &str,
    (logarithmic, smoothing): (bool, f64),
    runs: &[InSight<'_>],
    acts: &mut Vec<ChartAct>,
) {
    response.context_menu(|ui| {
        let mut offer = |ui: &mut Ui, text: &str, act: &dyn Fn() -> ChartAct| {
            if ui.button(text).clicked() {
                acts.push(act());
                ui.close();
            }
        };
        let save = |visible| ChartAct::SaveCsv {
            name: name.to_owned(),
            text: csv(name, runs, visible),
        };
        offer(ui, "Save this chart as CSV", &|| save(false));
        offer(ui, "Save this chart as CSV, visible range", &|| save(true));
        for visible in [false, true] {
            offer(ui, Table::Training { visible }.title(), &|| ChartAct::SaveAll {
                visible,
            });
        }
        offer(ui, "Save a picture of this pane", &|| ChartAct::Picture);
        ui.separator();
        let axis = if logarithmic {
            "Linear y axis"
        } else {
            "Logarithmic y axis"
        };
        offer(ui, axis, &|| ChartAct::Logarithmic {
            name: name.to_owned(),
            on: !logarithmic,
        });
        for steps in SMOOTHING {
            let text = if steps == 0.0 {
                "No smoothing".to_owned()
            } else {
                format!("Smooth over {steps} steps")
            };
            if steps != smoothing {
                offer(ui, &text, &|| ChartAct::Smooth(steps));
            }
        }
    });
}

/// Does what was chosen.
pub(super) fn perform(state: &mut ViewState, acts: Vec<ChartAct>) {
    for act in acts {
        match act {
            ChartAct::Logarithmic { name, on } => {
                state.training.logarithmic.insert(name, on);
            }
            ChartAct::Smooth(steps) => state.training.smoothing = steps,
            ChartAct::SaveCsv { name, text } => {
                let file = format!("training-{}.csv", name.replace(['.', '/'], "-"));
                state.shell.acts.push(WindowAct::SaveText { file, text });
            }
            ChartAct::SaveAll { visible } => {
                let table = Table::Training { visible };
                state.shell.acts.push(WindowAct::SaveTable(table));
            }
            ChartAct::Picture => state.shell.acts.push(WindowAct::Picture(Pane::Metrics)),
        }
    }
}

/// A row a point; steps at which a value was no number are empty cells.
fn csv(name: &str, runs: &[InSight<'_>], visible: bool) -> String {
    let mut text = "run,step,value\n".to_owned();
    for (path, run, in_sight) in runs {
        let path = quoted(&path.display().to_string());
        let seen = |step: f64| !visible || in_sight.contains(&step);
        for (step, value) in run.rows(name).into_iter().filter(|(step, _)| seen(*step)) {
            let value = value.map_or_else(String::new, |value| value.to_string());
            let _ = writeln!(text, "{path},{step},{value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_s_numbers_are_all_or_those_in_sight() {
        let mut run = Run::default();
        for (step, value) in [(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.25)] {
            run.push("loss".to_owned(), step, value);
            run.push("other".to_owned(), step, 7.0);
        }
        let runs = [(Path::new("runs/a, b"), &run, 2.0..=9.0)];
        let all = csv("loss", &runs, false);
        assert_eq!(
            all,
            "run,step,value\n\"runs/a, b\",1,0.5\n\"runs/a, b\",2,\n\"runs/a, b\",3,0.25\n"
        );
        let seen = csv("loss", &runs, true);
        assert_eq!(seen, "run,step,value\n\"runs/a, b\",2,\n\"runs/a, b\",3,0.25\n");
    }
}

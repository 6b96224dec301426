//! `thinkjepa eval`: how often planning reaches what it should, with intervals.

mod ablation;
mod args;
mod blame;
mod demo;
mod in_a_row;
mod jobs;
mod lists;
mod oracle;
mod recovery;
mod swap;
mod thinkbench;
mod world;

use serde::Serialize;
use serde_json::{Value, json};

pub use args::Eval;
use args::Suite;
pub(super) use thinkbench::{ROWS, Row};

use super::{CliError, CliResult, Console, OutputArgs, Subcommand, checkpoint, command_line};
use crate::config::{Config, PlanConfig};
use crate::device::Selected;
use crate::eval::baselines::Truth;
use crate::eval::chain::Run;
use crate::eval::{EvalReport, Rate};
use crate::sim::Scene;
use crate::system::System;
use crate::weights::Checkpoint;

/// What every suite measures with.
struct Bench {
    checkpoint: Checkpoint,
    system: System,
    config: Config,
    scene: Scene,
    selected: Selected,
}

impl Subcommand for Eval {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.fits()?;
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        if self.lists_ablations() {
            return ablation::list(self, console);
        }
        let scene = Scene::load(self.scene())?;
        if self.list {
            return match self.suite {
                Suite::Oracle => oracle::list(self, &scene, console),
                Suite::Swap => swap::list(self, &scene, console),
                Suite::Demo | Suite::Lists | Suite::Blame => demo::list(self, &scene, console),
                Suite::Thinkbench => thinkbench::list(self, &scene, console),
                Suite::InARow => Err(CliError::new(
                    "Suite in-a-row draws each task in the world that the one before has left: there is nothing to list.",
                )),
                Suite::World => Err(CliError::new("Suite world has no templates to list.")),
            };
        }
        let mut checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let mut config = ablation::config(self, &checkpoint.config)?;
        // The encoder is chosen where the world model is loaded.
        checkpoint.config.plan.encoder = config.plan.encoder;
        if let Some(cost) = self.cost {
            config.plan.cost.term = cost.term();
        }
        let selected = self.device.open(&config)?;
        let mut system = checkpoint::load(&checkpoint, &selected, console)?;
        ablation::change(self, &checkpoint, &mut system)?;
        let bench = Bench {
            checkpoint,
            system,
            config,
            scene,
            selected,
        };
        match self.suite {
            Suite::Oracle => oracle::run(self, &bench, console),
            Suite::Swap => swap::run(self, &bench, console),
            Suite::Lists => lists::run(self, &bench, console),
            Suite::Demo if self.disturb => recovery::run(self, &bench, console),
            Suite::Demo => demo::run(self, &bench, console),
            Suite::Thinkbench => thinkbench::run(self, &bench, console),
            Suite::InARow => in_a_row::run(self, &bench, console),
            Suite::Blame => blame::run(self, &bench, console),
            Suite::World => world::run(self, &bench, console),
        }
    }
}

impl Bench {
    /// Who an episode is run for.
    fn run<'a>(&'a self, config: &'a PlanConfig, truth: Truth) -> Run<'a> {
        Run {
            scene: &self.scene.name,
            checkpoint: (&self.system.name, &self.system.hash),
            config,
            frame_px: self.config.frame_px(),
            truth,
        }
    }

    /// Whatever decides the figures, with what a suite adds.
    fn settings(&self, more: Value) -> Value {
        let mut settings = json!({
            "command": command_line(),
            "preset": self.config.name,
            "checkpoint": { "name": self.system.name, "hash": self.system.hash },
            "scene": self.scene.name,
            "plan": self.config.plan,
        });
        if let (Some(all), Value::Object(more)) = (settings.as_object_mut(), more) {
            all.extend(more);
        }
        settings
    }
}

/// The report for people, and the document.
fn finish(report: &EvalReport, output: &OutputArgs, console: &Console) -> Result<(), CliError> {
    for (name, rate) in &report.by_template {
        console.line(&format!("{name:<28} {rate}"));
    }
    if let Some(by_horizon) = report.by_horizon.as_ref().filter(|rates| rates.len() > 1) {
        for (horizon, rate) in by_horizon {
            console.line(&format!("{:<28} {rate}", format!("{horizon} sub-goals")));
        }
    }
    if let Some(all) = &report.all {
        console.line(&format!("{:<28} {all}", "all"));
    }
    console.document(output, report)
}

/// Rates of a report that a person looks for first, by their keys; those that are not there are left out.
fn tell(rates: &Value, lines: &[(&str, &str)], console: &Console) {
    for (key, what) in lines {
        if let Ok(rate) = serde_json::from_value::<Rate>(rates[*key].clone()) {
            console.line(&format!("{what:<28} {rate}"));
        }
    }
}

/// A rate or a figure as a document's value.
fn value_of<T: Serialize>(figure: &T) -> Value {
    serde_json::to_value(figure).unwrap_or_default()
}

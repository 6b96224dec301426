//! `thinkjepa eval`: how often planning reaches what it should, with intervals.

mod demo;
mod lists;
mod oracle;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, CliResult, Console, DeviceArgs, OutputArgs, Subcommand, checkpoint};
use crate::config::{Config, CostTerm};
use crate::device::Selected;
use crate::eval::{EvalReport, Rate};
use crate::sim::{DEMO_SCENE, Scene};
use crate::system::System;
use crate::weights::Checkpoint;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// One sub-goal at a time, toward goals that are given: the world model and the planner
    Oracle,
    /// The same tasks to the language model alone, its lists carried out by the expert
    Lists,
    /// Typed tasks of two and three sub-goals: the whole chain
    Demo,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Lists => "lists",
            Self::Demo => "demo",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Goals {
    /// The encoded picture of the sub-goal achieved
    Oracle,
    /// What language model and goal projection interface make of the sub-goal's text
    Gpi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Reach,
    Pick,
    Place,
    Stack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Cost {
    Similarity,
    Content,
    Gate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Words {
    /// Phrasings that are trained on
    Seen,
    /// Phrasings that are for measurements alone
    HeldOut,
}

impl Words {
    fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::HeldOut => "held_out",
        }
    }
}

#[derive(Args)]
pub struct Eval {
    /// What to measure
    #[arg(long, value_enum)]
    suite: Suite,
    /// Episodes; in suite oracle, of each kind
    #[arg(long, value_name = "N", default_value_t = 50)]
    episodes: usize,
    /// Drives starts, tasks, planning and sampling
    #[arg(long, value_name = "N", default_value_t = 9001)]
    seed: u64,
    /// Suite oracle: kinds of sub-goals, with commas between them [default: all with oracle goals, all but reach with gpi]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    kinds: Vec<Kind>,
    /// Suite oracle: where goals come from
    #[arg(long, value_enum, default_value = "oracle")]
    goals: Goals,
    /// Suites demo and lists: phrasings of the tasks
    #[arg(long, value_enum, default_value = "seen")]
    phrasing: Words,
    /// What the planner minimises, instead of the checkpoint's setting
    #[arg(long, value_enum)]
    cost: Option<Cost>,
    /// Suite oracle: fit the similarity's temperature on these episodes and write it into the checkpoint
    #[arg(long)]
    calibrate: bool,
    /// List templates with their horizons, and measure nothing
    #[arg(long)]
    list: bool,
    /// A scene under scenes/, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE", default_value = DEMO_SCENE)]
    scene: String,
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What both suites measure with.
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
        if self.episodes == 0 {
            return Err(CliError::new("--episodes is 0, expected at least 1."));
        }
        if self.calibrate && (self.suite != Suite::Oracle || self.list) {
            return Err(CliError::new(
                "--calibrate fits on single sub-goals: use it with --suite oracle, without --list.",
            ));
        }
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        let scene = Scene::load(&self.scene)?;
        if self.list {
            return match self.suite {
                Suite::Oracle => oracle::list(self, &scene, console),
                Suite::Demo | Suite::Lists => demo::list(self, &scene, console),
            };
        }
        let checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let mut config = checkpoint.config.clone();
        if let Some(cost) = self.cost {
            config.plan.cost.term = match cost {
                Cost::Similarity => CostTerm::Similarity,
                Cost::Content => CostTerm::Content,
                Cost::Gate => CostTerm::Gate,
            };
        }
        let selected = self.device.open(&config)?;
        let system = checkpoint::load(&checkpoint, &selected, console)?;
        let bench = Bench {
            checkpoint,
            system,
            config,
            scene,
            selected,
        };
        match self.suite {
            Suite::Oracle => oracle::run(self, &bench, console),
            Suite::Lists => lists::run(self, &bench, console),
            Suite::Demo => demo::run(self, &bench, console),
        }
    }
}

impl Bench {
    /// Whatever decides the figures, with what a suite adds.
    fn settings(&self, more: Value) -> Value {
        let mut settings = json!({
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
    if report.by_horizon.len() > 1 {
        for (horizon, rate) in &report.by_horizon {
            console.line(&format!("{:<28} {rate}", format!("{horizon} sub-goals")));
        }
    }
    console.line(&format!("{:<28} {}", "all", report.all));
    console.document(output, report)
}

/// A rate as a document's value.
fn value_of(rate: &Rate) -> Value {
    serde_json::to_value(rate).unwrap_or_default()
}

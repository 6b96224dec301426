//! What `thinkjepa eval` is asked, and which of its options go together.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::thinkbench::THINKBENCH;
use crate::cli::{CliError, DeviceArgs, OutputArgs};
use crate::config::CostTerm;
use crate::device::DeviceChoice;
use crate::eval::ablation::{self, Ablation, Change};
use crate::eval::blame::Part;
use crate::eval::maps::MapSource;
use crate::sim::tasks::Phrasing;
use crate::sim::{DEMO_SCENE, OracleKind};

/// The word in the place of an ablation's name that asks for their names.
const LIST: &str = "list";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Suite {
    /// One sub-goal at a time, toward goals that are given: the world model and the planner
    Oracle,
    /// Whether a goal made from a text follows when the text names another object
    Swap,
    /// The same tasks as demo to the language model alone, its lists carried out by the expert
    Lists,
    /// Typed tasks of two and three sub-goals: the whole chain
    Demo,
    /// Two hundred tasks of three, five, seven and ten sub-goals, five of each of forty templates
    Thinkbench,
    /// Up to five short tasks one after the other, each in the world that the one before has left
    InARow,
    /// The same tasks as demo, or thinkbench's in its scene; of each that fails, which part of the chain is to blame
    Blame,
    /// Fresh episodes: open-loop error against persistence, and what a linear read-out finds in the latents
    World,
}

impl Suite {
    pub fn name(self) -> &'static str {
        match self {
            Self::Oracle => "oracle",
            Self::Swap => "swap",
            Self::Lists => "lists",
            Self::Demo => "demo",
            Self::Thinkbench => "thinkbench",
            Self::InARow => "in-a-row",
            Self::Blame => "blame",
            Self::World => "world",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Goals {
    /// The encoded picture of the sub-goal achieved
    Oracle,
    /// What language model and goal projection interface make of the sub-goal's text
    Gpi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Reach,
    Pick,
    Place,
    Stack,
}

impl Kind {
    pub fn oracle(self) -> OracleKind {
        match self {
            Self::Reach => OracleKind::Reach,
            Self::Pick => OracleKind::Pick,
            Self::Place => OracleKind::Place,
            Self::Stack => OracleKind::Stack,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Map {
    /// The language model's own
    Vlm,
    /// Its values on other patches, drawn from the seed
    Shuffled,
    /// The same everywhere
    Uniform,
    /// Where the named objects really are
    True,
}

impl Map {
    pub fn source(self) -> MapSource {
        match self {
            Self::Vlm => MapSource::Vlm,
            Self::Shuffled => MapSource::Shuffled,
            Self::Uniform => MapSource::Uniform,
            Self::True => MapSource::True,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Baseline {
    /// The whole chain
    None,
    /// No decomposition: one goal from the task's own text, with as many steps as the list's sub-goals have together
    Flat,
    /// The same with the encoded picture of the task achieved as the goal: no language at all
    FlatImage,
    /// Smooth random motion for as many steps
    Random,
    /// The true list in the place of the language model's; goals are made from its texts as ever
    TrueLists,
    /// The true list, and each sub-goal planned toward the encoded picture of it achieved
    TrueGoals,
    /// The language model's list, carried out by the scripted expert: no goals, no world model, no planner
    VlmExpert,
    /// The language model's list, each sub-goal carried out by a policy that has cloned the expert's behaviour (`train
    /// --stage bc`): no goals, no world model, no planner
    Bc,
    /// The true list, carried out by the scripted expert
    Expert,
}

impl Baseline {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Flat => "flat",
            Self::FlatImage => "flat_image",
            Self::Random => "random",
            Self::TrueLists => "true_lists",
            Self::TrueGoals => "true_goals",
            Self::VlmExpert => "vlm_expert",
            Self::Bc => "bc",
            Self::Expert => "expert",
        }
    }

    /// There is a list of sub-goals, a model's or the true one.
    pub fn has_list(self) -> bool {
        !matches!(self, Self::Flat | Self::FlatImage | Self::Random)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Replaced {
    List,
    Goal,
    Rollout,
    Cem,
    Threshold,
    Physics,
}

impl Replaced {
    fn part(self) -> Part {
        match self {
            Self::List => Part::List,
            Self::Goal => Part::Goal,
            Self::Rollout => Part::Rollout,
            Self::Cem => Part::Cem,
            Self::Threshold => Part::Threshold,
            Self::Physics => Part::Physics,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Cost {
    Similarity,
    Content,
    Temporal,
    Gate,
}

impl Cost {
    pub fn term(self) -> CostTerm {
        match self {
            Self::Similarity => CostTerm::Similarity,
            Self::Content => CostTerm::Content,
            Self::Temporal => CostTerm::Temporal,
            Self::Gate => CostTerm::Gate,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Words {
    /// Phrasings that are trained on
    Seen,
    /// Phrasings that are for measurements alone
    HeldOut,
}

#[derive(Args, Clone)]
pub struct Eval {
    /// What to measure [default with --ablation: demo]
    #[arg(
        long,
        value_enum,
        required = false,
        required_unless_present = "ablation",
        default_value_if("ablation", clap::builder::ArgPredicate::IsPresent, "demo")
    )]
    pub(super) suite: Suite,
    /// Episodes, scenes or rows; in suite oracle, of each kind; suite thinkbench has its own number
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) episodes: usize,
    /// Suites demo, thinkbench and in-a-row: episodes at a time, which changes no number [default: a core each on the CPU, else one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) jobs: Option<u64>,
    /// Drives starts, tasks, planning and sampling
    #[arg(long, value_name = "N", default_value_t = 9001)]
    pub(super) seed: u64,
    /// Suite oracle: kinds of sub-goals, with commas between them [default: all with oracle goals, all but reach with gpi]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub(super) kinds: Vec<Kind>,
    /// Suite oracle: where goals come from [default: oracle]
    #[arg(long, value_enum)]
    pub(super) goals: Option<Goals>,
    /// Suite oracle with --goals gpi: the map in the place of the language model's, for the goal and for the predictor's
    /// attention [default: vlm]
    #[arg(long, value_enum)]
    pub(super) map: Option<Map>,
    /// Suites demo, lists, blame and in-a-row: phrasings of the tasks [default: seen]
    #[arg(long, value_enum)]
    pub(super) phrasing: Option<Words>,
    /// Suites demo, lists and blame: only tasks of so many sub-goals [default: both]
    #[arg(long, visible_alias = "sub-goals", value_name = "2|3", value_parser = clap::value_parser!(u64).range(2..=3))]
    pub(super) horizon: Option<u64>,
    /// Suites demo, thinkbench and in-a-row: what stands in the place of the chain, or of a part of it [default: none]
    #[arg(long, value_enum)]
    pub(super) baseline: Option<Baseline>,
    /// Suite thinkbench: the chain and every baseline, one record each; a record that this checkpoint has left already is kept
    #[arg(long)]
    pub(super) all: bool,
    /// Where --all writes its records
    #[arg(long, value_name = "FOLDER", default_value = "assets/records")]
    pub(super) records: PathBuf,
    /// Suite demo: a part of the system that is switched off; `list` names them, with what each changes
    #[arg(long, value_name = "NAME")]
    pub(super) ablation: Option<String>,
    /// Suite blame: parts that are replaced, one at a time, with commas between them [default: all]; rollout and cem take
    /// by far the longest
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,…")]
    pub(super) parts: Vec<Replaced>,
    /// Suite demo: a block that the work left is about is moved by hand in the middle of each episode; episodes in which
    /// none can be moved do not count, and the others are also run undisturbed
    #[arg(long)]
    pub(super) disturb: bool,
    /// What the planner minimises, instead of the checkpoint's setting
    #[arg(long, value_enum)]
    pub(super) cost: Option<Cost>,
    /// Suite oracle: fit the similarity's temperature on these episodes and write it into the checkpoint
    #[arg(long)]
    pub(super) calibrate: bool,
    /// List templates with their horizons, and measure nothing
    #[arg(long)]
    pub(super) list: bool,
    /// A scene under scenes/, or a RON file of your own [default: thinkbench for that suite, else three-blocks]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scene: Option<String>,
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    pub(super) checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl Eval {
    pub(super) fn scene(&self) -> &str {
        let own = if self.suite == Suite::Thinkbench {
            THINKBENCH
        } else {
            DEMO_SCENE
        };
        self.scene.as_deref().unwrap_or(own)
    }

    pub(super) fn goals(&self) -> Goals {
        self.goals.unwrap_or(Goals::Oracle)
    }

    pub(super) fn map(&self) -> MapSource {
        self.map.map_or(MapSource::Vlm, Map::source)
    }

    pub(super) fn baseline(&self) -> Baseline {
        match self.ablation() {
            Some(ablation) if ablation.change == Change::WholeTask => Baseline::Flat,
            _ => self.baseline.unwrap_or(Baseline::None),
        }
    }

    /// Parts to look for the blame in, in the order in which they get it.
    pub(super) fn parts(&self) -> Vec<Part> {
        let asked = |part: &Part| self.parts.is_empty() || self.parts.iter().any(|one| one.part() == *part);
        Part::ALL.into_iter().filter(asked).collect()
    }

    /// Ablations are to be listed, and nothing measured.
    pub(super) fn lists_ablations(&self) -> bool {
        self.ablation.as_deref() == Some(LIST)
    }

    pub(super) fn ablation(&self) -> Option<&'static Ablation> {
        self.ablation.as_deref().and_then(ablation::find)
    }

    /// Episodes at a time on this device.
    pub(super) fn jobs(&self, device: DeviceChoice) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match self.jobs {
            Some(jobs) => jobs as usize,
            None if device == DeviceChoice::Cpu => cores(),
            None => 1,
        }
    }

    pub(super) fn horizon(&self) -> Option<usize> {
        self.horizon.map(|horizon| horizon as usize)
    }

    pub(super) fn phrasing(&self) -> Phrasing {
        match self.phrasing {
            None | Some(Words::Seen) => Phrasing::Seen,
            Some(Words::HeldOut) => Phrasing::HeldOut,
        }
    }

    /// Says which options do not go together.
    ///
    /// # Errors
    /// Two that do not.
    pub(super) fn fits(&self) -> Result<(), CliError> {
        use Suite::{Blame, Demo, InARow, Lists, Oracle, Thinkbench};
        if self.episodes == 0 {
            return Err(CliError::new("--episodes is 0, expected at least 1."));
        }
        let of_suites: [(bool, &str, &[Suite]); 14] = [
            (self.jobs.is_some(), "--jobs", &[Demo, Thinkbench, InARow]),
            (self.calibrate, "--calibrate", &[Oracle]),
            (!self.kinds.is_empty(), "--kinds", &[Oracle]),
            (self.goals.is_some(), "--goals", &[Oracle]),
            (self.map.is_some(), "--map", &[Oracle]),
            (self.phrasing.is_some(), "--phrasing", &[Demo, Lists, Blame, InARow]),
            (self.horizon.is_some(), "--horizon", &[Demo, Lists, Blame]),
            (self.baseline.is_some(), "--baseline", &[Demo, Thinkbench, InARow]),
            (self.all, "--all", &[Thinkbench]),
            (self.ablation.is_some(), "--ablation", &[Demo]),
            (!self.parts.is_empty(), "--parts", &[Blame]),
            (self.disturb, "--disturb", &[Demo]),
            (
                self.cost.is_some(),
                "--cost",
                &[Oracle, Demo, Blame, Thinkbench, InARow],
            ),
            (
                self.list,
                "--list",
                &[Oracle, Suite::Swap, Demo, Lists, Blame, Thinkbench],
            ),
        ];
        for (given, option, suites) in of_suites {
            if given && !suites.contains(&self.suite) {
                let suites: Vec<String> = suites.iter().map(|suite| format!("--suite {}", suite.name())).collect();
                let (suite, suites) = (self.suite.name(), suites.join(" or "));
                return Err(CliError::new(format!(
                    "{option} says nothing to suite {suite}: use it with {suites}."
                )));
            }
        }
        let own_map = self.map() == MapSource::Vlm;
        let refusals = [
            (
                self.map.is_some() && self.goals() != Goals::Gpi,
                "--map is for goals that are made from language: use it with --goals gpi.",
            ),
            (
                self.calibrate && !own_map,
                "--calibrate fits on goals as they are planned with: leave --map out.",
            ),
            (
                self.calibrate && self.list,
                "--calibrate needs episodes, and --list runs none: leave one of them out.",
            ),
            (
                self.disturb && !self.baseline().has_list(),
                "--disturb interferes between sub-goals, and this baseline has none: use it with --baseline none or \
                 true-lists.",
            ),
            (
                self.all && (self.baseline.is_some() || self.output.out.is_some()),
                "--all measures every baseline, each into a record of its own: leave --baseline and --out out.",
            ),
            (
                self.baseline.is_some() && self.baseline() != self.baseline.unwrap_or(Baseline::None),
                "Ablation no-vlm is --baseline flat: leave --baseline out.",
            ),
        ];
        match refusals.into_iter().find(|(refused, _)| *refused) {
            Some((_, why)) => Err(CliError::new(why)),
            None => self.knows_ablation(),
        }
    }

    fn knows_ablation(&self) -> Result<(), CliError> {
        let Some(name) = self.ablation.as_deref().filter(|name| *name != LIST) else {
            return Ok(());
        };
        let Some(ablation) = ablation::find(name) else {
            return Err(CliError::new(format!(
                "There is no ablation \"{name}\". `thinkjepa eval --ablation {LIST}` names all of them."
            )));
        };
        match ablation.change.training() {
            None => Ok(()),
            Some(settings) => Err(CliError::new(format!(
                "Ablation {name} is no switch: train a checkpoint with --set {} and measure it with --checkpoint.",
                settings.join(" --set ")
            ))),
        }
    }
}

/// How a report calls a phrasing.
pub(super) fn phrasing_name(phrasing: Phrasing) -> &'static str {
    match phrasing {
        Phrasing::Seen => "seen",
        Phrasing::HeldOut => "held_out",
    }
}

//! `eval --ablation NAME`: parts of the system switched off, and their list.

use serde_json::{Value, json};

use super::Eval;
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::config::Config;
use crate::eval::ablation::{ABLATIONS, Ablation, Change, random_gpi};
use crate::eval::maps::MapSource;
use crate::planner::{Goal, GoalMaker, GoalRequest, GoalSource, ModelError};
use crate::system::{System, load_vlm_base};
use crate::vlm::Vlm;
use crate::weights::Checkpoint;

pub(super) fn list(eval: &Eval, console: &Console) -> CliResult {
    for ablation in ABLATIONS {
        let how = match ablation.change {
            Change::Settings(settings) => format!(" ({})", settings.join(", ")),
            Change::Training(settings) => format!(" (to be trained: --set {})", settings.join(" --set ")),
            _ => String::new(),
        };
        console.line(&format!("{:<24} {}{how}", ablation.name, ablation.what));
    }
    let ablations: Vec<Value> = ABLATIONS.iter().map(value).collect();
    console.document(
        &eval.output,
        &json!({ "schema": "thinkjepa.ablations/1", "ablations": ablations }),
    )?;
    Ok(Exit::Done)
}

/// What a record says of an ablation.
pub(super) fn value(ablation: &Ablation) -> Value {
    let settings = match ablation.change {
        Change::Settings(settings) | Change::Training(settings) => settings,
        _ => &[],
    };
    json!({
        "name": ablation.name,
        "what": ablation.what,
        "settings": settings,
        "needs_training": ablation.change.training().is_some(),
    })
}

/// The checkpoint's configuration with the ablation's settings.
///
/// # Errors
/// A setting does not fit this configuration.
pub(super) fn config(eval: &Eval, config: &Config) -> Result<Config, CliError> {
    match eval.ablation().map(|ablation| ablation.change) {
        Some(Change::Settings(settings)) => {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Ok(config.with_settings(&settings)?)
        }
        _ => Ok(config.clone()),
    }
}

/// Takes out of a loaded system what the ablation goes without.
///
/// # Errors
/// The checkpoint has no such part.
pub(super) fn change(eval: &Eval, checkpoint: &Checkpoint, system: &mut System) -> Result<(), CliError> {
    match eval.ablation().map(|ablation| ablation.change) {
        Some(Change::RandomGpi) => {
            // Says what is missing in the checkpoint.
            system.models()?;
            system.gpi = Some(random_gpi(&system.config, eval.seed, &system.device));
        }
        Some(Change::NoAdapters) => {
            if !checkpoint.tensors.names().any(crate::nn::lora::is_adapter) {
                return Err(CliError::new(format!(
                    "The language model of checkpoint {} has no adapters to leave out.",
                    checkpoint.name
                )));
            }
            if let Some((model, tokenizer)) = load_vlm_base(checkpoint, system.config.precision, &system.device)? {
                system.vlm = Some(Vlm::new(&model, tokenizer)?);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The map that goals are made with.
pub(super) fn map(eval: &Eval) -> MapSource {
    match eval.ablation().map(|ablation| ablation.change) {
        Some(Change::Map(source)) => source,
        _ => MapSource::Vlm,
    }
}

/// A system's goals with another map than the language model's; the same patches of all maps of an episode change places.
pub(super) struct MappedGoals<'a> {
    system: &'a System,
    source: MapSource,
    seed: u64,
}

impl<'a> MappedGoals<'a> {
    pub fn new(system: &'a System, source: MapSource, seed: u64) -> Self {
        Self { system, source, seed }
    }
}

impl GoalMaker for MappedGoals<'_> {
    fn source(&self) -> GoalSource {
        self.system.source()
    }

    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError> {
        self.system.goal_by_map(request, |own| {
            // No ablation knows where the objects are: in the place of that map stands the model's own.
            let truth = own.values.clone();
            self.source.replace(own, || truth, self.seed, 0)
        })
    }
}

//! Where a stage goes on from: a checkpoint folder, or the folder of a finished run of stage 1.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;

use super::{Job, JobError, settings};
use crate::config::{Config, Precision};
use crate::system::load_world_model;
use crate::train::newest_checkpoint;
use crate::weights::Checkpoint;
use crate::world_model::{LatentStats, WorldModel};

/// What stage 1 leaves in its run's folder.
const MODEL: &str = "model.bpk";

/// The configuration that a checkpoint or a run was made with; none for a run that does not say.
///
/// # Errors
/// It is neither, or its configuration is not valid.
pub fn configuration(path: &Path) -> Result<Option<Config>, JobError> {
    match place(path)? {
        Place::Checkpoint => Ok(Some(Checkpoint::open(path)?.config)),
        Place::Run { run, .. } => settings::of_run(&run),
    }
}

/// A trained world model to go on from.
pub(super) struct Trained {
    pub model: WorldModel,
    /// Where it is a checkpoint: all of it, for the parts that stay.
    pub checkpoint: Option<Checkpoint>,
    pub stats: Option<LatentStats>,
}

/// # Errors
/// There is no world model, or it has another shape than the job's configuration says.
pub(super) fn world_model(path: &Path, job: &Job, device: &Device) -> Result<Trained, JobError> {
    let config = &job.config;
    match place(path)? {
        Place::Checkpoint => {
            let checkpoint = Checkpoint::open(path)?;
            if let Some((field, have, asked)) = settings::other_world_model(job.stage, &checkpoint.config, config) {
                return Err(JobError::OtherShape {
                    from: path.to_owned(),
                    field,
                    have,
                    asked,
                });
            }
            let (model, stats, _) = load_world_model(&checkpoint, Precision::F32, device)?;
            Ok(Trained {
                model,
                checkpoint: Some(checkpoint),
                stats,
            })
        }
        Place::Run { model, .. } => {
            let fresh = WorldModel::new(&config.world_model, device);
            let loaded = fresh.try_load_file(&model).map_err(|err| JobError::Unreadable {
                path: model,
                reason: err.to_string(),
            })?;
            Ok(Trained {
                model: loaded,
                checkpoint: None,
                stats: None,
            })
        }
    }
}

enum Place {
    Checkpoint,
    Run { run: PathBuf, model: PathBuf },
}

fn place(path: &Path) -> Result<Place, JobError> {
    if Checkpoint::is_at(path) {
        return Ok(Place::Checkpoint);
    }
    let newest = newest_checkpoint(path).map(|(_, folder)| folder.join(MODEL));
    if let Some(model) = newest.filter(|model| model.is_file()) {
        let run = path.to_owned();
        return Ok(Place::Run { run, model });
    }
    // One checkpoint of a run may be named itself.
    let model = path.join(MODEL);
    match path.parent() {
        Some(run) if model.is_file() => Ok(Place::Run {
            run: run.to_owned(),
            model,
        }),
        _ => Err(JobError::NothingThere { path: path.to_owned() }),
    }
}

//! `config.ron` of a run: its settings, so that it is never continued with others by mistake.

use std::fs::{File, TryLockError};
use std::path::Path;

use serde_json::{Value, json};

use super::{Job, JobError, StageKind};
use crate::config::{self, Config, WorldModelConfig};
use crate::train::TrainError;
use crate::weights::write_file;

const FILE: &str = "config.ron";

/// The settings that a run was begun with, if it says.
pub(super) fn of_run(run: &Path) -> Result<Option<Config>, JobError> {
    let path = run.join(FILE);
    if path.is_file() {
        Ok(Some(config::load(&path)?))
    } else {
        Ok(None)
    }
}

/// What the outcome of no stage depends on. The name says where the settings came from.
const NEVER: [&str; 4] = ["name", "plan", "train.checkpoint_every", "train.samples_every"];

/// What the outcome of this stage does not depend on. Whatever is not named here is compared.
fn irrelevant(stage: StageKind, config: &Config) -> Vec<&'static str> {
    let of_stage: &[&str] = match stage {
        StageKind::One => &[
            "vlm",
            "gpi",
            "train.tasks",
            "train.stage1b",
            "train.vlm",
            "train.stage2",
            "train.bc",
        ],
        StageKind::OneB => &[
            "vlm",
            "gpi",
            "train.tasks",
            "train.stage1",
            "train.vlm",
            "train.stage2",
            "train.bc",
        ],
        // Of the world model it takes the size of the frames; it has no adapters.
        StageKind::Vlm => &[
            "world_model.patch_size",
            "world_model.dim",
            "world_model.clip_len",
            "world_model.action_dim",
            "world_model.encoder",
            "world_model.predictor",
            "world_model.temporal_distance",
            "world_model.picture",
            "vlm.lora",
            "gpi",
            "train.stage1",
            "train.stage1b",
            "train.stage2",
            "train.bc",
        ],
        // In joint mode the loss and the rates of stage 1 are those of the world model.
        StageKind::Two if config.train.stage2.joint_rate > 0.0 => &["train.stage1b", "train.vlm", "train.bc"],
        StageKind::Two => &["train.stage1", "train.stage1b", "train.vlm", "train.bc"],
        StageKind::Bc => &[
            "vlm",
            "gpi",
            "train.stage1",
            "train.stage1b",
            "train.vlm",
            "train.stage2",
        ],
    };
    [&NEVER, of_stage].concat()
}

/// What the outcome of a stage depends on, as a document.
fn relevant(stage: StageKind, config: &Config) -> Value {
    let mut document = serde_json::to_value(config).unwrap_or_default();
    for path in irrelevant(stage, config) {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let mut names = parents.split('.').filter(|name| !name.is_empty());
        let parent = names.try_fold(&mut document, |place, name| place.get_mut(name));
        if let Some(fields) = parent.and_then(Value::as_object_mut) {
            fields.remove(name);
        }
    }
    if stage == StageKind::Two {
        // It takes its cosines as planning does.
        document["plan"] = json!({ "similarity": config.plan.similarity });
    }
    if stage == StageKind::Bc {
        // It reads the language model's words, and the frames are as fine as the language model wants them.
        document["vlm"] = json!({ "vocab_size": config.vlm.vocab_size, "image_size": config.vlm.image_size });
    }
    document
}

/// Writes the job's settings into a new run's folder, or compares those that its stage depends on with what is there. The
/// folder is this process's alone for as long as the file is held.
///
/// # Errors
/// The run was begun with other settings, another process trains it, or the folder cannot be written to.
pub(super) fn keep(job: &Job) -> Result<File, JobError> {
    let Job { stage, config, run, .. } = job;
    let have = of_run(run)?;
    let differing = have
        .as_ref()
        .and_then(|have| difference("", &relevant(*stage, have), &relevant(*stage, config)));
    if let Some((field, have, asked)) = differing {
        return Err(JobError::OtherSettings {
            run: run.clone(),
            field,
            have,
            asked,
        });
    }
    std::fs::create_dir_all(run).map_err(|err| TrainError::io("create", run, err))?;
    let lock = lock(run)?;
    if have.is_none() {
        let text = ron::ser::to_string_pretty(config, ron::ser::PrettyConfig::default())
            .map_err(|err| TrainError::io("write", &run.join(FILE), err))?;
        write_file(&run.join(FILE), format!("{text}\n").as_bytes())?;
    }
    Ok(lock)
}

/// Keeps every other process out of a run's folder for as long as the file is held; it goes with the process.
fn lock(run: &Path) -> Result<File, JobError> {
    let path = run.join("lock");
    let file = File::create(&path).map_err(|err| TrainError::io("create", &path, err))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JobError::InUse { run: run.to_owned() }),
        Err(TryLockError::Error(err)) => Err(TrainError::io("lock", &path, err).into()),
    }
}

/// The first field in which two world models are of another make, and its values. What a stage trains may be wanted of one that
/// has none: a temporal distance in stages 1 and 1b, a head that reads pictures in stage 1.
pub(super) fn other_world_model(stage: StageKind, have: &Config, asked: &Config) -> Option<(String, String, String)> {
    use StageKind::{One, OneB};
    let mut have = have.world_model.clone();
    if have.temporal_distance == 0 && matches!(stage, One | OneB) {
        have.temporal_distance = asked.world_model.temporal_distance;
    }
    if have.picture == 0 && stage == One {
        have.picture = asked.world_model.picture;
    }
    let document = |config: &WorldModelConfig| serde_json::to_value(config).unwrap_or_default();
    difference("world_model", &document(&have), &document(&asked.world_model))
}

/// The first field in which two language models are of another make, and its values. Their adapters are none of it.
pub(super) fn other_language_model(have: &Config, asked: &Config) -> Option<(String, String, String)> {
    let document = |config: &Config| {
        let mut document = serde_json::to_value(&config.vlm).unwrap_or_default();
        document.as_object_mut().map(|fields| fields.remove("lora"));
        document
    };
    difference("vlm", &document(have), &document(asked))
}

/// The first field in which two documents differ, and its values.
fn difference(path: &str, have: &Value, asked: &Value) -> Option<(String, String, String)> {
    match (have, asked) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            difference(&path, value, b.get(name).unwrap_or(&Value::Null))
        }),
        _ if have == asked => None,
        _ => Some((path.to_owned(), have.to_string(), asked.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::preset;

    fn job(folder: &Path, stage: StageKind) -> Job {
        Job {
            stage,
            config: preset("nano").unwrap(),
            data: folder.join("data"),
            scene: "three-blocks".to_owned(),
            run: folder.join(stage.name()),
            from: None,
            out: None,
            reins: Arc::default(),
        }
    }

    #[test]
    fn a_run_is_not_continued_with_other_settings() {
        let folder = tempfile::tempdir().unwrap();
        let mut job = job(folder.path(), StageKind::One);
        keep(&job).unwrap();
        assert_eq!(of_run(&job.run).unwrap(), Some(job.config.clone()));
        job.config.name = "mine.ron".to_owned();
        keep(&job).unwrap();
        let steps = std::mem::replace(&mut job.config.train.stage1.steps, 7);
        let err = keep(&job).unwrap_err().to_string();
        assert!(
            err.contains(&format!("train.stage1.steps is {steps}, asked for 7")),
            "{err}"
        );
    }

    #[test]
    fn a_run_is_compared_in_what_its_own_stage_depends_on() {
        use StageKind::{Bc, One, OneB, Two, Vlm};
        let changes: [(&str, &[StageKind]); 31] = [
            ("precision=\"bf16\"", &StageKind::ALL),
            ("train.seed=9", &StageKind::ALL),
            ("train.betas=[0.8,0.9]", &StageKind::ALL),
            ("train.tasks=thinkbench", &[Vlm, Two, Bc]),
            ("train.clip_norm=0.7", &StageKind::ALL),
            ("train.checkpoint_every=7", &[]),
            ("train.samples_every=7", &[]),
            ("plan.horizon=3", &[]),
            ("plan.cost.term=content", &[]),
            ("world_model.encoder.depth=3", &[One, OneB, Two, Bc]),
            ("world_model.predictor.residual=false", &[One, OneB, Two, Bc]),
            ("world_model.temporal_distance=8", &[One, OneB, Two, Bc]),
            ("world_model.picture=8", &[One, OneB, Two, Bc]),
            ("vlm.depth=2", &[Vlm, Two]),
            ("vlm.lora.rank=3", &[Two]),
            ("gpi.temperature=0.3", &[Two]),
            ("train.stage1.batch=7", &[One]),
            ("train.stage1.accumulation=2", &[One]),
            ("train.stage1b.accumulation=2", &[OneB]),
            ("train.vlm.accumulation=2", &[Vlm]),
            ("train.stage2.accumulation=2", &[Two]),
            ("train.stage1.mask.causal_share=0.3", &[One]),
            ("train.stage1b.rollout=3", &[OneB]),
            ("train.vlm.requery_share=0.3", &[Vlm]),
            ("train.vlm.composed_share=0.3", &[Vlm]),
            ("train.vlm.restated=true", &[Vlm]),
            ("train.vlm.lambda_form=0.3", &[Vlm]),
            ("train.stage2.joint_rate=0.3", &[Two]),
            ("train.bc.noise=0.2", &[Bc]),
            ("train.bc.accumulation=2", &[Bc]),
            ("vlm.vocab_size=800", &[Vlm, Two, Bc]),
        ];
        let folder = tempfile::tempdir().unwrap();
        for stage in StageKind::ALL {
            let own = job(folder.path(), stage);
            keep(&own).unwrap();
            for (setting, stages) in changes {
                let other = Job {
                    config: own.config.with_settings(&[setting.to_owned()]).unwrap(),
                    ..own.clone()
                };
                assert_ne!(other.config, own.config, "{setting} changes nothing");
                match keep(&other) {
                    Ok(_) => assert!(!stages.contains(&stage), "stage {stage} went on with {setting}"),
                    Err(JobError::OtherSettings { field, .. }) => {
                        assert!(stages.contains(&stage), "stage {stage} was refused for {setting}");
                        assert!(setting.starts_with(&field), "{setting}: {field}");
                    }
                    Err(err) => panic!("{err}"),
                }
            }
        }
    }

    #[test]
    fn in_joint_mode_the_settings_of_stage_1_count_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut job = job(folder.path(), StageKind::Two);
        job.config.train.stage2.joint_rate = 0.1;
        keep(&job).unwrap();
        job.config.train.stage1.losses.lambda_reg += 1.0;
        let err = keep(&job).unwrap_err().to_string();
        assert!(err.contains("train.stage1.losses.lambda_reg"), "{err}");
    }
}

//! The checkpoint that a stage writes: its own parts, beside those of the checkpoint that it went on from and of the one
//! that is there already.

use std::path::Path;

use super::{Job, JobError, StageKind};
use crate::config::Config;
use crate::nn::lora::is_adapter;
use crate::system::{Draft, SIM_TEMPERATURE};
use crate::train::curves;
use crate::weights::Checkpoint;

/// Names of the tensors that a stage makes begin with one of these.
fn made(stage: StageKind, config: &Config) -> Vec<&'static str> {
    const WORLD: [&str; 5] = ["encoder.", "target_encoder.", "heads.", "predictor.", "latent_stats."];
    match stage {
        StageKind::One | StageKind::OneB => WORLD.to_vec(),
        // The goals of another language model mean nothing to the new one, and go; so does a policy that reads its words.
        StageKind::Vlm => vec!["vlm.", "gpi.", "policy."],
        StageKind::Two if config.train.stage2.joint_rate > 0.0 => [&["gpi."], &WORLD[..]].concat(),
        StageKind::Two => vec!["gpi."],
        StageKind::Bc => vec!["policy."],
    }
}

/// Whether what the stage will make can stand beside what is at `out`: any other part that both checkpoints have is the
/// same in both.
///
/// # Errors
/// A part differs, or a checkpoint cannot be read.
pub(super) fn may_join(job: &Job, out: &Path) -> Result<(), JobError> {
    let kept = job.from.as_deref().filter(|_| job.stage != StageKind::One);
    let Some(from) = kept.filter(|from| Checkpoint::is_at(from)) else {
        return Ok(());
    };
    if !Checkpoint::is_at(out) || std::fs::canonicalize(from).ok() == std::fs::canonicalize(out).ok() {
        return Ok(());
    }
    let (ours, theirs) = (Checkpoint::open(from)?, Checkpoint::open(out)?);
    let made = made(job.stage, &job.config);
    for name in ours.tensors.names() {
        let replaced = made.iter().any(|prefix| name.starts_with(prefix));
        // Adapters are made beside the goals, temperatures by calibration.
        let of_goals = job.stage == StageKind::Two && is_adapter(name);
        if replaced || of_goals || name == SIM_TEMPERATURE || theirs.tensors.shape(name).is_none() {
            continue;
        }
        if ours.tensors.read(name)? != theirs.tensors.read(name)? {
            return Err(JobError::OtherParts {
                out: out.to_owned(),
                from: from.to_owned(),
                part: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// What the checkpoint at `out` holds now, and beside it what `base` has; with the curves of the job's run.
///
/// # Errors
/// A checkpoint or the run's log cannot be read.
pub(super) fn draft(job: &Job, out: &Path, base: Option<&Checkpoint>) -> Result<Draft, JobError> {
    let mut draft = Draft::new(job.config.clone());
    if Checkpoint::is_at(out) {
        draft.fill(&Checkpoint::open(out)?)?;
    }
    if let Some(base) = base {
        draft.fill(base)?;
    }
    draft.curve(format!("stage {}", job.stage), curves(&job.run)?);
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use std::sync::Arc;

    use super::*;
    use crate::config::preset;
    use crate::weights::NamedTensor;

    fn checkpoint(folder: &Path, parts: &[(&str, f32)]) -> PathBuf {
        let tensors: Vec<NamedTensor> = parts
            .iter()
            .map(|&(name, value)| NamedTensor {
                name: name.to_owned(),
                shape: vec![1],
                values: vec![value],
            })
            .collect();
        Checkpoint::write(folder, &preset("nano").unwrap(), &tensors, None, "# mine\n").unwrap();
        folder.to_owned()
    }

    fn job(stage: StageKind, from: &Path) -> Job {
        Job {
            stage,
            config: preset("nano").unwrap(),
            data: PathBuf::new(),
            scene: String::new(),
            run: from.with_file_name("run"),
            from: Some(from.to_owned()),
            out: None,
            reins: Arc::default(),
        }
    }

    #[test]
    fn a_stage_does_not_mix_parts_of_two_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let parts = |encoder, language, temperature| {
            [
                ("encoder.pos", encoder),
                ("vlm.embed", language),
                (SIM_TEMPERATURE, temperature),
            ]
        };
        let from = checkpoint(&at("from"), &parts(1.0, 1.0, 0.5));
        let same = checkpoint(&at("same"), &parts(1.0, 1.0, 0.9));
        let other_encoder = checkpoint(&at("encoder"), &parts(2.0, 1.0, 0.5));
        let other_language = checkpoint(&at("language"), &parts(1.0, 2.0, 0.5));
        let refused = |job: &Job, out: &Path| may_join(job, out).err().map(|err| err.to_string());
        for stage in [StageKind::OneB, StageKind::Vlm, StageKind::Two] {
            let job = job(stage, &from);
            for out in [&from, &same, &at("new")] {
                assert_eq!(refused(&job, out), None, "{stage}");
            }
            let names = |out: &Path, part: &str| refused(&job, out).is_some_and(|err| err.contains(part));
            let world = stage == StageKind::OneB;
            assert_eq!(names(&other_encoder, "whose encoder.pos is another"), !world, "{stage}");
            let language = stage == StageKind::Vlm;
            assert_eq!(
                names(&other_language, "whose vlm.embed is another"),
                !language,
                "{stage}"
            );
        }
        let mut joint = job(StageKind::Two, &from);
        joint.config.train.stage2.joint_rate = 0.1;
        assert_eq!(refused(&joint, &other_encoder), None, "it makes the encoder too");
        assert!(refused(&joint, &other_language).is_some());
    }

    #[test]
    fn parts_of_both_checkpoints_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let from = checkpoint(&at("from"), &[("encoder.pos", 1.0), ("vlm.embed", 1.0)]);
        let out = checkpoint(&at("out"), &[("encoder.pos", 1.0), ("gpi.pos", 3.0)]);
        let job = job(StageKind::Vlm, &from);
        std::fs::create_dir(&job.run).unwrap();
        std::fs::write(job.run.join("metrics.jsonl"), "{\"step\":1,\"loss\":2}\n").unwrap();
        let base = Checkpoint::open(&from).unwrap();
        draft(&job, &out, Some(&base)).unwrap().write(&out).unwrap();
        let written = Checkpoint::open(&out).unwrap();
        let names: Vec<&str> = written.tensors.names().collect();
        assert_eq!(names, ["encoder.pos", "gpi.pos", "vlm.embed"]);
        let card = std::fs::read_to_string(out.join("card.md")).unwrap();
        assert!(
            card.contains("## Curves of stage vlm\n\n| mean up to step | 1 |"),
            "{card}"
        );
    }
}

//! One training from beginning to end, as the command line and the window start it: open the data, take up what an
//! earlier stage made, run the stage in its folder, and put what came out into a checkpoint.

mod cloning;
mod from;
mod language;
mod outcome;
mod settings;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

pub use from::configuration;

use super::{Intervals, Progress, Reins, RunFile, RunStanding, StageKind, TrainError};
use crate::config::Config;
use crate::data::StoreError;
use crate::sim::SceneError;
use crate::system::SystemError;
use crate::weights::{Checkpoint, WeightsError, make_parent};

/// What is to be trained, with what and where.
#[derive(Clone, Debug)]
pub struct Job {
    pub stage: StageKind,
    pub config: Config,
    /// Folder of episodes.
    pub data: PathBuf,
    /// Name or path of the scene that tasks are drawn in.
    pub scene: String,
    /// The run's folder; what is there is resumed.
    pub run: PathBuf,
    /// A checkpoint, or the folder of a run of stage 1. Stage 1 takes the weights to begin with from it, and nothing else.
    pub from: Option<PathBuf>,
    /// Checkpoint folder to write at the end. Parts that this stage does not make are those of `from`, or stay as they are
    /// there; where both have one it must be the same.
    pub out: Option<PathBuf>,
    /// What is asked of the run while it goes on.
    pub reins: Arc<Reins>,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq)]
pub enum JobProgress<'a> {
    /// Before or after the steps: `done` of `total`.
    Preparing {
        what: &'static str,
        done: usize,
        total: usize,
    },
    Step(Progress<'a>),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDone {
    pub steps: usize,
    /// Steps that are done; fewer than `steps` if it was stopped.
    pub done: usize,
    /// The checkpoint that was written.
    pub written: Option<PathBuf>,
}

/// Why a job ended early.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error("Stage {stage} needs {what}: name it with --from.")]
    NeedsFrom { stage: StageKind, what: &'static str },
    #[error(
        "train.stage2.joint_rate is {rate}, so that the world model is trained too, and that needs episodes. {err} Name \
         a folder with --data, or set the rate to 0."
    )]
    JointNeedsData { rate: f64, err: Box<JobError> },
    #[error("{} holds neither a checkpoint (config.json) nor a run of stage 1 (checkpoint-*/model.bpk).", path.display())]
    NothingThere { path: PathBuf },
    #[error(
        "The model in {} is another than is to be trained: {field} is {have} there, asked for {asked}. Choose the \
         settings that it was made with, or leave --from out.", from.display()
    )]
    OtherShape {
        from: PathBuf,
        field: String,
        have: String,
        asked: String,
    },
    #[error("Could not read {}: {reason}. It was made with another preset, or is damaged.", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error(
        "{} holds a run with other settings: {field} is {have}, asked for {asked}. Choose another folder, or the same \
         settings.", run.display()
    )]
    OtherSettings {
        run: PathBuf,
        field: String,
        have: String,
        asked: String,
    },
    #[error("{} is being trained already. Wait for it, or choose another folder.", run.display())]
    InUse { run: PathBuf },
    #[error(
        "{} holds a checkpoint whose {part} is another than in {}, which this stage goes on from. Choose another folder for \
         --out, or go on from that checkpoint with --from.", out.display(), from.display()
    )]
    OtherParts { out: PathBuf, from: PathBuf, part: String },
    #[error(
        "{} has another encoder now than when this stage began, so that its goals do not fit there. Write them to another \
         folder: the same command with another --out goes on from the end of the run.", out.display()
    )]
    OtherEncoder { out: PathBuf },
    #[error("{}: frames are {have} pixels high, the preset wants {wanted}. Make episodes with --preset {preset}.", data.display())]
    FrameSize {
        data: PathBuf,
        have: usize,
        wanted: usize,
        preset: String,
    },
}

/// Runs a job. `observe` hears of every step; `cancel` is read at every step, and what was done until then is kept.
///
/// # Errors
/// Data, checkpoint or run cannot be used, a file cannot be written, or the loss is not a number.
pub fn run(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    if let Some(out) = &job.out {
        // Better now than after an hour of training.
        Checkpoint::may_write(out)?;
        make_parent(out)?;
        outcome::may_join(job, out)?;
    }
    match job.stage {
        StageKind::One => world::stage_1(job, device, cancel, observe),
        StageKind::OneB => world::stage_1b(job, device, cancel, observe),
        StageKind::Vlm => language::stage_vlm(job, device, cancel, observe),
        StageKind::Two => language::stage_2(job, device, cancel, observe),
        StageKind::Bc => cloning::stage_bc(job, device, cancel, observe),
    }
}

/// Runs the steps of a stage in the job's folder; how many are done afterwards.
fn run_steps(
    job: &Job,
    stage: &mut dyn super::Stage,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<usize, JobError> {
    let train = &job.config.train;
    let every = Intervals {
        checkpoints: train.checkpoint_every,
        samples: train.samples_every,
    };
    let mut tell = |progress: &Progress<'_>| observe(&JobProgress::Step(progress.clone()));
    let mut file = RunFile::begun(job.stage, &job.config.name, stage.steps(), job.from.as_deref());
    (file.scene, file.data) = (Some(job.scene.clone()), Some(job.data.clone()));
    file.write(&job.run)?;
    let result = super::train(stage, (&job.run, job.stage), every, (cancel, &job.reins), &mut tell);
    Ok(conclude(file, &job.run, result)?)
}

/// Writes down how a run ended, and gives on what it ended with.
fn conclude(mut file: RunFile, run: &Path, result: Result<usize, TrainError>) -> Result<usize, TrainError> {
    file.standing = match &result {
        Ok(done) if *done == file.steps => RunStanding::Finished,
        Ok(_) => RunStanding::Stopped,
        Err(_) => RunStanding::Failed,
    };
    let told = file.write(run);
    // On a full disk this cannot be written either: what ended the run is what has to be said.
    let done = result?;
    told?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::FullDisk;

    #[test]
    fn a_run_ends_with_its_own_error_also_where_nothing_can_be_written_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let file = RunFile::begun(StageKind::One, "nano", 8, None);
        file.write(run).unwrap();
        let ended = |result| conclude(file.clone(), run, result).map_err(|err| err.to_string());
        let lost = || Err(TrainError::Data("The episodes are gone.".to_owned()));
        let disk = FullDisk::after(run, 0);
        assert_eq!(ended(lost()), Err("The episodes are gone.".to_owned()));
        let unsaid = ended(Ok(8)).unwrap_err();
        assert!(unsaid.contains("Could not write"), "{unsaid}");
        assert_eq!(RunFile::read(run).unwrap().standing, RunStanding::Running);
        drop(disk);
        assert_eq!(ended(lost()), Err("The episodes are gone.".to_owned()));
        assert_eq!(RunFile::read(run).unwrap().standing, RunStanding::Failed);
        assert_eq!(ended(Ok(8)), Ok(8));
        assert_eq!(RunFile::read(run).unwrap().standing, RunStanding::Finished);
    }
}

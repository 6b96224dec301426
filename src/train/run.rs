//! A training run on disk: `config.ron`, `metrics.jsonl` and `checkpoint-STEP/`. A checkpoint is written beside its place
//! and moved there when it is whole, so a run that is killed at any moment resumes from the last whole one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::StageKind;
use super::reins::Reins;
use super::samples::{Sample, SampleContent, trim_samples};
use crate::device::resident_bytes;

/// Named numbers of one step.
pub type Metrics = Vec<(&'static str, f64)>;

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    pub step: usize,
    pub steps: usize,
    pub metrics: &'a [(&'static str, f64)],
    /// Time that the step took.
    pub step_secs: f64,
    pub elapsed_secs: f64,
    pub remaining_secs: f64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("Could not {action} {path}: {err}.")]
    Io {
        action: &'static str,
        path: String,
        err: String,
    },
    #[error(
        "The loss is not a number at step {step}. The run is kept up to its last checkpoint; lower the learning rate."
    )]
    NotANumber { step: usize },
    #[error(transparent)]
    Store(#[from] crate::data::StoreError),
    #[error("{0}")]
    Data(String),
}

impl TrainError {
    pub fn io(action: &'static str, path: &Path, err: impl std::fmt::Display) -> Self {
        Self::Io {
            action,
            path: path.display().to_string(),
            err: err.to_string(),
        }
    }
}

/// A stage of training: a model with its optimisers that can do a step and be kept.
pub trait Stage {
    /// Steps of the whole run.
    fn steps(&self) -> usize;
    /// Does step `step` (from 0). The batch depends on the run's seed and `step` alone.
    ///
    /// # Errors
    /// The data could not be read.
    fn step(&mut self, step: usize) -> Result<Metrics, TrainError>;
    /// Writes everything that the next step depends on into an empty folder.
    ///
    /// # Errors
    /// A file could not be written.
    fn save(&self, folder: &Path) -> Result<(), TrainError>;
    /// Looks at what the networks make of fixed inputs after `steps` steps; `with_plans` where what takes seconds is worth
    /// them. It changes nothing that a step depends on.
    ///
    /// # Errors
    /// The data could not be read, or a network failed.
    fn sample(&self, steps: usize, with_plans: bool) -> Result<SampleContent, TrainError>;
    /// Takes up what [`Stage::save`] wrote.
    ///
    /// # Errors
    /// A file could not be read.
    fn load(&mut self, folder: &Path) -> Result<(), TrainError>;
}

/// How often a run keeps what.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Steps between two checkpoints.
    pub checkpoints: usize,
    /// Steps between two samples, of which each checkpoint has one; 0 for none.
    pub samples: usize,
}

/// Every step of a run, one JSON object a line.
pub(super) const LOG: &str = "metrics.jsonl";

/// Steps between two looks at the memory.
const MEMORY_EVERY: usize = 10;

/// Name of the newest checkpoint's step file.
const STEP_FILE: &str = "step";

/// Runs a stage to its end, or until `cancel` is set; `reins` may ask for a checkpoint at once, or for none at a stop. Resumes from the newest checkpoint in `folder`. Returns the number
/// of steps that are done.
///
/// # Errors
/// The folder cannot be written, or the loss is not a number.
pub fn train(
    stage: &mut dyn Stage,
    (folder, kind): (&Path, StageKind),
    every: Intervals,
    (cancel, reins): (&AtomicBool, &Reins),
    observe: &mut dyn FnMut(&Progress<'_>),
) -> Result<usize, TrainError> {
    fs::create_dir_all(folder).map_err(|err| TrainError::io("create", folder, err))?;
    let mut done = 0;
    if let Some((step, checkpoint)) = newest_checkpoint(folder) {
        stage.load(&checkpoint)?;
        done = step;
    }
    let log_path = folder.join(LOG);
    trim_log(&log_path, done)?;
    trim_samples(folder, done)?;
    let mut log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|err| TrainError::io("open", &log_path, err))?;
    let first = done;
    let start = Instant::now();
    let steps = stage.steps();
    if every.samples > 0 && done == 0 && steps > 0 {
        take_sample(stage, (folder, kind), 0, false);
    }
    while done < steps && !cancel.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut metrics = stage.step(done)?;
        let step_secs = began.elapsed().as_secs_f64();
        done += 1;
        if done % MEMORY_EVERY == 0 || done == first + 1 {
            metrics.extend(resident_bytes().map(|bytes| ("memory_bytes", bytes as f64)));
        }
        let keeps = done % every.checkpoints.max(1) == 0 || done == steps;
        if every.samples > 0 && (done % every.samples == 0 || keeps) {
            metrics.extend(take_sample(stage, (folder, kind), done, keeps));
        }
        let mut line = serde_json::Map::new();
        line.insert("step".into(), done.into());
        line.insert("secs".into(), step_secs.into());
        line.extend(metrics.iter().map(|&(name, value)| (name.to_owned(), value.into())));
        writeln!(log, "{}", serde_json::Value::Object(line)).map_err(|err| TrainError::io("write", &log_path, err))?;
        let is_loss = |(name, value): &(&str, f64)| *name == "loss" && !value.is_finite();
        if metrics.iter().any(is_loss) {
            // After the line: whoever watches sees where it happened.
            return Err(TrainError::NotANumber { step: done - 1 });
        }
        if reins.takes_hold() || keeps {
            save_checkpoint(stage, folder, done)?;
        }
        let elapsed_secs = start.elapsed().as_secs_f64();
        let remaining_secs = elapsed_secs / (done - first) as f64 * (steps - done) as f64;
        observe(&Progress {
            step: done,
            steps,
            metrics: &metrics,
            step_secs,
            elapsed_secs,
            remaining_secs,
        });
    }
    if done < steps && done > first && !reins.discards() {
        save_checkpoint(stage, folder, done)?;
    }
    Ok(done)
}

/// Keeps a sample, and gives those of its numbers that belong among the step's. One that fails is missing, and no more: it is
/// not what a run is for.
fn take_sample(stage: &dyn Stage, (folder, kind): (&Path, StageKind), step: usize, with_plans: bool) -> Metrics {
    let began = Instant::now();
    let made = stage.sample(step, with_plans).and_then(|content| {
        let metrics = content.metrics();
        if content != SampleContent::default() {
            Sample::new(kind, step, began.elapsed().as_secs_f64(), content).write(folder)?;
        }
        Ok(metrics)
    });
    made.unwrap_or_else(|err| {
        log::warn!("No sample of step {step}: {err}");
        Metrics::new()
    })
}

/// The newest whole checkpoint of a run: its step and its folder.
pub fn newest_checkpoint(folder: &Path) -> Option<(usize, PathBuf)> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let step = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
            path.join(STEP_FILE).exists().then_some((step, path))
        })
        .max_by_key(|(step, _)| *step)
}

fn save_checkpoint(stage: &dyn Stage, folder: &Path, step: usize) -> Result<(), TrainError> {
    let place = folder.join(format!("checkpoint-{step}"));
    let draft = folder.join(format!("checkpoint-{step}.tmp"));
    for stale in [&draft, &place] {
        if stale.exists() {
            fs::remove_dir_all(stale).map_err(|err| TrainError::io("remove", stale, err))?;
        }
    }
    fs::create_dir_all(&draft).map_err(|err| TrainError::io("create", &draft, err))?;
    stage.save(&draft)?;
    fs::write(draft.join(STEP_FILE), step.to_string()).map_err(|err| TrainError::io("write", &draft, err))?;
    fs::rename(&draft, &place).map_err(|err| TrainError::io("move", &draft, err))?;
    // Two are kept: should the newest turn out to be damaged, the one before it is there.
    let mut kept: Vec<(usize, PathBuf)> = fs::read_dir(folder)
        .map_err(|err| TrainError::io("read", folder, err))?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let step = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
            Some((step, path))
        })
        .collect();
    kept.sort();
    for (_, old) in kept.iter().rev().skip(2) {
        fs::remove_dir_all(old).map_err(|err| TrainError::io("remove", old, err))?;
    }
    Ok(())
}

/// Lines past the step that a run resumes from are of steps that will be done again.
fn trim_log(path: &Path, done: usize) -> Result<(), TrainError> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(());
    };
    let kept: String = text
        .lines()
        .filter(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .ok()
                .and_then(|value| value.get("step")?.as_u64())
                .is_some_and(|step| step as usize <= done)
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let draft = path.with_extension("jsonl.tmp");
    fs::write(&draft, kept).map_err(|err| TrainError::io("write", &draft, err))?;
    fs::rename(&draft, path).map_err(|err| TrainError::io("move", &draft, err))
}

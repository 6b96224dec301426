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
use crate::weights::{DiskWriter, write_file};

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
    /// What went wrong without ending the run.
    pub warning: Option<&'a str>,
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
    /// Looks at what the networks make of fixed inputs after `steps` steps. With the flag that stops it in `plans`, also at
    /// what takes seconds. It changes nothing that a step depends on.
    ///
    /// # Errors
    /// The data could not be read, or a network failed.
    fn sample(&self, steps: usize, plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError>;
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
    /// Steps between two samples, of which the first step and each checkpoint have one; 0 for none.
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
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(|err| TrainError::io("open", &log_path, err))?;
    let first = done;
    let start = Instant::now();
    let steps = stage.steps();
    while done < steps && !cancel.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut metrics = stage.step(done)?;
        let step_secs = began.elapsed().as_secs_f64();
        done += 1;
        if done % MEMORY_EVERY == 0 || done == first + 1 {
            metrics.extend(resident_bytes().map(|bytes| ("memory_bytes", bytes as f64)));
        }
        let mut warning = None;
        let keeps = done % every.checkpoints.max(1) == 0 || done == steps;
        // None before the first step: parameters are drawn when they are first read, and a step reads them in its own order.
        if every.samples > 0 && (done == 1 || done % every.samples == 0 || keeps) {
            match take_sample(stage, (folder, kind), done, keeps, cancel) {
                Ok(sampled) => metrics.extend(sampled),
                Err(_) if cancel.load(Ordering::Relaxed) => {}
                // It is missing, and no more: it is not what a run is for.
                Err(err) => warning = Some(format!("No sample of step {done}: {err}")),
            }
        }
        let mut line = serde_json::Map::new();
        line.insert("step".into(), done.into());
        line.insert("secs".into(), step_secs.into());
        line.extend(metrics.iter().map(|&(name, value)| (name.to_owned(), value.into())));
        let line = format!("{}\n", serde_json::Value::Object(line));
        DiskWriter::new(&log, &log_path)
            .write_all(line.as_bytes())
            .map_err(|err| TrainError::io("write", &log_path, err))?;
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
            warning: warning.as_deref(),
        });
    }
    if done < steps && done > first && !reins.discards() {
        save_checkpoint(stage, folder, done)?;
    }
    Ok(done)
}

/// Keeps a sample, and gives those of its numbers that belong among the step's.
fn take_sample(
    stage: &dyn Stage,
    (folder, kind): (&Path, StageKind),
    step: usize,
    with_plans: bool,
    cancel: &AtomicBool,
) -> Result<Metrics, TrainError> {
    let began = Instant::now();
    let content = stage.sample(step, with_plans.then_some(cancel))?;
    let metrics = content.metrics();
    if content != SampleContent::default() {
        Sample::new(kind, step, began.elapsed().as_secs_f64(), content).write(folder)?;
    }
    Ok(metrics)
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
    let filled = stage.save(&draft).and_then(|()| {
        let path = draft.join(STEP_FILE);
        write_file(&path, step.to_string().as_bytes()).map_err(|err| TrainError::io("write", &path, err))
    });
    if let Err(err) = filled {
        // Half a checkpoint only takes the room that is missing.
        let _ = fs::remove_dir_all(&draft);
        return Err(err);
    }
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
    write_file(path, kept.as_bytes()).map_err(|err| TrainError::io("write", path, err))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{LatentKind, Spectrum, sampled_steps};
    use super::*;
    use crate::weights::FullDisk;

    /// Counts, and keeps its count.
    struct Counter(usize);

    impl Stage for Counter {
        fn steps(&self) -> usize {
            6
        }

        fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
            assert_eq!(step, self.0, "it goes on where its checkpoint was made");
            self.0 += 1;
            Ok(vec![("loss", 1.0 / self.0 as f64)])
        }

        fn save(&self, folder: &Path) -> Result<(), TrainError> {
            let path = folder.join("count");
            write_file(&path, self.0.to_string().as_bytes()).map_err(|err| TrainError::io("write", &path, err))
        }

        fn sample(&self, steps: usize, _plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
            let content = SampleContent {
                spectra: Spectrum::of_rows(LatentKind::Pooled, &[0.0, 1.0, 2.0, 0.0, 1.0, 5.0], 2)
                    .into_iter()
                    .collect(),
                ..SampleContent::default()
            };
            assert_eq!(steps, self.0);
            Ok(content)
        }

        fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
            let path = folder.join("count");
            let text = fs::read_to_string(&path).map_err(|err| TrainError::io("read", &path, err))?;
            self.0 = text.parse().map_err(|err| TrainError::io("read", &path, err))?;
            Ok(())
        }
    }

    fn run(folder: &Path) -> Result<usize, TrainError> {
        run_hearing(folder, &mut Vec::new())
    }

    /// The same, with what was warned of.
    fn run_hearing(folder: &Path, warnings: &mut Vec<String>) -> Result<usize, TrainError> {
        let every = Intervals {
            checkpoints: 2,
            samples: 3,
        };
        let cancel = AtomicBool::new(false);
        train(
            &mut Counter(0),
            (folder, StageKind::One),
            every,
            (&cancel, &Reins::default()),
            &mut |progress| warnings.extend(progress.warning.map(str::to_owned)),
        )
    }

    fn logged(folder: &Path) -> Vec<u64> {
        let text = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["step"].as_u64().unwrap()).collect()
    }

    #[test]
    fn samples_come_after_the_first_step_at_intervals_and_with_each_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path()).unwrap(), 6);
        assert_eq!(sampled_steps(folder.path()), [1, 2, 3, 4, 6]);
        let text = fs::read_to_string(folder.path().join(LOG)).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains("effective_rank")).count(), 5);
    }

    #[test]
    fn a_sample_that_cannot_be_written_is_warned_of_and_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("samples"), "no folder").unwrap();
        let mut warnings = Vec::new();
        assert_eq!(run_hearing(folder.path(), &mut warnings).unwrap(), 6);
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        assert!(
            warnings[0].starts_with("No sample of step 1: Could not"),
            "{warnings:?}"
        );
    }

    /// Wherever the disk is full: an error, or a sample that is missing; what was kept before is whole, nothing lies half
    /// beside it, and with room again the run ends as any other.
    #[test]
    fn a_full_disk_ends_a_run_and_takes_nothing_that_was_kept() {
        let mut ended_early = 0;
        for writes in 0..24 {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            let disk = FullDisk::after(at, writes);
            let first = run(at);
            drop(disk);
            if let Err(err) = &first {
                ended_early += 1;
                assert!(err.to_string().contains("Could not write"), "{err}");
            }
            if let Some((step, checkpoint)) = newest_checkpoint(at) {
                let mut kept = Counter(0);
                kept.load(&checkpoint).unwrap();
                assert_eq!(kept.0, step, "after {writes} writes");
            }
            let names = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name());
            let half: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
            assert!(half.is_empty(), "after {writes} writes: {half:?}");
            for step in sampled_steps(at) {
                assert_eq!(Sample::read(at, step).unwrap().step, step);
            }
            assert_eq!(run(at).unwrap(), 6);
            assert_eq!(logged(at), [1, 2, 3, 4, 5, 6], "after {writes} writes");
        }
        assert!((10..24).contains(&ended_early), "{ended_early}");
    }
}

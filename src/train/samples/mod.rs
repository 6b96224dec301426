//! Samples of a run: what a stage's networks make of a few fixed inputs, looked at every so many steps. Each is a file of its
//! own in the run's folder, `samples/STEP.cbor`, written beside its place and moved there, so that a run of another process
//! can be watched and the whole way of a run leafed through.
//!
//! A sample only reads: it takes a stage by a shared reference, has random numbers of its own, and what it costs counts as no
//! time of a step.

mod answers;
mod cloned;
mod masks;
mod open_loop;
mod pairs;
mod pictures;
mod plans;
mod probe;
mod spectrum;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Metrics, StageKind, TrainError};
use crate::recording::png;
use crate::sim::Frame;
use crate::weights::write_file;

pub(super) use answers::answers;
pub(super) use cloned::cloned;
pub(super) use masks::masks;
pub(super) use open_loop::open_loop;
pub use pairs::Pairs;
pub(super) use pictures::read_pictures;
pub(super) use plans::plan;
pub(super) use probe::look;
pub use spectrum::{LatentKind, Spectrum};

const SCHEMA: &str = "thinkjepa.sample/1";
const FOLDER: &str = "samples";
const EXTENSION: &str = "cbor";

/// A run at one of its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    schema: String,
    pub stage: StageKind,
    /// Steps that were done.
    pub step: usize,
    /// What it took to make.
    pub secs: f64,
    pub content: SampleContent,
}

/// What was looked at; each stage has its own parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleContent {
    /// Of the pooled latents and of the tokens (stage 1).
    pub spectra: Vec<Spectrum>,
    /// What the step before showed and hid (stage 1).
    pub masks: Option<Masks>,
    /// What can be read out of frozen latents (stage 1).
    pub probe: Option<ProbeErrors>,
    /// What latents look like, seen and imagined; of a model that reads pictures (stages 1 and 1b).
    pub pictures: Vec<PictureRow>,
    /// By steps ahead (stage 1b).
    pub open_loop: Vec<OpenLoopError>,
    /// Goals against states of one fixed batch (stage 2).
    pub pairs: Option<Pairs>,
    /// Beside the teacher's (stage vlm).
    pub answers: Vec<AnswerSample>,
    /// Toward encoded goals (stage 1b), or a sub-goal's text in the hands of the policy (stage bc); with a checkpoint.
    pub plans: Vec<PlanSample>,
}

/// What a token of a clip was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Cut away, or of a frame that the step did not look at.
    Unused,
    /// Seen by the online encoder.
    Context,
    /// To be predicted.
    Target,
}

/// The masks of one training step over frames of its own clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Masks {
    /// A causal step: frame t is the context, frame t + 1 the target. Otherwise block masks (method, 4.6).
    pub causal: bool,
    /// Patches along one side.
    pub grid: usize,
    pub clips: Vec<MaskedClip>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskedClip {
    pub frames: Vec<MaskedFrame>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskedFrame {
    #[serde(with = "png")]
    pub frame: Frame,
    /// Row-major from the top left, `[N]`.
    pub roles: Vec<TokenRole>,
}

/// A ridge regression from the target encoder's pooled latents to places on the table, fitted on some episodes and asked
/// about others. Mean |error| per axis, metres; `chance` knows nothing but the mean. The truth is read here alone: no loss
/// sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeErrors {
    pub gripper_m: f64,
    pub blocks_m: f64,
    pub gripper_chance_m: f64,
    pub blocks_chance_m: f64,
    /// By the block's name.
    pub by_block_m: Vec<(String, f64)>,
    /// Episodes that it was fitted on, and others that it was asked about.
    pub episodes: [usize; 2],
}

/// An episode's frames and what latents say of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureRow {
    pub episode: usize,
    /// The frame that the rollout starts from.
    pub from: usize,
    pub steps: Vec<PictureSample>,
}

/// A small picture of a frame, and the one read out of the latent that was imagined for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureSample {
    /// Actions since the first frame; 0 is that frame, encoded.
    pub ahead: usize,
    #[serde(with = "png")]
    pub seen: Frame,
    #[serde(with = "png")]
    pub read: Frame,
}

/// A rollout's error over that of "nothing changes", so many steps ahead: below 1 the predictor knows more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenLoopError {
    pub ahead: usize,
    pub tokens: f64,
    /// In the space in which planning compares states.
    pub comparison: f64,
}

/// One answer beside the teacher's, to an example with a number of its own, phrased as in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerSample {
    #[serde(with = "png")]
    pub frame: Frame,
    pub task: String,
    pub teacher: String,
    pub answer: String,
    /// The sub-goals are the teacher's, word for word.
    pub same_list: bool,
    /// It came to its own end.
    pub ended: bool,
    pub maps: Vec<MapSample>,
}

/// Where a sub-goal's attention lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapSample {
    /// The teacher's sub-goal.
    pub text: String,
    /// Share of the map on the patches of the named objects, and what a map that is the same everywhere has there.
    pub mass: f64,
    pub chance: f64,
}

/// One sub-goal, carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSample {
    pub what: String,
    /// The goal's physical predicate held for two steps.
    pub reached: bool,
    /// Until then, or the whole budget.
    pub steps: usize,
    pub budget: usize,
}

impl SampleContent {
    /// The few numbers of it that belong among the curves of a run.
    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics: Metrics = Vec::new();
        for spectrum in &self.spectra {
            let name = match spectrum.of {
                LatentKind::Pooled => "effective_rank",
                LatentKind::Tokens => "effective_rank_tokens",
            };
            metrics.push((name, spectrum.effective_rank));
        }
        if let Some(probe) = &self.probe {
            metrics.extend([("probe_gripper_m", probe.gripper_m), ("probe_blocks_m", probe.blocks_m)]);
        }
        if let Some(pairs) = &self.pairs {
            metrics.push(("goals_found", pairs.found()));
        }
        metrics
    }
}

impl Sample {
    pub fn new(stage: StageKind, step: usize, secs: f64, content: SampleContent) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            stage,
            step,
            secs,
            content,
        }
    }

    /// Puts it into the run's folder.
    ///
    /// # Errors
    /// The file cannot be written; nothing of it is there then.
    pub fn write(&self, run: &Path) -> Result<(), TrainError> {
        let (folder, path) = (run.join(FOLDER), path_of(run, self.step));
        std::fs::create_dir_all(&folder).map_err(|err| TrainError::io("create", &folder, err))?;
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).map_err(|err| TrainError::io("write", &path, err))?;
        write_file(&path, &bytes).map_err(|err| TrainError::io("write", &path, err))
    }

    /// # Errors
    /// There is none of that step, or it was not written by this program or by a newer one.
    pub fn read(run: &Path, step: usize) -> Result<Self, TrainError> {
        let path = path_of(run, step);
        let bytes = std::fs::read(&path).map_err(|err| TrainError::io("read", &path, err))?;
        let sample: Self = ciborium::from_reader(bytes.as_slice()).map_err(|err| TrainError::io("read", &path, err))?;
        if sample.schema == SCHEMA {
            Ok(sample)
        } else {
            let found = format!("its schema is {}, expected {SCHEMA}", sample.schema);
            Err(TrainError::io("read", &path, found))
        }
    }
}

/// The steps that a run has samples of, in order.
pub fn sampled_steps(run: &Path) -> Vec<usize> {
    let files = std::fs::read_dir(run.join(FOLDER)).into_iter().flatten().flatten();
    let mut steps: Vec<usize> = files.filter_map(|file| step_of(&file.path())).collect();
    steps.sort_unstable();
    steps
}

/// When the sample of a step was written; none where there is none.
pub fn sample_changed(run: &Path, step: usize) -> Option<SystemTime> {
    std::fs::metadata(path_of(run, step)).ok()?.modified().ok()
}

/// Samples past the step that a run resumes from are of steps that will be done again.
pub(super) fn trim_samples(run: &Path, done: usize) -> Result<(), TrainError> {
    for step in sampled_steps(run).into_iter().filter(|step| *step > done) {
        let path = path_of(run, step);
        std::fs::remove_file(&path).map_err(|err| TrainError::io("remove", &path, err))?;
    }
    Ok(())
}

fn path_of(run: &Path, step: usize) -> PathBuf {
    run.join(FOLDER).join(format!("{step:07}.{EXTENSION}"))
}

fn step_of(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(step: usize) -> Sample {
        let frame = Frame {
            width: 2,
            height: 2,
            rgb: (0..12).collect(),
        };
        let content = SampleContent {
            masks: Some(Masks {
                causal: false,
                grid: 1,
                clips: vec![MaskedClip {
                    frames: vec![MaskedFrame {
                        frame,
                        roles: vec![TokenRole::Target],
                    }],
                }],
            }),
            ..SampleContent::default()
        };
        Sample::new(StageKind::One, step, 0.25, content)
    }

    #[test]
    fn samples_are_found_by_their_steps_and_those_of_undone_steps_go() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        assert!(sampled_steps(run).is_empty());
        for step in [300, 0, 100, 12_000_000] {
            sample(step).write(run).unwrap();
        }
        assert_eq!(sampled_steps(run), [0, 100, 300, 12_000_000]);
        assert_eq!(Sample::read(run, 300).unwrap(), sample(300));
        // What is being written, and what is none, is not found.
        std::fs::write(run.join(FOLDER).join(".writing-ab.tmp"), "").unwrap();
        std::fs::write(run.join(FOLDER).join("notes.cbor"), "").unwrap();
        trim_samples(run, 100).unwrap();
        assert_eq!(sampled_steps(run), [0, 100]);
        let said = Sample::read(run, 300).unwrap_err().to_string();
        assert!(said.contains("0000300.cbor"), "{said}");
    }

    #[test]
    fn a_newer_sample_and_half_a_sample_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let newer = Sample {
            schema: "thinkjepa.sample/9".to_owned(),
            ..sample(1)
        };
        newer.write(run).unwrap();
        let said = Sample::read(run, 1).unwrap_err().to_string();
        assert!(said.contains("thinkjepa.sample/9"), "{said}");
        let path = path_of(run, 1);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(Sample::read(run, 1).is_err());
    }
}

//! Training: the stages, what they share, and how a run is kept on disk so that it can be resumed at any step.

mod ahead;
mod bc;
mod curves;
mod estimate;
mod facts;
mod gradients;
pub mod job;
mod kind;
pub mod optimizer;
mod reins;
mod run;
mod run_file;
mod samples;
pub mod schedule;
mod stage1;
mod stage1b;
mod stage2;
mod stats;
mod temporal;
mod vlm;
mod world_loss;
mod world_trainer;

pub use bc::StageBc;
pub use curves::curves;
pub use estimate::TrainingMemory;
pub use kind::{StageKind, UnknownStage};
pub use reins::Reins;
pub use run::{Intervals, Metrics, Progress, Stage, TrainError, newest_checkpoint, train};
pub use run_file::{RunFile, RunStanding};
pub use samples::{
    AnswerSample, LatentKind, MapSample, MaskedClip, MaskedFrame, Masks, OpenLoopError, Pairs, PictureRow,
    PictureSample, PlanSample, ProbeErrors, Sample, SampleContent, Spectrum, TokenRole, sample_changed, sampled_steps,
};
pub use stage1::Stage1;
pub use stage1b::{LatentCache, Stage1b};
pub use stage2::Stage2;
pub use stats::fit_stats;
pub use vlm::StageVlm;

//! Stages `vlm` and 2: the language side.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::{Job, JobDone, JobError, JobProgress};
use crate::train::TrainError;

/// Instruction tuning of the vision-language model.
pub(super) fn stage_vlm(
    job: &Job,
    _device: &Device,
    _cancel: &AtomicBool,
    _observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    Err(TrainError::Data(format!("Stage {} is not in this build.", job.stage)).into())
}

/// The goal projection interface, with adapters on the language model.
pub(super) fn stage_2(
    job: &Job,
    _device: &Device,
    _cancel: &AtomicBool,
    _observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    Err(TrainError::Data(format!("Stage {} is not in this build.", job.stage)).into())
}

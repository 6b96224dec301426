//! Stage `bc`: the policy of the baseline.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::language::{open_from, sampler};
use super::{Job, JobDone, JobError, JobProgress, StageKind, outcome, run_steps, settings};
use crate::data::Demonstrations;
use crate::system::SystemError;
use crate::train::{Stage, StageBc};
use crate::vlm::VlmTokenizer;

/// Behaviour cloning; of the checkpoint that it goes on from it takes the language model's vocabulary and nothing else.
pub(super) fn stage_bc(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    let needs = || JobError::NeedsFrom {
        stage: StageKind::Bc,
        what: "a checkpoint with a language model, whose words the policy reads",
    };
    let base = open_from(job)?.ok_or_else(needs)?;
    let path = base.tokenizer().ok_or_else(needs)?;
    if let Some((field, have, asked)) = settings::other_world_model(job.stage, &base.config, &job.config) {
        return Err(JobError::OtherShape {
            from: base.folder.clone(),
            field,
            have,
            asked,
        });
    }
    let tokenizer = Arc::new(VlmTokenizer::load(&path).map_err(SystemError::from)?);
    let _lock = settings::keep(job)?;
    let bc = &job.config.train.bc;
    let demonstrations = Demonstrations {
        sampler: sampler(job)?,
        frame_px: job.config.frame_px(),
        seen_px: job.config.world_model.image_size,
        noise: bc.noise as f32,
    };
    let mut stage = StageBc::new(job.config.clone(), demonstrations, tokenizer, device);
    let steps = stage.steps();
    let done = run_steps(job, &mut stage, cancel, observe)?;
    let mut written = None;
    if let Some(out) = job.out.as_ref().filter(|_| done == steps) {
        let mut draft = outcome::draft(job, out, Some(&base))?;
        draft.put_policy(&stage.policy())?;
        draft.note(format!(
            "Stage bc: {steps} steps of {} moments out of {} demonstrations of {} actions, noise up to {}. Scene {}, seed {}.",
            bc.batch * bc.accumulation,
            bc.episodes,
            Demonstrations::actions(),
            bc.noise,
            job.scene,
            job.config.train.seed
        ));
        draft.write(out)?;
        written = Some(out.clone());
    }
    Ok(JobDone { steps, done, written })
}

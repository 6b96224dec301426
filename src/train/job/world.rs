//! Stages 1 and 1b: the world model, then its predictor alone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::{Job, JobDone, JobError, JobProgress, StageKind, from, outcome, run_steps, settings};
use crate::data::{ClipSampler, EpisodeStore};
use crate::nn::computing_in;
use crate::train::{LatentCache, Stage, Stage1, Stage1b, fit_stats};
use crate::world_model::{LatentStats, WorldModel};

/// World model pre-training (Algorithm 1).
pub(super) fn stage_1(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    let store = open_store(job)?;
    let trained = job.from.as_deref().map(|from| from::world_model(from, job, device));
    let trained = trained.transpose()?;
    let _lock = settings::keep(job)?;
    let clips = ClipSampler::new(store.clone(), job.config.train.seed, 0..store.episodes());
    let model = trained.as_ref().map(|trained| &trained.model);
    let mut stage = Stage1::new(job.config.clone(), model, clips, device);
    let steps = stage.steps();
    let done = run_steps(job, &mut stage, cancel, observe)?;
    let mut written = None;
    if let Some(out) = job.out.as_ref().filter(|_| done == steps) {
        let model = stage.model();
        let stats = statistics(job, &model, &store, device, observe)?;
        let mut draft = outcome::draft(job, out, None)?;
        draft.put_world_model(&model)?;
        draft.put_stats(&stats);
        let settings = &job.config.train.stage1;
        draft.note(format!(
            "Stage 1{}: {steps} steps of {} clips, seed {}. {}",
            if trained.is_some() {
                ", on a world model that was trained before"
            } else {
                ""
            },
            settings.batch * settings.accumulation,
            job.config.train.seed,
            origin(&store)
        ));
        draft.write(out)?;
        written = Some(out.clone());
    }
    Ok(JobDone { steps, done, written })
}

/// The predictor alone, on rollouts over the latents of a frozen encoder.
pub(super) fn stage_1b(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    let base = job.from.as_ref().ok_or(JobError::NeedsFrom {
        stage: StageKind::OneB,
        what: "a world model of stage 1",
    })?;
    let store = open_store(job)?;
    let trained = from::world_model(base, job, device)?;
    let _lock = settings::keep(job)?;
    let mut model = trained.model;
    let mut stats = statistics(job, &model, &store, device, observe)?;
    if let Some(before) = &trained.stats {
        // The encoder stays as it is, so what "reached" means stays too.
        stats.sim_temperature = before.sim_temperature;
    }
    let mut encoded = |done, total| {
        observe(&JobProgress::Preparing {
            what: "Encoding episodes",
            done,
            total,
        });
    };
    let computing = computing_in(&model, job.config.precision);
    let cache = LatentCache::encode(&computing, &store, device, &mut encoded)?;
    let mut stage = Stage1b::new(job.config.clone(), &model, &stats, cache, store.clone(), device);
    let steps = stage.steps();
    let done = run_steps(job, &mut stage, cancel, observe)?;
    let mut written = None;
    if let Some(out) = job.out.as_ref().filter(|_| done == steps) {
        model.predictor = stage.predictor();
        model.heads.temporal = stage.temporal();
        let mut draft = outcome::draft(job, out, trained.checkpoint.as_ref())?;
        draft.put_world_model(&model)?;
        draft.put_stats(&stats);
        let settings = &job.config.train.stage1b;
        let (batch, rollout) = (settings.batch * settings.accumulation, settings.rollout);
        draft.note(format!(
            "Stage 1b: {steps} steps of {batch} rollouts of {rollout} actions, seed {}. {}",
            job.config.train.seed,
            origin(&store)
        ));
        draft.write(out)?;
        written = Some(out.clone());
    }
    Ok(JobDone { steps, done, written })
}

pub(super) fn open_store(job: &Job) -> Result<Arc<EpisodeStore>, JobError> {
    let store = EpisodeStore::open(&job.data)?;
    let (have, wanted) = (store.meta().frame_px, job.config.world_model.image_size);
    if have != wanted {
        return Err(JobError::FrameSize {
            data: job.data.clone(),
            have,
            wanted,
            preset: job.config.name.clone(),
        });
    }
    Ok(Arc::new(store))
}

/// Of the latent space of a model, as it computes in planning.
pub(super) fn statistics(
    job: &Job,
    model: &WorldModel,
    store: &EpisodeStore,
    device: &Device,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<LatentStats, JobError> {
    let mut progress = |done, total| {
        observe(&JobProgress::Preparing {
            what: "Latent statistics",
            done,
            total,
        });
    };
    let model = computing_in(model, job.config.precision);
    Ok(fit_stats(&model, store, device, &mut progress)?)
}

/// A sentence for the card.
pub(super) fn origin(store: &EpisodeStore) -> String {
    let meta = store.meta();
    let (episodes, steps, scene, seed) = (meta.episodes, meta.steps, &meta.scene, meta.seed);
    format!("Data: {episodes} episodes of {steps} actions in scene {scene}, seed {seed}.")
}

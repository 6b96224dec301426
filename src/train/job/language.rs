//! Stages `vlm` and 2: the language side.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::{Job, JobDone, JobError, JobProgress, StageKind, outcome, run_steps, settings, world};
use crate::config::{Precision, TrainConfig};
use crate::data::{ClipSampler, EpisodeStore, GoalScenes, Instructions};
use crate::sim::Scene;
use crate::sim::tasks::{TaskBook, TaskSampler};
use crate::system::{SystemError, load_vlm_base, load_world_model};
use crate::train::{Stage, Stage2, StageVlm, TrainError};
use crate::vlm::{Vlm, VlmModel, VlmTokenizer};
use crate::weights::Checkpoint;

/// Instruction tuning of the vision-language model.
pub(super) fn stage_vlm(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    let (vlm, px) = (&job.config.train.vlm, job.config.frame_px());
    let trained = vlm.continued.then(|| language_model(job, device)).transpose()?;
    let _lock = settings::keep(job)?;
    let sampler = TaskSampler {
        composed: vlm.composed_share,
        ..sampler(job)?
    };
    let instructions = Instructions {
        restated: vlm.restated,
        ..Instructions::new(sampler, px, job.config.vlm.grid(), vlm.requery_share)
    };
    observe(&JobProgress::Preparing {
        what: "Making the tokenizer",
        done: 0,
        total: 1,
    });
    let mut stage = StageVlm::new(job.config.clone(), trained, instructions, device)?;
    let steps = stage.steps();
    let done = run_steps(job, &mut stage, cancel, observe)?;
    let mut written = None;
    if let Some(out) = job.out.as_ref().filter(|_| done == steps) {
        let base = open_from(job)?;
        let mut draft = outcome::draft(job, out, base.as_ref())?;
        draft.put_vlm(&stage.model(), stage.tokenizer())?;
        // Each time that a language model is gone on with has a line of its own on the card.
        let before = base.as_ref().filter(|_| vlm.continued).map(|base| &base.hash[..8]);
        draft.note(format!(
            "Stage vlm{}: {} steps on facts of {} frames, then {} steps of {} examples. Scene {}, seed {}.",
            before.map_or(String::new(), |hash| format!(", on from the language model of {hash}")),
            vlm.facts_steps,
            vlm.facts_batch * vlm.accumulation,
            vlm.steps,
            vlm.batch * vlm.accumulation,
            job.scene,
            job.config.train.seed
        ));
        draft.write(out)?;
        written = Some(out.clone());
    }
    Ok(JobDone { steps, done, written })
}

/// The one to go on from, without adapters.
fn language_model(job: &Job, device: &Device) -> Result<(VlmModel, Arc<VlmTokenizer>), JobError> {
    let needs = || JobError::NeedsFrom {
        stage: StageKind::Vlm,
        what: "a checkpoint with a language model, as train.vlm.continued is set",
    };
    let base = open_from(job)?.ok_or_else(needs)?;
    if let Some((field, have, asked)) = settings::other_language_model(&base.config, &job.config) {
        return Err(JobError::OtherShape {
            from: base.folder,
            field,
            have,
            asked,
        });
    }
    load_vlm_base(&base, Precision::F32, device)?.ok_or_else(needs)
}

/// The goal projection interface, with adapters on the language model; in joint mode the world model goes on learning.
pub(super) fn stage_2(
    job: &Job,
    device: &Device,
    cancel: &AtomicBool,
    observe: &mut dyn FnMut(&JobProgress<'_>),
) -> Result<JobDone, JobError> {
    let needs = |what| JobError::NeedsFrom {
        stage: StageKind::Two,
        what,
    };
    let base = open_from(job)?.ok_or_else(|| needs("a checkpoint with a world model and a language model"))?;
    let rate = job.config.train.stage2.joint_rate;
    let episodes = if rate > 0.0 {
        let store = world::open_store(job).map_err(|err| {
            let err = Box::new(err);
            JobError::JointNeedsData { rate, err }
        })?;
        Some(store)
    } else {
        None
    };
    let _lock = settings::keep(job)?;
    let (world_model, stats, _) = load_world_model(&base, Precision::F32, device)?;
    let stats = stats.ok_or_else(|| needs("a checkpoint with latent statistics"))?;
    // Adapters of an earlier stage 2 are left out: this one makes its own, on the base as it was trained.
    let (language, tokenizer) =
        load_vlm_base(&base, Precision::F32, device)?.ok_or_else(|| needs("a checkpoint with a language model"))?;
    let vlm = Vlm::new(&language, tokenizer.clone()).map_err(SystemError::from)?;
    let source = GoalScenes {
        sampler: sampler(job)?,
        frame_px: job.config.frame_px(),
        grid: job.config.world_model.grid(),
        goals: job.config.train.stage2.sub_goals_per_scene,
    };
    let mut encoded = |done, total| {
        observe(&JobProgress::Preparing {
            what: "Encoding scenes",
            done,
            total,
        });
    };
    let clips = |store: &Arc<EpisodeStore>| ClipSampler::new(store.clone(), job.config.train.seed, 0..store.episodes());
    let mut stage = Stage2::new(
        job.config.clone(),
        (&world_model, &stats),
        vlm,
        &source,
        episodes.as_ref().map(clips),
        device,
        &mut encoded,
    )?;
    let steps = stage.steps();
    let done = run_steps(job, &mut stage, cancel, observe)?;
    let mut written = None;
    if let Some(out) = job.out.as_ref().filter(|_| done == steps) {
        let mut draft = outcome::draft(job, out, Some(&base))?;
        draft.put_gpi(&stage.gpi())?;
        if let (Some(model), Some(store)) = (stage.world_model(), &episodes) {
            let mut moved = world::statistics(job, &model, store, device, observe)?;
            // Until the next calibration.
            moved.sim_temperature = stats.sim_temperature;
            draft.put_world_model(&model)?;
            draft.put_stats(&moved);
            draft.note(format!(
                "Joint mode: the world model was trained too, at {rate} times its rates of stage 1. {}",
                world::origin(store)
            ));
        } else if !draft.has_encoders_of(&world_model)? {
            return Err(JobError::OtherEncoder { out: out.clone() });
        }
        draft.put_vlm(&stage.adapted(), &tokenizer)?;
        let settings = &job.config.train.stage2;
        draft.note(format!(
            "Stage 2: {} steps of {} scenes with {} sub-goals, the last {} with adapters on the language model. \
             {} scenes of {}, seed {}.",
            settings.steps,
            settings.scenes * settings.accumulation,
            settings.sub_goals_per_scene,
            settings.lora_steps,
            settings.scenes_total,
            job.scene,
            job.config.train.seed
        ));
        draft.write(out)?;
        written = Some(out.clone());
    }
    Ok(JobDone { steps, done, written })
}

pub(super) fn open_from(job: &Job) -> Result<Option<Checkpoint>, JobError> {
    Ok(job.from.as_deref().map(Checkpoint::open).transpose()?)
}

/// Tasks on the table of the job's scene: of the book that it names, or that the settings do.
pub(super) fn sampler(job: &Job) -> Result<TaskSampler, JobError> {
    let scene = Scene::load(&job.scene)?;
    let tasks = match job.config.train.tasks.as_str() {
        TrainConfig::TASKS_OF_SCENE => &scene.tasks,
        named => named,
    };
    let book = TaskBook::named(tasks).map_err(|err| TrainError::Data(err.to_string()))?;
    Ok(TaskSampler::on(book, &scene, job.config.train.seed)?)
}

//! Stage 1: world model pre-training (Algorithm 1).

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;

use super::gradients::{Batch, gradients};
use super::run::{Metrics, Stage, TrainError};
use super::samples::{SampleContent, look, masks, read_pictures};
use super::schedule::{ema_momentum, learning_rate};
use super::world_loss::{Terms, WorldLoss};
use super::world_trainer::{WorldRates, WorldTrainer, in_training};
use crate::config::Config;
use crate::data::ClipSampler;
use crate::nn::computing_in;
use crate::world_model::WorldModel;

pub struct Stage1 {
    config: Config,
    device: Device,
    clips: ClipSampler,
    trainer: WorldTrainer,
}

impl Stage1 {
    /// On `device`, which need not be an autodiff device: a fresh model, or one that was trained before.
    pub fn new(config: Config, trained: Option<&WorldModel>, clips: ClipSampler, device: &Device) -> Self {
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let mut model = trained.map_or_else(|| WorldModel::new(&config.world_model, &device), in_training);
        model.heads = model.heads.completed(&config.world_model, &device);
        Self {
            trainer: WorldTrainer::new(&config, model),
            config,
            device,
            clips,
        }
    }

    /// The model as it is now, outside of any gradient's graph.
    pub fn model(&self) -> WorldModel {
        self.trainer.model().valid()
    }

    /// Batch `index` of the run.
    fn batch(&self, index: usize) -> Result<Batch, TrainError> {
        let stage = &self.config.train.stage1;
        let began = Instant::now();
        let (length, events) = (self.config.world_model.clip_len, stage.event_share as f32);
        let clips = self.clips.sample(index as u64, stage.batch, length, events)?;
        let loader_secs = began.elapsed().as_secs_f64();
        let model = computing_in(self.trainer.model(), self.config.precision);
        let loss = WorldLoss {
            config: &self.config,
            model: &model,
            device: &self.device,
        };
        let Terms { loss, named } = loss.terms(&clips, index)?;
        Ok(Batch {
            loss,
            loader_secs,
            named,
        })
    }
}

impl Stage for Stage1 {
    fn steps(&self) -> usize {
        self.config.train.stage1.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage1;
        let parts = stage.accumulation;
        let (gradients, mut metrics) = gradients(&self.trainer.online(), parts, self.config.train.clip_norm, |part| {
            self.batch(step * parts + part)
        })?;
        let rate = |peak: f64| learning_rate(step, stage.steps, stage.lr.warmup_steps, peak, stage.lr.floor);
        let rates = WorldRates {
            encoder: rate(stage.lr.encoder),
            predictor: rate(stage.lr.predictor),
            tau: ema_momentum(step, stage.steps, stage.ema),
        };
        self.trainer.step(gradients, &rates);
        metrics.extend([
            ("learning_rate", rates.predictor),
            ("learning_rate_encoder", rates.encoder),
            ("ema_tau", rates.tau),
        ]);
        Ok(metrics)
    }

    /// Spectra and read-out of what planning sees, the target encoder's latents; and the masks of the step before.
    fn sample(&self, steps: usize, _plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
        let plain = self.device.clone().inner();
        let model = computing_in(&self.model(), self.config.precision);
        let seen = look(
            &model.target_encoder,
            self.clips.store(),
            self.config.train.seed,
            &plain,
        )?;
        let parts = self.config.train.stage1.accumulation;
        let masks = masks(&self.config, &self.clips, steps.saturating_sub(1) * parts)?;
        let side = self.config.world_model.picture;
        Ok(SampleContent {
            masks: Some(masks),
            pictures: read_pictures(&model, side, self.clips.store(), &plain)?,
            ..seen
        })
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.trainer.save(folder)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.trainer.load(&self.config, folder)
    }
}

//! Stage 1: world model pre-training (Algorithm 1).

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;

use super::optimizer::clip_factor;
use super::run::{Metrics, Stage, TrainError};
use super::schedule::{ema_momentum, learning_rate};
use super::world_loss::WorldLoss;
use super::world_trainer::{WorldGradients, WorldRates, WorldTrainer};
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
    /// A fresh model on `device`, which need not be an autodiff device.
    pub fn new(config: Config, clips: ClipSampler, device: &Device) -> Self {
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let model = WorldModel::new(&config.world_model, &device);
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
}

impl Stage for Stage1 {
    fn steps(&self) -> usize {
        self.config.train.stage1.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage1;
        let parts = stage.accumulation.max(1);
        let mut loader_secs = 0.0;
        let mut loss_sum = 0.0;
        let mut named: Vec<(&'static str, f64)> = Vec::new();
        let mut gradients: Option<WorldGradients> = None;
        for part in 0..parts {
            let began = Instant::now();
            let batch = self.clips.sample(
                (step * parts + part) as u64,
                stage.batch,
                self.config.world_model.clip_len,
                stage.event_share as f32,
            )?;
            loader_secs += began.elapsed().as_secs_f64();
            let model = computing_in(self.trainer.model(), self.config.precision);
            let loss = WorldLoss {
                config: &self.config,
                model: &model,
                device: &self.device,
            };
            let terms = loss.terms(&batch, step * parts + part)?;
            loss_sum += terms.loss.clone().detach().into_scalar::<f64>();
            for (name, value) in terms.named {
                let value = value.detach().into_scalar::<f64>() / parts as f64;
                match named.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, sum)) => *sum += value,
                    None => named.push((name, value)),
                }
            }
            let part = self.trainer.take(&mut (terms.loss / parts as f64).backward());
            gradients = Some(match gradients {
                None => part,
                Some(sum) => self.trainer.add(sum, part),
            });
        }
        let Some(gradients) = gradients else {
            return Err(TrainError::Data(
                "train.stage1.accumulation is 0, expected at least 1".into(),
            ));
        };
        let norm = self.trainer.squared_norm(&gradients);
        let rate = |peak: f64| learning_rate(step, stage.steps, stage.lr.warmup_steps, peak, stage.lr.floor);
        let rates = WorldRates {
            encoder: rate(stage.lr.encoder),
            predictor: rate(stage.lr.predictor),
            tau: ema_momentum(step, stage.steps, stage.ema),
        };
        let factor = clip_factor(norm, self.config.train.clip_norm);
        self.trainer.step(gradients, factor, &rates);
        let mut metrics = vec![
            ("loss", loss_sum / parts as f64),
            ("learning_rate", rates.predictor),
            ("gradient_norm", norm.sqrt()),
            ("loader_secs", loader_secs),
        ];
        metrics.extend(named);
        Ok(metrics)
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.trainer.save(folder)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.trainer.load(&self.config, folder)
    }
}

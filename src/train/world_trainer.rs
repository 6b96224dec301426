//! A world model in training: encoder, predictor and heads, each with an optimiser of its own, and the target encoder that
//! follows (method, 4.2 and Algorithm 1, lines 16 to 18).

use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;

use super::gradients::Trained;
use super::optimizer::adamw;
use super::run::TrainError;
use crate::config::Config;
use crate::world_model::{Encoder, Heads, Predictor, WorldModel, ema_update};

/// The encoder, the predictor and the heads.
pub(super) type Online<'a> = ((&'a Encoder, &'a Predictor), &'a Heads);

/// Rates of one step.
pub(super) struct WorldRates {
    pub encoder: f64,
    /// Of the heads too.
    pub predictor: f64,
    /// Momentum of the target encoder.
    pub tau: f64,
}

pub(super) struct WorldTrainer {
    model: WorldModel,
    /// Of the encoder, the predictor and the heads.
    optimizers: [ModuleOptimizer; 3],
}

impl WorldTrainer {
    /// `model` lies on an autodiff device.
    pub fn new(config: &Config, model: WorldModel) -> Self {
        Self {
            optimizers: optimizers(config, &model),
            model,
        }
    }

    pub fn model(&self) -> &WorldModel {
        &self.model
    }

    /// What has gradients.
    pub fn online(&self) -> Online<'_> {
        ((&self.model.encoder, &self.model.predictor), &self.model.heads)
    }

    /// Does a step; the target encoder follows.
    pub fn step(&mut self, gradients: <Online<'_> as Trained>::Gradients, rates: &WorldRates) {
        let ((encoder, predictor), heads) = gradients;
        let [of_encoder, of_predictor, of_heads] = &mut self.optimizers;
        let WorldModel {
            encoder: online,
            target_encoder,
            predictor: predicts,
            heads: reads,
        } = self.model.clone();
        let online = of_encoder.step(rates.encoder, online, encoder);
        self.model = WorldModel {
            target_encoder: ema_update(target_encoder, &online, rates.tau),
            encoder: online,
            predictor: of_predictor.step(rates.predictor, predicts, predictor),
            heads: of_heads.step(rates.predictor, reads, heads),
        };
    }

    /// # Errors
    /// A file could not be written.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.model.clone().save_file(folder.join("model.bpk")).map_err(wrong)?;
        for (name, optimizer) in OPTIMIZER_FILES.iter().zip(&self.optimizers) {
            optimizer.save(folder.join(name)).map_err(wrong)?;
        }
        Ok(())
    }

    /// # Errors
    /// A file could not be read.
    pub fn load(&mut self, config: &Config, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.model = self
            .model
            .clone()
            .try_load_file(folder.join("model.bpk"))
            .map_err(wrong)?;
        // The parameters' identities come from the file; the optimisers' groups are made of them.
        let [encoder, predictor, heads] = optimizers(config, &self.model);
        self.optimizers = [
            encoder.load(folder.join(OPTIMIZER_FILES[0])).map_err(wrong)?,
            predictor.load(folder.join(OPTIMIZER_FILES[1])).map_err(wrong)?,
            heads.load(folder.join(OPTIMIZER_FILES[2])).map_err(wrong)?,
        ];
        Ok(())
    }
}

/// The model with its online networks on an autodiff device, as training wants them; the target encoder stays outside.
pub(super) fn in_training(model: &WorldModel) -> WorldModel {
    let WorldModel {
        encoder,
        target_encoder,
        predictor,
        heads,
    } = model.clone();
    WorldModel {
        encoder: encoder.train(),
        target_encoder,
        predictor: predictor.train(),
        heads: heads.train(),
    }
}

const OPTIMIZER_FILES: [&str; 3] = [
    "optimizer-encoder.bpk",
    "optimizer-predictor.bpk",
    "optimizer-heads.bpk",
];

fn optimizers(config: &Config, model: &WorldModel) -> [ModuleOptimizer; 3] {
    let (betas, decay) = (config.train.betas, config.train.stage1.weight_decay);
    [
        adamw(&model.encoder, betas, decay),
        adamw(&model.predictor, betas, decay),
        adamw(&model.heads, betas, decay),
    ]
}

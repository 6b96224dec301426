//! Stage 1: world model pre-training (Algorithm 1) with block masks, causal steps, or a mix of both.

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, RngExt};

use super::optimizer::{adamw, clip_factor, scale, squared_norm};
use super::run::{Metrics, Stage, TrainError};
use super::schedule::{ema_momentum, learning_rate};
use crate::config::Config;
use crate::data::{ClipBatch, ClipSampler};
use crate::random::{Stream, rng};
use crate::world_model::losses::{
    inverse_dynamics, prediction_loss, proprioception, scale_targets, sigreg, slowness, variance_hinge,
};
use crate::world_model::masking::{block_mask, stack};
use crate::world_model::{TokenSet, WorldModel, ema_update, pixels};

pub struct Stage1 {
    config: Config,
    device: Device,
    clips: ClipSampler,
    model: WorldModel,
    /// Of the encoder, the predictor and the heads.
    optimizers: [ModuleOptimizer; 3],
}

/// A loss with the numbers that explain it.
struct Terms {
    loss: Tensor<1>,
    named: Vec<(&'static str, Tensor<1>)>,
}

impl Stage1 {
    /// A fresh model on `device`, which need not be an autodiff device.
    pub fn new(config: Config, clips: ClipSampler, device: &Device) -> Self {
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let model = WorldModel::new(&config.world_model, &device);
        let optimizers = optimizers(&config, &model);
        Self {
            config,
            device,
            clips,
            model,
            optimizers,
        }
    }

    /// The model as it is now, outside of any gradient's graph.
    pub fn model(&self) -> WorldModel {
        self.model.valid()
    }

    fn terms(&self, batch: &ClipBatch, step: usize) -> Result<Terms, TrainError> {
        let mut dice = rng(self.config.train.seed, Stream::Masks, step as u64, 0);
        if dice.random::<f64>() < self.config.train.stage1.mask.causal_share {
            Ok(self.causal_terms(batch, step, &mut dice))
        } else {
            self.masked_terms(batch, step, &mut dice)
        }
    }

    /// Frame t and its action to frame t + 1, as it is met in planning, with the terms on whole frames.
    fn causal_terms(&self, batch: &ClipBatch, step: usize, dice: &mut impl Rng) -> Terms {
        let [b, t] = [batch.batch, batch.clip_len];
        let losses = &self.config.train.stage1.losses;
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let size = self.config.world_model.image_size;
        let plain = self.device.clone().inner();
        let at = dice.random_range(0..t - 1);
        let frames: Tensor<5> = pixels(&batch.frames, [b, t, 3, size, size], &plain);
        let pick = |i: usize| frames.clone().slice([0..b, i..i + 1]).reshape([b, 3, size, size]);
        let seen = Tensor::cat(vec![pick(at), pick(at + 1)], 0).autodiff();
        let tokens = self.model.encoder.forward(seen);
        let (before, after) = (tokens.clone().slice([0..b]), tokens.clone().slice([b..2 * b]));
        let target = self.model.target_encoder.forward(pick(at + 1)).autodiff();
        let action = rows(&batch.actions, [b, t - 1, 3], at, &self.device);
        let proprio = |i: usize| rows(&batch.proprio, [b, t, 4], i, &self.device);

        let predicted = self.model.predictor.step(before.clone(), action.clone(), None);
        let scaled = scale_targets(target.clone(), losses.target_scale);
        let l_pred = prediction_loss(losses.prediction, predicted.clone(), scaled);
        let pool = |x: Tensor<3>| x.mean_dim(1).reshape([b, d]);
        let (p_before, p_after) = (pool(before.clone()), pool(after));
        let l_pooled = (pool(predicted.clone()) - pool(target.clone())).square().mean();
        let pooled = Tensor::cat(vec![p_before.clone(), p_after.clone()], 0);
        let regularise = |rows| sigreg(losses.sigreg, rows, (self.config.train.seed, step as u64));
        let mut l_reg = if losses.sigreg_pooled {
            // Tokens centred per position: a constant that depends on the position carries no content.
            let centred = tokens.clone() - tokens.clone().mean_dim(0);
            regularise(centre(pooled.clone())) + regularise(centred.reshape([2 * b * n, d]))
        } else {
            regularise(centre(tokens.clone().reshape([2 * b * n, d])))
        };
        let scaled = |p: Tensor<2>| p * losses.pooled_scale;
        l_reg = l_reg + variance_hinge(scaled(pooled.clone())) * losses.lambda_var;
        let l_slow = slowness(scaled(p_before.clone()), scaled(p_after.clone()));
        let l_idm = inverse_dynamics(self.model.heads.inverse_dynamics(p_before, p_after), action);
        let truth = Tensor::cat(vec![proprio(at), proprio(at + 1)], 0);
        let l_prop = proprioception(self.model.heads.proprioception(pooled.clone()), truth);

        let error = (predicted.detach() - target.clone()).square().mean();
        // The online encoder stands in for the target's view of the present: the target follows it closely.
        let persistence = (before.detach() - target).square().mean();
        let deviation = centre(pooled.detach()).square().mean().sqrt();
        Terms {
            loss: l_pred.clone()
                + l_pooled.clone() * losses.lambda_pooled
                + l_reg.clone() * losses.lambda_reg
                + l_slow.clone() * losses.lambda_slow
                + l_idm.clone() * losses.lambda_idm
                + l_prop.clone() * losses.lambda_prop,
            named: vec![
                ("prediction", l_pred),
                ("pooled", l_pooled),
                ("sigreg", l_reg),
                ("slowness", l_slow),
                ("inverse_dynamics", l_idm),
                ("proprioception", l_prop),
                ("error_over_persistence", error / persistence),
                ("pooled_deviation", deviation),
            ],
        }
    }

    /// Block masks over the whole clip (method, 4.6).
    fn masked_terms(&self, batch: &ClipBatch, step: usize, dice: &mut impl Rng) -> Result<Terms, TrainError> {
        let [b, t] = [batch.batch, batch.clip_len];
        let stage = &self.config.train.stage1;
        let model = &self.config.world_model;
        let (n, d, size) = (model.tokens(), model.dim, model.image_size);
        let plain = self.device.clone().inner();
        let masks = (0..b)
            .map(|_| block_mask(&stage.mask, model.grid(), t, dice))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|err| TrainError::Data(err.to_string()))?;
        let acceptance = b as f64 / masks.iter().map(|mask| mask.draws).sum::<usize>() as f64;
        let (visible, target_at) = stack(&masks, dice);
        let frames: Tensor<5> = pixels(&batch.frames, [b, t, 3, size, size], &plain);
        let targets = self
            .model
            .target_encoder
            .forward(frames.clone().reshape([b * t, 3, size, size]));
        let targets = targets.reshape([b, t * n, d]).autodiff();
        let index = |rows: &[Vec<usize>]| indices(rows, &self.device);
        let (visible_index, target_index) = (index(&visible), index(&target_at));
        let context = self
            .model
            .encoder
            .forward_visible(frames.autodiff(), visible_index.clone());
        let base = model
            .predictor
            .residual
            .then(|| last_context(&context, &visible, &target_at, n));
        let actions = Tensor::from_data(TensorData::new(batch.actions.clone(), [b, t - 1, 3]), &self.device);
        let predicted = self.model.predictor.predict(
            context.clone(),
            &TokenSet { index: visible_index },
            &TokenSet {
                index: target_index.clone(),
            },
            Some(actions),
            base,
        );
        let wanted = targets.gather(1, target_index.unsqueeze_dim::<3>(2).repeat_dim(2, d));
        let wanted = scale_targets(wanted, stage.losses.target_scale);
        let l_pred = prediction_loss(stage.losses.prediction, predicted, wanted);
        let [_, kept, _] = context.dims();
        let key = (self.config.train.seed, step as u64);
        let l_reg = sigreg(stage.losses.sigreg, centre(context.reshape([b * kept, d])), key);
        let acceptance = Tensor::from_floats([acceptance as f32], &plain).autodiff();
        Ok(Terms {
            loss: l_pred.clone() + l_reg.clone() * stage.losses.lambda_reg,
            named: vec![
                ("masked_prediction", l_pred),
                ("masked_sigreg", l_reg),
                ("mask_acceptance", acceptance),
            ],
        })
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
        let mut gradients: Option<[GradientsParams; 3]> = None;
        for part in 0..parts {
            let began = Instant::now();
            let batch = self.clips.sample(
                (step * parts + part) as u64,
                stage.batch,
                self.config.world_model.clip_len,
                stage.event_share as f32,
            )?;
            loader_secs += began.elapsed().as_secs_f64();
            let terms = self.terms(&batch, step * parts + part)?;
            loss_sum += terms.loss.clone().detach().into_scalar::<f64>();
            for (name, value) in terms.named {
                let value = value.detach().into_scalar::<f64>() / parts as f64;
                match named.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, sum)) => *sum += value,
                    None => named.push((name, value)),
                }
            }
            let mut all = (terms.loss / parts as f64).backward();
            let part = [
                GradientsParams::from_module(&mut all, &self.model.encoder),
                GradientsParams::from_module(&mut all, &self.model.predictor),
                GradientsParams::from_module(&mut all, &self.model.heads),
            ];
            gradients = Some(match gradients {
                None => part,
                Some(sum) => add(&self.model, sum, part),
            });
        }
        let Some([mut encoder, mut predictor, mut heads]) = gradients else {
            return Err(TrainError::Data(
                "train.stage1.accumulation is 0, expected at least 1".into(),
            ));
        };
        let norm = squared_norm(&self.model.encoder, &encoder)
            + squared_norm(&self.model.predictor, &predictor)
            + squared_norm(&self.model.heads, &heads);
        let factor = clip_factor(norm, self.config.train.clip_norm);
        if factor < 1.0 {
            scale(&self.model.encoder, &mut encoder, factor);
            scale(&self.model.predictor, &mut predictor, factor);
            scale(&self.model.heads, &mut heads, factor);
        }
        let rate = |peak: f64| learning_rate(step, stage.steps, stage.lr.warmup_steps, peak, stage.lr.floor);
        let (fast, slow) = (rate(stage.lr.predictor), rate(stage.lr.encoder));
        let tau = ema_momentum(step, stage.steps, stage.ema);
        let [of_encoder, of_predictor, of_heads] = &mut self.optimizers;
        let WorldModel {
            encoder: online,
            target_encoder,
            predictor: predicts,
            heads: reads,
        } = self.model.clone();
        let online = of_encoder.step(slow, online, encoder);
        self.model = WorldModel {
            target_encoder: ema_update(target_encoder, &online, tau),
            encoder: online,
            predictor: of_predictor.step(fast, predicts, predictor),
            heads: of_heads.step(fast, reads, heads),
        };
        let mut metrics = vec![
            ("loss", loss_sum / parts as f64),
            ("learning_rate", fast),
            ("gradient_norm", norm.sqrt()),
            ("loader_secs", loader_secs),
        ];
        metrics.extend(named);
        Ok(metrics)
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.model.clone().save_file(folder.join("model.bpk")).map_err(wrong)?;
        for (name, optimizer) in OPTIMIZER_FILES.iter().zip(&self.optimizers) {
            optimizer.save(folder.join(name)).map_err(wrong)?;
        }
        Ok(())
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.model = self
            .model
            .clone()
            .try_load_file(folder.join("model.bpk"))
            .map_err(wrong)?;
        // The parameters' identities come from the file; the optimisers' groups are made of them.
        let [encoder, predictor, heads] = optimizers(&self.config, &self.model);
        self.optimizers = [
            encoder.load(folder.join(OPTIMIZER_FILES[0])).map_err(wrong)?,
            predictor.load(folder.join(OPTIMIZER_FILES[1])).map_err(wrong)?,
            heads.load(folder.join(OPTIMIZER_FILES[2])).map_err(wrong)?,
        ];
        Ok(())
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

fn centre(rows: Tensor<2>) -> Tensor<2> {
    rows.clone() - rows.mean_dim(0)
}

/// Entry `at` of the second axis of `[B, S, K]` values as `[B, K]`.
fn rows(values: &[f32], [b, s, k]: [usize; 3], at: usize, device: &Device) -> Tensor<2> {
    let picked: Vec<f32> = (0..b)
        .flat_map(|i| values[(i * s + at) * k..(i * s + at + 1) * k].iter().copied())
        .collect();
    Tensor::from_data(TensorData::new(picked, [b, k]), device)
}

fn indices(rows: &[Vec<usize>], device: &Device) -> Tensor<2, Int> {
    let width = rows.first().map_or(0, Vec::len);
    let flat: Vec<i64> = rows.iter().flatten().map(|&i| i as i64).collect();
    Tensor::from_data(TensorData::new(flat, [rows.len(), width]), device)
}

/// For every target the last visible token of the same patch, zero where there is none: `[B, M, D]`.
fn last_context(context: &Tensor<3>, visible: &[Vec<usize>], target: &[Vec<usize>], tokens: usize) -> Tensor<3> {
    let [b, kept, d] = context.dims();
    let device = context.device();
    // Index `kept` points at a row of zeros that is appended to the context.
    let sources: Vec<Vec<usize>> = visible
        .iter()
        .zip(target)
        .map(|(visible, target)| {
            let last = |patch: usize| visible.iter().rposition(|&i| i % tokens == patch).unwrap_or(kept);
            target.iter().map(|&i| last(i % tokens)).collect()
        })
        .collect();
    let padded = Tensor::cat(vec![context.clone(), Tensor::zeros([b, 1, d], &device)], 1);
    padded.gather(1, indices(&sources, &device).unsqueeze_dim::<3>(2).repeat_dim(2, d))
}

/// Adds the gradients of two batches.
fn add(model: &WorldModel, sum: [GradientsParams; 3], part: [GradientsParams; 3]) -> [GradientsParams; 3] {
    let [encoder, predictor, heads] = sum;
    let [encoder_2, predictor_2, heads_2] = part;
    [
        super::optimizer::add(&model.encoder, encoder, encoder_2),
        super::optimizer::add(&model.predictor, predictor, predictor_2),
        super::optimizer::add(&model.heads, heads, heads_2),
    ]
}

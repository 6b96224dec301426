//! The loss of world model pre-training (Algorithm 1 and method, 4.7): block masks, causal steps, or a mix of both. Stage 1
//! minimises it alone, stage 2 in its joint mode beside the loss of the goal projection interface.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;

use super::run::{Metrics, TrainError};
use crate::config::Config;
use crate::data::ClipBatch;
use crate::nn::wide;
use crate::random::{Stream, rng};
use crate::world_model::losses::{
    inverse_dynamics, pooled_error, prediction_loss, proprioception, scale_targets, sigreg, slowness, variance_hinge,
};
use crate::world_model::masking::{block_mask, stack};
use crate::world_model::{TokenSet, WorldModel, picture_loss, pictures, pixels};

/// A loss with the numbers that explain it.
pub(super) struct Terms {
    pub loss: Tensor<1>,
    pub named: Metrics,
}

/// What the loss is made of. The networks compute in their own number format, all terms are in single precision.
pub(super) struct WorldLoss<'a> {
    pub config: &'a Config,
    pub model: &'a WorldModel,
    /// An autodiff device, the model's.
    pub device: &'a Device,
}

impl WorldLoss<'_> {
    /// The terms of one batch; masks and moments are drawn from the run's seed and `step`.
    ///
    /// # Errors
    /// The configuration's masks never fit.
    pub fn terms(&self, batch: &ClipBatch, step: usize) -> Result<Terms, TrainError> {
        match shown(self.config, [batch.batch, batch.clip_len], step)? {
            Shown::Causal { at } => Ok(self.causal_terms(batch, step, at)),
            Shown::Blocks(blocks) => Ok(self.masked_terms(batch, step, &blocks)),
        }
    }

    /// Frame t and its action to frame t + 1, as it is met in planning, with the terms on whole frames.
    fn causal_terms(&self, batch: &ClipBatch, step: usize, at: usize) -> Terms {
        let [b, t] = [batch.batch, batch.clip_len];
        let losses = &self.config.train.stage1.losses;
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let size = self.config.world_model.image_size;
        let plain = self.device.clone().inner();
        let frames: Tensor<5> = pixels(&batch.frames, [b, t, 3, size, size], &plain);
        let pick = |i: usize| frames.clone().slice([0..b, i..i + 1]).reshape([b, 3, size, size]);
        let seen = Tensor::cat(vec![pick(at), pick(at + 1)], 0).autodiff();
        let tokens = wide(self.model.encoder.forward(seen));
        let (before, after) = (tokens.clone().slice([0..b]), tokens.clone().slice([b..2 * b]));
        let target = wide(self.model.target_encoder.forward(pick(at + 1))).autodiff();
        let action = rows(&batch.actions, [b, t - 1, 3], at, self.device);
        let proprio = |i: usize| rows(&batch.proprio, [b, t, 4], i, self.device);

        let predicted = wide(self.model.predictor.step(before.clone(), action.clone(), None));
        let scaled = scale_targets(target.clone(), losses.target_scale);
        let l_pred = prediction_loss(losses.prediction, predicted.clone(), scaled);
        let pool = |x: Tensor<3>| x.mean_dim(1).reshape([b, d]);
        let (p_before, p_after) = (pool(before.clone()), pool(after));
        let p_predicted = pool(predicted.clone());
        let l_pooled = pooled_error(p_predicted.clone(), pool(target.clone()));
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
        let l_picture = self.picture_term(Tensor::cat(vec![pooled.clone(), p_predicted], 0), |side| {
            let [before, after] = [at, at + 1].map(|i| pictures(pick(i), side));
            Tensor::cat(vec![before, after.clone(), after], 0)
        });

        let error = (predicted.detach() - target.clone()).square().mean();
        // The online encoder stands in for the target's view of the present: the target follows it closely.
        let persistence = (before.detach() - target).square().mean();
        let deviation = centre(pooled.detach()).square().mean().sqrt();
        let mut loss = l_pred.clone()
            + l_pooled.clone() * losses.lambda_pooled
            + l_reg.clone() * losses.lambda_reg
            + l_slow.clone() * losses.lambda_slow
            + l_idm.clone() * losses.lambda_idm
            + l_prop.clone() * losses.lambda_prop;
        let mut named = vec![
            ("prediction", number(l_pred)),
            ("pooled", number(l_pooled)),
            ("sigreg", number(l_reg)),
            ("slowness", number(l_slow)),
            ("inverse_dynamics", number(l_idm)),
            ("proprioception", number(l_prop)),
            ("error_over_persistence", number(error / persistence)),
            ("pooled_deviation", number(deviation)),
        ];
        if let Some((l_picture, weight)) = l_picture {
            named.push(("picture", number(l_picture.clone())));
            loss = loss + l_picture * weight;
        }
        Terms { loss, named }
    }

    /// The error of the pictures read out of pooled latents `[M, D]` against the true ones of that side, with its weight; none
    /// where the model has no such head. Where it is to teach the latent nothing, the head alone learns.
    fn picture_term(&self, pooled: Tensor<2>, truth: impl FnOnce(usize) -> Tensor<2>) -> Option<(Tensor<1>, f64)> {
        let weight = self.config.train.stage1.losses.lambda_picture;
        let (pooled, weight) = if weight > 0.0 {
            (pooled, weight)
        } else {
            (pooled.detach(), 1.0)
        };
        let read = self.model.heads.read_picture(pooled)?;
        let truth = truth(self.config.world_model.picture).autodiff();
        Some((picture_loss(read, truth), weight))
    }

    /// Block masks over the whole clip (method, 4.6). Terms on whole frames have no place here: the online encoder sees
    /// part of each.
    fn masked_terms(&self, batch: &ClipBatch, step: usize, blocks: &Blocks) -> Terms {
        let [b, t] = [batch.batch, batch.clip_len];
        let stage = &self.config.train.stage1;
        let model = &self.config.world_model;
        let (n, d, size) = (model.tokens(), model.dim, model.image_size);
        let plain = self.device.clone().inner();
        let Blocks {
            visible,
            target: target_at,
            acceptance,
        } = blocks;
        let frames: Tensor<5> = pixels(&batch.frames, [b, t, 3, size, size], &plain);
        let targets = wide(self.model.target_encoder.forward_clips(frames.clone())).autodiff();
        let index = |rows: &[Vec<usize>]| indices(rows, self.device);
        let (visible_index, target_index) = (index(visible), index(target_at));
        let context = wide(
            self.model
                .encoder
                .forward_visible(frames.autodiff(), visible_index.clone()),
        );
        let base = model
            .predictor
            .residual
            .then(|| last_context(&context, visible, target_at, n));
        let actions = Tensor::from_data(TensorData::new(batch.actions.clone(), [b, t - 1, 3]), self.device);
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
        let l_pred = prediction_loss(stage.losses.prediction, wide(predicted), wanted);
        let [_, kept, _] = context.dims();
        let key = (self.config.train.seed, step as u64);
        let l_reg = sigreg(stage.losses.sigreg, centre(context.reshape([b * kept, d])), key);
        Terms {
            loss: l_pred.clone() + l_reg.clone() * stage.losses.lambda_reg,
            named: vec![
                ("masked_prediction", number(l_pred)),
                ("masked_sigreg", number(l_reg)),
                ("mask_acceptance", *acceptance),
            ],
        }
    }
}

/// What a step shows of its clips.
pub(super) enum Shown {
    /// Frame `at`; the one after it is the target.
    Causal {
        at: usize,
    },
    Blocks(Blocks),
}

/// Tokens of each clip, `t * N + n`.
pub(super) struct Blocks {
    pub visible: Vec<Vec<usize>>,
    pub target: Vec<Vec<usize>>,
    /// Share of drawn masks that lay in their range.
    pub acceptance: f64,
}

/// What batch `step` of a run shows of `clips` of that length: a function of the run's seed and the step.
///
/// # Errors
/// The configuration's masks never fit.
pub(super) fn shown(config: &Config, [clips, length]: [usize; 2], step: usize) -> Result<Shown, TrainError> {
    let mask = &config.train.stage1.mask;
    let mut dice = rng(config.train.seed, Stream::Masks, step as u64, 0);
    if dice.random::<f64>() < mask.causal_share {
        let at = dice.random_range(0..length - 1);
        return Ok(Shown::Causal { at });
    }
    let masks = (0..clips)
        .map(|_| block_mask(mask, config.world_model.grid(), length, &mut dice))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|err| TrainError::Data(err.to_string()))?;
    let acceptance = clips as f64 / masks.iter().map(|mask| mask.draws).sum::<usize>() as f64;
    let (visible, target) = stack(&masks, &mut dice);
    Ok(Shown::Blocks(Blocks {
        visible,
        target,
        acceptance,
    }))
}

fn number(x: Tensor<1>) -> f64 {
    x.detach().into_scalar::<f64>()
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

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::LinearConfig;

    use super::*;
    use crate::config::{SigReg, Stem, preset};
    use crate::nn::gradcheck::check_param;

    /// A world model of a few hundred numbers that is no persistence, and six clips for it.
    fn drawn(config: &mut Config, device: &Device) -> (WorldModel, ClipBatch) {
        let shape = &mut config.world_model;
        (shape.image_size, shape.patch_size, shape.dim, shape.picture) = (16, 8, 8, 4);
        shape.encoder.stem = Stem::Patch;
        (shape.encoder.depth, shape.encoder.heads) = (1, 2);
        (shape.predictor.dim, shape.predictor.depth, shape.predictor.heads) = (8, 1, 2);
        shape.predictor.action_hidden = 6;
        device.seed(29);
        let mut model = WorldModel::new(shape, device);
        model.predictor.output = LinearConfig::new(8, 8).init(device);
        let mut dice = rng(29, Stream::Init, 0, 0);
        let (b, t, px) = (6, shape.clip_len, shape.image_size);
        let mut unit = |count: usize| -> Vec<f32> { (0..count).map(|_| dice.random_range(-1.0..1.0)).collect() };
        let batch = ClipBatch {
            batch: b,
            clip_len: t,
            frame_px: px,
            frames: unit(b * t * 3 * px * px)
                .iter()
                .map(|x| (127.5 * (x + 1.0)) as u8)
                .collect(),
            actions: unit(b * (t - 1) * 3),
            proprio: unit(b * t * 4),
            starts: vec![(0, 0); b],
        };
        (model, batch)
    }

    /// The total of all terms with their weights, through the networks: on causal steps and on steps with block masks,
    /// with either regulariser.
    #[test]
    fn gradients_of_the_whole_loss_are_right() {
        type Weight = fn(&mut WorldModel) -> &mut Param<Tensor<2>>;
        let encoder: (&str, Weight) = ("encoder", |model| &mut model.encoder.blocks[0].mlp.fc2.weight);
        let predictor: (&str, Weight) = ("predictor", |model| &mut model.predictor.output.weight);
        let heads: [(&str, Weight); 3] = [
            ("inverse dynamics", |model| &mut model.heads.idm.fc2.weight),
            ("proprioception", |model| &mut model.heads.prop.weight),
            ("picture", |model| &mut model.heads.picture.as_mut().unwrap().fc2.weight),
        ];
        let device = Device::flex().autodiff();
        for (causal_share, sigreg) in [
            (1.0, SigReg::Spectral),
            (1.0, SigReg::Sketched),
            (0.0, SigReg::Spectral),
            (0.0, SigReg::Sketched),
        ] {
            let mut config = preset("nano").unwrap();
            let (model, batch) = drawn(&mut config, &device);
            config.train.stage1.mask.causal_share = causal_share;
            config.train.stage1.losses.lambda_picture = 0.5;
            config.train.stage1.losses.sigreg = sigreg;
            config.validate("here").unwrap();
            let loss = |model: &WorldModel| {
                let loss = WorldLoss {
                    config: &config,
                    model,
                    device: &device,
                };
                loss.terms(&batch, 3).unwrap().loss
            };
            let with_heads = if causal_share > 0.0 { &heads[..] } else { &[] };
            for (name, weight) in [encoder, predictor].iter().chain(with_heads) {
                let what = format!("{name}, {sigreg:?}, causal {causal_share}");
                check_param(&what, &model, weight, loss);
            }
        }
    }

    /// Two patches, three frames; against what the rule says, one token at a time.
    #[test]
    fn a_target_starts_from_the_last_visible_token_of_its_patch() {
        let (tokens, width) = (2, 3);
        let visible = [vec![0, 2, 5], vec![1, 3, 4]];
        // A patch that is seen twice, one that is seen later alone, and one that is never seen.
        let target = [vec![4, 1, 3], vec![5, 0, 2]];
        let never = [vec![0, 2, 4], vec![1, 3, 5]];
        let entry = |clip: usize, at: usize, i: usize| (100 * clip + 10 * at + i + 1) as f32;
        let values: Vec<f32> = (0..2)
            .flat_map(|clip| (0..3).flat_map(move |at| (0..width).map(move |i| entry(clip, at, i))))
            .collect();
        let context = Tensor::<3>::from_data(TensorData::new(values, [2, 3, width]), &Device::flex());
        for visible in [&visible, &never] {
            let found: Vec<f32> = last_context(&context, visible, &target, tokens)
                .into_data()
                .iter::<f32>()
                .collect();
            let mut expected = Vec::new();
            for clip in 0..2 {
                for &wanted in &target[clip] {
                    let mut last = None;
                    for frame in 0..3 {
                        let index = frame * tokens + wanted % tokens;
                        last = visible[clip].iter().position(|&i| i == index).or(last);
                    }
                    expected.extend((0..width).map(|i| last.map_or(0.0, |at| entry(clip, at, i))));
                }
            }
            assert_eq!(found, expected);
        }
    }
}

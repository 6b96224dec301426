//! Stage 1b: the encoder is frozen, its latents are cached, and the predictor alone learns multi-step rollouts, half of
//! them through a grasp or a release (as V-JEPA 2-AC does after pre-training). Where the model has a temporal distance, it
//! learns beside the predictor from what that imagines.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use super::gradients::{Batch, gradients};
use super::optimizer::adamw;
use super::run::{Metrics, Stage, TrainError};
use super::samples::{OpenLoopError, SampleContent, open_loop, plan, read_pictures};
use super::schedule::learning_rate;
use super::temporal::Goals;
use crate::config::Config;
use crate::data::{ClipSampler, EpisodeStore, StoreError};
use crate::nn::{Mlp, computing_in, wide};
use crate::world_model::{Heads, LatentStats, Predictor, TemporalDistance, WorldModel, picture_loss, pixels};

/// Share of the peak rate that is left at the end.
const RATE_FLOOR: f64 = 0.01;
/// Of the frames, one in so many goes into statistics.
const EVERY: usize = 20;
/// Of a sample: rollouts, and how many steps ahead they go.
const ROLLOUTS: usize = 32;
const AHEAD: usize = 8;

/// The target encoder's tokens of every frame of a store, `[E, T+1, N, D]`, in half precision.
pub struct LatentCache {
    values: Vec<f16>,
    frames: usize,
    /// Entries of one frame, `N * D`.
    width: usize,
}

impl LatentCache {
    /// Encodes every frame; `progress` is told how many of how many are done.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn encode(
        model: &WorldModel,
        store: &EpisodeStore,
        device: &Device,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, StoreError> {
        let (episodes, frames) = (store.episodes(), store.steps() + 1);
        let size = store.meta().frame_px;
        let mut values = Vec::new();
        let mut width = 0;
        let mut bytes = vec![0; frames * store.meta().frame_bytes()];
        for episode in 0..episodes {
            store.read_frames(episode, 0..frames, &mut bytes)?;
            let tokens = model
                .target_encoder
                .forward(pixels(&bytes, [frames, 3, size, size], device));
            width = tokens.dims()[1] * tokens.dims()[2];
            // All of it at once: growing, it would stand in memory twice.
            values.reserve_exact(episodes * frames * width - values.len());
            values.extend(tokens.into_data().iter::<f32>().map(f16::from_f32));
            progress(episode + 1, episodes);
        }
        Ok(Self { values, frames, width })
    }

    /// Tokens of `frames` frames from `(episode, t)`, flat.
    pub fn clip(&self, episode: usize, t: usize, frames: usize) -> &[f16] {
        let from = (episode * self.frames + t) * self.width;
        &self.values[from..from + frames * self.width]
    }

    /// Mean-pooled latents of every `stride`-th frame, `[M, D]`.
    pub fn pooled(&self, dim: usize, stride: usize) -> Vec<f32> {
        let frames = self.values.chunks_exact(self.width).step_by(stride);
        frames.flat_map(|frame| mean_token(frame, dim)).collect()
    }

    /// Mean-pooled latent of one frame, `[D]`.
    pub fn pooled_frame(&self, episode: usize, frame: usize, dim: usize) -> impl Iterator<Item = f32> {
        mean_token(self.clip(episode, frame, 1), dim)
    }

    /// Mean variance of the tokens' entries, each about its mean over the store (every `stride`-th frame).
    pub fn token_variance(&self, stride: usize) -> f64 {
        let mut sum = vec![0.0f64; self.width];
        let mut squares = vec![0.0f64; self.width];
        let mut count = 0.0;
        for frame in self.values.chunks_exact(self.width).step_by(stride) {
            for (i, x) in frame.iter().enumerate() {
                let x = f64::from(*x);
                sum[i] += x;
                squares[i] += x * x;
            }
            count += 1.0;
        }
        sum.iter()
            .zip(&squares)
            .map(|(s, q)| q / count - (s / count).powi(2))
            .sum::<f64>()
            / self.width as f64
    }
}

/// The mean of the tokens of a frame, `[D]`.
fn mean_token(frame: &[f16], dim: usize) -> impl Iterator<Item = f32> {
    let tokens = frame.len() / dim;
    (0..dim).map(move |j| (0..tokens).map(|n| f32::from(frame[n * dim + j])).sum::<f32>() / tokens as f32)
}

pub struct Stage1b {
    config: Config,
    device: Device,
    store: Arc<EpisodeStore>,
    clips: ClipSampler,
    cache: LatentCache,
    /// `[D, D + 4]`.
    comparison: Tensor<2>,
    variance: f64,
    predictor: Predictor,
    temporal: Option<TemporalDistance>,
    /// Reads pictures, and stays as it is.
    picture: Option<Mlp>,
    /// What it learns from.
    goals: Goals,
    /// Of the predictor and of the temporal distance.
    optimizers: [ModuleOptimizer; 2],
    /// What stays as it is, for plans.
    frozen: (WorldModel, LatentStats),
}

impl Stage1b {
    /// Goes on from a trained `model` whose latents are in `cache`.
    pub fn new(
        config: Config,
        model: &WorldModel,
        stats: &LatentStats,
        cache: LatentCache,
        store: Arc<EpisodeStore>,
        device: &Device,
    ) -> Self {
        let device = device.clone().autodiff();
        let dim = config.world_model.dim;
        let comparison = Tensor::from_data(TensorData::new(stats.comparison(1.0, 1.0), [dim, dim + 4]), &device);
        let variance = cache.token_variance(EVERY);
        let predictor = model.predictor.clone().train();
        device.seed(config.train.seed);
        let fresh = || Heads::fresh_temporal(&config.world_model, &device);
        let temporal = model.heads.temporal.clone().map(Module::train).or_else(fresh);
        let temporal = temporal.map(|head| head.fitted_to(&cache.pooled(dim, EVERY)));
        let picture = model.heads.picture.clone().map(Module::train);
        let optimizers = optimizers(&config, &predictor, &temporal);
        let goals = Goals::of(&store, config.train.seed);
        let clips = ClipSampler::new(store.clone(), config.train.seed, 0..store.episodes());
        Self {
            config,
            device,
            store,
            clips,
            cache,
            comparison,
            variance,
            predictor,
            temporal,
            picture,
            goals,
            optimizers,
            frozen: (model.clone(), stats.clone()),
        }
    }

    /// The predictor as it is now, outside of any gradient's graph.
    pub fn predictor(&self) -> Predictor {
        self.predictor.valid()
    }

    /// The temporal distance as it is now, outside of any gradient's graph.
    pub fn temporal(&self) -> Option<TemporalDistance> {
        self.temporal.as_ref().map(Module::valid)
    }

    /// Rollouts over the last episodes, as far as a sample looks ahead.
    fn open_loop(&self) -> Vec<OpenLoopError> {
        let ahead = AHEAD.min(self.store.steps());
        let first = self.store.episodes().saturating_sub(ROLLOUTS);
        let starts: Vec<(usize, usize)> = (first..self.store.episodes())
            .map(|episode| (episode, 7 * episode % (self.store.steps() - ahead + 1)))
            .collect();
        let (n, d, b) = (
            self.config.world_model.tokens(),
            self.config.world_model.dim,
            starts.len(),
        );
        let (mut latents, mut actions) = (Vec::new(), Vec::new());
        for &(episode, t) in &starts {
            latents.extend(self.cache.clip(episode, t, ahead + 1).iter().map(|&x| f32::from(x)));
            actions.extend((t..t + ahead).flat_map(|t| self.store.action(episode, t)));
        }
        let plain = self.device.clone().inner();
        open_loop(
            &computing_in(&self.predictor(), self.config.precision),
            &Tensor::from_data(TensorData::new(latents, [b, ahead + 1, n, d]), &plain),
            &Tensor::from_data(TensorData::new(actions, [b, ahead, 3]), &plain),
            &self.comparison.clone().inner(),
        )
    }

    /// How far what is imagined looks from what came, as the head reads both, `[1]`; none where nothing is read or it does not
    /// count.
    fn picture_term(&self, rollout: &Rollout, latents: &Tensor<4>) -> Option<Tensor<1>> {
        let counts = self.config.train.stage1b.lambda_picture > 0.0;
        let head = self.picture.as_ref().filter(|_| counts)?;
        let of_step = |(i, state): (usize, &Tensor<2>)| {
            let truth = head.forward(pooled(frame(latents, i))).detach();
            picture_loss(head.forward(state.clone()), truth)
        };
        let imagined = rollout.states.iter().enumerate().skip(1);
        Some(Tensor::cat(imagined.map(of_step).collect(), 0).mean())
    }

    /// Batch `index` of the run.
    fn batch(&self, index: usize) -> Result<Batch, TrainError> {
        let stage = &self.config.train.stage1b;
        let (b, r) = (stage.batch, stage.rollout);
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let began = Instant::now();
        let chosen = self.clips.starts(index as u64, b, r + 1, stage.event_share as f32)?;
        let mut latents = Vec::with_capacity(b * (r + 1) * n * d);
        let mut actions = Vec::with_capacity(b * r * 3);
        for &(episode, t) in &chosen {
            latents.extend(self.cache.clip(episode, t, r + 1).iter().map(|&x| f32::from(x)));
            actions.extend((t..t + r).flat_map(|t| self.store.action(episode, t)));
        }
        let loader_secs = began.elapsed().as_secs_f64();
        let latents = Tensor::<4>::from_data(TensorData::new(latents, [b, r + 1, n, d]), &self.device);
        let actions = Tensor::<3>::from_data(TensorData::new(actions, [b, r, 3]), &self.device);
        let predictor = computing_in(&self.predictor, self.config.precision);
        let rollout = roll_out(&predictor, &latents, &actions, &self.comparison, self.variance);
        let mut loss = rollout.tokens.clone() + rollout.comparison.clone() * stage.lambda_comparison;
        let temporal = self.temporal.as_ref().map(|head| {
            let seen = (&chosen[..], &rollout.states[..]);
            self.goals.loss(head, index, seen, &self.cache, &self.device)
        });
        if let Some(temporal) = &temporal {
            loss = loss + temporal.clone();
        }

        let picture = self.picture_term(&rollout, &latents);
        if let Some(picture) = &picture {
            loss = loss + picture.clone() * stage.lambda_picture;
        }

        let (first, last) = (frame(&latents, 0), frame(&latents, r));
        let compared = |x: Tensor<3>| pooled(x).matmul(self.comparison.clone()).square().mean();
        let (missed, moved) = (rollout.end.detach() - last.clone(), first - last);
        let number = |x: Tensor<1>| x.detach().into_scalar::<f64>();
        let mut named = vec![
            ("tokens", number(rollout.tokens)),
            ("comparison", number(rollout.comparison)),
            (
                "error_over_persistence",
                number(missed.clone().square().mean()) / number(moved.clone().square().mean()),
            ),
            (
                "comparison_over_persistence",
                number(compared(missed)) / number(compared(moved)),
            ),
        ];
        named.extend(temporal.map(|temporal| ("temporal_distance", number(temporal))));
        named.extend(picture.map(|picture| ("picture", number(picture))));
        Ok(Batch {
            loss,
            loader_secs,
            named,
        })
    }
}

/// What a rollout costs.
struct Rollout {
    /// Mean squared error of the tokens over all steps as a share of their variance, `[1]`.
    tokens: Tensor<1>,
    /// Mean squared error in the comparison space over all steps, `[1]`.
    comparison: Tensor<1>,
    /// The tokens that are predicted last, `[B, N, D]`.
    end: Tensor<3>,
    /// Pooled latents of the first frame and of every predicted one, `[B, D]` each.
    states: Vec<Tensor<2>>,
}

/// Predicts `R` steps from the first frame of `latents` `[B, R + 1, N, D]` with `actions` `[B, R, D_a]`; `comparison` is
/// `[D, D + 4]`, `variance` that of a token's entries.
fn roll_out(
    predictor: &Predictor,
    latents: &Tensor<4>,
    actions: &Tensor<3>,
    comparison: &Tensor<2>,
    variance: f64,
) -> Rollout {
    let [b, r, d] = actions.dims();
    let device = latents.device();
    let mut state = frame(latents, 0);
    let mut states = vec![pooled(state.clone())];
    let mut l_tokens = Tensor::<1>::zeros([1], &device);
    let mut l_comparison = Tensor::<1>::zeros([1], &device);
    for i in 0..r {
        let action = actions.clone().slice([0..b, i..i + 1]).reshape([b, d]);
        state = predictor.step(state, action, None);
        let predicted = wide(state.clone());
        states.push(pooled(predicted.clone()));
        let error = predicted - frame(latents, i + 1);
        l_tokens = l_tokens + error.clone().square().mean() / (variance * r as f64);
        let error = pooled(error).matmul(comparison.clone());
        l_comparison = l_comparison + error.square().sum_dim(1).mean() / r as f64;
    }
    Rollout {
        tokens: l_tokens,
        comparison: l_comparison,
        end: wide(state),
        states,
    }
}

/// Frame `i` of `[B, R + 1, N, D]`, `[B, N, D]`.
fn frame(latents: &Tensor<4>, i: usize) -> Tensor<3> {
    let [b, _, n, d] = latents.dims();
    latents.clone().slice([0..b, i..i + 1]).reshape([b, n, d])
}

/// `[B, N, D]` to `[B, D]`.
fn pooled(x: Tensor<3>) -> Tensor<2> {
    let [b, _, d] = x.dims();
    x.mean_dim(1).reshape([b, d])
}

impl Stage for Stage1b {
    fn steps(&self) -> usize {
        self.config.train.stage1b.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage1b;
        let parts = stage.accumulation;
        let trained = (&self.predictor, &self.temporal);
        let ((of_predictor, of_temporal), mut metrics) =
            gradients(&trained, parts, self.config.train.clip_norm, |part| {
                self.batch(step * parts + part)
            })?;
        let rate = learning_rate(step, stage.steps, stage.warmup_steps, stage.lr, RATE_FLOOR);
        let [optimizer, optimizer_temporal] = &mut self.optimizers;
        self.predictor = optimizer.step(rate, self.predictor.clone(), of_predictor);
        self.temporal = optimizer_temporal.step(rate, self.temporal.clone(), of_temporal);
        metrics.push(("learning_rate", rate));
        Ok(metrics)
    }

    fn sample(&self, _steps: usize, plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
        let (frozen, stats) = &self.frozen;
        let mut model = frozen.clone();
        (model.predictor, model.heads.temporal) = (self.predictor(), self.temporal());
        let model = computing_in(&model, self.config.precision);
        let plain = self.device.clone().inner();
        let pictures = read_pictures(&model, self.config.world_model.picture, &self.store, &plain)?;
        let plans = if let Some(cancel) = plans {
            plan(model, stats, &self.config, &self.store.meta().scene, &plain, cancel)?
        } else {
            Vec::new()
        };
        Ok(SampleContent {
            pictures,
            open_loop: self.open_loop(),
            plans,
            ..SampleContent::default()
        })
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.predictor
            .clone()
            .save_file(folder.join("predictor.bpk"))
            .map_err(wrong)?;
        let [optimizer, optimizer_temporal] = &self.optimizers;
        if let Some(temporal) = self.temporal.clone() {
            temporal.save_file(folder.join("temporal.bpk")).map_err(wrong)?;
            optimizer_temporal
                .save(folder.join("optimizer-temporal.bpk"))
                .map_err(wrong)?;
        }
        optimizer.save(folder.join("optimizer.bpk")).map_err(wrong)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.predictor = self
            .predictor
            .clone()
            .try_load_file(folder.join("predictor.bpk"))
            .map_err(wrong)?;
        let load = |head: TemporalDistance| head.try_load_file(folder.join("temporal.bpk"));
        self.temporal = self.temporal.take().map(load).transpose().map_err(wrong)?;
        let [of_predictor, mut of_temporal] = optimizers(&self.config, &self.predictor, &self.temporal);
        if self.temporal.is_some() {
            of_temporal = of_temporal.load(folder.join("optimizer-temporal.bpk")).map_err(wrong)?;
        }
        let of_predictor = of_predictor.load(folder.join("optimizer.bpk")).map_err(wrong)?;
        self.optimizers = [of_predictor, of_temporal];
        Ok(())
    }
}

fn optimizers(config: &Config, predictor: &Predictor, temporal: &Option<TemporalDistance>) -> [ModuleOptimizer; 2] {
    let (betas, decay) = (config.train.betas, config.train.stage1b.weight_decay);
    [adamw(predictor, betas, decay), adamw(temporal, betas, decay)]
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::LinearConfig;
    use burn::tensor::Distribution;

    use super::*;
    use crate::config::{ActionConditioning, Stem, WorldModelConfig, preset};
    use crate::nn::gradcheck::{check, check_param};

    const R: usize = 2;

    fn tiny() -> WorldModelConfig {
        let mut config = preset("nano").unwrap().world_model;
        (config.image_size, config.patch_size, config.dim) = (16, 8, 8);
        config.encoder.stem = Stem::Patch;
        (config.predictor.dim, config.predictor.depth, config.predictor.heads) = (8, 1, 2);
        config.predictor.action_hidden = 6;
        assert_eq!(config.predictor.conditioning, ActionConditioning::Film);
        config
    }

    /// A predictor that is no persistence, latents `[4, R + 1, 4, 8]`, actions `[4, R, 3]` and a comparison space.
    fn drawn(device: &Device) -> (Predictor, Tensor<4>, Tensor<3>, Tensor<2>) {
        device.seed(23);
        let config = tiny();
        let mut predictor = Predictor::new(&config, device);
        predictor.output = LinearConfig::new(8, 8).init(device);
        let normal = Distribution::Normal(0.0, 1.0);
        let latents = Tensor::random([4, R + 1, 4, 8], normal, device);
        let actions = Tensor::random([4, R, 3], normal, device);
        let comparison = Tensor::random([8, 12], Distribution::Normal(0.0, 0.5), device);
        (predictor, latents, actions, comparison)
    }

    /// Through both steps: the second is predicted from the first.
    #[test]
    fn gradients_of_both_terms_are_right() {
        let device = Device::flex().autodiff();
        let (predictor, latents, actions, comparison) = drawn(&device);
        let roll =
            |predictor: &Predictor, latents: &Tensor<4>| roll_out(predictor, latents, &actions, &comparison, 0.7);
        check("tokens, latents", &latents, |x| roll(&predictor, &x).tokens);
        check("comparison, latents", &latents, |x| roll(&predictor, &x).comparison);
        fn input(predictor: &mut Predictor) -> &mut Param<Tensor<2>> {
            &mut predictor.input.weight
        }
        fn action(predictor: &mut Predictor) -> &mut Param<Tensor<2>> {
            &mut predictor.action1.weight
        }
        check_param("tokens, input", &predictor, input, |p| roll(p, &latents).tokens);
        check_param("comparison, input", &predictor, input, |p| roll(p, &latents).comparison);
        check_param("tokens, action", &predictor, action, |p| roll(p, &latents).tokens);
    }

    /// Both terms are means over the batch.
    #[test]
    fn the_gradients_of_two_halves_are_those_of_the_whole() {
        let device = Device::flex().autodiff();
        let (predictor, latents, actions, comparison) = drawn(&device);
        let run = |parts: usize| {
            let size = 4 / parts;
            gradients(&&predictor, parts, 1e6, |part| {
                let rows = part * size..(part + 1) * size;
                let (latents, actions) = (latents.clone().slice([rows.clone()]), actions.clone().slice([rows]));
                let rollout = roll_out(&predictor, &latents, &actions, &comparison, 0.7);
                Ok(Batch {
                    loss: rollout.tokens + rollout.comparison,
                    loader_secs: 0.0,
                    named: Vec::new(),
                })
            })
            .unwrap()
        };
        let ((whole, of_whole), (halves, of_halves)) = (run(1), run(2));
        for (a, b) in of_whole.iter().zip(&of_halves) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() <= 1e-5 * a.1.abs(), "{a:?} {b:?}");
        }
        let id = predictor.input.weight.id;
        let (whole, halves) = (whole.get::<2>(id).unwrap(), halves.get::<2>(id).unwrap());
        let (size, off) = (whole.clone().abs().max(), (whole - halves).abs().max());
        let (size, off) = (size.into_scalar::<f32>(), off.into_scalar::<f32>());
        assert!(size > 1e-2 && off < 1e-5 * size, "{off} of {size}");
    }
}

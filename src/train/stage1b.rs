//! Stage 1b: the encoder is frozen, its latents are cached, and the predictor alone learns multi-step rollouts, half of
//! them through a grasp or a release (as V-JEPA 2-AC does after pre-training).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use super::optimizer::{adamw, clip_factor, scale, squared_norm};
use super::run::{Metrics, Stage, TrainError};
use super::schedule::learning_rate;
use crate::config::Config;
use crate::data::{ClipSampler, EpisodeStore, StoreError};
use crate::nn::{computing_in, wide};
use crate::world_model::{LatentStats, Predictor, WorldModel, pixels};

/// Share of the peak rate that is left at the end.
const RATE_FLOOR: f64 = 0.01;

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
        let tokens = self.width / dim;
        let mut out = Vec::new();
        for frame in self.values.chunks_exact(self.width).step_by(stride) {
            out.extend(
                (0..dim).map(|j| (0..tokens).map(|n| f32::from(frame[n * dim + j])).sum::<f32>() / tokens as f32),
            );
        }
        out
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
    optimizer: ModuleOptimizer,
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
        let variance = cache.token_variance(20);
        let predictor = model.predictor.clone().train();
        let optimizer = adamw(&predictor, config.train.betas, config.train.stage1b.weight_decay);
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
            optimizer,
        }
    }

    /// The predictor as it is now, outside of any gradient's graph.
    pub fn predictor(&self) -> Predictor {
        self.predictor.valid()
    }
}

impl Stage for Stage1b {
    fn steps(&self) -> usize {
        self.config.train.stage1b.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage1b;
        let (b, r) = (stage.batch, stage.rollout);
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let began = Instant::now();
        let chosen = self.clips.starts(step as u64, b, r + 1, stage.event_share as f32)?;
        let mut latents = Vec::with_capacity(b * (r + 1) * n * d);
        let mut actions = Vec::with_capacity(b * r * 3);
        for &(episode, t) in &chosen {
            latents.extend(self.cache.clip(episode, t, r + 1).iter().map(|&x| f32::from(x)));
            actions.extend((t..t + r).flat_map(|t| self.store.action(episode, t)));
        }
        let loader_secs = began.elapsed().as_secs_f64();
        let latents = Tensor::<4>::from_data(TensorData::new(latents, [b, r + 1, n, d]), &self.device);
        let actions = Tensor::<3>::from_data(TensorData::new(actions, [b, r, 3]), &self.device);
        let frame = |i: usize| latents.clone().slice([0..b, i..i + 1]).reshape([b, n, d]);
        let pooled = |x: Tensor<3>| x.mean_dim(1).reshape([b, d]);

        let predictor = computing_in(&self.predictor, self.config.precision);
        let mut state = frame(0);
        let mut l_tokens = Tensor::<1>::zeros([1], &self.device);
        let mut l_comparison = Tensor::<1>::zeros([1], &self.device);
        let mut last = None;
        for i in 0..r {
            let action = actions.clone().slice([0..b, i..i + 1]).reshape([b, 3]);
            state = predictor.step(state, action, None);
            let truth = frame(i + 1);
            let error = wide(state.clone()) - truth;
            l_tokens = l_tokens + error.clone().square().mean() / (self.variance * r as f64);
            let error = pooled(error).matmul(self.comparison.clone());
            l_comparison = l_comparison + error.clone().square().sum_dim(1).mean() / r as f64;
            last = Some(error);
        }
        let loss = l_tokens.clone() + l_comparison.clone() * stage.lambda_comparison;
        let value = loss.clone().detach().into_scalar::<f64>();
        let tokens_error = (wide(state.detach()) - frame(r)).square().mean();
        let persistence = (frame(0) - frame(r)).square().mean();
        let moved = pooled(frame(0) - frame(r))
            .matmul(self.comparison.clone())
            .square()
            .mean();
        let missed = last.map_or(0.0, |error| error.detach().square().mean().into_scalar::<f64>());

        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.predictor);
        let norm = squared_norm(&self.predictor, &gradients);
        let factor = clip_factor(norm, self.config.train.clip_norm);
        if factor < 1.0 {
            scale(&self.predictor, &mut gradients, factor);
        }
        let rate = learning_rate(step, stage.steps, stage.warmup_steps, stage.lr, RATE_FLOOR);
        self.predictor = self.optimizer.step(rate, self.predictor.clone(), gradients);
        let number = |x: Tensor<1>| x.detach().into_scalar::<f64>();
        Ok(vec![
            ("loss", value),
            ("learning_rate", rate),
            ("gradient_norm", norm.sqrt()),
            ("loader_secs", loader_secs),
            ("tokens", number(l_tokens)),
            ("comparison", number(l_comparison)),
            ("error_over_persistence", number(tokens_error) / number(persistence)),
            ("comparison_over_persistence", missed / number(moved)),
        ])
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.predictor
            .clone()
            .save_file(folder.join("predictor.bpk"))
            .map_err(wrong)?;
        self.optimizer.save(folder.join("optimizer.bpk")).map_err(wrong)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.predictor = self
            .predictor
            .clone()
            .try_load_file(folder.join("predictor.bpk"))
            .map_err(wrong)?;
        let optimizer = adamw(
            &self.predictor,
            self.config.train.betas,
            self.config.train.stage1b.weight_decay,
        );
        self.optimizer = optimizer.load(folder.join("optimizer.bpk")).map_err(wrong)?;
        Ok(())
    }
}

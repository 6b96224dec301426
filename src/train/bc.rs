//! Stage `bc`: behaviour cloning of the scripted expert, sub-goal by sub-goal, for the baseline. Nothing of the world model
//! and of the language model takes part but the latter's vocabulary.
//!
//! Demonstrations are made as they are needed, and again each time round: a thread of its own makes the next ones while the
//! step before computes. The moments of a batch come from many of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::ahead::Ahead;
use super::gradients::{Batch, gradients};
use super::optimizer::adamw;
use super::run::{Metrics, Stage, TrainError};
use super::samples::{SampleContent, cloned};
use super::schedule::learning_rate;
use crate::config::{Config, PredictionLoss};
use crate::data::{Demonstrations, Shown};
use crate::nn::{computing_in, wide};
use crate::policy::{Follower, Policy, Words};
use crate::random::{Stream, rng};
use crate::vlm::VlmTokenizer;
use crate::world_model::losses::{binary_cross_entropy, prediction_loss};
use crate::world_model::pixels;

/// Batches whose moments are drawn together.
pub(super) const POOL: usize = 32;
const RATE_FLOOR: f64 = 0.02;
/// Weight of the error of dx and dy beside the two cross-entropies: it is an error of a tenth of a step that decides a grasp,
/// and of that the square is small.
const MOVE: f64 = 4.0;
/// Keep the order of the demonstrations, and that of their moments, apart from others of the stream.
const ORDER: u64 = 5;
const SHUFFLE: u64 = 6;

/// A moment with its text in tokens.
struct Lesson {
    shown: Shown,
    ids: Vec<u32>,
}

pub struct StageBc {
    config: Config,
    device: Device,
    demonstrations: Arc<Demonstrations>,
    tokenizer: Arc<VlmTokenizer>,
    policy: Policy,
    optimizer: ModuleOptimizer,
    /// The moments of [`POOL`] batches each.
    pools: Ahead<Vec<Lesson>>,
}

impl StageBc {
    /// A fresh policy that reads the tokenizer's vocabulary.
    pub fn new(config: Config, demonstrations: Demonstrations, tokenizer: Arc<VlmTokenizer>, device: &Device) -> Self {
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let policy = Policy::new(&config.world_model, config.vlm.vocab_size, &device);
        let optimizer = optimizer(&config, &policy);
        Self {
            config,
            device,
            demonstrations: Arc::new(demonstrations),
            tokenizer,
            policy,
            optimizer,
            pools: Ahead::new("demonstrations"),
        }
    }

    /// The policy as it is now, outside of any gradient's graph.
    pub fn policy(&self) -> Policy {
        self.policy.valid()
    }

    /// Batch `index` of the run.
    fn batch(&mut self, index: usize) -> Result<Batch, TrainError> {
        let began = Instant::now();
        let (config, demonstrations, tokenizer) = (&self.config, &self.demonstrations, &self.tokenizer);
        let lessons = self.pools.fetch(index / POOL, || {
            let (config, demonstrations, tokenizer) = (config.clone(), demonstrations.clone(), tokenizer.clone());
            move |number| make_pool(&config, &demonstrations, &tokenizer, number)
        })?;
        let loader_secs = began.elapsed().as_secs_f64();
        let count = self.config.train.bc.batch;
        let first = (index % POOL) * count;
        // A pool may come out short where a table leaves little to do.
        let chosen: Vec<&Lesson> = (first..first + count)
            .filter_map(|at| lessons.get(at % lessons.len().max(1)))
            .collect();
        if chosen.is_empty() {
            return Err(TrainError::Data("No demonstration can be drawn in this scene.".into()));
        }
        let (size, b) = (self.config.world_model.image_size, chosen.len());
        let bytes: Vec<u8> = chosen
            .iter()
            .flat_map(|lesson| lesson.shown.frame.rgb.iter().copied())
            .collect();
        let frames = pixels(&bytes, [b, 3, size, size], &self.device);
        let rows = |values: Vec<f32>| {
            let width = values.len() / b;
            Tensor::<2>::from_data(TensorData::new(values, [b, width]), &self.device)
        };
        let body = rows(chosen.iter().flat_map(|lesson| lesson.shown.body).collect());
        let texts: Vec<&[u32]> = chosen.iter().map(|lesson| &lesson.ids[..]).collect();
        let policy = computing_in(&self.policy, self.config.precision);
        let out = wide(policy.forward(frames, body, &Words::new(&texts, &self.device)));
        let moves = rows(
            chosen
                .iter()
                .flat_map(|lesson| [lesson.shown.action[0], lesson.shown.action[1]])
                .collect(),
        );
        let flag = |on: bool| f32::from(u8::from(on));
        let grip = rows(chosen.iter().map(|lesson| flag(lesson.shown.action[2] > 0.0)).collect());
        let done = rows(chosen.iter().map(|lesson| flag(lesson.shown.done)).collect());
        let l_move = prediction_loss(PredictionLoss::SmoothL1, out.clone().slice([0..b, 0..2]), moves);
        let l_grip = binary_cross_entropy(out.clone().slice([0..b, 2..3]), grip);
        let l_done = binary_cross_entropy(out.slice([0..b, 3..4]), done);
        let named = vec![
            ("move", l_move.clone().into_scalar::<f64>()),
            ("grip", l_grip.clone().into_scalar::<f64>()),
            ("done", l_done.clone().into_scalar::<f64>()),
        ];
        Ok(Batch {
            loss: l_move * MOVE + l_grip + l_done,
            loader_secs,
            named,
        })
    }
}

impl Stage for StageBc {
    fn steps(&self) -> usize {
        self.config.train.bc.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let (stage, clip_norm) = (self.config.train.bc.clone(), self.config.train.clip_norm);
        let parts = stage.accumulation;
        let trained = self.policy.clone();
        let (of_policy, mut metrics) = gradients(&&trained, parts, clip_norm, |part| self.batch(step * parts + part))?;
        let rate = learning_rate(step, stage.steps, stage.warmup_steps, stage.lr, RATE_FLOOR);
        self.policy = self.optimizer.step(rate, trained, of_policy);
        metrics.push(("learning_rate", rate));
        Ok(metrics)
    }

    /// With a checkpoint: sub-goals that it carries out.
    fn sample(&self, _steps: usize, plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
        let Some(cancel) = plans else {
            return Ok(SampleContent::default());
        };
        let follower = Follower::new(
            computing_in(&self.policy(), self.config.precision),
            self.tokenizer.clone(),
            self.config.world_model.image_size,
            self.device.clone().inner(),
        );
        Ok(SampleContent {
            plans: cloned(&follower, &self.demonstrations, self.config.plan.t_max, cancel)?,
            ..SampleContent::default()
        })
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.policy
            .clone()
            .save_file(folder.join("policy.bpk"))
            .map_err(wrong)?;
        self.optimizer.save(folder.join("optimizer.bpk")).map_err(wrong)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.policy = self
            .policy
            .clone()
            .try_load_file(folder.join("policy.bpk"))
            .map_err(wrong)?;
        let fresh = optimizer(&self.config, &self.policy);
        self.optimizer = fresh.load(folder.join("optimizer.bpk")).map_err(wrong)?;
        self.pools.forget();
        Ok(())
    }
}

fn optimizer(config: &Config, policy: &Policy) -> ModuleOptimizer {
    adamw(policy, config.train.betas, config.train.bc.weight_decay)
}

/// The lessons of the batches `number * POOL` and on: a function of the seed and the number. Each time round, the
/// demonstrations come in another order.
fn make_pool(
    config: &Config,
    demonstrations: &Demonstrations,
    tokenizer: &VlmTokenizer,
    number: usize,
) -> Result<Vec<Lesson>, TrainError> {
    let (stage, seed) = (&config.train.bc, config.train.seed);
    let count = (POOL * stage.batch).div_ceil(Demonstrations::actions());
    let mut order: Option<(usize, Vec<u64>)> = None;
    let indices: Vec<u64> = (number * count..(number + 1) * count)
        .map(|at| {
            let (round, place) = (at / stage.episodes, at % stage.episodes);
            if order.as_ref().is_none_or(|(of, _)| *of != round) {
                let mut drawn: Vec<u64> = (0..stage.episodes as u64).collect();
                drawn.shuffle(&mut rng(seed, Stream::Clips, round as u64, ORDER));
                order = Some((round, drawn));
            }
            order.as_ref().map_or(0, |(_, drawn)| drawn[place])
        })
        .collect();
    let drawn: Vec<Vec<Shown>> = indices
        .into_par_iter()
        .map(|index| demonstrations.episode(seed, index))
        .collect();
    let mut lessons = Vec::new();
    for shown in drawn.into_iter().flatten() {
        let (ids, _) = tokenizer
            .encode(&shown.text)
            .map_err(|err| TrainError::Data(err.to_string()))?;
        lessons.push(Lesson { shown, ids });
    }
    lessons.shuffle(&mut rng(seed, Stream::Clips, number as u64, SHUFFLE));
    Ok(lessons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;
    use crate::sim::Scene;
    use crate::sim::tasks::{TaskBook, TaskSampler};

    fn stage(change: impl FnOnce(&mut Config)) -> StageBc {
        let mut config = preset("nano").unwrap();
        let model = &mut config.world_model;
        (model.image_size, model.patch_size, model.dim) = (32, 8, 32);
        model.encoder.stem = crate::config::Stem::Conv(vec![(8, 3, 2), (16, 3, 2), (32, 3, 2)]);
        (model.encoder.depth, model.encoder.heads) = (1, 2);
        (model.predictor.dim, model.predictor.depth, model.predictor.heads) = (32, 1, 2);
        config.vlm.image_size = 32;
        let bc = &mut config.train.bc;
        (bc.steps, bc.warmup_steps, bc.batch, bc.episodes, bc.lr) = (60, 5, 16, 3, 3e-3);
        change(&mut config);
        let scene = Scene::load("three-blocks").unwrap();
        let demonstrations = Demonstrations {
            sampler: TaskSampler::on(TaskBook::built_in().unwrap(), &scene, 0).unwrap(),
            frame_px: 32,
            seen_px: 32,
            noise: config.train.bc.noise as f32,
        };
        let tokenizer = VlmTokenizer::train(["pick up the red block"; 3], config.vlm.vocab_size).unwrap();
        StageBc::new(config, demonstrations, Arc::new(tokenizer), &Device::flex())
    }

    #[test]
    fn the_losses_fall_on_three_demonstrations_and_a_run_that_is_taken_up_goes_the_same_way() {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = stage(|_| ());
        let mut losses = Vec::new();
        for step in 0..60 {
            if step == 40 {
                stage.save(folder.path()).unwrap();
            }
            losses.push(stage.step(step).unwrap());
        }
        let mean = |name: &str, of: &[Metrics]| {
            let values = of.iter().flatten().filter(|(other, _)| *other == name);
            values.map(|(_, value)| value).sum::<f64>() / of.len() as f64
        };
        for name in ["loss", "move", "grip", "done"] {
            let (first, last) = (mean(name, &losses[..5]), mean(name, &losses[55..]));
            assert!(last < 0.8 * first, "{name}: {first} to {last}");
        }
        let mut again = self::stage(|_| ());
        again.load(folder.path()).unwrap();
        let numbers =
            |metrics: Metrics| -> Metrics { metrics.into_iter().filter(|(name, _)| *name != "loader_secs").collect() };
        for (step, expected) in losses.into_iter().enumerate().skip(40) {
            assert_eq!(numbers(again.step(step).unwrap()), numbers(expected), "step {step}");
        }
    }

    #[test]
    fn each_time_round_every_demonstration_is_there_once_in_another_order() {
        let mut config = preset("nano").unwrap();
        let texts = |number: usize, config: &Config| -> Vec<(Arc<str>, [f32; 4])> {
            let stage = stage(|_| ());
            let pool = make_pool(config, &stage.demonstrations, &stage.tokenizer, number).unwrap();
            pool.iter()
                .map(|lesson| (lesson.shown.text.clone(), lesson.shown.body))
                .collect()
        };
        // One pool is one round.
        config.train.bc.batch = 5;
        config.train.bc.episodes = (POOL * 5usize).div_ceil(Demonstrations::actions());
        let (first, second) = (texts(0, &config), texts(1, &config));
        assert_ne!(first, second);
        let sorted = |mut texts: Vec<(Arc<str>, [f32; 4])>| {
            texts.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
            texts
        };
        assert_eq!(sorted(first), sorted(second));
    }
}

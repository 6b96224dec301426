//! Stage 2: the goal projection interface, and the VLM's low-rank adapters through its embeddings and maps (method, 7 and
//! Figure 3). The world model is frozen.
//!
//! While only the GPI learns, the VLM's side is a constant and is computed once; in the last `lora_steps` the gradient
//! runs through `e_k` and `w_k` into the adapters, which are kept apart from the base.

use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use rand::RngExt;

use super::optimizer::{adamw, clip_factor, scale, squared_norm};
use super::run::{Metrics, Stage, TrainError};
use super::schedule::learning_rate;
use crate::config::Config;
use crate::data::GoalScenes;
use crate::gpi::{GoalBatch, Gpi, goal_regression, info_nce};
use crate::random::{Stream, rng};
use crate::vlm::batch::Encoded;
use crate::vlm::ground::{SpanOutput, grounding_example};
use crate::vlm::maps::resample;
use crate::vlm::{TokenBatch, Vlm, VlmModel};
use crate::world_model::{LatentStats, WorldModel, pixels};

const RATE_FLOOR: f64 = 0.02;
/// Weight of the flags in the comparison space of the regression: a goal is first of all somewhere.
const FLAGS: f32 = 0.1;

/// A scene with all that does not change while the VLM is frozen. Latents are `[N, D]` in half precision.
struct Scene {
    start: Vec<f16>,
    goals: Vec<CachedGoal>,
}

struct CachedGoal {
    achieved: Vec<f16>,
    encoded: Encoded,
    /// `[D_VLM]`.
    embedding: Vec<f32>,
    /// `[N]`, mean 1.
    map: Vec<f32>,
}

pub struct Stage2 {
    config: Config,
    device: Device,
    vlm: Vlm,
    /// The VLM with its adapters.
    adapted: VlmModel,
    scenes: Vec<Scene>,
    mean: Tensor<1>,
    comparison: Tensor<2>,
    /// From the VLM's patches to the world model's, by area, `[P, N]`.
    resampling: Tensor<2>,
    gpi: Gpi,
    optimizers: [ModuleOptimizer; 2],
}

impl Stage2 {
    /// Draws and encodes the scenes; `progress` is told how many of how many are done.
    ///
    /// # Errors
    /// A sub-goal does not fit into the VLM's context.
    pub fn new(
        config: Config,
        world_model: &WorldModel,
        stats: &LatentStats,
        vlm: Vlm,
        source: &GoalScenes,
        device: &Device,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, TrainError> {
        let stage = &config.train.stage2;
        let grid = [config.world_model.grid(); 2];
        let scenes = (0..stage.scenes_total)
            .map(|index| {
                progress(index, stage.scenes_total);
                cache(&config, world_model, &vlm, source, index as u64, grid, device)
            })
            .collect::<Result<Vec<_>, _>>()?;
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let dim = config.world_model.dim;
        let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        let adapted = vlm.model().clone().train().with_lora(config.train.seed);
        let optimizers = optimizers(&config, &gpi, &adapted);
        let matrix = |values: Vec<f32>, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), &device);
        Ok(Self {
            mean: Tensor::from_floats(stats.mean.as_slice(), &device),
            comparison: matrix(stats.comparison(1.0, FLAGS), [dim, dim + 4]),
            resampling: matrix(
                resampling([config.vlm.grid(); 2], grid),
                [config.vlm.image_tokens(), config.world_model.tokens()],
            ),
            config,
            device,
            vlm,
            adapted,
            scenes,
            gpi,
            optimizers,
        })
    }

    /// The interface as it is now, outside of any gradient's graph.
    pub fn gpi(&self) -> Gpi {
        self.gpi.valid()
    }

    /// The VLM with its adapters, outside of any gradient's graph.
    pub fn adapted(&self) -> VlmModel {
        self.adapted.valid()
    }

    /// Embeddings `[K, D_VLM]` and maps `[K, N]` through the adapters, with gradients.
    fn ground(&self, chosen: &[&CachedGoal]) -> Result<(Tensor<2>, Tensor<2>), TrainError> {
        let members: Vec<&Encoded> = chosen.iter().map(|goal| &goal.encoded).collect();
        let batch = TokenBatch::new(&members, self.vlm.tokenizer(), &self.config.vlm, &self.device)
            .map_err(|err| TrainError::Data(err.to_string()))?;
        let Some(SpanOutput {
            embeddings,
            attention: Some(attention),
        }) = self.adapted.spans(&batch)
        else {
            return Err(TrainError::Data("A sub-goal has no text of its own.".into()));
        };
        let map = attention.matmul(self.resampling.clone());
        let mean = map.clone().mean_dim(1);
        Ok((embeddings, map / mean))
    }
}

impl Stage for Stage2 {
    fn steps(&self) -> usize {
        self.config.train.stage2.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage2;
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let with_lora = step + stage.lora_steps >= stage.steps;
        let count = if with_lora { stage.lora_scenes } else { stage.scenes };
        let mut dice = rng(self.config.train.seed, Stream::Clips, step as u64, 2);
        let picked: Vec<usize> = (0..count).map(|_| dice.random_range(0..self.scenes.len())).collect();
        let goals: Vec<&CachedGoal> = picked.iter().flat_map(|&i| &self.scenes[i].goals).collect();
        let k = goals.len();
        let latents = |rows: Vec<&[f16]>| {
            let count = rows.len();
            let values: Vec<f32> = rows.into_iter().flatten().map(|&x| f32::from(x)).collect();
            Tensor::<3>::from_data(TensorData::new(values, [count, n, d]), &self.device)
        };
        let starts = picked.iter().map(|&i| &self.scenes[i]);
        let present = latents(
            starts
                .flat_map(|scene| vec![scene.start.as_slice(); scene.goals.len()])
                .collect(),
        );
        let start = latents(picked.iter().map(|&i| self.scenes[i].start.as_slice()).collect());
        let achieved = latents(goals.iter().map(|goal| goal.achieved.as_slice()).collect());
        let (embedding, map) = if with_lora {
            self.ground(&goals)?
        } else {
            let flat = |values: Vec<f32>, width: usize| {
                Tensor::<2>::from_data(TensorData::new(values, [k, width]), &self.device)
            };
            let embeddings = goals.iter().flat_map(|goal| goal.embedding.iter().copied()).collect();
            let maps = goals.iter().flat_map(|goal| goal.map.iter().copied()).collect();
            (flat(embeddings, self.config.vlm.dim), flat(maps, n))
        };
        let pool = |x: Tensor<3>| {
            let rows = x.dims()[0];
            x.mean_dim(1).reshape([rows, d])
        };
        let batch = GoalBatch {
            goal: pool(self.gpi.forward(embedding, map, present)),
            achieved: pool(achieved),
            start: pool(start),
            // A scene may be drawn twice; its sub-goals are then each other's equals.
            identity: picked
                .iter()
                .flat_map(|&i| (0..self.scenes[i].goals.len()).map(move |g| ((i as u64) << 32) | g as u64))
                .collect(),
        };
        let l_nce = info_nce(&batch, self.mean.clone(), self.config.gpi.temperature);
        let l_goal = goal_regression(&batch, self.comparison.clone());
        let loss = l_nce.clone() * stage.lambda_gpi + l_goal.clone() * self.config.gpi.lambda_goal;
        let mut metrics = vec![
            ("loss", loss.clone().into_scalar::<f64>()),
            ("info_nce", l_nce.into_scalar::<f64>()),
            ("goal_regression", l_goal.into_scalar::<f64>()),
        ];
        let mut all = loss.backward();
        let mut of_gpi = GradientsParams::from_module(&mut all, &self.gpi);
        let mut of_lora = GradientsParams::from_module(&mut all, &self.adapted);
        let norm = squared_norm(&self.gpi, &of_gpi) + squared_norm(&self.adapted, &of_lora);
        let factor = clip_factor(norm, self.config.train.clip_norm);
        if factor < 1.0 {
            scale(&self.gpi, &mut of_gpi, factor);
            scale(&self.adapted, &mut of_lora, factor);
        }
        let rate = |peak: f64| learning_rate(step, stage.steps, stage.warmup_steps, peak, RATE_FLOOR);
        let [gpi, lora] = &mut self.optimizers;
        self.gpi = gpi.step(rate(stage.lr_gpi), self.gpi.clone(), of_gpi);
        if with_lora {
            self.adapted = lora.step(rate(stage.lr_lora), self.adapted.clone(), of_lora);
        }
        metrics.extend([("learning_rate", rate(stage.lr_gpi)), ("gradient_norm", norm.sqrt())]);
        Ok(metrics)
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("write", folder, err);
        self.gpi.clone().save_file(folder.join("gpi.bpk")).map_err(wrong)?;
        self.adapted
            .clone()
            .save_file(folder.join("adapted.bpk"))
            .map_err(wrong)?;
        let [gpi, lora] = &self.optimizers;
        gpi.save(folder.join("optimizer-gpi.bpk")).map_err(wrong)?;
        lora.save(folder.join("optimizer-lora.bpk")).map_err(wrong)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let wrong = |err: burn::store::RecordError| TrainError::io("read", folder, err);
        self.gpi = self.gpi.clone().try_load_file(folder.join("gpi.bpk")).map_err(wrong)?;
        self.adapted = self
            .adapted
            .clone()
            .try_load_file(folder.join("adapted.bpk"))
            .map_err(wrong)?;
        let [gpi, lora] = optimizers(&self.config, &self.gpi, &self.adapted);
        self.optimizers = [
            gpi.load(folder.join("optimizer-gpi.bpk")).map_err(wrong)?,
            lora.load(folder.join("optimizer-lora.bpk")).map_err(wrong)?,
        ];
        Ok(())
    }
}

fn optimizers(config: &Config, gpi: &Gpi, adapted: &VlmModel) -> [ModuleOptimizer; 2] {
    let (betas, decay) = (config.train.betas, config.train.stage2.weight_decay);
    [adamw(gpi, betas, decay), adamw(adapted, betas, decay)]
}

/// The matrix of [`resample`], `[P, N]`, row-major.
fn resampling(from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let patches = from[0] * from[1];
    (0..patches)
        .flat_map(|patch| {
            let mut one = vec![0.0; patches];
            one[patch] = 1.0;
            resample(&one, from, to)
        })
        .collect()
}

fn cache(
    config: &Config,
    world_model: &WorldModel,
    vlm: &Vlm,
    source: &GoalScenes,
    index: u64,
    grid: [usize; 2],
    device: &Device,
) -> Result<Scene, TrainError> {
    let wrong = |err: crate::vlm::VlmError| TrainError::Data(err.to_string());
    let scene = source.scene(config.train.seed, index);
    let size = source.frame_px;
    let frames = 1 + scene.goals.len();
    let mut bytes = scene.frame.rgb.to_vec();
    scene
        .goals
        .iter()
        .for_each(|goal| bytes.extend_from_slice(&goal.achieved.rgb));
    let tokens = world_model
        .target_encoder
        .forward(pixels(&bytes, [frames, 3, size, size], device));
    let width = tokens.dims()[1] * tokens.dims()[2];
    let latents: Vec<f16> = tokens.into_data().iter::<f32>().map(f16::from_f32).collect();
    let asked: Vec<(&str, Vec<&str>)> = scene
        .goals
        .iter()
        .map(|goal| (goal.text.as_str(), goal.objects.iter().map(String::as_str).collect()))
        .collect();
    let groundings = vlm.ground(&scene.frame, &asked, grid).map_err(wrong)?;
    let goals = scene
        .goals
        .iter()
        .zip(groundings)
        .enumerate()
        .map(|(i, (goal, grounding))| {
            let example = grounding_example(&scene.frame, &goal.text, &goal.objects, Vec::new());
            let mut encoded = example.encode(vlm.tokenizer(), &config.vlm).map_err(wrong)?;
            // What comes after the text cannot change what is read at it.
            if let Some((span, _)) = encoded.spans.first() {
                encoded.tokens.truncate(span.end);
            }
            let achieved = latents[(i + 1) * width..(i + 2) * width].to_vec();
            Ok(CachedGoal {
                achieved,
                encoded,
                embedding: grounding.embedding,
                map: grounding.map.resampled,
            })
        })
        .collect::<Result<Vec<_>, TrainError>>()?;
    Ok(Scene {
        start: latents[..width].to_vec(),
        goals,
    })
}

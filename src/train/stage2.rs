//! Stage 2: the goal projection interface, and the VLM's low-rank adapters through its embeddings and maps (method, 7 and
//! Figure 3).
//!
//! While only the GPI learns, the VLM's side is a constant and is computed once; in the last `lora_steps` the gradient
//! runs through `e_k` and `w_k` into the adapters, which are kept apart from the base.
//!
//! The world model is frozen unless `joint_rate` is above 0. Then it goes on with the loss of stage 1 at that share of its
//! rates, beside the loss of the goals (method, 4.7, the total of joint training): latents are encoded anew at every step,
//! for the target encoder moves.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Int, Tensor, TensorData};
use half::f16;
use rand::RngExt;

use super::gradients::{Batch, gradients};
use super::optimizer::adamw;
use super::run::{Metrics, Stage, TrainError};
use super::samples::{Pairs, SampleContent};
use super::schedule::learning_rate;
use super::world_loss::WorldLoss;
use super::world_trainer::{WorldRates, WorldTrainer, in_training};
use crate::config::{Config, SimilarityKind};
use crate::data::{ClipSampler, GoalScenes};
use crate::gpi::{GoalBatch, Gpi, cosines, goal_regression, info_nce};
use crate::nn::{computing_in, wide};
use crate::random::{Stream, rng};
use crate::sim::Frame;
use crate::vlm::batch::Encoded;
use crate::vlm::ground::{SpanOutput, grounding_example};
use crate::vlm::maps::resample;
use crate::vlm::{TokenBatch, Vlm, VlmModel};
use crate::world_model::{LatentStats, WorldModel, pixels};

const RATE_FLOOR: f64 = 0.02;
/// Scenes of a sample.
const FRESH: usize = 4;
/// Weight of the flags in the comparison space of the regression: a goal is first of all somewhere.
const FLAGS: f32 = 0.1;

/// A scene with all that does not change while the VLM is frozen.
struct Scene {
    start: Seen,
    goals: Vec<CachedGoal>,
}

/// What the world model makes of a frame, or the frame itself where the world model still changes.
enum Seen {
    /// `[N, D]` in half precision.
    Latent(Vec<f16>),
    Frame(Frame),
}

struct CachedGoal {
    text: String,
    achieved: Seen,
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
    /// Scenes that no step draws, for samples.
    fresh: Vec<Scene>,
    /// What InfoNCE takes off the latents, see [`centre`].
    mean: Option<Tensor<1>>,
    comparison: Tensor<2>,
    /// From the VLM's patches to the world model's, by area, `[P, N]`.
    resampling: Tensor<2>,
    gpi: Gpi,
    optimizers: [ModuleOptimizer; 2],
    joint: Option<Joint>,
}

/// The world model in joint mode, with clips of the kind that it was trained on.
struct Joint {
    trainer: WorldTrainer,
    clips: ClipSampler,
}

impl Stage2 {
    /// Draws and encodes the scenes; `progress` is told how many of how many are done. With `clips` the world model is
    /// trained too, at `joint_rate`; without them it is frozen.
    ///
    /// # Errors
    /// A sub-goal does not fit into the VLM's context.
    pub fn new(
        config: Config,
        (world_model, stats): (&WorldModel, &LatentStats),
        vlm: Vlm,
        source: &GoalScenes,
        clips: Option<ClipSampler>,
        device: &Device,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, TrainError> {
        let stage = &config.train.stage2;
        let grounds = vlm.computing_in(config.precision);
        let frozen = clips.is_none().then(|| computing_in(world_model, config.precision));
        let scenes = (0..stage.scenes_total)
            .map(|index| {
                progress(index, stage.scenes_total);
                cache(&config, frozen.as_ref(), &grounds, source, index as u64, device)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fresh = if config.train.samples_every > 0 { FRESH } else { 0 };
        let fresh = (stage.scenes_total..stage.scenes_total + fresh)
            .map(|index| cache(&config, frozen.as_ref(), &grounds, source, index as u64, device))
            .collect::<Result<Vec<_>, _>>()?;
        let grid = [config.world_model.grid(); 2];
        device.seed(config.train.seed);
        let device = device.clone().autodiff();
        let dim = config.world_model.dim;
        let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        let adapted = vlm.model().clone().train().with_lora(config.train.seed);
        let joint = clips.map(|clips| Joint {
            trainer: WorldTrainer::new(&config, in_training(world_model)),
            clips,
        });
        let optimizers = optimizers(&config, &gpi, &adapted);
        let matrix = |values: Vec<f32>, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), &device);
        Ok(Self {
            mean: centre(&config, stats).map(|mean| Tensor::from_floats(mean, &device)),
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
            fresh,
            gpi,
            optimizers,
            joint,
        })
    }

    /// The world model as it is now, outside of any gradient's graph; none where it is frozen.
    pub fn world_model(&self) -> Option<WorldModel> {
        self.joint.as_ref().map(|joint| joint.trainer.model().valid())
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
    fn ground(&self, adapted: &VlmModel, chosen: &[&CachedGoal]) -> Result<(Tensor<2>, Tensor<2>), TrainError> {
        let members: Vec<&Encoded> = chosen.iter().map(|goal| &goal.encoded).collect();
        let batch = TokenBatch::new(&members, self.vlm.tokenizer(), &self.config.vlm, &self.device)
            .map_err(|err| TrainError::Data(err.to_string()))?;
        let Some(SpanOutput {
            embeddings,
            attention: Some(attention),
        }) = adapted.spans(&batch)
        else {
            return Err(TrainError::Data("A sub-goal has no text of its own.".into()));
        };
        let map = attention.matmul(self.resampling.clone());
        let mean = map.clone().mean_dim(1);
        Ok((embeddings, map / mean))
    }

    /// Latents `[K, N, D]` of frames, as the target encoder sees them now. No gradient runs into them: they are targets.
    fn latents(&self, seen: &[&Seen], model: Option<&WorldModel>) -> Tensor<3> {
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let mut values: Vec<f32> = Vec::new();
        let mut bytes: Vec<u8> = Vec::new();
        for seen in seen {
            match seen {
                Seen::Latent(latent) => values.extend(latent.iter().map(|&x| f32::from(x))),
                Seen::Frame(frame) => bytes.extend_from_slice(&frame.rgb),
            }
        }
        match model.filter(|_| !bytes.is_empty()) {
            Some(model) => {
                let size = self.config.world_model.image_size;
                let plain = self.device.clone().inner();
                let frames = pixels(&bytes, [seen.len(), 3, size, size], &plain);
                wide(model.target_encoder.forward(frames)).autodiff()
            }
            None => Tensor::from_data(TensorData::new(values, [seen.len(), n, d]), &self.device),
        }
    }

    /// What the losses compare, of numbered scenes, and the seconds that their latents took.
    fn goal_batch(
        &self,
        scenes: &[(usize, &Scene)],
        with_lora: bool,
        world: Option<&WorldModel>,
    ) -> Result<(GoalBatch, f64), TrainError> {
        let (n, d) = (self.config.world_model.tokens(), self.config.world_model.dim);
        let began = Instant::now();
        let goals: Vec<&CachedGoal> = scenes.iter().flat_map(|(_, scene)| &scene.goals).collect();
        let k = goals.len();
        let starts: Vec<&Seen> = scenes.iter().map(|(_, scene)| &scene.start).collect();
        let start = self.latents(&starts, world);
        let scene_of: Vec<i64> = (0..)
            .zip(scenes)
            .flat_map(|(row, (_, scene))| vec![row; scene.goals.len()])
            .collect();
        let scene_of = Tensor::<1, Int>::from_data(TensorData::new(scene_of, [k]), &self.device);
        let present = start.clone().select(0, scene_of);
        let achieved: Vec<&Seen> = goals.iter().map(|goal| &goal.achieved).collect();
        let achieved = self.latents(&achieved, world);
        let latents_secs = began.elapsed().as_secs_f64();
        let precision = self.config.precision;
        let (embedding, map) = if with_lora {
            self.ground(&computing_in(&self.adapted, precision), &goals)?
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
            wide(x).mean_dim(1).reshape([rows, d])
        };
        let gpi = computing_in(&self.gpi, precision);
        let batch = GoalBatch {
            goal: pool(gpi.forward(embedding, map, present)),
            achieved: pool(achieved),
            start: pool(start),
            // A scene may be drawn twice; its sub-goals are then each other's equals.
            identity: scenes
                .iter()
                .flat_map(|(i, scene)| (0..scene.goals.len()).map(move |g| ((*i as u64) << 32) | g as u64))
                .collect(),
        };
        Ok((batch, latents_secs))
    }

    /// Batch `index` of the run; the VLM's side goes through its adapters in a step `with_lora`.
    fn batch(&self, index: usize, with_lora: bool) -> Result<Batch, TrainError> {
        let stage = &self.config.train.stage2;
        let count = if with_lora { stage.lora_scenes } else { stage.scenes };
        let mut dice = rng(self.config.train.seed, Stream::Clips, index as u64, 2);
        let picked: Vec<usize> = (0..count).map(|_| dice.random_range(0..self.scenes.len())).collect();
        let precision = self.config.precision;
        let world = self
            .joint
            .as_ref()
            .map(|joint| computing_in(joint.trainer.model(), precision));
        let scenes: Vec<(usize, &Scene)> = picked.iter().map(|&i| (i, &self.scenes[i])).collect();
        let (batch, latents_secs) = self.goal_batch(&scenes, with_lora, world.as_ref())?;
        // In joint mode latents are computed here and not looked up: only the clips below are loaded.
        let mut loader_secs = if world.is_none() { latents_secs } else { 0.0 };
        let l_nce = info_nce(&batch, self.mean.clone(), self.config.gpi.temperature);
        let l_goal = goal_regression(&batch, self.comparison.clone());
        let mut loss = l_nce.clone() * stage.lambda_gpi + l_goal.clone() * self.config.gpi.lambda_goal;
        let mut named = vec![
            ("info_nce", l_nce.into_scalar::<f64>()),
            ("goal_regression", l_goal.into_scalar::<f64>()),
        ];
        if let (Some(joint), Some(model)) = (&self.joint, &world) {
            let began = Instant::now();
            let first = &self.config.train.stage1;
            let (length, events) = (self.config.world_model.clip_len, first.event_share as f32);
            let clips = joint.clips.sample(index as u64, first.batch, length, events)?;
            loader_secs += began.elapsed().as_secs_f64();
            let terms = WorldLoss {
                config: &self.config,
                model,
                device: &self.device,
            }
            .terms(&clips, index)?;
            loss = loss + terms.loss;
            named.extend(terms.named);
        }
        Ok(Batch {
            loss,
            loader_secs,
            named,
        })
    }
}

impl Stage for Stage2 {
    fn steps(&self) -> usize {
        self.config.train.stage2.steps
    }

    fn step(&mut self, step: usize) -> Result<Metrics, TrainError> {
        let stage = &self.config.train.stage2;
        let with_lora = step + stage.lora_steps >= stage.steps;
        let parts = stage.accumulation;
        let world = self.joint.as_ref().map(|joint| joint.trainer.online());
        let trained = ((&self.gpi, &self.adapted), world);
        let (((of_gpi, of_lora), of_world), mut metrics) =
            gradients(&trained, parts, self.config.train.clip_norm, |part| {
                self.batch(step * parts + part, with_lora)
            })?;
        let rate = |peak: f64| learning_rate(step, stage.steps, stage.warmup_steps, peak, RATE_FLOOR);
        let [gpi, lora] = &mut self.optimizers;
        self.gpi = gpi.step(rate(stage.lr_gpi), self.gpi.clone(), of_gpi);
        if with_lora {
            self.adapted = lora.step(rate(stage.lr_lora), self.adapted.clone(), of_lora);
        }
        if let (Some(joint), Some(gradients)) = (&mut self.joint, of_world) {
            let first = &self.config.train.stage1;
            let rates = WorldRates {
                encoder: rate(stage.joint_rate * first.lr.encoder),
                predictor: rate(stage.joint_rate * first.lr.predictor),
                // Where stage 1 left it: in the method at 1, and the target encoder stays as it is.
                tau: first.ema.1,
            };
            joint.trainer.step(gradients, &rates);
        }
        metrics.push(("learning_rate", rate(stage.lr_gpi)));
        if with_lora {
            metrics.push(("learning_rate_lora", rate(stage.lr_lora)));
        }
        Ok(metrics)
    }

    /// Goals of scenes that no step draws, against the states that they are told from.
    fn sample(&self, steps: usize, _plans: Option<&AtomicBool>) -> Result<SampleContent, TrainError> {
        let stage = &self.config.train.stage2;
        let precision = self.config.precision;
        let world = self
            .joint
            .as_ref()
            .map(|joint| computing_in(joint.trainer.model(), precision));
        let scenes: Vec<(usize, &Scene)> = self.fresh.iter().enumerate().collect();
        // Adapters that have not been trained change nothing.
        let adapted = steps + stage.lora_steps > stage.steps;
        let (batch, _) = self.goal_batch(&scenes, adapted, world.as_ref())?;
        let cosines = cosines(&batch, self.mean.clone());
        let [_, columns] = cosines.dims();
        let labels = scenes.iter().flat_map(|(scene, of)| {
            let goals = of.goals.iter();
            goals.map(move |goal| format!("{}: {}", scene + 1, goal.text))
        });
        Ok(SampleContent {
            pairs: Some(Pairs {
                labels: labels.collect(),
                identity: batch.identity,
                columns,
                cosines: cosines.into_data().iter::<f32>().collect(),
                temperature: self.config.gpi.temperature,
            }),
            ..SampleContent::default()
        })
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
        lora.save(folder.join("optimizer-lora.bpk")).map_err(wrong)?;
        self.joint.as_ref().map_or(Ok(()), |joint| joint.trainer.save(folder))
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
        match &mut self.joint {
            Some(joint) => joint.trainer.load(&self.config, folder),
            None => Ok(()),
        }
    }
}

fn optimizers(config: &Config, gpi: &Gpi, adapted: &VlmModel) -> [ModuleOptimizer; 2] {
    let (betas, decay) = (config.train.betas, config.train.stage2.weight_decay);
    [adamw(gpi, betas, decay), adamw(adapted, betas, decay)]
}

/// What is taken off pooled latents before their cosine: the data's mean where planning compares states about it, nothing
/// where planning takes the plain cosine (the method).
fn centre<'a>(config: &Config, stats: &'a LatentStats) -> Option<&'a [f32]> {
    (config.plan.similarity == SimilarityKind::Calibrated).then_some(stats.mean.as_slice())
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

/// A scene by its number; its latents where the world model is `frozen`.
fn cache(
    config: &Config,
    frozen: Option<&WorldModel>,
    vlm: &Vlm,
    source: &GoalScenes,
    index: u64,
    device: &Device,
) -> Result<Scene, TrainError> {
    let wrong = |err: crate::vlm::VlmError| TrainError::Data(err.to_string());
    let grid = [config.world_model.grid(); 2];
    let scene = source.scene(config.train.seed, index);
    let size = config.world_model.image_size;
    let frames = std::iter::once(&scene.frame).chain(scene.goals.iter().map(|goal| &goal.achieved));
    let frames: Option<Vec<Frame>> = frames.map(|frame| frame.shrunk(size)).collect();
    let frames = frames.ok_or_else(|| {
        TrainError::Data(format!(
            "the scenes' frames have {} pixels a side, expected a multiple of {size}",
            source.frame_px
        ))
    })?;
    let mut seen: Vec<Seen> = match frozen {
        Some(model) => {
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.rgb.iter().copied()).collect();
            let count = frames.len();
            let tokens = model
                .target_encoder
                .forward(pixels(&bytes, [count, 3, size, size], device));
            let width = tokens.dims()[1] * tokens.dims()[2];
            let latents: Vec<f16> = tokens.into_data().iter::<f32>().map(f16::from_f32).collect();
            latents
                .chunks_exact(width)
                .map(|latent| Seen::Latent(latent.to_vec()))
                .collect()
        }
        None => frames.into_iter().map(Seen::Frame).collect(),
    };
    let start = seen.remove(0);
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
        .zip(seen)
        .map(|((goal, grounding), achieved)| {
            let example = grounding_example(&scene.frame, &goal.text, &goal.objects, Vec::new());
            let mut encoded = example.encode(vlm.tokenizer(), &config.vlm).map_err(wrong)?;
            // What comes after the text cannot change what is read at it.
            if let Some((span, _)) = encoded.spans.first() {
                encoded.tokens.truncate(span.end);
            }
            Ok(CachedGoal {
                text: goal.text.clone(),
                achieved,
                encoded,
                embedding: grounding.embedding,
                map: grounding.map.resampled,
            })
        })
        .collect::<Result<Vec<_>, TrainError>>()?;
    Ok(Scene { start, goals })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn latents_are_centred_where_planning_compares_them_about_the_mean() {
        let stats = LatentStats::fit(&[1.0, 2.0, 3.0, 6.0], 2, 1.0, vec![0.0; 8]);
        assert_eq!(centre(&preset("nano").unwrap(), &stats), Some(&[2.0f32, 4.0][..]));
        assert_eq!(centre(&preset("paper").unwrap(), &stats), None);
    }
}

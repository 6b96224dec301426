//! A trained world model as the planner sees it.

use burn::tensor::{Device, Tensor, TensorData};

use super::models::{GoalSource, LatentModel, ModelError};
use crate::config::{PlanEncoder, WorldModelConfig};
use crate::nn::layer_norm;
use crate::sim::Frame;
use crate::world_model::{CpuPredictor, LatentStats, WorldModel, small_frames};

/// Frames that are encoded at once.
const CHUNK: usize = 64;

/// A frame that the encoder was not made for.
#[derive(Debug, thiserror::Error)]
#[error(
    "A frame is {width} x {height} pixels, the encoder expects {expected} x {expected} or a multiple. Load a checkpoint that was made \
     for this size, or render the scene at the preset's image_size."
)]
struct FrameSize {
    width: usize,
    height: usize,
    expected: usize,
}

/// A world model on its device with its latent statistics.
pub struct TrainedWorld {
    model: WorldModel,
    stats: LatentStats,
    /// `[D, D + 4]`.
    comparison: Vec<f32>,
    encoder: PlanEncoder,
    image_size: usize,
    device: Device,
    /// Where the device is the CPU.
    fast: Option<CpuPredictor>,
}

impl TrainedWorld {
    /// `model` lies on `device` and records no gradients.
    pub fn new(
        model: WorldModel,
        stats: LatentStats,
        config: &WorldModelConfig,
        encoder: PlanEncoder,
        device: Device,
    ) -> Self {
        let comparison = stats.comparison(1.0, 1.0);
        let fast = CpuPredictor::new(&model.predictor, &device);
        Self {
            model,
            stats,
            comparison,
            encoder,
            image_size: config.image_size,
            device,
            fast,
        }
    }

    pub fn model(&self) -> &WorldModel {
        &self.model
    }

    pub fn stats(&self) -> &LatentStats {
        &self.stats
    }

    /// [`LatentModel::predict`] layer by layer, as on every other device. What is predicted at mask tokens has the scale of
    /// the training's targets, and is brought to that of the encoder's tokens.
    pub fn predict_by_layers(&self, tokens: Tensor<3>, actions: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        let predictor = &self.model.predictor;
        let next = predictor.step(tokens, actions, bias.map(|bias| bias.clone().unsqueeze::<2>()));
        if predictor.is_residual() {
            next
        } else {
            layer_norm(next)
        }
    }
}

impl LatentModel for TrainedWorld {
    fn device(&self) -> Device {
        self.device.clone()
    }

    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        let expected = self.image_size;
        let fitting = |frame: &Frame| {
            frame.shrunk(expected).ok_or(FrameSize {
                width: frame.width,
                height: frame.height,
                expected,
            })
        };
        let frames = frames.iter().map(fitting).collect::<Result<Vec<Frame>, _>>()?;
        let tokens = frames
            .chunks(CHUNK)
            .map(|chunk| self.model.encode(chunk, self.encoder, &self.device))
            .collect();
        Ok(Tensor::cat(tokens, 0))
    }

    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        let Some(fast) = &self.fast else {
            return self.predict_by_layers(tokens, actions, bias);
        };
        let shape = tokens.dims();
        // The CPU's memory can always be read.
        let numbers = |values: TensorData| values.try_into_vec_as::<f32>().unwrap_or_default();
        let bias = bias.map(|bias| numbers(bias.to_data()));
        let next = fast.step(
            &numbers(tokens.into_data()),
            &numbers(actions.into_data()),
            bias.as_deref(),
        );
        Tensor::from_data(TensorData::new(next, shape), &self.device)
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.model.heads.proprioception(pooled)
    }

    fn temporal_distance(&self, states: Tensor<2>, goals: Tensor<2>) -> Option<Tensor<1>> {
        let head = self.model.heads.temporal.as_ref()?;
        Some(head.forward(states, goals))
    }

    fn pictures(&self, pooled: Tensor<2>) -> Option<Vec<Frame>> {
        Some(small_frames(self.model.heads.read_picture(pooled)?))
    }

    fn latent_mean(&self) -> &[f32] {
        &self.stats.mean
    }

    fn comparison(&self) -> &[f32] {
        &self.comparison
    }

    fn gripper_variance(&self) -> f32 {
        self.stats.xy_variance
    }

    fn sim_temperature(&self, source: GoalSource) -> f32 {
        let temperature = self.stats.sim_temperature;
        match source {
            GoalSource::Oracle => temperature.oracle,
            GoalSource::Gpi => temperature.gpi,
            GoalSource::Image => temperature.image,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use burn::nn::LinearConfig;

    use super::super::cem::{PlanRequest, first_mean, plan};
    use super::super::cost::{LatentSpace, cost_of, pool};
    use super::super::rollout::{attention_bias, rollout};
    use super::*;
    use crate::config::{Config, preset};
    use crate::recording::AttentionMap;

    fn nano() -> (Config, TrainedWorld) {
        of(preset("nano").unwrap())
    }

    fn of(config: Config) -> (Config, TrainedWorld) {
        let device = Device::flex();
        let mut model = WorldModel::new(&config.world_model, &device);
        let dim = config.world_model.dim;
        // An untrained residual predictor is persistence, which nothing changes.
        model.predictor.output = LinearConfig::new(config.world_model.predictor.dim, dim).init(&device);
        let pooled: Vec<f32> = (0..dim * 2 * dim)
            .map(|i| ((i * 7919) % 1013) as f32 / 506.0 - 1.0)
            .collect();
        let weight = (0..4 * dim)
            .map(|i| ((i * 104_729) % 997) as f32 / 498.0 - 1.0)
            .collect();
        let stats = LatentStats::fit(&pooled, dim, 0.54, weight);
        let world = TrainedWorld::new(model, stats, &config.world_model, config.plan.encoder, device);
        (config, world)
    }

    fn frame(shade: u8) -> Frame {
        Frame {
            width: 64,
            height: 64,
            rgb: (0..3 * 64 * 64).map(|i| (i % 251) as u8 ^ shade).collect(),
        }
    }

    #[test]
    fn it_plans_with_every_cost_and_the_same_plan_again() {
        let mut config = preset("nano").unwrap();
        config.world_model.temporal_distance = 16;
        let (config, world) = of(config);
        let tokens = world.encode(&[frame(0), frame(90)]).unwrap();
        let (present, goal) = (tokens.clone().narrow(0, 0, 1), tokens.narrow(0, 1, 1));
        let space = LatentSpace::new(&world, config.plan.similarity).unwrap();
        for term in [
            crate::config::CostTerm::Similarity,
            crate::config::CostTerm::Content,
            crate::config::CostTerm::Temporal,
            crate::config::CostTerm::Gate,
        ] {
            let (g, p) = (pool(goal.clone()), pool(present.clone()));
            let cost = cost_of(term, &world, &space, g, p, GoalSource::Oracle).unwrap();
            let plan_once = || {
                let mean = first_mean(&config.plan, false);
                let request = PlanRequest {
                    tokens: &present,
                    mean,
                    grip_command: false,
                    bias: None,
                    seed: 3,
                    step: 1,
                    draw: 0,
                };
                let cancel = AtomicBool::new(false);
                plan(&world, cost.as_ref(), &config.plan, &request, &mut |_, _| (), &cancel).unwrap()
            };
            let (once, again) = (plan_once(), plan_once());
            assert_eq!(once.iterations, again.iterations);
            assert!(once.cost.is_finite() && once.mean.len() == 5);
            let costs = &once.iterations[0].costs;
            assert!(
                costs.iter().any(|cost| (cost - costs[0]).abs() > 1e-5 * costs[0].abs()),
                "{term:?}: every candidate costs {}",
                costs[0]
            );
        }
    }

    #[test]
    fn a_uniform_map_changes_no_rollout_another_does_and_one_of_another_grid_is_refused() {
        let (config, world) = nano();
        let bias = |resampled: Vec<f32>| {
            let map = AttentionMap {
                grid: [1, 1],
                values: vec![1.0],
                model_grid: [1, 1],
                resampled,
            };
            attention_bias(&world, &map, 16, config.plan.reasoning_alpha, 1e-6)
        };
        assert!(bias(vec![1.0; 9]).is_err());
        let tokens = world.encode(&[frame(0)]).unwrap();
        let cancel = AtomicBool::new(false);
        let ahead = |bias: Option<&Tensor<1>>| {
            let sequence = vec![[0.5, -0.5, 1.0]; 3];
            rollout(&world, &tokens, &[sequence], bias, &cancel).unwrap()
        };
        let gap = |map: Vec<f32>| {
            let gap = ahead(bias(map).unwrap().as_ref()) - ahead(None);
            gap.abs().max().into_scalar::<f32>()
        };
        let uniform = gap(vec![1.0; 16]);
        assert!(uniform < 1e-5, "{uniform}");
        let peaked = (0..16).map(|i| if i == 5 { 16.0 } else { 0.0 }).collect();
        assert!(gap(peaked) > 1e-3);
    }

    #[test]
    fn the_temporal_cost_needs_its_head() {
        let (config, world) = nano();
        let goal = pool(world.encode(&[frame(0)]).unwrap());
        let space = LatentSpace::new(&world, config.plan.similarity).unwrap();
        let term = crate::config::CostTerm::Temporal;
        let refused = cost_of(term, &world, &space, goal.clone(), goal, GoalSource::Oracle).map(|_| ());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("world_model.temporal_distance"), "{refused}");
    }

    #[test]
    fn what_is_predicted_has_the_scale_of_what_is_encoded() {
        for residual in [true, false] {
            let mut config = preset("nano").unwrap();
            config.world_model.predictor.residual = residual;
            let (_, world) = of(config);
            let tokens = world.encode(&[frame(0)]).unwrap();
            let square = |tokens: Tensor<3>| tokens.square().mean().into_scalar::<f32>();
            let actions = Tensor::<2>::from_data([[0.5, -0.5, 1.0]], &world.device());
            let next = world.predict(tokens.clone(), actions, None);
            let (encoded, predicted) = (square(tokens), square(next));
            assert!((encoded - predicted).abs() < 0.01, "{encoded} and {predicted}");
        }
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let small = Frame {
            width: 32,
            height: 64,
            rgb: vec![0; 3 * 32 * 64].into(),
        };
        let message = nano().1.encode(&[small]).unwrap_err().to_string();
        assert!(
            message.contains("32 x 64 pixels, the encoder expects 64 x 64"),
            "{message}"
        );
    }
}

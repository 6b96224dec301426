//! What a stage will need before it is started: memory, from the modules' own constructors and the shapes that a step
//! keeps for its way back. Nothing is allocated.

use burn::module::Module;
use burn::tensor::Device;

use super::StageKind;
use crate::config::{Config, Precision};
use crate::gpi::Gpi;
use crate::nn::{ParamShape, census};
use crate::vlm::VlmModel;
use crate::world_model::{Encoder, Heads, Predictor};

/// Bytes of a number in single precision.
const F32: f64 = 4.0;

/// Bytes, by what holds them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingMemory {
    /// Parameters that are trained.
    pub parameters: u64,
    /// Weights, gradients and AdamW's two moments of what is trained, and the copies that compute in half precision.
    pub state: f64,
    /// Weights of what stays as it is.
    pub frozen: f64,
    /// What a batch keeps for its way back, at most: a transformer block keeps `(8 + 2 r) d` numbers a token (inputs,
    /// queries, keys, values, mixed values, both ends of an MLP `r` times as wide) and `2 h n` of attention among `n` tokens.
    pub activations: f64,
}

impl TrainingMemory {
    pub fn of(stage: StageKind, config: &Config) -> Self {
        let count = Counts::of(config);
        let world = &config.world_model;
        let online = count.encoder + count.predictor + count.heads;
        let (n, t) = (world.tokens(), world.clip_len);
        let encoder = |frames: usize| {
            let encoder = &world.encoder;
            frames as f64 * kept(encoder.depth, world.dim, encoder.mlp_ratio as f64, encoder.heads, n)
        };
        let predictor = |rows: usize, tokens: usize| {
            let predictor = &world.predictor;
            rows as f64
                * kept(
                    predictor.depth,
                    predictor.dim,
                    predictor.mlp_ratio as f64,
                    predictor.heads,
                    tokens,
                )
        };
        let stage_1 = || {
            let one = &config.train.stage1;
            // Two frames of a causal step, or what block masks show of whole clips.
            let causal = encoder(2 * one.batch) + predictor(one.batch, n);
            let masked = encoder(t * one.batch) + predictor(one.batch, t * n);
            if one.mask.causal_share < 1.0 {
                causal.max(masked)
            } else {
                causal
            }
        };
        let vlm = &config.vlm;
        let read = |rows: usize| {
            rows as f64
                * kept(
                    vlm.depth,
                    vlm.dim,
                    vlm.mlp as f64 / vlm.dim as f64,
                    vlm.heads,
                    vlm.max_tokens,
                )
        };
        let (trained, frozen, kept) = match stage {
            StageKind::One => (online, count.encoder, stage_1()),
            StageKind::OneB => {
                let stage = &config.train.stage1b;
                (
                    count.predictor,
                    online + count.encoder,
                    predictor(stage.batch * stage.rollout, n),
                )
            }
            StageKind::Vlm => {
                let stage = &config.train.vlm;
                let frames = stage.batch.max(stage.facts_batch) as f64;
                let look = kept(
                    vlm.vision_depth,
                    vlm.vision_dim,
                    vlm.vision_mlp as f64 / vlm.vision_dim as f64,
                    vlm.vision_heads,
                    vlm.image_tokens(),
                );
                (count.vlm, 0, frames * look + read(stage.batch))
            }
            StageKind::Two => {
                let stage = &config.train.stage2;
                let gpi = &config.gpi;
                let goals = stage.scenes * stage.sub_goals_per_scene;
                let mut most = goals as f64 * kept(gpi.depth, gpi.dim, gpi.mlp_ratio as f64, gpi.heads, n);
                if stage.lora_steps > 0 {
                    most = most.max(read(stage.lora_scenes * stage.sub_goals_per_scene));
                }
                if stage.joint_rate > 0.0 {
                    (count.gpi + online, count.vlm + count.encoder, most + stage_1())
                } else {
                    (count.gpi, count.vlm + online + count.encoder, most)
                }
            }
        };
        let (half, bytes) = match config.precision {
            Precision::F32 => (0.0, F32),
            Precision::Bf16 => (2.0, 2.0),
        };
        Self {
            parameters: trained,
            state: trained as f64 * (4.0 * F32 + half),
            frozen: frozen as f64 * F32,
            activations: kept * bytes,
        }
    }

    pub fn total(&self) -> f64 {
        self.state + self.frozen + self.activations
    }
}

/// Numbers that `depth` blocks keep of a row of `tokens`.
fn kept(depth: usize, dim: usize, mlp_ratio: f64, heads: usize, tokens: usize) -> f64 {
    let n = tokens as f64;
    depth as f64 * (n * (8.0 + 2.0 * mlp_ratio) * dim as f64 + 2.0 * heads as f64 * n * n)
}

/// Parameters by module.
struct Counts {
    encoder: u64,
    predictor: u64,
    heads: u64,
    gpi: u64,
    vlm: u64,
}

impl Counts {
    fn of(config: &Config) -> Self {
        fn count<M: Module>(module: &M) -> u64 {
            census(module).iter().map(ParamShape::count).sum()
        }
        let (device, world) = (Device::flex(), &config.world_model);
        Self {
            encoder: count(&Encoder::new(world, &device)),
            predictor: count(&Predictor::new(world, &device)),
            heads: count(&Heads::new(world, &device)),
            gpi: count(&Gpi::new(&config.gpi, world, config.vlm.dim, &device)),
            vlm: count(&VlmModel::new(&config.vlm, &device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;
    use crate::nn::parameter_bytes;
    use crate::world_model::WorldModel;

    #[test]
    fn the_state_of_stage_1_is_four_times_what_its_networks_hold() {
        let config = preset("nano").unwrap();
        let model = WorldModel::new(&config.world_model, &Device::flex());
        let (all, target) = (parameter_bytes(&model), parameter_bytes(&model.target_encoder));
        let memory = TrainingMemory::of(StageKind::One, &config);
        assert_eq!(memory.state, 4.0 * (all - target) as f64);
        assert_eq!((memory.frozen, memory.parameters), (target as f64, (all - target) / 4));
        let frozen = TrainingMemory::of(StageKind::OneB, &config);
        assert!(frozen.parameters < memory.parameters && frozen.frozen > memory.frozen);
    }

    #[test]
    fn what_a_batch_keeps_grows_with_the_batch_and_halves_in_half_precision() {
        let mut config = preset("nano").unwrap();
        for stage in StageKind::ALL {
            assert!(TrainingMemory::of(stage, &config).activations > 1e6, "{stage}");
        }
        let one = TrainingMemory::of(StageKind::One, &config);
        config.train.stage1.batch *= 2;
        assert_eq!(
            TrainingMemory::of(StageKind::One, &config).activations,
            2.0 * one.activations
        );
        config.precision = Precision::Bf16;
        assert_eq!(TrainingMemory::of(StageKind::One, &config).activations, one.activations);
        // By hand: one block of width 2 with an MLP of width 8 and one head, over three tokens.
        assert_eq!(kept(1, 2, 4.0, 1, 3), 3.0 * (3 * 2 + 5 * 2 + 2 * 8) as f64 + 2.0 * 9.0);
    }
}

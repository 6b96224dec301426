//! What a stage will need before it is started: memory, from the modules' own constructors, the shapes that a step keeps for
//! its way back, and what of the data stays in memory. Nothing is allocated. It is within a quarter of the peak that nano's
//! stages were measured to have on a CPU (a test has the numbers).

use burn::module::Module;
use burn::tensor::Device;

use super::StageKind;
use crate::config::{Config, Precision, Stem};
use crate::data::GenerateSettings;
use crate::gpi::Gpi;
use crate::nn::{ParamShape, census};
use crate::policy::Policy;
use crate::vlm::VlmModel;
use crate::world_model::{Encoder, Heads, Predictor};

/// Bytes of a number in single precision.
const F32: f64 = 4.0;

/// The program itself, its threads and what their allocators hold back.
const PROGRAM: f64 = 100e6;
/// What a step holds at its highest, over what it keeps for its way back: gradients on their way and what was freed in pieces.
const WORK: f64 = 1.4;
/// Length of a batch's longest texts as a share of the most that the model takes, and tokens of a sub-goal's own text.
const TEXT_SHARE: f64 = 0.5;
const GOAL_TOKENS: usize = 24;

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
    /// queries, keys, values, mixed values, both ends of an MLP `r` times as wide) and `2 h n` of attention among `n` tokens; a
    /// convolution its unfolded windows and its output. With [`WORK`] on top.
    pub activations: f64,
    /// Latents of all frames (stage 1b, of as many episodes as are made by default), scenes with their texts (stage 2),
    /// moments of demonstrations (stage bc).
    pub data: f64,
    /// The program without a training.
    pub program: f64,
}

impl TrainingMemory {
    pub fn of(stage: StageKind, config: &Config) -> Self {
        let count = Counts::of(config);
        let world = &config.world_model;
        let online = count.encoder + count.predictor + count.heads;
        let (n, t) = (world.tokens(), world.clip_len);
        let encoder = |frames: usize| {
            let encoder = &world.encoder;
            let channels = if encoder.coordinates { 5 } else { 3 };
            let stem = stem(&encoder.stem, channels, world.dim, world.image_size, world.patch_size);
            frames as f64 * (stem + kept(encoder.depth, world.dim, encoder.mlp_ratio as f64, encoder.heads, n))
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
        let read = |rows: usize, tokens: usize| {
            rows as f64 * kept(vlm.depth, vlm.dim, vlm.mlp as f64 / vlm.dim as f64, vlm.heads, tokens)
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
                let look = stem(&vlm.stem, 3, vlm.vision_dim, vlm.image_size, vlm.patch_size)
                    + kept(
                        vlm.vision_depth,
                        vlm.vision_dim,
                        vlm.vision_mlp as f64 / vlm.vision_dim as f64,
                        vlm.vision_heads,
                        vlm.image_tokens(),
                    );
                let longest = (vlm.max_tokens as f64 * TEXT_SHARE) as usize;
                (count.vlm, 0, frames * look + read(stage.batch, longest))
            }
            StageKind::Two => {
                let stage = &config.train.stage2;
                let gpi = &config.gpi;
                let goals = stage.scenes * stage.sub_goals_per_scene;
                let mut most = goals as f64 * kept(gpi.depth, gpi.dim, gpi.mlp_ratio as f64, gpi.heads, n);
                if stage.lora_steps > 0 {
                    let tokens = vlm.image_tokens() + GOAL_TOKENS;
                    most = most.max(read(stage.lora_scenes * stage.sub_goals_per_scene, tokens));
                }
                if stage.joint_rate > 0.0 {
                    (count.gpi + online, count.vlm + count.encoder, most + stage_1())
                } else {
                    (count.gpi, count.vlm + online + count.encoder, most)
                }
            }
            StageKind::Bc => {
                let (batch, predictor) = (config.train.bc.batch, &world.predictor);
                // The robot's own token and the words stand beside the patches.
                let tokens = 1 + GOAL_TOKENS + n;
                let ratio = predictor.mlp_ratio as f64;
                let trunk = batch as f64 * kept(predictor.depth + 1, predictor.dim, ratio, predictor.heads, tokens);
                (count.policy, 0, encoder(batch) + trunk)
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
            activations: WORK * kept * bytes,
            data: data(stage, config),
            program: PROGRAM,
        }
    }

    pub fn total(&self) -> f64 {
        self.state + self.frozen + self.activations + self.data + self.program
    }
}

/// Bytes of what a stage reads once and keeps.
fn data(stage: StageKind, config: &Config) -> f64 {
    let world = &config.world_model;
    match stage {
        // Episodes stay on disk, examples are made as they are needed.
        StageKind::One | StageKind::Vlm => 0.0,
        StageKind::OneB => {
            let made = GenerateSettings::default();
            latents(config, made.episodes * (made.steps + 1))
        }
        StageKind::Two => {
            let stage = &config.train.stage2;
            let frame = (3 * world.image_size * world.image_size) as f64;
            let goals = stage.scenes_total * stage.sub_goals_per_scene;
            // An embedding, a map and the tokens of each sub-goal; each scene's frame; and what all frames look like.
            let text = F32 * (config.vlm.dim + world.tokens() + config.vlm.image_tokens() + GOAL_TOKENS) as f64;
            let frames = stage.scenes_total + goals;
            let seen = if stage.joint_rate > 0.0 {
                frames as f64 * frame
            } else {
                latents(config, frames)
            };
            seen + goals as f64 * text + stage.scenes_total as f64 * frame
        }
        // Moments of two pools: the one that is learnt from, and the next.
        StageKind::Bc => (2 * super::bc::POOL * config.train.bc.batch * 3 * world.image_size * world.image_size) as f64,
    }
}

/// Bytes of the latents of frames, in half precision.
fn latents(config: &Config, frames: usize) -> f64 {
    (2 * frames * config.world_model.tokens() * config.world_model.dim) as f64
}

/// Numbers that a stem keeps of a picture `size` wide: of each convolution its unfolded windows, its output before and after
/// the bias, and what the activation makes of it, but for the last one.
fn stem(stem: &Stem, channels: usize, dim: usize, size: usize, patch_size: usize) -> f64 {
    let (layers, padding) = match stem {
        Stem::Patch => (vec![(dim, patch_size, patch_size)], 0),
        Stem::Conv(layers) => (layers.clone(), 1),
    };
    let (mut channels, mut size, mut sum) = (channels, size, 0);
    let last = layers.len().saturating_sub(1);
    for (i, (out, kernel, stride)) in layers.into_iter().enumerate() {
        size = (size + 2 * padding).saturating_sub(kernel) / stride.max(1) + 1;
        sum += size * size * (kernel * kernel * channels + out * if i == last { 2 } else { 3 });
        channels = out;
    }
    sum as f64
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
    policy: u64,
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
            policy: count(&Policy::new(world, config.vlm.vocab_size, &device)),
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

    /// Peak resident memory of the release build on a CPU with two cores, bytes: stage 1 after hours, stage vlm on texts of
    /// up to 304 tokens; stage 1b with latents of 100 episodes, stage 2 with 200 scenes and its adapters.
    #[test]
    fn the_estimate_is_within_a_quarter_of_what_nano_s_stages_were_measured_to_take() {
        let mut config = preset("nano").unwrap();
        let total = |stage, config: &Config| TrainingMemory::of(stage, config).total();
        let made = GenerateSettings::default();
        let fewer = latents(&config, (made.episodes - 100) * (made.steps + 1));
        let one_b = total(StageKind::OneB, &config) - fewer;
        let of_vlm = total(StageKind::Vlm, &config);
        let one = total(StageKind::One, &config);
        config.train.stage2.scenes_total = 200;
        let two = total(StageKind::Two, &config);
        for (stage, estimate, measured) in [
            (StageKind::One, one, 440e6),
            (StageKind::OneB, one_b, 204e6),
            (StageKind::Vlm, of_vlm, 979e6),
            (StageKind::Two, two, 217e6),
        ] {
            let ratio = estimate / measured;
            assert!(
                (0.75..1.25).contains(&ratio),
                "stage {stage}: {estimate:.3e} of {measured:.3e}, {ratio:.2}"
            );
        }
        // By hand: a 4 x 4 picture of one channel, windows of 2 x 2 side by side, three channels out.
        assert_eq!(stem(&Stem::Patch, 1, 3, 4, 2), (4 * (4 + 2 * 3)) as f64);
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

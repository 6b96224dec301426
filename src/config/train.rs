//! Training: masks, losses, optimiser and schedule of each stage (method, 4.6, 4.7, 5 and 7).
//! Every schedule runs by step, never by the clock.

use serde::{Deserialize, Serialize};

/// Spatio-temporal block masks (method, 4.6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskConfig {
    /// Target blocks a clip.
    pub blocks: usize,
    /// Block area as a share of the frame, from and to.
    pub scale: (f64, f64),
    /// Height over width, from and to.
    pub aspect: (f64, f64),
    /// Frames a block spans, from and to.
    pub temporal: (usize, usize),
    /// Share of masked tokens a clip must have, from and to; blocks are drawn again until it has.
    pub ratio: (f64, f64),
    /// Share of causal steps (context: frame t alone, as in planning; target: frame t + 1); all others are steps with
    /// block masks. [`Stage1Losses`] says which terms apply to which. 0 in `paper`.
    pub causal_share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigReg {
    /// Negative entropy of the spectrum (method, 4.7).
    Spectral,
    /// Epps-Pulley test on random projections (LeJEPA).
    Sketched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionLoss {
    SmoothL1,
    Mse,
}

/// Weights of the terms of stage 1.
///
/// Prediction and SIGReg of the tokens apply to every step. What reads whole frames of the online encoder applies to causal
/// steps alone: `lambda_pooled`, `sigreg_pooled`, `lambda_var`, `pooled_scale`, `lambda_slow`, `lambda_idm`, `lambda_prop` and
/// `lambda_picture`. On a step with block masks the online encoder sees part of each frame, and there is no pooled latent to
/// hold them to; with a `causal_share` of 0 they do nothing, and the log has no line of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage1Losses {
    /// Of predicted and target tokens, on every step.
    pub prediction: PredictionLoss,
    /// Targets are divided by their L2 norm and multiplied by this; 0 leaves the encoder's own scale (norm sqrt(D)).
    pub target_scale: f64,
    /// Squared error of the mean-pooled prediction. Causal steps.
    pub lambda_pooled: f64,
    pub sigreg: SigReg,
    /// Weight of SIGReg: of the tokens on every step, those that the online encoder sees; on causal steps with the pooled
    /// terms below.
    pub lambda_reg: f64,
    /// Regularise the mean-pooled latent beside the tokens, which are then centred per position. Causal steps; those with
    /// block masks centre the visible tokens over all positions.
    pub sigreg_pooled: bool,
    /// Hinge on the standard deviation of the pooled latent, inside `lambda_reg`. Causal steps.
    pub lambda_var: f64,
    /// The pooled latent is multiplied by this before the hinge and the slowness term.
    pub pooled_scale: f64,
    /// Squared change of the pooled latent from frame t to t + 1. Causal steps.
    pub lambda_slow: f64,
    /// Inverse dynamics (s_t, s_t+1 -> a_t). Causal steps.
    pub lambda_idm: f64,
    /// Linear proprioception (gripper x, y, suction, holding). Causal steps.
    pub lambda_prop: f64,
    /// The small picture read out of the pooled latent, seen and predicted, where the model has such a head. At 0 the head
    /// learns to read and teaches the latent nothing. Causal steps.
    #[serde(default)]
    pub lambda_picture: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRates {
    pub encoder: f64,
    pub predictor: f64,
    /// Share of the peak that is left at the end of the cosine.
    pub floor: f64,
    pub warmup_steps: usize,
}

/// World model pre-training (Algorithm 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage1Config {
    pub steps: usize,
    /// Clips a step.
    pub batch: usize,
    /// Batches whose gradients are added up before one optimiser step.
    pub accumulation: usize,
    pub lr: LearningRates,
    pub weight_decay: f64,
    /// EMA momentum at the first and the last step, cosine between them.
    pub ema: (f64, f64),
    /// Share of clips that hold a grasp or a release.
    pub event_share: f64,
    pub mask: MaskConfig,
    pub losses: Stage1Losses,
}

/// The predictor alone on multi-step rollouts over cached latents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage1bConfig {
    pub steps: usize,
    pub batch: usize,
    /// Batches whose gradients are added up before one optimiser step.
    #[serde(default = "one")]
    pub accumulation: usize,
    pub lr: f64,
    pub warmup_steps: usize,
    pub weight_decay: f64,
    /// Steps a rollout.
    pub rollout: usize,
    pub event_share: f64,
    /// Weight of the error in the comparison space.
    pub lambda_comparison: f64,
    /// Weight of the error of the small picture that is read out of what is imagined, where the model has such a head.
    #[serde(default)]
    pub lambda_picture: f64,
}

/// Instruction tuning of the VLM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VlmTrainConfig {
    /// Steps on facts alone before the first text: the tower learns to see what the answers will speak of.
    pub facts_steps: usize,
    /// Frames a step on facts.
    pub facts_batch: usize,
    /// Weight of the facts beside the text afterwards.
    pub lambda_facts: f64,
    /// Weight of sizes, shapes and colours among the facts.
    #[serde(default)]
    pub lambda_form: f64,
    /// Steps on text.
    pub steps: usize,
    pub batch: usize,
    /// Batches, on facts or on text, whose gradients are added up before one optimiser step.
    #[serde(default = "one")]
    pub accumulation: usize,
    pub lr: f64,
    pub warmup_steps: usize,
    pub weight_decay: f64,
    /// Weight of the loss that pulls a sub-goal's attention onto its objects.
    pub lambda_attention: f64,
    /// Share of re-queries in the middle of a task.
    pub requery_share: f64,
    /// Answers say what the task comes to, goal by goal, before they list what to do.
    #[serde(default)]
    pub restated: bool,
    /// Share of the tasks that are not said as the book of tasks says them, but in words made from their goals.
    #[serde(default)]
    pub composed_share: f64,
    /// Begin with the language model and the tokenizer of the checkpoint that is gone on from, not with fresh ones.
    #[serde(default)]
    pub continued: bool,
}

/// GPI and LoRA (method, stage 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage2Config {
    pub steps: usize,
    /// Scenes that are drawn in all.
    pub scenes_total: usize,
    /// Scenes a step; each gives several sub-goals and its start state.
    pub scenes: usize,
    pub sub_goals_per_scene: usize,
    /// The last so many steps train the VLM's adapters as well.
    pub lora_steps: usize,
    /// Scenes a step while they do.
    pub lora_scenes: usize,
    /// Batches of scenes whose gradients are added up before one optimiser step; goals are told from those of their own batch.
    #[serde(default = "one")]
    pub accumulation: usize,
    pub lr_gpi: f64,
    pub lr_lora: f64,
    pub warmup_steps: usize,
    pub weight_decay: f64,
    pub lambda_gpi: f64,
    /// Train the world model too, with the loss of stage 1 at this multiple of its rates; 0 freezes it.
    pub joint_rate: f64,
}

/// Behaviour cloning: the baseline that carries a sub-goal out without a goal latent, a world model or a planner. Its
/// networks have the world model's sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcConfig {
    pub steps: usize,
    /// Moments of demonstrations a batch.
    pub batch: usize,
    /// Batches whose gradients are added up before one optimiser step.
    #[serde(default = "one")]
    pub accumulation: usize,
    /// Demonstrations that are drawn in all, of as many actions each as an episode of the world model's data by default.
    pub episodes: usize,
    /// Largest standard deviation of what is added to the dx and dy that a demonstration carries out, and not to those
    /// that are learnt from it: what is off the path is then seen with the way back. Each draws its own, from 0 on.
    pub noise: f64,
    pub lr: f64,
    pub warmup_steps: usize,
    pub weight_decay: f64,
}

impl Default for BcConfig {
    /// Those of `nano`, for configurations from before there was the stage.
    fn default() -> Self {
        Self {
            steps: 20_000,
            batch: 64,
            accumulation: 1,
            episodes: 3000,
            noise: 0.3,
            lr: 1e-3,
            warmup_steps: 200,
            weight_decay: 0.01,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    pub seed: u64,
    /// AdamW's beta_1 and beta_2.
    pub betas: (f64, f64),
    /// Largest global norm of the gradient.
    pub clip_norm: f64,
    /// Steps between two checkpoints.
    pub checkpoint_every: usize,
    /// Steps between two samples of what the networks make of fixed inputs; 0 for none. Training is the same with and
    /// without.
    #[serde(default = "hundred")]
    pub samples_every: usize,
    /// The book of tasks that the language side is trained on: `scene` for the one that the scene names (`tabletop` for
    /// every scene but thinkbench), a book's name, or a RON file.
    #[serde(default = "of_scene")]
    pub tasks: String,
    pub stage1: Stage1Config,
    pub stage1b: Stage1bConfig,
    pub vlm: VlmTrainConfig,
    pub stage2: Stage2Config,
    #[serde(default)]
    pub bc: BcConfig,
}

impl TrainConfig {
    /// The book of tasks is the scene's own.
    pub const TASKS_OF_SCENE: &str = "scene";
}

fn of_scene() -> String {
    TrainConfig::TASKS_OF_SCENE.to_owned()
}

fn hundred() -> usize {
    100
}

fn one() -> usize {
    1
}

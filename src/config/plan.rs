//! Planning: the cross-entropy method, its cost, and when a sub-goal counts as reached (method, 8 and Algorithm 2).

use serde::{Deserialize, Serialize};

/// What a state of a rollout is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostTerm {
    /// 1 - cosine of mean-pooled tokens (the method's reward, negated).
    Similarity,
    /// Squared distance of the comparison vectors: scene content, gripper position and flags.
    Content,
    /// How many actions it still takes to the goal, as the model's temporal distance judges it.
    Temporal,
    /// Gripper position first, grip flags once it is there. It reads nothing but proprioception out of the latent.
    Gate,
}

/// Which states of a rollout count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The last predicted state (the method).
    End,
    /// The mean over the predicted path.
    Path,
    /// Mean over the path without its end, plus the end.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostConfig {
    pub term: CostTerm,
    pub aggregation: Aggregation,
}

/// Which encoder looks at the world while planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanEncoder {
    Online,
    Target,
}

/// When latent goals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalTiming {
    /// Anew from the current frame whenever a sub-goal begins.
    AtSwitch,
    /// All of them from the first frame (Algorithm 2).
    Once,
}

/// How the similarity that is shown and compared with `delta_goal` is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimilarityKind {
    /// `exp(-(1 - cos) / T)` on comparison vectors.
    Calibrated,
    /// Plain cosine of mean-pooled tokens (the method).
    Cosine,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CemConfig {
    /// `P`, action sequences an iteration.
    pub population: usize,
    /// `I`.
    pub iterations: usize,
    /// `rho`.
    pub elite_fraction: f64,
    /// Standard deviation of the first iteration.
    pub sd0: f64,
    /// Least standard deviation after a refit. 0 in `paper`.
    pub sigma_floor: f64,
    /// The next plan starts from this plan's mean, shifted by one step.
    pub warm_start: bool,
    /// Share of the noise's variance that all steps of a candidate have in common: dx, dy, grip.
    pub noise_common: [f64; 3],
    /// A part of the candidates switches the grip exactly once, or never.
    pub switch_once: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanConfig {
    /// `H`, steps a rollout.
    pub horizon: usize,
    pub cem: CemConfig,
    pub cost: CostConfig,
    pub encoder: PlanEncoder,
    pub goals: GoalTiming,
    pub similarity: SimilarityKind,
    /// A sub-goal is declared reached above this similarity.
    pub delta_goal: f64,
    /// `T_max`, steps a sub-goal before the VLM is asked again.
    pub t_max: usize,
    /// Re-plans before the episode ends as failed.
    pub max_replans: usize,
    /// `alpha` of the reasoning-guided attention bias (method, 4.8).
    pub reasoning_alpha: f64,
    /// `epsilon` of the same.
    pub reasoning_eps: f64,
}

//! The settings that a plan is made with, as records and plans tell them: a copy that stays what it was when the
//! program's own settings go on.

use serde::{Deserialize, Serialize};

use crate::config::{CostConfig, GoalTiming, PlanConfig, SimilarityKind};

/// What the plan was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSettings {
    pub horizon: usize,
    pub population: usize,
    pub iterations: usize,
    pub elite_fraction: f64,
    pub sd0: f64,
    pub sigma_floor: f64,
    pub warm_start: bool,
    pub noise_common: [f64; 3],
    pub switch_once: bool,
    pub cost: CostConfig,
    pub similarity: SimilarityKind,
    pub goals: GoalTiming,
    pub delta_goal: f64,
    pub t_max: usize,
    pub max_replans: usize,
    pub reasoning_alpha: f64,
}

impl From<&PlanConfig> for PlanSettings {
    fn from(config: &PlanConfig) -> Self {
        let cem = &config.cem;
        Self {
            horizon: config.horizon,
            population: cem.population,
            iterations: cem.iterations,
            elite_fraction: cem.elite_fraction,
            sd0: cem.sd0,
            sigma_floor: cem.sigma_floor,
            warm_start: cem.warm_start,
            noise_common: cem.noise_common,
            switch_once: cem.switch_once,
            cost: config.cost,
            similarity: config.similarity,
            goals: config.goals,
            delta_goal: config.delta_goal,
            t_max: config.t_max,
            max_replans: config.max_replans,
            reasoning_alpha: config.reasoning_alpha,
        }
    }
}

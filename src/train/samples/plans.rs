//! Plans toward encoded goals with the networks as they are: a grasp and a placement of the scene, each from a fixed start,
//! carried out in the simulator. What the predictor is for, in two answers.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::PlanSample;
use crate::config::Config;
use crate::eval::oracle::{BatchSettings, oracle_goal, run_batch};
use crate::planner::TrainedWorld;
use crate::sim::{OracleKind, Scene, oracle_tasks};
use crate::train::TrainError;
use crate::world_model::{LatentStats, WorldModel};

/// Of the starts; the same in every run.
const SEED: u64 = 11;

/// None in a scene that this program does not know. `model` lies on `device`, which records no gradients.
///
/// # Errors
/// A model failed, or it was stopped.
pub(in crate::train) fn plan(
    model: WorldModel,
    stats: &LatentStats,
    config: &Config,
    scene: &str,
    device: &Device,
    cancel: &AtomicBool,
) -> Result<Vec<PlanSample>, TrainError> {
    let Ok(scene) = Scene::load(scene) else {
        return Ok(Vec::new());
    };
    let wrong = |err: &dyn std::fmt::Display| TrainError::Data(err.to_string());
    let world = TrainedWorld::new(
        model,
        stats.clone(),
        &config.world_model,
        config.plan.encoder,
        device.clone(),
    );
    // As many steps as the oracle suite gives.
    let settings = BatchSettings::default();
    let mut samples = Vec::new();
    for (kind, what) in [(OracleKind::Pick, "pick"), (OracleKind::Place, "place")] {
        let tasks = oracle_tasks(&scene, kind, SEED, 1, config.frame_px()).map_err(|err| wrong(&err))?;
        let result = run_batch(
            &world,
            &config.plan,
            &settings,
            tasks,
            &mut |task, _, _| oracle_goal(&world, task),
            &mut |_, _| (),
            cancel,
        );
        let result = result.map_err(|err| wrong(&err))?;
        samples.extend(result.episodes.iter().map(|episode| PlanSample {
            what: what.to_owned(),
            reached: episode.solved,
            steps: episode.steps,
            budget: settings.budget,
        }));
    }
    Ok(samples)
}

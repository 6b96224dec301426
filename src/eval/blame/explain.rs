//! Numbers that explain how a sub-goal failed.

use serde::{Deserialize, Serialize};

use super::trace::{Point, Trace};
use crate::config::PlanConfig;
use crate::eval::achieved::achieved_from;
use crate::planner::cost::{LatentSpace, pool};
use crate::planner::{GoalRequest, Models, PlannerError};
use crate::sim::{Environment, Primitive, destination};

/// What a failed sub-goal looked like; lengths in centimetres on the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// From where the goal latent reads the gripper to where the gripper has to be.
    pub goal_error_cm: Option<f64>,
    /// Similarity that the picture of the sub-goal achieved has to the goal that was made: under the threshold, the goal
    /// cannot be declared where it should be.
    pub achieved_similarity: Option<f64>,
    /// Similarity at the end of the sub-goal, and the highest on the way.
    pub last_similarity: Option<f64>,
    pub best_similarity: Option<f64>,
    /// From where the gripper was at the end of the sub-goal to where it had to be, as the world was when it began.
    pub gripper_error_cm: Option<f64>,
    /// Mean difference of the similarity that each plan foresaw for its first step and the one that came.
    pub foreseen_error: Option<f64>,
}

/// As a record keeps it.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn distance_cm(a: [f32; 2], b: [f32; 2]) -> Option<f64> {
    Some(rounded(100.0 * f64::from((a[0] - b[0]).hypot(a[1] - b[1]))))
}

/// The numbers of a sub-goal that began at `point`.
///
/// # Errors
/// A model or its device failed.
pub(super) fn explain(
    trace: &Trace,
    point: &Point,
    sub_goal: usize,
    config: &PlanConfig,
    models: &Models,
) -> Result<Numbers, PlannerError> {
    let record = &trace.recording.sub_goals[sub_goal];
    let mut numbers = Numbers::default();
    let (Some(start), Some(end)) = (record.start_step, record.end_step) else {
        return Ok(numbers);
    };
    let pursued: Vec<_> = trace
        .recording
        .steps
        .iter()
        .filter(|step| (start..=end).contains(&step.step))
        .collect();
    let similarity = |step: usize| {
        let step = trace.recording.steps.get(step)?;
        step.similarities.get(sub_goal).copied().flatten().map(f64::from)
    };
    numbers.last_similarity = similarity(end).map(rounded);
    let seen = pursued.iter().filter_map(|step| similarity(step.step));
    numbers.best_similarity = seen.max_by(f64::total_cmp).map(rounded);
    let misses: Vec<f64> = pursued
        .iter()
        .filter_map(|step| {
            let foreseen = f64::from(*step.predicted_similarity.first()?);
            Some((foreseen - similarity(step.step + 1)?).abs())
        })
        .collect();
    if !misses.is_empty() {
        numbers.foreseen_error = Some(rounded(misses.iter().sum::<f64>() / misses.len() as f64));
    }
    let state = point.world.state();
    let Some(primitive) = Primitive::parse(&record.text, state) else {
        return Ok(numbers);
    };
    let place = destination(state, &primitive);
    numbers.goal_error_cm = record.goal_gripper_m.and_then(|at| distance_cm(at, place));
    numbers.gripper_error_cm = trace
        .states
        .get(end)
        .and_then(|state| distance_cm(state.gripper_m, place));
    if let Some(achieved) = achieved_from(&point.world, &record.text) {
        let frame = point.world.observe().frame;
        let tokens = models.world.encode(std::slice::from_ref(&frame))?;
        let goal = models.goals.goal(&GoalRequest {
            frame: &frame,
            tokens: &tokens,
            task: &trace.recording.task,
            text: &record.text,
            objects: &record.objects,
        })?;
        let space = LatentSpace::new(models.world, config.similarity)?;
        let temperature = models.world.sim_temperature(models.goals.source());
        let seen = pool(models.world.encode(&[achieved.observe().frame])?);
        let similarity = space.similarity_to(pool(goal.tokens), temperature).of(seen)?;
        numbers.achieved_similarity = similarity.first().map(|value| rounded(f64::from(*value)));
    }
    Ok(numbers)
}

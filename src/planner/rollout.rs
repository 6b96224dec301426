//! Imagined futures: the predictor rolled out over action sequences (method, 8 and Algorithm 2, lines 16-21).

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, TensorData};

use super::cost::pool;
use super::models::{LatentModel, PlannerError};
use crate::recording::AttentionMap;
use crate::sim::Action;

/// The reasoning-guided bias `alpha * log(w + eps)` of the context columns, `[N]` (method, 4.8). A uniform map has
/// mean 1, so it changes nothing.
///
/// # Errors
/// The map has not as many values as a frame has tokens.
pub fn attention_bias(
    model: &dyn LatentModel,
    map: &AttentionMap,
    tokens: usize,
    alpha: f64,
    eps: f64,
) -> Result<Option<Tensor<1>>, PlannerError> {
    if alpha == 0.0 {
        return Ok(None);
    }
    let found = map.resampled.len();
    if found != tokens {
        return Err(PlannerError::Shape {
            field: "the attention map",
            found,
            expected: tokens,
        });
    }
    let bias: Vec<f32> = map
        .resampled
        .iter()
        .map(|&w| (alpha * (f64::from(w) + eps).ln()) as f32)
        .collect();
    Ok(Some(Tensor::<1>::from_data(
        TensorData::new(bias, [tokens]),
        &model.device(),
    )))
}

/// Rolls every action sequence out from the same tokens `[1, N, D]`; gives the pooled latents of the imagined states
/// `1..=H` as `[H, P, D]`.
///
/// # Errors
/// [`PlannerError::Cancelled`] when `cancel` was set between two steps.
pub fn rollout(
    model: &dyn LatentModel,
    tokens: &Tensor<3>,
    sequences: &[Vec<Action>],
    bias: Option<&Tensor<1>>,
    cancel: &AtomicBool,
) -> Result<Tensor<3>, PlannerError> {
    let population = sequences.len();
    let horizon = sequences.first().map_or(0, Vec::len);
    if horizon == 0 {
        return Err(PlannerError::Setting {
            field: "plan.horizon",
            value: horizon.to_string(),
            expected: "at least 1",
        });
    }
    let device = model.device();
    let mut state = tokens.clone().repeat_dim(0, population);
    let mut path = Vec::with_capacity(horizon);
    for step in 0..horizon {
        if cancel.load(Ordering::Relaxed) {
            return Err(PlannerError::Cancelled);
        }
        let actions: Vec<f32> = sequences.iter().flat_map(|sequence| sequence[step]).collect();
        let actions = Tensor::<2>::from_data(TensorData::new(actions, [population, 3]), &device);
        state = model.predict(state, actions, bias);
        path.push(pool(state.clone()));
    }
    Ok(Tensor::stack(path, 0))
}

//! The cost that knows how long things take: actions to the goal, as the model's temporal distance judges an imagined state.

use burn::tensor::Tensor;

use super::cost::Cost;
use super::models::{LatentModel, PlannerError};

/// Actions from a state to the goal. It reads whole pooled latents, and nothing of the gripper apart from the rest.
pub struct TemporalCost<'a> {
    model: &'a dyn LatentModel,
    /// A pooled latent `[1, D]`.
    goal: Tensor<2>,
}

impl<'a> TemporalCost<'a> {
    /// `goal` is a pooled latent `[1, D]`.
    ///
    /// # Errors
    /// The model has no temporal distance.
    pub fn new(model: &'a dyn LatentModel, goal: Tensor<2>) -> Result<Self, PlannerError> {
        if model.temporal_distance(goal.clone(), goal.clone()).is_none() {
            return Err(PlannerError::NoTemporalDistance);
        }
        Ok(Self { model, goal })
    }
}

impl Cost for TemporalCost<'_> {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        let (states, device) = (pooled.dims()[0], pooled.device());
        let goals = self.goal.clone().repeat_dim(0, states);
        // A model that has the head has it for good: it was asked when this was made.
        self.model
            .temporal_distance(pooled, goals)
            .unwrap_or_else(|| Tensor::full([states], f32::NAN, &device))
    }
}

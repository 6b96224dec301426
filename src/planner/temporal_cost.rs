//! The cost that knows how long things take: actions to the goal, as the model's temporal distance judges an imagined state.

use burn::tensor::Tensor;

use super::cost::{Cost, LatentSpace};
use super::models::{LatentModel, PlannerError};

/// Actions from a state to the goal. It reads whole pooled latents, and nothing of the gripper apart from the rest.
pub struct TemporalCost<'a> {
    model: &'a dyn LatentModel,
    space: LatentSpace,
    /// Pooled latents `[1, D]`.
    goal: Tensor<2>,
    present: Tensor<2>,
}

impl<'a> TemporalCost<'a> {
    /// `goal` and `present` are pooled latents `[1, D]`.
    ///
    /// # Errors
    /// The model has no temporal distance.
    pub fn new(
        model: &'a dyn LatentModel,
        space: &LatentSpace,
        goal: Tensor<2>,
        present: Tensor<2>,
    ) -> Result<Self, PlannerError> {
        if model.temporal_distance(present.clone(), goal.clone()).is_none() {
            return Err(PlannerError::NoTemporalDistance);
        }
        Ok(Self {
            model,
            space: space.clone(),
            goal,
            present,
        })
    }

    fn to_goal(&self, pooled: Tensor<2>) -> Option<Tensor<1>> {
        let goals = self.goal.clone().repeat_dim(0, pooled.dims()[0]);
        self.model.temporal_distance(pooled, goals)
    }
}

impl Cost for TemporalCost<'_> {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        let (states, device) = (pooled.dims()[0], pooled.device());
        // A model that has the head has it for good: it was asked when this was made.
        self.to_goal(pooled)
            .unwrap_or_else(|| Tensor::full([states], f32::NAN, &device))
    }

    /// What the cost owes to the imagined scene: how it differs from the cost of the same gripper in the present scene.
    fn content(&self, pooled: Tensor<2>) -> Option<Tensor<1>> {
        let unmoved = self.space.with_content_of(self.present.clone(), pooled.clone());
        Some(self.to_goal(pooled)? - self.to_goal(unmoved)?)
    }
}

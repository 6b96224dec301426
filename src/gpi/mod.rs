//! The goal projection interface: from a sub-goal's language embedding and attention map to a goal in the world model's
//! latent space (method, 4.5), and the losses it is trained with (4.7).

mod loss;
mod model;

pub use loss::{GoalBatch, cosines, goal_regression, info_nce};
pub use model::Gpi;

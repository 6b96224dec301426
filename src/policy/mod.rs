//! The policy of the baseline: behaviour cloning on a sub-goal's own words, in the place of goal latents, world model and
//! planner. It sees what a robot sees (the frame, and what the robot knows of itself), never the simulator's state, and
//! shares no weight with the rest of the system.
//!
//! - [`Policy`]: the network
//! - [`Follower`]: the network with the language model's vocabulary, one decision at a time

mod follower;
mod model;

pub use follower::{Decision, Follower, FollowerError};
pub use model::{MOST_WORDS, OUTPUTS, Policy, Words};

//! Planning: goals and costs in latent space, the cross-entropy method, and the episode (method, 8 and Algorithm 2).
//!
//! An [`Episode`] asks a [`Reasoner`] for sub-goals, a [`GoalMaker`] for their latents, plans with [`cem::plan`] through
//! a [`LatentModel`] and acts in a [`crate::sim::Environment`], one [`Episode::advance`] at a time. All that happens is
//! written to a [`SharedRecording`]; [`PlanDocument`] and [`animation`] are made from that record.

pub mod animation;
pub mod cem;
pub mod cost;
mod episode;
mod files;
mod goals;
#[cfg(test)]
mod golden;
mod headless;
mod models;
mod overlay;
mod plan;
pub mod rollout;
mod shared;
mod temporal_cost;
#[cfg(test)]
pub(crate) mod toy;
mod truth;
mod wording;
mod world;

pub use episode::{Episode, EpisodeSetup, EpisodeSnapshot, Event, Held, Models, Pace, Progress, Switches};
pub use files::WriteError;
pub use headless::run_episode;
pub use models::{
    Answer, Goal, GoalMaker, GoalRequest, GoalSource, LatentModel, ModelError, OnText, PlannerError, Question,
    Reasoner, SubGoal, TEMPERATURES,
};
pub use plan::{PLAN_SCHEMA, PlanDocument};
pub use shared::SharedRecording;
pub use world::TrainedWorld;

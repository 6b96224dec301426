//! The tabletop: scenes, physics, camera, tasks and the scripted expert.

mod interface;
mod primitive;
mod relations;
mod state;

pub use interface::{Action, Environment, Frame, Judge, Observation};
pub use primitive::{GRASP_RADIUS_M, Primitive, Target};
pub use relations::{Support, is_clear, on_pad, support, upright};
pub use state::{BlockState, PadState, WorldState};

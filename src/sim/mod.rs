//! The tabletop: scenes, physics, camera, tasks and the scripted expert.

mod interface;

pub use interface::{Action, Environment, Frame, Judge, Observation};

//! The tabletop: scenes, physics, camera, tasks and the scripted expert.

mod camera;
mod canvas;
mod expert;
mod interface;
mod oracle;
mod physics;
mod policy;
mod primitive;
mod relations;
mod renderer;
mod scene;
mod scene_check;
mod scene_start;
mod solids;
mod state;
pub mod tasks;
mod world;

pub use camera::Camera;
pub use expert::{Expert, Noise, destination};
pub use interface::{Action, Environment, Frame, Judge, Observation};
pub use oracle::{OracleKind, OracleTask, achieve, oracle_tasks};
pub use policy::{DataPolicy, RandomMotion};
pub use primitive::{GRASP_RADIUS_M, Primitive, Target};
pub use relations::{Support, is_clear, on_pad, support, upright};
pub use renderer::render;
pub use scene::{DEMO_SCENE, Place, SCENES_FOLDER, Scene, SceneBlock, SceneError, ScenePad};
pub use state::{BlockState, PadState, WorldState};
pub use world::{CARRY_M, REACH_LIMIT_M, STEP_M, World};

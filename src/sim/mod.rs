//! The tabletop: scenes, physics, camera, tasks and the scripted expert.

mod bin;
mod camera;
mod canvas;
mod crowd;
mod expert;
mod interface;
mod oracle;
mod physics;
mod policy;
mod primitive;
mod relations;
mod renderer;
mod round;
mod scene;
mod scene_check;
mod scene_start;
mod solids;
mod state;
pub mod tasks;
mod variety;
mod world;

pub use bin::BinState;
pub use camera::Camera;
pub use expert::{Expert, Noise, destination};
pub use interface::{Action, Environment, Frame, Judge, Observation};
pub use oracle::{OracleKind, OracleTask, achieve, oracle_tasks};
pub use policy::{DataPolicy, RandomMotion};
pub use primitive::{GRASP_RADIUS_M, Primitive, Target};
pub use relations::{Support, in_bin, is_clear, on_pad, support, upright};
pub use renderer::render;
pub use scene::{DEMO_SCENE, Place, SCENES_FOLDER, Scene, SceneBin, SceneBlock, SceneError, ScenePad};
pub use state::{BlockState, PadState, Shape, WorldState};
pub use variety::{Look, Looks, Variety};
pub use world::{CARRY_M, REACH_LIMIT_M, STEP_M, World};

//! ThinkJEPA Studio: a debugger for hierarchical planning with a JEPA world model and a vision-language model.
//!
//! The rooms, from the ground up; each knows only those above it in this list:
//!
//! - [`random`]: counter-based random numbers
//! - [`config`]: presets and settings
//! - [`nn`]: attention, MLP, FiLM, LoRA, rotary positions, number formats
//! - [`weights`]: safetensors, key remaps, load report
//! - [`sim`]: scenes, physics, camera, tasks, expert
//! - [`recording`]: the record of an episode
//! - [`world_model`]: encoder, predictor, masks, losses
//! - [`device`]: the CPU, wgpu or CUDA
//! - [`vlm`]: vision tower, decoder, generation, sub-goal parser, attention maps
//! - [`data`]: episode store, clip sampler, examples for instruction tuning
//! - [`gpi`]: from a sub-goal's embedding and map to a goal in latent space
//! - [`policy`]: the baseline that clones the expert's behaviour
//! - [`planner`]: cross-entropy method, costs, the episode (Algorithm 2), plan JSON
//! - [`system`]: a checkpoint brought to life, as the planner sees it
//! - [`train`], [`eval`]: stages of training; measurements
//! - [`downstream`]: probes on the encoder and its fine-tuning, on clips of events
//! - [`engine`]: compute threads
//! - [`studio`]: the tabletop behind the window: system, scene and episode as the engine drives them
//! - [`app`], [`panels`], [`ui`]: the window, the only rooms that know egui
//! - [`cli`]: the command line
//!
//! The way of one frame: [`sim::Environment::observe`] gives an observation, the encoder its tokens, CEM rolls the
//! predictor out toward the GPI's goal, the first action goes to [`sim::Environment::step`], and all of it into the
//! [`recording`].

pub mod app;
pub mod cli;
pub mod config;
pub mod data;
pub mod device;
pub mod downstream;
pub mod engine;
pub mod eval;
pub mod gpi;
pub mod nn;
pub mod panels;
pub mod planner;
pub mod policy;
pub mod random;
pub mod recording;
pub mod sim;
pub mod studio;
pub mod system;
pub mod train;
pub mod ui;
pub mod vlm;
pub mod weights;
pub mod world_model;

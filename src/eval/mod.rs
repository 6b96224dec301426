//! Measurements: suites of episodes, how often planning reaches what it should, and the figures that come out of them.
//!
//! - [`oracle`]: one sub-goal at a time, with [`maps`] other than the language model's own
//! - [`swap`]: whether a goal follows the object that its text names
//! - [`bench_episodes`]: the two hundred tasks of ThinkBench
//! - [`reasons`]: what a language model saw and understood before it wrote its list
//! - [`chain`]: whole tasks, with [`baselines`] in the place of the language model's list, the [`expert`] or a [`cloning`] policy
//!   in the place of the planner, goals that are [`achieved`] pictures, and a [`hand`] that interferes
//! - [`blame`]: which part of the chain a failed episode failed by
//! - [`in_a_row`]: short tasks one after the other, in one world
//! - [`ablation`]: parts of the system switched off
//! - [`probe`]: what the world model's latents hold, and how far its imagination is to be trusted
//! - [`latent`]: what the world model sees and imagines at one step of a recording
//! - [`calibration`]: the temperature of the similarity
//! - [`content`]: how much of the planner's cost is the scene

pub mod ablation;
pub mod achieved;
pub mod baselines;
pub mod blame;
pub mod calibration;
pub mod chain;
pub mod cloning;
pub mod content;
mod demo;
pub mod expert;
pub mod hand;
pub mod in_a_row;
pub mod journal;
pub mod latent;
pub mod maps;
pub mod misses;
pub mod oracle;
pub mod probe;
pub mod reasons;
mod statistics;
pub mod swap;
mod tabletop;
mod thinkbench;

pub use demo::{EvalEpisode, demo_suite, episodes, listing};
pub use statistics::{EVAL_SCHEMA, EpisodeOutcome, EvalReport, Figure, Machine, Rate, auc, median, wilson};
pub use tabletop::{KINDS, TabletopTask, kind_name, tabletop_tasks};
pub use thinkbench::{BenchEpisode, bench_episodes};

//! Measurements: suites of episodes, how often planning reaches what it should, and the figures that come out of them.

pub mod calibration;
mod demo;
pub mod oracle;
mod statistics;
mod tabletop;

pub use demo::{EvalEpisode, demo_suite, episodes, listing, three_sub_goals};
pub use statistics::{EVAL_SCHEMA, EpisodeOutcome, EvalReport, Machine, Rate, Threshold, auc, wilson, youden};
pub use tabletop::{KINDS, TabletopTask, kind_name, tabletop_tasks};

//! Measurements: suites of episodes, and the figures that come out of them.

mod demo;
mod statistics;

pub use demo::{EvalEpisode, demo_suite, episodes, listing, three_sub_goals};
pub use statistics::{EVAL_SCHEMA, EpisodeOutcome, EvalReport, Machine, Rate, Threshold, auc, wilson, youden};

//! Training: the stages, what they share, and how a run is kept on disk so that it can be resumed at any step.

pub mod optimizer;
mod run;
pub mod schedule;
mod stage1;
mod stage1b;

pub use run::{Metrics, Progress, Stage, TrainError, train};
pub use stage1::Stage1;
pub use stage1b::Stage1b;

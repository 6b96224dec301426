//! Measurements: suites of episodes, and the figures that come out of them.

pub mod demo;
pub mod statistics;

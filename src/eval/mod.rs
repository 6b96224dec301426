//! Measurements: how often planning reaches what it should, and what a latent says.

pub mod calibration;
pub mod oracle;

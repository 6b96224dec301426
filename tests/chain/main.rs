//! The program from outside, from data over training and planning to measurements, with models of a few thousand
//! parameters.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

mod branch;
mod downstream;
mod latent;
mod measure;
mod plan;
mod precision;
mod reasoning;
mod resume;
mod samples;
mod studio;
mod support;
mod train;
mod training;
mod window;

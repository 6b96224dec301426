//! The program from outside, from data over training and planning to measurements, with models of a few thousand
//! parameters.

mod measure;
mod plan;
mod precision;
mod resume;
mod studio;
mod support;
mod train;
mod window;

//! Building blocks of every network here. Nothing in this room knows what a JEPA is.

mod attention;
mod census;
mod conv;
mod film;
mod mlp;
mod norm;
mod transformer;

pub use attention::Attention;
pub use census::{ParamShape, census};
pub use conv::Conv;
pub use film::{Film, Modulation};
pub use mlp::Mlp;
pub use norm::layer_norm;
pub use transformer::{Block, BlockShape};

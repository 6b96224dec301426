//! Building blocks of every network here. Nothing in this room knows of JEPA or of language models.

mod attention;
pub mod causal_attention;
mod census;
mod conv;
mod film;
#[cfg(test)]
pub(crate) mod gradcheck;
pub mod lora;
mod mlp;
mod norm;
mod precision;
pub mod rms_norm;
pub mod rotary;
pub mod rows;
pub mod swiglu;
mod transformer;

pub use attention::Attention;
pub use census::{ParamShape, census};
pub use conv::Conv;
pub use film::{Film, Modulation};
pub use mlp::Mlp;
pub use norm::layer_norm;
pub use precision::{computing_in, dtype, parameter_bytes, wide, wide_softmax};
pub use transformer::{Block, BlockShape};

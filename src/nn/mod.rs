//! Building blocks of every network here. Nothing in this room knows what a JEPA is.

mod attention;
mod conv;
mod census;
mod film;
mod mlp;
mod norm;
mod transformer;

pub use attention::Attention;
pub use conv::Conv;
pub use census::{ParamShape, census};
pub use film::{Film, Modulation};
pub use mlp::Mlp;
pub use norm::layer_norm;
pub use transformer::{Block, BlockShape};
//! Building blocks that know nothing of JEPA or of language models.

pub mod causal_attention;
pub mod lora;
pub mod rms_norm;
pub mod rotary;
pub mod swiglu;

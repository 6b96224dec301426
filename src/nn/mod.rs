//! Building blocks that know nothing of JEPA or of language models.

pub mod causal_attention;
pub mod lora;
pub mod rms_norm;
pub mod rotary;
pub mod swiglu;

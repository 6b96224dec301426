//! The vision-language model in the LLaVA architecture (method, 4.4): it reads a frame and a task, reasons, lists
//! sub-goals, and gives for each an embedding and an attention map over the frame.
//!
//! A frame goes through [`tower`] and [`projector`] to image tokens, which stand in the prompt ([`prompt`]) where it says
//! `[IMAGE]`; the [`decoder`] writes the answer ([`generate`]), [`parser`] reads it, and [`ground`] runs each sub-goal's
//! fixed text through the model again for its map and embedding. [`attention`] looks into all layers and heads. [`batch`] and [`loss`] are the training side.

pub mod attention;
pub mod batch;
pub mod decoder;
mod error;
pub mod generate;
pub mod ground;
pub mod kv_cache;
pub mod loss;
pub mod maps;
pub mod model;
pub mod parser;
pub mod pixels;
pub mod projector;
pub mod prompt;
pub mod remap;
pub mod tokenizer;
pub mod tower;

pub use attention::{AttentionQuestion, Lens, TokenAttention};
pub use batch::{Example, SpanTarget, TokenBatch};
pub use error::VlmError;
pub use generate::{Generation, Sampling, Stopped};
pub use ground::Grounding;
pub use model::{Vlm, VlmModel};
pub use parser::{Answer, ParsedSubGoal, format_answer, parse_answer};
pub use prompt::{History, grounding_prompt, plan_prompt, replan_prompt};
pub use tokenizer::VlmTokenizer;

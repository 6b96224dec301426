//! What can go wrong in the vision-language model.

use std::ops::Range;

#[derive(Debug, thiserror::Error)]
pub enum VlmError {
    #[error("The prompt and room for an answer take {tokens} tokens, vlm.max_tokens is {limit}. Shorten the task.")]
    TooLong { tokens: usize, limit: usize },
    #[error("The prompt has no {mark}: the model would see no frame.", mark = super::prompt::IMAGE_MARK)]
    NoImage,
    #[error("The members of a batch have their frame at different places ({first} and {other} tokens from the start).")]
    ImagePlaces { first: usize, other: usize },
    #[error("Bytes {range:?} of an answer of {length} bytes hold no text to look at.")]
    Span { range: Range<usize>, length: usize },
    #[error("An attention target has {found} values, the image has {expected} patches.")]
    TargetSize { found: usize, expected: usize },
    #[error(
        "The language model gave a number that is not finite at token {token}. The checkpoint is damaged or was not trained."
    )]
    NotFinite { token: usize },
    #[error(
        "The tokenizer has {tokens} tokens, the model's vlm.vocab_size is {vocab_size}. They belong to different checkpoints."
    )]
    Vocabulary { tokens: usize, vocab_size: usize },
    #[error(
        "vlm.vocab_size is {vocab_size}, expected at least {least}: all bytes, special tokens and template phrases."
    )]
    VocabularyTooSmall { vocab_size: usize, least: usize },
    #[error("Could not {action} the tokenizer{place}: {reason}.")]
    Tokenizer {
        action: &'static str,
        place: String,
        reason: String,
    },
    #[error("Could not read a value back from the device: {0}.")]
    Read(String),
}

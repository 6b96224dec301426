//! Downstream protocols (method, 8): which of five events a clip shows, told from the encoder's tokens.
//!
//! - [`Frozen`]: a linear and an attentive probe on a frozen encoder, of [`Features`] that are computed once
//! - [`Classifier`]: encoder and attentive head, trained end to end
//! - [`Tuned`]: a trained classifier on disk

mod classifier;
mod features;
mod fit;
mod frozen;
mod head;
mod score;
mod tuned;

use burn::tensor::Tensor;

pub use classifier::{Classifier, Rates};
pub use features::Features;
pub use fit::{Effort, fit, predict};
pub use frozen::{ATTENTIVE_RATE, Frozen, LINEAR_RATE, Parts, Watch};
pub use head::{AttentiveHead, Head, LinearHead};
pub use score::Score;
pub use tuned::{TUNED_SCHEMA, Tuned, TunedAbout, may_write};

/// Why nothing was learned or told.
#[derive(Debug, thiserror::Error)]
pub enum DownstreamError {
    /// The cancel flag was set.
    #[error("Stopped.")]
    Cancelled,
    #[error("Could not read the numbers back from the device: {0}.")]
    Device(String),
    #[error("The loss at step {step} is {loss}: choose a smaller learning rate, or another checkpoint.")]
    NotFinite { step: usize, loss: f64 },
}

fn numbers<const R: usize>(tensor: Tensor<R>) -> Result<Vec<f32>, DownstreamError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|err| DownstreamError::Device(err.to_string()))
}

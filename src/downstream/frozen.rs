//! Both probes on an encoder that stays as it is.

use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::Device;

use super::{AttentiveHead, DownstreamError, Effort, Features, LinearHead, Score, fit, predict};
use crate::config::WorldModelConfig;
use crate::data::EventClips;
use crate::world_model::Encoder;

/// Highest learning rates of the two heads.
pub const LINEAR_RATE: f64 = 1e-2;
pub const ATTENTIVE_RATE: f64 = 1e-3;

/// What is trained on and what is told afterwards.
pub struct Parts {
    pub train: EventClips,
    pub test: EventClips,
}

/// Hears what is being done, and how much of how much is done.
pub type Watch<'a> = &'a mut dyn FnMut(&'static str, usize, usize);

/// What the probes of one encoder came to on the test clips.
pub struct Frozen {
    pub linear: Score,
    pub attentive: Score,
    /// The attentive probe's head; it records no gradients.
    pub head: AttentiveHead,
}

impl Frozen {
    /// The encoder's features are computed once; `encoder` lies on `device` and records no gradients.
    ///
    /// # Errors
    /// `cancel` was set, or a loss is no number any more.
    pub fn probe(
        encoder: &Encoder,
        config: &WorldModelConfig,
        parts: &Parts,
        effort: Effort,
        device: &Device,
        watch: Watch,
        cancel: &AtomicBool,
    ) -> Result<Self, DownstreamError> {
        let (of_train, all) = (parts.train.len(), parts.train.len() + parts.test.len());
        let mut encoded = |clips: &EventClips, before: usize| {
            let mut heard = |done: usize| watch("encoding clips", before + done, all);
            Features::of_tokens(encoder, config, clips, device, &mut heard, cancel)
        };
        let (train, test) = (encoded(&parts.train, 0)?, encoded(&parts.test, of_train)?);
        let recording = device.clone().autodiff();
        recording.seed(effort.seed);
        let score = |told: Vec<usize>| Score::of(&told, &test.labels);

        let (lines, of_lines) = train.pooled(config.dim).standardised(test.pooled(config.dim));
        let mut heard = |done: usize| watch("linear probe", done, effort.steps);
        let head = LinearHead::new(config.dim, &recording);
        let head = fit(head, &lines, effort, LINEAR_RATE, &mut heard, cancel)?;
        let linear = score(predict(&head.valid(), &of_lines)?);

        let mut heard = |done: usize| watch("attentive probe", done, effort.steps);
        let head = AttentiveHead::new(config.dim, &recording);
        let head = fit(head, &train, effort, ATTENTIVE_RATE, &mut heard, cancel)?.valid();
        let attentive = score(predict(&head, &test)?);
        Ok(Self {
            linear,
            attentive,
            head,
        })
    }
}

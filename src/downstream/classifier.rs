//! Encoder and attentive head in one, trained end to end.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::features::{picked, tokens};
use super::fit::{Batches, cross_entropy, highest, look};
use super::{AttentiveHead, DownstreamError, Effort};
use crate::config::WorldModelConfig;
use crate::data::EventClips;
use crate::world_model::Encoder;

/// Clips that are told at once.
const AT_ONCE: usize = 4;

/// Highest learning rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    pub encoder: f64,
    pub head: f64,
}

/// An encoder and the head on its tokens.
#[derive(Clone, Debug)]
pub struct Classifier {
    pub encoder: Encoder,
    pub head: AttentiveHead,
    /// What the encoder is like.
    pub config: WorldModelConfig,
}

impl Classifier {
    /// Random weights.
    pub fn new(config: &WorldModelConfig, device: &Device) -> Self {
        Self {
            encoder: Encoder::new(config, device),
            head: AttentiveHead::new(config.dim, device),
            config: config.clone(),
        }
    }

    /// Trains both on clips; what comes out records no gradients. `watch` hears of each step that is done.
    ///
    /// # Errors
    /// `cancel` was set, or the loss is no number any more.
    pub fn trained(
        self,
        clips: &EventClips,
        effort: Effort,
        rates: Rates,
        device: &Device,
        watch: &mut dyn FnMut(usize),
        cancel: &AtomicBool,
    ) -> Result<Self, DownstreamError> {
        let recording = device.clone().autodiff();
        let (mut encoder, mut head) = (self.encoder.train(), self.head.train());
        let mut of_encoder = effort.optimizer(&encoder);
        let mut of_head = effort.optimizer(&head);
        let labels: Vec<usize> = clips.labels().collect();
        let mut batches = Batches::new(effort, clips.len());
        for step in 0..effort.steps {
            if cancel.load(Ordering::Relaxed) {
                return Err(DownstreamError::Cancelled);
            }
            let chosen = batches.of(step);
            let truth: Vec<usize> = chosen.iter().map(|&clip| labels[clip]).collect();
            let seen = tokens(&encoder, &self.config, picked(clips, &chosen, &recording));
            let loss = cross_entropy(head.forward(seen), &truth);
            look(step, &loss)?;
            let mut all = loss.backward();
            let for_encoder = GradientsParams::from_module(&mut all, &encoder);
            let for_head = GradientsParams::from_module(&mut all, &head);
            encoder = of_encoder.step(effort.rate(step, rates.encoder), encoder, for_encoder);
            head = of_head.step(effort.rate(step, rates.head), head, for_head);
            watch(step + 1);
        }
        Ok(Self {
            encoder: encoder.valid(),
            head: head.valid(),
            config: self.config,
        })
    }

    /// The number of the event that scores highest, clip by clip. `watch` hears how many are done.
    ///
    /// # Errors
    /// `cancel` was set, or the device failed.
    pub fn predict(
        &self,
        clips: &EventClips,
        device: &Device,
        watch: &mut dyn FnMut(usize),
        cancel: &AtomicBool,
    ) -> Result<Vec<usize>, DownstreamError> {
        let all: Vec<usize> = (0..clips.len()).collect();
        let mut told = Vec::with_capacity(all.len());
        for chosen in all.chunks(AT_ONCE) {
            if cancel.load(Ordering::Relaxed) {
                return Err(DownstreamError::Cancelled);
            }
            let seen = tokens(&self.encoder, &self.config, picked(clips, chosen, device));
            told.extend(highest(self.head.forward(seen))?);
            watch(told.len());
        }
        Ok(told)
    }
}

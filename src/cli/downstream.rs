//! What `probe` and `finetune` share: which clips, which encoder, and how results are shown.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, FloatDType};
use clap::Args;
use indicatif::ProgressBar;

use super::{CliError, Console};
use crate::config::PlanEncoder;
use crate::data::{ClipSplit, EventClips, EventClipsError, event_clips};
use crate::downstream::{DownstreamError, Parts, Score};
use crate::sim::{DEMO_SCENE, Event, Scene};
use crate::system::SystemError;
use crate::weights::{Checkpoint, Remap, load_as};
use crate::world_model::Encoder;

/// Test clips are so many times fewer than those for training.
const FEWER: usize = 2;

/// Which clips.
#[derive(Args, Clone, Debug)]
pub struct ClipArgs {
    /// Where they are made: a scene under scenes/, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE", default_value = DEMO_SCENE)]
    pub scene: String,
    /// Clips of each of the five events to train on; half as many others are tested on
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clips: u32,
    /// Drives clips, fresh weights and the order of training
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub seed: u64,
}

impl ClipArgs {
    pub fn of_each(&self, split: ClipSplit) -> usize {
        match split {
            ClipSplit::Train => self.clips as usize,
            ClipSplit::Test => (self.clips as usize).div_ceil(FEWER),
        }
    }

    /// # Errors
    /// An event does not come about in the scene, or Ctrl+C.
    pub fn make(
        &self,
        scene: &Scene,
        split: ClipSplit,
        frame_px: usize,
        console: &Console,
        cancel: &AtomicBool,
    ) -> Result<EventClips, EventClipsError> {
        let of_each = self.of_each(split);
        let bar = console.progress((of_each * Event::ALL.len()) as u64, "making clips");
        let watch = |_: usize, _: usize| bar.inc(1);
        let made = event_clips(scene, of_each, self.seed, split, frame_px, &watch, cancel);
        bar.finish_and_clear();
        made
    }

    /// Both parts.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn parts(
        &self,
        scene: &Scene,
        frame_px: usize,
        console: &Console,
        cancel: &AtomicBool,
    ) -> Result<Parts, EventClipsError> {
        Ok(Parts {
            train: self.make(scene, ClipSplit::Train, frame_px, console, cancel)?,
            test: self.make(scene, ClipSplit::Test, frame_px, console, cancel)?,
        })
    }
}

/// The encoder that the checkpoint plans with, in single precision, so that it can be trained on.
///
/// # Errors
/// The checkpoint holds none, or one of other sizes than it says.
pub fn encoder(checkpoint: &Checkpoint, device: &Device) -> Result<Encoder, CliError> {
    let prefix = match checkpoint.config.plan.encoder {
        PlanEncoder::Online => "encoder.",
        PlanEncoder::Target => "target_encoder.",
    };
    let tensors = &checkpoint.tensors;
    if !tensors.names().any(|name| name.starts_with(prefix)) {
        return Err(CliError::from(SystemError::Missing {
            checkpoint: checkpoint.name.clone(),
            what: "encoder",
            prefix,
            advice: "Train one with `thinkjepa train --stage 1`.",
        }));
    }
    let fresh = Encoder::new(&checkpoint.config.world_model, device);
    Ok(load_as(fresh, tensors, prefix, &Remap::none(), FloatDType::F32)?.0)
}

/// The bar of what is being done; another when something else is.
pub struct Bars<'a> {
    console: &'a Console,
    now: Mutex<Option<(&'static str, ProgressBar)>>,
}

impl<'a> Bars<'a> {
    pub fn new(console: &'a Console) -> Self {
        Self {
            console,
            now: Mutex::new(None),
        }
    }

    pub fn show(&self, what: &'static str, done: usize, total: usize) {
        let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now.as_ref().is_none_or(|(before, _)| *before != what) {
            if let Some((_, bar)) = now.take() {
                bar.finish_and_clear();
            }
            *now = Some((what, self.console.progress(total as u64, what)));
        }
        if let Some((_, bar)) = now.as_ref() {
            bar.set_position(done as u64);
        }
        if done >= total
            && let Some((_, bar)) = now.take()
        {
            bar.finish_and_clear();
        }
    }
}

/// Whether the work ended because it was told to.
pub fn was_stopped(err: &CliError) -> bool {
    matches!(err.0.downcast_ref(), Some(DownstreamError::Cancelled))
        || matches!(err.0.downcast_ref(), Some(EventClipsError::Cancelled))
}

/// One line of results.
pub fn tell(what: &str, score: &Score, console: &Console) {
    console.line(&format!("{what:<40} {}", score.rate));
}

/// Which events were told in whose place: a row an event that was shown.
pub fn tell_confusion(score: &Score, console: &Console) {
    let names: Vec<String> = Event::ALL.iter().map(|event| format!("{:>8}", event.name())).collect();
    console.line(&format!("{:<16}{}", "  shown as", names.concat()));
    for (truth, told) in &score.confusion {
        let counts: Vec<String> = told.values().map(|count| format!("{count:>8}")).collect();
        console.line(&format!("  {:<14}{}", truth.name(), counts.concat()));
    }
}

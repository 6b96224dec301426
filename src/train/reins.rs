//! What can be asked of a run while it goes on, besides to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Read after each step.
#[derive(Debug, Default)]
pub struct Reins {
    hold: AtomicBool,
    held: AtomicBool,
    discard: AtomicBool,
}

impl Reins {
    /// Keep a checkpoint of the step at hand, whenever the next one would be due, and wait.
    pub fn hold(&self) {
        self.hold.store(true, Ordering::Release);
    }

    /// Go on, or do not begin to wait.
    pub fn release(&self) {
        self.hold.store(false, Ordering::Release);
        self.held.store(false, Ordering::Release);
    }

    /// A stop keeps nothing of what was done since the last checkpoint.
    pub fn discard(&self) {
        self.discard.store(true, Ordering::Release);
    }

    /// Whether a checkpoint was asked for; it is then to be written, and the run waits from there on. One request is taken
    /// once, so that a run never waits at a step that it has no checkpoint of.
    pub fn takes_hold(&self) -> bool {
        let asked = self.hold.swap(false, Ordering::AcqRel);
        if asked {
            self.held.store(true, Ordering::Release);
        }
        asked
    }

    /// A checkpoint was asked for and is not written yet.
    pub fn is_asked(&self) -> bool {
        self.hold.load(Ordering::Acquire)
    }

    /// The run is to wait: the checkpoint that it was asked for is written.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub fn discards(&self) -> bool {
        self.discard.load(Ordering::Acquire)
    }

    pub fn reset(&self) {
        self.release();
        self.discard.store(false, Ordering::Release);
    }
}

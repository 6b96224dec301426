//! What can be asked of a run while it goes on, besides to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Read after each step.
#[derive(Debug, Default)]
pub struct Reins {
    save: AtomicBool,
    discard: AtomicBool,
}

impl Reins {
    /// Keep a checkpoint of the step at hand, whenever the next one would be due.
    pub fn save_now(&self) {
        self.save.store(true, Ordering::Release);
    }

    /// A stop keeps nothing of what was done since the last checkpoint.
    pub fn discard(&self) {
        self.discard.store(true, Ordering::Release);
    }

    /// Whether a checkpoint was asked for; asking again is a new request.
    pub fn takes_save(&self) -> bool {
        self.save.swap(false, Ordering::AcqRel)
    }

    pub fn discards(&self) -> bool {
        self.discard.load(Ordering::Acquire)
    }

    pub fn reset(&self) {
        self.save.store(false, Ordering::Release);
        self.discard.store(false, Ordering::Release);
    }
}

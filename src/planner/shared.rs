//! The recording that an episode writes and everybody else reads while it grows.

use std::sync::{Arc, PoisonError, RwLock};

use crate::recording::Recording;

/// A handle to one recording; clones see the same one. The lock is held to append and to copy, never across compute.
#[derive(Clone, Debug, Default)]
pub struct SharedRecording(Arc<RwLock<Recording>>);

impl SharedRecording {
    pub fn new(recording: Recording) -> Self {
        Self(Arc::new(RwLock::new(recording)))
    }

    /// A copy as of now. Cheap: its steps are shared.
    pub fn snapshot(&self) -> Recording {
        self.read(Recording::clone)
    }

    /// Looks at the recording; keep `look` short, for the writer waits.
    pub fn read<T>(&self, look: impl FnOnce(&Recording) -> T) -> T {
        // A reader that panicked has changed nothing, so the record is still whole.
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut Recording) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

//! Where workers leave things for the window: a slot whose newest value wins, and the shared recording.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::recording::Recording;

/// Locks are held for a copy or a push and never across compute, so a poisoned one still guards whole data.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the newest of a stream of heavy values; older ones are dropped unread.
#[derive(Debug)]
pub struct Slot<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Slot<T> {
    pub fn set(&self, value: T) {
        *lock(&self.0) = Some(Arc::new(value));
    }

    pub fn clear(&self) {
        *lock(&self.0) = None;
    }

    pub fn get(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }
}

/// The recording of the episode at hand: one writer, any number of readers.
///
/// A reader holds a snapshot for as long as it likes and never blocks the writer. Steps are shared, so a snapshot
/// costs the writer a copy of the list and the sub-goals, not of the frames.
#[derive(Clone, Debug, Default)]
pub struct SharedRecording(Arc<Mutex<Arc<Recording>>>);

impl SharedRecording {
    pub fn snapshot(&self) -> Arc<Recording> {
        Arc::clone(&lock(&self.0))
    }

    pub fn update<R>(&self, change: impl FnOnce(&mut Recording) -> R) -> R {
        change(Arc::make_mut(&mut lock(&self.0)))
    }

    pub fn replace(&self, recording: Recording) {
        *lock(&self.0) = Arc::new(recording);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_does_not_move_while_the_recording_grows() {
        let shared = SharedRecording::default();
        shared.update(|recording| recording.task = "one".to_owned());
        let snapshot = shared.snapshot();
        shared.update(|recording| recording.task = "two".to_owned());
        assert_eq!(
            (snapshot.task.as_str(), shared.snapshot().task.as_str()),
            ("one", "two")
        );
    }
}

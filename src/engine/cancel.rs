//! Stopping work that is under way, without losing a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::slot::lock;

/// A flag that long work reads at every CEM iteration, decoded token and training step.
///
/// Requests are counted, because a second stop may be asked for before the first one was answered: the flag is lowered
/// once for each [`super::Command`] that raised it, when that command is taken off the queue. What was queued before
/// is then skipped, what is queued after runs.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requests: Mutex<usize>,
    flag: AtomicBool,
}

impl Cancel {
    /// The flag itself: whether the work at hand should end as soon as it can. Not to be written to.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.flag
    }

    pub fn is_raised(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    pub fn raise(&self) {
        let mut requests = lock(&self.0.requests);
        *requests += 1;
        self.0.flag.store(true, Ordering::Release);
    }

    /// Takes back one [`Self::raise`].
    pub fn lower(&self) {
        let mut requests = lock(&self.0.requests);
        *requests = requests.saturating_sub(1);
        self.0.flag.store(*requests > 0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_raise_needs_its_own_lower_and_none_is_owed() {
        let cancel = Cancel::default();
        cancel.lower();
        cancel.raise();
        cancel.raise();
        cancel.lower();
        assert!(cancel.is_raised());
        cancel.lower();
        assert!(!cancel.is_raised());
    }
}

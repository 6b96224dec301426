//! Who gets the machine while an episode and a training run at once, and a training that waits. All of it lies between
//! two steps: what a step computes does not depend on when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::train::Reins;

/// How often a training that waits looks up.
const LOOK: Duration = Duration::from_millis(20);

/// Who goes first while an episode is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Training never waits.
    Training,
    /// After each step training rests for as long as the step took.
    #[default]
    Even,
    /// Training waits until nothing is planned.
    Episode,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::Training, Self::Even, Self::Episode];

    fn number(self) -> u8 {
        match self {
            Self::Training => 0,
            Self::Even => 1,
            Self::Episode => 2,
        }
    }
}

/// What the window sets and the training reads between its steps.
#[derive(Debug)]
pub(super) struct Pace {
    priority: AtomicU8,
    pub reins: Arc<Reins>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            priority: AtomicU8::new(Priority::default().number()),
            reins: Arc::default(),
        }
    }
}

impl Pace {
    /// A run begins: nothing that was asked of the one before it counts.
    pub fn begin(&self) {
        self.reins.reset();
    }

    pub fn set_priority(&self, priority: Priority) {
        self.priority.store(priority.number(), Ordering::Release);
    }

    fn priority(&self) -> Priority {
        let number = self.priority.load(Ordering::Acquire);
        Priority::ALL
            .into_iter()
            .find(|one| one.number() == number)
            .unwrap_or_default()
    }

    /// Saves a checkpoint after the step at hand, then waits.
    pub fn pause(&self) {
        self.reins.hold();
    }

    pub fn resume(&self) {
        self.reins.release();
    }

    /// Rests after a step that took so long, as the priority says; ends at once when `cancel` is set or a pause begins.
    pub fn rest(&self, step: Duration, cancel: &AtomicBool, planning: impl Fn() -> bool) {
        let begun = Instant::now();
        let due = |priority| match priority {
            Priority::Training => false,
            Priority::Even => begun.elapsed() < step,
            Priority::Episode => true,
        };
        let paused = || self.reins.is_asked() || self.reins.is_held();
        while due(self.priority()) && !cancel.load(Ordering::Acquire) && !paused() && planning() {
            let left = match self.priority() {
                Priority::Even => step.saturating_sub(begun.elapsed()),
                Priority::Training | Priority::Episode => LOOK,
            };
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Waits while the run is paused.
    pub fn wait(&self, cancel: &AtomicBool) {
        while self.reins.is_held() && !cancel.load(Ordering::Acquire) {
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_rests_only_while_an_episode_is_planned_and_never_past_a_stop() {
        let (pace, stop) = (Pace::default(), AtomicBool::new(false));
        let step = Duration::from_millis(60);
        let rested = |pace: &Pace, planning: bool| {
            let begun = Instant::now();
            pace.rest(step, &stop, || planning);
            begun.elapsed()
        };
        assert!(rested(&pace, true) >= step, "half of the machine each");
        assert!(rested(&pace, false) < step, "nobody else wants it");
        pace.set_priority(Priority::Training);
        assert!(rested(&pace, true) < step);
        pace.set_priority(Priority::Episode);
        let begun = Instant::now();
        pace.rest(step, &stop, || begun.elapsed() < 3 * step);
        assert!(begun.elapsed() >= 3 * step, "it waits for the episode");
        stop.store(true, Ordering::Release);
        assert!(rested(&pace, true) < step);
    }

    #[test]
    fn a_pause_asks_for_a_checkpoint_and_ends_with_resume_or_stop() {
        let (pace, stop) = (Arc::new(Pace::default()), Arc::new(AtomicBool::new(false)));
        pace.pause();
        assert!(!pace.reins.is_held(), "nothing is written yet");
        assert!(pace.reins.takes_hold() && !pace.reins.takes_hold());
        let waits = {
            let (pace, stop) = (Arc::clone(&pace), Arc::clone(&stop));
            std::thread::spawn(move || pace.wait(&stop))
        };
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waits.is_finished());
        pace.resume();
        waits.join().expect("it goes on");
        pace.pause();
        assert!(pace.reins.takes_hold());
        stop.store(true, Ordering::Release);
        pace.wait(&stop);
        pace.begin();
        assert!(!pace.reins.is_held() && !pace.reins.takes_hold());
    }
}

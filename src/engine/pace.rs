//! Who gets the machine while an episode and a training run at once, and a training that waits. All of it lies between
//! two steps: what a step computes does not depend on when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::train::Reins;

/// How often a training that waits looks up.
const LOOK: Duration = Duration::from_millis(20);

/// The share of the machine that planning gets while an episode is planned, percent; training has the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(u8);

impl Priority {
    /// Training never waits.
    pub const TRAINING: Self = Self(0);
    /// After each step training rests for as long as the step took.
    pub const EVEN: Self = Self(50);
    /// Training waits until nothing is planned.
    pub const EPISODE: Self = Self(100);

    /// `percent` of the machine for planning, 0 to 100.
    pub fn of_planning(percent: u8) -> Self {
        Self(percent.min(Self::EPISODE.0))
    }

    pub fn percent(self) -> u8 {
        self.0
    }

    /// How long training rests after a step of that length: `s p / (1 - p)`, so that the step is `1 - p` of both together;
    /// none where it waits until nothing is planned.
    fn rest_of(self, step: Duration) -> Option<Duration> {
        let rest = u32::from(Self::EPISODE.0 - self.0);
        (rest > 0).then(|| step * u32::from(self.0) / rest)
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::EVEN
    }
}

/// What the window sets and the training reads between its steps.
#[derive(Debug)]
pub(super) struct Pace {
    /// Percent for planning.
    priority: AtomicU8,
    pub reins: Arc<Reins>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            priority: AtomicU8::new(Priority::default().0),
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
        self.priority.store(priority.0, Ordering::Release);
    }

    fn priority(&self) -> Priority {
        Priority(self.priority.load(Ordering::Acquire))
    }

    /// Saves a checkpoint after the step at hand, then waits.
    pub fn pause(&self) {
        self.reins.hold();
    }

    pub fn resume(&self) {
        self.reins.release();
    }

    /// Rests after a step that took so long, as the share of planning says; ends at once when `cancel` is set or a pause begins.
    pub fn rest(&self, step: Duration, cancel: &AtomicBool, planning: impl Fn() -> bool) {
        let begun = Instant::now();
        // Read anew at each look: the share may be changed meanwhile.
        let left = || match self.priority().rest_of(step) {
            Some(rest) => rest.saturating_sub(begun.elapsed()),
            None => LOOK,
        };
        let paused = || self.reins.is_asked() || self.reins.is_held();
        while !left().is_zero() && !cancel.load(Ordering::Acquire) && !paused() && planning() {
            std::thread::sleep(left().min(LOOK));
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
        pace.set_priority(Priority::TRAINING);
        assert!(rested(&pace, true) < step);
        pace.set_priority(Priority::EPISODE);
        let begun = Instant::now();
        pace.rest(step, &stop, || begun.elapsed() < 3 * step);
        assert!(begun.elapsed() >= 3 * step, "it waits for the episode");
        stop.store(true, Ordering::Release);
        assert!(rested(&pace, true) < step);
    }

    #[test]
    fn a_step_is_the_share_of_training_in_the_step_and_its_rest() {
        let step = Duration::from_millis(60);
        let rest = |percent| Priority::of_planning(percent).rest_of(step);
        for (percent, millis) in [(0, 0), (25, 20), (50, 60), (75, 180), (90, 540)] {
            assert_eq!(rest(percent), Some(Duration::from_millis(millis)), "{percent} %");
        }
        assert_eq!((rest(100), rest(255)), (None, None));
        let (pace, begun) = (Pace::default(), Instant::now());
        pace.set_priority(Priority::of_planning(75));
        pace.rest(step, &AtomicBool::new(false), || true);
        assert!(begun.elapsed() >= 3 * step);
        let begun = Instant::now();
        pace.set_priority(Priority::of_planning(25));
        pace.rest(step, &AtomicBool::new(false), || true);
        assert!(begun.elapsed() >= step / 3);
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

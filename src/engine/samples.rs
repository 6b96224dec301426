//! The samples of the run that is looked at: their steps, and the one that is shown, read from the run's folder whoever
//! writes it. One sample is in memory at a time, however many a run has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::train::{Sample, sample_changed, sampled_steps};

/// What the window sees of a run's samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSamples {
    pub run: PathBuf,
    /// The steps that have one, in order.
    pub steps: Vec<usize>,
    /// The one that was asked for; the newest where none was named.
    pub shown: Option<Arc<Sample>>,
    /// Why it cannot be shown, if it cannot.
    pub problem: Option<String>,
}

/// What to look at, and what was read.
#[derive(Debug, Default)]
pub(super) struct SampleBook {
    asked: Option<(PathBuf, Option<usize>)>,
    known: RunSamples,
    /// Of the file that is shown: a resumed run writes it anew.
    stamp: Option<(usize, SystemTime)>,
}

impl SampleBook {
    pub fn ask(&mut self, run: PathBuf, step: Option<usize>) {
        if self.known.run != run {
            self.known = RunSamples {
                run: run.clone(),
                ..RunSamples::default()
            };
            self.stamp = None;
        }
        self.asked = Some((run, step));
    }

    pub fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Looks at the folder; what is there now, where it is not what was there before.
    pub fn look(&mut self) -> Option<RunSamples> {
        let (run, step) = self.asked.as_ref()?;
        let steps = sampled_steps(run);
        let mut changed = steps != self.known.steps;
        // One that is gone is replaced by the nearest before it.
        let wanted = match step {
            Some(step) => steps.iter().rfind(|at| *at <= step).or(steps.first()),
            None => steps.last(),
        };
        let stamp = wanted.and_then(|&wanted| Some((wanted, sample_changed(run, wanted)?)));
        if stamp != self.stamp {
            changed = true;
            self.stamp = stamp;
            let read = stamp.map(|(wanted, _)| Sample::read(run, wanted)).transpose();
            (self.known.shown, self.known.problem) = match read {
                Ok(sample) => (sample.map(Arc::new), None),
                Err(err) => (None, Some(err.to_string())),
            };
        }
        self.known.steps = steps;
        changed.then(|| self.known.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{SampleContent, StageKind};

    #[test]
    fn the_newest_is_shown_until_one_is_named_and_the_run_may_be_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |run: &str, step: usize, secs: f64| {
            Sample::new(StageKind::One, step, secs, SampleContent::default())
                .write(&at(run))
                .unwrap();
        };
        let mut book = SampleBook::default();
        assert!(book.look().is_none() && !book.is_asked());
        book.ask(at("one"), None);
        // No samples are no news, and no problem.
        assert_eq!(book.look(), None);
        write("one", 0, 0.5);
        write("one", 100, 0.5);
        let seen = book.look().unwrap();
        let step = |seen: &RunSamples| seen.shown.as_ref().map(|sample| sample.step);
        assert_eq!((seen.steps.as_slice(), step(&seen)), (&[0, 100][..], Some(100)));
        assert_eq!(book.look(), None, "nothing changed");
        write("one", 200, 0.5);
        assert_eq!(step(&book.look().unwrap()), Some(200));
        book.ask(at("one"), Some(100));
        assert_eq!(step(&book.look().unwrap()), Some(100));
        write("one", 300, 0.5);
        let seen = book.look().unwrap();
        assert_eq!(
            (seen.steps.len(), step(&seen)),
            (4, Some(100)),
            "who looks at the past stays there"
        );
        // A resumed run does the step again.
        write("one", 100, 0.75);
        let file = std::fs::File::options()
            .write(true)
            .open(at("one/samples/0000100.cbor"))
            .unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(book.look().unwrap().shown.unwrap().secs, 0.75);

        std::fs::write(at("one/samples/0000300.cbor"), "half").unwrap();
        book.ask(at("one"), None);
        let seen = book.look().unwrap();
        assert!(seen.shown.is_none() && seen.problem.unwrap().contains("0000300.cbor"));
        book.ask(at("two"), None);
        assert_eq!(book.look(), None, "nothing is known of the other run");
        write("two", 7, 0.5);
        assert_eq!(book.look().unwrap().steps, [7]);
    }
}

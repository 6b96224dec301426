//! How often the right event was told, and which was told in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::eval::Rate;
use crate::sim::Event;

/// Top-1 accuracy with its 95 % interval (Wilson), and what was told of the clips of each event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    #[serde(flatten)]
    pub rate: Rate,
    /// By the true event, how many of its clips were told to be each.
    pub confusion: BTreeMap<Event, BTreeMap<Event, usize>>,
}

impl Score {
    /// Of the numbers of the events that were told and that were true.
    pub fn of(told: &[usize], truth: &[usize]) -> Self {
        let none = || {
            Event::ALL
                .into_iter()
                .map(|event| (event, 0))
                .collect::<BTreeMap<_, _>>()
        };
        let mut confusion: BTreeMap<Event, BTreeMap<Event, usize>> =
            Event::ALL.into_iter().map(|event| (event, none())).collect();
        for (&told, &truth) in told.iter().zip(truth) {
            *confusion
                .entry(Event::ALL[truth])
                .or_default()
                .entry(Event::ALL[told])
                .or_default() += 1;
        }
        Self {
            rate: Rate::among(told.iter().zip(truth).map(|(told, truth)| told == truth)),
            confusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_counted_by_what_was_true() {
        let score = Score::of(&[0, 1, 1, 4, 0], &[0, 1, 2, 4, 4]);
        assert_eq!((score.rate.solved, score.rate.n), (3, 5));
        let [first, second, third, .., last] = Event::ALL;
        assert_eq!(score.confusion[&first][&first], 1);
        assert_eq!(score.confusion[&third][&second], 1);
        assert_eq!((score.confusion[&last][&first], score.confusion[&last][&last]), (1, 1));
        let counted: usize = score.confusion.values().flat_map(BTreeMap::values).sum();
        assert_eq!(counted, 5);
        let text = serde_json::to_string(&score).unwrap();
        assert_eq!(serde_json::from_str::<Score>(&text).unwrap(), score);
    }
}

//! From visited states to the temperature of the similarity: the threshold that best tells reached states from others
//! is to read as 0.85 for every source of goals.
//!
//! The others are of two kinds, and count alike: states on the way, and states in which the sub-goal was attempted and
//! failed ([`misses`](super::misses)). Against the first alone the threshold would lie far from everything reached, since
//! their flags are wrong, and would let through a block that was let go beside its place.

use super::oracle::BatchResult;
use super::statistics::auc;

/// The similarity at which a goal counts as reached.
const DELTA_GOAL: f64 = 0.85;
/// Thresholds whose index is within this of the best are as good: one odd state among fifty must not decide.
const PLATEAU: f64 = 0.02;

/// What a fit is made from: cosines to the goal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// States that were visited, and whether the sub-goal was reached there.
    pub visits: Vec<(f32, bool)>,
    /// States in which it was attempted and failed.
    pub misses: Vec<f32>,
}

/// How well 1 - cosine tells reached states from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Area under the ROC curve, visited states alone.
    pub auc: f64,
    /// The same against failed attempts; none where there are none.
    pub auc_misses: Option<f64>,
    /// The threshold on 1 - cosine: the middle of those with the greatest Youden index (true positive rate less the mean
    /// of both false positive rates).
    pub threshold: f64,
    pub true_positive_rate: f64,
    /// Among visited states that are not reached.
    pub false_positive_rate: f64,
    /// Among failed attempts.
    pub miss_rate: f64,
    /// `T` with which the threshold's similarity `exp(-(1 - cos) / T)` is 0.85.
    pub temperature: f64,
}

/// Fits; none when all visited states, or none of them, are reached.
pub fn calibrate(samples: &Samples) -> Option<Calibration> {
    let distances = |wanted: bool| -> Vec<f64> {
        let visits = samples.visits.iter().filter(|visit| visit.1 == wanted);
        sorted(visits.map(|visit| visit.0))
    };
    let (reached, others) = (distances(true), distances(false));
    let misses = sorted(samples.misses.iter().copied());
    if reached.is_empty() || others.is_empty() {
        return None;
    }
    let false_rates = |threshold: f64| (share_within(&others, threshold), share_within(&misses, threshold));
    let index = |threshold: f64| {
        let (of_others, of_misses) = false_rates(threshold);
        let false_rate = if misses.is_empty() {
            of_others
        } else {
            f64::midpoint(of_others, of_misses)
        };
        share_within(&reached, threshold) - false_rate
    };
    // Between two neighbouring distances nothing changes, so the index of each stands for all up to the next.
    let mut borders: Vec<f64> = [&reached[..], &others, &misses].concat();
    borders.sort_by(f64::total_cmp);
    borders.dedup();
    let indices: Vec<f64> = borders.iter().map(|&border| index(border)).collect();
    let best = (0..indices.len()).max_by(|&a, &b| indices[a].total_cmp(&indices[b]))?;
    let as_good = |&at: &usize| indices[at] >= indices[best] - PLATEAU;
    let first = (0..=best).rev().take_while(as_good).last().unwrap_or(best);
    let last = (best..indices.len()).take_while(as_good).last().unwrap_or(best);
    let end = borders.get(last + 1).unwrap_or(&borders[last]);
    let threshold = f64::midpoint(borders[first], *end).max(1e-6);
    let (false_positive_rate, miss_rate) = false_rates(threshold);
    Some(Calibration {
        // A reached state is the nearer one: the others' distances should be above.
        auc: auc(&others, &reached)?,
        auc_misses: auc(&misses, &reached),
        threshold,
        true_positive_rate: share_within(&reached, threshold),
        false_positive_rate,
        miss_rate,
        temperature: threshold / -DELTA_GOAL.ln(),
    })
}

/// 1 - cosine, from low to high.
fn sorted(cosines: impl Iterator<Item = f32>) -> Vec<f64> {
    let mut distances: Vec<f64> = cosines.map(|cosine| 1.0 - f64::from(cosine)).collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// Share of the sorted distances that are at most the threshold; 0 of none.
fn share_within(distances: &[f64], threshold: f64) -> f64 {
    let within = distances.partition_point(|&distance| distance <= threshold);
    within as f64 / distances.len().max(1) as f64
}

/// What the switch criterion would have said in a batch of episodes, none of which it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    pub episodes: usize,
    /// Episodes in which a state was declared reached.
    pub declared: usize,
    /// Of those: the first such state was.
    pub rightly: usize,
    pub solved: usize,
    /// Of the solved ones: rightly declared before the episode ended.
    pub solved_declared: usize,
}

impl Declarations {
    /// A state is declared reached where 1 - cosine is `within` that.
    pub fn of(result: &BatchResult, within: f64) -> Self {
        let mut counts = Self {
            episodes: result.episodes.len(),
            solved: result.solved(),
            ..Self::default()
        };
        for (number, episode) in result.episodes.iter().enumerate() {
            let mut visits = result.visits.iter().filter(|visit| visit.episode == number);
            let first = visits.find(|visit| 1.0 - f64::from(visit.cosine) <= within);
            let rightly = first.is_some_and(|visit| visit.reached);
            counts.declared += usize::from(first.is_some());
            counts.rightly += usize::from(rightly);
            counts.solved_declared += usize::from(rightly && episode.solved);
        }
        counts
    }

    pub fn add(&mut self, other: &Self) {
        self.episodes += other.episodes;
        self.declared += other.declared;
        self.rightly += other.rightly;
        self.solved += other.solved;
        self.solved_declared += other.solved_declared;
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{BatchEpisode, Visit};
    use super::*;

    #[test]
    fn the_first_declared_state_of_each_episode_counts() {
        let visit = |episode, cosine, reached| Visit {
            episode,
            cosine,
            cost: 0.0,
            reached,
            pooled: Vec::new(),
        };
        let episode = |solved| BatchEpisode {
            solved,
            ..BatchEpisode::default()
        };
        let result = BatchResult {
            episodes: vec![episode(true), episode(true), episode(true), episode(false)],
            visits: vec![
                visit(0, 0.5, false),
                visit(0, 0.95, true),
                // Declared too early, although it was solved later.
                visit(1, 0.92, false),
                visit(1, 0.99, true),
                // Never declared.
                visit(2, 0.6, true),
                visit(3, 0.1, false),
            ],
            ..BatchResult::default()
        };
        let counts = Declarations::of(&result, 0.1);
        let expected = Declarations {
            episodes: 4,
            declared: 2,
            rightly: 1,
            solved: 3,
            solved_declared: 1,
        };
        assert_eq!(counts, expected);
        let mut twice = counts;
        twice.add(&counts);
        assert_eq!((twice.episodes, twice.rightly), (8, 2));
    }

    fn visits(visits: &[(f32, bool)]) -> Samples {
        Samples {
            visits: visits.to_vec(),
            misses: Vec::new(),
        }
    }

    #[test]
    fn the_best_threshold_reads_as_085() {
        let mut samples = visits(&[
            (0.99, true),
            (0.98, true),
            (0.97, false),
            (0.95, true),
            (0.5, false),
            (0.4, false),
            (0.3, false),
        ]);
        let fit = calibrate(&samples).unwrap();
        // All three reached, one of four others let through: 1 - 1/4 beats 2/3 - 0.
        assert_eq!((fit.true_positive_rate, fit.false_positive_rate), (1.0, 0.25));
        assert!((fit.threshold - 0.275).abs() < 1e-6);
        assert!(((-fit.threshold / fit.temperature).exp() - 0.85).abs() < 1e-9);
        // Of the 12 pairs one is in the wrong order.
        assert!((fit.auc - 11.0 / 12.0).abs() < 1e-9);
        assert_eq!((fit.auc_misses, fit.miss_rate), (None, 0.0));
        samples.visits.truncate(2);
        assert_eq!(calibrate(&samples), None);
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(calibrate(&visits(&[(0.5, true), (0.5, false)])).unwrap().auc, 0.5);
    }

    #[test]
    fn failed_attempts_keep_the_threshold_near_what_is_reached() {
        let mut samples = visits(&[(0.97, true), (0.96, true), (0.3, false), (0.2, false)]);
        let apart = calibrate(&samples).unwrap();
        assert!(
            (apart.threshold - 0.37).abs() < 1e-6,
            "the middle of the gap: {}",
            apart.threshold
        );
        samples.misses = vec![0.9, 0.85, 0.7];
        let fit = calibrate(&samples).unwrap();
        assert!((fit.threshold - 0.07).abs() < 1e-6, "{}", fit.threshold);
        assert_eq!(
            (fit.true_positive_rate, fit.miss_rate, fit.auc_misses),
            (1.0, 0.0, Some(1.0))
        );
    }

    #[test]
    fn one_odd_state_does_not_decide() {
        // A hundred reached states within 0.05, one that is odd, others from 0.2 on and the first of them alone.
        let mut samples: Vec<(f32, bool)> = (1..=100).map(|i| (1.0 - 0.0005 * i as f32, true)).collect();
        samples.push((0.72, true));
        samples.push((0.8, false));
        samples.extend((1..=200).map(|i| (0.5 - 0.001 * i as f32, false)));
        let threshold = calibrate(&visits(&samples)).unwrap().threshold;
        // As good as the best: from 0.05 to 0.5.
        assert!((threshold - 0.275).abs() < 0.01, "{threshold}");
    }
}

//! From visited states to the temperature of the similarity: the threshold that best tells reached states from others
//! is to read as 0.85 for every source of goals.

/// The similarity at which a goal counts as reached.
const DELTA_GOAL: f64 = 0.85;

/// How well 1 - cosine tells reached states from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Area under the ROC curve.
    pub auc: f64,
    /// The threshold on 1 - cosine with the greatest Youden index (true positive rate - false positive rate).
    pub threshold: f64,
    pub true_positive_rate: f64,
    pub false_positive_rate: f64,
    /// `T` with which the threshold's similarity `exp(-(1 - cos) / T)` is 0.85.
    pub temperature: f64,
}

/// Fits on (cosine, reached) samples; none when all of them, or none, are reached.
pub fn calibrate(samples: &[(f32, bool)]) -> Option<Calibration> {
    let mut sorted: Vec<(f64, bool)> = samples
        .iter()
        .map(|&(cosine, reached)| (1.0 - f64::from(cosine), reached))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|sample| sample.1).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut true_positives, mut false_positives, mut area) = (0.0, 0.0, 0.0);
    let mut best = (f64::NEG_INFINITY, 0.0, 0.0, 0.0);
    let mut groups = sorted.chunk_by(|a, b| a.0 == b.0).peekable();
    while let Some(group) = groups.next() {
        let hits = group.iter().filter(|sample| sample.1).count() as f64;
        let misses = group.len() as f64 - hits;
        // Ties count half.
        area += misses * (true_positives + hits / 2.0);
        true_positives += hits;
        false_positives += misses;
        let (rate, false_rate) = (true_positives / positives, false_positives / negatives);
        if rate - false_rate > best.0 {
            // Half way to the next value, so that neither side lies on the threshold.
            let threshold = groups.peek().map_or(group[0].0, |next| 0.5 * (group[0].0 + next[0].0));
            best = (rate - false_rate, threshold, rate, false_rate);
        }
    }
    let threshold = best.1.max(1e-6);
    Some(Calibration {
        auc: area / (positives * negatives),
        threshold,
        true_positive_rate: best.2,
        false_positive_rate: best.3,
        temperature: threshold / -DELTA_GOAL.ln(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_threshold_reads_as_085() {
        let samples = [
            (0.99, true),
            (0.98, true),
            (0.97, false),
            (0.95, true),
            (0.5, false),
            (0.4, false),
            (0.3, false),
        ];
        let fit = calibrate(&samples).unwrap();
        // All three reached, one of four others let through: 1 - 1/4 beats 2/3 - 0.
        assert_eq!((fit.true_positive_rate, fit.false_positive_rate), (1.0, 0.25));
        assert!((fit.threshold - 0.275).abs() < 1e-6);
        assert!(((-fit.threshold / fit.temperature).exp() - 0.85).abs() < 1e-9);
        // Of the 12 pairs one is in the wrong order.
        assert!((fit.auc - 11.0 / 12.0).abs() < 1e-9);
        assert_eq!(calibrate(&samples[..2]), None);
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(calibrate(&[(0.5, true), (0.5, false)]).unwrap().auc, 0.5);
    }
}

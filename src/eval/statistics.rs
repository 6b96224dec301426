//! Figures with their uncertainty, and the document that `eval` prints.

use std::collections::BTreeMap;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::random::{Stream, rng};

/// Name of the document's format.
pub const EVAL_SCHEMA: &str = "thinkjepa.eval/1";
/// Standard deviations of a normal distribution that hold 95 % of it.
const Z95: f64 = 1.959_963_984_540_054;
/// Draws of a bootstrap.
const RESAMPLES: usize = 1000;
/// Keeps its numbers apart from others of the stream.
const BOOTSTRAP: u64 = 5;

/// Wilson's 95 % interval of a rate, `[lo, hi]`; `[0, 1]` where nothing was tried.
pub fn wilson(solved: usize, n: usize) -> [f64; 2] {
    if n == 0 {
        return [0., 1.];
    }
    let (solved, n) = (solved as f64, n as f64);
    let (rate, z2) = (solved / n, Z95 * Z95);
    let centre = (rate + z2 / (2. * n)) / (1. + z2 / n);
    let half = Z95 / (1. + z2 / n) * (rate * (1. - rate) / n + z2 / (4. * n * n)).sqrt();
    [(centre - half).max(0.), (centre + half).min(1.)]
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. None where either
/// is missing or a score is not a number.
pub fn auc(positive: &[f64], negative: &[f64]) -> Option<f64> {
    let scores = ranked(positive, negative)?;
    let (mut below, mut wins) = (0usize, 0.);
    for group in scores.chunk_by(|a, b| a.0 == b.0) {
        let ups = group.iter().filter(|(_, up)| *up).count();
        let downs = group.len() - ups;
        wins += ups as f64 * (below as f64 + downs as f64 / 2.);
        below += downs;
    }
    Some(wins / (positive.len() as f64 * negative.len() as f64))
}

/// All scores from low to high, marked where positive.
fn ranked(positive: &[f64], negative: &[f64]) -> Option<Vec<(f64, bool)>> {
    if positive.is_empty() || negative.is_empty() || positive.iter().chain(negative).any(|score| score.is_nan()) {
        return None;
    }
    let ups = positive.iter().map(|&score| (score, true));
    let mut scores: Vec<(f64, bool)> = ups.chain(negative.iter().map(|&score| (score, false))).collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(scores)
}

/// How often something worked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub n: usize,
    pub solved: usize,
    /// 0 to 1; 0 where nothing was tried.
    pub success_rate: f64,
    /// Wilson's interval.
    pub ci95: [f64; 2],
}

impl Rate {
    pub fn of(solved: usize, n: usize) -> Self {
        Self {
            n,
            solved,
            success_rate: if n == 0 { 0. } else { solved as f64 / n as f64 },
            ci95: wilson(solved, n),
        }
    }

    /// The rate of `true` among outcomes.
    pub fn among(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let (mut n, mut solved) = (0, 0);
        for outcome in outcomes {
            n += 1;
            solved += usize::from(outcome);
        }
        Self::of(solved, n)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [lo, hi] = self.ci95.map(|bound| 100. * bound);
        write!(
            f,
            "{:.0} % [{lo:.0}, {hi:.0}] (n = {})",
            100. * self.success_rate,
            self.n
        )
    }
}

/// A measured number that is no share, with an interval over the episodes that it was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub value: f64,
    /// Percentile bootstrap over whole episodes: what lies in one episode is drawn together.
    pub ci95: [f64; 2],
    /// Episodes.
    pub n: usize,
}

impl Figure {
    /// The quotient of two sums; each episode gives a pair of its parts.
    pub fn ratio(pairs: &[(f64, f64)], seed: u64) -> Option<Self> {
        bootstrap(pairs.len(), seed, |drawn| {
            let (above, below) = drawn.iter().fold((0.0, 0.0), |(above, below), &i| {
                (above + pairs[i].0, below + pairs[i].1)
            });
            (below != 0.0).then(|| above / below)
        })
    }

    pub fn median(values: &[f64], seed: u64) -> Option<Self> {
        bootstrap(values.len(), seed, |drawn| {
            median(drawn.iter().map(|&i| values[i]).collect())
        })
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [lo, hi] = self.ci95;
        write!(f, "{:.3} [{lo:.3}, {hi:.3}]", self.value)
    }
}

/// `statistic` of all `n` episodes, with a 95 % interval from episodes drawn with replacement; it gets their indices. None
/// where it has no value.
pub fn bootstrap(n: usize, seed: u64, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Figure> {
    let all: Vec<usize> = (0..n).collect();
    let value = statistic(&all).filter(|value| value.is_finite())?;
    let mut rng = rng(seed, Stream::Eval, 0, BOOTSTRAP);
    let mut drawn = vec![0; n];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            drawn.iter_mut().for_each(|index| *index = rng.random_range(0..n));
            statistic(&drawn).filter(|value| value.is_finite())
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (share * values.len().saturating_sub(1) as f64).round() as usize;
        values.get(index).copied().unwrap_or(value)
    };
    Some(Figure {
        value,
        ci95: [at(0.025), at(0.975)],
        n,
    })
}

/// The middle one, or the mean of the middle two; none of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied()?;
    let lower = values.get((values.len() - 1) / 2).copied()?;
    Some(f64::midpoint(lower, upper))
}

/// What one episode of a suite came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeOutcome {
    pub template: String,
    /// Primitives that the task takes.
    pub horizon: usize,
    /// The task's predicate held at the end, in the physical world.
    pub solved: bool,
}

/// Where a measurement was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    pub cores: usize,
    /// The processor's name, where the system tells it.
    pub cpu: Option<String>,
    /// The device that the models ran on, in the words of `--device`.
    pub device: String,
    pub version: String,
    /// Debug or release.
    pub profile: String,
}

impl Machine {
    pub fn here(device: &str) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu,
            device: device.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        }
    }
}

/// The document that `eval --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// [`EVAL_SCHEMA`].
    pub schema: String,
    pub suite: String,
    /// n, solved, success_rate and ci95 of all episodes; left out where they do not add up to anything.
    #[serde(flatten)]
    pub all: Option<Rate>,
    pub by_template: BTreeMap<String, Rate>,
    /// By the number of primitives that a task takes; left out with `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_horizon: Option<BTreeMap<usize, Rate>>,
    /// Whatever decides the figures: preset, checkpoint, planner settings, phrasings.
    pub settings: Value,
    pub seeds: Vec<u64>,
    pub machine: Machine,
    /// Whatever else was measured on the way; null where nothing was.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub measured: Value,
}

impl EvalReport {
    pub fn new(suite: &str, outcomes: &[EpisodeOutcome], settings: Value, seeds: Vec<u64>, machine: Machine) -> Self {
        let mut by_template: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        let mut by_horizon: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for outcome in outcomes {
            by_template
                .entry(outcome.template.clone())
                .or_default()
                .push(outcome.solved);
            by_horizon.entry(outcome.horizon).or_default().push(outcome.solved);
        }
        Self {
            schema: EVAL_SCHEMA.to_owned(),
            suite: suite.to_owned(),
            all: Some(Rate::among(outcomes.iter().map(|outcome| outcome.solved))),
            by_template: by_template
                .into_iter()
                .map(|(name, solved)| (name, Rate::among(solved)))
                .collect(),
            by_horizon: Some(
                by_horizon
                    .into_iter()
                    .map(|(horizon, solved)| (horizon, Rate::among(solved)))
                    .collect(),
            ),
            settings,
            seeds,
            machine,
            measured: Value::Null,
        }
    }

    /// Without a rate over everything, for outcomes that are no tasks.
    pub fn without_total(self) -> Self {
        Self {
            all: None,
            by_horizon: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe (1998), table I.
        for (solved, n, lo, hi) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0., 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [a, b] = wilson(solved, n);
            assert!(
                (a - lo).abs() < 5e-5 && (b - hi).abs() < 5e-5,
                "{solved}/{n}: [{a}, {b}]"
            );
        }
        assert_eq!(wilson(0, 0), [0., 1.]);
        assert_eq!(wilson(7, 7)[1], 1.);
    }

    #[test]
    fn auc_of_small_cases() {
        assert_eq!(auc(&[0.8, 0.9], &[0.1, 0.2]), Some(1.));
        assert_eq!(auc(&[0.5], &[0.5]), Some(0.5));
        // Pairs: 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4.
        assert_eq!(auc(&[3., 2.], &[1., 2.]), Some(3.5 / 4.));
        assert_eq!(auc(&[], &[1.]), None);
        assert_eq!(auc(&[f64::NAN], &[1.]), None);
    }

    #[test]
    fn medians_and_ratios_come_with_intervals_over_episodes() {
        assert_eq!(median(vec![3., 1., 2.]), Some(2.));
        assert_eq!(median(vec![4., 1., 2., 3.]), Some(2.5));
        assert_eq!(median(vec![]), None);
        // 20 of 40 in all, but from episodes that differ: the interval is wide, and holds the value.
        let pairs: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(2 * (i % 2)), 2.)).collect();
        let ratio = Figure::ratio(&pairs, 1).unwrap();
        assert_eq!((ratio.value, ratio.n), (0.5, 20));
        let [lo, hi] = ratio.ci95;
        // The standard error of a share of 0.5 among 20 is 0.11.
        assert!((0.2..0.4).contains(&lo) && (0.6..0.8).contains(&hi), "{ratio}");
        assert_eq!(Figure::ratio(&pairs, 1), Some(ratio));
        assert_eq!(Figure::ratio(&[(1., 0.)], 1), None);
        assert_eq!(Figure::ratio(&[], 1), None);
        let one = Figure::median(&[7.], 1).unwrap();
        assert_eq!((one.value, one.ci95), (7., [7., 7.]));
    }

    #[test]
    fn the_report_has_the_fields_that_it_promises() {
        let outcome = |template: &str, horizon, solved| EpisodeOutcome {
            template: template.to_owned(),
            horizon,
            solved,
        };
        let outcomes = [
            outcome("put", 2, true),
            outcome("put", 3, false),
            outcome("clear", 2, true),
        ];
        let report = EvalReport::new(
            "demo",
            &outcomes,
            serde_json::json!({"preset": "nano"}),
            vec![7],
            Machine::here("cpu"),
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], "thinkjepa.eval/1");
        assert_eq!((&json["n"], &json["solved"]), (&Value::from(3), &Value::from(2)));
        assert_eq!(json["by_template"]["put"]["success_rate"], 0.5);
        assert_eq!(json["by_horizon"]["2"]["n"], 2);
        assert_eq!(json["ci95"].as_array().unwrap().len(), 2);
        assert_eq!(serde_json::from_value::<EvalReport>(json).unwrap(), report);
        let all = report.all.map(|all| all.to_string());
        assert_eq!(all.as_deref(), Some("67 % [21, 94] (n = 3)"));
        let without = report.without_total();
        let json = serde_json::to_value(&without).unwrap();
        for field in ["n", "solved", "success_rate", "ci95", "by_horizon"] {
            assert!(json.get(field).is_none(), "{field}");
        }
        assert_eq!(json["by_template"]["put"]["n"], 2);
        assert_eq!(serde_json::from_value::<EvalReport>(json).unwrap(), without);
    }
}

//! Open-loop error: the episode's own actions, imagined from one frame, against the frames that really came, as a multiple
//! of what "nothing changes" would have been wrong by. Tokens and pooled latents as they are; and in the comparison space,
//! scene content, gripper position and flags apart, where each has unit variance over the training data.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use super::{AHEAD, Encoded, Imagined};
use crate::eval::Figure;
use crate::planner::cost::LatentSpace;
use crate::planner::{LatentModel, PlannerError};

/// Parts of a comparison vector beside its content: gripper x and y, then suction and holding.
const PARTS: [(&str, usize); 2] = [("gripper_xy", 2), ("flags", 2)];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Tokens,
    Pooled,
    Content,
    Part(usize),
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Pooled => "pooled",
            Self::Content => "content",
            Self::Part(part) => PARTS[part].0,
        }
    }
}

/// Sums of squares of one episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Squares {
    imagined: f64,
    persistence: f64,
    rollouts: f64,
}

/// One quantity at one look ahead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenLoop {
    /// Error of the imagined over that of persistence: under 1 is better than "nothing changes".
    pub error_over_persistence: Option<Figure>,
    /// Mean squared error of the imagined, and of persistence; in the comparison space as shares of the total variance.
    pub error: Option<Figure>,
    pub persistence: Option<Figure>,
}

/// Errors of all episodes, added up as they come.
pub struct Errors {
    space: LatentSpace,
    /// By look ahead and quantity, `[episodes]`.
    squares: BTreeMap<(usize, Of), Vec<Squares>>,
}

impl Errors {
    pub fn new(space: LatentSpace) -> Self {
        Self {
            space,
            squares: BTreeMap::new(),
        }
    }

    /// Adds an episode with what was imagined of it.
    ///
    /// # Errors
    /// The device failed.
    pub fn add(
        &mut self,
        model: &dyn LatentModel,
        episode: &Encoded,
        imagined: &[Imagined],
    ) -> Result<(), PlannerError> {
        for ahead in AHEAD {
            let of_ahead: Vec<&Imagined> = imagined.iter().filter(|one| one.ahead == ahead).collect();
            if of_ahead.is_empty() {
                continue;
            }
            let pooled = |tokens: &[f32]| Encoded::pooled(tokens, episode.shape);
            let mut sums: BTreeMap<Of, Squares> = BTreeMap::new();
            let mut three = [Vec::new(), Vec::new(), Vec::new()];
            for one in &of_ahead {
                let (before, after) = (&episode.tokens[one.from], &episode.tokens[one.from + ahead]);
                add(&mut sums, Of::Tokens, &one.tokens, before, after);
                let [imagined, before, after] = [&one.tokens, before, after].map(|tokens| pooled(tokens));
                add(&mut sums, Of::Pooled, &imagined, &before, &after);
                for (all, pooled) in three.iter_mut().zip([imagined, before, after]) {
                    all.extend(pooled);
                }
            }
            let dim = episode.shape[1];
            let compared: Vec<Vec<f32>> = three
                .into_iter()
                .map(|pooled| self.compare(model, pooled, dim))
                .collect::<Result<_, _>>()?;
            let width = compared[0].len() / of_ahead.len();
            let mut parts = vec![(Of::Content, 0..dim)];
            let mut at = dim;
            for (part, (_, length)) in PARTS.iter().enumerate() {
                parts.push((Of::Part(part), at..at + length));
                at += length;
            }
            for rollout in 0..of_ahead.len() {
                for (of, columns) in &parts {
                    let [imagined, before, after] = [0, 1, 2].map(|i: usize| {
                        let row = &compared[i][rollout * width..(rollout + 1) * width];
                        &row[columns.clone()]
                    });
                    add(&mut sums, *of, imagined, before, after);
                }
            }
            for (of, squares) in sums {
                self.squares.entry((ahead, of)).or_default().push(squares);
            }
        }
        Ok(())
    }

    fn compare(&self, model: &dyn LatentModel, pooled: Vec<f32>, dim: usize) -> Result<Vec<f32>, PlannerError> {
        let count = pooled.len() / dim;
        let pooled = Tensor::<2>::from_data(TensorData::new(pooled, [count, dim]), &model.device());
        self.space
            .compare(pooled)
            .try_into_vec_as::<f32>()
            .map_err(|err| PlannerError::Device(err.to_string()))
    }

    /// For each episode whether its tokens were imagined better than persistence at that look ahead.
    pub fn beats_persistence(&self, ahead: usize) -> Vec<bool> {
        let tokens = self.squares.get(&(ahead, Of::Tokens));
        tokens.map_or_else(Vec::new, |episodes| {
            episodes.iter().map(|one| one.imagined < one.persistence).collect()
        })
    }

    /// By look ahead, then by quantity.
    pub fn figures(&self, seed: u64) -> BTreeMap<usize, BTreeMap<&'static str, OpenLoop>> {
        let mut figures: BTreeMap<usize, BTreeMap<&'static str, OpenLoop>> = BTreeMap::new();
        for (&(ahead, of), episodes) in &self.squares {
            let ratio = |above: &dyn Fn(&Squares) -> f64, below: &dyn Fn(&Squares) -> f64| {
                let pairs: Vec<(f64, f64)> = episodes.iter().map(|one| (above(one), below(one))).collect();
                Figure::ratio(&pairs, seed)
            };
            let figure = OpenLoop {
                error_over_persistence: ratio(&|one| one.imagined, &|one| one.persistence),
                error: ratio(&|one| one.imagined, &|one| one.rollouts),
                persistence: ratio(&|one| one.persistence, &|one| one.rollouts),
            };
            figures.entry(ahead).or_default().insert(of.name(), figure);
        }
        figures
    }
}

fn add(sums: &mut BTreeMap<Of, Squares>, of: Of, imagined: &[f32], before: &[f32], after: &[f32]) {
    let squared = |from: &[f32]| -> f64 {
        let gaps = from.iter().zip(after).map(|(a, b)| f64::from(a - b).powi(2));
        gaps.sum()
    };
    let sum = sums.entry(of).or_default();
    // Tokens and pooled latents: per number; the parts of a comparison vector: shares of a variance, so summed up.
    let per = match of {
        Of::Tokens | Of::Pooled => after.len() as f64,
        Of::Content | Of::Part(_) => 1.0,
    };
    sum.imagined += squared(imagined) / per;
    sum.persistence += squared(before) / per;
    sum.rollouts += 1.0;
}

#[cfg(test)]
mod tests {
    use super::super::{imagine, tests::toy_episode};
    use super::*;
    use crate::config::SimilarityKind;
    use crate::planner::toy::ToyModel;

    #[test]
    fn a_model_that_knows_its_world_has_no_error_and_one_that_stands_still_has_persistence_s() {
        let model = ToyModel::new();
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let (mut exact, mut still) = (Errors::new(space.clone()), Errors::new(space));
        for turn in [0.1, 0.3, 0.5, 0.7] {
            let episode = toy_episode(17, turn);
            let imagined = imagine(&model, &episode).unwrap();
            exact.add(&model, &episode, &imagined).unwrap();
            let standing: Vec<Imagined> = imagined
                .iter()
                .map(|one| Imagined {
                    tokens: episode.tokens[one.from].clone(),
                    ..one.clone()
                })
                .collect();
            still.add(&model, &episode, &standing).unwrap();
        }
        let (exact_figures, still_figures) = (exact.figures(1), still.figures(1));
        for ahead in AHEAD {
            let value = |figures: &BTreeMap<usize, BTreeMap<&str, OpenLoop>>, of: &str| {
                figures[&ahead][of].error_over_persistence.unwrap().value
            };
            for of in ["tokens", "pooled", "gripper_xy"] {
                assert!(value(&exact_figures, of) < 1e-3, "{of} {ahead}");
                assert!((value(&still_figures, of) - 1.0).abs() < 1e-9);
            }
            assert_eq!(exact.beats_persistence(ahead), [true; 4]);
            assert_eq!(still.beats_persistence(ahead), [false; 4]);
            // The toy's content never changes: there is nothing to be a multiple of.
            assert_eq!(exact_figures[&ahead]["content"].error_over_persistence, None);
        }
        // One step of 0.6 * 0.14 m, in the comparison space as it is.
        let xy = exact_figures[&1]["gripper_xy"].persistence.unwrap().value;
        assert!((xy - 0.084f64.powi(2)).abs() < 1e-4, "{xy}");
        assert!(exact.beats_persistence(3).is_empty());
    }
}

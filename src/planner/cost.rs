//! How far an imagined state is from a goal: the similarity that is shown and compared with `delta_goal`, and the costs
//! that CEM minimises. All of them read the mean-pooled latent `[M, D]` (method, 8 and Algorithm 2, lines 11 and 22).

use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::models::{GoalSource, LatentModel, PlannerError};
use super::temporal_cost::TemporalCost;
use crate::config::{Aggregation, CostTerm, SimilarityKind};

/// Width of the gate in units of the gripper's variance: on the nano table it is half open at 0.086 m from the goal.
const GATE_WIDTH: f32 = 0.02;
/// Largest squared distance of the two flags, each -1 or 1.
const FLAGS_RANGE: f32 = 8.0;
/// Weight of the flags in the content cost. With more, letting go at once looks better than carrying.
const CONTENT_FLAGS: f32 = 0.1;
/// x, y, suction, holding.
const PROPRIOCEPTION: usize = 4;

/// Tokens `[B, N, D]` to pooled latents `[B, D]`, in f32 whatever the model computes in.
pub fn pool(tokens: Tensor<3>) -> Tensor<2> {
    tokens.cast(FloatDType::F32).mean_dim(1).squeeze_dim(1)
}

/// Numbers back from the device.
pub(crate) fn read<const R: usize>(tensor: Tensor<R>) -> Result<Vec<f32>, PlannerError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|err| PlannerError::Device(err.to_string()))
}

pub(super) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::<2>::from_data(TensorData::new(values, shape), device).cast(FloatDType::F32)
}

fn unit(vectors: Tensor<2>) -> Tensor<2> {
    let norm = vectors.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    vectors / norm
}

fn row_sum(values: Tensor<2>) -> Tensor<1> {
    values.sum_dim(1).squeeze_dim(1)
}

/// The space in which latents are compared.
#[derive(Clone, Debug)]
pub struct LatentSpace {
    kind: SimilarityKind,
    dim: usize,
    /// `[1, D]`.
    mean: Tensor<2>,
    /// `[D, D + 4]`.
    comparison: Tensor<2>,
}

impl LatentSpace {
    /// Copies the model's statistics to its device.
    ///
    /// # Errors
    /// [`PlannerError::Shape`] when the comparison matrix does not fit the mean.
    pub fn new(model: &dyn LatentModel, kind: SimilarityKind) -> Result<Self, PlannerError> {
        let device = model.device();
        let dim = model.latent_mean().len();
        let (found, expected) = (model.comparison().len(), dim * (dim + PROPRIOCEPTION));
        if found != expected {
            return Err(PlannerError::Shape {
                field: "latent_stats.comparison",
                found,
                expected,
            });
        }
        Ok(Self {
            kind,
            dim,
            mean: matrix(model.latent_mean().to_vec(), [1, dim], &device),
            comparison: matrix(model.comparison().to_vec(), [dim, dim + PROPRIOCEPTION], &device),
        })
    }

    /// Comparison vectors `[M, D + 4]` of pooled latents `[M, D]`: scene content, gripper x and y, flags.
    pub fn compare(&self, pooled: Tensor<2>) -> Tensor<2> {
        (pooled - self.mean.clone()).matmul(self.comparison.clone())
    }

    /// Pooled latents `[M, D]` with their scene content replaced by that of `present`, `[1, D]`: as if only the gripper had
    /// moved.
    pub fn with_content_of(&self, present: &Tensor<2>, pooled: Tensor<2>) -> Tensor<2> {
        // A projector that is scaled by one number: squared, its entries sum up to the square of that times its rank.
        let content = self.comparison.clone().narrow(1, 0, self.dim);
        let rank = self.dim.saturating_sub(PROPRIOCEPTION) as f64;
        let squared = content.clone().square().sum().clamp_min(1e-12) / rank;
        let projector = content / squared.sqrt().unsqueeze::<2>();
        pooled.clone() - (pooled - present.clone()).matmul(projector)
    }

    /// Unit vectors `[M, C]` whose inner products are the cosines that the similarity is made of.
    fn directions(&self, pooled: Tensor<2>) -> Tensor<2> {
        match self.kind {
            SimilarityKind::Calibrated => unit(self.compare(pooled)),
            SimilarityKind::Cosine => unit(pooled),
        }
    }

    /// Similarity to a goal latent `[1, D]`.
    pub fn similarity_to(&self, goal: Tensor<2>, temperature: f32) -> Similarity {
        Similarity {
            direction: self.directions(goal),
            space: self.clone(),
            temperature,
        }
    }
}

/// Similarity of states to one goal: `exp(-(1 - cos) / T)` on comparison vectors, or the plain cosine.
#[derive(Clone, Debug)]
pub struct Similarity {
    space: LatentSpace,
    /// `[1, C]`, a unit vector.
    direction: Tensor<2>,
    temperature: f32,
}

impl Similarity {
    /// Cosines `[M]` of pooled latents `[M, D]`.
    pub fn cosine(&self, pooled: Tensor<2>) -> Tensor<1> {
        row_sum(self.space.directions(pooled) * self.direction.clone())
    }

    /// Similarities of pooled latents `[M, D]`.
    ///
    /// # Errors
    /// The device failed.
    pub fn of(&self, pooled: Tensor<2>) -> Result<Vec<f32>, PlannerError> {
        let cosines = read(self.cosine(pooled))?;
        Ok(match self.space.kind {
            SimilarityKind::Cosine => cosines,
            // Rounding can lift a cosine over 1, and a similarity over 1 reads as a mistake. NaN stays what it is.
            SimilarityKind::Calibrated => cosines
                .into_iter()
                .map(|cosine| ((cosine.clamp(-1.0, 1.0) - 1.0) / self.temperature).exp())
                .collect(),
        })
    }
}

/// What CEM minimises, state by state. The method's reward is its negative.
pub trait Cost {
    /// Costs `[M]` of pooled latents `[M, D]`; lower is better.
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1>;
}

/// 1 - cosine to the goal, in the space of the similarity that is shown.
pub struct SimilarityCost(pub Similarity);

impl Cost for SimilarityCost {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        -self.0.cosine(pooled) + 1.0
    }
}

/// Squared distance of the comparison vectors.
pub struct ContentCost {
    space: LatentSpace,
    /// `[1, D + 4]`.
    goal: Tensor<2>,
    /// `[1, D + 4]`.
    weights: Tensor<2>,
}

impl ContentCost {
    /// `goal` is a pooled latent `[1, D]`.
    pub fn new(space: &LatentSpace, goal: Tensor<2>) -> Self {
        let device = goal.device();
        let mut weights = vec![1.0; space.dim + PROPRIOCEPTION];
        weights[space.dim + 2..].fill(CONTENT_FLAGS);
        let columns = weights.len();
        Self {
            goal: space.compare(goal),
            weights: matrix(weights, [1, columns], &device),
            space: space.clone(),
        }
    }
}

impl Cost for ContentCost {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        row_sum((self.space.compare(pooled) - self.goal.clone()).square() * self.weights.clone())
    }
}

/// Go there first, then switch the grip: the gripper's x and y against the goal's; the flags against the goal's where
/// the gripper presently is at the goal, against the present ones where it is not. Scene content is not in it.
pub struct GateCost<'a> {
    model: &'a dyn LatentModel,
    goal: [f32; PROPRIOCEPTION],
    present: [f32; PROPRIOCEPTION],
    /// 1 at the goal, 0 far from it. From the present frame: with the predicted place, candidates that let go on the
    /// way would be judged by the way.
    open: f32,
}

impl<'a> GateCost<'a> {
    /// `goal` and `present` are pooled latents `[1, D]`.
    ///
    /// # Errors
    /// The device failed.
    pub fn new(model: &'a dyn LatentModel, goal: Tensor<2>, present: Tensor<2>) -> Result<Self, PlannerError> {
        let (goal, present) = (gripper(model, goal)?, gripper(model, present)?);
        let squared = (present[0] - goal[0]).powi(2) + (present[1] - goal[1]).powi(2);
        Ok(Self {
            model,
            goal,
            present,
            open: (-squared / model.gripper_variance() / GATE_WIDTH).exp(),
        })
    }
}

impl Cost for GateCost<'_> {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        let device = pooled.device();
        let read_out = self.model.proprioception(pooled).cast(FloatDType::F32);
        let squared_gap = |from: usize, to: [f32; 2]| {
            row_sum((read_out.clone().narrow(1, from, 2) - matrix(to.to_vec(), [1, 2], &device)).square())
        };
        let place = squared_gap(0, [self.goal[0], self.goal[1]]) / self.model.gripper_variance();
        let switched = squared_gap(2, [self.goal[2], self.goal[3]]) * self.open;
        let kept = squared_gap(2, [self.present[2], self.present[3]]) * (1.0 - self.open);
        place + (switched + kept) / FLAGS_RANGE
    }
}

/// What one pooled latent `[1, D]` says of the gripper: x, y, suction, holding.
///
/// # Errors
/// The device failed, or the model's head has not four outputs.
pub fn gripper(model: &dyn LatentModel, pooled: Tensor<2>) -> Result<[f32; PROPRIOCEPTION], PlannerError> {
    let values = read(model.proprioception(pooled))?;
    let found = values.len();
    values.try_into().map_err(|_| PlannerError::Shape {
        field: "proprioception",
        found,
        expected: PROPRIOCEPTION,
    })
}

/// The cost of a preset. `goal` and `present` are pooled latents `[1, D]`.
///
/// # Errors
/// The device failed.
pub fn cost_of<'a>(
    term: CostTerm,
    model: &'a dyn LatentModel,
    space: &LatentSpace,
    goal: Tensor<2>,
    present: Tensor<2>,
    source: GoalSource,
) -> Result<Box<dyn Cost + 'a>, PlannerError> {
    Ok(match term {
        CostTerm::Similarity => Box::new(SimilarityCost(space.similarity_to(goal, model.sim_temperature(source)))),
        CostTerm::Content => Box::new(ContentCost::new(space, goal)),
        CostTerm::Temporal => Box::new(TemporalCost::new(model, goal)?),
        CostTerm::Gate => Box::new(GateCost::new(model, goal, present)?),
    })
}

/// Costs of states `[H * P]`, step by step, to those of the sequences that they belong to, `[P]`; `weights` are those of
/// [`path_weights`].
pub(crate) fn sequence_costs(weights: &[f32], states: &[f32]) -> Vec<f32> {
    let population = states.len() / weights.len();
    let of = |candidate: usize| {
        let along = weights.iter().enumerate();
        along
            .map(|(h, weight)| weight * states[h * population + candidate])
            .sum()
    };
    (0..population).map(of).collect()
}

/// Weight of each of the imagined states `1..=H` in the cost of a sequence.
pub fn path_weights(aggregation: Aggregation, horizon: usize) -> Vec<f32> {
    let before_end = |weight: f32, end: f32| {
        let mut weights = vec![weight; horizon];
        if let Some(last) = weights.last_mut() {
            *last = end;
        }
        weights
    };
    match aggregation {
        Aggregation::End => before_end(0.0, 1.0),
        Aggregation::Path => vec![1.0 / horizon as f32; horizon],
        Aggregation::Both => before_end(1.0 / (horizon.max(2) - 1) as f32, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy::ToyModel;
    use super::*;

    /// x, y, suction, holding and two numbers of content as a pooled latent.
    fn latent(values: [f32; 6]) -> Tensor<2> {
        matrix(values.to_vec(), [1, 6], &Device::flex())
    }

    fn value(cost: &dyn Cost, state: [f32; 6]) -> f32 {
        read(cost.cost(latent(state))).unwrap()[0]
    }

    #[test]
    fn the_gate_compares_flags_with_the_goal_only_near_it() {
        let model = ToyModel::new();
        let goal = [0.5, 0.0, 1.0, 1.0, 0.0, 0.0];
        let cost_from = |x: f32| {
            let gate = GateCost::new(&model, latent(goal), latent([x, 0.0, -1.0, -1.0, 0.0, 0.0])).unwrap();
            move |state: [f32; 6]| value(&gate, state)
        };
        // By hand: (0.5 - 0.3)^2 / 0.54, the flags as at present, gate exp(-0.04 / 0.54 / 0.02) = 0.0246.
        let (far, near) = (cost_from(0.3), cost_from(0.5));
        let open = (-0.04_f32 / 0.54 / 0.02).exp();
        let expected = 0.04 / 0.54 + open * 8.0 / 8.0;
        assert!((far([0.3, 0.0, -1.0, -1.0, 0.0, 0.0]) - expected).abs() < 1e-5);
        assert!(
            far([0.4, 0.0, 1.0, 1.0, 0.0, 0.0]) > far([0.4, 0.0, -1.0, -1.0, 0.0, 0.0]),
            "grips on the way"
        );
        assert!(
            near([0.5, 0.0, 1.0, 1.0, 0.0, 0.0]) < near([0.5, 0.0, -1.0, -1.0, 0.0, 0.0]),
            "does not grip"
        );
    }

    #[test]
    fn the_content_cost_is_the_weighted_squared_distance() {
        let model = ToyModel::new();
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let cost = ContentCost::new(&space, latent([0.0; 6]));
        let state = [0.3, 0.0, 1.0, 0.0, 0.5, 0.0];
        // The toy's comparison vector is the latent itself, in the order content, gripper, flags.
        assert!((value(&cost, state) - (0.09 + 0.1 + 0.25)).abs() < 1e-6);
    }

    #[test]
    fn the_calibrated_similarity_is_085_at_the_fitted_threshold() {
        let model = ToyModel::new();
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        // cos = 0.984 by construction, T = 0.016 / -ln 0.85.
        let (cosine, sine) = (0.984_f32, (1.0_f32 - 0.984 * 0.984).sqrt());
        let similarity = space.similarity_to(latent([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 0.016 / -(0.85_f32.ln()));
        let at = similarity
            .of(latent([2.0 * cosine, 2.0 * sine, 0.0, 0.0, 0.0, 0.0]))
            .unwrap()[0];
        assert!((at - 0.85).abs() < 1e-3, "{at}");
        let plain = LatentSpace::new(&model, SimilarityKind::Cosine).unwrap();
        let similarity = plain.similarity_to(latent([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 1.0);
        assert!((similarity.of(latent([cosine, sine, 0.0, 0.0, 0.0, 0.0])).unwrap()[0] - 0.984).abs() < 1e-5);
    }

    #[test]
    fn a_sequence_costs_what_its_own_states_do() {
        let states = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
        assert_eq!(sequence_costs(&[0.5, 1.0], &states), [10.5, 21.0, 31.5]);
    }

    #[test]
    fn path_weights_are_those_of_the_aggregation() {
        assert_eq!(path_weights(Aggregation::End, 3), [0.0, 0.0, 1.0]);
        assert_eq!(path_weights(Aggregation::Path, 2), [0.5, 0.5]);
        assert_eq!(path_weights(Aggregation::Both, 5), [0.25, 0.25, 0.25, 0.25, 1.0]);
        assert_eq!(path_weights(Aggregation::Both, 1), [1.0]);
    }
}

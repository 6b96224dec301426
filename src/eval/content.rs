//! How much of what a planner goes by is the scene: the share of content in its cost, over a plan's first population.
//!
//! The cost J of a candidate is split in two. `J_rest` is what it would be if only the gripper had moved: the imagined
//! states with everything but the four directions of the proprioception head as in the present frame. `J_content` is what
//! is left. The share is `Var(J_content) / (Var(J_content) + Var(J_rest))` over the candidates.

use std::cell::OnceCell;

use burn::tensor::Tensor;

use crate::config::PlanConfig;
use crate::planner::cost::{Cost, LatentSpace, path_weights, read, sequence_costs};

/// A cost that notes the share of content when it is first asked, which is by a plan's first population.
pub struct Watched<'a> {
    cost: &'a dyn Cost,
    space: &'a LatentSpace,
    /// `[1, D]`.
    present: Tensor<2>,
    /// Of the imagined states `1..=H`.
    weights: Vec<f32>,
    share: OnceCell<Option<f64>>,
}

impl<'a> Watched<'a> {
    /// For one plan from the pooled latent `present`, `[1, D]`.
    pub fn new(cost: &'a dyn Cost, space: &'a LatentSpace, present: Tensor<2>, config: &PlanConfig) -> Self {
        Self {
            cost,
            space,
            present,
            weights: path_weights(config.cost.aggregation, config.horizon),
            share: OnceCell::new(),
        }
    }

    /// None where nothing was asked, or no candidate cost other than the next.
    pub fn share(&self) -> Option<f64> {
        self.share.get().copied().flatten()
    }

    fn measure(&self, states: Tensor<2>, costs: Tensor<1>) -> Option<f64> {
        let rest = self.space.with_content_of(&self.present, states);
        let (all, rest) = (read(costs).ok()?, read(self.cost.cost(rest)).ok()?);
        let content: Vec<f32> = all.iter().zip(&rest).map(|(all, rest)| all - rest).collect();
        let [content, rest] = [content, rest].map(|costs| variance(&sequence_costs(&self.weights, &costs)));
        let sum = content + rest;
        (sum.is_finite() && sum > 0.0).then(|| content / sum)
    }
}

impl Cost for Watched<'_> {
    fn cost(&self, pooled: Tensor<2>) -> Tensor<1> {
        let costs = self.cost.cost(pooled.clone());
        self.share.get_or_init(|| self.measure(pooled, costs.clone()));
        costs
    }
}

fn variance(values: &[f32]) -> f64 {
    let (count, values) = (values.len() as f64, values.iter().map(|&value| f64::from(value)));
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::config::SimilarityKind;
    use crate::planner::cost::ContentCost;
    use crate::planner::toy::{ToyModel, toy_config};

    /// Two candidates of one state each. The toy's latent is x, y, suction, holding and two numbers of content.
    fn share(states: [[f32; 6]; 2]) -> Option<f64> {
        let model = ToyModel::new();
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let tensor = |values: Vec<f32>| {
            let rows = values.len() / 6;
            Tensor::<2>::from_data(TensorData::new(values, [rows, 6]), &Device::flex())
        };
        let cost = ContentCost::new(&space, tensor(vec![0.0; 6]));
        let mut config = toy_config();
        config.horizon = 1;
        let watched = Watched::new(&cost, &space, tensor(vec![0.0; 6]), &config);
        assert_eq!(watched.share(), None);
        let costs = read(watched.cost(tensor(states.concat()))).unwrap();
        assert_eq!(costs, read(cost.cost(tensor(states.concat()))).unwrap());
        watched.share()
    }

    #[test]
    fn the_share_is_that_of_the_variance() {
        let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-5, "{found:?}");
        // Only the gripper differs, or only the content.
        near(share([[0.3, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0; 6]]), 0.0);
        near(share([[0.0, 0.0, 0.0, 0.0, 0.5, 0.1], [0.0; 6]]), 1.0);
        // By hand: costs 0.25 and 0.04 of content and 0.09 of the gripper, so variances as their squares.
        near(
            share([[0.3, 0.0, 0.0, 0.0, 0.5, 0.2], [0.0; 6]]),
            0.29f64.powi(2) / (0.29f64.powi(2) + 0.09f64.powi(2)),
        );
        assert_eq!(share([[0.2; 6]; 2]), None);
    }
}

//! Symmetric InfoNCE over sub-goals of the same scenes, and the regression that makes goals land where they belong.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Tensor, TensorData};

/// What the two losses compare, all mean-pooled and `[K, D]` but `start`.
#[derive(Clone, Debug)]
pub struct GoalBatch {
    pub goal: Tensor<2>,
    pub achieved: Tensor<2>,
    /// The start states of the scenes, `[S, D]`: extra negatives, so that "nothing happened" is wrong.
    pub start: Tensor<2>,
    /// Equal for two pairs that mean the same sub-goal of the same scene: they are no negatives of each other. `[K]`.
    pub identity: Vec<u64>,
}

/// InfoNCE in both directions (method, 4.7) on cosines of pooled latents; `temperature` is `tau_c`. With a `mean` `[D]` it
/// is subtracted first; without one the cosine is the method's own. States of the same scene are the negatives that
/// planning has to tell apart.
pub fn info_nce(batch: &GoalBatch, mean: Option<Tensor<1>>, temperature: f64) -> Tensor<1> {
    let device = batch.goal.device();
    let cosines = cosines(batch, mean);
    let [k, columns] = cosines.dims();
    let same: Vec<bool> = (0..k)
        .flat_map(|i| (0..columns).map(move |j| (i, j)))
        .map(|(i, j)| j < k && i != j && batch.identity[i] == batch.identity[j])
        .collect();
    let same = Tensor::<2, Bool>::from_data(TensorData::new(same, [k, columns]), &device);
    let logits = cosines.div_scalar(temperature).mask_fill(same, -1e4);
    let eye = Tensor::<2>::eye(k, &device);
    let diagonal = |logits: Tensor<2>| (log_softmax(logits, 1) * eye.clone()).sum() / k as f64;
    let square = logits.clone().slice([0..k, 0..k]);
    let to_states = log_softmax(logits, 1).slice([0..k, 0..k]) * eye.clone();
    (to_states.sum() / k as f64 + diagonal(square.transpose())) * -0.5
}

/// Cosines of the goals with the achieved states, then with the start states, `[K, K + S]`; about `mean` where there is one.
pub fn cosines(batch: &GoalBatch, mean: Option<Tensor<1>>) -> Tensor<2> {
    let mean = mean.map(Tensor::unsqueeze::<2>);
    let unit = |x: Tensor<2>| {
        let centred = match &mean {
            Some(mean) => x - mean.clone(),
            None => x,
        };
        let norm = centred.clone().square().sum_dim(1).sqrt().clamp_min(1e-8);
        centred / norm
    };
    let states = Tensor::cat(vec![batch.achieved.clone(), batch.start.clone()], 0);
    unit(batch.goal.clone()).matmul(unit(states).transpose())
}

/// Mean squared distance of goals to the states that were achieved in the comparison space, `comparison` `[D, D + 4]`.
pub fn goal_regression(batch: &GoalBatch, comparison: Tensor<2>) -> Tensor<1> {
    (batch.goal.clone() - batch.achieved.clone())
        .matmul(comparison)
        .square()
        .sum_dim(1)
        .mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::nn::gradcheck::check;

    fn batch() -> GoalBatch {
        let device = Device::flex().autodiff();
        device.seed(31);
        let normal = |rows: usize| Tensor::<2>::random([rows, 5], Distribution::Normal(0.0, 1.0), &device);
        GoalBatch {
            goal: normal(4),
            achieved: normal(4),
            start: normal(2),
            // The first two mean the same and are no negatives of each other.
            identity: vec![7, 7, 8, 9],
        }
    }

    /// In both directions, with equals and start states among the columns. A temperature of 0.07 is too sharp for
    /// differences in single precision; it only divides the logits.
    #[test]
    fn gradients_of_info_nce_are_right() {
        let batch = batch();
        let mean = Tensor::<1>::from_floats([0.1, -0.2, 0.0, 0.3, 0.1], &batch.goal.device());
        for mean in [Some(mean), None] {
            let loss = |batch: GoalBatch| info_nce(&batch, mean.clone(), 0.5);
            check("goal", &batch.goal, |goal| loss(GoalBatch { goal, ..batch.clone() }));
            check("achieved", &batch.achieved, |achieved| {
                loss(GoalBatch {
                    achieved,
                    ..batch.clone()
                })
            });
            check("start", &batch.start, |start| {
                loss(GoalBatch { start, ..batch.clone() })
            });
        }
    }

    /// Against the formula, written out for one pair at a time.
    #[test]
    fn cosines_are_centred_where_a_mean_is_given_and_plain_elsewhere() {
        let batch = batch();
        let rows = |x: &Tensor<2>| -> Vec<Vec<f64>> {
            let flat: Vec<f64> = x.clone().into_data().iter::<f64>().collect();
            flat.chunks(5).map(<[f64]>::to_vec).collect()
        };
        let (goal, achieved, start) = (rows(&batch.goal), rows(&batch.achieved), rows(&batch.start));
        let mean = [0.4, -0.7, 0.2, 0.9, -0.3];
        let (temperature, plain) = (0.07, [0.0; 5]);
        let expected = |mean: &[f64; 5]| {
            let cosine = |a: &[f64], b: &[f64]| {
                let dot = |a: &[f64], b: &[f64]| (0..5).map(|i| (a[i] - mean[i]) * (b[i] - mean[i])).sum::<f64>();
                dot(a, b) / (dot(a, a) * dot(b, b)).sqrt() / temperature
            };
            let equals = |i: usize, j: usize| i != j && batch.identity[i] == batch.identity[j];
            let mut loss = 0.0;
            for i in 0..4 {
                let others = (0..4).filter(|&j| !equals(i, j));
                let of_goal = others.clone().map(|j| cosine(&goal[i], &achieved[j]).exp());
                let of_start = start.iter().map(|start| cosine(&goal[i], start).exp());
                let to_states: f64 = of_goal.chain(of_start).sum();
                let to_goals: f64 = others.map(|j| cosine(&goal[j], &achieved[i]).exp()).sum();
                loss += (to_states.ln() + to_goals.ln()) / 2.0 - cosine(&goal[i], &achieved[i]);
            }
            loss / 4.0
        };
        let found = |mean: Option<Tensor<1>>| info_nce(&batch, mean, temperature).into_scalar::<f64>();
        let centred = found(Some(Tensor::from_floats(mean.map(|x| x as f32), &batch.goal.device())));
        assert!(
            (centred - expected(&mean)).abs() < 1e-3,
            "{centred}, {}",
            expected(&mean)
        );
        let uncentred = found(None);
        assert!(
            (uncentred - expected(&plain)).abs() < 1e-3,
            "{uncentred}, {}",
            expected(&plain)
        );
        assert!((centred - uncentred).abs() > 0.1, "the mean changes nothing");
    }

    #[test]
    fn gradients_of_the_regression_are_right() {
        let batch = batch();
        let comparison = Tensor::<2>::random([5, 9], Distribution::Normal(0.0, 0.5), &batch.goal.device());
        check("goal", &batch.goal, |goal| {
            goal_regression(&GoalBatch { goal, ..batch.clone() }, comparison.clone())
        });
    }
}

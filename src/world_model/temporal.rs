//! How many actions lie between two states, judged from their pooled latents: a temporal distance. Learnt from recorded
//! episodes (stage 1b), it knows an order that no distance in the latent space has: to carry first and then let go.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{gelu, softplus};
use burn::tensor::{Device, Tensor};

use crate::nn::wide;

/// Actions that one unit of the output stands for.
const UNIT: f64 = 10.0;

/// (p_t, p_goal) to actions, with two hidden layers.
#[derive(Module, Debug)]
pub struct TemporalDistance {
    /// `[D]`: latents are brought to about zero mean and unit variance. Both begin as the data's and are trained on.
    pub mean: Param<Tensor<1>>,
    pub scale: Param<Tensor<1>>,
    pub hidden1: Linear,
    pub hidden2: Linear,
    pub output: Linear,
}

impl TemporalDistance {
    pub fn new(dim: usize, hidden: usize, device: &Device) -> Self {
        Self {
            mean: Param::from_tensor(Tensor::zeros([dim], device)),
            scale: Param::from_tensor(Tensor::ones([dim], device)),
            hidden1: LinearConfig::new(3 * dim, hidden).init(device),
            hidden2: LinearConfig::new(hidden, hidden).init(device),
            output: LinearConfig::new(hidden, 1).init(device),
        }
    }

    /// With the mean and the spread of pooled latents `[M, D]`, flat.
    #[must_use]
    pub fn fitted_to(self, pooled: &[f32]) -> Self {
        let dim = self.mean.dims()[0];
        let device = self.mean.device();
        let rows = (pooled.len() / dim).max(1) as f32;
        let column = |j: usize| pooled.iter().skip(j).step_by(dim);
        let means: Vec<f32> = (0..dim).map(|j| column(j).sum::<f32>() / rows).collect();
        let spread = |j: usize| column(j).map(|x| (x - means[j]).powi(2)).sum::<f32>() / rows;
        let scales: Vec<f32> = (0..dim).map(|j| 1.0 / spread(j).sqrt().max(1e-6)).collect();
        let param = |values: &[f32]| Param::from_tensor(Tensor::from_floats(values, &device));
        Self {
            mean: param(&means),
            scale: param(&scales),
            ..self
        }
    }

    /// Actions from pooled latents `[M, D]` to goals `[M, D]`, 0 or more, `[M]`.
    pub fn forward(&self, states: Tensor<2>, goals: Tensor<2>) -> Tensor<1> {
        let dtype = self.hidden1.weight.val().dtype();
        let normalised = |x: Tensor<2>| {
            let centred = x.cast(dtype) - self.mean.val().unsqueeze::<2>();
            centred * self.scale.val().unsqueeze::<2>()
        };
        let (states, goals) = (normalised(states), normalised(goals));
        let x = Tensor::cat(vec![states.clone(), goals.clone(), goals - states], 1);
        let x = gelu(self.hidden1.forward(x));
        let x = gelu(self.hidden2.forward(x));
        let units: Tensor<1> = softplus(wide(self.output.forward(x)), 1.0).squeeze_dim(1);
        units * UNIT
    }
}

/// Expectile regression of `found` to the actions that passed, `[M]` each, in squared units: what was reached soon counts
/// more than what took a detour, since the recorded policy did not hurry.
pub fn temporal_loss(found: Tensor<1>, passed: Tensor<1>, expectile: f64) -> Tensor<1> {
    let gap = (passed - found) / UNIT;
    let too_far = gap.clone().detach().lower_elem(0.0).float();
    let weight = too_far * (1.0 - 2.0 * expectile) + expectile;
    (gap.square() * weight).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::gradcheck::{check, check_param};

    fn drawn(shape: [usize; 2], device: &Device) -> Tensor<2> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn gradients_are_right() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let head = TemporalDistance::new(6, 8, &device);
        let (states, goals) = (drawn([5, 6], &device), drawn([5, 6], &device));
        let passed = Tensor::<1>::from_floats([0.0, 3.0, 8.0, 14.0, 30.0], &device);
        let loss = |head: &TemporalDistance, states: Tensor<2>| {
            temporal_loss(head.forward(states, goals.clone()), passed.clone(), 0.25)
        };
        check("states", &states, |x| loss(&head, x));
        fn first(head: &mut TemporalDistance) -> &mut Param<Tensor<2>> {
            &mut head.hidden1.weight
        }
        check_param("hidden1", &head, first, |head| loss(head, states.clone()));
    }

    #[test]
    fn the_fit_brings_latents_to_zero_mean_and_unit_spread() {
        let device = Device::flex();
        let pooled = [1.0, -4.0, 3.0, 0.0];
        let head = TemporalDistance::new(2, 4, &device).fitted_to(&pooled);
        assert_eq!(
            head.mean.val().into_data().try_into_vec_as::<f32>().unwrap(),
            [2.0, -2.0]
        );
        assert_eq!(
            head.scale.val().into_data().try_into_vec_as::<f32>().unwrap(),
            [1.0, 0.5]
        );
    }

    #[test]
    fn a_distance_that_is_too_far_costs_more_than_one_that_is_too_near() {
        let device = Device::flex();
        let loss = |found: f32| {
            let (found, passed) = (
                Tensor::from_floats([found], &device),
                Tensor::from_floats([10.0], &device),
            );
            temporal_loss(found, passed, 0.25).into_scalar::<f32>()
        };
        // By hand: half a unit off, squared, times the weight.
        assert!((loss(15.0) - 0.25 * 0.75).abs() < 1e-6);
        assert!((loss(5.0) - 0.25 * 0.25).abs() < 1e-6);
        assert_eq!(loss(10.0), 0.0);
    }
}

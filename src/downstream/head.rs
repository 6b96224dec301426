//! What is put on the encoder's tokens to tell one event from another: the attentive head, and the line of a linear probe.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::nn::Mlp;
use crate::sim::{EVENT_FRAMES, Event};

/// Heads of the cross-attention; fewer where the width is no multiple of so many.
const HEADS: usize = 4;
/// Standard deviations of the fresh query and of the fresh positions in time. Tokens have unit variance, and a head that
/// cannot tell frames apart from the start learns slowly.
const QUERY_SD: f64 = 1.0;
const TIME_SD: f64 = 0.5;

/// Anything that says of features which event they are of.
pub trait Head: Module {
    /// Features of clips, flat `[B, F]`, to a score of each event, `[B, K]`.
    fn scores(&self, features: Tensor<2>) -> Tensor<2>;
}

/// A line on the mean over space and time.
#[derive(Module, Debug)]
pub struct LinearHead {
    pub classes: Linear,
}

impl LinearHead {
    pub fn new(dim: usize, device: &Device) -> Self {
        Self {
            classes: LinearConfig::new(dim, Event::ALL.len()).init(device),
        }
    }
}

impl Head for LinearHead {
    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        self.classes.forward(features)
    }
}

/// One learned query that looks at every token of every frame, and a perceptron and a line on what it saw.
#[derive(Module, Debug)]
pub struct AttentiveHead {
    /// `[1, D]`.
    pub query: Param<Tensor<2>>,
    /// Positions in time, `[T, D]`.
    pub pos_time: Param<Tensor<2>>,
    /// Of keys and of values, `[D, D]`. A bias would change nothing that `out` could not.
    pub keys: Param<Tensor<2>>,
    pub values: Param<Tensor<2>>,
    pub out: Linear,
    pub norm: LayerNorm,
    pub mlp: Mlp,
    pub classes: Linear,
    heads: usize,
}

impl AttentiveHead {
    pub fn new(dim: usize, device: &Device) -> Self {
        let drawn = |rows: usize, std: f64| Initializer::Normal { mean: 0.0, std }.init([rows, dim], device);
        Self {
            query: drawn(1, QUERY_SD),
            pos_time: drawn(EVENT_FRAMES, TIME_SD),
            keys: drawn(dim, (dim as f64).powf(-0.5)),
            values: drawn(dim, (dim as f64).powf(-0.5)),
            out: LinearConfig::new(dim, dim).init(device),
            norm: LayerNormConfig::new(dim).init(device),
            mlp: Mlp::new(dim, dim, dim, device),
            classes: LinearConfig::new(dim, Event::ALL.len()).init(device),
            heads: (1..=HEADS).rev().find(|heads| dim.is_multiple_of(*heads)).unwrap_or(1),
        }
    }

    /// Tokens of clips `[B, T, N, D]` to a score of each event, `[B, K]`.
    pub fn forward(&self, tokens: Tensor<4>) -> Tensor<2> {
        let [b, t, n, d] = tokens.dims();
        let (h, head_dim) = (self.heads, d / self.heads);
        let x = (tokens + self.pos_time.val().reshape([1, t, 1, d])).reshape([b, t * n, d]);
        // With a single query the products can be taken in an order in which no token is projected: q (W x) = (q W) x, and
        // the mean of W x is W of the mean.
        let query = self.query.val().reshape([1, h, head_dim]) * (head_dim as f64).powf(-0.5);
        let looked_for = (self.keys.val().reshape([d, h, head_dim]) * query)
            .sum_dim(2)
            .reshape([1, d, h]);
        let weights = softmax(x.clone().matmul(looked_for), 1);
        let found = weights.swap_dims(1, 2).matmul(x).reshape([b, h, 1, d]);
        let values = self
            .values
            .val()
            .reshape([d, h, head_dim])
            .swap_dims(0, 1)
            .unsqueeze::<4>();
        let seen = found.matmul(values).reshape([b, d]);
        let seen = self.out.forward(seen);
        let seen = seen.clone() + self.mlp.forward(self.norm.forward(seen));
        self.classes.forward(seen)
    }
}

impl Head for AttentiveHead {
    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let [b, all] = features.dims();
        let [t, d] = self.pos_time.dims();
        self.forward(features.reshape([b, t, all / (t * d), d]))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nn::gradcheck::{check, check_param};

    fn tokens(device: &Device, n: usize, d: usize) -> Tensor<4> {
        Tensor::random([2, EVENT_FRAMES, n, d], Distribution::Normal(0.0, 1.0), device)
    }

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    #[test]
    fn it_minds_when_something_is_seen_and_not_in_which_order_patches_come() {
        let device = Device::flex();
        device.seed(3);
        let head = AttentiveHead::new(8, &device);
        let x = tokens(&device, 3, 8);
        let scores = values(head.forward(x.clone()));
        assert_eq!(scores.len(), 2 * Event::ALL.len());
        let turned = |axis: usize| values(head.forward(x.clone().flip([axis as isize])));
        assert!(close(&scores, &turned(2)), "patches of a frame");
        assert!(!close(&scores, &turned(1)), "frames of a clip");
        // Each clip by itself.
        let second = values(head.forward(x.clone().slice([1..2])));
        assert!(close(&scores[Event::ALL.len()..], &second));
        let flat = values(head.scores(x.reshape([2, EVENT_FRAMES * 3 * 8])));
        assert_eq!(scores, flat);
    }

    /// Keys and values of every token, then attention, as it is written in books.
    #[test]
    fn no_token_is_projected_and_nothing_else_comes_out() {
        let device = Device::flex();
        device.seed(4);
        let head = AttentiveHead::new(8, &device);
        let x = tokens(&device, 3, 8);
        let [b, t, n, d] = x.dims();
        let (h, width) = (head.heads, d / head.heads);
        let timed = (x.clone() + head.pos_time.val().reshape([1, t, 1, d])).reshape([b * t * n, d]);
        let split = |weight: &Param<Tensor<2>>| {
            let projected = timed.clone().matmul(weight.val());
            projected.reshape([b, t * n, h, width]).swap_dims(1, 2)
        };
        let query = head.query.val().reshape([1, h, 1, width]) / (width as f64).sqrt();
        let weights = softmax(query.matmul(split(&head.keys).swap_dims(2, 3)), 3);
        let seen = head.out.forward(weights.matmul(split(&head.values)).reshape([b, d]));
        let seen = seen.clone() + head.mlp.forward(head.norm.forward(seen));
        assert!(close(&values(head.classes.forward(seen)), &values(head.forward(x))));
    }

    #[test]
    fn gradients_through_the_cross_attention_are_right() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let head = AttentiveHead::new(6, &device);
        let x = tokens(&device, 2, 6);
        let wanted = Tensor::<2>::random([2, Event::ALL.len()], Distribution::Normal(0.0, 1.0), &device);
        let loss = |head: &AttentiveHead, x: Tensor<4>| (head.forward(x) - wanted.clone()).square().sum();
        check("tokens", &x, |x| loss(&head, x));
        check_param("query", &head, |head| &mut head.query, |head| loss(head, x.clone()));
        check_param("time", &head, |head| &mut head.pos_time, |head| loss(head, x.clone()));
    }
}

//! What is put on the encoder's tokens to tell one event from another: the attentive head, and the line of a linear probe.

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::Features;
use super::features::LEAST_SD;
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
    /// What tokens are like on the whole, `[N, D]`, and how far they are off that, `[D]`: frames are nearly alike, and what
    /// happens in them would be lost beside what never changes.
    pub mean: Param<Tensor<2>>,
    pub sd: Param<Tensor<1>>,
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
    /// For frames of so many tokens, which it takes as they are.
    pub fn new(tokens: usize, dim: usize, device: &Device) -> Self {
        let drawn = |rows: usize, std: f64| Initializer::Normal { mean: 0.0, std }.init([rows, dim], device);
        Self {
            mean: Initializer::Zeros.init([tokens, dim], device),
            sd: Initializer::Ones.init([dim], device),
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

    /// The same with [`Self::mean`] and [`Self::sd`] of these features, `[T, N, D]` a row.
    #[must_use]
    pub fn standardising(mut self, features: &Features) -> Self {
        let [n, d] = self.mean.dims();
        let device = self.mean.device();
        let frames = || features.values.chunks_exact(n * d);
        let count = frames().len().max(1) as f64;
        let mut mean = vec![0.0f64; n * d];
        for frame in frames() {
            mean.iter_mut()
                .zip(frame)
                .for_each(|(sum, &x)| *sum += f64::from(x) / count);
        }
        let mut variance = vec![0.0f64; d];
        for frame in frames() {
            for (at, (&x, mean)) in frame.iter().zip(&mean).enumerate() {
                variance[at % d] += (f64::from(x) - mean).powi(2) / (count * n as f64);
            }
        }
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        let sd: Vec<f32> = variance.into_iter().map(|x| (x.sqrt() as f32).max(LEAST_SD)).collect();
        self.mean = Param::from_data(TensorData::new(mean, [n, d]), &device);
        self.sd = Param::from_data(TensorData::new(sd, [d]), &device);
        self
    }

    /// Tokens `[B, T, N, D]` by how far they are off the mean.
    fn standardised(&self, tokens: Tensor<4>) -> Tensor<4> {
        let [_, _, n, d] = tokens.dims();
        (tokens - self.mean.val().reshape([1, 1, n, d])) / self.sd.val().reshape([1, 1, 1, d])
    }

    /// Tokens of clips `[B, T, N, D]` to a score of each event, `[B, K]`.
    pub fn forward(&self, tokens: Tensor<4>) -> Tensor<2> {
        let [b, t, n, d] = tokens.dims();
        let (h, head_dim) = (self.heads, d / self.heads);
        let x = (self.standardised(tokens) + self.pos_time.val().reshape([1, t, 1, d])).reshape([b, t * n, d]);
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
        let head = AttentiveHead::new(3, 8, &device);
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
        let head = AttentiveHead::new(3, 8, &device);
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
    fn tokens_are_seen_by_how_far_they_are_off_the_mean() {
        let device = Device::flex();
        let features = Features {
            width: EVENT_FRAMES * 2 * 2,
            // Two patches of two numbers, of which the first never changes.
            values: (0..EVENT_FRAMES * 2)
                .flat_map(|frame| {
                    let off = if frame % 2 == 0 { 5.0 } else { -5.0 };
                    [7.0, off, 9.0, 20.0 - off]
                })
                .collect(),
            labels: vec![0, 1],
        };
        let head = AttentiveHead::new(2, 2, &device).standardising(&features);
        let tokens = features.rows(&[1], &device).reshape([1, EVENT_FRAMES, 2, 2]);
        let first = head.standardised(tokens).slice([0..1, 0..1]).reshape([2, 2]);
        assert!(close(&values(first), &[0.0, 1.0, 0.0, -1.0]));
    }

    #[test]
    fn gradients_through_the_cross_attention_are_right() {
        let device = Device::flex().autodiff();
        device.seed(5);
        let head = AttentiveHead::new(2, 6, &device);
        let x = tokens(&device, 2, 6);
        let wanted = Tensor::<2>::random([2, Event::ALL.len()], Distribution::Normal(0.0, 1.0), &device);
        let loss = |head: &AttentiveHead, x: Tensor<4>| (head.forward(x) - wanted.clone()).square().sum();
        check("tokens", &x, |x| loss(&head, x));
        check_param("query", &head, |head| &mut head.query, |head| loss(head, x.clone()));
        check_param("time", &head, |head| &mut head.pos_time, |head| loss(head, x.clone()));
    }
}

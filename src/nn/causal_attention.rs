//! Causal self-attention of a Llama decoder: rotary positions, grouped queries, a cache of keys and values.

use std::ops::Range;

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, TensorData},
};

use super::rotary::Rotary;

/// Added to the score of a key that a query must not see. Finite, so that a row of padding stays a number.
const HIDDEN: f32 = -1e9;

#[derive(Module, Debug)]
pub struct CausalAttention {
    pub q_proj: Linear,
    pub k_proj: Linear,
    pub v_proj: Linear,
    pub o_proj: Linear,
    heads: usize,
    kv_heads: usize,
}

/// Keys and values of one layer for all positions so far, `[B, T, H_kv, D_h]` each.
#[derive(Clone, Debug, Default)]
pub struct LayerCache {
    held: Option<(Tensor<4>, Tensor<4>)>,
}

impl LayerCache {
    fn extend(&mut self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let joined = match self.held.take() {
            Some((k, v)) => (Tensor::cat(vec![k, keys], 1), Tensor::cat(vec![v, values], 1)),
            None => (keys, values),
        };
        self.held = Some(joined.clone());
        joined
    }
}

/// Attention weights before the division by their sum, so that a caller pays for the columns it wants alone.
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// `exp(score - max)`, `[B, H, L, T]`.
    raw: Tensor<4>,
    /// Their sum over the keys, `[B, H, L, 1]`.
    total: Tensor<4>,
}

impl AttentionWeights {
    /// The weights on a range of keys, `[B, H, L, keys]`; over all keys they sum to 1.
    pub fn on(&self, keys: Range<usize>) -> Tensor<4> {
        self.raw.clone().slice_dim(3, keys) / self.total.clone()
    }
}

impl CausalAttention {
    /// `kv_heads` divides `heads`, `heads` divides `dim`.
    pub fn new(dim: usize, heads: usize, kv_heads: usize, device: &Device) -> Self {
        let head_dim = dim / heads;
        let linear = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        Self {
            q_proj: linear(dim, dim),
            k_proj: linear(dim, kv_heads * head_dim),
            v_proj: linear(dim, kv_heads * head_dim),
            o_proj: linear(dim, dim),
            heads,
            kv_heads,
        }
    }

    /// `x` `[B, L, D]` to `[B, L, D]`; `mask` `[B or 1, 1, L, T]` is added to the scores, `T` counts the cached positions
    /// too. The weights are returned when `want_weights` is set.
    pub fn forward(
        &self,
        x: Tensor<3>,
        rotary: &Rotary,
        mask: Option<&Tensor<4>>,
        cache: Option<&mut LayerCache>,
        want_weights: bool,
    ) -> (Tensor<3>, Option<AttentionWeights>) {
        let [batch, length, dim] = x.dims();
        let (heads, kv_heads, head_dim) = (self.heads, self.kv_heads, dim / self.heads);
        let queries = self.q_proj.forward(x.clone()).mul_scalar((head_dim as f64).powf(-0.5));
        let queries = rotary.apply(queries.reshape([batch, length, heads, head_dim]));
        let keys = rotary.apply(
            self.k_proj
                .forward(x.clone())
                .reshape([batch, length, kv_heads, head_dim]),
        );
        let values = self.v_proj.forward(x).reshape([batch, length, kv_heads, head_dim]);
        let (keys, values) = match cache {
            Some(cache) => cache.extend(keys, values),
            None => (keys, values),
        };
        let seen = keys.dims()[1];

        // The queries of a group are stacked as rows of one product, so keys and values are never repeated.
        let group = heads / kv_heads;
        let queries = queries.swap_dims(1, 2);
        let queries = if group == 1 {
            queries
        } else {
            queries.reshape([batch, kv_heads, group * length, head_dim])
        };
        let scores = queries.matmul(keys.permute([0, 2, 3, 1]));
        let scores = if group == 1 {
            scores
        } else {
            scores.reshape([batch, heads, length, seen])
        };
        let scores = match mask {
            Some(mask) => scores + mask.clone().cast(values.dtype()),
            None => scores,
        };
        let largest = scores.clone().detach().max_dim(3);
        let raw = (scores - largest).exp();

        // A column of ones beside the values sums the weights within the same product. Dividing the short result
        // instead of the [L, T] weights saves several passes over the largest tensors of the model, forward and back.
        let ones = Tensor::<4>::ones([batch, seen, kv_heads, 1], &values.device()).cast(values.dtype());
        let values = Tensor::cat(vec![values, ones], 3).swap_dims(1, 2);
        let grouped = if group == 1 {
            raw.clone()
        } else {
            raw.clone().reshape([batch, kv_heads, group * length, seen])
        };
        let summed = grouped.matmul(values);
        let summed = if group == 1 {
            summed
        } else {
            summed.reshape([batch, heads, length, head_dim + 1])
        };
        let total = summed.clone().slice_dim(3, head_dim..head_dim + 1);
        let output = summed.slice_dim(3, 0..head_dim) / total.clone();
        let output = self
            .o_proj
            .forward(output.swap_dims(1, 2).reshape([batch, length, dim]));
        (output, want_weights.then_some(AttentionWeights { raw, total }))
    }
}

/// The mask of a sequence from its start: position i sees 0..=i. `[1, 1, L, L]`; none for a single position.
pub fn causal_mask(length: usize, device: &Device) -> Option<Tensor<4>> {
    (length > 1).then(|| {
        let values: Vec<f32> = (0..length * length)
            .map(|i| if i % length > i / length { HIDDEN } else { 0.0 })
            .collect();
        Tensor::from_data(TensorData::new(values, [1, 1, length, length]), device)
    })
}

/// The mask of one new position a row that sees all keys but the hidden ones: `visible` holds `T` flags a row.
/// `[B, 1, 1, T]`; none when everything is visible.
pub fn padding_mask(visible: &[Vec<bool>], device: &Device) -> Option<Tensor<4>> {
    let seen = visible.first().map_or(0, Vec::len);
    visible.iter().flatten().any(|v| !v).then(|| {
        let values: Vec<f32> = visible
            .iter()
            .flatten()
            .map(|&v| if v { 0.0 } else { HIDDEN })
            .collect();
        Tensor::from_data(TensorData::new(values, [visible.len(), 1, 1, seen]), device)
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, activation::softmax};

    use super::*;

    fn close(a: Tensor<4>, b: Tensor<4>, tolerance: f32) {
        let worst = (a - b).abs().max().into_scalar::<f32>();
        assert!(worst < tolerance, "{worst}");
    }

    /// Grouped queries, the ones column and the late division against the plain formula on repeated keys.
    #[test]
    fn agrees_with_plain_softmax_attention() {
        let device = Device::flex();
        device.seed(3);
        let (batch, length, heads, kv_heads, head_dim) = (2, 5, 4, 2, 6);
        let dim = heads * head_dim;
        let layer = CausalAttention::new(dim, heads, kv_heads, &device);
        let x = Tensor::<3>::random([batch, length, dim], Distribution::Normal(0.0, 2.0), &device);
        let rotary = Rotary::new(head_dim, 1e4, &[(0..length).collect()], &device);
        let mask = causal_mask(length, &device).unwrap();
        let (output, weights) = layer.forward(x.clone(), &rotary, Some(&mask), None, true);

        let split = |t: Tensor<3>, n| t.reshape([batch, length, n, head_dim]);
        let repeat = |t: Tensor<4>| {
            t.unsqueeze_dim::<5>(3)
                .repeat_dim(3, heads / kv_heads)
                .reshape([batch, length, heads, head_dim])
        };
        let q = rotary
            .apply(split(layer.q_proj.forward(x.clone()), heads))
            .swap_dims(1, 2);
        let k = repeat(rotary.apply(split(layer.k_proj.forward(x.clone()), kv_heads))).swap_dims(1, 2);
        let v = repeat(split(layer.v_proj.forward(x), kv_heads)).swap_dims(1, 2);
        let plain = softmax(q.matmul(k.transpose()) / (head_dim as f64).sqrt() + mask, 3);
        let expected = layer
            .o_proj
            .forward(plain.clone().matmul(v).swap_dims(1, 2).reshape([batch, length, dim]));
        close(weights.unwrap().on(0..length), plain, 1e-6);
        close(output.unsqueeze(), expected.unsqueeze(), 1e-5);
    }

    #[test]
    fn cached_positions_give_the_full_pass() {
        let device = Device::flex();
        device.seed(4);
        let layer = CausalAttention::new(16, 4, 2, &device);
        let x = Tensor::<3>::random([2, 6, 16], Distribution::Normal(0.0, 1.0), &device);
        let rotary = |at: Range<usize>| Rotary::new(4, 1e4, &[at.collect()], &device);
        let full = layer
            .forward(x.clone(), &rotary(0..6), causal_mask(6, &device).as_ref(), None, false)
            .0;
        let mut cache = LayerCache::default();
        let first = x.clone().slice_dim(1, 0..4);
        let mut parts = vec![
            layer
                .forward(
                    first,
                    &rotary(0..4),
                    causal_mask(4, &device).as_ref(),
                    Some(&mut cache),
                    false,
                )
                .0,
        ];
        for i in 4..6 {
            let next = x.clone().slice_dim(1, i..i + 1);
            parts.push(layer.forward(next, &rotary(i..i + 1), None, Some(&mut cache), false).0);
        }
        close(Tensor::cat(parts, 1).unsqueeze(), full.unsqueeze(), 1e-5);
    }
}

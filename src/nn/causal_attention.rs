//! Causal self-attention of a Llama decoder: rotary positions, grouped queries, a cache of keys and values.

use std::ops::Range;

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, TensorData},
};

use super::{rotary::Rotary, wide};

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

/// Queries are taken this many at a time, each group with the keys that it may see: about a third of the score matrix of
/// a short sequence is never computed, and what is computed stays in the cache.
const QUERIES: usize = 64;

/// What a layer is to attend with and to.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub rotary: &'a Rotary,
    /// `[B or 1, 1, L, T]`, added to the scores; `T` counts the cached positions too.
    pub mask: Option<&'a Tensor<4>>,
    /// Only rows from here on are wanted: the last layer of a decoder skips the rest.
    pub rows_from: usize,
    pub want_weights: bool,
}

/// Attention weights before the division by their sum, so that a caller pays for the columns it wants alone.
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// For each group of queries `exp(score - max)` `[B, H, l, t]` over the keys that it sees, and the sum `[B, H, l, 1]`.
    groups: Vec<(Tensor<4>, Tensor<4>)>,
}

impl AttentionWeights {
    /// The weights on a range of keys, `[B, H, L, keys]`; over all keys they sum to 1.
    pub fn on(&self, keys: Range<usize>) -> Tensor<4> {
        let parts = self.groups.iter().map(|(raw, total)| {
            let [batch, heads, rows, seen] = raw.dims();
            let shown = raw.clone().slice_dim(3, keys.start.min(seen)..keys.end.min(seen)) / total.clone();
            let hidden = keys.len() - shown.dims()[3];
            if hidden == 0 {
                return shown;
            }
            let zeros = Tensor::<4>::zeros([batch, heads, rows, hidden], &shown.device()).cast(shown.dtype());
            Tensor::cat(vec![shown, zeros], 3)
        });
        Tensor::cat(parts.collect(), 2)
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

    /// `x` `[B, L, D]` to `[B, L - rows_from, D]`, and the weights if they are wanted.
    pub fn forward(
        &self,
        x: Tensor<3>,
        with: Seen<'_>,
        cache: Option<&mut LayerCache>,
    ) -> (Tensor<3>, Option<AttentionWeights>) {
        let [batch, length, dim] = x.dims();
        let (heads, kv_heads, head_dim) = (self.heads, self.kv_heads, dim / self.heads);
        let asking = if with.rows_from == 0 {
            x.clone()
        } else {
            x.clone().slice_dim(1, with.rows_from..)
        };
        let rows = length - with.rows_from;
        let queries = self.q_proj.forward(asking).mul_scalar((head_dim as f64).powf(-0.5));
        let queries = with
            .rotary
            .apply(queries.reshape([batch, rows, heads, head_dim]), with.rows_from);
        let keys = with.rotary.apply(
            self.k_proj
                .forward(x.clone())
                .reshape([batch, length, kv_heads, head_dim]),
            0,
        );
        let values = self.v_proj.forward(x).reshape([batch, length, kv_heads, head_dim]);
        let (keys, values) = match cache {
            Some(cache) => cache.extend(keys, values),
            None => (keys, values),
        };
        let seen = keys.dims()[1];
        // A column of ones beside the values sums the weights within the same product.
        let ones = Tensor::<4>::ones([batch, seen, kv_heads, 1], &values.device()).cast(values.dtype());
        let values = Tensor::cat(vec![values, ones], 3);

        let mut outputs = Vec::new();
        let mut groups = Vec::new();
        for start in (0..rows).step_by(QUERIES) {
            let end = rows.min(start + QUERIES);
            // The last row of the group stands at the end of its keys.
            let visible = seen - (rows - end);
            let mask = with.mask.map(|mask| {
                let first = with.rows_from + start;
                mask.clone()
                    .slice_dim(2, first..first + end - start)
                    .slice_dim(3, 0..visible)
            });
            let part = |t: &Tensor<4>, at: Range<usize>| {
                if at.len() == t.dims()[1] {
                    t.clone()
                } else {
                    t.clone().slice_dim(1, at)
                }
            };
            let (output, raw, total) = self.attend(
                part(&queries, start..end),
                part(&keys, 0..visible),
                part(&values, 0..visible),
                mask,
            );
            outputs.push(output);
            if with.want_weights {
                groups.push((raw, total));
            }
        }
        let output = if outputs.len() == 1 {
            outputs.remove(0)
        } else {
            Tensor::cat(outputs, 1)
        };
        (
            self.o_proj.forward(output),
            with.want_weights.then_some(AttentionWeights { groups }),
        )
    }

    /// Queries `[B, l, H, D_h]` over keys `[B, t, H_kv, D_h]` and values `[B, t, H_kv, D_h + 1]` to `[B, l, D]`, with the
    /// weights `[B, H, l, t]` and their sum `[B, H, l, 1]`.
    fn attend(
        &self,
        queries: Tensor<4>,
        keys: Tensor<4>,
        values: Tensor<4>,
        mask: Option<Tensor<4>>,
    ) -> (Tensor<3>, Tensor<4>, Tensor<4>) {
        let [batch, rows, heads, head_dim] = queries.dims();
        let [_, seen, kv_heads, _] = keys.dims();
        // The queries of a group are stacked as rows of one product, so keys and values are never repeated.
        let group = heads / kv_heads;
        let queries = queries.swap_dims(1, 2);
        let queries = if group == 1 {
            queries
        } else {
            queries.reshape([batch, kv_heads, group * rows, head_dim])
        };
        let scores = queries.matmul(keys.permute([0, 2, 3, 1]));
        let scores = if group == 1 {
            scores
        } else {
            scores.reshape([batch, heads, rows, seen])
        };
        let scores = wide(scores);
        let scores = match mask {
            Some(mask) => scores + mask,
            None => scores,
        };
        let largest = scores.clone().detach().max_dim(3);
        let raw = (scores - largest).exp().cast(values.dtype());
        // Dividing the short result instead of the [l, t] weights saves several passes over the largest tensors of the
        // model, forward and back.
        let stacked = if group == 1 {
            raw.clone()
        } else {
            raw.clone().reshape([batch, kv_heads, group * rows, seen])
        };
        let summed = stacked.matmul(values.swap_dims(1, 2));
        let summed = if group == 1 {
            summed
        } else {
            summed.reshape([batch, heads, rows, head_dim + 1])
        };
        let total = summed.clone().slice_dim(3, head_dim..head_dim + 1);
        let output = summed.slice_dim(3, 0..head_dim) / total.clone();
        (
            output.swap_dims(1, 2).reshape([batch, rows, heads * head_dim]),
            raw,
            total,
        )
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

    fn close<const R: usize>(a: Tensor<R>, b: Tensor<R>, tolerance: f32) {
        let worst = (a - b).abs().max().into_scalar::<f32>();
        assert!(worst < tolerance, "{worst}");
    }

    fn seen<'a>(rotary: &'a Rotary, mask: Option<&'a Tensor<4>>) -> Seen<'a> {
        Seen {
            rotary,
            mask,
            rows_from: 0,
            want_weights: false,
        }
    }

    /// Grouped queries and keys, the ones column and the late division against the plain formula on repeated keys.
    #[test]
    fn agrees_with_plain_softmax_attention() {
        let device = Device::flex();
        device.seed(3);
        let (batch, length, heads, kv_heads, head_dim) = (2, QUERIES + 7, 4, 2, 6);
        let dim = heads * head_dim;
        let layer = CausalAttention::new(dim, heads, kv_heads, &device);
        let x = Tensor::<3>::random([batch, length, dim], Distribution::Normal(0.0, 2.0), &device);
        let rotary = Rotary::new(head_dim, 1e4, &[(0..length).collect()], &device);
        let mask = causal_mask(length, &device).unwrap();
        let wanted = Seen {
            want_weights: true,
            ..seen(&rotary, Some(&mask))
        };
        let (output, weights) = layer.forward(x.clone(), wanted, None);

        let split = |t: Tensor<3>, n| t.reshape([batch, length, n, head_dim]);
        let repeat = |t: Tensor<4>| {
            t.unsqueeze_dim::<5>(3)
                .repeat_dim(3, heads / kv_heads)
                .reshape([batch, length, heads, head_dim])
        };
        let q = rotary
            .apply(split(layer.q_proj.forward(x.clone()), heads), 0)
            .swap_dims(1, 2);
        let k = repeat(rotary.apply(split(layer.k_proj.forward(x.clone()), kv_heads), 0)).swap_dims(1, 2);
        let v = repeat(split(layer.v_proj.forward(x.clone()), kv_heads)).swap_dims(1, 2);
        let plain = softmax(q.matmul(k.transpose()) / (head_dim as f64).sqrt() + mask.clone(), 3);
        let expected = layer
            .o_proj
            .forward(plain.clone().matmul(v).swap_dims(1, 2).reshape([batch, length, dim]));
        let weights = weights.unwrap();
        close(weights.on(0..length), plain.clone(), 1e-6);
        close(weights.on(3..QUERIES + 2), plain.slice_dim(3, 3..QUERIES + 2), 1e-6);
        close(output, expected.clone(), 1e-5);

        let late = Seen { rows_from: 5, ..wanted };
        let (output, weights) = layer.forward(x, late, None);
        close(output, expected.slice_dim(1, 5..), 1e-5);
        assert_eq!(weights.unwrap().on(0..4).dims(), [batch, heads, length - 5, 4]);
    }

    #[test]
    fn cached_positions_give_the_full_pass() {
        let device = Device::flex();
        device.seed(4);
        let layer = CausalAttention::new(16, 4, 2, &device);
        let x = Tensor::<3>::random([2, 6, 16], Distribution::Normal(0.0, 1.0), &device);
        let rotary = |at: Range<usize>| Rotary::new(4, 1e4, &[at.collect()], &device);
        let full = layer
            .forward(x.clone(), seen(&rotary(0..6), causal_mask(6, &device).as_ref()), None)
            .0;
        let mut cache = LayerCache::default();
        let first = x.clone().slice_dim(1, 0..4);
        let mask = causal_mask(4, &device);
        let mut parts = vec![
            layer
                .forward(first, seen(&rotary(0..4), mask.as_ref()), Some(&mut cache))
                .0,
        ];
        for i in 4..6 {
            let next = x.clone().slice_dim(1, i..i + 1);
            parts.push(layer.forward(next, seen(&rotary(i..i + 1), None), Some(&mut cache)).0);
        }
        close(Tensor::cat(parts, 1), full, 1e-5);
    }
}

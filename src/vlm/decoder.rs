//! The language model: a Llama decoder (method, 4.4).

use std::ops::Range;

use burn::{
    module::Module,
    nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig},
    tensor::{Device, Int, Tensor},
};

use super::kv_cache::KvCache;
use crate::{
    config::VlmConfig,
    nn::{
        causal_attention::{AttentionWeights, CausalAttention, LayerCache, Seen, causal_mask},
        rms_norm::RmsNorm,
        rotary::Rotary,
        swiglu::SwiGlu,
    },
};

#[derive(Module, Debug)]
pub struct Decoder {
    embed_tokens: Embedding,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    /// None when the head is the embedding.
    lm_head: Option<Linear>,
    head_dim: usize,
    rope_theta: f64,
}

/// What is wanted of a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// States before this position are not computed in the last layer: prompt and image only serve as its keys.
    pub rows_from: usize,
    /// Keep the last layer's attention.
    pub attention: bool,
}

/// What a pass through the layers gives.
pub struct Hidden {
    /// After the final norm, `[B, L - rows_from, D_VLM]`.
    pub states: Tensor<3>,
    /// Of the last layer, when asked for.
    pub attention: Option<AttentionWeights>,
}

impl Decoder {
    pub fn new(config: &VlmConfig, device: &Device) -> Self {
        // Embeddings of norm 2 at any width: about what the first blocks add to them.
        let std = 2.0 * (config.dim as f64).powf(-0.5);
        let lm_head = || {
            LinearConfig::new(config.dim, config.vocab_size)
                .with_bias(false)
                .init(device)
        };
        Self {
            embed_tokens: EmbeddingConfig::new(config.vocab_size, config.dim)
                .with_initializer(Initializer::Normal { mean: 0.0, std })
                .init(device),
            layers: (0..config.depth).map(|_| DecoderLayer::new(config, device)).collect(),
            norm: RmsNorm::new(config.dim, config.rms_eps, device),
            lm_head: (!config.tied_head).then(lm_head),
            head_dim: config.dim / config.heads,
            rope_theta: config.rope_theta,
        }
    }

    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    pub fn device(&self) -> Device {
        self.embed_tokens.weight.lazy_device()
    }

    #[cfg(test)]
    pub(super) fn last_attention_mut(&mut self) -> &mut CausalAttention {
        let last = self.layers.len() - 1;
        &mut self.layers[last].attention
    }

    /// Token ids `[B, L]` to embeddings `[B, L, D_VLM]`.
    pub fn embed(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        self.embed_tokens.forward(tokens)
    }

    /// A sequence from its start, or, with a cache that holds something, what follows it. Position i of the input
    /// stands at `cache.seen() + i`.
    pub fn forward(&self, x: Tensor<3>, cache: Option<&mut KvCache>, wanted: Wanted) -> Hidden {
        let [_, length, _] = x.dims();
        let past = cache.as_ref().map_or(0, |cache| cache.seen);
        let rotary = Rotary::new(
            self.head_dim,
            self.rope_theta,
            &[(past..past + length).collect()],
            &x.device(),
        );
        let mask = match (past, length) {
            (0, _) => causal_mask(length, &x.device()),
            (_, 1) => None,
            _ => causal_mask(past + length, &x.device()).map(|mask| mask.slice_dim(2, past..)),
        };
        self.layers_forward(x, &rotary, mask.as_ref(), cache, wanted)
    }

    /// Attention of some rows of a sequence on some of its keys in every layer, first to last, each `[B, H, rows, keys]`.
    pub fn attention_by_layer(&self, mut x: Tensor<3>, rows: Range<usize>, keys: &Range<usize>) -> Vec<Tensor<4>> {
        let [_, length, _] = x.dims();
        let rotary = Rotary::new(self.head_dim, self.rope_theta, &[(0..length).collect()], &x.device());
        let mask = causal_mask(length, &x.device());
        let seen = Seen {
            rotary: &rotary,
            mask: mask.as_ref(),
            rows_from: 0,
            want_weights: true,
        };
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (next, weights) = layer.forward(x, seen, None);
            x = next;
            layers.extend(weights.map(|weights| weights.on(keys.clone()).slice_dim(2, rows.clone())));
        }
        layers
    }

    /// One new token for each member of a batch whose sequences differ in length: `positions` `[B]`, and a mask
    /// `[B, 1, 1, T]` that hides what is padding in the cache.
    pub fn step(&self, x: Tensor<3>, positions: &[usize], mask: Option<&Tensor<4>>, cache: &mut KvCache) -> Tensor<3> {
        let rows: Vec<Vec<usize>> = positions.iter().map(|&position| vec![position]).collect();
        let rotary = Rotary::new(self.head_dim, self.rope_theta, &rows, &x.device());
        self.layers_forward(x, &rotary, mask, Some(cache), Wanted::default())
            .states
    }

    fn layers_forward(
        &self,
        mut x: Tensor<3>,
        rotary: &Rotary,
        mask: Option<&Tensor<4>>,
        mut cache: Option<&mut KvCache>,
        wanted: Wanted,
    ) -> Hidden {
        if let Some(cache) = cache.as_deref_mut() {
            cache.seen += x.dims()[1];
        }
        let mut attention = None;
        for (i, layer) in self.layers.iter().enumerate() {
            let held = cache.as_deref_mut().map(|cache| &mut cache.layers[i]);
            let last = i + 1 == self.layers.len();
            let rows_from = if last { wanted.rows_from } else { 0 };
            let seen = Seen {
                rotary,
                mask,
                rows_from,
                want_weights: last && wanted.attention,
            };
            (x, attention) = layer.forward(x, seen, held);
        }
        Hidden {
            states: self.norm.forward(x),
            attention,
        }
    }

    /// Logits over the vocabulary, `[..., D_VLM]` to `[..., V]`.
    pub fn head<const R: usize>(&self, states: Tensor<R>) -> Tensor<R> {
        match &self.lm_head {
            Some(head) => head.forward(states),
            None => states.matmul(self.embed_tokens.weight.val().transpose().unsqueeze()),
        }
    }
}

#[derive(Module, Debug)]
struct DecoderLayer {
    input_norm: RmsNorm,
    attention: CausalAttention,
    mlp_norm: RmsNorm,
    mlp: SwiGlu,
}

impl DecoderLayer {
    fn new(config: &VlmConfig, device: &Device) -> Self {
        Self {
            input_norm: RmsNorm::new(config.dim, config.rms_eps, device),
            attention: CausalAttention::new(config.dim, config.heads, config.kv_heads, device),
            mlp_norm: RmsNorm::new(config.dim, config.rms_eps, device),
            mlp: SwiGlu::new(config.dim, config.mlp, device),
        }
    }

    fn forward(
        &self,
        x: Tensor<3>,
        seen: Seen<'_>,
        cache: Option<&mut LayerCache>,
    ) -> (Tensor<3>, Option<AttentionWeights>) {
        let (mixed, weights) = self.attention.forward(self.input_norm.forward(x.clone()), seen, cache);
        let x = if seen.rows_from == 0 {
            x
        } else {
            x.slice_dim(1, seen.rows_from..)
        };
        let x = x + mixed;
        (x.clone() + self.mlp.forward(self.mlp_norm.forward(x)), weights)
    }
}

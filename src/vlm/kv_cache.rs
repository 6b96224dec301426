//! Keys and values of all decoder layers, so that a new token costs one position instead of the whole sequence.

use crate::nn::causal_attention::LayerCache;

/// Grows by what each [`super::decoder::Decoder::forward`] is given.
#[derive(Clone, Debug)]
pub struct KvCache {
    pub(super) layers: Vec<LayerCache>,
    pub(super) seen: usize,
}

impl KvCache {
    /// An empty cache for a decoder of `depth` layers.
    pub fn new(depth: usize) -> Self {
        Self {
            layers: vec![LayerCache::default(); depth],
            seen: 0,
        }
    }

    /// Positions held, padding included.
    pub fn seen(&self) -> usize {
        self.seen
    }
}

//! Facts before words: a first stage of training for tower and projector alone.
//!
//! What the model says wrong it mostly saw wrong, and a step of the whole network costs many times a step of the tower.
//! So the image tokens are first trained to tell what the reasoning will have to state: for each kind of object, where it
//! is (a class such as "on the table" or "absent") and which patches show it. The head is thrown away afterwards.

use burn::{
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{
        Device, Int, Tensor, TensorData,
        activation::{gelu, log_softmax, softmax},
    },
};

use super::{error::VlmError, loss::attention_loss, model::VlmModel, pixels::pixels};
use crate::{config::VlmConfig, sim::Frame};

/// Reads facts out of image tokens: one learned query for each kind of object.
#[derive(Module, Debug)]
pub struct FactHead {
    /// `[K, D_VLM]`
    queries: Param<Tensor<2>>,
    norm: LayerNorm,
    keys: Linear,
    values: Linear,
    mixed_norm: LayerNorm,
    hidden: Linear,
    classes: Linear,
}

/// A frame and what is true in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FactExample {
    pub frame: Frame,
    /// For each of `K` kinds of object, its class.
    pub classes: Vec<usize>,
    /// For each, a distribution over the image patches `[P]`; empty where it cannot be seen.
    pub maps: Vec<Vec<f32>>,
}

/// Examples as tensors.
#[derive(Clone, Debug)]
pub struct FactBatch {
    /// `[B, 3, S, S]`
    pub pixels: Tensor<4>,
    /// `[B * K]`
    pub classes: Tensor<1, Int>,
    /// `[B * K, P]`, rows of zeros where nothing is known.
    pub maps: Tensor<2>,
}

/// Terms of one batch, `[1]` each.
pub struct FactLosses {
    pub total: Tensor<1>,
    /// Mean cross-entropy of the classes, nats.
    pub classes: Tensor<1>,
    /// Mean cross-entropy of the queries' attention against the maps, nats.
    pub maps: Tensor<1>,
    /// Share of facts that are right.
    pub right: Tensor<1>,
}

impl FactBatch {
    /// # Errors
    /// A map has another size than the image.
    pub fn new(examples: &[&FactExample], config: &VlmConfig, device: &Device) -> Result<Self, VlmError> {
        let patches = config.image_tokens();
        let mut classes = Vec::new();
        let mut maps: Vec<f32> = Vec::new();
        for example in examples {
            for (i, &class) in example.classes.iter().enumerate() {
                classes.push(class as i64);
                match example.maps.get(i).map_or(&[][..], Vec::as_slice) {
                    [] => {}
                    map if map.len() == patches => maps.extend(map),
                    map => return Err(VlmError::TargetSize { found: map.len(), expected: patches }),
                }
                maps.resize(classes.len() * patches, 0.0);
            }
        }
        let frames: Vec<&Frame> = examples.iter().map(|example| &example.frame).collect();
        let count = classes.len();
        Ok(Self {
            pixels: pixels(&frames, config, device),
            classes: Tensor::from_data(TensorData::new(classes, [count]), device),
            maps: Tensor::from_data(TensorData::new(maps, [count, patches]), device),
        })
    }
}

impl FactHead {
    /// For `kinds` kinds of object with `classes` classes each.
    pub fn new(config: &VlmConfig, kinds: usize, classes: usize, device: &Device) -> Self {
        let dim = config.dim;
        let linear = |to| LinearConfig::new(dim, to).init(device);
        let std = (dim as f64).powf(-0.5);
        Self {
            queries: Initializer::Normal { mean: 0.0, std }.init([kinds, dim], device),
            norm: LayerNormConfig::new(dim).init(device),
            keys: linear(dim),
            values: linear(dim),
            mixed_norm: LayerNormConfig::new(dim).init(device),
            hidden: linear(dim),
            classes: linear(classes),
        }
    }

    /// Image tokens `[B, P, D_VLM]` to class logits `[B, K, C]` and attention `[B, K, P]`.
    pub fn forward(&self, image: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [_, _, dim] = image.dims();
        let image = self.norm.forward(image);
        let keys = self.keys.forward(image.clone()).swap_dims(1, 2);
        let scores = self.queries.val().unsqueeze::<3>().matmul(keys).mul_scalar((dim as f64).powf(-0.5));
        let attention = softmax(scores, 2);
        let mixed = attention.clone().matmul(self.values.forward(image));
        let hidden = gelu(self.hidden.forward(self.mixed_norm.forward(mixed)));
        (self.classes.forward(hidden), attention)
    }

    /// Losses of a batch through tower, projector and head; `lambda_maps` weighs the attention against its maps.
    pub fn losses(&self, model: &VlmModel, batch: &FactBatch, lambda_maps: f64) -> FactLosses {
        let (logits, attention) = self.forward(model.image_tokens(batch.pixels.clone()));
        let logits: Tensor<2> = logits.flatten(0, 1);
        let right = logits.clone().argmax(1).squeeze_dim::<1>(1).equal(batch.classes.clone()).float().mean();
        let classes = log_softmax(logits, 1).gather(1, batch.classes.clone().unsqueeze_dim(1)).mean().neg();
        let maps = attention_loss(attention.flatten(0, 1), batch.maps.clone());
        FactLosses { total: classes.clone() + maps.clone().mul_scalar(lambda_maps), classes, maps, right }
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::{AdamWConfig, GradientsParams};

    use super::*;
    use crate::vlm::model::tests::tiny_config;

    /// A bright square in one of four corners: tower and head learn to name the corner and to look at it.
    #[test]
    fn a_tower_learns_to_see() {
        let device = Device::flex().autodiff();
        device.seed(12);
        let config = tiny_config(300);
        let example = |corner: usize| {
            let (top, left) = (corner / 2 * 8, corner % 2 * 8);
            let lit = |i: usize| (i / 16 % 16) / 8 * 8 == top && i % 16 / 8 * 8 == left;
            let rgb: Vec<u8> = (0..3 * 16 * 16).map(|i| if lit(i) { 230 } else { 20 }).collect();
            let map = (0..16).map(|p| if p / 8 * 8 == top && p % 4 / 2 * 8 == left { 0.25 } else { 0.0 }).collect();
            let frame = Frame { width: 16, height: 16, rgb: rgb.into() };
            FactExample { frame, classes: vec![corner, 0], maps: vec![map, Vec::new()] }
        };
        let examples: Vec<FactExample> = (0..4).map(example).collect();
        let examples: Vec<&FactExample> = examples.iter().collect();
        let batch = FactBatch::new(&examples, &config, &device).unwrap();
        let (mut model, mut head) = (VlmModel::new(&config, &device), FactHead::new(&config, 2, 4, &device));
        let (mut for_model, mut for_head) = (AdamWConfig::new().init(), AdamWConfig::new().init());
        let start = head.losses(&model, &batch, 0.3);
        for _ in 0..40 {
            let mut grads = head.losses(&model, &batch, 0.3).total.backward();
            let model_grads = GradientsParams::from_module(&mut grads, &model);
            let head_grads = GradientsParams::from_module(&mut grads, &head);
            model = for_model.step(1e-2, model, model_grads);
            head = for_head.step(1e-2, head, head_grads);
        }
        let end = head.losses(&model, &batch, 0.3);
        assert!(end.right.into_scalar::<f32>() == 1.0 && end.classes.into_scalar::<f32>() < 0.1);
        // Four patches of sixteen: ln 16 at the start, ln 4 at best.
        assert!(start.maps.into_scalar::<f32>() > 2.5 && end.maps.into_scalar::<f32>() < 1.7);
        let wrong = FactExample { maps: vec![vec![1.0]], ..examples[0].clone() };
        assert!(FactBatch::new(&[&wrong], &config, &device).is_err());
    }
}

//! The world model as a whole.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::{Encoder, Heads, Predictor};
use crate::config::{PlanEncoder, WorldModelConfig};
use crate::sim::Frame;

#[derive(Module, Debug)]
pub struct WorldModel {
    pub encoder: Encoder,
    pub target_encoder: Encoder,
    pub predictor: Predictor,
    pub heads: Heads,
}

impl WorldModel {
    /// Random weights; the target encoder starts as a copy of the online encoder (Algorithm 1, line 1) and never takes
    /// part in a gradient's graph.
    pub fn new(config: &WorldModelConfig, device: &Device) -> Self {
        let encoder = Encoder::new(config, device);
        let target_encoder = Encoder::new(config, &device.clone().inner());
        Self {
            target_encoder: super::ema_update(target_encoder, &encoder, 0.0),
            encoder,
            predictor: Predictor::new(config, device),
            heads: Heads::new(config, device),
        }
    }

    /// Frames, all of one size, to tokens `[M, N, D]`.
    pub fn encode(&self, frames: &[Frame], by: PlanEncoder, device: &Device) -> Tensor<3> {
        let [height, width] = frames.first().map_or([0, 0], |frame| [frame.height, frame.width]);
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.rgb.iter().copied()).collect();
        let pixels = pixels(&bytes, [frames.len(), 3, height, width], device);
        match by {
            PlanEncoder::Online => self.encoder.forward(pixels),
            PlanEncoder::Target => self.target_encoder.forward(pixels),
        }
    }
}

/// Bytes as a float tensor with values 0 to 255.
pub fn pixels<const R: usize>(bytes: &[u8], shape: [usize; R], device: &Device) -> Tensor<R> {
    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
    Tensor::from_data(TensorData::new(floats, shape), device)
}

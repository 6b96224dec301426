//! The two-layer perceptron of a transformer block.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
pub struct Mlp {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Mlp {
    pub fn new(dim_in: usize, hidden: usize, dim_out: usize, device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(dim_in, hidden).init(device),
            fc2: LinearConfig::new(hidden, dim_out).init(device),
        }
    }

    /// `[..., dim_in]` to `[..., dim_out]`.
    pub fn forward<const R: usize>(&self, x: Tensor<R>) -> Tensor<R> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}

//! AdamW over a module's parameters: decay on matrices only.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::weights::train_state::{self, Resumable};

/// Added to the root of the second moment, as in PyTorch.
const EPSILON: f32 = 1e-8;

/// AdamW for `module`: `weight_decay` on parameters of two or more dimensions, none on biases and norms.
pub fn adamw<M: Module>(module: &M, betas: (f64, f64), weight_decay: f64) -> ModuleOptimizer {
    let config = AdamWConfig::new()
        .with_beta_1(betas.0 as f32)
        .with_beta_2(betas.1 as f32)
        .with_epsilon(EPSILON);
    let mut matrices = Matrices(Vec::new());
    module.visit(&mut matrices);
    // A state that is loaded must not go by way of burn's default device, which may be a card that is not there.
    train_state::adamw(&config.clone().with_weight_decay(0.0)).with_group(
        ParamGroup::from_ids(matrices.0),
        Resumable::new(&config.with_weight_decay(weight_decay as f32)),
        None,
    )
}

struct Matrices(Vec<ParamId>);

impl ModuleVisitor for Matrices {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if R > 1 {
            self.0.push(param.id);
        }
    }
}

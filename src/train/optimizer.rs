//! AdamW over a module's parameters: decay on matrices only, gradients added up over several batches, one global norm.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
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

/// Sum of the squares of a module's gradients.
pub fn squared_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut visitor = SquaredNorm { gradients, sum: 0.0 };
    module.visit(&mut visitor);
    visitor.sum
}

/// Multiplies a module's gradients by `factor`.
pub fn scale<M: Module>(module: &M, gradients: &mut GradientsParams, factor: f64) {
    module.visit(&mut Scale { gradients, factor });
}

/// The factor that brings gradients of the given squared norm to at most `clip_norm`.
pub fn clip_factor(squared_norm: f64, clip_norm: f64) -> f64 {
    (clip_norm / squared_norm.sqrt().max(1e-12)).min(1.0)
}

struct Matrices(Vec<ParamId>);

impl ModuleVisitor for Matrices {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if R > 1 {
            self.0.push(param.id);
        }
    }
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if let Some(gradient) = self.gradients.get::<R>(param.id) {
            self.sum += gradient.square().sum().into_scalar::<f64>();
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        if let Some(gradient) = self.gradients.remove::<R>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

/// Gradients of a module from two batches, added up.
pub fn add<M: Module>(module: &M, mut sum: GradientsParams, mut part: GradientsParams) -> GradientsParams {
    module.visit(&mut Add {
        sum: &mut sum,
        part: &mut part,
    });
    sum
}

struct Add<'a> {
    sum: &'a mut GradientsParams,
    part: &'a mut GradientsParams,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        let parts = (self.sum.remove::<R>(param.id), self.part.remove::<R>(param.id));
        let total = match parts {
            (Some(a), Some(b)) => a + b,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        self.sum.register(param.id, total);
    }
}

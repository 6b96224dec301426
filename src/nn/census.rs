//! Counting a network without building it: burn allocates a parameter when it is first used, so a freshly constructed
//! module of any size holds nothing but its shapes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// A parameter's path within its module, and its shape in memory (a linear weight is `[in, out]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamShape {
    pub path: String,
    pub shape: Vec<usize>,
}

impl ParamShape {
    /// Numbers in it.
    pub fn count(&self) -> u64 {
        self.shape.iter().map(|&length| length as u64).product()
    }
}

/// Every parameter of a module, in the module's own order.
pub fn census<M: Module>(module: &M) -> Vec<ParamShape> {
    let mut counter = Counter::default();
    module.visit(&mut counter);
    counter.found
}

#[derive(Default)]
struct Counter {
    path: Vec<String>,
    found: Vec<ParamShape>,
}

impl Counter {
    fn add(&mut self, shape: &[usize]) {
        self.found.push(ParamShape {
            path: self.path.join("."),
            shape: shape.to_vec(),
        });
    }
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        self.add(&param.lazy_shape());
    }

    fn visit_int<const R: usize>(&mut self, param: &Param<Tensor<R, Int>>) {
        self.add(&param.lazy_shape());
    }

    fn visit_bool<const R: usize>(&mut self, param: &Param<Tensor<R, Bool>>) {
        self.add(&param.lazy_shape());
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;
    use crate::nn::parameter_bytes;

    #[derive(Module, Debug)]
    struct Net {
        stem: Conv2d,
        norm: LayerNorm,
        layers: Vec<Linear>,
        pos: Param<Tensor<2>>,
        none: Option<Linear>,
    }

    fn net(width: usize) -> Net {
        let device = Device::flex();
        Net {
            stem: Conv2dConfig::new([3, width], [4, 4]).init(&device),
            norm: LayerNormConfig::new(width).init(&device),
            layers: vec![LinearConfig::new(width, width).init(&device); 2],
            pos: Initializer::Zeros.init([7, width], &device),
            none: None,
        }
    }

    #[test]
    fn counts_equate_with_allocated_parameters() {
        let net = net(5);
        let found = census(&net);
        assert_eq!(
            found[0],
            ParamShape {
                path: "stem.weight".to_owned(),
                shape: vec![5, 3, 4, 4]
            }
        );
        assert_eq!(found.last().unwrap().path, "pos");
        let counted: u64 = found.iter().map(ParamShape::count).sum();
        assert!(!net.pos.is_initialized());
        assert_eq!(4 * counted, parameter_bytes(&net));
        assert!(net.pos.is_initialized());
    }

    #[test]
    fn a_network_that_no_machine_holds_is_counted_at_once() {
        let width = 1 << 20;
        let counted: u64 = census(&net(width)).iter().map(ParamShape::count).sum();
        let width = width as u64;
        assert_eq!(
            counted,
            width * 48 + width + 2 * width + 2 * (width * width + width) + 7 * width
        );
    }
}

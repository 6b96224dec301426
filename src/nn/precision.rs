//! Number formats. A network answers in the format of its weights and takes numbers of any; sums that half the digits would
//! spoil (softmax, statistics of a normalisation, losses) are taken in single precision wherever they occur.
//!
//! Training keeps its weights in single precision and computes with a copy ([`computing_in`]): the small steps of an
//! optimiser or of a moving average would be rounded away in a number of eight binary digits.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};

use crate::config::Precision;

/// The number format of a precision.
pub fn dtype(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 => FloatDType::F32,
        Precision::Bf16 => FloatDType::BF16,
    }
}

/// The module with weights of a precision. On an autodiff device the copy is part of the graph: its gradients arrive at
/// the original's parameters, in their format.
pub fn computing_in<M: Module>(module: &M, precision: Precision) -> M {
    struct Cast(FloatDType);
    impl ModuleMapper for Cast {
        fn map_float<const R: usize>(&mut self, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
            param.map(|tensor| tensor.cast(self.0))
        }
    }
    match precision {
        // Nothing to do, and what is not allocated yet stays so.
        Precision::F32 => module.clone(),
        Precision::Bf16 => module.clone().map(&mut Cast(dtype(precision))),
    }
}

/// In single precision; a tensor that is so already is not touched.
pub fn wide<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    x.cast(FloatDType::F32)
}

/// Softmax over the last axis, summed in single precision, in the format of its argument.
pub fn wide_softmax<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    let format = x.dtype();
    softmax(wide(x), R - 1).cast(format)
}

/// Bytes of a module's parameters; they are allocated by this.
pub fn parameter_bytes<M: Module>(module: &M) -> u64 {
    struct Bytes(u64);
    impl ModuleVisitor for Bytes {
        fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
            let tensor = param.base();
            self.0 += (tensor.shape().num_elements() * tensor.dtype().size()) as u64;
        }
    }
    let mut bytes = Bytes(0);
    module.visit(&mut bytes);
    bytes.0
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::{DType, Device, Distribution};

    use super::*;

    #[test]
    fn gradients_of_a_copy_arrive_at_the_original() {
        let device = Device::flex().autodiff();
        device.seed(41);
        let original = LinearConfig::new(6, 4).init(&device);
        let x = Tensor::<2>::random([5, 6], Distribution::Normal(0.0, 1.0), &device);
        let gradient = |precision| {
            let copy = computing_in(&original, precision);
            let out = copy.forward(x.clone().cast(copy.weight.val().dtype()));
            let gradients = wide(out).square().mean().backward();
            original.weight.val().grad(&gradients).unwrap()
        };
        let (half, full) = (gradient(Precision::Bf16), gradient(Precision::F32));
        assert_eq!(half.dtype(), DType::F32);
        let worst = (half - full.clone()).abs().max().into_scalar::<f32>();
        let largest = full.abs().max().into_scalar::<f32>();
        assert!(worst > 0.0, "nothing was computed in half precision");
        assert!(worst < 0.02 * largest, "{worst} of {largest}");
        assert_eq!(
            2 * parameter_bytes(&computing_in(&original, Precision::Bf16)),
            parameter_bytes(&original)
        );
    }

    #[test]
    fn a_long_softmax_still_sums_to_one() {
        let device = Device::flex();
        let logits = Tensor::<2>::zeros([1, 3000], (&device, DType::BF16));
        let total = wide(wide_softmax(logits)).sum().into_scalar::<f32>();
        assert!((total - 1.0).abs() < 5e-3, "{total}");
    }
}

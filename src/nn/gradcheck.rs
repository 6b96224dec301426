//! Analytic gradients against central differences, for tests: every loss and every layer with a gradient of its own is
//! held against it.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Wide enough for single precision; the fourth-order stencil keeps the curvature out.
const STEP: f64 = 1e-2;
/// Entries of one tensor that are looked at, evenly spread and always with the largest gradient.
const MOST: usize = 40;
/// Largest deviation, as a share of the tensor's largest gradient.
const TOLERANCE: f64 = 1e-2;
/// A gradient under this would prove nothing, nor would one under so many times the rounding of the differences.
const VISIBLE: f64 = 1e-3;
const OVER_ROUNDING: f64 = 20.0;

/// The gradient of `loss` at `point`, on the CPU.
pub(crate) fn check<const R: usize>(what: &str, point: &Tensor<R>, loss: impl Fn(Tensor<R>) -> Tensor<1>) {
    let device = Device::flex().autodiff();
    let place = |values: Vec<f32>| Tensor::<R>::from_data(TensorData::new(values, point.dims()), &device);
    let values = numbers(point.clone());
    let leaf = place(values.clone()).require_grad();
    let gradients = loss(leaf.clone()).backward();
    let gradient = leaf.grad(&gradients).expect("the loss depends on the point");
    compare(what, &numbers(gradient), &values, |moved| loss(place(moved)));
}

/// The gradient of `loss` with respect to one parameter of a module that lies on an autodiff device.
pub(crate) fn check_param<M: Module, const R: usize>(
    what: &str,
    module: &M,
    param: impl Fn(&mut M) -> &mut Param<Tensor<R>>,
    loss: impl Fn(&M) -> Tensor<1>,
) {
    let mut moved = module.clone();
    let value = param(&mut moved).val();
    let gradients = loss(module).backward();
    let gradient = value.grad(&gradients).expect("the loss depends on the parameter");
    let (shape, device) = (value.dims(), value.device());
    compare(what, &numbers(gradient), &numbers(value), |values| {
        let mut moved = module.clone();
        *param(&mut moved) = Param::from_data(TensorData::new(values, shape), &device);
        loss(&moved)
    });
}

fn numbers<const R: usize>(tensor: Tensor<R>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn compare(what: &str, gradient: &[f32], values: &[f32], loss: impl Fn(Vec<f32>) -> Tensor<1>) {
    let size = |i: usize| f64::from(gradient[i].abs());
    let peak = (0..gradient.len())
        .max_by(|&a, &b| size(a).total_cmp(&size(b)))
        .expect("there is an entry");
    let largest = size(peak);
    // The stencil's weights add up to 18, and each loss is rounded to single precision.
    let rounding = 18.0 * f64::from(f32::EPSILON) * loss(values.to_vec()).into_scalar::<f64>().abs() / (12.0 * STEP);
    assert!(
        largest > VISIBLE.max(OVER_ROUNDING * rounding),
        "{what}: the largest gradient is {largest}, rounding {rounding}"
    );
    let stride = gradient.len().div_ceil(MOST);
    for i in (0..gradient.len()).step_by(stride).chain([peak]) {
        let at = |steps: f64| {
            let mut moved = values.to_vec();
            moved[i] = (f64::from(values[i]) + steps * STEP) as f32;
            loss(moved).into_scalar::<f64>()
        };
        let numeric = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * STEP);
        let analytic = f64::from(gradient[i]);
        assert!(
            (numeric - analytic).abs() < TOLERANCE * largest + rounding,
            "{what}[{i}]: differences give {numeric}, the graph {analytic}, the largest is {largest}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Tensor<1> {
        Tensor::from_floats([0.3, -0.7, 1.1], &Device::flex())
    }

    #[test]
    fn a_right_gradient_passes() {
        check("cubes", &point(), |x| x.powi_scalar(3).sum());
    }

    #[test]
    #[should_panic(expected = "differences give")]
    fn a_wrong_gradient_does_not() {
        // Half of the loss is hidden from the graph.
        check("half", &point(), |x| {
            (x.clone().powi_scalar(2) + x.detach().powi_scalar(2)).sum()
        });
    }
}

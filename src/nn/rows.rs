//! What a layer does to rows of numbers between its matrix products, on the CPU, in the widest vectors that the machine
//! has. Every width is a multiple of [`LANES`].

use macerator::{Scalar, Simd, Vector, with_simd};
use nalgebra::{DMatrixView, DMatrixViewMut};

/// The most numbers that a vector of any machine holds.
pub const LANES: usize = 16;

/// Added to the variance, as in [`super::layer_norm`].
const EPSILON: f32 = 1e-5;

/// `out += x weight`; `x` is `[rows, from]`, `weight` `[from, to]`, `out` `[rows, to]`.
pub fn add_product(x: &[f32], weight: &[f32], out: &mut [f32], [from, to]: [usize; 2]) {
    let rows = x.len() / from;
    // What lies by rows is the transpose of what lies by columns.
    let weight = DMatrixView::from_slice(weight, to, from);
    let x = DMatrixView::from_slice(x, from, rows);
    DMatrixViewMut::from_slice(out, to, rows).gemm(1.0, &weight, &x, 1.0);
}

/// Adds `row` to every row of `x`.
pub fn add_row(x: &mut [f32], row: &[f32]) {
    assert_width(x, row);
    add_row_in(x, row);
}

/// `gelu(x + bias)` of every row, in place; right to 2e-6.
pub fn gelu(x: &mut [f32], bias: &[f32]) {
    assert_width(x, bias);
    gelu_in(x, bias);
}

/// Rows of mean 0 and variance 1, times `1 + scale`, plus `shift`.
pub fn modulated_norm(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    assert_width(x, scale);
    assert_eq!((x.len(), scale.len()), (out.len(), shift.len()));
    modulated_norm_in(x, scale, shift, out);
}

/// Softmax of every row, in place.
pub fn softmax(x: &mut [f32], width: usize) {
    for row in x.chunks_exact_mut(width) {
        let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = (*value - greatest).exp();
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
}

fn assert_width(x: &[f32], row: &[f32]) {
    assert!(
        row.len().is_multiple_of(LANES) && x.len().is_multiple_of(row.len()),
        "{} numbers in rows of {}",
        x.len(),
        row.len()
    );
}

#[inline(always)]
fn load<S: Simd>(x: &[f32]) -> Vector<S, f32> {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(x))
}

#[inline(always)]
fn store<S: Simd>(value: Vector<S, f32>, x: &mut [f32]) {
    x.copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(&value)));
}

#[with_simd]
fn add_row_in<S: Simd>(x: &mut [f32], row: &[f32]) {
    let lanes = f32::lanes::<S>();
    for x in x.chunks_exact_mut(row.len()) {
        for (x, row) in x.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
            store(load::<S>(x) + load::<S>(row), x);
        }
    }
}

#[with_simd]
fn gelu_in<S: Simd>(x: &mut [f32], bias: &[f32]) {
    let lanes = f32::lanes::<S>();
    for x in x.chunks_exact_mut(bias.len()) {
        for (x, bias) in x.chunks_exact_mut(lanes).zip(bias.chunks_exact(lanes)) {
            let value = load::<S>(x) + load::<S>(bias);
            let half = value * 0.5.splat::<S>();
            let erf = erf::<S>(value * std::f32::consts::FRAC_1_SQRT_2.splat::<S>());
            store(half.mul_add(erf, half), x);
        }
    }
}

/// The error function as a ratio of two polynomials, right to 4e-7: the minimax fit that Eigen and XLA use.
#[inline(always)]
fn erf<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    /// Beyond it the error function is 1 in single precision.
    const END: f32 = 3.832_507;
    const UPPER: [f32; 5] = [
        2.290_506_6e-4,
        3.408_291e-3,
        5.095_569_5e-2,
        0.185_208_32,
        std::f32::consts::FRAC_2_SQRT_PI,
    ];
    const LOWER: [f32; 7] = [
        -1.179_160_3e-7,
        2.354_796_6e-5,
        1.017_962_5e-3,
        1.407_047e-2,
        0.110_985_05,
        0.497_469_25,
        1.0,
    ];
    let x = x.min(END.splat::<S>()).max((-END).splat::<S>());
    let square = x * x;
    x * polynomial(square, &UPPER) / polynomial(square, &LOWER)
}

/// The highest power's coefficient first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(x: Vector<S, f32>, coefficients: &[f32; N]) -> Vector<S, f32> {
    let mut sum = coefficients[0].splat::<S>();
    for &coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, coefficient.splat::<S>());
    }
    sum
}

#[with_simd]
fn modulated_norm_in<S: Simd>(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    let (lanes, width) = (f32::lanes::<S>(), scale.len());
    let one = 1f32.splat::<S>();
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut sum = 0f32.splat::<S>();
        for x in x.chunks_exact(lanes) {
            sum += load::<S>(x);
        }
        let mean = (sum.reduce_add() / width as f32).splat::<S>();
        let mut squares = 0f32.splat::<S>();
        for x in x.chunks_exact(lanes) {
            let centred = load::<S>(x) - mean;
            squares = centred.mul_add(centred, squares);
        }
        let deviation = (squares.reduce_add() / width as f32 + EPSILON).sqrt();
        let inverse = (1.0 / deviation).splat::<S>();
        let rows = x.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes));
        let modulation = scale.chunks_exact(lanes).zip(shift.chunks_exact(lanes));
        for ((x, out), (scale, shift)) in rows.zip(modulation) {
            let normed = (load::<S>(x) - mean) * inverse;
            store(normed.mul_add(load::<S>(scale) + one, load::<S>(shift)), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor, TensorData};

    use super::*;

    fn numbers(count: usize, seed: u64, deviation: f64) -> Vec<f32> {
        let device = Device::flex();
        device.seed(seed);
        let values = Tensor::<1>::random([count], Distribution::Normal(0.0, deviation), &device);
        values.into_data().try_into_vec().unwrap()
    }

    fn tensor<const R: usize>(values: &[f32], shape: [usize; R]) -> Tensor<R> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn gap<const R: usize>(values: &[f32], expected: Tensor<R>) -> f32 {
        let expected: Vec<f32> = expected.into_data().try_into_vec().unwrap();
        assert_eq!(values.len(), expected.len());
        values
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0., f32::max)
    }

    #[test]
    fn gelu_is_that_of_the_library_on_the_whole_line() {
        let mut x: Vec<f32> = (-8000..8000).map(|i| i as f32 / 1000.0).collect();
        let expected = burn::tensor::activation::gelu(tensor(&x, [16_000]) + 0.25);
        gelu(&mut x, &[0.25; 32]);
        let gap = gap(&x, expected);
        assert!(gap < 2e-6, "{gap}");
    }

    #[test]
    fn a_modulated_norm_is_that_of_the_layers() {
        let (x, scale, shift) = (numbers(5 * 48, 1, 3.0), numbers(48, 2, 0.5), numbers(48, 3, 0.5));
        let mut out = vec![0.0; x.len()];
        modulated_norm(&x, &scale, &shift, &mut out);
        let by = crate::nn::Modulation {
            scale: tensor(&scale, [1, 1, 48]),
            shift: tensor(&shift, [1, 1, 48]),
        };
        let gap = gap(&out, by.apply(crate::nn::layer_norm(tensor(&x, [1, 5, 48]))));
        assert!(gap < 1e-5, "{gap}");
    }

    #[test]
    fn softmax_and_products_are_those_of_the_library() {
        let mut x = numbers(6 * 7, 4, 4.0);
        let expected = burn::tensor::activation::softmax(tensor(&x, [6, 7]), 1);
        softmax(&mut x, 7);
        assert!(gap(&x, expected) < 1e-6);
        // One row and several, since small matrices take another way.
        for rows in [1, 20] {
            let (x, weight, start) = (
                numbers(rows * 48, 5, 1.0),
                numbers(48 * 32, 6, 1.0),
                numbers(rows * 32, 7, 1.0),
            );
            let mut out = start.clone();
            add_product(&x, &weight, &mut out, [48, 32]);
            let expected = tensor(&start, [rows, 32]) + tensor(&x, [rows, 48]).matmul(tensor(&weight, [48, 32]));
            let gap = gap(&out, expected);
            assert!(gap < 2e-5, "{gap}");
        }
    }

    #[test]
    fn a_row_is_added_to_every_row() {
        let (mut x, row) = (numbers(3 * 16, 8, 1.0), numbers(16, 9, 1.0));
        let expected = tensor(&x, [3, 16]) + tensor(&row, [1, 16]);
        add_row(&mut x, &row);
        assert_eq!(gap(&x, expected), 0.0);
    }
}

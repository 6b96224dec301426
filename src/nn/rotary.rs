//! Rotary positions in the half-split layout of Llama: dimension i turns together with dimension i + D_h / 2.

use burn::tensor::{Device, Tensor, TensorData, module::linear};

/// Cosines and sines for one forward pass. It is made anew for each pass from the positions alone: a few thousand
/// numbers, and no table to move between devices.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// `[B or 1, L, 1, D_h]`, both halves filled.
    cos: Tensor<4>,
    sin: Tensor<4>,
    /// `[D_h, D_h]`: `x @ half_turn` is (-second half, first half).
    half_turn: Tensor<2>,
}

impl Rotary {
    /// For rows of positions, all of one length: one row for the whole batch, or one row for each member.
    pub fn new(head_dim: usize, theta: f64, positions: &[Vec<usize>], device: &Device) -> Self {
        let half = head_dim / 2;
        let rows = positions.len();
        let length = positions.first().map_or(0, Vec::len);
        let frequencies: Vec<f64> = (0..half)
            .map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64))
            .collect();
        let mut cos = Vec::with_capacity(rows * length * head_dim);
        let mut sin = Vec::with_capacity(rows * length * head_dim);
        for &position in positions.iter().flatten() {
            for _ in 0..2 {
                for frequency in &frequencies {
                    let (s, c) = (position as f64 * frequency).sin_cos();
                    cos.push(c as f32);
                    sin.push(s as f32);
                }
            }
        }
        let mut turn = vec![0.0f32; head_dim * head_dim];
        for i in 0..half {
            turn[(i + half) * head_dim + i] = -1.0;
            turn[i * head_dim + i + half] = 1.0;
        }
        let shape = [rows, length, 1, head_dim];
        Self {
            cos: Tensor::from_data(TensorData::new(cos, shape), device),
            sin: Tensor::from_data(TensorData::new(sin, shape), device),
            half_turn: Tensor::from_data(TensorData::new(turn, [head_dim, head_dim]), device),
        }
    }

    /// Turns queries or keys `[B, L, H, D_h]` that stand at the positions from the `first` on. The half turn is a product
    /// with a constant matrix: slicing and joining halves would cost the backward pass several padded copies.
    pub fn apply(&self, x: Tensor<4>, first: usize) -> Tensor<4> {
        let (dtype, length) = (x.dtype(), x.dims()[1]);
        let at = |table: &Tensor<4>| table.clone().slice_dim(1, first..first + length).cast(dtype);
        let turned = linear(x.clone(), self.half_turn.clone().cast(dtype), None);
        x * at(&self.cos) + turned * at(&self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_depends_on_the_distance_alone() {
        let device = Device::flex();
        let score = |at_query: usize, at_key: usize| {
            let q = Tensor::<1>::from_floats([0.3, -1.2, 0.7, 0.5], &device).reshape([1, 1, 1, 4]);
            let k = Tensor::<1>::from_floats([1.1, 0.4, -0.6, 0.9], &device).reshape([1, 1, 1, 4]);
            let turn = |x, at| Rotary::new(4, 100.0, &[vec![at]], &device).apply(x, 0);
            (turn(q, at_query) * turn(k, at_key)).sum().into_scalar::<f32>()
        };
        assert!((score(7, 3) - score(4, 0)).abs() < 1e-5);
        assert!((score(7, 3) - score(7, 1)).abs() > 1e-1);
    }

    #[test]
    fn halves_turn_together() {
        let device = Device::flex();
        // At position 1 the pair (0, 2) turns by 1 radian, the pair (1, 3) by theta^-0.5 = 0.1.
        let x = Tensor::<1>::from_floats([1.0, 1.0, 0.0, 0.0], &device).reshape([1, 1, 1, 4]);
        let y = Rotary::new(4, 100.0, &[vec![1]], &device)
            .apply(x, 0)
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        let expected = [1.0f32.cos(), 0.1f32.cos(), 1.0f32.sin(), 0.1f32.sin()];
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{y:?}");
    }
}

//! The predictor's step on the CPU: the same numbers as [`Predictor::step`], to rounding, in well under half of the time.
//! A plan is hundreds of these steps and little else.
//!
//! Candidates are taken a few at a time, so that what lies between two layers stays in a core's cache; a library does the
//! matrix products, [`crate::nn::rows`] what is between them. How many candidates are taken at once does not depend on the
//! number of threads, and neither do the numbers.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{DType, Device, Tensor};
use nalgebra::{Dyn, MatrixView, MatrixViewMut};
use rayon::prelude::*;

use super::predictor::Predictor;
use crate::nn::rows::{LANES, add_product, add_row, gelu, modulated_norm, softmax};
use crate::nn::{Attention, Block, Film, Mlp};

/// Candidates that are taken at once: with fewer, more time goes into packing the weights than into multiplying by them.
const AT_ONCE: usize = 24;

/// A linear layer with a bias.
struct Dense {
    /// `[from, to]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    shape: [usize; 2],
}

impl Dense {
    fn new(layer: &Linear) -> Option<Self> {
        let shape = layer.weight.shape().dims();
        Some(Self {
            weight: numbers(&layer.weight)?,
            bias: numbers(layer.bias.as_ref()?)?,
            shape,
        })
    }

    /// `out += x W`: the next operation adds the bias.
    fn add_unbiased(&self, x: &[f32], out: &mut [f32]) {
        add_product(x, &self.weight, out, self.shape);
    }

    /// `out += x W + b`.
    fn add_forward(&self, x: &[f32], out: &mut [f32]) {
        add_row(out, &self.bias);
        self.add_unbiased(x, out);
    }
}

struct CpuBlock {
    film: Dense,
    qkv: Dense,
    out: Dense,
    heads: usize,
    fc1: Dense,
    fc2: Dense,
}

impl CpuBlock {
    fn new(block: &Block) -> Option<Self> {
        let Block {
            norm1: None,
            attn,
            norm2: None,
            mlp: Mlp { fc1, fc2 },
            film: Some(Film { proj }),
        } = block
        else {
            return None;
        };
        let Attention { qkv, out, .. } = attn;
        Some(Self {
            film: Dense::new(proj)?,
            qkv: Dense::new(qkv)?,
            out: Dense::new(out)?,
            heads: attn.heads(),
            fc1: Dense::new(fc1)?,
            fc2: Dense::new(fc2)?,
        })
    }
}

/// A residual predictor with FiLM, in single precision.
pub struct CpuPredictor {
    tokens: usize,
    /// Positions, `[N, D_p]`.
    pos: Vec<f32>,
    input: Dense,
    action1: Dense,
    action2: Dense,
    grip_sign: bool,
    blocks: Vec<CpuBlock>,
    output: Dense,
}

impl CpuPredictor {
    /// None where only the general way serves: another device, precision or architecture.
    pub fn new(predictor: &Predictor, device: &Device) -> Option<Self> {
        let widths = [&predictor.input, &predictor.action2, &predictor.output].map(|layer| layer.weight.dims());
        let hidden = predictor.blocks.iter().map(|block| block.mlp.fc1.weight.dims());
        let fits = widths
            .into_iter()
            .chain(hidden)
            .flatten()
            .all(|width| width.is_multiple_of(LANES));
        if *device != Device::flex() || !predictor.is_residual() || predictor.concat.is_some() || !fits {
            return None;
        }
        Some(Self {
            tokens: predictor.pos.dims()[0],
            pos: numbers(&predictor.pos)?,
            input: Dense::new(&predictor.input)?,
            action1: Dense::new(&predictor.action1)?,
            action2: Dense::new(&predictor.action2)?,
            grip_sign: predictor.reads_grip_sign(),
            blocks: predictor.blocks.iter().map(CpuBlock::new).collect::<Option<_>>()?,
            output: Dense::new(&predictor.output)?,
        })
    }

    /// One step: tokens of the present `[B, N, D]`, actions `[B, D_a]` and the bias of the context columns `[N]` to the
    /// tokens of the next frame, `[B, N, D]`.
    pub fn step(&self, state: &[f32], actions: &[f32], column_bias: Option<&[f32]>) -> Vec<f32> {
        let mut next = vec![0.0; state.len()];
        let one = self.tokens * self.input.shape[0];
        next.par_chunks_mut(AT_ONCE * one)
            .zip(state.par_chunks(AT_ONCE * one))
            .zip(actions.par_chunks(AT_ONCE * self.action1.shape[0]))
            .for_each(|((next, state), actions)| self.step_of_few(state, actions, column_bias, next));
        next
    }

    fn step_of_few(&self, state: &[f32], actions: &[f32], column_bias: Option<&[f32]>, next: &mut [f32]) {
        let [dim, width] = self.input.shape;
        let rows = state.len() / dim;
        let condition = self.condition(actions);
        let mut x = vec![0.0; rows * width];
        for x in x.chunks_exact_mut(self.pos.len()) {
            x.copy_from_slice(&self.pos);
        }
        self.input.add_forward(state, &mut x);
        let mut normed = vec![0.0; x.len()];
        let mut mixed = vec![0.0; x.len()];
        for block in &self.blocks {
            let mut film = vec![0.0; condition.len() / block.film.shape[0] * 4 * width];
            block.film.add_forward(&condition, &mut film);
            // Two scales and two shifts, each in one piece.
            let modulate = |x: &[f32], out: &mut [f32], which: usize| {
                let one = self.tokens * width;
                let by = film.chunks_exact(4 * width).map(|film| &film[2 * which * width..]);
                for ((x, out), by) in x.chunks_exact(one).zip(out.chunks_exact_mut(one)).zip(by) {
                    modulated_norm(x, &by[..width], &by[width..2 * width], out);
                }
            };
            modulate(&x, &mut normed, 0);
            let mut qkv = vec![0.0; rows * 3 * width];
            block.qkv.add_forward(&normed, &mut qkv);
            for (qkv, mixed) in qkv
                .chunks_exact(self.tokens * 3 * width)
                .zip(mixed.chunks_exact_mut(self.tokens * width))
            {
                attend(qkv, mixed, self.tokens, block.heads, column_bias);
            }
            block.out.add_forward(&mixed, &mut x);
            modulate(&x, &mut normed, 1);
            let mut hidden = vec![0.0; rows * block.fc1.shape[1]];
            block.fc1.add_unbiased(&normed, &mut hidden);
            gelu(&mut hidden, &block.fc1.bias);
            block.fc2.add_forward(&hidden, &mut x);
        }
        modulated_norm(&x, &vec![0.0; width], &vec![0.0; width], &mut normed);
        let mut moved = state.to_vec();
        self.output.add_forward(&normed, &mut moved);
        modulated_norm(&moved, &vec![0.0; dim], &vec![0.0; dim], next);
    }

    /// Actions `[B, D_a]` to conditions `[B, hidden]`.
    fn condition(&self, actions: &[f32]) -> Vec<f32> {
        let [count, hidden] = self.action1.shape;
        let mut actions = actions.to_vec();
        if self.grip_sign {
            for grip in actions.iter_mut().skip(count - 1).step_by(count) {
                *grip = if *grip == 0.0 { 0.0 } else { grip.signum() };
            }
        }
        let mut first = vec![0.0; actions.len() / count * hidden];
        self.action1.add_unbiased(&actions, &mut first);
        gelu(&mut first, &self.action1.bias);
        let mut second = vec![0.0; first.len()];
        self.action2.add_unbiased(&first, &mut second);
        gelu(&mut second, &self.action2.bias);
        second
    }
}

/// Self-attention of one candidate: `qkv` `[N, 3 D_p]` to `mixed` `[N, D_p]`.
fn attend(qkv: &[f32], mixed: &mut [f32], tokens: usize, heads: usize, column_bias: Option<&[f32]>) {
    let width = mixed.len() / tokens;
    let head = width / heads;
    let scale = (head as f32).powf(-0.5);
    let part = |which: usize, at: usize| &qkv[which * width + at * head..];
    // By columns, `[D_h, N]`: a token's numbers beside each other.
    let columns =
        |data| MatrixView::<f32, Dyn, Dyn, Dyn, Dyn>::from_slice_with_strides(data, head, tokens, 1, 3 * width);
    let mut weights = vec![0.0; tokens * tokens];
    for at in 0..heads {
        let (queries, values) = (columns(part(0, at)), columns(part(2, at)));
        let keys =
            MatrixView::<f32, Dyn, Dyn, Dyn, Dyn>::from_slice_with_strides(part(1, at), tokens, head, 3 * width, 1);
        // `[keys, queries]` by columns, which is `[queries, keys]` by rows.
        MatrixViewMut::<f32, Dyn, Dyn>::from_slice(&mut weights, tokens, tokens).gemm(scale, &keys, &queries, 0.0);
        if let Some(bias) = column_bias {
            for row in weights.chunks_exact_mut(tokens) {
                for (weight, bias) in row.iter_mut().zip(bias) {
                    *weight += bias;
                }
            }
        }
        softmax(&mut weights, tokens);
        let data = &mut mixed[at * head..];
        MatrixViewMut::<f32, Dyn, Dyn, Dyn, Dyn>::from_slice_with_strides_mut(data, head, tokens, 1, width).gemm(
            1.0,
            &values,
            &MatrixView::<f32, Dyn, Dyn>::from_slice(&weights, tokens, tokens),
            0.0,
        );
    }
}

/// None where they are not in single precision.
fn numbers<const R: usize>(param: &Param<Tensor<R>>) -> Option<Vec<f32>> {
    let tensor = param.val();
    (tensor.dtype() == DType::F32)
        .then(|| tensor.into_data().try_into_vec().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use burn::nn::{Initializer, LinearConfig};
    use burn::tensor::{Distribution, TensorData};

    use super::*;
    use crate::config::{ActionConditioning, WorldModelConfig, preset};

    fn config(dim: usize, width: usize, heads: usize) -> WorldModelConfig {
        let mut config = preset("nano").unwrap().world_model;
        config.dim = dim;
        (
            config.predictor.dim,
            config.predictor.heads,
            config.predictor.action_hidden,
        ) = (width, heads, 64);
        config
    }

    /// With an output that is not zero, as it is after training.
    fn trained(config: &WorldModelConfig) -> Predictor {
        let device = Device::flex();
        let mut predictor = Predictor::new(config, &device);
        predictor.output = LinearConfig::new(config.predictor.dim, config.dim)
            .with_initializer(Initializer::Normal { mean: 0.0, std: 0.3 })
            .init(&device);
        for block in &mut predictor.blocks {
            let weight = Initializer::Normal { mean: 0.0, std: 0.2 };
            if let Some(film) = &mut block.film {
                film.proj.weight = weight.init([config.predictor.action_hidden, 4 * config.predictor.dim], &device);
            }
        }
        predictor
    }

    #[test]
    fn five_steps_are_those_of_the_predictor_with_and_without_a_bias() {
        let device = Device::flex();
        device.seed(5);
        // More candidates than are taken at once, and as many as leave a rest; widths that differ.
        for (dim, width, heads, candidates) in [(128, 128, 4, 30), (64, 96, 3, 8), (32, 48, 2, 1)] {
            let config = config(dim, width, heads);
            let (predictor, tokens) = (trained(&config), config.tokens());
            let fast = CpuPredictor::new(&predictor, &device).unwrap();
            let shape = [candidates, tokens, dim];
            let start = crate::nn::layer_norm(Tensor::<3>::random(shape, Distribution::Normal(0., 1.), &device));
            let bias = Tensor::<1>::random([tokens], Distribution::Normal(0., 0.5), &device);
            for bias in [None, Some(bias)] {
                let numbers = |tensor: Tensor<1>| -> Vec<f32> { tensor.into_data().try_into_vec().unwrap() };
                let mut expected = start.clone();
                let mut found = numbers(start.clone().flatten(0, 2));
                let column_bias = bias.clone().map(numbers);
                for step in 0..5 {
                    let mut actions = Tensor::<2>::random([candidates, 3], Distribution::Uniform(-1., 1.), &device);
                    if step == 3 {
                        actions = actions.zeros_like();
                    }
                    found = fast.step(&found, &numbers(actions.clone().flatten(0, 1)), column_bias.as_deref());
                    expected = predictor.step(expected, actions, bias.clone().map(Tensor::unsqueeze));
                }
                let found = Tensor::<3>::from_data(TensorData::new(found, shape), &device);
                let moved = (expected.clone() - start.clone()).abs().mean().into_scalar::<f32>();
                let gap = (expected - found).abs().max().into_scalar::<f32>();
                assert!(moved > 0.1 && gap < 2e-4, "moved {moved}, gap {gap}");
            }
        }
    }

    #[test]
    fn what_it_was_not_made_for_is_left_to_the_general_way() {
        let device = Device::flex();
        let of = |change: fn(&mut WorldModelConfig)| {
            let mut config = config(32, 48, 2);
            change(&mut config);
            CpuPredictor::new(&Predictor::new(&config, &device), &device)
        };
        assert!(of(|_| ()).is_some());
        assert!(of(|config| config.predictor.residual = false).is_none());
        assert!(of(|config| config.predictor.conditioning = ActionConditioning::Concat).is_none());
        assert!(of(|config| config.dim = 40).is_none());
        let half = crate::nn::computing_in(&trained(&config(32, 48, 2)), crate::config::Precision::Bf16);
        assert!(CpuPredictor::new(&half, &device).is_none());
    }
}

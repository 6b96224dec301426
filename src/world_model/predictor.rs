//! The predictor `g_phi`: context tokens, actions and mask tokens to the tokens of the next state (method, 4.3).

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Int, Tensor};

use crate::config::{ActionConditioning, WorldModelConfig};
use crate::nn::{Block, BlockShape, layer_norm};

/// Where a set of tokens stands in its clip: index `t * N + n` of each, `[B, K]`.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub index: Tensor<2, Int>,
}

#[derive(Module, Debug)]
pub struct Predictor {
    pub input: Linear,
    /// Spatial positions, `[N, D_p]`.
    pub pos: Param<Tensor<2>>,
    /// Positions in time, `[T, D_p]`.
    pub pos_time: Param<Tensor<2>>,
    /// The learned token at target positions, `[1, D_p]`.
    pub mask_token: Param<Tensor<2>>,
    pub action1: Linear,
    pub action2: Linear,
    /// Stands for the action before the first frame, and for video without actions, `[1, hidden]`.
    pub null_action: Param<Tensor<2>>,
    /// Mixes the action into the tokens where conditioning is `concat`.
    pub concat: Option<Linear>,
    pub blocks: Vec<Block>,
    pub output: Linear,
    residual: bool,
    grip_sign: bool,
    tokens: usize,
}

impl Predictor {
    pub fn new(config: &WorldModelConfig, device: &Device) -> Self {
        let predictor = &config.predictor;
        let normal = |shape: [usize; 2]| Initializer::Normal { mean: 0.0, std: 0.02 }.init(shape, device);
        let film = predictor.conditioning == ActionConditioning::Film;
        let shape = BlockShape {
            dim: predictor.dim,
            heads: predictor.heads,
            mlp_ratio: predictor.mlp_ratio,
            condition: film.then_some(predictor.action_hidden),
        };
        let linear = |from: usize, to: usize| LinearConfig::new(from, to).init(device);
        // A residual predictor starts as persistence exactly.
        let output = if predictor.residual {
            LinearConfig::new(predictor.dim, config.dim)
                .with_initializer(Initializer::Zeros)
                .init(device)
        } else {
            linear(predictor.dim, config.dim)
        };
        Self {
            input: linear(config.dim, predictor.dim),
            pos: normal([config.tokens(), predictor.dim]),
            pos_time: normal([config.clip_len, predictor.dim]),
            mask_token: normal([1, predictor.dim]),
            action1: linear(config.action_dim, predictor.action_hidden),
            action2: linear(predictor.action_hidden, predictor.action_hidden),
            null_action: normal([1, predictor.action_hidden]),
            concat: (!film).then(|| linear(predictor.dim + predictor.action_hidden, predictor.dim)),
            blocks: (0..predictor.depth).map(|_| Block::new(shape, device)).collect(),
            output,
            residual: predictor.residual,
            grip_sign: predictor.grip_sign,
            tokens: config.tokens(),
        }
    }

    /// Predictions are added to the context, and not made at mask tokens.
    pub fn is_residual(&self) -> bool {
        self.residual
    }

    /// Of the grip's action it reads the sign alone.
    pub fn reads_grip_sign(&self) -> bool {
        self.grip_sign
    }

    /// One step: tokens of the present `[B, N, D]` and the action `[B, D_a]` to the tokens of the next frame, `[B, N, D]`.
    /// `column_bias` `[B or 1, N]` is the reasoning-guided bias on the context (method, 4.8). A residual predictor works
    /// on the context tokens themselves; any other predicts at mask tokens, in the scale of its training targets.
    pub fn step(&self, state: Tensor<3>, action: Tensor<2>, column_bias: Option<Tensor<2>>) -> Tensor<3> {
        let state = state.cast(self.action1.weight.val().dtype());
        let condition = self.embed_action(action).unsqueeze_dim::<3>(1);
        if !self.residual {
            return self.step_with_mask_tokens(state, condition, column_bias);
        }
        let x = self.input.forward(state.clone()) + self.pos.val().unsqueeze::<3>();
        layer_norm(state + self.refine(x, condition, column_bias))
    }

    /// Predictions at target positions (Algorithm 1, line 14).
    ///
    /// `context` `[B, K, D]` stands at `context_at`, the predictions `[B, M, D]` at `target_at`; `actions`
    /// `[B, T-1, D_a]` modulate frame t by `a_(t-1)`, or none for video without actions. In a residual predictor the
    /// prediction is added to `base` `[B, M, D]`, the last context token of each target's patch (zero where there is none).
    pub fn predict(
        &self,
        context: Tensor<3>,
        context_at: &TokenSet,
        target_at: &TokenSet,
        actions: Option<Tensor<3>>,
        base: Option<Tensor<3>>,
    ) -> Tensor<3> {
        let [b, k, _] = context.dims();
        let [_, m] = target_at.index.dims();
        let frames = self.pos_time.dims()[0];
        let null = self.null_action.val().unsqueeze::<3>();
        let hidden = null.dims()[2];
        let null = null.expand([b, 1, hidden]);
        let by_frame = match actions {
            Some(actions) => {
                let [_, steps, d] = actions.dims();
                let embedded = self
                    .embed_action(actions.reshape([b * steps, d]))
                    .reshape([b, steps, hidden]);
                Tensor::cat(vec![null, embedded], 1)
            }
            None => null.expand([b, frames, hidden]),
        };
        let at = Tensor::cat(vec![context_at.index.clone(), target_at.index.clone()], 1);
        let frame = at.clone().div_scalar(self.tokens as i64);
        let condition = by_frame.gather(1, frame.clone().unsqueeze_dim::<3>(2).repeat_dim(2, hidden));
        let dim = self.pos.dims()[1];
        let look_up = |table: Tensor<2>, index: Tensor<2, Int>| {
            table.select(0, index.reshape([b * (k + m)])).reshape([b, k + m, dim])
        };
        let place = at.clone() - frame.clone().mul_scalar(self.tokens as i64);
        let positions = look_up(self.pos.val(), place) + look_up(self.pos_time.val(), frame);
        let masked = self.mask_token.val().unsqueeze::<3>().expand([b, m, dim]);
        let context = self.input.forward(layer_norm(context.cast(masked.dtype())));
        let x = Tensor::cat(vec![context, masked], 1) + positions;
        let out = self.refine(x, condition, None).slice([0..b, k..k + m]);
        match base {
            Some(base) if self.residual => layer_norm(out.clone() + base.cast(out.dtype())),
            _ => out,
        }
    }

    fn step_with_mask_tokens(
        &self,
        state: Tensor<3>,
        condition: Tensor<3>,
        column_bias: Option<Tensor<2>>,
    ) -> Tensor<3> {
        let [b, n, _] = state.dims();
        let dim = self.pos.dims()[1];
        let hidden = condition.dims()[2];
        let time = |t: usize| self.pos_time.val().slice([t..t + 1]).unsqueeze::<3>();
        let pos = self.pos.val().unsqueeze::<3>();
        let context = self.input.forward(layer_norm(state)) + pos.clone() + time(0);
        let masked = (self.mask_token.val().unsqueeze::<3>() + pos + time(1)).expand([b, n, dim]);
        let null = self.null_action.val().unsqueeze::<3>().expand([b, n, hidden]);
        let condition = Tensor::cat(vec![null, condition.expand([b, n, hidden])], 1);
        let bias = column_bias.map(|bias| {
            let rows = bias.dims()[0];
            let none = Tensor::zeros([rows, n], &bias.device());
            Tensor::cat(vec![bias, none], 1)
        });
        let out = self.refine(Tensor::cat(vec![context, masked], 1), condition, bias);
        out.slice([0..b, n..2 * n])
    }

    /// `[B, D_a]` to `[B, hidden]`.
    fn embed_action(&self, action: Tensor<2>) -> Tensor<2> {
        let action = if self.grip_sign {
            let [b, d] = action.dims();
            let grip = action.clone().slice([0..b, d - 1..d]).sign();
            Tensor::cat(vec![action.slice([0..b, 0..d - 1]), grip], 1)
        } else {
            action
        };
        let action = action.cast(self.action1.weight.val().dtype());
        gelu(self.action2.forward(gelu(self.action1.forward(action))))
    }

    /// `x` `[B, K, D_p]` through the blocks to `[B, K, D]`; `condition` is `[B, 1 or K, hidden]`.
    fn refine(&self, x: Tensor<3>, condition: Tensor<3>, column_bias: Option<Tensor<2>>) -> Tensor<3> {
        let mut x = match &self.concat {
            Some(mix) => {
                let [b, k, _] = x.dims();
                let hidden = condition.dims()[2];
                mix.forward(Tensor::cat(vec![x, condition.clone().expand([b, k, hidden])], 2))
            }
            None => x,
        };
        for block in &self.blocks {
            x = block.forward(x, Some(condition.clone()), column_bias.clone());
        }
        self.output.forward(layer_norm(x))
    }
}

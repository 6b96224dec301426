//! Floating-point operations and bytes, counted from the parameters' shapes.
//!
//! A matrix of `m` numbers costs `2 m` operations for each row that it is applied to; attention among `n` tokens of
//! width `d` costs `4 n^2 d` a layer (logits and mixing). Additions, activations and normalisations are left out:
//! together they are a few per cent at these widths.

use serde::Serialize;

use crate::config::{Config, Precision, Stem, VlmConfig, WorldModelConfig};
use crate::nn::ParamShape;

/// Floating-point operations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Work {
    /// One frame to its tokens.
    pub encode_frame: f64,
    /// One action of one candidate: tokens to the next frame's tokens.
    pub predictor_step: f64,
    /// Predictor steps of one plan: population x iterations x horizon.
    pub steps_a_plan: u64,
    /// One plan: the frame, then every candidate's rollout.
    pub plan: f64,
    /// The VLM's tower and projector over one frame.
    pub vlm_frame: f64,
    /// The VLM's decoder over one token; attention to the tokens before it comes on top.
    pub vlm_token: f64,
}

impl Work {
    pub(super) fn new<'a>(config: &Config, shapes: impl Fn(&str) -> &'a [ParamShape]) -> Self {
        let model = &config.world_model;
        let cem = &config.plan.cem;
        let encode_frame = encode(model, shapes("encoder"));
        let predictor_step = step(model, shapes("predictor"));
        let steps_a_plan = cem.population as u64 * cem.iterations as u64 * config.plan.horizon as u64;
        Self {
            encode_frame,
            predictor_step,
            steps_a_plan,
            plan: encode_frame + steps_a_plan as f64 * predictor_step,
            vlm_frame: look(&config.vlm, shapes("vlm")),
            vlm_token: decode(&config.vlm, shapes("vlm")),
        }
    }

    pub(super) fn lines(&self) -> [(String, f64); 5] {
        [
            ("encode a frame".to_owned(), self.encode_frame),
            ("predict a step of a candidate".to_owned(), self.predictor_step),
            (format!("plan ({} predictor steps)", self.steps_a_plan), self.plan),
            ("look at a frame (VLM)".to_owned(), self.vlm_frame),
            ("read or write a token (VLM)".to_owned(), self.vlm_token),
        ]
    }
}

fn encode(model: &WorldModelConfig, shapes: &[ParamShape]) -> f64 {
    let tokens = model.tokens() as f64;
    let rows = |shape: &ParamShape| match stem_layer(&shape.path) {
        Some(layer) => stem_positions(model.image_size, model.patch_size, &model.encoder.stem, layer),
        None => tokens,
    };
    matrices(shapes, rows) + model.encoder.depth as f64 * attention(tokens, model.dim)
}

fn look(vlm: &VlmConfig, shapes: &[ParamShape]) -> f64 {
    let patches = vlm.image_tokens() as f64;
    let tokens = patches + f64::from(u8::from(vlm.class_token));
    let rows = |shape: &ParamShape| match (stem_layer(&shape.path), shape.path.split('.').next()) {
        (Some(layer), _) => stem_positions(vlm.image_size, vlm.patch_size, &vlm.stem, layer),
        (None, Some("tower")) => tokens,
        (None, Some("projector")) => patches,
        _ => 0.0,
    };
    let blocks = vlm.vision_depth.saturating_sub(vlm.unused_blocks);
    matrices(shapes, rows) + blocks as f64 * attention(tokens, vlm.vision_dim)
}

fn decode(vlm: &VlmConfig, shapes: &[ParamShape]) -> f64 {
    let rows = |shape: &ParamShape| {
        let is_table = shape.path.contains("embed_tokens") && !vlm.tied_head;
        f64::from(u8::from(shape.path.starts_with("decoder.") && !is_table))
    };
    matrices(shapes, rows)
}

/// The layer of a stem that a parameter belongs to.
fn stem_layer(path: &str) -> Option<usize> {
    let mut names = path.split('.').skip_while(|&name| name != "stem");
    names.next()?;
    names.next()?.parse().ok()
}

/// Positions that layer `layer` of a stem computes.
fn stem_positions(image_size: usize, patch_size: usize, stem: &Stem, layer: usize) -> f64 {
    let stride: usize = match stem {
        Stem::Patch => patch_size,
        Stem::Conv(layers) => layers.iter().take(layer + 1).map(|layer| layer.2).product(),
    };
    let side = image_size as f64 / stride as f64;
    side * side
}

fn step(model: &WorldModelConfig, shapes: &[ParamShape]) -> f64 {
    let predictor = &model.predictor;
    let context = model.tokens() as f64;
    // With mask tokens the context stands beside as many targets, each with its own frame's action.
    let (tokens, conditions) = if predictor.residual {
        (context, 1.0)
    } else {
        (2.0 * context, 2.0 * context)
    };
    let rows = |shape: &ParamShape| {
        let path = shape.path.as_str();
        if path.starts_with("action") {
            1.0
        } else if path.contains(".film.") {
            conditions
        } else if path.starts_with("input") {
            context
        } else {
            tokens
        }
    };
    matrices(shapes, rows) + predictor.depth as f64 * attention(tokens, predictor.dim)
}

/// Operations of all matrices; vectors and tables of positions or tokens are added, not multiplied.
fn matrices(shapes: &[ParamShape], rows: impl Fn(&ParamShape) -> f64) -> f64 {
    let is_matrix = |shape: &&ParamShape| shape.path.ends_with("weight") && shape.shape.len() >= 2;
    shapes
        .iter()
        .filter(is_matrix)
        .map(|shape| 2.0 * shape.count() as f64 * rows(shape))
        .sum()
}

fn attention(tokens: f64, dim: usize) -> f64 {
    4.0 * tokens * tokens * dim as f64
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// All modules, to plan with. On the CPU a residual predictor is held twice: `CpuPredictor` has a copy.
    pub weights: f64,
    /// Parameters, gradients and AdamW's two moments of what stage 1 trains, as f32, and the target encoder; in bf16 the
    /// copies that compute come on top. Without activations.
    pub stage_1_state: f64,
    /// The widest moment of a rollout step of the whole population at once: two residual streams beside queries, keys,
    /// values and logits, or beside the two ends of the MLP.
    pub plan_activations: f64,
}

impl Memory {
    pub(super) fn new(config: &Config, parameters: u64, trained: u64, target: u64) -> Self {
        let bytes = match config.precision {
            Precision::F32 => 4.0,
            Precision::Bf16 => 2.0,
        };
        let predictor = &config.world_model.predictor;
        let context = config.world_model.tokens();
        let tokens = if predictor.residual { context } else { 2 * context };
        let attention = 3 * predictor.dim + 2 * predictor.heads * tokens;
        let mlp = 2 * predictor.mlp_ratio * predictor.dim;
        let wide = (2 * predictor.dim + attention.max(mlp)) as f64;
        let copies = match config.precision {
            Precision::F32 => 0.0,
            Precision::Bf16 => (trained + target) as f64 * bytes,
        };
        Self {
            weights: parameters as f64 * bytes,
            stage_1_state: (4 * trained + target) as f64 * 4.0 + copies,
            plan_activations: config.plan.cem.population as f64 * tokens as f64 * wide * bytes,
        }
    }

    pub(super) fn lines(&self) -> [(&'static str, f64); 3] {
        [
            ("weights", self.weights),
            ("stage 1, without activations", self.stage_1_state),
            ("activations of a plan, at most", self.plan_activations),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use crate::config::preset;

    /// By hand for nano's predictor step: 16 tokens of width 128, two blocks.
    #[test]
    fn a_step_of_nano_by_hand() {
        let (n, d) = (16.0, 128.0);
        let block = n * (3.0 * d * d + d * d + 2.0 * 2.0 * d * d) + 4.0 * d * d;
        let rest = n * (d * d + d * d) + 3.0 * d + d * d;
        let by_hand = 2.0 * (2.0 * block + rest) + 2.0 * 4.0 * n * n * d;
        let report = Report::new(&preset("nano").unwrap());
        assert_eq!(report.work.predictor_step, by_hand);
        assert_eq!(report.work.steps_a_plan, 48 * 2 * 5);
    }

    /// 25,600 forwards of 85 M parameters and 392 tokens are about 1.7 PFLOP; FiLM by token and attention add to it.
    #[test]
    fn a_plan_of_the_paper_takes_seconds_and_not_milliseconds() {
        let work = Report::new(&preset("paper").unwrap()).work;
        assert_eq!(work.steps_a_plan, 25_600);
        assert!((1.7e15..2.8e15).contains(&work.plan), "{}", work.plan);
        // A token of a 7B model takes two operations a parameter; its tables take none.
        assert!((work.vlm_token - 2.0 * 6.6e9).abs() < 0.1e9, "{}", work.vlm_token);
        // CLIP ViT-L/14 at 336 is known at 191 G multiply-adds; one of its 24 blocks is unused, the projector is added.
        assert!((work.vlm_frame - 2.0 * 0.191e12).abs() < 0.03e12, "{}", work.vlm_frame);
    }
}

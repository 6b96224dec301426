//! The network: a frame, what the robot knows of itself and the words of a sub-goal to an action, and to whether the
//! sub-goal is done.

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::WorldModelConfig;
use crate::nn::{Block, BlockShape, layer_norm};
use crate::world_model::Encoder;

/// Tokens of a text that are read; what comes after them is cut off.
pub const MOST_WORDS: usize = 48;
/// dx, dy, the logit of the grip, the logit of "done".
pub const OUTPUTS: usize = 4;
/// Gripper x and y, suction, holding.
const BODY: usize = 4;
/// On the attention logits of what only fills a text up.
const HIDDEN: f32 = -1e4;

/// An encoder of the world model's make, and behind it a transformer in which what the robot knows of itself, the words and
/// the patches see each other. It is as wide as the predictor and one block deeper: the predictor's blocks have FiLM heads
/// instead, so that both come to about as many parameters.
#[derive(Module, Debug)]
pub struct Policy {
    pub encoder: Encoder,
    pub input: Linear,
    /// Spatial positions, `[N, D_p]`.
    pub pos: Param<Tensor<2>>,
    pub words: Embedding,
    /// Positions in the text, `[MOST_WORDS, D_p]`.
    pub word_pos: Param<Tensor<2>>,
    pub body: Linear,
    pub blocks: Vec<Block>,
    pub output: Linear,
}

/// The texts of a batch in the language model's own tokens.
#[derive(Clone, Debug)]
pub struct Words {
    /// `[B, L]`.
    pub ids: Tensor<2, Int>,
    /// 0 where there is a word, far below it where a text is filled up to the longest, `[B, L]`.
    pub bias: Tensor<2>,
}

impl Words {
    pub fn new(texts: &[&[u32]], device: &Device) -> Self {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let length = longest.clamp(1, MOST_WORDS);
        let (mut ids, mut bias) = (Vec::new(), Vec::new());
        for text in texts {
            ids.extend((0..length).map(|at| text.get(at).map_or(0, |&id| i64::from(id))));
            bias.extend((0..length).map(|at| if at < text.len() { 0.0 } else { HIDDEN }));
        }
        let shape = [texts.len(), length];
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            bias: Tensor::from_data(TensorData::new(bias, shape), device),
        }
    }
}

impl Policy {
    /// `vocab_size` is the language model's.
    pub fn new(config: &WorldModelConfig, vocab_size: usize, device: &Device) -> Self {
        let predictor = &config.predictor;
        let dim = predictor.dim;
        let normal = |shape: [usize; 2], std: f64| Initializer::Normal { mean: 0.0, std }.init(shape, device);
        // Words and their places are of norm 2 at any width: about what the first blocks add to them.
        let std = 2.0 * (dim as f64).powf(-0.5);
        let shape = BlockShape {
            dim,
            heads: predictor.heads,
            mlp_ratio: predictor.mlp_ratio,
            condition: None,
        };
        Self {
            encoder: Encoder::new(config, device),
            input: LinearConfig::new(config.dim, dim).init(device),
            pos: normal([config.tokens(), dim], 0.02),
            words: EmbeddingConfig::new(vocab_size, dim)
                .with_initializer(Initializer::Normal { mean: 0.0, std })
                .init(device),
            word_pos: normal([MOST_WORDS, dim], std),
            body: LinearConfig::new(BODY, dim).init(device),
            blocks: (0..=predictor.depth).map(|_| Block::new(shape, device)).collect(),
            output: LinearConfig::new(dim, OUTPUTS).init(device),
        }
    }

    /// Frames `[B, 3, H, W]` (0 to 255), what the robot knows of itself `[B, 4]`, and words, to `[B, OUTPUTS]`: dx and dy as
    /// they are to be carried out, then the logits of the grip and of "done".
    pub fn forward(&self, frames: Tensor<4>, body: Tensor<2>, words: &Words) -> Tensor<2> {
        let seen = self.encoder.forward(frames);
        let seen = self.input.forward(seen) + self.pos.val().unsqueeze::<3>();
        let [b, n, dim] = seen.dims();
        let [_, length] = words.ids.dims();
        let places = self.word_pos.val().slice([0..length]).unsqueeze::<3>();
        let read = self.words.forward(words.ids.clone()) + places;
        let body = self.body.forward(body.cast(seen.dtype())).unsqueeze_dim::<3>(1);
        let device = words.bias.device();
        let shown = |columns: usize| Tensor::<2>::zeros([b, columns], &device);
        let bias = Tensor::cat(vec![shown(1), words.bias.clone(), shown(n)], 1);
        let mut x = Tensor::cat(vec![body, read, seen], 1);
        for block in &self.blocks {
            x = block.forward(x, None, Some(bias.clone()));
        }
        // The robot's own token has gathered what it takes.
        let own = layer_norm(x.slice([0..b, 0..1])).reshape([b, dim]);
        self.output.forward(own)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::config::{PRESETS, preset};
    use crate::nn::{ParamShape, census};
    use crate::world_model::Predictor;

    #[test]
    fn it_has_about_as_many_parameters_as_encoder_and_predictor() {
        fn count<M: Module>(module: &M) -> f64 {
            census(module).iter().map(ParamShape::count).sum::<u64>() as f64
        }
        let device = Device::flex();
        for name in PRESETS {
            let config = preset(name).unwrap();
            let model = &config.world_model;
            let policy = count(&Policy::new(model, config.vlm.vocab_size, &device));
            let world = count(&Encoder::new(model, &device)) + count(&Predictor::new(model, &device));
            println!("{name}: policy {policy:.0}, encoder and predictor {world:.0}");
            assert!((0.9..1.1).contains(&(policy / world)), "{name}: {policy} and {world}");
        }
    }

    #[test]
    fn a_decision_depends_on_the_frame_the_body_and_the_order_of_the_words_and_not_on_what_fills_a_text_up() {
        let config = preset("nano").unwrap();
        let (model, device) = (&config.world_model, Device::flex());
        device.seed(3);
        let policy = Policy::new(model, config.vlm.vocab_size, &device);
        let size = model.image_size;
        let frames = Tensor::<4>::random([2, 3, size, size], Distribution::Uniform(0.0, 255.0), &device);
        let body = Tensor::<2>::from_data([[0.1, -0.4, 1.0, 1.0], [0.3, 0.2, -1.0, -1.0]], &device);
        let forward = |frames: &Tensor<4>, body: &Tensor<2>, texts: [&[u32]; 2]| {
            policy.forward(frames.clone(), body.clone(), &Words::new(&texts, &device))
        };
        let row = |out: Tensor<2>, row: usize| {
            out.slice([row..row + 1])
                .into_data()
                .iter::<f32>()
                .collect::<Vec<f32>>()
        };
        let gap = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (short, long) = (&[5, 9, 17][..], &[5, 9, 17, 40, 41, 42][..]);
        let out = forward(&frames, &body, [short, long]);
        assert_eq!(out.dims(), [2, OUTPUTS]);
        let whole = row(out, 0);
        assert!(
            gap(&whole, &row(forward(&frames, &body, [short, short]), 0)) < 1e-5,
            "filled up"
        );
        assert!(
            gap(&whole, &row(forward(&frames, &body, [&[9, 5, 17], long]), 0)) > 1e-4,
            "order"
        );
        assert!(
            gap(&whole, &row(forward(&frames, &(body.clone() * 2.0), [short, long]), 0)) > 1e-4,
            "body"
        );
        let other = frames.clone().flip([3]);
        assert!(
            gap(&whole, &row(forward(&other, &body, [short, long]), 0)) > 1e-4,
            "frame"
        );
        let endless = vec![7; 3 * MOST_WORDS];
        assert_eq!(forward(&frames, &body, [&endless, &[]]).dims(), [2, OUTPUTS]);
    }
}

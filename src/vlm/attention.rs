//! Where each token of a text looked in the frame, by layer and head. The method's map of a sub-goal (4.4) is one mean of
//! it: the last layer's, over its heads and the sub-goal's own tokens.
//!
//! A recorded answer is teacher-forced after its prompt: attention is causal, so every token attends as it did when it was
//! written. Nothing here takes part in planning.

use std::ops::Range;

use super::{
    error::VlmError, ground::grounding_example, maps::attention_map, model::Vlm, pixels::pixels,
    tokenizer::PromptTokens,
};
use crate::{recording::AttentionMap, sim::Frame};

/// One layer and head to look through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lens {
    /// Counted from 0; none: the last one, as the method does.
    pub layer: Option<usize>,
    /// Counted from 0; none: the mean of all, as the method does.
    pub head: Option<usize>,
}

/// Whose attention is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttentionQuestion {
    /// Of each token of an answer that was given to a prompt.
    Answer { prompt: String, tokens: Vec<u32> },
    /// Of each token of a sub-goal's own text where it is grounded, as for [`Vlm::ground`].
    SubGoal { text: String, objects: Vec<String> },
}

/// The attention of some tokens over the image patches.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAttention {
    pub layers: usize,
    pub heads: usize,
    pub tokens: usize,
    /// Height and width of the patch grid.
    pub grid: [usize; 2],
    /// `[layers, heads, tokens, P]`: the share of its attention that a token gives to a patch. The rest of it goes to text.
    pub values: Vec<f32>,
}

impl TokenAttention {
    /// Shares of attention for each patch, `[P]`: the mean over some of the tokens.
    pub fn weights(&self, tokens: Range<usize>, lens: Lens) -> Vec<f32> {
        self.mean_of(tokens, lens, 0..self.grid[0] * self.grid[1])
    }

    fn mean_of(&self, tokens: Range<usize>, lens: Lens, wanted: Range<usize>) -> Vec<f32> {
        let patches = self.grid[0] * self.grid[1];
        let layer = lens.layer.unwrap_or(usize::MAX).min(self.layers - 1);
        let heads = lens.head.map_or(0..self.heads, |head| {
            let head = head.min(self.heads - 1);
            head..head + 1
        });
        let tokens = tokens.start..tokens.end.min(self.tokens);
        let mut sum = vec![0.0f64; wanted.len()];
        let rows = (heads.len() * tokens.len()).max(1) as f64;
        for head in heads {
            for token in tokens.clone() {
                let at = ((layer * self.heads + head) * self.tokens + token) * patches;
                let row = &self.values[at + wanted.start..at + wanted.end];
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
        sum.into_iter().map(|sum| (sum / rows) as f32).collect()
    }

    /// The share of attention for one patch: the mean over some of the tokens.
    pub fn on_patch(&self, tokens: Range<usize>, lens: Lens, patch: usize) -> f32 {
        self.mean_of(tokens, lens, patch..patch + 1)[0]
    }

    /// The same as a map with mean 1, also on the world model's grid.
    pub fn map(&self, tokens: Range<usize>, lens: Lens, model_grid: [usize; 2]) -> AttentionMap {
        attention_map(&self.weights(tokens, lens), self.grid, model_grid)
    }
}

impl Vlm {
    /// Attention of every layer and head as a frame is looked at.
    ///
    /// # Errors
    /// The text is empty or longer than the model takes, or it gives numbers that are not finite.
    pub fn attention(&self, frame: &Frame, asked: &AttentionQuestion) -> Result<TokenAttention, VlmError> {
        match asked {
            AttentionQuestion::Answer { prompt, tokens } => self.answer_attention(frame, prompt, tokens),
            AttentionQuestion::SubGoal { text, objects } => self.grounding_attention(frame, text, objects),
        }
    }

    fn answer_attention(&self, frame: &Frame, prompt: &str, answer: &[u32]) -> Result<TokenAttention, VlmError> {
        let PromptTokens { mut ids, image_at } = self.tokenizer.encode_prompt(prompt, self.config().image_tokens())?;
        let from = ids.len();
        ids.extend(answer);
        self.attention_of(frame, &ids, image_at, from..ids.len())
    }

    fn grounding_attention<O: AsRef<str> + Clone>(
        &self,
        frame: &Frame,
        text: &str,
        objects: &[O],
    ) -> Result<TokenAttention, VlmError> {
        let example = grounding_example(frame, text, objects, Vec::new());
        let mut encoded = example.encode(&self.tokenizer, self.config())?;
        let Some((span, _)) = encoded.spans.pop() else {
            return Err(VlmError::Span {
                range: 0..0,
                length: example.answer.len(),
            });
        };
        self.attention_of(frame, &encoded.tokens[..span.end], encoded.image_at, span)
    }

    fn attention_of(
        &self,
        frame: &Frame,
        ids: &[u32],
        image_at: usize,
        rows: Range<usize>,
    ) -> Result<TokenAttention, VlmError> {
        let (tokens, limit) = (ids.len(), self.config().max_tokens);
        if tokens > limit {
            return Err(VlmError::TooLong { tokens, limit });
        }
        let image = self.model.image_tokens(pixels(&[frame], self.config(), &self.device()));
        let embedded = self.model.embed(image, self.ints(ids, 1), image_at);
        let columns = self.model.image_columns(image_at);
        let layers = self.model.decoder.attention_by_layer(embedded, rows.clone(), &columns);
        let mut values = Vec::new();
        for layer in &layers {
            let layer = layer.clone().try_into_vec_as::<f32>();
            values.extend(layer.map_err(|err| VlmError::Read(err.to_string()))?);
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(VlmError::NotFinite { token: 0 });
        }
        Ok(TokenAttention {
            layers: layers.len(),
            heads: self.config().heads,
            tokens: rows.len(),
            grid: [self.config().grid(); 2],
            values,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::vlm::decoder::Wanted;
    use crate::vlm::{Sampling, model::tests::tiny, plan_prompt};

    fn frame() -> Frame {
        Frame {
            width: 16,
            height: 16,
            rgb: (0..3 * 16 * 16).map(|i| (i * 47 % 251) as u8).collect(),
        }
    }

    fn gap(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    const LAST_MEAN: Lens = Lens {
        layer: None,
        head: None,
    };

    #[test]
    fn the_mean_of_the_last_layers_heads_is_the_methods_map() {
        let vlm = tiny(41);
        let (text, objects) = ("pick up the red block", vec!["red block"]);
        let ground = vlm.ground(&frame(), &[(text, objects.clone())], [2, 2]).unwrap();
        let attention = vlm.grounding_attention(&frame(), text, &objects).unwrap();
        assert_eq!((attention.layers, attention.heads, attention.grid), (2, 4, [4, 4]));
        let map = attention.map(0..attention.tokens, LAST_MEAN, [2, 2]);
        assert!(gap(&map.values, &ground[0].map.values) < 1e-4);
        assert!(gap(&map.resampled, &ground[0].map.resampled) < 1e-4);
        // Each head by itself says something else, and so does the layer before; their mean says the same.
        let through = |layer, head| attention.weights(0..attention.tokens, Lens { layer, head });
        let heads: Vec<Vec<f32>> = (0..4).map(|head| through(None, Some(head))).collect();
        let mean: Vec<f32> = (0..16)
            .map(|p| heads.iter().map(|head| head[p]).sum::<f32>() / 4.0)
            .collect();
        assert!(gap(&mean, &through(None, None)) < 1e-6 && gap(&heads[0], &heads[3]) > 1e-4);
        assert_eq!(through(Some(1), None), through(None, None));
        assert!(gap(&through(Some(0), None), &through(None, None)) > 1e-4);
        let one = attention.on_patch(
            0..2,
            Lens {
                layer: Some(0),
                head: Some(2),
            },
            5,
        );
        assert_eq!(
            one,
            attention.weights(
                0..2,
                Lens {
                    layer: Some(0),
                    head: Some(2)
                }
            )[5]
        );
        assert!(attention.values.iter().all(|&share| (0.0..=1.0).contains(&share)));
    }

    /// An answer attends under teacher forcing as it did while it was written.
    #[test]
    fn an_answer_attends_as_in_the_pass_that_the_model_makes_itself() {
        let vlm = tiny(42);
        let prompt = plan_prompt("stack red on green");
        let answer = vlm
            .reason(&frame(), &prompt, Sampling::Greedy, 12, &mut |_, _| {
                ControlFlow::Continue(())
            })
            .unwrap();
        let attention = vlm.answer_attention(&frame(), &prompt, &answer.tokens).unwrap();
        assert_eq!(attention.tokens, answer.tokens.len());
        let encoded = vlm.tokenizer.encode_prompt(&prompt, 16).unwrap();
        let mut ids = encoded.ids.clone();
        ids.extend(&answer.tokens);
        let image = vlm.model.image_tokens(pixels(&[&frame()], vlm.config(), &vlm.device()));
        let wanted = Wanted {
            rows_from: encoded.ids.len(),
            attention: true,
        };
        let hidden = vlm
            .model
            .forward(image, vlm.ints(&ids, 1), encoded.image_at, None, wanted);
        let last = hidden.attention.unwrap().on(vlm.model.image_columns(encoded.image_at));
        let expected = last.mean_dim(1).try_into_vec_as::<f32>().unwrap();
        for token in 0..attention.tokens {
            let row = attention.weights(token..token + 1, LAST_MEAN);
            assert!(gap(&row, &expected[16 * token..16 * (token + 1)]) < 1e-5);
        }
        let long = vec![answer.tokens[0]; 200];
        assert!(matches!(
            vlm.answer_attention(&frame(), &prompt, &long),
            Err(VlmError::TooLong { limit: 128, .. })
        ));
    }
}

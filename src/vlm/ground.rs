//! Grounding: a sub-goal's fixed text is teacher-forced on a frame, for an embedding and a map that belong to that text
//! and that moment (method, 4.4 and Algorithm 2, lines 2 and 5; interfaces: "When goals are made").

use std::ops::Range;

use burn::tensor::Tensor;

use super::{
    batch::{Encoded, Example, SpanIndex, SpanTarget, TokenBatch},
    decoder::{Hidden, Wanted},
    error::VlmError,
    maps::attention_map,
    model::{Vlm, VlmModel},
    parser::{format_answer, parse_answer},
    prompt::grounding_prompt,
};
use crate::{nn::wide, recording::AttentionMap, sim::Frame};

/// What the planner needs of a sub-goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Grounding {
    /// `e_k`: mean of the last hidden states over the sub-goal's own tokens, `[D_VLM]`.
    pub embedding: Vec<f32>,
    /// `w_k`
    pub map: AttentionMap,
}

/// The same for training, differentiable.
pub struct SpanOutput {
    /// `[S, D_VLM]`
    pub embeddings: Tensor<2>,
    /// Attention of the last layer over the image patches, averaged over heads and the span's tokens, `[S, P]`; rows sum
    /// to the share of attention that the image gets. None if the pass kept no attention.
    pub attention: Option<Tensor<2>>,
}

/// Averages a pass over the spans of its batch, in single precision; `image` are the columns of the image patches.
pub fn span_output(hidden: &Hidden, spans: &SpanIndex, image: Range<usize>) -> SpanOutput {
    let gather = |values: Tensor<3>| {
        let rows: Tensor<2> = spans.average.clone().matmul(wide(values)).flatten(0, 1);
        rows.select(0, spans.chosen.clone())
    };
    let attention = hidden
        .attention
        .as_ref()
        .map(|weights| gather(weights.on(image).mean_dim(1).squeeze_dim(1)));
    SpanOutput {
        embeddings: gather(hidden.states.clone()),
        attention,
    }
}

/// The example under which a sub-goal is grounded: its text is the task, the answer the text without reasoning. Training
/// contains the same examples, so that grounding is no surprise to the model. `map` as in [`SpanTarget`].
pub fn grounding_example<O: AsRef<str> + Clone>(frame: &Frame, text: &str, objects: &[O], map: Vec<f32>) -> Example {
    let answer = format_answer("", &[(text, objects.to_vec())]);
    let spans = parse_answer(&answer).sub_goals.into_iter();
    let spans = spans
        .map(|goal| SpanTarget {
            range: goal.byte_range,
            map: map.clone(),
        })
        .collect();
    Example {
        frame: frame.clone(),
        prompt: grounding_prompt(text),
        answer,
        spans,
    }
}

impl VlmModel {
    /// Embeddings and attention for the spans of a batch, with gradients (method, stage 2); none without spans.
    pub fn spans(&self, batch: &TokenBatch) -> Option<SpanOutput> {
        self.spans_of(self.image_tokens(batch.pixels.clone()), batch)
    }

    /// The same where the image tokens `[B, P, D_VLM]` are known, as when tower and projector are frozen.
    pub fn spans_of(&self, image: Tensor<3>, batch: &TokenBatch) -> Option<SpanOutput> {
        let spans = batch.spans.as_ref()?;
        let wanted = Wanted {
            rows_from: batch.rows_from,
            attention: true,
        };
        let hidden = self.forward(image, batch.tokens.clone(), batch.image_at, None, wanted);
        Some(span_output(&hidden, spans, self.image_columns(batch.image_at)))
    }
}

impl Vlm {
    /// Embedding and map of each (text, objects) on a frame; maps are also resampled to the world model's grid
    /// `model_grid`, height and width.
    ///
    /// # Errors
    /// A text is empty or too long, or the model gives numbers that are not finite.
    pub fn ground<T: AsRef<str>, O: AsRef<str> + Clone>(
        &self,
        frame: &Frame,
        sub_goals: &[(T, Vec<O>)],
        model_grid: [usize; 2],
    ) -> Result<Vec<Grounding>, VlmError> {
        if sub_goals.is_empty() {
            return Ok(Vec::new());
        }
        let config = self.config();
        let mut members = Vec::with_capacity(sub_goals.len());
        for (text, objects) in sub_goals {
            let example = grounding_example(frame, text.as_ref(), objects, Vec::new());
            let mut encoded = example.encode(&self.tokenizer, config)?;
            let Some((span, _)) = encoded.spans.first() else {
                return Err(VlmError::Span {
                    range: 0..0,
                    length: example.answer.len(),
                });
            };
            // Attention is causal: what comes after the text cannot change what is read at it.
            encoded.tokens.truncate(span.end);
            members.push(encoded);
        }
        let members: Vec<&Encoded> = members.iter().collect();
        let device = self.device();
        let batch = TokenBatch::new(&members, &self.tokenizer, config, &device)?;
        let [_, channels, height, width] = batch.pixels.dims();
        let one = batch
            .pixels
            .clone()
            .slice_dim(0, 0..1)
            .reshape([1, channels, height, width]);
        let image = self.model.image_tokens(one).repeat_dim(0, members.len());
        let Some(SpanOutput {
            embeddings,
            attention: Some(attention),
        }) = self.model.spans_of(image, &batch)
        else {
            return Err(VlmError::Span { range: 0..0, length: 0 });
        };
        let embeddings = rows(embeddings)?;
        let maps = rows(attention)?;
        let grid = [config.grid(); 2];
        let grounding = |(embedding, weights): (Vec<f32>, Vec<f32>)| Grounding {
            map: attention_map(&weights, grid, model_grid),
            embedding,
        };
        Ok(embeddings.into_iter().zip(maps).map(grounding).collect())
    }
}

/// Rows of a matrix on the host, checked to be finite.
fn rows(matrix: Tensor<2>) -> Result<Vec<Vec<f32>>, VlmError> {
    let [_, width] = matrix.dims();
    let values = matrix
        .try_into_vec_as::<f32>()
        .map_err(|err| VlmError::Read(err.to_string()))?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(VlmError::NotFinite { token: 0 });
    }
    Ok(values.chunks(width).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::model::tests::tiny;

    #[test]
    fn grounding_is_the_training_pass_and_belongs_to_the_text() {
        let vlm = tiny(31);
        let rgb: Vec<u8> = (0..3 * 16 * 16).map(|i| (i * 41 % 255) as u8).collect();
        let frame = Frame {
            width: 16,
            height: 16,
            rgb: rgb.into(),
        };
        let goals = [
            ("pick up the red block", vec!["red block"]),
            ("place it", vec!["yellow pad"]),
        ];
        let grounded = vlm.ground(&frame, &goals, [2, 2]).unwrap();
        for (grounding, (text, objects)) in grounded.iter().zip(&goals) {
            assert_eq!((grounding.map.grid, grounding.map.model_grid), ([4, 4], [2, 2]));
            assert!((grounding.map.values.iter().sum::<f32>() - 16.0).abs() < 1e-4);
            // Alone, uncut and through the training path.
            let example = grounding_example(&frame, text, objects, Vec::new());
            let encoded = example.encode(vlm.tokenizer(), vlm.config()).unwrap();
            let batch = TokenBatch::new(&[&encoded], vlm.tokenizer(), vlm.config(), &vlm.device()).unwrap();
            let spans = vlm.model().spans(&batch).unwrap();
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close(&rows(spans.embeddings).unwrap()[0], &grounding.embedding));
            let weights = rows(spans.attention.unwrap()).unwrap().remove(0);
            assert!(close(
                &attention_map(&weights, [4, 4], [2, 2]).values,
                &grounding.map.values
            ));
            assert!(
                weights.iter().sum::<f32>() < 1.0,
                "a share of attention goes to the text"
            );
        }
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(distance(&grounded[0].embedding, &grounded[1].embedding) > 1e-2);
        assert!(vlm.ground::<&str, &str>(&frame, &[("", vec![])], [2, 2]).is_err());
        assert!(vlm.ground::<&str, &str>(&frame, &[], [2, 2]).unwrap().is_empty());
    }
}

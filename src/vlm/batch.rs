//! From examples to padded token batches.
//!
//! The length of the sequences is the cost of training: [`buckets`] draws batches of members that are about equally long.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;

use super::{error::VlmError, pixels::pixels, tokenizer::VlmTokenizer};
use crate::{
    config::VlmConfig,
    random::{Stream, rng},
    sim::Frame,
};

/// Where a sub-goal's attention should lie.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanTarget {
    /// The bytes of the sub-goal's text within the answer.
    pub range: Range<usize>,
    /// A distribution over the image patches, `[P]`, row-major, sum 1; empty where none is known.
    pub map: Vec<f32>,
}

/// A frame, what is asked and what should be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub frame: Frame,
    /// From [`super::prompt`].
    pub prompt: String,
    /// From [`super::parser::format_answer`].
    pub answer: String,
    pub spans: Vec<SpanTarget>,
}

/// An example in tokens: prompt, answer, `<eos>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub frame: Frame,
    pub tokens: Vec<u32>,
    pub image_at: usize,
    /// The first token of the answer.
    pub answer_at: usize,
    /// Tokens of each span with its target.
    pub spans: Vec<(Range<usize>, Vec<f32>)>,
}

impl Example {
    /// # Errors
    /// The prompt has no image, a span covers no text, a target has another size than the image, or all of it is longer
    /// than the model takes.
    pub fn encode(&self, tokenizer: &VlmTokenizer, config: &VlmConfig) -> Result<Encoded, VlmError> {
        let prompt = tokenizer.encode_prompt(&self.prompt, config.image_tokens())?;
        let (answer, offsets) = tokenizer.encode(&self.answer)?;
        let answer_at = prompt.ids.len();
        let mut spans = Vec::with_capacity(self.spans.len());
        for span in &self.spans {
            let expected = config.image_tokens();
            if !span.map.is_empty() && span.map.len() != expected {
                return Err(VlmError::TargetSize {
                    found: span.map.len(),
                    expected,
                });
            }
            let covered = covered(&offsets, &span.range).ok_or_else(|| VlmError::Span {
                range: span.range.clone(),
                length: self.answer.len(),
            })?;
            spans.push((answer_at + covered.start..answer_at + covered.end, span.map.clone()));
        }
        let mut tokens = prompt.ids;
        tokens.extend(answer);
        tokens.push(tokenizer.eos);
        if tokens.len() > config.max_tokens {
            return Err(VlmError::TooLong {
                tokens: tokens.len(),
                limit: config.max_tokens,
            });
        }
        Ok(Encoded {
            frame: self.frame.clone(),
            tokens,
            image_at: prompt.image_at,
            answer_at,
            spans,
        })
    }
}

/// The tokens that share bytes with a range.
fn covered(offsets: &[Range<usize>], range: &Range<usize>) -> Option<Range<usize>> {
    let overlaps = |token: &Range<usize>| token.start < range.end && range.start < token.end;
    let first = offsets.iter().position(overlaps)?;
    let last = offsets.iter().rposition(overlaps)?;
    Some(first..last + 1)
}

/// Spans of a batch, `S` in all.
#[derive(Clone, Debug)]
pub struct SpanIndex {
    /// Row i of member b averages over the tokens of its i-th span, `[B, S_max, R]`.
    pub average: Tensor<3>,
    /// Which of the `B * S_max` rows are spans, in the order of members, `[S]`.
    pub chosen: Tensor<1, Int>,
    /// `S`
    pub count: usize,
}

/// Padded to the right with `<pad>`; causal attention keeps the padding out of what is before it.
#[derive(Clone, Debug)]
pub struct TokenBatch {
    /// `[B, 3, S, S]`
    pub pixels: Tensor<4>,
    /// `[B, L]`
    pub tokens: Tensor<2, Int>,
    pub image_at: usize,
    /// The first position whose state is of use; `R = L - rows_from` rows are.
    pub rows_from: usize,
    /// Flat positions in `[B * R]` that predict an answer's tokens and its end, `[M]`.
    pub predicting: Tensor<1, Int>,
    /// What they should predict, `[M]`.
    pub labels: Tensor<1, Int>,
    /// None if no member has a span.
    pub spans: Option<SpanIndex>,
    /// `[S, P]`; a row of zeros where no target is known.
    pub targets: Option<Tensor<2>>,
}

impl TokenBatch {
    /// # Errors
    /// The members have their image at different places.
    pub fn new(
        members: &[&Encoded],
        tokenizer: &VlmTokenizer,
        config: &VlmConfig,
        device: &Device,
    ) -> Result<Self, VlmError> {
        let first = members.first().map_or(0, |member| member.image_at);
        if let Some(other) = members.iter().map(|member| member.image_at).find(|&at| at != first) {
            return Err(VlmError::ImagePlaces { first, other });
        }
        let length = members.iter().map(|member| member.tokens.len()).max().unwrap_or(0);
        // The position before the first answer predicts that answer's first token.
        let rows_from = members.iter().map(|member| member.answer_at).min().unwrap_or(1) - 1;
        let rows = length - rows_from;
        let most_spans = members.iter().map(|member| member.spans.len()).max().unwrap_or(0);
        let mut tokens = vec![i64::from(tokenizer.pad); members.len() * length];
        let (mut predicting, mut labels) = (Vec::new(), Vec::new());
        let mut average = vec![0.0f32; members.len() * most_spans * rows];
        let (mut chosen, mut targets) = (Vec::new(), Vec::new());
        for (b, member) in members.iter().enumerate() {
            for (i, &id) in member.tokens.iter().enumerate() {
                tokens[b * length + i] = i64::from(id);
                if i >= member.answer_at {
                    predicting.push((b * rows + i - 1 - rows_from) as i64);
                    labels.push(i64::from(id));
                }
            }
            for (s, (span, map)) in member.spans.iter().enumerate() {
                let row = b * most_spans + s;
                let at = row * rows + span.start - rows_from;
                average[at..at + span.len()].fill(1.0 / span.len() as f32);
                chosen.push(row as i64);
                targets.extend(map.iter().copied());
                targets.resize(chosen.len() * config.image_tokens(), 0.0);
            }
        }
        let ints = |values: Vec<i64>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), device)
        };
        let count = chosen.len();
        let frames: Vec<&Frame> = members.iter().map(|member| &member.frame).collect();
        Ok(Self {
            pixels: pixels(&frames, config, device),
            tokens: ints(tokens).reshape([members.len(), length]),
            image_at: first,
            rows_from,
            predicting: ints(predicting),
            labels: ints(labels),
            targets: (count > 0)
                .then(|| Tensor::from_data(TensorData::new(targets, [count, config.image_tokens()]), device)),
            spans: (count > 0).then(|| SpanIndex {
                average: Tensor::from_data(TensorData::new(average, [members.len(), most_spans, rows]), device),
                chosen: ints(chosen),
                count,
            }),
        })
    }
}

/// Batches of about equally long members: indices into `lengths`, each used once, `batch` at a time (the last of a run
/// of equal lengths may be short by what is left over). Order and ties are drawn from (seed, round).
pub fn buckets(lengths: &[usize], batch: usize, seed: u64, round: u64) -> Vec<Vec<usize>> {
    let mut numbers = rng(seed, Stream::Clips, round, 1);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.shuffle(&mut numbers);
    order.sort_by_key(|&i| lengths[i]);
    let mut batches: Vec<Vec<usize>> = order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect();
    batches.shuffle(&mut numbers);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::{
        parser::{format_answer, parse_answer},
        prompt::plan_prompt,
        tokenizer::tests::tabletop,
    };

    fn example(goals: &[(&str, Vec<&str>)]) -> Example {
        let answer = format_answer("The red block is on the table.", goals);
        let spans = parse_answer(&answer).sub_goals.into_iter();
        let spans = spans
            .map(|goal| SpanTarget {
                range: goal.byte_range,
                map: vec![1.0 / 64.0; 64],
            })
            .collect();
        let frame = Frame {
            width: 64,
            height: 64,
            rgb: vec![90; 3 * 64 * 64].into(),
        };
        Example {
            frame,
            prompt: plan_prompt("put the red block on the yellow pad"),
            answer,
            spans,
        }
    }

    #[test]
    fn labels_follow_the_answer_and_spans_their_text() {
        let (tokenizer, config) = (tabletop(), crate::config::preset("nano").unwrap().vlm);
        let long = example(&[
            ("pick up the red block", vec!["red block"]),
            ("place the red block on the yellow pad", vec!["red block", "yellow pad"]),
        ]);
        let short = example(&[("pick up the red block", vec!["red block"])]);
        let encoded: Vec<Encoded> = [&long, &short].map(|e| e.encode(&tokenizer, &config).unwrap()).into();
        for (example, encoded) in [&long, &short].into_iter().zip(&encoded) {
            for (span, goal) in encoded.spans.iter().zip(parse_answer(&example.answer).sub_goals) {
                let text = tokenizer.decode(&encoded.tokens[span.0.clone()]).unwrap();
                assert_eq!(text, goal.text);
            }
        }
        let members: Vec<&Encoded> = encoded.iter().collect();
        let batch = TokenBatch::new(&members, &tokenizer, &config, &Device::flex()).unwrap();
        let [count, length] = batch.tokens.dims();
        assert_eq!((count, length), (2, encoded[0].tokens.len()));
        let tokens = batch.tokens.try_into_vec_as::<i64>().unwrap();
        let at = batch.predicting.try_into_vec_as::<i64>().unwrap();
        let labels = batch.labels.try_into_vec_as::<i64>().unwrap();
        let rows = length - batch.rows_from;
        let next = |at: usize| tokens[at / rows * length + at % rows + batch.rows_from + 1];
        assert!(at.iter().zip(&labels).all(|(&at, &label)| next(at as usize) == label));
        let answer: Vec<u32> = labels[..encoded[0].tokens.len() - encoded[0].answer_at]
            .iter()
            .map(|&l| l as u32)
            .collect();
        assert_eq!(tokenizer.decode(&answer).unwrap(), long.answer);
        assert_eq!(*answer.last().unwrap(), tokenizer.eos);
        let spans = batch.spans.unwrap();
        assert_eq!((spans.count, spans.average.dims()), (3, [2, 2, rows]));
        assert_eq!(batch.targets.unwrap().dims(), [3, 64]);
    }

    #[test]
    fn wrong_spans_and_targets_are_refused() {
        let (tokenizer, config) = (tabletop(), crate::config::preset("nano").unwrap().vlm);
        let mut bad = example(&[("pick up the red block", vec![])]);
        bad.spans[0].map.pop();
        assert!(matches!(
            bad.encode(&tokenizer, &config),
            Err(VlmError::TargetSize {
                found: 63,
                expected: 64
            })
        ));
        bad.spans[0] = SpanTarget {
            range: 900..905,
            map: vec![],
        };
        assert!(matches!(bad.encode(&tokenizer, &config), Err(VlmError::Span { .. })));
    }

    #[test]
    fn buckets_use_all_once_and_hold_like_lengths() {
        let lengths: Vec<usize> = (0..50).map(|i| 100 + (i * 37) % 50).collect();
        let batches = buckets(&lengths, 8, 1, 2);
        let mut seen: Vec<usize> = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        for batch in &batches {
            let of = |i: &usize| lengths[*i];
            assert!(batch.iter().map(of).max().unwrap() - batch.iter().map(of).min().unwrap() < 8);
        }
        assert_eq!(batches, buckets(&lengths, 8, 1, 2));
        assert_ne!(batches, buckets(&lengths, 8, 1, 3));
    }
}

//! Writing an answer token by token, streamed, with a cache of keys and values; and many answers at once for evaluation.

use std::ops::ControlFlow;

use burn::tensor::{Int, Tensor, TensorData};
use rand::RngExt;

use super::{decoder::Wanted, error::VlmError, kv_cache::KvCache, model::Vlm, pixels::pixels, tokenizer::PromptTokens};
use crate::{
    nn::causal_attention::padding_mask,
    random::{Stream, rng},
    recording::TokenRecord,
    sim::Frame,
};

/// How many other tokens are told of for each one that was chosen.
const OTHERS: usize = 4;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// The most probable one; the first of equals.
    Greedy,
    /// Drawn from the distribution sharpened by temperature `t`, with the numbers of [`Stream::Sampling`]; greedy at 0.
    Temperature { t: f64, seed: u64 },
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The model wrote its end.
    End,
    /// The limit of new tokens or the model's room was reached.
    Limit,
    Cancelled,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    pub text: String,
    /// New tokens, without the end.
    pub tokens: Vec<u32>,
    pub prompt_tokens: usize,
    pub stopped: Stopped,
}

impl Vlm {
    /// Answers a prompt about a frame. `on_token` gets the text of each token as soon as it is whole characters, with the
    /// token, and may stop the answer; what it got joined together is the text. What characters were left unfinished at
    /// the end comes without a token.
    ///
    /// # Errors
    /// The prompt has no image or leaves no room for an answer, or the model gives numbers that are not finite.
    pub fn reason(
        &self,
        frame: &Frame,
        prompt: &str,
        sampling: Sampling,
        max_new_tokens: usize,
        on_token: &mut dyn FnMut(&str, Option<&TokenRecord>) -> ControlFlow<()>,
    ) -> Result<Generation, VlmError> {
        let prompt = self.prompt(prompt)?;
        let limit = max_new_tokens.min(self.config().max_tokens - prompt.ids.len());
        let device = self.device();
        let image = self.model.image_tokens(pixels(&[frame], self.config(), &device));
        let mut cache = KvCache::new(self.model.decoder.depth());
        let wanted = Wanted {
            rows_from: prompt.ids.len() - 1,
            attention: false,
        };
        let ids = self.ints(&prompt.ids, 1);
        let mut last = self
            .model
            .forward(image, ids, prompt.image_at, Some(&mut cache), wanted)
            .states;

        let mut stream = self.tokenizer.stream();
        let mut tokens = Vec::new();
        let mut stopped = Stopped::Limit;
        while tokens.len() < limit {
            let logits = self.logits(last.clone())?;
            let id = self.choose(&logits, sampling, tokens.len())?;
            if id == self.tokenizer.eos {
                stopped = Stopped::End;
                break;
            }
            tokens.push(id);
            let token = TokenRecord {
                text: stream.push(id)?,
                ..self.chances(&logits, id)?
            };
            if on_token(&token.text, Some(&token)).is_break() {
                stopped = Stopped::Cancelled;
                break;
            }
            if tokens.len() < limit {
                let next = self.model.decoder.embed(self.ints(&[id], 1));
                last = self
                    .model
                    .decoder
                    .forward(next, Some(&mut cache), Wanted::default())
                    .states;
            }
        }
        let (rest, text) = stream.finish()?;
        if !rest.is_empty() && stopped != Stopped::Cancelled {
            // The answer is over: a wish to stop it changes nothing any more.
            let _ = on_token(&rest, None);
        }
        Ok(Generation {
            text,
            tokens,
            prompt_tokens: prompt.ids.len(),
            stopped,
        })
    }

    /// Greedy answers to many prompts, `batch` at a time, in the order of the requests; each is the one that
    /// [`Self::reason`] gives. `on_done` gets the number of finished answers after each batch and may stop the rest.
    ///
    /// # Errors
    /// As [`Self::reason`].
    pub fn generate_batch(
        &self,
        requests: &[(&Frame, &str)],
        max_new_tokens: usize,
        batch: usize,
        on_done: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Option<Generation>>, VlmError> {
        let prompts: Vec<PromptTokens> = requests
            .iter()
            .map(|(_, text)| self.prompt(text))
            .collect::<Result<_, _>>()?;
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|&i| prompts[i].ids.len());
        let mut out = vec![None; requests.len()];
        let mut done = 0;
        for chunk in order.chunks(batch.max(1)) {
            let frames: Vec<&Frame> = chunk.iter().map(|&i| requests[i].0).collect();
            let members: Vec<&PromptTokens> = chunk.iter().map(|&i| &prompts[i]).collect();
            for (&i, generation) in chunk.iter().zip(self.answer_all(&frames, &members, max_new_tokens)?) {
                out[i] = Some(generation);
            }
            done += chunk.len();
            if on_done(done).is_break() {
                break;
            }
        }
        Ok(out)
    }

    fn answer_all(
        &self,
        frames: &[&Frame],
        prompts: &[&PromptTokens],
        max_new_tokens: usize,
    ) -> Result<Vec<Generation>, VlmError> {
        let image_at = prompts[0].image_at;
        if let Some(other) = prompts.iter().map(|prompt| prompt.image_at).find(|&at| at != image_at) {
            return Err(VlmError::ImagePlaces { first: image_at, other });
        }
        let rows = prompts.len();
        let length = prompts.iter().map(|prompt| prompt.ids.len()).max().unwrap_or(0);
        let limit = max_new_tokens.min(self.config().max_tokens - length);
        let device = self.device();
        let mut padded = Vec::with_capacity(rows * length);
        let mut visible = Vec::with_capacity(rows);
        for prompt in prompts {
            padded.extend(&prompt.ids);
            padded.extend(std::iter::repeat_n(self.tokenizer.pad, length - prompt.ids.len()));
            visible.push((0..length).map(|i| i < prompt.ids.len()).collect::<Vec<bool>>());
        }
        let image = self.model.image_tokens(pixels(frames, self.config(), &device));
        let mut cache = KvCache::new(self.model.decoder.depth());
        let rows_from = prompts.iter().map(|prompt| prompt.ids.len() - 1).min().unwrap_or(0);
        let wanted = Wanted {
            rows_from,
            attention: false,
        };
        let ids = self.ints(&padded, rows);
        let states = self
            .model
            .forward(image, ids, image_at, Some(&mut cache), wanted)
            .states;
        let [_, kept, dim] = states.dims();
        let ends = prompts
            .iter()
            .enumerate()
            .map(|(b, prompt)| (b * kept + prompt.ids.len() - 1 - rows_from) as i64);
        let ends = Tensor::<1, Int>::from_data(TensorData::new(ends.collect::<Vec<i64>>(), [rows]), &device);
        let states: Tensor<2> = states.flatten(0, 1);
        let mut last: Tensor<3> = states.select(0, ends).reshape([rows, 1, dim]);

        let mut tokens: Vec<Vec<u32>> = vec![Vec::new(); rows];
        let mut stopped = vec![None; rows];
        for step in 0..limit {
            let logits = self.logits(last)?;
            let mut next = vec![self.tokenizer.pad; rows];
            for (b, row) in logits.chunks(self.config().vocab_size).enumerate() {
                if stopped[b].is_some() {
                    continue;
                }
                let id = self.choose(row, Sampling::Greedy, step)?;
                if id == self.tokenizer.eos {
                    stopped[b] = Some(Stopped::End);
                } else {
                    tokens[b].push(id);
                    next[b] = id;
                }
            }
            if stopped.iter().all(Option::is_some) || step + 1 == limit {
                break;
            }
            visible.iter_mut().for_each(|row| row.push(true));
            let positions: Vec<usize> = prompts.iter().map(|prompt| prompt.ids.len() + step).collect();
            let mask = padding_mask(&visible, &device);
            let embedded = self.model.decoder.embed(self.ints(&next, rows));
            last = self.model.decoder.step(embedded, &positions, mask.as_ref(), &mut cache);
        }
        let generations = tokens
            .into_iter()
            .zip(prompts)
            .zip(stopped)
            .map(|((tokens, prompt), stopped)| {
                let text = self.tokenizer.decode(&tokens)?;
                let stopped = stopped.unwrap_or(Stopped::Limit);
                Ok(Generation {
                    text,
                    tokens,
                    prompt_tokens: prompt.ids.len(),
                    stopped,
                })
            });
        generations.collect()
    }

    /// A prompt in tokens that leaves room for an answer.
    fn prompt(&self, prompt: &str) -> Result<PromptTokens, VlmError> {
        let prompt = self.tokenizer.encode_prompt(prompt, self.config().image_tokens())?;
        let (tokens, limit) = (prompt.ids.len() + 1, self.config().max_tokens);
        if tokens > limit {
            return Err(VlmError::TooLong { tokens, limit });
        }
        Ok(prompt)
    }

    /// Ids to `[rows, L]`.
    pub(super) fn ints(&self, ids: &[u32], rows: usize) -> Tensor<2, Int> {
        let values: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let shape = [rows, values.len() / rows];
        Tensor::from_data(TensorData::new(values, shape), &self.device())
    }

    /// Logits of states `[B, 1, D_VLM]` on the host, `B * V`.
    fn logits(&self, states: Tensor<3>) -> Result<Vec<f32>, VlmError> {
        let logits = self.model.decoder.head(states);
        logits
            .try_into_vec_as::<f32>()
            .map_err(|err| VlmError::Read(err.to_string()))
    }

    /// The logits of what may be written: no tokens that stand for no text, and no rows of the head that the tokenizer does
    /// not know.
    fn allowed(&self, logits: &[f32]) -> impl Iterator<Item = (u32, f32)> {
        (0..self.tokenizer.vocab_size() as u32)
            .filter(|&id| !self.tokenizer.is_silent(id))
            .map(|id| (id, logits[id as usize]))
    }

    /// The probability of a token and of the best others, from the logits that it was chosen by.
    fn chances(&self, logits: &[f32], chosen: u32) -> Result<TokenRecord, VlmError> {
        let mut ranked: Vec<(u32, f32)> = self.allowed(logits).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let best = ranked.first().map_or(0.0, |first| first.1);
        let weight = |logit: f32| f64::from(logit - best).exp();
        let total: f64 = ranked.iter().map(|&(_, logit)| weight(logit)).sum();
        let probability = |logit: f32| (weight(logit) / total) as f32;
        let named = |&(id, logit): &(u32, f32)| Ok((self.tokenizer.name(id)?, probability(logit)));
        let others = ranked.iter().filter(|&&(id, _)| id != chosen).take(OTHERS);
        Ok(TokenRecord {
            id: chosen,
            text: String::new(),
            probability: probability(logits[chosen as usize]),
            others: others.map(named).collect::<Result<_, VlmError>>()?,
        })
    }

    fn choose(&self, logits: &[f32], sampling: Sampling, token: usize) -> Result<u32, VlmError> {
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(VlmError::NotFinite { token });
        }
        let best = self.allowed(logits).fold(
            (self.tokenizer.eos, f32::NEG_INFINITY),
            |a, b| if b.1 > a.1 { b } else { a },
        );
        let Sampling::Temperature { t, seed } = sampling else {
            return Ok(best.0);
        };
        let weight = |logit: f32| (f64::from(logit - best.1) / t).exp();
        let total: f64 = self.allowed(logits).map(|(_, logit)| weight(logit)).sum();
        let mut left = rng(seed, Stream::Sampling, token as u64, 0).random::<f64>() * total;
        for (id, logit) in self.allowed(logits) {
            left -= weight(logit);
            if left < 0.0 {
                return Ok(id);
            }
        }
        Ok(best.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::{model::tests::tiny, prompt::plan_prompt};

    fn frame(seed: usize) -> Frame {
        let rgb: Vec<u8> = (0..3 * 16 * 16).map(|i| (i * (31 + seed) % 253) as u8).collect();
        Frame {
            width: 16,
            height: 16,
            rgb: rgb.into(),
        }
    }

    fn go_on(_: &str, _: Option<&TokenRecord>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// The logits at each new position, from the cache and from a whole pass, and the choice that follows.
    #[test]
    fn cached_decoding_is_the_full_pass() {
        let vlm = tiny(21);
        let prompt = plan_prompt("put the red block on the yellow pad");
        let answer = vlm
            .reason(&frame(1), &prompt, Sampling::Greedy, 12, &mut go_on)
            .unwrap();
        assert!(!answer.tokens.is_empty());
        let encoded = vlm.prompt(&prompt).unwrap();
        let mut ids = encoded.ids.clone();
        ids.extend(&answer.tokens);
        let image = vlm
            .model
            .image_tokens(pixels(&[&frame(1)], vlm.config(), &vlm.device()));
        let full = vlm
            .model
            .forward(
                image.clone(),
                vlm.ints(&ids, 1),
                encoded.image_at,
                None,
                Wanted::default(),
            )
            .states;
        let mut cache = KvCache::new(vlm.model.decoder.depth());
        let first = vlm.ints(&encoded.ids, 1);
        let mut parts = vec![
            vlm.model
                .forward(image, first, encoded.image_at, Some(&mut cache), Wanted::default())
                .states,
        ];
        for &id in &answer.tokens {
            let next = vlm.model.decoder.embed(vlm.ints(&[id], 1));
            parts.push(
                vlm.model
                    .decoder
                    .forward(next, Some(&mut cache), Wanted::default())
                    .states,
            );
        }
        assert_eq!(cache.seen(), ids.len());
        let worst = (Tensor::cat(parts, 1) - full.clone()).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-5, "{worst}");
        let logits = vlm.logits(full).unwrap();
        for (i, &id) in answer.tokens.iter().enumerate() {
            let at = (encoded.ids.len() - 1 + i) * vlm.config().vocab_size;
            let row = &logits[at..at + vlm.config().vocab_size];
            assert_eq!(vlm.choose(row, Sampling::Greedy, i).unwrap(), id);
        }
    }

    #[test]
    fn a_batch_answers_as_one_by_one() {
        let vlm = tiny(22);
        let prompts = ["put the red block on the yellow pad", "stack", "place green"].map(plan_prompt);
        let frames = [frame(1), frame(2), frame(3)];
        let requests: Vec<(&Frame, &str)> = frames.iter().zip(&prompts).map(|(f, p)| (f, p.as_str())).collect();
        let mut counts = Vec::new();
        let mut on_done = |done| {
            counts.push(done);
            ControlFlow::Continue(())
        };
        let together = vlm.generate_batch(&requests, 10, 3, &mut on_done).unwrap();
        assert_eq!(counts, [3]);
        for ((frame, prompt), answer) in requests.iter().zip(together) {
            assert_eq!(
                vlm.reason(frame, prompt, Sampling::Greedy, 10, &mut go_on).unwrap(),
                answer.unwrap()
            );
        }
        let first = vlm
            .generate_batch(&requests, 2, 1, &mut |_| ControlFlow::Break(()))
            .unwrap();
        assert_eq!(first.iter().filter(|answer| answer.is_some()).count(), 1);
    }

    #[test]
    fn streams_stops_and_repeats_by_seed() {
        let vlm = tiny(23);
        let prompt = plan_prompt("stack");
        let warm = |seed| Sampling::Temperature { t: 1.5, seed };
        let mut streamed = String::new();
        let mut collect = |text: &str, _: Option<&TokenRecord>| {
            streamed.push_str(text);
            ControlFlow::Continue(())
        };
        let answer = vlm.reason(&frame(1), &prompt, warm(5), 20, &mut collect).unwrap();
        assert_eq!(streamed, answer.text);
        assert_eq!(vlm.reason(&frame(1), &prompt, warm(5), 20, &mut go_on).unwrap(), answer);
        assert_ne!(
            vlm.reason(&frame(1), &prompt, warm(6), 20, &mut go_on).unwrap().tokens,
            answer.tokens
        );
        let cancelled = vlm
            .reason(&frame(1), &prompt, warm(5), 20, &mut |_, _| ControlFlow::Break(()))
            .unwrap();
        assert_eq!((cancelled.stopped, cancelled.tokens.len()), (Stopped::Cancelled, 1));
        let long = plan_prompt(&"word ".repeat(100));
        let refused = vlm.reason(&frame(1), &long, Sampling::Greedy, 5, &mut go_on);
        assert!(matches!(refused, Err(VlmError::TooLong { limit: 128, .. })));
    }

    #[test]
    fn every_token_comes_with_its_probability_and_the_best_others() {
        let vlm = tiny(25);
        let prompt = plan_prompt("stack red on green");
        let told = |sampling| {
            let mut told: Vec<TokenRecord> = Vec::new();
            let mut keep = |text: &str, token: Option<&TokenRecord>| {
                assert_eq!(
                    token.map_or("", |token| token.text.as_str()),
                    if token.is_some() { text } else { "" }
                );
                told.extend(token.cloned());
                ControlFlow::Continue(())
            };
            let answer = vlm.reason(&frame(1), &prompt, sampling, 12, &mut keep).unwrap();
            (answer, told)
        };
        let (answer, greedy) = told(Sampling::Greedy);
        assert_eq!(greedy.iter().map(|token| token.id).collect::<Vec<_>>(), answer.tokens);
        for token in &greedy {
            let others: Vec<f32> = token.others.iter().map(|other| other.1).collect();
            assert_eq!(others.len(), OTHERS);
            assert!(
                others.is_sorted_by(|a, b| a >= b) && token.probability >= others[0],
                "{token:?}"
            );
            let sum = token.probability + others.iter().sum::<f32>();
            assert!(token.probability > 0.0 && sum <= 1.0 + 1e-6, "{token:?}");
        }
        // An answer with some chance in it holds tokens that were not the most probable.
        let (_, warm) = told(Sampling::Temperature { t: 1.5, seed: 5 });
        assert!(warm.iter().any(|token| token.probability < token.others[0].1));

        let mut logits = vec![-1e9f32; vlm.config().vocab_size];
        (logits[10], logits[11], logits[0]) = (3f32.ln(), 0.0, 50.0);
        let token = vlm.chances(&logits, 11).unwrap();
        assert!(
            (token.probability - 0.25).abs() < 1e-6,
            "<pad> takes no share: {token:?}"
        );
        assert_eq!(token.others[0].0, vlm.tokenizer.name(10).unwrap());
        assert!((token.others[0].1 - 0.75).abs() < 1e-6);
        assert_eq!(vlm.tokenizer.name(vlm.tokenizer.eos).unwrap(), "end of answer");
    }

    #[test]
    fn sampling_follows_the_distribution() {
        let vlm = tiny(24);
        let mut logits = vec![-30.0f32; vlm.config().vocab_size];
        (logits[10], logits[11], logits[0]) = (1.0, 0.0, 50.0);
        assert_eq!(
            vlm.choose(&logits, Sampling::Greedy, 0).unwrap(),
            10,
            "<pad> is never chosen"
        );
        for t in [0.5, 2.0] {
            let draw = |i| vlm.choose(&logits, Sampling::Temperature { t, seed: 3 }, i).unwrap();
            let drawn = (0..2000).filter(|&i| draw(i) == 10).count() as f64;
            let expected = 2000.0 / (1.0 + (-1.0 / t).exp());
            assert!((drawn - expected).abs() < 90.0, "{drawn} {expected}");
        }
        logits[7] = f32::NAN;
        assert!(matches!(
            vlm.choose(&logits, Sampling::Greedy, 4),
            Err(VlmError::NotFinite { token: 4 })
        ));
    }
}

//! Answers of the language model in training beside the teacher's, to examples with numbers of their own, phrased as in
//! training, and where its attention lies on the teacher's sub-goals.

use std::ops::ControlFlow;

use super::{AnswerSample, MapSample};
use crate::config::Config;
use crate::data::{InstructExample, Instructions, Lesson};
use crate::sim::tasks::Phrasing;
use crate::train::TrainError;
use crate::vlm::parser::parse_answer;
use crate::vlm::{Stopped, Vlm, plan_prompt};

/// Answers of a sample, and the longest of them, in tokens.
const ANSWERS: usize = 2;
const LONGEST: usize = 128;
/// Indices of its own, far from those of training and of the tokenizer's words.
const FROM: u64 = 1 << 41;
/// Indices that are tried.
const TRIES: u64 = 64;

/// # Errors
/// A task does not fit into the model's context, or the model gives numbers that are not finite.
pub(in crate::train) fn answers(
    vlm: &Vlm,
    instructions: &Instructions,
    config: &Config,
) -> Result<Vec<AnswerSample>, TrainError> {
    let wrong = |err: crate::vlm::VlmError| TrainError::Data(err.to_string());
    let examples: Vec<InstructExample> = (FROM..FROM + TRIES)
        .filter_map(|index| instructions.example(config.train.seed, index, Phrasing::Seen))
        .filter(|example| example.lesson == Lesson::Task && example.history.is_none())
        .take(ANSWERS)
        .collect();
    let prompts: Vec<String> = examples.iter().map(|example| plan_prompt(&example.task)).collect();
    let asked: Vec<_> = examples
        .iter()
        .zip(&prompts)
        .map(|(example, prompt)| (&example.frame, prompt.as_str()))
        .collect();
    let given = vlm
        .generate_batch(&asked, LONGEST, ANSWERS, &mut |_| ControlFlow::Continue(()))
        .map_err(wrong)?;
    examples
        .iter()
        .zip(given)
        .filter_map(|(example, given)| Some((example, given?)))
        .map(|(example, given)| {
            Ok(AnswerSample {
                frame: example.frame.clone(),
                task: example.task.clone(),
                teacher: example.answer.clone(),
                same_list: list(&given.text) == list(&example.answer),
                answer: given.text,
                ended: given.stopped == Stopped::End,
                maps: maps(vlm, example, config).map_err(wrong)?,
            })
        })
        .collect()
}

/// The texts of an answer's sub-goals.
fn list(answer: &str) -> Vec<String> {
    let read = parse_answer(answer).sub_goals.into_iter();
    read.map(|goal| goal.text).collect()
}

/// The map of each of the teacher's sub-goals, made as in planning.
fn maps(vlm: &Vlm, example: &InstructExample, config: &Config) -> Result<Vec<MapSample>, crate::vlm::VlmError> {
    let texts: Vec<&str> = example
        .spans
        .iter()
        .filter_map(|span| example.answer.get(span.text.clone()))
        .collect();
    let none: Vec<(&str, Vec<&str>)> = texts.iter().map(|text| (*text, Vec::new())).collect();
    let made = vlm.ground(&example.frame, &none, [config.world_model.grid(); 2])?;
    let samples = texts.iter().zip(&example.spans).zip(made).map(|((text, span), made)| {
        let patches = span.map.len() as f32;
        // The blobs of the named objects, down to what an even map would have.
        let covered: Vec<bool> = span.map.iter().map(|weight| weight * patches > 1.0).collect();
        let on = |values: &[f32]| -> f64 {
            let all: f32 = values.iter().sum();
            let inside: f32 = values
                .iter()
                .zip(&covered)
                .filter(|(_, on)| **on)
                .map(|(value, _)| value)
                .sum();
            f64::from(inside / all.max(f32::MIN_POSITIVE))
        };
        MapSample {
            text: (*text).to_owned(),
            mass: on(&made.map.values),
            chance: on(&vec![1.0; span.map.len()]),
        }
    });
    Ok(samples.collect())
}

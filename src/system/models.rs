//! What the planner asks of the language side: sub-goals for a task, and a goal in latent space for each of them.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use burn::tensor::{Tensor, TensorData};

use super::System;
use crate::planner::{Answer, Goal, GoalMaker, GoalRequest, GoalSource, ModelError, OnText, Question, Reasoner};
use crate::recording::{AttentionMap, TokenRecord};
use crate::sim::Frame;
use crate::sim::tasks::normalised;
use crate::vlm::{AttentionQuestion, Sampling, TokenAttention, VlmError, parse_answer, plan_prompt, replan_prompt};

impl Reasoner for System {
    /// The task is read as models read it: lower case, single blanks, no stop at the end.
    fn reason(&self, question: &Question, on_text: &mut OnText) -> Result<Answer, ModelError> {
        let vlm = self.vlm()?;
        let task = normalised(question.task);
        let prompt = match question.history {
            None => plan_prompt(&task),
            Some(history) => replan_prompt(&task, history),
        };
        let sampling = if question.temperature > 0.0 {
            Sampling::Temperature {
                t: question.temperature,
                seed: question.seed,
            }
        } else {
            Sampling::Greedy
        };
        let mut on_token = |text: &str, token: Option<&TokenRecord>| {
            on_text(text, token);
            if question.cancel.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        // The model's own room is the limit.
        let most = vlm.config().max_tokens;
        let generation = vlm.reason(question.frame, &prompt, sampling, most, &mut on_token)?;
        Ok(Answer {
            prompt,
            ..parse_answer(&generation.text).into()
        })
    }
}

impl GoalMaker for System {
    fn source(&self) -> GoalSource {
        GoalSource::Gpi
    }

    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError> {
        self.goal_by_map(request, |own| own)
    }
}

impl System {
    /// Where the language model looked in a frame, by layer and head.
    ///
    /// # Errors
    /// The checkpoint holds no language model, or the text is empty or longer than it takes.
    pub fn attention(&self, frame: &Frame, asked: &AttentionQuestion) -> Result<TokenAttention, ModelError> {
        let vlm = self.vlm()?;
        let attention = match asked {
            // As its goal is made.
            AttentionQuestion::SubGoal { text, objects } => {
                let (text, objects) = (normalised(text), objects.clone());
                vlm.attention(frame, &AttentionQuestion::SubGoal { text, objects })
            }
            answer @ AttentionQuestion::Answer { .. } => vlm.attention(frame, answer),
        };
        Ok(attention?)
    }

    /// The goal of a sub-goal with another map than the language model's: `change` gets that one. The embedding stays.
    ///
    /// # Errors
    /// As [`GoalMaker::goal`].
    pub fn goal_by_map(
        &self,
        request: &GoalRequest,
        change: impl FnOnce(AttentionMap) -> AttentionMap,
    ) -> Result<Goal, ModelError> {
        let (vlm, gpi) = (self.vlm()?, self.gpi()?);
        let grid = self.config.world_model.grid();
        let asked = [(normalised(request.text), request.objects.to_vec())];
        let grounding = vlm.ground(request.frame, &asked, [grid, grid])?.pop();
        let grounding = grounding.ok_or(VlmError::Span { range: 0..0, length: 0 })?;
        let row = |values: Vec<f32>| {
            let width = values.len();
            Tensor::<2>::from_data(TensorData::new(values, [1, width]), &self.device)
        };
        let map = change(grounding.map);
        let (embedding, weights) = (row(grounding.embedding), row(map.resampled.clone()));
        Ok(Goal {
            tokens: gpi.forward(embedding, weights, request.tokens.clone()),
            map,
        })
    }
}

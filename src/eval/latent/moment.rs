//! One step of a recording with a model beside it: latents of its frames, actions that were executed or planned, and
//! rollouts from it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, TensorData};

use super::LatentError;
use crate::config::PlanConfig;
use crate::planner::cost::{LatentSpace, pool, read};
use crate::planner::rollout::attention_bias;
use crate::planner::{GoalMaker, GoalRequest, LatentModel, PlannerError};
use crate::recording::{Recording, StepRecord};
use crate::sim::{Action, Frame};

/// Frames that are encoded between two looks at the stop flag.
const CHUNK: usize = 16;
/// Numbers that are kept at most, over all frames.
const KEPT: usize = 32 << 20;

/// Tokens of frames that were encoded, and goals that were made: what several questions need is computed once. It belongs
/// to one model.
#[derive(Default)]
pub struct Latents {
    /// By where the frame's bytes lie, which are kept: while they live, no other frame can have their address.
    tokens: HashMap<usize, (Arc<[u8]>, Tensor<3>)>,
    /// By the frame that they were made from, the sub-goal's text and its objects, `[1, D]`.
    goals: HashMap<(usize, String, Vec<String>), Tensor<2>>,
}

fn address(frame: &Frame) -> usize {
    frame.rgb.as_ptr() as usize
}

impl Latents {
    /// Tokens `[1, N, D]` of each frame.
    fn of(
        &mut self,
        model: &dyn LatentModel,
        frames: &[&Frame],
        stop: &AtomicBool,
    ) -> Result<Vec<Tensor<3>>, PlannerError> {
        let mut new: Vec<&Frame> = Vec::new();
        for frame in frames {
            let known = |other: &&Frame| address(other) == address(frame);
            if !self.tokens.contains_key(&address(frame)) && !new.iter().any(known) {
                new.push(frame);
            }
        }
        for chunk in new.chunks(CHUNK) {
            if stop.load(Ordering::Relaxed) {
                return Err(PlannerError::Cancelled);
            }
            let pictures: Vec<Frame> = chunk.iter().map(|&frame| frame.clone()).collect();
            let tokens = model.encode(&pictures)?;
            for (index, frame) in chunk.iter().enumerate() {
                let own = tokens.clone().narrow(0, index, 1);
                self.tokens.insert(address(frame), (Arc::clone(&frame.rgb), own));
            }
        }
        let all = frames
            .iter()
            .filter_map(|frame| Some(self.tokens.get(&address(frame))?.1.clone()));
        Ok(all.collect())
    }

    /// Forgets everything where it has become too much.
    fn trim(&mut self) {
        let each = self
            .tokens
            .values()
            .next()
            .map_or(0, |(_, tokens)| tokens.dims().iter().product());
        if self.tokens.len() * each > KEPT {
            *self = Self::default();
        }
    }
}

/// How long the plans of a step were; none where it was not planned.
pub(super) fn horizon(recording: &Recording, step: usize) -> Option<usize> {
    let record = recording.steps.get(step)?;
    let planned = record.cem.last().map(|iteration| iteration.mean.len());
    planned.or_else(|| Some(recording.plan_config_at(step)?.horizon))
}

/// A step of a recording, and the models that look into it.
pub struct Moment<'a> {
    pub model: &'a dyn LatentModel,
    pub goals: &'a dyn GoalMaker,
    pub recording: &'a Recording,
    pub step: usize,
    /// What plans are made with where the recording does not tell.
    pub config: &'a PlanConfig,
    pub latents: &'a mut Latents,
    pub stop: &'a AtomicBool,
}

impl<'a> Moment<'a> {
    pub(super) fn record(&self) -> Result<&'a StepRecord, LatentError> {
        let record = self.recording.steps.get(self.step).map(AsRef::as_ref);
        record.ok_or(LatentError::NoStep(self.step))
    }

    /// The settings that were in force.
    pub(super) fn config(&self) -> PlanConfig {
        let recorded = self.recording.plan_config_at(self.step);
        recorded.unwrap_or_else(|| self.config.clone())
    }

    pub(super) fn horizon(&self) -> usize {
        horizon(self.recording, self.step).unwrap_or(self.config.horizon)
    }

    pub(super) fn space(&self) -> Result<LatentSpace, PlannerError> {
        LatentSpace::new(self.model, self.config().similarity)
    }

    /// Tokens `[1, N, D]` of the frames of these steps; those that are not recorded are left out.
    pub(super) fn tokens(&mut self, steps: impl IntoIterator<Item = usize>) -> Result<Vec<Tensor<3>>, PlannerError> {
        let records = steps.into_iter().filter_map(|step| self.recording.steps.get(step));
        let frames: Vec<&Frame> = records.map(|record| &record.frame).collect();
        self.latents.trim();
        self.latents.of(self.model, &frames, self.stop)
    }

    /// Tokens of the step's own frame, `[1, N, D]`.
    pub(super) fn present(&mut self) -> Result<Tensor<3>, LatentError> {
        self.record()?;
        let step = self.step;
        let tokens = self.tokens([step])?.pop();
        tokens.ok_or(LatentError::NoStep(step))
    }

    /// The pooled goal `[1, D]` of a sub-goal, made once more from the frame that it was made from.
    pub(super) fn goal(&mut self, sub_goal: usize) -> Result<Tensor<2>, LatentError> {
        let nothing = LatentError::Nothing("This sub-goal is no longer in the list. Select another one.");
        let asked = self.recording.sub_goals.get(sub_goal).ok_or(nothing)?;
        let made_at = asked.goal_made_at_step;
        let record = self.recording.steps.get(made_at);
        let frame = &record.ok_or(LatentError::NoStep(made_at))?.frame;
        let tokens = self.tokens([made_at])?.pop().ok_or(LatentError::NoStep(made_at))?;
        let key = (address(frame), asked.text.clone(), asked.objects.clone());
        if let Some(known) = self.latents.goals.get(&key) {
            return Ok(known.clone());
        }
        let request = GoalRequest {
            frame,
            tokens: &tokens,
            task: &self.recording.task,
            text: &asked.text,
            objects: &asked.objects,
        };
        let goal = self.goals.goal(&request).map_err(PlannerError::from)?;
        let pooled = pool(goal.tokens);
        self.latents.goals.insert(key, pooled.clone());
        Ok(pooled)
    }

    /// The attention bias of the step's rollouts: that of its sub-goal's map, as it is recorded.
    pub(super) fn bias(&self, sub_goal: Option<usize>, tokens: usize) -> Result<Option<Tensor<1>>, PlannerError> {
        let Some(sub_goal) = sub_goal.and_then(|index| self.recording.sub_goals.get(index)) else {
            return Ok(None);
        };
        let config = self.config();
        attention_bias(
            self.model,
            &sub_goal.map,
            tokens,
            config.reasoning_alpha,
            config.reasoning_eps,
        )
    }

    /// The plan that the step's search came to, `[H]`.
    pub(super) fn plan(&self) -> Option<&'a [Action]> {
        let record = self.recording.steps.get(self.step)?;
        Some(&record.cem.last()?.mean)
    }

    /// What was executed from the step on, at most `H` actions.
    pub(super) fn executed(&self) -> Vec<Action> {
        let after = self.recording.steps.iter().skip(self.step).take(self.horizon());
        after.map_while(|record| record.action).collect()
    }

    /// Whether the suction was last told to be on.
    pub(super) fn grip_command(&self) -> bool {
        let before = self.recording.steps[..self.step.min(self.recording.steps.len())].last();
        let last = before.and_then(|record| record.action);
        last.map_or_else(
            || self.recording.steps.get(self.step).is_some_and(|record| record.vacuum),
            |action| action[2] > 0.0,
        )
    }

    /// Rolls one sequence of actions out, token by token: the imagined states `1..=H`, each `[1, N, D]`.
    pub(super) fn imagine(
        &self,
        from: &Tensor<3>,
        actions: &[Action],
        bias: Option<&Tensor<1>>,
    ) -> Result<Vec<Tensor<3>>, PlannerError> {
        let mut state = from.clone();
        let mut path = Vec::with_capacity(actions.len());
        for action in actions {
            if self.stop.load(Ordering::Relaxed) {
                return Err(PlannerError::Cancelled);
            }
            let action = Tensor::<2>::from_data(TensorData::new(action.to_vec(), [1, 3]), &self.model.device());
            state = self.model.predict(state, action, bias);
            path.push(state.clone());
        }
        Ok(path)
    }

    /// Comparison vectors of tokens, one row for each `[1, N, D]`.
    pub(super) fn compared(&self, space: &LatentSpace, tokens: &[Tensor<3>]) -> Result<Vec<Vec<f32>>, PlannerError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let pooled = Tensor::cat(tokens.iter().map(|tokens| pool(tokens.clone())).collect(), 0);
        let compared = space.compare(pooled);
        let width = compared.dims()[1];
        Ok(read(compared)?.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }
}

/// Squared distance of two vectors.
pub(super) fn squared(a: &[f32], b: &[f32]) -> f64 {
    let gaps = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    gaps.sum()
}

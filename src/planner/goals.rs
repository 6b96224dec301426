//! The goals of an episode's sub-goals: when they are made, and how near a frame is to each.

use burn::tensor::{FloatDType, Tensor};

use super::cost::{LatentSpace, Similarity, gripper, pool};
use super::models::{GoalMaker, GoalRequest, LatentModel, PlannerError, SubGoal};
use super::rollout::attention_bias;
use crate::config::PlanConfig;
use crate::recording::{AttentionMap, EndedBecause, SubGoalRecord};
use crate::sim::Frame;

/// A frame and its latents.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub frame: Frame,
    pub grip_command: bool,
    /// `[1, N, D]`.
    pub tokens: Tensor<3>,
    /// `[1, D]`.
    pub pooled: Tensor<2>,
}

/// A goal, ready to be planned toward.
#[derive(Clone, Debug)]
pub(super) struct MadeGoal {
    pub made_at_step: usize,
    /// `[1, D]`.
    pub pooled: Tensor<2>,
    pub similarity: Similarity,
    pub map: AttentionMap,
    pub gripper_m: [f32; 2],
}

impl MadeGoal {
    pub fn make(
        config: &PlanConfig,
        space: &LatentSpace,
        (model, maker): (&dyn LatentModel, &dyn GoalMaker),
        seen: &Seen,
        step: usize,
        (task, sub_goal): (&str, &SubGoal),
    ) -> Result<Self, PlannerError> {
        let request = GoalRequest {
            frame: &seen.frame,
            tokens: &seen.tokens,
            task,
            text: &sub_goal.text,
            objects: &sub_goal.objects,
        };
        let goal = maker.goal(&request)?;
        let pooled = pool(goal.tokens);
        let [x, y, ..] = gripper(model, pooled.clone())?;
        let made = Self {
            made_at_step: step,
            similarity: space.similarity_to(pooled.clone(), model.sim_temperature(maker.source())),
            pooled: pooled.cast(FloatDType::F32),
            map: goal.map,
            gripper_m: [x, y],
        };
        // A map of another size is an error here and not at the first plan.
        made.bias(model, seen, config)?;
        Ok(made)
    }

    /// Attention bias of the predictor, `[N]`, under the settings as they are now.
    pub fn bias(
        &self,
        model: &dyn LatentModel,
        seen: &Seen,
        config: &PlanConfig,
    ) -> Result<Option<Tensor<1>>, PlannerError> {
        let tokens = seen.tokens.dims()[1];
        attention_bias(model, &self.map, tokens, config.reasoning_alpha, config.reasoning_eps)
    }

    /// Puts what this goal was made of into its record.
    pub fn describe(&self, record: &mut SubGoalRecord) {
        record.map = self.map.clone();
        record.goal_made_at_step = self.made_at_step;
        record.goal_gripper_m = Some(self.gripper_m);
    }
}

/// The record of a sub-goal that has not begun.
pub(super) fn new_record(sub_goal: &SubGoal, goal: &MadeGoal, scene_objects: &[String]) -> SubGoalRecord {
    SubGoalRecord {
        text: sub_goal.text.clone(),
        objects: sub_goal.objects.clone(),
        unmatched: unmatched(&sub_goal.objects, scene_objects),
        map: goal.map.clone(),
        goal_made_at_step: goal.made_at_step,
        start_step: None,
        end_step: None,
        declared: false,
        achieved: None,
        ended_because: None,
        goal_gripper_m: Some(goal.gripper_m),
        edited: false,
    }
}

/// Ends a sub-goal's record, if it has not ended.
pub(super) fn end_record(record: &mut SubGoalRecord, step: usize, because: EndedBecause) {
    if record.ended_because.is_none() {
        record.end_step = record.start_step.map(|_| step);
        record.declared = because == EndedBecause::Reached;
        record.ended_because = Some(because);
    }
}

/// The objects that the scene does not seem to have. Case, a leading article and plain spaces do not count.
fn unmatched(objects: &[String], scene_objects: &[String]) -> Vec<String> {
    let plain = |name: &str| {
        let words = name.to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.split_first() {
            Some((&("the" | "a" | "an"), rest)) => rest.join(" "),
            _ => words.join(" "),
        }
    };
    let known: Vec<String> = scene_objects.iter().map(|name| plain(name)).collect();
    objects
        .iter()
        .filter(|name| !known.contains(&plain(name)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_match_the_scene_by_their_plain_names() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let scene = names(&["red block", "blue pad"]);
        assert_eq!(
            unmatched(&names(&["the Red  block", "blue pad", "red pad"]), &scene),
            ["red pad"]
        );
    }
}

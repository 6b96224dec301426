//! Sensitivity to actions: how far the imagined future under the executed actions lies from the one under other actions. A
//! model that ignores its actions imagines the same future under all of them, and no planner can choose among them.

use burn::tensor::Tensor;
use rand::RngExt;

use super::LatentError;
use super::moment::{Moment, squared};
use crate::planner::PlannerError;
use crate::planner::cost::LatentSpace;
use crate::random::{Stream, rng};
use crate::sim::Action;

/// Shuffled futures that the mean is taken over.
pub const SHUFFLES: usize = 8;

/// Distances in the comparison space at each step ahead, `1..=H`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Of how many steps the actions were executed; those of the rest were planned.
    pub executed: usize,
    /// From the step's own state to the imagined one under the true actions.
    pub moved: Vec<f64>,
    /// From the true future to the one in which the gripper stands still and keeps its grip.
    pub still: Vec<f64>,
    /// The same for actions of other steps of the episode, mean over [`SHUFFLES`] draws; none where there are none.
    pub shuffled: Option<Vec<f64>>,
}

impl Sensitivity {
    /// Distance of the shuffled end states over that which the true actions move the state by: near 0, the model hardly
    /// minds what is done.
    pub fn ratio(&self) -> Option<f64> {
        let (shuffled, moved) = (self.shuffled.as_ref()?.last()?, self.moved.last()?);
        (*moved > 0.0).then_some(shuffled / moved)
    }
}

pub(super) fn sensitivity(moment: &mut Moment) -> Result<Sensitivity, LatentError> {
    let record = moment.record()?;
    let mut actions = moment.executed();
    let executed = actions.len();
    let planned = moment.plan().unwrap_or(&[]);
    actions.extend(planned.iter().skip(executed));
    if actions.is_empty() {
        return Err(LatentError::Nothing(
            "Nothing was done or planned from this step. Select an earlier one.",
        ));
    }
    let present = moment.present()?;
    let bias = moment.bias(record.sub_goal, present.dims()[1])?;
    let space = moment.space()?;
    let path = |actions: &[Action]| along(moment, &space, &present, actions, bias.as_ref());
    let own = path(&actions)?;
    let (start, ahead) = own.split_at(1);
    let grip = if moment.grip_command() { 1.0 } else { -1.0 };
    let distances = |other: &[Vec<f32>]| -> Vec<f64> {
        let pairs = ahead.iter().zip(other);
        pairs.map(|(own, other)| squared(own, other).sqrt()).collect()
    };
    let still = distances(&path(&vec![[0.0, 0.0, grip]; actions.len()])?[1..]);
    let others: Vec<Action> = moment
        .recording
        .steps
        .iter()
        .enumerate()
        .filter(|(step, _)| !(moment.step..moment.step + executed).contains(step))
        .filter_map(|(_, record)| record.action)
        .collect();
    let mut shuffled = None;
    if !others.is_empty() {
        let mut sums = vec![0.0; actions.len()];
        for draw in 0..SHUFFLES {
            let mut numbers = rng(moment.recording.seed, Stream::Eval, moment.step as u64, draw as u64);
            let drawn: Vec<Action> = actions
                .iter()
                .map(|_| others[numbers.random_range(0..others.len())])
                .collect();
            let distances = distances(&path(&drawn)?[1..]);
            sums.iter_mut()
                .zip(distances)
                .for_each(|(sum, distance)| *sum += distance);
        }
        shuffled = Some(sums.into_iter().map(|sum| sum / SHUFFLES as f64).collect());
    }
    Ok(Sensitivity {
        executed,
        moved: ahead.iter().map(|state| squared(state, &start[0]).sqrt()).collect(),
        still,
        shuffled,
    })
}

/// Comparison vectors of the step's own state and of those that it is imagined to lead to.
fn along(
    moment: &Moment,
    space: &LatentSpace,
    present: &Tensor<3>,
    actions: &[Action],
    bias: Option<&Tensor<1>>,
) -> Result<Vec<Vec<f32>>, PlannerError> {
    let mut states = vec![present.clone()];
    states.extend(moment.imagine(present, actions, bias)?);
    moment.compared(space, &states)
}

//! What it imagines: the states that the chosen plan leads to in the model, each as the recorded frame that lies nearest
//! to it, beside the frame that really came; and as a small picture where the model reads any.

use burn::tensor::Tensor;

use super::LatentError;
use super::moment::{Moment, squared};
use crate::planner::cost::pool;
use crate::sim::Frame;

/// An imagined state, in pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The step of the recorded frame that lies nearest.
    pub step: usize,
    /// Its distance from the imagined state in the comparison space.
    pub distance: f64,
    /// Distance of the frame that really came; none where it has not come yet.
    pub real: Option<f64>,
}

/// The imagined states `1..=H` of the chosen plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Imagined {
    pub states: Vec<Nearest>,
    /// Recorded frames that were looked among.
    pub frames: usize,
    /// What the states look like, one each; empty where the model reads no pictures.
    pub pictures: Vec<Frame>,
}

pub(super) fn imagined(moment: &mut Moment) -> Result<Imagined, LatentError> {
    let record = moment.record()?;
    let plan = moment.plan().ok_or(LatentError::Nothing(
        "Nothing was planned from this step. Select an earlier one.",
    ))?;
    let present = moment.present()?;
    let all = moment.tokens(0..moment.recording.steps.len())?;
    let bias = moment.bias(record.sub_goal, present.dims()[1])?;
    let space = moment.space()?;
    let states = moment.imagine(&present, plan, bias.as_ref())?;
    let pooled = states.iter().map(|state| pool(state.clone())).collect();
    let pictures = moment.model.pictures(Tensor::cat(pooled, 0)).unwrap_or_default();
    let states = moment.compared(&space, &states)?;
    let frames = moment.compared(&space, &all)?;
    let nearest = |(h, state): (usize, &Vec<f32>)| {
        let distances = frames.iter().map(|frame| squared(state, frame).sqrt());
        let distances: Vec<f64> = distances.collect();
        let best = distances.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
        Some(Nearest {
            step: best.0,
            distance: *best.1,
            real: distances.get(moment.step + h + 1).copied(),
        })
    };
    Ok(Imagined {
        states: states.iter().enumerate().filter_map(nearest).collect(),
        frames: frames.len(),
        pictures,
    })
}

//! Open-loop error: what the model imagines from a step under the actions that were executed, against the frames that
//! really came, beside "nothing changes".

use burn::tensor::Tensor;

use super::LatentError;
use super::moment::{Moment, squared};
use crate::planner::cost::{pool, read};

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// Mean squared error of a token's number.
    #[default]
    Tokens,
    /// Squared distance of the scene content in the comparison space, in shares of its variance over the training data.
    Content,
    /// Distance of the gripper's place that is read out, metres.
    Gripper,
}

/// Errors at each step ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// Of the imagined state.
    pub imagined: Vec<f64>,
    /// Of the step's own state in its place.
    pub persistence: Vec<f64>,
}

/// One to `known` steps ahead, in the order of [`Part`].
#[derive(Clone, Debug, PartialEq)]
pub struct OpenLoop {
    /// `H`: what could be compared, once as many steps have followed.
    pub horizon: usize,
    pub errors: [Errors; 3],
}

impl OpenLoop {
    pub fn errors(&self, part: Part) -> &Errors {
        &self.errors[part as usize]
    }

    /// Steps ahead that have come.
    pub fn known(&self) -> usize {
        self.errors[0].imagined.len()
    }
}

pub(super) fn open_loop(moment: &mut Moment) -> Result<OpenLoop, LatentError> {
    let record = moment.record()?;
    let present = moment.present()?;
    let step = moment.step;
    let came = moment.tokens(step + 1..=step + moment.horizon())?;
    let mut actions = moment.executed();
    actions.truncate(came.len());
    if actions.is_empty() {
        return Err(LatentError::Nothing(
            "No step has followed this one yet. Run on, or select an earlier step.",
        ));
    }
    let bias = moment.bias(record.sub_goal, present.dims()[1])?;
    let imagined = moment.imagine(&present, &actions, bias.as_ref())?;
    let space = moment.space()?;
    let mut errors = [Errors::default(), Errors::default(), Errors::default()];
    let content = present.dims()[2];
    let model = moment.model;
    let place = |tokens: &Tensor<3>| read(model.proprioception(pool(tokens.clone())));
    for (imagined, real) in imagined.iter().zip(&came) {
        let three = [imagined, &present, real].map(Clone::clone);
        let compared = moment.compared(&space, &three)?;
        let mut tokens = Vec::with_capacity(3);
        let mut places = Vec::with_capacity(3);
        for one in &three {
            tokens.push(read(one.clone())?);
            places.push(place(one)?);
        }
        let of = |which: usize| {
            let numbers = tokens[2].len().max(1) as f64;
            [
                squared(&tokens[which], &tokens[2]) / numbers,
                squared(&compared[which][..content], &compared[2][..content]),
                squared(&places[which][..2], &places[2][..2]).sqrt(),
            ]
        };
        for ((errors, imagined), persistence) in errors.iter_mut().zip(of(0)).zip(of(1)) {
            errors.imagined.push(imagined);
            errors.persistence.push(persistence);
        }
    }
    Ok(OpenLoop {
        horizon: moment.horizon(),
        errors,
    })
}

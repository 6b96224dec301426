//! What the world model's latents hold, measured on fresh episodes of the training data's own policy: how far the
//! prediction is better than "nothing changes" ([`open_loop`]), and what can be read out of frozen latents, real and
//! imagined ([`read_out`]): by ridge regressions ([`ridge`]), which find what is there in plain sight, and by a small
//! [`perceptron`].

pub mod open_loop;
pub mod perceptron;
pub mod read_out;
pub mod ridge;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, TensorData};

use crate::data::EpisodeStore;
use crate::planner::{LatentModel, PlannerError};
use crate::sim::{Action, WorldState};

/// Steps ahead that are reported.
pub const AHEAD: [usize; 3] = [1, 4, 8];
/// The longest of them.
const LONGEST: usize = 8;
/// An episode's rollouts start at every so many of its frames.
const STRIDE: usize = 4;

/// One episode, encoded, with its truth.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// `[T + 1][N * D]`.
    pub tokens: Vec<Vec<f32>>,
    /// `[T]`.
    pub actions: Vec<Action>,
    /// `[T + 1]`; for scoring alone.
    pub states: Vec<WorldState>,
    /// N and D.
    pub shape: [usize; 2],
}

impl Encoded {
    /// Mean over the patches, `[D]`.
    pub fn pooled(tokens: &[f32], [patches, dim]: [usize; 2]) -> Vec<f32> {
        let mut pooled = vec![0.0; dim];
        for patch in tokens.chunks_exact(dim) {
            pooled.iter_mut().zip(patch).for_each(|(sum, value)| *sum += value);
        }
        pooled.iter_mut().for_each(|sum| *sum /= patches as f32);
        pooled
    }
}

/// Encodes episodes of a store. `on_episode` hears how many are done.
///
/// # Errors
/// The store cannot be read, a model failed, or `cancel` was set.
pub fn encode(
    model: &dyn LatentModel,
    store: &EpisodeStore,
    episodes: Range<usize>,
    on_episode: &mut dyn FnMut(usize),
    cancel: &AtomicBool,
) -> Result<Vec<Encoded>, PlannerError> {
    let frames = store.steps() + 1;
    let mut encoded = Vec::with_capacity(episodes.len());
    for (done, episode) in episodes.enumerate() {
        if cancel.load(Ordering::Relaxed) {
            return Err(PlannerError::Cancelled);
        }
        let pictures = store.frames(episode).map_err(boxed)?;
        let tokens = model.encode(&pictures)?;
        let [_, patches, dim] = tokens.dims();
        let states = (0..frames).map(|frame| store.state(episode, frame).map_err(boxed));
        encoded.push(Encoded {
            tokens: rows(tokens)?,
            actions: (0..store.steps()).map(|step| store.action(episode, step)).collect(),
            states: states.collect::<Result<_, _>>()?,
            shape: [patches, dim],
        });
        on_episode(done + 1);
    }
    Ok(encoded)
}

/// What the model imagines of an episode.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// The frame that it starts from.
    pub from: usize,
    /// Of [`AHEAD`].
    pub ahead: usize,
    /// `[N * D]`.
    pub tokens: Vec<f32>,
}

/// Rolls the episode's own actions out from every fourth of its frames that has as many as the longest look ahead after
/// it, side by side.
///
/// # Errors
/// The device failed.
pub fn imagine(model: &dyn LatentModel, episode: &Encoded) -> Result<Vec<Imagined>, PlannerError> {
    let starts: Vec<usize> = (0..=episode.actions.len().saturating_sub(LONGEST))
        .step_by(STRIDE)
        .filter(|start| start + LONGEST <= episode.actions.len())
        .collect();
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let ([patches, dim], device) = (episode.shape, model.device());
    let first: Vec<f32> = starts.iter().flat_map(|&start| episode.tokens[start].clone()).collect();
    let mut state = Tensor::<3>::from_data(TensorData::new(first, [starts.len(), patches, dim]), &device);
    let mut imagined = Vec::new();
    for ahead in 1..=LONGEST {
        let actions: Vec<f32> = starts
            .iter()
            .flat_map(|start| episode.actions[start + ahead - 1])
            .collect();
        let actions = Tensor::<2>::from_data(TensorData::new(actions, [starts.len(), 3]), &device);
        state = model.predict(state, actions, None);
        if AHEAD.contains(&ahead) {
            let of_starts = starts.iter().zip(rows(state.clone())?);
            imagined.extend(of_starts.map(|(&from, tokens)| Imagined { from, ahead, tokens }));
        }
    }
    Ok(imagined)
}

/// `[B, N, D]` to B rows of N * D.
fn rows(tokens: Tensor<3>) -> Result<Vec<Vec<f32>>, PlannerError> {
    let [_, patches, dim] = tokens.dims();
    let values = tokens
        .try_into_vec_as::<f32>()
        .map_err(|err| PlannerError::Device(err.to_string()))?;
    Ok(values.chunks_exact(patches * dim).map(<[f32]>::to_vec).collect())
}

fn boxed(err: crate::data::StoreError) -> PlannerError {
    PlannerError::Model(Box::new(err))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::planner::toy::{ToyModel, ToyWorld};
    use crate::sim::{Environment, Scene};

    /// A walk of the toy's point, in latents that its model predicts exactly, beside states that follow it: the first
    /// block lies where the point is, the others stay.
    pub fn toy_episode(steps: usize, turn: f32) -> Encoded {
        let model = ToyModel::new();
        let mut world = ToyWorld::new();
        let mut state = Scene::load("three-blocks").unwrap().start(0).unwrap();
        let mut episode = Encoded {
            tokens: vec![],
            actions: vec![],
            states: vec![],
            shape: [4, 6],
        };
        // Not every second frame: a read-out that looks at every second one would see only one of both.
        let suction = |step: usize| step % 3 == 1;
        for step in 0..=steps {
            episode
                .tokens
                .extend(rows(model.encode(&[world.observe().frame]).unwrap()).unwrap());
            state.gripper_m = [world.x, world.y];
            (state.blocks[0].position_m[0], state.blocks[0].position_m[1]) = (world.x, world.y);
            state.held = suction(step).then_some(0);
            episode.states.push(state.clone());
            if step < steps {
                let angle = turn * step as f32;
                let action = [
                    0.6 * angle.cos(),
                    0.6 * angle.sin(),
                    if suction(step + 1) { 1.0 } else { -1.0 },
                ];
                world.step(action);
                episode.actions.push(action);
            }
        }
        episode
    }

    #[test]
    fn rollouts_start_where_the_look_ahead_fits_and_follow_the_episode_s_actions() {
        let episode = toy_episode(14, 0.4);
        let imagined = imagine(&ToyModel::new(), &episode).unwrap();
        let at: Vec<(usize, usize)> = imagined.iter().map(|one| (one.from, one.ahead)).collect();
        assert_eq!(at, [(0, 1), (4, 1), (0, 4), (4, 4), (0, 8), (4, 8)]);
        for one in &imagined {
            let real = &episode.tokens[one.from + one.ahead];
            let gap = one
                .tokens
                .iter()
                .zip(real)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(gap < 1e-3, "{gap}");
        }
        assert!(imagine(&ToyModel::new(), &toy_episode(5, 0.4)).unwrap().is_empty());
    }
}

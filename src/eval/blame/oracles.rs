//! What stands in the place of the predictor: the same latents, made from the true world.

use std::cell::{Cell, RefCell};

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use super::stage::TrueWorld;
use crate::planner::{GoalSource, LatentModel, ModelError};
use crate::sim::{Environment, Frame, World};

/// Predicts what really comes: each candidate acts in a copy of the world, and the frame is encoded.
pub(super) struct TrueFutures<'a> {
    own: &'a dyn LatentModel,
    world: TrueWorld,
    /// Steps of every rollout; the next call after so many begins another.
    horizon: usize,
    calls: Cell<usize>,
    futures: RefCell<Vec<World>>,
}

impl<'a> TrueFutures<'a> {
    pub fn new(own: &'a dyn LatentModel, world: TrueWorld, horizon: usize) -> Self {
        Self {
            own,
            world,
            horizon,
            calls: Cell::new(0),
            futures: RefCell::default(),
        }
    }
}

impl LatentModel for TrueFutures<'_> {
    fn device(&self) -> Device {
        self.own.device()
    }

    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        self.own.encode(frames)
    }

    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, _bias: Option<&Tensor<1>>) -> Tensor<3> {
        let mut futures = self.futures.borrow_mut();
        if self.calls.get() == 0 {
            *futures = vec![self.world.borrow().clone(); tokens.dims()[0]];
        }
        self.calls.set((self.calls.get() + 1) % self.horizon.max(1));
        let actions: Vec<f32> = actions.into_data().iter::<f32>().collect();
        let frames: Vec<Frame> = futures
            .par_iter_mut()
            .zip(actions.par_chunks(3))
            .map(|(world, action)| {
                world.step([action[0], action[1], action[2]]);
                world.observe().frame
            })
            .collect();
        // A frame that cannot be encoded ends the plan with the planner's own message about numbers that are not finite.
        self.own.encode(&frames).unwrap_or_else(|_| tokens * f32::NAN)
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.own.proprioception(pooled)
    }

    fn temporal_distance(&self, states: Tensor<2>, goals: Tensor<2>) -> Option<Tensor<1>> {
        self.own.temporal_distance(states, goals)
    }

    fn latent_mean(&self) -> &[f32] {
        self.own.latent_mean()
    }

    fn comparison(&self) -> &[f32] {
        self.own.comparison()
    }

    fn gripper_variance(&self) -> f32 {
        self.own.gripper_variance()
    }

    fn sim_temperature(&self, source: GoalSource) -> f32 {
        self.own.sim_temperature(source)
    }
}

//! What stands in the place of the goal projection interface: the same latents, made from the true world.

use std::cell::Cell;

use crate::planner::{Goal, GoalMaker, GoalRequest, GoalSource, LatentModel, ModelError};
use crate::sim::{Environment, Primitive, World, achieve};

/// The world in which the sub-goal is achieved from here: the present one where it holds already, none where it cannot be
/// done from here or no template knows it.
pub fn achieved_from(world: &World, text: &str) -> Option<World> {
    let primitive = Primitive::parse(text, world.state())?;
    if primitive.holds(world.state()) {
        return Some(world.clone());
    }
    achieve(world, &primitive)
}

/// Goals that are the encoded picture of the sub-goal achieved. The map stays the one that `own` gives, and so does the
/// whole goal where the sub-goal cannot be achieved from the present state.
pub struct AchievedGoals<'a, W> {
    own: &'a dyn GoalMaker,
    model: &'a dyn LatentModel,
    /// Gives the world of the moment.
    world: W,
    /// Of the goal that was made last: an episode asks for it right after.
    source: Cell<GoalSource>,
}

impl<'a, W: Fn() -> World> AchievedGoals<'a, W> {
    pub fn new(own: &'a dyn GoalMaker, model: &'a dyn LatentModel, world: W) -> Self {
        Self {
            source: Cell::new(own.source()),
            own,
            model,
            world,
        }
    }
}

impl<W: Fn() -> World> GoalMaker for AchievedGoals<'_, W> {
    fn source(&self) -> GoalSource {
        self.source.get()
    }

    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError> {
        let own = self.own.goal(request)?;
        let Some(achieved) = achieved_from(&(self.world)(), request.text) else {
            self.source.set(self.own.source());
            return Ok(own);
        };
        self.source.set(GoalSource::Oracle);
        Ok(Goal {
            tokens: self.model.encode(&[achieved.observe().frame])?,
            map: own.map,
        })
    }
}

//! Sub-goals in the hands of the policy as it is: what its losses come to.

use std::sync::atomic::{AtomicBool, Ordering};

use super::PlanSample;
use crate::data::Demonstrations;
use crate::policy::Follower;
use crate::sim::{Environment, Primitive, World};
use crate::train::TrainError;

/// Of the starts; the same in every run.
const SEED: u64 = 11;
const SUB_GOALS: u64 = 6;

/// Sub-goals from starts that no demonstration has, each for as many steps as the planner has for one. What the policy
/// itself takes for done is not asked.
///
/// # Errors
/// The policy failed.
pub(in crate::train) fn cloned(
    follower: &Follower,
    demonstrations: &Demonstrations,
    budget: usize,
    cancel: &AtomicBool,
) -> Result<Vec<PlanSample>, TrainError> {
    let starts = (0..SUB_GOALS).filter_map(|index| demonstrations.fresh(SEED, index));
    starts
        .take_while(|_| !cancel.load(Ordering::Relaxed))
        .map(|(world, primitive)| carried_out(follower, world, primitive, budget))
        .collect()
}

fn carried_out(
    follower: &Follower,
    mut world: World,
    primitive: Primitive,
    budget: usize,
) -> Result<PlanSample, TrainError> {
    let what = primitive.text(world.state());
    let holds = |world: &World| primitive.holds(world.state()) && world.at_rest();
    let mut steps = 0;
    while steps < budget && !holds(&world) {
        let decision = follower.decide(&world.observe().frame, world.state().proprioception(), &what);
        let decision = decision.map_err(|err| TrainError::Data(err.to_string()))?;
        world.step(decision.action);
        steps += 1;
    }
    Ok(PlanSample {
        reached: holds(&world),
        what,
        steps,
        budget,
    })
}

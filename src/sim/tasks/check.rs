//! Carrying out lists with the noise-free expert: whether a list solves its task in the physical world.

use super::Task;
use crate::sim::{Environment, Primitive, World};

/// Steps that one sub-goal may take.
pub const STEPS_PER_PRIMITIVE: usize = 20;

/// Lets the noise-free expert carry out a primitive; whether it holds at the end, at rest, within
/// [`STEPS_PER_PRIMITIVE`] steps.
pub fn run_primitive(world: &mut World, primitive: Primitive) -> bool {
    for _ in 0..STEPS_PER_PRIMITIVE {
        if primitive.holds(world.state()) && world.at_rest() {
            return true;
        }
        let action = crate::sim::primitive_action(world.state(), primitive);
        world.step(action);
    }
    primitive.holds(world.state()) && world.at_rest()
}

/// Whether the primitives, one after the other in a copy of the world, solve the task.
pub fn expert_solves(world: &World, task: &Task, primitives: &[Primitive]) -> bool {
    let mut world = world.clone();
    primitives.iter().all(|&primitive| run_primitive(&mut world, primitive)) && task.solved(world.state())
}

/// Whether a list that a model wrote is right: each sub-goal can be read and reached in turn by the expert, and the
/// task is solved at the end.
pub fn list_is_right<T: AsRef<str>>(list: &[T], world: &World, task: &Task) -> bool {
    let primitives: Option<Vec<Primitive>> = list
        .iter()
        .map(|text| Primitive::parse(text.as_ref(), world.state()))
        .collect();
    primitives.is_some_and(|primitives| !primitives.is_empty() && expert_solves(world, task, &primitives))
}

//! Carrying out lists with the noise-free expert: whether a list solves its task in the physical world.

use super::Task;
use crate::random::{Stream, rng};
use crate::sim::{Environment, Expert, Noise, Primitive, World};

/// Steps that one sub-goal may take.
pub const STEPS_PER_PRIMITIVE: usize = 20;

/// Lets the noise-free expert carry out a primitive; whether it holds at the end, at rest, within
/// [`STEPS_PER_PRIMITIVE`] steps. The expert would do unasked what must come first, so a primitive that is not possible
/// from here is not begun.
pub fn run_primitive(world: &mut World, primitive: Primitive) -> bool {
    let holds = |world: &World| primitive.holds(world.state()) && world.at_rest();
    if holds(world) {
        return true;
    }
    if !primitive.possible(world.state()) {
        return false;
    }
    // Without noise nothing is drawn.
    let mut expert = Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE);
    for _ in 0..STEPS_PER_PRIMITIVE {
        let action = expert.act(&primitive, world.state());
        world.step(action);
        if holds(world) {
            return true;
        }
    }
    false
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

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook, TaskSampler};

    fn sampler() -> TaskSampler {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        TaskSampler::new(TaskBook::built_in().unwrap(), furniture)
    }

    #[test]
    fn the_expert_solves_every_template_from_a_hundred_starts() {
        let all = sampler();
        let failures: Vec<String> = all
            .book
            .templates
            .par_iter()
            .flat_map(|template| {
                let sampler = TaskSampler {
                    only: vec![template.name.clone()],
                    ..all.clone()
                };
                (0..100u64)
                    .into_par_iter()
                    .filter_map(|seed| {
                        let sample = sampler.sample(seed, 0, Phrasing::Seen).unwrap();
                        let world = World::from_state(&sample.state, 64);
                        let list: Vec<&str> = sample.plan.sub_goals.iter().map(|goal| goal.text.as_str()).collect();
                        (!list_is_right(&list, &world, &sample.task))
                            .then(|| format!("{seed} {:?} {list:?}", sample.task))
                    })
                    .collect::<Vec<String>>()
            })
            .collect();
        assert!(
            failures.is_empty(),
            "{} failures: {:#?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
    }

    #[test]
    fn a_wrong_list_is_wrong() {
        let sampler = sampler();
        let (mut shorter, mut n) = (0, 0);
        for index in 0..60 {
            let sample = sampler.sample(11, index, Phrasing::Seen).unwrap();
            let world = World::from_state(&sample.state, 64);
            let list: Vec<&str> = sample.plan.sub_goals.iter().map(|goal| goal.text.as_str()).collect();
            assert!(list_is_right(&list, &world, &sample.task));
            assert!(!list_is_right(&["dance"], &world, &sample.task));
            if list.len() > 1 {
                (n, shorter) = (
                    n + 1,
                    shorter + usize::from(list_is_right(&list[1..], &world, &sample.task)),
                );
                assert!(
                    !list_is_right(&list[..list.len() - 1], &world, &sample.task),
                    "{sample:?}"
                );
            }
        }
        assert!(
            n > 40 && shorter == 0,
            "{shorter} of {n} lists were right without their first sub-goal"
        );
    }
}

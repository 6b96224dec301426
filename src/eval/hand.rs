//! A hand that moves a block while an episode runs: what a plan is worth that the world does not keep to.
//!
//! It moves once, at a moment that is known before the episode begins, a block that the work left is about, to a free
//! place on the bare table. Where no block can be moved so that the task stays sound, it does nothing, and the episode
//! does not count.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::random::{Stream, rng};
use crate::sim::tasks::{Task, decompose};
use crate::sim::{Primitive, Support, Target, World, WorldState, is_clear, on_pad, support, upright};

/// Keeps the hand's numbers apart from others of the stream.
const HAND: u64 = 3;
/// Steps of the first grasp after which its block is moved: the gripper is on its way and holds nothing yet.
const ON_THE_WAY: usize = 3;
/// What is moved lands within this of the table's middle, per axis.
const AREA_M: f32 = 0.8;
/// It is moved at least this far: two blocks wide, so that a grasp at the old place misses.
const LEAST_WAY_M: f32 = 0.4;
/// And keeps this distance from what stands on the table.
const MARGIN_M: f32 = 0.05;
/// Places that are tried.
const PATIENCE: usize = 100;

/// When a block is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With the first action after the first sub-goal was declared reached.
    AfterFirst,
    /// While the gripper is on its way to grasp that block first.
    OnTheWay { block: usize },
}

impl Moment {
    /// The moment at which the work left is about a block that lies free: the first sub-goal's end, if a later one is
    /// about another block than that which is held by then; else the way to the first grasp. None where there is neither.
    pub fn of(primitives: &[Primitive]) -> Option<Self> {
        let (first, later) = primitives.split_first()?;
        let held = match *first {
            Primitive::Pick { block } => Some(block),
            Primitive::Reach { .. } | Primitive::Place { .. } => None,
        };
        if later.iter().flat_map(blocks_of).any(|block| Some(block) != held) {
            return Some(Self::AfterFirst);
        }
        held.map(|block| Self::OnTheWay { block })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::AfterFirst => "after_first",
            Self::OnTheWay { .. } => "on_the_way",
        }
    }
}

/// What was moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    pub moment: Moment,
    /// Actions executed until then.
    pub step: usize,
    pub block: usize,
    pub from_m: [f32; 2],
    pub to_m: [f32; 2],
}

/// Moves one block in one episode.
#[derive(Clone, Debug)]
pub struct Hand {
    moment: Moment,
    rng: ChaCha8Rng,
    /// It has moved, or tried to.
    done: bool,
}

impl Hand {
    /// The hand of an episode; where it moves what is a function of the seed and of the world at that moment.
    pub fn new(moment: Moment, seed: u64) -> Self {
        Self {
            moment,
            rng: rng(seed, Stream::Eval, 0, HAND),
            done: false,
        }
    }

    /// To be called after each action; `first_reached` once the first sub-goal was declared reached and another follows.
    pub fn after(&mut self, world: &mut World, task: &Task, step: usize, first_reached: bool) -> Option<Moved> {
        let due = match self.moment {
            Moment::AfterFirst => first_reached,
            Moment::OnTheWay { .. } => step >= ON_THE_WAY,
        };
        if self.done || !due {
            return None;
        }
        self.done = true;
        let block = self.choose(world.state(), task)?;
        let [x, y, _] = world.state().blocks[block].position_m;
        for _ in 0..PATIENCE {
            let place: [f32; 2] = std::array::from_fn(|_| self.rng.random_range(-AREA_M..AREA_M));
            if (place[0] - x).hypot(place[1] - y) < LEAST_WAY_M || !is_free(world.state(), block, place) {
                continue;
            }
            let mut moved = world.clone();
            moved.put_block(block, place);
            if is_sound(&moved, block, task) {
                *world = moved;
                return Some(Moved {
                    moment: self.moment,
                    step,
                    block,
                    from_m: [x, y],
                    to_m: place,
                });
            }
        }
        None
    }

    /// A block that lies free and that the shortest way to the task's end is about.
    fn choose(&mut self, state: &WorldState, task: &Task) -> Option<usize> {
        let loose = |block: &usize| state.held != Some(*block) && is_clear(state, *block);
        if let Moment::OnTheWay { block } = self.moment {
            return Some(block).filter(loose);
        }
        let plan = decompose(task, state)?;
        let mut blocks: Vec<usize> = plan
            .sub_goals
            .iter()
            .flat_map(|goal| blocks_of(&goal.primitive))
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks.retain(loose);
        blocks.choose(&mut self.rng).copied()
    }
}

/// The blocks that a primitive is about.
fn blocks_of(primitive: &Primitive) -> Vec<usize> {
    match *primitive {
        Primitive::Place {
            block,
            target: Target::Block(lower),
        } => vec![block, lower],
        _ => vec![primitive.block()],
    }
}

/// Bare table, clear of pads and other blocks.
fn is_free(state: &WorldState, block: usize, [x, y]: [f32; 2]) -> bool {
    let [ex, ey, _] = state.blocks[block].extents_m();
    let apart =
        |[u, v]: [f32; 2], ax: f32, ay: f32| (x - u).abs() > ex + ax + MARGIN_M || (y - v).abs() > ey + ay + MARGIN_M;
    let others = state
        .blocks
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != block && state.held != Some(*other));
    others.into_iter().all(|(_, there)| {
        let [ax, ay, _] = there.extents_m();
        apart([there.position_m[0], there.position_m[1]], ax, ay)
    }) && state
        .pads
        .iter()
        .all(|pad| apart(pad.position_m, pad.half_m, pad.half_m))
        && state
            .bins
            .iter()
            .all(|bin| apart(bin.position_m, bin.half_m, bin.half_m))
}

/// The block stands there by itself, and the task is still to do and can be done.
fn is_sound(world: &World, block: usize, task: &Task) -> bool {
    let state = world.state();
    world.at_rest()
        && upright(state, block)
        && support(state, block) == Support::Table
        && on_pad(state, block).is_none()
        && !task.solved(state)
        && decompose(task, state).is_some_and(|plan| !plan.sub_goals.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::demo_suite;
    use crate::sim::tasks::{Phrasing, TaskBook};
    use crate::sim::{Environment, Scene};

    #[test]
    fn the_moment_is_when_the_work_left_is_about_a_block_that_lies_free() {
        let pick = |block| Primitive::Pick { block };
        let on_pad = |block| Primitive::Place {
            block,
            target: Target::Pad(0),
        };
        let on_block = |block, lower| Primitive::Place {
            block,
            target: Target::Block(lower),
        };
        let of = |list: &[Primitive]| Moment::of(list);
        assert_eq!(of(&[pick(1), on_pad(1)]), Some(Moment::OnTheWay { block: 1 }));
        assert_eq!(of(&[pick(1), on_block(1, 2)]), Some(Moment::AfterFirst));
        assert_eq!(of(&[pick(1), on_pad(1), pick(0)]), Some(Moment::AfterFirst));
        assert_eq!(of(&[on_pad(1), pick(0)]), Some(Moment::AfterFirst));
        assert_eq!(of(&[on_pad(1)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_it_moves_is_elsewhere_and_the_task_is_still_to_do() {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        let suite = demo_suite(&TaskBook::built_in().unwrap(), &furniture, 5, 100, Phrasing::Seen, None);
        let (mut after_first, mut on_the_way) = (0, 0);
        for one in &suite {
            let Some(moment) = Moment::of(&one.primitives) else {
                continue;
            };
            let run = || {
                let mut world = one.world(8);
                let mut hand = Hand::new(moment, one.seed);
                let moved = (1..6).find_map(|step| {
                    world.step([0.0, 0.0, if world.state().held.is_some() { 1.0 } else { -1.0 }]);
                    hand.after(&mut world, &one.task, step, step >= 2)
                });
                (moved, world)
            };
            let (moved, world) = run();
            assert_eq!((moved, &world), (run().0, &run().1), "the seed decides");
            let Some(moved) = moved else { continue };
            match moment {
                Moment::AfterFirst => after_first += 1,
                Moment::OnTheWay { block } => {
                    on_the_way += 1;
                    assert_eq!((moved.block, moved.step), (block, ON_THE_WAY));
                }
            }
            let [x, y, _] = world.state().blocks[moved.block].position_m;
            assert!((x - moved.from_m[0]).hypot(y - moved.from_m[1]) > LEAST_WAY_M - 0.05);
            assert!(!one.task.solved(world.state()) && decompose(&one.task, world.state()).is_some());
        }
        assert!(after_first > 10 && on_the_way > 3, "{after_first} {on_the_way}");
    }
}

//! Tasks in a row, by CALVIN's protocol: five short tasks one after the other, each in the world that the one before has left;
//! a row ends with the first that is not solved.

use rand::Rng;

use super::EvalEpisode;
use crate::random::{Stream, rng};
use crate::sim::WorldState;
use crate::sim::tasks::{Phrasing, TaskBook, TaskSampler};

/// Tasks of a row.
pub const IN_A_ROW: usize = 5;
/// Sub-goals of each.
const SHORT: std::ops::RangeInclusive<usize> = 1..=2;
/// Keeps these numbers apart from others of the stream.
const ROWS: u64 = 12;

/// Draws rows of tasks on one table: the first task of a row with its start, each other one in the world as it is then.
#[derive(Clone, Debug)]
pub struct Rows {
    sampler: TaskSampler,
    seed: u64,
    phrasing: Phrasing,
}

impl Rows {
    pub fn new(book: TaskBook, furniture: WorldState, seed: u64, phrasing: Phrasing) -> Self {
        let sampler = TaskSampler {
            primitives: SHORT,
            ..TaskSampler::new(book, furniture)
        };
        Self {
            sampler,
            seed,
            phrasing,
        }
    }

    /// The first task of that row; none where no short task can be drawn on this table.
    pub fn first(&self, row: usize) -> Option<EvalEpisode> {
        let seed = self.seed_of(row, 0);
        let sample = self.sampler.sample(seed, 0, self.phrasing)?;
        Some(EvalEpisode::of(row, seed, sample))
    }

    /// Task `place` of the row, counted from 0, in the world that the one before has left; none where nothing short is left
    /// to do there.
    pub fn next(&self, row: usize, place: usize, left: &WorldState) -> Option<EvalEpisode> {
        let seed = self.seed_of(row, place);
        let sample = self.sampler.sample_in(left, seed, 0, self.phrasing)?;
        Some(EvalEpisode::of(row, seed, sample))
    }

    fn seed_of(&self, row: usize, place: usize) -> u64 {
        rng(self.seed, Stream::Eval, (row * IN_A_ROW + place) as u64, ROWS).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tasks::run_primitive;
    use crate::sim::{Environment, Scene};

    #[test]
    fn rows_go_on_in_the_world_that_the_task_before_has_left() {
        let scene = Scene::load("three-blocks").unwrap();
        let furniture = scene.start(0).unwrap();
        let rows = |seed| Rows::new(TaskBook::built_in().unwrap(), furniture.clone(), seed, Phrasing::Seen);
        let (these, same, others) = (rows(1), rows(1), rows(2));
        assert_ne!(these.first(0), others.first(0));
        let mut whole = 0;
        for row in 0..12 {
            let mut task = these.first(row).unwrap();
            assert_eq!(Some(&task), same.first(row).as_ref());
            for place in 1..=IN_A_ROW {
                assert!(SHORT.contains(&task.horizon) && !task.task.solved(&task.state));
                let mut world = task.world(1);
                assert!(task.primitives.iter().all(|&one| run_primitive(&mut world, one)));
                assert!(task.task.solved(world.state()), "{}", task.task.text);
                whole += usize::from(place == IN_A_ROW);
                let left = world.state();
                let Some(next) = these.next(row, place, left).filter(|_| place < IN_A_ROW) else {
                    break;
                };
                assert_eq!((next.index, &next.state), (row, left));
                assert_eq!(world.observe().frame, next.world(1).observe().frame);
                task = next;
            }
        }
        assert!(whole >= 10, "{whole} of 12 rows have five tasks");
    }
}

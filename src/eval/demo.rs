//! The demo suite: tasks over one scene's blocks and pads, every start and text drawn from a seed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rand::Rng;

use crate::random::{Stream, rng};
use crate::sim::tasks::{Phrasing, Sample, Task, TaskBook, TaskSampler};
use crate::sim::{Primitive, World, WorldState};

/// One episode: a start, a task, and what it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalEpisode {
    pub index: usize,
    /// What the world is built from.
    pub state: WorldState,
    pub task: Task,
    /// Primitives of the shortest list.
    pub horizon: usize,
    /// That list, for oracles and for blame; nothing that plans sees it.
    pub primitives: Vec<Primitive>,
    /// Whether the list can be known without the frame.
    pub depends_on_frame: bool,
    /// Seed of the planner and of sampling in this episode.
    pub seed: u64,
}

impl EvalEpisode {
    pub(super) fn of(index: usize, seed: u64, sample: Sample) -> Self {
        Self {
            index,
            state: sample.state,
            task: sample.task,
            horizon: sample.plan.sub_goals.len(),
            primitives: sample
                .plan
                .sub_goals
                .iter()
                .map(|sub_goal| sub_goal.primitive)
                .collect(),
            depends_on_frame: sample.depends_on_frame,
            seed,
        }
    }

    /// The world at its start; `frame_px` is the size of the frames that a model sees.
    pub fn world(&self, frame_px: usize) -> World {
        World::from_state(&self.state, frame_px)
    }
}

/// The first `n` episodes of a seed whose horizon is in the range, on the blocks and pads of `furniture`. The worlds and
/// texts of training are never among them: their seeds come from another stream.
pub fn episodes(
    book: &TaskBook,
    furniture: &WorldState,
    seed: u64,
    n: usize,
    phrasing: Phrasing,
    horizons: RangeInclusive<usize>,
) -> Vec<EvalEpisode> {
    let sampler = TaskSampler {
        primitives: horizons,
        ..TaskSampler::new(book.clone(), furniture.clone())
    };
    (0..n)
        .map_while(|index| {
            let seed = rng(seed, Stream::Eval, index as u64, 0).next_u64();
            let sample = sampler.sample(seed, 0, phrasing)?;
            Some(EvalEpisode::of(index, seed, sample))
        })
        .collect()
}

/// The demo suite: tasks of two and three primitives, or of one of these horizons alone, in phrasings of training or in
/// held-out ones.
pub fn demo_suite(
    book: &TaskBook,
    furniture: &WorldState,
    seed: u64,
    n: usize,
    phrasing: Phrasing,
    horizon: Option<usize>,
) -> Vec<EvalEpisode> {
    let horizons = horizon.map_or(2..=3, |horizon| horizon..=horizon);
    episodes(book, furniture, seed, n, phrasing, horizons)
}

/// Templates of the episodes with the horizons they take, and how many episodes are so.
pub fn listing(episodes: &[EvalEpisode]) -> BTreeMap<String, BTreeMap<usize, usize>> {
    let mut listing: BTreeMap<String, BTreeMap<usize, usize>> = BTreeMap::new();
    for episode in episodes {
        *listing
            .entry(episode.task.template.clone())
            .or_default()
            .entry(episode.horizon)
            .or_default() += 1;
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scene;

    #[test]
    fn the_suite_is_the_seed_s_and_of_many_templates() {
        let book = TaskBook::built_in().unwrap();
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        let suite = |seed| demo_suite(&book, &furniture, seed, 120, Phrasing::HeldOut, None);
        let first = suite(1);
        assert_eq!((first.len(), &first), (120, &suite(1)));
        assert_ne!(first, suite(2));
        assert!(first.iter().all(|episode| (2..=3).contains(&episode.horizon)));
        assert!(listing(&first).len() >= 10, "{:?}", listing(&first));
        for horizon in [2, 3] {
            let of_one = demo_suite(&book, &furniture, 1, 120, Phrasing::Seen, Some(horizon));
            assert!(of_one.len() == 120 && of_one.iter().all(|episode| episode.primitives.len() == horizon));
            assert!(listing(&of_one).len() >= 8, "{:?}", listing(&of_one));
        }
    }
}

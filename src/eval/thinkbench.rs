//! ThinkBench: two hundred tasks of three to ten sub-goals, five of each template, each a function of the seed. Two of the
//! five are said in held-out words, and in two a block has a colour and shape that training never shows together.

use rand::Rng;
use rayon::prelude::*;

use super::EvalEpisode;
use crate::random::{Stream, rng};
use crate::sim::tasks::{Phrasing, TaskBook, TaskSampler};
use crate::sim::{Looks, Scene, SceneError};

/// Keeps these numbers apart from others of the stream.
const BENCH: u64 = 11;
/// The episodes of one template: how each is said, and what it is about.
const OF_TEMPLATE: [(Phrasing, Looks); 5] = [
    (Phrasing::Seen, Looks::Seen),
    (Phrasing::Seen, Looks::Seen),
    (Phrasing::HeldOut, Looks::Seen),
    (Phrasing::Seen, Looks::HeldOut),
    (Phrasing::HeldOut, Looks::HeldOut),
];

/// One task of the suite.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchEpisode {
    pub episode: EvalEpisode,
    /// Whether combinations of colour and shape are those of training.
    pub looks: Looks,
}

/// The suite of a seed on a scene's table, template by template; without the episodes that cannot be drawn there.
///
/// # Errors
/// The scene has no room for what is on it.
pub fn bench_episodes(book: &TaskBook, scene: &Scene, seed: u64) -> Result<Vec<BenchEpisode>, SceneError> {
    let sampler = TaskSampler::on(book.clone(), scene, seed)?;
    let all: Vec<(usize, &str, (Phrasing, Looks))> = book
        .templates
        .iter()
        .flat_map(|template| OF_TEMPLATE.map(|kind| (template.name.as_str(), kind)))
        .enumerate()
        .map(|(index, (name, kind))| (index, name, kind))
        .collect();
    let drawn = all.into_par_iter().filter_map(|(index, name, (phrasing, looks))| {
        let seed = rng(seed, Stream::Eval, index as u64, BENCH).next_u64();
        let sampler = TaskSampler {
            only: vec![name.to_owned()],
            looks,
            ..sampler.clone()
        };
        let episode = EvalEpisode::of(index, seed, sampler.sample(seed, 0, phrasing)?);
        Some(BenchEpisode { episode, looks })
    });
    Ok(drawn.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::listing;
    use crate::sim::World;
    use crate::sim::tasks::list_is_right;

    const SEED: u64 = 9001;

    fn suite() -> (TaskBook, Scene, Vec<BenchEpisode>) {
        let scene = Scene::load("thinkbench").unwrap();
        let book = TaskBook::named(&scene.tasks).unwrap();
        let suite = bench_episodes(&book, &scene, SEED).unwrap();
        (book, scene, suite)
    }

    #[test]
    fn ten_templates_of_each_length_with_five_episodes_each() {
        let (book, scene, suite) = suite();
        let episodes: Vec<EvalEpisode> = suite.iter().map(|one| one.episode.clone()).collect();
        let listing = listing(&episodes);
        let missing: Vec<&str> = (book.templates.iter())
            .filter(|template| {
                let length = template.sub_goals.unwrap();
                listing.get(&template.name) != Some(&BTreeMap::from([(length, 5)]))
            })
            .map(|template| template.name.as_str())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        for length in [3, 5, 7, 10] {
            assert_eq!(episodes.iter().filter(|one| one.horizon == length).count(), 50);
        }
        let held_out = |one: &&BenchEpisode| {
            let names = one.episode.state.blocks.iter().map(|block| &block.name);
            names.into_iter().any(|name| scene.held_out.contains(name))
        };
        assert_eq!(suite.iter().filter(held_out).count(), 80);
        assert!(suite.iter().all(|one| held_out(&one) == (one.looks == Looks::HeldOut)));
        let said = |phrasing| suite.iter().filter(|one| one.episode.task.phrasing == phrasing).count();
        assert_eq!((said(Phrasing::Seen), said(Phrasing::HeldOut)), (120, 80));
        // What was written is what is read, and no two templates share a text with two meanings.
        for BenchEpisode { episode, .. } in &suite {
            let (task, state) = (&episode.task, &episode.state);
            let read = book.recognise(&task.text, state).expect(&task.text);
            assert_eq!(read.goals, task.goals, "{}: {}", read.template, task.text);
            crate::sim::tasks::check_text(&task.text, state).unwrap();
        }
        assert_ne!(suite[0], bench_episodes(&book, &scene, SEED + 1).unwrap()[0]);
    }

    /// By physics, step by step: the lists are right, not only short.
    #[test]
    fn the_expert_solves_all_two_hundred() {
        let (.., suite) = suite();
        assert_eq!(suite.len(), 200);
        let wrong: Vec<String> = suite
            .par_iter()
            .filter_map(|BenchEpisode { episode, .. }| {
                let world = World::from_state(&episode.state, 1);
                let list: Vec<String> = (episode.primitives.iter())
                    .map(|one| one.text(&episode.state))
                    .collect();
                (!list_is_right(&list, &world, &episode.task))
                    .then(|| format!("{} {}: {list:?}", episode.index, episode.task.text))
            })
            .collect();
        assert!(wrong.is_empty(), "{} of 200 not solved: {wrong:#?}", wrong.len());
    }
}

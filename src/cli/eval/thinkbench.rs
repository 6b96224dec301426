//! Suite thinkbench: two hundred tasks of three to ten sub-goals through the whole chain, or what stands in the place of the
//! language model's list.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::args::phrasing_name;
use super::{Bench, Eval, demo};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::{BenchEpisode, EvalEpisode, bench_episodes};
use crate::sim::Scene;
use crate::sim::tasks::TaskBook;

/// The suite's scene and its book of tasks.
pub(super) const THINKBENCH: &str = "thinkbench";

fn suite(eval: &Eval, scene: &Scene) -> Result<Vec<BenchEpisode>, CliError> {
    let book = TaskBook::named(&scene.tasks)?;
    let suite = bench_episodes(&book, scene, eval.seed)?;
    if suite.is_empty() {
        return Err(CliError::new(format!(
            "No task of {} can be drawn in scene {}.",
            scene.tasks, scene.name
        )));
    }
    Ok(suite)
}

/// Every episode of the suite: what is asked in which words, of how many sub-goals, and from which start.
pub(super) fn list(eval: &Eval, scene: &Scene, console: &Console) -> CliResult {
    let suite = suite(eval, scene)?;
    let mut templates: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for BenchEpisode { episode, .. } in &suite {
        *templates.entry((episode.horizon, &episode.task.template)).or_default() += 1;
    }
    for ((sub_goals, name), count) in &templates {
        console.line(&format!("{sub_goals:>2} sub-goals  {name:<44} {count}"));
    }
    let episodes: Vec<Value> = suite
        .iter()
        .map(|BenchEpisode { episode, looks }| {
            json!({
                "episode": episode.index,
                "template": episode.task.template,
                "sub_goals": episode.horizon,
                "phrasing": phrasing_name(episode.task.phrasing),
                "looks": looks,
                "text": episode.task.text,
                "seed": episode.seed,
                "scene": scene.name,
                "objects": episode.state.object_names(),
            })
        })
        .collect();
    let document = json!({
        "schema": "thinkjepa.suite/1",
        "suite": eval.suite.name(),
        "seed": eval.seed,
        "episodes": episodes,
    });
    console.document(&eval.output, &document)?;
    Ok(Exit::Done)
}

pub(super) fn episodes(eval: &Eval, scene: &Scene) -> Result<Vec<EvalEpisode>, CliError> {
    Ok(suite(eval, scene)?.into_iter().map(|one| one.episode).collect())
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    demo::measure(eval, bench, &episodes(eval, &bench.scene)?, console)
}

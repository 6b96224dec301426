//! Suite thinkbench: two hundred tasks of three to ten sub-goals through the whole chain, or what stands in the place of a
//! part of it; or through all of these in turn, each into a record of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::args::{Baseline, phrasing_name};
use super::{Bench, Eval, demo, finish, value_of};
use crate::cli::args::writable;
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::{BenchEpisode, EvalEpisode, EvalReport, Rate, bench_episodes};
use crate::sim::tasks::TaskBook;
use crate::sim::{Looks, Scene};
use crate::weights::write_file;

/// The suite's scene and its book of tasks.
pub(super) const THINKBENCH: &str = "thinkbench";

/// A row of the table by horizon.
pub(in crate::cli) struct Row {
    /// Name of the record, without `.json`.
    pub record: &'static str,
    pub what: &'static str,
    baseline: Baseline,
}

pub(in crate::cli) const ROWS: [Row; 9] = [
    row("thinkbench", Baseline::None, "ThinkJEPA"),
    row(
        "thinkbench-bc",
        Baseline::Bc,
        "language model alone: its sub-goals, each carried out by a policy that has cloned the expert",
    ),
    row(
        "thinkbench-flat",
        Baseline::Flat,
        "world model alone: CEM toward GPI's goal of the whole task",
    ),
    row(
        "thinkbench-flat-image",
        Baseline::FlatImage,
        "world model alone: CEM toward the encoded picture of the task achieved",
    ),
    row(
        "thinkbench-true-lists",
        Baseline::TrueLists,
        "true sub-goals, with goals made of their texts",
    ),
    row(
        "thinkbench-true-goals",
        Baseline::TrueGoals,
        "true sub-goals, each toward the encoded picture of it achieved",
    ),
    row(
        "thinkbench-vlm-expert",
        Baseline::VlmExpert,
        "language model's sub-goals, carried out by the scripted expert",
    ),
    row("thinkbench-random", Baseline::Random, "random actions"),
    row("thinkbench-expert", Baseline::Expert, "scripted expert"),
];

const fn row(record: &'static str, baseline: Baseline, what: &'static str) -> Row {
    Row { record, what, baseline }
}

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

/// Typed tasks on that scene's table: this suite's where it was made for it, else the demo's.
pub(super) fn episodes_of_scene(eval: &Eval, scene: &Scene) -> Result<Vec<EvalEpisode>, CliError> {
    if scene.tasks == THINKBENCH {
        Ok(suite(eval, scene)?.into_iter().map(|one| one.episode).collect())
    } else {
        demo::suite(eval, scene)
    }
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let cancel = console.on_interrupt()?;
    let suite = suite(eval, &bench.scene)?;
    if eval.all {
        return run_all(eval, bench, &suite, &cancel, console);
    }
    let report = measure(eval, bench, &suite, &cancel, console)?;
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(cancel.load(Ordering::Relaxed)))
}

/// Every row of the table whose record is not there already.
fn run_all(eval: &Eval, bench: &Bench, suite: &[BenchEpisode], cancel: &AtomicBool, console: &Console) -> CliResult {
    let mut records = Vec::new();
    for Row {
        record: name, baseline, ..
    } in ROWS
    {
        let path = eval.records.join(format!("{name}.json"));
        let row = Eval {
            all: false,
            baseline: Some(baseline),
            ..eval.clone()
        };
        writable(&path)?;
        if baseline == Baseline::Bc && bench.system.follower().is_err() {
            console.note(&format!(
                "{name}: left out, the checkpoint holds no policy (train --stage bc)."
            ));
            continue;
        }
        console.note(name);
        if is_kept(&path, &row, bench) {
            console.note("  is there already");
        } else {
            let report = measure(&row, bench, suite, cancel, console)?;
            if cancel.load(Ordering::Relaxed) {
                return Ok(Exit::Interrupted);
            }
            for (horizon, rate) in report.by_horizon.iter().flatten() {
                console.line(&format!("{:<28} {rate}", format!("{horizon} sub-goals")));
            }
            write_file(
                &path,
                format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes(),
            )?;
        }
        records.push(path);
    }
    console.document(
        &eval.output,
        &json!({ "schema": "thinkjepa.records/1", "records": records }),
    )?;
    Ok(Exit::Done)
}

/// Whether the record of a row is there, made by this checkpoint with these settings.
fn is_kept(path: &Path, row: &Eval, bench: &Bench) -> bool {
    let record = std::fs::read(path).ok();
    let record: Option<Value> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    record.is_some_and(|record| {
        let settings = bench.settings(json!({ "baseline": row.baseline().name() }));
        let same = |field: &str| record["settings"][field] == settings[field];
        record["seeds"] == json!([row.seed])
            && record["measured"]["interrupted"] == json!(false)
            && ["checkpoint", "scene", "plan", "baseline"].into_iter().all(same)
    })
}

fn measure(
    eval: &Eval,
    bench: &Bench,
    suite: &[BenchEpisode],
    cancel: &AtomicBool,
    console: &Console,
) -> Result<EvalReport, CliError> {
    let episodes: Vec<EvalEpisode> = suite.iter().map(|one| one.episode.clone()).collect();
    let held_out: BTreeSet<usize> = suite
        .iter()
        .filter(|one| one.looks == Looks::HeldOut)
        .map(|one| one.episode.index)
        .collect();
    let (mut report, runs) = demo::measure(eval, bench, &episodes, cancel, console)?;
    let among = |of: &dyn Fn(&EvalEpisode) -> bool| {
        let those = runs.iter().filter(|(one, _)| of(one));
        value_of(&Rate::among(those.map(|(_, run)| run.solved)))
    };
    let of_phrasing = |phrasing: &str| among(&|one| phrasing_name(one.task.phrasing) == phrasing);
    report.measured["by_phrasing"] = json!({ "seen": of_phrasing("seen"), "held_out": of_phrasing("held_out") });
    report.measured["by_looks"] = json!({
        "seen": among(&|one| !held_out.contains(&one.index)),
        "held_out": among(&|one| held_out.contains(&one.index)),
    });
    Ok(report)
}

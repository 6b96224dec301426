//! Suite oracle: reach, pick, place and stack, one sub-goal at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, TensorData};
use serde_json::{Value, json};

use super::args::{Goals, Kind};
use super::{Bench, Eval, finish, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::config::SimilarityKind;
use crate::eval::calibration::{Calibration, Declarations, Samples, calibrate};
use crate::eval::oracle::{BatchGoal, BatchResult, BatchSettings, oracle_goal, run_batch};
use crate::eval::{EpisodeOutcome, EvalReport, KINDS, Machine, Rate, TabletopTask, kind_name, tabletop_tasks};
use crate::planner::cost::{LatentSpace, pool};
use crate::planner::{GoalRequest, GoalSource, LatentModel, ModelError, PlannerError};
use crate::recording::AttentionMap;
use crate::sim::{Frame, OracleKind, Scene};
use crate::system::{Draft, System};

/// What was measured of one kind.
struct Measured {
    kind: OracleKind,
    result: BatchResult,
    /// Cosines of failures to the goals that they failed.
    misses: Vec<f32>,
}

fn kinds(eval: &Eval) -> Vec<OracleKind> {
    let chosen = |kind: &OracleKind| match (eval.kinds.is_empty(), eval.goals()) {
        (true, Goals::Oracle) => true,
        // A task's sub-goals are grasps and placements: nothing teaches the language side to say "reach".
        (true, Goals::Gpi) => *kind != OracleKind::Reach,
        (false, _) => eval.kinds.iter().copied().map(Kind::oracle).any(|asked| asked == *kind),
    };
    KINDS.into_iter().filter(chosen).collect()
}

pub(super) fn list(eval: &Eval, scene: &Scene, console: &Console) -> CliResult {
    let mut templates = BTreeMap::new();
    for kind in kinds(eval) {
        let count = tabletop_tasks(scene, kind, eval.seed, eval.episodes, 1)?.len();
        console.line(&format!("{:<28} {count} of horizon 1", kind_name(kind)));
        templates.insert(kind_name(kind), json!({ "1": count }));
    }
    let document = json!({ "schema": "thinkjepa.suite/1", "suite": "oracle", "templates": templates });
    console.document(&eval.output, &document)?;
    Ok(Exit::Done)
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let source = match eval.goals() {
        Goals::Oracle => GoalSource::Oracle,
        Goals::Gpi => {
            bench.system.models()?;
            GoalSource::Gpi
        }
    };
    let settings = BatchSettings {
        seed: eval.seed,
        source,
        ..BatchSettings::default()
    };
    let cancel = console.on_interrupt()?;
    let mut measured = Vec::new();
    for kind in kinds(eval) {
        match measure(eval, bench, &settings, kind, console, &cancel) {
            Ok(one) => measured.push(one),
            Err(_) if cancel.load(Ordering::Relaxed) => break,
            Err(err) => return Err(err),
        }
    }
    let interrupted = cancel.load(Ordering::Relaxed);
    let fit = calibrate(&samples(&measured));
    let report = report(eval, bench, &settings, &measured, fit.as_ref(), interrupted);
    if let Some(share) = report.measured["content_share"].as_f64() {
        let term = &report.settings["plan"]["cost"]["term"];
        console.line(&format!("cost {term}: {:.0} % of it is scene content", 100.0 * share));
    }
    if eval.calibrate && !interrupted {
        let fit = fit.ok_or_else(|| {
            CliError::new(
                "Nothing was fitted: the states that were visited are all reached, or none is. Run more episodes.",
            )
        })?;
        write_temperature(eval, bench, source, &fit)?;
        console.line(&format!(
            "temperature {:.4} (AUC {:.3}, {:.0} % of reached states pass, {:.0} % of states on the way, {:.0} % of failed \
             attempts) written to {}",
            fit.temperature,
            fit.auc,
            100.0 * fit.true_positive_rate,
            100.0 * fit.false_positive_rate,
            100.0 * fit.miss_rate,
            bench.checkpoint.folder.display(),
        ));
    }
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(interrupted))
}

fn measure(
    eval: &Eval,
    bench: &Bench,
    settings: &BatchSettings,
    kind: OracleKind,
    console: &Console,
    cancel: &AtomicBool,
) -> Result<Measured, CliError> {
    let size = bench.config.frame_px();
    let tasks = tabletop_tasks(&bench.scene, kind, eval.seed, eval.episodes, size)?;
    if tasks.is_empty() {
        let scene = &bench.scene.name;
        return Err(CliError::new(format!(
            "Scene {scene} has no task of kind {}. Leave it out of --kinds, or choose another scene.",
            kind_name(kind)
        )));
    }
    let bar = console.progress(tasks.len() as u64, kind_name(kind));
    let system = &bench.system;
    let mut solved = 0;
    let mut episode = 0;
    let mut goal_of = |task: &TabletopTask, frame: &Frame, tokens: &Tensor<3>| match eval.goals() {
        Goals::Oracle => oracle_goal(&system.world, task),
        Goals::Gpi => {
            let grid = bench.config.vlm.grid();
            let number = episode;
            episode += 1;
            let change = |own| eval.map().replace(own, || task.true_map(grid), eval.seed, number);
            gpi_goal(system, task, frame, tokens, change)
        }
    };
    let mut on_episode = |number: usize, episode: &crate::eval::oracle::BatchEpisode| {
        solved += usize::from(episode.solved);
        bar.set_position(number as u64 + 1);
        bar.set_message(format!("{solved} solved"));
    };
    let plan = &bench.config.plan;
    let result = run_batch(
        &system.world,
        plan,
        settings,
        tasks.clone(),
        &mut goal_of,
        &mut on_episode,
        cancel,
    );
    bar.finish_and_clear();
    let result = result.map_err(|err: PlannerError| CliError::new(err.to_string()))?;
    let rate = Rate::among(result.episodes.iter().map(|episode| episode.solved));
    let ms = 1000.0 * result.plan_secs / result.plans.max(1) as f64;
    let steps = result
        .mean_steps()
        .map_or(String::new(), |steps| format!(", {steps:.1} steps"));
    console.note(&format!("{:<6} {rate}{steps}, {ms:.0} ms a plan", kind_name(kind)));
    let misses = miss_cosines(bench, &tasks, &result, eval.seed)?;
    Ok(Measured { kind, result, misses })
}

/// Cosines of each task's failures to its goal.
fn miss_cosines(bench: &Bench, tasks: &[TabletopTask], result: &BatchResult, seed: u64) -> Result<Vec<f32>, CliError> {
    let model = &bench.system.world;
    let space = LatentSpace::new(model, bench.config.plan.similarity)?;
    let mut cosines = Vec::new();
    for (number, (task, episode)) in tasks.iter().zip(&result.episodes).enumerate() {
        let frames = task.misses(seed, number);
        if frames.is_empty() {
            continue;
        }
        let data = TensorData::new(episode.goal.clone(), [1, episode.goal.len()]);
        let goal = Tensor::<2>::from_data(data, &model.device());
        let tokens = model.encode(&frames).map_err(|err| CliError::new(err.to_string()))?;
        // The temperature does not matter to a cosine.
        let of_task = space.similarity_to(goal, 1.0).cosine(pool(tokens));
        cosines.extend(of_task.into_data().iter::<f32>());
    }
    Ok(cosines)
}

fn gpi_goal(
    system: &System,
    task: &TabletopTask,
    frame: &Frame,
    tokens: &Tensor<3>,
    change: impl FnOnce(AttentionMap) -> AttentionMap,
) -> Result<BatchGoal, ModelError> {
    let (text, objects) = (task.text(), task.objects());
    let request = GoalRequest {
        frame,
        tokens,
        task: &text,
        text: &text,
        objects: &objects,
    };
    let goal = system.goal_by_map(&request, change)?;
    Ok(BatchGoal {
        tokens: goal.tokens,
        map: Some(goal.map),
    })
}

fn samples<'a>(measured: impl IntoIterator<Item = &'a Measured>) -> Samples {
    let mut samples = Samples::default();
    for Measured { result, misses, .. } in measured {
        let visits = result.visits.iter().map(|visit| (visit.cosine, visit.reached));
        samples.visits.extend(visits);
        samples.misses.extend(misses);
    }
    samples
}

fn fit_value(fit: Option<&Calibration>) -> Value {
    fit.map_or(Value::Null, |fit| {
        json!({
            "auc": fit.auc,
            "auc_misses": fit.auc_misses,
            "threshold": fit.threshold,
            "true_positive_rate": fit.true_positive_rate,
            "false_positive_rate": fit.false_positive_rate,
            "miss_rate": fit.miss_rate,
            "temperature": fit.temperature,
        })
    })
}

fn report(
    eval: &Eval,
    bench: &Bench,
    settings: &BatchSettings,
    measured: &[Measured],
    all: Option<&Calibration>,
    interrupted: bool,
) -> EvalReport {
    let mut outcomes = Vec::new();
    let mut by_kind = serde_json::Map::new();
    let mut content = Vec::new();
    let temperature = f64::from(bench.system.world.sim_temperature(settings.source));
    let plan = &bench.config.plan;
    let reached_within = match plan.similarity {
        SimilarityKind::Calibrated => -temperature * plan.delta_goal.ln(),
        SimilarityKind::Cosine => 1.0 - plan.delta_goal,
    };
    let mut declarations = Declarations::default();
    for one in measured {
        let Measured { kind, result, misses } = one;
        outcomes.extend(result.episodes.iter().map(|episode| EpisodeOutcome {
            template: kind_name(*kind).to_owned(),
            horizon: 1,
            solved: episode.solved,
        }));
        let of_kind_declared = Declarations::of(result, reached_within);
        let of_kind = json!({
            "steps": result.mean_steps(),
            "plan_ms": 1000.0 * result.plan_secs / result.plans.max(1) as f64,
            "content_share": mean(&result.content_shares),
            "calibration": fit_value(calibrate(&samples([one])).as_ref()),
            "declarations": declarations_value(&of_kind_declared),
            // Failed attempts that would be declared reached.
            "misses_declared": value_of(&Rate::among(
                misses.iter().map(|cosine| 1.0 - f64::from(*cosine) <= reached_within),
            )),
        });
        declarations.add(&of_kind_declared);
        by_kind.insert(kind_name(*kind).to_owned(), of_kind);
        content.extend(&result.content_shares);
    }
    let more = json!({
        "goals": match eval.goals() { Goals::Oracle => "oracle", Goals::Gpi => "gpi" },
        "budget": settings.budget,
        "hold": settings.hold,
        "map": match eval.goals() { Goals::Oracle => Value::Null, Goals::Gpi => json!(eval.map().name()) },
        "sim_temperature": temperature,
    });
    let machine = Machine::here(&bench.selected.id.to_string());
    let settings = bench.settings(more);
    let mut report = EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine);
    report.measured = json!({
        "by_kind": by_kind,
        "content_share": mean(&content),
        "calibration": fit_value(all),
        "declarations": declarations_value(&declarations),
        "interrupted": interrupted,
    });
    report
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// What the switch criterion would have said with the checkpoint's temperature.
fn declarations_value(declarations: &Declarations) -> Value {
    json!({
        "declared": value_of(&Rate::of(declarations.declared, declarations.episodes)),
        "true_where_declared": value_of(&Rate::of(declarations.rightly, declarations.declared)),
        "declared_where_solved": value_of(&Rate::of(declarations.solved_declared, declarations.solved)),
    })
}

/// A picture that the user gives is encoded like an oracle's frame, so it has the same temperature.
fn write_temperature(eval: &Eval, bench: &Bench, source: GoalSource, fit: &Calibration) -> Result<(), CliError> {
    let mut stats = bench.system.world.stats().clone();
    let temperature = fit.temperature as f32;
    match source {
        GoalSource::Gpi => stats.sim_temperature.gpi = temperature,
        GoalSource::Oracle | GoalSource::Image => {
            stats.sim_temperature.oracle = temperature;
            stats.sim_temperature.image = temperature;
        }
    }
    let mut draft = Draft::of(&bench.checkpoint)?;
    draft.put_stats(&stats);
    let goals = if source == GoalSource::Gpi {
        "goals from language"
    } else {
        "oracle goals"
    };
    draft.note(format!(
        "Similarity for {goals}: temperature {temperature:.4}, fitted on {} episodes a kind, seed {} (AUC {:.3}).",
        eval.episodes, eval.seed, fit.auc
    ));
    draft.write(&bench.checkpoint.folder)?;
    Ok(())
}

//! Suite demo: typed tasks through language model, goals, world model and planner, judged by the physical world.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Bench, Eval, Words, finish, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::{EpisodeOutcome, EvalEpisode, EvalReport, Machine, Rate, demo_suite, listing};
use crate::planner::{Episode, EpisodeSetup, run_episode};
use crate::recording::{Outcome, Recording};
use crate::sim::Scene;
use crate::sim::tasks::{Phrasing, TaskBook, list_is_right};

pub(super) fn suite(eval: &Eval, scene: &Scene) -> Result<Vec<EvalEpisode>, CliError> {
    let phrasing = match eval.phrasing {
        Words::Seen => Phrasing::Seen,
        Words::HeldOut => Phrasing::HeldOut,
    };
    let suite = demo_suite(
        &TaskBook::built_in()?,
        &scene.start(0)?,
        eval.seed,
        eval.episodes,
        phrasing,
    );
    if suite.len() < eval.episodes {
        return Err(CliError::new(format!(
            "No task of two or three sub-goals can be drawn in scene {}. Choose one with more blocks and pads.",
            scene.name
        )));
    }
    Ok(suite)
}

pub(super) fn list(eval: &Eval, scene: &Scene, console: &Console) -> CliResult {
    let templates = listing(&suite(eval, scene)?);
    for (name, horizons) in &templates {
        let counts: Vec<String> = horizons
            .iter()
            .map(|(horizon, count)| format!("{count} of horizon {horizon}"))
            .collect();
        console.line(&format!("{name:<28} {}", counts.join(", ")));
    }
    let document = json!({ "schema": "thinkjepa.suite/1", "suite": eval.suite.name(), "templates": templates });
    console.document(&eval.output, &document)?;
    Ok(Exit::Done)
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let models = bench.system.models()?;
    let suite = suite(eval, &bench.scene)?;
    let size = bench.config.world_model.image_size;
    let cancel = console.on_interrupt()?;
    let bar = console.progress(suite.len() as u64, "episodes");
    let mut outcomes: Vec<EpisodeOutcome> = Vec::new();
    let (mut lists_right, mut declared, mut unparsed) = (Vec::new(), Vec::new(), 0);
    let (mut replans, mut steps) = (0, 0);
    for one in &suite {
        let mut world = one.world(size);
        let setup = EpisodeSetup {
            task: one.task.text.clone(),
            scene: bench.scene.name.clone(),
            seed: one.seed,
            checkpoint_name: bench.system.name.clone(),
            checkpoint_hash: bench.system.hash.clone(),
            scene_objects: one.state.object_names(),
            // Nobody looks.
            view_height_px: 1,
        };
        let mut episode = Episode::new(setup, bench.config.plan.clone());
        let outcome = run_episode(
            &mut episode,
            &mut world,
            &models,
            None,
            &mut |_| (),
            &mut |_, _| (),
            &cancel,
        )?;
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        let recording = episode.recording().snapshot();
        outcomes.push(EpisodeOutcome {
            template: one.task.template.clone(),
            horizon: one.horizon,
            solved: one.task.solved(world.state()),
        });
        lists_right.push(list_is_right(&first_list(&recording), &one.world(size), &one.task));
        declared.push(outcome == Outcome::Reached);
        unparsed += usize::from(matches!(outcome, Outcome::Unparsed { .. }));
        replans += recording.replans.len();
        steps += episode.step();
        bar.inc(1);
        bar.set_message(format!(
            "{}",
            Rate::among(outcomes.iter().map(|outcome| outcome.solved))
        ));
    }
    bar.finish_and_clear();
    let interrupted = cancel.load(Ordering::Relaxed);
    let more = json!({ "phrasing": eval.phrasing.name() });
    let machine = Machine::here(&bench.selected.id.to_string());
    let mut report = EvalReport::new(
        eval.suite.name(),
        &outcomes,
        bench.settings(more),
        vec![eval.seed],
        machine,
    );
    let count = outcomes.len().max(1) as f64;
    let lists = Rate::among(lists_right.iter().copied());
    report.measured = json!({
        "lists_right": value_of(&lists),
        "declared": value_of(&Rate::among(declared.iter().copied())),
        "solved_where_list_right": value_of(&Rate::among(
            outcomes.iter().zip(&lists_right).filter(|(_, right)| **right).map(|(outcome, _)| outcome.solved),
        )),
        "unparsed": unparsed,
        "replans_per_episode": replans as f64 / count,
        "steps_per_episode": steps as f64 / count,
        "interrupted": interrupted,
    });
    console.line(&format!("{:<28} {lists}", "first list right"));
    finish(&report, &eval.output, console)?;
    Ok(if interrupted { Exit::Interrupted } else { Exit::Done })
}

/// The sub-goals of the first answer: those before the first re-plan's.
fn first_list(recording: &Recording) -> Vec<String> {
    let later: usize = recording.replans.iter().map(|replan| replan.sub_goals.len()).sum();
    let first = recording.sub_goals.len().saturating_sub(later);
    recording.sub_goals[..first]
        .iter()
        .map(|record| record.text.clone())
        .collect()
}

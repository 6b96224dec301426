//! Suite swap: whether the goal that is made of a text moves with the object that the text names.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Bench, Eval, finish, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::swap::{ENOUGH, SWAPPED, Swap, SwapScene, swap_scenes};
use crate::eval::{EpisodeOutcome, EvalReport, Figure, Machine, Rate, kind_name};
use crate::planner::cost::{gripper, pool};
use crate::planner::{GoalMaker, GoalRequest, LatentModel};
use crate::sim::{Environment, Scene, World};
use crate::system::System;

fn scenes(eval: &Eval, scene: &Scene) -> Result<Vec<SwapScene>, CliError> {
    let scenes = swap_scenes(&scene.start(0)?, eval.seed, eval.episodes);
    if scenes.len() < eval.episodes {
        return Err(CliError::new(format!(
            "Scene {} has not two blocks and two pads to swap in a sub-goal's text. Choose one with more of them.",
            scene.name
        )));
    }
    Ok(scenes)
}

pub(super) fn list(eval: &Eval, scene: &Scene, console: &Console) -> CliResult {
    let scenes = scenes(eval, scene)?;
    let mut templates = BTreeMap::new();
    for kind in SWAPPED {
        let count = scenes.iter().filter(|scene| scene.kind == kind).count();
        console.line(&format!("{:<28} {count} of horizon 1", kind_name(kind)));
        templates.insert(kind_name(kind), json!({ "1": count }));
    }
    let document = json!({ "schema": "thinkjepa.suite/1", "suite": "swap", "templates": templates });
    console.document(&eval.output, &document)?;
    Ok(Exit::Done)
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    // Says what is missing in the checkpoint.
    bench.system.models()?;
    let scenes = scenes(eval, &bench.scene)?;
    let cancel = console.on_interrupt()?;
    let bar = console.progress(scenes.len() as u64, "scenes");
    let mut swaps: Vec<(&SwapScene, Swap)> = Vec::new();
    for scene in &scenes {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        swaps.push((scene, measure(&bench.system, scene)?));
        bar.inc(1);
        bar.set_message(format!("{}", Rate::among(swaps.iter().map(|(_, swap)| swap.follows()))));
    }
    bar.finish_and_clear();
    let interrupted = cancel.load(Ordering::Relaxed);
    let outcomes: Vec<EpisodeOutcome> = swaps
        .iter()
        .map(|(scene, swap)| EpisodeOutcome {
            template: kind_name(scene.kind).to_owned(),
            horizon: 1,
            solved: swap.follows(),
        })
        .collect();
    let machine = Machine::here(&bench.selected.id.to_string());
    let settings = bench.settings(json!({ "least_share_of_distance": ENOUGH }));
    let mut report = EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine);
    let all: Vec<Swap> = swaps.iter().map(|(_, swap)| *swap).collect();
    let by_kind: BTreeMap<&str, Value> = SWAPPED
        .into_iter()
        .map(|kind| {
            let of_kind: Vec<Swap> = swaps
                .iter()
                .filter(|(scene, _)| scene.kind == kind)
                .map(|(_, swap)| *swap)
                .collect();
            (kind_name(kind), medians(&of_kind, eval.seed))
        })
        .collect();
    report.measured = medians(&all, eval.seed);
    if let Some(measured) = report.measured.as_object_mut() {
        measured.insert("by_kind".to_owned(), json!(by_kind));
        measured.insert("interrupted".to_owned(), json!(interrupted));
    }
    let ratios: Vec<f64> = all.iter().map(|swap| swap.ratio).collect();
    if let Some(ratio) = Figure::median(&ratios, eval.seed) {
        console.line(&format!("{:<28} {ratio}", "median share of the distance"));
    }
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(interrupted))
}

/// Both goals from the same frame, read with the proprioception head.
fn measure(system: &System, scene: &SwapScene) -> Result<Swap, CliError> {
    let world = World::from_state(&scene.state, system.config.frame_px());
    let frame = world.observe().frame;
    let tokens = system
        .world
        .encode(std::slice::from_ref(&frame))
        .map_err(|err| CliError::new(err.to_string()))?;
    let mut read_m = [[0.0; 2]; 2];
    for (primitive, read_m) in scene.sub_goals.iter().zip(&mut read_m) {
        let (text, objects) = (primitive.text(&scene.state), primitive.objects(&scene.state));
        let goal = system
            .goal(&GoalRequest {
                frame: &frame,
                tokens: &tokens,
                task: &text,
                text: &text,
                objects: &objects,
            })
            .map_err(|err| CliError::new(err.to_string()))?;
        let [x, y, ..] = gripper(&system.world, pool(goal.tokens))?;
        *read_m = [x, y];
    }
    Ok(Swap::of(read_m, scene.places_m()))
}

fn medians(swaps: &[Swap], seed: u64) -> Value {
    let median = |of: &dyn Fn(&Swap) -> f64| {
        let values: Vec<f64> = swaps.iter().map(of).collect();
        Figure::median(&values, seed).as_ref().map_or(Value::Null, value_of)
    };
    json!({
        "median_share_of_distance": median(&|swap| swap.ratio),
        "median_error_m": { "first": median(&|swap| swap.errors_m[0]), "second": median(&|swap| swap.errors_m[1]) },
    })
}

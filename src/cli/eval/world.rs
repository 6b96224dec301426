//! Suite world: fresh episodes of the training data's policy, imagined and read out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Bench, Eval, finish};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::data::{EpisodeStore, GenerateSettings, generate};
use crate::eval::probe::open_loop::Errors;
use crate::eval::probe::read_out::{MOVED_M, ReadOut, Report};
use crate::eval::probe::{AHEAD, Encoded, Imagined, encode, imagine};
use crate::eval::{EpisodeOutcome, EvalReport, Machine};
use crate::planner::PlannerError;
use crate::planner::cost::LatentSpace;

/// Episodes that read-outs are fitted on, for each that they are tested on.
const TRAINING: usize = 6;
/// Actions an episode, as in the training data.
const STEPS: usize = 40;
/// Added to the seed, so that these episodes are not those of a training run with a small seed.
const FRESH: u64 = 0x5eed_0000_0000;

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let cancel = console.on_interrupt()?;
    match measure(eval, bench, console, &cancel) {
        Ok(report) => {
            tell(&report, console);
            finish(&report, &eval.output, console)?;
            Ok(Exit::Done)
        }
        // Half of a fit says nothing, so there is no report.
        Err(_) if cancel.load(Ordering::Relaxed) => Ok(Exit::Interrupted),
        Err(err) => Err(err),
    }
}

fn measure(eval: &Eval, bench: &Bench, console: &Console, cancel: &AtomicBool) -> Result<EvalReport, CliError> {
    let model = &bench.system.world;
    let training = TRAINING * eval.episodes;
    let settings = GenerateSettings {
        episodes: training + eval.episodes,
        steps: STEPS,
        seed: eval.seed.wrapping_add(FRESH),
        frame_px: bench.config.world_model.image_size,
        threads: 1,
        ..GenerateSettings::default()
    };
    let folder = tempfile::tempdir()?;
    let bar = console.progress(settings.episodes as u64, "making episodes");
    let watch = |done: usize, _: usize| bar.set_position(done as u64);
    generate(folder.path(), &bench.scene, &settings, &watch, cancel)?;
    bar.finish_and_clear();
    let store = EpisodeStore::open(folder.path())?;
    let bar = console.progress(settings.episodes as u64, "encoding");
    let mut on_episode = |_: usize| bar.inc(1);
    let fitted = encode(model, &store, 0..training, &mut on_episode, cancel)?;
    let fresh = encode(model, &store, training..settings.episodes, &mut on_episode, cancel)?;
    bar.finish_and_clear();
    let mut errors = Errors::new(LatentSpace::new(model, bench.config.plan.similarity)?);
    let mut episodes: Vec<(Encoded, Vec<Imagined>)> = Vec::with_capacity(fresh.len());
    for episode in fresh {
        if cancel.load(Ordering::Relaxed) {
            return Err(PlannerError::Cancelled.into());
        }
        let imagined = imagine(model, &episode)?;
        errors.add(model, &episode, &imagined)?;
        episodes.push((episode, imagined));
    }
    let bar = console.progress(3, "reading out");
    let read_out = |fit: Option<ReadOut>| -> Result<Report, CliError> {
        if cancel.load(Ordering::Relaxed) {
            return Err(PlannerError::Cancelled.into());
        }
        let fit = fit.ok_or_else(|| {
            CliError::new("No read-out could be fitted: the latents hold numbers that are not finite, or are too few.")
        })?;
        let report = fit
            .score(&episodes, eval.seed)
            .ok_or_else(|| CliError::new("Could not read the read-out's numbers back from its device."))?;
        bar.inc(1);
        Ok(report)
    };
    let pooled = read_out(ReadOut::of_pooled(&fitted))?;
    let tokens = read_out(ReadOut::of_tokens(&fitted))?;
    let perceptron = read_out(ReadOut::perceptron(&fitted, eval.seed, cancel))?;
    bar.finish_and_clear();
    let outcomes: Vec<EpisodeOutcome> = AHEAD
        .into_iter()
        .flat_map(|ahead| {
            let beats = errors.beats_persistence(ahead).into_iter();
            beats.map(move |solved| EpisodeOutcome {
                template: format!("{ahead} ahead, nearer than standing still"),
                horizon: 1,
                solved,
            })
        })
        .collect();
    let settings = bench.settings(json!({
        "policy": "that of the training data",
        "steps": STEPS,
        "episodes": eval.episodes,
        "episodes_fitted": training,
        "read_out": {
            "pooled": "ridge regression, the strength of each target chosen on a fifth of the fitted episodes",
            "tokens": "the same, on all tokens",
            "tokens_perceptron": "one hidden layer of 128 on all tokens",
        },
        "moved_m": MOVED_M,
    }));
    let machine = Machine::here(&bench.selected.id.to_string());
    let report = EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine);
    // Every episode is counted once for each distance.
    let mut report = report.without_total();
    report.measured = json!({
        "open_loop": errors.figures(eval.seed),
        "read_out": BTreeMap::from([("pooled", pooled), ("tokens", tokens), ("tokens_perceptron", perceptron)]),
        "interrupted": false,
    });
    Ok(report)
}

/// The figures that a person looks for first.
fn tell(report: &EvalReport, console: &Console) {
    let number = |value: &Value| {
        value["value"]
            .as_f64()
            .map_or("-".to_owned(), |value| format!("{value:.3}"))
    };
    let measured = &report.measured;
    if let Some(by_ahead) = measured["open_loop"].as_object() {
        for (ahead, of) in by_ahead {
            let ratios = ["tokens", "pooled", "content", "gripper_xy", "flags"]
                .map(|name| format!("{name} {}", number(&of[name]["error_over_persistence"])));
            console.line(&format!(
                "{:<28} {}",
                format!("{ahead} ahead, of persistence"),
                ratios.join(", ")
            ));
        }
    }
    for features in ["pooled", "tokens", "tokens_perceptron"] {
        let read_out = &measured["read_out"][features];
        let found = &read_out["found"];
        console.line(&format!(
            "{:<28} gripper {} m (chance {}), blocks {} m (chance {}), held {}",
            format!("read from {features}"),
            number(&found["gripper_m"]),
            number(&found["gripper_chance_m"]),
            number(&found["blocks_m"]),
            number(&found["blocks_chance_m"]),
            number(&found["held"]),
        ));
        if let Some(by_ahead) = read_out["moved"].as_object() {
            for (ahead, moved) in by_ahead {
                console.line(&format!(
                    "{:<28} {} m if they stay, {} imagined, {} seen: {} of the gap closed",
                    format!("  moved blocks, {ahead} ahead"),
                    number(&moved["persistence_m"]),
                    number(&moved["imagined_m"]),
                    number(&moved["real_m"]),
                    number(&moved["gap_closed"]),
                ));
            }
        }
    }
}

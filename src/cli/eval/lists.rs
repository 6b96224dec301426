//! Suite lists: the language model alone. Its first list is carried out by the scripted expert; it is right if each
//! sub-goal can be done in turn and the task is solved. Beside it the same questions on another episode's frame, since a
//! list that depends on the frame has to suffer from that, and how much of each map lies on the objects that are named.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::args::phrasing_name;
use super::thinkbench::episodes_of_scene;
use super::{Bench, Eval, finish, tell, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::data::target_map;
use crate::eval::reasons::Reason;
use crate::eval::{EpisodeOutcome, EvalReport, Figure, Machine, Rate};
use crate::sim::tasks::list_is_right;
use crate::sim::{Environment, Frame};
use crate::vlm::{Answer, Vlm, parse_answer, plan_prompt};

/// Answers that are written side by side.
const BATCH: usize = 32;
/// Wrong lists that a report shows.
const MOST_WRONG: usize = 40;

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let vlm = bench.system.vlm()?;
    // As many as an answer has room for.
    let most = vlm.config().max_tokens;
    let suite = episodes_of_scene(eval, &bench.scene)?;
    let size = bench.config.frame_px();
    let frames: Vec<Frame> = suite.iter().map(|one| one.world(size).observe().frame).collect();
    let prompts: Vec<String> = suite.iter().map(|one| plan_prompt(&one.task.text)).collect();
    let cancel = console.on_interrupt()?;
    let bar = console.progress(2 * suite.len() as u64, "answers");
    let ask = |shift: usize| -> Result<Vec<Answer>, CliError> {
        let asked = (0..suite.len()).map(|i| (&frames[(i + shift) % frames.len()], prompts[i].as_str()));
        let mut on_done = |done: usize| {
            bar.set_position((shift * suite.len() + done) as u64);
            if cancel.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let answers = vlm.generate_batch(&asked.collect::<Vec<_>>(), most, BATCH, &mut on_done)?;
        Ok(answers
            .into_iter()
            .map(|answer| parse_answer(&answer.map_or_else(String::new, |a| a.text)))
            .collect())
    };
    let (seen, shuffled) = (ask(0)?, ask(1)?);
    bar.finish_and_clear();
    if cancel.load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let right = |answers: &[Answer]| -> Vec<bool> {
        let lists = answers.iter().zip(&suite);
        lists
            .map(|(answer, one)| {
                let list: Vec<&str> = answer.sub_goals.iter().map(|goal| goal.text.as_str()).collect();
                list_is_right(&list, &one.world(size), &one.task)
            })
            .collect()
    };
    let (right, right_shuffled) = (right(&seen), right(&shuffled));
    let outcomes: Vec<EpisodeOutcome> = suite
        .iter()
        .zip(&right)
        .map(|(one, &solved)| EpisodeOutcome {
            template: one.task.template.clone(),
            horizon: one.horizon,
            solved,
        })
        .collect();
    let wrong: Vec<Value> = suite
        .iter()
        .zip(&seen)
        .zip(&right)
        .filter(|(_, right)| !**right)
        .take(MOST_WRONG)
        .map(|((one, answer), _)| {
            let list: Vec<&str> = answer.sub_goals.iter().map(|goal| goal.text.as_str()).collect();
            let shortest: Vec<String> = one
                .primitives
                .iter()
                .map(|one_step| one_step.text(&one.state))
                .collect();
            json!({
                "episode": one.index,
                "task": one.task.text,
                "reasoning": answer.reasoning,
                "list": list,
                "shortest": shortest,
            })
        })
        .collect();
    let where_seen = |rights: &[bool]| {
        Rate::among(
            suite
                .iter()
                .zip(rights)
                .filter(|(one, _)| one.depends_on_frame)
                .map(|(_, &right)| right),
        )
    };
    let reasons: Vec<(Reason, bool)> = (suite.iter().zip(&seen).zip(&right))
        .filter_map(|((one, answer), &right)| Some((Reason::of(&answer.reasoning, one)?, right)))
        .collect();
    let mass = Figure::ratio(&map_masses(vlm, bench, &suite, &frames)?, eval.seed);
    let unread = seen.iter().filter(|answer| answer.sub_goals.is_empty()).count();
    let machine = Machine::here(&bench.selected.id.to_string());
    let settings = bench.settings(json!({ "phrasing": phrasing_name(eval.phrasing()), "horizon": eval.horizon() }));
    let mut report = EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine);
    report.measured = json!({
        "depends_on_frame": value_of(&where_seen(&right)),
        "depends_on_frame_shuffled": value_of(&where_seen(&right_shuffled)),
        "all_shuffled": value_of(&Rate::among(right_shuffled.iter().copied())),
        "unread": unread,
        "reasons": of_reasons(&reasons),
        "wrong": wrong,
        "map_mass_on_objects": value_of(&mass),
    });
    let told = [
        ("sees_each", "things seen where they are"),
        ("sees_all", "all things in a frame"),
        ("understands", "task put in goals rightly"),
        ("list_right_where_both", "list right where both"),
    ];
    tell(&report.measured["reasons"], &told, console);
    console.line(&format!("{:<28} {}", "lists that need the frame", where_seen(&right)));
    console.line(&format!(
        "{:<28} {}",
        "the same, frames shuffled",
        where_seen(&right_shuffled)
    ));
    if let Some(Figure {
        value,
        ci95: [low, high],
        n,
    }) = mass
    {
        console.line(&format!(
            "{:<28} {value:.2} [{low:.2}, {high:.2}] times the mass of a uniform map (n = {n})",
            "map on the named objects"
        ));
    }
    finish(&report, &eval.output, console)?;
    Ok(Exit::Done)
}

/// What was seen, what was understood, and how often the list is right where both were; each with whether the list is right.
fn of_reasons(reasons: &[(Reason, bool)]) -> Value {
    let said = || reasons.iter().filter(|(reason, _)| reason.wanted.is_some());
    let both = said().filter(|(reason, _)| reason.sees_all() && reason.wanted == Some(true));
    let rate = |outcomes: &mut dyn Iterator<Item = bool>| value_of(&Rate::among(outcomes));
    json!({
        "sees_each": rate(&mut reasons.iter().flat_map(|(reason, _)| reason.seen.iter().copied())),
        "sees_all": rate(&mut reasons.iter().map(|(reason, _)| reason.sees_all())),
        "understands": rate(&mut said().map(|(reason, _)| reason.wanted == Some(true))),
        "list_right_where_both": rate(&mut both.map(|(_, right)| *right)),
    })
}

/// The map's mass on the named objects in each episode, as a multiple of what a uniform map has there: that of the first
/// sub-goal of the shortest list, the one that is planned for from this frame. The truth is the blob that training pulls
/// toward; its patches above half of its peak count as the object. Pairs, to be divided: the mass, and 1.
fn map_masses(
    vlm: &Vlm,
    bench: &Bench,
    suite: &[crate::eval::EvalEpisode],
    frames: &[Frame],
) -> Result<Vec<(f64, f64)>, CliError> {
    let (size, grid) = (bench.config.frame_px(), bench.config.vlm.grid());
    let model_grid = [bench.config.world_model.grid(); 2];
    let mut masses = Vec::with_capacity(suite.len());
    for (one, frame) in suite.iter().zip(frames) {
        let Some(first) = one.primitives.first() else { continue };
        let (text, objects) = (first.text(&one.state), first.objects(&one.state));
        let truth = target_map(&objects, &one.state, size, grid);
        let groundings = vlm.ground(frame, &[(text, objects)], model_grid)?;
        let peak = truth.iter().copied().fold(0.0, f32::max);
        let on: Vec<f64> = groundings
            .iter()
            .flat_map(|grounding| grounding.map.values.iter().zip(&truth))
            .filter(|(_, truth)| **truth > peak / 2.0)
            .map(|(value, _)| f64::from(*value))
            .collect();
        masses.push((on.iter().sum::<f64>() / on.len().max(1) as f64, 1.0));
    }
    Ok(masses)
}

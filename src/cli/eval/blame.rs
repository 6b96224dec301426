//! Suite blame: the demo's tasks, or ThinkBench's in its scene, and of each that fails the part of the chain that it failed
//! by. Verdicts are kept in a journal beside `--out` as episodes end, from which the same command goes on; the finished report
//! takes its place.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::phrasing_name;
use super::thinkbench::episodes_of_scene;
use super::{Bench, Eval, finish, value_of};
use crate::cli::{CliResult, Console, Exit};
use crate::eval::blame::{Blame, Verdict, judge_episode, shares};
use crate::eval::journal::Journal;
use crate::eval::{EpisodeOutcome, EvalReport, Machine, Rate};

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let suite = episodes_of_scene(eval, &bench.scene)?;
    let models = bench.system.models()?;
    let (parts, settings) = (eval.parts(), settings(eval, bench));
    let (mut journal, mut verdicts) = match &eval.output.out {
        Some(out) => {
            let (journal, verdicts) = Journal::open::<Verdict>(&beside(out), &head(eval, &settings))?;
            (Some(journal), verdicts)
        }
        None => (None, Vec::new()),
    };
    verdicts.truncate(suite.len());
    let kept = verdicts.len();
    if kept > 0 {
        console.note(&format!("Going on after {kept} of {} episodes.", suite.len()));
    }
    let cancel = console.on_interrupt()?;
    let bar = console.progress(suite.len() as u64, "episodes");
    bar.set_position(kept as u64);
    let started = Instant::now();
    for one in suite.iter().skip(kept) {
        let run = bench.run(&bench.config.plan, Rc::new(RefCell::new(one.state.clone())));
        let verdict = match judge_episode(&run, one, &models, &parts, &cancel) {
            Err(_) if cancel.load(Ordering::Relaxed) => break,
            other => other?,
        };
        if let Some(journal) = &mut journal {
            journal.append(&verdict)?;
        }
        let said = line(&verdict);
        verdicts.push(verdict);
        let done = (verdicts.len() - kept) as u32;
        let left = started.elapsed() / done * (suite.len() - verdicts.len()) as u32;
        let said = format!("{said}; {} left", minutes(left));
        if bar.is_hidden() {
            console.note(&said);
        } else {
            bar.println(said);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let interrupted = cancel.load(Ordering::Relaxed);
    let report = report(eval, bench, settings, &verdicts, interrupted);
    for blame in Blame::all() {
        let name = blame.name();
        if let Ok(rate) = serde_json::from_value::<Rate>(report.measured["blame"][name].clone()) {
            console.line(&format!("{:<28} {rate}", format!("blame: {name}")));
        }
    }
    finish(&report, &eval.output, console)?;
    match journal {
        Some(journal) if !interrupted => journal.delete()?,
        _ => {}
    }
    Ok(Exit::after(interrupted))
}

/// Where the verdicts are kept until the report is written.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".episodes.jsonl");
    name.into()
}

fn settings(eval: &Eval, bench: &Bench) -> Value {
    let replaced: serde_json::Map<String, Value> = eval
        .parts()
        .into_iter()
        .map(|part| (part.name().to_owned(), part.replaced_by().into()))
        .collect();
    bench.settings(json!({
        "phrasing": phrasing_name(eval.phrasing()),
        "horizon": eval.horizon(),
        "replaced_by": replaced,
    }))
}

/// What decides each verdict; how many there are to be does not.
fn head(eval: &Eval, settings: &Value) -> Value {
    let mut settings = settings.clone();
    if let Some(all) = settings.as_object_mut() {
        all.remove("command");
    }
    json!({ "schema": "thinkjepa.blame/1", "seed": eval.seed, "version": env!("CARGO_PKG_VERSION"), "settings": settings })
}

fn report(eval: &Eval, bench: &Bench, settings: Value, verdicts: &[Verdict], interrupted: bool) -> EvalReport {
    let outcomes: Vec<EpisodeOutcome> = verdicts
        .iter()
        .map(|verdict| EpisodeOutcome {
            template: verdict.template.clone(),
            horizon: verdict.horizon,
            solved: verdict.solved(),
        })
        .collect();
    let machine = Machine::here(&bench.selected.id.to_string());
    let mut report = EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine);
    report.measured = shares(verdicts, &eval.parts());
    if let Some(measured) = report.measured.as_object_mut() {
        let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.solved()).collect();
        measured.insert("episodes".to_owned(), value_of(&failed));
        measured.insert("interrupted".to_owned(), interrupted.into());
    }
    report
}

/// What became of an episode, for people.
fn line(verdict: &Verdict) -> String {
    let (episode, template) = (verdict.episode, &verdict.template);
    let Some(failed) = &verdict.failed else {
        return format!("{episode:>4} {template}: solved");
    };
    let cures: Vec<&str> = failed.cures.iter().map(|part| part.name()).collect();
    format!(
        "{episode:>4} {template}: {} at \"{}\", blame {} (cures: {}{})",
        failed.how.name(),
        failed.sub_goal.as_deref().unwrap_or("none"),
        failed.blame.name(),
        if cures.is_empty() {
            "none".to_owned()
        } else {
            cures.join(", ")
        },
        if failed.cured_again {
            "; other random numbers too"
        } else {
            ""
        },
    )
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        secs @ ..120 => format!("{secs} s"),
        secs => format!("{} min", secs / 60),
    }
}

//! Suite in-a-row: up to five short tasks one after the other in one world (CALVIN's protocol), through the whole chain or
//! what stands in the place of a part of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::args::phrasing_name;
use super::demo::Runner;
use super::jobs::run_each;
use super::{Bench, Eval, finish, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::in_a_row::{IN_A_ROW, Rows};
use crate::eval::{EpisodeOutcome, EvalEpisode, EvalReport, Figure, Machine, Rate};
use crate::sim::tasks::TaskBook;

/// One row: its tasks up to the first that was not solved.
struct Row {
    tasks: Vec<EpisodeOutcome>,
    /// The world was left so that no short task could follow.
    cut_short: bool,
}

impl Row {
    /// Tasks that were solved before one was not.
    fn length(&self) -> usize {
        self.tasks.iter().take_while(|task| task.solved).count()
    }
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let cancel = console.on_interrupt()?;
    let book = TaskBook::named(&bench.scene.tasks)?;
    let rows = Rows::new(book, bench.scene.start(0)?, eval.seed, eval.phrasing());
    let firsts: Vec<EvalEpisode> = (0..eval.episodes).map_while(|row| rows.first(row)).collect();
    if firsts.len() < eval.episodes {
        return Err(CliError::new(format!(
            "No task of one or two sub-goals can be drawn in scene {}: its tasks ({}) are longer. Choose another scene.",
            bench.scene.name, bench.scene.tasks
        )));
    }
    // Whatever a baseline lacks is said before the first row.
    Runner::new(eval, bench)?;
    let bar = console.progress(firsts.len() as u64, "rows");
    let mut lengths: Vec<f64> = Vec::new();
    let work = |first| row(eval, bench, &rows, first, &cancel);
    let done = run_each(&firsts, eval.jobs(bench.selected.id), &cancel, work, |row: &Row| {
        lengths.push(row.length() as f64);
        bar.inc(1);
        bar.set_message(format!(
            "{:.2} tasks in a row",
            lengths.iter().sum::<f64>() / lengths.len() as f64
        ));
    })?;
    bar.finish_and_clear();
    let done: Vec<Row> = done.into_iter().map(|(_, row)| row).collect();
    let report = report(eval, bench, &done, cancel.load(Ordering::Relaxed));
    for length in 1..=IN_A_ROW {
        console.line(&format!(
            "{:<28} {}",
            format!("{length} in a row"),
            at_least(&done, length)
        ));
    }
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(cancel.load(Ordering::Relaxed)))
}

fn row(eval: &Eval, bench: &Bench, rows: &Rows, first: &EvalEpisode, cancel: &AtomicBool) -> Result<Row, CliError> {
    let runner = Runner::new(eval, bench)?;
    let mut tasks = Vec::new();
    let mut task = first.clone();
    loop {
        let run = runner.run(&task, None, cancel)?;
        tasks.push(EpisodeOutcome {
            template: task.task.template.clone(),
            horizon: task.horizon,
            solved: run.solved,
        });
        let Some(left) = run.end.filter(|_| run.solved && tasks.len() < IN_A_ROW) else {
            return Ok(Row {
                tasks,
                cut_short: false,
            });
        };
        let Some(next) = rows.next(first.index, tasks.len(), &left) else {
            return Ok(Row { tasks, cut_short: true });
        };
        task = next;
    }
}

/// How many rows have that many tasks solved.
fn at_least(rows: &[Row], length: usize) -> Rate {
    Rate::among(rows.iter().map(|row| row.length() >= length))
}

fn report(eval: &Eval, bench: &Bench, rows: &[Row], interrupted: bool) -> EvalReport {
    let tasks: Vec<EpisodeOutcome> = rows.iter().flat_map(|row| row.tasks.iter().cloned()).collect();
    let settings = bench.settings(json!({
        "phrasing": phrasing_name(eval.phrasing()),
        "baseline": eval.baseline().name(),
        "rows": eval.episodes,
    }));
    let machine = Machine::here(&bench.selected.id.to_string());
    let report = EvalReport::new(eval.suite.name(), &tasks, settings, vec![eval.seed], machine).without_total();
    let in_a_row: BTreeMap<String, Rate> = (1..=IN_A_ROW)
        .map(|length| (length.to_string(), at_least(rows, length)))
        .collect();
    let lengths: Vec<(f64, f64)> = rows.iter().map(|row| (row.length() as f64, 1.0)).collect();
    let average = Figure::ratio(&lengths, eval.seed).map_or(Value::Null, |figure| value_of(&figure));
    EvalReport {
        measured: json!({
            "in_a_row": in_a_row,
            "average_length": average,
            "cut_short": rows.iter().filter(|row| row.cut_short).count(),
            "interrupted": interrupted,
        }),
        ..report
    }
}

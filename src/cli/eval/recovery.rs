//! Suite demo with `--disturb`: a block is moved by hand in the middle of each episode. Only episodes in which one was
//! really moved count; each of them is run undisturbed as well.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::demo::{Runner, report, suite};
use super::{Bench, Eval, finish, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::eval::chain::TaskRun;
use crate::eval::hand::Moment;
use crate::eval::{EvalEpisode, Rate};
use crate::sim::tasks::{TaskBook, Template};

/// An episode that was disturbed, and the same undisturbed.
struct Pair<'a> {
    one: &'a EvalEpisode,
    moment: Moment,
    disturbed: TaskRun,
    undisturbed: TaskRun,
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let suite = suite(eval, &bench.scene)?;
    let runner = Runner::new(eval, bench)?;
    let book = TaskBook::built_in()?;
    let cancel = console.on_interrupt()?;
    let bar = console.progress(suite.len() as u64, "episodes");
    let (mut pairs, mut not_about_a_block, mut not_moved) = (Vec::<Pair>::new(), 0, 0);
    for one in &suite {
        // What a text leaves to be found ("the block on the yellow pad") is another thing once it is elsewhere.
        let looks = book.template(&one.task.template).is_some_and(Template::looks);
        let moment = Moment::of(&one.primitives).filter(|_| !looks);
        if let Some(moment) = moment {
            let disturbed = runner.run(one, Some(moment), &cancel)?;
            // The same episode, for there is nothing to compare with where none was moved.
            let undisturbed = match disturbed.moved {
                Some(_) => Some(runner.run(one, None, &cancel)?),
                None => None,
            };
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            match undisturbed {
                Some(undisturbed) => pairs.push(Pair {
                    one,
                    moment,
                    disturbed,
                    undisturbed,
                }),
                None => not_moved += 1,
            }
        } else {
            not_about_a_block += 1;
        }
        bar.inc(1);
        bar.set_message(format!(
            "{}",
            Rate::among(pairs.iter().map(|pair| pair.disturbed.solved))
        ));
    }
    bar.finish_and_clear();
    let interrupted = cancel.load(Ordering::Relaxed);
    if pairs.is_empty() && !interrupted {
        return Err(CliError::new(
            "No block was moved in any of these episodes: the first sub-goal was never reached, or no task is about a \
             block that lies free. Run more --episodes.",
        ));
    }
    let rate = |of: &dyn Fn(&Pair) -> bool| Rate::among(pairs.iter().map(of));
    let undisturbed = rate(&|pair| pair.undisturbed.solved);
    let recovered = Rate::among(
        pairs
            .iter()
            .filter(|pair| pair.undisturbed.solved)
            .map(|pair| pair.disturbed.solved),
    );
    let of_moment = |name: &str| {
        let of_it = pairs.iter().filter(|pair| pair.moment.name() == name);
        value_of(&Rate::among(of_it.map(|pair| pair.disturbed.solved)))
    };
    let count = pairs.len().max(1) as f64;
    let mean =
        |of: &dyn Fn(&TaskRun) -> usize| pairs.iter().map(|pair| of(&pair.disturbed)).sum::<usize>() as f64 / count;
    let moved = pairs.iter().filter_map(|pair| {
        let moved = pair.disturbed.moved?;
        Some(json!({
            "episode": pair.one.index,
            "task": pair.one.task.text,
            "block": pair.one.state.blocks[moved.block].name,
            "step": moved.step,
            "moment": moved.moment.name(),
            "from_m": moved.from_m,
            "to_m": moved.to_m,
            "solved": pair.disturbed.solved,
            "solved_undisturbed": pair.undisturbed.solved,
            "replans": pair.disturbed.replans,
        }))
    });
    let measured = json!({
        "drawn": suite.len(),
        "disturbed": pairs.len(),
        "not_about_a_free_block": not_about_a_block,
        "nothing_moved": not_moved,
        "undisturbed": value_of(&undisturbed),
        "recovered_where_undisturbed_solved": value_of(&recovered),
        "by_moment": { "after_first": of_moment("after_first"), "on_the_way": of_moment("on_the_way") },
        "declared": value_of(&rate(&|pair| pair.disturbed.declared)),
        "replans_per_episode": mean(&|run| run.replans),
        "steps_per_episode": mean(&|run| run.steps),
        "moved": moved.collect::<Vec<_>>(),
        "interrupted": interrupted,
    });
    let runs: Vec<(&EvalEpisode, TaskRun)> = pairs.iter().map(|pair| (pair.one, pair.disturbed.clone())).collect();
    let mut report = report(eval, bench, &runs, json!({ "disturb": true }));
    report.measured = measured;
    console.line(&format!("{} of {} episodes were disturbed", pairs.len(), suite.len()));
    console.line(&format!("{:<28} {undisturbed}", "the same, undisturbed"));
    console.line(&format!("{:<28} {recovered}", "of those solved undisturbed"));
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(interrupted))
}

//! Physical truth about an episode's sub-goals, for the record alone.

use crate::recording::SubGoalRecord;
use crate::sim::Judge;

/// When a sub-goal's predicate was last seen to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Truth {
    held_at: Option<usize>,
}

/// Judges the world after `step` actions. A sub-goal is achieved once its predicate has held at two steps in a row,
/// while it was pursued or one step later: a switch follows the first of the two. Judging a step twice changes nothing.
pub(super) fn judge(records: &mut [SubGoalRecord], truths: &mut Vec<Truth>, step: usize, judge: &dyn Judge) {
    truths.resize(records.len(), Truth::default());
    for (record, truth) in records.iter_mut().zip(truths) {
        let begun = record.start_step.is_some_and(|start| start <= step);
        let over = record.end_step.is_some_and(|end| step > end + 1);
        if !begun || over {
            continue;
        }
        let Some(holds) = judge.holds(&record.text) else {
            continue;
        };
        let in_a_row = holds && step > 0 && truth.held_at == Some(step - 1);
        record.achieved = Some(record.achieved == Some(true) || in_a_row);
        if holds {
            truth.held_at = Some(step);
        }
    }
}

//! The verdicts of a suite, added up: how often each part has the blame, cures, or failed in one way or another.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Part;
use super::failure::How;
use super::verdict::{Blame, Failed, Verdict};
use crate::eval::{Rate, median};

/// Shares over failed episodes, with 95 % intervals, and the same by template; `parts` are those that were replaced.
pub fn shares(verdicts: &[Verdict], parts: &[Part]) -> Value {
    let failed: Vec<(&Verdict, &Failed)> = verdicts
        .iter()
        .filter_map(|verdict| Some((verdict, verdict.failed.as_ref()?)))
        .collect();
    let all: Vec<&Failed> = failed.iter().map(|(_, failed)| *failed).collect();
    let mut by_template: BTreeMap<&str, Vec<&Failed>> = BTreeMap::new();
    for (verdict, failed) in &failed {
        by_template.entry(&verdict.template).or_default().push(failed);
    }
    let by_template: BTreeMap<&str, Value> = by_template
        .into_iter()
        .map(|(template, failed)| (template, json!({ "failed": failed.len(), "blame": blamed(&failed) })))
        .collect();
    let rate = |of: &dyn Fn(&Failed) -> bool| Rate::among(all.iter().map(|failed| of(failed)));
    let cures: BTreeMap<&str, Rate> = parts
        .iter()
        .map(|part| (part.name(), rate(&|failed| failed.cures.contains(part))))
        .collect();
    let mut by_how: BTreeMap<How, usize> = BTreeMap::new();
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for failed in &all {
        *by_how.entry(failed.how).or_default() += 1;
        *by_kind.entry(failed.kind.as_deref().unwrap_or("none")).or_default() += 1;
    }
    json!({
        "failed": all.len(),
        "blame": blamed(&all),
        "cures": cures,
        // The first list was right, and what the language model said when it was asked again was not.
        "blame_on_a_later_list": rate(&|failed| failed.list_right && failed.blame == Blame::Part(Part::List)),
        "cured_again": rate(&|failed| failed.cured_again),
        "with_a_fall": rate(&|failed| !failed.falls.is_empty()),
        "by_how": by_how,
        "by_sub_goal": by_kind,
        "by_template": by_template,
        "medians": medians(&all),
    })
}

fn blamed(failed: &[&Failed]) -> BTreeMap<&'static str, Rate> {
    Blame::all()
        .map(|blame| (blame.name(), Rate::among(failed.iter().map(|one| one.blame == blame))))
        .collect()
}

/// The middle of each number that explains, where it is known.
fn medians(failed: &[&Failed]) -> Value {
    let of = |number: &dyn Fn(&Failed) -> Option<f64>| median(failed.iter().filter_map(|one| number(one)).collect());
    json!({
        "goal_error_cm": of(&|one| one.numbers.goal_error_cm),
        "achieved_similarity": of(&|one| one.numbers.achieved_similarity),
        "last_similarity": of(&|one| one.numbers.last_similarity),
        "best_similarity": of(&|one| one.numbers.best_similarity),
        "gripper_error_cm": of(&|one| one.numbers.gripper_error_cm),
        "foreseen_error": of(&|one| one.numbers.foreseen_error),
    })
}

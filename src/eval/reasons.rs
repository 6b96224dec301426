//! What a language model's reason says rightly, clause by clause: where things are, and what the task comes to. A list can be
//! wrong by what was seen, by what was understood, or by what was made of both.

use std::collections::BTreeSet;

use super::EvalEpisode;
use crate::sim::tasks::{decompose, restated};

/// How the second sentence of a reason begins, where there is one.
const WANTED: &str = "wanted:";

/// One reason beside the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For each clause that says where something is: whether it does so rightly, or is missing.
    pub seen: Vec<bool>,
    /// It says what the task comes to, and all of that and no more; none where it does not say.
    pub wanted: Option<bool>,
}

impl Reason {
    /// None where the episode's task has no list.
    pub fn of(reasoning: &str, one: &EvalEpisode) -> Option<Self> {
        let plan = decompose(&one.task, &one.state)?;
        let truth = restated(&plan, &one.task.goals, &one.state).to_lowercase();
        let said = reasoning.to_lowercase();
        let here = where_things_are(&said);
        let wanted = wanted(&said).map(|said| Some(said) == wanted(&truth));
        let seen = where_things_are(&truth).into_iter().map(|clause| here.contains(clause));
        Some(Self {
            seen: seen.collect(),
            wanted,
        })
    }

    pub fn sees_all(&self) -> bool {
        self.seen.iter().all(|right| *right)
    }
}

fn where_things_are(reason: &str) -> BTreeSet<&str> {
    clauses(reason.split('.').next().unwrap_or_default())
}

fn wanted(reason: &str) -> Option<BTreeSet<&str>> {
    let sentence = reason
        .split('.')
        .find_map(|sentence| sentence.trim().strip_prefix(WANTED))?;
    Some(clauses(sentence))
}

fn clauses(sentence: &str) -> BTreeSet<&str> {
    sentence.split(',').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::demo_suite;
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook};

    #[test]
    fn what_was_seen_and_what_was_understood_are_told_apart() {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        for one in demo_suite(&TaskBook::built_in().unwrap(), &furniture, 3, 20, Phrasing::Seen, None) {
            let plan = decompose(&one.task, &one.state).unwrap();
            let silent = Reason::of(&plan.reasoning, &one).unwrap();
            assert_eq!((silent.sees_all(), silent.seen.len(), silent.wanted), (true, 3, None));
            let whole = restated(&plan, &one.task.goals, &one.state);
            let right = Reason::of(&whole, &one).unwrap();
            assert_eq!((right.sees_all(), right.wanted), (true, Some(true)), "{whole}");
            let blind = Reason::of(
                &whole.replacen(" on ", " under ", 1).replacen(" held", " lost", 1),
                &one,
            )
            .unwrap();
            assert!(!blind.sees_all(), "{whole}");
            let more = Reason::of(&whole.replace("Wanted: ", "Wanted: moon held, "), &one).unwrap();
            assert_eq!((more.sees_all(), more.wanted), (true, Some(false)));
            assert_eq!(Reason::of("", &one).unwrap().seen, [false; 3]);
        }
    }
}

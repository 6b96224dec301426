//! Blame: which part of the chain a failed episode failed by.
//!
//! A failed episode goes back to the state in which its first failed sub-goal began, and is run from there to its end
//! again, each time with one [`Part`] replaced by what knows the truth. A part whose replacement solves the task is a
//! *cure*; the first of them in the order of [`Part::ALL`] has the blame. Where none alone cures, all are replaced at once.
//! Beside them the same state is run again with other random numbers and nothing replaced: whatever part a replacement
//! touches, it also throws the dice anew, and this says what the dice alone are worth.
//!
//! - [`stage`]: the world, known whole, with or without falls
//! - [`oracles`]: goals and futures from that world
//! - [`trace`]: an episode with the states that it can go back to
//! - [`failure`]: what went wrong first
//! - [`replay`]: from there again, with parts replaced
//! - [`verdict`]: all of that for one episode, as a record keeps it
//! - [`shares`]: the verdicts of a suite added up
//!
//! All of it is diagnosis: replacements see the simulator's state, and nothing that plans by itself ever does.

mod explain;
mod failure;
mod oracles;
mod replay;
mod shares;
mod stage;
#[cfg(test)]
mod tests;
mod trace;
mod verdict;

use serde::{Deserialize, Serialize};

pub use shares::shares;
pub use verdict::{Blame, Failed, Verdict, judge_episode};

/// A part of the chain that can be at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    List,
    Goal,
    Rollout,
    Cem,
    Threshold,
    Physics,
}

impl Part {
    /// In the order in which they get the blame.
    pub const ALL: [Self; 6] = [
        Self::List,
        Self::Goal,
        Self::Rollout,
        Self::Cem,
        Self::Threshold,
        Self::Physics,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Goal => "goal",
            Self::Rollout => "rollout",
            Self::Cem => "cem",
            Self::Threshold => "threshold",
            Self::Physics => "physics",
        }
    }

    /// What stands in its place.
    pub fn replaced_by(self) -> &'static str {
        match self {
            Self::List => "the teacher's list from the true state, at re-plans as well",
            Self::Goal => "the encoded picture of the sub-goal achieved from the present state; the map stays",
            Self::Rollout => "each candidate carried out in a copy of the world, its frames encoded",
            Self::Cem => "8 times the population and 4 more iterations",
            Self::Threshold => "the sub-goal's predicate in the world, at rest",
            Self::Physics => "an action by which a block topples or is knocked away is undone",
        }
    }
}

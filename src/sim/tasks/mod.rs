//! Tasks: templates and phrasings from the books in `scenes/tasks/`, the teacher that makes a list of sub-goals from the true
//! state, success as a predicate on that state, and the draw of (world, task) pairs for training and evaluation.
//!
//! All of it reads the truth, so all of it is for training data and measurements: neither model nor planner gets any.

mod arrangement;
mod check;
mod compose;
mod finder;
mod layout;
mod lexicon;
mod phrase;
mod sampler;
mod search;
mod strategist;
mod template;

pub use check::{STEPS_PER_PRIMITIVE, expert_solves, list_is_right, run_primitive};
pub use finder::{Class, Finder};
pub use layout::{Mix, lay_out, legible, nearly_legible};
pub use lexicon::{MOST_CHARACTERS, TaskTextError, check_text, things_in};
pub use phrase::normalised;
pub use sampler::{Sample, TaskSampler};
pub use strategist::{Plan, SubGoal, decompose, feasible, restated};
pub use template::{GoalPattern, Kind, TaskBook, TaskError, Template};

use serde::{Deserialize, Serialize};

use super::{Primitive, Target, WorldState, in_bin, is_clear, on_pad};

/// What holds at the end of a task; blocks, pads and bins by their index in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The block rests on its target.
    On { block: usize, target: Target },
    /// The block hangs from the gripper.
    Held { block: usize },
    /// Nothing is on the block.
    Bare { block: usize },
    /// Nothing is on the pad.
    Empty { pad: usize },
    /// Nothing is in the bin.
    EmptyBin { bin: usize },
}

impl Goal {
    pub fn holds(&self, state: &WorldState) -> bool {
        match *self {
            Self::On { block, target } => Primitive::Place { block, target }.holds(state),
            Self::Held { block } => state.held == Some(block),
            Self::Bare { block } => is_clear(state, block),
            Self::Empty { pad } => (0..state.blocks.len()).all(|block| on_pad(state, block) != Some(pad)),
            Self::EmptyBin { bin } => (0..state.blocks.len()).all(|block| in_bin(state, block) != Some(bin)),
        }
    }
}

/// Which of a template's phrasings a task is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phrasing {
    /// One that is trained on.
    Seen,
    /// One that is for evaluation alone.
    HeldOut,
}

/// A task in one world.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Name of the template.
    pub template: String,
    pub text: String,
    pub phrasing: Phrasing,
    pub goals: Vec<Goal>,
}

impl Task {
    /// Whether every goal holds, and the gripper is empty unless a goal fills it.
    pub fn solved(&self, state: &WorldState) -> bool {
        let hand = state.held.is_none() || self.goals.iter().any(|goal| matches!(goal, Goal::Held { .. }));
        hand && self.goals.iter().all(|goal| goal.holds(state))
    }
}

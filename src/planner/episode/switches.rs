//! What an advance may do: planning and acting are two switches, and a plan may be made one iteration at a time.

use std::fmt;

/// Both on is Algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Each step is planned. Off: the last plan is executed open loop, without CEM and without asking the VLM.
    pub plan: bool,
    /// What was planned is executed. Off: the present step is planned and nothing moves.
    pub act: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { plan: true, act: true }
    }
}

/// How far one advance goes in planning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Step,
    /// One iteration of CEM; the action waits even when the plan is complete.
    Iteration,
}

/// Why an advance did nothing. Nothing is lost: with other switches the episode goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    BothOff,
    /// An iteration was asked for.
    PlanOff,
    /// Acting without planning, and the sub-goal at hand has no plan.
    NoPlan,
    /// Acting without planning, and all actions of this step's plan were executed.
    UsedUp {
        from: usize,
    },
    /// Acting without planning, and the sub-goal's steps are over: the VLM would be asked.
    OutOfTime,
    /// Only the step of rest is left.
    ActOff,
    /// An iteration was asked for, and the plan of this step has all of them.
    Complete {
        step: usize,
    },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothOff => write!(f, "Plan and Act are both off. Turn one of them on."),
            Self::PlanOff => write!(f, "Plan is off. Turn it on to plan an iteration."),
            Self::NoPlan => write!(
                f,
                "Plan is off, and there is no plan for this sub-goal to act on. Turn Plan on."
            ),
            Self::UsedUp { from } => write!(
                f,
                "All actions of the plan of step {from} are executed. Turn Plan on to go on."
            ),
            Self::OutOfTime => write!(
                f,
                "The sub-goal's steps are over, and Plan is off. Turn it on to have the VLM asked again."
            ),
            Self::ActOff => write!(
                f,
                "Every goal is reached, but for a step of rest. Turn Act on to take it."
            ),
            Self::Complete { step } => write!(f, "The plan of step {step} is complete. Step executes it."),
        }
    }
}

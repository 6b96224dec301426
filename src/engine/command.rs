//! What the window can ask of the engine.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::PlanConfig;
use crate::device::DeviceChoice;
use crate::planner::Switches;
pub use crate::train::StageKind as Stage;

/// Where a run ends by itself, besides the end of the episode and breakpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    #[default]
    End,
    /// A sub-goal ended or another one began.
    NextSubGoal,
    /// The VLM was asked again.
    NextReplan,
}

/// A training run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRequest {
    pub stage: Stage,
    pub preset: String,
    /// `runs/NAME`: the run's folder; what is there is resumed.
    pub run: PathBuf,
    /// Steps of the schedule; the preset's own number if none.
    pub steps: Option<usize>,
    /// Checkpoint that a later stage goes on from; what the program was started with if none. Stage 1 begins from nothing.
    pub from: Option<PathBuf>,
    /// Where to compute; what the program was started with if none.
    pub device: Option<DeviceChoice>,
}

/// One request. Those that interrupt (see [`Command::interrupts`]) stop the work at hand first.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin an episode: ask the VLM, make the goals, then run it, or wait where `then` is none. A task that is refused
    /// leaves the episode before it as it was, paused or running.
    Plan {
        task: String,
        seed: u64,
        then: Option<Until>,
    },
    Run(Until),
    /// Stop after the step at hand.
    Pause,
    /// Plan and execute one action, as far as the switches allow.
    Step,
    /// Plan one iteration of the present step's plan. It waits there; [`Self::Step`] goes on and executes it.
    StepIteration,
    /// Whether steps are planned and whether they are executed, from the next one on.
    SetSwitches(Switches),
    /// The settings of plans from the next step on, kept until others are set or another checkpoint is loaded.
    SetPlanConfig(PlanConfig),
    /// Go on from an earlier step: what came after is dropped.
    Seek {
        step: usize,
    },
    /// Back to the scene's first state.
    Reset {
        seed: u64,
    },
    /// Stop the work at hand now; the step that was being planned is dropped.
    Cancel,
    SetBreakOnReplan(bool),
    /// Steps at which a run pauses.
    SetBreakpoints(BTreeSet<usize>),
    LoadCheckpoint(PathBuf),
    LoadScene(PathBuf),
    /// Show an episode that was recorded; the one at hand leaves the window.
    OpenRecording(PathBuf),
    /// Load the checkpoint that is in use once more, on this device.
    SetDevice(DeviceChoice),
    /// Look for the devices of this machine.
    FindDevices,
    /// Write the episode so far: plan JSON, a GIF or a recording, as the name says.
    Export(PathBuf),
    StartTraining(TrainingRequest),
    StopTraining,
    /// Read the metrics of this run's folder as they grow.
    WatchRun(PathBuf),
    /// Take the last failure off the screen.
    DismissFailure,
}

impl Command {
    /// Whether planning that is under way must stop before this can be done.
    pub fn interrupts(&self) -> bool {
        matches!(
            self,
            Self::Plan { .. }
                | Self::Seek { .. }
                | Self::Reset { .. }
                | Self::Cancel
                | Self::LoadCheckpoint(_)
                | Self::LoadScene(_)
                | Self::OpenRecording(_)
                | Self::SetDevice(_)
        )
    }
}

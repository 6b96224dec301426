//! What the window can ask of the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::breakpoint::Breakpoints;
use super::examine::Examination;
use super::pace::Priority;
use crate::config::PlanConfig;
use crate::device::DeviceChoice;
use crate::planner::{SubGoal, Switches};
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

/// What a file holds that the window has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    Text(String),
    /// A PNG of these pixels: width, height, then red, green and blue of each, row by row.
    Picture {
        size: [u32; 2],
        rgb: Vec<u8>,
    },
}

/// A training run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRequest {
    pub stage: Stage,
    /// A preset's name, or the path of a configuration file.
    pub preset: String,
    /// Texts that replace fields of the preset: `16` at `train.stage1.batch`.
    pub settings: BTreeMap<String, String>,
    /// `runs/NAME`: the run's folder; what is there is resumed.
    pub run: PathBuf,
    /// Steps of the schedule; the preset's own number if none.
    pub steps: Option<usize>,
    /// Checkpoint that the stage goes on from; if none, later stages take what the program was started with, and stage 1
    /// begins from nothing.
    pub from: Option<PathBuf>,
    /// Name or path of the scene; what the program was started with if none.
    pub scene: Option<String>,
    /// Folder of episodes, made where it is missing or empty; data/SCENE if none.
    pub data: Option<PathBuf>,
    /// Where to compute; what the program was started with if none.
    pub device: Option<DeviceChoice>,
}

/// What the window asks of training besides its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingCommand {
    /// List the runs in this folder from now on.
    List(PathBuf),
    /// Stop reading the metrics of this run.
    Forget(PathBuf),
    /// Look at the samples of this run from now on: that of a step, or the newest one.
    ShowSample { run: PathBuf, step: Option<usize> },
    /// Save a checkpoint after the step at hand, then wait.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Stop after the step at hand and keep nothing of what was done since the last checkpoint.
    StopUnsaved,
    /// How the machine is shared while an episode is planned.
    SetPriority(Priority),
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
    /// Go on from a step as a branch, under this seed, or under the one that was in force; what came after stays as
    /// another branch. The step is one of this branch, or, where it is none, of the episode at hand.
    Seek {
        branch: Option<usize>,
        step: usize,
        seed: Option<u64>,
    },
    /// Go over to another branch, as it was left.
    GoToBranch(usize),
    /// Take a branch out of the list; its file stays.
    DeleteBranch(usize),
    /// Bring back the branch that was deleted last.
    UndeleteBranch,
    /// Put this list in the place of what is left of the sub-goals, from the next step on. `from` is the first one that
    /// was open when the list was written.
    EditSubGoals {
        list: Vec<SubGoal>,
        from: usize,
    },
    /// Back to the scene's first state.
    Reset {
        seed: u64,
    },
    /// Stop the work at hand now; the step that was being planned is dropped.
    Cancel,
    /// Ask the models about a recorded step. The answer comes to the board; it changes nothing of the episode.
    Examine(Examination),
    /// Stop the work on what was asked, and forget what waits.
    StopExamining,
    /// Where a run pauses by itself.
    SetBreakpoints(Breakpoints),
    LoadCheckpoint(PathBuf),
    LoadScene(PathBuf),
    /// Show an episode that was recorded; the one at hand leaves the window.
    OpenRecording(PathBuf),
    /// Load the checkpoint that is in use once more, on this device.
    SetDevice(DeviceChoice),
    /// Look for the devices of this machine.
    FindDevices,
    /// Write the episode so far, or these steps of it, the first and the last: plan JSON, a GIF or a recording, as the
    /// name says.
    Export {
        path: PathBuf,
        steps: Option<[usize; 2]>,
    },
    /// Write a file that the window has made; where there is one of that name already, beside it.
    Write {
        path: PathBuf,
        content: FileContent,
    },
    StartTraining(TrainingRequest),
    /// Stop after the step at hand, with a checkpoint.
    StopTraining,
    Training(TrainingCommand),
    /// Read the metrics of this run's folder as they grow, beside those of the other runs that are watched.
    WatchRun(PathBuf),
    /// Take the last failure off the screen.
    DismissFailure,
}

impl Command {
    /// Whether something other than a new plan takes the place of the episode at hand.
    pub fn leaves_episode(&self) -> bool {
        matches!(
            self,
            Self::Reset { .. }
                | Self::LoadCheckpoint(_)
                | Self::LoadScene(_)
                | Self::OpenRecording(_)
                | Self::SetDevice(_)
        )
    }

    /// Whether planning that is under way must stop before this can be done.
    pub fn interrupts(&self) -> bool {
        matches!(
            self,
            Self::Plan { .. }
                | Self::Seek { .. }
                | Self::GoToBranch(_)
                | Self::Reset { .. }
                | Self::Cancel
                | Self::LoadCheckpoint(_)
                | Self::LoadScene(_)
                | Self::OpenRecording(_)
                | Self::SetDevice(_)
        )
    }
}

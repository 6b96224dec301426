//! What the engine needs of the models and the world: one episode that can be started, stepped and taken back, and
//! one training run. The engine knows threads and no models; who implements these traits knows models and no threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::board::{Board, JobGuard, Level, TrainingState};
use super::branches::Branches;
use super::cancel::Cancel;
use super::command::TrainingRequest;
use super::event::{Event, EventSender};
use super::examine::{Answer, Examination};
use super::pace;
use super::slot::{SharedRecording, Slot};
use super::worker;
use crate::config::PlanConfig;
use crate::device::DeviceChoice;
use crate::planner::{Held, Pace, SubGoal, Switches};
use crate::recording::{PauseRecord, Recording, StepRecord};
use crate::train::Reins;

/// Why a call of a [`Session`] or a [`TrainingJob`] did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The cancel flag was seen; the episode is as it was before the call.
    #[error("Stopped.")]
    Cancelled,
    /// The request cannot be met as it is (a task that is too long, a checkpoint of another shape). Nothing changed.
    #[error("{0}")]
    Refused(String),
    /// The work itself went wrong; the episode cannot go on.
    #[error("{0}")]
    Failed(String),
}

/// Where a point of the world is seen: x, y, z in metres and the picture's height in pixels to u, v in pixels.
pub type Projection = fn([f32; 3], f32) -> [f32; 2];

/// What the window shows about the models and the world, and draws with.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    pub preset: String,
    /// Name of the checkpoint, none if the weights are random.
    pub checkpoint: Option<String>,
    /// Where it lies.
    pub checkpoint_folder: Option<PathBuf>,
    /// The device that computes, as `doctor` names it.
    pub device: String,
    /// What was asked for: `auto` stays `auto`.
    pub device_choice: DeviceChoice,
    /// Why it is this device.
    pub device_why: String,
    pub scene: String,
    /// Name or path that the scene was loaded from.
    pub scene_source: String,
    /// The settings of the steps to come.
    pub plan: PlanConfig,
    /// Those that the checkpoint came with.
    pub checkpoint_plan: PlanConfig,
    /// The camera of the scene.
    pub project: Projection,
    /// Height at which the gripper's cup travels, metres.
    pub gripper_height_m: f32,
    /// How far an action of 1 moves the gripper, metres.
    pub reach_m: f32,
    /// Layers and heads of the language model; none where the checkpoint has none.
    pub attention: Option<[usize; 2]>,
}

/// What one advance led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// An action was executed and recorded.
    Stepped,
    /// The step was planned, whole or up to an iteration; nothing was executed.
    Planned,
    /// The switches left nothing to do.
    Held(Held),
    /// A sub-goal ended; nothing was executed.
    Switched,
    /// The VLM was asked again; nothing was executed.
    Asked,
    /// The episode has its outcome in the recording.
    Finished,
}

/// What a worker lends to a session for the length of one call.
pub struct Control {
    pub(super) cancel: Cancel,
    pub(super) recording: SharedRecording,
    pub(super) live: Slot<StepRecord>,
    pub(super) board: Board,
    pub(super) events: EventSender,
    pub(super) job: JobGuard,
    pub(super) switches: Switches,
    pub(super) pace: Pace,
}

impl Control {
    /// Whether an advance plans and whether it acts.
    pub fn switches(&self) -> Switches {
        self.switches
    }

    /// Whether an advance plans one iteration or a step.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The flag to read at every CEM iteration and decoded token.
    pub fn cancel_flag(&self) -> &AtomicBool {
        self.cancel.flag()
    }

    /// # Errors
    /// [`SessionError::Cancelled`] once a stop was asked for.
    pub fn check(&self) -> Result<(), SessionError> {
        if self.cancel.is_raised() {
            Err(SessionError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Does work that has to leave everything as it is where it fails; a panic in it is an error like any other.
    ///
    /// # Errors
    /// Those of the work, or its panic's message.
    pub fn attempt<R>(&self, work: impl FnOnce() -> Result<R, SessionError>) -> Result<R, SessionError> {
        self.check()?;
        worker::guard(work).unwrap_or_else(|message| Err(SessionError::Failed(message)))
    }

    /// Changes the recording and wakes the window. Keep `change` short: it holds the recording's lock.
    pub fn record<R>(&self, change: impl FnOnce(&mut Recording) -> R) -> R {
        let result = self.recording.update(change);
        self.events.send(Event::Recording);
        result
    }

    /// Takes the place of the recording: for a session whose episode keeps a record of its own.
    pub fn publish(&self, recording: Recording) {
        self.recording.replace(recording);
        self.events.send(Event::Recording);
    }

    /// The recording as it is now.
    pub fn recording(&self) -> Arc<Recording> {
        self.recording.snapshot()
    }

    /// Shows the step that is being planned: the frame, and the iterations so far. The newest wins; the step belongs
    /// into the recording once it is decided.
    pub fn show_live(&self, step: StepRecord) {
        self.live.set(step);
        self.events.send(Event::Live);
    }

    /// The step that is shown as the one being planned.
    pub fn live(&self) -> Option<Arc<StepRecord>> {
        self.live.get()
    }

    /// Shows the episodes that share a past.
    pub fn show_branches(&self, branches: Branches) {
        self.board.set_branches(branches);
    }

    /// How far the call is: "Decoding", 34 of 96.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.job.progress(what, done, total);
    }

    /// A line in the log.
    pub fn log(&self, level: Level, text: impl Into<String>) {
        self.board.log(level, text);
    }
}

/// Writes a recording as plan JSON; returns the file that was written.
pub trait Exporter: Send + Sync {
    /// # Errors
    /// The folder does not exist or cannot be written to; no file is half written.
    fn export(&self, recording: &Recording, path: &Path) -> Result<PathBuf, SessionError>;
}

/// Models, a world, and at most one episode in it. Lives on the planner's thread.
///
/// Every call that changes what there is to see writes it into the recording through `control`. After `open`, `reset`
/// and the calls that load something the recording is empty and the live step holds the scene as it is.
pub trait Session {
    fn info(&self) -> SessionInfo;

    fn exporter(&self) -> Arc<dyn Exporter>;

    /// Whether there is an episode to advance or to go back in. There is none behind a recording that was opened.
    fn has_episode(&self) -> bool;

    /// Algorithm 2 up to its loop: a new recording, the VLM's answer streamed into it, and the goals.
    ///
    /// # Errors
    /// The task was refused, a model failed, or it was stopped.
    fn start(&mut self, task: &str, seed: u64, control: &Control) -> Result<(), SessionError>;

    /// The next thing in the loop: a sub-goal's end, another question to the VLM, or one planned and executed action, as
    /// far as the control's switches and pace allow.
    ///
    /// # Errors
    /// A model failed, or it was stopped: then the step is not in the recording.
    fn advance(&mut self, control: &Control) -> Result<Advance, SessionError>;

    /// The settings of the steps to come, of this episode and of the next ones; the engine has checked them.
    fn set_plan_config(&mut self, config: PlanConfig);

    /// Back to the state before step `step` was executed, and on from there as a branch, under this seed or the one that
    /// was in force; what came after stays as another branch. `branch` is the one whose step it is; none: the one at hand.
    ///
    /// # Errors
    /// There is no such branch, or it has no such step.
    fn seek(
        &mut self,
        branch: Option<usize>,
        step: usize,
        seed: Option<u64>,
        control: &Control,
    ) -> Result<(), SessionError>;

    /// Over to another branch, as it was left.
    ///
    /// # Errors
    /// There is no such branch.
    fn go_to_branch(&mut self, id: usize, control: &Control) -> Result<(), SessionError>;

    /// Takes a branch out of the list, and keeps the last one for [`Self::undelete_branch`].
    ///
    /// # Errors
    /// There is no such branch, or it is the one at hand.
    fn delete_branch(&mut self, id: usize, control: &Control) -> Result<(), SessionError>;

    /// # Errors
    /// None was deleted.
    fn undelete_branch(&mut self, control: &Control) -> Result<(), SessionError>;

    /// Puts a list in the place of the sub-goals that are left; `from` is the first one that was open when the list was
    /// written.
    ///
    /// # Errors
    /// The list is empty, a goal could not be made, or it was stopped: the list is as it was.
    fn edit_sub_goals(&mut self, list: &[SubGoal], from: usize, control: &Control) -> Result<(), SessionError>;

    /// Puts into the record what makes a run pause here.
    fn record_pauses(&mut self, pauses: Vec<PauseRecord>, control: &Control);

    /// Answers a question about a step of this recording, which need not be of the episode at hand. It changes nothing: no
    /// random number is drawn that a plan would have drawn.
    ///
    /// # Errors
    /// The loaded models cannot answer for this recording, and what to do; a model failed; or `stop` was set.
    fn examine(&self, asked: &Examination, recording: &Recording, stop: &AtomicBool) -> Result<Answer, SessionError>;

    /// Back to the scene's first state under this seed, without an episode.
    ///
    /// # Errors
    /// The scene could not be set up.
    fn reset(&mut self, seed: u64, control: &Control) -> Result<(), SessionError>;

    /// # Errors
    /// The checkpoint cannot be read or has another shape; the models in use stay.
    fn load_checkpoint(&mut self, path: &Path, control: &Control) -> Result<(), SessionError>;

    /// # Errors
    /// The scene cannot be read or is impossible; the scene in use stays.
    fn load_scene(&mut self, path: &Path, control: &Control) -> Result<(), SessionError>;

    /// Gives up the episode at hand and its branches: a recording is looked at in their place.
    fn leave_episode(&mut self, control: &Control);

    /// Loads the checkpoint once more, on another device.
    ///
    /// # Errors
    /// The device is not there or does not work; the models in use and the episode stay.
    fn set_device(&mut self, device: DeviceChoice, control: &Control) -> Result<(), SessionError>;
}

/// What a session is opened with; where there is none, what the program was started with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opening {
    pub checkpoint: Option<PathBuf>,
    pub device: Option<DeviceChoice>,
    /// Settings of the plans, where the user has turned any of the checkpoint's.
    pub plan: Option<PlanConfig>,
}

/// Opens a session on the planner's thread. Called again after a panic.
pub type OpenSession<S> = Box<dyn FnMut(&Opening, &Control) -> Result<S, SessionError> + Send>;

/// What the trainer's worker lends to a training run.
pub struct TrainingControl {
    pub(super) cancel: Cancel,
    pub(super) board: Board,
    pub(super) job: JobGuard,
    pub(super) pace: Arc<pace::Pace>,
    pub(super) title: String,
}

impl TrainingControl {
    /// The flag to read at every step.
    pub fn cancel_flag(&self) -> &AtomicBool {
        self.cancel.flag()
    }

    /// Steps done and to do.
    pub fn progress(&self, what: &str, step: u64, total: u64) {
        self.job.progress(what, step, Some(total));
    }

    pub fn log(&self, level: Level, text: impl Into<String>) {
        self.board.log(level, text);
    }

    /// What the window asks of the run while it goes on.
    pub fn reins(&self) -> Arc<Reins> {
        Arc::clone(&self.pace.reins)
    }

    /// To be called between two steps, with the time that the last one took: leaves the machine to an episode, and waits
    /// while the run is paused.
    pub fn between_steps(&self, step: Duration) {
        let cancel = self.cancel.flag();
        let planning = || self.board.view().phase.is_planning();
        if planning() {
            self.job.wait(|| self.pace.rest(step, cancel, planning));
        }
        if self.pace.reins.is_held() && !self.cancel.is_raised() {
            let title = self.title.clone();
            self.board.set_pausing(false);
            self.board.set_training(TrainingState::Paused { title });
            self.job.wait(|| self.pace.wait(cancel));
            let title = self.title.clone();
            self.board.set_training(TrainingState::Running { title });
        }
    }
}

/// Runs one training to its end, to the first error or until it is stopped, and writes `metrics.jsonl` and
/// checkpoints into the run's folder; the window reads them from there.
pub type RunTraining = Box<dyn FnMut(&TrainingRequest, &TrainingControl) -> Result<(), SessionError> + Send>;

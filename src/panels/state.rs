//! What the panels share: the view of an episode, the one selection, and what the user typed and switched.

use super::attention::WordAt;
use super::breakpoints::BreakpointForm;
use super::camera::FrameTexture;
use super::cem::SettingsForm;
use super::compare::Pin;
use super::examine::Asking;
use super::history::History;
use super::latent::LatentForm;
use super::patch::Patch;
use super::playback::Playback;
use super::shell::Shell;
use super::sub_goal_draft::SubGoalEditor;
use super::training::TrainingForm;
use crate::config::PlanConfig;
use crate::engine::{BoardView, Breakpoints, Command, RunMetrics, Until};
use crate::recording::{CemIteration, EndedBecause, Recording, StepRecord, SubGoalRecord};
use crate::ui::keys::Act;
use crate::vlm::Lens;

/// Everything that one frame of the window is drawn from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Of the episode that is shown: the one at hand, or a branch that is looked at.
    pub recording: &'a Recording,
    /// Of the episode at hand.
    pub at_hand: &'a Recording,
    /// The step that is being planned, or the scene before an episode.
    pub live: Option<&'a StepRecord>,
    pub board: &'a BoardView,
    /// Runs of training, whoever does them.
    pub metrics: &'a RunMetrics,
}

impl<'a> View<'a> {
    /// The newest step: the one that is being planned if it is ahead of the recording.
    pub fn newest(&self) -> Option<&'a StepRecord> {
        let recorded = self.recording.steps.last().map(AsRef::as_ref);
        match (recorded, self.live) {
            (Some(recorded), Some(live)) => {
                let open = recorded.action.is_none() && self.recording.outcome.is_none();
                let ahead = live.step > recorded.step || live.step == recorded.step && open;
                Some(if ahead && self.recording.outcome.is_none() {
                    live
                } else {
                    recorded
                })
            }
            (recorded, live) => recorded.or(live),
        }
    }

    pub fn last_step(&self) -> usize {
        self.newest().map_or(0, |step| step.step)
    }

    pub fn step_at(&self, step: usize) -> Option<&'a StepRecord> {
        let newest = self.newest()?;
        if newest.step == step {
            Some(newest)
        } else {
            self.recording.steps.get(step).map(AsRef::as_ref)
        }
    }

    /// The step that the panels show.
    pub fn shown(&self, state: &ViewState) -> Option<&'a StepRecord> {
        match state.selection.step {
            Some(step) => self.step_at(step).or_else(|| self.newest()),
            None => self.newest(),
        }
    }

    /// The settings that were in force at a step of the recording, or, before there is one, those of the episode to come;
    /// none where the recording does not tell.
    pub fn settings_at(&self, step: usize) -> Option<PlanConfig> {
        if self.recording.task.is_empty() {
            return self.board.info.as_ref().map(|info| info.plan.clone());
        }
        self.recording.plan_config_at(step)
    }

    /// Whether the user looks at something older than the newest step.
    pub fn is_past(&self, state: &ViewState) -> bool {
        state.selection.step.is_some_and(|step| step < self.last_step())
    }

    /// The sub-goal that the panels show: the selected one, or that of the shown step.
    pub fn shown_sub_goal(&self, state: &ViewState) -> Option<usize> {
        let of_step = || self.shown(state).and_then(|step| step.sub_goal);
        state
            .selection
            .sub_goal
            .or_else(of_step)
            .filter(|&index| index < self.recording.sub_goals.len())
    }

    /// The step whose plan the panels show: the shown step, or the one before it if nothing was planned from it yet; for a
    /// step that was executed open loop, the one that its plan is from.
    pub fn planned(&self, state: &ViewState) -> Option<&'a StepRecord> {
        let shown = self.shown(state)?;
        if !shown.cem.is_empty() {
            return Some(shown);
        }
        let steps = &self.recording.steps;
        let from = match (shown.action, shown.open_loop_from) {
            (Some(_), Some(from)) => from,
            _ => {
                let before = shown.step.checked_sub(1)?;
                steps.get(before)?.open_loop_from.unwrap_or(before)
            }
        };
        let before = steps.get(from)?;
        (!before.cem.is_empty()).then_some(before.as_ref())
    }

    /// The shown CEM iteration of the planned step, with its index.
    pub fn iteration(&self, state: &ViewState) -> Option<(usize, &'a CemIteration)> {
        let cem = &self.planned(state)?.cem;
        let index = state
            .selection
            .iteration
            .unwrap_or(usize::MAX)
            .min(cem.len().checked_sub(1)?);
        Some((index, &cem[index]))
    }

    /// First and last step of a time axis that shows everything, what the newest plan predicts included.
    pub fn whole_range(&self) -> [f64; 2] {
        let ahead = self.newest().map_or(0, |step| step.predicted_similarity.len());
        [-0.5, (self.last_step() + ahead).max(10) as f64 + 0.5]
    }

    /// Steps at which another sub-goal begins, in order.
    pub fn sub_goal_starts(&self) -> Vec<usize> {
        let steps = &self.recording.steps;
        let mut starts: Vec<usize> = steps.first().map(|step| step.step).into_iter().collect();
        starts.extend(
            steps
                .windows(2)
                .filter(|pair| pair[0].sub_goal != pair[1].sub_goal)
                .map(|pair| pair[1].step),
        );
        starts
    }
}

/// How a sub-goal stands at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubGoalState {
    Waiting,
    Active,
    Ended(EndedBecause),
}

/// How a sub-goal stood when `step` was the present.
pub fn sub_goal_state(sub_goal: &SubGoalRecord, step: usize, newest: bool) -> SubGoalState {
    let ended = sub_goal
        .ended_because
        .filter(|_| newest || sub_goal.end_step.is_some_and(|end| end <= step));
    match (sub_goal.start_step, ended) {
        (_, Some(because)) => SubGoalState::Ended(because),
        (Some(start), None) if start <= step => SubGoalState::Active,
        _ => SubGoalState::Waiting,
    }
}

/// What is selected, in every panel at once. None follows the newest (step), the current (sub-goal) or the last
/// (iteration).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub sub_goal: Option<usize>,
    pub step: Option<usize>,
    pub iteration: Option<usize>,
    pub elite: Option<usize>,
    pub patch: Option<Patch>,
    /// While there is one, the camera shows where it looked in place of the sub-goal.
    pub word: Option<WordAt>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Workspace {
    #[default]
    Episode,
    Training,
}

/// A small form under the task bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popup {
    Open,
    Export,
    /// A name for the layout at hand.
    Layout,
}

/// The task bar's fields.
#[derive(Clone, Debug)]
pub struct TaskBox {
    pub task: String,
    /// Shown under the box until the first plan.
    pub examples: Vec<String>,
    pub seed: u64,
    pub checkpoint: String,
    pub scene: String,
    pub recording: String,
    pub export: String,
    /// Export the steps of the loop alone.
    pub export_loop: bool,
    pub popup: Option<Popup>,
    /// A popup that was asked for by a key takes the focus into its first field.
    pub focus_popup: bool,
    /// Give the box the focus and select its text at the next frame.
    pub focus: bool,
    pub planned_once: bool,
}

/// Which grid the attention map is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapGrid {
    Off,
    /// As the VLM attends.
    Vlm,
    /// Resampled to the world model's patches, as GPI and the attention bias use it.
    Model,
}

/// What is drawn over the camera's picture.
pub struct CameraView {
    pub map: MapGrid,
    pub opacity: f32,
    pub plans: bool,
    pub action: bool,
    pub goal: bool,
    /// The picture as the model sees it.
    pub models_eye: bool,
    pub texture: FrameTexture,
}

/// Numbers of the status line that the app measures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StatusNumbers {
    /// Layout and tessellation of a frame, 95th percentile, ms.
    pub ui_p95_ms: Option<f64>,
    /// Resident memory of the program.
    pub memory_bytes: Option<u64>,
}

/// All that the window remembers between frames besides the episode itself.
pub struct ViewState {
    pub workspace: Workspace,
    pub selection: Selection,
    /// Those in force.
    pub breakpoints: Breakpoints,
    pub breakpoint_form: BreakpointForm,
    pub playback: Playback,
    pub task: TaskBox,
    pub camera: CameraView,
    /// What attention is looked at through.
    pub lens: Lens,
    pub training: TrainingForm,
    pub settings: SettingsForm,
    pub latent: LatentForm,
    /// What the panes want to know of the models.
    pub asking: Asking,
    /// CEM's actions are drawn as a heat map.
    pub actions_as_map: bool,
    pub history: History,
    pub status: StatusNumbers,
    /// What belongs to the window and not to an episode: its layout, menus and messages.
    pub shell: Shell,
    /// First and last step that the time axis shows; none shows all.
    pub time_range: Option<[f64; 2]>,
    /// What the time axis showed when the user began to look at the past: new steps must not move it.
    pub frozen_range: Option<[f64; 2]>,
    pub sub_goal_editor: SubGoalEditor,
    /// The branch that is looked at in place of the one at hand.
    pub shown_branch: Option<usize>,
    /// Seed of a branch to come; none until the user chose one.
    pub branch_seed: Option<u64>,
    /// Episodes to compare with.
    pub pins: Vec<Pin>,
    pub log_open: bool,
    pub manual_open: bool,
    pub palette: Option<String>,
    /// Commands for the engine, in order.
    pub outbox: Vec<Command>,
    /// What buttons asked for, handled like keys.
    pub acts: Vec<Act>,
    /// Texture format of the window; none where nothing is drawn by shaders.
    pub target_format: Option<wgpu::TextureFormat>,
}

impl ViewState {
    /// The state at the first start: the first example in the task box, selected, the others under it.
    pub fn new(examples: &[String], seed: u64) -> Self {
        Self {
            workspace: Workspace::default(),
            selection: Selection::default(),
            breakpoints: Breakpoints::default(),
            breakpoint_form: BreakpointForm::default(),
            playback: Playback::default(),
            task: TaskBox {
                task: examples.first().cloned().unwrap_or_default(),
                examples: examples.iter().skip(1).cloned().collect(),
                seed,
                checkpoint: String::new(),
                scene: String::new(),
                recording: String::new(),
                export: "plan.json".to_owned(),
                export_loop: false,
                popup: None,
                focus_popup: false,
                focus: true,
                planned_once: false,
            },
            camera: CameraView {
                map: MapGrid::Vlm,
                opacity: 0.75,
                plans: true,
                action: true,
                goal: true,
                models_eye: false,
                texture: FrameTexture::default(),
            },
            lens: Lens::default(),
            training: TrainingForm::default(),
            settings: SettingsForm::default(),
            latent: LatentForm::default(),
            asking: Asking::default(),
            actions_as_map: false,
            history: History::default(),
            status: StatusNumbers::default(),
            shell: Shell::default(),
            time_range: None,
            frozen_range: None,
            sub_goal_editor: SubGoalEditor::default(),
            shown_branch: None,
            branch_seed: None,
            pins: Vec::new(),
            log_open: false,
            manual_open: false,
            palette: None,
            outbox: Vec::new(),
            acts: Vec::new(),
            target_format: None,
        }
    }

    /// Selects a step everywhere; the newest one means to follow live again.
    pub fn select_step(&mut self, step: usize, view: &View<'_>) {
        self.selection.step = (step < view.last_step()).then_some(step);
        self.selection.elite = None;
        self.frozen_range = self
            .selection
            .step
            .map(|_| self.frozen_range.unwrap_or_else(|| view.whole_range()));
    }

    /// Another episode takes the place of this one: nothing that was chosen in it means anything there.
    pub fn leave_episode(&mut self) {
        self.selection = Selection::default();
        self.playback.leave();
        (self.shown_branch, self.time_range, self.frozen_range) = (None, None, None);
        self.task.export_loop = false;
    }

    /// Back to the newest step of the episode at hand.
    pub fn follow_live(&mut self) {
        self.shown_branch = None;
        self.playback.stop();
        self.selection.step = None;
        self.selection.elite = None;
        self.frozen_range = None;
    }

    /// Plans one more iteration of the present step, and shows it.
    pub fn plan_iteration(&mut self) {
        self.follow_live();
        self.selection.iteration = None;
        self.outbox.push(Command::StepIteration);
    }

    /// Plans and executes one action, and shows it.
    pub fn plan_action(&mut self) {
        self.follow_live();
        self.outbox.push(Command::Step);
    }

    /// Lets the episode go on, and shows it.
    pub fn run(&mut self, until: Until) {
        self.follow_live();
        self.outbox.push(Command::Run(until));
    }

    /// Selects a sub-goal everywhere, or lets it go if it is selected already.
    pub fn toggle_sub_goal(&mut self, index: usize) {
        self.selection.sub_goal = (self.selection.sub_goal != Some(index)).then_some(index);
        self.selection.word = None;
    }

    /// Selects a word of an answer with the sub-goal that it belongs to, or lets the word go if it is selected already.
    pub fn toggle_word(&mut self, word: WordAt, sub_goal: Option<usize>) {
        if self.selection.word.as_ref() == Some(&word) {
            self.selection.word = None;
        } else {
            self.selection.word = Some(word);
            self.selection.sub_goal = sub_goal.or(self.selection.sub_goal);
        }
    }

    /// Begins an episode with the text of the task box and lets it run, if wanted.
    pub fn plan(&mut self, run: bool) {
        let task = self.task.task.trim().to_owned();
        // An empty task is the engine's to refuse: its message says what to do.
        if task.is_empty() {
            self.task.focus = true;
        } else {
            self.task.planned_once = true;
            self.leave_episode();
        }
        self.outbox.push(Command::Plan {
            task,
            seed: self.task.seed,
            then: run.then_some(Until::End),
        });
    }
}

//! The eframe app: engine in, panels out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::AppOptions;
use super::autopilot::{Autopilot, Ending};
use super::drop::dropped;
use super::frame_times::{FrameTimes, tessellation_secs};
use super::layout::{prepare, studio_ui};
use super::lost_device::LostDevice;
use super::measure::UiTimes;
use super::settings::SettingsFile;
use crate::device::resident_bytes;
use crate::engine::{BoardView, Command, Engine, Job, JobKind, TrainingState, Waker};
use crate::panels::{View, ViewState, Workspace};
use crate::recording::{Recording, StepRecord};

/// Time between two repaints while work is under way.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two repaints that only move a clock on.
const TICK: Duration = Duration::from_millis(200);
/// One frame in so many is timed: eframe tessellates out of sight, so that a timed frame does it once more.
const TIMED: u64 = 10;
/// Frames of the start, which load fonts and make textures: no later one is like them.
const START: u64 = 10;
/// Frames that the percentile in the status line is taken over.
const FRAMES: usize = 100;
/// Frames that the report of a whole run is made from.
const REPORTED: usize = 100_000;

/// What one frame is drawn from.
type Snapshot = (Arc<Recording>, Option<Arc<StepRecord>>, BoardView);

pub struct Studio {
    engine: Engine,
    ctx: egui::Context,
    state: ViewState,
    times: FrameTimes,
    /// Of the frames in which an episode was planned.
    planning_times: FrameTimes,
    /// From one frame to the next while an episode was planned, all that draws them included.
    gaps: FrameTimes,
    drawn_at: Option<Instant>,
    frames: u64,
    autopilot: Option<Autopilot>,
    settings: Option<SettingsFile>,
    /// What the last frame showed, while the next one must show the same.
    held: Option<Snapshot>,
    ending: Arc<Mutex<Ending>>,
    adapter: Option<String>,
    lost: LostDevice,
    numbers_at: Option<Instant>,
    size: [f32; 2],
}

impl Studio {
    /// # Errors
    /// A worker's thread could not be started.
    pub fn new(
        creation: &eframe::CreationContext<'_>,
        options: &AppOptions,
        start: impl FnOnce(Waker) -> std::io::Result<Engine>,
    ) -> std::io::Result<Self> {
        let ctx = creation.egui_ctx.clone();
        let engine = start(Arc::new(move || ctx.request_repaint_after(FRAME)))?;
        let mut studio = Self::with_engine(&creation.egui_ctx, options, engine);
        if let Some(state) = &creation.wgpu_render_state {
            studio.state.target_format = Some(state.target_format);
            studio.lost = LostDevice::watch(&state.device, &creation.egui_ctx);
            let info = state.adapter.get_info();
            let (how, but) = if info.device_type == wgpu::DeviceType::Cpu {
                ("in software ", ": pictures come slowly")
            } else {
                ("", "")
            };
            studio
                .engine
                .note(&format!("The window is drawn {how}by {}{but}.", info.name));
            studio.adapter = Some(info.name);
        }
        Ok(studio)
    }

    /// Where this window's ending is written when it closes.
    pub(super) fn with_ending(mut self, ending: Arc<Mutex<Ending>>) -> Self {
        self.ending = ending;
        self
    }

    /// The app around an engine that runs already.
    pub fn with_engine(ctx: &egui::Context, options: &AppOptions, engine: Engine) -> Self {
        prepare(ctx);
        let mut state = ViewState::new(&options.examples, options.seed);
        let settings = options.settings.clone().map(|path| {
            let (file, said) = SettingsFile::open(path, ctx, &mut state.shell);
            state.shell.warnings.extend(said);
            file
        });
        if !options.dark {
            ctx.set_theme(egui::Theme::Light);
        }
        state.shell.warnings.extend(options.notice.clone());
        if options.training {
            state.workspace = Workspace::Training;
        }
        // Messages that come and go have no place in a picture.
        state.shell.toasts.muted = options.script.is_some();
        Self {
            engine,
            ctx: ctx.clone(),
            state,
            times: FrameTimes::new(FRAMES),
            planning_times: FrameTimes::new(REPORTED),
            gaps: FrameTimes::new(REPORTED),
            drawn_at: None,
            frames: 0,
            autopilot: options.script.clone().map(Autopilot::new),
            settings,
            held: None,
            ending: Arc::default(),
            adapter: None,
            lost: LostDevice::default(),
            numbers_at: None,
            size: [0.0; 2],
        }
    }

    pub fn state(&self) -> &ViewState {
        &self.state
    }

    pub fn state_mut(&mut self) -> &mut ViewState {
        &mut self.state
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// One frame: reads the engine, draws, hands commands over.
    pub fn frame_ui(&mut self, ui: &mut egui::Ui) {
        self.engine.drain_events();
        self.numbers();
        // First the board: what it says is done is in the recording that is read after it.
        let now = || {
            let board = self.engine.board();
            (self.engine.recording(), self.engine.live(), board)
        };
        let shown = self.held.take().unwrap_or_else(now);
        let (recording, live, board) = &shown;
        self.engine.with_metrics(|metrics| {
            let view = View {
                recording,
                at_hand: recording,
                live: live.as_deref(),
                board,
                metrics,
            };
            studio_ui(ui, &mut self.state, &view);
            if let Some(autopilot) = &mut self.autopilot {
                autopilot.frame(ui.ctx(), &mut self.state, &view);
                self.held = autopilot.holds_still().then(|| shown.clone());
            }
        });
        for dropped in dropped(ui) {
            match dropped {
                Ok(command) => {
                    if matches!(command, Command::WatchRun(_)) {
                        self.state.workspace = Workspace::Training;
                    }
                    self.state.outbox.push(command);
                }
                Err(said) => self.engine.warn(&said),
            }
        }
        for warning in std::mem::take(&mut self.state.shell.warnings) {
            self.engine.warn(&warning);
        }
        for command in std::mem::take(&mut self.state.outbox) {
            self.state.shell.recents.note(&command);
            if command.leaves_episode() {
                self.state.leave_episode();
            }
            if !self.engine.send(command) {
                self.engine
                    .warn("Too many commands are waiting; the last one was dropped. Try it again in a moment.");
            }
        }
        let rests = matches!(shown.2.training, TrainingState::Paused { .. });
        let moves_on = |job: &Job| !(rests && job.kind == JobKind::Train);
        if shown.2.jobs.iter().any(moves_on) {
            ui.ctx().request_repaint_after(TICK);
        }
    }

    /// Notes how long a frame took to lay out and tessellate.
    pub fn note_frame(&mut self, secs: f32) {
        self.times.push(secs);
        if self.engine.board().phase.is_planning() {
            self.planning_times.push(secs);
        }
    }

    pub fn times(&self) -> &FrameTimes {
        &self.times
    }

    /// Notes that a frame begins. Frames follow one another only while there is work to show.
    fn note_gap(&mut self, now: Instant) {
        let planning = self.engine.board().phase.is_planning();
        if let Some(before) = self.drawn_at.filter(|_| planning) {
            self.gaps.push((now - before).as_secs_f32());
        }
        self.drawn_at = planning.then_some(now);
    }

    /// Keeps what the next start should find.
    pub fn close(&mut self) {
        if let Some(settings) = &mut self.settings {
            settings.close(&self.ctx, &self.state.shell);
        }
    }

    /// Twice a second is often enough for numbers that nobody can read faster.
    fn numbers(&mut self) {
        if self
            .numbers_at
            .is_none_or(|at| at.elapsed() > Duration::from_millis(500))
        {
            self.numbers_at = Some(Instant::now());
            self.state.status.ui_p95_ms = self.times.percentile_ms(0.95);
            self.state.status.memory_bytes = resident_bytes();
            if let Some(settings) = &mut self.settings {
                self.state
                    .shell
                    .warnings
                    .extend(settings.keep(&self.ctx, &self.state.shell));
            }
        }
    }
}

impl eframe::App for Studio {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        self.note_gap(begun);
        self.frame_ui(ui);
        let layout = begun.elapsed().as_secs_f32();
        // A window that drives itself has nobody who waits for it, and times all of its frames.
        let timed = self.autopilot.is_some() || self.frames.is_multiple_of(TIMED);
        if timed && self.frames >= START {
            self.note_frame(layout + tessellation_secs(ui.ctx()));
        }
        self.frames += 1;
        self.size = ui.ctx().input(|input| input.content_rect().size().into());
    }

    /// Where the pointer happens to rest has no place in a picture.
    fn raw_input_hook(&mut self, _ctx: &egui::Context, raw_input: &mut egui::RawInput) {
        if self.autopilot.as_ref().is_some_and(Autopilot::hides_pointer) {
            raw_input
                .events
                .retain(|event| !matches!(event, egui::Event::PointerMoved(_)));
            raw_input.events.push(egui::Event::PointerGone);
        }
    }

    fn on_exit(&mut self) {
        self.close();
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        *ending = Ending {
            done: self.autopilot.as_ref().is_some_and(Autopilot::is_done),
            problem: self.lost.problem().or_else(|| self.autopilot.as_ref()?.problem.clone()),
            recording: Some(self.engine.recording()),
            times: UiTimes::of(&self.planning_times),
            frames_per_sec: self.gaps.mean_secs().map(|secs| 1.0 / secs),
            device: self
                .engine
                .board()
                .info
                .map_or_else(String::new, |info| info.device.clone()),
            adapter: self.adapter.clone(),
            size: self.size,
        };
    }
}

//! The eframe app: engine in, panels out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::AppOptions;
use super::frame_times::{FrameTimes, tessellation_secs};
use super::layout::{prepare, studio_ui};
use crate::engine::{Engine, Waker};
use crate::panels::{View, ViewState};

/// Time between two repaints while work is under way.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two repaints that only move a clock on.
const TICK: Duration = Duration::from_millis(200);
/// One frame in so many has its tessellation timed: eframe does it out of sight.
const TESSELLATED: u64 = 10;
/// Frames that the percentile in the status line is taken over.
const FRAMES: usize = 300;

pub struct Studio {
    engine: Engine,
    state: ViewState,
    times: FrameTimes,
    frames: u64,
    /// Of the last frame whose tessellation was timed.
    tessellation_secs: f32,
    numbers_at: Option<Instant>,
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
        studio.state.target_format = creation.wgpu_render_state.as_ref().map(|state| state.target_format);
        Ok(studio)
    }

    /// The app around an engine that runs already.
    pub fn with_engine(ctx: &egui::Context, options: &AppOptions, engine: Engine) -> Self {
        prepare(ctx);
        let mut state = ViewState::new(&options.examples, options.seed);
        if options.plan_at_once {
            state.plan(true);
        }
        Self {
            engine,
            state,
            times: FrameTimes::new(FRAMES),
            frames: 0,
            tessellation_secs: 0.0,
            numbers_at: None,
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
        let (recording, live, board) = (self.engine.recording(), self.engine.live(), self.engine.board());
        let view = View {
            recording: &recording,
            live: live.as_deref(),
            board: &board,
        };
        let state = &mut self.state;
        self.engine.with_metrics(|metrics| studio_ui(ui, state, &view, metrics));
        for command in std::mem::take(&mut self.state.outbox) {
            if !self.engine.send(command) {
                self.engine
                    .warn("Too many commands are waiting; the last one was dropped. Try it again in a moment.");
            }
        }
        if !board.jobs.is_empty() {
            ui.ctx().request_repaint_after(TICK);
        }
    }

    /// Notes how long a frame took to lay out and tessellate.
    pub fn note_frame(&mut self, secs: f32) {
        self.times.push(secs);
    }

    pub fn times(&self) -> &FrameTimes {
        &self.times
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
        }
    }
}

impl eframe::App for Studio {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        self.frame_ui(ui);
        let layout = begun.elapsed().as_secs_f32();
        if self.frames.is_multiple_of(TESSELLATED) {
            self.tessellation_secs = tessellation_secs(ui.ctx());
        }
        self.frames += 1;
        self.note_frame(layout + self.tessellation_secs);
    }
}

/// Resident memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

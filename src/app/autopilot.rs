//! A window that drives itself: it plans the task in its box, runs it, writes what was asked for, and closes. The same
//! acts as a user's, one after the other, so that a picture, a time or a plan of the real window is one command.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egui::{ColorImage, Context, ViewportCommand};

use super::measure::UiTimes;
use crate::engine::{BoardView, Command, Level, Phase};
use crate::panels::{Pane, View, ViewState};
use crate::recording::Recording;
use crate::recording::png::{self, CompressionType};
use crate::weights::write_file;

/// Steps that the episode is ahead of a picture that looks back.
const AHEAD: usize = 3;

/// Frames after which a pane has asked what it wants to know.
const SETTLED: usize = 30;

/// What the window does by itself, in this order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Plan the task in the box and run it to its end.
    pub run: bool,
    /// A picture of the window.
    pub picture: Option<Picture>,
    /// Files that the finished episode is written to.
    pub exports: Vec<PathBuf>,
    /// Close the window when all of it is done.
    pub quit: bool,
}

/// When the window is pictured, and where to.
#[derive(Clone, Debug)]
pub struct Picture {
    pub path: PathBuf,
    /// Looking back at this step, while the episode goes on or in an opened one; at its end if none.
    pub step: Option<usize>,
    /// Brought to the front; what they ask the models about the step is waited for.
    pub panes: Vec<Pane>,
}

/// What came of a window.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The script was done to its end.
    pub done: bool,
    /// What could not be done.
    pub problem: Option<String>,
    /// The episode as it was at the end.
    pub recording: Option<Arc<Recording>>,
    /// What the window took for a frame while an episode was planned.
    pub times: Option<UiTimes>,
    /// Frames that were drawn a second while an episode was planned, as often as the adapter and the pace of 30 let them.
    pub frames_per_sec: Option<f64>,
    /// The device that computed.
    pub device: String,
    /// The graphics card that drew it.
    pub adapter: Option<String>,
    /// Size of the window, points.
    pub size: [f32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Run,
    Export(usize),
    /// Waiting for the file of this export; the log was this old when it was asked for.
    Exported(usize, Duration),
    Picture,
    Pictured,
    Done,
}

/// Carries a script out, frame by frame.
pub struct Autopilot {
    script: Script,
    stage: Stage,
    picture: Arc<Mutex<Option<Arc<ColorImage>>>>,
    looked_back: bool,
    /// Frames since then.
    settled: usize,
    asked: bool,
    taken: bool,
    pub problem: Option<String>,
}

impl Autopilot {
    pub fn new(script: Script) -> Self {
        let stage = if script.run { Stage::Open } else { Stage::Picture };
        Self {
            script,
            stage,
            picture: Arc::default(),
            looked_back: false,
            settled: 0,
            asked: false,
            taken: false,
            problem: None,
        }
    }

    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// A picture was asked for and is not taken yet: it is of the next frame, which must show what this one did.
    pub fn holds_still(&self) -> bool {
        self.asked && self.stage != Stage::Done && !self.taken
    }

    /// Until its picture is taken, the window looks as if nobody pointed at it.
    pub fn hides_pointer(&self) -> bool {
        self.script.picture.is_some() && !self.taken
    }

    /// Looks at what was just drawn and does what comes next.
    pub fn frame(&mut self, ctx: &Context, state: &mut ViewState, view: &View<'_>) {
        let before = self.stage;
        if !self.taken && self.lock_picture().is_some() {
            self.taken = true;
            state.follow_live();
        }
        if let (Some(failure), false) = (&view.board.failure, self.is_done()) {
            self.problem = Some(format!("{} {}", failure.what, failure.advice).trim().to_owned());
            self.stage = Stage::Done;
        }
        match self.stage {
            Stage::Open => {
                if view.board.phase == Phase::Idle {
                    ctx.memory_mut(egui::Memory::stop_text_input);
                    state.plan(true);
                    self.stage = Stage::Run;
                }
            }
            Stage::Run => {
                let wanted = self.script.picture.as_ref().and_then(|picture| picture.step);
                if wanted.is_some_and(|step| view.last_step() >= step + AHEAD) {
                    self.ask_for_picture(ctx, state, view);
                }
                if view.board.phase == Phase::Finished {
                    self.stage = Stage::Export(0);
                }
            }
            Stage::Export(index) => match self.script.exports.get(index) {
                Some(path) => {
                    let newest = view.board.log.back().map_or(Duration::ZERO, |line| line.at);
                    state.outbox.push(Command::Export {
                        path: path.clone(),
                        steps: None,
                    });
                    self.stage = Stage::Exported(index, newest);
                }
                None => self.stage = Stage::Picture,
            },
            Stage::Exported(index, since) => {
                if wrote(view.board, since) {
                    self.stage = Stage::Export(index + 1);
                }
            }
            Stage::Picture => {
                let asks = self.script.picture.as_ref().map(|picture| !picture.panes.is_empty());
                let models = || view.board.info.is_some();
                if view.board.phase != Phase::Opening && asks.is_some_and(|asks| !asks || models()) {
                    self.ask_for_picture(ctx, state, view);
                }
                if self.script.picture.is_none() || self.asked {
                    self.stage = Stage::Pictured;
                }
            }
            Stage::Pictured => self.save_picture(),
            Stage::Done => {}
        }
        if self.is_done() && before != Stage::Done && self.script.quit {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        if !self.is_done() {
            ctx.request_repaint_after(Duration::from_millis(33));
        }
    }

    /// Of the next frame. The frame before it looks back, if that is wanted.
    fn ask_for_picture(&mut self, ctx: &Context, state: &mut ViewState, view: &View<'_>) {
        let Some(picture) = &self.script.picture else {
            return;
        };
        // A recording is not there at once.
        if !self.looked_back && picture.step.is_some_and(|step| view.last_step() < step) {
            return;
        }
        if !std::mem::replace(&mut self.looked_back, true) {
            for &pane in &picture.panes {
                state.show_pane(pane);
            }
            if let Some(step) = picture.step {
                state.select_step(step, view);
            }
            return;
        }
        if !picture.panes.is_empty() && !self.asked {
            self.settled += 1;
            if self.settled < SETTLED || !view.board.examining.is_empty() {
                return;
            }
        }
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        let slot = Arc::clone(&self.picture);
        let waker = ctx.clone();
        ctx.request_screenshot(move |image| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(image);
            waker.request_repaint();
        });
    }

    fn lock_picture(&self) -> MutexGuard<'_, Option<Arc<ColorImage>>> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_picture(&mut self) {
        if let Some(picture) = &self.script.picture {
            let Some(image) = self.lock_picture().take() else {
                return;
            };
            if let Err(err) = save(&picture.path, &image) {
                self.problem = Some(err);
            }
        }
        self.stage = Stage::Done;
    }
}

/// Whether the log says so since then.
fn wrote(board: &BoardView, since: Duration) -> bool {
    let newer = board.log.iter().rev().take_while(|line| line.at > since);
    newer
        .filter(|line| line.level == Level::Info)
        .any(|line| line.text.starts_with("Wrote "))
}

/// A PNG without transparency, packed as small as it gets.
fn save(path: &Path, image: &ColorImage) -> Result<(), String> {
    let rgb: Vec<u8> = image
        .pixels
        .iter()
        .flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()])
        .collect();
    let bytes = png::pack(image.size, &rgb, CompressionType::Best)
        .map_err(|err| format!("Could not make a picture of the window: {err}."))?;
    write_file(path, &bytes).map_err(|err| err.to_string())
}

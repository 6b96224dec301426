//! The window's own time, measured without a window: the same frames, laid out and tessellated while an episode is
//! planned, and nothing sent to a screen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, pos2};

use super::studio::Studio;
use super::{AppOptions, FrameTimes};
use crate::engine::{BoardView, Command, Engine, Phase, Series, TrainingRequest};
use crate::panels::Workspace;

/// Longest wait for a frame in which something is planned.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pace of a window that shows work.
const PACE: Duration = Duration::from_millis(33);
/// Frames for which a workspace is shown before the other one is, where both are timed: five seconds, as long as a glance.
const TURN: usize = 150;

/// What is to be had in the window besides an episode that is planned.
pub struct Beside {
    /// A run whose curves are shown.
    pub watched: PathBuf,
    /// Points of its curves: frames are timed once so many are loaded.
    pub points: usize,
    /// A training that goes on meanwhile.
    pub training: TrainingRequest,
}

impl Beside {
    /// Whether the curves are loaded and the training does its steps.
    fn is_there(&self, engine: &Engine) -> bool {
        engine.with_metrics(|metrics| {
            let points = |run: &Path| {
                let curves = metrics.watched.get(run);
                curves.map_or(0, |run| run.series.values().map(Series::len).sum())
            };
            points(&self.watched) >= self.points && points(&self.training.run) > 0
        })
    }
}

/// Layout and tessellation of the frames in which an episode was planned, milliseconds a frame.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct UiTimes {
    pub frames: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub max_ms: f64,
}

impl UiTimes {
    /// None where there was no frame.
    pub fn of(times: &FrameTimes) -> Option<Self> {
        Some(Self {
            frames: times.len(),
            p50_ms: times.percentile_ms(0.5)?,
            p95_ms: times.percentile_ms(0.95)?,
            max_ms: times.percentile_ms(1.0)?,
        })
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Of all frames.
    pub times: UiTimes,
    /// Of those that showed the training, where there was one.
    pub training: Option<UiTimes>,
    /// The device that computed.
    pub device: String,
}

/// Plans the first example and runs it, again and again, until `frames` frames were drawn at the pace of a window while
/// an episode was planned. With something `beside`, the two workspaces take turns.
///
/// # Errors
/// The board's failure, if the episode could not be planned, or the training could not begin.
pub fn measure(
    engine: Engine,
    options: &AppOptions,
    frames: usize,
    beside: Option<&Beside>,
) -> Result<Measured, String> {
    let ctx = Context::default();
    let mut studio = Studio::with_engine(&ctx, options, engine);
    if let Some(beside) = beside {
        studio.engine().send(Command::WatchRun(beside.watched.clone()));
        studio.engine().send(Command::WatchRun(beside.training.run.clone()));
        studio.engine().send(Command::StartTraining(beside.training.clone()));
    }
    let mut times = FrameTimes::new(frames.max(1));
    let mut training_times = times.clone();
    let begun = Instant::now();
    let mut planned_at = begun;
    // The first frames load fonts and make textures: they are part of the start, not of planning.
    let mut skip = 3;
    while times.len() < frames.max(1) {
        let at = Instant::now();
        let workspace = studio.state().workspace;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), options.size.into())),
            time: Some(begun.elapsed().as_secs_f64()),
            focused: true,
            ..Default::default()
        };
        let mut output = ctx.run_ui(input, |ui| studio.frame_ui(ui));
        let shapes = ctx.tessellate(std::mem::take(&mut output.shapes), output.pixels_per_point);
        std::hint::black_box(&shapes);
        // Nothing is drawn, so textures go nowhere.
        output.textures_delta.clear();
        let secs = at.elapsed().as_secs_f32();
        studio.note_frame(secs);
        let BoardView { phase, failure, .. } = studio.engine().board();
        if let Some(failure) = failure {
            return Err(format!("{} {}", failure.what, failure.advice).trim().to_owned());
        }
        if let Some(beside) = beside {
            let training = (times.len() / TURN) % 2 == 1;
            studio.state_mut().workspace = if training {
                Workspace::Training
            } else {
                Workspace::Episode
            };
            if !beside.is_there(studio.engine()) {
                skip = 3;
            }
        }
        if skip > 0 {
            skip -= 1;
        } else if phase.is_planning() {
            times.push(secs);
            if workspace == Workspace::Training {
                training_times.push(secs);
            }
            planned_at = at;
        } else if matches!(phase, Phase::Idle | Phase::Finished) {
            studio.state_mut().plan(true);
            // Until the worker has taken it.
            skip = 3;
        }
        if planned_at.elapsed() > PATIENCE {
            let waited = PATIENCE.as_secs();
            let said: Vec<String> = studio
                .engine()
                .board()
                .log
                .iter()
                .map(|line| line.text.clone())
                .collect();
            return Err(format!(
                "For {waited} s nothing was planned, or nothing went on beside it, so there was no frame to time. The log: {}",
                said.join(" ")
            ));
        }
        std::thread::sleep(PACE.saturating_sub(at.elapsed()));
    }
    let device = studio
        .engine()
        .board()
        .info
        .map_or_else(String::new, |info| info.device.clone());
    Ok(Measured {
        times: UiTimes::of(&times).ok_or_else(|| "No frame was drawn.".to_owned())?,
        training: UiTimes::of(&training_times),
        device,
    })
}

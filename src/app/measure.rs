//! The window's own time, measured without a window: the same frames, laid out and tessellated while an episode is
//! planned, and nothing sent to a screen.

use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, pos2};

use super::studio::Studio;
use super::{AppOptions, FrameTimes};
use crate::engine::{BoardView, Engine, Phase};

/// Longest wait for a frame in which something is planned.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pace of a window that shows work.
const PACE: Duration = Duration::from_millis(33);

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

/// Plans the first example and runs it, again and again, until `frames` frames were drawn at the pace of a window while
/// an episode was planned; also says on which device it was.
///
/// # Errors
/// The board's failure, if the episode could not be planned.
pub fn measure(engine: Engine, options: &AppOptions, frames: usize) -> Result<(UiTimes, String), String> {
    let ctx = Context::default();
    let mut studio = Studio::with_engine(&ctx, options, engine);
    let mut times = FrameTimes::new(frames.max(1));
    let begun = Instant::now();
    let mut planned_at = begun;
    // The first frames load fonts and make textures: they are part of the start, not of planning.
    let mut skip = 3;
    while times.len() < frames.max(1) {
        let at = Instant::now();
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
        if skip > 0 {
            skip -= 1;
        } else if phase.is_planning() {
            times.push(secs);
            planned_at = at;
        } else if matches!(phase, Phase::Idle | Phase::Finished) {
            studio.state_mut().plan(true);
            // Until the worker has taken it.
            skip = 3;
        }
        if planned_at.elapsed() > PATIENCE {
            let waited = PATIENCE.as_secs();
            return Err(format!(
                "Nothing was planned for {waited} s, so there was no frame to time."
            ));
        }
        std::thread::sleep(PACE.saturating_sub(at.elapsed()));
    }
    let device = studio
        .engine()
        .board()
        .info
        .map_or_else(String::new, |info| info.device.clone());
    let times = UiTimes::of(&times).ok_or_else(|| "No frame was drawn.".to_owned())?;
    Ok((times, device))
}

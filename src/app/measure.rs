//! The window's own time, measured without a window: the same frames, laid out and tessellated while an episode is
//! planned, and nothing sent to a screen.

use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, pos2, vec2};

use super::AppOptions;
use super::studio::Studio;
use crate::engine::{Engine, Phase};

/// Size of the window that is measured, points.
const SIZE: [f32; 2] = [1600.0, 1000.0];
/// The pace of a window that shows work.
const PACE: Duration = Duration::from_millis(33);

/// Layout and tessellation, milliseconds a frame.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct UiTimes {
    pub frames: usize,
    /// Frames during which the engine was planning.
    pub frames_while_planning: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub max_ms: f64,
}

/// Plans the first example and runs it while `frames` frames are drawn at the pace of a window; a new episode begins
/// when one ends.
pub fn measure(engine: Engine, options: &AppOptions, frames: usize) -> UiTimes {
    let ctx = Context::default();
    let options = AppOptions {
        plan_at_once: true,
        ..options.clone()
    };
    let mut studio = Studio::with_engine(&ctx, &options, engine);
    let mut times = super::FrameTimes::new(frames);
    let mut while_planning = 0;
    let begun = Instant::now();
    // The first frames load fonts and make textures: they are part of the start, not of planning.
    for frame in 0..frames + 3 {
        let at = Instant::now();
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), vec2(SIZE[0], SIZE[1]))),
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
        if frame >= 3 {
            times.push(secs);
            let phase = studio.engine().board().phase;
            while_planning += usize::from(phase.is_busy());
            if phase == Phase::Finished {
                studio.state_mut().plan(true);
            }
        }
        std::thread::sleep(PACE.saturating_sub(at.elapsed()));
    }
    let ms = |share| times.percentile_ms(share).unwrap_or(0.0);
    UiTimes {
        frames,
        frames_while_planning: while_planning,
        p50_ms: ms(0.5),
        p95_ms: ms(0.95),
        max_ms: ms(1.0),
    }
}

//! An episode as a GIF: the camera's pictures with heatmap, elites and similarity drawn in.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame as GifFrame, RgbaImage};

pub use super::files::WriteError;
use super::files::write_atomically;
pub use super::overlay::{Projection, SUB_GOAL_COLOURS, draw_step};
use crate::recording::Recording;

/// Quality against time of the encoder's palette, 1 (best) to 30.
const PALETTE_SPEED: i32 = 10;
/// How long the last picture stays.
const LAST_MILLIS: u32 = 1500;

/// Writes all steps of a recording, or those that an excerpt kept whole, as a GIF that repeats: whole or not at all. `millis_per_step` is how long each
/// picture stays; `project` finds the gripper's places in the picture.
///
/// # Errors
/// The recording has no step, a picture has no pixels, or the file cannot be written.
pub fn write_gif(
    path: &Path,
    recording: &Recording,
    project: Projection,
    millis_per_step: u32,
) -> Result<(), WriteError> {
    let refused = |reason: String| WriteError::Content {
        path: path.to_owned(),
        reason,
    };
    let Some(last) = recording.steps.len().checked_sub(1) else {
        return Err(refused("the episode has no step yet. Run it first".to_owned()));
    };
    let first = recording.kept_whole.map_or(0, |[first, _]| first.min(last));
    write_atomically(path, |file| {
        let mut encoder = GifEncoder::new_with_speed(file, PALETTE_SPEED);
        encoder
            .set_repeat(Repeat::Infinite)
            .map_err(|err| refused(err.to_string()))?;
        for record in &recording.steps[first..] {
            let image = draw_step(recording, record, project)
                .and_then(|picture| {
                    let (width, height) = (picture.width(), picture.height());
                    // Every pixel is opaque, so premultiplied and plain colours are the same.
                    RgbaImage::from_raw(width, height, picture.take())
                })
                .ok_or_else(|| refused(format!("the picture of step {} has no pixels", record.step)))?;
            let millis = if record.step == last {
                LAST_MILLIS.max(millis_per_step)
            } else {
                millis_per_step
            };
            let frame = GifFrame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(millis, 1));
            encoder.encode_frame(frame).map_err(|err| refused(err.to_string()))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;
    use std::sync::Arc;

    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;
    use crate::recording::{AttentionMap, CemIteration, StageSecs, StepRecord, SubGoalRecord};
    use crate::sim::Frame;

    fn recording() -> Recording {
        let view = Frame {
            width: 96,
            height: 96,
            rgb: vec![90; 3 * 96 * 96].into(),
        };
        let step = |step: usize| StepRecord {
            step,
            frame: view.clone(),
            view: view.clone(),
            vacuum: false,
            sub_goal: Some(0),
            similarities: vec![Some(0.5)],
            predicted_similarity: vec![],
            predicted_others: vec![],
            gripper_m: [0.1, 0.5],
            cem: vec![CemIteration {
                mean: vec![],
                sigma: vec![],
                costs: vec![],
                elites: vec![],
                elite_costs: vec![],
                elite_paths_m: vec![vec![[0.9, 0.5]]],
            }],
            action: None,
            cost: None,
            plan_secs: 0.0,
            stages: StageSecs::default(),
            draw: 0,
            open_loop_from: None,
        };
        Recording {
            delta_goal: 0.85,
            sub_goals: vec![SubGoalRecord {
                text: String::new(),
                objects: vec![],
                unmatched: vec![],
                map: AttentionMap {
                    grid: [2, 2],
                    values: vec![4.0, 0.0, 0.0, 0.0],
                    model_grid: [1, 1],
                    resampled: vec![1.0],
                },
                goal_made_at_step: 0,
                start_step: Some(0),
                end_step: None,
                declared: false,
                achieved: None,
                ended_because: None,
                goal_gripper_m: None,
                edited: false,
            }],
            steps: vec![Arc::new(step(0)), Arc::new(step(1))],
            ..Recording::default()
        }
    }

    #[test]
    fn heat_path_and_bar_are_where_they_belong() {
        let recording = recording();
        let picture = draw_step(&recording, &recording.steps[0], &|place| place).unwrap();
        let pixel = |x, y| {
            let pixel = picture.pixel(x, y).unwrap();
            [pixel.red(), pixel.green(), pixel.blue()]
        };
        let plain = [90, 90, 90];
        assert_ne!(pixel(20, 20), plain, "no heat at the top left");
        assert_eq!(pixel(80, 80), plain, "heat at the bottom right");
        assert_ne!(pixel(76, 48), plain, "no path from the gripper to the right");
        assert_eq!(pixel(76, 60), plain);
        // The bar is filled up to 0.5 and has its tick at 0.85.
        assert_eq!(pixel(20, 95), SUB_GOAL_COLOURS[0]);
        assert_eq!(pixel(60, 95), [30, 30, 30]);
        assert_eq!(pixel(81, 95), [255, 255, 255]);
    }

    #[test]
    fn a_gif_has_every_step_and_an_empty_recording_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episode.gif");
        write_gif(&path, &recording(), &|place| place, 100).unwrap();
        let decoder = GifDecoder::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].buffer().dimensions(), (96, 96));

        let empty = folder.path().join("empty.gif");
        assert!(write_gif(&empty, &Recording::default(), &|place| place, 100).is_err());
        assert!(!empty.exists());
    }
}

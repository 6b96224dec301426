//! Drawing onto a camera picture what the planner thought at that step: the sub-goal's heatmap, the elites' paths, and
//! how near the goal is.

use tiny_skia::{LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use crate::recording::{AttentionMap, CostScale, Recording, StepRecord};
use crate::sim::Frame;

/// Colours of sub-goals in turn (Okabe and Ito), told apart by colour-blind people too.
pub const SUB_GOAL_COLOURS: [[u8; 3]; 7] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [240, 228, 66],
];

/// Nine stops of matplotlib's "inferno" (CC0): even steps look even, and it reads in grey too.
const RAMP: [[u8; 3]; 9] = [
    [0, 0, 4],
    [31, 12, 72],
    [85, 15, 109],
    [136, 34, 106],
    [186, 54, 85],
    [227, 89, 51],
    [249, 140, 10],
    [249, 201, 50],
    [252, 255, 164],
];

/// Greatest share of the heat's colour in a pixel.
const HEAT_OPACITY: f32 = 0.6;

/// The gripper's place on the table, x and y in metres, to its place in the picture, from [0, 0] at the top left to
/// [1, 1] at the bottom right.
pub type Projection<'a> = &'a dyn Fn([f32; 2]) -> [f32; 2];

/// The perceptual ramp at `share` of the way from dark to bright.
fn ramp(share: f32) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f32;
    let low = (at as usize).min(RAMP.len() - 2);
    let mix = at - low as f32;
    std::array::from_fn(|i| (f32::from(RAMP[low][i]) * (1.0 - mix) + f32::from(RAMP[low + 1][i]) * mix).round() as u8)
}

/// A map's value at a place of the picture, between the centres of its patches.
fn heat(map: &AttentionMap, u: f32, v: f32) -> f32 {
    let [rows, columns] = map.grid;
    let along = |share: f32, count: usize| {
        let at = (share * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        let low = (at as usize).min(count.saturating_sub(2));
        (low, (low + 1).min(count - 1), at - low as f32)
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (along(u, columns), along(v, rows));
    let value = |y: usize, x: usize| map.values[y * columns + x];
    (value(y0, x0) * (1.0 - fx) + value(y0, x1) * fx) * (1.0 - fy)
        + (value(y1, x0) * (1.0 - fx) + value(y1, x1) * fx) * fy
}

/// The picture for people at one step, with everything drawn in; none when it has no pixels.
pub fn draw_step(recording: &Recording, record: &StepRecord, project: Projection) -> Option<Pixmap> {
    let mut picture = pixmap(&record.view)?;
    if let Some(index) = record.sub_goal
        && let Some(sub_goal) = recording.sub_goals.get(index)
    {
        draw_heat(&mut picture, &sub_goal.map);
        draw_paths(&mut picture, record, project);
        let similarity = record.similarities.get(index).copied().flatten();
        let colour = SUB_GOAL_COLOURS[index % SUB_GOAL_COLOURS.len()];
        draw_similarity(
            &mut picture,
            similarity.unwrap_or(0.0),
            recording.delta_goal as f32,
            colour,
        );
    }
    Some(picture)
}

fn pixmap(frame: &Frame) -> Option<Pixmap> {
    let mut picture = Pixmap::new(u32::try_from(frame.width).ok()?, u32::try_from(frame.height).ok()?)?;
    let plane = frame.width * frame.height;
    for (i, pixel) in picture.data_mut().chunks_exact_mut(4).enumerate() {
        pixel.copy_from_slice(&[frame.rgb[i], frame.rgb[plane + i], frame.rgb[2 * plane + i], 255]);
    }
    Some(picture)
}

fn draw_heat(picture: &mut Pixmap, map: &AttentionMap) {
    let peak = map.values.iter().copied().fold(0.0, f32::max);
    if peak <= 0.0 || map.values.len() != map.grid[0] * map.grid[1] {
        return;
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    for (i, pixel) in picture.data_mut().chunks_exact_mut(4).enumerate() {
        let (u, v) = (
            ((i % width) as f32 + 0.5) / width as f32,
            ((i / width) as f32 + 0.5) / height as f32,
        );
        let share = heat(map, u, v) / peak;
        let (colour, opacity) = (ramp(share), HEAT_OPACITY * share);
        for (channel, heat) in pixel.iter_mut().zip(colour) {
            *channel = (f32::from(*channel) * (1.0 - opacity) + f32::from(heat) * opacity).round() as u8;
        }
    }
}

/// The last iteration's elites, worst first, so that the best and brightest lies on top.
fn draw_paths(picture: &mut Pixmap, record: &StepRecord, project: Projection) {
    let Some(iteration) = record.cem.last() else { return };
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let scale = CostScale::of_elites(record);
    for (rank, path_m) in iteration.elite_paths_m.iter().enumerate().rev() {
        let mut builder = PathBuilder::new();
        for (i, &place) in std::iter::once(&record.gripper_m).chain(path_m).enumerate() {
            let [u, v] = project(place);
            let (x, y) = (u * width, v * height);
            if i == 0 {
                builder.move_to(x, y);
            } else {
                builder.line_to(x, y);
            }
        }
        let Some(path) = builder.finish() else { continue };
        let cost = iteration.elite_costs.get(rank).copied().unwrap_or(f32::NAN);
        let share = scale.map_or(0.0, |scale| scale.goodness(cost));
        let thickness = (height / 240.0).max(1.0) * if rank == 0 { 2.0 } else { 1.2 };
        let stroke = Stroke {
            width: thickness,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        picture.stroke_path(
            &path,
            &paint(ramp(0.35 + 0.65 * share)),
            &stroke,
            Transform::identity(),
            None,
        );
    }
}

/// A thin bar along the bottom: how near, and a tick at `delta_goal`.
fn draw_similarity(picture: &mut Pixmap, similarity: f32, delta_goal: f32, colour: [u8; 3]) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let thick = (height / 48.0).max(3.0);
    let mut bar = |from: f32, to: f32, colour: [u8; 3]| {
        if let Some(rect) = Rect::from_ltrb(from, height - thick, to, height) {
            picture.fill_rect(rect, &paint(colour), Transform::identity(), None);
        }
    };
    bar(0.0, width, [30, 30, 30]);
    bar(0.0, width * similarity.clamp(0.0, 1.0), colour);
    let tick = width * delta_goal.clamp(0.0, 1.0);
    bar(tick - 1.0, tick + 1.0, [255, 255, 255]);
}

fn paint([red, green, blue]: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_the_patch_at_its_centre_and_the_mean_between_two() {
        let map = AttentionMap {
            grid: [2, 2],
            values: vec![0.0, 1.0, 2.0, 3.0],
            model_grid: [1, 1],
            resampled: vec![1.0],
        };
        assert_eq!(heat(&map, 0.25, 0.25), 0.0);
        assert_eq!(heat(&map, 0.75, 0.75), 3.0);
        assert_eq!(heat(&map, 0.5, 0.5), 1.5);
        assert_eq!(heat(&map, 1.0, 0.0), 1.0);
        let single = AttentionMap {
            grid: [1, 1],
            values: vec![1.0],
            ..map
        };
        assert_eq!(heat(&single, 0.9, 0.1), 1.0);
    }

    #[test]
    fn the_ramp_grows_brighter_all_the_way() {
        let light = |share: f32| {
            let [r, g, b] = ramp(share).map(f32::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((0..20).all(|i| light(i as f32 / 20.0) < light((i + 1) as f32 / 20.0)));
    }
}

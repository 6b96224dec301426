//! Cylinders as the renderer paints them: strips of the side, each in its own light, and the cap that is seen.

use super::camera::{Camera, TOWARD_VIEWER};
use super::canvas::Canvas;
use super::renderer::{brightness, shade};
use super::solids::{Face, Solid, circle, cut, dot, hull};

const BLACK: [f32; 3] = [0.; 3];
const WHITE: [f32; 3] = [1.; 3];

/// Paints a cylinder in any pose; the cap that is seen, if one is.
pub(super) fn paint(canvas: &mut Canvas, solid: &Solid, detail: bool) -> Option<Face> {
    let directions = directions(solid);
    let [near, far] = [-1., 1.].map(|end| rim(solid, &directions, end));
    let all = near.iter().chain(&far).map(|&point| Camera::project(point, 64));
    let outline = hull(all.collect());
    // Below the strips, so that nothing of what lies behind shows at their seams.
    canvas.fill_base(&outline, shade(solid.colour, SIDE), 1.);
    let count = directions.len();
    let middle =
        |i: usize| -> [f32; 3] { std::array::from_fn(|k| (directions[i][k] + directions[(i + 1) % count][k]) / 2.) };
    let seen = |i: usize| dot(middle(i), TOWARD_VIEWER) > 0.;
    // What is seen of the side is in one piece.
    let first = (0..count).find(|&i| seen(i) && !seen((i + count - 1) % count));
    let strips: Vec<usize> = first
        .into_iter()
        .flat_map(|first| (0..count).map(move |k| (first + k) % count))
        .take_while(|&i| seen(i))
        .collect();
    for (k, &i) in strips.iter().enumerate() {
        // Each reaches below the next one, so that no seam is left between them.
        let end = (i + if k + 1 < strips.len() { 2 } else { 1 }) % count;
        let light = shade(solid.colour, side_light(middle(i)));
        canvas.fill(&[near[i], near[end], far[end], far[i]], light, 1.);
    }
    if detail && let Some(&last) = strips.last() {
        let rims: Vec<usize> = strips.iter().copied().chain([(last + 1) % count]).collect();
        let upper = rims.iter().map(|&i| far[i]);
        lose_light(
            canvas,
            &upper.chain(rims.iter().rev().map(|&i| near[i])).collect::<Vec<_>>(),
        );
    }
    if detail {
        canvas.outline_base(&outline, 0.16, shade(solid.colour, 0.40), 0.85);
    }
    let axis = solid.axes[2];
    let toward = dot(axis, TOWARD_VIEWER);
    if toward.abs() <= 0.05 {
        return None;
    }
    let (corners, normal) = if toward > 0. {
        (far, axis)
    } else {
        (near, axis.map(|value| -value))
    };
    let cap = Face { corners, normal };
    paint_cap(canvas, &cap, solid.colour, detail);
    Some(cap)
}

/// Points of both rims, seen from above.
pub(super) fn rims(solid: &Solid) -> Vec<[f32; 2]> {
    let directions = directions(solid);
    let both = [-1., 1.].map(|end| rim(solid, &directions, end));
    both.iter().flatten().map(|&[x, y, _]| [x, y]).collect()
}

/// Brightness of a side toward the viewer.
const SIDE: f32 = 0.66;

/// Light falls from the right and behind: a side that looks left is dark, and one that looks right is bright.
fn side_light(normal: [f32; 3]) -> f32 {
    let across = normal[0];
    SIDE + 0.20 * across - 0.10 * across * across + 0.46 * normal[2]
}

/// Ambient light is lost toward the table.
fn lose_light(canvas: &mut Canvas, side: &[[f32; 3]]) {
    let heights = side.iter().map(|corner| corner[2]);
    let (low, high) = heights.fold((f32::MAX, f32::MIN), |(low, high), z| (low.min(z), high.max(z)));
    for i in 1..12 {
        let level = high - (high - low) * i as f32 / 12.;
        let band = cut(side, |p| level - p[2]);
        if band.len() > 2 {
            canvas.fill(&band, BLACK, 0.016);
        }
    }
}

fn paint_cap(canvas: &mut Canvas, cap: &Face, colour: [f32; 3], detail: bool) {
    let light = brightness(cap.normal);
    canvas.fill(&cap.corners, shade(colour, light), 1.);
    if !detail {
        return;
    }
    let depths = cap.corners.iter().map(|corner| corner[1]);
    let (low, high) = depths.fold((f32::MAX, f32::MIN), |(low, high), y| (low.min(y), high.max(y)));
    for i in 1..16 {
        let share = i as f32 / 16.;
        let level = low + share * (high - low);
        let band = cut(&cap.corners, |p| p[1] - level);
        if band.len() > 2 {
            canvas.fill(&band, shade(colour, light * (1. + 0.10 * share)), 1.);
        }
    }
    canvas.outline(&shrunk(&cap.corners, 0.92), 0.14, WHITE, 0.22);
    canvas.outline(&cap.corners, 0.16, shade(colour, light * 0.62), 0.85);
}

fn shrunk(corners: &[[f32; 3]], to: f32) -> Vec<[f32; 3]> {
    let count = corners.len() as f32;
    let middle: [f32; 3] = std::array::from_fn(|k| corners.iter().map(|corner| corner[k]).sum::<f32>() / count);
    let inward = |corner: &[f32; 3]| std::array::from_fn(|k| middle[k] + to * (corner[k] - middle[k]));
    corners.iter().map(inward).collect()
}

/// Unit vectors across the axis, round about.
fn directions(solid: &Solid) -> Vec<[f32; 3]> {
    let [across, along, _] = solid.axes;
    circle([0., 0.], 1.)
        .iter()
        .map(|[p, q]| std::array::from_fn(|k| p * across[k] + q * along[k]))
        .collect()
}

/// The rim at one end.
fn rim(solid: &Solid, directions: &[[f32; 3]], end: f32) -> Vec<[f32; 3]> {
    let ([radius, _, high], axis) = (solid.half_m, solid.axes[2]);
    let point = |direction: &[f32; 3]| {
        std::array::from_fn(|k| solid.position_m[k] + radius * direction[k] + end * high * axis[k])
    };
    directions.iter().map(point).collect()
}

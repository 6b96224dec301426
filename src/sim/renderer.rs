//! The look of the tabletop. One renderer for the model's small frames and for people's large pictures: the same
//! shapes, to which large pictures add soft shading and thin dark edges that small ones could not show.

use super::bin::BinState;
use super::canvas::Canvas;
use super::interface::Frame;
use super::relations::{Support, support};
use super::round;
use super::solids::{Face, Solid, circle, clip, cut, dot, hull, paint_order, visible_faces};
use super::state::{Shape, WorldState};
use super::world::CARRY_M;

/// Pictures from this height on carry the details for people.
const DETAIL_PX: usize = 160;
/// Height of the suction cup's centre.
const CUP_M: f32 = CARRY_M + 0.25;
/// Half widths of the table's picture.
const TABLE_M: [f32; 2] = [1.2, 1.12];

const BACKGROUND: [f32; 3] = [0.55, 0.60, 0.66];
const TABLE: [f32; 3] = [0.80, 0.76, 0.70];
const TABLE_EDGE: [f32; 3] = [0.52, 0.46, 0.40];
const SHADOW: [f32; 3] = [0.09, 0.09, 0.10];
const ROD: [f32; 3] = [0.25, 0.25, 0.28];
const CUP_OFF: [f32; 3] = [0.95, 0.95, 0.95];
const CUP_ON: [f32; 3] = [0.10, 0.95, 0.95];
const CUP_HOLDS: [f32; 3] = [1.0, 0.55, 0.05];
const BLACK: [f32; 3] = [0.; 3];
const WHITE: [f32; 3] = [1.; 3];

/// The camera's square picture of the table; the same bytes for the same state on every machine.
pub fn render(state: &WorldState, height_px: usize) -> Frame {
    let detail = height_px >= DETAIL_PX;
    let samples = if detail { 1 } else { 4 };
    let Some(mut canvas) = Canvas::new(height_px, samples, BACKGROUND) else {
        return Frame {
            width: 0,
            height: 0,
            rgb: std::sync::Arc::from([]),
        };
    };
    table(&mut canvas, detail);
    for pad in &state.pads {
        let [x, y] = pad.position_m;
        let h = pad.half_m;
        let corners = [
            [x - h, y - h, 0.],
            [x + h, y - h, 0.],
            [x + h, y + h, 0.],
            [x - h, y + h, 0.],
        ];
        canvas.fill(&corners, pad.colour, 1.);
        if detail {
            canvas.outline(&inset(&corners, 0.006), 0.25, shade(pad.colour, 0.78), 1.);
        }
    }
    for bin in &state.bins {
        floor(&mut canvas, bin, detail);
    }
    let free: Vec<usize> = (0..state.blocks.len())
        .filter(|&block| state.held != Some(block))
        .collect();
    for &block in &free {
        if support(state, block) == Support::Table {
            contact_shadow(&mut canvas, &Solid::from(&state.blocks[block]), None, detail);
        }
    }
    gripper_shadow(&mut canvas, state, None, detail);
    // The blocks first, in the order of `free`, then the walls of bins.
    let blocks = free.iter().map(|&block| Solid::from(&state.blocks[block]));
    let walls = (state.bins.iter()).flat_map(|bin| bin.walls().map(|wall| Solid::of_wall(&wall, bin.colour)));
    let solids: Vec<Solid> = blocks.chain(walls).collect();
    for index in paint_order(&solids) {
        paint_solid(&mut canvas, &solids[index], detail, &mut |canvas, face| {
            for &upper in &free {
                let lower = free.get(index).copied();
                if lower.is_some_and(|lower| support(state, upper) == Support::Block(lower)) {
                    contact_shadow(canvas, &Solid::from(&state.blocks[upper]), Some(face), detail);
                }
            }
            gripper_shadow(canvas, state, Some(face), detail);
        });
    }
    if let Some(block) = state.held.map(|held| &state.blocks[held]) {
        paint_solid(&mut canvas, &Solid::from(block), detail, &mut |_, _| ());
    }
    gripper(&mut canvas, state, detail);
    canvas.into_frame()
}

fn table(canvas: &mut Canvas, detail: bool) {
    let [x, y] = TABLE_M;
    let bottom = 39. + 19. * y;
    if !detail {
        canvas.fill(&[[-x, -y, 0.], [x, -y, 0.], [x, y, 0.], [-x, y, 0.]], TABLE, 1.);
        canvas.fill_base(&[[2., bottom], [62., bottom], [62., 63.], [2., 63.]], TABLE_EDGE, 1.);
        return;
    }
    // The room gets a little lighter toward the floor, the table darker toward the viewer: light falls from behind.
    for i in 1..16 {
        let (top, tone) = (4. * i as f32, 1. + 0.008 * i as f32);
        canvas.fill_base(
            &[[0., top], [64., top], [64., 64.], [0., 64.]],
            shade(BACKGROUND, tone),
            1.,
        );
    }
    canvas.fill_base(
        &[[2., bottom], [62., bottom], [62., 63.6], [2., 63.6]],
        shade(BACKGROUND, 0.75),
        1.,
    );
    for i in 0..16 {
        let (to, tone) = (y - 2. * y * i as f32 / 16., 1.02 - 0.006 * i as f32);
        canvas.fill(
            &[[-x, -y, 0.], [x, -y, 0.], [x, to, 0.], [-x, to, 0.]],
            shade(TABLE, tone),
            1.,
        );
    }
    for i in 0..8 {
        let (from, tone) = (bottom + 0.34 * i as f32, 1.05 - 0.03 * i as f32);
        canvas.fill_base(
            &[[2., from], [62., from], [62., 63.], [2., 63.]],
            shade(TABLE_EDGE, tone),
            1.,
        );
    }
    canvas.fill_base(
        &[[2., bottom], [62., bottom], [62., bottom + 0.2], [2., bottom + 0.2]],
        shade(TABLE, 1.06),
        1.,
    );
}

/// The floor of a bin, in the shadow of its walls.
fn floor(canvas: &mut Canvas, bin: &BinState, detail: bool) {
    let ([x, y], half) = (bin.position_m, bin.half_m);
    let square = |half: f32, shift: [f32; 2]| {
        [(-1., -1.), (1., -1.), (1., 1.), (-1., 1.)]
            .map(|(p, q)| [x + half * p + shift[0], y + half * q + shift[1], 0.])
    };
    // What the walls keep from the light around them.
    if detail {
        for i in 0..6 {
            canvas.fill(&square(half + 0.05 - 0.008 * i as f32, [0.01, -0.02]), SHADOW, 0.045);
        }
    } else {
        canvas.fill(&square(half + 0.02, [0., -0.03]), SHADOW, 0.18);
    }
    canvas.fill(&square(half, [0.; 2]), shade(bin.colour, 0.72), 1.);
    if !detail {
        return;
    }
    for i in 0..12 {
        let inner = bin.inner_half_m() - 0.012 * i as f32;
        canvas.fill(&square(inner, [0.; 2]), shade(bin.colour, 0.735 + 0.008 * i as f32), 1.);
    }
}

/// Paints what is seen of a solid; `shadows` hears of each face that looks up, as soon as it is painted.
fn paint_solid(canvas: &mut Canvas, solid: &Solid, detail: bool, shadows: &mut dyn FnMut(&mut Canvas, &Face)) {
    if solid.shape == Shape::Cylinder {
        if let Some(cap) = round::paint(canvas, solid, detail).filter(|cap| cap.normal[2] > 0.5) {
            shadows(canvas, &cap);
        }
        return;
    }
    for face in visible_faces(solid) {
        paint_face(canvas, &face, solid.colour, detail);
        if face.normal[2] > 0.5 {
            shadows(canvas, &face);
        }
    }
}

/// Front .62 and top 1.12 of the block's colour, as for an upright box; sides between, the right one lighter.
pub(super) fn brightness(normal: [f32; 3]) -> f32 {
    dot(normal, [0.10, 0., 0.50]) + 0.62
}

fn paint_face(canvas: &mut Canvas, face: &Face, colour: [f32; 3], detail: bool) {
    let light = shade(colour, brightness(face.normal));
    canvas.fill(&face.corners, light, 1.);
    if !detail {
        return;
    }
    // Ambient light is lost toward the table; the upper side catches more of it at the back.
    let up = face.normal[2] > 0.7;
    let axis = if up { 1 } else { 2 };
    let values = face.corners.iter().map(|corner| corner[axis]);
    let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    for i in 1..16 {
        let share = i as f32 / 16.;
        let (level, tone) = if up {
            (low + share * (high - low), 1. + 0.10 * share)
        } else {
            (high - share * (high - low), 1. - 0.16 * share)
        };
        let band = cut(&face.corners, |p| if up { p[1] - level } else { level - p[2] });
        canvas.fill(&band, shade(light, tone), 1.);
    }
    if up {
        canvas.outline(&inset(&face.corners, 0.010), 0.14, WHITE, 0.22);
    }
    canvas.outline(&face.corners, 0.16, shade(colour, brightness(face.normal) * 0.62), 0.85);
}

/// A dark rim where a block touches the table (`on` none) or the face of another block.
fn contact_shadow(canvas: &mut Canvas, solid: &Solid, on: Option<&Face>, detail: bool) {
    let (axes, half) = (solid.axes, solid.half_m);
    let mut corners = if solid.shape == Shape::Cylinder {
        round::rims(solid)
    } else {
        vec![]
    };
    for signs in (0..8).filter(|_| solid.shape == Shape::Cuboid) {
        let sign = |i: usize| if signs >> i & 1 == 1 { 1. } else { -1. };
        corners.push([0, 1].map(|k| solid.position_m[k] + (0..3).map(|i| sign(i) * axes[i][k] * half[i]).sum::<f32>()));
    }
    let mut layer = |spread: &[[f32; 2]], alpha: f32| {
        let points = corners
            .iter()
            .flat_map(|p| spread.iter().map(move |d| [p[0] + d[0], p[1] + d[1]]));
        shadow(canvas, &hull(points.collect()), on, alpha);
    };
    if !detail {
        layer(&[[-0.04, 0.], [0.04, 0.], [-0.04, -0.053], [0.04, -0.053]], 0.25);
        return;
    }
    for i in 0..8 {
        let reach = 0.10 - 0.012 * i as f32;
        let spread: Vec<[f32; 2]> = circle([0.15 * reach, -0.25 * reach], reach)
            .into_iter()
            .step_by(4)
            .collect();
        layer(&spread, 0.042);
    }
}

/// The gripper's shadow, straight below it, on the table (`on` none) or on the face of a block.
fn gripper_shadow(canvas: &mut Canvas, state: &WorldState, on: Option<&Face>, detail: bool) {
    let radius = state.held.map_or(0.09, |block| state.blocks[block].half_m);
    if !detail {
        shadow(canvas, &circle(state.gripper_m, radius), on, 0.5);
        return;
    }
    for i in 0..10 {
        shadow(
            canvas,
            &circle(state.gripper_m, radius * (1.25 - 0.05 * i as f32)),
            on,
            0.065,
        );
    }
}

fn shadow(canvas: &mut Canvas, outline: &[[f32; 2]], on: Option<&Face>, alpha: f32) {
    let corners: Vec<[f32; 3]> = match on {
        None => outline.iter().map(|&[x, y]| [x, y, 0.]).collect(),
        Some(face) => {
            let window = hull(face.corners.iter().map(|&[x, y, _]| [x, y]).collect());
            clip(outline, &window)
                .into_iter()
                .map(|p| [p[0], p[1], face.height_at(p)])
                .collect()
        }
    };
    if corners.len() > 2 {
        canvas.fill(&corners, SHADOW, alpha);
    }
}

fn gripper(canvas: &mut Canvas, state: &WorldState, detail: bool) {
    let [x, y] = state.gripper_m;
    let [u, v] = super::camera::Camera::project([x, y, CUP_M], 64);
    let colour = match (state.held, state.suction) {
        (Some(_), _) => CUP_HOLDS,
        (None, true) => CUP_ON,
        (None, false) => CUP_OFF,
    };
    let width = if state.suction { 3.6 } else { 2.6 };
    let mut bar = |from: f32, to: f32, top: f32, bottom: f32, colour: [f32; 3], alpha: f32| {
        canvas.fill_base(
            &[[u + from, top], [u + to, top], [u + to, bottom], [u + from, bottom]],
            colour,
            alpha,
        );
    };
    bar(-1.3, 1.3, v - 9., v, ROD, 1.);
    if !detail {
        bar(-width, width, v - 2., v + 1.5, colour, 1.);
        return;
    }
    bar(-1.3, -0.9, v - 9., v, BLACK, 0.25);
    bar(-0.5, 0.1, v - 9., v, WHITE, 0.18);
    bar(0.7, 1.3, v - 9., v, BLACK, 0.25);
    // A disc seen obliquely: the lower rim darker, the upper side in the cup's colour.
    let mut disc = |centre: f32, grow: f32, colour: [f32; 3]| {
        let outline: Vec<[f32; 2]> = circle([0., 0.], 1.)
            .iter()
            .map(|p| [u + p[0] * (width + grow), centre + p[1] * 1.1])
            .collect();
        canvas.fill_base(&outline, colour, 1.);
    };
    for i in 0..12 {
        disc(v + 0.4 - 0.1 * i as f32, 0., shade(colour, 0.62));
    }
    disc(v - 0.9, 0., colour);
    disc(v - 0.9, -width * 0.45, shade(colour, 0.88));
    let outline = [
        [u - 1.3, v - 9.],
        [u + 1.3, v - 9.],
        [u + 1.3, v - 1.1],
        [u - 1.3, v - 1.1],
    ];
    canvas.fill_base(&outline, ROD, 1.);
    canvas.fill_base(
        &[
            [u - 0.5, v - 9.],
            [u + 0.1, v - 9.],
            [u + 0.1, v - 1.1],
            [u - 0.5, v - 1.1],
        ],
        WHITE,
        0.18,
    );
    canvas.fill_base(
        &[
            [u + 0.7, v - 9.],
            [u + 1.3, v - 9.],
            [u + 1.3, v - 1.1],
            [u + 0.7, v - 1.1],
        ],
        BLACK,
        0.25,
    );
}

fn inset(corners: &[[f32; 3]], by_m: f32) -> Vec<[f32; 3]> {
    let [x, y] = [0, 1].map(|k| corners.iter().map(|c| c[k]).sum::<f32>() / corners.len() as f32);
    let inward = |c: &[f32; 3]| {
        [
            c[0] - by_m * (c[0] - x).signum(),
            c[1] - by_m * (c[1] - y).signum(),
            c[2],
        ]
    };
    corners.iter().map(inward).collect()
}

pub(super) fn shade(colour: [f32; 3], factor: f32) -> [f32; 3] {
    colour.map(|value| (value * factor).min(1.))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, rng};
    use crate::sim::relations::tests::three_blocks;
    use crate::sim::scene::Scene;

    /// First 16 digits of the blake3 hash of each frame of [`frames`]. They may change only together with the look.
    const HASHES: [&str; 20] = [
        "2e40b82bd4477643",
        "8a628190c7cdde89",
        "e56e3642b646d137",
        "bfbaa04904af1a1f",
        "55cf8ceb3f158fb9",
        "8caf989d32bb8e60",
        "16dec46394d6da59",
        "e6d13564eee8df17",
        "f3570a4abb470aa0",
        "302f956dbf57aed9",
        "f5855030eff87bf9",
        "d6620937814181fd",
        "7907886b89bfcd9c",
        "74ecc711767f84e1",
        "26d45ea75230f33f",
        "2c4b4effeef30e6a",
        "a874b89b97294a85",
        "5f0085883e2a0cfe",
        "07d148a2d7b8c148",
        "2a145fec16f80fd4",
    ];

    /// Frames for models of every scene (gripper off, holding, on), of leaning and turned blocks, and views for people.
    fn frames() -> Vec<Frame> {
        let mut frames = vec![];
        for name in ["three-blocks", "four-small-blocks", "tower", "two-blocks"] {
            let scene = Scene::load(name).unwrap();
            for seed in 0..3 {
                let mut state = scene.start(seed).unwrap();
                if seed == 1 {
                    state.hold_any(&mut rng(seed, Stream::Scene, 0, 0));
                }
                state.suction = seed > 0;
                frames.push(render(&state, 64));
            }
        }
        let turns = [
            [0., 0., 0.6, 0.8],
            [0.28, 0., 0., 0.96],
            [0.5, 0.5, 0.5, 0.5],
            [0.1, -0.3, 0.3, 0.9],
        ];
        for (i, rotation) in turns.into_iter().enumerate() {
            let mut state = three_blocks();
            state.blocks[i % 3].rotation = rotation;
            state.blocks[i % 3].position_m[2] = 0.2;
            state.blocks[i % 3].position_m[0] += 0.2;
            state.gripper_m = [0.1 - 0.2 * i as f32, 0.05];
            frames.push(render(&state, 64));
            frames.push(render(&state, 256));
        }
        frames
    }

    #[test]
    fn frames_are_the_same_to_the_byte() {
        let hashes: Vec<String> = frames()
            .iter()
            .map(|f| blake3::hash(&f.rgb).to_hex()[..16].to_owned())
            .collect();
        assert_eq!(hashes, HASHES, "\n{}", hashes.join("\n"));
    }

    /// The same of cylinders and bins: two starts of ThinkBench for models, and one for people.
    #[test]
    fn frames_of_cylinders_and_bins_are_the_same_to_the_byte() {
        let scene = Scene::load("thinkbench").unwrap();
        let hashes = [(1, 64), (3, 64), (1, 512)].map(|(seed, px)| {
            let frame = render(&scene.start(seed).unwrap(), px);
            blake3::hash(&frame.rgb).to_hex()[..16].to_owned()
        });
        assert_eq!(hashes, ["772520cb1bcce1b5", "708fe8d146582180", "817d6b69ec5cc5fd"]);
    }

    #[test]
    fn motion_far_below_a_pixel_shows() {
        let mut state = three_blocks();
        let before = render(&state, 64);
        state.blocks[1].position_m[0] += 0.006;
        let after = render(&state, 64);
        let changed = before.rgb.iter().zip(after.rgb.iter()).filter(|(a, b)| a != b).count();
        assert!(changed > 10, "{changed}");
    }

    #[test]
    fn sizes_are_kept_and_nothing_panics_at_odd_ones() {
        for size in [0, 1, 7, 63, 200] {
            let frame = render(&three_blocks(), size);
            assert_eq!(
                (frame.width, frame.height, frame.rgb.len()),
                (size, size, 3 * size * size)
            );
        }
    }
}

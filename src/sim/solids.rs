//! Solids as the renderer sees them: their faces, which of two hides the other, and convex polygons on the table's
//! plane. Only sums, products and comparisons: every machine gets the same bits.

use super::bin::Wall;
use super::camera::TOWARD_VIEWER;
use super::state::{BlockState, Shape};

/// A box or a cylinder somewhere.
#[derive(Clone, Debug)]
pub(super) struct Solid {
    pub shape: Shape,
    pub colour: [f32; 3],
    pub position_m: [f32; 3],
    /// Its own axes in the world; a cylinder stands along the last.
    pub axes: [[f32; 3]; 3],
    /// Half of its bounding box along them.
    pub half_m: [f32; 3],
    pub bottom_m: f32,
}

impl From<&BlockState> for Solid {
    fn from(block: &BlockState) -> Self {
        Self {
            shape: block.shape,
            colour: block.colour,
            position_m: block.position_m,
            axes: block.axes(),
            half_m: block.half_extents_m(),
            bottom_m: block.bottom_m(),
        }
    }
}

impl Solid {
    pub fn of_wall(wall: &Wall, colour: [f32; 3]) -> Self {
        Self {
            shape: Shape::Cuboid,
            colour,
            position_m: wall.centre_m,
            axes: [[1., 0., 0.], [0., 1., 0.], [0., 0., 1.]],
            half_m: wall.half_m,
            bottom_m: 0.,
        }
    }
}

/// A plane side of a solid.
pub(super) struct Face {
    /// Corners in order round the face.
    pub corners: Vec<[f32; 3]>,
    /// Unit normal, outward.
    pub normal: [f32; 3],
}

impl Face {
    /// The height of the face's plane above a point of the table.
    pub fn height_at(&self, [x, y]: [f32; 2]) -> f32 {
        let ([nx, ny, nz], [cx, cy, cz]) = (self.normal, self.corners[0]);
        cz - (nx * (x - cx) + ny * (y - cy)) / nz
    }
}

/// The faces of a box that the camera sees, the far ones first. Slivers seen edge on are left out.
pub(super) fn visible_faces(solid: &Solid) -> Vec<Face> {
    let (axes, half) = (solid.axes, solid.half_m);
    let mut faces = vec![];
    for axis in 0..3 {
        for side in [-1., 1.] {
            let normal = axes[axis].map(|value| value * side);
            if dot(normal, TOWARD_VIEWER) <= 0.05 {
                continue;
            }
            let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
            let corners = [(-1., -1.), (1., -1.), (1., 1.), (-1., 1.)].map(|(p, q)| {
                std::array::from_fn(|i| {
                    solid.position_m[i] + normal[i] * half[axis] + axes[a][i] * half[a] * p + axes[b][i] * half[b] * q
                })
            });
            faces.push(Face {
                corners: corners.to_vec(),
                normal,
            });
        }
    }
    faces
}

/// The order in which solids are painted so that near ones cover far ones.
pub(super) fn paint_order(solids: &[Solid]) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..solids.len()).collect();
    // Ties and impossible circles fall back on low and far first.
    let rank = |i: usize| solids[i].bottom_m * 10. - solids[i].position_m[1];
    rest.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)));
    let mut order = vec![];
    while !rest.is_empty() {
        let free = |&i: &usize| {
            rest.iter()
                .all(|&other| other == i || !hides(&solids[i], &solids[other]))
        };
        let next = rest.iter().position(free).unwrap_or(0);
        order.push(rest.remove(next));
    }
    order
}

/// `front` can cover a part of `back`: they lie on the two sides of a plane, and `front` on the viewer's. Cylinders count
/// as the boxes round them.
fn hides(front: &Solid, back: &Solid) -> bool {
    let (a, b) = (front.axes, back.axes);
    let mut candidates: Vec<[f32; 3]> = a.into_iter().chain(b).collect();
    candidates.extend(a.iter().flat_map(|p| b.iter().map(|q| cross(*p, *q))));
    let apart: [f32; 3] = std::array::from_fn(|i| front.position_m[i] - back.position_m[i]);
    let mut best = (f32::NEG_INFINITY, false);
    for direction in candidates {
        let length = dot(direction, direction).sqrt();
        if length < 0.01 {
            continue;
        }
        let axis = direction.map(|value| value / length);
        let reach = |solid: &Solid, axes: &[[f32; 3]; 3]| -> f32 {
            (solid.half_m.iter().zip(axes))
                .map(|(half, own)| half * dot(*own, axis).abs())
                .sum()
        };
        let distance = dot(apart, axis);
        let gap = distance.abs() - reach(front, &a) - reach(back, &b);
        let toward = dot(axis, TOWARD_VIEWER) * distance;
        // A plane along the line of sight separates the pictures too: then neither hides the other.
        let sees = toward > 0.02 * distance.abs();
        if gap > best.0 {
            best = (gap, sees);
        }
    }
    best.1
}

/// The common part of two convex polygons, both counter-clockwise seen from above.
pub(super) fn clip(polygon: &[[f32; 2]], window: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut inside = polygon.to_vec();
    for (i, from) in window.iter().enumerate() {
        let to = window[(i + 1) % window.len()];
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        inside = cut(&inside, |p| dx * (p[1] - from[1]) - dy * (p[0] - from[0]));
    }
    inside
}

/// The part of a convex polygon in which `side` is not negative; `side` is linear.
pub(super) fn cut<const D: usize>(polygon: &[[f32; D]], side: impl Fn(&[f32; D]) -> f32) -> Vec<[f32; D]> {
    let mut kept = vec![];
    for (i, p) in polygon.iter().enumerate() {
        let q = &polygon[(i + 1) % polygon.len()];
        let (a, b) = (side(p), side(q));
        if a >= 0. {
            kept.push(*p);
        }
        if (a >= 0.) != (b >= 0.) {
            let t = a / (a - b);
            kept.push(std::array::from_fn(|k| p[k] + t * (q[k] - p[k])));
        }
    }
    kept
}

/// The convex hull, counter-clockwise seen from above.
pub(super) fn hull(mut points: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    points.sort_by(|p, q| p[0].total_cmp(&q[0]).then(p[1].total_cmp(&q[1])));
    let half = |points: &mut dyn Iterator<Item = [f32; 2]>| {
        let mut chain: Vec<[f32; 2]> = vec![];
        for r in points {
            while let [.., p, q] = chain[..] {
                if (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]) > 0. {
                    break;
                }
                chain.pop();
            }
            chain.push(r);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut points.iter().copied());
    lower.extend(half(&mut points.iter().rev().copied()));
    lower
}

/// A circle of 32 corners, counter-clockwise.
pub(super) fn circle([x, y]: [f32; 2], radius: f32) -> Vec<[f32; 2]> {
    // Cosine and sine of a 32nd of a turn, written out: library sines differ between machines.
    const COS: f32 = 0.980_785_25;
    const SIN: f32 = 0.195_090_32;
    let mut at = [radius, 0.];
    (0..32)
        .map(|_| {
            let point = [x + at[0], y + at[1]];
            at = [COS * at[0] - SIN * at[1], SIN * at[0] + COS * at[1]];
            point
        })
        .collect()
}

pub(super) fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;

    #[test]
    fn near_and_high_boxes_are_painted_last() {
        let mut state = three_blocks();
        state.blocks[0].position_m = [0., -0.4, 0.12];
        state.blocks[1].position_m = [0., 0.5, 0.105];
        state.blocks[2].position_m = [0., 0.5, 0.21 + 0.135];
        let blocks: Vec<Solid> = state.blocks.iter().map(Solid::from).collect();
        let order = paint_order(&blocks);
        let place = |i| order.iter().position(|&k| k == i).unwrap();
        assert!(place(1) < place(2) && place(1) < place(0), "{order:?}");
        // Green leans far on red's front side: its centre is higher, but it stands nearer to the viewer.
        state.blocks[2].position_m = [0.9, 0.9, 0.135];
        state.blocks[0].position_m = [0., 0., 0.12];
        state.blocks[1].position_m = [0., -0.30, 0.20];
        let (sin, cos) = (0.25f32, 0.968f32);
        state.blocks[1].rotation = [-sin, 0., 0., cos];
        let blocks: Vec<Solid> = state.blocks.iter().map(Solid::from).collect();
        let order = paint_order(&blocks);
        let place = |i| order.iter().position(|&k| k == i).unwrap();
        assert!(place(0) < place(1), "{order:?}");
    }

    #[test]
    fn hull_and_clip_keep_the_common_square() {
        let square = |x: f32| vec![[x, 0.], [x + 1., 0.], [x + 1., 1.], [x, 1.], [x + 0.5, 0.5]];
        let (a, b) = (hull(square(0.)), hull(square(0.5)));
        assert_eq!(a.len(), 4);
        let common = clip(&a, &b);
        let area: f32 = (0..common.len())
            .map(|i| {
                let (p, q) = (common[i], common[(i + 1) % common.len()]);
                p[0] * q[1] - p[1] * q[0]
            })
            .sum::<f32>()
            / 2.;
        assert!((area - 0.5).abs() < 1e-6);
    }
}

//! The fixed oblique camera: no perspective, x stays horizontal, y and z share the picture's vertical, so that one
//! metre is as long everywhere and a place can be read off the picture.

/// Size of the picture in which the numbers below count.
const BASE_PX: f32 = 64.;
/// Where the middle of the table lies.
const CENTRE: [f32; 2] = [32., 39.];
/// Pixels per metre to the right, away and up.
const SCALE: [f32; 3] = [25., 19., 15.];

/// Points on a line along this direction, toward the viewer, lie on one pixel.
pub(super) const TOWARD_VIEWER: [f32; 3] = [0., -SCALE[2], SCALE[1]];

/// The one camera of the tabletop; its pictures are square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Camera;

impl Camera {
    /// Where a point of the world lies in a picture of that height: pixels right and down from the top left corner.
    pub fn project(point_m: [f32; 3], height_px: usize) -> [f32; 2] {
        Self::project_scaled(point_m, height_px as f32 / BASE_PX)
    }

    /// The same for a picture of `64 * scale` pixels.
    pub(super) fn project_scaled([x, y, z]: [f32; 3], scale: f32) -> [f32; 2] {
        let u = CENTRE[0] + SCALE[0] * x;
        let v = CENTRE[1] - SCALE[1] * y - SCALE[2] * z;
        [u * scale, v * scale]
    }

    /// The point of the table's plane (z = 0) that lies on that pixel.
    pub fn on_table(pixel: [f32; 2], height_px: usize) -> [f32; 2] {
        let scale = height_px as f32 / BASE_PX;
        [
            (pixel[0] / scale - CENTRE[0]) / SCALE[0],
            (CENTRE[1] - pixel[1] / scale) / SCALE[1],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_keeps_its_place_at_any_size_and_finds_back() {
        assert_eq!(Camera::project([0.4, -0.2, 0.6], 64), [42., 33.8]);
        assert_eq!(Camera::project([0.4, -0.2, 0.6], 512), [336., 270.4]);
        let [x, y] = Camera::on_table(Camera::project([0.4, -0.2, 0.], 512), 512);
        assert!((x - 0.4).abs() < 1e-5 && (y + 0.2).abs() < 1e-5);
        // Along the line of sight nothing moves.
        let [_, dy, dz] = TOWARD_VIEWER;
        let moved = Camera::project([0.4, -0.2 + 0.01 * dy, 0.6 + 0.01 * dz], 64);
        assert!((moved[1] - 33.8).abs() < 1e-4);
    }
}

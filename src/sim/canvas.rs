//! A drawing surface with the tabletop's camera: convex shapes in metres or base pixels, painted by tiny-skia at a
//! multiple of the picture's size and averaged down, so that motion far below a pixel still shows. Solid colours
//! alone: those are painted with whole numbers, alike on every machine.

use std::sync::Arc;

use tiny_skia::{Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::camera::Camera;
use super::interface::Frame;

pub(super) struct Canvas {
    pixmap: Pixmap,
    /// Pixels of the surface per base pixel of the camera (1/64 of the picture).
    scale: f32,
    /// Pixels of the surface per pixel of the picture.
    samples: usize,
    size_px: usize,
}

impl Canvas {
    /// A surface for a square picture; none for sizes that cannot be.
    pub fn new(size_px: usize, samples: usize, background: [f32; 3]) -> Option<Self> {
        let side = u32::try_from(size_px * samples).ok()?;
        let mut pixmap = Pixmap::new(side, side)?;
        pixmap.fill(colour_of(background, 1.));
        Some(Self {
            pixmap,
            scale: side as f32 / 64.,
            samples,
            size_px,
        })
    }

    /// Fills a polygon of points in the world.
    pub fn fill(&mut self, corners: &[[f32; 3]], colour: [f32; 3], alpha: f32) {
        let scale = self.scale;
        self.fill_pixels(
            corners.iter().map(|&corner| Camera::project_scaled(corner, scale)),
            colour,
            alpha,
        );
    }

    /// Draws the outline of a polygon of points in the world; `width` in base pixels.
    pub fn outline(&mut self, corners: &[[f32; 3]], width: f32, colour: [f32; 3], alpha: f32) {
        let scale = self.scale;
        let points = corners.iter().map(|&corner| Camera::project_scaled(corner, scale));
        self.stroke(points, width, colour, alpha);
    }

    /// Fills a polygon of points in base pixels.
    pub fn fill_base(&mut self, corners: &[[f32; 2]], colour: [f32; 3], alpha: f32) {
        let scale = self.scale;
        self.fill_pixels(corners.iter().map(|&[u, v]| [u * scale, v * scale]), colour, alpha);
    }

    /// Draws the outline of a polygon of points in base pixels; `width` in the same.
    pub fn outline_base(&mut self, corners: &[[f32; 2]], width: f32, colour: [f32; 3], alpha: f32) {
        let scale = self.scale;
        self.stroke(
            corners.iter().map(|&[u, v]| [u * scale, v * scale]),
            width,
            colour,
            alpha,
        );
    }

    fn stroke(&mut self, points: impl Iterator<Item = [f32; 2]>, width: f32, colour: [f32; 3], alpha: f32) {
        if let Some(path) = path_of(points) {
            let stroke = Stroke {
                width: width * self.scale,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            let paint = paint_of(colour, alpha);
            self.pixmap
                .stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        }
    }

    fn fill_pixels(&mut self, points: impl Iterator<Item = [f32; 2]>, colour: [f32; 3], alpha: f32) {
        if let Some(path) = path_of(points) {
            let paint = paint_of(colour, alpha);
            self.pixmap
                .fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// The picture: every pixel the mean of its samples, planar.
    pub fn into_frame(self) -> Frame {
        let (size, samples) = (self.size_px, self.samples);
        let (stride, count) = (size * samples, (samples * samples) as u32);
        let data = self.pixmap.data();
        let mut rgb = vec![0u8; 3 * size * size];
        let (red, rest) = rgb.split_at_mut(size * size);
        let (green, blue) = rest.split_at_mut(size * size);
        for y in 0..size {
            for x in 0..size {
                let mut sum = [0u32; 3];
                for row in 0..samples {
                    let from = 4 * ((y * samples + row) * stride + x * samples);
                    for pixel in data[from..from + 4 * samples].chunks_exact(4) {
                        for (sum, &value) in sum.iter_mut().zip(pixel) {
                            *sum += u32::from(value);
                        }
                    }
                }
                let [r, g, b] = sum.map(|sum| ((sum + count / 2) / count) as u8);
                (red[y * size + x], green[y * size + x], blue[y * size + x]) = (r, g, b);
            }
        }
        Frame {
            width: size,
            height: size,
            rgb: Arc::from(rgb),
        }
    }
}

fn path_of(points: impl Iterator<Item = [f32; 2]>) -> Option<Path> {
    let mut builder = PathBuilder::with_capacity(8, 8);
    for (i, [u, v]) in points.enumerate() {
        if i == 0 {
            builder.move_to(u, v);
        } else {
            builder.line_to(u, v);
        }
    }
    builder.close();
    builder.finish()
}

fn paint_of(colour: [f32; 3], alpha: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour_of(colour, alpha));
    paint
}

fn colour_of(colour: [f32; 3], alpha: f32) -> Color {
    let [r, g, b] = colour.map(|value| byte(value.clamp(0., 1.)));
    Color::from_rgba8(r, g, b, byte(alpha))
}

fn byte(value: f32) -> u8 {
    (value * 255. + 0.5) as u8
}

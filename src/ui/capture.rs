//! A picture of the window or of a part of it, taken when menus and the palette are gone again.

use std::sync::{Arc, Mutex, PoisonError};

use egui::{ColorImage, Context, Rect};

/// Frames until a menu that asked for the picture is off the screen.
const SETTLE: u8 = 2;

/// What was asked for.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    /// Points; none takes the whole window.
    part: Option<Rect>,
    frames_left: u8,
    asked: bool,
}

/// Red, green and blue of each pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub name: String,
    pub size: [u32; 2],
    pub rgb: Vec<u8>,
}

/// One picture at a time.
#[derive(Debug, Default)]
pub struct Capture {
    wanted: Option<Wanted>,
    image: Arc<Mutex<Option<Arc<ColorImage>>>>,
}

impl Capture {
    pub fn ask(&mut self, ctx: &Context, name: impl Into<String>, part: Option<Rect>) {
        self.wanted = Some(Wanted {
            name: name.into(),
            part,
            frames_left: SETTLE,
            asked: false,
        });
        ctx.request_repaint();
    }

    /// To be called in each frame; the picture, once it is there.
    pub fn frame(&mut self, ctx: &Context) -> Option<Taken> {
        let wanted = self.wanted.as_mut()?;
        if wanted.frames_left > 0 {
            wanted.frames_left -= 1;
            ctx.request_repaint();
            return None;
        }
        if !std::mem::replace(&mut wanted.asked, true) {
            let (slot, waker) = (Arc::clone(&self.image), ctx.clone());
            ctx.request_screenshot(move |image| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(image);
                waker.request_repaint();
            });
            return None;
        }
        let image = self.image.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let wanted = self.wanted.take()?;
        let (size, rgb) = cut(&image, wanted.part, ctx.pixels_per_point());
        Some(Taken {
            name: wanted.name,
            size,
            rgb,
        })
    }
}

/// The pixels of a part of a picture, without transparency.
fn cut(image: &ColorImage, part: Option<Rect>, pixels_per_point: f32) -> ([u32; 2], Vec<u8>) {
    let [width, height] = image.size;
    let edge = |points: f32, most: usize| ((points * pixels_per_point).round().max(0.0) as usize).min(most);
    let (xs, ys) = match part {
        Some(part) => (
            edge(part.left(), width)..edge(part.right(), width),
            edge(part.top(), height)..edge(part.bottom(), height),
        ),
        None => (0..width, 0..height),
    };
    let rows = ys.clone().map(|y| &image.pixels[y * width..][xs.clone()]);
    let rgb = rows.flatten().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]);
    ([xs.len() as u32, ys.len() as u32], rgb.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Color32, pos2};

    #[test]
    fn a_part_is_cut_at_whole_pixels_and_never_outside() {
        let pixels = (0..12u8).map(|i| Color32::from_rgb(i, 100 + i, 200)).collect();
        let image = ColorImage::new([4, 3], pixels);
        let (size, rgb) = cut(&image, None, 1.0);
        assert_eq!((size, rgb.len()), ([4, 3], 36));
        // Points of two pixels: columns 2 and 3 of rows 2 and below.
        let part = Rect::from_min_max(pos2(1.0, 1.0), pos2(9.0, 9.0));
        assert_eq!(cut(&image, Some(part), 2.0), ([2, 1], vec![10, 110, 200, 11, 111, 200]));
    }
}

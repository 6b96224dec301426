//! Frames as textures: uploaded once, kept while they are shown.

use std::sync::Arc;

use egui::{Color32, ColorImage, Context, TextureHandle, TextureId, TextureOptions};

use crate::sim::Frame;

/// The texture of the frame that was drawn last.
#[derive(Default)]
pub struct FrameTexture {
    /// The pixels are kept: while they live, no other frame can have their address.
    shown: Option<(Arc<[u8]>, bool, TextureHandle)>,
}

impl FrameTexture {
    /// The texture of a frame; `crisp` shows its pixels as squares. None if the frame's bytes do not fit its size.
    pub fn get(&mut self, ctx: &Context, frame: &Frame, crisp: bool) -> Option<TextureId> {
        if let Some((rgb, was_crisp, handle)) = &self.shown
            && Arc::ptr_eq(rgb, &frame.rgb)
            && *was_crisp == crisp
        {
            return Some(handle.id());
        }
        let image = color_image(frame)?;
        let options = if crisp {
            TextureOptions::NEAREST
        } else {
            TextureOptions::LINEAR
        };
        let handle = match self.shown.take() {
            Some((_, _, mut handle)) => {
                handle.set(image, options);
                handle
            }
            None => ctx.load_texture("camera", image, options),
        };
        let id = handle.id();
        self.shown = Some((Arc::clone(&frame.rgb), crisp, handle));
        Some(id)
    }
}

/// Planar to interleaved.
pub(in crate::panels) fn color_image(frame: &Frame) -> Option<ColorImage> {
    let plane = frame.width * frame.height;
    if plane == 0 || frame.rgb.len() != 3 * plane {
        return None;
    }
    let pixels = frame.pixels().map(|[r, g, b]| Color32::from_rgb(r, g, b)).collect();
    Some(ColorImage::new([frame.width, frame.height], pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels_and_a_wrong_size_is_refused() {
        let frame = Frame {
            width: 2,
            height: 1,
            rgb: vec![1, 2, 3, 4, 5, 6].into(),
        };
        let image = color_image(&frame).map(|image| image.pixels);
        assert_eq!(
            image,
            Some(vec![egui::Color32::from_rgb(1, 3, 5), egui::Color32::from_rgb(2, 4, 6)])
        );
        assert!(color_image(&Frame { height: 2, ..frame }).is_none());
    }
}

//! Textures of the few pictures that a sample holds: uploaded once, dropped when they are not drawn any more.

use std::fmt;
use std::sync::Arc;

use egui::{Color32, Context, Rect, Role, Sense, TextureHandle, TextureId, TextureOptions, Ui, WidgetInfo, pos2, vec2};

use crate::panels::camera::color_image;
use crate::sim::Frame;

#[derive(Clone)]
struct Picture {
    /// While the pixels live, no other frame can have their address.
    rgb: Arc<[u8]>,
    handle: TextureHandle,
    used: bool,
}

#[derive(Clone, Default)]
pub struct Pictures(Vec<Picture>);

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pictures", self.0.len())
    }
}

impl Pictures {
    /// None if the frame's bytes do not fit its size.
    fn get(&mut self, ctx: &Context, frame: &Frame) -> Option<TextureId> {
        if let Some(known) = self.0.iter_mut().find(|known| Arc::ptr_eq(&known.rgb, &frame.rgb)) {
            known.used = true;
            return Some(known.handle.id());
        }
        let handle = ctx.load_texture("sample", color_image(frame)?, TextureOptions::NEAREST);
        let id = handle.id();
        self.0.push(Picture {
            rgb: Arc::clone(&frame.rgb),
            handle,
            used: true,
        });
        Some(id)
    }

    /// Draws a frame as a square of that side, under a name and with a tip: where it lies.
    pub(super) fn show(&mut self, ui: &mut Ui, frame: &Frame, side: f32, name: &str, tip: &str) -> Rect {
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
        if !tip.is_empty() {
            response.on_hover_text(tip);
        }
        if let Some(texture) = self.get(ui.ctx(), frame) {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture, rect, whole, Color32::WHITE);
        }
        rect
    }

    pub(super) fn forget_unused(&mut self) {
        self.0.retain_mut(|picture| std::mem::take(&mut picture.used));
    }
}

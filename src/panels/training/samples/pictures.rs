//! Textures of the few pictures that a sample holds: uploaded once, dropped when they are not drawn any more.

use std::fmt;
use std::sync::Arc;

use egui::{Context, TextureHandle, TextureId, TextureOptions};

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
    pub(super) fn get(&mut self, ctx: &Context, frame: &Frame) -> Option<TextureId> {
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

    pub(super) fn forget_unused(&mut self) {
        self.0.retain_mut(|picture| std::mem::take(&mut picture.used));
    }
}

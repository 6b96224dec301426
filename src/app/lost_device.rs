//! The graphics card that draws the window can be lost: unplugged, reset, or its driver restarted. Nothing can be drawn
//! from then on, so the window closes and says why; every step of an episode is on disk by then.

use std::sync::{Arc, Mutex, PoisonError};

use egui::{Context, ViewportCommand};

/// Why nothing can be drawn any more, once it is so.
#[derive(Clone, Debug, Default)]
pub struct LostDevice(Arc<Mutex<Option<String>>>);

impl LostDevice {
    /// Watches the device that draws this window. An error that costs no device is only logged: wgpu would panic.
    pub fn watch(device: &wgpu::Device, ctx: &Context) -> Self {
        let lost = Self::default();
        device.on_uncaptured_error(Arc::new(|err: wgpu::Error| {
            log::error!("The graphics card refused: {err}");
        }));
        let (told, ctx) = (lost.clone(), ctx.clone());
        device.set_device_lost_callback(move |_, why| {
            let mut told = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            *told = Some(why);
            ctx.send_viewport_cmd(ViewportCommand::Close);
            ctx.request_repaint();
        });
        lost
    }

    /// What is said when the window has closed for it; none while the device is there.
    pub fn problem(&self) -> Option<String> {
        let why = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let why = why.trim().trim_end_matches('.');
        let because = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        Some(format!(
            "The graphics card that drew the window was lost{because}, so the window closed. Episodes are recorded as they \
             happen: start again and open the newest recording. WGPU_BACKEND=gl, or another card, may hold."
        ))
    }
}

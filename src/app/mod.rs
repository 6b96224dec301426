//! The window: an eframe app (wgpu) around the panels. It owns the engine's handle, hands commands over and draws what
//! it reads; nothing here computes.

mod autopilot;
mod drop;
mod frame_times;
mod layout;
mod lost_device;
mod measure;
mod panes;
mod settings;
mod studio;
mod window_acts;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use egui::{IconData, ViewportBuilder};

pub use autopilot::{Ending, Picture, Script};
pub use frame_times::FrameTimes;
pub use layout::{prepare, studio_ui};
pub use lost_device::LostDevice;
pub use measure::{Beside, Measured, UiTimes, measure};
pub use settings::{remembered_size, settings_path};
pub use studio::Studio;

use crate::engine::{Engine, Waker, panic_message};

/// The smallest window that shows everything, points.
pub const LEAST_SIZE: [f32; 2] = [1120.0, 700.0];

/// What the window starts with.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// Tasks that the loaded scene can be asked; the first stands in the task box.
    pub examples: Vec<String>,
    pub seed: u64,
    /// Whether to begin dark, or as the settings say; if not, light.
    pub dark: bool,
    /// Inner size of the window, points.
    pub size: [f32; 2],
    /// The file that layout, theme, zoom and recent files are kept in; none keeps nothing.
    pub settings: Option<PathBuf>,
    /// Begin with the training workspace.
    pub training: bool,
    /// Said as soon as the window is open.
    pub notice: Option<String>,
    /// What the window does by itself, if anything.
    pub script: Option<Script>,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            examples: Vec::new(),
            seed: 0,
            dark: true,
            size: [1600.0, 1000.0],
            settings: None,
            training: false,
            notice: None,
            script: None,
        }
    }
}

/// Why the window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("Could not open a window: {0}. Without a display, `thinkjepa plan` does the same episode.")]
    Window(#[from] eframe::Error),
    /// What draws the window panics where its graphics card is gone.
    #[error(
        "The window broke off, perhaps since its graphics card is lost: {0}. Episodes are recorded as they happen: start \
         again and open the newest recording."
    )]
    BrokeOff(String),
}

/// Opens the window, stays until it is closed and says what came of it. `start` starts the engine with the waker it is
/// given.
///
/// # Errors
/// There is no display, no graphics adapter, or no thread for a worker.
pub fn run(
    options: AppOptions,
    start: impl FnOnce(Waker) -> std::io::Result<Engine> + 'static,
) -> Result<Ending, AppError> {
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("ThinkJEPA Studio")
            .with_app_id("thinkjepa-studio")
            .with_inner_size(options.size)
            .with_min_inner_size(LEAST_SIZE)
            .with_icon(icon()),
        renderer: eframe::Renderer::Wgpu,
        ..Default::default()
    };
    let ending = Arc::new(Mutex::new(Ending::default()));
    let for_window = Arc::clone(&ending);
    let create: eframe::AppCreator<'_> = Box::new(move |creation| {
        let studio = Studio::new(creation, &options, start)?;
        Ok(Box::new(studio.with_ending(for_window)))
    });
    let shown = AssertUnwindSafe(|| eframe::run_native("ThinkJEPA Studio", native, create));
    catch_unwind(shown)
        .map_err(|panic| AppError::BrokeOff(panic_message(&*panic).trim_end_matches('.').to_owned()))??;
    let mut ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *ending))
}

/// Three sub-goals on a path, in their colours.
fn icon() -> IconData {
    const SIZE: usize = 64;
    let palette = crate::ui::Palette::theme(true);
    let dots = [(16.0, 46.0), (32.0, 32.0), (48.0, 18.0)];
    let mut rgba = Vec::with_capacity(SIZE * SIZE * 4);
    for y in 0..SIZE {
        for x in 0..SIZE {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            let corner = (x - x.clamp(12.0, 52.0)).hypot(y - y.clamp(12.0, 52.0));
            let mut color = palette.panel;
            // The path runs along the diagonal y = 62 - 7/8 x.
            let on_path = (y - (62.0 - 0.875 * x)).abs() < 2.0 && (16.0..48.0).contains(&x);
            if on_path {
                color = palette.weak;
            }
            for (index, (cx, cy)) in dots.into_iter().enumerate() {
                if (x - cx).hypot(y - cy) < 8.0 {
                    color = palette.sub_goal(index);
                }
            }
            let alpha = if corner < 11.5 { 255 } else { 0 };
            rgba.extend([color.r(), color.g(), color.b(), alpha]);
        }
    }
    IconData {
        rgba,
        width: SIZE as u32,
        height: SIZE as u32,
    }
}

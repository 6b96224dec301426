//! The tabletop behind the window: the engine's [`Session`](crate::engine::Session) and its training, made of a loaded
//! [`System`](crate::system::System), a scene and an [`Episode`](crate::planner::Episode).
//!
//! The same episode as `thinkjepa plan` runs headlessly, step for step: the same seed gives the same plan.

mod branches;
mod drive;
mod examine;
mod export;
mod record;
mod session;
mod training;

use std::path::PathBuf;
use std::sync::Arc;

use export::PlanExporter;
pub use export::gripper_in_picture;
use record::Recordings;
pub use session::Tabletop;
pub use training::run_training;

use crate::config::{PRESETS, preset};
use crate::device::DeviceChoice;
use crate::engine::{Control, Engine, Opening, SessionError, Waker};

/// What the window starts with.
#[derive(Clone, Debug)]
pub struct StudioSettings {
    /// Checkpoint folder.
    pub checkpoint: PathBuf,
    /// Name or path of the scene.
    pub scene: String,
    pub seed: u64,
    pub device: DeviceChoice,
    /// Folder that every episode is recorded in as it happens; none are where there is none.
    pub recordings: Option<PathBuf>,
}

/// Starts the engine's workers on these settings; the models are loaded on theirs.
///
/// # Errors
/// The system has no thread to give.
pub fn start(settings: StudioSettings, waker: Waker) -> std::io::Result<Engine> {
    let training = run_training(settings.clone());
    let open = Box::new(move |opening: &Opening, control: &Control| Tabletop::open(&settings, opening, control));
    let engine = Engine::start(open, training, waker)?;
    // Recordings are opened and exported without models, too.
    if let Ok(nano) = preset(PRESETS[0]) {
        engine.export_with(Arc::new(PlanExporter::new(nano.plan, Recordings::default())));
    }
    Ok(engine)
}

/// What the user asked for cannot be met as it is.
fn refused(err: impl std::fmt::Display) -> SessionError {
    SessionError::Refused(err.to_string())
}

/// The work itself went wrong.
fn failed(err: impl std::fmt::Display) -> SessionError {
    SessionError::Failed(err.to_string())
}

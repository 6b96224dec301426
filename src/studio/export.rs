//! An episode as a file: plan JSON, or a GIF or a recording where the name says so.

use std::path::{Path, PathBuf};

use super::record::Recordings;
use super::{failed, refused};
use crate::config::PlanConfig;
use crate::engine::{Exporter, SessionError};
use crate::planner::PlanDocument;
use crate::planner::animation::write_gif;
use crate::recording::{Recording, file};
use crate::sim::{CARRY_M, Camera};

/// How long each picture of a GIF stays.
const GIF_MILLIS: u32 = 200;

pub(super) struct PlanExporter {
    config: PlanConfig,
    recordings: Recordings,
}

impl PlanExporter {
    pub(super) fn new(config: PlanConfig, recordings: Recordings) -> Self {
        Self { config, recordings }
    }
}

impl Exporter for PlanExporter {
    fn export(&self, recording: &Recording, path: &Path) -> Result<PathBuf, SessionError> {
        let path = if path.is_dir() {
            path.join("plan.json")
        } else {
            path.to_owned()
        };
        // In the place of a file that is appended to, what follows would be lost.
        if self.recordings.holds(&path) {
            return Err(refused(format!(
                "{} is the file that an episode is being recorded into: all of it is there already. Choose another name \
                 for a copy.",
                path.display()
            )));
        }
        if file::has_extension(&path, file::EXTENSION) {
            file::save(recording, &path).map_err(failed)?;
        } else if file::has_extension(&path, "gif") {
            write_gif(&path, recording, &gripper_in_picture, GIF_MILLIS).map_err(failed)?;
        } else {
            PlanDocument::from_recording(recording, &self.config)
                .write(&path)
                .map_err(failed)?;
        }
        Ok(path)
    }
}

/// The gripper's place in a picture, as shares of its height.
pub fn gripper_in_picture([x, y]: [f32; 2]) -> [f32; 2] {
    const HEIGHT_PX: usize = 1000;
    Camera::project([x, y, CARRY_M], HEIGHT_PX).map(|pixel| pixel / HEIGHT_PX as f32)
}

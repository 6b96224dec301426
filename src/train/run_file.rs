//! `run.json` of a run: what it trains, from what, and how it stands, for whoever looks at the folder from outside.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StageKind, TrainError};
use crate::weights::write_file;

const FILE: &str = "run.json";
const SCHEMA: &str = "thinkjepa.run/1";

/// How a run stood when its process last said so. A process that is killed says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStanding {
    Running,
    Finished,
    Stopped,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    schema: String,
    pub stage: StageKind,
    pub preset: String,
    /// Of the whole run.
    pub steps: usize,
    /// What it goes on from.
    pub from: Option<PathBuf>,
    /// Name or path of the scene that tasks are drawn in, and the folder of episodes; runs of older versions do not say.
    #[serde(default)]
    pub scene: Option<String>,
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// Id of the process that wrote this.
    pub process: u32,
    pub standing: RunStanding,
}

impl RunFile {
    /// A run that this process begins.
    pub fn begun(stage: StageKind, preset: &str, steps: usize, from: Option<&Path>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            stage,
            preset: preset.to_owned(),
            steps,
            from: from.map(Path::to_owned),
            scene: None,
            data: None,
            process: std::process::id(),
            standing: RunStanding::Running,
        }
    }

    /// What a run's folder says of itself; none where it says nothing that is understood.
    pub fn read(run: &Path) -> Option<Self> {
        let bytes = std::fs::read(run.join(FILE)).ok()?;
        serde_json::from_slice(&bytes)
            .ok()
            .filter(|file: &Self| file.schema == SCHEMA)
    }

    /// Puts it into the run's folder, which must exist.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &Path) -> Result<(), TrainError> {
        let path = run.join(FILE);
        let wrong = |err: &dyn std::fmt::Display| TrainError::io("write", &path, err);
        let text = serde_json::to_string_pretty(self).map_err(|err| wrong(&err))?;
        write_file(&path, format!("{text}\n").as_bytes()).map_err(|err| wrong(&err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_s_folder_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(RunFile::read(folder.path()), None);
        let mut file = RunFile::begun(StageKind::OneB, "nano", 40, Some(Path::new("checkpoints/nano")));
        file.write(folder.path()).unwrap();
        file.standing = RunStanding::Stopped;
        (file.scene, file.data) = (Some("demo".to_owned()), Some(PathBuf::from("data/demo")));
        file.write(folder.path()).unwrap();
        assert_eq!(RunFile::read(folder.path()), Some(file));
        let older = r#"{"schema":"thinkjepa.run/1","stage":"1","preset":"nano","steps":40,"from":null,"process":1,"standing":"stopped"}"#;
        std::fs::write(folder.path().join(FILE), older).unwrap();
        assert_eq!(RunFile::read(folder.path()).unwrap().data, None);
        std::fs::write(folder.path().join(FILE), "{\"schema\":\"thinkjepa.run/9\"}").unwrap();
        assert_eq!(RunFile::read(folder.path()), None);
    }
}

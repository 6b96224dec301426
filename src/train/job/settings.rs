//! `config.ron` of a run: its settings, so that it is never continued with others by mistake.

use std::path::Path;

use serde_json::Value;

use super::JobError;
use crate::config::{self, Config};
use crate::train::TrainError;
use crate::weights::write_file;

const FILE: &str = "config.ron";

/// The settings that a run was begun with, if it says.
pub(super) fn of_run(run: &Path) -> Result<Option<Config>, JobError> {
    let path = run.join(FILE);
    if path.is_file() {
        Ok(Some(config::load(&path)?))
    } else {
        Ok(None)
    }
}

/// Writes the settings into a new run's folder, or compares them with those that are there.
///
/// # Errors
/// The run was begun with other settings, or the folder cannot be written to.
pub(super) fn keep(run: &Path, config: &Config) -> Result<(), JobError> {
    if let Some(have) = of_run(run)? {
        let value = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        return match difference("", &value(&have), &value(config)) {
            // The name says where the settings came from, nothing else.
            Some((field, have, asked)) if field != "name" => {
                let run = run.to_owned();
                Err(JobError::OtherSettings {
                    run,
                    field,
                    have,
                    asked,
                })
            }
            _ => Ok(()),
        };
    }
    std::fs::create_dir_all(run).map_err(|err| TrainError::io("create", run, err))?;
    let text = ron::ser::to_string_pretty(config, ron::ser::PrettyConfig::default())
        .map_err(|err| TrainError::io("write", &run.join(FILE), err))?;
    Ok(write_file(&run.join(FILE), format!("{text}\n").as_bytes())?)
}

/// The first field in which two documents differ, and its values.
fn difference(path: &str, have: &Value, asked: &Value) -> Option<(String, String, String)> {
    match (have, asked) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if path == "name" {
                return None;
            }
            difference(&path, value, b.get(name).unwrap_or(&Value::Null))
        }),
        _ if have == asked => None,
        _ => Some((path.to_owned(), have.to_string(), asked.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn a_run_is_not_continued_with_other_settings() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("mine");
        let mut config = preset("nano").unwrap();
        keep(&run, &config).unwrap();
        assert_eq!(of_run(&run).unwrap(), Some(config.clone()));
        config.name = "mine.ron".to_owned();
        keep(&run, &config).unwrap();
        let steps = std::mem::replace(&mut config.train.stage1.steps, 7);
        let err = keep(&run, &config).unwrap_err().to_string();
        assert!(
            err.contains(&format!("train.stage1.steps is {steps}, asked for 7")),
            "{err}"
        );
    }
}

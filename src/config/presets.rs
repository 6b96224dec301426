//! The presets that are compiled in, and loading a configuration from a file.

use std::path::Path;

use super::{Config, ConfigError};

/// Names of the presets, smallest first.
pub const PRESETS: [&str; 3] = ["nano", "vit-l", "paper"];

/// A preset by name.
///
/// # Errors
/// [`ConfigError::UnknownPreset`] lists the names that exist.
pub fn preset(name: &str) -> Result<Config, ConfigError> {
    let text = match name {
        "nano" => include_str!("../../assets/presets/nano.ron"),
        "vit-l" => include_str!("../../assets/presets/vit-l.ron"),
        "paper" => include_str!("../../assets/presets/paper.ron"),
        _ => return Err(ConfigError::UnknownPreset { name: name.to_owned() }),
    };
    Config::from_ron(text, &format!("preset {name}"))
}

/// A preset by name, or a configuration file: what ends with .ron or .json, or is a file.
///
/// # Errors
/// There is no such preset, or the file cannot be used.
pub fn named(name: &str) -> Result<Config, ConfigError> {
    let path = Path::new(name);
    let is_file = is_json(path) || path.extension().is_some_and(|extension| extension == "ron");
    if is_file || path.is_file() {
        load(path)
    } else {
        preset(name)
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// A configuration from a RON file, or from a checkpoint's `config.json`.
///
/// # Errors
/// The file cannot be read, is not of this shape, or holds a value out of range.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let source = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|err| ConfigError::Read {
        source_name: source.clone(),
        err,
    })?;
    if is_json(path) {
        Config::from_json(&text, &source)
    } else {
        Config::from_ron(&text, &source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_preset_or_a_file_of_either_kind_and_an_error_names_file_and_field() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let nano = preset("nano").unwrap();
        std::fs::write(at("mine.ron"), ron::ser::to_string(&nano).unwrap()).unwrap();
        std::fs::write(at("config.json"), serde_json::to_string(&nano).unwrap()).unwrap();
        for name in ["nano", &at("mine.ron"), &at("config.json")] {
            assert_eq!(named(name).unwrap(), nano, "{name}");
        }
        assert!(matches!(named("nanno"), Err(ConfigError::UnknownPreset { .. })));
        let missing = named(&at("none.ron")).unwrap_err().to_string();
        assert!(missing.contains("none.ron"), "{missing}");
        let mut wrong = nano;
        wrong.train.stage1.batch = 0;
        std::fs::write(at("wrong.json"), serde_json::to_string(&wrong).unwrap()).unwrap();
        let err = named(&at("wrong.json")).unwrap_err().to_string();
        assert!(
            err.contains("wrong.json") && err.contains("train.stage1.batch is 0"),
            "{err}"
        );
    }
}

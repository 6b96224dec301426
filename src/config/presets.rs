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

/// A configuration from a RON file.
///
/// # Errors
/// The file cannot be read, is not RON of this shape, or holds a value out of range.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let source = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|err| ConfigError::Read {
        source_name: source.clone(),
        err,
    })?;
    Config::from_ron(&text, &source)
}

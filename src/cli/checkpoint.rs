//! Which checkpoint a command works with when none is named.

use std::path::{Path, PathBuf};

use super::{CliError, Console};
use crate::device::Selected;
use crate::system::System;
use crate::weights::Checkpoint;

/// Where the trained checkpoint lies that comes with the program.
pub const DEFAULT: &str = "checkpoints/nano";

/// The checkpoint that was named, or the one that comes with the program: beside the working directory, beside the
/// program, or in the folder that the program was built in.
///
/// # Errors
/// None was named and none is there.
pub fn folder(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).map(Path::to_owned);
    let places = [
        Some(PathBuf::new()),
        beside,
        Some(PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
    ];
    let mut found = places.into_iter().flatten().map(|place| place.join(DEFAULT));
    found.find(|folder| Checkpoint::is_at(folder)).ok_or_else(|| {
        CliError::new(format!(
            "There is no checkpoint {DEFAULT} here. Name one with --checkpoint, or make one with `thinkjepa train`."
        ))
    })
}

/// Opens a checkpoint and says so; the second half loads it once the device is known.
///
/// # Errors
/// The folder is no checkpoint, or a file of it is damaged.
pub fn open(named: Option<&Path>) -> Result<Checkpoint, CliError> {
    Ok(Checkpoint::open(&folder(named)?)?)
}

/// # Errors
/// A tensor is missing or has another shape than the configuration says.
pub fn load(checkpoint: &Checkpoint, selected: &Selected, console: &Console) -> Result<System, CliError> {
    let (system, report) = System::from_checkpoint(checkpoint, &selected.device)?;
    if report.is_clean() {
        log::info!("{}: {report}", checkpoint.folder.display());
    } else {
        console.note(&format!("{}: {report}", checkpoint.folder.display()));
    }
    Ok(system)
}

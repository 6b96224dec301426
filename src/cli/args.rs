//! Flags that several subcommands share. A subcommand takes the groups that it uses, so that a flag it would ignore
//! is an error.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use crate::config::{self, Config};
use crate::device::{self, DeviceChoice, Selected, Workload};
use crate::weights::Checkpoint;

/// Which model.
#[derive(Args, Clone, Debug, Default)]
pub struct ModelArgs {
    /// nano, vit-l or paper, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE")]
    pub preset: Option<String>,
    /// A checkpoint folder; its configuration replaces the preset
    #[arg(long, value_name = "FOLDER", conflicts_with = "preset")]
    pub checkpoint: Option<PathBuf>,
}

impl ModelArgs {
    /// The configuration that was asked for, `nano` by default.
    ///
    /// # Errors
    /// There is no such preset, or the file or the checkpoint is not valid.
    pub fn config(&self) -> Result<Config, CliError> {
        if let Some(folder) = &self.checkpoint {
            return Ok(Checkpoint::open(folder)?.config);
        }
        Ok(config::named(self.preset.as_deref().unwrap_or("nano"))?)
    }
}

/// Which world, and which random numbers.
#[derive(Args, Clone, Debug)]
pub struct WorldArgs {
    /// A scene under scenes/, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE")]
    pub scene: Option<String>,
    /// Drives scene jitter, planning and sampling
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub seed: u64,
}

/// Where to compute.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// auto, cpu, wgpu[:N] or cuda[:N]
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
}

impl DeviceArgs {
    /// # Errors
    /// The device that was named is not there or does not start.
    pub fn open(&self, config: &Config) -> Result<Selected, CliError> {
        let selected = device::select(self.device, &Workload::of(config))?;
        log::info!("computing on {}: {}", selected.id, selected.why);
        Ok(selected)
    }
}

/// Where results go.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    pub json: bool,
    /// Write the JSON document to a file as well
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl OutputArgs {
    /// Says before the work what would otherwise be said after it.
    ///
    /// # Errors
    /// The folder of `--out` does not exist, or the path is a folder.
    pub fn check(&self) -> Result<(), CliError> {
        let Some(path) = &self.out else { return Ok(()) };
        writable(path)
    }
}

/// Whether a file can be put there.
///
/// # Errors
/// Its folder does not exist, or it is a folder itself.
pub fn writable(path: &Path) -> Result<(), CliError> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let (path, folder) = (path.display(), folder.display());
        return Err(CliError::new(format!(
            "Could not write {path}: the folder {folder} does not exist. Create it, or choose another path."
        )));
    }
    if path.is_dir() {
        let path = path.display();
        return Err(CliError::new(format!(
            "Could not write {path}: it is a folder. Name a file in it."
        )));
    }
    Ok(())
}

/// The command that the program was started with, as a record keeps it: without where it was to be written, and without
/// the checkpoint's place, whose hash says more.
pub fn command_line() -> String {
    as_recorded(std::env::args().skip(1))
}

fn as_recorded(args: impl Iterator<Item = String>) -> String {
    let mut args = args;
    let mut kept = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => {}
            "--out" | "--checkpoint" => {
                args.next();
            }
            _ if arg.starts_with("--out=") || arg.starts_with("--checkpoint=") => {}
            _ if arg.contains(' ') => kept.push(format!("\"{arg}\"")),
            _ => kept.push(arg),
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_command_says_nothing_of_places() {
        let args = "eval --suite oracle --out /x/y.json --episodes 5 --json --checkpoint runs/1 --out=z";
        let args = args
            .split(' ')
            .map(str::to_owned)
            .chain(["stack red on green".to_owned()]);
        assert_eq!(
            as_recorded(args),
            "eval --suite oracle --episodes 5 \"stack red on green\""
        );
    }
}

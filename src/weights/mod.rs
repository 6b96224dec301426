//! Weights on disk: safetensors in PyTorch's layout, whole checkpoint folders, and the state of a training run.
//!
//! Tensors are read one at a time and only when they are asked for, so a checkpoint of many gigabytes costs no more
//! memory than its largest tensor. Everything is compared with the module *before* a single parameter is assigned.
//!
//! - [`Tensors`]: names, shapes and values of one file, of a sharded set or of a folder
//! - [`load()`], [`load_as`], [`apply()`]: from tensors into a burn module, with a [`LoadReport`]
//! - [`collect`], [`write_tensors`]: from a module to a file
//! - [`Checkpoint`]: a folder with its configuration and its content hash
//! - [`train_state`]: everything that a run needs to go on as if it had never stopped

mod atomic;
mod checkpoint;
mod disk;
mod layout;
mod load;
mod read;
mod remap;
mod report;
pub mod train_state;
mod write;

use std::path::PathBuf;

pub use atomic::{draft_beside, make_parent, replace_folder, write_file, write_new};
pub use checkpoint::{Checkpoint, content_hash};
pub use disk::{DiskWriter, FullDisk};
pub use load::{apply, load, load_as};
pub use read::{NamedTensor, Tensors};
pub use remap::Remap;
pub use report::{LoadReport, Mismatch};
pub use write::{collect, write_tensors};

/// Why weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("Could not read {}: {err}.", path.display())]
    Read { path: PathBuf, err: std::io::Error },
    #[error("Could not write {}: {err}.", path.display())]
    Write { path: PathBuf, err: std::io::Error },
    #[error("Could not read {}: {what}. Copy or download it again, or choose another file.", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} holds other things and is no checkpoint: nothing was written. Name a new folder.", path.display())]
    Occupied { path: PathBuf },
    #[error(
        "{} is no checkpoint: it has no config.json. Name a folder with config.json and *.safetensors, such as checkpoints/nano.",
        path.display()
    )]
    NoCheckpoint { path: PathBuf },
    #[error("{} holds no weights: expected a .safetensors file, or a folder with at least one.", path.display())]
    NoWeights { path: PathBuf },
    #[error("Could not read {}: tensor {name} is {dtype}, expected f32, f16, bf16 or f64.", path.display())]
    Dtype { path: PathBuf, name: String, dtype: String },
    #[error("Could not read {source_name}: {}", mismatches(misfits))]
    Shapes {
        source_name: String,
        misfits: Vec<Mismatch>,
    },
    #[error("Could not read {source_name}: {report}. Choose the preset it was made with, or another file.")]
    Unclean {
        source_name: String,
        report: Box<LoadReport>,
    },
    #[error("Could not read {}: {what}. Start the run again, or choose an earlier checkpoint of it.", path.display())]
    State { path: PathBuf, what: String },
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
}

impl WeightsError {
    fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |err| Self::Read { path, err }
    }

    fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |err| Self::Write { path, err }
    }
}

fn mismatches(misfits: &[Mismatch]) -> String {
    let mut text = match misfits.first() {
        Some(first) => first.to_string(),
        None => "its tensors do not fit".to_owned(),
    };
    if misfits.len() > 1 {
        text += &format!(" ({} more do not fit)", misfits.len() - 1);
    }
    text + ". Choose the preset it was made with, or another file."
}

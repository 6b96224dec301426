//! Writing a result so that a reader never meets half of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::weights::{DiskWriter, draft_beside};

/// Why a file was not written; an older one of that name is still whole.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("Could not write {path}: the folder {folder} does not exist. Create it, or choose another path.")]
    NoFolder { path: PathBuf, folder: PathBuf },
    #[error("Could not write {path}: {err}. Check the free space and your rights there, or choose another path.")]
    Io { path: PathBuf, err: io::Error },
    #[error("Could not write {path}: {reason}.")]
    Content { path: PathBuf, reason: String },
}

/// Fills a temporary file in the same folder and renames it.
pub(super) fn write_atomically(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(WriteError::NoFolder {
            path: path.to_owned(),
            folder: folder.to_owned(),
        });
    }
    let failed = |err| WriteError::Io {
        path: path.to_owned(),
        err,
    };
    let mut file = draft_beside(path).map_err(failed)?;
    let mut buffered = io::BufWriter::new(DiskWriter::new(file.as_file_mut(), path));
    fill(&mut buffered)?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|err| failed(err.error))?;
    Ok(())
}

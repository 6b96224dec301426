//! Through which this program's own writers put bytes on disk: recordings, checkpoints, samples, metrics, exports. Networks in
//! a run's checkpoints are written by burn. A test can fill a folder's disk here: from its n-th write on, whatever is written
//! below that folder fails half-way with ENOSPC.

use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether any disk is limited; where none is, a write costs one look at this.
static LIMITED: AtomicBool = AtomicBool::new(false);
static LIMITS: Mutex<Vec<Limit>> = Mutex::new(Vec::new());

struct Limit {
    folder: PathBuf,
    /// Writes that still succeed.
    left: usize,
}

/// For tests: the disk under this folder has room for `writes` more writes. It holds until this is dropped.
pub struct FullDisk {
    folder: PathBuf,
}

impl FullDisk {
    pub fn after(folder: &Path, writes: usize) -> Self {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        limits.push(Limit {
            folder: folder.to_owned(),
            left: writes,
        });
        LIMITED.store(true, Ordering::Release);
        Self {
            folder: folder.to_owned(),
        }
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        limits.retain(|limit| limit.folder != self.folder);
        LIMITED.store(!limits.is_empty(), Ordering::Release);
    }
}

/// A file that is written to.
pub struct DiskWriter<'a, W> {
    file: W,
    path: &'a Path,
}

impl<'a, W: Write> DiskWriter<'a, W> {
    /// `path` is where the bytes are to lie in the end.
    pub fn new(file: W, path: &'a Path) -> Self {
        Self { file, path }
    }
}

impl<W: Write> Write for DiskWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if LIMITED.load(Ordering::Acquire) && !has_room(self.path) {
            // A real disk takes what fits.
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(Error::from(ErrorKind::StorageFull));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

/// Takes one write from the room that is left.
fn has_room(path: &Path) -> bool {
    let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = limits.iter_mut().find(|limit| path.starts_with(&limit.folder));
    limit.is_none_or(|limit| {
        let room = limit.left > 0;
        limit.left = limit.left.saturating_sub(1);
        room
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_write_below_a_folder_fails_half_way_and_others_do_not() {
        let (full, other) = (Path::new("/full/of/it"), Path::new("/other"));
        let disk = FullDisk::after(Path::new("/full"), 2);
        let (mut in_full, mut in_other) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            DiskWriter::new(&mut in_full, full).write_all(b"abcd").unwrap();
        }
        let err = DiskWriter::new(&mut in_full, full).write_all(b"abcd").unwrap_err();
        assert_eq!(err.kind(), ErrorKind::StorageFull);
        assert_eq!(in_full, b"abcdabcdab");
        DiskWriter::new(&mut in_other, other).write_all(b"abcd").unwrap();
        assert!(
            DiskWriter::new(&mut in_full, full).write_all(b"e").is_err(),
            "it stays full"
        );
        drop(disk);
        DiskWriter::new(&mut in_full, full).write_all(b"e").unwrap();
    }
}

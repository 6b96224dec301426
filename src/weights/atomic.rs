//! Files and folders that are there whole or not at all: written beside their place, then renamed into it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{DiskWriter, WeightsError};

/// Writes a file whole: a reader, or a crash, never meets half of it.
///
/// # Errors
/// The folder does not exist or cannot be written to.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WeightsError> {
    let put = || -> std::io::Result<()> {
        written_beside(path, bytes)?.persist(path).map_err(|err| err.error)?;
        Ok(())
    };
    put().map_err(WeightsError::write(path))
}

/// Writes a file whole and over no other: where the name is taken, it is `name-2.ext`, `name-3.ext` and so on. Where it
/// was written to.
///
/// # Errors
/// The folder does not exist or cannot be written to.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<PathBuf, WeightsError> {
    let put = || -> std::io::Result<PathBuf> {
        let mut file = written_beside(path, bytes)?;
        for number in 1u32.. {
            let name = numbered(path, number);
            match file.persist_noclobber(&name) {
                Ok(_) => return Ok(name),
                Err(err) if err.error.kind() == std::io::ErrorKind::AlreadyExists => file = err.file,
                Err(err) => return Err(err.error),
            }
        }
        Err(std::io::ErrorKind::AlreadyExists.into())
    };
    put().map_err(WeightsError::write(path))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number < 2 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path
        .extension()
        .map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
    path.with_file_name(format!("{stem}-{number}{ending}"))
}

/// A file to fill beside its place, to be put there once it is whole. As with any other file, the user's umask decides who
/// may read it; tempfile alone would keep it to the owner.
///
/// # Errors
/// The folder does not exist or cannot be written to.
pub fn draft_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".writing-").suffix(".tmp").tempfile_in(parent(path))
}

/// The bytes on disk, under a name of their own.
fn written_beside(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .suffix(".tmp")
        .tempfile_in(parent(path))?;
    DiskWriter::new(&mut file, path).write_all(bytes)?;
    file.as_file().sync_all()?;
    readable(file.as_file())?;
    Ok(file)
}

/// Builds a folder beside its place with `fill`, then puts it there; a folder that was there before is replaced only
/// once the new one is complete.
///
/// # Errors
/// Whatever `fill` answers, or the folder cannot be created or renamed. The old folder is then still there.
pub fn replace_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<(), WeightsError>) -> Result<(), WeightsError> {
    let parent = parent(path);
    let make = || {
        tempfile::Builder::new()
            .prefix(".writing-")
            .suffix(".tmp")
            .tempdir_in(parent)
    };
    let fresh = make().map_err(WeightsError::write(path))?;
    let inside = fresh.path().join("folder");
    fs::create_dir(&inside).map_err(WeightsError::write(path))?;
    fill(&inside)?;
    let old = fresh.path().join("old");
    let swap = || -> std::io::Result<()> {
        let had_one = path.exists();
        if had_one {
            fs::rename(path, &old)?;
        }
        if let Err(err) = fs::rename(&inside, path) {
            if had_one {
                fs::rename(&old, path)?;
            }
            return Err(err);
        }
        Ok(())
    };
    swap().map_err(WeightsError::write(path))
    // What is left of the old folder goes with the temporary one.
}

/// Makes the folder that a file or folder is to lie in, where it is not there.
///
/// # Errors
/// It cannot be made.
pub fn make_parent(path: &Path) -> Result<(), WeightsError> {
    let parent = parent(path);
    fs::create_dir_all(&parent).map_err(WeightsError::write(&parent))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Temporary files are private to their owner; what is left behind should be as readable as any other file.
#[cfg(unix)]
fn readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let err = write_file(&folder.path().join("no/such/a.json"), b"x").unwrap_err();
        assert!(err.to_string().contains("no/such/a.json"), "{err}");
    }

    #[test]
    fn a_folder_that_fails_half_way_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let put = |text: &'static str| move |at: &Path| write_file(&at.join("a"), text.as_bytes());
        replace_folder(&path, put("one")).unwrap();
        let failed = replace_folder(&path, |at| {
            put("half")(at)?;
            Err(WeightsError::NoWeights { path: at.to_owned() })
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(path.join("a")).unwrap(), b"one");
        replace_folder(&path, put("two")).unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Features as a file that any program can read: named arrays of f32 in a safetensors file, or one array in a NumPy file.
//! They are written as they are computed, and the file appears whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::weights::draft_beside;

/// Why features were not written.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    #[error("{path} is there already and is not written over. Choose another name, or move it away.")]
    Exists { path: PathBuf },
    #[error("{path} ends in neither .safetensors nor .npy. Choose one of them.")]
    Extension { path: PathBuf },
    #[error("{path}: a .npy file holds one array, and {count} were asked for. Choose a .safetensors file.")]
    OneArray { path: PathBuf, count: usize },
    #[error("Could not write {path}: {err}. Check the free space and your rights there, or choose another path.")]
    Io { path: PathBuf, err: std::io::Error },
    #[error("{path}: {written} numbers were written, expected {expected}.")]
    Count {
        path: PathBuf,
        written: usize,
        expected: usize,
    },
}

/// A file under way. Arrays are written one after the other in the order in which they were named.
pub struct FeatureFile {
    file: BufWriter<NamedTempFile<File>>,
    path: PathBuf,
    written: usize,
    expected: usize,
}

impl FeatureFile {
    /// Whether a file of that name could be made, before hours of work are put into it.
    ///
    /// # Errors
    /// It is there already, or ends in something else.
    pub fn check(path: &Path) -> Result<(), FeatureError> {
        let path = path.to_owned();
        if path.exists() {
            return Err(FeatureError::Exists { path });
        }
        match extension(&path) {
            Some("safetensors" | "npy") => Ok(()),
            _ => Err(FeatureError::Extension { path }),
        }
    }

    /// Begins a file of these arrays, names with shapes; `about` becomes the safetensors file's metadata.
    ///
    /// # Errors
    /// As [`Self::check`]; or several arrays for a .npy file, or a folder that cannot be written to.
    pub fn create(path: &Path, arrays: &[(&str, Vec<usize>)], about: &[(&str, String)]) -> Result<Self, FeatureError> {
        Self::check(path)?;
        let head = if extension(path) == Some("npy") {
            let [(_, shape)] = arrays else {
                return Err(FeatureError::OneArray {
                    path: path.to_owned(),
                    count: arrays.len(),
                });
            };
            npy_head(shape)
        } else {
            safetensors_head(arrays, about)
        };
        let failed = io_error(path);
        let mut file = BufWriter::new(draft_beside(path).map_err(&failed)?);
        file.write_all(&head).map_err(&failed)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            written: 0,
            expected: arrays.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum(),
        })
    }

    /// The next numbers.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, values: &[f32]) -> Result<(), FeatureError> {
        self.written += values.len();
        let mut put = || {
            values
                .iter()
                .try_for_each(|value| self.file.write_all(&value.to_le_bytes()))
        };
        put().map_err(io_error(&self.path))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// It has not all of its numbers, or another file of that name has appeared.
    pub fn finish(self) -> Result<(), FeatureError> {
        let Self {
            file,
            path,
            written,
            expected,
        } = self;
        if written != expected {
            return Err(FeatureError::Count {
                path,
                written,
                expected,
            });
        }
        let failed = io_error(&path);
        let file = file.into_inner().map_err(|err| failed(err.into_error()))?;
        file.as_file().sync_all().map_err(&failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(()),
            Err(err) if err.error.kind() == std::io::ErrorKind::AlreadyExists => Err(FeatureError::Exists { path }),
            Err(err) => Err(failed(err.error)),
        }
    }
}

fn io_error(path: &Path) -> impl Fn(std::io::Error) -> FeatureError + use<> {
    let path = path.to_owned();
    move |err| FeatureError::Io {
        path: path.clone(),
        err,
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Length, then names, shapes and places as JSON; padded so that the numbers begin at a multiple of 8.
fn safetensors_head(arrays: &[(&str, Vec<usize>)], about: &[(&str, String)]) -> Vec<u8> {
    let about: Map<String, Value> = about
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let mut head = Map::from_iter([("__metadata__".to_owned(), Value::Object(about))]);
    let mut from = 0;
    for (name, shape) in arrays {
        let to = from + 4 * shape.iter().product::<usize>();
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, to] });
        head.insert((*name).to_owned(), entry);
        from = to;
    }
    let mut text = Value::Object(head).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes
}

/// Version 1.0: magic, length, a Python dictionary padded to a multiple of 64.
fn npy_head(shape: &[usize]) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = 10 + text.len() + 1;
    text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safetensors_library_reads_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.safetensors");
        let arrays = [("features", vec![2, 3]), ("actions", vec![2])];
        let mut file = FeatureFile::create(&path, &arrays, &[("checkpoint", "nano".to_owned())]).unwrap();
        file.write(&[1., 2., 3.]).unwrap();
        assert!(!path.exists());
        file.write(&[4., 5., 6., 7., 8.]).unwrap();
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let features = read.tensor("features").unwrap();
        assert_eq!(features.shape(), [2, 3]);
        assert_eq!(features.data()[20..], 6f32.to_le_bytes());
        assert_eq!(read.tensor("actions").unwrap().data()[..4], 7f32.to_le_bytes());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_npy_head_is_aligned_and_says_the_shape() {
        for shape in [vec![7], vec![3, 128], vec![12, 41, 16, 128]] {
            let head = npy_head(&shape);
            assert!(head.len().is_multiple_of(64));
            let text = String::from_utf8_lossy(&head[10..]).into_owned();
            let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
            assert!(
                text.contains(&format!("'shape': ({shape})")) && text.ends_with('\n'),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_written_over_cut_short_or_misnamed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let says = |err: FeatureError, part: &str| assert!(err.to_string().contains(part), "{err}");
        std::fs::write(at("old.npy"), "mine").unwrap();
        says(FeatureFile::check(&at("old.npy")).unwrap_err(), "not written over");
        says(FeatureFile::check(&at("new.txt")).unwrap_err(), ".safetensors");
        let two = [("a", vec![1]), ("b", vec![1])];
        says(
            FeatureFile::create(&at("new.npy"), &two, &[]).err().unwrap(),
            "one array",
        );
        let nowhere = FeatureFile::create(&at("no/new.npy"), &two[..1], &[]);
        says(nowhere.err().unwrap(), "Could not write");
        let short = FeatureFile::create(&at("new.npy"), &two[..1], &[]).unwrap();
        says(short.finish().unwrap_err(), "0 numbers were written, expected 1");
        assert!(!at("new.npy").exists());
        let mut late = FeatureFile::create(&at("new.npy"), &two[..1], &[]).unwrap();
        late.write(&[1.]).unwrap();
        std::fs::write(at("new.npy"), "mine").unwrap();
        says(late.finish().unwrap_err(), "not written over");
        assert_eq!(std::fs::read(at("new.npy")).unwrap(), b"mine");
    }
}

//! Safetensors of any size: the header is read at once, values only when they are asked for.
//!
//! Reads are positioned rather than memory-mapped. A mapping would need `unsafe`, and a file that shrinks under it
//! ends the program with a bus error; a read that fails is an ordinary error. Memory stays at one tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::tensor::{Dtype, Metadata};

use super::WeightsError;

/// Header length field of the format, bytes.
const LENGTH_BYTES: u64 = 8;
/// Headers above this are no headers.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A tensor's values, row-major, as f32 whatever they were on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// The tensors of one file, of a sharded set (`*.safetensors.index.json`) or of a folder.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    shard: Arc<Shard>,
    dtype: Dtype,
    shape: Vec<usize>,
    /// First byte in the file, and how many.
    start: u64,
    length: usize,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: Mutex<File>,
}

/// The index of a sharded set: which file holds which tensor.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Tensors {
    /// Opens a file, an index or a folder and reads the headers.
    ///
    /// # Errors
    /// It does not exist, is not safetensors, is shorter than its header says, or two files hold the same name.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut tensors = Self {
            path: path.to_owned(),
            entries: BTreeMap::new(),
        };
        if path.is_dir() {
            let files = weight_files(path)?;
            match files.iter().find(|file| is_index(file)) {
                Some(index) => tensors.add_index(index)?,
                None => {
                    for file in &files {
                        tensors.add_file(file, None)?;
                    }
                }
            }
        } else if is_index(path) {
            tensors.add_index(path)?;
        } else {
            tensors.add_file(path, None)?;
        }
        if tensors.entries.is_empty() {
            return Err(WeightsError::NoWeights { path: path.to_owned() });
        }
        Ok(tensors)
    }

    /// The same file without the tensors whose names `left_out` picks.
    pub fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        let kept = self.entries.iter().filter(|(name, _)| !left_out(name));
        Self {
            path: self.path.clone(),
            entries: kept.map(|(name, entry)| (name.clone(), entry.clone())).collect(),
        }
    }

    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// [`Tensors::read`], with numbers that can be computed with.
    ///
    /// # Errors
    /// As [`Tensors::read`], and where a value is infinite or not a number.
    pub fn read_finite(&self, name: &str) -> Result<NamedTensor, WeightsError> {
        let tensor = self.read(name)?;
        match tensor.values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(WeightsError::Damaged {
                path: self.path.clone(),
                what: format!("tensor {name} holds {value}, expected finite numbers"),
            }),
            None => Ok(tensor),
        }
    }

    /// The values of one tensor.
    ///
    /// # Errors
    /// There is no such tensor, its number format is not a float, or the file has changed since it was opened.
    pub fn read(&self, name: &str) -> Result<NamedTensor, WeightsError> {
        let entry = self.entries.get(name).ok_or_else(|| WeightsError::Damaged {
            path: self.path.clone(),
            what: format!("it has no tensor {name}"),
        })?;
        let bytes = entry.shard.bytes(entry.start, entry.length)?;
        let values = to_f32(entry.dtype, &bytes).ok_or_else(|| WeightsError::Dtype {
            path: entry.shard.path.clone(),
            name: name.to_owned(),
            dtype: format!("{:?}", entry.dtype).to_lowercase(),
        })?;
        Ok(NamedTensor {
            name: name.to_owned(),
            shape: entry.shape.clone(),
            values,
        })
    }

    fn add_index(&mut self, path: &Path) -> Result<(), WeightsError> {
        let text = std::fs::read_to_string(path).map_err(WeightsError::read(path))?;
        let index: Index = serde_json::from_str(&text).map_err(|err| WeightsError::Damaged {
            path: path.to_owned(),
            what: format!("it is no index: {err}"),
        })?;
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, file) in &index.weight_map {
            files.entry(file).or_default().push(name);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        for (file, names) in files {
            // An index names files beside it; anything else would read what the user did not choose.
            if Path::new(file).file_name().is_none_or(|name| name != file) {
                let what = format!("it names a file outside of its folder, {file}");
                return Err(WeightsError::Damaged {
                    path: path.to_owned(),
                    what,
                });
            }
            self.add_file(&folder.join(file), Some(&names))?;
        }
        Ok(())
    }

    /// Adds a file's tensors; with `only`, those and no others, all of which must be there.
    fn add_file(&mut self, path: &Path, only: Option<&[&str]>) -> Result<(), WeightsError> {
        let damaged = |what: String| WeightsError::Damaged {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(WeightsError::read(path))?;
        let size = file.metadata().map_err(WeightsError::read(path))?.len();
        let (metadata, data_at) = read_header(&mut file, size).map_err(|err| match err {
            Header::Io(err) => WeightsError::Read {
                path: path.to_owned(),
                err,
            },
            Header::Damaged(what) => damaged(what),
        })?;
        let shard = Arc::new(Shard {
            path: path.to_owned(),
            file: Mutex::new(file),
        });
        for (name, info) in metadata.tensors() {
            if only.is_some_and(|names| !names.contains(&name.as_str())) {
                continue;
            }
            let (from, to) = info.data_offsets;
            let entry = Entry {
                shard: Arc::clone(&shard),
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: data_at + from as u64,
                length: to - from,
            };
            if let Some(other) = self.entries.insert(name.clone(), entry) {
                return Err(damaged(format!(
                    "tensor {name} is also in {}",
                    other.shard.path.display()
                )));
            }
        }
        match only
            .into_iter()
            .flatten()
            .find(|name| !self.entries.contains_key(**name))
        {
            Some(missing) => Err(damaged(format!(
                "it lacks tensor {missing}, which the index says it holds"
            ))),
            None => Ok(()),
        }
    }
}

impl Shard {
    fn bytes(&self, start: u64, length: usize) -> Result<Vec<u8>, WeightsError> {
        // A panic while reading leaves nothing behind but a file position, which every read sets anew.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(start))
            .map_err(WeightsError::read(&self.path))?;
        file.read_exact(&mut bytes).map_err(WeightsError::read(&self.path))?;
        Ok(bytes)
    }
}

enum Header {
    Io(std::io::Error),
    Damaged(String),
}

/// The header, and where the data begin. The file must be exactly as long as the header says.
fn read_header(file: &mut File, size: u64) -> Result<(Metadata, u64), Header> {
    let damaged = |what: &str| Header::Damaged(what.to_owned());
    if size < LENGTH_BYTES {
        return Err(damaged("it is too short to be safetensors"));
    }
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length).map_err(Header::Io)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(damaged("it is not safetensors"));
    }
    if length > size - LENGTH_BYTES {
        return Err(damaged("it is not safetensors, or it is cut off within its header"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(Header::Io)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|err| Header::Damaged(format!("it is not safetensors: {err}")))?;
    // Parsing has checked that the tensors lie end to end and fill their shapes.
    let data_at = LENGTH_BYTES + length;
    let expected = data_at.saturating_add(metadata.data_len() as u64);
    if size < expected {
        return Err(Header::Damaged(format!(
            "it is cut off: {size} of {expected} bytes are there"
        )));
    }
    if size > expected {
        return Err(Header::Damaged(format!("it has {} bytes too many", size - expected)));
    }
    Ok((metadata, data_at))
}

fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Dtype::F16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    })
}

fn is_index(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.ends_with(".safetensors.index.json"))
}

/// Weight files and indices of a folder, sorted; what is being written is left out.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(WeightsError::read(folder))? {
        let path = item.map_err(WeightsError::read(folder))?.path();
        let hidden = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_none_or(|name| name.starts_with('.'));
        let weights = path.extension().is_some_and(|extension| extension == "safetensors");
        if !hidden && (weights || is_index(&path)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::weights::write_tensors;

    fn tensor(name: &str, shape: &[usize], first: f32) -> NamedTensor {
        let count = shape.iter().product();
        NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            values: (0..count).map(|i| first + i as f32).collect(),
        }
    }

    #[test]
    fn a_folder_and_an_index_read_like_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (tensor("a.weight", &[2, 3], 0.5), tensor("b", &[4], -1.0));
        write_tensors(&folder.path().join("one.safetensors"), std::slice::from_ref(&a)).unwrap();
        write_tensors(&folder.path().join("two.safetensors"), std::slice::from_ref(&b)).unwrap();
        let whole = Tensors::open(folder.path()).unwrap();
        assert_eq!(whole.names().collect::<Vec<_>>(), ["a.weight", "b"]);
        assert_eq!(whole.read("a.weight").unwrap(), a);

        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, r#"{"metadata": {}, "weight_map": {"b": "two.safetensors"}}"#).unwrap();
        let part = Tensors::open(&index).unwrap();
        assert_eq!(part.names().collect::<Vec<_>>(), ["b"]);
        assert_eq!(part.read("b").unwrap(), b);

        for (text, expected) in [
            (r#"{"weight_map": {"c": "two.safetensors"}}"#, "lacks tensor c"),
            (
                r#"{"weight_map": {"b": "../two.safetensors"}}"#,
                "outside of its folder",
            ),
            (r#"{"weight_map": 3}"#, "no index"),
        ] {
            std::fs::write(&index, text).unwrap();
            let err = Tensors::open(&index).unwrap_err().to_string();
            assert!(err.contains(expected), "{err}");
        }
    }

    #[test]
    fn number_formats_become_f32() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let values = [1.5f32, -2.0, 0.25];
        let half: Vec<u8> = values
            .iter()
            .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
            .collect();
        let brain: Vec<u8> = values
            .iter()
            .flat_map(|v| half::bf16::from_f32(*v).to_le_bytes())
            .collect();
        let double: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
        let whole: Vec<u8> = [1i64, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = |dtype, bytes| safetensors::tensor::TensorView::new(dtype, vec![3], bytes).unwrap();
        let views = [
            ("half", view(Dtype::F16, &half)),
            ("brain", view(Dtype::BF16, &brain)),
            ("double", view(Dtype::F64, &double)),
            ("whole", view(Dtype::I64, &whole)),
        ];
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let tensors = Tensors::open(&path).unwrap();
        for name in ["half", "brain", "double"] {
            assert_eq!(tensors.read(name).unwrap().values, values);
        }
        let err = tensors.read("whole").unwrap_err().to_string();
        assert!(err.contains("tensor whole is i64, expected f32"), "{err}");
    }

    #[test]
    fn a_file_that_is_cut_off_or_foreign_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_tensors(&path, &[tensor("a", &[8, 8], 0.0)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for keep in [0, 4, 8, 30, whole.len() - 1] {
            std::fs::write(&path, &whole[..keep]).unwrap();
            let err = Tensors::open(&path).unwrap_err().to_string();
            assert!(
                err.contains("model.safetensors") && err.contains("another file"),
                "{err}"
            );
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(
            Tensors::open(&path)
                .unwrap_err()
                .to_string()
                .contains("1 bytes too many")
        );
        std::fs::write(&path, b"#!/bin/sh\necho this is a script\n").unwrap();
        assert!(
            Tensors::open(&path)
                .unwrap_err()
                .to_string()
                .contains("not safetensors")
        );
        assert!(matches!(
            Tensors::open(&folder.path().join("none")),
            Err(WeightsError::Read { .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            Tensors::open(folder.path()),
            Err(WeightsError::NoWeights { .. })
        ));

        // Cut off after it was opened: an error, not the end of the program.
        std::fs::write(&path, &whole).unwrap();
        let tensors = Tensors::open(&path).unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(100)
            .unwrap();
        assert!(tensors.read("a").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..300, byte in any::<u8>(), keep in 0usize..400) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.safetensors");
            write_tensors(&path, &[tensor("a", &[4, 4], 0.0), tensor("b", &[3], 0.0)]).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            bytes.truncate(keep.max(1));
            std::fs::write(&path, bytes).unwrap();
            if let Ok(tensors) = Tensors::open(&path) {
                for name in tensors.names() {
                    let _ = tensors.read(name);
                }
            }
        }
    }
}

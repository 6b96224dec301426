//! Results as they come, one JSON line each, so that a measurement of hours can be stopped and goes on where it was. The
//! first line says what was measured with; another measurement does not go on from it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("Could not keep {path}: {err}.")]
    Io { path: PathBuf, err: std::io::Error },
    #[error("{path} holds results of another measurement. Delete it, or choose another --out.")]
    Other { path: PathBuf },
    #[error("A result is no JSON: {0}.")]
    Content(#[from] serde_json::Error),
}

/// An open file of results.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal at `path`, or begins it with `head`; gives the results that it holds. A line that was cut off is
    /// thrown away, with all behind it.
    ///
    /// # Errors
    /// The file cannot be read or written, or its head is another one.
    pub fn open<T: DeserializeOwned>(path: &Path, head: &Value) -> Result<(Self, Vec<T>), JournalError> {
        let io = |err| JournalError::Io {
            path: path.to_owned(),
            err,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => String::new(),
            Err(err) => return Err(io(err)),
        };
        let mut whole = 0;
        let mut results = Vec::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if !line.ends_with('\n') {
                break;
            }
            if number == 0 {
                if serde_json::from_str::<Value>(line).ok().as_ref() != Some(head) {
                    return Err(JournalError::Other { path: path.to_owned() });
                }
            } else if let Ok(result) = serde_json::from_str(line) {
                results.push(result);
            } else {
                break;
            }
            whole += line.len();
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(io)?;
        file.set_len(whole as u64).map_err(io)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
        };
        if whole == 0 {
            journal.append(head)?;
        }
        Ok((journal, results))
    }

    /// Writes one result, to the disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append<T: Serialize>(&mut self, result: &T) -> Result<(), JournalError> {
        let line = serde_json::to_string(result)? + "\n";
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        written.map_err(|err| self.io(err))
    }

    /// Deletes the journal: its results stand elsewhere now.
    ///
    /// # Errors
    /// The file cannot be deleted.
    pub fn delete(self) -> Result<(), JournalError> {
        std::fs::remove_file(&self.path).map_err(|err| self.io(err))
    }

    fn io(&self, err: std::io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            err,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_kept_a_cut_line_is_not_and_another_measurement_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let head = json!({ "seed": 1 });
        let (mut journal, results) = Journal::open::<f64>(&path, &head).unwrap();
        assert!(results.is_empty());
        [0.1, 0.25].iter().for_each(|result| journal.append(result).unwrap());
        drop(journal);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("0.");
        std::fs::write(&path, text).unwrap();
        let (mut journal, results) = Journal::open::<f64>(&path, &head).unwrap();
        assert_eq!(results, [0.1, 0.25]);
        journal.append(&0.5).unwrap();
        assert_eq!(Journal::open::<f64>(&path, &head).unwrap().1, [0.1, 0.25, 0.5]);
        let refused = Journal::open::<f64>(&path, &json!({ "seed": 2 }))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("x.jsonl holds results of another measurement"),
            "{refused}"
        );
        journal.delete().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_was_cut_in_its_first_line_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        std::fs::write(&path, "{\"se").unwrap();
        let (_, results) = Journal::open::<f64>(&path, &json!({ "seed": 1 })).unwrap();
        assert!(results.is_empty());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"seed\":1}\n");
    }
}

//! A checkpoint folder: `config.json`, `*.safetensors` with the keys `encoder.` `target_encoder.` `predictor.`
//! `heads.` `gpi.` `vlm.` `policy.` `latent_stats.`, `tokenizer.json` and `card.md`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{NamedTensor, Tensors, WeightsError, atomic, write_tensors};
use crate::config::Config;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const CARD: &str = "card.md";

/// A checkpoint that can be loaded from: its configuration is valid and its files are whole.
#[derive(Debug)]
pub struct Checkpoint {
    pub folder: PathBuf,
    /// The folder's name, as records and plans call it.
    pub name: String,
    pub config: Config,
    pub tensors: Tensors,
    /// Identity of what it computes, see [`content_hash`].
    pub hash: String,
}

impl Checkpoint {
    /// # Errors
    /// The folder lacks a file, the configuration is invalid, or the weights are damaged.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let config = folder.join(CONFIG);
        let text = std::fs::read_to_string(&config).map_err(|err| match err.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => WeightsError::NoCheckpoint {
                path: folder.to_owned(),
            },
            _ => WeightsError::read(&config)(err),
        })?;
        let config = Config::from_json(&text, &config.display().to_string())?;
        let tensors = Tensors::open(folder)?;
        let hash = content_hash(folder)?;
        // "." and ".." have no name of their own.
        let named = folder.canonicalize().map_err(WeightsError::read(folder))?;
        let name = named
            .file_name()
            .map_or_else(|| "checkpoint".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Self {
            folder: folder.to_owned(),
            name,
            config,
            tensors,
            hash,
        })
    }

    /// Whether a folder looks like a checkpoint.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(CONFIG).is_file()
    }

    /// The tokenizer's file, if this checkpoint has a VLM.
    pub fn tokenizer(&self) -> Option<PathBuf> {
        Some(self.folder.join(TOKENIZER)).filter(|path| path.is_file())
    }

    /// Whether a checkpoint may be written there: over nothing, over an empty folder or over another checkpoint. Anything
    /// else would be lost.
    ///
    /// # Errors
    /// The path is a file, or a folder that holds something else.
    pub fn may_write(folder: &Path) -> Result<(), WeightsError> {
        strangers(folder).map(|_| ())
    }

    /// Writes a checkpoint folder whole, replacing one that is there; files of the user's own in it are kept.
    ///
    /// # Errors
    /// The folder holds something else than a checkpoint, or the folder beside it cannot be written to.
    pub fn write(
        folder: &Path,
        config: &Config,
        tensors: &[NamedTensor],
        tokenizer_json: Option<&[u8]>,
        card: &str,
    ) -> Result<(), WeightsError> {
        let strangers = strangers(folder)?;
        atomic::replace_folder(folder, |at| {
            for stranger in &strangers {
                if let Some(name) = stranger.file_name() {
                    std::fs::copy(stranger, at.join(name)).map_err(WeightsError::write(stranger))?;
                }
            }
            let path = at.join(CONFIG);
            let mut text = serde_json::to_string_pretty(config).map_err(|err| WeightsError::Write {
                path: path.clone(),
                err: err.into(),
            })?;
            text.push('\n');
            atomic::write_file(&path, text.as_bytes())?;
            write_tensors(&at.join(WEIGHTS), tensors)?;
            if let Some(json) = tokenizer_json {
                atomic::write_file(&at.join(TOKENIZER), json)?;
            }
            atomic::write_file(&at.join(CARD), card.as_bytes())
        })
    }
}

/// Files in a checkpoint's folder that are not part of it; none where the folder is empty or not there.
fn strangers(folder: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let occupied = || WeightsError::Occupied {
        path: folder.to_owned(),
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    if !folder.is_dir() {
        return Err(occupied());
    }
    let mut strangers = Vec::new();
    let mut empty = true;
    for item in std::fs::read_dir(folder).map_err(WeightsError::read(folder))? {
        let path = item.map_err(WeightsError::read(folder))?.path();
        empty = false;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if path.is_dir() {
            return Err(occupied());
        }
        let ours = [CONFIG, TOKENIZER, CARD].contains(&name.as_str()) || name.ends_with(".safetensors");
        if !ours {
            strangers.push(path);
        }
    }
    if empty || Checkpoint::is_at(folder) {
        Ok(strangers)
    } else {
        Err(occupied())
    }
}

/// BLAKE3 over the names and bytes of what a checkpoint computes with: configuration, weights and tokenizer. The card
/// may be reworded without giving the checkpoint another identity.
///
/// # Errors
/// A file cannot be read.
pub fn content_hash(folder: &Path) -> Result<String, WeightsError> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(WeightsError::read(folder))? {
        let path = item.map_err(WeightsError::read(folder))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let counts = name.ends_with(".safetensors") || name.ends_with(".json");
        if counts && !name.starts_with('.') && path.is_file() {
            files.push((name, path));
        }
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for (name, path) in files {
        let bytes = path.metadata().map_err(WeightsError::read(&path))?.len();
        hasher
            .update(&(name.len() as u64).to_le_bytes())
            .update(name.as_bytes())
            .update(&bytes.to_le_bytes());
        let file = std::fs::File::open(&path).map_err(WeightsError::read(&path))?;
        hasher.update_reader(file).map_err(WeightsError::read(&path))?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    fn write(folder: &Path, value: f32, card: &str) {
        let tensor = NamedTensor {
            name: "encoder.pos".to_owned(),
            shape: vec![2],
            values: vec![value, 2.0],
        };
        Checkpoint::write(folder, &preset("nano").unwrap(), &[tensor], Some(b"{}"), card).unwrap();
    }

    #[test]
    fn the_hash_follows_what_is_computed_and_not_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        write(&path, 1.0, "a card");
        let first = Checkpoint::open(&path).unwrap();
        assert_eq!((first.name.as_str(), &first.config), ("mine", &preset("nano").unwrap()));
        assert!(first.tokenizer().is_some());
        write(&path, 1.0, "another card");
        assert_eq!(content_hash(&path).unwrap(), first.hash);
        write(&path, 1.5, "a card");
        assert_ne!(content_hash(&path).unwrap(), first.hash);
    }

    #[test]
    fn nothing_but_a_checkpoint_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        write(&path, 1.0, "");
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        write(&path, 2.0, "");
        assert_eq!(std::fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
        for other in [folder.path().to_owned(), path.join("notes.txt")] {
            let err = Checkpoint::may_write(&other).unwrap_err().to_string();
            assert!(err.contains("no checkpoint"), "{err}");
            let written = Checkpoint::write(&other, &preset("nano").unwrap(), &[], None, "");
            assert!(written.is_err() && path.join("notes.txt").is_file());
        }
        assert!(Checkpoint::may_write(&folder.path().join("new")).is_ok());
    }

    #[test]
    fn a_broken_folder_says_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let err = Checkpoint::open(folder.path()).unwrap_err().to_string();
        assert!(err.contains("config.json"), "{err}");
        let path = folder.path().join("mine");
        write(&path, 1.0, "");
        let text = std::fs::read_to_string(path.join(CONFIG)).unwrap();
        std::fs::write(path.join(CONFIG), text.replace("\"horizon\": 5", "\"horizon\": 0")).unwrap();
        let err = Checkpoint::open(&path).unwrap_err().to_string();
        assert!(err.contains("config.json: plan.horizon is 0, expected 1"), "{err}");
    }
}

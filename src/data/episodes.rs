//! Episodes on disk, opened for reading. The big arrays stay there: reads go through the system's file cache, which
//! keeps in memory what is used often, and a file that was cut short is an error instead of a fault.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::format::{FILES, PROPRIO, StoreError, StoreMeta, decode_state, has_shard, shard_folder};
use crate::sim::{Action, Frame, WorldState};

/// Episodes on disk, opened for reading from any thread.
#[derive(Debug)]
pub struct EpisodeStore {
    folder: PathBuf,
    meta: StoreMeta,
    shards: Vec<Shard>,
    /// `[E, T, 3]`
    actions: Vec<f32>,
    /// `[E, T+1, 4]`
    proprio: Vec<f32>,
}

#[derive(Debug)]
struct Shard {
    frames: SharedFile,
    states: SharedFile,
}

impl EpisodeStore {
    /// Opens a finished store.
    ///
    /// # Errors
    /// No store there, an unfinished one, or files of another size than `meta.json` says.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, StoreError> {
        let folder = folder.as_ref();
        let meta = StoreMeta::read(folder)?;
        let missing: usize = (0..meta.shards())
            .filter(|&s| !has_shard(folder, s))
            .map(|s| meta.shard_episodes(s).len())
            .sum();
        if missing > 0 {
            let (have, expected) = (meta.episodes - missing, meta.episodes);
            return Err(StoreError::Unfinished {
                folder: folder.display().to_string(),
                have,
                expected,
            });
        }
        let (mut shards, mut actions, mut proprio) = (vec![], vec![], vec![]);
        for index in 0..meta.shards() {
            let place = shard_folder(folder, index);
            for (name, expected) in FILES.iter().zip(meta.file_bytes(index)) {
                let path = place.join(name);
                let shown = path.display().to_string();
                let have = std::fs::metadata(&path)
                    .map_err(|err| StoreError::Read {
                        path: shown.clone(),
                        err,
                    })?
                    .len();
                if have != expected {
                    return Err(StoreError::Size {
                        path: shown,
                        have,
                        expected,
                    });
                }
            }
            actions.extend(read_floats(&place.join("actions.f32"))?);
            proprio.extend(read_floats(&place.join("proprio.f32"))?);
            shards.push(Shard {
                frames: SharedFile::open(place.join("frames.u8"))?,
                states: SharedFile::open(place.join("states.f32"))?,
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
            meta,
            shards,
            actions,
            proprio,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn meta(&self) -> &StoreMeta {
        &self.meta
    }

    /// Number of episodes, E.
    pub fn episodes(&self) -> usize {
        self.meta.episodes
    }

    /// Actions per episode, T.
    pub fn steps(&self) -> usize {
        self.meta.steps
    }

    /// Reads frames of an episode into `out`, `[frames, 3, px, px]`.
    ///
    /// # Errors
    /// Frames that the store does not have, or a disk that fails.
    pub fn read_frames(&self, episode: usize, frames: Range<usize>, out: &mut [u8]) -> Result<(), StoreError> {
        self.check(episode, &frames)?;
        let bytes = self.meta.frame_bytes();
        let (shard, index) = (
            episode / self.meta.episodes_per_shard,
            episode % self.meta.episodes_per_shard,
        );
        let at = (index * (self.meta.steps + 1) + frames.start) * bytes;
        let length = frames.len() * bytes;
        if out.len() != length {
            let count = out.len() / bytes;
            return Err(StoreError::Range {
                episode,
                frames,
                episodes: self.meta.episodes,
                count,
            });
        }
        self.shards[shard].frames.read_at(at as u64, out)
    }

    /// All frames of an episode, `T + 1`.
    ///
    /// # Errors
    /// As [`Self::read_frames`].
    pub fn frames(&self, episode: usize) -> Result<Vec<Frame>, StoreError> {
        let (frames, bytes, size) = (self.meta.steps + 1, self.meta.frame_bytes(), self.meta.frame_px);
        let mut pixels = vec![0; frames * bytes];
        self.read_frames(episode, 0..frames, &mut pixels)?;
        let frame = |rgb: &[u8]| Frame {
            width: size,
            height: size,
            rgb: rgb.into(),
        };
        Ok(pixels.chunks_exact(bytes).map(frame).collect())
    }

    /// The action between two frames.
    pub fn action(&self, episode: usize, step: usize) -> Action {
        let at = 3 * (episode * self.meta.steps + step);
        [self.actions[at], self.actions[at + 1], self.actions[at + 2]]
    }

    /// Gripper x, y in metres, suction, holding (each -1 or 1).
    pub fn proprio(&self, episode: usize, frame: usize) -> [f32; PROPRIO] {
        let at = PROPRIO * (episode * (self.meta.steps + 1) + frame);
        std::array::from_fn(|i| self.proprio[at + i])
    }

    /// The truth at that frame: for read-out probes and evaluation, never for training.
    ///
    /// # Errors
    /// A frame that the store does not have, or a disk that fails.
    pub fn state(&self, episode: usize, frame: usize) -> Result<WorldState, StoreError> {
        self.check(episode, &(frame..frame + 1))?;
        let length = self.meta.state_len();
        let (shard, index) = (
            episode / self.meta.episodes_per_shard,
            episode % self.meta.episodes_per_shard,
        );
        let mut values = vec![0f32; length];
        let at = 4 * length * (index * (self.meta.steps + 1) + frame);
        self.shards[shard]
            .states
            .read_at(at as u64, bytemuck::cast_slice_mut(&mut values))?;
        Ok(decode_state(&self.meta, &values))
    }

    fn check(&self, episode: usize, frames: &Range<usize>) -> Result<(), StoreError> {
        let (episodes, count) = (self.meta.episodes, self.meta.steps + 1);
        if episode < episodes && frames.start <= frames.end && frames.end <= count {
            return Ok(());
        }
        Err(StoreError::Range {
            episode,
            frames: frames.clone(),
            episodes,
            count,
        })
    }
}

fn read_floats(path: &Path) -> Result<Vec<f32>, StoreError> {
    let bytes = std::fs::read(path).map_err(|err| StoreError::Read {
        path: path.display().to_string(),
        err,
    })?;
    Ok(bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&chunk| f32::from_le_bytes(chunk))
        .collect())
}

/// A file that several threads read at once, each where it wants.
#[derive(Debug)]
struct SharedFile {
    file: File,
    path: PathBuf,
}

impl SharedFile {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::open(&path).map_err(|err| StoreError::Read {
            path: path.display().to_string(),
            err,
        })?;
        Ok(Self { file, path })
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), StoreError> {
        self.read_exact_at(at, out).map_err(|err| StoreError::Read {
            path: self.path.display().to_string(),
            err,
        })
    }

    #[cfg(unix)]
    fn read_exact_at(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, at)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut at: u64, mut out: &mut [u8]) -> std::io::Result<()> {
        while !out.is_empty() {
            let count = std::os::windows::fs::FileExt::seek_read(&self.file, out, at)?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            at += count as u64;
            out = &mut out[count..];
        }
        Ok(())
    }
}

//! The format of episodes on disk: one folder with `meta.json` and one sub-folder per shard of episodes. Each shard
//! holds raw little-endian arrays, so that any program can read them:
//!
//! - `frames.u8` `[E, T+1, 3, px, px]`, RGB
//! - `actions.f32` `[E, T, 3]`
//! - `proprio.f32` `[E, T+1, 4]`: gripper x, y in metres, suction, holding (each -1 or 1): what a robot knows of itself
//! - `states.f32` `[E, T+1, S]`: the true state, for read-out probes and evaluation alone (layout: [`StoreMeta::state_len`])
//!
//! Schema 2 is that of tables with bins, cylinders, or blocks that look otherwise in every episode; what schema 1 can say is
//! written in schema 1.
//!
//! A shard appears whole or not at all: it is written beside its place and then renamed.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sim::{BinState, BlockState, PadState, Shape, Variety, WorldState};

/// What `meta.json` calls this format: of blocks that are boxes and stay as they are, and of whatever else there is.
const SCHEMAS: [&str; 2] = ["thinkjepa.episodes/1", "thinkjepa.episodes/2"];
/// Numbers of proprioception per frame.
pub const PROPRIO: usize = 4;
/// Names of a shard's files.
pub(super) const FILES: [&str; 4] = ["frames.u8", "actions.f32", "proprio.f32", "states.f32"];

/// What is in a store and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreMeta {
    pub schema: String,
    pub scene: String,
    pub seed: u64,
    pub episodes: usize,
    /// Actions per episode; there is one frame more.
    pub steps: usize,
    pub frame_px: usize,
    pub episodes_per_shard: usize,
    /// Hash of one episode as the program made it: the same in every program that would go on alike.
    pub fingerprint: String,
    /// Names, colours and sizes of what is on the table; the places in it mean nothing.
    pub objects: WorldState,
    /// What colours, shapes and sizes blocks are drawn from in each episode.
    #[serde(default, skip_serializing_if = "Variety::is_empty")]
    pub variety: Variety,
}

/// Why episodes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "There are no episodes in {folder}: it has no meta.json. Make them with `thinkjepa datagen --out {folder}`."
    )]
    Missing { folder: String },
    #[error("Could not read {path}: {err}.")]
    Read { path: String, err: std::io::Error },
    #[error("Could not write {path}: {err}.")]
    Write { path: String, err: std::io::Error },
    #[error("Could not read {path}: {err}.")]
    Meta { path: String, err: serde_json::Error },
    #[error("{path}: {field} is {value}, expected {expected}.")]
    Value {
        path: String,
        field: &'static str,
        value: String,
        expected: String,
    },
    #[error("{folder} has {have} of its {expected} episodes. Run the same `thinkjepa datagen` again to finish it.")]
    Unfinished {
        folder: String,
        have: usize,
        expected: usize,
    },
    #[error("{path} has {have} bytes, expected {expected}. Delete its folder and run `thinkjepa datagen` again.")]
    Size { path: String, have: u64, expected: u64 },
    #[error("Asked for frames {frames:?} of episode {episode}; the store has {episodes} episodes of {count} frames.")]
    Range {
        episode: usize,
        frames: Range<usize>,
        episodes: usize,
        count: usize,
    },
}

/// Arrays of one shard in memory, ready to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ShardData {
    pub frames: Vec<u8>,
    pub actions: Vec<f32>,
    pub proprio: Vec<f32>,
    pub states: Vec<f32>,
}

impl StoreMeta {
    /// The schema that says all of such a table.
    pub(super) fn schema_of(objects: &WorldState, variety: &Variety) -> String {
        let boxes = objects.blocks.iter().all(|block| block.shape == Shape::Cuboid);
        let plain = boxes && objects.bins.is_empty() && variety.is_empty();
        SCHEMAS[usize::from(!plain)].to_owned()
    }

    /// Numbers of a stored state: gripper x, y; suction 0 or 1; index of the held block or -1; per block its centre x, y,
    /// z, its rotation x, y, z, w and, where blocks differ from episode to episode, the number of its look, its half width
    /// and its height; per pad and then per bin its centre x, y.
    pub fn state_len(&self) -> usize {
        let of_block = if self.variety.is_empty() { 7 } else { 10 };
        4 + of_block * self.objects.blocks.len() + 2 * (self.objects.pads.len() + self.objects.bins.len())
    }

    /// Shards of the store.
    pub fn shards(&self) -> usize {
        self.episodes.div_ceil(self.episodes_per_shard)
    }

    /// Episodes of one shard; the last may have fewer.
    pub fn shard_episodes(&self, shard: usize) -> Range<usize> {
        let first = shard * self.episodes_per_shard;
        first..(first + self.episodes_per_shard).min(self.episodes)
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> usize {
        3 * self.frame_px * self.frame_px
    }

    /// Reads and checks `meta.json`.
    ///
    /// # Errors
    /// No such file, or it is not of this format.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("meta.json");
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound => StoreError::Missing {
                folder: folder.display().to_string(),
            },
            _ => StoreError::Read {
                path: shown.clone(),
                err,
            },
        })?;
        let meta: Self = serde_json::from_str(&text).map_err(|err| StoreError::Meta {
            path: shown.clone(),
            err,
        })?;
        let refuse = |field, value: String, expected: &str| {
            Err(StoreError::Value {
                path: shown.clone(),
                field,
                value,
                expected: expected.to_owned(),
            })
        };
        if !SCHEMAS.contains(&meta.schema.as_str()) {
            return refuse("schema", format!("{:?}", meta.schema), &SCHEMAS.join(" or "));
        }
        if meta.episodes_per_shard == 0 {
            return refuse("episodes_per_shard", "0".into(), "at least 1");
        }
        if meta.steps == 0 {
            return refuse("steps", "0".into(), "at least 1");
        }
        if !(1..=4096).contains(&meta.frame_px) {
            return refuse("frame_px", meta.frame_px.to_string(), "1 to 4096");
        }
        Ok(meta)
    }

    /// Writes `meta.json`, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let path = folder.join("meta.json");
        let refuse = |err| StoreError::Write {
            path: path.display().to_string(),
            err,
        };
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(refuse)?;
        let text = serde_json::to_string_pretty(self).map_err(|err| StoreError::Meta {
            path: path.display().to_string(),
            err,
        })?;
        file.write_all(text.as_bytes()).map_err(refuse)?;
        file.persist(&path).map_err(|err| refuse(err.error))?;
        Ok(())
    }

    /// Bytes of each of the [`FILES`] of a shard.
    pub(super) fn file_bytes(&self, shard: usize) -> [u64; 4] {
        let episodes = self.shard_episodes(shard).len();
        let frames = episodes * (self.steps + 1);
        [
            frames * self.frame_bytes(),
            4 * episodes * self.steps * 3,
            4 * frames * PROPRIO,
            4 * frames * self.state_len(),
        ]
        .map(|bytes| bytes as u64)
    }
}

impl ShardData {
    /// Adds the frame, what the robot knows and the truth of one moment.
    pub fn push(&mut self, frame: &[u8], state: &WorldState, variety: &Variety) {
        self.frames.extend_from_slice(frame);
        self.proprio.extend(state.proprioception());
        encode_state(state, variety, &mut self.states);
    }

    /// Appends another piece.
    pub fn append(&mut self, other: &Self) {
        self.frames.extend_from_slice(&other.frames);
        self.actions.extend_from_slice(&other.actions);
        self.proprio.extend_from_slice(&other.proprio);
        self.states.extend_from_slice(&other.states);
    }

    /// Writes the shard, whole or not at all.
    pub fn write(&self, folder: &Path, shard: usize) -> Result<(), StoreError> {
        let place = shard_folder(folder, shard);
        let refuse = |err| StoreError::Write {
            path: place.display().to_string(),
            err,
        };
        let unfinished = tempfile::Builder::new()
            .prefix(".shard-")
            .tempdir_in(folder)
            .map_err(refuse)?;
        let arrays: [&[u8]; 4] = [
            &self.frames,
            bytemuck::cast_slice(&self.actions),
            bytemuck::cast_slice(&self.proprio),
            bytemuck::cast_slice(&self.states),
        ];
        for (name, bytes) in FILES.iter().zip(arrays) {
            let mut file = File::create(unfinished.path().join(name)).map_err(refuse)?;
            file.write_all(bytes).map_err(refuse)?;
            file.sync_all().map_err(refuse)?;
        }
        std::fs::rename(unfinished.path(), &place).map_err(refuse)?;
        // Nothing is left to be cleaned up under the old name.
        let _ = unfinished.keep();
        Ok(())
    }
}

fn encode_state(state: &WorldState, variety: &Variety, out: &mut Vec<f32>) {
    out.extend(state.gripper_m);
    out.push(f32::from(u8::from(state.suction)));
    out.push(state.held.map_or(-1., |held| held as f32));
    for (index, block) in state.blocks.iter().enumerate() {
        out.extend(block.position_m);
        out.extend(block.rotation);
        if !variety.is_empty() {
            let look = variety.look_of(index, &block.name).unwrap_or(0);
            out.extend([look as f32, block.half_m, block.height_m]);
        }
    }
    for pad in &state.pads {
        out.extend(pad.position_m);
    }
    for bin in &state.bins {
        out.extend(bin.position_m);
    }
}

pub(super) fn decode_state(meta: &StoreMeta, values: &[f32]) -> WorldState {
    let objects = &meta.objects;
    let mut values = values.iter().copied();
    let mut next = || values.next().unwrap_or(0.);
    let gripper_m = [next(), next()];
    let suction = next() > 0.5;
    let held = next();
    let blocks = objects.blocks.iter().enumerate().map(|(index, block)| {
        let mut block = BlockState {
            position_m: [next(), next(), next()],
            rotation: [next(), next(), next(), next()],
            ..block.clone()
        };
        if let Some(looks) = meta.variety.looks.get(index) {
            if let Some(look) = looks.get(next() as usize) {
                block.name.clone_from(&look.name);
                (block.colour, block.shape) = (look.colour, look.shape);
            }
            (block.half_m, block.height_m) = (next(), next());
        }
        block
    });
    let blocks = blocks.collect();
    let pads = objects
        .pads
        .iter()
        .map(|pad| PadState {
            position_m: [next(), next()],
            ..pad.clone()
        })
        .collect();
    let bins = objects.bins.iter().map(|bin| BinState {
        position_m: [next(), next()],
        ..bin.clone()
    });
    let bins = bins.collect();
    WorldState {
        gripper_m,
        suction,
        held: (held >= 0.).then_some(held as usize),
        blocks,
        pads,
        bins,
    }
}

pub(super) fn shard_folder(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}"))
}

pub(super) fn has_shard(folder: &Path, shard: usize) -> bool {
    shard_folder(folder, shard).is_dir()
}

//! Training data: episodes of the tabletop on disk, and the clips that training draws from them.

mod clips;
mod datagen;
mod episodes;

pub use clips::{ClipBatch, ClipSampler};
pub use datagen::{DatagenError, GenerateSettings, generate};
pub use episodes::{EpisodeStore, StoreError, StoreMeta};

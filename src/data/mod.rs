//! Training data: episodes of the tabletop on disk, the clips that training draws from them, and the examples that the
//! vision-language model is instructed with, and the demonstrations that the baseline's policy clones.

mod clips;
mod datagen;
mod demonstrations;
mod episodes;
mod event_clips;
mod features;
mod format;
mod goals;
mod instruct;

pub use crate::vlm::History;
pub use clips::{ClipBatch, ClipSampler};
pub use datagen::{DatagenError, GenerateSettings, generate};
pub use demonstrations::{Demonstrations, Shown};
pub use episodes::EpisodeStore;
pub use event_clips::{ClipSplit, EventClips, EventClipsError, event_clips};
pub use features::{FeatureError, FeatureFile};
pub use format::{StoreError, StoreMeta};
pub use goals::{GoalExample, GoalScene, GoalScenes};
pub use instruct::{Facts, InstructExample, Instructions, Lesson, Span, fact_classes, target_map};

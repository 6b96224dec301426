//! A trained classifier on disk: a folder with `finetuned.json`, which says what it is, and `model.safetensors` with the
//! keys `encoder.` and `head.`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Classifier, Rates, Score};
use crate::config::{PlanEncoder, WorldModelConfig};
use crate::sim::{EVENT_FRAMES, Event};
use crate::weights::{
    Remap, Tensors, WeightsError, collect, load, make_parent, replace_folder, write_file, write_tensors,
};

/// Name of the format.
pub const TUNED_SCHEMA: &str = "thinkjepa.finetuned/1";
const ABOUT: &str = "finetuned.json";
const WEIGHTS: &str = "model.safetensors";
const ENCODER: &str = "encoder.";
const HEAD: &str = "head.";

/// What a classifier is and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedAbout {
    pub schema: String,
    /// In the order of the head's scores.
    pub classes: Vec<Event>,
    pub frames: usize,
    /// Preset of the checkpoint.
    pub preset: String,
    /// Name and content hash of the checkpoint whose encoder it began with.
    pub checkpoint: String,
    pub checkpoint_hash: String,
    /// Which of the checkpoint's encoders.
    pub began_with: PlanEncoder,
    /// Sizes of the encoder, and of what it belongs to.
    pub world_model: WorldModelConfig,
    pub scene: String,
    /// Clips of each event that it was trained on.
    pub clips: usize,
    pub seed: u64,
    pub steps: usize,
    pub batch: usize,
    pub weight_decay: f64,
    pub rates: Rates,
    /// On the test clips of the same seed: a frozen encoder with an attentive head, and after training end to end.
    pub before: Score,
    pub after: Score,
}

/// A classifier and what is said of it.
pub struct Tuned {
    pub about: TunedAbout,
    pub classifier: Classifier,
}

impl Tuned {
    /// Writes the folder whole, replacing one of its kind.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<(), WeightsError> {
        may_write(folder)?;
        make_parent(folder)?;
        let mut tensors = collect(&self.classifier.encoder, ENCODER)?;
        tensors.extend(collect(&self.classifier.head, HEAD)?);
        let text = serde_json::to_string_pretty(&self.about).map_err(|err| WeightsError::Write {
            path: folder.join(ABOUT),
            err: err.into(),
        })?;
        replace_folder(folder, |at| {
            write_tensors(&at.join(WEIGHTS), &tensors)?;
            write_file(&at.join(ABOUT), format!("{text}\n").as_bytes())
        })
    }

    /// What the folder says of its classifier.
    ///
    /// # Errors
    /// There is no such folder, or it is another version's.
    pub fn about(folder: &Path) -> Result<TunedAbout, WeightsError> {
        let path = folder.join(ABOUT);
        let text = std::fs::read_to_string(&path).map_err(|err| WeightsError::Read {
            path: path.clone(),
            err,
        })?;
        let damaged = |what: String| WeightsError::Damaged {
            path: path.clone(),
            what,
        };
        let about: TunedAbout = serde_json::from_str(&text).map_err(|err| damaged(err.to_string()))?;
        let expected = (TUNED_SCHEMA, &Event::ALL[..], EVENT_FRAMES);
        let found = (about.schema.as_str(), &about.classes[..], about.frames);
        if found != expected {
            return Err(damaged(format!("it says {found:?}, expected {expected:?}")));
        }
        Ok(about)
    }

    /// # Errors
    /// The folder lacks a file, or its tensors do not fit.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, WeightsError> {
        let about = Self::about(folder)?;
        let tensors = Tensors::open(&folder.join(WEIGHTS))?;
        let fresh = Classifier::new(&about.world_model, device);
        let (encoder, _) = load(fresh.encoder, &tensors, ENCODER, &Remap::none())?;
        let (head, _) = load(fresh.head, &tensors, HEAD, &Remap::none())?;
        Ok(Self {
            classifier: Classifier {
                encoder,
                head,
                config: about.world_model.clone(),
            },
            about,
        })
    }
}

/// Whether a classifier may be written there: over nothing, over an empty folder or over another one.
///
/// # Errors
/// The path is a file, or a folder that holds something else, which would be lost.
pub fn may_write(folder: &Path) -> Result<(), WeightsError> {
    let occupied = || WeightsError::Occupied {
        path: folder.to_owned(),
    };
    if !folder.exists() {
        return Ok(());
    }
    if !folder.is_dir() {
        return Err(occupied());
    }
    let inside = std::fs::read_dir(folder).map_err(|err| WeightsError::Read {
        path: folder.to_owned(),
        err,
    })?;
    let names: Vec<PathBuf> = inside
        .filter_map(|item| item.ok().map(|item| item.file_name().into()))
        .collect();
    let ours = names
        .iter()
        .all(|name| [ABOUT, WEIGHTS].iter().any(|own| name == Path::new(own)));
    let whole = names.is_empty() || names.iter().any(|name| name == Path::new(ABOUT));
    if ours && whole { Ok(()) } else { Err(occupied()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::preset;
    use crate::data::{ClipSplit, event_clips};
    use crate::sim::Scene;

    fn about(config: &WorldModelConfig) -> TunedAbout {
        let nothing = Score::of(&[], &[]);
        TunedAbout {
            schema: TUNED_SCHEMA.to_owned(),
            classes: Event::ALL.to_vec(),
            frames: EVENT_FRAMES,
            preset: "nano".to_owned(),
            checkpoint: "nano".to_owned(),
            checkpoint_hash: "0".to_owned(),
            began_with: PlanEncoder::Target,
            world_model: config.clone(),
            scene: "three-blocks".to_owned(),
            clips: 1,
            seed: 3,
            steps: 1,
            batch: 2,
            weight_decay: 0.0,
            rates: Rates {
                encoder: 1e-4,
                head: 1e-3,
            },
            before: nothing.clone(),
            after: nothing,
        }
    }

    #[test]
    fn a_classifier_that_is_read_back_tells_the_same() {
        let device = Device::flex();
        device.seed(8);
        let config = preset("nano").unwrap().world_model;
        let cancel = AtomicBool::new(false);
        let scene = Scene::load("three-blocks").unwrap();
        let clips = event_clips(&scene, 1, 3, ClipSplit::Test, config.image_size, &|_, _| {}, &cancel).unwrap();
        let tuned = Tuned {
            about: about(&config),
            classifier: Classifier::new(&config, &device),
        };
        let told = |tuned: &Tuned| {
            let all: Vec<usize> = (0..clips.len()).collect();
            let seen = super::super::features::tokens(
                &tuned.classifier.encoder,
                &config,
                super::super::features::picked(&clips, &all, &device),
            );
            super::super::numbers(tuned.classifier.head.forward(seen)).unwrap()
        };
        let before = told(&tuned);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/events");
        tuned.write(&path).unwrap();
        tuned.write(&path).unwrap();
        let back = Tuned::load(&path, &device).unwrap();
        assert_eq!(back.about, tuned.about);
        assert_eq!(told(&back), before);

        let text = std::fs::read_to_string(path.join(ABOUT)).unwrap();
        std::fs::write(path.join(ABOUT), text.replace("\"grasp\"", "\"push\"")).unwrap();
        let said = Tuned::about(&path).unwrap_err().to_string();
        assert!(said.contains("finetuned.json") && said.contains("expected"), "{said}");
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let said = tuned.write(&path).unwrap_err().to_string();
        assert!(said.contains("nothing was written"), "{said}");
        assert!(
            Tuned::about(folder.path())
                .unwrap_err()
                .to_string()
                .contains("finetuned.json")
        );
    }
}

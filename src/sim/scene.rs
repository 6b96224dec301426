//! Scenes: what stands on a table, in RON files that people write.
//!
//! A scene is found by name in the folder `scenes/`, by path, or among those that are built into the program, so that
//! the program works from any folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::scene_start::ATTEMPTS;

/// The folder that names are looked up in.
pub const SCENES_FOLDER: &str = "scenes";
/// The scene that the program starts with.
pub const DEMO_SCENE: &str = "three-blocks";

/// Scenes that are part of the program.
const BUILT_IN: [(&str, &str); 4] = [
    ("three-blocks", include_str!("../../scenes/three-blocks.ron")),
    ("four-small-blocks", include_str!("../../scenes/four-small-blocks.ron")),
    ("tower", include_str!("../../scenes/tower.ron")),
    ("two-blocks", include_str!("../../scenes/two-blocks.ron")),
];

/// What stands on a table, and where it may stand at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The file's name without `.ron`.
    #[serde(skip)]
    pub name: String,
    /// One sentence for people.
    pub about: String,
    #[serde(default)]
    pub gripper: Place,
    pub blocks: Vec<SceneBlock>,
    pub pads: Vec<ScenePad>,
    /// Share of starts in which one randomly placed block stands on another.
    #[serde(default)]
    pub stacked_share: f32,
    /// Share of starts in which a block hangs from the gripper.
    #[serde(default)]
    pub held_share: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneBlock {
    pub name: String,
    pub colour: [f32; 3],
    pub half_m: f32,
    pub height_m: f32,
    #[serde(default)]
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenePad {
    pub name: String,
    pub colour: [f32; 3],
    pub half_m: f32,
    #[serde(default)]
    pub place: Place,
}

/// Where something is at the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// Anywhere with room, drawn from the seed.
    #[default]
    Random,
    /// x and y of the centre.
    At(f32, f32),
    /// On top of the block of that name, centred; for blocks alone.
    On(String),
}

/// Why a scene was refused.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    #[error("There is no scene \"{name}\". Choose one of: {known}; or give the path of a .ron file.")]
    Unknown { name: String, known: String },
    #[error("Could not read the scene {source_name}: {err}.")]
    Read { source_name: String, err: std::io::Error },
    #[error("Could not read the scene {source_name}: {err}.")]
    Parse {
        source_name: String,
        err: Box<ron::error::SpannedError>,
    },
    #[error("{source_name}: {field} is {value}, expected {expected}.")]
    Value {
        source_name: String,
        field: String,
        value: String,
        expected: String,
    },
    #[error("{source_name}: {first} and {second} overlap. Move one of them, or make one smaller.")]
    Overlap {
        source_name: String,
        first: String,
        second: String,
    },
    #[error("{source_name}: found no room for everything in {ATTEMPTS} attempts. Use fewer or smaller objects.")]
    NoRoom { source_name: String },
}

impl Scene {
    /// The scene of that name in [`SCENES_FOLDER`] or in the program, or the one at that path (`.ron`).
    ///
    /// # Errors
    /// No such scene, a file that is not a scene, or a scene that cannot be: see [`SceneError`].
    pub fn load(name_or_path: &str) -> Result<Self, SceneError> {
        let is_path = name_or_path.ends_with(".ron") || name_or_path.contains(std::path::is_separator);
        let path = if is_path {
            PathBuf::from(name_or_path)
        } else {
            Path::new(SCENES_FOLDER).join(format!("{name_or_path}.ron"))
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::from_ron(&text, &path.display().to_string()),
            Err(err) if is_path => Err(SceneError::Read {
                source_name: path.display().to_string(),
                err,
            }),
            Err(_) => match BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
                Some((name, text)) => Self::from_ron(text, &format!("{name}.ron")),
                None => Err(SceneError::Unknown {
                    name: name_or_path.to_owned(),
                    known: Self::names().join(", "),
                }),
            },
        }
    }

    /// Names of all scenes that [`Self::load`] finds without a path, in alphabetical order.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for entry in std::fs::read_dir(SCENES_FOLDER).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "ron") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Parses and validates a scene; `source_name` is what errors call it, and its stem the scene's name.
    ///
    /// # Errors
    /// The text is not RON of this shape, or a value is out of range.
    pub fn from_ron(text: &str, source_name: &str) -> Result<Self, SceneError> {
        let mut scene: Self = ron::from_str(text).map_err(|err| SceneError::Parse {
            source_name: source_name.to_owned(),
            err: Box::new(err),
        })?;
        scene.name = Path::new(source_name)
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        scene.validate(source_name)?;
        Ok(scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::{Support, support};

    fn edited(from: &str, to: &str) -> Result<Scene, SceneError> {
        let text = BUILT_IN[0].1;
        assert!(text.contains(from), "{from}");
        Scene::from_ron(&text.replacen(from, to, 1), "edited.ron")
    }

    #[test]
    fn built_in_scenes_start_apart_and_the_same_for_a_seed() {
        for (name, text) in BUILT_IN {
            let scene = Scene::from_ron(text, &format!("{name}.ron")).unwrap();
            assert_eq!(scene.name, name);
            for seed in 0..20 {
                let state = scene.start(seed).unwrap();
                assert_eq!(state, scene.start(seed).unwrap());
                for j in 0..state.blocks.len() {
                    for i in 0..j {
                        let (a, b) = (&state.blocks[i], &state.blocks[j]);
                        let apart = (0..3).any(|k| {
                            (a.position_m[k] - b.position_m[k]).abs() > a.extents_m()[k] + b.extents_m()[k] - 1e-5
                        });
                        assert!(apart, "{name} {seed}: {} {}", a.name, b.name);
                    }
                }
            }
        }
    }

    #[test]
    fn the_demo_scene_stacks_now_and_then() {
        let scene = Scene::load(DEMO_SCENE).unwrap();
        let stacked = |seed: &u64| {
            let state = scene.start(*seed).unwrap();
            (0..3).any(|block| matches!(support(&state, block), Support::Block(_)))
        };
        let share = (0..400).filter(stacked).count() as f32 / 400.;
        assert!((0.09..0.22).contains(&share), "{share}");
    }

    #[test]
    fn errors_name_the_field_and_what_is_expected() {
        let says = |from: &str, to: &str, parts: &[&str]| {
            let message = edited(from, to).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message} lacks {part}");
            }
        };
        says(
            "half_m: 0.15",
            "half_m: NaN",
            &["edited.ron: blocks[0].half_m is NaN", "0.05 to 0.17"],
        );
        says("half_m: 0.15", "half_width: 0.15", &["edited.ron", "half_width"]);
        says(
            "\"green block\"",
            "\"red block\"",
            &["blocks[1].name", "no other object"],
        );
        says(
            "half_m: 0.15",
            "place: At(1.2, 0.0), half_m: 0.15",
            &["blocks[0].place is 1.2", "-0.92 to 0.92"],
        );
        says(
            "half_m: 0.15",
            "place: On(\"pink block\"), half_m: 0.15",
            &["blocks[0].place", "another block"],
        );
        says(
            "half_m: 0.15",
            "place: On(\"red block\"), half_m: 0.15",
            &["blocks[0].place", "ends on the table"],
        );
        says("height_m: 0.24", "height_m: 0.4", &["carrying height"]);
        let both = BUILT_IN[0]
            .1
            .replacen("half_m: 0.15", "place: At(0.1, 0.0), half_m: 0.15", 1)
            .replacen("half_m: 0.13", "place: At(0.3, 0.0), half_m: 0.13", 1);
        let message = Scene::from_ron(&both, "both.ron").unwrap_err().to_string();
        assert!(message.contains("red block and green block overlap"), "{message}");
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let message = Scene::load("kitchen").unwrap_err().to_string();
        assert!(
            message.contains("\"kitchen\"") && message.contains("three-blocks"),
            "{message}"
        );
        assert!(
            Scene::load("no/such/scene.ron")
                .unwrap_err()
                .to_string()
                .contains("no/such/scene.ron")
        );
    }
}

//! Scenes: what stands on a table, in RON files that people write.
//!
//! A scene is found by name in the folder `scenes/`, by path, or among those that are built into the program, so that
//! the program works from any folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::scene_start::ATTEMPTS;
use super::state::Shape;
use super::variety::{Look, Variety};

/// The folder that names are looked up in.
pub const SCENES_FOLDER: &str = "scenes";
/// The scene that the program starts with.
pub const DEMO_SCENE: &str = "three-blocks";

/// Scenes that are part of the program.
const BUILT_IN: [(&str, &str); 6] = [
    ("three-blocks", include_str!("../../scenes/three-blocks.ron")),
    ("four-small-blocks", include_str!("../../scenes/four-small-blocks.ron")),
    ("tower", include_str!("../../scenes/tower.ron")),
    ("two-blocks", include_str!("../../scenes/two-blocks.ron")),
    ("thinkbench", include_str!("../../scenes/thinkbench.ron")),
    (
        "thinkbench-colours",
        include_str!("../../scenes/thinkbench-colours.ron"),
    ),
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
    #[serde(default)]
    pub bins: Vec<SceneBin>,
    /// Half width and height, one for each block; each start deals them anew. Empty: every block keeps its own.
    #[serde(default)]
    pub sizes: Vec<(f32, f32)>,
    /// Names of looks that no draw for training has.
    #[serde(default)]
    pub held_out: Vec<String>,
    /// The book of tasks that are drawn and recognised on this table, see [`TaskBook::named`](super::tasks::TaskBook::named).
    #[serde(default = "tabletop")]
    pub tasks: String,
    /// Blocks that may stand on each other below a carried one; none: all but one.
    #[serde(default)]
    pub storeys: Option<usize>,
    /// Share of starts in which one randomly placed block stands on another.
    #[serde(default)]
    pub stacked_share: f32,
    /// Share of starts in which a block hangs from the gripper.
    #[serde(default)]
    pub held_share: f32,
    /// Share of the blocks that start in a bin, where there are bins.
    #[serde(default)]
    pub binned_share: f32,
}

fn tabletop() -> String {
    "tabletop".to_owned()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneBlock {
    pub name: String,
    pub colour: [f32; 3],
    #[serde(default)]
    pub shape: Shape,
    pub half_m: f32,
    pub height_m: f32,
    #[serde(default)]
    pub place: Place,
    /// What it may look like instead.
    #[serde(default)]
    pub looks: Vec<Look>,
}

/// An open box with low walls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneBin {
    pub name: String,
    pub colour: [f32; 3],
    /// Half of its width, with its walls.
    pub half_m: f32,
    /// Height of the walls.
    pub wall_m: f32,
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

    /// The scene as RON, for a record of what happened in it; none where it is one of the program's own, whose name says
    /// as much.
    pub fn own_text(&self) -> Option<String> {
        let same = |(name, text): &(&str, &str)| {
            *name == self.name && Self::from_ron(text, &format!("{name}.ron")).is_ok_and(|known| known == *self)
        };
        if BUILT_IN.iter().any(same) {
            return None;
        }
        ron::to_string(self).ok()
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

    /// What blocks are drawn from at each start.
    pub fn variety(&self) -> Variety {
        if self.sizes.is_empty() && self.blocks.iter().all(|block| block.looks.is_empty()) {
            return Variety::default();
        }
        let own = |block: &SceneBlock| Look {
            name: block.name.clone(),
            colour: block.colour,
            shape: block.shape,
        };
        let looks = |block: &SceneBlock| [vec![own(block)], block.looks.clone()].concat();
        Variety {
            looks: self.blocks.iter().map(looks).collect(),
            sizes: self.sizes.clone(),
            held_out: self.held_out.clone(),
        }
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
    fn a_scene_of_ones_own_has_a_text_that_it_is_read_from_again() {
        assert_eq!(Scene::load(DEMO_SCENE).unwrap().own_text(), None);
        let own = Scene::from_ron(&BUILT_IN[0].1.replace("0.24", "0.26"), "three-blocks.ron").unwrap();
        let text = own.own_text().unwrap();
        assert_eq!(Scene::from_ron(&text, "three-blocks.ron").unwrap(), own);
        let crowded = Scene::load("thinkbench").unwrap();
        let renamed = Scene {
            name: "mine".to_owned(),
            ..crowded
        };
        let text = renamed.own_text().unwrap();
        assert_eq!(Scene::from_ron(&text, "mine.ron").unwrap(), renamed);
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
    fn errors_name_the_fields_of_bins_looks_and_sizes() {
        let thinkbench = BUILT_IN[4].1;
        for (from, to, parts) in [
            ("wall_m: 0.07", "wall_m: 0.5", ["bins[0].wall_m is 0.5", "0.03 to 0.12"]),
            ("half_m: 0.29", "half_m: 0.1", ["bins[0].half_m is 0.1", "0.15 to 0.35"]),
            (
                "half_m: 0.29",
                "place: On(\"red block\"), half_m: 0.29",
                ["bins[0].place", "Random or At(x, y)"],
            ),
            ("\"red bin\"", "\"blue bin\"", ["bins[1].name", "no other object"]),
            ("\"red bin\"", "\"bin in red\"", ["bins[1].name", "other than"]),
            (
                "\"white block\"",
                "\"red block\"",
                ["blocks[4].looks[0].name", "no other object"],
            ),
            (
                "(0.08, 0.14), (",
                "(",
                ["sizes is 5 sizes", "none, or one for each of the 6 blocks"],
            ),
            (
                "(0.08, 0.14), (",
                "(0.3, 0.14), (",
                ["sizes[0].0 is 0.3", "0.05 to 0.17"],
            ),
            (
                "\"orange block\"],",
                "\"pink block\"],",
                ["held_out[1] is \"pink block\"", "the name of a look"],
            ),
            (
                "[\"green cylinder\",",
                "[\"red block\", \"green cylinder\",",
                ["held_out", "leaves red block a look"],
            ),
            (
                "tasks: \"thinkbench\"",
                "tasks: \"chess\"",
                ["tasks is \"chess\"", "tabletop"],
            ),
            ("storeys: Some(3)", "storeys: Some(1)", ["storeys is 1", "2 to 8"]),
            ("storeys: Some(3)", "storeys: Some(5)", ["blocks", "carrying height"]),
            (
                "binned_share: 0.2",
                "binned_share: 2.0",
                ["binned_share is 2", "0 to 1"],
            ),
        ] {
            assert!(thinkbench.contains(from), "{from}");
            let message = Scene::from_ron(&thinkbench.replacen(from, to, 1), "edited.ron")
                .unwrap_err()
                .to_string();
            for part in parts {
                assert!(message.contains(part), "{message} lacks {part}");
            }
        }
    }

    #[test]
    fn held_out_looks_are_in_no_draw_but_those_that_ask_for_them() {
        use crate::random::{Stream, rng};
        use crate::sim::Looks;

        let scene = Scene::load("thinkbench").unwrap();
        let (variety, furniture) = (scene.variety(), scene.start(0).unwrap());
        let strange = |state: &crate::sim::WorldState| {
            let held_out = state.blocks.iter().filter(|block| scene.held_out.contains(&block.name));
            held_out.count()
        };
        let mut white = 0;
        for seed in 0..200 {
            assert_eq!(strange(&scene.start(seed).unwrap()), 0, "{seed}");
            let mut rng = rng(seed, Stream::Scene, 0, 0);
            let state = variety.dress(&furniture, Looks::HeldOut, &mut rng);
            assert!((1..=2).contains(&strange(&state)), "{seed}");
            let mut sizes: Vec<f32> = state.blocks.iter().map(|block| block.half_m).collect();
            sizes.sort_by(f32::total_cmp);
            assert_eq!(sizes, [0.08, 0.08, 0.10, 0.10, 0.12, 0.12]);
            white += usize::from(scene.start(seed).unwrap().block("white block").is_some());
        }
        assert!((60..140).contains(&white), "{white}");
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

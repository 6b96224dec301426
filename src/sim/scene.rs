//! Scenes: what stands on a table, in RON files that people write, and the draw of a start from one of them.
//!
//! A scene is found by name in the folder `scenes/`, by path, or among those that are built into the program, so that
//! the program works from any folder.

use std::path::{Path, PathBuf};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::relations::is_clear;
use super::state::{BlockState, PadState, WorldState};
use super::world::{CARRY_M, REACH_LIMIT_M};
use crate::random::{self, Stream};

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

/// Objects at random lie at most this far from the middle of the table, per axis.
const RANDOM_LIMIT_M: f32 = 0.8;
/// The gripper starts at most this far from the middle, per axis.
const GRIPPER_LIMIT_M: f32 = 0.9;
/// Objects at random keep this factor of the sum of their half widths apart.
const SPACING: f32 = 1.12;
/// Share of starts in which blocks may lie on pads.
const BLOCKS_ON_PADS: f64 = 0.15;
/// A stacked block is at most this far off the centre of the one below, per axis.
const STACK_JITTER_M: f32 = 0.05;
/// Attempts to place everything before a scene counts as too full.
const ATTEMPTS: usize = 20_000;
/// Smallest and largest half width and height that the gripper and the camera are made for.
const HALF_RANGE_M: (f32, f32) = (0.05, 0.17);
const HEIGHT_RANGE_M: (f32, f32) = (0.05, 0.40);
const PAD_RANGE_M: (f32, f32) = (0.10, 0.40);
const MAX_BLOCKS: usize = 8;
const MAX_PADS: usize = 6;

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
        err: ron::error::SpannedError,
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
            err,
        })?;
        scene.name = Path::new(source_name)
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        scene.validate(source_name)?;
        Ok(scene)
    }

    /// A start of this scene; the same one for the same seed.
    ///
    /// # Errors
    /// No room was found for what is placed at random.
    pub fn start(&self, seed: u64) -> Result<WorldState, SceneError> {
        self.draw(&mut random::rng(seed, Stream::Scene, 0, 0))
    }

    /// A start of this scene, drawn from a generator.
    ///
    /// # Errors
    /// No room was found for what is placed at random.
    pub fn draw(&self, rng: &mut impl Rng) -> Result<WorldState, SceneError> {
        let mut state = self.spread(rng)?;
        for (block, spec) in self.blocks.iter().enumerate() {
            self.put_on(&mut state, block, spec);
        }
        let loose: Vec<usize> = (0..self.blocks.len())
            .filter(|&b| self.blocks[b].place == Place::Random && is_clear(&state, b))
            .collect();
        if rng.random::<f32>() < self.stacked_share && self.blocks.len() > 1 && !loose.is_empty() {
            let upper = loose[rng.random_range(0..loose.len())];
            let lower: Vec<usize> = (0..self.blocks.len())
                .filter(|&b| b != upper && is_clear(&state, b))
                .collect();
            if !lower.is_empty() {
                let lower = lower[rng.random_range(0..lower.len())];
                let jitter: [f32; 2] = std::array::from_fn(|_| rng.random_range(-STACK_JITTER_M..STACK_JITTER_M));
                stack(&mut state, upper, lower, jitter);
            }
        }
        if rng.random::<f32>() < self.held_share {
            state.hold_any(rng);
        }
        Ok(state)
    }

    /// Rejection sampling of everything that is placed at random, beside what has its place.
    fn spread(&self, rng: &mut impl Rng) -> Result<WorldState, SceneError> {
        let blocks = self.blocks.len();
        let places: Vec<(&Place, f32)> = (self.blocks.iter().map(|b| (&b.place, b.half_m)))
            .chain(self.pads.iter().map(|p| (&p.place, p.half_m)))
            .collect();
        for _ in 0..ATTEMPTS {
            let free_pads = rng.random_bool(BLOCKS_ON_PADS);
            let points: Vec<[f32; 2]> = places
                .iter()
                .map(|(place, _)| match **place {
                    Place::At(x, y) => [x, y],
                    _ => std::array::from_fn(|_| rng.random_range(-RANDOM_LIMIT_M..RANDOM_LIMIT_M)),
                })
                .collect();
            let apart = |i: usize, j: usize| {
                let ((a, ha), (b, hb)) = (places[i], places[j]);
                let stacked = matches!(a, Place::On(_)) || matches!(b, Place::On(_));
                let fixed = *a != Place::Random && *b != Place::Random;
                let on_pad = i < blocks && j >= blocks && free_pads;
                stacked || fixed || on_pad || chebyshev(points[i], points[j]) >= SPACING * (ha + hb)
            };
            if (0..points.len()).all(|j| (0..j).all(|i| apart(i, j))) {
                return Ok(self.state_at(&points, rng));
            }
        }
        Err(SceneError::NoRoom {
            source_name: self.name.clone(),
        })
    }

    fn state_at(&self, points: &[[f32; 2]], rng: &mut impl Rng) -> WorldState {
        let blocks = self.blocks.iter().zip(points).map(|(block, &[x, y])| BlockState {
            name: block.name.clone(),
            colour: block.colour,
            half_m: block.half_m,
            height_m: block.height_m,
            position_m: [x, y, block.height_m / 2.],
            rotation: [0., 0., 0., 1.],
        });
        let pads = self
            .pads
            .iter()
            .zip(&points[self.blocks.len()..])
            .map(|(pad, &position_m)| PadState {
                name: pad.name.clone(),
                colour: pad.colour,
                half_m: pad.half_m,
                position_m,
            });
        WorldState {
            gripper_m: match self.gripper {
                Place::At(x, y) => [x, y],
                _ => std::array::from_fn(|_| rng.random_range(-GRIPPER_LIMIT_M..GRIPPER_LIMIT_M)),
            },
            suction: false,
            held: None,
            blocks: blocks.collect(),
            pads: pads.collect(),
        }
    }

    /// Puts a block on the one that it is said to stand on, from the bottom of the tower up.
    fn put_on(&self, state: &mut WorldState, block: usize, spec: &SceneBlock) {
        if let Place::On(below) = &spec.place
            && let Some(lower) = state.block(below)
        {
            self.put_on(state, lower, &self.blocks[lower]);
            stack(state, block, lower, [0.; 2]);
        }
    }

    /// Checks every value that a type cannot check.
    ///
    /// # Errors
    /// The first field that is out of range, or the first two objects that overlap.
    pub fn validate(&self, source_name: &str) -> Result<(), SceneError> {
        let refuse = |field: String, value: String, expected: String| {
            Err(SceneError::Value {
                source_name: source_name.to_owned(),
                field,
                value,
                expected,
            })
        };
        let number = |field: String, value: f32, (low, high): (f32, f32)| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                refuse(field, value.to_string(), format!("a number from {low} to {high}"))
            }
        };
        number("stacked_share".into(), self.stacked_share, (0., 1.))?;
        number("held_share".into(), self.held_share, (0., 1.))?;
        if !(1..=MAX_BLOCKS).contains(&self.blocks.len()) {
            return refuse(
                "blocks".into(),
                self.blocks.len().to_string(),
                format!("1 to {MAX_BLOCKS} blocks"),
            );
        }
        if self.pads.len() > MAX_PADS {
            return refuse(
                "pads".into(),
                self.pads.len().to_string(),
                format!("at most {MAX_PADS} pads"),
            );
        }
        if matches!(self.gripper, Place::On(_)) {
            return refuse("gripper".into(), "On(...)".into(), "Random or At(x, y)".into());
        }
        let blocks =
            (self.blocks.iter().enumerate()).map(|(i, b)| (format!("blocks[{i}]"), &b.name, b.colour, &b.place));
        let pads = (self.pads.iter().enumerate()).map(|(i, p)| (format!("pads[{i}]"), &p.name, p.colour, &p.place));
        let mut seen: Vec<&str> = vec![];
        for (field, name, colour, place) in blocks.chain(pads) {
            let words: Vec<&str> = name.split(' ').collect();
            let plain = words.iter().all(|word| {
                !word.is_empty()
                    && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                    && !["the", "a", "on", "onto", "table"].contains(word)
            });
            if !plain || words.len() > 4 {
                let expected = "one to four lower-case words other than the, a, on, onto, table".to_owned();
                return refuse(format!("{field}.name"), format!("{name:?}"), expected);
            }
            if seen.contains(&name.as_str()) {
                return refuse(
                    format!("{field}.name"),
                    format!("{name:?}"),
                    "a name that no other object has".into(),
                );
            }
            seen.push(name);
            for channel in colour {
                number(format!("{field}.colour"), channel, (0., 1.))?;
            }
            if let Place::At(x, y) = place {
                for value in [*x, *y] {
                    number(format!("{field}.place"), value, (-REACH_LIMIT_M, REACH_LIMIT_M))?;
                }
            }
        }
        if let Place::At(x, y) = self.gripper {
            for value in [x, y] {
                number("gripper".into(), value, (-REACH_LIMIT_M, REACH_LIMIT_M))?;
            }
        }
        for (i, block) in self.blocks.iter().enumerate() {
            number(format!("blocks[{i}].half_m"), block.half_m, HALF_RANGE_M)?;
            number(format!("blocks[{i}].height_m"), block.height_m, HEIGHT_RANGE_M)?;
            self.validate_tower(i, source_name)?;
        }
        for (i, pad) in self.pads.iter().enumerate() {
            number(format!("pads[{i}].half_m"), pad.half_m, PAD_RANGE_M)?;
            if let Place::On(_) = pad.place {
                return refuse(
                    format!("pads[{i}].place"),
                    "On(...)".into(),
                    "Random or At(x, y)".into(),
                );
            }
        }
        // All but the lowest block under the carried one: the tallest tower that can be carried over.
        let heights = self.blocks.iter().map(|block| block.height_m);
        let tower: f32 = heights.clone().sum::<f32>() - heights.fold(f32::INFINITY, f32::min);
        if tower > CARRY_M + 1e-4 && self.blocks.len() > 1 {
            let expected =
                format!("heights of which all but the smallest sum to at most {CARRY_M}, the carrying height");
            return refuse("blocks".into(), format!("a set that stacks to {tower:.2}"), expected);
        }
        self.validate_overlaps(source_name)
    }

    /// A block's place names another block, and following the names ends on the table.
    fn validate_tower(&self, block: usize, source_name: &str) -> Result<(), SceneError> {
        let refuse = |value: &str, expected: &str| {
            Err(SceneError::Value {
                source_name: source_name.to_owned(),
                field: format!("blocks[{block}].place"),
                value: format!("On({value:?})"),
                expected: expected.to_owned(),
            })
        };
        let mut place = &self.blocks[block].place;
        let mut taken = vec![block];
        while let Place::On(below) = place {
            let Some(lower) = self.blocks.iter().position(|other| other.name == *below) else {
                return refuse(below, "the name of another block");
            };
            if taken.contains(&lower) {
                return refuse(below, "a tower that ends on the table");
            }
            taken.push(lower);
            place = &self.blocks[lower].place;
        }
        if let Place::On(below) = &self.blocks[block].place
            && self
                .blocks
                .iter()
                .filter(|other| other.place == self.blocks[block].place)
                .count()
                > 1
        {
            return refuse(below, "a block that carries no other");
        }
        Ok(())
    }

    fn validate_overlaps(&self, source_name: &str) -> Result<(), SceneError> {
        let check = |objects: Vec<(&String, &Place, f32)>| {
            for (j, (second, place, half)) in objects.iter().enumerate() {
                for (first, other, other_half) in &objects[..j] {
                    if let (Place::At(x, y), Place::At(u, v)) = (place, other)
                        && chebyshev([*x, *y], [*u, *v]) < half + other_half
                    {
                        let (first, second) = (first.to_string(), second.to_string());
                        return Err(SceneError::Overlap {
                            source_name: source_name.to_owned(),
                            first,
                            second,
                        });
                    }
                }
            }
            Ok(())
        };
        check(self.blocks.iter().map(|b| (&b.name, &b.place, b.half_m)).collect())?;
        check(self.pads.iter().map(|p| (&p.name, &p.place, p.half_m)).collect())
    }
}

fn stack(state: &mut WorldState, upper: usize, lower: usize, offset_m: [f32; 2]) {
    let below = &state.blocks[lower];
    let position_m = [
        below.position_m[0] + offset_m[0],
        below.position_m[1] + offset_m[1],
        below.top_m() + state.blocks[upper].height_m / 2.,
    ];
    state.blocks[upper].position_m = position_m;
}

fn chebyshev(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
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

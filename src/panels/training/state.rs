//! What the training workspace remembers between frames.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::samples::SamplesView;
use crate::config::{self, Config, Edited, Field, Stem};
use crate::engine::{Priority, Run, Stage};
use crate::train::TrainingMemory;

const WORLD_MODEL: &str = "World model";
const LANGUAGE_MODEL: &str = "Language model";

/// The form of a run, and how its curves and those of others are shown.
#[derive(Clone, Debug)]
pub struct TrainingForm {
    pub run: String,
    pub preset: String,
    pub stage: Stage,
    /// Empty: the preset's own number.
    pub steps: String,
    /// A configuration file in place of the preset; empty: the preset.
    pub configuration: String,
    /// Empty: the checkpoint in use, or for stage 1 none.
    pub from: String,
    /// Folder of episodes; empty: that of the scene.
    pub data: String,
    /// Texts of the fields that are not as the preset has them, by path.
    pub edits: BTreeMap<String, String>,
    /// The stage and the preset or file that they were made over.
    edits_of: Option<(Stage, String)>,
    /// What came of the form as it is, made anew when it changes.
    checked: Option<(Key, Result<Arc<Checked>, String>)>,
    pub priority: Priority,
    /// A run that is to be watched.
    pub path: String,
    /// Give its field the focus at the next frame.
    pub focus_path: bool,
    pub log_scale: bool,
    /// Charts whose axis was chosen for them alone.
    pub logarithmic: BTreeMap<String, bool>,
    /// Time constant of the smoothed line, steps; 0 shows the values themselves.
    pub smoothing: f64,
    /// Seconds of training on the x axis, instead of steps.
    pub by_time: bool,
    /// The x axis is logarithmic.
    pub log_x: bool,
    pub hidden: BTreeSet<PathBuf>,
    /// First and last step that the charts show, or second where time is on the x axis.
    pub in_sight: Option<[f64; 2]>,
    pub samples: SamplesView,
    colors: BTreeMap<PathBuf, usize>,
    /// The folder of runs was asked for.
    pub listed: bool,
}

/// What a reading of the form depends on. A file may be another one by now.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    base: String,
    changed: Option<SystemTime>,
    stage: Stage,
    steps: String,
    edits: BTreeMap<String, String>,
}

/// A form that was read.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The preset or the file with the form's number of steps.
    pub fields: Vec<(&'static str, Vec<Field>)>,
    pub edited: Edited,
    pub memory: TrainingMemory,
    pub steps: Option<usize>,
    /// The layers before the transformer, which only a file can change: the heading that they belong under, the field and its
    /// value in words.
    pub stem: Option<(&'static str, &'static str, String)>,
}

impl Default for TrainingForm {
    fn default() -> Self {
        Self {
            run: "runs/first".to_owned(),
            preset: "nano".to_owned(),
            stage: Stage::One,
            steps: String::new(),
            configuration: String::new(),
            from: String::new(),
            data: String::new(),
            edits: BTreeMap::new(),
            edits_of: None,
            checked: None,
            priority: Priority::default(),
            path: String::new(),
            focus_path: false,
            log_scale: true,
            logarithmic: BTreeMap::new(),
            smoothing: 0.0,
            by_time: false,
            log_x: false,
            hidden: BTreeSet::new(),
            in_sight: None,
            samples: SamplesView::default(),
            colors: BTreeMap::new(),
            listed: false,
        }
    }
}

impl TrainingForm {
    /// Gives every run that is watched a colour of its own, which it keeps.
    pub(super) fn give_colors<'a>(&mut self, watched: impl Iterator<Item = &'a PathBuf>) {
        let watched: BTreeSet<&PathBuf> = watched.collect();
        self.colors.retain(|run, _| watched.contains(run));
        for run in watched {
            if !self.colors.contains_key(run) {
                let taken: BTreeSet<usize> = self.colors.values().copied().collect();
                let free = (0..).find(|color| !taken.contains(color)).unwrap_or(0);
                self.colors.insert(run.clone(), free);
            }
        }
    }

    /// The steps of a run that its curves show; none where it is hidden.
    pub(in crate::panels) fn steps_in_sight(&self, path: &Path, run: &Run) -> Option<RangeInclusive<f64>> {
        if self.hidden.contains(path) {
            return None;
        }
        let [from, to] = self.in_sight.unwrap_or([f64::MIN, f64::MAX]);
        let step = |x| if self.by_time { run.step_at(x).unwrap_or(x) } else { x };
        Some(step(from)..=step(to))
    }

    /// The number of a run's colour.
    pub(super) fn color(&self, run: &Path) -> usize {
        self.colors.get(run).copied().unwrap_or(0)
    }

    /// The steps that were typed; none takes the preset's own number.
    ///
    /// # Errors
    /// What was expected in place of what was typed.
    pub(super) fn own_steps(&self) -> Result<Option<usize>, &'static str> {
        match self.steps.trim() {
            "" => Ok(None),
            typed => match typed.parse() {
                Ok(steps) if steps > 0 => Ok(Some(steps)),
                _ => Err("A whole number above 0, or nothing"),
            },
        }
    }

    /// What the settings are those of, but for the edits: the file, or else the preset.
    pub(super) fn base(&self) -> &str {
        match self.configuration.trim() {
            "" => &self.preset,
            file => file,
        }
    }

    /// The edits are of the settings as they are chosen now.
    pub(in crate::panels) fn adopt_edits(&mut self) {
        self.edits_of = Some((self.stage, self.base().to_owned()));
    }

    /// Another stage, preset or file has none of the edits that were made over this one.
    pub(super) fn drop_edits_of_another(&mut self) {
        let before = self.edits_of.take();
        self.adopt_edits();
        if before.is_some() && before != self.edits_of {
            self.edits.clear();
        }
    }

    /// The form as it is, read; or why there are no settings to begin with.
    pub(super) fn checked(&mut self) -> Result<Arc<Checked>, String> {
        let is_file = !self.configuration.trim().is_empty();
        let changed = || std::fs::metadata(self.base()).and_then(|about| about.modified()).ok();
        let key = Key {
            base: self.base().to_owned(),
            changed: is_file.then(changed).flatten(),
            stage: self.stage,
            steps: self.steps.clone(),
            edits: self.edits.clone(),
        };
        match &self.checked {
            Some((known, checked)) if *known == key => checked.clone(),
            _ => {
                let base = if is_file {
                    config::load(Path::new(&key.base))
                } else {
                    config::preset(&key.base)
                };
                let checked = base.map(|base| Arc::new(Checked::new(&key, base)));
                let checked = checked.map_err(|err| err.to_string());
                self.checked = Some((key, checked.clone()));
                checked
            }
        }
    }
}

/// The path that was typed; none where the field is empty.
pub(super) fn named_path(text: &str) -> Option<PathBuf> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(PathBuf::from)
}

impl Checked {
    fn new(key: &Key, mut base: Config) -> Self {
        let Key { stage, edits, .. } = key;
        let steps: Option<usize> = key.steps.trim().parse().ok().filter(|steps| *steps > 0);
        if let Some(steps) = steps {
            stage.set_steps(&mut base.train, steps);
        }
        let own_steps = format!("{}.steps", stage.settings());
        let fields = sections(*stage)
            .into_iter()
            .map(|(title, paths)| {
                let fields = paths.iter().flat_map(|path| base.fields(path));
                (title, fields.filter(|field| field.path != own_steps).collect())
            })
            .collect();
        let edited = base.edited(edits);
        Self {
            fields,
            memory: TrainingMemory::of(*stage, &edited.config),
            steps: edited
                .config
                .fields(&own_steps)
                .first()
                .and_then(|field| field.text.parse().ok()),
            stem: stem(*stage, &edited.config),
            edited,
        }
    }
}

/// The stem that a stage trains.
fn stem(stage: Stage, config: &Config) -> Option<(&'static str, &'static str, String)> {
    let (title, field, stem) = match stage {
        Stage::One => (
            WORLD_MODEL,
            "world_model.encoder.stem",
            &config.world_model.encoder.stem,
        ),
        Stage::Vlm => (LANGUAGE_MODEL, "vlm.stem", &config.vlm.stem),
        Stage::OneB | Stage::Two | Stage::Bc => return None,
    };
    let text = match stem {
        Stem::Patch => "one linear map a patch".to_owned(),
        Stem::Conv(layers) => {
            let layer = |(channels, kernel, stride): &(usize, usize, usize)| format!("{channels} ({kernel}, {stride})");
            layers.iter().map(layer).collect::<Vec<_>>().join(" · ")
        }
    };
    Some((title, field, text))
}

/// The parts of the configuration that a stage depends on.
fn sections(stage: Stage) -> Vec<(&'static str, Vec<&'static str>)> {
    const RUN: [&str; 6] = [
        "train.seed",
        "train.betas",
        "train.clip_norm",
        "train.checkpoint_every",
        "train.samples_every",
        "precision",
    ];
    let mut sections = vec![("Stage", vec![stage.settings()]), ("Optimiser and run", RUN.to_vec())];
    match stage {
        Stage::One => sections.push((WORLD_MODEL, vec!["world_model"])),
        // What is frozen has the shape that it was made with, and the policy has that of the world model.
        Stage::OneB | Stage::Bc => {}
        Stage::Vlm => sections.push((LANGUAGE_MODEL, vec!["vlm"])),
        Stage::Two => {
            sections.push(("Goal projection", vec!["gpi", "vlm.lora"]));
            sections.push(("World model, where joint_rate is above 0", vec!["train.stage1"]));
        }
    }
    sections
}

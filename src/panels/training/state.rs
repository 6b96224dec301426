//! What the training workspace remembers between frames.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::samples::SamplesView;
use crate::config::{self, Config, Edited, Field};
use crate::engine::{Priority, Run, Stage};
use crate::train::TrainingMemory;

/// The form of a run, and how its curves and those of others are shown.
#[derive(Clone, Debug)]
pub struct TrainingForm {
    pub run: String,
    pub preset: String,
    pub stage: Stage,
    /// Empty: the preset's own number.
    pub steps: String,
    /// Empty: the checkpoint in use.
    pub from: String,
    /// Texts of the fields that are not as the preset has them, by path.
    pub edits: BTreeMap<String, String>,
    /// What came of the form as it is, made anew when it changes.
    checked: Option<Arc<Checked>>,
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
    pub hidden: BTreeSet<PathBuf>,
    /// First and last place on the x axis that the charts show: steps, or seconds where that is what it has.
    pub in_sight: Option<[f64; 2]>,
    pub samples: SamplesView,
    colors: BTreeMap<PathBuf, usize>,
    /// The folder of runs was asked for.
    pub listed: bool,
}

/// A form that was read.
#[derive(Clone, Debug)]
pub struct Checked {
    key: (String, Stage, String, BTreeMap<String, String>),
    /// The preset with the form's number of steps.
    pub fields: Vec<(&'static str, Vec<Field>)>,
    pub edited: Edited,
    pub memory: TrainingMemory,
    pub steps: Option<usize>,
}

impl Default for TrainingForm {
    fn default() -> Self {
        Self {
            run: "runs/first".to_owned(),
            preset: "nano".to_owned(),
            stage: Stage::One,
            steps: String::new(),
            from: String::new(),
            edits: BTreeMap::new(),
            checked: None,
            priority: Priority::default(),
            path: String::new(),
            focus_path: false,
            log_scale: true,
            logarithmic: BTreeMap::new(),
            smoothing: 0.0,
            by_time: false,
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

    /// The form as it is, read; none where there is no such preset.
    pub(super) fn checked(&mut self) -> Option<Arc<Checked>> {
        let key = (self.preset.clone(), self.stage, self.steps.clone(), self.edits.clone());
        if self.checked.as_ref().is_none_or(|checked| checked.key != key) {
            let base = config::preset(&self.preset).ok();
            self.checked = base.map(|base| Arc::new(Checked::new(key, base)));
        }
        self.checked.clone()
    }
}

impl Checked {
    /// The texts that were read.
    pub fn edits(&self) -> &BTreeMap<String, String> {
        &self.key.3
    }

    fn new(key: (String, Stage, String, BTreeMap<String, String>), mut base: Config) -> Self {
        let (_, stage, steps, edits) = &key;
        let steps: Option<usize> = steps.trim().parse().ok().filter(|steps| *steps > 0);
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
            edited,
            key,
        }
    }
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
        Stage::One => sections.push(("World model", vec!["world_model"])),
        // What is frozen has the shape that it was made with.
        Stage::OneB => {}
        Stage::Vlm => sections.push(("Language model", vec!["vlm"])),
        Stage::Two => {
            sections.push(("Goal projection", vec!["gpi", "vlm.lora"]));
            sections.push(("World model, where joint_rate is above 0", vec!["train.stage1"]));
        }
    }
    sections
}

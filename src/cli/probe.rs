//! `thinkjepa probe`: how well events are told from the encoder's features.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::downstream::{Bars, ClipArgs, encoder, tell, tell_confusion, was_stopped};
use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, checkpoint, command_line};
use crate::config::{Precision, WorldModelConfig};
use crate::data::ClipSplit;
use crate::device::{self, Workload};
use crate::downstream::{ATTENTIVE_RATE, Classifier, Effort, Frozen, LINEAR_RATE, Parts, Rates, Score, Tuned};
use crate::eval::Machine;
use crate::sim::{EVENT_FRAMES, Event, Scene};
use crate::weights::Checkpoint;
use crate::world_model::Encoder;

/// Clips a step of a probe, and of the encoder that is trained with labels.
const PROBE_BATCH: usize = 32;
const SUPERVISED_BATCH: usize = 16;
const WEIGHT_DECAY: f64 = 0.05;
/// Highest learning rates from nothing.
const SUPERVISED: Rates = Rates {
    encoder: 1e-3,
    head: 1e-3,
};

#[derive(Args)]
pub struct Probe {
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER", conflicts_with = "head")]
    checkpoint: Option<PathBuf>,
    /// A folder that `thinkjepa finetune` wrote: only the accuracy of what is in it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["steps", "supervised_steps"])]
    head: Option<PathBuf>,
    #[command(flatten)]
    clips: ClipArgs,
    /// Steps of training a probe
    #[arg(long, value_name = "N", default_value_t = PROBE_STEPS, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps of training an encoder with labels, from nothing; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 500)]
    supervised_steps: u32,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Steps of training a probe, where nothing else is asked for.
pub(super) const PROBE_STEPS: u32 = 400;

/// How the heads on a frozen encoder are trained.
pub(super) fn probe_effort(steps: u32, seed: u64) -> Effort {
    Effort {
        steps: steps as usize,
        batch: PROBE_BATCH,
        weight_decay: WEIGHT_DECAY,
        seed,
    }
}

/// The document of `--json` and `--out`.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    command: String,
    /// In the order of the classifier's scores.
    classes: [Event; 5],
    /// Accuracy of a guess.
    chance: f64,
    /// Of the checkpoint's encoder, of one with random weights, and of one that was trained with labels from nothing; or of
    /// what `finetune` wrote.
    probes: Value,
    settings: Value,
    seeds: [u64; 1],
    machine: Machine,
}

impl Subcommand for Probe {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        let scene = Scene::load(&self.clips.scene)?;
        let cancel = console.on_interrupt()?;
        let report = match &self.head {
            Some(folder) => self.of_head(folder, &scene, console, &cancel),
            None => self.of_encoders(&scene, console, &cancel),
        };
        match report {
            Ok(report) => {
                console.document(&self.output, &report)?;
                Ok(Exit::Done)
            }
            Err(err) if was_stopped(&err) => {
                console.note("Stopped. Nothing was written.");
                Ok(Exit::Interrupted)
            }
            Err(err) => Err(err),
        }
    }
}

impl Probe {
    fn of_encoders(&self, scene: &Scene, console: &Console, cancel: &AtomicBool) -> Result<Report, CliError> {
        let checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let (config, seed) = (&checkpoint.config.world_model, self.clips.seed);
        let selected = self.device.open(&checkpoint.config)?;
        let device = &selected.device;
        let trained = encoder(&checkpoint, device)?;
        let parts = self.clips.parts(scene, config.image_size, console, cancel)?;
        let bars = Bars::new(console);
        let mut watch = |what: &'static str, done: usize, total: usize| bars.show(what, done, total);
        let effort = probe_effort(self.steps, seed);

        let mut probes = json!({});
        let mut frozen = |name: &str, encoder: &Encoder| -> Result<(), CliError> {
            let found = Frozen::probe(encoder, config, &parts, effort, device, &mut watch, cancel)?;
            tell(&format!("{name} encoder, linear probe"), &found.linear, console);
            tell(&format!("{name} encoder, attentive probe"), &found.attentive, console);
            tell_confusion(&found.attentive, console);
            probes[name] = json!({ "linear": found.linear, "attentive": found.attentive });
            Ok(())
        };
        frozen("checkpoint", &trained)?;
        device.seed(seed);
        frozen("random", &Encoder::new(config, device))?;
        if self.supervised_steps > 0 {
            let score = self.supervised(config, &parts, device, &bars, cancel)?;
            tell("supervised from nothing, attentive", &score, console);
            tell_confusion(&score, console);
            probes["supervised"] = json!({ "attentive": score });
        }
        let settings = json!({
            "linear": "mean over space and time, standardised, and a line",
            "attentive": "one learned query over all tokens of all frames with a position in time, a perceptron, a line",
            "probe": { "steps": effort.steps, "batch": effort.batch, "weight_decay": effort.weight_decay,
                       "rate_linear": LINEAR_RATE, "rate_attentive": ATTENTIVE_RATE },
            "supervised": { "steps": self.supervised_steps, "batch": SUPERVISED_BATCH, "weight_decay": WEIGHT_DECAY,
                            "rates": SUPERVISED },
            "encoder": checkpoint.config.plan.encoder,
        });
        let device = selected.id.to_string();
        Ok(self.report(probes, of_checkpoint(&checkpoint), settings, Machine::here(&device)))
    }

    /// Encoder and head from random weights, with labels.
    fn supervised(
        &self,
        config: &WorldModelConfig,
        parts: &Parts,
        device: &burn::tensor::Device,
        bars: &Bars,
        cancel: &AtomicBool,
    ) -> Result<Score, CliError> {
        let effort = Effort {
            steps: self.supervised_steps as usize,
            batch: SUPERVISED_BATCH,
            weight_decay: WEIGHT_DECAY,
            seed: self.clips.seed,
        };
        device.seed(effort.seed);
        let mut heard = |done: usize| bars.show("supervised", done, effort.steps);
        let fresh = Classifier::new(config, device);
        let fitted = fresh.trained(&parts.train, effort, SUPERVISED, device, &mut heard, cancel)?;
        let mut heard = |done: usize| bars.show("telling events", done, parts.test.len());
        let told = fitted.predict(&parts.test, device, &mut heard, cancel)?;
        Ok(Score::of(&told, &parts.test.labels().collect::<Vec<_>>()))
    }

    fn of_head(
        &self,
        folder: &Path,
        scene: &Scene,
        console: &Console,
        cancel: &AtomicBool,
    ) -> Result<Report, CliError> {
        let about = Tuned::about(folder)?;
        let workload = Workload {
            batch: SUPERVISED_BATCH,
            world_model: about.world_model.clone(),
            precision: Precision::F32,
        };
        let selected = device::select(self.device.device, &workload)?;
        let tuned = Tuned::load(folder, &selected.device)?;
        let px = about.world_model.image_size;
        let clips = self.clips.make(scene, ClipSplit::Test, px, console, cancel)?;
        let bars = Bars::new(console);
        let mut heard = |done: usize| bars.show("telling events", done, clips.len());
        let told = tuned.classifier.predict(&clips, &selected.device, &mut heard, cancel)?;
        let score = Score::of(&told, &clips.labels().collect::<Vec<_>>());
        tell("finetuned", &score, console);
        tell_confusion(&score, console);
        let checkpoint = json!({ "name": about.checkpoint, "hash": about.checkpoint_hash });
        let device = selected.id.to_string();
        let probes = json!({ "finetuned": { "attentive": score } });
        Ok(self.report(probes, checkpoint, json!({}), Machine::here(&device)))
    }

    fn report(&self, probes: Value, checkpoint: Value, more: Value, machine: Machine) -> Report {
        let mut settings = json!({
            "checkpoint": checkpoint,
            "scene": self.clips.scene,
            "frames": EVENT_FRAMES,
            "clips_of_each": { "train": self.clips.of_each(ClipSplit::Train), "test": self.clips.of_each(ClipSplit::Test) },
        });
        if let (Some(all), Value::Object(more)) = (settings.as_object_mut(), more) {
            all.extend(more);
        }
        Report {
            schema: "thinkjepa.probe/1",
            command: command_line(),
            classes: Event::ALL,
            chance: 1.0 / Event::ALL.len() as f64,
            probes,
            settings,
            seeds: [self.clips.seed],
            machine,
        }
    }
}

fn of_checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({ "name": checkpoint.name, "hash": checkpoint.hash })
}

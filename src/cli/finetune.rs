//! `thinkjepa finetune`: the encoder trained end to end to tell events, from what a checkpoint has.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use super::downstream::{Bars, ClipArgs, encoder, tell, tell_confusion, was_stopped};
use super::probe::{PROBE_STEPS, probe_effort};
use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, checkpoint, command_line};
use crate::data::ClipSplit;
use crate::downstream::{Classifier, Effort, Frozen, Rates, Score, TUNED_SCHEMA, Tuned, TunedAbout, may_write};
use crate::eval::Machine;
use crate::sim::{EVENT_FRAMES, Event, Scene};

#[derive(Args)]
pub struct Finetune {
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    /// The folder for encoder and head, made if need be; one that this command wrote before is replaced
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    clips: ClipArgs,
    /// Steps of training encoder and head
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps of training the head alone before, on the frozen encoder
    #[arg(long, value_name = "N", default_value_t = PROBE_STEPS, value_parser = clap::value_parser!(u32).range(1..))]
    head_steps: u32,
    /// Clips a step of training encoder and head
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Highest learning rate of the encoder
    #[arg(long, value_name = "RATE", default_value_t = 3e-4, value_parser = rate)]
    rate_encoder: f64,
    /// Highest learning rate of the head while the encoder is trained
    #[arg(long, value_name = "RATE", default_value_t = 3e-4, value_parser = rate)]
    rate_head: f64,
    /// Share of a matrix that a step of rate 1 would take away
    #[arg(long, value_name = "DECAY", default_value_t = 0.05, value_parser = decay)]
    weight_decay: f64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    command: String,
    folder: &'a PathBuf,
    /// Accuracy of a guess.
    chance: f64,
    about: &'a TunedAbout,
    machine: Machine,
}

impl Subcommand for Finetune {
    fn json(&self) -> bool {
        self.json
    }

    fn check(&self) -> Result<(), CliError> {
        Ok(may_write(&self.out)?)
    }

    fn run(&self, console: &Console) -> CliResult {
        let scene = Scene::load(&self.clips.scene)?;
        let cancel = console.on_interrupt()?;
        match self.tune(&scene, console, &cancel) {
            Ok((tuned, machine)) => {
                tuned.write(&self.out)?;
                console.line(&format!("encoder and head in {}", self.out.display()));
                let report = Report {
                    schema: "thinkjepa.finetune/1",
                    command: command_line(),
                    folder: &self.out,
                    chance: 1.0 / Event::ALL.len() as f64,
                    about: &tuned.about,
                    machine,
                };
                let json = self.json;
                console.document(&OutputArgs { json, out: None }, &report)?;
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

impl Finetune {
    fn tune(&self, scene: &Scene, console: &Console, cancel: &AtomicBool) -> Result<(Tuned, Machine), CliError> {
        let checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let (config, seed) = (&checkpoint.config.world_model, self.clips.seed);
        let selected = self.device.open(&checkpoint.config)?;
        let device = &selected.device;
        let encoder = encoder(&checkpoint, device)?;
        let parts = self.clips.parts(scene, config.image_size, console, cancel)?;
        let bars = Bars::new(console);
        let mut watch = |what: &'static str, done: usize, total: usize| bars.show(what, done, total);

        // A head that knows its task already does not throw the encoder about in the first steps.
        let effort = probe_effort(self.head_steps, seed);
        let frozen = Frozen::probe(&encoder, config, &parts, effort, device, &mut watch, cancel)?;
        tell("before: frozen, attentive probe", &frozen.attentive, console);
        let effort = Effort {
            steps: self.steps as usize,
            batch: self.batch as usize,
            weight_decay: self.weight_decay,
            seed,
        };
        let rates = Rates {
            encoder: self.rate_encoder,
            head: self.rate_head,
        };
        let classifier = Classifier {
            encoder,
            head: frozen.head,
            config: config.clone(),
        };
        let mut heard = |done: usize| bars.show("finetuning", done, effort.steps);
        let classifier = classifier.trained(&parts.train, effort, rates, device, &mut heard, cancel)?;
        let mut heard = |done: usize| bars.show("telling events", done, parts.test.len());
        let told = classifier.predict(&parts.test, device, &mut heard, cancel)?;
        let after = Score::of(&told, &parts.test.labels().collect::<Vec<_>>());
        tell("after: trained end to end", &after, console);
        tell_confusion(&after, console);
        let about = TunedAbout {
            schema: TUNED_SCHEMA.to_owned(),
            classes: Event::ALL.to_vec(),
            frames: EVENT_FRAMES,
            preset: checkpoint.config.name.clone(),
            checkpoint: checkpoint.name.clone(),
            checkpoint_hash: checkpoint.hash.clone(),
            began_with: checkpoint.config.plan.encoder,
            world_model: config.clone(),
            scene: scene.name.clone(),
            clips: self.clips.of_each(ClipSplit::Train),
            seed,
            steps: effort.steps,
            batch: effort.batch,
            weight_decay: effort.weight_decay,
            rates,
            before: frozen.attentive,
            after,
        };
        let machine = Machine::here(&selected.id.to_string());
        Ok((Tuned { about, classifier }, machine))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a number above 0 and below 1".to_owned()),
    }
}

fn decay(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=10.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 10".to_owned()),
    }
}

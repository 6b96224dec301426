//! `thinkjepa bench`: how long the parts of planning and training take on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::tensor::Tensor;
use clap::Args;
use rand::RngExt;
use serde::Serialize;

use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, checkpoint, command_line, window};
use crate::app::{Beside, measure};
use crate::data::{ClipSampler, EpisodeStore, GenerateSettings, generate};
use crate::engine::TrainingRequest;
use crate::eval::oracle::OracleWorld;
use crate::eval::{Machine, tabletop_tasks};
use crate::planner::cem::{PlanRequest, first_mean, plan};
use crate::planner::cost::{LatentSpace, cost_of, pool};
use crate::planner::{GoalMaker, GoalRequest, GoalSource, LatentModel, Question, Reasoner};
use crate::random::{Stream, rng};
use crate::sim::{DEMO_SCENE, Environment, Frame, OracleKind, Scene};
use crate::studio::{StudioSettings, start};
use crate::system::System;
use crate::train::{Stage, Stage1, StageKind};

/// Episodes that the training step reads from.
const EPISODES: usize = 8;
/// Steps of the long run, and its curves.
const LONG_STEPS: usize = 100_000;
const CURVES: usize = 10;
/// Seed of the scene, of planning and of the data.
const SEED: u64 = 7;

#[derive(Args)]
pub struct Bench {
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    /// How often each part is timed, after once to warm up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    repeats: u64,
    /// Time the window instead: layout and tessellation of its frames while the demo is planned
    #[arg(long)]
    ui: bool,
    /// Train meanwhile (stage vlm), with a run of a million points in the charts, and time the Training workspace too
    #[arg(long, requires = "ui")]
    training: bool,
    /// Frames of the window that are timed
    #[arg(long, value_name = "N", default_value_t = 600, requires = "ui", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    frames: u64,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// One part, timed.
#[derive(Serialize)]
struct Timing {
    name: &'static str,
    about: String,
    repeats: usize,
    median_ms: f64,
    p95_ms: f64,
    /// Where the part is made of many equal ones: how many of them a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_sec: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    command: String,
    preset: String,
    checkpoint: String,
    timings: Vec<Timing>,
    /// Parts that the checkpoint does not hold.
    missing: Vec<String>,
    machine: Machine,
}

impl Subcommand for Bench {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        if self.ui {
            return self.time_window(console);
        }
        let checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let selected = self.device.open(&checkpoint.config)?;
        let system = checkpoint::load(&checkpoint, &selected, console)?;
        let mut clock = Clock {
            repeats: self.repeats as usize,
            timings: Vec::new(),
            console,
        };
        clock.planning(&system)?;
        let mut missing = Vec::new();
        match system.models() {
            Ok(_) => clock.language(&system)?,
            Err(err) => missing.push(err.to_string()),
        }
        clock.training(&system)?;
        for what in &missing {
            console.note(what);
        }
        let report = Report {
            schema: "thinkjepa.bench/1",
            command: command_line(),
            preset: system.config.name.clone(),
            checkpoint: system.name.clone(),
            timings: clock.timings,
            missing,
            machine: Machine::here(&selected.id.to_string()),
        };
        console.document(&self.output, &report)?;
        Ok(Exit::Done)
    }
}

impl Bench {
    /// The window's frames, drawn nowhere: what the graphics card does is left out.
    fn time_window(&self, console: &Console) -> CliResult {
        let settings = StudioSettings {
            checkpoint: checkpoint::folder(self.checkpoint.as_deref())?,
            scene: DEMO_SCENE.to_owned(),
            seed: SEED,
            device: self.device.device,
            recordings: None,
        };
        window::leave_a_core();
        let options = window::demo_options();
        let engine = start(settings, Arc::new(|| ()))?;
        let folder = tempfile::tempdir()?;
        let beside = self.training.then(|| beside(folder.path())).transpose()?;
        let frames = self.frames as usize;
        let measured = measure(engine, &options, frames, beside.as_ref()).map_err(CliError::new)?;
        let mut report = window::TimesReport::new(measured.times, options.size, None, &measured.device);
        report.training = measured.training;
        report.beside = beside.map(|beside| format!("a training, and {} points in the charts", beside.points));
        console.line(&report.line());
        console.document(&self.output, &report)?;
        Ok(Exit::Done)
    }
}

/// A training to begin, and a run of a million points: a random walk for each of ten curves.
fn beside(runs: &Path) -> Result<Beside, CliError> {
    let watched = runs.join("long");
    std::fs::create_dir(&watched)?;
    let mut dice = rng(SEED, Stream::Eval, 0, 0);
    let mut values = [0.0_f64; CURVES];
    let mut lines = String::new();
    for step in 1..=LONG_STEPS {
        let _ = write!(lines, "{{\"step\":{step}");
        for (curve, value) in values.iter_mut().enumerate() {
            *value += dice.random_range(-1.0..1.0);
            let _ = write!(lines, ",\"curve_{curve}\":{value:.4}");
        }
        lines.push_str("}\n");
    }
    std::fs::write(watched.join("metrics.jsonl"), lines)?;
    Ok(Beside {
        watched,
        points: CURVES * LONG_STEPS,
        training: TrainingRequest {
            stage: StageKind::Vlm,
            preset: "nano".to_owned(),
            settings: BTreeMap::new(),
            run: runs.join("training"),
            steps: None,
            from: None,
            scene: None,
            data: None,
            device: None,
        },
    })
}

struct Clock<'a> {
    repeats: usize,
    timings: Vec<Timing>,
    console: &'a Console,
}

impl Clock<'_> {
    /// Times `work`, which says how many equal parts it was made of.
    fn time(
        &mut self,
        name: &'static str,
        about: impl Into<String>,
        mut work: impl FnMut() -> Result<Option<usize>, CliError>,
    ) -> Result<(), CliError> {
        work()?;
        let mut secs = Vec::with_capacity(self.repeats);
        let mut parts = None;
        for _ in 0..self.repeats {
            let began = Instant::now();
            parts = work()?;
            secs.push(began.elapsed().as_secs_f64());
        }
        secs.sort_by(f64::total_cmp);
        let at = |share: f64| secs[((secs.len() - 1) as f64 * share).round() as usize];
        let timing = Timing {
            name,
            about: about.into(),
            repeats: secs.len(),
            median_ms: 1000.0 * at(0.5),
            p95_ms: 1000.0 * at(0.95),
            per_sec: parts.map(|parts| parts as f64 / at(0.5)),
        };
        let rate = timing.per_sec.map_or(String::new(), |rate| format!(", {rate:.1}/s"));
        self.console.line(&format!(
            "{name:<14} {:>8.1} ms (p95 {:.1}){rate}  {}",
            timing.median_ms, timing.p95_ms, timing.about
        ));
        self.timings.push(timing);
        Ok(())
    }

    fn planning(&mut self, system: &System) -> Result<(), CliError> {
        let (world, config) = (&system.world, &system.config.plan);
        let frame = first_frame(system)?;
        let encode = |frames: &[Frame]| -> Result<Tensor<3>, CliError> {
            world.encode(frames).map_err(|err| CliError::new(err.to_string()))
        };
        for (name, count) in [("encode", 1), ("encode batch", 64)] {
            let frames = vec![frame.clone(); count];
            self.time(name, format!("frames to tokens, {count} at once"), || {
                wait(encode(&frames)?);
                Ok(Some(count))
            })?;
        }
        let scene = Scene::load(DEMO_SCENE)?;
        let size = system.config.frame_px();
        let tasks = tabletop_tasks(&scene, OracleKind::Pick, SEED, 1, size)?;
        let task = tasks
            .first()
            .ok_or_else(|| CliError::new("The demo scene has nothing to pick up."))?;
        let observation = task.observe();
        let tokens = encode(&[observation.frame])?;
        let (present, goal) = (pool(tokens.clone()), pool(encode(&[task.goal_frame()])?));
        let space = LatentSpace::new(world, config.similarity)?;
        let cost = cost_of(config.cost.term, world, &space, goal, present, GoalSource::Oracle)?;
        let (population, iterations, horizon) = (config.cem.population, config.cem.iterations, config.horizon);
        let about = format!("one action: {population} futures of {horizon} steps, {iterations} iterations");
        let crowd = tokens.clone().repeat_dim(0, population);
        let actions = Tensor::<2>::zeros([population, 3], &world.device());
        self.time("imagine", format!("{population} futures by one step"), || {
            wait(world.predict(crowd.clone(), actions.clone(), None));
            Ok(Some(population))
        })?;
        self.time("by layers", "the same, with the library's layers one by one", || {
            wait(world.predict_by_layers(crowd.clone(), actions.clone(), None));
            Ok(Some(population))
        })?;
        let cancel = AtomicBool::new(false);
        self.time("plan", about, || {
            let request = PlanRequest {
                tokens: &tokens,
                mean: first_mean(config, observation.last_grip_command),
                grip_command: observation.last_grip_command,
                bias: None,
                seed: SEED,
                step: 0,
                draw: 0,
            };
            plan(world, cost.as_ref(), config, &request, &mut |_, _| (), &cancel)?;
            Ok(Some(population * iterations * horizon))
        })
    }

    fn language(&mut self, system: &System) -> Result<(), CliError> {
        let frame = first_frame(system)?;
        let failed = |err: crate::planner::ModelError| CliError::new(err.to_string());
        let cancel = AtomicBool::new(false);
        let task = "stack the red block on the green block";
        self.time(
            "answer",
            "a task to reasoning and sub-goals; the rate is of tokens",
            || {
                let question = Question {
                    frame: &frame,
                    task,
                    history: None,
                    temperature: 0.0,
                    seed: SEED,
                    cancel: &cancel,
                };
                let mut tokens = 0;
                system.reason(&question, &mut |_, _| tokens += 1).map_err(failed)?;
                Ok(Some(tokens))
            },
        )?;
        let tokens = system.world.encode(std::slice::from_ref(&frame)).map_err(failed)?;
        let objects = ["red block".to_owned()];
        self.time("goal", "a sub-goal to its map and its goal in latent space", || {
            let request = GoalRequest {
                frame: &frame,
                tokens: &tokens,
                task,
                text: "pick up the red block",
                objects: &objects,
            };
            wait(system.goal(&request).map_err(failed)?.tokens);
            Ok(None)
        })
    }

    fn training(&mut self, system: &System) -> Result<(), CliError> {
        let config = system.config.clone();
        let folder = tempfile::tempdir()?;
        let settings = GenerateSettings {
            episodes: EPISODES,
            frame_px: config.world_model.image_size,
            seed: SEED,
            ..GenerateSettings::default()
        };
        generate(
            folder.path(),
            &Scene::load(DEMO_SCENE)?,
            &settings,
            &|_, _| (),
            &AtomicBool::new(false),
        )?;
        let store = Arc::new(EpisodeStore::open(folder.path())?);
        let clips = ClipSampler::new(store, config.train.seed, 0..EPISODES);
        let (batch, length) = (config.train.stage1.batch, config.world_model.clip_len);
        let mut stage = Stage1::new(config, None, clips, &system.device);
        let mut step = 0;
        self.time(
            "train step",
            format!("stage 1, {batch} clips of {length} frames"),
            || {
                stage.step(step)?;
                step += 1;
                Ok(None)
            },
        )
    }
}

fn first_frame(system: &System) -> Result<Frame, CliError> {
    let world = crate::sim::World::new(&Scene::load(DEMO_SCENE)?, SEED, system.config.frame_px())?;
    Ok(world.observe().frame)
}

/// Until the device has the result.
fn wait(tokens: Tensor<3>) {
    std::hint::black_box(tokens.into_data());
}

//! `thinkjepa window`, and `thinkjepa` without a subcommand: the window, with the demo scene, the trained checkpoint and
//! the demo task unless others are named. It can drive itself, which makes a picture, a plan or a time of the real window
//! one command. Where there is no display, the demo episode runs without a window.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::reopen::{Before, reopen};
use super::{
    CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, WorldArgs, args, checkpoint, command_line,
    plan,
};
use crate::app::{
    AppError, AppOptions, Ending, LEAST_SIZE, Picture, Script, UiTimes, remembered_size, run, settings_path,
};
use crate::device::DeviceChoice;
use crate::engine::Command;
use crate::eval::Machine;
use crate::panels::Pane;
use crate::sim::DEMO_SCENE;
use crate::studio::{StudioSettings, start};
use crate::weights::write_file;

/// Tasks of the demo scene; the first stands in the task box.
const TASKS: [&str; 4] = [
    "stack the red block on the green block",
    "put the blue block on the yellow pad",
    "put the green block on the purple pad",
    "pick up the green block",
];
/// The demo's seed, the same with and without a window.
const SEED: u64 = 7;
/// Folder that episodes of the window are recorded in.
const RECORDINGS: &str = "recordings";
/// Longest time a frame of the window may take to lay out and tessellate, at the 95th percentile.
const TARGET_MS: f64 = 8.0;

#[derive(Args)]
pub struct Window {
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    /// A scene under scenes/, or a RON file of your own [default: three-blocks]
    #[arg(long, value_name = "NAME|FILE")]
    scene: Option<String>,
    /// Drives scene jitter, planning and sampling
    #[arg(long, value_name = "N", default_value_t = SEED, allow_hyphen_values = true)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Folder that every episode is recorded in as it happens
    #[arg(long, value_name = "FOLDER", default_value = RECORDINGS)]
    record: PathBuf,
    /// Open a recording
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    recording: Option<PathBuf>,
    /// Begin with training and watch this run, whoever writes it; may be given more than once
    #[arg(long, value_name = "RUN")]
    watch: Vec<PathBuf>,
    /// The task in the task box
    #[arg(long)]
    task: Option<String>,
    /// Inner size of the window, points [default: as it was when it was last closed, at first 1600x1000]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    size: Option<[f32; 2]>,
    /// Begin with the light theme, whatever was chosen before
    #[arg(long)]
    light: bool,
    /// Plan the task and run it to its end, as Enter does
    #[arg(long)]
    run: bool,
    /// Write the finished episode: plan JSON, or a GIF where the name says so; may be given more than once
    #[arg(long, value_name = "FILE", requires = "run")]
    export: Vec<PathBuf>,
    /// Write a picture of the window, a PNG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Take the picture looking back at this step, not at the end; with --run while the episode goes on
    #[arg(long, value_name = "N", requires = "picture")]
    picture_step: Option<usize>,
    /// Bring this pane to the front for the picture, such as latent; may be given more than once
    #[arg(long, value_name = "PANE", requires = "picture", value_parser = pane)]
    picture_pane: Vec<Pane>,
    /// Write what a frame of the window took while the episode was planned, as JSON
    #[arg(long, value_name = "FILE", requires_all = ["run", "quit"])]
    times: Option<PathBuf>,
    /// Close the window when all of this is done; the exit code is that of `thinkjepa plan`
    #[arg(long)]
    quit: bool,
}

fn size(text: &str) -> Result<[f32; 2], String> {
    let parsed = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| text.parse::<u16>().ok().map(f32::from);
        Some([side(width)?, side(height)?])
    });
    let [width, height] = LEAST_SIZE;
    parsed
        .filter(|size| size[0] >= width && size[1] >= height)
        .ok_or_else(|| format!("expected a width and a height such as 1600x1000, at least {width}x{height}"))
}

fn pane(title: &str) -> Result<Pane, String> {
    Pane::named(title).ok_or_else(|| {
        let titles: Vec<String> = Pane::ALL.iter().map(|pane| pane.title().to_lowercase()).collect();
        format!("expected one of {}", titles.join(", "))
    })
}

impl Subcommand for Window {
    fn json(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), CliError> {
        let files = self.export.iter().chain(&self.picture).chain(&self.times);
        files.map(PathBuf::as_path).try_for_each(args::writable)
    }

    fn run(&self, console: &Console) -> CliResult {
        if !has_display() {
            return Err(CliError::new(
                "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set). `thinkjepa plan` does the same \
                 episode without a window, `xvfb-run -a thinkjepa window` opens one that nobody sees.",
            ));
        }
        let mut examples = TASKS.map(str::to_owned).to_vec();
        if let Some(task) = &self.task {
            examples.insert(0, task.clone());
        }
        let script = Script {
            run: self.run,
            picture: self.picture.clone().map(|path| Picture {
                path,
                step: self.picture_step,
                panes: self.picture_pane.clone(),
            }),
            exports: self.export.clone(),
            quit: self.quit,
        };
        let before = Before::here();
        let scripted = script.run || script.picture.is_some() || script.quit;
        // A window that drives itself looks the same whoever has used it before, and leaves nothing behind.
        let settings = settings_path().filter(|_| !scripted);
        let remembered = || settings.as_deref().and_then(remembered_size);
        let options = AppOptions {
            examples,
            seed: self.seed,
            dark: !self.light,
            size: self.size.or_else(remembered).unwrap_or(demo_options().size),
            settings: settings.clone(),
            training: !self.watch.is_empty(),
            notice: before.as_ref().map(Before::notice),
            script: scripted.then_some(script),
        };
        let opened = SystemTime::now();
        let ended = self.open(options, before.and_then(|before| before.recording));
        let problem = match &ended {
            Ok(ending) => ending.problem.clone(),
            Err(err @ AppError::BrokeOff(_)) => Some(err.to_string()),
            Err(_) => None,
        };
        match problem {
            Some(problem) if scripted => return Err(CliError::new(problem)),
            Some(problem) => return reopen(&self.record, opened, &problem),
            None => {}
        }
        let ending = ended?;
        if let Some(times) = ending.times.filter(|_| self.run) {
            let shown_by = ending.adapter.clone().unwrap_or_else(|| "no graphics card".to_owned());
            let mut report = TimesReport::new(times, ending.size, Some(shown_by), &ending.device);
            report.frames_per_sec = ending.frames_per_sec;
            console.line(&report.line());
            if let Some(path) = &self.times {
                write_file(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
            }
        }
        let outcome = ending
            .recording
            .as_ref()
            .and_then(|recording| recording.outcome.clone());
        match (ending.recording, outcome) {
            (Some(recording), Some(outcome)) if self.run && self.quit => Ok(plan::exit(&recording, &outcome)),
            _ if self.quit && !ending.done => Ok(Exit::Interrupted),
            _ => Ok(Exit::Done),
        }
    }
}

impl Window {
    /// `recording` is opened rather than the one that the command line names.
    fn open(&self, options: AppOptions, recording: Option<PathBuf>) -> Result<Ending, AppError> {
        // The window opens without a checkpoint as well, and says there what is missing.
        let folder = checkpoint::folder(self.checkpoint.as_deref());
        let settings = StudioSettings {
            checkpoint: folder.unwrap_or_else(|_| PathBuf::from(checkpoint::DEFAULT)),
            scene: self.scene.clone().unwrap_or_else(|| DEMO_SCENE.to_owned()),
            seed: self.seed,
            device: self.device.device,
            recordings: Some(self.record.clone()),
        };
        leave_a_core();
        let recording = recording.or_else(|| self.recording.clone());
        let watched = self.watch.clone();
        let begin = move |waker| {
            let engine = start(settings, waker)?;
            if let Some(path) = recording {
                engine.send(Command::OpenRecording(path));
            }
            for run in watched {
                engine.send(Command::WatchRun(run));
            }
            Ok(engine)
        };
        run(options, begin)
    }
}

/// What the window took for its frames, for `assets/records/`.
#[derive(Serialize)]
pub(super) struct TimesReport {
    schema: &'static str,
    command: String,
    /// Layout and tessellation of the frames in which an episode was planned.
    #[serde(flatten)]
    times: UiTimes,
    /// Of those among them that showed the training workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) training: Option<UiTimes>,
    target_p95_ms: f64,
    /// Drawn and presented while the episode was planned, at the pace of 30 at most; none if they were drawn nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    frames_per_sec: Option<f64>,
    /// What else went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beside: Option<String>,
    /// Inner size of the window, points.
    size: [f32; 2],
    /// The graphics card that drew the frames; none if they were laid out and tessellated, and drawn nowhere.
    adapter: Option<String>,
    /// Threads of the compute pool; the planner's own thread waits for them.
    compute_threads: usize,
    /// Threads that wanted to run, mean of the last minute, where the system tells it: other work slows the frames down.
    load_average: Option<f64>,
    machine: Machine,
}

fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

impl TimesReport {
    pub(super) fn new(times: UiTimes, size: [f32; 2], adapter: Option<String>, device: &str) -> Self {
        Self {
            schema: "thinkjepa.window/1",
            command: command_line(),
            times,
            target_p95_ms: TARGET_MS,
            training: None,
            frames_per_sec: None,
            beside: None,
            size,
            adapter,
            compute_threads: rayon::current_num_threads(),
            load_average: load_average(),
            machine: Machine::here(device),
        }
    }

    pub(super) fn line(&self) -> String {
        let UiTimes {
            frames,
            p50_ms,
            p95_ms,
            max_ms,
        } = self.times;
        format!(
            "A frame of the window took {p50_ms:.1} ms at p50, {p95_ms:.1} ms at p95 and {max_ms:.1} ms at most to lay \
             out and tessellate, over {frames} frames while planning{} (wanted: p95 under {TARGET_MS:.0} ms).{}{}",
            self.beside
                .as_ref()
                .map_or_else(String::new, |what| format!(", beside {what}")),
            self.training.map_or_else(String::new, |training| format!(
                " In the training workspace alone: {:.1} ms at p95.",
                training.p95_ms
            )),
            self.frames_per_sec
                .map_or_else(String::new, |drawn| format!(" {drawn:.1} frames a second were drawn."))
        )
    }
}

/// The compute pool takes all cores but one, so that the window stays quick while it works. How many threads there are
/// changes no number that they compute.
pub(super) fn leave_a_core() {
    if std::env::var_os("RAYON_NUM_THREADS").is_some() {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.saturating_sub(1).max(1));
    if let Err(err) = pool.build_global() {
        log::warn!("The compute pool keeps all cores: {err}.");
    }
}

/// What the window starts with where nothing is named.
pub(super) fn demo_options() -> AppOptions {
    AppOptions {
        examples: TASKS.map(str::to_owned).to_vec(),
        seed: SEED,
        ..AppOptions::default()
    }
}

pub(super) fn open_demo(console: &Console) -> CliResult {
    if has_display() {
        let window = Window {
            checkpoint: None,
            scene: None,
            seed: SEED,
            device: DeviceArgs {
                device: DeviceChoice::Auto,
            },
            record: PathBuf::from(RECORDINGS),
            recording: None,
            watch: Vec::new(),
            task: None,
            size: None,
            light: false,
            run: false,
            export: Vec::new(),
            picture: None,
            picture_step: None,
            picture_pane: Vec::new(),
            times: None,
            quit: false,
        };
        return window.run(console);
    }
    console.note(
        "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running the demo episode without a window.",
    );
    demo(console)
}

/// The demo episode, its plan and its animation.
fn demo(console: &Console) -> CliResult {
    let (plan_json, gif) = (PathBuf::from("plan.json"), PathBuf::from("episode.gif"));
    let demo = plan::Plan {
        task: TASKS[0].to_owned(),
        world: WorldArgs {
            scene: None,
            seed: SEED,
        },
        checkpoint: None,
        record: None,
        gif: Some(gif),
        max_steps: None,
        device: DeviceArgs {
            device: DeviceChoice::Auto,
        },
        output: OutputArgs {
            json: false,
            out: Some(plan_json),
        },
    };
    Subcommand::check(&demo)?;
    let exit = demo.run(console)?;
    console.line("plan plan.json");
    Ok(exit)
}

/// Other systems always have a window system; on these, it says where it listens.
fn has_display() -> bool {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return true;
    }
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    named("DISPLAY") || named("WAYLAND_DISPLAY")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scene;
    use crate::sim::tasks::{TaskBook, check_text};

    #[test]
    fn every_example_is_a_task_that_can_be_judged_and_is_still_to_do() {
        let state = Scene::load(DEMO_SCENE).unwrap().start(SEED).unwrap();
        let book = TaskBook::built_in().unwrap();
        for text in TASKS {
            check_text(text, &state).unwrap();
            let task = book.recognise(text, &state);
            assert!(task.is_some_and(|task| !task.solved(&state)), "{text}");
        }
    }
}

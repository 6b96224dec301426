//! `thinkjepa plan`: one episode without a window (Algorithm 2), its plan as JSON and its pictures as a GIF.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, WorldArgs, args, checkpoint};
use crate::planner::animation::write_gif;
use crate::planner::{Episode, EpisodeSetup, Event, PlanDocument, Progress, run_episode};
use crate::recording::file::RecordingWriter;
use crate::recording::{Outcome, Recording};
use crate::sim::tasks::{TaskBook, check_text};
use crate::sim::{DEMO_SCENE, Scene, World};
use crate::studio::gripper_in_picture;

/// Height of the GIF's pictures.
const GIF_PX: usize = 384;
/// How long each of them stays.
const GIF_MILLIS: u32 = 200;

#[derive(Args)]
pub struct Plan {
    /// What should be done, such as "stack the red block on the green block"
    #[arg(value_name = "TASK")]
    pub task: String,
    #[command(flatten)]
    pub world: WorldArgs,
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    pub checkpoint: Option<PathBuf>,
    /// Write the episode as an animation
    #[arg(long, value_name = "FILE")]
    pub gif: Option<PathBuf>,
    /// Record the episode as it happens, for the window to open; an older file is not written over
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Actions after which the episode ends as not reached
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub max_steps: Option<u64>,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Subcommand for Plan {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        for file in self.gif.iter().chain(&self.record) {
            args::writable(file)?;
        }
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        let scene = Scene::load(self.world.scene.as_deref().unwrap_or(DEMO_SCENE))?;
        let state = scene.start(self.world.seed)?;
        check_text(&self.task, &state)?;
        let checkpoint = checkpoint::open(self.checkpoint.as_deref())?;
        let selected = self.device.open(&checkpoint.config)?;
        let system = checkpoint::load(&checkpoint, &selected, console)?;
        let models = system.models()?;
        let config = &system.config;
        let size = config.frame_px();
        let mut world = World::from_state(&state, size);
        let setup = EpisodeSetup {
            task: self.task.clone(),
            scene: scene.name.clone(),
            scene_text: scene.own_text(),
            seed: self.world.seed,
            checkpoint_name: system.name.clone(),
            checkpoint_hash: system.hash.clone(),
            scene_objects: state.object_names(),
            view_height_px: if self.gif.is_some() || self.record.is_some() {
                GIF_PX
            } else {
                size
            },
        };
        let mut episode = Episode::new(setup, config.plan.clone());
        let cancel = console.on_interrupt()?;
        console.note(&format!("{} in {} with {}", self.task, scene.name, system.name));
        let mut observer = |event: Event| {
            if let Event::Text(piece) = event {
                let mut stderr = std::io::stderr();
                // Nothing can be done about a closed pipe.
                let _ = write!(stderr, "{piece}").and_then(|()| stderr.flush());
            }
        };
        let mut recorder = self.record.as_deref().map(RecordingWriter::create).transpose()?;
        let mut recorded = Ok(());
        let mut record = |recording: &Recording| {
            if let (Some(recorder), Ok(())) = (&mut recorder, &recorded) {
                recorded = recorder.update(recording);
            }
        };
        let mut on_progress = |episode: &Episode, progress: &Progress| {
            episode.recording().read(|recording| {
                say(console, recording, progress);
                record(recording);
            });
        };
        let most = self.max_steps.map(|steps| steps as usize);
        let outcome = run_episode(
            &mut episode,
            &mut world,
            &models,
            most,
            &mut observer,
            &mut on_progress,
            &cancel,
        )?;
        let task = TaskBook::named(&scene.tasks)?.recognise(&self.task, &state);
        let solved = task.map(|task| task.solved(world.state()));
        episode.judge_task(solved);
        let recording = episode.recording().snapshot();
        record(&recording);
        tell(console, &recording, &outcome);
        if let Some(gif) = &self.gif {
            write_gif(gif, &recording, &gripper_in_picture, GIF_MILLIS)?;
            console.line(&format!("animation {}", gif.display()));
        }
        console.document(&self.output, &PlanDocument::from_recording(&recording, &config.plan))?;
        recorded?;
        if let Some(record) = &self.record {
            console.line(&format!("recording {}", record.display()));
        }
        Ok(exit(&recording, &outcome))
    }
}

/// Declared by the latent is not enough where the world says otherwise.
pub(super) fn exit(recording: &Recording, outcome: &Outcome) -> Exit {
    let mut declared = recording.sub_goals.iter().filter(|sub_goal| sub_goal.declared);
    match outcome {
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Reached
            if declared.all(|sub_goal| sub_goal.achieved != Some(false)) && recording.task_achieved != Some(false) =>
        {
            Exit::Done
        }
        _ => Exit::NotReached,
    }
}

/// What a step of the episode came to, in a line on stderr.
fn say(console: &Console, recording: &Recording, progress: &Progress) {
    let step = recording.steps.last().map_or(0, |record| record.step);
    let text = |index: usize| {
        recording
            .sub_goals
            .get(index)
            .map_or("", |sub_goal| sub_goal.text.as_str())
    };
    match progress {
        Progress::Reasoned => {
            console.note("");
            let replan = recording.replans.last();
            for line in replan.map_or(&recording.unread, |replan| &replan.unread) {
                console.note(&format!("could not read in the answer: {line}"));
            }
            for sub_goal in recording
                .sub_goals
                .iter()
                .filter(|sub_goal| !sub_goal.unmatched.is_empty())
            {
                console.note(&format!(
                    "\"{}\" names what is not in the scene: {}",
                    sub_goal.text,
                    sub_goal.unmatched.join(", ")
                ));
            }
        }
        Progress::Switched { ended, .. } => {
            let record = recording.steps.last();
            let similarity = record.and_then(|record| record.similarities.get(*ended).copied().flatten());
            let similarity = similarity.map_or(String::new(), |similarity| format!(" (similarity {similarity:.2})"));
            console.note(&format!("step {step}: reached \"{}\"{similarity}", text(*ended)));
        }
        Progress::OutOfTime { sub_goal } => {
            console.note(&format!(
                "step {step}: not reached in time: \"{}\"; asking again",
                text(*sub_goal)
            ));
        }
        // The answer that was streamed ended without a line break.
        Progress::Over(Outcome::Unparsed { .. }) => console.note(""),
        Progress::Acted { .. }
        | Progress::Planned { .. }
        | Progress::Held(_)
        | Progress::Cancelled
        | Progress::Over(_) => {}
    }
}

/// The result, for people.
fn tell(console: &Console, recording: &Recording, outcome: &Outcome) {
    let known = |achieved: Option<bool>| match achieved {
        Some(true) => "achieved",
        Some(false) => "not achieved",
        None => "not judged",
    };
    for (index, sub_goal) in recording.sub_goals.iter().enumerate() {
        let declared = if sub_goal.declared { "declared" } else { "not declared" };
        let (number, achieved) = (index + 1, known(sub_goal.achieved));
        console.line(&format!("{number}. {}: {declared}, {achieved}", sub_goal.text));
    }
    let steps = recording.steps.last().map_or(0, |record| record.step);
    console.line(&match outcome {
        Outcome::Reached => format!("Every sub-goal was declared reached after {steps} steps."),
        Outcome::NotReached { reason } => format!("Not reached after {steps} steps: {reason}"),
        Outcome::Unparsed { .. } => {
            "The answer could not be read, twice. It is in the plan as written; try another wording.".to_owned()
        }
        Outcome::Interrupted => format!("Interrupted after {steps} steps."),
    });
    if let Some(achieved) = recording.task_achieved {
        console.line(if achieved {
            "In the world, the task is done."
        } else {
            "In the world, the task is not done."
        });
    }
}

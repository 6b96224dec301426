//! `thinkjepa` without a subcommand: the window, with the demo scene, the trained checkpoint and the demo task. Where
//! there is no display, the demo episode runs without a window.

use std::path::PathBuf;

use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, WorldArgs, checkpoint, plan};
use crate::app::{AppOptions, run};
use crate::device::DeviceChoice;
use crate::sim::DEMO_SCENE;
use crate::studio::{StudioSettings, start};

/// Tasks of the demo scene; the first stands in the task box.
const TASKS: [&str; 4] = [
    "stack the red block on the green block",
    "put the blue block on the yellow pad",
    "put the green block on the purple pad",
    "pick up the green block",
];
/// The demo's seed, the same with and without a window.
const SEED: u64 = 7;

pub(super) fn open(console: &Console) -> CliResult {
    if !has_display() {
        console.note(
            "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running the demo episode without a window.",
        );
        return demo(console);
    }
    // The window opens without a checkpoint as well, and says there what is missing.
    let folder = checkpoint::folder(None).unwrap_or_else(|_| PathBuf::from(checkpoint::DEFAULT));
    let settings = StudioSettings {
        checkpoint: folder,
        scene: DEMO_SCENE.to_owned(),
        seed: SEED,
        device: DeviceChoice::Auto,
    };
    let options = AppOptions {
        examples: TASKS.map(str::to_owned).to_vec(),
        seed: SEED,
        plan_at_once: false,
    };
    run(options, move |waker| start(settings, waker)).map_err(|err| CliError::new(err.to_string()))?;
    Ok(Exit::Done)
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

//! `thinkjepa datagen`: episodes to train on.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{CliResult, Console, Exit, ModelArgs, Subcommand};
use crate::data::{DatagenError, GenerateSettings, generate};
use crate::sim::{DEMO_SCENE, Scene};

#[derive(Args)]
pub struct Datagen {
    /// A scene under scenes/, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE", default_value = DEMO_SCENE)]
    scene: String,
    /// How many episodes
    #[arg(long, value_name = "N", default_value_t = GenerateSettings::default().episodes)]
    episodes: usize,
    /// Actions in each
    #[arg(long, value_name = "N", default_value_t = GenerateSettings::default().steps)]
    steps: usize,
    /// Drives scenes and policy; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = GenerateSettings::default().seed)]
    seed: u64,
    /// Folder to write to, data/SCENE by default; a folder that was begun is finished
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Whose frame size to draw in: nano, vit-l or paper, or a RON file of your own
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    folder: PathBuf,
    scene: String,
    episodes: usize,
    steps: usize,
    frame_px: usize,
    seed: u64,
}

impl Subcommand for Datagen {
    fn json(&self) -> bool {
        self.json
    }

    fn run(&self, console: &Console) -> CliResult {
        let model = ModelArgs {
            preset: self.preset.clone(),
            checkpoint: None,
        };
        let scene = Scene::load(&self.scene)?;
        let settings = GenerateSettings {
            episodes: self.episodes,
            steps: self.steps,
            seed: self.seed,
            frame_px: model.config()?.world_model.image_size,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            ..GenerateSettings::default()
        };
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| PathBuf::from("data").join(&scene.name));
        let cancel = console.on_interrupt()?;
        let bar = console.progress(self.episodes as u64, "episodes");
        let progress = |done: usize, _total: usize| bar.set_position(done as u64);
        let made = generate(&out, &scene, &settings, &progress, &cancel);
        bar.finish_and_clear();
        match made {
            Err(DatagenError::Cancelled { done, total }) => {
                console.note(&format!(
                    "Stopped at {done} of {total} episodes. The same command goes on from there."
                ));
                return Ok(Exit::Interrupted);
            }
            other => other?,
        }
        console.line(&format!(
            "{} episodes of {} actions in {}",
            self.episodes,
            self.steps,
            out.display()
        ));
        console.document(
            &super::OutputArgs {
                json: self.json,
                out: None,
            },
            &Report {
                schema: "thinkjepa.datagen/1",
                folder: out,
                scene: scene.name,
                episodes: self.episodes,
                steps: self.steps,
                frame_px: settings.frame_px,
                seed: self.seed,
            },
        )?;
        Ok(Exit::Done)
    }
}

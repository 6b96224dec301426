//! `thinkjepa extract`: what the encoder makes of pictures or of recorded episodes, as a file for other programs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image::imageops::{FilterType, crop_imm, resize};
use serde::Serialize;

use super::{CliError, CliResult, Console, DeviceArgs, Exit, OutputArgs, Subcommand, args, checkpoint};
use crate::data::{EpisodeStore, FeatureFile};
use crate::planner::LatentModel;
use crate::planner::cost::pool;
use crate::sim::Frame;
use crate::system::System;

/// Pictures that are encoded side by side.
const AT_ONCE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Features {
    /// One vector for each patch, [N, D]
    Tokens,
    /// Their mean, [D]: what goals are compared in
    Pooled,
}

#[derive(Args)]
pub struct Extract {
    /// A folder of episodes from `thinkjepa datagen`: features [E, T+1, …], with their actions [E, T, 3]
    #[arg(
        long,
        value_name = "FOLDER",
        required_unless_present = "images",
        conflicts_with = "images"
    )]
    data: Option<PathBuf>,
    /// Pictures (PNG, JPEG, GIF), cut to their middle square: features [F, …]
    #[arg(long, value_name = "FILE", num_args = 1..)]
    images: Vec<PathBuf>,
    /// With --data: only so many of the first episodes
    #[arg(long, value_name = "N", requires = "data", value_parser = clap::value_parser!(u64).range(1..))]
    episodes: Option<u64>,
    /// What of the encoder's output
    #[arg(long, value_enum, default_value_t = Features::Tokens)]
    features: Features,
    /// The file: .safetensors, or .npy for the features alone; an older one is not written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A checkpoint folder [default: checkpoints/nano]
    #[arg(long, value_name = "FOLDER")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON document on stdout and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    file: PathBuf,
    features: &'static str,
    shape: Vec<usize>,
    checkpoint: String,
    checkpoint_hash: String,
}

impl Subcommand for Extract {
    fn json(&self) -> bool {
        self.json
    }

    fn check(&self) -> Result<(), CliError> {
        args::writable(&self.out)?;
        Ok(FeatureFile::check(&self.out)?)
    }

    fn run(&self, console: &Console) -> CliResult {
        // What is to be read comes first: a missing folder should not wait for the models.
        let store = self.data.as_ref().map(EpisodeStore::open).transpose()?;
        let opened = checkpoint::open(self.checkpoint.as_deref())?;
        let selected = self.device.open(&opened.config)?;
        let system = checkpoint::load(&opened, &selected, console)?;
        let made = match &store {
            Some(store) => self.of_episodes(store, &system, console)?,
            None => self.of_images(&system)?,
        };
        let Some(shape) = made else {
            console.note("Stopped. Nothing was written.");
            return Ok(Exit::Interrupted);
        };
        console.line(&format!("{} {shape:?} in {}", self.name(), self.out.display()));
        let report = Report {
            schema: "thinkjepa.extract/1",
            file: self.out.clone(),
            features: self.name(),
            shape,
            checkpoint: system.name,
            checkpoint_hash: system.hash,
        };
        let json = self.json;
        console.document(&OutputArgs { json, out: None }, &report)?;
        Ok(Exit::Done)
    }
}

impl Extract {
    fn name(&self) -> &'static str {
        match self.features {
            Features::Tokens => "tokens",
            Features::Pooled => "pooled",
        }
    }

    /// `[count, ...]` of the features of so many pictures.
    fn shape(&self, system: &System, leading: &[usize]) -> Vec<usize> {
        let model = &system.config.world_model;
        let own = match self.features {
            Features::Tokens => vec![(model.image_size / model.patch_size).pow(2), model.dim],
            Features::Pooled => vec![model.dim],
        };
        [leading, &own].concat()
    }

    fn encode(&self, system: &System, frames: &[Frame]) -> Result<Vec<f32>, CliError> {
        let tokens = system.world.encode(frames).map_err(anyhow::Error::from_boxed)?;
        let values = match self.features {
            Features::Tokens => tokens.try_into_vec_as::<f32>(),
            Features::Pooled => pool(tokens).try_into_vec_as::<f32>(),
        };
        values.map_err(|err| CliError::new(format!("Could not read the features back from the device: {err}.")))
    }

    fn create(&self, arrays: &[(&str, Vec<usize>)], system: &System) -> Result<FeatureFile, CliError> {
        let about = [
            ("checkpoint", system.name.clone()),
            ("checkpoint_hash", system.hash.clone()),
        ];
        Ok(FeatureFile::create(&self.out, arrays, &about)?)
    }

    /// The shape of what was written; none where it was interrupted.
    fn of_episodes(
        &self,
        store: &EpisodeStore,
        system: &System,
        console: &Console,
    ) -> Result<Option<Vec<usize>>, CliError> {
        let (size, wanted) = (store.meta().frame_px, system.config.world_model.image_size);
        if size != wanted {
            let folder = store.folder().display();
            return Err(CliError::new(format!(
                "{folder}: frame_px is {size}, expected {wanted}: the checkpoint was made for other pictures. Make the \
                 episodes with `thinkjepa datagen --preset {}`.",
                system.config.name
            )));
        }
        let episodes = match self.episodes {
            Some(count) if count as usize > store.episodes() => {
                let (folder, have) = (store.folder().display(), store.episodes());
                return Err(CliError::new(format!(
                    "--episodes is {count}, and {folder} has {have}."
                )));
            }
            Some(count) => count as usize,
            None => store.episodes(),
        };
        let (steps, frames) = (store.steps(), store.steps() + 1);
        let shape = self.shape(system, &[episodes, frames]);
        let with_actions = self.out.extension().is_some_and(|extension| extension == "safetensors");
        let mut arrays = vec![(self.name(), shape.clone())];
        if with_actions {
            arrays.push(("actions", vec![episodes, steps, 3]));
        }
        let mut file = self.create(&arrays, system)?;
        let cancel = console.on_interrupt()?;
        let bar = console.progress(episodes as u64, "episodes");
        for episode in 0..episodes {
            if cancel.load(std::sync::atomic::Ordering::Relaxed) {
                return Ok(None);
            }
            for pictures in store.frames(episode)?.chunks(AT_ONCE) {
                file.write(&self.encode(system, pictures)?)?;
            }
            bar.inc(1);
        }
        if with_actions {
            let all = (0..episodes).flat_map(|episode| (0..steps).map(move |step| (episode, step)));
            for (episode, step) in all {
                file.write(&store.action(episode, step))?;
            }
        }
        file.finish()?;
        bar.finish_and_clear();
        Ok(Some(shape))
    }

    fn of_images(&self, system: &System) -> Result<Option<Vec<usize>>, CliError> {
        let size = system.config.world_model.image_size;
        let shape = self.shape(system, &[self.images.len()]);
        let mut file = self.create(&[(self.name(), shape.clone())], system)?;
        for paths in self.images.chunks(AT_ONCE) {
            let pictures: Vec<Frame> = paths.iter().map(|path| picture(path, size)).collect::<Result<_, _>>()?;
            file.write(&self.encode(system, &pictures)?)?;
        }
        file.finish()?;
        Ok(Some(shape))
    }
}

/// The middle square of a picture, resized to the encoder's.
fn picture(path: &Path, size: usize) -> Result<Frame, CliError> {
    let read = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(image::ImageError::from)
        .and_then(image::ImageReader::decode);
    let read = read.map_err(|err| {
        let path = path.display();
        CliError::new(format!("Could not read {path}: {err}. Choose a PNG, JPEG or GIF file."))
    })?;
    let rgb = read.to_rgb8();
    let (width, height) = rgb.dimensions();
    let side = width.min(height);
    let square = crop_imm(&rgb, (width - side) / 2, (height - side) / 2, side, side).to_image();
    let resized = resize(&square, size as u32, size as u32, FilterType::CatmullRom);
    Ok(Frame {
        width: size,
        height: size,
        rgb: resized.into_raw().into(),
    })
}

//! A training that the window starts: the same job as `thinkjepa train`, with data made where there is none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{StudioSettings, failed, refused};
use crate::config::{self, Config};
use crate::data::{DatagenError, EpisodeStore, GenerateSettings, StoreError, generate};
use crate::device::{self, Workload};
use crate::engine::{Level, RunTraining, SessionError, Stage, TrainingControl, TrainingRequest};
use crate::recording::file::has_extension;
use crate::sim::Scene;
use crate::train::job::{Job, JobError, JobProgress, run};

/// Trains in the settings' scene, and on their device unless the request names another. What comes out is a checkpoint in
/// the run's folder, `result`: the one that is in use is never written over.
pub fn run_training(settings: StudioSettings) -> RunTraining {
    Box::new(move |request, control| train(&settings, request, control))
}

fn train(settings: &StudioSettings, request: &TrainingRequest, control: &TrainingControl) -> Result<(), SessionError> {
    let config = configuration(request)?;
    let scene = Scene::load(&settings.scene).map_err(refused)?;
    let data = PathBuf::from("data").join(&scene.name);
    let joint = request.stage == Stage::Two && config.train.stage2.joint_rate > 0.0;
    if joint || matches!(request.stage, Stage::One | Stage::OneB) {
        make_data(&data, &scene, &config, control)?;
    }
    let choice = request.device.unwrap_or(settings.device);
    let selected = device::select(choice, &Workload::of(&config)).map_err(refused)?;
    let own = || settings.checkpoint.is_dir().then(|| settings.checkpoint.clone());
    let from = match request.stage {
        Stage::One => None,
        _ => request.from.clone().or_else(own),
    };
    let job = Job {
        stage: request.stage,
        config,
        data,
        scene: settings.scene.clone(),
        run: request.run.clone(),
        from,
        out: Some(request.run.join("result")),
        reins: control.reins(),
    };
    let mut observe = |progress: &JobProgress<'_>| match progress {
        JobProgress::Preparing { what, done, total } => control.progress(what, *done as u64, *total as u64),
        JobProgress::Step(step) => {
            control.progress("Training", step.step as u64, step.steps as u64);
            if step.step < step.steps {
                control.between_steps(Duration::try_from_secs_f64(step.step_secs).unwrap_or_default());
            }
        }
    };
    let done = run(&job, &selected.device, control.cancel_flag(), &mut observe).map_err(|err| match err {
        JobError::Train(_) => failed(err),
        err => refused(err),
    })?;
    if done.done < done.steps {
        return Err(SessionError::Cancelled);
    }
    if let Some(written) = done.written {
        control.log(Level::Info, format!("Wrote the checkpoint {}.", written.display()));
    }
    Ok(())
}

fn configuration(request: &TrainingRequest) -> Result<Config, SessionError> {
    let named = if has_extension(Path::new(&request.preset), "ron") {
        config::load(Path::new(&request.preset))
    } else {
        config::preset(&request.preset)
    };
    let mut config = named.map_err(refused)?;
    if let Some(steps) = request.steps {
        request.stage.set_steps(&mut config.train, steps);
    }
    let edited = config.edited(&request.settings);
    if let Some((field, problem)) = edited.problems.first_key_value() {
        return Err(SessionError::Refused(format!("{field}: {problem}")));
    }
    let config = edited.config;
    Ok(config)
}

/// Makes the episodes of `thinkjepa datagen` where there are none yet, or goes on making them.
fn make_data(
    data: &std::path::Path,
    scene: &Scene,
    config: &Config,
    control: &TrainingControl,
) -> Result<(), SessionError> {
    match EpisodeStore::open(data) {
        Ok(_) => return Ok(()),
        Err(StoreError::Missing { .. } | StoreError::Unfinished { .. }) => {}
        Err(err) => return Err(refused(err)),
    }
    control.log(Level::Info, format!("Making episodes in {}.", data.display()));
    let settings = GenerateSettings {
        frame_px: config.world_model.image_size,
        ..GenerateSettings::default()
    };
    let progress = |done: usize, total: usize| control.progress("Making episodes", done as u64, total as u64);
    generate(data, scene, &settings, &progress, control.cancel_flag()).map_err(|err| match err {
        DatagenError::Cancelled { .. } => SessionError::Cancelled,
        err => refused(err),
    })
}

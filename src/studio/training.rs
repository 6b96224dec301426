//! A training that the window starts: the same job as `thinkjepa train`, with data made where there is none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{StudioSettings, failed, refused};
use crate::config::{self, Config};
use crate::data::{DatagenError, EpisodeStore, GenerateSettings, StoreError, generate};
use crate::device::{self, Workload};
use crate::engine::{Level, RunTraining, SessionError, Stage, TrainingControl, TrainingRequest};
use crate::sim::Scene;
use crate::train::Reins;
use crate::train::job::{Job, JobError, JobProgress, run};

/// Trains in the settings' scene and on their device unless the request names others. What comes out is a checkpoint in
/// the run's folder, `result`: the one that is in use is never written over.
pub fn run_training(settings: StudioSettings) -> RunTraining {
    Box::new(move |request, control| train(&settings, request, control))
}

fn train(settings: &StudioSettings, request: &TrainingRequest, control: &TrainingControl) -> Result<(), SessionError> {
    let (job, scene) = asked_for(settings, request, control.reins())?;
    let joint = request.stage == Stage::Two && job.config.train.stage2.joint_rate > 0.0;
    if joint || matches!(request.stage, Stage::One | Stage::OneB) {
        make_data(&job.data, &scene, &job.config, control)?;
    }
    let choice = request.device.unwrap_or(settings.device);
    let selected = device::select(choice, &Workload::of(&job.config)).map_err(refused)?;
    let mut observe = |progress: &JobProgress<'_>| match progress {
        JobProgress::Preparing { what, done, total } => control.progress(what, *done as u64, *total as u64),
        JobProgress::Step(step) => {
            if let Some(what) = step.warning {
                control.log(Level::Warning, what);
            }
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

/// The job of a request, and its scene.
fn asked_for(
    settings: &StudioSettings,
    request: &TrainingRequest,
    reins: Arc<Reins>,
) -> Result<(Job, Scene), SessionError> {
    let source = request.scene.as_ref().unwrap_or(&settings.scene);
    let scene = Scene::load(source).map_err(refused)?;
    let own = || settings.checkpoint.is_dir().then(|| settings.checkpoint.clone());
    let from = match request.stage {
        Stage::One => request.from.clone(),
        _ => request.from.clone().or_else(own),
    };
    let of_scene = || PathBuf::from("data").join(&scene.name);
    let job = Job {
        stage: request.stage,
        config: configuration(request)?,
        data: request.data.clone().unwrap_or_else(of_scene),
        scene: source.clone(),
        run: request.run.clone(),
        from,
        out: Some(request.run.join("result")),
        reins,
    };
    Ok((job, scene))
}

fn configuration(request: &TrainingRequest) -> Result<Config, SessionError> {
    let mut config = config::named(&request.preset).map_err(refused)?;
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

/// Makes the episodes of `thinkjepa datagen` where there is nothing yet, or goes on making them.
fn make_data(
    data: &std::path::Path,
    scene: &Scene,
    config: &Config,
    control: &TrainingControl,
) -> Result<(), SessionError> {
    let is_empty = || std::fs::read_dir(data).is_ok_and(|mut files| files.next().is_none());
    match EpisodeStore::open(data) {
        Ok(_) => return Ok(()),
        // Something else lies there.
        Err(err @ StoreError::Missing { .. }) if data.exists() && !is_empty() => return Err(refused(err)),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::device::DeviceChoice;

    #[test]
    fn a_training_is_in_the_scene_with_the_data_and_from_the_checkpoint_that_are_asked_for() {
        let settings = StudioSettings {
            checkpoint: std::env::temp_dir(),
            scene: "three-blocks".to_owned(),
            seed: 7,
            device: DeviceChoice::Cpu,
            recordings: None,
        };
        let mut request = TrainingRequest {
            stage: Stage::One,
            preset: "nano".to_owned(),
            settings: BTreeMap::new(),
            run: PathBuf::from("runs/first"),
            steps: None,
            from: None,
            scene: None,
            data: None,
            device: None,
        };
        let job = |request: &TrainingRequest| asked_for(&settings, request, Arc::default()).unwrap().0;
        let started = job(&request);
        assert_eq!((started.scene.as_str(), started.from), ("three-blocks", None));
        assert_eq!(started.data, Path::new("data/three-blocks"));

        request.scene = Some("thinkbench".to_owned());
        request.from = Some(PathBuf::from("checkpoints/own"));
        let loaded = job(&request);
        assert_eq!(
            (loaded.scene.as_str(), loaded.from),
            ("thinkbench", request.from.clone())
        );
        assert_eq!(loaded.data, Path::new("data/thinkbench"));

        (request.stage, request.from, request.data) = (Stage::OneB, None, Some(PathBuf::from("mine")));
        let named = job(&request);
        assert_eq!(
            (named.data, named.from),
            (PathBuf::from("mine"), Some(settings.checkpoint.clone()))
        );
    }
}

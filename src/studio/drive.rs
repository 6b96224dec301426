//! One advance of an episode, with everything that happens in it shown while it happens.

use super::{failed, refused};
use crate::engine::{Control, SessionError};
use crate::planner::cost::{gripper, pool};
use crate::planner::{Episode, Event, LatentModel, PlannerError, Progress};
use crate::recording::{StageSecs, StepRecord};
use crate::sim::{Environment, World};
use crate::system::System;

/// Does the next thing in the episode and lets the world judge it. The recording is published as the answer is written,
/// the step that is planned after every iteration.
///
/// # Errors
/// The checkpoint lacks a model, a model failed, or it was stopped.
pub(super) fn drive(
    system: &System,
    episode: &mut Episode,
    world: &mut World,
    control: &Control,
) -> Result<Progress, SessionError> {
    let models = system.models().map_err(refused)?;
    episode.set_switches(control.switches(), control.pace());
    let iterations = episode.config().cem.iterations as u64;
    let recording = episode.recording();
    let mut pieces = 0;
    let mut live: Option<StepRecord> = None;
    let mut observer = |event: Event| match event {
        Event::Text(_) => {
            pieces += 1;
            control.progress("Writing the answer", pieces, None);
            control.publish(recording.snapshot());
        }
        Event::Goal(_) => {
            control.progress("Making goals", 0, None);
            control.publish(recording.snapshot());
        }
        Event::Iteration { iteration, record, .. } => {
            if live.is_none() {
                live = recording.read(|recording| recording.steps.last().map(|step| StepRecord::clone(step)));
            }
            if let Some(live) = &mut live {
                // What is there already is of a plan that waited, or of another plan of this step.
                live.cem.truncate(iteration);
                live.predicted_similarity.clear();
                live.predicted_others.clear();
                live.cem.push(record.clone());
                control.show_live(live.clone());
            }
            control.progress("Planning a step", iteration as u64 + 1, Some(iterations));
        }
    };
    let progress = episode
        .advance(world, &models, &mut observer, control.cancel_flag())
        .map_err(failed)?;
    episode.judge(world);
    match progress {
        Progress::Cancelled => Err(SessionError::Cancelled),
        progress => Ok(progress),
    }
}

/// The scene as it is before an episode.
pub(super) fn scene_record(model: &dyn LatentModel, world: &World, view_px: usize) -> Result<StepRecord, PlannerError> {
    let observation = world.observe();
    let tokens = model.encode(std::slice::from_ref(&observation.frame))?;
    let [x, y, ..] = gripper(model, pool(tokens))?;
    Ok(StepRecord {
        step: 0,
        frame: observation.frame,
        view: world.view(view_px),
        vacuum: observation.vacuum,
        sub_goal: None,
        similarities: Vec::new(),
        predicted_similarity: Vec::new(),
        predicted_others: Vec::new(),
        gripper_m: [x, y],
        cem: Vec::new(),
        action: None,
        cost: None,
        plan_secs: 0.0,
        stages: StageSecs::default(),
        draw: 0,
        open_loop_from: None,
    })
}

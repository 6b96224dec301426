//! One episode on the tabletop at a time: started, stepped, taken back.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::branches::{Origin, Waiting};
use super::drive::{drive, scene_record};
use super::examine::examine;
use super::export::PlanExporter;
use super::record::{Recorder, Recordings};
use super::{StudioSettings, failed, refused};
use crate::config::PlanConfig;
use crate::device::{self, DeviceChoice, DeviceError, Selected, Workload};
use crate::engine::{
    Advance, Answer, Control, Examination, Exporter, Level, Opening, Session, SessionError, SessionInfo,
};
use crate::eval::latent::Latents;
use crate::planner::{Episode, EpisodeSetup, EpisodeSnapshot, PlannerError, Progress, SubGoal};
use crate::recording::{PauseRecord, Recording, StepRecord};
use crate::sim::tasks::{Task, TaskBook, check_text};
use crate::sim::{CARRY_M, Camera, STEP_M, Scene, World};
use crate::system::System;
use crate::weights::Checkpoint;

/// Height of the pictures for people.
const VIEW_PX: usize = 512;

/// A loaded system, a scene, and at most one episode in it.
pub struct Tabletop {
    system: System,
    /// Folder of the checkpoint that the system was loaded from.
    folder: PathBuf,
    /// What was asked for, and what it came to.
    choice: DeviceChoice,
    selected: Selected,
    scene: Scene,
    /// What the scene was loaded from.
    scene_source: String,
    seed: u64,
    world: World,
    run: Option<Run>,
    /// The episodes that it left, and that left it.
    waiting: Waiting,
    /// Settings of plans that the user set in place of the checkpoint's.
    plan: Option<PlanConfig>,
    recordings: Recordings,
    /// Of recorded frames that were looked into.
    latents: RefCell<Latents>,
}

/// An episode under way.
pub(super) struct Run {
    pub(super) episode: Episode,
    /// The task as a template reads it, for the record alone.
    task: Option<Task>,
    /// Before step i was executed: the episode and the world.
    kept: Vec<(EpisodeSnapshot, World)>,
    pub(super) recorder: Recorder,
    pub(super) origin: Origin,
}

impl Tabletop {
    /// Opens the device, loads the checkpoint and sets up the scene; what `opening` leaves out is in the settings.
    ///
    /// # Errors
    /// The device, the checkpoint or the scene cannot be used.
    pub fn open(settings: &StudioSettings, opening: &Opening, control: &Control) -> Result<Self, SessionError> {
        let scene = Scene::load(&settings.scene).map_err(refused)?;
        let folder = opening.checkpoint.as_ref().unwrap_or(&settings.checkpoint);
        let checkpoint = Checkpoint::open(folder).map_err(refused)?;
        let choice = opening.device.unwrap_or(settings.device);
        let selected = select(choice, &checkpoint, control)?;
        let system = load(&checkpoint, &selected, control)?;
        let world = first_state(&scene, settings.seed, &system)?;
        let tabletop = Self {
            system,
            folder: folder.clone(),
            choice,
            selected,
            scene,
            scene_source: settings.scene.clone(),
            seed: settings.seed,
            world,
            run: None,
            waiting: Waiting::default(),
            plan: opening.plan.clone(),
            recordings: Recordings::new(settings.recordings.clone()),
            latents: RefCell::default(),
        };
        // After a fault the models are opened anew, and what was recorded until then stays to be looked at; its worlds are
        // gone.
        tabletop.waiting.show(None, control);
        match control.recording().steps.last() {
            Some(step) => control.show_live(StepRecord::clone(step)),
            None => control.show_live(tabletop.scene_record()?),
        }
        Ok(tabletop)
    }

    /// Another episode is at hand from now on; the one before it waits. It goes on with the settings in force.
    fn change_to(&mut self, mut run: Run, world: World, control: &Control) {
        run.episode.set_config(self.plan_config().clone());
        let before = (self.run.replace(run), std::mem::replace(&mut self.world, world));
        if let (Some(run), world) = before {
            self.waiting.leave(run, world);
        }
        self.waiting.show(self.run.as_ref(), control);
    }

    /// The settings of plans to come.
    fn plan_config(&self) -> &PlanConfig {
        self.plan.as_ref().unwrap_or(&self.system.config.plan)
    }

    fn scene_record(&self) -> Result<StepRecord, SessionError> {
        scene_record(&self.system.world, &self.world, VIEW_PX).map_err(failed)
    }

    /// Loads a checkpoint on a device that is tried for it: models of another size may be faster elsewhere. What is in use
    /// stays until the new models have seen a frame, since a device may fail at its first work.
    fn take_up(
        &self,
        checkpoint: &Checkpoint,
        device: DeviceChoice,
        control: &Control,
    ) -> Result<(Selected, System), SessionError> {
        control.progress("Trying the device", 0, None);
        control.attempt(|| {
            let selected = select(device, checkpoint, control)?;
            control.progress("Loading the models", 0, None);
            let system = load(checkpoint, &selected, control)?;
            let world = first_state(&self.scene, self.seed, &system)?;
            scene_record(&system.world, &world, VIEW_PX).map_err(failed)?;
            Ok((selected, system))
        })
    }

    /// The scene's first state, without an episode.
    fn clear(&mut self, seed: u64, control: &Control) -> Result<(), SessionError> {
        self.world = first_state(&self.scene, seed, &self.system)?;
        self.seed = seed;
        self.leave_episode(control);
        let record = self.scene_record()?;
        control.publish(Recording::default());
        control.show_live(record);
        Ok(())
    }
}

fn select(choice: DeviceChoice, checkpoint: &Checkpoint, control: &Control) -> Result<Selected, SessionError> {
    let selected = device::select(choice, &Workload::of(&checkpoint.config)).map_err(refused)?;
    control.log(Level::Info, format!("Computing on {}: {}.", selected.id, selected.why));
    Ok(selected)
}

fn load(checkpoint: &Checkpoint, selected: &Selected, control: &Control) -> Result<System, SessionError> {
    let (system, report) = System::from_checkpoint(checkpoint, &selected.device).map_err(refused)?;
    let level = if report.is_clean() { Level::Info } else { Level::Warning };
    control.log(level, format!("{}: {report}.", checkpoint.name));
    if let Err(missing) = system.models() {
        control.log(Level::Warning, missing.to_string());
    }
    Ok(system)
}

fn first_state(scene: &Scene, seed: u64, system: &System) -> Result<World, SessionError> {
    World::new(scene, seed, system.config.frame_px()).map_err(refused)
}

/// An episode that is over is gone on with from the step before its last frame.
fn no_such_step(run: &Run, step: usize) -> SessionError {
    let over = usize::from(run.episode.outcome().is_some());
    match run.kept.len().checked_sub(over) {
        Some(last) => refused(format!("There is no step {step} to go on from; the last is {last}.")),
        None => refused("No step of this episode was executed: there is none to go on from."),
    }
}

/// Where a point of the world is seen in a picture of that height.
fn project(point_m: [f32; 3], height_px: f32) -> [f32; 2] {
    Camera::project(point_m, VIEW_PX).map(|pixel| pixel * height_px / VIEW_PX as f32)
}

impl Session for Tabletop {
    fn info(&self) -> SessionInfo {
        SessionInfo {
            preset: self.system.config.name.clone(),
            checkpoint: Some(self.system.name.clone()),
            checkpoint_folder: Some(self.folder.clone()),
            device: self.selected.id.to_string(),
            device_choice: self.choice,
            device_why: self.selected.why.clone(),
            scene: self.scene.name.clone(),
            scene_source: self.scene_source.clone(),
            plan: self.plan_config().clone(),
            checkpoint_plan: self.system.config.plan.clone(),
            project,
            gripper_height_m: CARRY_M,
            reach_m: STEP_M,
            attention: self
                .system
                .vlm
                .as_ref()
                .map(|vlm| [vlm.config().depth, vlm.config().heads]),
        }
    }

    fn exporter(&self) -> Arc<dyn Exporter> {
        Arc::new(PlanExporter::new(
            self.system.config.plan.clone(),
            self.recordings.clone(),
        ))
    }

    fn has_episode(&self) -> bool {
        self.run.is_some()
    }

    fn start(&mut self, task: &str, seed: u64, control: &Control) -> Result<(), SessionError> {
        let state = self.scene.start(seed).map_err(refused)?;
        check_text(task, &state).map_err(refused)?;
        self.system.models().map_err(refused)?;
        let mut world = World::from_state(&state, self.system.config.frame_px());
        let setup = EpisodeSetup {
            task: task.to_owned(),
            scene: self.scene.name.clone(),
            scene_text: self.scene.own_text(),
            seed,
            checkpoint_name: self.system.name.clone(),
            checkpoint_hash: self.system.hash.clone(),
            scene_objects: state.object_names(),
            view_height_px: VIEW_PX,
        };
        let mut episode = Episode::new(setup, self.plan_config().clone());
        // Until the first frame is recorded, the camera shows the scene under this seed.
        let scene = scene_record(&self.system.world, &world, VIEW_PX).map_err(failed)?;
        let before = (control.recording(), control.live());
        control.show_live(scene);
        control.publish(episode.recording().snapshot());
        match drive(&self.system, &mut episode, &mut world, control) {
            Err(err) => {
                control.publish(Recording::clone(&before.0));
                if let Some(live) = before.1 {
                    control.show_live(StepRecord::clone(&live));
                }
                Err(err)
            }
            Ok(_) => {
                let book = TaskBook::named(&self.scene.tasks).map_err(failed)?;
                let task = book.recognise(task, &state);
                let mut run = Run {
                    episode,
                    task,
                    kept: Vec::new(),
                    recorder: self.recordings.begin(control),
                    origin: Origin::default(),
                };
                run.conclude(&world);
                run.publish(control);
                self.waiting = Waiting::default();
                self.waiting.show(Some(&run), control);
                (self.run, self.world, self.seed) = (Some(run), world, seed);
                Ok(())
            }
        }
    }

    fn advance(&mut self, control: &Control) -> Result<Advance, SessionError> {
        let run = self
            .run
            .as_mut()
            .ok_or_else(|| refused("There is no episode to go on with. Type a task and press Plan."))?;
        let before = (run.episode.snapshot(), self.world.clone());
        let progress = match drive(&self.system, &mut run.episode, &mut self.world, control) {
            Ok(progress) => progress,
            Err(err) => {
                run.episode.restore(&before.0);
                self.world = before.1;
                control.publish(run.episode.recording().snapshot());
                run.show_present(control);
                return Err(err);
            }
        };
        let done = match progress {
            Progress::Acted { step } => {
                run.kept.truncate(step.saturating_sub(1));
                run.kept.push(before);
                Advance::Stepped
            }
            Progress::Planned { .. } => {
                // What was shown while it was planned lacks what the plan came to.
                run.show_present(control);
                Advance::Planned
            }
            Progress::Held(held) => Advance::Held(held),
            Progress::Reasoned => Advance::Asked,
            Progress::Switched { .. } | Progress::OutOfTime { .. } => Advance::Switched,
            Progress::Over(_) | Progress::Cancelled => Advance::Finished,
        };
        run.conclude(&self.world);
        run.publish(control);
        Ok(done)
    }

    fn set_plan_config(&mut self, config: PlanConfig) {
        if let Some(run) = &mut self.run {
            run.episode.set_config(config.clone());
        }
        self.plan = (config != self.system.config.plan).then_some(config);
    }

    fn seek(
        &mut self,
        branch: Option<usize>,
        step: usize,
        seed: Option<u64>,
        control: &Control,
    ) -> Result<(), SessionError> {
        let at_hand = self
            .run
            .as_ref()
            .ok_or_else(|| refused("There is no episode to go back in."))?;
        let other = branch.filter(|&id| id != at_hand.origin.id);
        let (run, world) = match other {
            Some(id) => self.waiting.get(id)?,
            None => (at_hand, &self.world),
        };
        let present = step == run.episode.step() && run.episode.outcome().is_none();
        let in_force = run.episode.recording().read(Recording::plan_seed);
        if present && seed.is_none_or(|seed| seed == in_force) {
            return other.map_or(Ok(()), |id| self.go_to_branch(id, control));
        }
        let (episode, world) = match run.kept.get(step) {
            Some((episode, world)) => (episode.clone(), world.clone()),
            None if present => (run.episode.snapshot(), world.clone()),
            None => return Err(no_such_step(run, step)),
        };
        let parent = run.origin.id;
        let mut branch = Run {
            episode: run.episode.branch(&episode, seed, run.recorder.file_name()),
            task: run.task.clone(),
            kept: run.kept[..step].to_vec(),
            recorder: self.recordings.begin(control),
            origin: self.waiting.next(parent),
        };
        branch.publish(control);
        branch.show_present(control);
        self.change_to(branch, world, control);
        Ok(())
    }

    fn go_to_branch(&mut self, id: usize, control: &Control) -> Result<(), SessionError> {
        let at_hand = self.run.as_ref().map(|run| run.origin.id);
        if at_hand == Some(id) {
            return Ok(());
        }
        let (mut run, world) = self.waiting.take(id)?;
        run.publish(control);
        run.show_present(control);
        self.change_to(run, world, control);
        Ok(())
    }

    fn delete_branch(&mut self, id: usize, control: &Control) -> Result<(), SessionError> {
        if self.run.as_ref().is_some_and(|run| run.origin.id == id) {
            return Err(refused(
                "This is the episode at hand. Go over to another branch before you delete it.",
            ));
        }
        self.waiting.delete(id)?;
        self.waiting.show(self.run.as_ref(), control);
        Ok(())
    }

    fn undelete_branch(&mut self, control: &Control) -> Result<(), SessionError> {
        self.waiting.undelete()?;
        self.waiting.show(self.run.as_ref(), control);
        Ok(())
    }

    fn edit_sub_goals(&mut self, list: &[SubGoal], from: usize, control: &Control) -> Result<(), SessionError> {
        let run = self
            .run
            .as_mut()
            .ok_or_else(|| refused("There is no episode whose sub-goals could be changed. Plan a task first."))?;
        let models = self.system.models().map_err(refused)?;
        let mut on_goal = |made: usize, of: usize| control.progress("Making goals", made as u64, Some(of as u64));
        let edited = run.episode.edit(
            list.to_vec(),
            from,
            &self.world,
            &models,
            &mut on_goal,
            control.cancel_flag(),
        );
        edited.map_err(|err| match err {
            PlannerError::Cancelled => SessionError::Cancelled,
            // A text that the models cannot read is the user's to change; the list is as it was.
            err => refused(err),
        })?;
        run.publish(control);
        run.show_present(control);
        Ok(())
    }

    fn record_pauses(&mut self, pauses: Vec<PauseRecord>, control: &Control) {
        if let Some(run) = &mut self.run {
            run.episode.record_pauses(pauses);
            run.publish(control);
        }
    }

    fn examine(&self, asked: &Examination, recording: &Recording, stop: &AtomicBool) -> Result<Answer, SessionError> {
        let config = self.plan_config();
        examine(
            &self.system,
            config,
            &mut self.latents.borrow_mut(),
            asked,
            recording,
            stop,
        )
    }

    fn reset(&mut self, seed: u64, control: &Control) -> Result<(), SessionError> {
        self.clear(seed, control)
    }

    fn load_checkpoint(&mut self, path: &Path, control: &Control) -> Result<(), SessionError> {
        let checkpoint = Checkpoint::open(path).map_err(refused)?;
        let (selected, system) = self.take_up(&checkpoint, self.choice, control)?;
        (self.system, self.selected, self.folder) = (system, selected, path.to_owned());
        self.latents = RefCell::default();
        if self.plan.take().is_some() {
            control.log(Level::Info, "The settings of plans are this checkpoint's.");
        }
        self.clear(self.seed, control)
    }

    /// On disk it stays.
    fn leave_episode(&mut self, control: &Control) {
        self.run = None;
        self.waiting = Waiting::default();
        self.waiting.show(None, control);
    }

    fn set_device(&mut self, device: DeviceChoice, control: &Control) -> Result<(), SessionError> {
        let checkpoint = Checkpoint::open(&self.folder).map_err(refused)?;
        let taken = self.take_up(&checkpoint, device, control).map_err(|err| match err {
            SessionError::Failed(what) => refused(DeviceError::Failed { choice: device, what }),
            err => err,
        });
        let (selected, system) = taken?;
        (self.system, self.selected, self.choice) = (system, selected, device);
        self.latents = RefCell::default();
        self.clear(self.seed, control)
    }

    fn load_scene(&mut self, path: &Path, control: &Control) -> Result<(), SessionError> {
        let source = path.to_string_lossy().into_owned();
        let scene = Scene::load(&source).map_err(refused)?;
        // A scene without room is noticed while the old one is still in use.
        first_state(&scene, self.seed, &self.system)?;
        (self.scene, self.scene_source) = (scene, source);
        self.clear(self.seed, control)
    }
}

impl Run {
    /// Shows the episode as it is now, and records it: packing its frames takes a moment.
    fn publish(&mut self, control: &Control) {
        control.publish(self.episode.recording().snapshot());
        self.recorder.update(&control.recording(), control);
    }

    /// Shows the present step as it is recorded, in place of one that was planned before.
    fn show_present(&self, control: &Control) {
        let present = self
            .episode
            .recording()
            .read(|recording| recording.steps.last().cloned());
        if let Some(step) = present {
            control.show_live(StepRecord::clone(&step));
        }
    }

    /// At the end the task as a whole is judged, for the record.
    fn conclude(&mut self, world: &World) {
        if self.episode.outcome().is_some() {
            let achieved = self.task.as_ref().map(|task| task.solved(world.state()));
            self.episode.judge_task(achieved);
        }
    }
}

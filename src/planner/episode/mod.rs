//! An episode as a state machine (Algorithm 2): reason, then look, compare, switch, plan and act, one
//! [`Episode::advance`] at a time, so that whoever drives it can step, pause, look back, branch or edit between any two.
//!
//! What the method leaves open is decided here: a sub-goal that is not reached in `T_max` steps has the VLM asked again
//! with the history, and the revised list replaces the rest; after `max_replans` the episode ends as not reached; after
//! the last switch the gripper rests for one step, so that two frames show what was done.
//!
//! Planning and acting are two [`Switches`]: a plan is left with the episode and in the step's record, and executing
//! takes its next action, be it that of the same step or, without planning, of a later one.

mod act;
mod ask;
mod branch;
mod edit;
mod switches;
#[cfg(test)]
mod tests;
mod think;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

pub use switches::{Held, Pace, Switches};
use think::{MadePlan, Underway};

use super::cost::{LatentSpace, gripper, pool};
use super::goals::{MadeGoal, Seen, end_record, new_record};
use super::models::{GoalMaker, LatentModel, PlannerError, Reasoner, SubGoal};
use super::shared::SharedRecording;
use super::truth::{Truth, judge};
use crate::config::{PlanConfig, SimilarityKind};
use crate::recording::{
    CemIteration, EndedBecause, Outcome, PauseRecord, Recording, SettingChange, StageSecs, StepRecord,
};
use crate::sim::{Action, Environment, Judge};
use crate::vlm::History;

/// What an episode is about.
#[derive(Clone, Debug, Default)]
pub struct EpisodeSetup {
    pub task: String,
    /// Name of the scene, and the scene as RON where it is not one of the program's own.
    pub scene: String,
    pub scene_text: Option<String>,
    pub seed: u64,
    pub checkpoint_name: String,
    pub checkpoint_hash: String,
    /// Names of what the scene holds; sub-goals that name anything else are flagged, and pursued all the same.
    pub scene_objects: Vec<String>,
    /// Height of the pictures for people.
    pub view_height_px: usize,
}

/// The models of an episode.
#[derive(Clone, Copy)]
pub struct Models<'a> {
    pub world: &'a dyn LatentModel,
    pub goals: &'a dyn GoalMaker,
    pub reasoner: &'a dyn Reasoner,
}

/// What happens while an episode advances. The recording has all of it; events only say that it grew.
pub enum Event<'a> {
    /// A piece of the VLM's answer.
    Text(&'a str),
    /// A sub-goal's goal was made; its index.
    Goal(usize),
    /// An iteration of the plan for a step.
    Iteration {
        step: usize,
        iteration: usize,
        record: &'a CemIteration,
    },
}

/// What one call to [`Episode::advance`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The VLM has answered; the list is in the recording.
    Reasoned,
    /// The goal of sub-goal `ended` was reached; `next` is none after the last.
    Switched {
        ended: usize,
        next: Option<usize>,
    },
    /// Sub-goal `sub_goal` was not reached in time; the VLM is asked next.
    OutOfTime {
        sub_goal: usize,
    },
    /// The present step was planned, whole or up to an iteration, and nothing was executed.
    Planned {
        step: usize,
        whole: bool,
    },
    /// One action was executed; the world now shows the frame of step `step`.
    Acted {
        step: usize,
    },
    /// The cancel flag was set. Nothing was done; the next call tries again.
    Cancelled,
    /// The switches leave nothing to do.
    Held(Held),
    Over(Outcome),
}

#[derive(Clone, Debug)]
enum Phase {
    Reason {
        history: Option<History>,
    },
    Act,
    /// The last goal was reached: one step of rest.
    Rest,
    Over(Outcome),
}

/// All that changes while an episode runs, beside its recording.
#[derive(Clone, Debug)]
struct State {
    phase: Phase,
    step: usize,
    /// Index into the recording's sub-goals and into `goals`.
    current: usize,
    /// The current sub-goal has begun.
    begun: bool,
    steps_on_current: usize,
    replans: usize,
    /// Where the next plan starts from.
    mean: Option<Vec<Action>>,
    /// The last plan that was completed.
    plan: Option<MadePlan>,
    /// The plan that waits between two iterations.
    search: Option<Underway>,
    /// The settings that the recording tells of.
    noted: PlanConfig,
    sub_goals: Vec<SubGoal>,
    goals: Vec<MadeGoal>,
    /// The present frame, once it was looked at.
    seen: Option<Seen>,
    truths: Vec<Truth>,
}

/// An episode's state at one moment. The world's own state is the caller's to keep beside it.
#[derive(Clone, Debug)]
pub struct EpisodeSnapshot {
    state: State,
    recording: Recording,
}

impl EpisodeSnapshot {
    /// Actions executed until then.
    pub fn step(&self) -> usize {
        self.state.step
    }
}

/// One task in one world.
pub struct Episode {
    setup: EpisodeSetup,
    config: PlanConfig,
    recording: SharedRecording,
    state: State,
    space: Option<(SimilarityKind, LatentSpace)>,
    switches: Switches,
    pace: Pace,
}

impl Episode {
    pub fn new(setup: EpisodeSetup, config: PlanConfig) -> Self {
        let recording = SharedRecording::new(Recording {
            task: setup.task.clone(),
            scene: setup.scene.clone(),
            scene_text: setup.scene_text.clone(),
            seed: setup.seed,
            checkpoint_name: setup.checkpoint_name.clone(),
            checkpoint_hash: setup.checkpoint_hash.clone(),
            delta_goal: config.delta_goal,
            settings: Some(config.clone()),
            ..Recording::default()
        });
        let state = State {
            phase: Phase::Reason { history: None },
            step: 0,
            current: 0,
            begun: false,
            steps_on_current: 0,
            replans: 0,
            mean: None,
            plan: None,
            search: None,
            noted: config.clone(),
            sub_goals: Vec::new(),
            goals: Vec::new(),
            seen: None,
            truths: Vec::new(),
        };
        Self {
            setup,
            config,
            recording,
            state,
            space: None,
            switches: Switches::default(),
            pace: Pace::default(),
        }
    }

    /// The record, which grows while the episode advances.
    pub fn recording(&self) -> SharedRecording {
        self.recording.clone()
    }

    /// Actions executed so far.
    pub fn step(&self) -> usize {
        self.state.step
    }

    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state.phase {
            Phase::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    pub fn config(&self) -> &PlanConfig {
        &self.config
    }

    /// The settings from the next step on; the user may turn them while the episode runs. Going back does not turn them
    /// back. A plan that was made under others is planned anew before it is executed; a goal keeps the kind of similarity
    /// it was made with.
    pub fn set_config(&mut self, config: PlanConfig) {
        self.config = config;
    }

    /// What the advances to come may do.
    pub fn set_switches(&mut self, switches: Switches, pace: Pace) {
        (self.switches, self.pace) = (switches, pace);
    }

    /// Does the next thing: asks the VLM, switches to the next sub-goal, or plans and executes one action.
    ///
    /// # Errors
    /// A model or its device failed. The world is untouched then, and the call may be repeated.
    pub fn advance(
        &mut self,
        world: &mut dyn Environment,
        models: &Models,
        observer: &mut dyn FnMut(Event),
        cancel: &AtomicBool,
    ) -> Result<Progress, PlannerError> {
        let seen = self.look(world, models.world)?;
        self.note_changes();
        let progress = match self.state.phase.clone() {
            Phase::Over(outcome) => return Ok(Progress::Over(outcome)),
            Phase::Act | Phase::Rest if !self.switches.plan && !self.switches.act => Ok(Progress::Held(Held::BothOff)),
            Phase::Reason { history: Some(_) } if !self.switches.plan => Ok(Progress::Held(Held::OutOfTime)),
            Phase::Reason { history } => self.ask(history, &seen, models, observer, cancel),
            Phase::Act => self.act(world, &seen, models, observer, cancel),
            Phase::Rest => self.rest(world, &seen, models),
        };
        match progress {
            Err(PlannerError::Cancelled) => Ok(Progress::Cancelled),
            other => other,
        }
    }

    /// Writes down which settings were turned since the last advance.
    fn note_changes(&mut self) {
        if self.state.noted == self.config || matches!(self.state.phase, Phase::Over(_)) {
            return;
        }
        let step = self.state.step;
        let turned = self.state.noted.differences(&self.config).into_iter();
        let changes: Vec<SettingChange> = turned
            .map(|turned| SettingChange {
                step,
                field: turned.field,
                from: turned.from,
                to: turned.to,
            })
            .collect();
        self.recording.write(|recording| recording.changes.extend(changes));
        self.state.noted = self.config.clone();
    }

    /// Notes what makes a run pause here, for the record.
    pub fn record_pauses(&mut self, pauses: Vec<PauseRecord>) {
        self.recording.write(|recording| recording.pauses.extend(pauses));
    }

    /// Judges the world as it is now, for the record. Call it after each [`Episode::advance`]; it steers nothing.
    pub fn judge(&mut self, world: &dyn Judge) {
        let (truths, step) = (&mut self.state.truths, self.state.step);
        self.recording
            .write(|recording| judge(&mut recording.sub_goals, truths, step, world));
    }

    /// Notes whether the task as a whole is done in the world, for the record; none where nothing knows.
    pub fn judge_task(&mut self, achieved: Option<bool>) {
        self.recording.write(|recording| recording.task_achieved = achieved);
    }

    /// Ends the episode as not reached, as when the user's limit of steps has passed.
    pub fn give_up(&mut self, reason: String) {
        self.end_current(EndedBecause::StepLimit);
        self.finish(Outcome::NotReached { reason });
    }

    /// Ends the episode on the user's wish.
    pub fn interrupt(&mut self) {
        self.end_current(EndedBecause::Interrupted);
        self.finish(Outcome::Interrupted);
    }

    pub fn snapshot(&self) -> EpisodeSnapshot {
        EpisodeSnapshot {
            state: self.state.clone(),
            recording: self.recording.snapshot(),
        }
    }

    /// Goes back (or over to another branch). Put the world into its state of that moment too.
    pub fn restore(&mut self, snapshot: &EpisodeSnapshot) {
        self.state = snapshot.state.clone();
        self.recording
            .write(|recording| *recording = snapshot.recording.clone());
    }

    /// The present frame with its latents; the first look at a step opens its record.
    fn look(&mut self, world: &dyn Environment, model: &dyn LatentModel) -> Result<Seen, PlannerError> {
        if let Some(seen) = &self.state.seen {
            return Ok(seen.clone());
        }
        let observation = world.observe();
        let begun = Instant::now();
        let tokens = model.encode(std::slice::from_ref(&observation.frame))?;
        let pooled = pool(tokens.clone());
        // Reading a number back is what waits for a card to be done.
        let [x, y, ..] = gripper(model, pooled.clone())?;
        let encode_secs = begun.elapsed().as_secs_f64();
        let (frame, grip_command) = (observation.frame, observation.last_grip_command);
        let seen = Seen {
            frame: frame.clone(),
            grip_command,
            tokens,
            pooled,
        };
        let record = StepRecord {
            step: self.state.step,
            frame,
            view: world.view(self.setup.view_height_px),
            vacuum: observation.vacuum,
            sub_goal: (matches!(self.state.phase, Phase::Act) && self.state.begun).then_some(self.state.current),
            similarities: self.similarities(&seen)?,
            predicted_similarity: Vec::new(),
            predicted_others: Vec::new(),
            gripper_m: [x, y],
            cem: Vec::new(),
            action: None,
            cost: None,
            plan_secs: 0.0,
            stages: StageSecs {
                encode_secs,
                ..StageSecs::default()
            },
            draw: 0,
            open_loop_from: None,
        };
        self.recording.write(|recording| recording.steps.push(Arc::new(record)));
        self.state.seen = Some(seen.clone());
        Ok(seen)
    }

    fn similarities(&self, seen: &Seen) -> Result<Vec<Option<f32>>, PlannerError> {
        let similarity = |goal: &MadeGoal| Ok(goal.similarity.of(seen.pooled.clone())?.first().copied());
        self.state.goals.iter().map(similarity).collect()
    }

    fn change_record(&self, change: impl FnOnce(&mut StepRecord)) {
        self.recording.write(|recording| {
            if let Some(record) = recording.steps.last_mut() {
                change(Arc::make_mut(record));
            }
        });
    }

    fn space(&mut self, model: &dyn LatentModel) -> Result<LatentSpace, PlannerError> {
        let kind = self.config.similarity;
        if let Some((_, space)) = self.space.as_ref().filter(|(known, _)| *known == kind) {
            return Ok(space.clone());
        }
        let space = LatentSpace::new(model, kind)?;
        Ok(self.space.insert((kind, space)).1.clone())
    }

    fn make_goal(&mut self, sub_goal: &SubGoal, seen: &Seen, models: &Models) -> Result<MadeGoal, PlannerError> {
        let space = self.space(models.world)?;
        let asked = (self.setup.task.as_str(), sub_goal);
        MadeGoal::make(
            &self.config,
            &space,
            (models.world, models.goals),
            seen,
            self.state.step,
            asked,
        )
    }

    /// Makes a list the rest of an episode that was over or is under way, with every goal made anew by these models: for
    /// measurements that put one model in the place of another. The user's changes are [`Self::edit`].
    ///
    /// # Errors
    /// The list is empty, or a goal could not be made.
    pub fn replace_rest(
        &mut self,
        sub_goals: Vec<SubGoal>,
        world: &dyn Environment,
        models: &Models,
    ) -> Result<(), PlannerError> {
        let seen = self.look(world, models.world)?;
        self.take_list(sub_goals, &seen, models, &mut |_| ())?;
        self.recording
            .write(|recording| (recording.outcome, recording.task_achieved) = (None, None));
        Ok(())
    }

    /// Makes a list the rest of the episode. Its goals are made from the present frame; those of later sub-goals are
    /// provisional unless the settings say that all are made at once.
    fn take_list(
        &mut self,
        sub_goals: Vec<SubGoal>,
        seen: &Seen,
        models: &Models,
        observer: &mut dyn FnMut(Event),
    ) -> Result<(), PlannerError> {
        if sub_goals.is_empty() {
            let value = "empty".to_owned();
            return Err(PlannerError::Setting {
                field: "the list of sub-goals",
                value,
                expected: "at least one",
            });
        }
        let goals: Vec<MadeGoal> = sub_goals
            .iter()
            .map(|sub_goal| self.make_goal(sub_goal, seen, models))
            .collect::<Result<_, _>>()?;
        let step = self.state.step;
        let (from, first) = (self.state.current, self.state.sub_goals.len());
        self.recording.write(|recording| {
            for record in recording.sub_goals.iter_mut().skip(from) {
                end_record(record, step, EndedBecause::Replaced);
            }
            let objects = &self.setup.scene_objects;
            recording.sub_goals.extend(
                sub_goals
                    .iter()
                    .zip(&goals)
                    .map(|(s, goal)| new_record(s, goal, objects)),
            );
        });
        self.state.sub_goals.extend(sub_goals);
        self.state.goals.extend(goals);
        self.state.phase = Phase::Act;
        self.become_current(first);
        let similarities = self.similarities(seen)?;
        self.change_record(|record| record.similarities = similarities);
        (first..self.state.goals.len()).for_each(|index| observer(Event::Goal(index)));
        Ok(())
    }

    fn become_current(&mut self, index: usize) {
        self.state.current = index;
        self.state.begun = false;
        self.state.steps_on_current = 0;
        self.state.mean = None;
        self.forget_plan();
    }

    fn end_current(&mut self, because: EndedBecause) {
        let (current, step) = (self.state.current, self.state.step);
        self.recording.write(|recording| {
            if let Some(record) = recording.sub_goals.get_mut(current) {
                end_record(record, step, because);
            }
        });
    }

    fn finish(&mut self, outcome: Outcome) -> Progress {
        self.recording
            .write(|recording| recording.outcome = Some(outcome.clone()));
        self.state.phase = Phase::Over(outcome.clone());
        Progress::Over(outcome)
    }
}

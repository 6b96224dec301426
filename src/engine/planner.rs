//! The planner's thread: it owns the session, takes commands one by one, and between them advances a running episode.

mod examine;
mod recording;
mod settings;

use crossbeam_channel::{Receiver, TryRecvError};

use super::board::{Failure, JobKind, Level, Phase};
use super::breakpoint::{self, Breakpoints, Fired, position};
use super::command::{Command, Until};
use super::session::{Advance, Control, OpenSession, Opening, Session, SessionError};
use super::{Shared, worker};
use crate::planner::Pace;
use crate::recording::Outcome;

/// What to do about something that could not be loaded.
const MEND: &str = "Mend this one, or load another.";

pub(super) fn work<S: Session>(open: OpenSession<S>, queue: &Receiver<Command>, shared: &Shared) {
    let mut planner = Planner {
        open,
        shared: shared.clone(),
        session: None,
        opening: Opening::default(),
        running: None,
        stopped: None,
        breakpoints: Breakpoints::default(),
        pace: Pace::Step,
    };
    planner.open();
    loop {
        // While an episode runs, commands are looked at between its steps.
        let command = if planner.running.is_some() {
            match queue.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return,
            }
        } else {
            match queue.recv() {
                Ok(command) => Some(command),
                Err(_) => return,
            }
        };
        match command {
            Some(command) => planner.handle(command),
            None => planner.advance(),
        }
    }
}

/// What a call of the session came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Done,
    /// The request could not be met: nothing changed.
    Refused,
    /// It was cancelled, or something broke.
    Stopped,
}

struct Planner<S> {
    open: OpenSession<S>,
    shared: Shared,
    session: Option<S>,
    /// What was loaded last and where, to be opened again after a panic.
    opening: Opening,
    /// Where the run at hand ends; none while paused.
    running: Option<Until>,
    /// The run that a request has just stopped, until that request is looked at.
    stopped: Option<Until>,
    breakpoints: Breakpoints,
    /// Whether the advance at hand plans a step or an iteration of it.
    pace: Pace,
}

impl<S: Session> Planner<S> {
    fn control(&self, what: &str) -> Control {
        Control {
            cancel: self.shared.plan_cancel.clone(),
            recording: self.shared.recording.clone(),
            live: self.shared.live.clone(),
            board: self.shared.board.clone(),
            events: self.shared.events.clone(),
            job: self.shared.board.begin(JobKind::Plan, what),
            switches: self.shared.board.switches(),
            pace: self.pace,
        }
    }

    fn open(&mut self) {
        let board = &self.shared.board;
        board.set_phase(Phase::Opening);
        board.forget_examined();
        let control = self.control("Loading the models");
        let opened = worker::guard(|| {
            let session = (self.open)(&self.opening, &control)?;
            let (info, exporter) = (session.info(), session.exporter());
            Ok((session, info, exporter))
        });
        drop(control);
        match opened.unwrap_or_else(|message| Err(SessionError::Failed(message))) {
            Ok((session, info, exporter)) => {
                self.session = Some(session);
                self.shared.exporter.set(exporter);
                board.set_info(info);
                self.settle();
            }
            Err(err) => {
                board.log(Level::Error, err.to_string());
                board.set_failure(Some(Failure {
                    level: Level::Error,
                    what: err.to_string(),
                    kept: "Nothing was changed.".to_owned(),
                    advice: "Load another checkpoint, choose another device, or mend this one and press Plan again."
                        .to_owned(),
                }));
                self.settle();
            }
        }
    }

    fn handle(&mut self, command: Command) {
        // What was running goes on after a request that is refused.
        let mut interrupted = None;
        if command.interrupts() {
            self.shared.plan_cancel.lower();
            interrupted = self.running.take().or(self.stopped);
        }
        self.stopped = None;
        match command {
            Command::Plan { task, seed, then } => {
                if self.session.is_none() {
                    self.open();
                    if self.session.is_none() {
                        return;
                    }
                }
                self.shared.board.set_failure(None);
                self.shared.board.set_phase(Phase::Thinking);
                match self.call("Asking the VLM", |session, control| session.start(&task, seed, control)) {
                    Called::Done => {
                        if let Some(until) = then {
                            self.run(until);
                        }
                    }
                    Called::Refused => self.resume(interrupted),
                    Called::Stopped => {}
                }
            }
            Command::Run(until) => self.run(until),
            Command::Step => {
                if self.can_go_on() {
                    self.shared.board.set_phase(Phase::Stepping);
                    self.step();
                }
            }
            Command::StepIteration => self.step_iteration(),
            Command::SetPlanConfig(config) => self.set_plan_config(config),
            Command::Pause => {
                self.running = None;
                self.settle();
            }
            Command::Cancel => self.settle(),
            Command::Seek { branch, step, seed } => {
                let called = self.call("Going back", |session, control| {
                    session.seek(branch, step, seed, control)
                });
                self.resume(interrupted.filter(|_| called == Called::Refused));
            }
            Command::GoToBranch(id) => {
                let called = self.call("Going over", |session, control| session.go_to_branch(id, control));
                self.resume(interrupted.filter(|_| called == Called::Refused));
            }
            // These stop nothing: a run goes on after them, also where they are refused.
            Command::DeleteBranch(id) => {
                self.beside("Deleting", |session, control| session.delete_branch(id, control));
            }
            Command::UndeleteBranch => {
                self.beside("Bringing back", S::undelete_branch);
            }
            Command::EditSubGoals { list, from } => {
                self.beside("Making goals", |session, control| {
                    session.edit_sub_goals(&list, from, control)
                });
                self.shared.board.answer_edit();
            }
            Command::Reset { seed } => {
                self.call("Resetting the scene", |session, control| session.reset(seed, control));
            }
            Command::LoadCheckpoint(path) => {
                let called = if self.session.is_none() {
                    (self.opening.checkpoint, self.opening.plan) = (Some(path.clone()), None);
                    self.open_again()
                } else {
                    self.call("Loading the checkpoint", |session, control| {
                        session.load_checkpoint(&path, control)
                    })
                };
                if called == Called::Done {
                    (self.opening.checkpoint, self.opening.plan) = (Some(path.clone()), None);
                }
                self.loaded(called, &path.display().to_string(), MEND, interrupted);
            }
            Command::LoadScene(path) => {
                let called = self.call("Loading the scene", |session, control| {
                    session.load_scene(&path, control)
                });
                self.loaded(called, &path.display().to_string(), MEND, interrupted);
            }
            Command::OpenRecording(path) => {
                let called = self.open_recording(&path);
                self.loaded(called, &path.display().to_string(), "Choose another file.", interrupted);
            }
            Command::SetDevice(device) => {
                let called = if self.session.is_none() {
                    self.opening.device = Some(device);
                    self.open_again()
                } else {
                    self.call("Loading the models", |session, control| {
                        session.set_device(device, control)
                    })
                };
                if called == Called::Done {
                    self.opening.device = Some(device);
                }
                self.loaded(
                    called,
                    &format!("the models on {device}"),
                    "Choose another device.",
                    interrupted,
                );
            }
            Command::Examine(question) => self.examine(question.question.topic()),
            Command::SetBreakpoints(breakpoints) => self.breakpoints = breakpoints,
            Command::DismissFailure => self.shared.board.set_failure(None),
            Command::SetSwitches(_)
            | Command::Export { .. }
            | Command::Write { .. }
            | Command::FindDevices
            | Command::StartTraining(_)
            | Command::StopTraining
            | Command::Training(_)
            | Command::WatchRun(_)
            | Command::StopExamining => {}
        }
    }

    /// Tries to open what could not be opened before.
    fn open_again(&mut self) -> Called {
        self.open();
        match self.session {
            Some(_) => Called::Done,
            None => Called::Stopped,
        }
    }

    /// Calls the session between two steps of a run.
    fn beside(&mut self, what: &str, work: impl FnOnce(&mut S, &Control) -> Result<(), SessionError>) {
        let running = self.running;
        let called = self.call(what, work);
        self.resume(running.filter(|_| called == Called::Refused));
    }

    /// Says what came of loading something.
    fn loaded(&mut self, called: Called, what: &str, advice: &str, interrupted: Option<Until>) {
        if called == Called::Done {
            if let Some(session) = &self.session {
                self.shared.board.set_info(session.info());
                self.shared.exporter.set(session.exporter());
            }
            self.shared.board.forget_examined();
            self.shared.board.set_failure(None);
            self.shared.board.log(Level::Info, format!("Loaded {what}."));
        }
        if called == Called::Refused {
            let mut failure = self.shared.board.view().failure;
            if let Some(failure) = &mut failure {
                failure.kept = "What was loaded before is still in use.".to_owned();
                advice.clone_into(&mut failure.advice);
            }
            self.shared.board.set_failure(failure);
            self.resume(interrupted);
        }
    }

    /// Goes on with a run that a refused request had interrupted.
    fn resume(&mut self, interrupted: Option<Until>) {
        if let Some(until) = interrupted {
            self.run(until);
        }
    }

    /// An episode is under way and has no outcome yet.
    fn can_go_on(&self) -> bool {
        let recording = self.shared.recording.snapshot();
        self.session.as_ref().is_some_and(Session::has_episode) && recording.outcome.is_none()
    }

    fn run(&mut self, until: Until) {
        if self.can_go_on() && !self.shared.plan_cancel.is_raised() {
            self.running = Some(until);
            self.shared.board.set_phase(Phase::Running);
        }
    }

    /// One thing of a running episode.
    fn advance(&mut self) {
        let Some(until) = self.running else {
            return;
        };
        let Some(done) = self.advance_once() else {
            return;
        };
        let recording = self.shared.recording.snapshot();
        let at = position(&recording);
        let fired = self.breakpoints.fired(&recording, done);
        let pause = match done {
            Advance::Finished => {
                self.running = None;
                return self.settle();
            }
            _ if !fired.is_empty() => Some(breakpoint::sentence(at, &fired)),
            Advance::Asked if until == Until::NextReplan => {
                Some(format!("Paused at step {at}: the VLM was asked again."))
            }
            Advance::Switched if until == Until::NextSubGoal => Some(format!("Paused at step {at}: a sub-goal ended.")),
            Advance::Planned => Some(format!("Planned step {at}. Act is off: nothing was executed.")),
            Advance::Held(held) => Some(held.to_string()),
            Advance::Stepped | Advance::Switched | Advance::Asked => None,
        };
        match pause {
            Some(reason) => {
                self.running = None;
                self.record_pauses(&fired);
                self.shared.board.log(Level::Info, reason);
                self.settle();
            }
            None => self.shared.board.set_phase(Phase::Running),
        }
    }

    /// Whatever comes until one action was executed. It stops anyway, so a breakpoint's condition that is met is only marked
    /// and said.
    fn step(&mut self) {
        while let Some(done) = self.advance_once() {
            let recording = self.shared.recording.snapshot();
            let fired = self.breakpoints.fired(&recording, done);
            if !fired.is_empty() {
                let sentence = breakpoint::sentence(position(&recording), &fired);
                self.record_pauses(&fired);
                self.shared.board.log(Level::Info, sentence);
            }
            match done {
                Advance::Switched | Advance::Asked if !self.shared.plan_cancel.is_raised() => {
                    self.shared.board.set_phase(Phase::Stepping);
                }
                Advance::Held(held) => {
                    self.shared.board.log(Level::Warning, held.to_string());
                    break;
                }
                _ => break,
            }
        }
    }

    fn record_pauses(&mut self, fired: &[Fired]) {
        if fired.is_empty() {
            return;
        }
        let control = self.control("Recording a pause");
        let Some(mut session) = self.session.take() else {
            return;
        };
        let pauses = fired.iter().map(Fired::record).collect();
        match worker::guard(|| session.record_pauses(pauses, &control)) {
            Ok(()) => self.session = Some(session),
            Err(message) => self.reopen(session, message),
        }
    }

    /// After a panic: half-changed models must not be used again, and they may panic once more while they are dropped.
    fn reopen(&mut self, session: S, message: String) {
        self.running = None;
        let _ = worker::guard(move || drop(session));
        self.open();
        self.fail(message);
    }

    fn advance_once(&mut self) -> Option<Advance> {
        let mut done = None;
        self.call("Planning a step", |session, control| {
            done = Some(session.advance(control)?);
            Ok(())
        });
        done
    }

    /// Calls the session and answers for its errors.
    fn call(&mut self, what: &str, work: impl FnOnce(&mut S, &Control) -> Result<(), SessionError>) -> Called {
        let Some(mut session) = self.session.take() else {
            self.refuse("No model is loaded. Load a checkpoint first (Open, Ctrl+O).".to_owned());
            return Called::Stopped;
        };
        let control = self.control(what);
        let result = worker::guard(|| {
            control.check()?;
            work(&mut session, &control)
        });
        drop(control);
        match result {
            Ok(Ok(())) => {
                self.session = Some(session);
                if self.running.is_none() {
                    self.settle();
                }
                Called::Done
            }
            Ok(Err(err)) => {
                self.session = Some(session);
                let running = self.running.take();
                let called = match err {
                    SessionError::Refused(_) => Called::Refused,
                    SessionError::Cancelled | SessionError::Failed(_) => Called::Stopped,
                };
                match err {
                    SessionError::Cancelled => {
                        self.stopped = running;
                        self.shared.board.log(Level::Info, "Stopped.");
                    }
                    SessionError::Refused(message) => self.refuse(message),
                    SessionError::Failed(message) => self.fail(message),
                }
                self.settle();
                called
            }
            Err(message) => {
                self.reopen(session, message);
                Called::Stopped
            }
        }
    }

    fn refuse(&self, message: String) {
        self.shared.board.log(Level::Warning, message.clone());
        let kept = "Nothing was changed.".to_owned();
        let failure = Failure {
            level: Level::Warning,
            what: message,
            kept,
            advice: String::new(),
        };
        self.shared.board.set_failure(Some(failure));
    }

    fn fail(&self, message: String) {
        let steps = self.shared.recording.snapshot().steps.len();
        let kept = match steps {
            0 => "There is no recording yet.".to_owned(),
            1 => "The recording of one step was kept.".to_owned(),
            steps => format!("The recording of {steps} steps was kept."),
        };
        self.shared.board.log(Level::Error, message.clone());
        let advice = if self.session.is_some() {
            "Look at the recording or export it; press Plan to begin again."
        } else {
            "The models cannot be opened again as they were: choose another device, such as cpu, or load another checkpoint."
        };
        self.shared.board.set_failure(Some(Failure {
            level: Level::Error,
            what: message,
            kept,
            advice: advice.to_owned(),
        }));
    }

    /// Shows where the episode stands now that nothing is under way.
    fn settle(&self) {
        let recording = self.shared.recording.snapshot();
        let phase = match (&self.session, &recording.outcome) {
            (None, _) if recording.task.is_empty() => Phase::Closed,
            (None, _) => Phase::Opened,
            (Some(session), _) if !recording.task.is_empty() && !session.has_episode() => Phase::Opened,
            (Some(_), Some(outcome)) => {
                if self.shared.board.view().phase != Phase::Finished {
                    let mut text = outcome_text(outcome, position(&recording));
                    if let Some(done) = recording.task_achieved {
                        let done = if done { "done" } else { "not done" };
                        text = format!("{text} In the world, the task is {done}.");
                    }
                    self.shared.board.log(Level::Info, text);
                }
                Phase::Finished
            }
            (Some(_), None) if recording.task.is_empty() => Phase::Idle,
            (Some(_), None) => Phase::Paused,
        };
        self.shared.board.set_phase(phase);
    }
}

fn outcome_text(outcome: &Outcome, steps: usize) -> String {
    match outcome {
        Outcome::Reached => format!("Every sub-goal was declared reached after {steps} steps."),
        Outcome::NotReached { reason } => format!("Not reached after {steps} steps: {reason}"),
        Outcome::Unparsed { .. } => {
            "The VLM's answer could not be read, twice. It is shown as written; try another wording.".to_owned()
        }
        Outcome::Interrupted => format!("The episode was interrupted after {steps} steps."),
    }
}

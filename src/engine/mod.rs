//! Compute threads behind a queue of commands. The window sends [`Command`]s and reads three things: the recording
//! (lossless), the step that is being planned (the newest wins) and the [`Board`] (what goes on). [`Event`]s only wake
//! it up.
//!
//! Three workers: `planner` owns the [`Session`], `trainer` runs one training at a time, `io` exports, follows the
//! metrics of runs and has devices looked for. No lock is held across compute, nothing that the window does or leaves
//! undone blocks a worker, and a panic ends at its worker's edge.

mod board;
mod branches;
mod breakpoint;
mod cancel;
mod command;
mod event;
mod examine;
mod io;
mod metrics;
mod pace;
mod planner;
mod runs;
mod samples;
mod series;
mod session;
mod slot;
mod trainer;
mod worker;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

pub use board::{
    Board, BoardView, DeviceSearch, Failure, Job, JobGuard, JobKind, Level, LogLine, Phase, TrainingState,
};
pub use branches::{Branch, Branches};
pub use breakpoint::{Breakpoints, Condition, Fired, NotASimilarity, Threshold};
pub use cancel::Cancel;
pub use command::{Command, FileContent, Stage, TrainingCommand, TrainingRequest, Until};
pub use event::{Event, EventSender, Waker};
pub use examine::{Answer, Examination, Examined, Question, Topic};
pub use metrics::{MetricsReader, Run};
pub use pace::Priority;
pub use runs::{RunFacts, RunMetrics, RunState, is_run, run_name};
pub use samples::RunSamples;
pub use series::{Series, Stretch};
pub use session::{
    Advance, Control, Exporter, OpenSession, Opening, Projection, RunTraining, Session, SessionError, SessionInfo,
    TrainingControl,
};
pub use slot::{SharedRecording, Slot};
pub use worker::panic_message;

use crate::recording::StepRecord;

/// Commands that may wait for each worker. A person cannot fill it; a stuck key must not block the window.
const QUEUE: usize = 64;

/// What all workers and the window share.
#[derive(Clone)]
struct Shared {
    recording: SharedRecording,
    live: Slot<StepRecord>,
    board: Board,
    events: EventSender,
    metrics: Arc<Mutex<RunMetrics>>,
    exporter: Slot<Arc<dyn Exporter>>,
    plan_cancel: Cancel,
    train_cancel: Cancel,
    pace: Arc<pace::Pace>,
    asked: examine::Asked,
}

/// The window's end of the engine. Dropping it stops the workers.
pub struct Engine {
    shared: Shared,
    events: Receiver<Event>,
    planner: Option<Sender<Command>>,
    trainer: Option<Sender<Command>>,
    io: Option<Sender<Command>>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the workers. `waker` is called after each event, from their threads.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start<S: Session + 'static>(
        open: OpenSession<S>,
        train: RunTraining,
        waker: Waker,
    ) -> std::io::Result<Self> {
        let (sender, events) = EventSender::new(waker);
        let shared = Shared {
            recording: SharedRecording::default(),
            live: Slot::default(),
            board: Board::new(sender.clone()),
            events: sender,
            metrics: Arc::default(),
            exporter: Slot::default(),
            plan_cancel: Cancel::default(),
            train_cancel: Cancel::default(),
            pace: Arc::default(),
            asked: examine::Asked::default(),
        };
        let (planner, plan_queue) = crossbeam_channel::bounded(QUEUE);
        let (trainer, train_queue) = crossbeam_channel::bounded(QUEUE);
        let (io, io_queue) = crossbeam_channel::bounded(QUEUE);
        let (for_planner, for_trainer, for_io) = (shared.clone(), shared.clone(), shared.clone());
        let threads = vec![
            worker::spawn("planner", move || planner::work(open, &plan_queue, &for_planner))?,
            worker::spawn("trainer", move || trainer::work(train, &train_queue, &for_trainer))?,
            worker::spawn("io", move || io::work(&io_queue, &for_io))?,
        ];
        Ok(Self {
            shared,
            events,
            planner: Some(planner),
            trainer: Some(trainer),
            io: Some(io),
            threads,
        })
    }

    /// Hands a command to its worker without waiting. `false`: the worker's queue is full, the command was dropped.
    pub fn send(&self, command: Command) -> bool {
        let command = match command {
            Command::Training(asked) => match self.training(asked) {
                Some(command) => command,
                None => return true,
            },
            command => command,
        };
        // A switch is thrown at once and not in the order of the queue: the work that waits there goes by it.
        if let Command::SetSwitches(switches) = command {
            self.shared.board.set_switches(switches);
            return true;
        }
        if let Command::Examine(question) = &command {
            return self.examine(question);
        }
        let stop_examining = matches!(command, Command::StopExamining);
        if stop_examining || command.interrupts() {
            self.shared.asked.interrupt();
            self.shared.board.show_asked(&self.shared.asked);
        }
        if stop_examining {
            return true;
        }
        let (queue, cancel) = match &command {
            Command::Export { .. }
            | Command::Write { .. }
            | Command::WatchRun(_)
            | Command::FindDevices
            | Command::Training(_) => (&self.io, None),
            Command::StartTraining(_) => (&self.trainer, None),
            Command::StopTraining => (&self.trainer, Some(&self.shared.train_cancel)),
            command => (&self.planner, command.interrupts().then_some(&self.shared.plan_cancel)),
        };
        if let Some(cancel) = cancel {
            cancel.raise();
        }
        if let Command::SetPlanConfig(plan) = &command {
            self.shared.board.ask_plan(plan.clone());
        }
        let edit = matches!(command, Command::EditSubGoals { .. });
        let sent = queue.as_ref().is_some_and(|queue| queue.try_send(command).is_ok());
        if !sent && edit {
            self.shared.board.answer_edit();
        }
        if !sent && let Some(cancel) = cancel {
            cancel.lower();
        }
        sent
    }

    /// Puts a question in the place of an older one of its topic, and tells the worker once that there is one.
    fn examine(&self, question: &Examination) -> bool {
        let (asked, topic) = (&self.shared.asked, question.question.topic());
        let tell = asked.ask(question.clone());
        let told = !tell
            || self
                .planner
                .as_ref()
                .is_some_and(|queue| queue.try_send(Command::Examine(question.clone())).is_ok());
        if !told {
            asked.withdraw(topic);
        }
        self.shared.board.show_asked(asked);
        told
    }

    /// Does what must reach a run in the middle of its steps, past any queue; what is left for a worker is given back.
    fn training(&self, asked: TrainingCommand) -> Option<Command> {
        let pace = &self.shared.pace;
        match asked {
            TrainingCommand::Pause => {
                // First what is said: the trainer may pause at once and say so.
                let running = matches!(self.shared.board.view().training, TrainingState::Running { .. });
                self.shared.board.set_pausing(running);
                pace.pause();
            }
            TrainingCommand::Resume => {
                pace.resume();
                self.shared.board.set_pausing(false);
            }
            TrainingCommand::SetPriority(priority) => pace.set_priority(priority),
            TrainingCommand::StopUnsaved => {
                pace.reins.discard();
                return Some(Command::StopTraining);
            }
            asked => return Some(Command::Training(asked)),
        }
        None
    }

    pub fn recording(&self) -> Arc<crate::recording::Recording> {
        self.shared.recording.snapshot()
    }

    /// The step that is being planned, or the scene before an episode.
    pub fn live(&self) -> Option<Arc<StepRecord>> {
        self.shared.live.get()
    }

    pub fn board(&self) -> BoardView {
        self.shared.board.view()
    }

    /// The runs that are known, and the curves of those that are watched.
    pub fn with_metrics<R>(&self, read: impl FnOnce(&RunMetrics) -> R) -> R {
        read(&slot::lock(&self.shared.metrics))
    }

    /// What writes recordings that were opened without models.
    pub fn export_with(&self, exporter: Arc<dyn Exporter>) {
        if self.shared.exporter.get().is_none() {
            self.shared.exporter.set(exporter);
        }
    }

    /// A line in the log, for what the window itself has to say.
    pub fn note(&self, text: &str) {
        self.shared.board.log(Level::Info, text);
    }

    /// A warning in the log.
    pub fn warn(&self, text: &str) {
        self.shared.board.log(Level::Warning, text);
    }

    /// Takes the wake-ups that are waiting; whether there were any.
    pub fn drain_events(&self) -> bool {
        self.events.try_iter().count() > 0
    }

    /// Waits for the next wake-up, for callers without a window.
    pub fn wait(&self, timeout: std::time::Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.plan_cancel.raise();
        self.shared.asked.interrupt();
        self.shared.train_cancel.raise();
        self.planner = None;
        self.trainer = None;
        self.io = None;
        for thread in self.threads.drain(..) {
            // A worker that panicked outside of its guard has nothing left to save.
            let _ = thread.join();
        }
    }
}

//! What the workers are doing, for all to see: the phase of the episode, jobs with their progress, the log and the
//! last failure. Unlike events, nothing on the board is lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::branches::Branches;
use super::event::{Event, EventSender};
use super::examine::{Asked, Examination, Examined, Topic};
use super::session::SessionInfo;
use super::slot::lock;
use crate::config::PlanConfig;
use crate::device::FoundDevice;
use crate::planner::Switches;

/// Lines of the log that are kept.
const LOG_LINES: usize = 500;

/// Where the episode stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Models are being loaded.
    #[default]
    Opening,
    /// Nothing is planned yet.
    Idle,
    /// The VLM is answering.
    Thinking,
    /// An episode waits for the next step.
    Paused,
    /// One step is being planned.
    Stepping,
    /// Steps follow one another.
    Running,
    /// The episode has its outcome.
    Finished,
    /// A recorded episode is looked at: there is no world behind it to go on in.
    Opened,
    /// The models could not be loaded, and there is no recording to look at.
    Closed,
}

impl Phase {
    /// Planning is under way.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Opening | Self::Thinking | Self::Stepping | Self::Running)
    }

    /// The VLM or CEM is at work on an episode.
    pub fn is_planning(self) -> bool {
        matches!(self, Self::Thinking | Self::Stepping | Self::Running)
    }

    /// There is an episode that can go on.
    pub fn can_step(self) -> bool {
        matches!(self, Self::Paused)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Plan,
    Train,
    File,
    /// A question about a recorded step.
    Examine,
}

/// A piece of work with a beginning and an end.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: u64,
    pub kind: JobKind,
    /// Sentence case, without a full stop.
    pub what: String,
    pub done: u64,
    pub total: Option<u64>,
    /// When `first` were done; waits move it on.
    pub started: Instant,
    /// What was done before this program began to count: a run that is resumed begins with the steps of its checkpoint.
    pub first: u64,
    /// The job waits since then.
    pub waits_since: Option<Instant>,
    /// It was asked to pause, which it does after the training step at hand or to come.
    pub pausing: bool,
}

impl Job {
    /// What the job is at, and what it was asked.
    pub fn said(&self) -> String {
        if self.pausing {
            format!("Pausing… · {}", self.what)
        } else {
            self.what.clone()
        }
    }

    pub fn fraction(&self) -> Option<f32> {
        let total = self.total.filter(|&total| total > 0)?;
        Some((self.done as f32 / total as f32).clamp(0.0, 1.0))
    }

    /// Time that was worked since the count began, without waits.
    pub fn elapsed(&self, now: Instant) -> Duration {
        self.waits_since.unwrap_or(now).saturating_duration_since(self.started)
    }

    /// Time that is left if the rest goes as fast as what was done since the count began.
    pub fn eta(&self, now: Instant) -> Option<Duration> {
        let left = self.total?.checked_sub(self.done)?;
        let done = self.done.checked_sub(self.first).filter(|&done| done > 0)?;
        let secs = self.elapsed(now).as_secs_f64() * left as f64 / done as f64;
        Duration::try_from_secs_f64(secs).ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Debug)]
pub struct LogLine {
    /// Since the engine started.
    pub at: Duration,
    pub level: Level,
    pub text: String,
}

/// What went wrong, what was kept, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// [`Level::Warning`]: a request was refused. [`Level::Error`]: something broke.
    pub level: Level,
    pub what: String,
    pub kept: String,
    pub advice: String,
}

/// What the trainer is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrainingState {
    #[default]
    Idle,
    Running {
        title: String,
    },
    /// A checkpoint is kept, and the next step waits.
    Paused {
        title: String,
    },
    Stopped {
        title: String,
    },
    Finished {
        title: String,
    },
    Failed {
        title: String,
        message: String,
        /// What was kept, and what to do.
        advice: String,
    },
}

/// What is known of the devices of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceSearch {
    /// Nobody has asked.
    #[default]
    NotYet,
    Running,
    Found(Arc<Vec<FoundDevice>>),
    /// Why nothing is known.
    Failed(String),
}

/// A copy of the board, cheap enough for every frame.
#[derive(Clone, Debug)]
pub struct BoardView {
    pub phase: Phase,
    pub jobs: Vec<Job>,
    pub log: Arc<VecDeque<LogLine>>,
    pub failure: Option<Failure>,
    pub info: Option<Arc<SessionInfo>>,
    pub training: TrainingState,
    pub devices: DeviceSearch,
    pub branches: Arc<Branches>,
    pub switches: Switches,
    /// Settings that were asked for and are not in use yet.
    pub pending_plan: Option<PlanConfig>,
    /// Edits of the sub-goals that were taken up or refused so far.
    pub edits_answered: usize,
    /// Questions about recorded steps that are not answered yet.
    pub examining: Arc<Vec<Examination>>,
    /// The newest answer to each topic.
    pub examined: Arc<BTreeMap<Topic, Arc<Examined>>>,
}

impl Default for BoardView {
    fn default() -> Self {
        Self {
            phase: Phase::Opening,
            jobs: Vec::new(),
            log: Arc::default(),
            failure: None,
            info: None,
            training: TrainingState::Idle,
            devices: DeviceSearch::NotYet,
            branches: Arc::default(),
            switches: Switches::default(),
            pending_plan: None,
            edits_answered: 0,
            examining: Arc::default(),
            examined: Arc::default(),
        }
    }
}

#[derive(Debug)]
struct State {
    view: BoardView,
    next_job: u64,
}

/// The shared board. Each change wakes the window.
#[derive(Clone)]
pub struct Board {
    state: Arc<Mutex<State>>,
    started: Instant,
    events: EventSender,
}

impl Board {
    pub fn new(events: EventSender) -> Self {
        let state = State {
            view: BoardView::default(),
            next_job: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            started: Instant::now(),
            events,
        }
    }

    pub fn view(&self) -> BoardView {
        lock(&self.state).view.clone()
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut lock(&self.state));
        self.events.send(Event::Board);
        result
    }

    pub fn set_phase(&self, phase: Phase) {
        self.change(|state| state.view.phase = phase);
    }

    pub fn set_info(&self, info: SessionInfo) {
        self.change(|state| state.view.info = Some(Arc::new(info)));
    }

    pub fn set_failure(&self, failure: Option<Failure>) {
        self.change(|state| state.view.failure = failure);
    }

    pub fn set_training(&self, training: TrainingState) {
        self.change(|state| state.view.training = training);
    }

    /// A pause of the training was asked for, or is no longer waited for.
    pub(super) fn set_pausing(&self, pausing: bool) {
        self.change(|state| {
            let training = state.view.jobs.iter_mut().filter(|job| job.kind == JobKind::Train);
            training.for_each(|job| job.pausing = pausing);
        });
    }

    pub fn set_switches(&self, switches: Switches) {
        self.change(|state| state.view.switches = switches);
    }

    pub fn switches(&self) -> Switches {
        lock(&self.state).view.switches
    }

    pub fn ask_plan(&self, plan: PlanConfig) {
        self.change(|state| state.view.pending_plan = Some(plan));
    }

    /// What was asked for has been seen to, unless something else was asked for since.
    pub fn answer_plan(&self, plan: &PlanConfig) {
        self.change(|state| {
            state.view.pending_plan.take_if(|pending| pending == plan);
        });
    }

    /// An edit of the sub-goals was taken up or refused.
    pub fn answer_edit(&self) {
        self.change(|state| state.view.edits_answered += 1);
    }

    /// Shows what is asked and not answered, as it is at this moment: window and worker both change it.
    pub(super) fn show_asked(&self, asked: &Asked) {
        self.change(|state| state.view.examining = Arc::new(asked.open()));
    }

    pub(super) fn put_examined(&self, examined: Examined) {
        self.change(|state| {
            let topic = examined.asked.question.topic();
            Arc::make_mut(&mut state.view.examined).insert(topic, Arc::new(examined));
        });
    }

    /// What other models have answered is of no use.
    pub(super) fn forget_examined(&self) {
        self.change(|state| state.view.examined = Arc::default());
    }

    pub fn set_devices(&self, devices: DeviceSearch) {
        self.change(|state| state.view.devices = devices);
    }

    pub fn set_branches(&self, branches: Branches) {
        self.change(|state| state.view.branches = Arc::new(branches));
    }

    pub fn log(&self, level: Level, text: impl Into<String>) {
        let text = text.into();
        match level {
            Level::Info => log::info!("{text}"),
            Level::Warning => log::warn!("{text}"),
            Level::Error => log::error!("{text}"),
        }
        let at = self.started.elapsed();
        self.change(|state| {
            let log = Arc::make_mut(&mut state.view.log);
            if log.len() == LOG_LINES {
                log.pop_front();
            }
            log.push_back(LogLine { at, level, text });
        });
    }

    /// Puts a job on the board until the returned guard is dropped.
    pub fn begin(&self, kind: JobKind, what: impl Into<String>) -> JobGuard {
        let what = what.into();
        let id = self.change(|state| {
            state.next_job += 1;
            let id = state.next_job;
            state.view.jobs.push(Job {
                id,
                kind,
                what,
                done: 0,
                total: None,
                started: Instant::now(),
                first: 0,
                waits_since: None,
                pausing: false,
            });
            id
        });
        JobGuard {
            board: self.clone(),
            id,
        }
    }
}

/// A job on the board.
pub struct JobGuard {
    board: Board,
    id: u64,
}

impl JobGuard {
    /// Says how far the job is. A change of `what` begins a new count, so that the time left is its own.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.change(|job| {
            if job.what != what {
                what.clone_into(&mut job.what);
                (job.started, job.first) = (Instant::now(), done);
            }
            job.done = done;
            job.total = total;
        });
    }

    /// Does what is no work of the job: the time that it takes is left out of the time that is left.
    pub(super) fn wait(&self, wait: impl FnOnce()) {
        self.change(|job| job.waits_since = Some(Instant::now()));
        wait();
        self.change(|job| {
            job.started += job.waits_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        });
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        self.board.change(|state| {
            if let Some(job) = state.view.jobs.iter_mut().find(|job| job.id == self.id) {
                change(job);
            }
        });
    }
}

impl Drop for JobGuard {
    fn drop(&mut self) {
        self.board
            .change(|state| state.view.jobs.retain(|job| job.id != self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_pace_so_far() {
        let started = Instant::now();
        let job = Job {
            id: 1,
            kind: JobKind::Train,
            what: String::new(),
            done: 25,
            total: Some(100),
            started,
            first: 0,
            waits_since: None,
            pausing: false,
        };
        let after = |job: &Job, secs| {
            job.eta(started + Duration::from_secs(secs))
                .map(|eta| eta.as_secs_f64())
        };
        assert!((after(&job, 10).unwrap() - 30.0).abs() < 1e-6, "{:?}", after(&job, 10));
        assert_eq!(Job { done: 0, ..job.clone() }.eta(started), None);
        assert_eq!(
            Job {
                total: None,
                ..job.clone()
            }
            .fraction(),
            None
        );
        // Resumed at 20: 5 steps in 10 seconds, and 75 to go.
        let resumed = Job { first: 20, ..job };
        assert_eq!(after(&resumed, 10), Some(150.0));
        assert_eq!(
            after(
                &Job {
                    done: 20,
                    ..resumed.clone()
                },
                10
            ),
            None
        );
        let waits = Job {
            waits_since: Some(started + Duration::from_secs(10)),
            ..resumed
        };
        assert_eq!(after(&waits, 4000), Some(150.0));
    }

    #[test]
    fn a_count_begins_with_what_is_done_and_leaves_out_waits() {
        let (events, _receiver) = EventSender::new(Arc::new(|| ()));
        let board = Board::new(events);
        let guard = board.begin(JobKind::Train, "Stage 1");
        guard.progress("Training", 901, Some(1000));
        let job = || board.view().jobs[0].clone();
        assert_eq!((job().first, job().eta(Instant::now())), (901, None));
        guard.progress("Training", 902, Some(1000));
        guard.wait(|| {
            let (first, later) = (job(), Instant::now() + Duration::from_secs(60));
            assert_eq!(first.elapsed(later), first.elapsed(Instant::now()));
            std::thread::sleep(Duration::from_millis(300));
        });
        let elapsed = job().elapsed(Instant::now());
        assert!(elapsed < Duration::from_millis(200), "{elapsed:?}");
        assert!(job().eta(Instant::now()).is_some());
    }

    #[test]
    fn a_job_leaves_the_board_with_its_guard_and_the_log_stays_bounded() {
        let (events, _receiver) = EventSender::new(Arc::new(|| ()));
        let board = Board::new(events);
        let job = board.begin(JobKind::File, "Writing");
        job.progress("Writing plan.json", 1, Some(2));
        assert_eq!(board.view().jobs[0].fraction(), Some(0.5));
        drop(job);
        assert!(board.view().jobs.is_empty());
        for line in 0..LOG_LINES + 3 {
            board.log(Level::Info, line.to_string());
        }
        let log = board.view().log;
        assert_eq!((log.len(), log[0].text.as_str()), (LOG_LINES, "3"));
    }
}

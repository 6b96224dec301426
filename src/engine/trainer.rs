//! The trainer's thread: one training run at a time.

use crossbeam_channel::Receiver;

use super::board::{JobKind, Level, TrainingState};
use super::command::{Command, TrainingRequest};
use super::runs::run_name;
use super::session::{RunTraining, SessionError, TrainingControl};
use super::slot::lock;
use super::{Shared, worker};

pub(super) fn work(mut train: RunTraining, queue: &Receiver<Command>, shared: &Shared) {
    while let Ok(command) = queue.recv() {
        match command {
            Command::StartTraining(request) => run(&mut train, &request, shared),
            Command::StopTraining => shared.train_cancel.lower(),
            _ => {}
        }
    }
}

fn run(train: &mut RunTraining, request: &TrainingRequest, shared: &Shared) {
    if shared.train_cancel.is_raised() {
        return;
    }
    let name = run_name(&request.run);
    let title = format!("Stage {} · {name}", request.stage.name());
    let board = &shared.board;
    shared.pace.begin();
    lock(&shared.metrics).here = Some(request.run.clone());
    board.set_training(TrainingState::Running { title: title.clone() });
    board.log(
        Level::Info,
        format!("Training stage {} in {}.", request.stage.name(), request.run.display()),
    );
    let control = TrainingControl {
        cancel: shared.train_cancel.clone(),
        board: board.clone(),
        job: board.begin(JobKind::Train, title.clone()),
        pace: shared.pace.clone(),
        title: title.clone(),
    };
    let result =
        worker::guard(|| train(request, &control)).unwrap_or_else(|message| Err(SessionError::Failed(message)));
    lock(&shared.metrics).here = None;
    board.set_training(match result {
        Ok(()) => {
            board.log(Level::Info, format!("{title}: finished."));
            TrainingState::Finished { title }
        }
        Err(SessionError::Cancelled) => {
            board.log(
                Level::Info,
                format!("{title}: stopped. Start it again to go on from its last checkpoint."),
            );
            TrainingState::Stopped { title }
        }
        Err(err @ (SessionError::Refused(_) | SessionError::Failed(_))) => {
            board.log(Level::Error, format!("{title}: {err}"));
            TrainingState::Failed {
                title,
                message: err.to_string(),
            }
        }
    });
}

//! The trainer's thread: one training run at a time.

use crossbeam_channel::Receiver;

use super::board::{Board, JobKind, Level, TrainingState};
use super::command::{Command, TrainingRequest};
use super::runs::{listed, run_name};
use super::session::{RunTraining, SessionError, TrainingControl};
use super::slot::lock;
use super::{Shared, worker};

/// A checkpoint is moved to its place when it is whole.
const KEPT: &str = "Its checkpoints and metrics were kept.";
const REFUSED: &str = "Nothing was changed. Correct what is named here, then start the run again.";
const FAILED: &str = "Correct what is named here, then press Resume beside the run: it goes on from its last checkpoint. \
                      Other settings need another folder.";
const PANICKED: &str = "Press Resume beside the run to go on from its last checkpoint. Where memory ran out, choose another \
                        device, or a smaller batch in another folder.";

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
    lock(&shared.metrics).here = Some(listed(&request.run));
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
    let result = worker::guard(|| train(request, &control));
    lock(&shared.metrics).here = None;
    board.set_training(match result {
        Ok(Ok(())) => {
            board.log(Level::Info, format!("{title}: finished."));
            TrainingState::Finished { title }
        }
        Ok(Err(SessionError::Cancelled)) => {
            board.log(
                Level::Info,
                format!("{title}: stopped. Start it again to go on from its last checkpoint."),
            );
            TrainingState::Stopped { title }
        }
        Ok(Err(SessionError::Refused(message))) => failed(board, title, message, REFUSED),
        Ok(Err(SessionError::Failed(message))) => failed(board, title, message, &format!("{KEPT} {FAILED}")),
        Err(message) => failed(board, title, message, &format!("{KEPT} {PANICKED}")),
    });
}

fn failed(board: &Board, title: String, message: String, advice: &str) -> TrainingState {
    board.log(
        Level::Error,
        format!("{title}: {}. {advice}", message.trim_end_matches('.')),
    );
    let advice = advice.to_owned();
    TrainingState::Failed { title, message, advice }
}

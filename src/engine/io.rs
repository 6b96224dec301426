//! The io thread: exports and other files, the metrics files of the runs that are watched, and the search for devices.

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::board::{DeviceSearch, Failure, JobKind, Level};
use super::command::{Command, FileContent, TrainingCommand};
use super::event::Event;
use super::runs::RunBook;
use super::session::SessionError;
use super::slot::lock;
use super::{Shared, worker};
use crate::device;
use crate::recording::png::{self, CompressionType};
use crate::weights::write_new;

pub(super) fn work(queue: &Receiver<Command>, shared: &Shared) {
    let mut book = RunBook::default();
    loop {
        let command = match book.sleep() {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(time) => queue.recv_timeout(time),
        };
        match command {
            Ok(Command::Export { path, steps }) => export(&path, steps, shared),
            Ok(Command::Write { path, content }) => write(&path, &content, shared),
            Ok(Command::WatchRun(run)) => book.watch(&run),
            Ok(Command::Training(TrainingCommand::List(root))) => book.list(root),
            Ok(Command::Training(TrainingCommand::Forget(run))) => book.forget(&run),
            Ok(Command::Training(TrainingCommand::ShowSample { run, step })) => book.samples.ask(run, step),
            Ok(Command::FindDevices) => find_devices(shared),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if book.sleep().is_some()
            && let Err(what) = worker::guard(|| look(&mut book, shared))
        {
            // A book that broke in the middle of a page is begun anew; what was watched can be watched again.
            book = book.begun_anew();
            refuse(
                shared,
                what,
                "The runs that were watched are not any more. Check them in the list again.",
            );
        }
    }
}

/// On a thread of its own: a driver may take its time, and no file should wait for it.
fn find_devices(shared: &Shared) {
    let board = &shared.board;
    board.set_devices(DeviceSearch::Running);
    let (job, answer) = (board.begin(JobKind::File, "Looking for devices"), board.clone());
    let search = worker::spawn("devices", move || {
        let found = worker::guard(device::found_in_child).unwrap_or_else(Err);
        answer.set_devices(match found {
            Ok(found) => DeviceSearch::Found(Arc::new(found)),
            Err(what) => DeviceSearch::Failed(what),
        });
        drop(job);
    });
    if let Err(err) = search {
        board.set_devices(DeviceSearch::Failed(err.to_string()));
    }
}

fn look(book: &mut RunBook, shared: &Shared) {
    let here = lock(&shared.metrics).here.clone();
    book.look(here.as_deref(), |change| {
        if change(&mut lock(&shared.metrics)) {
            shared.events.send(Event::Metrics);
        }
    });
}

fn export(path: &Path, steps: Option<[usize; 2]>, shared: &Shared) {
    let board = &shared.board;
    let Some(exporter) = shared.exporter.get() else {
        refuse(shared, "Nothing was exported: no model is loaded yet.".to_owned(), "");
        return;
    };
    let recording = shared.recording.snapshot();
    if recording.task.is_empty() {
        let what = "Nothing was exported: there is no episode yet.".to_owned();
        refuse(shared, what, "Type a task and press Enter first.");
        return;
    }
    let _job = board.begin(JobKind::File, format!("Writing {}", path.display()));
    let excerpt = steps.map(|steps| recording.excerpt(steps));
    let result = worker::guard(|| exporter.export(excerpt.as_ref().unwrap_or(&recording), path))
        .unwrap_or_else(|message| Err(SessionError::Failed(message)));
    match result {
        Ok(written) => board.log(Level::Info, format!("Wrote {}.", written.display())),
        Err(err) => refuse(shared, err.to_string(), ""),
    }
}

/// Writes what the window has made, and never over another file.
fn write(path: &Path, content: &FileContent, shared: &Shared) {
    let _job = shared.board.begin(JobKind::File, format!("Writing {}", path.display()));
    let made = worker::guard(|| match content {
        FileContent::Text(text) => write_new(path, text.as_bytes()).map_err(|err| err.to_string()),
        FileContent::Picture { size, rgb } => {
            let png = png::pack(size.map(|side| side as usize), rgb, CompressionType::Best)
                .map_err(|err| format!("Could not make the picture: {err}."))?;
            write_new(path, &png).map_err(|err| err.to_string())
        }
    });
    match made.unwrap_or_else(Err) {
        Ok(written) => {
            let written = std::path::absolute(&written).unwrap_or(written);
            shared.board.log(Level::Info, format!("Wrote {}.", written.display()));
        }
        Err(what) => refuse(shared, what, ""),
    }
}

/// An export that was not made is said where it cannot be overlooked; the episode has nothing to do with it.
fn refuse(shared: &Shared, what: String, advice: &str) {
    shared.board.log(Level::Error, what.clone());
    shared.board.set_failure(Some(Failure {
        level: Level::Warning,
        what,
        kept: "The episode was not touched.".to_owned(),
        advice: advice.to_owned(),
    }));
}

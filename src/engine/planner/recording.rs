//! Showing an episode that was recorded. No models are needed for that.

use std::path::Path;

use super::{Called, Planner};
use crate::engine::board::Level;
use crate::engine::branches::Branches;
use crate::engine::session::{Control, Session, SessionError};
use crate::engine::worker;
use crate::recording::{Recording, StepRecord, file};

impl<S: Session> Planner<S> {
    /// Puts a recorded episode in the place of the one at hand, which stays where the file cannot be read.
    pub(super) fn open_recording(&mut self, path: &Path) -> Called {
        const WHAT: &str = "Opening the recording";
        if self.session.is_some() {
            return self.call(WHAT, |session, control| {
                let recording = read(path, control)?;
                session.leave_episode(control);
                show(recording, control);
                Ok(())
            });
        }
        let control = self.control(WHAT);
        let read = worker::guard(|| read(path, &control));
        let called = match read.unwrap_or_else(|message| Err(SessionError::Failed(message))) {
            Ok(recording) => {
                control.show_branches(Branches::default());
                show(recording, &control);
                Called::Done
            }
            Err(err) => {
                self.refuse(err.to_string());
                Called::Refused
            }
        };
        drop(control);
        self.settle();
        called
    }
}

fn read(path: &Path, control: &Control) -> Result<Recording, SessionError> {
    let opened = file::open(path).map_err(|err| SessionError::Refused(err.to_string()))?;
    let file::Opened { recording, cut_at } = opened;
    if let Some(byte) = cut_at {
        let (path, steps) = (path.display(), recording.steps.len());
        let text = format!("{path} is whole up to byte {byte}: {steps} steps were read.");
        control.log(Level::Warning, text);
    }
    Ok(recording)
}

fn show(recording: Recording, control: &Control) {
    match recording.steps.last() {
        Some(last) => control.show_live(StepRecord::clone(last)),
        None => control.live.clear(),
    }
    control.publish(recording);
}

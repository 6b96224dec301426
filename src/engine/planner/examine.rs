//! Questions about recorded steps, between the steps of an episode.

use std::sync::Arc;
use std::time::Instant;

use super::Planner;
use crate::engine::board::JobKind;
use crate::engine::examine::{Examination, Examined, Topic};
use crate::engine::session::{Session, SessionError};
use crate::engine::worker;
use crate::recording::Recording;

impl<S: Session> Planner<S> {
    /// Answers the newest question of a topic, if it was not answered already. The episode and its run stay as they are.
    pub(super) fn examine(&mut self, topic: Topic) {
        let (shared, begun) = (&self.shared, Instant::now());
        let Some(asked) = shared.asked.take(topic) else {
            return;
        };
        let job = shared
            .board
            .begin(JobKind::Examine, format!("Looking into step {}", asked.step));
        let answer = match (&self.session, self.recording_of(&asked)) {
            (None, _) => Err("No model is loaded. Load a checkpoint first (Open, Ctrl+O).".to_owned()),
            (_, None) => Err("This branch is no longer there. Go back to the episode at hand.".to_owned()),
            (Some(session), Some(recording)) => {
                // What only reads is as it was after a panic.
                match worker::guard(|| session.examine(&asked, &recording, shared.asked.stop_flag())) {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(SessionError::Refused(message) | SessionError::Failed(message))) | Err(message) => {
                        Err(message)
                    }
                    Ok(Err(err @ SessionError::Cancelled)) => Err(err.to_string()),
                }
            }
        };
        drop(job);
        // Nobody waits any more for what was stopped.
        if shared.asked.end() {
            shared.board.put_examined(Examined {
                asked,
                answer,
                took: begun.elapsed(),
            });
        }
        shared.board.show_asked(&shared.asked);
    }

    fn recording_of(&self, asked: &Examination) -> Option<Arc<Recording>> {
        let Some(id) = asked.branch else {
            return Some(self.shared.recording.snapshot());
        };
        let branches = self.shared.board.view().branches;
        branches.get(id).map(|branch| Arc::clone(&branch.recording))
    }
}

//! Wake-ups for the window. They carry nothing that could be lost: what happened is read from the recording, the live
//! step and the board.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Recording,
    /// The step that is being planned.
    Live,
    /// Phase, jobs, log, failure.
    Board,
    Metrics,
}

/// Called after each event, from the worker's thread; must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The workers' end. Sending never blocks: a window that drains nothing loses wake-ups and nothing else.
#[derive(Clone)]
pub struct EventSender {
    sender: Sender<Event>,
    waker: Waker,
}

impl EventSender {
    pub fn new(waker: Waker) -> (Self, Receiver<Event>) {
        let (sender, receiver) = crossbeam_channel::bounded(64);
        (Self { sender, waker }, receiver)
    }

    pub fn send(&self, event: Event) {
        match self.sender.try_send(event) {
            // A full queue already holds a wake-up that nobody has answered.
            Ok(()) | Err(TrySendError::Full(_)) => (self.waker)(),
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

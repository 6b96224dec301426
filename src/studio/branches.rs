//! The episodes of one task that share a past: one is at hand, the others wait as they were left, world and all.

use std::sync::Arc;

use super::refused;
use super::session::Run;
use crate::engine::{Branch, Branches, Control, SessionError};
use crate::sim::World;

/// Where an episode came from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub id: usize,
    pub parent: Option<usize>,
}

/// An episode that was left, and the world it stands in.
struct Left {
    run: Run,
    world: World,
}

/// Those that are not at hand.
#[derive(Default)]
pub(super) struct Waiting {
    left: Vec<Left>,
    deleted: Option<Left>,
    newest: usize,
}

impl Waiting {
    /// Names a branch of the episode `parent`.
    pub(super) fn next(&mut self, parent: usize) -> Origin {
        self.newest += 1;
        Origin {
            id: self.newest,
            parent: Some(parent),
        }
    }

    pub(super) fn leave(&mut self, run: Run, world: World) {
        self.left.push(Left { run, world });
    }

    /// # Errors
    /// There is no such episode.
    pub(super) fn take(&mut self, id: usize) -> Result<(Run, World), SessionError> {
        let at = self.find(id)?;
        let Left { run, world } = self.left.remove(at);
        Ok((run, world))
    }

    /// An episode that waits, and the world it stands in.
    ///
    /// # Errors
    /// There is no such episode.
    pub(super) fn get(&self, id: usize) -> Result<(&Run, &World), SessionError> {
        let Left { run, world } = &self.left[self.find(id)?];
        Ok((run, world))
    }

    /// Takes an episode out of the list; the last one can be brought back. Its file stays.
    ///
    /// # Errors
    /// There is no such episode.
    pub(super) fn delete(&mut self, id: usize) -> Result<(), SessionError> {
        let at = self.find(id)?;
        self.deleted = Some(self.left.remove(at));
        Ok(())
    }

    /// # Errors
    /// None was deleted.
    pub(super) fn undelete(&mut self) -> Result<(), SessionError> {
        let deleted = self.deleted.take();
        self.left
            .push(deleted.ok_or_else(|| refused("No branch was deleted since the task was planned."))?);
        Ok(())
    }

    fn find(&self, id: usize) -> Result<usize, SessionError> {
        let at = self.left.iter().position(|left| left.run.origin.id == id);
        at.ok_or_else(|| refused(format!("There is no branch {id} to go to.")))
    }

    /// Puts the list on the board. Only what is new in it is copied.
    pub(super) fn show(&self, at_hand: Option<&Run>, control: &Control) {
        let shown = |run: &Run| Branch {
            id: run.origin.id,
            parent: run.origin.parent,
            recording: Arc::new(run.episode.recording().snapshot()),
            file: run.recorder.file_name(),
        };
        let mut list: Vec<Branch> = at_hand.into_iter().map(shown).collect();
        list.extend(self.left.iter().map(|left| shown(&left.run)));
        list.sort_by_key(|branch| branch.id);
        control.show_branches(Branches {
            at_hand: at_hand.map(|run| run.origin.id),
            list,
            deleted: self.deleted.as_ref().map(|left| left.run.origin.id),
        });
    }
}

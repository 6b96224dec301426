//! Edits that can be taken back, whatever they changed: a title, how to undo it and how to do it again.

mod noticed;

use noticed::Kept;

use super::state::{ViewState, Workspace};
use crate::engine::Command;

/// Edits that are remembered; older ones are forgotten.
const MOST: usize = 100;

/// Changes the window's state or asks the engine for something, as often as it is called.
type Change = Box<dyn Fn(&mut ViewState)>;

/// One thing that the user has done.
pub struct Edit {
    /// A verb first, without a full stop: "Set P from 48 to 96".
    pub title: String,
    /// The workspace whose panes were moved, if it was that.
    layout_of: Option<Workspace>,
    undo: Change,
    redo: Change,
    of_episode: bool,
    /// It sets what belongs to the checkpoint in use.
    of_checkpoint: bool,
}

impl Edit {
    pub fn new(
        title: impl Into<String>,
        undo: impl Fn(&mut ViewState) + 'static,
        redo: impl Fn(&mut ViewState) + 'static,
    ) -> Self {
        Self {
            title: title.into(),
            layout_of: None,
            undo: Box::new(undo),
            redo: Box::new(redo),
            of_episode: false,
            of_checkpoint: false,
        }
    }

    /// This edit makes sense with the checkpoint in use alone.
    pub fn of_checkpoint(self) -> Self {
        Self {
            of_checkpoint: true,
            ..self
        }
    }

    /// An edit that the engine does and undoes.
    pub fn commands(title: impl Into<String>, undo: Command, redo: Command) -> Self {
        let send = |command: Command| move |state: &mut ViewState| state.outbox.push(command.clone());
        Self::new(title, send(undo), send(redo))
    }

    /// The same, of the episode at hand: it means nothing to another one.
    pub fn of_episode(self) -> Self {
        Self {
            of_episode: true,
            ..self
        }
    }

    /// A change of a workspace's layout.
    pub fn layout(
        workspace: Workspace,
        undo: impl Fn(&mut ViewState) + 'static,
        redo: impl Fn(&mut ViewState) + 'static,
    ) -> Self {
        Self {
            layout_of: Some(workspace),
            ..Self::new("Change the layout", undo, redo)
        }
    }
}

/// What can be undone, and what can be done again.
#[derive(Default)]
pub struct History {
    done: Vec<Edit>,
    undone: Vec<Edit>,
    kept: Option<Kept>,
}

impl History {
    /// Remembers an edit that was just made.
    pub fn push(&mut self, edit: Edit) {
        self.undone.clear();
        if self.done.len() == MOST {
            self.done.remove(0);
        }
        self.done.push(edit);
    }

    /// Forgets the edits of a checkpoint's own settings, as when another one is loaded.
    pub fn forget_of_checkpoint(&mut self) {
        self.done.retain(|edit| !edit.of_checkpoint);
        self.undone.retain(|edit| !edit.of_checkpoint);
    }

    /// Forgets the edits of an episode that is not at hand any more.
    pub fn forget_episode(&mut self) {
        self.done.retain(|edit| !edit.of_episode);
        self.undone.retain(|edit| !edit.of_episode);
    }

    /// Whether the edit that would be undone next is one of the episode at hand.
    pub fn undoes_episode(&self) -> bool {
        self.done.last().is_some_and(|edit| edit.of_episode)
    }

    /// Whether the edit that would be done again next is one of the episode at hand.
    pub fn redoes_episode(&self) -> bool {
        self.undone.last().is_some_and(|edit| edit.of_episode)
    }

    /// Title of the edit that would be undone next.
    pub fn next_undo(&self) -> Option<&str> {
        self.done.last().map(|edit| edit.title.as_str())
    }

    /// Title of the edit that would be done again next.
    pub fn next_redo(&self) -> Option<&str> {
        self.undone.last().map(|edit| edit.title.as_str())
    }

    /// Where the last change of a workspace's layout stands among the edits.
    fn last_of_layout(&self, workspace: Workspace) -> Option<usize> {
        self.done.iter().rposition(|edit| edit.layout_of == Some(workspace))
    }
}

impl ViewState {
    pub fn undo(&mut self) {
        self.notice_now();
        if let Some(last) = self.history.done.len().checked_sub(1) {
            self.undo_at(last);
        }
    }

    /// Undoes the last change of the layout that is shown; later edits of something else do not depend on it and stay.
    pub fn undo_layout(&mut self) {
        self.notice_now();
        if let Some(index) = self.history.last_of_layout(self.workspace) {
            self.undo_at(index);
        }
    }

    pub fn can_undo_layout(&self) -> bool {
        self.history.last_of_layout(self.workspace).is_some()
    }

    fn undo_at(&mut self, index: usize) {
        let edit = self.history.done.remove(index);
        (edit.undo)(self);
        self.history.undone.push(edit);
        self.history.kept = Some(Kept::of(self));
    }

    pub fn redo(&mut self) {
        self.notice_now();
        if let Some(edit) = self.history.undone.pop() {
            (edit.redo)(self);
            self.history.done.push(edit);
            self.history.kept = Some(Kept::of(self));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::Pane;

    #[test]
    fn edits_are_undone_from_the_last_one_on_and_a_new_one_takes_the_place_of_what_was_undone() {
        let mut state = ViewState::new(&[], 0);
        let seed = |from: u64, to: u64| {
            let set = |seed: u64| move |state: &mut ViewState| state.task.seed = seed;
            Edit::new(format!("Set {to}"), set(from), set(to))
        };
        for (from, to) in [(0, 1), (1, 2)] {
            state.task.seed = to;
            state.history.push(seed(from, to));
        }
        state.undo();
        state.undo();
        state.undo();
        assert_eq!((state.task.seed, state.history.next_redo()), (0, Some("Set 1")));
        state.redo();
        assert_eq!((state.task.seed, state.history.next_undo()), (1, Some("Set 1")));
        state.history.push(seed(1, 5));
        assert_eq!(state.history.next_redo(), None);
        for number in 0..2 * MOST as u64 {
            state.history.push(seed(number, number + 1));
        }
        assert_eq!(state.history.done.len(), MOST);
        state.history.push(seed(1, 2).of_episode());
        assert!(state.history.undoes_episode());
        state.history.forget_episode();
        assert_eq!(
            (state.history.undoes_episode(), state.history.done.len()),
            (false, MOST - 1)
        );
        let nothing = |_: &mut ViewState| {};
        state.history.push(Edit::new("Set P", nothing, nothing).of_checkpoint());
        state.history.forget_of_checkpoint();
        let last = format!("Set {}", 2 * MOST);
        assert_eq!(state.history.next_undo(), Some(last.as_str()));
    }

    #[test]
    fn layouts_are_undone_in_their_turn_or_by_themselves_and_outlive_what_else_was_edited() {
        let mut state = ViewState::new(&[], 0);
        let is_open = |state: &ViewState, pane: Pane| state.shell.panes[pane.workspace()].is_open(pane);
        let seed = |seed: u64| move |state: &mut ViewState| state.task.seed = seed;
        for _ in 0..2 {
            state.change_layout(Workspace::Episode, |panes| panes.close(Pane::Cem));
        }
        state.show_pane(Pane::Compare);
        state.task.seed = 1;
        state.history.push(Edit::new("Set 1", seed(0), seed(1)).of_checkpoint());
        state.change_layout(Workspace::Training, |panes| panes.close(Pane::Metrics));

        // In their turn, and where that is seen.
        state.undo();
        assert!(is_open(&state, Pane::Metrics) && state.workspace == Workspace::Training);
        state.redo();
        assert!(!is_open(&state, Pane::Metrics));
        // Of the workspace that is shown, whatever was edited since.
        state.workspace = Workspace::Episode;
        state.undo_layout();
        assert!(is_open(&state, Pane::Cem) && !is_open(&state, Pane::Metrics));
        assert_eq!(state.task.seed, 1);
        assert!(
            !state.can_undo_layout(),
            "to close what is closed or show a tab is no change"
        );
        state.history.forget_of_checkpoint();
        state.redo();
        assert!(!is_open(&state, Pane::Cem));
        for _ in 0..2 {
            state.undo();
        }
        assert!(is_open(&state, Pane::Cem) && is_open(&state, Pane::Metrics));
        assert_eq!((state.task.seed, state.history.next_undo()), (1, None));
    }
}

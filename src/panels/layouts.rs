//! The arrangements of all workspaces, and how one changes so that it can be undone.

use std::ops::{Index, IndexMut};

use super::arrangement::{Arrangement, Layout};
use super::history::Edit;
use super::pane::Pane;
use super::state::{ViewState, Workspace};

/// An arrangement for each workspace.
#[derive(Debug)]
pub struct Arrangements {
    episode: Arrangement,
    training: Arrangement,
}

impl Default for Arrangements {
    fn default() -> Self {
        Self {
            episode: Arrangement::new(Workspace::Episode),
            training: Arrangement::new(Workspace::Training),
        }
    }
}

impl Index<Workspace> for Arrangements {
    type Output = Arrangement;

    fn index(&self, workspace: Workspace) -> &Arrangement {
        match workspace {
            Workspace::Episode => &self.episode,
            Workspace::Training => &self.training,
        }
    }
}

impl IndexMut<Workspace> for Arrangements {
    fn index_mut(&mut self, workspace: Workspace) -> &mut Arrangement {
        match workspace {
            Workspace::Episode => &mut self.episode,
            Workspace::Training => &mut self.training,
        }
    }
}

impl ViewState {
    /// The panes of the workspace that is shown.
    pub fn panes(&self) -> &Arrangement {
        &self.shell.panes[self.workspace]
    }

    pub fn panes_mut(&mut self) -> &mut Arrangement {
        &mut self.shell.panes[self.workspace]
    }

    /// Changes the layout of a workspace; if panes stand otherwise afterwards, that can be undone.
    pub fn change_layout(&mut self, workspace: Workspace, change: impl FnOnce(&mut Arrangement)) {
        let panes = &mut self.shell.panes[workspace];
        let before = panes.layout().clone();
        change(panes);
        let after = panes.layout().clone();
        if after.is_another_than(&before) {
            // What is undone is seen.
            let set = |layout: Layout| {
                move |state: &mut Self| {
                    state.workspace = workspace;
                    state.panes_mut().set_layout(&layout);
                }
            };
            self.history.push(Edit::layout(workspace, set(before), set(after)));
        }
    }

    /// Opens a pane where it was, or shows its tab, in its workspace.
    pub fn open_pane(&mut self, pane: Pane) {
        self.workspace = pane.workspace();
        self.change_layout(self.workspace, |panes| panes.open(pane));
    }

    /// Shows the tab of a pane that is open.
    pub fn show_pane(&mut self, pane: Pane) {
        self.workspace = pane.workspace();
        self.panes_mut().show(pane);
    }
}

//! The episodes that share a past: the one at hand, and those that it left when it went on from an earlier step in
//! another way. Who keeps them alive is the session's business; here is what there is to see.

use std::sync::Arc;

use crate::recording::Recording;

/// One of them.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Never given twice; 0 is the episode that all others come from.
    pub id: usize,
    /// The one that it left.
    pub parent: Option<usize>,
    /// As it was when it was left; that of the one at hand is older than the shared recording.
    pub recording: Arc<Recording>,
    /// Name of its file, if it is on disk.
    pub file: Option<String>,
}

impl Branch {
    pub fn name(&self) -> String {
        match self.id {
            0 => "First".to_owned(),
            id => format!("Branch {id}"),
        }
    }

    /// The first step that is its own.
    pub fn from_step(&self) -> Option<usize> {
        self.parent
            .and(self.recording.branched_from.last())
            .map(|point| point.step)
    }
}

/// All of one task.
#[derive(Clone, Debug, Default)]
pub struct Branches {
    /// Id of the one that is run and stepped; none where nothing can go on, as in an opened recording.
    pub at_hand: Option<usize>,
    /// In the order in which they came to be.
    pub list: Vec<Branch>,
    /// The last one that was deleted can be brought back.
    pub deleted: Option<usize>,
}

impl Branches {
    pub fn get(&self, id: usize) -> Option<&Branch> {
        self.list.iter().find(|branch| branch.id == id)
    }
}

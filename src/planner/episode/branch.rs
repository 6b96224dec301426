//! Another episode with the same past: what follows from other settings, another seed or another list.

use super::{Episode, EpisodeSnapshot};
use crate::planner::shared::SharedRecording;
use crate::recording::{BranchPoint, PlanSettings};

impl Episode {
    /// An episode that goes on from a snapshot of this one, which stays as it is. Its plans are drawn under `seed`, or
    /// under the seed that was in force there: then it does what this one did, unless something else is changed. `file`
    /// is where this one is recorded. Put its world into the state of that moment.
    pub fn branch(&self, from: &EpisodeSnapshot, seed: Option<u64>, file: Option<String>) -> Self {
        let mut recording = from.recording.clone();
        let seed = seed.unwrap_or_else(|| recording.plan_seed());
        let step = from.step();
        recording.branched_from.push(BranchPoint { file, step, seed });
        recording.settings = Some(PlanSettings::from(&self.config));
        let mut setup = self.setup.clone();
        setup.seed = seed;
        Self {
            setup,
            config: self.config.clone(),
            recording: SharedRecording::new(recording),
            state: from.state.clone(),
            space: self.space.clone(),
        }
    }
}

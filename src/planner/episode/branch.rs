//! Another episode with the same past: what follows from other settings, another seed or another list.

use super::{Episode, EpisodeSnapshot};
use crate::planner::shared::SharedRecording;
use crate::recording::BranchPoint;

impl Episode {
    /// An episode that goes on from a snapshot of this one, which stays as it is. Its plans are drawn under `seed`, or
    /// under the seed that was in force there: then it does what this one did, unless something else is changed. `file`
    /// is where this one is recorded. Put its world into the state of that moment.
    pub fn branch(&self, from: &EpisodeSnapshot, seed: Option<u64>, file: Option<String>) -> Self {
        let mut recording = from.recording.clone();
        let in_force = recording.plan_seed();
        let seed = seed.unwrap_or(in_force);
        let step = from.step();
        recording.branched_from.push(BranchPoint { file, step, seed });
        let mut setup = self.setup.clone();
        setup.seed = seed;
        let mut branch = Self {
            setup,
            config: self.config.clone(),
            recording: SharedRecording::new(recording),
            state: from.state.clone(),
            space: self.space.clone(),
            switches: self.switches,
            pace: self.pace,
        };
        if seed != in_force {
            branch.forget_plan();
        }
        branch
    }
}

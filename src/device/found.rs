//! The devices of this machine as a list to choose from.

use serde::{Deserialize, Serialize};

use super::{Candidate, DeviceChoice, candidates};

/// A device, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundDevice {
    pub id: DeviceChoice,
    pub name: String,
    /// As in [`Candidate::kind`].
    pub kind: String,
    /// Why it is not recommended; none where nothing is known against it.
    pub drawback: Option<String>,
}

impl From<Candidate> for FoundDevice {
    fn from(candidate: Candidate) -> Self {
        Self {
            id: candidate.id,
            drawback: candidate.drawback().map(str::to_owned),
            kind: candidate.kind.to_owned(),
            name: candidate.name,
        }
    }
}

/// Every device of this machine, the CPU first, as `doctor` finds them. None is opened or measured.
pub fn found() -> Vec<FoundDevice> {
    candidates().into_iter().map(FoundDevice::from).collect()
}

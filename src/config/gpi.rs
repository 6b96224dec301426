//! Shape and objective of the goal projection interface (method, 4.5).

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpiConfig {
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub mlp_ratio: usize,
    /// The current frame's tokens enter the refinement, and the goal is a change of them. Off in `paper`.
    pub context: bool,
    /// An unmodulated copy of the language embedding, so that no patch is without it. Off in `paper`.
    pub unmodulated: bool,
    /// `tau_c` of the InfoNCE loss.
    pub temperature: f64,
    /// Weight of the regression to the true goal in the comparison space. 0 in `paper`.
    pub lambda_goal: f64,
}

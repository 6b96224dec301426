//! What changes from start to start of a scene besides places: colours, shapes and sizes. Some looks are held out: no
//! training draw has them, so that a measurement can ask about combinations of colour and shape that were never seen.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::state::{Shape, WorldState};

/// What a block may look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    pub name: String,
    pub colour: [f32; 3],
    #[serde(default)]
    pub shape: Shape,
}

/// Which looks a draw may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// Those of training.
    #[default]
    Seen,
    /// At least one that is held out.
    HeldOut,
}

/// The looks and sizes that blocks are drawn from. Without any, blocks stay as they are and nothing is drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variety {
    /// For each block, in the scene's order.
    pub looks: Vec<Vec<Look>>,
    /// Half width and height, one for each block; who gets which is drawn. Empty: blocks keep their own.
    #[serde(default)]
    pub sizes: Vec<(f32, f32)>,
    /// Names of looks that training never sees.
    #[serde(default)]
    pub held_out: Vec<String>,
}

impl Variety {
    pub fn is_empty(&self) -> bool {
        self.looks.is_empty()
    }

    /// Which of its looks a block has.
    pub fn look_of(&self, index: usize, name: &str) -> Option<usize> {
        self.looks.get(index)?.iter().position(|look| look.name == name)
    }

    /// The same blocks in new colours, shapes and sizes.
    pub fn dress(&self, furniture: &WorldState, looks: Looks, rng: &mut impl Rng) -> WorldState {
        let mut state = furniture.clone();
        if self.is_empty() {
            return state;
        }
        let held_out = |look: &&Look| self.held_out.contains(&look.name);
        let asked: Vec<usize> = (0..self.looks.len())
            .filter(|&block| looks == Looks::HeldOut && self.looks[block].iter().any(|look| held_out(&look)))
            .collect();
        // One block at least, each of the others as often as not.
        let sure = asked.choose(rng).copied();
        for (index, (block, choices)) in state.blocks.iter_mut().zip(&self.looks).enumerate() {
            let strange = sure == Some(index) || (asked.contains(&index) && rng.random_bool(0.5));
            let fitting: Vec<&Look> = choices.iter().filter(|look| held_out(look) == strange).collect();
            if let Some(look) = fitting.choose(rng) {
                block.name.clone_from(&look.name);
                (block.colour, block.shape) = (look.colour, look.shape);
            }
        }
        let mut sizes = self.sizes.clone();
        sizes.shuffle(rng);
        for (block, (half_m, height_m)) in state.blocks.iter_mut().zip(sizes) {
            (block.half_m, block.height_m) = (half_m, height_m);
        }
        state
    }
}

//! What stands where, without metres: the little world in which lists of sub-goals are made and checked.

use crate::sim::{Primitive, Support, Target, WorldState, in_bin, on_pad, support};

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Gripper,
    Table,
    Pad(usize),
    Block(usize),
    /// On a bin's floor, where several have room.
    Bin(usize),
}

impl From<Target> for Place {
    fn from(target: Target) -> Self {
        match target {
            Target::Table => Self::Table,
            Target::Pad(pad) => Self::Pad(pad),
            Target::Block(block) => Self::Block(block),
            Target::Bin(bin) => Self::Bin(bin),
        }
    }
}

/// The place of every block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrangement {
    pub places: Vec<Place>,
}

impl Arrangement {
    pub fn of(state: &WorldState) -> Self {
        let place = |block| match support(state, block) {
            Support::Gripper => Place::Gripper,
            Support::Block(lower) => Place::Block(lower),
            Support::Table => match (on_pad(state, block), in_bin(state, block)) {
                (Some(pad), _) => Place::Pad(pad),
                (None, Some(bin)) => Place::Bin(bin),
                (None, None) => Place::Table,
            },
        };
        Self {
            places: (0..state.blocks.len()).map(place).collect(),
        }
    }

    /// Every block on the bare table.
    pub fn plain(blocks: usize) -> Self {
        Self {
            places: vec![Place::Table; blocks],
        }
    }

    /// The first block in that place.
    pub fn on(&self, place: Place) -> Option<usize> {
        self.places.iter().position(|&other| other == place)
    }

    pub fn held(&self) -> Option<usize> {
        self.on(Place::Gripper)
    }

    pub fn is_clear(&self, block: usize) -> bool {
        self.on(Place::Block(block)).is_none()
    }

    /// Whether the block is on or in that place; in a bin also when it stands on something that is.
    pub fn is_at(&self, block: usize, target: Target) -> bool {
        let mut place = self.places[block];
        if matches!(target, Target::Bin(_)) {
            // No longer way down than there are blocks.
            for _ in 0..self.places.len() {
                let Place::Block(lower) = place else { break };
                place = self.places[lower];
            }
        }
        place == target.into()
    }

    /// Whether the primitive can be carried out: a free gripper and a clear block for a grasp; for a placement, the
    /// block in the gripper and a target with nothing on it; table and bins have room for more.
    pub fn allows(&self, primitive: Primitive) -> bool {
        match primitive {
            Primitive::Reach { .. } => self.held().is_none(),
            Primitive::Pick { block } => self.held().is_none() && self.is_clear(block),
            Primitive::Place { block, target } => {
                let has_room = matches!(target, Target::Table | Target::Bin(_)) || self.on(target.into()).is_none();
                self.held() == Some(block) && has_room
            }
        }
    }

    /// The arrangement after the primitive.
    pub fn after(&self, primitive: Primitive) -> Self {
        let mut next = self.clone();
        match primitive {
            Primitive::Reach { .. } => {}
            Primitive::Pick { block } => next.places[block] = Place::Gripper,
            Primitive::Place { block, target } => next.places[block] = target.into(),
        }
        next
    }
}

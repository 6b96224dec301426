//! What a text leaves to be found by looking: single objects, and classes of blocks.

use serde::{Deserialize, Serialize};

use super::arrangement::{Arrangement, Place};
use super::template::{Binding, Kind, Object, bound};
use crate::sim::{Shape, Target, WorldState};

/// Blocks whose half widths differ by less than this are of one size, to the eye.
const SAME_SIZE_M: f32 = 0.01;
/// Storeys of what is called a tower.
const TOWER: usize = 3;

/// How an object that a text does not name is found in the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finder {
    /// The block that lies directly on that slot's block or pad, or the only one in its bin.
    On(String),
    /// The block in the gripper.
    Gripper,
    /// The only pad with nothing on it.
    FreePad,
    /// The block of that rank by size, 0 the largest; a template that asks for ranks is about that many blocks.
    Size(usize),
    /// The block of that rank by size in a class of so many, all of different sizes.
    Rank(Class, usize, usize),
    /// Of those slots' blocks, all of different sizes, the one of that rank.
    Among(Vec<String>, usize),
    /// The storey of that number, 0 the lowest, of the only tower of three.
    Storey(usize),
    /// The object of that name.
    Named(String),
}

/// Blocks that a text means together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Those whose names begin with that word.
    Colour(String),
    Shape(Shape),
    /// Those in that slot's bin.
    In(String),
}

impl Class {
    /// By their index in the state.
    pub(super) fn members(&self, binding: &Binding, state: &WorldState) -> Option<Vec<usize>> {
        let all = 0..state.blocks.len();
        Some(match self {
            Self::Colour(word) => {
                let of_colour = |&block: &usize| state.blocks[block].name.split(' ').next() == Some(word);
                all.filter(of_colour).collect()
            }
            Self::Shape(shape) => all.filter(|&block| state.blocks[block].shape == *shape).collect(),
            Self::In(slot) => {
                let Object::Bin(bin) = bound(binding, slot)? else {
                    return None;
                };
                let arrangement = Arrangement::of(state);
                all.filter(|&block| arrangement.is_at(block, Target::Bin(bin)))
                    .collect()
            }
        })
    }

    /// The slot that it speaks of.
    pub(super) fn slot(&self) -> Option<&str> {
        match self {
            Self::In(slot) => Some(slot),
            Self::Colour(_) | Self::Shape(_) => None,
        }
    }
}

impl Finder {
    /// The object, where there is exactly one.
    pub(super) fn find(&self, binding: &Binding, state: &WorldState, arrangement: &Arrangement) -> Option<Object> {
        Some(match self {
            Self::Gripper => Object::Block(arrangement.held()?),
            Self::FreePad => {
                let mut free = (0..state.pads.len()).filter(|&pad| arrangement.on(Place::Pad(pad)).is_none());
                let pad = free.next()?;
                if free.next().is_some() {
                    return None;
                }
                Object::Pad(pad)
            }
            Self::On(slot) => Object::Block(only(arrangement, Place::from(bound(binding, slot)?))?),
            Self::Size(rank) => {
                let mut order: Vec<usize> = (0..state.blocks.len()).collect();
                order.sort_by(|&a, &b| state.blocks[b].half_m.total_cmp(&state.blocks[a].half_m));
                Object::Block(*order.get(*rank)?)
            }
            Self::Rank(class, rank, count) => {
                let members = class.members(binding, state)?;
                if members.len() != *count {
                    return None;
                }
                Object::Block(*by_size(members, state)?.get(*rank)?)
            }
            Self::Among(slots, rank) => {
                let blocks: Option<Vec<usize>> = slots
                    .iter()
                    .map(|slot| match bound(binding, slot)? {
                        Object::Block(block) => Some(block),
                        Object::Pad(_) | Object::Bin(_) => None,
                    })
                    .collect();
                // Found for its size, it goes by its slot's name as well.
                Object::Block(*by_size(blocks?, state)?.get(*rank)?)
            }
            Self::Storey(storey) => Object::Block(*tower(arrangement)?.get(*storey)?),
            Self::Named(name) => match (state.block(name), state.pad(name), state.bin(name)) {
                (Some(block), _, _) => Object::Block(block),
                (None, Some(pad), _) => Object::Pad(pad),
                (None, None, bin) => Object::Bin(bin?),
            },
        })
    }

    /// What kind of object it finds, as far as that can be said before looking.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::FreePad => Kind::Pad,
            // Of what is named, only bins are asked for so far.
            Self::Named(_) => Kind::Bin,
            Self::On(_) | Self::Gripper | Self::Size(_) | Self::Rank(..) | Self::Among(..) | Self::Storey(_) => {
                Kind::Block
            }
        }
    }

    /// Slots that it speaks of.
    pub(super) fn slots(&self) -> Vec<&str> {
        match self {
            Self::On(slot) => vec![slot],
            Self::Among(slots, _) => slots.iter().map(String::as_str).collect(),
            Self::Rank(class, ..) => class.slot().into_iter().collect(),
            Self::Gripper | Self::FreePad | Self::Size(_) | Self::Storey(_) | Self::Named(_) => vec![],
        }
    }

    /// Whether where things are decides what it finds.
    pub(super) fn looks(&self) -> bool {
        matches!(self, Self::On(_) | Self::Gripper | Self::FreePad | Self::Storey(_))
    }

    /// Whether the sizes that a start has dealt decide what it finds.
    pub(super) fn compares(&self) -> bool {
        matches!(self, Self::Rank(..) | Self::Among(..))
    }

    /// Whether it gives a second name to what a slot names already.
    pub(super) fn renames(&self) -> bool {
        matches!(self, Self::Among(..))
    }
}

/// The block in that place; none where there are several.
fn only(arrangement: &Arrangement, place: Place) -> Option<usize> {
    let mut there = (0..arrangement.places.len()).filter(|&block| arrangement.places[block] == place);
    let block = there.next()?;
    // On pads and blocks one is said to be on it, whatever leans there too.
    if matches!(place, Place::Bin(_)) && there.next().is_some() {
        return None;
    }
    Some(block)
}

/// The largest first; none where two are of one size.
fn by_size(mut blocks: Vec<usize>, state: &WorldState) -> Option<Vec<usize>> {
    let half_m = |block: usize| state.blocks[block].half_m;
    blocks.sort_by(|&a, &b| half_m(b).total_cmp(&half_m(a)));
    let apart = |pair: &[usize]| half_m(pair[0]) - half_m(pair[1]) > SAME_SIZE_M;
    blocks.windows(2).all(apart).then_some(blocks)
}

/// The only tower of three, from below.
fn tower(arrangement: &Arrangement) -> Option<[usize; TOWER]> {
    let on = |block| arrangement.on(Place::Block(block));
    let is_base = |&block: &usize| !matches!(arrangement.places[block], Place::Block(_) | Place::Gripper);
    let mut towers = (0..arrangement.places.len()).filter(is_base).filter_map(|base| {
        let second = on(base)?;
        let third = on(second)?;
        on(third).is_none().then_some([base, second, third])
    });
    let tower = towers.next()?;
    towers.next().is_none().then_some(tower)
}

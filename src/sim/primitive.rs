//! The smallest sub-goals: one grasp or one placement each. Their text is what a vision-language model writes and a
//! person reads; their predicate is the physical truth, for measurements alone.

use super::relations::{Support, in_bin, is_clear, on_pad, support};
use super::state::WorldState;

/// The cup grasps a block whose centre is nearer than this, seen from above.
pub const GRASP_RADIUS_M: f32 = 0.13;

/// Where a block is placed; blocks, pads and bins by their index in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Pad(usize),
    Block(usize),
    /// On the floor of the bin, or on what lies there.
    Bin(usize),
    /// The bare table: on no pad, on no block and in no bin.
    Table,
}

/// One sub-goal; blocks by their index in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// The empty gripper is above the block.
    Reach { block: usize },
    /// The block hangs from the gripper.
    Pick { block: usize },
    /// The block was let go and rests on its target.
    Place { block: usize, target: Target },
}

impl Primitive {
    /// The sub-goal in words: "pick up the red block", "place the red block on the yellow pad".
    pub fn text(&self, state: &WorldState) -> String {
        let block = &state.blocks[self.block()].name;
        match *self {
            Self::Reach { .. } => format!("reach the {block}"),
            Self::Pick { .. } => format!("pick up the {block}"),
            Self::Place { target, .. } => {
                let preposition = if matches!(target, Target::Bin(_)) { "in" } else { "on" };
                format!("place the {block} {preposition} the {}", target.name(state))
            }
        }
    }

    /// Reads what [`Self::text`] writes, and a few other verbs, articles and capitals; none for any other text and for
    /// objects that the state does not have.
    pub fn parse(text: &str, state: &WorldState) -> Option<Self> {
        let text = text.to_lowercase();
        let words: Vec<&str> = text
            .trim()
            .trim_end_matches('.')
            .split_whitespace()
            .filter(|&word| word != "the" && word != "a")
            .collect();
        let (verb, rest) = words.split_first()?;
        match *verb {
            "reach" => Some(Self::Reach {
                block: block_of(rest.strip_prefix(&["for"]).unwrap_or(rest), state)?,
            }),
            "pick" | "lift" | "grasp" | "grab" => {
                let rest = rest.strip_prefix(&["up"]).unwrap_or(rest);
                Some(Self::Pick {
                    block: block_of(rest, state)?,
                })
            }
            "place" | "put" | "stack" | "set" => {
                let at = rest
                    .iter()
                    .position(|word| ["on", "onto", "in", "into"].contains(word))?;
                let (block, target) = (block_of(&rest[..at], state)?, rest[at + 1..].join(" "));
                let target = if rest[at].starts_with("in") {
                    Target::Bin(state.bin(&target)?)
                } else {
                    match (state.pad(&target), state.block(&target)) {
                        (Some(pad), _) => Target::Pad(pad),
                        (None, Some(other)) if other != block => Target::Block(other),
                        (None, None) if target == "table" => Target::Table,
                        _ => return None,
                    }
                };
                Some(Self::Place { block, target })
            }
            _ => None,
        }
    }

    /// The block that the sub-goal is about.
    pub fn block(&self) -> usize {
        match *self {
            Self::Reach { block } | Self::Pick { block } | Self::Place { block, .. } => block,
        }
    }

    /// Names of the objects that the sub-goal is about: the block, then the pad, block or bin it is placed on or in.
    pub fn objects(&self, state: &WorldState) -> Vec<String> {
        let mut names = vec![state.blocks[self.block()].name.clone()];
        if let Self::Place {
            target: target @ (Target::Pad(_) | Target::Block(_) | Target::Bin(_)),
            ..
        } = self
        {
            names.push(target.name(state).to_owned());
        }
        names
    }

    /// Whether the sub-goal is physically true.
    pub fn holds(&self, state: &WorldState) -> bool {
        match *self {
            Self::Reach { block } => {
                state.held.is_none() && state.blocks[block].distance_m(state.gripper_m) < GRASP_RADIUS_M
            }
            Self::Pick { block } => state.held == Some(block),
            Self::Place {
                block,
                target: Target::Pad(pad),
            } => on_pad(state, block) == Some(pad),
            Self::Place {
                block,
                target: Target::Block(lower),
            } => support(state, block) == Support::Block(lower),
            Self::Place {
                block,
                target: Target::Bin(bin),
            } => in_bin(state, block) == Some(bin),
            Self::Place {
                block,
                target: Target::Table,
            } => {
                support(state, block) == Support::Table
                    && on_pad(state, block).is_none()
                    && in_bin(state, block).is_none()
            }
        }
    }

    /// Whether the sub-goal could be carried out from here: nothing stands on what is grasped, the gripper is free for
    /// a grasp, and holds the block for a placement on something that is clear.
    pub fn possible(&self, state: &WorldState) -> bool {
        match *self {
            Self::Reach { .. } => state.held.is_none(),
            Self::Pick { block } => state.held.is_none() && is_clear(state, block),
            Self::Place { block, target } => {
                state.held == Some(block) && !matches!(target, Target::Block(lower) if !is_clear(state, lower))
            }
        }
    }
}

impl Target {
    /// What people call it.
    pub fn name<'a>(&self, state: &'a WorldState) -> &'a str {
        match *self {
            Self::Pad(pad) => &state.pads[pad].name,
            Self::Block(block) => &state.blocks[block].name,
            Self::Bin(bin) => &state.bins[bin].name,
            Self::Table => "table",
        }
    }
}

fn block_of(words: &[&str], state: &WorldState) -> Option<usize> {
    state.block(&words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;

    #[test]
    fn every_text_is_read_back() {
        let state = three_blocks();
        let mut all = vec![];
        for block in 0..3 {
            all.extend([Primitive::Reach { block }, Primitive::Pick { block }]);
            all.push(Primitive::Place {
                block,
                target: Target::Table,
            });
            all.extend((0..2).map(|pad| Primitive::Place {
                block,
                target: Target::Pad(pad),
            }));
            let others = (0..3).filter(|&other| other != block);
            all.extend(others.map(|other| Primitive::Place {
                block,
                target: Target::Block(other),
            }));
        }
        for primitive in all {
            assert_eq!(Primitive::parse(&primitive.text(&state), &state), Some(primitive));
        }
        let place = Primitive::Place {
            block: 0,
            target: Target::Pad(0),
        };
        assert_eq!(place.text(&state), "place the red block on the yellow pad");
        assert_eq!(place.objects(&state), ["red block", "yellow pad"]);
        assert_eq!(
            Primitive::parse(" Put red block onto the Yellow pad. ", &state),
            Some(place)
        );
    }

    #[test]
    fn things_are_placed_in_bins_and_on_everything_else() {
        let state = crate::sim::Scene::load("thinkbench").unwrap().start(0).unwrap();
        let place = Primitive::Place {
            block: 1,
            target: Target::Bin(0),
        };
        assert_eq!(place.text(&state), "place the red cylinder in the blue bin");
        assert_eq!(place.objects(&state), ["red cylinder", "blue bin"]);
        for text in [&place.text(&state), "put the red cylinder into the blue bin"] {
            assert_eq!(Primitive::parse(text, &state), Some(place), "{text}");
        }
        for text in [
            "place the red cylinder on the blue bin",
            "place the red cylinder in the yellow pad",
        ] {
            assert_eq!(Primitive::parse(text, &state), None, "{text}");
        }
    }

    #[test]
    fn what_no_template_knows_is_not_guessed() {
        let state = three_blocks();
        for text in [
            "",
            "dance",
            "pick up the pink block",
            "pick up the yellow pad",
            "place the red block on the red block",
            "place the red block",
            "pick up the red block quickly",
        ] {
            assert_eq!(Primitive::parse(text, &state), None, "{text}");
        }
    }

    #[test]
    fn predicates_follow_the_state() {
        let mut state = three_blocks();
        let on_yellow = Primitive::Place {
            block: 0,
            target: Target::Pad(0),
        };
        let on_table = Primitive::Place {
            block: 0,
            target: Target::Table,
        };
        let (reach, pick) = (Primitive::Reach { block: 0 }, Primitive::Pick { block: 0 });
        assert!(on_yellow.holds(&state) && !on_table.holds(&state) && !reach.holds(&state));
        state.gripper_m = [-0.6, 0.1];
        assert!(reach.holds(&state) && pick.possible(&state));
        state.held = Some(0);
        state.blocks[0].position_m = [-0.6, 0.1, 0.72];
        assert!(pick.holds(&state) && !reach.holds(&state) && !on_yellow.holds(&state) && on_yellow.possible(&state));
        state.held = None;
        state.blocks[0].position_m = [0.05, 0., 0.21 + 0.12];
        assert!(
            Primitive::Place {
                block: 0,
                target: Target::Block(1)
            }
            .holds(&state)
        );
        assert!(!Primitive::Pick { block: 1 }.possible(&state));
    }
}

//! Which of five events a short run of states shows. What a script meant to do does not count, only what happened.

use serde::{Deserialize, Serialize};

use super::relations::{Support, support, upright};
use super::state::{BlockState, WorldState};

/// Frames of a clip that shows one event.
pub const EVENT_FRAMES: usize = 16;
/// Carried at least so far from where the clip begins, at some time.
const CARRIED_M: f32 = 0.4;
/// A block that stood on the table was pushed when it ends at least so far off: two pixels of a small frame.
const PUSHED_M: f32 = 0.08;
/// A block that moved by less was left alone.
const STILL_M: f32 = 0.015;
/// A block that was placed lies at most so far from where it was let go.
const PLACED_M: f32 = 0.04;
/// What toppled ends at least so much lower.
const FELL_M: f32 = 0.05;

/// What happens in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The empty gripper takes a block and keeps it.
    Grasp,
    /// The held block is let go and stands where it was let go.
    Place,
    /// A block that rested on another ends off it, without ever having been held.
    Topple,
    /// The same block hangs from the gripper all the time and is taken somewhere else.
    Carry,
    /// A block on the table slides aside, without ever having been held. The gripper works from above and touches nothing on
    /// its way, and what slides off a block moves that by no more than a centimetre: it is a hand that pushes
    /// ([`World::push_block`](super::World::push_block)), which the camera does not see.
    Push,
}

impl Event {
    /// In the order of a classifier's scores.
    pub const ALL: [Self; 5] = [Self::Grasp, Self::Place, Self::Topple, Self::Carry, Self::Push];

    pub fn name(self) -> &'static str {
        match self {
            Self::Grasp => "grasp",
            Self::Place => "place",
            Self::Topple => "topple",
            Self::Carry => "carry",
            Self::Push => "push",
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn number(self) -> usize {
        self as usize
    }
}

/// The one event of consecutive states; none where nothing of this kind happened, or more than one thing did.
pub fn event(states: &[WorldState]) -> Option<Event> {
    let (first, last) = (states.first()?, states.last()?);
    let never_held = |block: usize| states.iter().all(|state| state.held != Some(block));
    let blocks = || (0..first.blocks.len()).filter(|&block| never_held(block));
    let moved_m = |block: usize| apart_m(&first.blocks[block], &last.blocks[block]);
    if blocks().any(|block| toppled(first, last, block)) {
        return Some(Event::Topple);
    }
    let on_table = |block: usize| support(first, block) == Support::Table && support(last, block) == Support::Table;
    if blocks().any(|block| on_table(block) && upright(last, block) && moved_m(block) >= PUSHED_M) {
        return Some(Event::Push);
    }
    if blocks().any(|block| moved_m(block) >= STILL_M || !upright(last, block) && upright(first, block)) {
        return None;
    }
    let mut changes = states.windows(2).filter(|pair| pair[0].held != pair[1].held);
    match (changes.next(), changes.next()) {
        (None, _) => {
            let block = first.held?;
            let [x, y, _] = first.blocks[block].position_m;
            let far = |state: &WorldState| state.blocks[block].distance_m([x, y]) >= CARRIED_M;
            states.iter().any(far).then_some(Event::Carry)
        }
        (Some([_, after]), None) => match (first.held, last.held) {
            (None, Some(_)) => Some(Event::Grasp),
            (Some(block), None) => {
                let off_m = last.blocks[block].distance_m(after.gripper_m);
                (off_m < PLACED_M && upright(last, block)).then_some(Event::Place)
            }
            _ => None,
        },
        _ => None,
    }
}

/// It rested on another block and ends off that, lower.
fn toppled(first: &WorldState, last: &WorldState, block: usize) -> bool {
    let on = support(first, block);
    let lower = first.blocks[block].bottom_m() - last.blocks[block].bottom_m() >= FELL_M;
    matches!(on, Support::Block(_)) && support(last, block) != on && lower
}

/// Way of the centre along the table.
fn apart_m(a: &BlockState, b: &BlockState) -> f32 {
    a.distance_m([b.position_m[0], b.position_m[1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;
    use crate::sim::{Action, Environment, World};

    const REST_OFF: Action = [0., 0., -1.];
    const REST_ON: Action = [0., 0., 1.];

    /// The states of a clip that begins like this, acted on in turn; what is left of it rests as it was last told.
    fn clip(start: &WorldState, actions: &[Action]) -> Vec<WorldState> {
        let mut world = World::from_state(start, 16);
        let mut states = vec![world.state().clone()];
        let rest = actions.last().map_or(REST_OFF, |&[_, _, grip]| [0., 0., grip]);
        while states.len() < EVENT_FRAMES {
            world.step(actions.get(states.len() - 1).copied().unwrap_or(rest));
            states.push(world.state().clone());
        }
        states
    }

    /// A block hangs over that place.
    fn holding(block: usize, place_m: [f32; 2]) -> WorldState {
        let mut state = three_blocks();
        state.gripper_m = place_m;
        state.hold(block);
        state
    }

    /// Green leans far out over red, to the right.
    fn leaning() -> WorldState {
        let mut state = three_blocks();
        state.blocks[1].position_m = [-0.6 + 0.11, 0., 0.24 + 0.105];
        let mut world = World::from_state(&state, 16);
        world.settle();
        assert_eq!(support(world.state(), 1), Support::Block(0));
        world.state().clone()
    }

    #[test]
    fn a_block_that_is_taken_and_kept_is_a_grasp() {
        let mut state = three_blocks();
        state.gripper_m = [0., 0.3];
        let down = [0., -1., -1.];
        assert_eq!(event(&clip(&state, &[down, down, REST_ON])), Some(Event::Grasp));
        // Taken on its way, and carried on.
        assert_eq!(
            event(&clip(&state, &[down, down, REST_ON, [1., 0., 1.], [1., 0., 1.]])),
            Some(Event::Grasp)
        );
        // It is let go again, or nothing was there.
        assert_eq!(event(&clip(&state, &[down, down, REST_ON, REST_OFF])), None);
        assert_eq!(event(&clip(&state, &[REST_ON])), None);
        // Off a tower: green rested on red and leaves it, but in the gripper.
        let mut state = leaning();
        state.gripper_m = [-0.49, 0.];
        assert_eq!(event(&clip(&state, &[REST_ON])), Some(Event::Grasp));
    }

    #[test]
    fn a_block_that_stands_where_it_was_let_go_is_placed() {
        let right = [1., 0., 1.];
        let over_table = holding(0, [-0.2, -0.6]);
        assert_eq!(
            event(&clip(&over_table, &[right, right, REST_OFF, [-1., 0., -1.]])),
            Some(Event::Place)
        );
        // On another, and so far over its edge that it does not stay there.
        assert_eq!(event(&clip(&holding(0, [0.02, 0.]), &[REST_OFF])), Some(Event::Place));
        assert_ne!(event(&clip(&holding(0, [0.17, 0.]), &[REST_OFF])), Some(Event::Place));
        assert_eq!(event(&clip(&over_table, &[REST_OFF, REST_ON])), None);
    }

    #[test]
    fn a_block_that_is_held_all_the_time_and_comes_far_is_carried() {
        let state = holding(0, [-0.2, -0.6]);
        let right = [1., 0., 1.];
        assert_eq!(event(&clip(&state, &[right; 4])), Some(Event::Carry));
        // There and back again, too.
        assert_eq!(
            event(&clip(&state, &[right, right, right, [-1., 0., 1.], [-1., 0., 1.]])),
            Some(Event::Carry)
        );
        assert_eq!(event(&clip(&state, &[right, right, REST_ON])), None);
        let mut empty = state;
        empty.held = None;
        assert_eq!(event(&clip(&empty, &[[1., 0., -1.]; 4])), None);
    }

    #[test]
    fn a_block_that_falls_off_another_is_toppled() {
        let mut state = leaning();
        // Blue comes down on the end of green that nothing carries.
        state.gripper_m = [-0.49 + 0.12, 0.];
        state.hold(2);
        let states = clip(&state, &[REST_ON, REST_ON, REST_OFF]);
        assert_eq!(event(&states), Some(Event::Topple));
        assert_eq!(support(&states[0], 1), Support::Block(0));
        // It never fell if it was never up there.
        assert_ne!(event(&states[8..]), Some(Event::Topple));
        // Let go above the middle of red's tower, blue stays.
        state.gripper_m = [-0.53, 0.];
        state.hold(2);
        assert_eq!(event(&clip(&state, &[REST_ON, REST_OFF])), Some(Event::Place));
    }

    #[test]
    fn a_block_that_slides_along_the_table_is_pushed() {
        let by_hand = |block: usize, velocity: [f32; 2], start: &WorldState, grip: Action| {
            let mut world = World::from_state(start, 16);
            let mut states = vec![world.state().clone()];
            while states.len() < EVENT_FRAMES {
                world.step(grip);
                if states.len() == 5 {
                    world.push_block(block, velocity);
                }
                states.push(world.state().clone());
            }
            states
        };
        assert_eq!(
            event(&by_hand(1, [0., 1.4], &three_blocks(), REST_OFF)),
            Some(Event::Push)
        );
        // Whatever the gripper holds meanwhile.
        let carrying = holding(0, [-0.2, -0.6]);
        assert_eq!(event(&by_hand(1, [0., 1.4], &carrying, REST_ON)), Some(Event::Push));
        // A little is nothing.
        assert_eq!(event(&by_hand(1, [0., 0.8], &three_blocks(), REST_OFF)), None);
        // Pushed off another it is toppled.
        assert_eq!(event(&by_hand(1, [1.6, 0.], &leaning(), REST_OFF)), Some(Event::Topple));
        // What the gripper carries off itself was not pushed.
        let mut state = three_blocks();
        state.gripper_m = [0., 0.];
        let carried = clip(&state, &[REST_ON, [1., 0., 1.], [1., 0., 1.], REST_OFF]);
        assert_eq!(event(&carried), None);
    }

    /// Why it takes a hand: a block that is let go over an edge slides off it and does not push.
    #[test]
    fn a_block_that_slides_off_another_leaves_that_where_it_is() {
        for off_m in [0.14, 0.17, 0.2, 0.23] {
            let states = clip(&holding(2, [off_m, 0.]), &[REST_ON, REST_OFF]);
            let (first, last) = (&states[0].blocks[1], &states[EVENT_FRAMES - 1].blocks[1]);
            assert!(apart_m(first, last) < STILL_M, "{off_m}");
            assert_eq!(event(&states), None, "{off_m}");
        }
    }

    #[test]
    fn names_and_numbers_are_those_of_the_list() {
        for (number, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event.number(), number);
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
        }
        assert_eq!(event(&[]), None);
    }
}

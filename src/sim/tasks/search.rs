//! The shortest list of primitives, by iterative deepening with a bound that never says too much.
//!
//! Depth by depth the lists are tried in the order of the goals; a list is left as soon as what it still takes at least
//! would make it longer than the depth. So the first list found is a shortest one, and of those the first in that order:
//! the very list that a breadth-first search over the same choices finds, without its memory.

use std::collections::HashMap;

use super::Goal;
use super::arrangement::{Arrangement, Place};
use crate::sim::{Primitive, Target};

/// Longer lists are not looked for.
const MOST_PRIMITIVES: usize = 12;

/// The shortest list that makes every goal hold; none where no list of a dozen primitives does.
pub(super) fn shortest(goals: &[Goal], start: &Arrangement) -> Option<Vec<Primitive>> {
    let mut search = Search {
        goals,
        order: order_of_work(goals, start.places.len()),
        failed: HashMap::new(),
        list: vec![],
    };
    let mut depth = at_least(goals, start);
    while depth <= MOST_PRIMITIVES {
        if search.within(start, depth) {
            return Some(search.list);
        }
        depth += 1;
    }
    None
}

struct Search<'a> {
    goals: &'a [Goal],
    order: Vec<usize>,
    /// Most primitives that are known not to be enough from an arrangement.
    failed: HashMap<Arrangement, usize>,
    list: Vec<Primitive>,
}

impl Search<'_> {
    /// Whether the goals can be reached with so many primitives; `list` is then the way there.
    fn within(&mut self, here: &Arrangement, left: usize) -> bool {
        if goals_hold(self.goals, here) {
            return true;
        }
        if at_least(self.goals, here) > left || self.failed.get(here).is_some_and(|&most| most >= left) {
            return false;
        }
        for primitive in choices(self.goals, &self.order, here) {
            self.list.push(primitive);
            if left > 0 && self.within(&here.after(primitive), left - 1) {
                return true;
            }
            self.list.pop();
        }
        self.failed.insert(here.clone(), left);
        false
    }
}

/// A number of primitives below which no list can reach the goals. Every primitive is about one block, so what each
/// block takes at least adds up: a grasp and a placement if it must move, twice that if it must move out of the way of
/// what it belongs on.
fn at_least(goals: &[Goal], here: &Arrangement) -> usize {
    let blocks = here.places.len();
    let wanted = |block: usize| {
        goals.iter().find_map(|goal| match *goal {
            Goal::On { block: other, target } if other == block => Some(target),
            _ => None,
        })
    };
    let to_hold = |block: usize| {
        goals
            .iter()
            .any(|goal| matches!(goal, Goal::Held { block: other } if *other == block))
    };
    let wants: Vec<Option<Target>> = (0..blocks).map(wanted).collect();
    let missing = |block: usize| wants[block].filter(|&target| !here.is_at(block, target));
    let mut grasped = vec![false; blocks];
    for block in 0..blocks {
        grasped[block] |= missing(block).is_some() || to_hold(block);
        // What is where the block should go.
        if let Some(target @ (Target::Pad(_) | Target::Block(_))) = missing(block) {
            for other in (0..blocks).filter(|&other| other != block && here.places[other] == target.into()) {
                grasped[other] = true;
            }
        }
    }
    for goal in goals {
        let place = match *goal {
            Goal::Bare { block } => Place::Block(block),
            Goal::Empty { pad } => Place::Pad(pad),
            Goal::EmptyBin { bin } => Place::Bin(bin),
            Goal::On { .. } | Goal::Held { .. } => continue,
        };
        for block in (0..blocks).filter(|&block| here.places[block] == place) {
            grasped[block] = true;
        }
    }
    let held = here.held();
    if let Some(held) = held {
        grasped[held] = false;
    }
    // What stands on something that is grasped is grasped before.
    let on_grasped = |grasped: &[bool], block: usize| matches!(here.places[block], Place::Block(l) if grasped[l]);
    for _ in 0..blocks {
        for block in 0..blocks {
            grasped[block] |= on_grasped(&grasped, block);
        }
    }
    let mut sum = 0;
    for block in (0..blocks).filter(|&block| grasped[block]) {
        sum += match wants[block] {
            _ if to_hold(block) => 1 + 2 * usize::from(on_grasped(&grasped, block)),
            Some(Target::Block(lower)) if here.places[block] == Place::Block(lower) && grasped[lower] => 4,
            _ => 2,
        };
    }
    if let Some(held) = held {
        let blocked = |target: Target| match target {
            Target::Pad(_) => here.on(target.into()).is_some(),
            Target::Block(lower) => grasped[lower] || here.on(target.into()).is_some(),
            Target::Bin(_) | Target::Table => false,
        };
        sum += match missing(held) {
            _ if to_hold(held) => 2 * usize::from(sum > 0),
            Some(target) if blocked(target) => 3,
            _ => 1,
        };
    }
    sum + 2 * rings(here, &wants)
}

/// Rings of blocks on pads each of which waits for the pad of the next: one of each ring must step aside.
fn rings(here: &Arrangement, wants: &[Option<Target>]) -> usize {
    let next = |block: usize| match (here.places[block], wants[block]) {
        (Place::Pad(own), Some(Target::Pad(pad))) if own != pad => here.on(Place::Pad(pad)),
        _ => None,
    };
    let is_first_of_ring = |&first: &usize| {
        let mut at = next(first);
        // The ring is counted at its first block alone.
        for _ in 0..wants.len() {
            match at {
                Some(block) if block > first => at = next(block),
                other => return other == Some(first),
            }
        }
        false
    };
    (0..wants.len()).filter(is_first_of_ring).count()
}

/// Whether every goal holds, and the gripper is empty unless a goal fills it.
pub(super) fn goals_hold(goals: &[Goal], arrangement: &Arrangement) -> bool {
    let holds = |goal: &Goal| match *goal {
        Goal::On { block, target } => arrangement.is_at(block, target),
        Goal::Held { block } => arrangement.held() == Some(block),
        Goal::Bare { block } => arrangement.is_clear(block),
        Goal::Empty { pad } => arrangement.on(Place::Pad(pad)).is_none(),
        Goal::EmptyBin { bin } => arrangement.on(Place::Bin(bin)).is_none(),
    };
    let hand = arrangement.held().is_none() || goals.iter().any(|goal| matches!(goal, Goal::Held { .. }));
    hand && goals.iter().all(holds)
}

/// Blocks in the order in which goals want them moved, then the rest.
fn order_of_work(goals: &[Goal], blocks: usize) -> Vec<usize> {
    let mut order: Vec<usize> = goals
        .iter()
        .filter_map(|goal| match *goal {
            Goal::On { block, .. } | Goal::Held { block } => Some(block),
            Goal::Bare { .. } | Goal::Empty { .. } | Goal::EmptyBin { .. } => None,
        })
        .collect();
    let rest: Vec<usize> = (0..blocks).filter(|block| !order.contains(block)).collect();
    order.extend(rest);
    order
}

/// What can be done here that may serve: a held block goes to where a goal wants it or to the table.
fn choices(goals: &[Goal], order: &[usize], here: &Arrangement) -> Vec<Primitive> {
    let all: Vec<Primitive> = match here.held() {
        None => order.iter().map(|&block| Primitive::Pick { block }).collect(),
        Some(held) => goals
            .iter()
            .filter_map(|goal| match *goal {
                Goal::On { block, target } if block == held => Some(target),
                _ => None,
            })
            .chain([Target::Table])
            .map(|target| Primitive::Place { block: held, target })
            .collect(),
    };
    all.into_iter().filter(|&primitive| here.allows(primitive)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, VecDeque};

    use rand::seq::IndexedRandom;
    use rand::{Rng, RngExt};

    use super::*;
    use crate::random::{Stream, rng};

    /// Breadth first over arrangements, neighbours in the order of the goals: slow, and plainly right.
    fn breadth_first(goals: &[Goal], start: &Arrangement) -> Option<Vec<Primitive>> {
        let order = order_of_work(goals, start.places.len());
        let mut came_from: HashMap<Arrangement, (Arrangement, Primitive)> = HashMap::new();
        let mut queue = VecDeque::from([(start.clone(), 0)]);
        while let Some((here, length)) = queue.pop_front() {
            if goals_hold(goals, &here) {
                let mut list = vec![];
                let mut at = &here;
                while at != start {
                    let (before, primitive) = &came_from[at];
                    list.push(*primitive);
                    at = before;
                }
                list.reverse();
                return Some(list);
            }
            if length == MOST_PRIMITIVES {
                continue;
            }
            for primitive in choices(goals, &order, &here) {
                let next = here.after(primitive);
                if next != *start && !came_from.contains_key(&next) {
                    came_from.insert(next.clone(), (here.clone(), primitive));
                    queue.push_back((next, length + 1));
                }
            }
        }
        None
    }

    /// Something everywhere: towers, pads with one block each, bins with several, and a block in the gripper.
    fn arrangement(blocks: usize, rng: &mut impl Rng) -> Arrangement {
        let mut arrangement = Arrangement::plain(blocks);
        for block in 0..blocks {
            let free = (0..3).map(Place::Pad).chain((0..block).map(Place::Block));
            let free: Vec<Place> = free.filter(|&place| arrangement.on(place).is_none()).collect();
            arrangement.places[block] = match rng.random_range(0..4) {
                0 => Place::Table,
                1 => Place::Bin(rng.random_range(0..2)),
                _ => free.choose(rng).copied().unwrap_or(Place::Table),
            };
        }
        let top = blocks - 1;
        if rng.random_bool(0.3) {
            arrangement.places[top] = Place::Gripper;
        }
        arrangement
    }

    fn goal(blocks: usize, rng: &mut impl Rng) -> Goal {
        let block = rng.random_range(0..blocks);
        let target = match rng.random_range(0..4) {
            0 => Target::Bin(rng.random_range(0..2)),
            1 => Target::Table,
            2 => Target::Block((block + rng.random_range(1..blocks)) % blocks),
            _ => Target::Pad(rng.random_range(0..3)),
        };
        match rng.random_range(0..8) {
            0 => Goal::Held { block },
            1 => Goal::Bare { block },
            2 => Goal::Empty {
                pad: rng.random_range(0..3),
            },
            3 => Goal::EmptyBin {
                bin: rng.random_range(0..2),
            },
            _ => Goal::On { block, target },
        }
    }

    #[test]
    fn lists_are_those_of_a_breadth_first_search() {
        let (mut found, mut long) = (0, 0);
        for seed in 0..3000 {
            let mut rng = rng(seed, Stream::Eval, 0, 0);
            let blocks = rng.random_range(2..=4);
            let start = arrangement(blocks, &mut rng);
            let goals: Vec<Goal> = (0..rng.random_range(1..=3)).map(|_| goal(blocks, &mut rng)).collect();
            let list = shortest(&goals, &start);
            assert_eq!(list, breadth_first(&goals, &start), "{seed}: {goals:?} from {start:?}");
            found += usize::from(list.is_some());
            long += usize::from(list.is_some_and(|list| list.len() > 5));
        }
        assert!(found > 1500 && long > 100, "{found} {long}");
    }

    #[test]
    fn the_bound_is_exact_where_a_tower_moves_and_where_pads_are_swapped() {
        let mut start = Arrangement::plain(6);
        start.places = vec![
            Place::Table,
            Place::Block(0),
            Place::Block(1),
            Place::Pad(0),
            Place::Pad(1),
            Place::Pad(2),
        ];
        let on = |block, target| Goal::On { block, target };
        let tower = [on(0, Target::Bin(0)), on(1, Target::Block(0)), on(2, Target::Block(1))];
        assert_eq!(
            (at_least(&tower, &start), shortest(&tower, &start).unwrap().len()),
            (10, 10)
        );
        let swap = [on(3, Target::Pad(1)), on(4, Target::Pad(0))];
        assert_eq!(
            (at_least(&swap, &start), shortest(&swap, &start).unwrap().len()),
            (6, 6)
        );
        let ring = [on(3, Target::Pad(1)), on(4, Target::Pad(2)), on(5, Target::Pad(0))];
        assert_eq!(
            (at_least(&ring, &start), shortest(&ring, &start).unwrap().len()),
            (8, 8)
        );
    }
}

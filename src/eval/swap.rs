//! The swap test: two texts that differ in one object, one frame, and whether the goals that are made of them lie apart
//! as the objects do. A goal that follows the frame and not the words would stay where it is.

use rand::seq::SliceRandom;

use crate::random::{Stream, rng};
use crate::sim::tasks::{Mix, feasible, lay_out};
use crate::sim::{OracleKind, Primitive, Target, World, WorldState, achieve, destination};

/// Keeps these numbers apart from others of the stream.
const SWAP: u64 = 6;
/// Layouts that are tried for a scene.
const PATIENCE: usize = 200;
/// Pictures that nobody looks at.
const NO_PICTURES_PX: usize = 1;
/// Share of the true distance by which a goal has to move.
pub const ENOUGH: f64 = 0.5;
/// The kinds of sub-goal, in turn: picks of two blocks, placements of the held block on two pads and on two blocks.
pub const SWAPPED: [OracleKind; 3] = [OracleKind::Pick, OracleKind::Place, OracleKind::Stack];

/// A start and two sub-goals that can both be carried out from it and differ in one object.
#[derive(Clone, Debug, PartialEq)]
pub struct SwapScene {
    pub kind: OracleKind,
    pub state: WorldState,
    pub sub_goals: [Primitive; 2],
}

impl SwapScene {
    /// Where the gripper has to be for each.
    pub fn places_m(&self) -> [[f32; 2]; 2] {
        self.sub_goals.map(|primitive| destination(&self.state, &primitive))
    }
}

/// `n` scenes on the blocks and pads of `furniture`; the same ones for the same seed. Fewer where a kind cannot be drawn.
pub fn swap_scenes(furniture: &WorldState, seed: u64, n: usize) -> Vec<SwapScene> {
    (0..n)
        .map_while(|index| {
            let mut rng = rng(seed, Stream::Eval, index as u64, SWAP);
            let kind = SWAPPED[index % SWAPPED.len()];
            let mix = Mix {
                held: if kind == OracleKind::Pick { 0.0 } else { 1.0 },
                ..Mix::default()
            };
            (0..PATIENCE).find_map(|_| {
                let state = lay_out(furniture, &mix, &mut rng);
                let world = World::from_state(&state, NO_PICTURES_PX);
                let mut can_be_done = of_kind(kind, &state);
                can_be_done.retain(|primitive| {
                    feasible(*primitive, &state) && !primitive.holds(&state) && achieve(&world, primitive).is_some()
                });
                can_be_done.shuffle(&mut rng);
                match can_be_done[..] {
                    [first, second, ..] => Some(SwapScene {
                        kind,
                        state,
                        sub_goals: [first, second],
                    }),
                    _ => None,
                }
            })
        })
        .collect()
}

fn of_kind(kind: OracleKind, state: &WorldState) -> Vec<Primitive> {
    let place = |target| state.held.map(|block| Primitive::Place { block, target });
    match kind {
        OracleKind::Reach => (0..state.blocks.len())
            .map(|block| Primitive::Reach { block })
            .collect(),
        OracleKind::Pick => (0..state.blocks.len()).map(|block| Primitive::Pick { block }).collect(),
        OracleKind::Place => (0..state.pads.len()).map(Target::Pad).filter_map(place).collect(),
        OracleKind::Stack => (0..state.blocks.len())
            .filter(|&lower| state.held != Some(lower))
            .map(Target::Block)
            .filter_map(place)
            .collect(),
    }
}

/// How two goals lie to each other and to the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swap {
    /// The way from one read-out to the other along the true way, as a share of that: 1 is perfect, 0 does not move.
    pub ratio: f64,
    /// How far each read-out is from its true place, metres.
    pub errors_m: [f64; 2],
}

impl Swap {
    /// From the places that the two goals read as, and the true ones.
    pub fn of(read_m: [[f32; 2]; 2], true_m: [[f32; 2]; 2]) -> Self {
        let way =
            |[from, to]: [[f32; 2]; 2]| -> [f64; 2] { std::array::from_fn(|i| f64::from(to[i]) - f64::from(from[i])) };
        let (moved, should) = (way(read_m), way(true_m));
        let along = moved[0] * should[0] + moved[1] * should[1];
        let squared = should[0] * should[0] + should[1] * should[1];
        let error = |i: usize| {
            let [x, y] = way([true_m[i], read_m[i]]);
            x.hypot(y)
        };
        Self {
            ratio: along / squared,
            errors_m: [error(0), error(1)],
        }
    }

    pub fn follows(&self) -> bool {
        self.ratio >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scene;

    #[test]
    fn the_share_of_the_true_way_is_that_along_it() {
        let truth = [[0.0, 0.0], [0.4, 0.3]];
        let perfect = Swap::of(truth, truth);
        assert!((perfect.ratio - 1.0).abs() < 1e-6 && perfect.errors_m == [0.0, 0.0]);
        assert!(!Swap::of([[0.2, 0.2]; 2], truth).follows(), "stays where it is");
        // Half of the way along, and some across, which does not count.
        let half = Swap::of([[0.0, 0.0], [0.2 - 0.3, 0.15 + 0.4]], truth);
        assert!((half.ratio - 0.5).abs() < 1e-6, "{half:?}");
        assert!((half.errors_m[1] - 0.5f64.hypot(0.25)).abs() < 1e-6, "{half:?}");
        assert!(Swap::of([[0.4, 0.3], [0.0, 0.0]], truth).ratio < -0.9, "the wrong way");
    }

    #[test]
    fn scenes_differ_in_one_object_and_both_sub_goals_can_be_done() {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        let scenes = swap_scenes(&furniture, 4, 30);
        assert_eq!((scenes.len(), &scenes), (30, &swap_scenes(&furniture, 4, 30)));
        assert_ne!(scenes, swap_scenes(&furniture, 5, 30));
        for scene in &scenes {
            let [first, second] = scene.sub_goals;
            let (a, b) = (first.objects(&scene.state), second.objects(&scene.state));
            let different = a.iter().zip(&b).filter(|(a, b)| a != b).count();
            assert_eq!((a.len(), different), (b.len(), 1), "{a:?} {b:?}");
            let [[x, y], [u, v]] = scene.places_m();
            assert!((x - u).hypot(y - v) > 0.2, "{scene:?}");
        }
        let kinds = |kind| scenes.iter().filter(|scene| scene.kind == kind).count();
        assert_eq!(SWAPPED.map(kinds), [10, 10, 10]);
    }

    #[test]
    fn a_scene_without_two_of_a_kind_gives_fewer() {
        let mut furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        furniture.pads.truncate(1);
        assert_eq!(
            swap_scenes(&furniture, 4, 30).len(),
            1,
            "the first is a pick, the second cannot be drawn"
        );
    }
}

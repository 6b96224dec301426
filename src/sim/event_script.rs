//! Scripts that mean to bring an event about. They see the true state, move unsteadily, and often fail: what a clip shows is
//! read from its states afterwards ([`event`]).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::event::{EVENT_FRAMES, Event, event};
use super::expert::{Expert, Noise, clear_blocks};
use super::interface::{Action, Environment};
use super::policy::RandomMotion;
use super::relations::{Support, support};
use super::scene::{Scene, SceneError};
use super::state::WorldState;
use super::world::World;
use crate::random::{Stream, rng};

/// Share of clips with a leaning tower that nothing is done to, so that a tower alone says nothing.
const IDLE_TOWERS: f64 = 0.5;
/// How far the upper block's centre is off the lower one's, in half widths of the lower one.
const LEANING: std::ops::Range<f32> = 0.4..0.85;
/// Where a block is let go to bring a tower down: off the upper block's centre to the side that it leans to, in its half
/// widths.
const TIPPING: std::ops::Range<f32> = 0.2..1.1;
/// How fast a hand hits the upper block of a tower, and how fast it pushes a block, in metres a second.
const HIT: std::ops::Range<f32> = 1.2..1.8;
const PUSH: std::ops::Range<f32> = 0.9..1.4;
/// How often it pushes, one time a step.
const PUSHES: std::ops::Range<u32> = 1..4;
/// Share of towers that are brought down by a hit, not by a block that is let go on them.
const HITS: f64 = 0.5;
/// Share of clips with a hand in which something hangs from the gripper meanwhile.
const HOLDING: f64 = 0.5;
/// How far off the aim of a placement may be, per axis: on a pad, and on another block.
const PAD_M: f32 = 0.07;
const BLOCK_M: f32 = 0.03;
/// Nothing is aimed at beyond this, per axis.
const TABLE_M: f32 = 0.85;
/// Nobody looks at these worlds; clips are drawn from their states.
const UNSEEN_PX: usize = 1;
/// Steps of wandering before the script begins, and before a hand comes.
const WAIT: std::ops::Range<u32> = 0..4;
const HAND_WAIT: std::ops::Range<u32> = 1..11;

/// One attempt at a clip that shows `wanted`: the states of its frames, or none where something else came of it. A function
/// of the scene, the seed, the clip's number and the attempt's.
///
/// # Errors
/// The scene found no room for what is placed at random.
pub fn attempt(
    scene: &Scene,
    wanted: Event,
    seed: u64,
    clip: u64,
    attempt: u64,
) -> Result<Option<Vec<WorldState>>, SceneError> {
    let mut draws = rng(seed, Stream::Events, 2 * clip, attempt);
    let state = scene.draw(&mut draws)?;
    let Some((state, aim)) = prepared(state, wanted, &mut draws) else {
        return Ok(None);
    };
    let mut script = Script::new(wanted, aim, draws, rng(seed, Stream::Events, 2 * clip + 1, attempt));
    let mut world = World::from_state(&state, UNSEEN_PX);
    let mut states = vec![world.state().clone()];
    while states.len() < EVENT_FRAMES {
        let action = script.act(world.state());
        world.step(action);
        if let Some((block, velocity)) = script.push() {
            world.push_block(block, velocity);
        }
        states.push(world.state().clone());
    }
    Ok((event(&states) == Some(wanted)).then_some(states))
}

/// What a script acts on.
enum Aim {
    /// The gripper goes there and switches its grip.
    Place([f32; 2]),
    /// A hand pushes this block, at this velocity, so many times.
    Hand {
        block: usize,
        velocity: [f32; 2],
        times: u32,
    },
}

/// The start of a clip and its script's aim; none where the scene's draw has not what it takes.
fn prepared(mut state: WorldState, wanted: Event, rng: &mut ChaCha8Rng) -> Option<(WorldState, Aim)> {
    let tower = if wanted == Event::Topple || rng.random_bool(IDLE_TOWERS) {
        let (built, tower) = leaning(&state, rng).unzip();
        state = built.unwrap_or(state);
        tower
    } else {
        None
    };
    let hand = match wanted {
        Event::Push => true,
        Event::Topple => rng.random_bool(HITS),
        Event::Grasp | Event::Place | Event::Carry => false,
    };
    let holds = wanted != Event::Grasp && (!hand || rng.random_bool(HOLDING));
    if holds && state.held.is_none() {
        let mut loose = loose(&state);
        loose.retain(|&block| tower.as_ref().is_none_or(|tower| tower.upper != block));
        // A hand does not need it, and a table of two blocks does not have it.
        match any(&loose, rng) {
            Some(block) => state.hold(block),
            None if hand => {}
            None => return None,
        }
    }
    let aim = match (wanted, tower) {
        (Event::Grasp, _) => {
            let block = any(&clear_blocks(&state), rng).filter(|_| state.held.is_none())?;
            let [x, y, _] = state.blocks[block].position_m;
            Aim::Place([x, y])
        }
        (Event::Topple, Some(Tower { upper, side })) if hand => {
            let speed = rng.random_range(HIT);
            Aim::Hand {
                block: upper,
                velocity: side.map(|along| speed * along),
                times: 1,
            }
        }
        (Event::Topple, Some(Tower { upper, side })) => {
            let [x, y, _] = state.blocks[upper].position_m;
            let off_m = rng.random_range(TIPPING) * state.blocks[upper].half_m;
            Aim::Place([x + off_m * side[0], y + off_m * side[1]])
        }
        (Event::Topple, None) => return None,
        (Event::Push, _) => {
            let (speed, angle) = (rng.random_range(PUSH), rng.random_range(0.0..std::f32::consts::TAU));
            Aim::Hand {
                block: any(&loose(&state), rng)?,
                velocity: [speed * angle.cos(), speed * angle.sin()],
                times: rng.random_range(PUSHES),
            }
        }
        (Event::Place, _) => Aim::Place(some_place(&state, rng)),
        (Event::Carry, _) => Aim::Place(anywhere(rng)),
    };
    Some((state, aim))
}

/// Blocks that stand free on the table.
fn loose(state: &WorldState) -> Vec<usize> {
    let mut loose = clear_blocks(state);
    loose.retain(|&block| support(state, block) == Support::Table);
    loose
}

/// The upper block of a tower of two, and the side that it leans to.
struct Tower {
    upper: usize,
    side: [f32; 2],
}

/// Puts a block on another so that it nearly falls; none where it does, or where there are no two blocks for it.
fn leaning(state: &WorldState, rng: &mut ChaCha8Rng) -> Option<(WorldState, Tower)> {
    let mut state = state.clone();
    let mut loose = loose(&state);
    let upper = any(&loose, rng)?;
    loose.retain(|&block| block != upper);
    let lower = any(&loose, rng)?;
    let (side, below) = (any_side(rng), &state.blocks[lower]);
    let off_m = rng.random_range(LEANING) * below.half_m;
    let [x, y, _] = below.position_m;
    let z = below.top_m() + state.blocks[upper].extents_m()[2];
    state.blocks[upper].position_m = [x + off_m * side[0], y + off_m * side[1], z];
    let mut world = World::from_state(&state, UNSEEN_PX);
    world.settle();
    let stands = world.at_rest() && support(world.state(), upper) == Support::Block(lower);
    stands.then(|| (world.state().clone(), Tower { upper, side }))
}

/// A pad, the top of another block, or any point of the table.
fn some_place(state: &WorldState, rng: &mut ChaCha8Rng) -> [f32; 2] {
    let jittered = |[x, y]: [f32; 2], by_m: f32, rng: &mut ChaCha8Rng| {
        [x + rng.random_range(-by_m..by_m), y + rng.random_range(-by_m..by_m)]
    };
    let pads: Vec<usize> = (0..state.pads.len()).collect();
    let pad = any(&pads, rng);
    let block = any(&clear_blocks(state), rng);
    match (rng.random_range(0..3), pad, block) {
        (0, Some(pad), _) => jittered(state.pads[pad].position_m, PAD_M, rng),
        (1, _, Some(block)) => {
            let [x, y, _] = state.blocks[block].position_m;
            jittered([x, y], BLOCK_M, rng)
        }
        _ => anywhere(rng),
    }
}

fn anywhere(rng: &mut ChaCha8Rng) -> [f32; 2] {
    std::array::from_fn(|_| rng.random_range(-TABLE_M..TABLE_M))
}

fn any(of: &[usize], rng: &mut ChaCha8Rng) -> Option<usize> {
    (!of.is_empty()).then(|| of[rng.random_range(0..of.len())])
}

/// One of the four directions along the table's axes.
fn any_side(rng: &mut ChaCha8Rng) -> [f32; 2] {
    [[1., 0.], [-1., 0.], [0., 1.], [0., -1.]][rng.random_range(0..4)]
}

/// Waits, goes somewhere and switches its grip there, and wanders on; or wanders while a hand does something.
struct Script {
    wanted: Event,
    aim: Aim,
    rng: ChaCha8Rng,
    expert: Expert,
    motion: RandomMotion,
    wait: u32,
    /// It began with a block in the gripper.
    held: Option<bool>,
}

impl Script {
    fn new(wanted: Event, aim: Aim, mut rng: ChaCha8Rng, expert_rng: ChaCha8Rng) -> Self {
        let noise = Noise {
            sigma: [0.05, 0.2][rng.random_range(0..2)],
            gain: rng.random_range(0.6..1.0),
            flip: 0.,
            detours: false,
        };
        let wait = match aim {
            Aim::Place(_) => WAIT,
            Aim::Hand { .. } => HAND_WAIT,
        };
        Self {
            wanted,
            aim,
            expert: Expert::new(expert_rng, noise),
            motion: RandomMotion::new(&mut rng),
            wait: rng.random_range(wait),
            rng,
            held: None,
        }
    }

    fn act(&mut self, state: &WorldState) -> Action {
        let holding = state.held.is_some();
        let began = *self.held.get_or_insert(holding);
        let done = holding != began;
        let waits = self.wait > 0;
        self.wait = self.wait.saturating_sub(1);
        let (near, far) = match self.wanted {
            Event::Grasp => (true, false),
            Event::Carry => (true, true),
            Event::Place | Event::Topple | Event::Push => (false, true),
        };
        match self.aim {
            Aim::Place(goal_m) if !done && !waits => {
                let action = self.expert.move_and_grip(state, goal_m, near, far);
                if self.wanted == Event::Carry && self.expert.near() {
                    self.aim = Aim::Place(anywhere(&mut self.rng));
                }
                action
            }
            _ => {
                let strength = self.rng.random_range(0.15..1.0);
                let [dx, dy, _] = self.motion.act(strength, &mut self.rng);
                [dx, dy, if holding { strength } else { -strength }]
            }
        }
    }

    /// Which block a hand pushes in this step, and how fast.
    fn push(&mut self) -> Option<(usize, [f32; 2])> {
        match &mut self.aim {
            Aim::Hand { block, velocity, times } if self.wait == 0 && *times > 0 => {
                *times -= 1;
                Some((*block, *velocity))
            }
            _ => None,
        }
    }
}

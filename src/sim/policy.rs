//! The policy that makes training data: pick a block, carry it to a pad, into a bin, onto another block or to a free
//! place, let go, again and again, with noise; and in a share of the episodes smooth random motion with a random grip.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::expert::{Expert, Noise, clear_blocks};
use super::interface::Action;
use super::state::WorldState;

/// Share of episodes that mostly move at random.
const RANDOM_EPISODES: f64 = 0.3;
/// In those: share of steps that move at random, chance per step that the grip flips, that the block changes.
const RANDOM_STEPS: f64 = 0.75;
const RANDOM_FLIP: f64 = 0.18;
const RANDOM_BLOCK: f64 = 0.1;
/// Of the velocity: what is kept and what is new at each step, and how fast it begins.
const KEPT: f32 = 0.8;
const NEW: f32 = 0.45;
const FIRST: f32 = 0.7;
/// Carry to a pad with the first share, onto a block up to the second, else to a free place.
const TO_PAD: f64 = 0.45;
const TO_BLOCK: f64 = 0.75;
/// Where there are bins: the shares up to which it is a pad, a bin, a block.
const AMONG_BINS: [f64; 3] = [0.25, 0.55, 0.8];
/// How far off the aim may be, per axis.
const AIM_M: f32 = 0.07;
/// Chance per step of another idea while nothing is held.
const CHANGE: f64 = 0.02;

/// Smooth random motion with a grip that flips now and then.
#[derive(Clone, Copy, Debug)]
pub struct RandomMotion {
    velocity: [f32; 2],
    grip: bool,
}

impl RandomMotion {
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        Self {
            velocity: std::array::from_fn(|_| FIRST * normal(rng)),
            grip: rng.random_bool(0.5),
        }
    }

    /// The next action; of the grip's strength only the sign is drawn.
    pub fn act(&mut self, strength: f32, rng: &mut ChaCha8Rng) -> Action {
        self.velocity = self.velocity.map(|v| KEPT * v + NEW * normal(rng));
        self.grip ^= rng.random_bool(RANDOM_FLIP);
        let [dx, dy] = self.velocity;
        [dx, dy, if self.grip { strength } else { -strength }].map(|value| value.clamp(-1., 1.))
    }
}

/// Acts through one episode of training data.
#[derive(Clone, Debug)]
pub struct DataPolicy {
    rng: ChaCha8Rng,
    expert: Expert,
    random: bool,
    motion: RandomMotion,
    block: usize,
    aim_m: [f32; 2],
    /// It meant to let go: the next idea is due.
    done: bool,
}

impl DataPolicy {
    /// Draws the character of the episode and its first idea.
    pub fn new(mut rng: ChaCha8Rng, expert_rng: ChaCha8Rng, state: &WorldState) -> Self {
        let noise = Noise::for_data(&mut rng);
        let random = rng.random_bool(RANDOM_EPISODES);
        let motion = RandomMotion::new(&mut rng);
        let expert = Expert::new(expert_rng, noise);
        let mut policy = Self {
            rng,
            expert,
            random,
            motion,
            block: 0,
            aim_m: [0.; 2],
            done: false,
        };
        policy.plan(state);
        policy
    }

    /// The next action.
    pub fn act(&mut self, state: &WorldState) -> Action {
        // Whatever hangs from the cup is what it wanted.
        self.block = state.held.unwrap_or(self.block);
        let holding = state.held.is_some();
        let [x, y, _] = state.blocks[self.block].position_m;
        let goal = if holding { self.aim_m } else { [x, y] };
        let mut action = self.expert.move_and_grip(state, goal, !holding, holding);
        let wander = self.motion.act(action[2].abs(), &mut self.rng);
        if self.random && self.rng.random_bool(RANDOM_STEPS) {
            action = wander;
        }
        if self.random && self.rng.random_bool(RANDOM_BLOCK) {
            self.block = self.rng.random_range(0..state.blocks.len());
        }
        self.done = holding && self.expert.near();
        action
    }

    /// To be called with the state after the action.
    pub fn after(&mut self, state: &WorldState) {
        let change = self.rng.random_bool(CHANGE);
        if self.done || (change && state.held.is_none()) {
            self.plan(state);
        }
    }

    fn plan(&mut self, state: &WorldState) {
        let rng = &mut self.rng;
        let clear = clear_blocks(state);
        self.block = if clear.is_empty() {
            0
        } else {
            clear[rng.random_range(0..clear.len())]
        };
        let kind = rng.random::<f64>();
        let others: Vec<usize> = (0..state.blocks.len()).filter(|&other| other != self.block).collect();
        let [to_pad, to_bin, to_block] = if state.bins.is_empty() {
            [TO_PAD, TO_PAD, TO_BLOCK]
        } else {
            AMONG_BINS
        };
        let place: [f32; 2] = if kind < to_pad && !state.pads.is_empty() {
            state.pads[rng.random_range(0..state.pads.len())].position_m
        } else if kind < to_bin && !state.bins.is_empty() {
            let bin = &state.bins[rng.random_range(0..state.bins.len())];
            let reach = bin.inner_half_m() / 2.;
            bin.position_m.map(|middle| middle + rng.random_range(-reach..reach))
        } else if kind < to_block && !others.is_empty() {
            let [x, y, _] = state.blocks[others[rng.random_range(0..others.len())]].position_m;
            [x, y]
        } else {
            std::array::from_fn(|_| rng.random_range(-0.85..0.85))
        };
        self.aim_m = place.map(|value| value + rng.random_range(-AIM_M..AIM_M));
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(rng)
}

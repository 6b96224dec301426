//! Demonstrations for behaviour cloning: the scripted expert carries out sub-goals one after the other, each under its own
//! text. What is carried out is unsteady and what is learnt is not, as in DART: where the gripper has strayed, the way back
//! is shown.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::GenerateSettings;
use super::instruct::every_primitive;
use crate::random::{Stream, rng};
use crate::sim::tasks::{Phrasing, TaskSampler, feasible, lay_out};
use crate::sim::{Action, Environment, Expert, Frame, Noise, Primitive, World, WorldState};

/// Share of demonstrations that begin with the list of a task; all others are of what happens to be possible, as goals are
/// drawn.
const OF_TASKS: f64 = 0.5;
/// Share of the others that start with a block in the gripper.
const HELD: f64 = 0.5;
/// Share of those that ask for reaches in the place of grasps.
const REACH: f64 = 0.1;
/// Chance per action that its grip is carried out the wrong way round.
const FLIP: f64 = 0.02;
/// Actions after which the expert is taken to be stuck with a sub-goal, which is then not shown.
const PATIENCE: usize = 30;

/// Keeps the numbers of fresh starts apart from others of the stream.
const FRESH: u64 = 12;

/// One moment of a demonstration: what is known, and what the steady expert would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub frame: Frame,
    /// Gripper x, y in metres, suction, holding (each -1 or 1).
    pub body: [f32; 4],
    /// The sub-goal, as a language model writes it.
    pub text: Arc<str>,
    pub action: Action,
    /// The sub-goal holds, and nothing moves any more.
    pub done: bool,
}

/// Makes demonstrations; each is a function of (seed, index).
#[derive(Clone, Debug)]
pub struct Demonstrations {
    pub sampler: TaskSampler,
    /// Height and width of the frames as the camera renders them.
    pub frame_px: usize,
    /// Height and width of what is kept of them, a divisor of those.
    pub seen_px: usize,
    /// Largest standard deviation of the noise on dx and dy, in shares of a full step.
    pub noise: f32,
}

impl Demonstrations {
    /// Actions that a demonstration takes.
    pub fn actions() -> usize {
        GenerateSettings::default().steps
    }

    /// The moments of one demonstration; none where the frame cannot be brought to its size.
    pub fn episode(&self, seed: u64, index: u64) -> Vec<Shown> {
        let mut rng = rng(seed, Stream::Tasks, index, u64::MAX - 3);
        let sigma = self.noise * rng.random::<f32>();
        let reach = rng.random_bool(REACH);
        let of_task = rng.random_bool(OF_TASKS);
        let sample = of_task
            .then(|| self.sampler.sample(seed, index, Phrasing::Seen))
            .flatten();
        let (state, mut list) = match sample {
            Some(sample) => {
                let list = sample.plan.sub_goals.iter().map(|sub_goal| sub_goal.primitive);
                (sample.state, list.collect())
            }
            None => (self.laid_out(&mut rng), VecDeque::new()),
        };
        let mut world = World::from_state(&state, self.frame_px);
        // Without noise of its own it is a function of the state, and draws nothing.
        let mut expert = Expert::new(crate::random::rng(0, Stream::Expert, 0, 0), Noise::NONE);
        let mut moments = Vec::new();
        let mut left = Self::actions();
        let Some(mut frame) = self.see(&world) else {
            return moments;
        };
        while left > 0 {
            let listed = list.pop_front().filter(|primitive| primitive.possible(world.state()));
            if listed.is_none() {
                list.clear();
            }
            let Some(primitive) = listed.or_else(|| anything(&world, reach, &mut rng)) else {
                break;
            };
            let text: Arc<str> = primitive.text(world.state()).into();
            let (first, until) = (moments.len(), left.saturating_sub(PATIENCE));
            loop {
                let state = world.state();
                let done = primitive.holds(state) && world.at_rest();
                let action = expert.act(&primitive, state);
                moments.push(Shown {
                    frame: frame.clone(),
                    body: state.proprioception(),
                    text: text.clone(),
                    action,
                    done,
                });
                if done || left == 0 {
                    break;
                }
                if left == until {
                    moments.truncate(first);
                    list.clear();
                    break;
                }
                world.step(unsteady(action, sigma, &mut rng));
                left -= 1;
                match self.see(&world) {
                    Some(seen) => frame = seen,
                    None => return moments,
                }
            }
        }
        moments
    }

    /// A start and a sub-goal that can be carried out from it, for measurements: no demonstration has it.
    pub fn fresh(&self, seed: u64, index: u64) -> Option<(World, Primitive)> {
        let mut rng = rng(seed, Stream::Eval, index, FRESH);
        let world = World::from_state(&self.laid_out(&mut rng), self.frame_px);
        let primitive = anything(&world, false, &mut rng)?;
        Some((world, primitive))
    }

    fn laid_out(&self, rng: &mut impl Rng) -> WorldState {
        let mut mix = self.sampler.mix.clone();
        mix.held = HELD;
        lay_out(&self.sampler.dressed(rng), &mix, rng)
    }

    fn see(&self, world: &World) -> Option<Frame> {
        world.observe().frame.shrunk(self.seen_px)
    }
}

/// What could be done next.
fn anything(world: &World, reach: bool, rng: &mut impl Rng) -> Option<Primitive> {
    let state = world.state();
    let mut possible = every_primitive(state, reach);
    possible.retain(|primitive| feasible(*primitive, state) && primitive.possible(state) && !primitive.holds(state));
    possible.choose(rng).copied()
}

/// The action as it is carried out.
fn unsteady([dx, dy, grip]: Action, sigma: f32, rng: &mut impl Rng) -> Action {
    let mut astray = |value: f32| {
        let normal: f32 = StandardNormal.sample(rng);
        (value + sigma * normal).clamp(-1.0, 1.0)
    };
    let (dx, dy) = (astray(dx), astray(dy));
    [dx, dy, if rng.random_bool(FLIP) { -grip } else { grip }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Scene;
    use crate::sim::tasks::TaskBook;

    fn demonstrations(scene: &str, noise: f32) -> Demonstrations {
        let scene = Scene::load(scene).unwrap();
        let book = TaskBook::named(&scene.tasks).unwrap();
        Demonstrations {
            sampler: TaskSampler::on(book, &scene, 1).unwrap(),
            frame_px: 32,
            seen_px: 16,
            noise,
        }
    }

    #[test]
    fn sub_goals_are_shown_to_their_end_one_after_the_other_and_the_same_again() {
        for scene in ["three-blocks", "thinkbench"] {
            let source = demonstrations(scene, 0.3);
            let episodes: Vec<Vec<Shown>> = (0..16).map(|index| source.episode(5, index)).collect();
            assert_eq!(episodes[3], source.episode(5, 3));
            assert_ne!(episodes[3], source.episode(6, 3));
            let all: Vec<&Shown> = episodes.iter().flatten().collect();
            for verb in ["pick up", "place"] {
                let share = all.iter().filter(|moment| moment.text.starts_with(verb)).count() as f64 / all.len() as f64;
                assert!(share > 0.2, "{scene}: {verb} {share}");
            }
            let done = all.iter().filter(|moment| moment.done).count() as f64 / all.len() as f64;
            assert!((0.08..0.35).contains(&done), "{scene}: {done}");
            assert!(
                all.iter()
                    .all(|moment| (moment.frame.width, moment.frame.height) == (16, 16))
            );
            for moments in &episodes {
                assert!(
                    moments.len() > Demonstrations::actions() / 2,
                    "{scene}: {}",
                    moments.len()
                );
                for pair in moments.windows(2) {
                    // Only what is done gives way to another sub-goal, in the very same moment.
                    if pair[0].done {
                        assert_eq!(pair[0].frame, pair[1].frame);
                        assert_eq!(pair[0].action[..2], [0.0, 0.0]);
                    }
                }
            }
        }
    }

    /// From the same state the steady expert does what is to be learnt, wherever the noise has led.
    #[test]
    fn noise_leads_astray_and_is_not_learnt() {
        let moments = |noise| -> Vec<Shown> {
            let source = demonstrations("three-blocks", noise);
            (0..8).flat_map(|index| source.episode(2, index)).collect()
        };
        let off_course = |moments: &[Shown]| {
            let steps = moments
                .windows(2)
                .filter(|pair| pair[0].text == pair[1].text && !pair[0].done);
            let off = steps.map(|pair| {
                let meant = |i: usize| pair[0].body[i] + crate::sim::STEP_M * pair[0].action[i];
                (pair[1].body[0] - meant(0)).hypot(pair[1].body[1] - meant(1))
            });
            let off: Vec<f32> = off.collect();
            off.iter().sum::<f32>() / off.len() as f32
        };
        assert!(off_course(&moments(0.0)) < 1e-3);
        let unsteady = moments(0.6);
        assert!(off_course(&unsteady) > 0.01, "{}", off_course(&unsteady));
        assert!(unsteady.iter().all(|moment| moment.action[2].abs() == 1.0));
    }
}

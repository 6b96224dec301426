//! One sub-goal at a time toward given goals: what the world model, the cost and CEM can do when the goal is right.
//!
//! An episode counts as solved when its physical predicate holds at two steps in a row, or at its last step. The
//! states that were visited are kept as (similarity, cost, reached) samples: the similarity's temperature is fitted on
//! them.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::tensor::Tensor;

use super::content::Watched;
use crate::config::PlanConfig;
use crate::planner::cem::{PlanRequest, first_mean, next_mean, plan};
use crate::planner::cost::{LatentSpace, cost_of, pool};
use crate::planner::rollout::attention_bias;
use crate::planner::{GoalSource, LatentModel, ModelError, PlannerError};
use crate::recording::AttentionMap;
use crate::sim::{Action, Environment, Frame, Observation, OracleTask};

/// A world with one sub-goal whose truth is known.
pub trait OracleWorld: Environment {
    /// What the camera would see with the sub-goal achieved perfectly.
    fn goal_frame(&self) -> Frame;
    /// Whether the sub-goal's predicate holds now.
    fn achieved(&self) -> bool;
}

impl Environment for OracleTask {
    fn observe(&self) -> Observation {
        self.start.observe()
    }

    fn view(&self, height: usize) -> Frame {
        self.start.view(height)
    }

    /// The task's start moves on.
    fn step(&mut self, action: Action) {
        self.start.step(action);
    }
}

impl OracleWorld for OracleTask {
    fn goal_frame(&self) -> Frame {
        self.goal.observe().frame
    }

    fn achieved(&self) -> bool {
        self.primitive.holds(self.start.state())
    }
}

/// A goal to measure.
pub struct BatchGoal {
    /// `[1, N, D]`.
    pub tokens: Tensor<3>,
    /// The map that guides the predictor; none for none.
    pub map: Option<AttentionMap>,
}

/// How a batch is run.
#[derive(Clone, Debug)]
pub struct BatchSettings {
    /// Steps an episode may take.
    pub budget: usize,
    /// Steps in a row that the predicate must hold.
    pub hold: usize,
    /// Seed of the first episode; the others count on from it.
    pub seed: u64,
    /// Where the goals come from.
    pub source: GoalSource,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            budget: 20,
            hold: 2,
            seed: 0,
            source: GoalSource::Oracle,
        }
    }
}

/// A state that was visited.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    pub episode: usize,
    /// Cosine to the goal in the space of the similarity.
    pub cosine: f32,
    /// What CEM minimises, of this state.
    pub cost: f32,
    /// The predicate held.
    pub reached: bool,
    /// Pooled latent, `[D]`.
    pub pooled: Vec<f32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchEpisode {
    pub solved: bool,
    /// Steps until the first of the states that count, or the whole budget.
    pub steps: usize,
    /// Pooled goal latent, `[D]`.
    pub goal: Vec<f32>,
}

#[derive(Clone, Debug, Default)]
pub struct BatchResult {
    pub episodes: Vec<BatchEpisode>,
    pub visits: Vec<Visit>,
    pub plans: usize,
    pub plan_secs: f64,
    /// [Scene content's share](super::content) of the cost, plan by plan.
    pub content_shares: Vec<f64>,
}

impl BatchResult {
    pub fn solved(&self) -> usize {
        self.episodes.iter().filter(|episode| episode.solved).count()
    }

    /// Mean steps of the solved episodes; none if there is none.
    pub fn mean_steps(&self) -> Option<f64> {
        let solved: Vec<usize> = self.episodes.iter().filter(|e| e.solved).map(|e| e.steps).collect();
        (!solved.is_empty()).then(|| solved.iter().sum::<usize>() as f64 / solved.len() as f64)
    }
}

/// The goal that the world itself gives: its goal frame, encoded.
///
/// # Errors
/// The frame has not the encoder's size.
pub fn oracle_goal(model: &dyn LatentModel, world: &dyn OracleWorld) -> Result<BatchGoal, ModelError> {
    Ok(BatchGoal {
        tokens: model.encode(&[world.goal_frame()])?,
        map: None,
    })
}

/// Runs every world toward the goal that `goal_of` makes from its first frame and tokens. `on_episode` sees each as it
/// ends, with its number.
///
/// # Errors
/// A model or its device failed, or `cancel` was set.
pub fn run_batch<W: OracleWorld>(
    model: &dyn LatentModel,
    config: &PlanConfig,
    settings: &BatchSettings,
    worlds: impl IntoIterator<Item = W>,
    goal_of: &mut dyn FnMut(&W, &Frame, &Tensor<3>) -> Result<BatchGoal, ModelError>,
    on_episode: &mut dyn FnMut(usize, &BatchEpisode),
    cancel: &AtomicBool,
) -> Result<BatchResult, PlannerError> {
    let space = LatentSpace::new(model, config.similarity)?;
    let mut result = BatchResult::default();
    for (number, mut world) in worlds.into_iter().enumerate() {
        let frame = world.observe().frame;
        let tokens = model.encode(std::slice::from_ref(&frame))?;
        let goal = goal_of(&world, &frame, &tokens)?;
        let episode = run_one(
            model,
            config,
            settings,
            (&space, goal),
            (number, &mut world),
            &mut result,
            cancel,
        )?;
        on_episode(number, &episode);
        result.episodes.push(episode);
    }
    Ok(result)
}

fn run_one<W: OracleWorld>(
    model: &dyn LatentModel,
    config: &PlanConfig,
    settings: &BatchSettings,
    (space, goal): (&LatentSpace, BatchGoal),
    (number, world): (usize, &mut W),
    result: &mut BatchResult,
    cancel: &AtomicBool,
) -> Result<BatchEpisode, PlannerError> {
    let count = goal.tokens.dims()[1];
    let bias = match &goal.map {
        Some(map) => attention_bias(model, map, count, config.reasoning_alpha, config.reasoning_eps)?,
        None => None,
    };
    let goal = pool(goal.tokens);
    let similarity = space.similarity_to(goal.clone(), model.sim_temperature(settings.source));
    let mut episode = BatchEpisode {
        solved: false,
        steps: settings.budget,
        goal: numbers(goal.clone())?,
    };
    let mut mean = None;
    let mut in_a_row = 0;
    for step in 0..=settings.budget {
        let observation = world.observe();
        let tokens = model.encode(&[observation.frame])?;
        let pooled = pool(tokens.clone());
        let cost = cost_of(
            config.cost.term,
            model,
            space,
            goal.clone(),
            pooled.clone(),
            settings.source,
        )?;
        result.visits.push(Visit {
            episode: number,
            cosine: number_of(similarity.cosine(pooled.clone()))?,
            cost: number_of(cost.cost(pooled.clone()))?,
            reached: world.achieved(),
            pooled: numbers(pooled.clone())?,
        });
        if episode.solved || step == settings.budget {
            break;
        }
        let started = Instant::now();
        let grip_command = observation.last_grip_command;
        let request = PlanRequest {
            tokens: &tokens,
            mean: mean.take().unwrap_or_else(|| first_mean(config, grip_command)),
            grip_command,
            bias: bias.as_ref(),
            seed: settings.seed.wrapping_add(number as u64),
            step: step as u64,
            draw: 0,
        };
        let watched = Watched::new(cost.as_ref(), space, pooled, config);
        let chosen = plan(model, &watched, config, &request, &mut |_, _| (), cancel)?;
        result.content_shares.extend(watched.share());
        result.plan_secs += started.elapsed().as_secs_f64();
        result.plans += 1;
        let action = chosen.mean[0];
        world.step(action);
        mean = Some(next_mean(config, &chosen.mean, action[2] > 0.0));
        in_a_row = if world.achieved() { in_a_row + 1 } else { 0 };
        let taken = step + 1;
        if in_a_row >= settings.hold || (in_a_row > 0 && taken == settings.budget) {
            episode.solved = true;
            episode.steps = taken + 1 - in_a_row.min(settings.hold);
        }
    }
    Ok(episode)
}

fn numbers<const R: usize>(tensor: Tensor<R>) -> Result<Vec<f32>, PlannerError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|err| PlannerError::Device(err.to_string()))
}

fn number_of(tensor: Tensor<1>) -> Result<f32, PlannerError> {
    let values = numbers(tensor)?;
    values.first().copied().ok_or(PlannerError::Shape {
        field: "a state's cost",
        found: 0,
        expected: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::toy::{ToyModel, ToyWorld, frame_of, toy_config};

    /// Reaching a place.
    struct Reach {
        world: ToyWorld,
        goal: [f32; 2],
    }

    impl Environment for Reach {
        fn observe(&self) -> Observation {
            self.world.observe()
        }
        fn view(&self, height: usize) -> Frame {
            self.world.view(height)
        }
        fn step(&mut self, action: Action) {
            self.world.step(action);
        }
    }

    impl OracleWorld for Reach {
        fn goal_frame(&self) -> Frame {
            frame_of(self.goal[0], self.goal[1], false)
        }
        fn achieved(&self) -> bool {
            (self.world.x - self.goal[0]).hypot(self.world.y - self.goal[1]) < 0.1
        }
    }

    fn batch(goals: &[[f32; 2]], budget: usize) -> BatchResult {
        let model = ToyModel::new();
        let worlds = goals.iter().map(|&goal| Reach {
            world: ToyWorld::new(),
            goal,
        });
        let settings = BatchSettings {
            budget,
            seed: 9001,
            ..BatchSettings::default()
        };
        let mut goal_of = |world: &Reach, _: &Frame, _: &Tensor<3>| oracle_goal(&model, world);
        let cancel = AtomicBool::new(false);
        run_batch(
            &model,
            &toy_config(),
            &settings,
            worlds,
            &mut goal_of,
            &mut |_, _| (),
            &cancel,
        )
        .unwrap()
    }

    #[test]
    fn places_on_the_table_are_reached_and_one_off_it_is_not() {
        let result = batch(&[[0.5, 0.2], [-0.3, -0.4], [1.8, 1.8]], 12);
        let solved: Vec<bool> = result.episodes.iter().map(|episode| episode.solved).collect();
        assert_eq!(solved, [true, true, false]);
        // 0.5 m at 0.14 m a step, less the tolerance of 0.1 m: three steps at the very least.
        assert!(
            (3..8).contains(&result.episodes[0].steps),
            "{:?}",
            result.episodes[0].steps
        );
        assert_eq!((result.solved(), result.episodes[2].steps), (2, 12));
        // Every state was visited once, those of an unsolved episode all 12 steps and the start.
        assert_eq!(result.visits.iter().filter(|visit| visit.episode == 2).count(), 13);
        let last = result.visits.iter().rfind(|visit| visit.episode == 0).unwrap();
        let first = result.visits.iter().find(|visit| visit.episode == 0).unwrap();
        assert!(last.reached && !first.reached && last.cosine > first.cosine && last.cost < first.cost);
        assert_eq!(result.content_shares.len(), result.plans);
    }

    #[test]
    fn one_hold_is_enough_at_the_last_step_only() {
        // The point starts within the goal: two holds take two steps, and the first of them is step 1.
        let long = batch(&[[0.02, 0.0]], 5);
        assert_eq!((long.episodes[0].solved, long.episodes[0].steps), (true, 1));
        let short = batch(&[[0.02, 0.0]], 1);
        assert_eq!((short.episodes[0].solved, short.episodes[0].steps), (true, 1));
    }
}

//! The cross-entropy method over action sequences (method, 8 and Algorithm 2, lines 12-26).
//!
//! Sampling and refitting are done in plain Rust on the CPU, so that every device sees the same candidates; only the
//! rollouts and the costs of their states run on the model's device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Tensor;
use rand::RngExt;
use rand_distr::StandardNormal;

use super::cost::{Cost, path_weights, read, sequence_costs};
use super::models::{LatentModel, PlannerError};
use super::rollout::rollout;
use crate::config::{CemConfig, PlanConfig};
use crate::random::{Stream, rng};
use crate::recording::{CemIteration, StageSecs};
use crate::sim::Action;

/// Grip of the switch-once candidates and of a first mean: clearly on or off, with room for noise.
const SWITCHED_GRIP: f32 = 0.6;
const RESTING_GRIP: f32 = 0.5;

/// Where a plan starts from.
pub struct PlanRequest<'a> {
    /// Tokens of the present frame, `[1, N, D]`.
    pub tokens: &'a Tensor<3>,
    /// Mean of the first iteration, `[H]`.
    pub mean: Vec<Action>,
    /// What the gripper was last told.
    pub grip_command: bool,
    /// Attention bias of the predictor, `[N]`.
    pub bias: Option<&'a Tensor<1>>,
    pub seed: u64,
    /// Key of the random numbers beside the seed.
    pub step: u64,
    /// Which plan of this step it is: 0 for the first. Each has noise of its own.
    pub draw: u64,
}

/// A chosen action sequence.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mean of the last iteration, `[H]`; its first action is the one to execute.
    pub mean: Vec<Action>,
    pub iterations: Vec<CemIteration>,
    /// Pooled latents of the states that the model imagines under `mean`, `[H, D]`.
    pub imagined: Tensor<2>,
    /// Cost of `mean`.
    pub cost: f32,
    /// Where the time went, but for the encoder's.
    pub stages: StageSecs,
}

/// The mean that a sub-goal's first plan starts from: stay, and keep the grip as it is; the method's zeros without
/// warm start.
pub fn first_mean(config: &PlanConfig, grip_command: bool) -> Vec<Action> {
    let grip = match (config.cem.warm_start, grip_command) {
        (false, _) => 0.0,
        (true, true) => RESTING_GRIP,
        (true, false) => -RESTING_GRIP,
    };
    vec![[0.0, 0.0, grip]; config.horizon]
}

/// The mean that the next plan starts from: this one's, one step on.
pub fn next_mean(config: &PlanConfig, mean: &[Action], grip_command: bool) -> Vec<Action> {
    if !config.cem.warm_start {
        return first_mean(config, grip_command);
    }
    one_on(mean)
}

/// A sequence of actions without its first; the last one twice, so that it stays as long.
pub(super) fn one_on(mean: &[Action]) -> Vec<Action> {
    mean.iter().skip(1).chain(mean.last()).copied().collect()
}

/// Elites of an iteration: `ceil(rho P)`, at least 2 and at most `P`.
pub fn elite_count(config: &CemConfig) -> usize {
    // The product of 0.1 and 50 lies above 5 by a rounding error, which must not make a sixth elite.
    let elites = (config.elite_fraction * config.population as f64 - 1e-9).ceil() as usize;
    elites.clamp(2.min(config.population), config.population)
}

/// The random part of one iteration.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    /// Standard normal, of each step of each candidate, `[P][H]`.
    pub own: Vec<Vec<Action>>,
    /// Standard normal, common to all steps of a candidate, `[P]`.
    pub common: Vec<Action>,
    /// Steps before the grip switches, for candidates 1 and on.
    pub switch_at: Vec<usize>,
}

impl Noise {
    fn draw(config: &CemConfig, horizon: usize, (seed, step, draw): (u64, u64, u64), iteration: usize) -> Self {
        // No plan has 2^32 iterations: the plans of one step never share their numbers.
        let mut numbers = rng(seed, Stream::Cem, step, (draw << 32) | iteration as u64);
        let mut normal = || -> Action { std::array::from_fn(|_| numbers.sample(StandardNormal)) };
        let own = (0..config.population)
            .map(|_| (0..horizon).map(|_| normal()).collect())
            .collect();
        let common = (0..config.population).map(|_| normal()).collect();
        let switching = match (config.switch_once, iteration) {
            (false, _) => 0,
            (true, 0) => config.population / 2,
            (true, _) => config.population / 4,
        };
        let switch_at = (0..switching).map(|_| numbers.random_range(0..=horizon)).collect();
        Self { own, common, switch_at }
    }
}

/// One iteration's candidates, `[P][H]`: the mean itself, then (with `switch_once`) those that switch the grip exactly
/// once or never, then free ones.
fn candidates(
    config: &CemConfig,
    mean: &[Action],
    sigma: &[Action],
    grip_command: bool,
    noise: &Noise,
) -> Vec<Vec<Action>> {
    let shares = config
        .noise_common
        .map(|share| (share.sqrt() as f32, (1.0 - share).sqrt() as f32));
    let sample = |own: &Action, common: &Action, at: usize| -> Action {
        std::array::from_fn(|i| {
            let noise = own[i] * shares[i].1 + common[i] * shares[i].0;
            (mean[at][i] + sigma[at][i] * noise).clamp(-1.0, 1.0)
        })
    };
    let mut population: Vec<Vec<Action>> = noise
        .own
        .iter()
        .zip(&noise.common)
        .map(|(own, common)| {
            own.iter()
                .enumerate()
                .map(|(at, own)| sample(own, common, at))
                .collect()
        })
        .collect();
    if let Some(first) = population.first_mut() {
        *first = mean
            .iter()
            .map(|action| action.map(|value| value.clamp(-1.0, 1.0)))
            .collect();
    }
    let present = if grip_command { SWITCHED_GRIP } else { -SWITCHED_GRIP };
    for (sequence, &switch_at) in population.iter_mut().skip(1).zip(&noise.switch_at) {
        for (step, action) in sequence.iter_mut().enumerate() {
            action[2] = if step < switch_at { present } else { -present };
        }
    }
    population
}

/// Mean and standard deviation (of the population, not of a sample) of the elites, the latter not under the floor.
fn refit(elites: &[&Vec<Action>], floor: f64) -> (Vec<Action>, Vec<Action>) {
    let count = elites.len() as f64;
    (0..elites[0].len())
        .map(|step| {
            let mean: [f64; 3] =
                std::array::from_fn(|i| elites.iter().map(|elite| f64::from(elite[step][i])).sum::<f64>() / count);
            let sigma: Action = std::array::from_fn(|i| {
                let squares = elites
                    .iter()
                    .map(|elite| (f64::from(elite[step][i]) - mean[i]).powi(2))
                    .sum::<f64>();
                (squares / count).sqrt().max(floor) as f32
            });
            (mean.map(|value| value as f32), sigma)
        })
        .unzip()
}

/// What a population's imagined states come to.
struct Judged {
    /// `[P]`; infinite where it is not a number.
    costs: Vec<f32>,
    /// Gripper positions in metres, `[P][H]`.
    paths_m: Vec<Vec<[f32; 2]>>,
}

/// Costs and gripper paths of imagined pooled latents `[H, P, D]`.
fn judge(
    model: &dyn LatentModel,
    cost: &dyn Cost,
    weights: &[f32],
    imagined: Tensor<3>,
) -> Result<Judged, PlannerError> {
    let [horizon, population, dim] = imagined.dims();
    let states = imagined.reshape([horizon * population, dim]);
    let grippers = read(model.proprioception(states.clone()))?;
    let state_costs = read(cost.cost(states))?;
    let costs = sequence_costs(weights, &state_costs)
        .into_iter()
        .map(|total| if total.is_finite() { total } else { f32::INFINITY })
        .collect();
    let paths_m = (0..population)
        .map(|candidate| {
            (0..horizon)
                .map(|h| {
                    let at = 4 * (h * population + candidate);
                    [grippers[at], grippers[at + 1]]
                })
                .collect()
        })
        .collect();
    Ok(Judged { costs, paths_m })
}

/// What every iteration of one plan needs.
pub struct Problem<'a> {
    pub model: &'a dyn LatentModel,
    pub cost: &'a dyn Cost,
    pub config: &'a PlanConfig,
    pub request: &'a PlanRequest<'a>,
}

/// A plan that is being made, iteration by iteration. It may wait between two of them for as long as it likes.
#[derive(Clone, Debug)]
pub struct Search {
    mean: Vec<Action>,
    sigma: Vec<Action>,
    iterations: Vec<CemIteration>,
    stages: StageSecs,
}

impl Search {
    /// # Errors
    /// The mean to start from has not the plan's length.
    pub fn begin(config: &PlanConfig, mean: Vec<Action>) -> Result<Self, PlannerError> {
        if mean.len() != config.horizon {
            let (found, expected) = (mean.len(), config.horizon);
            return Err(PlannerError::Shape {
                field: "the plan's first mean",
                found,
                expected,
            });
        }
        Ok(Self {
            mean,
            sigma: vec![[config.cem.sd0 as f32; 3]; config.horizon],
            iterations: Vec::with_capacity(config.cem.iterations),
            stages: StageSecs::default(),
        })
    }

    /// The iterations so far.
    pub fn iterations(&self) -> &[CemIteration] {
        &self.iterations
    }

    /// Where the time went so far.
    pub fn stages(&self) -> StageSecs {
        self.stages
    }

    pub fn is_done(&self, config: &PlanConfig) -> bool {
        self.iterations.len() >= config.cem.iterations
    }

    /// Samples, rolls out, scores and refits once. After an error the search is as it was.
    ///
    /// # Errors
    /// [`PlannerError::Cancelled`] when `cancel` was set; no cost is finite; a device that failed.
    pub fn iterate(&mut self, problem: &Problem, cancel: &AtomicBool) -> Result<&CemIteration, PlannerError> {
        let &PlanRequest { seed, step, draw, .. } = problem.request;
        let iteration = self.iterations.len();
        let begun = Instant::now();
        let config = problem.config;
        let noise = Noise::draw(&config.cem, config.horizon, (seed, step, draw), iteration);
        self.stages.sample_secs += begun.elapsed().as_secs_f64();
        self.iterate_with(problem, &noise, cancel)
    }

    /// [`Self::iterate`] with its random part given.
    pub(super) fn iterate_with(
        &mut self,
        problem: &Problem,
        noise: &Noise,
        cancel: &AtomicBool,
    ) -> Result<&CemIteration, PlannerError> {
        if cancel.load(Ordering::Relaxed) {
            return Err(PlannerError::Cancelled);
        }
        let (cem, request) = (&problem.config.cem, problem.request);
        let begun = Instant::now();
        let population = candidates(cem, &self.mean, &self.sigma, request.grip_command, noise);
        self.stages.sample_secs += begun.elapsed().as_secs_f64();
        let Judged { costs, paths_m } = self.imagine(problem, &population, cancel)?.1;
        let begun = Instant::now();
        let mut ranking: Vec<usize> = (0..costs.len()).collect();
        // The sort is stable, so equal costs keep the order of the candidates on every machine.
        ranking.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        ranking.truncate(elite_count(cem));
        // A candidate that went wrong is no elite; if all did, there is nothing to choose from.
        ranking.retain(|&candidate| costs[candidate].is_finite());
        if ranking.is_empty() {
            return Err(PlannerError::NotFinite {
                population: costs.len(),
                step: request.step,
                iteration: self.iterations.len(),
            });
        }
        let elites: Vec<&Vec<Action>> = ranking.iter().map(|&candidate| &population[candidate]).collect();
        (self.mean, self.sigma) = refit(&elites, cem.sigma_floor);
        let record = CemIteration {
            mean: self.mean.clone(),
            sigma: self.sigma.clone(),
            elites: elites.into_iter().cloned().collect(),
            elite_costs: ranking.iter().map(|&candidate| costs[candidate]).collect(),
            elite_paths_m: ranking.iter().map(|&candidate| paths_m[candidate].clone()).collect(),
            costs,
        };
        self.stages.refit_secs += begun.elapsed().as_secs_f64();
        self.iterations.push(record);
        Ok(&self.iterations[self.iterations.len() - 1])
    }

    /// Imagines the mean that the iterations came to.
    ///
    /// # Errors
    /// [`PlannerError::Cancelled`] when `cancel` was set; a device that failed.
    pub fn finish(mut self, problem: &Problem, cancel: &AtomicBool) -> Result<Plan, PlannerError> {
        let mean = self.mean.clone();
        let (imagined, judged) = self.imagine(problem, std::slice::from_ref(&mean), cancel)?;
        Ok(Plan {
            mean,
            iterations: self.iterations,
            imagined: imagined.squeeze_dim(1),
            cost: judged.costs[0],
            stages: self.stages,
        })
    }

    /// Pooled latents of the states that the sequences lead to, `[H, P, D]`, and what they come to.
    fn imagine(
        &mut self,
        problem: &Problem,
        sequences: &[Vec<Action>],
        cancel: &AtomicBool,
    ) -> Result<(Tensor<3>, Judged), PlannerError> {
        let &Problem {
            model, cost, config, ..
        } = problem;
        let begun = Instant::now();
        let imagined = rollout(model, problem.request.tokens, sequences, problem.request.bias, cancel)?;
        // A card computes on while the program goes ahead: without waiting here, scoring would be charged for both.
        model
            .device()
            .sync()
            .map_err(|err| PlannerError::Device(err.to_string()))?;
        let rolled_out = Instant::now();
        let weights = path_weights(config.cost.aggregation, config.horizon);
        let judged = judge(model, cost, &weights, imagined.clone())?;
        self.stages.roll_out_secs += (rolled_out - begun).as_secs_f64();
        self.stages.score_secs += rolled_out.elapsed().as_secs_f64();
        Ok((imagined, judged))
    }
}

/// Plans one sequence of `config.horizon` actions. `observer` sees each iteration as it ends.
///
/// # Errors
/// [`PlannerError::Cancelled`] when `cancel` was set; an iteration without a finite cost; a device that failed.
pub fn plan(
    model: &dyn LatentModel,
    cost: &dyn Cost,
    config: &PlanConfig,
    request: &PlanRequest,
    observer: &mut dyn FnMut(usize, &CemIteration),
    cancel: &AtomicBool,
) -> Result<Plan, PlannerError> {
    let problem = Problem {
        model,
        cost,
        config,
        request,
    };
    let mut search = Search::begin(config, request.mean.clone())?;
    for iteration in 0..config.cem.iterations {
        observer(iteration, search.iterate(&problem, cancel)?);
    }
    search.finish(&problem, cancel)
}

#[cfg(test)]
mod tests {
    use super::super::cost::{ContentCost, LatentSpace};
    use super::super::toy::{ToyModel, toy_config};
    use super::*;
    use crate::config::SimilarityKind;

    fn at(model: &ToyModel, x: f32, y: f32) -> Tensor<3> {
        model.tokens([x, y, -1.0, -1.0, 0.0, 0.0])
    }

    fn plan_with(config: &PlanConfig, seed: u64, mean: Vec<Action>) -> Plan {
        let model = ToyModel::new();
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let cost = ContentCost::new(&space, super::super::cost::pool(at(&model, 0.3, -0.2)));
        let tokens = at(&model, 0.0, 0.0);
        let request = PlanRequest {
            tokens: &tokens,
            mean,
            grip_command: false,
            bias: None,
            seed,
            step: 0,
            draw: 0,
        };
        plan(&model, &cost, config, &request, &mut |_, _| (), &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn it_finds_the_way_of_a_point_mass() {
        let mut config = toy_config();
        config.cem.iterations = 6;
        let plan = plan_with(&config, 1, first_mean(&config, false));
        let means: Vec<f32> = plan
            .iterations
            .iter()
            .map(|i| i.elite_costs.iter().sum::<f32>())
            .collect();
        assert!(means[5] < 0.6 * means[0], "elite costs do not fall: {means:?}");
        let (best, worst) = (plan.iterations[5].elite_costs[0], plan.iterations[0].costs[0]);
        assert!(
            plan.cost < 0.3 * worst,
            "standing still costs {worst}, the plan {}, its best {best}",
            plan.cost
        );
        let end = *plan.iterations[5].elite_paths_m[0].last().unwrap();
        assert!(
            (end[0] - 0.3).abs() < 0.06 && (end[1] + 0.2).abs() < 0.06,
            "ends at {end:?}"
        );
    }

    #[test]
    fn sigma_stays_over_its_floor_and_collapses_without_one() {
        let mut config = toy_config();
        config.cem.iterations = 8;
        config.cem.switch_once = false;
        let least = |config: &PlanConfig| {
            let plan = plan_with(config, 3, first_mean(config, false));
            plan.iterations[7]
                .sigma
                .iter()
                .flatten()
                .copied()
                .fold(f32::MAX, f32::min)
        };
        assert!(least(&config) >= config.cem.sigma_floor as f32);
        config.cem.sigma_floor = 0.0;
        assert!(least(&config) < 0.05);
    }

    #[test]
    fn the_seed_is_the_plan() {
        let config = toy_config();
        let plan = |seed| plan_with(&config, seed, first_mean(&config, false));
        assert_eq!(plan(7).iterations, plan(7).iterations);
        assert_ne!(plan(7).mean, plan(8).mean);
    }

    #[test]
    fn candidates_are_the_mean_then_single_switches_then_free_ones() {
        let config = toy_config();
        let mean = vec![[0.1, -0.2, 0.5]; 5];
        let drawn = candidates(
            &config.cem,
            &mean,
            &[[0.7; 3]; 5],
            true,
            &Noise::draw(&config.cem, 5, (1, 2, 0), 0),
        );
        assert_eq!(drawn[0], mean);
        let half = config.cem.population / 2;
        for sequence in &drawn[1..=half] {
            let grips: Vec<f32> = sequence.iter().map(|action| action[2]).collect();
            let switches = grips.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(
                switches <= 1 && grips.iter().all(|grip| grip.abs() == SWITCHED_GRIP),
                "{grips:?}"
            );
            // A grip that changes goes from the present command to the other.
            assert!(switches == 0 || grips[0] > 0.0);
        }
        assert!(drawn[half + 1].iter().any(|action| action[2].abs() != SWITCHED_GRIP));
        assert!(
            drawn
                .iter()
                .flatten()
                .flatten()
                .all(|value| (-1.0..=1.0).contains(value))
        );
    }

    #[test]
    fn the_noise_has_the_variance_and_the_common_share_that_were_asked_for() {
        let mut config = toy_config().cem;
        (config.population, config.switch_once) = (4000, false);
        let drawn = candidates(
            &config,
            &[[0.0; 3]; 2],
            &[[0.1; 3]; 2],
            false,
            &Noise::draw(&config, 2, (5, 0, 0), 0),
        );
        for i in 0..3 {
            let share = |a: usize, b: usize| {
                drawn
                    .iter()
                    .map(|s| f64::from(s[a][i]) * f64::from(s[b][i]))
                    .sum::<f64>()
                    / 4000.0
                    / 0.01
            };
            assert!((share(0, 0) - 1.0).abs() < 0.1, "variance {}", share(0, 0));
            assert!(
                (share(0, 1) - config.noise_common[i]).abs() < 0.1,
                "common share {}",
                share(0, 1)
            );
        }
    }

    #[test]
    fn elite_counts_round_up() {
        let count = |population, elite_fraction| {
            elite_count(&CemConfig {
                population,
                elite_fraction,
                ..toy_config().cem
            })
        };
        assert_eq!(
            (count(48, 0.1), count(512, 0.1), count(50, 0.1), count(4, 0.1)),
            (5, 52, 5, 2)
        );
    }

    #[test]
    fn a_set_cancel_flag_ends_the_plan() {
        let (model, config) = (ToyModel::new(), toy_config());
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let tokens = at(&model, 0.0, 0.0);
        let cost = ContentCost::new(&space, super::super::cost::pool(tokens.clone()));
        let mean = first_mean(&config, false);
        let request = PlanRequest {
            tokens: &tokens,
            mean,
            grip_command: false,
            bias: None,
            seed: 1,
            step: 0,
            draw: 0,
        };
        let cancel = AtomicBool::new(false);
        let mut seen = 0;
        let mut observer = |_: usize, _: &CemIteration| {
            seen += 1;
            cancel.store(true, Ordering::Relaxed);
        };
        let result = plan(&model, &cost, &config, &request, &mut observer, &cancel);
        assert!(matches!(result, Err(PlannerError::Cancelled)));
        assert_eq!(seen, 1);
    }

    #[test]
    fn numbers_that_are_not_finite_are_an_error_with_its_place() {
        let (model, config) = (ToyModel::broken(), toy_config());
        let space = LatentSpace::new(&model, SimilarityKind::Calibrated).unwrap();
        let tokens = at(&model, 0.0, 0.0);
        let cost = ContentCost::new(&space, super::super::cost::pool(tokens.clone()));
        let mean = first_mean(&config, false);
        let request = PlanRequest {
            tokens: &tokens,
            mean,
            grip_command: false,
            bias: None,
            seed: 1,
            step: 4,
            draw: 0,
        };
        let result = plan(
            &model,
            &cost,
            &config,
            &request,
            &mut |_, _| (),
            &AtomicBool::new(false),
        );
        assert!(matches!(
            result,
            Err(PlannerError::NotFinite {
                step: 4,
                iteration: 0,
                ..
            })
        ));
    }
}

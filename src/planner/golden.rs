//! Costs and CEM against the torch prototype, on small made-up numbers (`tests/fixtures/planner_golden.py`).

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;

use super::cem::{Noise, PlanRequest, Problem, Search};
use super::cost::{ContentCost, Cost, GateCost, LatentSpace, SimilarityCost, pool, read};
use super::models::{GoalSource, LatentModel, ModelError};
use super::toy::toy_config;
use crate::config::SimilarityKind;
use crate::sim::{Action, Frame};
use crate::world_model::{LatentStats, SimTemperature};

const DIM: usize = 8;
const TOKENS: usize = 2;

#[derive(Deserialize)]
struct Golden {
    mean: Vec<f32>,
    covariance: Vec<f32>,
    moves: Vec<Vec<f32>>,
    proprio_weight: Vec<f32>,
    proprio_bias: Vec<f32>,
    now: Vec<f32>,
    goal: Vec<f32>,
    states: Vec<f32>,
    costs: Costs,
    cem: Run,
}

#[derive(Deserialize)]
struct Costs {
    gate: Vec<f32>,
    content: Vec<f32>,
    cosine: Vec<f32>,
}

#[derive(Deserialize)]
struct Run {
    start: Vec<Action>,
    noise: Vec<Drawn>,
    mean: Vec<Action>,
    best: f32,
}

#[derive(Deserialize)]
struct Drawn {
    own: Vec<Vec<Action>>,
    common: Vec<Action>,
    switch_at: Vec<usize>,
}

/// An action moves every token along fixed directions.
struct LinearWorld {
    golden: Golden,
    comparison: Vec<f32>,
}

impl LinearWorld {
    fn new() -> Self {
        let text = include_str!("../../tests/fixtures/planner_golden.json");
        let golden: Golden = serde_json::from_str(text).unwrap();
        let stats = LatentStats {
            mean: golden.mean.clone(),
            covariance: golden.covariance.clone(),
            xy_variance: 0.54,
            proprio_weight: golden.proprio_weight.clone(),
            sim_temperature: SimTemperature {
                oracle: 0.1,
                gpi: 0.1,
                image: 0.1,
            },
        };
        Self {
            comparison: stats.comparison(1.0, 1.0),
            golden,
        }
    }

    fn tokens(&self, values: &[f32]) -> Tensor<3> {
        let count = values.len() / (TOKENS * DIM);
        Tensor::<3>::from_data(TensorData::new(values.to_vec(), [count, TOKENS, DIM]), &self.device())
    }

    fn matrix(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::<2>::from_data(TensorData::new(values, shape), &self.device())
    }
}

impl LatentModel for LinearWorld {
    fn device(&self) -> Device {
        Device::flex()
    }

    fn encode(&self, _frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        Ok(self.tokens(&self.golden.now))
    }

    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, _bias: Option<&Tensor<1>>) -> Tensor<3> {
        let moves = self.matrix(self.golden.moves.concat(), [3, DIM]);
        tokens + actions.matmul(moves).unsqueeze_dim::<3>(1)
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        let weight = self.matrix(self.golden.proprio_weight.clone(), [4, DIM]);
        pooled.matmul(weight.transpose()) + self.matrix(self.golden.proprio_bias.clone(), [1, 4])
    }

    fn temporal_distance(&self, _states: Tensor<2>, _goals: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn latent_mean(&self) -> &[f32] {
        &self.golden.mean
    }

    fn comparison(&self) -> &[f32] {
        &self.comparison
    }

    fn gripper_variance(&self) -> f32 {
        0.54
    }

    fn sim_temperature(&self, _source: GoalSource) -> f32 {
        0.1
    }
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 2e-5, "{found:?} is not {expected:?}");
    }
}

#[test]
fn costs_are_those_of_the_prototype() {
    let world = LinearWorld::new();
    let golden = &world.golden;
    let [now, goal, states] = [&golden.now, &golden.goal, &golden.states].map(|values| pool(world.tokens(values)));
    let space = LatentSpace::new(&world, SimilarityKind::Calibrated).unwrap();
    let gate = GateCost::new(&world, goal.clone(), now).unwrap();
    assert_near(&read(gate.cost(states.clone())).unwrap(), &golden.costs.gate);
    let content = ContentCost::new(&space, goal.clone());
    assert_near(&read(content.cost(states.clone())).unwrap(), &golden.costs.content);
    let similarity = SimilarityCost(space.similarity_to(goal, 0.1));
    assert_near(&read(similarity.cost(states)).unwrap(), &golden.costs.cosine);
}

#[test]
fn a_cem_run_with_the_same_noise_ends_as_the_prototype_does() {
    let world = LinearWorld::new();
    let golden = &world.golden;
    let mut config = toy_config();
    config.horizon = golden.cem.start.len();
    (config.cem.population, config.cem.iterations, config.cem.elite_fraction) = (12, 2, 0.25);
    let tokens = world.tokens(&golden.now);
    let cost = GateCost::new(&world, pool(world.tokens(&golden.goal)), pool(tokens.clone())).unwrap();
    let mean = golden.cem.start.clone();
    let request = PlanRequest {
        tokens: &tokens,
        mean,
        grip_command: true,
        bias: None,
        seed: 0,
        step: 0,
        draw: 0,
    };
    let problem = Problem {
        model: &world,
        cost: &cost,
        config: &config,
        request: &request,
    };
    let cancel = AtomicBool::new(false);
    let mut search = Search::begin(&config, request.mean.clone()).unwrap();
    for drawn in &golden.cem.noise {
        let noise = Noise {
            own: drawn.own.clone(),
            common: drawn.common.clone(),
            switch_at: drawn.switch_at.clone(),
        };
        search.iterate_with(&problem, &noise, &cancel).unwrap();
    }
    let plan = search.finish(&problem, &cancel).unwrap();
    assert_near(&plan.mean.concat(), &golden.cem.mean.concat());
    assert_near(&[plan.iterations[1].elite_costs[0]], &[golden.cem.best]);
}

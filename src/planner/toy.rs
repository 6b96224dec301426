//! A world that can be solved on paper, for tests: a point that moves over a table, a grip that holds a thing within
//! reach, and a latent model that knows all of it exactly. What the planner does in it is known without weights.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use burn::tensor::{Device, Tensor, TensorData};

use super::models::{
    Answer, Goal, GoalMaker, GoalRequest, GoalSource, LatentModel, ModelError, OnText, Question, Reasoner,
};
use crate::config::{PlanConfig, preset};
use crate::recording::{AttentionMap, TokenRecord};
use crate::sim::{Action, Environment, Frame, Judge, Observation};
use crate::vlm::parse_answer;

/// Metres a full action moves.
pub const STEP: f32 = 0.14;
/// Tokens a frame.
const TOKENS: usize = 4;
/// x, y, suction, holding, and two numbers that stand for the scene.
const DIM: usize = 6;

/// The nano preset's plan settings.
pub fn toy_config() -> PlanConfig {
    preset("nano").unwrap().plan
}

pub struct ToyModel {
    mean: Vec<f32>,
    comparison: Vec<f32>,
    broken: bool,
    /// The predictor was last asked with a bias.
    pub biased: AtomicBool,
}

impl ToyModel {
    pub fn new() -> Self {
        let mut comparison = vec![0.0; DIM * (DIM + 4)];
        for (row, column) in [(4, 4), (5, 5), (0, 6), (1, 7), (2, 8), (3, 9)] {
            comparison[row * (DIM + 4) + column] = 1.0;
        }
        Self {
            mean: vec![0.0; DIM],
            comparison,
            broken: false,
            biased: AtomicBool::new(false),
        }
    }

    /// Predicts NaN.
    pub fn broken() -> Self {
        Self {
            broken: true,
            ..Self::new()
        }
    }

    /// Tokens `[1, N, D]` of one state.
    pub fn tokens(&self, state: [f32; DIM]) -> Tensor<3> {
        let data = TensorData::new(state.repeat(TOKENS), [1, TOKENS, DIM]);
        Tensor::<3>::from_data(data, &self.device())
    }
}

impl LatentModel for ToyModel {
    fn device(&self) -> Device {
        Device::flex()
    }

    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        Ok(Tensor::cat(
            frames.iter().map(|frame| self.tokens(state_of(frame))).collect(),
            0,
        ))
    }

    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        self.biased.store(bias.is_some(), Ordering::Relaxed);
        let batch = tokens.dims()[0];
        let spread = |values: Tensor<2>| values.unsqueeze_dim::<3>(1).repeat_dim(1, TOKENS);
        let place = tokens.clone().narrow(2, 0, 2) + spread(actions.clone().narrow(1, 0, 2) * STEP);
        let suction = spread(actions.narrow(1, 2, 1).sign());
        let scale = if self.broken { f32::NAN } else { 1.0 };
        let rest = tokens.narrow(2, 3, DIM - 3) * scale;
        let next = Tensor::cat(vec![place, suction, rest], 2);
        assert_eq!(next.dims(), [batch, TOKENS, DIM]);
        next
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        pooled.narrow(1, 0, 4)
    }

    fn temporal_distance(&self, _states: Tensor<2>, _goals: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn latent_mean(&self) -> &[f32] {
        &self.mean
    }

    fn comparison(&self) -> &[f32] {
        &self.comparison
    }

    fn gripper_variance(&self) -> f32 {
        0.54
    }

    /// 0.85 lies at 0.11 m from a goal.
    fn sim_temperature(&self, _source: GoalSource) -> f32 {
        0.02
    }
}

/// Another model that predicts that nothing changes, and may see otherwise than it does.
pub struct Still<M> {
    pub model: M,
    pub sees: Option<fn(&[Frame]) -> Tensor<3>>,
}

impl<M: LatentModel> LatentModel for Still<M> {
    fn device(&self) -> Device {
        self.model.device()
    }

    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        self.sees
            .map_or_else(|| self.model.encode(frames), |sees| Ok(sees(frames)))
    }

    fn predict(&self, tokens: Tensor<3>, _actions: Tensor<2>, _bias: Option<&Tensor<1>>) -> Tensor<3> {
        tokens
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.model.proprioception(pooled)
    }

    fn temporal_distance(&self, states: Tensor<2>, goals: Tensor<2>) -> Option<Tensor<1>> {
        self.model.temporal_distance(states, goals)
    }

    fn latent_mean(&self) -> &[f32] {
        self.model.latent_mean()
    }

    fn comparison(&self) -> &[f32] {
        self.model.comparison()
    }

    fn gripper_variance(&self) -> f32 {
        self.model.gripper_variance()
    }

    fn sim_temperature(&self, source: GoalSource) -> f32 {
        self.model.sim_temperature(source)
    }
}

/// The point and its grip. The frame spells the state out in bytes.
#[derive(Clone)]
pub struct ToyWorld {
    pub x: f32,
    pub y: f32,
    pub on: bool,
}

impl ToyWorld {
    pub fn new() -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            on: false,
        }
    }

    fn at(&self, text: &str) -> Option<bool> {
        let target = target_of(text)?;
        Some((self.x - target[0]).hypot(self.y - target[1]) < 0.3)
    }
}

/// Sub-goals read "go to X Y"; other texts mean nothing here.
fn target_of(text: &str) -> Option<[f32; 2]> {
    let (x, y) = text.strip_prefix("go to ")?.split_once(' ')?;
    Some([x.parse().ok()?, y.parse().ok()?])
}

/// Two bytes a number, from -2 to 2, and one for the grip.
fn state_of(frame: &Frame) -> [f32; DIM] {
    let number = |i: usize| f32::from(u16::from_le_bytes([frame.rgb[i], frame.rgb[i + 1]])) / 65535.0 * 4.0 - 2.0;
    // The scene's two numbers keep the comparison vector from turning with every step.
    [
        number(0),
        number(2),
        if frame.rgb[4] > 0 { 1.0 } else { -1.0 },
        -1.0,
        0.0,
        0.0,
    ]
}

pub fn frame_of(x: f32, y: f32, on: bool) -> Frame {
    let bytes = |value: f32| (((value + 2.0) / 4.0 * 65535.0).round() as u16).to_le_bytes();
    let (x, y) = (bytes(x), bytes(y));
    Frame {
        width: 2,
        height: 1,
        rgb: Arc::new([x[0], x[1], y[0], y[1], u8::from(on), 0]),
    }
}

impl Environment for ToyWorld {
    fn observe(&self) -> Observation {
        Observation {
            frame: frame_of(self.x, self.y, self.on),
            last_grip_command: self.on,
            vacuum: false,
        }
    }

    fn view(&self, height: usize) -> Frame {
        let value = ((self.x + 1.0) * 100.0) as u8;
        Frame {
            width: height,
            height,
            rgb: vec![value; 3 * height * height].into(),
        }
    }

    fn step(&mut self, action: Action) {
        self.x = (self.x + STEP * action[0]).clamp(-1.0, 1.0);
        self.y = (self.y + STEP * action[1]).clamp(-1.0, 1.0);
        self.on = action[2] > 0.0;
    }
}

impl Judge for ToyWorld {
    fn holds(&self, sub_goal: &str) -> Option<bool> {
        self.at(sub_goal)
    }
}

/// Goals from the sub-goal's numbers; a place off the table is a goal that nothing reaches.
#[derive(Default)]
pub struct ToyGoals {
    /// Texts and places of the gripper that goals were made at.
    pub made: Mutex<Vec<(String, f32)>>,
}

impl GoalMaker for ToyGoals {
    fn source(&self) -> GoalSource {
        GoalSource::Gpi
    }

    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError> {
        let [x, y] = target_of(request.text).ok_or_else(|| format!("no place in \"{}\"", request.text))?;
        self.made
            .lock()
            .unwrap()
            .push((request.text.to_owned(), state_of(request.frame)[0]));
        let map = AttentionMap {
            grid: [2, 2],
            values: vec![2.0, 1.0, 0.5, 0.5],
            model_grid: [2, 2],
            resampled: vec![2.0, 1.0, 0.5, 0.5],
        };
        Ok(Goal {
            tokens: ToyModel::new().tokens([x, y, -1.0, -1.0, 0.0, 0.0]),
            map,
        })
    }
}

/// Answers from a list, the last one again and again, and remembers what it was asked.
pub struct ToyReasoner {
    answers: Mutex<Vec<&'static str>>,
    /// Temperature and history's failed sub-goal of each question.
    pub asked: Mutex<Vec<(f64, Option<String>)>>,
}

impl ToyReasoner {
    /// Answers in the order in which they are given.
    pub fn new(answers: &[&'static str]) -> Self {
        Self {
            answers: Mutex::new(answers.iter().rev().copied().collect()),
            asked: Mutex::default(),
        }
    }
}

impl Reasoner for ToyReasoner {
    fn reason(&self, question: &Question, on_text: &mut OnText) -> Result<Answer, ModelError> {
        let failed = question.history.and_then(|history| history.failed.last().cloned());
        self.asked.lock().unwrap().push((question.temperature, failed));
        let mut answers = self.answers.lock().unwrap();
        let text = if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0]
        };
        for piece in text.split_inclusive(' ') {
            let token = TokenRecord {
                text: piece.to_owned(),
                ..TokenRecord::default()
            };
            on_text(piece, Some(&token));
        }
        Ok(parse_answer(text).into())
    }
}

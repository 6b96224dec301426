//! Whole episodes of a planner that sees the truth, in the real world, with one part made wrong on purpose.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};

use super::failure::How;
use super::oracles::TrueFutures;
use super::{Blame, Failed, Part, Verdict, judge_episode, shares};
use crate::config::PlanConfig;
use crate::eval::achieved::{AchievedGoals, achieved_from};
use crate::eval::baselines::{Teacher, Truth};
use crate::eval::chain::Run;
use crate::eval::{EvalEpisode, demo_suite};
use crate::planner::toy::{Still, ToyModel, toy_config};
use crate::planner::{
    Answer, Goal, GoalMaker, GoalRequest, GoalSource, LatentModel, ModelError, Models, OnText, Question, Reasoner,
    SubGoal,
};
use crate::recording::AttentionMap;
use crate::sim::tasks::{Phrasing, TaskBook};
use crate::sim::{Environment, Frame, Primitive, Scene, World, WorldState, destination};

const TOKENS: usize = 4;
const DIM: usize = 6;

/// x, y, suction, holding, and two numbers that stand for the scene: one never changes, so that places can be told apart
/// by angles.
fn latent(state: &WorldState) -> [f32; DIM] {
    let sign = |on: bool| if on { 1.0 } else { -1.0 };
    let [x, y] = state.gripper_m;
    [x, y, sign(state.suction), sign(state.held.is_some()), 1.0, 0.0]
}

fn tokens(latents: &[[f32; DIM]]) -> Tensor<3> {
    let values: Vec<f32> = latents.iter().flat_map(|latent| latent.repeat(TOKENS)).collect();
    Tensor::<3>::from_data(TensorData::new(values, [latents.len(), TOKENS, DIM]), &Device::flex())
}

/// Sees where the gripper is, whatever the frame; predicts as it is.
struct Seeing {
    truth: Truth,
    toy: ToyModel,
    comparison: Vec<f32>,
    temperature: f32,
}

impl Seeing {
    /// Without `flags` a state is compared by places alone.
    fn new(truth: Truth, flags: bool, temperature: f32) -> Self {
        let mut comparison = vec![0.0; DIM * (DIM + 4)];
        let pairs = [(4, 4), (5, 5), (0, 6), (1, 7), (2, 8), (3, 9)];
        for (row, column) in &pairs[..if flags { 6 } else { 4 }] {
            comparison[row * (DIM + 4) + column] = 1.0;
        }
        Self {
            truth,
            toy: ToyModel::new(),
            comparison,
            temperature,
        }
    }
}

impl LatentModel for Seeing {
    fn device(&self) -> Device {
        Device::flex()
    }

    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError> {
        Ok(tokens(&vec![latent(&self.truth.borrow()); frames.len()]))
    }

    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        self.toy.predict(tokens, actions, bias)
    }

    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        pooled.narrow(1, 0, 4)
    }

    fn temporal_distance(&self, _states: Tensor<2>, _goals: Tensor<2>) -> Option<Tensor<1>> {
        None
    }

    fn latent_mean(&self) -> &[f32] {
        &[0.0; DIM]
    }

    fn comparison(&self) -> &[f32] {
        &self.comparison
    }

    fn gripper_variance(&self) -> f32 {
        0.54
    }

    fn sim_temperature(&self, _source: GoalSource) -> f32 {
        self.temperature
    }
}

/// Goals where they should be, or that far off.
struct SeeingGoals {
    truth: Truth,
    off_m: f32,
}

impl GoalMaker for SeeingGoals {
    fn source(&self) -> GoalSource {
        GoalSource::Gpi
    }

    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError> {
        let state = self.truth.borrow();
        let primitive = Primitive::parse(request.text, &state).ok_or("no sub-goal")?;
        let [x, y] = destination(&state, &primitive);
        let flag = if matches!(primitive, Primitive::Pick { .. }) {
            1.0
        } else {
            -1.0
        };
        Ok(Goal {
            tokens: tokens(&[[x + self.off_m, y, flag, flag, 1.0, 0.0]]),
            map: AttentionMap {
                grid: [2, 2],
                values: vec![1.0; TOKENS],
                model_grid: [2, 2],
                resampled: vec![1.0; TOKENS],
            },
        })
    }
}

/// Says all but the last of what the teacher says.
struct Forgetful(Teacher);

impl Reasoner for Forgetful {
    fn reason(&self, _question: &Question, _on_text: &mut OnText) -> Result<Answer, ModelError> {
        let mut sub_goals: Vec<SubGoal> = self.0.list();
        sub_goals.pop();
        Ok(Answer {
            sub_goals,
            ..Answer::default()
        })
    }
}

/// Tasks of two sub-goals that end on a pad: a pick and a placement.
fn put(n: usize) -> Vec<EvalEpisode> {
    let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
    let suite = demo_suite(
        &TaskBook::built_in().unwrap(),
        &furniture,
        9,
        60,
        Phrasing::Seen,
        Some(2),
    );
    let put = suite.into_iter().filter(|one| one.task.template == "put");
    put.take(n).collect()
}

/// What is made wrong.
#[derive(Clone, Copy)]
struct Wrong {
    forgetful: bool,
    flags: bool,
    temperature: f32,
    goals_off_m: f32,
}

const RIGHT: Wrong = Wrong {
    forgetful: false,
    flags: true,
    temperature: 0.02,
    goals_off_m: 0.0,
};

fn config() -> PlanConfig {
    PlanConfig {
        max_replans: 0,
        reasoning_alpha: 0.0,
        ..toy_config()
    }
}

fn judged(one: &EvalEpisode, wrong: Wrong) -> Verdict {
    let truth: Truth = Rc::new(RefCell::new(one.state.clone()));
    let world = Seeing::new(truth.clone(), wrong.flags, wrong.temperature);
    let goals = SeeingGoals {
        truth: truth.clone(),
        off_m: wrong.goals_off_m,
    };
    let teacher = || Teacher {
        task: one.task.clone(),
        truth: truth.clone(),
    };
    let (teacher, forgetful) = (teacher(), Forgetful(teacher()));
    let reasoner: &dyn Reasoner = if wrong.forgetful { &forgetful } else { &teacher };
    let models = Models {
        world: &world,
        goals: &goals,
        reasoner,
    };
    let config = config();
    let run = Run {
        scene: "three-blocks",
        checkpoint: ("seeing", "0"),
        config: &config,
        frame_px: 8,
        truth: truth.clone(),
    };
    judge_episode(&run, one, &models, &Part::ALL, &AtomicBool::new(false)).unwrap()
}

fn failed(one: &EvalEpisode, wrong: Wrong) -> Failed {
    judged(one, wrong).failed.unwrap()
}

#[test]
fn a_chain_that_sees_solves_its_task_and_nothing_is_to_blame() {
    for one in &put(3) {
        let verdict = judged(one, RIGHT);
        assert!(verdict.solved() && verdict.steps > 2, "{verdict:?}");
    }
}

#[test]
fn a_list_that_lacks_its_end_has_the_blame() {
    let wrong = Wrong {
        forgetful: true,
        ..RIGHT
    };
    for one in &put(2) {
        let failed = failed(one, wrong);
        assert_eq!((failed.how, failed.blame), (How::WrongList, Blame::Part(Part::List)));
        assert_eq!(failed.cures, [Part::List]);
        assert!(!failed.list_right && failed.first_list.len() == 1 && failed.from_step == 0);
        assert!(!failed.cured_again && failed.sub_goal.is_none());
    }
}

#[test]
fn a_threshold_that_fires_before_the_grasp_has_the_blame() {
    let wrong = Wrong { flags: false, ..RIGHT };
    let one = &put(1)[0];
    let found = failed(one, wrong);
    assert_eq!(
        (found.how, found.blame),
        (How::DeclaredEarly, Blame::Part(Part::Threshold))
    );
    assert!(found.list_right && found.kind.as_deref() == Some("pick"), "{found:?}");
    assert!(found.numbers.last_similarity.unwrap() >= 0.85, "{:?}", found.numbers);
    assert!(found.numbers.goal_error_cm.unwrap() < 1.0, "{:?}", found.numbers);
    assert_eq!(found, failed(one, wrong), "the same seed, the same verdict");
}

#[test]
fn a_threshold_that_never_fires_has_the_blame() {
    let wrong = Wrong {
        temperature: 1e-9,
        ..RIGHT
    };
    let failed = failed(&put(1)[0], wrong);
    assert_eq!(
        (failed.how, failed.blame),
        (How::NotDeclared, Blame::Part(Part::Threshold))
    );
    assert!(failed.numbers.best_similarity.unwrap() < 0.85);
}

#[test]
fn where_nothing_can_help_nothing_has_the_blame() {
    // This model takes every picture for the present, so that neither oracle goals nor true futures say anything.
    let wrong = Wrong {
        goals_off_m: 0.6,
        ..RIGHT
    };
    let verdict = judged(&put(1)[0], wrong);
    let failed = verdict.failed.as_ref().unwrap();
    assert_eq!((failed.how, failed.blame), (How::OutOfTime, Blame::None));
    assert!(failed.cures.is_empty(), "{failed:?}");
    // Off the table the gripper cannot follow, so that the goal may read nearer than it was made.
    assert!(
        (50.0..61.0).contains(&failed.numbers.goal_error_cm.unwrap()),
        "{failed:?}"
    );
    let verdicts = [
        verdict.clone(),
        Verdict {
            failed: None,
            ..verdict
        },
    ];
    let shares = shares(&verdicts, &[Part::List]);
    assert_eq!(shares["cures"].as_object().unwrap().len(), 1);
    assert_eq!(
        (&shares["failed"], &shares["blame"]["none"]["solved"]),
        (&1.into(), &1.into())
    );
    assert_eq!(shares["by_template"]["put"]["blame"]["list"]["n"], 1);
    assert_eq!(shares["by_how"]["out_of_time"], 1);
}

#[test]
fn verdicts_survive_being_written() {
    let verdict = judged(
        &put(1)[0],
        Wrong {
            forgetful: true,
            ..RIGHT
        },
    );
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    for blame in Blame::all() {
        let text = serde_json::to_string(&blame).unwrap();
        assert_eq!(text, format!("\"{}\"", blame.name()));
        assert_eq!(serde_json::from_str::<Blame>(&text).unwrap(), blame);
    }
}

/// The means of some bands of the picture, as a latent.
fn bands(frame: &Frame) -> [f32; DIM] {
    let band = frame.rgb.len() / DIM;
    std::array::from_fn(|i| {
        let bytes = &frame.rgb[i * band..(i + 1) * band];
        bytes.iter().map(|&byte| f32::from(byte)).sum::<f32>() / band as f32
    })
}

fn looking(one: &EvalEpisode) -> (Still<Seeing>, Rc<RefCell<World>>) {
    let truth = Rc::new(RefCell::new(one.state.clone()));
    (
        Still {
            model: Seeing::new(truth, true, 0.02),
            sees: Some(|frames| tokens(&frames.iter().map(bands).collect::<Vec<_>>())),
        },
        Rc::new(RefCell::new(one.world(32))),
    )
}

#[test]
fn true_futures_are_the_frames_that_come_and_each_rollout_begins_at_the_present() {
    let (model, world) = looking(&put(1)[0]);
    let futures = TrueFutures::new(&model, world.clone(), 2);
    let candidates = [[0.9, -0.4, 1.0], [-0.7, 0.2, -1.0], [0.0, 0.0, -1.0]];
    let actions = || Tensor::<2>::from_data(candidates, &Device::flex());
    for _ in 0..2 {
        let mut copies: Vec<World> = vec![world.borrow().clone(); 3];
        let mut present = model
            .encode(&[world.borrow().observe().frame])
            .unwrap()
            .repeat_dim(0, 3);
        for _ in 0..2 {
            present = futures.predict(present, actions(), None);
            let frames: Vec<Frame> = copies
                .iter_mut()
                .zip(candidates)
                .map(|(copy, action)| {
                    copy.step(action);
                    copy.observe().frame
                })
                .collect();
            assert_eq!(present.to_data(), model.encode(&frames).unwrap().to_data());
        }
        world.borrow_mut().step([0.5, 0.5, -1.0]);
    }
}

#[test]
fn achieved_goals_are_the_picture_of_it_and_what_cannot_be_done_keeps_its_own() {
    let one = &put(1)[0];
    let (model, world) = looking(one);
    let own = SeeingGoals {
        truth: Rc::new(RefCell::new(one.state.clone())),
        off_m: 0.0,
    };
    let goals = AchievedGoals::new(&own, &model, || world.borrow().clone());
    let frame = world.borrow().observe().frame;
    let present = model.encode(std::slice::from_ref(&frame)).unwrap();
    let goal_of = |text: &str| {
        let request = GoalRequest {
            frame: &frame,
            tokens: &present,
            task: text,
            text,
            objects: &[],
        };
        (
            goals.goal(&request).unwrap().tokens.into_data(),
            own.goal(&request).unwrap().tokens.into_data(),
        )
    };
    let [pick, place] = [0, 1].map(|step| one.primitives[step].text(&one.state));
    let (picked, _) = goal_of(&pick);
    let achieved = achieved_from(&world.borrow(), &pick).unwrap();
    assert!(one.primitives[0].holds(achieved.state()));
    assert_eq!(picked, model.encode(&[achieved.observe().frame]).unwrap().into_data());
    assert_eq!(goals.source(), GoalSource::Oracle);
    let (placed, own_placed) = goal_of(&place);
    assert_eq!(
        (placed, goals.source()),
        (own_placed, GoalSource::Gpi),
        "nothing is held yet"
    );
    *world.borrow_mut() = achieved.clone();
    assert_eq!(
        achieved_from(&achieved, &pick),
        Some(achieved),
        "what holds is achieved"
    );
}

//! Answers about episodes of the toy world, in which all of them are known on paper.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::planner::LatentModel;
use crate::planner::toy::{STEP, Still, ToyGoals, ToyModel, ToyWorld, toy_config};
use crate::recording::{AttentionMap, CemIteration, StageSecs, StepRecord, SubGoalRecord};
use crate::sim::{Action, Environment};

/// Sees what the toy model sees and predicts that nothing changes.
fn still() -> Still<ToyModel> {
    Still {
        model: ToyModel::new(),
        sees: None,
    }
}

/// Eight actions that turn about, each planned with the four that follow it; the goal lies at 0.5, 0, made at step 1.
fn recording() -> Recording {
    let action = |step: usize| -> Action {
        let angle = step as f32 * 0.9;
        [0.6 * angle.cos(), 0.6 * angle.sin(), -1.0]
    };
    let mut world = ToyWorld::new();
    let mut steps = Vec::new();
    for step in 0..=8 {
        let plan: Vec<Action> = (step..step + 5).map(action).collect();
        let cem = CemIteration {
            sigma: vec![[0.1; 3]; 5],
            costs: vec![0.0],
            elites: vec![plan.clone()],
            elite_costs: vec![0.0],
            elite_paths_m: Vec::new(),
            mean: plan,
        };
        let last = step == 8;
        steps.push(Arc::new(StepRecord {
            step,
            frame: world.observe().frame,
            view: world.view(2),
            vacuum: false,
            sub_goal: Some(0),
            similarities: Vec::new(),
            predicted_similarity: Vec::new(),
            predicted_others: Vec::new(),
            gripper_m: [world.x, world.y],
            cem: if last { Vec::new() } else { vec![cem] },
            action: (!last).then(|| action(step)),
            cost: None,
            plan_secs: 0.0,
            stages: StageSecs::default(),
            draw: 0,
            open_loop_from: None,
        }));
        world.step(action(step));
    }
    let map = AttentionMap {
        grid: [2, 2],
        values: vec![1.0; 4],
        model_grid: [2, 2],
        resampled: vec![1.0; 4],
    };
    Recording {
        scene: "nowhere".to_owned(),
        sub_goals: vec![SubGoalRecord {
            text: "go to 0.5 0".to_owned(),
            goal_made_at_step: 1,
            map,
            ..SubGoalRecord::default()
        }],
        steps,
        settings: Some(toy_config()),
        ..Recording::default()
    }
}

fn ask(model: &dyn LatentModel, step: usize, question: LatentQuestion) -> Result<LatentAnswer, LatentError> {
    let (recording, config, goals) = (recording(), toy_config(), ToyGoals::default());
    let mut latents = Latents::default();
    let mut moment = Moment {
        model,
        goals: &goals,
        recording: &recording,
        step,
        config: &config,
        latents: &mut latents,
        stop: &AtomicBool::new(false),
    };
    question.answer(&mut moment)
}

#[test]
fn a_model_that_knows_its_world_has_no_open_loop_error_and_persistence_has_persistence_s() {
    let errors = |model: &dyn LatentModel, step: usize| match ask(model, step, LatentQuestion::OpenLoop).unwrap() {
        LatentAnswer::OpenLoop(found) => found,
        other => panic!("{other:?}"),
    };
    let exact = errors(&ToyModel::new(), 2);
    assert_eq!((exact.known(), exact.horizon), (5, 5));
    let gripper = exact.errors(Part::Gripper);
    assert!(gripper.imagined.iter().all(|error| *error < 1e-3), "{gripper:?}");
    assert!((gripper.persistence[0] - f64::from(0.6 * STEP)).abs() < 1e-3);
    let tokens = exact.errors(Part::Tokens);
    assert!(tokens.imagined[4] < 1e-6 && tokens.persistence[4] > 1e-4, "{tokens:?}");

    let still = errors(&still(), 2);
    for part in [Part::Tokens, Part::Content, Part::Gripper] {
        assert_eq!(still.errors(part).imagined, still.errors(part).persistence);
    }
    // Near the end fewer steps have followed, and after the last one none.
    assert_eq!(errors(&ToyModel::new(), 6).known(), 2);
    let none = ask(&ToyModel::new(), 8, LatentQuestion::OpenLoop).unwrap_err();
    assert!(none.to_string().contains("No step has followed"), "{none}");
}

#[test]
fn what_minds_no_action_is_told_from_what_does() {
    let found = |model: &dyn LatentModel| match ask(model, 3, LatentQuestion::Sensitivity).unwrap() {
        LatentAnswer::Sensitivity(found) => found,
        other => panic!("{other:?}"),
    };
    let exact = found(&ToyModel::new());
    assert_eq!(exact.executed, 5);
    assert!((exact.moved[0] - f64::from(0.6 * STEP)).abs() < 1e-4, "{exact:?}");
    // The suction stays as it is, so the only difference is the way.
    assert!((exact.still[4] - exact.moved[4]).abs() < 1e-4);
    assert!(exact.ratio().unwrap() > 0.1, "{exact:?}");
    let deaf = found(&still());
    assert_eq!((deaf.moved[4], deaf.shuffled.as_ref().unwrap()[4]), (0.0, 0.0));
    assert_eq!(deaf.ratio(), None);
    assert_eq!(found(&ToyModel::new()), exact, "the same draws again");
}

#[test]
fn imagined_states_are_the_frames_that_came_where_the_plan_was_kept() {
    let LatentAnswer::Imagined(found) = ask(&ToyModel::new(), 1, LatentQuestion::Imagined).unwrap() else {
        panic!("another answer");
    };
    let steps: Vec<usize> = found.states.iter().map(|state| state.step).collect();
    assert_eq!((steps, found.frames), (vec![2, 3, 4, 5, 6], 9));
    assert!(
        found
            .states
            .iter()
            .all(|state| state.distance < 1e-3 && state.real == Some(state.distance))
    );
    let LatentAnswer::Imagined(late) = ask(&ToyModel::new(), 6, LatentQuestion::Imagined).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(late.states.iter().filter(|state| state.real.is_some()).count(), 2);
    let LatentAnswer::Imagined(stuck) = ask(&still(), 1, LatentQuestion::Imagined).unwrap() else {
        panic!("another answer");
    };
    assert!(stuck.states.iter().all(|state| state.step == 1));
}

#[test]
fn the_landscape_is_highest_where_the_goal_is_reached() {
    let question = |rest| LatentQuestion::Landscape { sub_goal: 0, rest };
    let LatentAnswer::Landscape(found) = ask(&ToyModel::new(), 0, question(Rest::Held)).unwrap() else {
        panic!("another answer");
    };
    // Five steps of 5/7 of 0.14 m lead from the middle to 0.5 m.
    let highest = (0..found.similarity.len()).max_by(|&a, &b| found.similarity[a].total_cmp(&found.similarity[b]));
    let side = landscape::SIDE;
    let highest = highest.unwrap();
    let [dx, dy] = [found.axis[highest % side], found.axis[highest / side]];
    assert!((dx - 5.0 / 7.0).abs() < 1e-6 && dy.abs() < 1e-6, "{dx}, {dy}");
    assert!(found.similarity[highest] > 0.99 && found.now < 0.5, "{}", found.now);
    assert_eq!(found.grip, -1.0);
    assert!(found.expert.is_err_and(|why| why.contains("no scene \"nowhere\"")));
    let away = found.cost[side / 2 * side];
    let toward = found.cost[side / 2 * side + side - 3];
    assert!(away > toward, "J {away} away from the goal, {toward} toward it");

    let LatentAnswer::Landscape(planned) = ask(&ToyModel::new(), 0, question(Rest::Planned)).unwrap() else {
        panic!("another answer");
    };
    let spread = |values: &[f32]| {
        values.iter().copied().fold(f32::MIN, f32::max) - values.iter().copied().fold(f32::MAX, f32::min)
    };
    assert!(
        spread(&planned.similarity) < spread(&found.similarity),
        "one action of five leads less far"
    );
    let none = ask(&ToyModel::new(), 8, question(Rest::Planned)).unwrap_err();
    assert!(none.to_string().contains("Nothing was planned"), "{none}");
}

#[test]
fn goals_are_made_from_the_frame_that_they_were_made_from_and_only_once() {
    let (recording, config, goals) = (recording(), toy_config(), ToyGoals::default());
    let (mut latents, model, stop) = (Latents::default(), ToyModel::new(), AtomicBool::new(false));
    let mut answer = |step: usize, recording: &Recording| {
        let mut moment = Moment {
            model: &model,
            goals: &goals,
            recording,
            step,
            config: &config,
            latents: &mut latents,
            stop: &stop,
        };
        let question = LatentQuestion::Landscape {
            sub_goal: 0,
            rest: Rest::Held,
        };
        question.answer(&mut moment)
    };
    answer(3, &recording).unwrap();
    answer(4, &recording).unwrap();
    let made = goals.made.lock().unwrap().clone();
    assert_eq!(made.len(), 1);
    let mut edited = recording.clone();
    edited.sub_goals[0].objects.push("red pad".to_owned());
    answer(4, &edited).unwrap();
    assert_eq!(goals.made.lock().unwrap().len(), 2, "other objects, another goal");
    assert!((made[0].1 - recording.steps[1].gripper_m[0]).abs() < 1e-3, "{made:?}");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = answer(5, &recording).unwrap_err();
    assert!(
        matches!(stopped, LatentError::Planner(PlannerError::Cancelled)),
        "{stopped}"
    );
    stop.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(answer(99, &recording), Err(LatentError::NoStep(99))));
}

#[test]
fn a_colour_means_the_same_at_every_step() {
    let found = |step: usize| match ask(&ToyModel::new(), step, LatentQuestion::Patches(Centre::All)).unwrap() {
        LatentAnswer::Patches(found) => found,
        other => panic!("{other:?}"),
    };
    let all: Vec<Patches> = (0..9).map(found).collect();
    assert_eq!((all[0].grid, all[0].rgb.len(), all[0].frames), ([2, 2], 4, 9));
    assert!(all.iter().all(|one| one.shares == all[0].shares));
    // Only x and y change, so two components hold all there is.
    let shares = all[0].shares;
    assert!(
        (shares[0] + shares[1] - 1.0).abs() < 1e-3 && shares[0] > shares[1],
        "{shares:?}"
    );
    assert_ne!(all[0].rgb[0], all[4].rgb[0]);
    assert!(
        all[3].rgb.iter().all(|rgb| *rgb == all[3].rgb[0]),
        "every patch says the same"
    );
}

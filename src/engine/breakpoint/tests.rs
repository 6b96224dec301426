//! Each condition, on recordings that were made up for it.

use std::sync::Arc;

use super::*;
use crate::recording::{AttentionMap, CemIteration, ReplanRecord, StageSecs, SubGoalRecord};
use crate::sim::Frame;

fn frame() -> Frame {
    Frame {
        width: 1,
        height: 1,
        rgb: Arc::new([0; 3]),
    }
}

fn sub_goal(start_step: usize) -> SubGoalRecord {
    SubGoalRecord {
        edited: false,
        text: "pick up the red block".to_owned(),
        objects: Vec::new(),
        unmatched: Vec::new(),
        map: AttentionMap {
            grid: [1, 1],
            values: vec![1.0],
            model_grid: [1, 1],
            resampled: vec![1.0],
        },
        goal_made_at_step: start_step,
        start_step: Some(start_step),
        end_step: None,
        declared: false,
        achieved: None,
        ended_because: None,
        goal_gripper_m: None,
    }
}

/// An episode whose second sub-goal was begun at step 2 and came to these similarities from there on, one a frame;
/// the first one's stand at 0.9. The last frame has no action yet.
fn episode(similarities: &[f32]) -> Recording {
    let frames = [0.9, 0.9].iter().chain(similarities);
    let last = similarities.len() + 1;
    let steps = frames.enumerate().map(|(step, &similarity)| {
        let second = step >= 2;
        let planned = step < last;
        Arc::new(StepRecord {
            step,
            frame: frame(),
            view: frame(),
            vacuum: false,
            sub_goal: Some(usize::from(second)),
            similarities: vec![Some(0.9), second.then_some(similarity)],
            predicted_similarity: vec![0.5; 2],
            predicted_others: vec![],
            gripper_m: [0.0; 2],
            cem: vec![CemIteration {
                mean: Vec::new(),
                sigma: Vec::new(),
                costs: vec![0.3, 0.2],
                elites: Vec::new(),
                elite_costs: vec![0.2],
                elite_paths_m: Vec::new(),
            }],
            action: planned.then_some([0.0; 3]),
            cost: planned.then_some(0.2),
            plan_secs: if planned { 0.4 } else { 0.0 },
            stages: StageSecs::default(),
            draw: 0,
            open_loop_from: None,
        })
    });
    Recording {
        task: "stack".to_owned(),
        steps: steps.collect(),
        sub_goals: vec![sub_goal(0), sub_goal(2)],
        ..Recording::default()
    }
}

/// The same with a step changed.
fn with(mut recording: Recording, step: usize, change: impl FnOnce(&mut StepRecord)) -> Recording {
    change(Arc::make_mut(&mut recording.steps[step]));
    recording
}

/// The sentence that a run pauses with after a step, if it does.
fn after_a_step(breakpoints: &Breakpoints, recording: &Recording) -> Option<String> {
    let fired = breakpoints.fired(recording, Advance::Stepped);
    (!fired.is_empty()).then(|| sentence(position(recording), &fired))
}

fn level(value: f32) -> Option<Threshold> {
    Some(Threshold::new(value).unwrap())
}

#[test]
fn a_similarity_fires_where_it_crosses_and_only_there() {
    let below = Breakpoints {
        below: level(0.4),
        ..Breakpoints::default()
    };
    let above = Breakpoints {
        above: level(0.8),
        ..Breakpoints::default()
    };
    let falling = Breakpoints {
        falling: NonZeroU32::new(3),
        ..Breakpoints::default()
    };
    let cases: &[(&Breakpoints, &[f32], Option<&str>)] = &[
        (&below, &[0.43, 0.38], Some("fell below 0.4, 0.43 to 0.38")),
        (&below, &[0.4, 0.399], Some("fell below 0.4, 0.400 to 0.399")),
        (&below, &[0.43, 0.4], None),
        (&below, &[0.43, 0.38, 0.35], None),
        (&below, &[0.43, 0.38, 0.41, 0.39], Some("fell below 0.4, 0.41 to 0.39")),
        // It begins below: nothing fell.
        (&below, &[0.2], None),
        (&below, &[0.3, 0.2], None),
        (&above, &[0.78, 0.83], Some("rose above 0.8, 0.78 to 0.83")),
        (&above, &[0.78, 0.83, 0.9], None),
        (&above, &[0.83], None),
        (&above, &[0.83, 0.78], None),
        (
            &falling,
            &[0.61, 0.58, 0.5, 0.44],
            Some("fell for 3 steps, 0.61 to 0.44"),
        ),
        (
            &falling,
            &[0.6, 0.61, 0.58, 0.5, 0.44],
            Some("fell for 3 steps, 0.61 to 0.44"),
        ),
        (&falling, &[0.61, 0.58, 0.5], None),
        (&falling, &[0.61, 0.58, 0.58, 0.5, 0.44], None),
        // The fourth fall is no news.
        (&falling, &[0.61, 0.58, 0.5, 0.44, 0.4], None),
        (&falling, &[0.61, f32::NAN, 0.58, 0.5, 0.44], None),
    ];
    for (breakpoints, similarities, expected) in cases {
        let recording = episode(similarities);
        let step = similarities.len() + 1;
        let expected = expected.map(|why| format!("Paused at step {step}: the similarity to sub-goal 2 {why}."));
        assert_eq!(after_a_step(breakpoints, &recording), expected, "{similarities:?}");
        for other in [Advance::Switched, Advance::Asked, Advance::Finished] {
            assert_eq!(breakpoints.fired(&recording, other), [], "{other:?}");
        }
    }
}

#[test]
fn similarities_to_another_goal_are_not_compared() {
    let breakpoints = Breakpoints {
        below: level(0.8),
        falling: NonZeroU32::new(1),
        ..Breakpoints::default()
    };
    // The sub-goal before stood at 0.9 one frame ago.
    assert_eq!(after_a_step(&breakpoints, &episode(&[0.5])), None);
    let mut remade = episode(&[0.9, 0.5]);
    remade.sub_goals[1].goal_made_at_step = 3;
    assert_eq!(after_a_step(&breakpoints, &remade), None, "its goal was made anew");
    let resting = with(episode(&[0.9, 0.5]), 3, |step| step.sub_goal = None);
    assert_eq!(
        after_a_step(&breakpoints, &resting),
        None,
        "there is no sub-goal any more"
    );
    assert_eq!(after_a_step(&breakpoints, &Recording::default()), None);
}

#[test]
fn what_is_not_finite_fires_once() {
    let breakpoints = Breakpoints {
        not_finite: true,
        ..Breakpoints::default()
    };
    let fine = || episode(&[0.5, 0.5, 0.5]);
    assert_eq!(after_a_step(&breakpoints, &fine()), None);
    let cases: [(Recording, &str); 4] = [
        (
            with(fine(), 4, |step| step.similarities[1] = Some(f32::NAN)),
            "the similarity to sub-goal 2 is not finite",
        ),
        (
            with(fine(), 3, |step| step.cost = Some(f32::INFINITY)),
            "the cost of the chosen plan is not finite",
        ),
        (
            with(fine(), 3, |step| step.predicted_similarity[1] = f32::NAN),
            "the similarity of an imagined state is not finite",
        ),
        (
            with(fine(), 3, |step| step.cem[0].costs[1] = f32::INFINITY),
            "1 of 2 costs of CEM iteration 1 are not finite",
        ),
    ];
    for (recording, why) in cases {
        let expected = format!("Paused at step 4: {why}.");
        assert_eq!(after_a_step(&breakpoints, &recording), Some(expected));
        assert_eq!(after_a_step(&Breakpoints::default(), &recording), None);
    }
    let still = with(fine(), 2, |step| step.cost = Some(f32::NAN));
    assert_eq!(
        after_a_step(&breakpoints, &with(still, 3, |step| step.cost = Some(f32::NAN))),
        None,
        "it was so a step ago"
    );
}

#[test]
fn a_slow_plan_fires_after_one_that_was_not() {
    let breakpoints = Breakpoints {
        slow_ms: NonZeroU32::new(500),
        ..Breakpoints::default()
    };
    let took = |recording, step, secs| with(recording, step, move |step: &mut StepRecord| step.plan_secs = secs);
    let slow = took(episode(&[0.5, 0.5]), 2, 0.8124);
    let said = "Paused at step 3: the plan took 812 ms, more than 500 ms.";
    assert_eq!(after_a_step(&breakpoints, &slow).as_deref(), Some(said));
    assert_eq!(
        after_a_step(&breakpoints, &took(slow.clone(), 1, 0.7)),
        None,
        "the one before was slow, too"
    );
    assert_eq!(after_a_step(&breakpoints, &took(slow.clone(), 2, 0.5)), None);
    let unplanned = with(slow.clone(), 2, |step| step.cost = None);
    assert_eq!(
        after_a_step(&breakpoints, &unplanned),
        None,
        "nothing was planned for this step"
    );
    let after_unplanned = with(took(slow, 0, 0.6), 1, |step| step.cost = None);
    assert_eq!(
        after_a_step(&breakpoints, &after_unplanned),
        None,
        "the plan before was slow, too"
    );
}

#[test]
fn steps_switches_and_questions_fire_on_their_own_advance() {
    let everything = Breakpoints {
        steps: [3].into(),
        replan: true,
        switch: true,
        ..Breakpoints::default()
    };
    let mut recording = episode(&[0.5, 0.5]);
    assert_eq!(
        after_a_step(&everything, &recording).as_deref(),
        Some("Paused at step 3: a breakpoint is set here.")
    );
    assert_eq!(after_a_step(&everything, &episode(&[0.5])), None);
    let ended = |recording: &Recording| everything.fired(recording, Advance::Switched)[0].clone();
    assert_eq!(ended(&recording).why, "a sub-goal ended");
    recording.sub_goals[1].end_step = Some(3);
    recording.sub_goals[1].declared = true;
    recording.sub_goals[1].ended_because = Some(EndedBecause::Reached);
    let switched = ended(&recording);
    assert_eq!(
        (switched.step, switched.condition, switched.why.as_str()),
        (3, Condition::Switch, "sub-goal 2 was declared reached")
    );
    recording.sub_goals[1].ended_because = Some(EndedBecause::StepLimit);
    assert_eq!(
        ended(&recording).why,
        "sub-goal 2 was not reached within its step limit"
    );
    let asked = |recording: &Recording| everything.fired(recording, Advance::Asked)[0].why.clone();
    assert_eq!(asked(&recording), "the VLM was asked again");
    recording.replans.push(ReplanRecord {
        step: 3,
        reason: "it was not reached in 20 steps".to_owned(),
        reasoning: String::new(),
        answer: String::new(),
        sub_goals: Vec::new(),
        unread: Vec::new(),
    });
    assert_eq!(
        asked(&recording),
        "the VLM was asked again: it was not reached in 20 steps"
    );
    assert_eq!(everything.fired(&recording, Advance::Finished), []);
    for done in [Advance::Stepped, Advance::Switched, Advance::Asked] {
        assert_eq!(Breakpoints::default().fired(&recording, done), [], "{done:?}");
    }
}

#[test]
fn all_that_fires_at_a_step_is_said() {
    let breakpoints = Breakpoints {
        steps: [3].into(),
        below: level(0.4),
        falling: NonZeroU32::new(1),
        ..Breakpoints::default()
    };
    assert_eq!(breakpoints.count(), 3);
    assert_eq!(
        after_a_step(&breakpoints, &episode(&[0.5, 0.3])).unwrap(),
        "Paused at step 3: a breakpoint is set here; the similarity to sub-goal 2 fell below 0.4, 0.50 to 0.30; the \
         similarity to sub-goal 2 fell for 1 step, 0.50 to 0.30."
    );
}

#[test]
fn only_what_makes_sense_can_be_read() {
    let breakpoints = Breakpoints {
        steps: [4, 9].into(),
        above: level(-0.25),
        falling: NonZeroU32::new(2),
        ..Breakpoints::default()
    };
    let written = serde_json::to_string(&breakpoints).unwrap();
    assert_eq!(serde_json::from_str::<Breakpoints>(&written).unwrap(), breakpoints);
    assert_eq!(
        serde_json::from_str::<Breakpoints>("{}").unwrap(),
        Breakpoints::default()
    );
    for bad in [r#"{"below":1.5}"#, r#"{"falling":0}"#, r#"{"slow_ms":-3}"#] {
        assert!(serde_json::from_str::<Breakpoints>(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Threshold::new(f32::NAN).unwrap_err().to_string(),
        "NaN is not a similarity: those are from -1 to 1."
    );
}

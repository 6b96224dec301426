//! What the shipped checkpoint says of its own words: how sure it was, and where in the frame each one looked.

use std::path::PathBuf;

use egui_kittest::kittest::Queryable as _;
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{Answer, Command, Examination, Phase, Question, Topic};
use thinkjepa::recording::Recording;
use thinkjepa::sim::Frame;
use thinkjepa::vlm::{AttentionQuestion, Lens, TokenAttention};

use crate::support::with_list;
use crate::window::Window;

const TASK: &str = "stack the red block on the green block";

fn planned(window: &mut Window) -> Recording {
    let (task, seed, then) = (TASK.to_owned(), 7, None);
    assert!(window.engine().send(Command::Plan { task, seed, then }));
    window.until("planned", |window| window.phase() == Phase::Paused);
    Recording::clone(&window.recording())
}

/// What was answered to the newest question of a topic.
fn known(window: &Window, topic: Topic) -> Option<TokenAttention> {
    let examined = window.engine().board().examined.get(&topic).cloned()?;
    match &examined.answer {
        Ok(Answer::Attention(known)) => Some(known.clone()),
        other => panic!("{other:?}"),
    }
}

/// The share of each patch that is red, as no pad and no gripper of the scene is.
fn red_shares(frame: &Frame, grid: usize) -> Vec<f32> {
    let (side, plane) = (frame.height / grid, frame.width * frame.height);
    let mut shares = vec![0.0; grid * grid];
    for v in 0..frame.height {
        for u in 0..frame.width {
            let [r, g, b] = [0, 1, 2].map(|channel| u32::from(frame.rgb[channel * plane + v * frame.width + u]));
            if r > 90 && r > 2 * g && r > 2 * b {
                shares[(v / side).min(grid - 1) * grid + (u / side).min(grid - 1)] += 1.0 / (side * side) as f32;
            }
        }
    }
    shares
}

#[test]
fn a_colour_in_the_answer_looks_at_the_object_of_that_colour() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open(PathBuf::from("checkpoints/nano"), DeviceChoice::Cpu, folder.path());
    let recording = planned(&mut window);
    let question = &recording.questions[0];
    let written: String = question.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(written, recording.answer);
    assert!(question.prompt.contains(TASK));
    for token in &question.tokens {
        assert!(token.probability >= token.others[0].1, "greedy: {token:?}");
    }

    // Clicked in the pane, a word's attention comes to the camera.
    window.0.run_steps(3);
    window
        .0
        .get_all_by_label_contains("Word red, p")
        .next()
        .unwrap()
        .click();
    window.0.run_steps(2);
    window.until("the word's map", |window| {
        let named = window.0.query_all_by_label_contains("attention map of the word “red”");
        named.count() == 1 && window.0.query_by_label_contains(", not known").is_none()
    });
    let attention = known(&window, Topic::AnswerAttention).unwrap();
    let grid = attention.grid[0];
    assert_eq!(attention.tokens, question.tokens.len());
    let red = red_shares(&recording.steps[0].frame, grid);
    let area: f32 = red.iter().sum();
    assert!(area > 0.5 && area < 12.0, "{area} patches are red");
    // Of a uniform map this would be 1.
    let on_red = |token: usize| {
        let map = attention.map(token..token + 1, Lens::default(), attention.grid);
        map.values.iter().zip(&red).map(|(w, red)| w * red).sum::<f32>() / area
    };
    let named = question
        .tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.text.trim() == "red");
    let on: Vec<f32> = named.map(|(index, _)| on_red(index)).collect();
    // The first is of the first sub-goal's own text, which training pulls toward what it names.
    assert!(on.iter().all(|&weight| weight > 1.0) && on[0] > 5.0, "{on:?}");

    // The method's own view of the first sub-goal's text is the map that its goal was made with.
    let sub_goal = &recording.sub_goals[0];
    let asked = AttentionQuestion::SubGoal {
        text: sub_goal.text.clone(),
        objects: sub_goal.objects.clone(),
    };
    let asked = Examination::new(Question::Attention(asked), &recording, sub_goal.goal_made_at_step, None);
    assert!(window.engine().send(Command::Examine(asked)));
    window.until("answered", |window| known(window, Topic::SubGoalAttention).is_some());
    let attention = known(&window, Topic::SubGoalAttention).unwrap();
    let map = attention.map(0..attention.tokens, Lens::default(), sub_goal.map.model_grid);
    let gap = map.values.iter().zip(&sub_goal.map.values).map(|(a, b)| (a - b).abs());
    assert!(gap.fold(0.0, f32::max) < 1e-2);
    assert!(*window.recording() == recording, "looking changed the episode");
}

#[test]
fn another_checkpoint_does_not_speak_for_the_recordings_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut window = Window::open(PathBuf::from("checkpoints/nano"), DeviceChoice::Cpu, &at("recordings"));
    planned(&mut window);
    with_list(&at("tiny"));
    let mut window = Window::open(at("tiny"), DeviceChoice::Cpu, &at("others"));
    let recorded = at("recordings/episode-0001.tjrec");
    assert!(window.engine().send(Command::OpenRecording(recorded)));
    window.until("opened", |window| window.phase() == Phase::Opened);
    window.0.run_steps(3);
    window
        .0
        .get_all_by_label_contains("Word red, p")
        .next()
        .unwrap()
        .click();
    window.says("This episode was made with the checkpoint nano");
    window.says("attention map of the word “red”, not known");
}

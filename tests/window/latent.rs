//! The Latent pane: what it asks, when, and what it draws of the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use thinkjepa::engine::{Answer, Command, Examination, Examined, FileContent, Job, JobKind, Phase, Question};
use thinkjepa::eval::latent::{LatentAnswer, LatentQuestion, Rest};
use thinkjepa::recording::Recording;

use super::{Desk, builder, draw, synthetic};

fn latent(recording: Recording, phase: Phase) -> Harness<'static, Desk> {
    // Frames as short as on a screen: the selection rests for several of them.
    let mut window = builder()
        .with_step_dt(1.0 / 60.0)
        .build_ui_state(draw, Desk::new(recording, phase));
    window.run();
    window.get_by_label("Latent pane").click();
    window.run_steps(4);
    window
}

/// Draws until the selection has rested long enough; the questions that went out.
fn asked(window: &mut Harness<'static, Desk>) -> Vec<Examination> {
    window.run_steps(14);
    let sent = window.state_mut().take();
    let questions = sent.into_iter().map(|command| match command {
        Command::Examine(question) => question,
        other => panic!("{other:?}"),
    });
    questions.collect()
}

/// The engine's part: the question is answered on the board.
fn answer(window: &mut Harness<'static, Desk>, asked: Examination, answer: Result<(), &str>) {
    let topic = asked.question.topic();
    let answer = match answer {
        Ok(()) => Ok(synthetic::answer(&asked.question)),
        Err(why) => Err(why.to_owned()),
    };
    let examined = Examined {
        asked,
        answer,
        took: Duration::from_millis(120),
    };
    window.state_mut().board.examined = Arc::new(BTreeMap::from([(topic, Arc::new(examined))]));
    window.run_steps(2);
}

/// Asks and answers once.
fn look(window: &mut Harness<'static, Desk>) -> Examination {
    let questions = asked(window);
    let [question] = &questions[..] else {
        panic!("one question was expected: {questions:?}");
    };
    answer(window, question.clone(), Ok(()));
    question.clone()
}

fn says(window: &Harness<'static, Desk>, words: &str) -> bool {
    window.query_all_by_label_contains(words).next().is_some()
}

#[test]
fn the_selected_step_is_asked_about_once_and_the_older_answer_stays_until_the_newer_one_comes() {
    let mut window = latent(synthetic::recording(), Phase::Paused);
    let first = look(&mut window);
    assert_eq!(
        (first.step, &first.question),
        (
            11,
            &Question::Latent(LatentQuestion::Landscape {
                sub_goal: 1,
                rest: Rest::Held
            })
        )
    );
    assert!(says(&window, "Landscape at step 11 toward sub-goal 2"));
    assert!(says(&window, "expert: dx −1.00, dy 0.50"));
    assert_eq!(asked(&mut window), [], "what is known is not asked again");

    window.key_press(Key::ArrowLeft);
    window.step();
    window.key_press(Key::ArrowLeft);
    window.step();
    assert!(says(&window, "Landscape at step 11"), "it stays, dimmed");
    assert!(says(&window, "working"));
    let questions = asked(&mut window);
    assert_eq!(questions.iter().map(|question| question.step).collect::<Vec<_>>(), [9]);
    answer(&mut window, questions[0].clone(), Ok(()));
    assert!(says(&window, "Landscape at step 9") && !says(&window, "working"));
    // What CEM chose there is in the record.
    assert!(says(&window, "CEM: dx −0.75, dy 0.67"));

    // Another sub-goal is another question; so is what follows the first action.
    window
        .get_by_label_contains("Sub-goal 3: pick up the green block")
        .click();
    let third = look(&mut window);
    assert_eq!(
        third.question,
        Question::Latent(LatentQuestion::Landscape {
            sub_goal: 2,
            rest: Rest::Held
        })
    );
    window.get_by_label("After the first action: As planned").click();
    assert_eq!(
        look(&mut window).question,
        Question::Latent(LatentQuestion::Landscape {
            sub_goal: 2,
            rest: Rest::Planned
        })
    );
    window.get_by_label("Colour: J").click();
    assert_eq!(asked(&mut window), [], "both colours are in the one answer");
}

#[test]
fn a_landscape_without_the_expert_says_why() {
    let mut window = latent(synthetic::recording(), Phase::Paused);
    let questions = asked(&mut window);
    let Answer::Latent(LatentAnswer::Landscape(mut found)) = synthetic::answer(&questions[0].question) else {
        panic!("{questions:?}");
    };
    found.expert = Err("There is no scene \"mine\".".to_owned());
    let examined = Examined {
        asked: questions[0].clone(),
        answer: Ok(Answer::Latent(LatentAnswer::Landscape(found))),
        took: Duration::from_millis(120),
    };
    let topic = questions[0].question.topic();
    window.state_mut().board.examined = Arc::new(BTreeMap::from([(topic, Arc::new(examined))]));
    window.run_steps(2);
    assert!(says(&window, "expert: not known. There is no scene \"mine\"."));
}

#[test]
fn while_a_run_is_followed_the_answer_to_an_older_step_is_let_come() {
    let mut window = latent(synthetic::recording(), Phase::Running);
    let newest = look(&mut window);
    let recording = window.state().recording.clone();
    let older = |step: usize| Examination::new(newest.question.clone(), &recording, step, None);
    window.state_mut().board.examined = Arc::default();
    window.state_mut().board.examining = Arc::new(vec![older(10)]);
    assert_eq!(asked(&mut window), []);
    // Another view is another question, and so is a step that the user goes to.
    window.get_by_label("After the first action: As planned").click();
    assert_eq!(asked(&mut window).len(), 1);
    window.get_by_label("After the first action: Held").click();
    assert_eq!(asked(&mut window), []);
    window.key_press(Key::ArrowLeft);
    window.key_press(Key::ArrowLeft);
    window.run_steps(2);
    let selected = window.state().state.selection.step.expect("a step of the past");
    assert!(selected < 11);
    window.state_mut().board.examining = Arc::new(vec![older(2)]);
    let questions = asked(&mut window);
    assert_eq!(
        questions.iter().map(|question| question.step).collect::<Vec<_>>(),
        [selected]
    );
}

#[test]
fn every_view_draws_its_answer() {
    let mut window = latent(synthetic::recording(), Phase::Opened);
    window.key_press(Key::Home);
    asked(&mut window);
    for (button, words) in [
        ("Patches", "Principal components of 4 x 4 patches at step 0"),
        (
            "Error",
            "Open-loop error of tokens at step 0, 5 steps ahead; 0.100 of persistence at +1",
        ),
        (
            "Actions",
            "Sensitivity to actions at step 0, 5 steps ahead; shuffled over moved 1.50",
        ),
        ("Imagined", "Imagined +1: step 2, distance 0.100"),
    ] {
        window.get_by_label(&format!("Latent view: {button}")).click();
        let asked = look(&mut window);
        assert_eq!(asked.step, 0);
        assert!(says(&window, words), "{words}");
        window.check_accessibility();
    }
    for words in ["Real +3: step 3, distance 0.200", "Real +4: not yet", "Read out +1"] {
        assert!(says(&window, words), "{words}");
    }
    window.get_by_label_contains("Real +3: step 3").click();
    window.run_steps(2);
    assert_eq!(
        window.state().state.selection.step,
        Some(3),
        "a frame leads to its step"
    );
    window.get_by_label("Latent view: Error").click();
    look(&mut window);
    window.get_by_label("Error of: Gripper").click();
    window.run_steps(2);
    assert!(says(&window, "Open-loop error of gripper at step 3"));
}

#[test]
fn a_patch_is_selected_here_as_over_the_camera() {
    let mut window = latent(synthetic::recording(), Phase::Opened);
    window.get_by_label("Latent view: Patches").click();
    look(&mut window);
    window
        .get_by_label("Principal components of 4 x 4 patches at step 11")
        .click();
    window.run_steps(2);
    let selected = window.state().state.selection.patch.expect("a patch");
    assert_eq!(selected.grid, [4, 4]);
    assert_eq!(selected.on([8, 8]), selected.at.map(|at| 2 * at + 1));
    window
        .get_by_label("Principal components of 4 x 4 patches at step 11")
        .click();
    window.run_steps(2);
    assert_eq!(
        window.state().state.selection.patch,
        None,
        "a second click takes it back"
    );
}

#[test]
fn an_answer_that_takes_long_is_stopped_and_asked_for_again() {
    let mut window = latent(synthetic::recording(), Phase::Paused);
    let first = asked(&mut window);
    assert_eq!(first.len(), 1);
    let state = window.state_mut();
    state.board.examining = Arc::new(first.clone());
    state.board.jobs.push(Job {
        id: 1,
        kind: JobKind::Examine,
        what: "Looking into step 11".to_owned(),
        done: 0,
        total: None,
        started: Instant::now() - Duration::from_secs(3),
        first: 0,
        waits_since: None,
        pausing: false,
    });
    window.run_steps(2);
    window.get_by_label("Stop").click();
    window.run_steps(2);
    let state = window.state_mut();
    assert!(matches!(state.take()[..], [Command::StopExamining]));
    (state.board.examining, state.board.jobs) = (Arc::default(), Vec::new());
    assert_eq!(asked(&mut window), [], "nobody wants it any more");
    window.get_by_label("Ask again").click();
    assert_eq!(asked(&mut window), first);
}

#[test]
fn every_pane_that_follows_the_step_leads_back_to_live() {
    for pane in ["Camera", "CEM", "Sub-goals", "Reasoning", "Similarity", "Latent"] {
        let mut window = latent(synthetic::recording(), Phase::Paused);
        if pane == "CEM" {
            window.get_by_label("CEM pane").click();
            window.run_steps(2);
        }
        let back = format!("{pane}: back to live");
        assert!(window.query_by_label(&back).is_none(), "{pane}");
        window.key_press(Key::Home);
        window.run_steps(2);
        window.get_by_label(&back).click();
        window.run_steps(2);
        assert_eq!(window.state().state.selection.step, None, "{pane}");
    }
}

#[test]
fn what_cannot_be_answered_says_what_to_do() {
    let mut closed = latent(synthetic::recording(), Phase::Closed);
    assert_eq!(asked(&mut closed), []);
    assert!(says(&closed, "No model is loaded. Load a checkpoint with Open"));
    let mut empty = latent(Recording::default(), Phase::Idle);
    assert_eq!(asked(&mut empty), []);
    assert!(says(&empty, "No sub-goal is pursued"));
    empty.get_by_label("Latent view: Patches").click();
    assert_eq!(asked(&mut empty), []);
    assert!(says(&empty, "Type a task and press Enter, or open a recording."));

    let mut other = latent(synthetic::recording(), Phase::Opened);
    let questions = asked(&mut other);
    let why = "This episode was made with another checkpoint.";
    answer(&mut other, questions[0].clone(), Err(why));
    assert!(says(&other, why));
    assert_eq!(asked(&mut other), [], "it is not asked again and again");
}

#[test]
fn errors_and_sensitivity_by_horizon_step_are_saved_by_a_right_click() {
    let mut window = latent(synthetic::recording(), Phase::Opened);
    window.key_press(Key::Home);
    asked(&mut window);
    for (button, plot, title) in [
        (
            "Error",
            "Open-loop error of tokens",
            "step,ahead,tokens,tokens_persistence,",
        ),
        ("Actions", "Sensitivity to actions", "step,ahead,moved,still,shuffled"),
    ] {
        window.get_by_label(&format!("Latent view: {button}")).click();
        look(&mut window);
        window.get_by_label_contains(plot).click_secondary();
        window.run_steps(4);
        window
            .get_by_label("Save the numbers of the Latent pane as CSV")
            .click();
        window.run_steps(4);
        let sent = window.state_mut().take();
        let Some(Command::Write {
            content: FileContent::Text(text),
            ..
        }) = sent.first()
        else {
            panic!("{sent:?}");
        };
        assert!(text.starts_with(title), "{text}");
        assert_eq!(text.lines().count(), 6, "a head and five steps ahead");
    }
}

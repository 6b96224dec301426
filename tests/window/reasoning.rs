//! The reasoning pane: how sure the model was, and the way from words to sub-goals and patches and back.

use std::sync::Arc;
use std::time::Duration;

use egui::Key;
use egui::accesskit::Toggled;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use thinkjepa::engine::{Answer, Command, Examination, Examined, Phase, Question};
use thinkjepa::panels::{Patch, WordAt};
use thinkjepa::recording::Recording;
use thinkjepa::vlm::{AttentionQuestion, Lens};

use super::{Desk, builder, draw, synthetic, window};

fn with_tokens() -> Harness<'static, Desk> {
    let mut window = window(Desk::new(synthetic::recording_with_tokens(), Phase::Paused));
    window.run();
    window
}

/// What was asked of the models, each question once; nothing else may have been sent.
fn asked(window: &mut Harness<'_, Desk>) -> Vec<Examination> {
    let mut asked: Vec<Examination> = Vec::new();
    for command in window.state_mut().take() {
        let Command::Examine(examination) = command else {
            panic!("{command:?}")
        };
        if !asked.contains(&examination) {
            asked.push(examination);
        }
    }
    asked
}

/// Puts what the models say on the board.
fn answer(
    window: &mut Harness<'_, Desk>,
    questions: Vec<Examination>,
    say: impl Fn(&Question) -> Result<Answer, String>,
) {
    for asked in questions {
        let examined = Examined {
            answer: say(&asked.question),
            asked,
            took: Duration::ZERO,
        };
        let board = &mut window.state_mut().board;
        Arc::make_mut(&mut board.examined).insert(examined.asked.question.topic(), Arc::new(examined));
    }
    window.run();
}

fn says(question: &Question) -> Result<Answer, String> {
    Ok(synthetic::answer(question))
}

fn click(window: &mut Harness<'_, Desk>, label: &str) {
    window.get_all_by_label(label).next().unwrap().click();
    window.run();
}

fn is_marked(window: &Harness<'_, Desk>, label: &str) -> bool {
    let word = window.get_all_by_label(label).next().unwrap();
    word.accesskit_node().toggled() == Some(Toggled::True)
}

/// A word of the answer is selected with a patch, and what the models say of it is known.
pub fn looked_at() -> Desk {
    let recording = synthetic::recording_with_tokens();
    let asked = AttentionQuestion::Answer {
        prompt: recording.questions[0].prompt.clone(),
        tokens: (0..32).collect(),
    };
    let asked = Examination::new(Question::Attention(asked), &recording, 0, None);
    let examined = Examined {
        answer: says(&asked.question),
        asked,
        took: Duration::ZERO,
    };
    let mut desk = Desk::new(recording, Phase::Paused);
    Arc::make_mut(&mut desk.board.examined).insert(examined.asked.question.topic(), Arc::new(examined));
    let word = WordAt {
        question: 0,
        tokens: 23..25,
    };
    desk.state.toggle_word(word, Some(1));
    (desk.state.selection.patch, desk.state.lens.head) = (
        Some(Patch {
            grid: [8, 8],
            at: [2, 7],
        }),
        Some(2),
    );
    desk
}

#[test]
fn a_words_tooltip_tells_its_probability_and_what_it_might_have_been() {
    let mut window = builder()
        .with_step_dt(0.5)
        .build_ui_state(draw, Desk::new(synthetic::recording_with_tokens(), Phase::Paused));
    window.run();
    let alternatives = "Instead: “green” 0.05 · “end of answer” < 0.01";
    assert!(window.query_by_label(alternatives).is_none());
    window.get_by_label("Word free, p 0.40").hover();
    window.run();
    assert!(window.query_by_label("p 0.40").is_some() && window.query_by_label(alternatives).is_some());
    assert!(asked(&mut window).is_empty(), "hovering asks the models for nothing");
}

#[test]
fn a_click_on_a_word_selects_it_and_its_sub_goal_and_escape_lets_it_go() {
    let mut window = with_tokens();
    // The step's own sub-goal is the second.
    assert!(!is_marked(&window, "Word pick, p 0.93") && is_marked(&window, "Word place, p 0.93"));
    let own = "Camera at step 11, attention map of sub-goal 2";
    assert!(window.query_by_label(own).is_some() && asked(&mut window).is_empty());

    click(&mut window, "Word pick, p 0.93");
    assert_eq!(window.state().state.selection.sub_goal, Some(0));
    let waiting = "Camera at step 11, attention map of the word “pick”, not known";
    assert!(window.query_by_label(waiting).is_some());
    let ids = (0..32).collect();
    let prompt = window.state().recording.questions[0].prompt.clone();
    let expected = Question::Attention(AttentionQuestion::Answer { prompt, tokens: ids });
    window.run();
    let open = asked(&mut window);
    let questions: Vec<_> = open.iter().map(|one| (one.question.clone(), one.step)).collect();
    assert_eq!(questions, [(expected, 0)]);
    window.run();
    answer(&mut window, open, says);
    let shown = "Camera at step 11, attention map of the word “pick”";
    assert!(window.query_by_label(shown).is_some() && window.query_by_label("Word “pick” as seen at step 0").is_some());
    assert!(is_marked(&window, "Word pick, p 0.93, shown in the camera") && is_marked(&window, "Word up, p 0.93"));

    // Another word of the same answer is known already, and so is the way back.
    click(&mut window, "Word free, p 0.40");
    assert!(
        window
            .query_by_label("Camera at step 11, attention map of the word “free”")
            .is_some()
    );
    assert_eq!(
        window.state().state.selection.sub_goal,
        Some(0),
        "a word of no sub-goal keeps it"
    );
    window.key_press(Key::Escape);
    window.run();
    assert!(
        window
            .query_by_label("Camera at step 11, attention map of sub-goal 1")
            .is_some()
    );
    click(&mut window, "Word free, p 0.40");
    click(&mut window, "Word free, p 0.40, shown in the camera");
    assert_eq!(window.state().state.selection.word, None);
    click(&mut window, "Word free, p 0.40");
    click(&mut window, "Back to the sub-goal's map");
    assert_eq!(window.state().state.selection.word, None);
    assert!(asked(&mut window).is_empty(), "an answer is asked about once");
}

#[test]
fn sub_goals_and_their_text_are_one_selection() {
    let mut window = with_tokens();
    click(&mut window, "Word 1. [, p 0.93");
    let selection = &window.state().state.selection;
    assert_eq!((selection.sub_goal, &selection.word), (Some(0), &None));
    assert!(is_marked(&window, "Word pick, p 0.93") && !is_marked(&window, "Word place, p 0.93"));
    window
        .get_by_label_contains("Sub-goal 2: place the red block on the blue pad")
        .click();
    window.run();
    assert!(is_marked(&window, "Word place, p 0.93") && !is_marked(&window, "Word pick, p 0.93"));
    // An object in the reasoning belongs to the sub-goal that names it.
    click(&mut window, "Word red, p 0.93");
    assert_eq!(window.state().state.selection.sub_goal, Some(0));
    window
        .get_by_label_contains("Sub-goal 2: place the red block on the blue pad")
        .click();
    window.run();
    assert_eq!(
        window.state().state.selection.word,
        None,
        "the sub-goal's own map is shown"
    );
}

#[test]
fn a_patch_marks_the_words_that_looked_at_it() {
    let mut window = with_tokens();
    window
        .get_by_label("Camera at step 11, attention map of sub-goal 2")
        .click();
    window.run();
    assert_eq!(
        window.state().state.selection.patch,
        Some(Patch {
            grid: [8, 8],
            at: [4, 4]
        }),
        "the middle of the picture"
    );
    let open = asked(&mut window);
    assert_eq!(open.len(), 1);
    window.state_mut().state.selection.patch = Some(Patch {
        grid: [8, 8],
        at: [0, 4],
    });
    window.run();
    answer(&mut window, open, says);
    // The fifth token looks at the fifth patch, all others about equally elsewhere.
    let most = "Patch row 0, column 4: most looked at by “free” 30.0 %, “The” 0.500 %, “red” 0.500 %";
    assert!(window.query_by_label(most).is_some());
    assert!(
        window
            .query_by_label("Word free, p 0.40, 30.0 % on the patch")
            .is_some()
    );
    // The world model's patches are finer: the same place is another row and column there.
    click(&mut window, "Attention map: Patches");
    window.state_mut().state.selection.patch = Some(Patch {
        grid: [16, 16],
        at: [1, 9],
    });
    window.run();
    assert!(
        window
            .query_by_label("Word free, p 0.40, 30.0 % on the patch")
            .is_some()
    );
    // Through another layer it was looked at by others.
    window.state_mut().state.lens = Lens {
        layer: Some(0),
        head: Some(4),
    };
    window.run();
    assert!(
        window
            .query_by_label("Word pick, p 0.93, 30.0 % on the patch")
            .is_some()
    );
}

#[test]
fn layer_and_head_change_what_is_seen_and_nothing_else() {
    let mut window = with_tokens();
    let recording = window.state().recording.clone();
    click(&mut window, "Layer of the attention");
    click(&mut window, "2");
    window.run();
    assert_eq!(
        window.state().state.lens,
        Lens {
            layer: Some(1),
            head: None
        }
    );
    let asked_for = AttentionQuestion::SubGoal {
        text: "place the red block on the blue pad".to_owned(),
        objects: vec!["red block".to_owned(), "blue pad".to_owned()],
    };
    let open = asked(&mut window);
    let step = recording.sub_goals[1].goal_made_at_step;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (&open[0].question, open[0].step),
        (&Question::Attention(asked_for), step)
    );
    window.run();
    answer(&mut window, open, says);
    let seen = "Camera at step 11, attention map of sub-goal 2 through layer 2, mean of heads";
    assert!(window.query_by_label(seen).is_some() && window.query_by_label("Layer 2, mean of heads").is_some());
    click(&mut window, "Head of the attention");
    click(&mut window, "4");
    let seen = "Camera at step 11, attention map of sub-goal 2 through layer 2, head 4";
    assert!(window.query_by_label(seen).is_some());
    click(&mut window, "Word pick, p 0.93");
    window.run();
    let open = asked(&mut window);
    answer(&mut window, open, says);
    let seen = "Camera at step 11, attention map of the word “pick” through layer 2, head 4";
    assert!(window.query_by_label(seen).is_some());
    assert!(asked(&mut window).is_empty() && window.state().recording == recording);
}

#[test]
fn why_attention_cannot_be_shown_is_said() {
    let mut window = with_tokens();
    click(&mut window, "Word pick, p 0.93");
    let why = "This episode was made with another checkpoint.";
    let open = asked(&mut window);
    answer(&mut window, open, |_| Err(why.to_owned()));
    assert!(window.query_by_label(why).is_some());
    window.key_press(Key::Escape);
    window.run();
    assert!(window.query_by_label(why).is_none());
}

#[test]
fn an_older_recording_has_its_text_and_its_links() {
    let mut window = window(Desk::new(synthetic::recording(), Phase::Opened));
    window.run();
    assert!(
        window.query_by_label("Layer of the attention").is_some(),
        "a sub-goal's map needs no tokens"
    );
    window.get_all_by_label("red block").next().unwrap().click();
    window.run();
    let selection = &window.state().state.selection;
    assert_eq!((selection.sub_goal, &selection.word), (Some(0), &None));
    let mut planned = window;
    planned.state_mut().recording = Recording::default();
    planned.run();
    assert!(
        planned
            .query_by_label("What the VLM thinks before it writes its list.")
            .is_some()
    );
}

//! Algorithm 2 in a world that can be solved on paper.

mod switches;

use std::sync::atomic::Ordering;

use super::*;
use crate::config::GoalTiming;
use crate::planner::PlanDocument;
use crate::planner::toy::{ToyGoals, ToyModel, ToyReasoner, ToyWorld, toy_config};

const TWO: &str = "Both places are free.\n1. go to 0.4 0.3 | red pad\n2. go to -0.2 0.3 | blue pad, moon\n";
/// Off the table: nothing gets there.
const NEVER: &str = "Try this.\n1. go to 1.9 1.9 | red pad\n2. go to 0.0 0.0 | red pad\n";

struct Run {
    episode: Episode,
    world: ToyWorld,
    model: ToyModel,
    goals: ToyGoals,
    reasoner: ToyReasoner,
    cancel: AtomicBool,
}

impl Run {
    fn new(answers: &[&'static str], change: impl FnOnce(&mut PlanConfig)) -> Self {
        let mut config = toy_config();
        change(&mut config);
        let setup = EpisodeSetup {
            task: "go there, then there".to_owned(),
            seed: 7,
            scene_objects: vec!["red pad".to_owned(), "blue pad".to_owned()],
            view_height_px: 4,
            ..EpisodeSetup::default()
        };
        Self {
            episode: Episode::new(setup, config),
            world: ToyWorld::new(),
            model: ToyModel::new(),
            goals: ToyGoals::default(),
            reasoner: ToyReasoner::new(answers),
            cancel: AtomicBool::new(false),
        }
    }

    fn advance(&mut self) -> Progress {
        let models = Models {
            world: &self.model,
            goals: &self.goals,
            reasoner: &self.reasoner,
        };
        let progress = self
            .episode
            .advance(&mut self.world, &models, &mut |_| (), &self.cancel)
            .unwrap();
        self.episode.judge(&self.world);
        progress
    }

    /// Until the end, or for 200 calls.
    fn finish(&mut self) -> Outcome {
        for _ in 0..200 {
            if let Progress::Over(outcome) = self.advance() {
                return outcome;
            }
        }
        panic!("the episode does not end");
    }

    fn edit(&mut self, list: &[&str], from: usize) -> Result<(), PlannerError> {
        let models = Models {
            world: &self.model,
            goals: &self.goals,
            reasoner: &self.reasoner,
        };
        let list = list.iter().map(|line| SubGoal::read(line).unwrap()).collect();
        self.episode
            .edit(list, from, &self.world, &models, &mut |_, _| (), &self.cancel)
    }

    /// Goes on from a kept moment, as another run.
    fn branch(&self, kept: &(EpisodeSnapshot, ToyWorld), seed: Option<u64>) -> Self {
        Self {
            episode: self.episode.branch(&kept.0, seed, None),
            world: kept.1.clone(),
            ..Self::new(&[TWO], |_| ())
        }
    }

    /// Until so many actions were executed.
    fn advance_to(&mut self, step: usize) {
        while self.episode.step() < step {
            self.advance();
        }
    }

    fn kept(&self) -> (EpisodeSnapshot, ToyWorld) {
        (self.episode.snapshot(), self.world.clone())
    }

    /// Text, and whether the user wrote it, of the sub-goals that were not replaced.
    fn list(&self) -> Vec<(String, bool)> {
        let recording = self.episode.recording().snapshot();
        let records = recording.sub_goals.into_iter();
        records
            .filter(|record| record.ended_because != Some(EndedBecause::Replaced))
            .map(|record| (record.text, record.edited))
            .collect()
    }

    fn document(&self) -> PlanDocument {
        self.episode
            .recording()
            .read(|recording| PlanDocument::from_recording(recording, &toy_config()))
    }
}

#[test]
fn two_sub_goals_are_reached_one_after_the_other() {
    let mut run = Run::new(&[TWO], |_| ());
    assert_eq!(run.advance(), Progress::Reasoned);
    assert_eq!(run.advance(), Progress::Acted { step: 1 });
    assert_eq!(run.finish(), Outcome::Reached);
    let recording = run.episode.recording().snapshot();
    let [first, second] = &recording.sub_goals[..] else {
        panic!("two sub-goals")
    };
    assert_eq!(recording.reasoning, "Both places are free.");
    assert_eq!(
        (first.declared, first.achieved, first.start_step),
        (true, Some(true), Some(0))
    );
    assert_eq!((second.declared, second.achieved), (true, Some(true)));
    assert_eq!(second.unmatched, ["moon"]);
    assert!(first.end_step.is_some() && second.start_step == first.end_step);
    // The second goal was made anew where the first one ended.
    assert_eq!(Some(second.goal_made_at_step), second.start_step);
    let made: Vec<String> = run
        .goals
        .made
        .lock()
        .unwrap()
        .iter()
        .map(|(text, _)| text.clone())
        .collect();
    assert_eq!(made, ["go to 0.4 0.3", "go to -0.2 0.3", "go to -0.2 0.3"]);
    // Every frame is there, every one but the last has its action, and the plan got nearer as it said it would.
    assert_eq!(recording.steps.len(), run.episode.step() + 1);
    assert!(recording.steps.iter().enumerate().all(|(i, record)| record.step == i));
    assert_eq!(
        recording.steps.iter().filter(|record| record.action.is_none()).count(),
        1
    );
    let start = &recording.steps[0];
    assert!(start.predicted_similarity.len() == 5 && start.predicted_similarity[4] > start.similarities[0].unwrap());
    let lengths: Vec<usize> = start.predicted_others.iter().map(Vec::len).collect();
    assert_eq!(lengths.len(), start.similarities.len());
    assert!(
        lengths[0] == 0 && lengths[1..].iter().all(|&length| length == 5),
        "{lengths:?}"
    );
    assert_eq!((start.predicted(0).len(), start.predicted(1).len()), (5, 5));
    assert_eq!(start.cem.len(), toy_config().cem.iterations);
}

#[test]
fn what_of_a_list_cannot_be_read_is_kept_for_the_window_and_the_plan() {
    let mut run = Run::new(
        &["1. go to 0.2 0.0 | red pad\nand on\n3. go to 1.9 1.9 | red pad", TWO],
        |config| config.t_max = 12,
    );
    assert_eq!(run.finish(), Outcome::Reached);
    let recording = run.episode.recording().snapshot();
    assert_eq!(recording.unread, ["and on", "number 3 where 2 was expected"]);
    assert!(recording.replans[0].unread.is_empty());
    assert_eq!(recording.replans[0].answer, TWO);
    assert_eq!(run.document().unread, recording.unread);
}

#[test]
fn goals_made_once_stay_as_they_were_made() {
    let mut run = Run::new(&[TWO], |config| config.goals = GoalTiming::Once);
    run.finish();
    assert!(run.goals.made.lock().unwrap().iter().all(|(_, x)| x.abs() < 1e-3));
    assert_eq!(run.goals.made.lock().unwrap().len(), 2);
}

#[test]
fn a_sub_goal_out_of_time_has_the_vlm_asked_again_with_the_history() {
    let mut run = Run::new(
        &["1. go to 0.2 0.0 | red pad\n2. go to 1.9 1.9 | red pad", TWO],
        |config| config.t_max = 12,
    );
    assert_eq!(run.finish(), Outcome::Reached);
    let recording = run.episode.recording().snapshot();
    assert_eq!(recording.replans.len(), 1);
    assert_eq!(recording.replans[0].reasoning, "Both places are free.");
    assert_eq!(recording.replans[0].sub_goals.len(), 2);
    // The list of each question and its tokens.
    let questions = recording.questions.iter();
    let told: Vec<_> = questions.map(|one| (one.step == 0, one.first_sub_goal)).collect();
    assert_eq!(told, [(true, Some(0)), (false, Some(2))]);
    assert_eq!(recording.questions[1].step, recording.replans[0].step);
    for (question, answer) in recording
        .questions
        .iter()
        .zip([&recording.answer, &recording.replans[0].answer])
    {
        let written: String = question.tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(&written, answer);
    }
    let ends: Vec<_> = recording.sub_goals.iter().map(|record| record.ended_because).collect();
    let reached = Some(EndedBecause::Reached);
    assert_eq!(ends, [reached, Some(EndedBecause::StepLimit), reached, reached]);
    let failed = &recording.sub_goals[1];
    assert_eq!(
        failed.end_step.zip(failed.start_step).map(|(end, start)| end - start),
        Some(12)
    );
    assert_eq!(
        run.reasoner.asked.lock().unwrap()[1],
        (0.0, Some("go to 1.9 1.9".to_owned()))
    );
}

#[test]
fn re_plans_are_bounded() {
    let mut run = Run::new(&[NEVER], |config| (config.t_max, config.max_replans) = (2, 2));
    let Outcome::NotReached { reason } = run.finish() else {
        panic!("reached")
    };
    assert_eq!(
        reason,
        "\"go to 1.9 1.9\" was not reached in 2 steps, after 2 re-plans."
    );
    let recording = run.episode.recording().snapshot();
    assert_eq!(
        (recording.replans.len(), recording.sub_goals.len(), run.episode.step()),
        (2, 6, 6)
    );
    assert_eq!(recording.sub_goals[1].ended_because, Some(EndedBecause::Replaced));
    assert_eq!(recording.sub_goals[0].achieved, Some(false));
}

#[test]
fn an_unreadable_answer_is_asked_for_once_more() {
    let mut run = Run::new(&["I cannot say", TWO], |_| ());
    assert_eq!(run.advance(), Progress::Reasoned);
    assert_eq!(*run.reasoner.asked.lock().unwrap(), [(0.0, None), (0.7, None)]);
    // What could not be read leaves no tokens behind.
    let questions = run.episode.recording().snapshot().questions;
    let first = questions[0].tokens[0].text.as_str();
    assert!(questions.len() == 1 && TWO.starts_with(first), "{first}");
    let mut run = Run::new(&["I cannot say"], |_| ());
    assert_eq!(
        run.finish(),
        Outcome::Unparsed {
            answer: "I cannot say".to_owned()
        }
    );
    assert_eq!(run.reasoner.asked.lock().unwrap().len(), 2);
    assert_eq!((run.document().outcome.as_str(), run.world.x), ("unparsed", 0.0));
}

#[test]
fn the_same_seed_gives_the_same_document_also_after_going_back() {
    let mut straight = Run::new(&[TWO], |_| ());
    straight.finish();

    let mut run = Run::new(&[TWO], |_| ());
    while run.episode.step() < 3 {
        run.advance();
    }
    let (kept, world) = (run.episode.snapshot(), run.world.clone());
    assert_eq!(kept.step(), 3);
    // Another branch: other settings, then the user's own sub-goal.
    let mut wary = toy_config();
    wary.cem.sd0 = 0.2;
    run.episode.set_config(wary);
    run.advance();
    run.edit(&["go to 0.0 -0.5"], 0).unwrap();
    run.finish();
    assert!(
        (run.world.y + 0.5).abs() < 0.1,
        "the edited sub-goal was not pursued: y = {}",
        run.world.y
    );
    assert_ne!(run.document(), straight.document());

    run.episode.set_config(toy_config());
    run.episode.restore(&kept);
    run.world = world;
    run.finish();
    assert_eq!(run.document(), straight.document());
}

#[test]
fn a_cancelled_step_changes_nothing_and_can_be_repeated() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.cancel.store(true, Ordering::Relaxed);
    let before = run.document();
    assert_eq!(run.advance(), Progress::Cancelled);
    assert_eq!((run.document().actions, run.world.x), (before.actions, 0.0));
    run.cancel.store(false, Ordering::Relaxed);
    assert_eq!(run.finish(), Outcome::Reached);
    let mut straight = Run::new(&[TWO], |_| ());
    straight.finish();
    assert_eq!(run.document(), straight.document());
}

#[test]
fn an_interrupted_episode_says_so() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.advance();
    run.episode.interrupt();
    assert_eq!(run.finish(), Outcome::Interrupted);
    assert_eq!(
        run.document().sub_goals[0].ended_because,
        Some(EndedBecause::Interrupted)
    );
}

#[test]
fn a_list_that_is_edited_before_it_begins_leaves_no_trace_but_the_edit() {
    let mut run = Run::new(&[TWO], |_| ());
    assert_eq!(run.advance(), Progress::Reasoned);
    run.edit(&["go to -0.2 0.3 | blue pad, moon", "go to 0.0 -0.5 | red pad"], 0)
        .unwrap();
    let (first, second) = ("go to -0.2 0.3".to_owned(), "go to 0.0 -0.5".to_owned());
    assert_eq!(run.list(), [(first, false), (second, true)]);
    let recording = run.episode.recording().snapshot();
    assert_eq!(recording.sub_goals.len(), 2);
    assert_eq!(recording.steps[0].similarities.len(), 2);
    assert_eq!(recording.sub_goals[0].unmatched, ["moon"]);
    let [edit] = &recording.edits[..] else {
        panic!("one edit")
    };
    assert_eq!(
        (edit.step, &edit.before[..], edit.after.len()),
        (
            0,
            &[
                "go to 0.4 0.3 | [red pad]".to_owned(),
                "go to -0.2 0.3 | [blue pad, moon]".to_owned()
            ][..],
            2
        )
    );
    assert_eq!(run.finish(), Outcome::Reached);
    assert!((run.world.y + 0.5).abs() < 0.12, "y = {}", run.world.y);

    // Nothing that was done is done again, and what is undone is the model's own again.
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.edit(&["go to 0.0 -0.5"], 0).unwrap();
    run.edit(&["go to 0.4 0.3 | red pad", "go to -0.2 0.3 | blue pad, moon"], 0)
        .unwrap();
    assert!(run.list().iter().all(|(_, edited)| !edited), "{:?}", run.list());
    assert_eq!(run.finish(), Outcome::Reached);
    let mut straight = Run::new(&[TWO], |_| ());
    straight.finish();
    assert_eq!(run.document().actions, straight.document().actions);
    assert_eq!(run.document().edits.len(), 2);
}

#[test]
fn an_edit_of_objects_alone_is_an_edit() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.edit(&["go to 0.4 0.3 | red pad", "go to -0.2 0.3 | red pad"], 0)
        .unwrap();
    let recording = run.episode.recording().snapshot();
    assert_eq!(recording.sub_goals[1].objects, ["red pad"]);
    let [edit] = &run.document().edits[..] else {
        panic!("one edit")
    };
    assert_eq!(edit.before[1], "go to -0.2 0.3 | [blue pad, moon]");
    assert_eq!(edit.after[1], "go to -0.2 0.3 | [red pad]");
    assert_eq!(edit.before[0], edit.after[0]);
    // The same list once more is none.
    run.edit(&["go to 0.4 0.3 | red pad", "go to -0.2 0.3 | red pad"], 0)
        .unwrap();
    assert_eq!(run.document().edits.len(), 1);
}

#[test]
fn what_comes_later_can_be_changed_while_the_current_sub_goal_goes_on() {
    let mut straight = Run::new(&[TWO], |_| ());
    straight.finish();
    let mut run = Run::new(&[TWO], |_| ());
    run.advance_to(2);
    let made = run.goals.made.lock().unwrap().len();
    run.edit(
        &[
            "go to 0.4 0.3 | red pad",
            "go to 0.0 -0.5",
            "go to -0.2 0.3 | blue pad, moon",
        ],
        0,
    )
    .unwrap();
    // The current one keeps its goal, its steps and its plan.
    assert_eq!(run.goals.made.lock().unwrap().len(), made + 2);
    let reached_at = |run: &Run| run.episode.recording().snapshot().sub_goals[0].end_step;
    assert_eq!(run.finish(), Outcome::Reached);
    assert_eq!(reached_at(&run), reached_at(&straight));
    let end = reached_at(&run).unwrap();
    assert_eq!(run.document().actions[..end], straight.document().actions[..end]);
    let recording = run.episode.recording().snapshot();
    let ends: Vec<_> = recording.sub_goals.iter().map(|record| record.ended_because).collect();
    let (reached, replaced) = (Some(EndedBecause::Reached), Some(EndedBecause::Replaced));
    assert_eq!(ends, [reached, replaced, reached, reached]);
    assert_eq!(recording.sub_goals[1].end_step, None);

    // An episode that is over goes on with what is written after it.
    run.edit(&["go to 0.4 0.3"], recording.sub_goals.len()).unwrap();
    assert!(run.episode.recording().read(|recording| recording.outcome.is_none()));
    assert_eq!(run.finish(), Outcome::Reached);
    assert!((run.world.x - 0.4).hypot(run.world.y - 0.3) < 0.12);
}

#[test]
fn an_edit_that_arrives_late_does_not_do_again_what_was_reached() {
    let mut run = Run::new(&[TWO], |_| ());
    while !matches!(run.advance(), Progress::Switched { .. }) {}
    run.edit(&["go to 0.4 0.3 | red pad", "go to 0.0 -0.5"], 0).unwrap();
    let texts: Vec<String> = run.list().into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["go to 0.4 0.3", "go to 0.0 -0.5"]);
    // All that the user wanted was reached.
    run.edit(&["go to 0.4 0.3 | red pad"], 0).unwrap();
    assert_eq!(run.finish(), Outcome::Reached);
    assert_eq!(run.list().len(), 1);
}

#[test]
fn an_edit_in_place_of_a_re_plan_takes_it_back_and_the_next_one_has_its_own_answer() {
    let mut run = Run::new(&[NEVER, TWO], |config| (config.t_max, config.max_replans) = (12, 1));
    while !matches!(run.advance(), Progress::OutOfTime { .. }) {}
    // The question is broken off before the user writes.
    run.cancel.store(true, Ordering::Relaxed);
    assert_eq!(run.advance(), Progress::Cancelled);
    run.cancel.store(false, Ordering::Relaxed);
    run.edit(&["go to 1.8 1.9"], 1).unwrap();
    let recording = run.episode.recording().snapshot();
    assert_eq!((recording.replans.len(), recording.questions.len()), (0, 1));
    assert_eq!(recording.edits.len(), 1);
    // It was not spent either.
    assert_eq!(run.finish(), Outcome::Reached);
    let recording = run.episode.recording().snapshot();
    let [replan] = &recording.replans[..] else {
        panic!("{:?}", recording.replans);
    };
    assert!(replan.reason.contains("go to 1.8 1.9"), "{}", replan.reason);
    assert_eq!((replan.answer.as_str(), recording.questions.len()), (TWO, 2));
    assert_eq!(recording.questions[1].step, replan.step);
}

#[test]
fn an_edit_that_cannot_be_made_changes_nothing() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance_to(1);
    let before = run.episode.recording().snapshot();
    assert!(run.edit(&[], 0).unwrap_err().to_string().contains("at least one"));
    let err = run.edit(&["go to 0.0 0.0", "dance"], 0).unwrap_err();
    assert!(err.to_string().contains("no place in \"dance\""), "{err}");
    run.cancel.store(true, Ordering::Relaxed);
    assert!(matches!(run.edit(&["go to 0.0 0.0"], 0), Err(PlannerError::Cancelled)));
    assert_eq!(run.episode.recording().snapshot(), before);
}

#[test]
fn a_branch_under_the_same_seed_does_the_same_and_under_another_something_else() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance_to(3);
    let kept = run.kept();
    run.finish();
    let document = run.document();

    let mut same = run.branch(&kept, None);
    same.finish();
    assert_eq!(same.document(), document);
    let mut other = run.branch(&kept, Some(8));
    other.finish();
    assert_eq!(run.document(), document, "the first is not touched");
    assert_eq!(other.document().actions[..3], document.actions[..3]);
    assert_ne!(other.document().actions[3], document.actions[3]);
    let recording = other.episode.recording().snapshot();
    assert_eq!((recording.seed, recording.plan_seed()), (7, 8));
    let point = &recording.branched_from[0];
    assert_eq!((point.step, point.seed), (3, 8));

    // A branch of a branch goes on under its seed.
    let mut deeper = run.branch(&kept, Some(8));
    deeper.advance_to(5);
    let later = deeper.kept();
    let mut again = deeper.branch(&later, None);
    again.finish();
    assert_eq!(again.document(), other.document());
}

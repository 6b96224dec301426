//! Questions to the models about a recorded step, asked and answered beside the episode: what they are, what identifies
//! them, and those that wait. An answer stands on the board until another one of its topic takes its place.
//!
//! The newest question of a topic wins: one that waits is replaced, and the work on an older one is stopped. So is all of
//! it by whatever interrupts planning; what is still wanted then is asked once more.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::slot::lock;
use crate::eval::latent::{LatentAnswer, LatentQuestion};
use crate::recording::Recording;
use crate::vlm::{AttentionQuestion, TokenAttention};

/// Who asks: each topic has one question at a time, and one answer on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The world model's latents and what it imagines.
    Latent,
    /// Where the VLM looked while it answered.
    AnswerAttention,
    /// Where it looked for a sub-goal.
    SubGoalAttention,
}

/// What can be asked about a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Latent(LatentQuestion),
    /// By layer and head, on the step's frame.
    Attention(AttentionQuestion),
}

impl Question {
    pub fn topic(&self) -> Topic {
        match self {
            Self::Latent(_) => Topic::Latent,
            Self::Attention(AttentionQuestion::Answer { .. }) => Topic::AnswerAttention,
            Self::Attention(AttentionQuestion::SubGoal { .. }) => Topic::SubGoalAttention,
        }
    }

    /// How many of the recording's steps have a say in the answer.
    fn reach(&self, recording: &Recording, step: usize) -> usize {
        match self {
            Self::Latent(question) => question.reach(recording, step),
            Self::Attention(_) => 0,
        }
    }
}

/// What was found, for the question of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Latent(LatentAnswer),
    Attention(TokenAttention),
}

/// A question about one step of one recording. Two that are equal have the same answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Examination {
    pub question: Question,
    pub step: usize,
    /// The branch that it is a step of; none: the recording at hand.
    pub branch: Option<usize>,
    /// A digest of what the answer is made from: it changes as the record does.
    basis: u64,
}

impl Examination {
    /// A question about a step of the recording that the window shows.
    pub fn new(question: Question, recording: &Recording, step: usize, branch: Option<usize>) -> Self {
        let basis = basis(&question, recording, step);
        Self {
            question,
            step,
            branch,
            basis,
        }
    }
}

/// Frames are told apart by where they lie: a recording's steps are shared and never copied.
fn basis(question: &Question, recording: &Recording, step: usize) -> u64 {
    let mut digest = DefaultHasher::new();
    recording.checkpoint_hash.hash(&mut digest);
    if let Question::Attention(_) = question {
        // The question holds the text itself; what remains is the frame.
        (&recording.scene, recording.seed).hash(&mut digest);
        let frame = recording.steps.get(step).map(|known| known.frame.rgb.as_ptr() as usize);
        frame.hash(&mut digest);
        return digest.finish();
    }
    recording.changes.len().hash(&mut digest);
    let reach = question.reach(recording, step).min(recording.steps.len());
    for known in &recording.steps[..reach] {
        (known.frame.rgb.as_ptr() as usize).hash(&mut digest);
        known.action.map(|action| action.map(f32::to_bits)).hash(&mut digest);
    }
    if let Some(known) = recording.steps.get(step) {
        (known.cem.len(), known.draw, known.sub_goal).hash(&mut digest);
    }
    for sub_goal in &recording.sub_goals {
        (&sub_goal.text, &sub_goal.objects).hash(&mut digest);
        sub_goal.goal_made_at_step.hash(&mut digest);
    }
    digest.finish()
}

/// An answer, or why there is none and what to do.
#[derive(Clone, Debug)]
pub struct Examined {
    pub asked: Examination,
    pub answer: Result<Answer, String>,
    /// How long it took.
    pub took: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    waiting: Vec<Examination>,
    at_work: Option<Examination>,
}

/// The questions that wait, and the one that is worked on. Window and worker share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<Waiting>,
    /// The work at hand is to end.
    stop: AtomicBool,
}

impl Asked {
    /// The flag that the work reads.
    pub fn stop_flag(&self) -> &AtomicBool {
        &self.0.stop
    }

    /// Takes a question in. `true`: nobody has been told yet that one of this topic waits.
    pub fn ask(&self, question: Examination) -> bool {
        let topic = question.question.topic();
        let mut state = lock(&self.0.state);
        if state
            .at_work
            .as_ref()
            .is_some_and(|at_work| at_work.question.topic() == topic)
        {
            self.0.stop.store(true, Ordering::Release);
        }
        let before = state.waiting.len();
        state.waiting.retain(|other| other.question.topic() != topic);
        let alone = state.waiting.len() == before;
        state.waiting.push(question);
        alone
    }

    /// Takes out what waits in this topic, to be worked on.
    pub fn take(&self, topic: Topic) -> Option<Examination> {
        let mut state = lock(&self.0.state);
        let at = state.waiting.iter().position(|other| other.question.topic() == topic)?;
        let question = state.waiting.remove(at);
        self.0.stop.store(false, Ordering::Release);
        state.at_work = Some(question.clone());
        Some(question)
    }

    /// The work at hand has ended. `true`: it went through.
    pub fn end(&self) -> bool {
        let mut state = lock(&self.0.state);
        state.at_work = None;
        !self.0.stop.swap(false, Ordering::AcqRel)
    }

    /// Stops the work at hand and forgets what waits: whatever interrupts planning comes first.
    pub fn interrupt(&self) {
        let mut state = lock(&self.0.state);
        state.waiting.clear();
        if state.at_work.is_some() {
            self.0.stop.store(true, Ordering::Release);
        }
    }

    /// Nobody was told that one of this topic waits: the worker's queue is full.
    pub fn withdraw(&self, topic: Topic) {
        lock(&self.0.state)
            .waiting
            .retain(|other| other.question.topic() != topic);
    }

    /// What is asked and not answered.
    pub fn open(&self) -> Vec<Examination> {
        let state = lock(&self.0.state);
        state.at_work.iter().chain(&state.waiting).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::SubGoalRecord;

    fn about(step: usize) -> Examination {
        Examination::new(
            Question::Latent(LatentQuestion::OpenLoop),
            &Recording::default(),
            step,
            None,
        )
    }

    #[test]
    fn another_goal_of_the_same_text_is_another_question() {
        let of = |object: &str| {
            let recording = Recording {
                sub_goals: vec![SubGoalRecord {
                    text: "lift it".to_owned(),
                    objects: vec![object.to_owned()],
                    ..SubGoalRecord::default()
                }],
                ..Recording::default()
            };
            Examination::new(Question::Latent(LatentQuestion::OpenLoop), &recording, 0, None)
        };
        assert_eq!(of("red block"), of("red block"));
        assert_ne!(of("red block"), of("green block"));
    }

    #[test]
    fn the_newest_question_wins_and_stops_the_one_before_it() {
        let asked = Asked::default();
        assert!(asked.ask(about(1)));
        assert!(!asked.ask(about(2)), "the worker has been told already");
        assert_eq!(asked.take(Topic::Latent), Some(about(2)));
        assert_eq!(asked.take(Topic::Latent), None);
        assert!(!asked.stop_flag().load(Ordering::Acquire));
        assert!(asked.ask(about(3)));
        assert!(asked.stop_flag().load(Ordering::Acquire));
        assert_eq!(asked.open(), [about(2), about(3)]);
        assert!(!asked.end(), "it was stopped");
        assert_eq!(asked.take(Topic::Latent), Some(about(3)));
        assert!(asked.end() && asked.open().is_empty());
        asked.interrupt();
        assert!(asked.ask(about(4)));
        asked.take(Topic::Latent);
        assert!(asked.end(), "an interruption of nothing stops nothing later");
        asked.ask(about(5));
        asked.interrupt();
        assert_eq!(asked.take(Topic::Latent), None, "what waited is not worked on either");
    }
}

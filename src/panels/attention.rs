//! Where the VLM looked, for the panels that show it: what is asked of the models for the selected word, patch and lens,
//! and what has been answered. Only what is shown depends on it; plans go by the maps in the recording.

use std::ops::Range;

use egui::Context;

use super::examine;
use super::reasoning::text_of;
use super::state::{MapGrid, View, ViewState};
use crate::engine::{Answer, Examination, Phase, Question};
use crate::recording::{AttentionMap, QuestionRecord};
use crate::vlm::{AttentionQuestion, Lens, TokenAttention};

/// A word of one of the VLM's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordAt {
    /// Index into the recording's questions.
    pub question: usize,
    pub tokens: Range<usize>,
}

/// What the models said to a question of ours.
#[derive(Clone, Copy, Debug)]
pub enum Looked<'a> {
    /// Not answered yet.
    Waiting,
    /// Why it cannot be, and what to do.
    Refused(&'a str),
    Known(&'a TokenAttention),
}

/// What the camera's map is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapOf {
    SubGoal(usize),
    Word {
        text: String,
        /// The step whose frame the answer is about.
        step: usize,
    },
}

/// The map to be shown in the camera.
#[derive(Clone, Debug)]
pub struct ShownMap {
    pub of: MapOf,
    /// None while it is asked for, and where it cannot be known.
    pub map: Option<AttentionMap>,
}

impl View<'_> {
    /// The selected word with its question, if the shown recording has it.
    pub fn shown_word(&self, state: &ViewState) -> Option<(usize, &QuestionRecord, Range<usize>)> {
        let word = state.selection.word.as_ref()?;
        let question = self.recording.questions.get(word.question)?;
        let within = !word.tokens.is_empty() && word.tokens.end <= question.tokens.len();
        within.then(|| (word.question, question, word.tokens.clone()))
    }

    /// The answer that was in force at the shown step.
    pub fn answer_in_force(&self, state: &ViewState) -> Option<usize> {
        let step = self.shown(state)?.step;
        let questions = &self.recording.questions;
        let last = questions.iter().rposition(|question| question.step <= step)?;
        (!questions[last].tokens.is_empty()).then_some(last)
    }
}

/// The map that the camera shows: the selected word's, or the shown sub-goal's. What it needs of the models is asked for.
pub fn shown_map(ctx: &Context, state: &mut ViewState, view: &View<'_>) -> Option<ShownMap> {
    let lens = state.lens;
    let grid = model_grid(view);
    if let Some((index, question, tokens)) = view.shown_word(state) {
        let of = MapOf::Word {
            text: text_of(&question.tokens[tokens.clone()]),
            step: question.step,
        };
        let map = match of_answer(ctx, state, view, index) {
            Looked::Known(known) => Some(known.map(tokens, lens, grid.unwrap_or(known.grid))),
            Looked::Waiting | Looked::Refused(_) => None,
        };
        return Some(ShownMap { of, map });
    }
    let index = view.shown_sub_goal(state)?;
    let map = if lens == Lens::default() {
        Some(view.recording.sub_goals[index].map.clone())
    } else {
        match of_sub_goal(ctx, state, view, index) {
            Looked::Known(known) => Some(known.map(0..known.tokens, lens, grid.unwrap_or(known.grid))),
            Looked::Waiting | Looked::Refused(_) => None,
        }
    };
    Some(ShownMap {
        of: MapOf::SubGoal(index),
        map,
    })
}

/// Attention of every token of an answer; asked for where nobody has.
pub fn of_answer<'a>(ctx: &Context, state: &mut ViewState, view: &View<'a>, index: usize) -> Looked<'a> {
    let question = &view.recording.questions[index];
    let writing = view.board.phase == Phase::Thinking && index + 1 == view.recording.questions.len();
    if writing {
        return Looked::Waiting;
    }
    if question.prompt.is_empty() {
        return Looked::Refused("The question that this answers was not recorded, so where it looked is not known.");
    }
    let asked = AttentionQuestion::Answer {
        prompt: question.prompt.clone(),
        tokens: question.tokens.iter().map(|token| token.id).collect(),
    };
    ask(ctx, state, view, asked, question.step)
}

/// Attention of a sub-goal's own text as it was grounded.
pub fn of_sub_goal<'a>(ctx: &Context, state: &mut ViewState, view: &View<'a>, index: usize) -> Looked<'a> {
    let sub_goal = &view.recording.sub_goals[index];
    let asked = AttentionQuestion::SubGoal {
        text: sub_goal.text.clone(),
        objects: sub_goal.objects.clone(),
    };
    ask(ctx, state, view, asked, sub_goal.goal_made_at_step)
}

fn ask<'a>(ctx: &Context, state: &mut ViewState, view: &View<'a>, asked: AttentionQuestion, step: usize) -> Looked<'a> {
    let wanted = Examination::new(Question::Attention(asked), view.recording, step, state.shown_branch);
    match examine::answer(ctx, state, view, wanted).map(|examined| &examined.answer) {
        Some(Ok(Answer::Attention(known))) => Looked::Known(known),
        Some(Err(why)) => Looked::Refused(why),
        Some(Ok(_)) | None => Looked::Waiting,
    }
}

/// Height and width of the world model's patch grid.
fn model_grid(view: &View<'_>) -> Option<[usize; 2]> {
    let first = view.recording.sub_goals.first()?;
    Some(first.map.model_grid)
}

/// The VLM's patch under the middle of the selected one, which may be the world model's; none where no map is drawn.
pub fn vlm_patch(state: &ViewState, grid: [usize; 2]) -> Option<usize> {
    let patch = state.selection.patch.filter(|_| state.camera.map != MapGrid::Off)?;
    let [row, column] = patch.on(grid);
    Some(row * grid[1] + column)
}

/// What a lens is, for people; nothing where it is the method's own.
pub fn lens_words(lens: Lens) -> Option<String> {
    match (lens.layer, lens.head) {
        (None, None) => None,
        (Some(layer), None) => Some(format!("layer {}, mean of heads", layer + 1)),
        (None, Some(head)) => Some(format!("last layer, head {}", head + 1)),
        (Some(layer), Some(head)) => Some(format!("layer {}, head {}", layer + 1, head + 1)),
    }
}

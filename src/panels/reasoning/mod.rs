//! The VLM's words, as they are written: how sure it was of each, what they belong to, and where they looked. In a
//! recording without tokens, objects that a sub-goal names are linked to it.

mod answer;
mod lens;
mod words;

use egui::{Label, RichText, Sense, Ui};

pub use words::text_of;

use super::attention::{Looked, of_answer, of_sub_goal};
use super::frozen::frozen_ui;
use super::state::{View, ViewState};
use crate::engine::{JobKind, Phase};
use crate::recording::{Outcome, SubGoalRecord};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};
use crate::vlm::Lens;
use words::pieces;

pub fn reasoning_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let recording = view.recording;
    let thinking = view.board.phase == Phase::Thinking;
    let unparsed = matches!(recording.outcome, Some(Outcome::Unparsed { .. }));
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Reasoning", |ui| {
        frozen_ui(ui, "Reasoning", state, view);
        if thinking && let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Plan) {
            let text = format!("{} · {}", job.what, numbers::duration(job.started.elapsed()));
            ui.label(RichText::new(text).size(SMALL).color(p.weak));
        } else if unparsed {
            widgets::chip(ui, "Could not be read", p.warn, p.warn_fill);
        }
    });
    if recording.answer.is_empty() && recording.reasoning.is_empty() {
        if thinking {
            faces::empty_ui(ui, "The VLM is looking at the scene.", "");
        } else {
            faces::empty_ui(
                ui,
                "What the VLM thinks before it writes its list.",
                "Type a task and press Enter.",
            );
        }
        return;
    }
    if !recording.questions.is_empty() || !recording.sub_goals.is_empty() {
        egui::Frame::NONE
            .inner_margin(egui::Margin::symmetric(10, 3))
            .show(ui, |ui| lens::lens_ui(ui, state, view));
    }
    egui::ScrollArea::vertical()
        .id_salt("reasoning")
        .auto_shrink(false)
        .stick_to_bottom(thinking)
        .show(ui, |ui| {
            egui::Frame::NONE
                .inner_margin(egui::Margin::symmetric(10, 8))
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 6.0;
                    refusal_ui(ui, state, view);
                    if unparsed {
                        ui.label(
                            "This answer holds no list that can be read, so nothing was planned. Try another wording.",
                        );
                    }
                    let by_words = has_tokens(view, 0);
                    if by_words {
                        answer::answer_ui(ui, state, view, 0);
                    } else if unparsed {
                        ui.add(Label::new(RichText::new(&recording.answer).monospace()).wrap());
                    } else {
                        let text = if recording.reasoning.is_empty() {
                            &recording.answer
                        } else {
                            &recording.reasoning
                        };
                        linked_text_ui(ui, text, &recording.sub_goals, state, view);
                    }
                    unread_ui(ui, &recording.unread);
                    prompt_ui(ui, view, 0);
                    for (index, replan) in recording.replans.iter().enumerate() {
                        ui.add_space(2.0);
                        let title = format!("Asked again at step {}", replan.step);
                        let link = ui.link(RichText::new(title).family(semibold()).color(p.warn));
                        if link.on_hover_text("Show this step").clicked() {
                            state.select_step(replan.step, view);
                        }
                        ui.add(Label::new(RichText::new(&replan.reason).color(p.weak)).wrap());
                        if has_tokens(view, index + 1) {
                            answer::answer_ui(ui, state, view, index + 1);
                            unread_ui(ui, &replan.unread);
                        } else {
                            linked_text_ui(ui, &replan.reasoning, &recording.sub_goals, state, view);
                            unread_ui(ui, &replan.unread);
                            written_ui(ui, &replan.answer, replan.step);
                        }
                        prompt_ui(ui, view, index + 1);
                    }
                    if !by_words && !unparsed && !recording.reasoning.is_empty() {
                        written_ui(ui, &recording.answer, 0);
                    }
                });
        });
}

/// Whether this answer was recorded token by token.
fn has_tokens(view: &View<'_>, index: usize) -> bool {
    let question = view.recording.questions.get(index);
    question.is_some_and(|question| !question.tokens.is_empty())
}

/// Why the attention that is selected cannot be shown.
fn refusal_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let looked = if let Some((index, ..)) = view.shown_word(state) {
        of_answer(ui.ctx(), state, view, index)
    } else if let Some(index) = view.shown_sub_goal(state).filter(|_| state.lens != Lens::default()) {
        of_sub_goal(ui.ctx(), state, view, index)
    } else if let Some(index) = view.answer_in_force(state).filter(|_| state.selection.patch.is_some()) {
        of_answer(ui.ctx(), state, view, index)
    } else {
        return;
    };
    if let Looked::Refused(why) = looked {
        ui.add(Label::new(RichText::new(why).color(p.warn)).wrap());
    }
}

/// What the VLM was sent, folded away.
fn prompt_ui(ui: &mut Ui, view: &View<'_>, index: usize) {
    let question = view.recording.questions.get(index);
    if let Some(question) = question.filter(|question| !question.prompt.is_empty()) {
        folded_ui(ui, "Prompt as sent", &question.prompt, ("prompt", index));
    }
}

/// Lines of the list that were left out, since they could not be read.
fn unread_ui(ui: &mut Ui, unread: &[String]) {
    let p = Palette::of(ui);
    for line in unread {
        let text = RichText::new(format!("Could not be read: {line}")).color(p.warn);
        ui.add(Label::new(text).wrap())
            .on_hover_text("A sub-goal has the form n. [sub-goal] | [object, object]. This line was left out.");
    }
}

/// All of an answer, folded away.
fn written_ui(ui: &mut Ui, answer: &str, step: usize) {
    folded_ui(ui, "Answer as written", answer, ("answer", step));
}

fn folded_ui(ui: &mut Ui, title: &str, text: &str, id: impl std::hash::Hash + std::fmt::Debug) {
    let title = RichText::new(title).size(SMALL).color(Palette::of(ui).weak);
    egui::CollapsingHeader::new(title)
        .id_salt(id)
        .show(ui, |ui| ui.add(Label::new(RichText::new(text).monospace()).wrap()));
}

fn linked_text_ui(ui: &mut Ui, text: &str, sub_goals: &[SubGoalRecord], state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let shown = view.shown_sub_goal(state);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(0.0, 3.0);
        for piece in pieces(text.trim(), sub_goals) {
            match piece.sub_goal {
                None => {
                    ui.add(Label::new(RichText::new(piece.text).color(p.text)).wrap());
                }
                Some(index) => {
                    let mut rich = RichText::new(piece.text).color(p.sub_goal(index)).underline();
                    if shown == Some(index) {
                        rich = rich.background_color(p.selected);
                    }
                    let link = ui.add(Label::new(rich).sense(Sense::click()));
                    let link = link.on_hover_cursor(egui::CursorIcon::PointingHand);
                    if link
                        .on_hover_text(format!("Sub-goal {}: {}", index + 1, sub_goals[index].text))
                        .clicked()
                    {
                        state.toggle_sub_goal(index);
                    }
                }
            }
        }
    });
}

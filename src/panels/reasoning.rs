//! The VLM's words, as they are written; objects that a sub-goal names are linked to it.

use egui::{Label, RichText, Sense, Ui};

use super::state::{View, ViewState};
use crate::engine::{JobKind, Phase};
use crate::recording::{Outcome, SubGoalRecord};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

pub fn reasoning_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let recording = view.recording;
    let thinking = view.board.phase == Phase::Thinking;
    let unparsed = matches!(recording.outcome, Some(Outcome::Unparsed { .. }));
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Reasoning", |ui| {
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
                "Words that name an object link to its sub-goal.",
            );
        }
        return;
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
                    if unparsed {
                        ui.label(
                            "This answer holds no list that can be read, so nothing was planned. Try another wording.",
                        );
                        ui.add(Label::new(RichText::new(&recording.answer).monospace()).wrap());
                        return;
                    }
                    let text = if recording.reasoning.is_empty() {
                        &recording.answer
                    } else {
                        &recording.reasoning
                    };
                    linked_text_ui(ui, text, &recording.sub_goals, state, view);
                    unread_ui(ui, &recording.unread);
                    for replan in &recording.replans {
                        ui.add_space(2.0);
                        let title = format!("Asked again at step {}", replan.step);
                        let link = ui.link(RichText::new(title).family(semibold()).color(p.warn));
                        if link.on_hover_text("Show this step").clicked() {
                            state.select_step(replan.step, view);
                        }
                        ui.add(Label::new(RichText::new(&replan.reason).color(p.weak)).wrap());
                        linked_text_ui(ui, &replan.reasoning, &recording.sub_goals, state, view);
                        unread_ui(ui, &replan.unread);
                        written_ui(ui, &replan.answer, replan.step);
                    }
                    if !recording.reasoning.is_empty() {
                        written_ui(ui, &recording.answer, 0);
                    }
                });
        });
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
    let title = RichText::new("Answer as written")
        .size(SMALL)
        .color(Palette::of(ui).weak);
    egui::CollapsingHeader::new(title)
        .id_salt(("answer", step))
        .show(ui, |ui| ui.add(Label::new(RichText::new(answer).monospace()).wrap()));
}

/// A stretch of the text, and the sub-goal whose object it names.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    text: &'a str,
    sub_goal: Option<usize>,
}

/// Cuts a text at the objects that sub-goals name; the first sub-goal that names an object owns it.
fn pieces<'a>(text: &'a str, sub_goals: &[SubGoalRecord]) -> Vec<Piece<'a>> {
    let lower = text.to_ascii_lowercase();
    let mut names: Vec<(String, usize)> = Vec::new();
    for (index, sub_goal) in sub_goals.iter().enumerate() {
        for object in &sub_goal.objects {
            let object = object.trim().to_ascii_lowercase();
            if !object.is_empty() && !names.iter().any(|(name, _)| *name == object) {
                names.push((object, index));
            }
        }
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        // The earliest name; of two at one place the longer.
        let next = names
            .iter()
            .filter_map(|(name, index)| lower[at..].find(name.as_str()).map(|from| (from, name.len(), *index)))
            .min_by_key(|&(from, len, _)| (from, usize::MAX - len));
        let Some((from, len, index)) = next else {
            break;
        };
        if from > 0 {
            out.push(Piece {
                text: &text[at..at + from],
                sub_goal: None,
            });
        }
        out.push(Piece {
            text: &text[at + from..at + from + len],
            sub_goal: Some(index),
        });
        at += from + len;
    }
    if at < text.len() {
        out.push(Piece {
            text: &text[at..],
            sub_goal: None,
        });
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_link_to_the_first_sub_goal_that_names_them_and_no_text_is_lost() {
        let sub_goal = |objects: &[&str]| SubGoalRecord {
            objects: objects.iter().map(ToString::to_string).collect(),
            ..SubGoalRecord::default()
        };
        let sub_goals = [sub_goal(&["red block"]), sub_goal(&["red block", "blue pad", "blue"])];
        let text = "The Red block goes — onto the blue pad.";
        let cut = pieces(text, &sub_goals);
        assert_eq!(cut.iter().map(|piece| piece.text).collect::<String>(), text);
        let linked: Vec<_> = cut
            .iter()
            .filter_map(|piece| piece.sub_goal.map(|index| (piece.text, index)))
            .collect();
        assert_eq!(linked, [("Red block", 0), ("blue pad", 1)]);
        assert_eq!(pieces("nothing", &sub_goals).len(), 1);
    }
}

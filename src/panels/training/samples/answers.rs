//! Answers beside the teacher's, and plans that were carried out.

use egui::{Label, RichText, Ui};

use super::pictures::Pictures;
use super::{line_ui, title_ui};
use crate::train::{AnswerSample, PlanSample};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

const PICTURE: f32 = 96.0;
const ANSWERS: &str = "What the language model writes, greedily, to tasks with numbers of their own, phrased as in training, beside the teacher's \
                       answer: reasoning, then the list of sub-goals (method, 4.4).";
const MAPS: &str = "Share of the attention map w_k on the patches of the sub-goal's objects, last layer, mean of heads (method, \
                    4.4). Even: what a map that is the same everywhere has there.";
const PLANS: &str = "CEM toward an encoded goal with the networks as they are, from a fixed start, carried out in the simulator \
                     (Algorithm 2); in stage bc the policy's own actions for a sub-goal's text. Reached: the goal's physical predicate \
                     held, for two steps where it was planned. Made with each checkpoint.";

pub(super) fn answers_ui(ui: &mut Ui, pictures: &mut Pictures, answers: &[AnswerSample]) {
    let p = Palette::of(ui);
    title_ui(ui, "Answers", ANSWERS);
    let same = answers.iter().filter(|answer| answer.same_list).count();
    line_ui(
        ui,
        format!("{same} of {} lists are the teacher's", answers.len()),
        ANSWERS,
    );
    for (number, answer) in answers.iter().enumerate() {
        ui.add_space(4.0);
        ui.horizontal_top(|ui| {
            let name = format!("Frame of answer {}", number + 1);
            pictures.show(ui, &answer.frame, PICTURE, &name, "");
            ui.vertical(|ui| {
                ui.add(Label::new(RichText::new(&answer.task).color(p.strong)).wrap());
                let (word, color) = match (answer.same_list, answer.ended) {
                    (true, _) => ("the teacher's list", p.good),
                    (false, true) => ("another list", p.warn),
                    (false, false) => ("came to no end", p.bad),
                };
                ui.label(RichText::new(word).size(SMALL).color(color));
                for map in &answer.maps {
                    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
                    let text = format!(
                        "{}: {} on its objects, even {}",
                        map.text,
                        percent(map.mass),
                        percent(map.chance)
                    );
                    line_ui(ui, text, MAPS);
                }
            });
        });
        for (who, text) in [("Model", &answer.answer), ("Teacher", &answer.teacher)] {
            ui.label(RichText::new(who).size(SMALL).color(p.weak));
            ui.add(
                Label::new(RichText::new(text).size(SMALL).color(p.text))
                    .wrap()
                    .selectable(true),
            );
        }
    }
}

pub(super) fn plans_ui(ui: &mut Ui, plans: &[PlanSample]) {
    let p = Palette::of(ui);
    title_ui(ui, "Plans", PLANS);
    for plan in plans {
        let (text, color) = if plan.reached {
            let steps = numbers::grouped(plan.steps as i64);
            (format!("{}: reached after {steps} steps", plan.what), p.good)
        } else {
            (
                format!("{}: not reached within {} steps", plan.what, plan.budget),
                p.warn,
            )
        };
        ui.label(RichText::new(text).size(SMALL).color(color))
            .on_hover_text(PLANS);
    }
}

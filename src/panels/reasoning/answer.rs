//! An answer word by word: how sure the model was of each token, which sub-goal a word belongs to, and what looked at the
//! selected patch.

use egui::text::{LayoutJob, TextFormat};
use egui::{
    Context, CursorIcon, FontId, Label, Response, RichText, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo,
    vec2,
};

use super::super::attention::{Looked, WordAt, of_answer, vlm_patch};
use super::super::patch::Patch;
use super::super::state::{View, ViewState};
use super::words::{Word, lines};
use crate::recording::{QuestionRecord, TokenRecord};
use crate::ui::theme::{BODY, SMALL, semibold};
use crate::ui::{Palette, numbers};

/// Tokens of which the model was less sure than this are underlined.
const DOUBTFUL: f32 = 0.7;

/// Between two words, points.
const BLANK: f32 = 3.7;

/// Words that are named as those that looked at a patch most.
const NAMED: usize = 3;

pub(super) fn answer_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, index: usize) {
    let p = Palette::of(ui);
    let question = &view.recording.questions[index];
    let lines = lines(question, &view.recording.sub_goals);
    let shares = shares_of_patch(ui.ctx(), state, view, index, &lines);
    if let Some(shares) = &shares {
        most_ui(ui, state, &lines, shares);
    }
    let most = shares.iter().flatten().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut number = 0;
    for line in &lines {
        // A ground that a word brought along would lie over the end of the word before it.
        let under = ui.painter().add(Shape::Noop);
        let mut ground = Vec::new();
        // Rows are as high as their words.
        let height = std::mem::take(&mut ui.spacing_mut().interact_size.y);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
            for word in line {
                let share = shares.as_ref().map(|shares| shares[number]);
                number += 1;
                let drawn = Drawn {
                    word,
                    question,
                    selected: state
                        .selection
                        .word
                        .as_ref()
                        .is_some_and(|at| at.question == index && at.tokens == word.tokens),
                    sub_goal_shown: word.sub_goal.is_some() && word.sub_goal == view.shown_sub_goal(state),
                    strength: share.map(|share| strength(share, most)),
                };
                let clicked = drawn.show(ui, p, share, view, &mut ground).clicked();
                if clicked {
                    let at = WordAt {
                        question: index,
                        tokens: word.tokens.clone(),
                    };
                    match word.sub_goal {
                        Some(sub_goal) if word.is_sign() => state.toggle_sub_goal(sub_goal),
                        sub_goal => state.toggle_word(at, sub_goal),
                    }
                }
            }
        });
        ui.spacing_mut().interact_size.y = height;
        ui.painter().set(under, Shape::Vec(ground));
    }
}

/// How strongly a word is marked: nothing below a third of the greatest share.
fn strength(share: f32, most: f32) -> f32 {
    ((share / most - 1.0 / 3.0) * 1.5).clamp(0.0, 1.0)
}

/// The share of its attention that each word gives to the selected patch, in the order of the lines; none where there is
/// no such patch, or where it is not this answer that was in force.
fn shares_of_patch(
    ctx: &Context,
    state: &mut ViewState,
    view: &View<'_>,
    index: usize,
    lines: &[Vec<Word>],
) -> Option<Vec<f32>> {
    state.selection.patch?;
    // The models answer about one answer at a time, and a selected word comes first.
    let elsewhere = view.shown_word(state).is_some_and(|(at, ..)| at != index);
    if elsewhere || view.answer_in_force(state) != Some(index) {
        return None;
    }
    let Looked::Known(known) = of_answer(ctx, state, view, index) else {
        return None;
    };
    let patch = vlm_patch(state, known.grid)?;
    let words = lines.iter().flatten();
    Some(
        words
            .map(|word| known.on_patch(word.tokens.clone(), state.lens, patch))
            .collect(),
    )
}

/// Which words looked at the selected patch most, in words.
fn most_ui(ui: &mut Ui, state: &ViewState, lines: &[Vec<Word>], shares: &[f32]) {
    let p = Palette::of(ui);
    let mut ranked: Vec<(&Word, f32)> = lines.iter().flatten().zip(shares.iter().copied()).collect();
    ranked.retain(|(word, _)| !word.is_sign());
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = ranked
        .iter()
        .take(NAMED)
        .map(|(word, share)| format!("“{}” {}", word.text.trim(), percent(*share)))
        .collect();
    let Some(Patch { at: [row, column], .. }) = state.selection.patch else {
        return;
    };
    let text = format!(
        "Patch row {row}, column {column}: most looked at by {}",
        named.join(", ")
    );
    ui.add(Label::new(RichText::new(text).size(SMALL).color(p.text)).wrap())
        .on_hover_text("Share of its attention that a word gives to the patch, the mean over its tokens (method 4.4). What is left goes to other patches and to text.");
}

fn percent(share: f32) -> String {
    format!("{} %", numbers::sig3(f64::from(share) * 100.0))
}

struct Drawn<'a> {
    word: &'a Word,
    question: &'a QuestionRecord,
    selected: bool,
    /// It belongs to the sub-goal that the panels show.
    sub_goal_shown: bool,
    /// How much it looked at the selected patch, beside the other words.
    strength: Option<f32>,
}

impl Drawn<'_> {
    fn tokens(&self) -> &[TokenRecord] {
        &self.question.tokens[self.word.tokens.clone()]
    }

    /// Puts the word after what stands before it, or into the next row. `ground` is painted under all of its line.
    fn show(&self, ui: &mut Ui, p: &Palette, share: Option<f32>, view: &View<'_>, ground: &mut Vec<Shape>) -> Response {
        let job = self.job(p, ui.max_rect().width());
        let galley = ui.painter().layout_job(job);
        let blank = if self.word.text.starts_with(' ') { BLANK } else { 0.0 };
        ui.add_space(blank);
        let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::click());
        let selected = self.selected || self.sub_goal_shown;
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, self.name(share)));
        let first = rect.left() - blank < ui.max_rect().left();
        let behind = match self.strength {
            Some(strength) => Some((rect, p.panel.lerp_to_gamma(p.marked, strength))),
            None if self.sub_goal_shown => {
                let from = rect.left() - if first { 0.0 } else { blank };
                Some((rect.with_min_x(from), p.selected))
            }
            None => None,
        };
        ground.extend(behind.map(|(rect, color)| Shape::rect_filled(rect, 0.0, color)));
        let painter = ui.painter();
        painter.galley(rect.min, galley, p.text);
        let hovered = response.hovered() || response.has_focus();
        if self.selected || hovered {
            let color = if self.selected { p.accent } else { p.edge };
            let rect = rect.expand2(vec2(1.5, 0.5));
            painter.rect_stroke(rect, 2.0, Stroke::new(1.0, color), StrokeKind::Outside);
        }
        response
            .on_hover_cursor(CursorIcon::PointingHand)
            .on_hover_ui(|ui| self.tooltip_ui(ui, share, view))
    }

    fn name(&self, share: Option<f32>) -> String {
        let chances: Vec<String> = self.tokens().iter().map(chance).collect();
        let looked = share.map_or_else(String::new, |share| format!(", {} on the patch", percent(share)));
        let shown = if self.selected { ", shown in the camera" } else { "" };
        format!("Word {}, {}{looked}{shown}", self.word.text.trim(), chances.join(", "))
    }

    fn job(&self, p: &Palette, width: f32) -> LayoutJob {
        let color = match self.word.sub_goal {
            // Not every colour of a sub-goal can be read on a strong mark.
            _ if self.strength.is_some_and(|strength| strength > 0.3) => p.text,
            // In the list, the number alone has the sub-goal's colour: all of the line belongs to it.
            Some(index) if self.word.is_number() || !self.word.listed => p.sub_goal(index),
            _ if self.word.is_sign() => p.weak,
            _ => p.text,
        };
        let linked = self.word.sub_goal.is_some() && !self.word.listed;
        let mut job = LayoutJob::default();
        job.wrap.max_width = width;
        job.wrap.break_anywhere = true;
        for (index, token) in self.tokens().iter().enumerate() {
            let shown = token.text.replace('\n', "");
            let shown = if index == 0 { shown.trim_start() } else { &shown };
            let line = if token.probability < DOUBTFUL {
                Some(p.warn)
            } else {
                linked.then_some(color)
            };
            let format = TextFormat {
                font_id: FontId::proportional(BODY),
                color,
                underline: line.map_or(Stroke::NONE, |color| Stroke::new(1.0, color)),
                ..TextFormat::default()
            };
            job.append(shown, 0.0, format);
        }
        job
    }

    fn tooltip_ui(&self, ui: &mut Ui, share: Option<f32>, view: &View<'_>) {
        let p = Palette::of(ui);
        ui.spacing_mut().item_spacing.y = 3.0;
        let tokens = self.tokens();
        for token in tokens {
            let of = if tokens.len() > 1 {
                format!("{} {}", visible(&token.text), chance(token))
            } else {
                chance(token)
            };
            ui.label(RichText::new(of).family(semibold()).color(p.strong));
            let others = token.others.iter();
            let others: Vec<String> = others
                .map(|(text, p)| format!("{} {}", visible(text), probability(*p)))
                .collect();
            ui.label(format!("Instead: {}", others.join(" · ")));
        }
        if let Some(share) = share {
            ui.label(format!("{} of its attention on the selected patch", percent(share)));
        }
        let record = self
            .word
            .sub_goal
            .and_then(|index| Some((index, view.recording.sub_goals.get(index)?)));
        if let Some((index, record)) = record {
            ui.label(format!("Sub-goal {}: {}", index + 1, record.text));
        }
        let click = if self.word.is_sign() && self.word.sub_goal.is_some() {
            "Click to select the sub-goal."
        } else {
            "Click to see where it looked in the camera, click again for the sub-goal's map."
        };
        let meaning = format!(
            "p: the probability that the model gave the token, 0 to 1 (softmax of its logits at temperature 1). Underlined below {DOUBTFUL}. {click}"
        );
        ui.label(RichText::new(meaning).size(SMALL).color(p.weak));
    }
}

fn chance(token: &TokenRecord) -> String {
    format!("p {}", probability(token.probability))
}

/// Two decimals; what is not quite certain does not read as certain.
fn probability(p: f32) -> String {
    match p {
        p if p < 0.005 => "< 0.01".to_owned(),
        p if (0.995..1.0).contains(&p) => "> 0.99".to_owned(),
        p => numbers::fixed(f64::from(p), 2),
    }
}

/// A token's text by itself.
fn visible(text: &str) -> String {
    match (text.trim(), text.contains('\n')) {
        ("", true) => "a new line".to_owned(),
        ("", false) => "a blank".to_owned(),
        (shown, _) => format!("“{shown}”"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_never_reads_as_more_certain_than_it_is() {
        let read: Vec<String> = [1.0, 0.9951, 0.994, 0.93, 0.5, 0.006, 0.0001].map(probability).into();
        assert_eq!(read, ["1.00", "> 0.99", "0.99", "0.93", "0.50", "0.01", "< 0.01"]);
    }

    #[test]
    fn a_token_is_seen_also_where_it_is_blank() {
        assert_eq!(
            [" green", " ", "]\n", "\n"].map(visible),
            ["“green”", "a blank", "“]”", "a new line"]
        );
    }

    #[test]
    fn only_words_near_the_greatest_share_are_marked() {
        let marked = [0.3, 0.2, 0.1, 0.0].map(|share| strength(share, 0.3));
        assert!(
            (marked[0] - 1.0).abs() < 1e-6 && marked[1] > 0.4 && marked[1] < 0.6,
            "{marked:?}"
        );
        assert!(marked[2] < 1e-6 && marked[3] < 1e-6);
    }
}

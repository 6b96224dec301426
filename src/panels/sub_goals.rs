//! The sub-goals with their state and their similarity to the shown frame.

use egui::{Align2, FontId, Rect, RichText, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::frozen::frozen_ui;
use super::state::{SubGoalState, View, ViewState, sub_goal_state};
use super::sub_goal_edit;
use crate::engine::Phase;
use crate::recording::{EndedBecause, Outcome, Recording, SubGoalRecord};
use crate::ui::icons::{self, Icon};
use crate::ui::theme::{BODY, SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

const ROW: f32 = 46.0;

pub fn sub_goals_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let sub_goals = &view.recording.sub_goals;
    sub_goal_edit::follow(state, view);
    let can_edit = sub_goal_edit::obstacle(state, view).is_none();
    let editing = can_edit && state.sub_goal_editor.draft.is_some();
    ui.spacing_mut().item_spacing.y = 0.0;
    faces::header_ui(ui, "Sub-goals", |ui| {
        sub_goal_edit::buttons_ui(ui, state, view);
        frozen_ui(ui, "Sub-goals", state, view);
        edits_ui(ui, view);
        if let Some(last) = view.recording.replans.last() {
            let count = view.recording.replans.len();
            let text = if count == 1 {
                "1 re-plan".to_owned()
            } else {
                format!("{count} re-plans")
            };
            widgets::chip(ui, &text, p.warn, p.warn_fill)
                .on_hover_text(format!("Last at step {}: {}", last.step, last.reason));
        }
        judgement_ui(ui, view);
    });
    if sub_goals.is_empty() && !editing {
        let (what, advice) = if view.board.phase == Phase::Thinking {
            (
                "The VLM is reading the scene.",
                "Its list appears here as soon as it is complete.",
            )
        } else {
            (
                "The steps the VLM breaks the task into.",
                "Type a task and press Enter.",
            )
        };
        faces::empty_ui(ui, what, advice);
        return;
    }
    let newest = !view.is_past(state);
    let step = view.shown(state);
    let settings = view.settings_at(step.map_or(0, |step| step.step));
    let t_max = settings.map(|settings| settings.t_max);
    let shown = view.shown_sub_goal(state);
    egui::ScrollArea::vertical()
        .id_salt("sub-goals")
        .auto_shrink(false)
        .show(ui, |ui| {
            let listed: Vec<usize> = (0..sub_goals.len())
                .filter(|&index| is_listed(view.recording, index))
                .filter(|&index| !editing || sub_goals[index].ended_because.is_some())
                .collect();
            for &index in &listed {
                let sub_goal = &sub_goals[index];
                let similarity = step.and_then(|step| step.similarities.get(index).copied().flatten());
                let row = Row {
                    index,
                    sub_goal,
                    state: sub_goal_state(sub_goal, step.map_or(0, |step| step.step), newest),
                    step: step.map_or(0, |step| step.step),
                    t_max,
                    similarity,
                    delta_goal: view.recording.delta_goal_at(step.map_or(0, |step| step.step)),
                    selected: shown == Some(index),
                    just_ended: newest
                        && view.recording.outcome.is_none()
                        && sub_goal.end_step.is_some_and(|end| end == view.last_step()),
                };
                let response = row.show(ui, p);
                if response.clicked() {
                    state.toggle_sub_goal(index);
                }
                let open = can_edit && sub_goal.ended_because.is_none();
                if response.double_clicked() {
                    match sub_goal.start_step {
                        _ if open => sub_goal_edit::begin(&mut state.sub_goal_editor, view.recording, Some(index)),
                        Some(start) => state.select_step(start, view),
                        None => {}
                    }
                }
                response.context_menu(|ui| {
                    if ui.add_enabled(open, egui::Button::new("Edit it")).clicked() {
                        sub_goal_edit::begin(&mut state.sub_goal_editor, view.recording, Some(index));
                        ui.close();
                    }
                    let start = sub_goal.start_step;
                    if ui
                        .add_enabled(start.is_some(), egui::Button::new("Show its first step"))
                        .clicked()
                    {
                        state.select_step(start.unwrap_or(0), view);
                        ui.close();
                    }
                    if ui.button("Copy its text").clicked() {
                        ui.ctx().copy_text(sub_goal.text.clone());
                        ui.close();
                    }
                });
            }
            if editing {
                sub_goal_edit::draft_ui(ui, state, view, listed.len() + 1);
            }
        });
}

/// What the user replaced before it began is in the record, and not in the way.
fn is_listed(recording: &Recording, index: usize) -> bool {
    let sub_goal = &recording.sub_goals[index];
    let replaced = sub_goal.ended_because == Some(EndedBecause::Replaced) && sub_goal.start_step.is_none();
    recording.edits.is_empty() || !replaced
}

/// That the list is not the model's own any more.
fn edits_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    if let Some(last) = view.recording.edits.last() {
        let before = last.before.join("\n");
        let after = last.after.join("\n");
        widgets::chip(ui, "Edited", p.accent, p.selected).on_hover_text(format!(
            "By you, last at step {}.\nBefore:\n{before}\nAfter:\n{after}",
            last.step
        ));
    }
}

/// Whether the task as a whole was done in the world, once the episode is over: what the latent declares is not enough.
fn judgement_ui(ui: &mut Ui, view: &View<'_>) {
    let p = Palette::of(ui);
    if !matches!(
        view.recording.outcome,
        Some(Outcome::Reached | Outcome::NotReached { .. })
    ) {
        return;
    }
    let tip = "Judged by the state of the world, which neither the models nor the planner see";
    match view.recording.task_achieved {
        Some(true) => {
            let text = RichText::new("Task done").size(SMALL).color(p.good);
            ui.label(text).on_hover_text(tip);
        }
        Some(false) => {
            widgets::chip(ui, "Task not done", p.warn, p.warn_fill).on_hover_text(tip);
        }
        None => {
            let text = RichText::new("Not judged").size(SMALL).color(p.weak);
            ui.label(text)
                .on_hover_text("No template knows this task, so nothing can tell whether it was done in the world");
        }
    }
}

struct Row<'a> {
    index: usize,
    sub_goal: &'a SubGoalRecord,
    state: SubGoalState,
    step: usize,
    t_max: Option<usize>,
    similarity: Option<f32>,
    delta_goal: f64,
    selected: bool,
    /// Declared in the newest frame: the world is judged when one more step has passed.
    just_ended: bool,
}

impl Row<'_> {
    fn show(&self, ui: &mut Ui, p: &Palette) -> egui::Response {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
        let name = format!(
            "Sub-goal {}: {}, {}",
            self.index + 1,
            self.sub_goal.text,
            self.state_text()
        );
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, self.selected, &name));
        let painter = ui.painter_at(rect);
        if self.selected {
            painter.rect_filled(rect, 0.0, p.selected);
        } else if response.hovered() {
            painter.rect_filled(rect, 0.0, p.header);
        }
        painter.hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, p.line));
        let color = p.sub_goal(self.index);
        if self.state == SubGoalState::Active {
            painter.rect_filled(Rect::from_min_size(rect.min, vec2(3.0, ROW - 1.0)), 0.0, color);
        }
        let waiting = self.state == SubGoalState::Waiting;
        widgets::badge(ui, rect.min + vec2(21.0, 16.0), self.index, color, !waiting);

        // The similarity stands in a column of its own, over a bar with the threshold's mark.
        let right = rect.right() - 10.0;
        let value = self
            .similarity
            .map_or_else(|| "–".to_owned(), |value| numbers::fixed(f64::from(value), 3));
        let calm = if waiting { p.weak } else { p.strong };
        let place = ui.scope_id().with(("similarity", self.index));
        let strong = widgets::number_color(ui, place, &value, calm);
        painter.text(
            pos2(right, rect.top() + 16.0),
            Align2::RIGHT_CENTER,
            value,
            FontId::new(BODY, semibold()),
            strong,
        );
        let bar = Rect::from_min_max(
            pos2(right - 56.0, rect.bottom() - 14.0),
            pos2(right, rect.bottom() - 10.0),
        );
        painter.rect_filled(bar, 2.0, p.line);
        if let Some(value) = self.similarity {
            let filled = Rect::from_min_size(bar.min, vec2(bar.width() * value.clamp(0.0, 1.0), bar.height()));
            painter.rect_filled(filled, 2.0, color);
        }
        let mark = bar.left() + bar.width() * self.delta_goal.clamp(0.0, 1.0) as f32;
        painter.vline(mark, bar.top() - 3.0..=bar.bottom() + 3.0, Stroke::new(1.0, p.text));

        let left = rect.left() + 38.0;
        let width = right - 66.0 - left;
        let text = widgets::elided(
            ui,
            &self.sub_goal.text,
            BODY,
            if waiting { p.text } else { p.strong },
            width,
        );
        painter.galley(pos2(left, rect.top() + 8.0), text, p.text);
        let (icon, tint) = self.sign(p);
        icons::paint(
            &painter,
            Rect::from_min_size(pos2(left, rect.bottom() - 19.0), vec2(12.0, 12.0)),
            icon,
            tint,
        );
        let state = widgets::elided(ui, &self.state_text(), SMALL, tint, width - 17.0);
        painter.galley(pos2(left + 17.0, rect.bottom() - 20.0), state, tint);

        response.on_hover_ui_at_pointer(|ui| self.tooltip_ui(ui))
    }

    fn sign(&self, p: &Palette) -> (Icon, egui::Color32) {
        if !self.sub_goal.unmatched.is_empty() {
            return (Icon::Warning, p.warn);
        }
        match self.state {
            SubGoalState::Waiting => (Icon::Clock, p.weak),
            SubGoalState::Active => (Icon::Play, p.accent),
            SubGoalState::Ended(EndedBecause::Reached) if self.just_ended => (Icon::Check, p.accent),
            SubGoalState::Ended(EndedBecause::Reached) if self.sub_goal.achieved == Some(false) => {
                (Icon::Warning, p.warn)
            }
            SubGoalState::Ended(EndedBecause::Reached) => (Icon::Check, p.good),
            SubGoalState::Ended(EndedBecause::StepLimit) => (Icon::Warning, p.bad),
            SubGoalState::Ended(EndedBecause::Replaced | EndedBecause::Interrupted) => (Icon::Cross, p.weak),
        }
    }

    /// How it stands, and whose it is where it is not the model's.
    fn state_text(&self) -> String {
        let whose = if self.sub_goal.edited { " · yours" } else { "" };
        format!("{}{whose}", self.stands())
    }

    fn stands(&self) -> String {
        if !self.sub_goal.unmatched.is_empty() {
            return format!("Not in the scene: {}", self.sub_goal.unmatched.join(", "));
        }
        let span = match (self.sub_goal.start_step, self.sub_goal.end_step) {
            (Some(start), Some(end)) => format!(" · steps {start} to {end}"),
            _ => String::new(),
        };
        match self.state {
            SubGoalState::Waiting => "Waiting · provisional goal".to_owned(),
            SubGoalState::Active => {
                let done = self.step - self.sub_goal.start_step.unwrap_or(self.step).min(self.step);
                match self.t_max {
                    Some(t_max) => format!("Active · {done} of {t_max} steps"),
                    None => format!("Active · {done} steps"),
                }
            }
            SubGoalState::Ended(because) => match because {
                EndedBecause::Reached if self.just_ended => format!("Declared{span}"),
                EndedBecause::Reached => match self.sub_goal.achieved {
                    Some(true) => format!("Achieved{span}"),
                    Some(false) => format!("Declared, not achieved{span}"),
                    None => format!("Reached{span}"),
                },
                EndedBecause::StepLimit => format!("Step limit{span}"),
                EndedBecause::Replaced => format!("Replaced{span}"),
                EndedBecause::Interrupted => format!("Interrupted{span}"),
            },
        }
    }

    fn tooltip_ui(&self, ui: &mut Ui) {
        let p = Palette::of(ui);
        ui.label(RichText::new(&self.sub_goal.text).family(semibold()).color(p.strong));
        if !self.sub_goal.objects.is_empty() {
            ui.label(format!("Objects: {}", self.sub_goal.objects.join(", ")));
        }
        if self.sub_goal.edited {
            ui.label("Written by you");
        }
        ui.label(format!(
            "Goal made from the frame of step {}",
            self.sub_goal.goal_made_at_step
        ));
        ui.label(format!(
            "Similarity {} (sim, Algorithm 2 line 11; 0 to 1). Reached above delta_goal {}.",
            self.similarity
                .map_or_else(|| "not known".to_owned(), |value| numbers::fixed(f64::from(value), 3)),
            numbers::fixed(self.delta_goal, 2)
        ));
        ui.label(
            RichText::new("Click to select it in every panel, click again to follow the active one. Double click to edit it while it is open.").color(p.weak),
        );
    }
}

//! The menu of breakpoints: what a run pauses on, switched and typed. What is in force is
//! [`ViewState::breakpoints`]; here is what was typed for it.

use std::num::NonZeroU32;

use egui::containers::menu::MenuButton;
use egui::{Align, Button, Label, Layout, RichText, Ui};

use super::state::ViewState;
use crate::engine::{Breakpoints, Command, Threshold};
use crate::ui::keys::{Act, label};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

const WIDTH: f32 = 330.0;

/// A condition with a value, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub on: bool,
    pub text: String,
}

impl Entry {
    fn off(text: &str) -> Self {
        Self {
            on: false,
            text: text.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakpointForm {
    pub below: Entry,
    pub above: Entry,
    pub falling: Entry,
    pub slow: Entry,
}

impl Default for BreakpointForm {
    fn default() -> Self {
        Self {
            below: Entry::off("0.3"),
            above: Entry::off("0.8"),
            falling: Entry::off("4"),
            slow: Entry::off("1000"),
        }
    }
}

/// A condition with a value: the words around its field, its name for those who cannot see it, and what it means.
struct Row<T> {
    words: [&'static str; 2],
    name: &'static str,
    tip: &'static str,
    /// What can be typed.
    expected: &'static str,
    read: fn(&str) -> Option<T>,
}

const SIMILARITY: &str = "sim(s, g_k) of the frame to the current sub-goal's goal (Algorithm 2 line 11), −1 to 1";

/// A button with how many are set; its menu stays open while it is filled in.
pub(super) fn breakpoints_menu_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    let count = state.breakpoints.count();
    let number = RichText::new(count.to_string()).size(SMALL).color(p.bad);
    let button = match count {
        0 => Button::new("Breakpoints"),
        _ => Button::new(("Breakpoints", number)),
    };
    let (response, _) = MenuButton::from_button(button)
        .config(widgets::form_menu())
        .ui(ui, |ui| menu_ui(ui, state));
    response
        .accessible_name(format!("Breakpoints, {count} set"))
        .on_hover_text("What a run pauses on");
}

fn menu_ui(ui: &mut Ui, state: &mut ViewState) {
    ui.set_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 5.0;
    let before = state.breakpoints.clone();
    note_ui(
        ui,
        "A run pauses when one of these begins to hold. Resumed, it goes on until it begins to hold again.",
        false,
    );
    let (set, form) = (&mut state.breakpoints, &mut state.breakpoint_form);
    ui.checkbox(&mut set.replan, "The VLM is asked again")
        .on_hover_text("After T_max steps without reaching the sub-goal (method 8, Algorithm 2 line 31)");
    ui.checkbox(&mut set.switch, "A sub-goal ends")
        .on_hover_text("It was declared reached (Algorithm 2 line 11), or its steps were used up");
    similarity_ui(ui, set, form);
    ui.checkbox(&mut set.not_finite, "A cost or similarity is not finite")
        .on_hover_text("In the newest plan: a cost of any candidate, that of the chosen plan, an imagined similarity, or the similarity of the frame that came of it");
    let slow = Row {
        words: ["A plan takes longer than", "ms"],
        name: "A plan takes longer than, ms",
        tip: "Wall time of one plan: all CEM iterations of a step",
        expected: "a whole number of ms, 1 or more",
        read: |text| text.parse::<NonZeroU32>().ok(),
    };
    row_ui(ui, &slow, &mut form.slow, &mut set.slow_ms);
    ui.separator();
    steps_ui(ui, set);
    let clear = ui.horizontal(|ui| ui.add_enabled(set.count() > 0, Button::new("Clear all")));
    if clear.inner.on_disabled_hover_text("None is set").clicked() {
        clear_all(set, form);
    }
    if state.breakpoints != before {
        state.outbox.push(Command::SetBreakpoints(state.breakpoints.clone()));
    }
}

fn clear_all(set: &mut Breakpoints, form: &mut BreakpointForm) {
    *set = Breakpoints::default();
    for entry in [&mut form.below, &mut form.above, &mut form.falling, &mut form.slow] {
        entry.on = false;
    }
}

impl ViewState {
    pub fn clear_breakpoints(&mut self) {
        clear_all(&mut self.breakpoints, &mut self.breakpoint_form);
        self.outbox.push(Command::SetBreakpoints(self.breakpoints.clone()));
    }
}

fn similarity_ui(ui: &mut Ui, set: &mut Breakpoints, form: &mut BreakpointForm) {
    let read = |text: &str| Threshold::new(text.replace(',', ".").parse().ok()?).ok();
    let expected = "a number from −1 to 1";
    let below = Row {
        words: ["Similarity falls below", ""],
        name: "Similarity falls below",
        tip: "It was at least as high one step before, to the same goal",
        expected,
        read,
    };
    row_ui(ui, &below, &mut form.below, &mut set.below);
    let above = Row {
        words: ["Similarity rises above", ""],
        name: "Similarity rises above",
        tip: "It was no higher one step before, to the same goal",
        ..below
    };
    row_ui(ui, &above, &mut form.above, &mut set.above);
    let falling = Row {
        words: ["Similarity falls for", "steps in a row"],
        name: "Similarity falls for steps in a row",
        tip: "Each step lower than the one before, to the same goal",
        expected: "a whole number of steps, 1 or more",
        read: |text| text.parse::<NonZeroU32>().ok(),
    };
    row_ui(ui, &falling, &mut form.falling, &mut set.falling);
}

/// A check box, a field in the midst of its words, and under them why what was typed is not in force.
fn row_ui<T>(ui: &mut Ui, row: &Row<T>, entry: &mut Entry, value: &mut Option<T>) {
    let tip = if row.name.starts_with("Similarity") {
        format!("{SIMILARITY}. {}.", row.tip)
    } else {
        row.tip.to_owned()
    };
    ui.horizontal(|ui| {
        let [before, after] = row.words;
        ui.checkbox(&mut entry.on, before)
            .accessible_name(row.name)
            .on_hover_text(tip);
        let field = widgets::field(ui, &mut entry.text, 52.0, "", &format!("{}: value", row.name));
        // Whoever types a value wants it.
        entry.on |= field.changed();
        ui.label(after);
    });
    let read = (row.read)(entry.text.trim());
    if entry.on && read.is_none() {
        note_ui(ui, &format!("Not in force: type {}.", row.expected), true);
    }
    *value = read.filter(|_| entry.on);
}

/// The steps with a breakpoint, each with the way to remove it.
fn steps_ui(ui: &mut Ui, set: &mut Breakpoints) {
    let keys = label(ui.ctx(), Act::ToggleBreakpoint);
    if set.steps.is_empty() {
        let text = format!("No step has a breakpoint. {keys} sets one at the step that you look at.");
        return note_ui(ui, &text, false);
    }
    let mut removed = None;
    ui.horizontal_wrapped(|ui| {
        ui.label("Steps");
        for &step in &set.steps {
            let button = ui.add(Button::new(RichText::new(format!("{step}  ×")).size(SMALL)).small());
            if button
                .accessible_name(format!("Remove the breakpoint at step {step}"))
                .on_hover_text(format!("Remove it; {keys} does so at the step that you look at"))
                .clicked()
            {
                removed = Some(step);
            }
        }
    });
    if let Some(step) = removed {
        set.steps.remove(&step);
    }
}

fn note_ui(ui: &mut Ui, text: &str, bad: bool) {
    let p = Palette::of(ui);
    let color = if bad { p.bad } else { p.weak };
    // A menu justifies what lies in it, and with it the gaps between words.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.add(Label::new(RichText::new(text).size(SMALL).color(color)).wrap());
    });
}

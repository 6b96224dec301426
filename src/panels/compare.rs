//! Episodes side by side: what was pinned and the one at hand, what came of each, and the settings in which they differ.

use std::sync::Arc;

use egui::{Align, Grid, Label, Layout, RichText, ScrollArea, Ui};

use super::branches::{actions, outcome_words};
use super::pane::Pane;
use super::state::{View, ViewState};
use crate::engine::Branch;
use crate::recording::{EndedBecause, Recording};
use crate::ui::icons::Icon;
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

/// Pins that are kept: more cannot be told apart in a chart.
const MOST: usize = 8;

/// Room for a value, points: three columns stand side by side in the panel's first width.
const VALUE_WIDTH: f32 = 82.0;

/// An episode as it was when it was pinned.
#[derive(Clone, Debug)]
pub struct Pin {
    /// "A" to "H": its own as long as it is pinned.
    pub letter: char,
    /// Where it came from.
    pub name: String,
    pub recording: Arc<Recording>,
    /// Its curves are drawn.
    pub drawn: bool,
}

impl Pin {
    pub fn new(name: String, recording: Arc<Recording>) -> Self {
        Self {
            letter: 'A',
            name,
            recording,
            drawn: true,
        }
    }
}

impl ViewState {
    /// Adds an episode to compare with, under the first letter that is free, and shows the comparison.
    pub fn pin(&mut self, mut pin: Pin) {
        let free = ('A'..)
            .take(MOST)
            .find(|letter| self.pins.iter().all(|pin| pin.letter != *letter));
        if let Some(letter) = free {
            pin.letter = letter;
            self.pins.push(pin);
            self.pins.sort_by_key(|pin| pin.letter);
        }
        self.show_pane(Pane::Compare);
    }

    /// Takes an episode out of the comparison.
    pub fn unpin(&mut self, letter: char) {
        self.pins.retain(|pin| pin.letter != letter);
    }
}

/// There is an episode, and room for it among the pins.
pub(super) fn can_pin(state: &ViewState, view: &View<'_>) -> bool {
    !view.recording.task.is_empty() && state.pins.len() < MOST
}

/// Pins the episode that is shown, as it is now.
pub(super) fn pin_shown(state: &mut ViewState, view: &View<'_>) {
    let name = shown_name(state, view);
    state.pin(Pin::new(name, Arc::new(view.recording.clone())));
}

pub fn compare_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let full = state.pins.len() == MOST;
    let mut pin = false;
    faces::header_ui(ui, "Compare", |ui| {
        let button = widgets::icon_button(ui, can_pin(state, view), Icon::Pin, "Pin", "Pin this episode");
        let why = if full {
            "Eight are pinned: take one out first"
        } else {
            "There is no episode yet"
        };
        pin = button
            .on_hover_text("Keep the episode that is shown, as it is now, to compare others with")
            .on_disabled_hover_text(why)
            .clicked();
    });
    if pin {
        pin_shown(state, view);
    }
    if state.pins.is_empty() {
        faces::empty_ui(
            ui,
            "Two or more episodes: their outcomes, their settings, their curves.",
            "Pin this one, then plan again, go on from a step under another seed, or open a recording.",
        );
        return;
    }
    egui::Frame::NONE
        .inner_margin(egui::Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ScrollArea::both().id_salt("compare").auto_shrink(false).show(ui, |ui| {
                let pins = state.pins.clone();
                let columns = columns(&pins, shown_name(state, view), view);
                Grid::new("compare")
                    .num_columns(columns.len() + 1)
                    .striped(true)
                    .spacing([14.0, 5.0])
                    .show(ui, |ui| {
                        titles_ui(ui, state, &columns);
                        for Fact { name, tip, values } in facts(&columns) {
                            row_ui(ui, name, tip, &values);
                        }
                        let settings = differing(&columns);
                        ui.label(RichText::new("Settings").family(semibold()).color(p.strong));
                        ui.label(
                            RichText::new(settings_note(&columns, &settings))
                                .size(SMALL)
                                .color(p.weak),
                        );
                        ui.end_row();
                        for (name, values) in settings {
                            row_ui(ui, &name, "A setting in which they differ", &values);
                        }
                    });
            });
        });
}

/// The branch that the panels show, or that it is a recording.
fn shown_name(state: &ViewState, view: &View<'_>) -> String {
    let branches = &view.board.branches;
    let id = state.shown_branch.or(branches.at_hand);
    let branch = id.and_then(|id| branches.get(id));
    branch.map_or_else(|| "Recording".to_owned(), Branch::name)
}

/// An episode that is compared.
struct Column<'a> {
    /// Its pin's letter; none for the one that is shown.
    letter: Option<char>,
    name: String,
    recording: &'a Recording,
}

fn columns<'a>(pins: &'a [Pin], shown: String, view: &View<'a>) -> Vec<Column<'a>> {
    let pinned = pins.iter().map(|pin| Column {
        letter: Some(pin.letter),
        name: pin.name.clone(),
        recording: &pin.recording,
    });
    let shown = (!view.recording.task.is_empty()).then_some(Column {
        letter: None,
        name: shown,
        recording: view.recording,
    });
    pinned.chain(shown).collect()
}

fn titles_ui(ui: &mut Ui, state: &mut ViewState, columns: &[Column<'_>]) {
    let p = Palette::of(ui);
    ui.label("");
    for column in columns {
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            let Some(letter) = column.letter else {
                ui.label(RichText::new("Shown").family(semibold()).color(p.accent))
                    .on_hover_text("The episode that the other panels show");
                return;
            };
            ui.label(RichText::new(letter).family(semibold()).color(p.strong));
            if let Some(pin) = state.pins.iter_mut().find(|pin| pin.letter == letter) {
                let eye = widgets::icon_toggle(
                    ui,
                    true,
                    pin.drawn,
                    Icon::Live,
                    "",
                    &format!("Draw the curves of {letter}"),
                );
                if eye
                    .on_hover_text("Draw its similarity curves beside the shown ones")
                    .clicked()
                {
                    pin.drawn = !pin.drawn;
                }
            }
            let unpin = widgets::icon_button(ui, true, Icon::Cross, "", &format!("Unpin {letter}"));
            if unpin.on_hover_text("Take it out of the comparison").clicked() {
                state.unpin(letter);
            }
        });
    }
    ui.end_row();
}

/// A line of the table. Where the values differ they stand out.
fn row_ui(ui: &mut Ui, name: &str, tip: &str, values: &[String]) {
    let p = Palette::of(ui);
    ui.label(RichText::new(name).size(SMALL).color(p.weak))
        .on_hover_text(tip);
    let differ = values.windows(2).any(|pair| pair[0] != pair[1]);
    for value in values {
        let color = if differ { p.strong } else { p.text };
        ui.scope(|ui| {
            ui.set_max_width(VALUE_WIDTH);
            // What is cut off is told in a tooltip.
            ui.add(Label::new(RichText::new(value).color(color)).truncate());
        });
    }
    ui.end_row();
}

struct Fact {
    name: &'static str,
    tip: &'static str,
    values: Vec<String>,
}

fn facts(columns: &[Column<'_>]) -> Vec<Fact> {
    let fact = |name, tip, value: fn(&Recording) -> String| Fact {
        name,
        tip,
        values: columns.iter().map(|column| value(column.recording)).collect(),
    };
    vec![
        Fact {
            name: "Episode",
            tip: "Where it came from",
            values: columns.iter().map(|column| column.name.clone()).collect(),
        },
        fact("Task", "As it was typed", |recording| recording.task.clone()),
        fact(
            "Seed",
            "Of the scene's jitter, CEM and sampling; after an arrow, of a branch from its step on",
            seeds,
        ),
        fact(
            "Checkpoint",
            "Name of the checkpoint, and how its hash begins",
            checkpoint,
        ),
        fact("Scene", "Name of the scene", |recording| recording.scene.clone()),
        fact(
            "Outcome",
            "What was declared, and whether it holds in the world",
            |recording| outcome_words(recording).to_owned(),
        ),
        fact("Steps", "Actions that were executed", |recording| {
            actions(recording).to_string()
        }),
        fact(
            "Sub-goals reached",
            "Declared reached, of those that were not replaced",
            reached,
        ),
        fact("Re-plans", "Times that the VLM was asked again", |recording| {
            recording.replans.len().to_string()
        }),
        fact("Edits", "Times that the user changed the list", |recording| {
            recording.edits.len().to_string()
        }),
        fact(
            "Settings turned",
            "Settings that were changed while it ran; below they stand as they were in the end",
            |recording| recording.changes.len().to_string(),
        ),
        fact(
            "Mean plan time",
            "Wall time of a step's plan, mean over the steps",
            plan_time,
        ),
    ]
}

fn seeds(recording: &Recording) -> String {
    let later = recording
        .branched_from
        .iter()
        .map(|point| format!(" → {} at {}", point.seed, point.step));
    std::iter::once(recording.seed.to_string()).chain(later).collect()
}

fn checkpoint(recording: &Recording) -> String {
    let hash: String = recording.checkpoint_hash.chars().take(6).collect();
    format!("{} {hash}", recording.checkpoint_name)
}

fn reached(recording: &Recording) -> String {
    let ended = |because| {
        let records = recording.sub_goals.iter();
        records.filter(|record| record.ended_because == Some(because)).count()
    };
    let all = recording.sub_goals.len() - ended(EndedBecause::Replaced);
    format!("{} of {all}", ended(EndedBecause::Reached))
}

fn plan_time(recording: &Recording) -> String {
    let times: Vec<f64> = recording
        .steps
        .iter()
        .map(|step| step.plan_secs)
        .filter(|secs| *secs > 0.0)
        .collect();
    if times.is_empty() {
        return "–".to_owned();
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    format!("{} ms", numbers::fixed(mean * 1000.0, 0))
}

/// Settings that are not the same in all episodes that know theirs.
fn differing(columns: &[Column<'_>]) -> Vec<(String, Vec<String>)> {
    let all: Vec<Vec<(String, String)>> = columns.iter().map(|column| column.recording.plan_entries()).collect();
    let Some(known) = all.iter().find(|entries| !entries.is_empty()) else {
        return Vec::new();
    };
    let row = |(name, _): &(String, String)| {
        let of = |entries: &Vec<(String, String)>| {
            let entry = entries.iter().find(|(own, _)| own == name);
            entry.map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
        };
        (name.clone(), all.iter().map(of).collect::<Vec<_>>())
    };
    let mut rows: Vec<_> = known.iter().map(row).collect();
    rows.retain(|(_, values)| {
        let mut values = values.iter().filter(|value| *value != "–");
        let first = values.next();
        values.any(|value| Some(value) != first)
    });
    rows
}

fn settings_note(columns: &[Column<'_>], differing: &[(String, Vec<String>)]) -> &'static str {
    let known = columns
        .iter()
        .filter(|column| column.recording.settings.is_some())
        .count();
    match (known, differing.len()) {
        (0 | 1, _) => "not recorded",
        (_, 0) => "all the same",
        _ => "that differ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;
    use crate::recording::{BranchPoint, SettingChange};

    fn recording(change: impl FnOnce(&mut Recording)) -> Recording {
        let mut recording = Recording {
            task: "task".to_owned(),
            seed: 7,
            settings: Some(preset("nano").unwrap().plan),
            ..Recording::default()
        };
        change(&mut recording);
        recording
    }

    #[test]
    fn only_settings_that_differ_are_listed_and_those_that_are_not_known_do_not_differ() {
        let plain = recording(|_| ());
        let old = recording(|recording| recording.settings = None);
        let other = recording(|recording| {
            let settings = recording.settings.as_mut().unwrap();
            (settings.cem.population, settings.cem.noise_common[2]) = (11, 0.125);
        });
        let of = |recordings: &[&Recording]| {
            let column = |recording| Column {
                letter: None,
                name: String::new(),
                recording,
            };
            differing(&recordings.iter().copied().map(column).collect::<Vec<_>>())
        };
        assert!(of(&[&plain, &plain, &old]).is_empty());
        assert!(of(&[&old, &old]).is_empty());
        let rows = of(&[&plain, &other, &old]);
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cem.noise_common.2", "cem.population"]);
        assert_eq!(rows[1].1[1..], ["11".to_owned(), "–".to_owned()]);

        // Settings that were turned count as they were in the end.
        let turned = recording(|recording| {
            recording.changes.push(SettingChange {
                step: 2,
                field: "plan.cem.population".to_owned(),
                from: 48.into(),
                to: 11.into(),
            });
        });
        let names: Vec<String> = of(&[&turned, &other]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["cem.noise_common.2"]);
    }

    #[test]
    fn seeds_are_told_with_the_steps_they_hold_from() {
        let branch = recording(|recording| {
            for (step, seed) in [(3, 8), (5, 9)] {
                recording.branched_from.push(BranchPoint { file: None, step, seed });
            }
        });
        assert_eq!(seeds(&branch), "7 → 8 at 3 → 9 at 5");
    }
}

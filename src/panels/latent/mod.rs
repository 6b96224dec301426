//! The world model at the shown step: what it sees there, what it imagines, and how far that came true. Whatever is drawn
//! here the loaded model answers on its own thread, from the recording.

mod errors;
mod landscape;
mod patches;
mod strip;
mod table;

use egui::{RichText, ScrollArea, Ui};

use super::camera::FrameTexture;
use super::examine::{Known, ask};
use super::frozen::past;
use super::pane::Pane;
use super::state::{View, ViewState};
use super::tables::{Table, plot_menu};
use super::working::working_ui;
use crate::engine::{Answer, Command, Examined, JobKind, Question, Topic};
use crate::eval::latent::{Centre, LatentAnswer, LatentQuestion, Part, Rest};
use crate::recording::Recording;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, faces, numbers, widgets};

/// Which of its views the pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Face {
    #[default]
    Landscape,
    Patches,
    OpenLoop,
    Sensitivity,
    Imagined,
}

/// Short name, and what it is.
const FACES: [(Face, &str, &str); 5] = [
    (
        Face::Landscape,
        "Landscape",
        "Similarity landscape: where each first action (dx, dy) leads in the world model, by how near it comes to the \
         sub-goal's latent goal g_k (Algorithm 2, lines 16 to 22)",
    ),
    (
        Face::Patches,
        "Patches",
        "The patch tokens s_t (method 4.1) as colours: their first three principal components, fitted over all frames of \
         the episode that are recorded",
    ),
    (
        Face::OpenLoop,
        "Error",
        "Open-loop error: the states that the predictor imagines from this step under the executed actions (method 4.3; \
         Algorithm 2, line 20), against the frames that then came, beside persistence",
    ),
    (
        Face::Sensitivity,
        "Actions",
        "Sensitivity to actions: how far the imagined future under the true actions (method 4.3; Algorithm 2, line 20) lies \
         from that under others. A model that ignores its actions gives 0",
    ),
    (
        Face::Imagined,
        "Imagined",
        "What it imagines: the states of the chosen plan (Algorithm 2, lines 16 to 21), each as the recorded frame that is \
         nearest to it, over the frame that then came",
    ),
];

/// What landscape cells are coloured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shade {
    #[default]
    Similarity,
    Cost,
}

/// What the user chose in the pane.
#[derive(Default)]
pub struct LatentForm {
    face: Face,
    rest: Rest,
    shade: Shade,
    centre: Centre,
    part: Part,
    frame: FrameTexture,
    /// Of the strip: imagined and real by turns.
    thumbnails: Vec<FrameTexture>,
}

impl LatentForm {
    /// What the chosen view needs to know; none where there is no sub-goal to ask about.
    fn question(&self, sub_goal: Option<usize>) -> Option<LatentQuestion> {
        Some(match self.face {
            Face::Landscape => LatentQuestion::Landscape {
                sub_goal: sub_goal?,
                rest: self.rest,
            },
            Face::Patches => LatentQuestion::Patches(self.centre),
            Face::OpenLoop => LatentQuestion::OpenLoop,
            Face::Sensitivity => LatentQuestion::Sensitivity,
            Face::Imagined => LatentQuestion::Imagined,
        })
    }
}

/// A row of choices of one thing; the one that was clicked.
fn choice_ui<T: Copy + PartialEq>(ui: &mut Ui, now: T, name: &str, choices: &[(T, &str, &str)]) -> T {
    let mut chosen = now;
    for &(value, text, tip) in choices {
        let label = format!("{name}: {text}");
        if widgets::toggle(ui, value == now, text, &label)
            .on_hover_text(tip)
            .clicked()
        {
            chosen = value;
        }
    }
    chosen
}

pub fn latent_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let question = state.latent.question(view.shown_sub_goal(state));
    let known = match question {
        Some(question) => ask(ui, state, view, Question::Latent(question)),
        None => Known::NotYet {
            advice: "No sub-goal is pursued at this step. Select one in the list.",
        },
    };
    let past = past(state, view);
    let mut back = false;
    faces::panel_ui(
        ui,
        "Latent",
        |ui| {
            if let Some([step, last]) = past {
                back = faces::frozen_ui(ui, "Latent", step, last);
            }
            header_ui(ui, &known);
        },
        |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = egui::vec2(3.0, 3.0);
                state.latent.face = choice_ui(ui, state.latent.face, "Latent view", &FACES);
            });
            options_ui(ui, &mut state.latent);
            match &known {
                Known::NotYet { advice } => {
                    let what = "What the world model sees at a step, what it imagines, and how far that came true.";
                    faces::empty_ui(ui, what, advice);
                }
                Known::Answer { newest, current } => answer_ui(ui, state, view, newest.as_deref(), *current),
                Known::Stopped => {
                    if faces::stopped_ui(ui, "The look into this step was stopped.") {
                        state.asking.ask_again(Topic::Latent);
                    }
                }
            }
        },
    );
    if back {
        state.follow_live();
    }
}

/// The newest answer as CSV; none where there is none.
pub(super) fn latent_table(view: &View<'_>) -> Option<String> {
    let newest = view.board.examined.get(&Topic::Latent)?;
    let Ok(Answer::Latent(answer)) = &newest.answer else {
        return None;
    };
    Some(table::table(newest.asked.step, answer))
}

/// Which step is drawn, and whether a newer answer is on its way.
fn header_ui(ui: &mut Ui, known: &Known) {
    let p = Palette::of(ui);
    let Known::Answer { newest, current } = known else {
        return;
    };
    if let Some(newest) = newest {
        let text = format!("step {}", newest.asked.step);
        let took = numbers::duration(newest.took);
        ui.label(
            RichText::new(text)
                .size(SMALL)
                .color(if *current { p.text } else { p.weak }),
        )
        .on_hover_text(format!(
            "The step that this was computed for, in {took}. While an episode runs, an answer takes its time between \
                 two steps; it never changes the plan."
        ));
    }
    if !current {
        ui.label(RichText::new("working").size(SMALL).color(p.accent));
    }
}

/// What can be chosen about the view.
fn options_ui(ui: &mut Ui, form: &mut LatentForm) {
    if matches!(form.face, Face::Sensitivity | Face::Imagined) {
        return;
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        match form.face {
            Face::Landscape => {
                form.rest = choice_ui(ui, form.rest, "After the first action", &landscape::RESTS);
                ui.add_space(8.0);
                form.shade = choice_ui(ui, form.shade, "Colour", &landscape::SHADES);
            }
            Face::Patches => form.centre = choice_ui(ui, form.centre, "Colours show", &patches::CENTRES),
            Face::OpenLoop => form.part = choice_ui(ui, form.part, "Error of", &errors::PARTS),
            Face::Sensitivity | Face::Imagined => {}
        }
    });
}

/// The model is at work, or will be once the step at hand is planned.
fn looking_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let Some(job) = view.board.jobs.iter().find(|job| job.kind == JobKind::Examine) else {
        return faces::empty_ui(ui, "The model looks into this step next.", "");
    };
    if working_ui(ui, job, "Stop looking into this step") {
        state.asking.stop(Topic::Latent);
        state.outbox.push(Command::StopExamining);
    }
}

fn answer_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, newest: Option<&Examined>, current: bool) {
    let Some(newest) = newest else {
        return looking_ui(ui, state, view);
    };
    let answer = match &newest.answer {
        Ok(Answer::Latent(answer)) => answer,
        Err(why) if current => return faces::empty_ui(ui, "There is nothing to show here.", why),
        Ok(_) | Err(_) => return looking_ui(ui, state, view),
    };
    // An answer about another branch has its steps there.
    let branch = newest.asked.branch.and_then(|id| view.board.branches.get(id));
    let recording: &Recording = branch.map_or(view.recording, |branch| &branch.recording);
    let step = newest.asked.step;
    if !current {
        ui.multiply_opacity(0.45);
    }
    ScrollArea::vertical()
        .id_salt("latent")
        .auto_shrink(false)
        .show(ui, |ui| {
            let form = &mut state.latent;
            let plot = match (form.face, answer) {
                (Face::Landscape, LatentAnswer::Landscape(found)) => {
                    let plan = recording.steps.get(step).and_then(|record| record.cem.last());
                    let chosen = plan.and_then(|plan| plan.mean.first()).copied();
                    landscape::landscape_ui(ui, form.shade, step, found, chosen)
                }
                (Face::Patches, LatentAnswer::Patches(found)) => {
                    let frame = recording.steps.get(step).map(|record| &record.frame);
                    patches::patches_ui(ui, &mut form.frame, &mut state.selection.patch, frame, step, found)
                }
                (Face::OpenLoop, LatentAnswer::OpenLoop(found)) => errors::open_loop_ui(ui, form.part, step, found),
                (Face::Sensitivity, LatentAnswer::Sensitivity(found)) => errors::sensitivity_ui(ui, step, found),
                (Face::Imagined, LatentAnswer::Imagined(found)) => {
                    let (strip, wanted) = strip::strip_ui(ui, &mut form.thumbnails, recording, step, found);
                    if let Some(wanted) = wanted {
                        state.select_step(wanted, view);
                    }
                    strip
                }
                // The answer is still that of another view.
                _ => return looking_ui(ui, state, view),
            };
            plot_menu(&plot, &mut state.shell, Pane::Latent, &[Table::Latent]);
        });
}

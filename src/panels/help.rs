//! The manual: how to begin, what each pane shows, the quantities with their place in the method, and the keys.

use egui::{Align2, Grid, Label, RichText, ScrollArea, Ui, Window, vec2};

use super::pane::Pane;
use super::state::{ViewState, Workspace};
use crate::ui::Palette;
use crate::ui::keys::{self, KEYMAP};
use crate::ui::theme::semibold;

const BEGIN: [&str; 6] = [
    "Type a task and press Enter. The VLM breaks it into sub-goals; each becomes a goal in latent space; the \
     cross-entropy method plans through the world model towards it, one action at a time.",
    "What you select is selected everywhere: a sub-goal, a step, a CEM iteration, an elite, a patch, a word. Drag on the \
     timeline to look at the past; nothing moves there until you press End or play it. Drag with Shift to loop a range, \
     double-click it to loop no more.",
    "Hover over any number for its name, its place in the method, its unit and its range. Right click a plot for its \
     numbers as CSV.",
    "Plan and Act in the CEM pane are two switches: plan without moving, or execute the last plan without planning anew. A \
     plan can be made one iteration at a time. Settings that you turn apply at the next step; the timeline marks where, and \
     they stay until you reset them or load another checkpoint.",
    "Drag a pane by its title; View closes panes, brings them back, and keeps layouts under a name.",
    "Open…, Export… and the training form take a path that is typed, or chosen in the system's dialog beside it. A \
     checkpoint's folder, a run's folder, a scene or a recording may also be dropped on the window.",
];

/// What a pane shows.
fn about(pane: Pane) -> &'static str {
    match pane {
        Pane::SubGoals => {
            "The VLM's list, with the state of each sub-goal and its similarity to the shown frame. Click one to select it, \
             double click to see its first step."
        }
        Pane::Reasoning => {
            "What the VLM wrote, word by word. Hover over a word for its probability and what it might have been; those in \
             doubt are underlined. Click a word to see in the camera where it looked, the number of a line to select its \
             sub-goal; click a patch of the camera to mark the words that looked there. Layer and head change what is seen, \
             never a plan."
        }
        Pane::Camera => {
            "What was seen at the shown step, tinted where the VLM looked for the sub-goal, with the elites' imagined \
             paths, the executed action and the place that the goal reads as."
        }
        Pane::Cem => {
            "How the action was found: costs by iteration, the distribution of actions, the histogram of costs and the \
             elites. Shift+Left and Shift+Right walk through the iterations."
        }
        Pane::Latent => {
            "What the world model sees and imagines at the shown step: a landscape of first actions, its patch tokens as \
             colours, its open-loop error, its sensitivity to actions, and the imagined states as nearest recorded frames."
        }
        Pane::Compare => {
            "Pinned episodes and branches beside the shown one: what came of each, and the settings that differ. Their \
             curves stand dashed among the similarities."
        }
        Pane::Timeline => {
            "Steps, sub-goals, re-plans, breakpoints and the vacuum over time. Wheel zooms, double click shows all, right \
             click offers."
        }
        Pane::Similarity => {
            "How close each step came to each goal, on the timeline's axis, with the threshold; dashed: what the chosen \
             plan predicts."
        }
        Pane::Runs => {
            "Every run of training under runs/ and those that are watched by path, whoever trains them: state, step, pace and \
             what is left. Check one to draw its curves."
        }
        Pane::Train => {
            "The form of a run: stage, preset and every setting the stage depends on, what it will need, and the buttons that \
             pause and stop it."
        }
        Pane::Metrics => {
            "Every number that the checked runs write, laid over one another; the thick line is smoothed. Ctrl and the wheel \
             zoom, double click shows all, right click offers."
        }
        Pane::Samples => {
            "What a run's networks make of fixed inputs at any of its steps: spectrum, masks, read-out, rollouts, plans, \
             answers, the K x K of stage 2."
        }
    }
}

/// Symbol, name, and where the method has it.
const QUANTITIES: [(&str, &str, &str); 17] = [
    ("s", "latent of a frame, N patches of D numbers", "method 4.1"),
    ("w_k", "where the VLM looked for sub-goal k; mean 1", "method 4.4"),
    (
        "p",
        "probability of a token that the VLM wrote, at temperature 1",
        "method 4.4",
    ),
    ("g_k", "goal of sub-goal k in latent space", "method 4.5"),
    (
        "sim(s, g_k)",
        "similarity of a frame to a goal, 0 to 1",
        "Algorithm 2, line 11",
    ),
    (
        "δ_goal",
        "similarity above which a sub-goal is declared reached",
        "Algorithm 2, line 11",
    ),
    (
        "P, H, I",
        "candidates, actions in each, iterations",
        "Algorithm 2, lines 13 to 26",
    ),
    (
        "J",
        "cost of a candidate, lower is better; the method's reward is −J",
        "Algorithm 2, line 22",
    ),
    (
        "ρ",
        "share of the candidates that are elites: ρP of them, rounded up",
        "Algorithm 2, line 24",
    ),
    (
        "μ, σ",
        "mean and standard deviation of the actions after a refit, −1 to 1",
        "Algorithm 2, line 25",
    ),
    (
        "a*",
        "the executed action: the first of the mean",
        "Algorithm 2, line 27",
    ),
    (
        "T_max",
        "steps after which the VLM is asked again",
        "Algorithm 2, line 31",
    ),
    (
        "L_pred",
        "error of predicted and target tokens, 0 or more",
        "method 4.7; Algorithm 1, line 16",
    ),
    (
        "L_reg",
        "SIGReg: minus the entropy of the latents' spectrum, −ln D to 0; collapsed at 0",
        "method 4.7; Algorithm 1, line 17",
    ),
    (
        "exp H(p)",
        "effective rank: how many directions the latents use, 1 to D",
        "method 4.7; Algorithm 1, line 17",
    ),
    (
        "τ",
        "momentum with which the target encoder follows the online one, 0 to 1",
        "method 4.2; Algorithm 1, line 21",
    ),
    (
        "L_GPI",
        "InfoNCE of K goals and achieved states, 0 at best, ln K if nothing is known",
        "method 4.7; method 7, stage 2, step 5",
    ),
];

/// What the training workspace does.
const TRAINING: [&str; 6] = [
    "Ctrl+2 shows training. Name a folder, choose a stage and a preset, change what you like, and start: the form says in \
     place what is wrong, what each setting means, and how much memory and time it will take. A folder that holds a run \
     already is gone on with.",
    "Pause saves a checkpoint after the step at hand and waits with the models loaded; Resume training does the next step. \
     Stop and save ends with a checkpoint that the run can go on from. Just stop drops what was done since the last \
     checkpoint. A run that was stopped or has failed goes on from its last checkpoint by Resume in the list, with the \
     settings that it was begun with.",
    "While an episode is planned, a slider says who gets the machine: from the episode first over even shares to the training \
     first.",
    "The list has the runs under runs/. Check one to draw its curves; name any other folder above the list, or drop it on the \
     window, to watch it. A run that another process writes is read as it grows, and never written to.",
    "Every number of a run is a curve, the runs laid over one another in their colours; a cross marks where a value was no \
     number. Drag moves and Ctrl+wheel zooms all of them along the steps, or along time; double-click shows all. Right click a curve for its numbers as CSV, \
     all or those in sight, for its own logarithmic or linear axis, and to smooth it.",
    "Samples show what the networks make of fixed inputs at any step that has one: spectrum, masks and read-out of stage 1, \
     rollouts of 1b, answers of stage vlm, goals and states (K x K) of stage 2, sub-goals carried out by bc. Newest follows the run; the slider goes back.",
];

/// What can be taken along.
const EXPORTS: [&str; 3] = [
    "Ctrl+E exports the episode that is shown: its name decides, .json for the plan, .gif for a moving picture, .tjrec for a \
     recording that this window opens again with everything in it.",
    "With a loop on the timeline (Shift+drag, or I and O), Steps N to M alone exports an excerpt: a recording or a GIF of these \
     steps and nothing else.",
    "Right click any plot for its numbers as CSV and for a picture of its pane. Files of the window lie beside the last \
     export and replace nothing.",
];

/// The window that F1 opens.
pub fn manual_ui(ui: &mut Ui, state: &mut ViewState) {
    let mut open = state.manual_open;
    let height = (ui.ctx().content_rect().height() - 120.0).clamp(200.0, 760.0);
    let window = Window::new("Manual")
        .open(&mut open)
        .collapsible(false)
        .resizable(false);
    window
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .show(ui.ctx(), |ui| {
            ui.set_width(800.0);
            ScrollArea::vertical().max_height(height).show(ui, |ui| {
                for text in BEGIN {
                    text_ui(ui, text);
                }
                keys_ui(ui);
                for (title, workspace) in [
                    ("Panes of the episode", Workspace::Episode),
                    ("Panes of training", Workspace::Training),
                ] {
                    title_ui(ui, title);
                    let panes = Pane::of(workspace).iter();
                    table_ui(ui, title, panes.map(|&pane| [pane.title(), about(pane), ""]));
                }
                for (title, texts) in [("Training", &TRAINING[..]), ("Exports and excerpts", &EXPORTS)] {
                    title_ui(ui, title);
                    for text in texts {
                        text_ui(ui, text);
                    }
                }
                title_ui(ui, "Quantities");
                table_ui(
                    ui,
                    "quantities",
                    QUANTITIES.map(|(symbol, name, place)| [symbol, name, place]),
                );
            });
        });
    state.manual_open = open;
}

fn title_ui(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    ui.add_space(6.0);
    ui.label(RichText::new(text).family(semibold()).color(p.strong));
}

fn text_ui(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    ui.add(Label::new(RichText::new(text).color(p.text)).wrap());
    ui.add_space(4.0);
}

fn keys_ui(ui: &mut Ui) {
    let p = Palette::of(ui);
    title_ui(ui, "Keys");
    let half = KEYMAP.len().div_ceil(2);
    ui.columns(2, |columns| {
        for (index, (column, bindings)) in columns.iter_mut().zip(KEYMAP.chunks(half)).enumerate() {
            let grid = Grid::new(("keys", index)).num_columns(2).spacing(vec2(18.0, 3.0));
            grid.show(column, |ui| {
                for binding in bindings {
                    let keys = keys::label(ui.ctx(), binding.act);
                    ui.label(RichText::new(keys).monospace().color(p.weak));
                    ui.label(binding.title);
                    ui.end_row();
                }
            });
        }
    });
}

fn table_ui(ui: &mut Ui, name: &str, rows: impl IntoIterator<Item = [&'static str; 3]>) {
    let p = Palette::of(ui);
    let grid = Grid::new(name)
        .num_columns(3)
        .spacing(vec2(18.0, 4.0))
        .max_col_width(520.0);
    grid.show(ui, |ui| {
        for [term, meaning, place] in rows {
            ui.label(RichText::new(term).family(semibold()).color(p.text));
            ui.add(Label::new(RichText::new(meaning).color(p.text)).wrap());
            ui.label(RichText::new(place).color(p.weak));
            ui.end_row();
        }
    });
}

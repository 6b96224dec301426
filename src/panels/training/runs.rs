//! The list of runs: how each stands, which of them are drawn, and how one goes on.

use std::path::{Path, PathBuf};

use egui::{Align, Label, Layout, RichText, ScrollArea, Ui, vec2};

use super::state::TrainingForm;
use crate::engine::{Command, RunFacts, RunMetrics, RunState, Stage, TrainingCommand, TrainingRequest, TrainingState};
use crate::panels::state::{View, ViewState};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, faces, numbers, widgets};

pub fn runs_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    faces::header_ui(ui, "Runs", |_| {});
    let scroll = ScrollArea::vertical().id_salt("runs").auto_shrink(false);
    scroll.show(ui, |ui| list_ui(ui, state, view));
}

fn list_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    egui::Frame::NONE
        .inner_margin(egui::Margin::symmetric(10, 6))
        .show(ui, |ui| {
            watch_ui(ui, state);
            let metrics = view.metrics;
            // What is watched and not listed yet has no facts.
            let unlisted = metrics
                .watched
                .keys()
                .filter(|run| metrics.listed.iter().all(|facts| facts.run != **run));
            let unlisted: Vec<&PathBuf> = unlisted.collect();
            if metrics.listed.is_empty() && unlisted.is_empty() {
                faces::empty_ui(
                    ui,
                    "Runs under runs/ and those that are watched by path, whoever trains them.",
                    "Start one in Train, or name a folder above.",
                );
                return;
            }
            for run in unlisted {
                row_ui(ui, state, view, run, None);
            }
            for facts in &metrics.listed {
                row_ui(ui, state, view, &facts.run, Some(facts));
            }
        });
}

/// A path field with its button.
fn watch_ui(ui: &mut Ui, state: &mut ViewState) {
    ui.horizontal(|ui| {
        let path = &mut state.training.path;
        let width = (ui.available_width() - 74.0).max(80.0);
        let field = widgets::field(ui, path, width, "Folder of a run", "Run to watch");
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let run = PathBuf::from(path.trim());
        let named = !run.as_os_str().is_empty();
        let button = ui.add_enabled(named, egui::Button::new("Watch"));
        let button = button.on_hover_text("Show the metrics of this folder as they grow, whoever writes them");
        if named && (entered || button.clicked()) {
            path.clear();
            state.outbox.push(Command::WatchRun(run));
        }
    });
}

fn row_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, run: &Path, facts: Option<&RunFacts>) {
    let p = Palette::of(ui);
    let name = name_of(run);
    let watched = view.metrics.watched.get(run);
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        let mut on = watched.is_some();
        let check = ui.checkbox(&mut on, "").on_hover_text("Draw the curves of this run");
        let check = check.accessible_name(format!("Draw {name}"));
        if check.changed() {
            let run = run.to_owned();
            state.outbox.push(if on {
                Command::WatchRun(run)
            } else {
                Command::Training(TrainingCommand::Forget(run))
            });
        }
        let (swatch, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
        if watched.is_some() {
            ui.painter()
                .rect_filled(swatch, 2.0, p.sub_goal(state.training.color(run)));
        }
        let title = ui.label(RichText::new(&name).family(semibold()).color(p.strong));
        title.on_hover_text(run.display().to_string());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if watched.is_some() {
                let hidden = state.training.hidden.contains(run);
                let toggle = widgets::toggle(ui, hidden, "Hide", &format!("Hide {name}"));
                if toggle
                    .on_hover_text("Leave its curves out, and go on reading them")
                    .clicked()
                {
                    if hidden {
                        state.training.hidden.remove(run);
                    } else {
                        state.training.hidden.insert(run.to_owned());
                    }
                }
            }
            if let Some(facts) = facts {
                lead_ui(ui, state, view, facts, &name);
                let paused = facts.state == RunState::Here && is_paused(view);
                let (word, color) = match facts.state {
                    RunState::Here if paused => ("paused", p.warn),
                    RunState::Here => ("running here", p.good),
                    RunState::Elsewhere => ("running elsewhere", p.accent),
                    RunState::Finished => ("finished", p.text),
                    RunState::Stopped => ("stopped", p.weak),
                    RunState::Failed => ("failed", p.bad),
                };
                ui.label(RichText::new(word).size(SMALL).color(color));
            }
        });
    });
    let mut lines = Vec::new();
    if let Some(facts) = facts {
        lines.push((told(facts), p.weak));
    }
    if let Some(run) = watched {
        if let Some(problem) = &run.problem {
            lines.push((problem.clone(), p.bad));
        }
        if run.unread_lines > 0 {
            lines.push((format!("{} lines could not be read", run.unread_lines), p.warn));
        }
    }
    for (text, color) in lines {
        ui.horizontal(|ui| {
            ui.add_space(34.0);
            ui.add(Label::new(RichText::new(text).size(SMALL).color(color)).wrap());
        });
    }
}

/// Goes on with a run that ended early, with its own settings.
fn lead_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, facts: &RunFacts, name: &str) {
    let (Some(stage), RunState::Stopped | RunState::Failed) = (facts.stage, facts.state) else {
        return;
    };
    let busy = is_busy(view);
    let button = ui.add_enabled(!busy, egui::Button::new(RichText::new("Resume").size(SMALL)).small());
    let button = button.accessible_name(format!("Resume {name}"));
    let tip = "Go on from its last checkpoint, with the settings that it was begun with";
    if button.on_hover_text(tip).clicked() {
        let config = facts.run.join("config.ron").display().to_string();
        start(state, view, facts.run.clone(), stage, |request| {
            request.preset = config;
            request.from = facts.from.clone();
        });
    }
}

/// Starts a run, watched from the beginning.
pub(super) fn start(
    state: &mut ViewState,
    view: &View<'_>,
    run: PathBuf,
    stage: Stage,
    fill: impl FnOnce(&mut TrainingRequest),
) {
    let mut request = TrainingRequest {
        stage,
        preset: String::new(),
        settings: std::collections::BTreeMap::new(),
        run: run.clone(),
        steps: None,
        from: None,
        device: view.board.info.as_ref().map(|info| info.device_choice),
    };
    fill(&mut request);
    state
        .outbox
        .extend([Command::StartTraining(request), Command::WatchRun(run)]);
}

/// The trainer has a run that is not over.
pub(super) fn is_busy(view: &View<'_>) -> bool {
    matches!(
        view.board.training,
        TrainingState::Running { .. } | TrainingState::Paused { .. }
    )
}

pub(super) fn is_paused(view: &View<'_>) -> bool {
    matches!(view.board.training, TrainingState::Paused { .. })
}

/// Stage, preset, step, pace and what is left.
fn told(facts: &RunFacts) -> String {
    let mut words = Vec::new();
    if let Some(stage) = facts.stage {
        words.push(format!("stage {}", stage.name()));
    }
    words.extend(facts.preset.clone());
    words.push(match facts.steps {
        Some(steps) => format!(
            "{} of {}",
            numbers::grouped(facts.step as i64),
            numbers::grouped(steps as i64)
        ),
        None => format!("step {}", numbers::grouped(facts.step as i64)),
    });
    if let Some(pace) = facts.steps_per_sec {
        words.push(format!("{} steps/s", numbers::sig3(pace)));
    }
    if let Some(left) = facts.left().filter(|_| facts.is_running()) {
        words.push(format!("{} left", numbers::duration(left)));
    }
    words.join(" · ")
}

/// A run's name: the folder's own.
pub(super) fn name_of(run: &Path) -> String {
    run.file_name()
        .map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}

impl TrainingForm {
    /// The runs whose curves are drawn, in the order of their colours.
    pub(super) fn drawn<'a>(&self, metrics: &'a RunMetrics) -> Vec<(&'a Path, &'a crate::engine::Run, usize)> {
        let shown = metrics.watched.iter().filter(|(run, _)| !self.hidden.contains(*run));
        let mut drawn: Vec<_> = shown
            .map(|(path, run)| (path.as_path(), run, self.color(path)))
            .collect();
        drawn.sort_by_key(|(_, _, color)| *color);
        drawn
    }
}

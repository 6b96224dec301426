//! The list of runs: how each stands, which of them are drawn, and how one goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use egui::{Align, Label, Layout, RichText, ScrollArea, Ui, vec2};

use super::form::DIALOG;
use super::state::{TrainingForm, named_path};
use crate::device::DeviceChoice;
use crate::engine::{
    Command, Job, JobKind, RunFacts, RunMetrics, RunState, Stage, TrainingCommand, TrainingRequest, TrainingState,
    run_name,
};
use crate::panels::files::{PathField, dialog_button_ui};
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
        let width = (ui.available_width() - 74.0 - DIALOG).max(80.0);
        let field = widgets::field(ui, path, width, "Folder of a run", "Run to watch");
        if std::mem::take(&mut state.training.focus_path) {
            field.request_focus();
        }
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        dialog_button_ui(ui, &mut state.shell.dialogs, PathField::Watch, path);
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
    let name = run_name(run);
    let watched = view.metrics.watched.get(run);
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        let mut on = watched.is_some();
        let check = ui.checkbox(&mut on, "").on_hover_text("Draw the curves of this run");
        let check = check.accessible_name(format!("Draw {name}"));
        if check.changed() {
            state.outbox.push(watching(run, on));
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
                resume_ui(ui, state, view, facts, &name);
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
        lines.push((told(facts, view), p.weak));
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

/// Begins to read a run, or reads it no more.
fn watching(run: &Path, on: bool) -> Command {
    if on {
        Command::WatchRun(run.to_owned())
    } else {
        Command::Training(TrainingCommand::Forget(run.to_owned()))
    }
}

/// Goes on with a run that ended early, with its own settings.
fn resume_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, facts: &RunFacts, name: &str) {
    if !ended_early(facts) {
        return;
    }
    let request = resumed(view, facts);
    let button = ui.add_enabled(
        request.is_some(),
        egui::Button::new(RichText::new("Resume").size(SMALL)).small(),
    );
    let button = button.accessible_name(format!("Resume {name}"));
    let tip = "Go on from its last checkpoint, with the settings that it was begun with";
    if let Some(request) = request.filter(|_| button.on_hover_text(tip).clicked()) {
        state.begin_training(request);
    }
}

fn ended_early(facts: &RunFacts) -> bool {
    facts.stage.is_some() && matches!(facts.state, RunState::Stopped | RunState::Failed)
}

/// What goes on with a run that ended early; none while the trainer is busy.
fn resumed(view: &View<'_>, facts: &RunFacts) -> Option<TrainingRequest> {
    let stage = facts.stage.filter(|_| ended_early(facts) && !is_busy(view))?;
    Some(TrainingRequest {
        stage,
        preset: facts.run.join("config.ron").display().to_string(),
        settings: BTreeMap::new(),
        run: facts.run.clone(),
        steps: None,
        from: facts.from.clone(),
        scene: facts.scene.clone().or_else(|| scene(view)),
        data: facts.data.clone(),
        device: device(view),
    })
}

/// What a run computes on: the device in use.
fn device(view: &View<'_>) -> Option<DeviceChoice> {
    view.board.info.as_ref().map(|info| info.device_choice)
}

/// The scene that a run is of: the one in use.
fn scene(view: &View<'_>) -> Option<String> {
    view.board.info.as_ref().map(|info| info.scene_source.clone())
}

/// The checkpoint in use: a later stage goes on from it unless the form names another.
pub(super) fn checkpoint_in_use(view: &View<'_>) -> Option<PathBuf> {
    view.board.info.as_ref().and_then(|info| info.checkpoint_folder.clone())
}

impl ViewState {
    /// Starts a run, watched from the beginning.
    pub(in crate::panels) fn begin_training(&mut self, request: TrainingRequest) {
        let watch = Command::WatchRun(request.run.clone());
        self.outbox.extend([Command::StartTraining(request), watch]);
    }
}

/// A way to lead the run at hand.
pub(in crate::panels) struct Lead {
    pub button: &'static str,
    /// As the palette has it.
    pub title: &'static str,
    pub tip: &'static str,
    pub command: Command,
}

impl TrainingForm {
    /// The run that the form asks for; none while the trainer is busy or something in the form is to be corrected.
    pub(in crate::panels) fn wanted(&mut self, view: &View<'_>) -> Option<TrainingRequest> {
        let steps = self.own_steps().ok()?;
        let checked = self.checked().ok()?;
        let run = PathBuf::from(self.run.trim());
        let from = named_path(&self.from);
        let sound = checked.edited.problems.is_empty() && from.as_ref().is_none_or(|from| from.exists());
        if !sound || is_busy(view) || run.as_os_str().is_empty() {
            return None;
        }
        Some(TrainingRequest {
            stage: self.stage,
            preset: self.base().to_owned(),
            settings: self.edits.clone(),
            run,
            steps,
            // Stage 1 begins from nothing unless a checkpoint is named.
            from: from.or_else(|| checkpoint_in_use(view).filter(|_| self.stage != Stage::One)),
            scene: scene(view),
            data: named_path(&self.data).filter(|_| self.stage.reads_episodes()),
            device: device(view),
        })
    }

    /// What can be asked of the run at hand; nothing where there is none.
    pub(in crate::panels) fn leads(view: &View<'_>) -> Vec<Lead> {
        if !is_busy(view) {
            return Vec::new();
        }
        let pausing = training_job(view).is_some_and(|job| job.pausing);
        let on = if is_paused(view) || pausing {
            Lead {
                button: "Resume training",
                title: "Resume training",
                tip: if pausing {
                    "Do not pause after all"
                } else {
                    "Do the next step"
                },
                command: Command::Training(TrainingCommand::Resume),
            }
        } else {
            Lead {
                button: "Pause training",
                title: "Pause training",
                tip: "Save a checkpoint after the step at hand and wait; the models stay loaded",
                command: Command::Training(TrainingCommand::Pause),
            }
        };
        let save = Lead {
            button: "Stop and save",
            title: "Stop training and save",
            tip: "Save a checkpoint after the step at hand and end; the run can go on from it",
            command: Command::StopTraining,
        };
        let stop = Lead {
            button: "Just stop",
            title: "Just stop training",
            tip: "End after the step at hand; what was done since the last checkpoint is dropped",
            command: Command::Training(TrainingCommand::StopUnsaved),
        };
        vec![on, save, stop]
    }

    /// Every run that is known, whether it is watched, and the command that turns that round.
    pub(in crate::panels) fn watchable(view: &View<'_>) -> Vec<(String, bool, Command)> {
        let listed = view.metrics.listed.iter().map(|facts| &facts.run);
        let runs: BTreeSet<&PathBuf> = view.metrics.watched.keys().chain(listed).collect();
        let with_command = |run: &PathBuf| {
            let watched = view.metrics.watched.contains_key(run);
            (run_name(run), watched, watching(run, !watched))
        };
        runs.into_iter().map(with_command).collect()
    }

    /// The runs that can go on from where they ended, with what begins them again.
    pub(in crate::panels) fn resumable(view: &View<'_>) -> Vec<(String, TrainingRequest)> {
        let listed = view.metrics.listed.iter();
        listed
            .filter_map(|facts| Some((run_name(&facts.run), resumed(view, facts)?)))
            .collect()
    }
}

/// The trainer has a run that is not over.
pub(super) fn is_busy(view: &View<'_>) -> bool {
    matches!(
        view.board.training,
        TrainingState::Running { .. } | TrainingState::Paused { .. }
    )
}

/// What the trainer is at.
pub(super) fn training_job<'a>(view: &View<'a>) -> Option<&'a Job> {
    view.board.jobs.iter().find(|job| job.kind == JobKind::Train)
}

pub(super) fn is_paused(view: &View<'_>) -> bool {
    matches!(view.board.training, TrainingState::Paused { .. })
}

/// Stage, preset, step, pace and what is left; of the run that this program trains, as its job says it elsewhere.
fn told(facts: &RunFacts, view: &View<'_>) -> String {
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
    let left = match facts.state {
        RunState::Here => training_job(view).and_then(|job| job.eta(Instant::now())),
        _ => facts.left().filter(|_| facts.is_running()),
    };
    if let Some(left) = left {
        words.push(format!("{} left", numbers::duration(left)));
    }
    words.join(" · ")
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

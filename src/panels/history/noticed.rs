//! Edits of what the window itself keeps: the seed, the breakpoints and the form of a run. They are noticed by comparing
//! what is there with what was, whichever key, menu or field has changed it.

use egui::Context;

use super::super::breakpoints::BreakpointForm;
use super::super::state::ViewState;
use super::super::training::TrainingForm;
use super::Edit;
use crate::engine::{Breakpoints, Command, Priority, Stage, TrainingCommand};

/// What was there when it was looked at last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    seed: u64,
    breakpoints: (Breakpoints, BreakpointForm),
    run: RunSettings,
    priority: Priority,
}

/// What the form of a run is filled in with.
#[derive(Clone, Debug, PartialEq)]
struct RunSettings {
    run: String,
    stage: Stage,
    preset: String,
    configuration: String,
    steps: String,
    from: String,
    data: String,
    edits: std::collections::BTreeMap<String, String>,
}

impl RunSettings {
    fn of(form: &TrainingForm) -> Self {
        Self {
            run: form.run.clone(),
            stage: form.stage,
            preset: form.preset.clone(),
            configuration: form.configuration.clone(),
            steps: form.steps.clone(),
            from: form.from.clone(),
            data: form.data.clone(),
            edits: form.edits.clone(),
        }
    }

    fn fill(&self, form: &mut TrainingForm) {
        let Self {
            run,
            stage,
            preset,
            configuration,
            steps,
            from,
            data,
            edits,
        } = self.clone();
        (form.run, form.stage, form.preset) = (run, stage, preset);
        (form.configuration, form.data) = (configuration, data);
        (form.steps, form.from, form.edits) = (steps, from, edits);
        form.adopt_edits();
    }

    /// What was done to come from these settings to others.
    fn title(&self, to: &Self) -> String {
        if self.stage != to.stage {
            return format!("Choose stage {}", to.stage.name());
        }
        if self.preset != to.preset {
            return format!("Choose the preset {}", to.preset);
        }
        let said = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
        for (name, before, after) in [
            ("the run's folder", &self.run, &to.run),
            ("the run's steps", &self.steps, &to.steps),
            ("the run's beginning", &self.from, &to.from),
            ("the run's configuration", &self.configuration, &to.configuration),
            ("the run's data", &self.data, &to.data),
        ] {
            if before != after {
                return format!("Set {name} to {}", said(after));
            }
        }
        let paths = self.edits.keys().chain(to.edits.keys());
        let changed: std::collections::BTreeSet<&String> = paths
            .filter(|path| self.edits.get(*path) != to.edits.get(*path))
            .collect();
        match changed.into_iter().collect::<Vec<_>>()[..] {
            [path] => match to.edits.get(path) {
                Some(text) => format!("Set {path} to {}", said(text)),
                None => format!("Reset {path}"),
            },
            ref many => format!("Change {} settings of the run", many.len()),
        }
    }
}

fn breakpoints_title(from: &Breakpoints, to: &Breakpoints) -> String {
    let only_steps = Breakpoints {
        steps: to.steps.clone(),
        ..from.clone()
    } == *to;
    let added: Vec<&usize> = to.steps.difference(&from.steps).collect();
    let removed: Vec<&usize> = from.steps.difference(&to.steps).collect();
    match (only_steps, &added[..], &removed[..]) {
        (true, [step], []) => format!("Set a breakpoint at step {step}"),
        (true, [], [step]) => format!("Remove the breakpoint at step {step}"),
        _ if to.count() == 0 => "Clear all breakpoints".to_owned(),
        _ => "Change the breakpoints".to_owned(),
    }
}

impl Kept {
    pub(super) fn of(state: &ViewState) -> Self {
        Self {
            seed: state.task.seed,
            breakpoints: (state.breakpoints.clone(), state.breakpoint_form.clone()),
            run: RunSettings::of(&state.training),
            priority: state.training.priority,
        }
    }

    /// The edits that lead from here to there, each of a part of its own.
    fn edits_to(self, now: Self) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.seed != now.seed {
            let set = |seed: u64| move |state: &mut ViewState| state.task.seed = seed;
            let title = format!("Set the seed from {} to {}", self.seed, now.seed);
            edits.push(Edit::new(title, set(self.seed), set(now.seed)));
        }
        if self.breakpoints != now.breakpoints {
            let set = |(set, form): (Breakpoints, BreakpointForm)| {
                move |state: &mut ViewState| {
                    (state.breakpoints, state.breakpoint_form) = (set.clone(), form.clone());
                    state.outbox.push(Command::SetBreakpoints(set.clone()));
                }
            };
            let title = breakpoints_title(&self.breakpoints.0, &now.breakpoints.0);
            edits.push(Edit::new(title, set(self.breakpoints), set(now.breakpoints)));
        }
        if self.run != now.run {
            let set = |run: RunSettings| move |state: &mut ViewState| run.fill(&mut state.training);
            let title = self.run.title(&now.run);
            edits.push(Edit::new(title, set(self.run), set(now.run)));
        }
        if self.priority != now.priority {
            let set = |priority: Priority| {
                move |state: &mut ViewState| {
                    state.training.priority = priority;
                    let set = TrainingCommand::SetPriority(priority);
                    state.outbox.push(Command::Training(set));
                }
            };
            let title = format!("Give planning {} % of the machine", now.priority.percent());
            edits.push(Edit::new(title, set(self.priority), set(now.priority)));
        }
        edits
    }
}

impl ViewState {
    /// Remembers what was changed since the last time; what is typed or dragged, once that is over.
    pub fn notice_edits(&mut self, ctx: &Context) {
        let under_way = ctx.text_edit_focused() || ctx.dragged_id().is_some();
        if !under_way || self.history.kept.is_none() {
            self.notice_now();
        }
    }

    pub(super) fn notice_now(&mut self) {
        let now = Kept::of(self);
        if self.history.kept.as_ref() == Some(&now) {
            return;
        }
        if let Some(before) = self.history.kept.replace(now.clone()) {
            for edit in before.edits_to(now) {
                self.history.push(edit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_that_was_changed_is_an_edit_of_its_own_and_goes_back_alone() {
        let mut state = ViewState::new(&[], 7);
        state.notice_now();
        state.task.seed = 9;
        state.breakpoints.steps.insert(4);
        state
            .training
            .edits
            .insert("train.clip_norm".to_owned(), "0.25".to_owned());
        state.notice_now();
        state.notice_now();
        assert_eq!(state.history.next_undo(), Some("Set train.clip_norm to 0.25"));
        state.undo();
        assert!(state.training.edits.is_empty());
        assert_eq!(state.history.next_undo(), Some("Set a breakpoint at step 4"));
        state.undo();
        assert_eq!(state.outbox, [Command::SetBreakpoints(Breakpoints::default())]);
        assert_eq!(state.history.next_undo(), Some("Set the seed from 7 to 9"));
        state.undo();
        assert_eq!((state.task.seed, state.history.next_undo()), (7, None));
        state.redo();
        state.redo();
        assert_eq!(state.breakpoints.steps, [4].into());
        state.notice_now();
        assert_eq!(
            state.history.next_redo(),
            Some("Set train.clip_norm to 0.25"),
            "what is done again is no new edit"
        );
    }

    #[test]
    fn what_was_changed_and_not_noticed_yet_is_what_is_undone() {
        let mut state = ViewState::new(&[], 7);
        state.notice_now();
        state.training.preset = "vit-l".to_owned();
        state.notice_now();
        state.training.steps = "50".to_owned();
        state.undo();
        assert_eq!(
            (state.training.steps.as_str(), state.training.preset.as_str()),
            ("", "vit-l")
        );
        state.undo();
        assert_eq!(state.training.preset, "nano");
        assert_eq!(state.history.next_redo(), Some("Choose the preset vit-l"));
    }
}

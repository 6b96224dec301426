//! A session whose every move is scripted by its task, for tests of the engine and the app around it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thinkjepa::config::PlanConfig;
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{
    Advance, Answer, Branch, Branches, Control, Engine, Examination, Exporter, Opening, Session, SessionError,
    SessionInfo, TrainingControl, TrainingRequest, Waker,
};
use thinkjepa::planner::{Held, Pace, SubGoal, Switches};
use thinkjepa::recording::{BranchPoint, EditRecord, Outcome, PauseRecord, Recording, StepRecord};

use super::synthetic;

/// `steps`: how many steps until the outcome. A task with "hang" waits in its third step until it is stopped, one with
/// "panic" panics there, one with "refuse" is refused. There is no device wgpu:9.
pub struct Script {
    task: String,
    at: usize,
    name: String,
    device: DeviceChoice,
    /// Steps of what was left, by the branch's id; that of the one at hand is none.
    left: Vec<Option<(Recording, usize)>>,
    at_hand: usize,
    plan: PlanConfig,
    /// Iterations of the step at hand that are planned.
    iterations: usize,
}

impl Script {
    fn show_branches(&self, control: &Control) {
        let branch = |(id, left): (usize, &Option<(Recording, usize)>)| Branch {
            id,
            parent: (id > 0).then_some(0),
            recording: left
                .as_ref()
                .map_or_else(|| control.recording(), |(recording, _)| Arc::new(recording.clone())),
            file: None,
        };
        control.show_branches(Branches {
            at_hand: Some(self.at_hand),
            list: self.left.iter().enumerate().map(branch).collect(),
            deleted: None,
        });
    }
}

struct CopyOut;

impl Exporter for CopyOut {
    fn export(&self, recording: &Recording, path: &Path) -> Result<PathBuf, SessionError> {
        std::fs::write(path, &recording.task)
            .map_err(|err| SessionError::Refused(format!("Could not write: {err}.")))?;
        Ok(path.to_owned())
    }
}

impl Session for Script {
    fn info(&self) -> SessionInfo {
        SessionInfo {
            checkpoint: Some(self.name.clone()),
            device_choice: self.device,
            plan: self.plan.clone(),
            ..synthetic::info()
        }
    }

    fn exporter(&self) -> Arc<dyn Exporter> {
        Arc::new(CopyOut)
    }

    fn has_episode(&self) -> bool {
        !self.task.is_empty()
    }

    fn start(&mut self, task: &str, seed: u64, control: &Control) -> Result<(), SessionError> {
        if task.contains("refuse") {
            return Err(SessionError::Refused(
                "There is no purple block in this scene.".to_owned(),
            ));
        }
        self.task = task.to_owned();
        (self.at, self.iterations, self.left, self.at_hand) = (0, 0, vec![None], 0);
        let full = synthetic::recording();
        control.publish(Recording {
            task: task.to_owned(),
            seed,
            steps: Vec::new(),
            ..full
        });
        self.show_branches(control);
        Ok(())
    }

    fn advance(&mut self, control: &Control) -> Result<Advance, SessionError> {
        if self.at == 2 && self.task.contains("panic") {
            panic!("tensor shapes [4, 128] and [4, 192] do not match");
        }
        while self.at == 2 && self.task.contains("hang") {
            if control.cancel_flag().load(Ordering::Acquire) {
                return Err(SessionError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if control.switches()
            == (Switches {
                plan: false,
                act: false,
            })
        {
            return Ok(Advance::Held(Held::BothOff));
        }
        let full = synthetic::recording();
        if self.at == full.steps.len() - 1 {
            control.record(|recording| recording.outcome = Some(Outcome::Reached));
            return Ok(Advance::Finished);
        }
        let switched = self.at > 0 && full.steps[self.at].sub_goal != full.steps[self.at - 1].sub_goal;
        let known = control.recording().steps.len();
        if switched && known == self.at {
            control.record(|recording| {
                recording.steps.push(Arc::new(StepRecord {
                    action: None,
                    ..(*full.steps[self.at]).clone()
                }));
            });
            return Ok(Advance::Switched);
        }
        let whole = &full.steps[self.at];
        let acts = control.pace() == Pace::Step && control.switches().act;
        self.iterations = match control.pace() {
            Pace::Step => whole.cem.len(),
            Pace::Iteration => self.iterations + 1,
        };
        control.record(|recording| {
            recording.steps.truncate(self.at);
            recording.steps.push(Arc::new(StepRecord {
                cem: whole.cem[..self.iterations].to_vec(),
                action: whole.action.filter(|_| acts),
                ..(**whole).clone()
            }));
        });
        if !acts {
            return Ok(Advance::Planned);
        }
        self.at += 1;
        self.iterations = 0;
        Ok(Advance::Stepped)
    }

    fn set_plan_config(&mut self, config: PlanConfig) {
        self.plan = config;
    }

    fn seek(
        &mut self,
        branch: Option<usize>,
        step: usize,
        seed: Option<u64>,
        control: &Control,
    ) -> Result<(), SessionError> {
        if let Some(id) = branch.filter(|&id| id != self.at_hand) {
            self.go_to_branch(id, control)?;
        }
        if step >= self.at {
            return Err(SessionError::Refused(format!("There is no step {step} yet.")));
        }
        let before = (*control.recording()).clone();
        self.left[self.at_hand] = Some((before, self.at));
        self.left.push(None);
        (self.at, self.iterations, self.at_hand) = (step, 0, self.left.len() - 1);
        control.record(|recording| {
            recording.steps.truncate(step);
            recording.pauses.retain(|pause| pause.step <= step);
            recording.outcome = None;
            let seed = seed.unwrap_or(recording.seed);
            recording.branched_from.push(BranchPoint { file: None, step, seed });
        });
        self.show_branches(control);
        Ok(())
    }

    fn go_to_branch(&mut self, id: usize, control: &Control) -> Result<(), SessionError> {
        let found = self.left.get_mut(id).and_then(Option::take);
        let (recording, at) = found.ok_or_else(|| SessionError::Refused(format!("There is no branch {id}.")))?;
        let before = (*control.recording()).clone();
        self.left[self.at_hand] = Some((before, self.at));
        (self.at, self.iterations, self.at_hand) = (at, 0, id);
        control.publish(recording);
        self.show_branches(control);
        Ok(())
    }

    fn delete_branch(&mut self, id: usize, _control: &Control) -> Result<(), SessionError> {
        Err(SessionError::Refused(format!("Branch {id} is needed.")))
    }

    fn undelete_branch(&mut self, _control: &Control) -> Result<(), SessionError> {
        Err(SessionError::Refused("No branch was deleted.".to_owned()))
    }

    fn edit_sub_goals(&mut self, list: &[SubGoal], from: usize, control: &Control) -> Result<(), SessionError> {
        if list.iter().any(|sub_goal| sub_goal.text.contains("refuse")) {
            return Err(SessionError::Refused("That cannot be a goal.".to_owned()));
        }
        control.record(|recording| {
            let records = recording.sub_goals[from..].iter_mut();
            for (record, sub_goal) in records.zip(list) {
                record.text.clone_from(&sub_goal.text);
            }
            recording.edits.push(EditRecord {
                step: recording.steps.len(),
                before: Vec::new(),
                after: list.iter().map(SubGoal::line).collect(),
            });
        });
        Ok(())
    }

    fn record_pauses(&mut self, pauses: Vec<PauseRecord>, control: &Control) {
        control.record(|recording| recording.pauses.extend(pauses));
    }

    fn examine(&self, asked: &Examination, _: &Recording, stop: &AtomicBool) -> Result<Answer, SessionError> {
        while self.task.contains("ponder") {
            if stop.load(Ordering::Acquire) {
                return Err(SessionError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(synthetic::answer(&asked.question))
    }

    fn reset(&mut self, _seed: u64, control: &Control) -> Result<(), SessionError> {
        self.at = 0;
        self.task.clear();
        control.publish(Recording::default());
        Ok(())
    }

    fn load_checkpoint(&mut self, path: &Path, _control: &Control) -> Result<(), SessionError> {
        if path.ends_with("broken") {
            return Err(SessionError::Refused(
                "Could not read broken: the file is truncated.".to_owned(),
            ));
        }
        self.name = path.display().to_string();
        self.plan = synthetic::info().plan;
        Ok(())
    }

    fn load_scene(&mut self, _path: &Path, _control: &Control) -> Result<(), SessionError> {
        Ok(())
    }

    fn leave_episode(&mut self, _control: &Control) {
        self.task.clear();
    }

    fn set_device(&mut self, device: DeviceChoice, control: &Control) -> Result<(), SessionError> {
        if device == DeviceChoice::Wgpu(9) {
            return Err(SessionError::Refused("Device wgpu:9 is not there.".to_owned()));
        }
        (self.device, self.at) = (device, 0);
        self.task.clear();
        control.publish(Recording::default());
        Ok(())
    }
}

/// An engine whose models cannot be loaded.
pub fn engine_without_models(waker: Waker) -> Engine {
    let open = |_: &Opening, _: &Control| -> Result<Script, SessionError> {
        Err(SessionError::Refused("Could not read model.safetensors.".to_owned()))
    };
    let train = |_: &TrainingRequest, _: &TrainingControl| Ok(());
    Engine::start(Box::new(open), Box::new(train), waker).expect("threads start")
}

/// An engine around the script; its training counts to 1000 and writes a loss, or panics in a run named "panic"; one
/// named "data" never gets past its data.
pub fn engine(waker: Waker) -> Engine {
    let open = |opening: &Opening, _: &Control| {
        Ok(Script {
            task: String::new(),
            at: 0,
            name: "nano".to_owned(),
            device: opening.device.unwrap_or(DeviceChoice::Auto),
            left: Vec::new(),
            at_hand: 0,
            plan: opening.plan.clone().unwrap_or_else(|| synthetic::info().plan),
            iterations: 0,
        })
    };
    let train = |request: &TrainingRequest, control: &TrainingControl| {
        assert!(!request.run.ends_with("panic"), "out of memory");
        while request.run.ends_with("data") {
            control.progress("Making episodes", 1, 3000);
            if control.cancel_flag().load(Ordering::Acquire) {
                return Err(SessionError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut lines = String::new();
        for step in 0..1000u64 {
            if control.cancel_flag().load(Ordering::Acquire) {
                return Err(SessionError::Cancelled);
            }
            control.progress("Training", step, 1000);
            lines.push_str(&format!("{{\"step\":{step},\"loss\":{}}}\n", 1.0 / (step + 1) as f64));
            if step % 100 == 99 {
                std::fs::write(request.run.join("metrics.jsonl"), &lines)
                    .map_err(|err| SessionError::Failed(err.to_string()))?;
            }
            std::thread::sleep(Duration::from_millis(1));
            // As a training does: it has nothing to keep.
            control.reins().takes_hold();
            control.between_steps(Duration::from_millis(1));
        }
        Ok(())
    };
    Engine::start(Box::new(open), Box::new(train), waker).expect("threads start")
}

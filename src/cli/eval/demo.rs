//! Suite demo: typed tasks through language model, goals, world model and planner, judged by the physical world; and
//! beside it what comes out when something else stands in the place of the language model's list.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::ablation::{self, MappedGoals};
use super::args::{Baseline, phrasing_name};
use super::jobs::run_each;
use super::{Bench, Eval, finish, tell, value_of};
use crate::cli::{CliError, CliResult, Console, Exit};
use crate::config::PlanConfig;
use crate::eval::achieved::AchievedGoals;
use crate::eval::baselines::{GoalPicture, Teacher, Truth, WholeTask};
use crate::eval::chain::{Run, TaskRun, run_random};
use crate::eval::hand::Moment;
use crate::eval::maps::MapSource;
use crate::eval::{EpisodeOutcome, EvalEpisode, EvalReport, Machine, Rate, demo_suite, listing};
use crate::planner::{GoalMaker, Models, PlannerError};
use crate::sim::tasks::{TaskBook, list_is_right, run_primitive};
use crate::sim::{Environment, Frame, Scene, World};

pub(super) fn suite(eval: &Eval, scene: &Scene) -> Result<Vec<EvalEpisode>, CliError> {
    let suite = demo_suite(
        &TaskBook::built_in()?,
        &scene.start(0)?,
        eval.seed,
        eval.episodes,
        eval.phrasing(),
        eval.horizon(),
    );
    if suite.len() < eval.episodes {
        let asked = eval
            .horizon()
            .map_or("two or three".to_owned(), |horizon| horizon.to_string());
        return Err(CliError::new(format!(
            "No task of {asked} sub-goals can be drawn in scene {}. Choose one with more blocks and pads.",
            scene.name
        )));
    }
    Ok(suite)
}

pub(super) fn list(eval: &Eval, scene: &Scene, console: &Console) -> CliResult {
    let templates = listing(&suite(eval, scene)?);
    for (name, horizons) in &templates {
        let counts: Vec<String> = horizons
            .iter()
            .map(|(horizon, count)| format!("{count} of horizon {horizon}"))
            .collect();
        console.line(&format!("{name:<28} {}", counts.join(", ")));
    }
    let document = json!({ "schema": "thinkjepa.suite/1", "suite": eval.suite.name(), "templates": templates });
    console.document(&eval.output, &document)?;
    Ok(Exit::Done)
}

pub(super) fn run(eval: &Eval, bench: &Bench, console: &Console) -> CliResult {
    let cancel = console.on_interrupt()?;
    let suite = suite(eval, &bench.scene)?;
    let (report, _) = measure(eval, bench, &suite, &cancel, console)?;
    finish(&report, &eval.output, console)?;
    Ok(Exit::after(cancel.load(Ordering::Relaxed)))
}

/// An episode, and what became of it.
pub(super) type Done<'a> = (&'a EvalEpisode, TaskRun);

/// Runs these episodes, as many at a time as asked: the report, and the runs that it is made of.
pub(super) fn measure<'a>(
    eval: &Eval,
    bench: &Bench,
    suite: &'a [EvalEpisode],
    cancel: &AtomicBool,
    console: &Console,
) -> Result<(EvalReport, Vec<Done<'a>>), CliError> {
    let runner = Runner::new(eval, bench)?;
    let bar = console.progress(suite.len() as u64, "episodes");
    let mut solved = Vec::new();
    let work = |one| Ok(Runner::new(eval, bench)?.run(one, None, cancel)?);
    let runs = run_each(suite, eval.jobs(bench.selected.id), cancel, work, |run: &TaskRun| {
        solved.push(run.solved);
        bar.inc(1);
        bar.set_message(format!("{}", Rate::among(solved.iter().copied())));
    })?;
    bar.finish_and_clear();
    let interrupted = cancel.load(Ordering::Relaxed);
    let mut report = report(eval, bench, &runs, json!({ "disturb": false }));
    report.measured = measured(&runner, &runs, interrupted);
    let told = [
        ("lists_right", "first list right"),
        ("solved_in_budget", "solved in the baselines' steps"),
        ("held_on_the_way", "solved at some time"),
    ];
    tell(&report.measured, &told, console);
    Ok((report, runs))
}

/// The report's frame: rates, settings and machine.
pub(super) fn report(eval: &Eval, bench: &Bench, runs: &[(&EvalEpisode, TaskRun)], more: Value) -> EvalReport {
    let outcomes: Vec<EpisodeOutcome> = runs
        .iter()
        .map(|(one, run)| EpisodeOutcome {
            template: one.task.template.clone(),
            horizon: one.horizon,
            solved: run.solved,
        })
        .collect();
    let mut settings = bench.settings(json!({
        "phrasing": phrasing_name(eval.phrasing()),
        "horizon": eval.horizon(),
        "baseline": eval.baseline().name(),
    }));
    if let (Some(all), Value::Object(more)) = (settings.as_object_mut(), more) {
        all.extend(more);
        if let Some(ablation) = eval.ablation() {
            all.insert("ablation".to_owned(), ablation::value(ablation));
        }
    }
    let machine = Machine::here(&bench.selected.id.to_string());
    EvalReport::new(eval.suite.name(), &outcomes, settings, vec![eval.seed], machine)
}

/// Runs episodes with what stands in the place of the language model's list.
pub(super) struct Runner<'a> {
    bench: &'a Bench,
    baseline: Baseline,
    /// Whose maps goals are made with.
    map: MapSource,
    /// None where nothing is planned.
    models: Option<Models<'a>>,
}

impl<'a> Runner<'a> {
    pub fn new(eval: &Eval, bench: &'a Bench) -> Result<Self, CliError> {
        let baseline = eval.baseline();
        let models = match baseline {
            Baseline::Random | Baseline::Expert => None,
            Baseline::Bc => {
                bench.system.follower()?;
                bench.system.vlm()?;
                None
            }
            Baseline::VlmExpert => {
                bench.system.vlm()?;
                None
            }
            _ => Some(bench.system.models()?),
        };
        Ok(Self {
            bench,
            baseline,
            map: ablation::map(eval),
            models,
        })
    }

    /// Steps of a baseline without sub-goals: what the sub-goals of the shortest list have together before the language
    /// model would be asked again.
    fn budget(&self, one: &EvalEpisode) -> usize {
        one.horizon * self.bench.config.plan.t_max
    }

    /// What the camera sees when the expert has carried out the shortest list.
    ///
    /// # Errors
    /// The list does not solve the task in the expert's hands.
    fn picture(&self, one: &EvalEpisode) -> Result<GoalPicture, PlannerError> {
        let mut world = one.world(self.bench.config.frame_px());
        let done = one
            .primitives
            .iter()
            .all(|&primitive| run_primitive(&mut world, primitive));
        if !done || !one.task.solved(world.state()) {
            let (index, task) = (one.index, &one.task.text);
            let why = format!(
                "Episode {index}: the expert does not solve \"{task}\", so there is no picture of it achieved."
            );
            return Err(PlannerError::Model(why.into()));
        }
        let picture = world.observe().frame;
        Ok(GoalPicture::new(
            &self.bench.system.world,
            &picture,
            self.bench.config.world_model.grid(),
        )?)
    }

    pub fn run(&self, one: &EvalEpisode, moment: Option<Moment>, cancel: &AtomicBool) -> Result<TaskRun, PlannerError> {
        let plan = &self.bench.config.plan;
        let truth: Truth = Rc::new(RefCell::new(one.state.clone()));
        let teacher = Teacher {
            task: one.task.clone(),
            truth: truth.clone(),
        };
        let run = self.bench.run(plan, truth);
        let Some(models) = self.models else {
            return match self.baseline {
                Baseline::Expert => run.by_expert(one, &teacher, moment, cancel),
                Baseline::VlmExpert => run.by_expert(one, &self.bench.system, moment, cancel),
                Baseline::Bc => {
                    let system = &self.bench.system;
                    let follower = system.follower().map_err(|err| PlannerError::Model(Box::new(err)))?;
                    let decide = |frame: &Frame, body: [f32; 4], text: &str| follower.decide(frame, body, text);
                    run.by_policy(one, system, &decide, moment, cancel)
                }
                _ => Ok(run_random(one, self.budget(one))),
            };
        };
        let flat = PlanConfig {
            t_max: self.budget(one),
            max_replans: 0,
            ..plan.clone()
        };
        let picture = match self.baseline {
            Baseline::FlatImage => Some(self.picture(one)?),
            _ => None,
        };
        let mapped = MappedGoals::new(&self.bench.system, self.map, one.seed);
        let frame_px = self.bench.config.frame_px();
        let present = || World::from_state(&teacher.truth.borrow(), frame_px);
        let achieved = AchievedGoals::new(&mapped, models.world, present);
        let goals: &dyn GoalMaker = match self.baseline {
            Baseline::TrueGoals => &achieved,
            _ => &mapped,
        };
        let models = Models { goals, ..models };
        let (config, models) = match self.baseline {
            Baseline::Flat | Baseline::FlatImage => (
                &flat,
                Models {
                    reasoner: &WholeTask,
                    goals: picture.as_ref().map_or(models.goals, |picture| picture),
                    ..models
                },
            ),
            Baseline::TrueLists | Baseline::TrueGoals => (
                plan,
                Models {
                    reasoner: &teacher,
                    ..models
                },
            ),
            _ => (plan, models),
        };
        Run { config, ..run }.task(one, &models, moment, cancel)
    }
}

fn measured(runner: &Runner, runs: &[(&EvalEpisode, TaskRun)], interrupted: bool) -> Value {
    let count = runs.len().max(1) as f64;
    let rate = |of: &dyn Fn(&EvalEpisode, &TaskRun) -> bool| {
        value_of(&Rate::among(runs.iter().map(|(one, run)| of(one, run))))
    };
    let steps: usize = runs.iter().map(|(_, run)| run.steps).sum();
    let mut measured = json!({
        "steps_per_episode": steps as f64 / count,
        "held_on_the_way": rate(&|_, run| run.held_on_the_way),
        "interrupted": interrupted,
    });
    let Some(all) = measured.as_object_mut() else {
        return measured;
    };
    if !runner.baseline.has_list() {
        all.insert(
            "budget".to_owned(),
            json!("t_max steps for each sub-goal of the shortest list"),
        );
    }
    if runner.baseline == Baseline::Random {
        return measured;
    }
    all.insert("declared".to_owned(), rate(&|_, run| run.declared));
    all.insert("declarations_true".to_owned(), declarations(runs));
    if !runner.baseline.has_list() {
        return measured;
    }
    let frame_px = runner.bench.config.frame_px();
    let right: Vec<bool> = runs
        .iter()
        .map(|(one, run)| list_is_right(&run.first_list, &one.world(frame_px), &one.task))
        .collect();
    let solved_where_right = runs.iter().zip(&right).filter(|(_, right)| **right);
    let replans: usize = runs.iter().map(|(_, run)| run.replans).sum();
    let more = [
        ("lists_right", value_of(&Rate::among(right.iter().copied()))),
        (
            "solved_where_list_right",
            value_of(&Rate::among(solved_where_right.map(|((_, run), _)| run.solved))),
        ),
        // What the baselines without sub-goals compare with: they get no more steps than this.
        (
            "solved_in_budget",
            rate(&|one, run| run.solved && run.steps <= runner.budget(one)),
        ),
        ("unparsed", json!(runs.iter().filter(|(_, run)| run.unparsed).count())),
        ("replans_per_episode", json!(replans as f64 / count)),
    ];
    all.extend(more.map(|(key, value)| (key.to_owned(), value)));
    measured
}

/// How often a sub-goal that was declared reached was so in the world, by kind.
fn declarations(runs: &[(&EvalEpisode, TaskRun)]) -> Value {
    let mut by_kind: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for declared in runs.iter().flat_map(|(_, run)| &run.declarations) {
        by_kind.entry(declared.kind).or_default().push(declared.achieved);
    }
    let rates: BTreeMap<&str, Rate> = by_kind
        .into_iter()
        .map(|(kind, achieved)| (kind, Rate::among(achieved)))
        .collect();
    value_of(&rates)
}

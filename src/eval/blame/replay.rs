//! From a state of an episode to its end again, with parts replaced.

use std::sync::atomic::AtomicBool;

use super::Part;
use super::oracles::TrueFutures;
use super::stage::Stage;
use super::trace::{Point, drive};
use crate::config::PlanConfig;
use crate::eval::EvalEpisode;
use crate::eval::achieved::AchievedGoals;
use crate::eval::baselines::Teacher;
use crate::eval::chain::Run;
use crate::planner::{Episode, Models, PlannerError, SubGoal};
use crate::sim::Judge;

/// What CEM is replaced by.
const POPULATION: usize = 8;
const MORE_ITERATIONS: usize = 4;

/// Whether the task is solved at the end of a replay from `point` with `parts` replaced; `seed` is that of the planner.
///
/// # Errors
/// A model or its device failed, or `cancel` was set.
pub(super) fn replay(
    run: &Run,
    (one, seed): (&EvalEpisode, u64),
    models: &Models,
    point: &Point,
    parts: &[Part],
    cancel: &AtomicBool,
) -> Result<bool, PlannerError> {
    let replaced = |part: Part| parts.contains(&part);
    let (truth, step) = (run.truth.clone(), point.snapshot.step());
    let mut stage = Stage::new(point.world.clone(), truth, step, replaced(Part::Physics));
    let teacher = Teacher {
        task: one.task.clone(),
        truth: stage.truth(),
    };
    let world = stage.world();
    let goals = AchievedGoals::new(models.goals, models.world, || world.borrow().clone());
    let futures = TrueFutures::new(models.world, stage.world(), run.config.horizon);
    let mut replacing = *models;
    if replaced(Part::List) {
        replacing.reasoner = &teacher;
    }
    if replaced(Part::Goal) {
        replacing.goals = &goals;
    }
    if replaced(Part::Rollout) {
        replacing.world = &futures;
    }
    let mut setup = run.setup(one);
    setup.seed = seed;
    let mut episode = Episode::new(setup, config(run.config, replaced(Part::Cem)));
    episode.restore(&point.snapshot);
    // At the start nothing is listed yet: the reasoner will be asked. Later, the rest is made anew.
    if let Some(sub_goal) = point.sub_goal.filter(|_| replaced(Part::List) || replaced(Part::Goal)) {
        let rest = if replaced(Part::List) {
            teacher.list()
        } else {
            rest_of(&episode, sub_goal)
        };
        if rest.is_empty() {
            // All is done, or nothing can be.
            return Ok(one.task.solved(&stage.truth().borrow()));
        }
        episode.replace_rest(rest, &stage, &replacing)?;
    }
    let usual = run.config.delta_goal;
    let mut threshold = usual;
    let mut before = |episode: &mut Episode, stage: &Stage| {
        if replaced(Part::Threshold) {
            let wanted = match reached(episode, stage) {
                None => usual,
                Some(true) => f64::NEG_INFINITY,
                Some(false) => f64::INFINITY,
            };
            if wanted != threshold {
                set_threshold(episode, wanted);
                threshold = wanted;
            }
        }
    };
    drive(&mut episode, &mut stage, &replacing, &mut before, cancel)?;
    Ok(one.task.solved(&stage.truth().borrow()))
}

fn config(usual: &PlanConfig, wider: bool) -> PlanConfig {
    let mut config = usual.clone();
    if wider {
        config.cem.population *= POPULATION;
        config.cem.iterations += MORE_ITERATIONS;
    }
    config
}

/// The sub-goals that are listed from that one on.
fn rest_of(episode: &Episode, from: usize) -> Vec<SubGoal> {
    episode.recording().read(|recording| {
        let rest = recording.sub_goals.iter().skip(from);
        rest.map(|record| SubGoal {
            text: record.text.clone(),
            objects: record.objects.clone(),
        })
        .collect()
    })
}

/// Whether the sub-goal of the moment holds in the world, at rest; none where there is none or no template knows it.
fn reached(episode: &Episode, stage: &Stage) -> Option<bool> {
    let text = episode.recording().read(|recording| {
        let mut open = recording
            .sub_goals
            .iter()
            .filter(|record| record.ended_because.is_none());
        open.next().map(|record| record.text.clone())
    })?;
    Some(stage.holds(&text)? && stage.world().borrow().at_rest())
}

/// Sets the threshold of the switch for what comes, and nothing else.
fn set_threshold(episode: &mut Episode, delta_goal: f64) {
    episode.set_config(PlanConfig {
        delta_goal,
        ..episode.config().clone()
    });
}

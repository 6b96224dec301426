//! Planning: the present step's plan, whole or an iteration at a time (Algorithm 2, lines 12-26).
//!
//! A plan stays with the episode until another takes its place. Planned again at the same step under the same settings,
//! a step gets noise of its own ([`PlanRequest::draw`]), so that plans can be compared; the first plan under any settings
//! is the one that an episode with these settings makes.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::{Episode, Event, Models, Pace};
use crate::config::PlanConfig;
use crate::planner::cem::{PlanRequest, Problem, Search, first_mean};
use crate::planner::cost::cost_of;
use crate::planner::goals::{MadeGoal, Seen};
use crate::planner::models::PlannerError;
use crate::recording::StageSecs;
use crate::sim::Action;

/// What a plan was made for: with anything else here, it would be another plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    pub step: usize,
    pub sub_goal: usize,
    seed: u64,
    config: PlanConfig,
}

/// A plan that is complete.
#[derive(Clone, Debug)]
pub(super) struct MadePlan {
    pub terms: Terms,
    draw: u64,
    /// The actions from now on, `[H]`: what was executed has left, and the last one fills up.
    pub mean: Vec<Action>,
    /// How many of them are the plan's.
    pub left: usize,
    pub cost: f32,
}

/// A plan that waits between two iterations.
#[derive(Clone, Debug)]
pub(super) struct Underway {
    terms: Terms,
    draw: u64,
    search: Search,
    plan_secs: f64,
}

impl Episode {
    fn terms(&self) -> Terms {
        Terms {
            step: self.state.step,
            sub_goal: self.state.current,
            seed: self.setup.seed,
            config: self.config.clone(),
        }
    }

    /// The present step has its plan, made under the settings as they are.
    pub(super) fn is_planned(&self) -> bool {
        self.state.plan.as_ref().is_some_and(|plan| plan.terms == self.terms())
    }

    /// Plans the present step, or goes on where its plan waits. `false`: it is to be gone on with.
    pub(super) fn think(
        &mut self,
        goal: &MadeGoal,
        seen: &Seen,
        models: &Models,
        observer: &mut dyn FnMut(Event),
        cancel: &AtomicBool,
    ) -> Result<bool, PlannerError> {
        let started = Instant::now();
        let (terms, config, step) = (self.terms(), self.config.clone(), self.state.step);
        let space = self.space(models.world)?;
        let (goal_latent, now) = (goal.pooled.clone(), seen.pooled.clone());
        let source = models.goals.source();
        let cost = cost_of(config.cost.term, models.world, &space, goal_latent, now, source)?;
        let bias = goal.bias(models.world, seen, &config)?;
        let again = self.state.plan.as_ref().filter(|plan| plan.terms == terms);
        let (draw, mut search, before_secs) = match self.state.search.clone().filter(|search| search.terms == terms) {
            Some(waiting) => (waiting.draw, waiting.search, waiting.plan_secs),
            None => {
                let draw = again.map_or(0, |plan| plan.draw + 1);
                (draw, Search::begin(&config, self.mean_to_start_from(seen))?, 0.0)
            }
        };
        let request = PlanRequest {
            tokens: &seen.tokens,
            mean: Vec::new(),
            grip_command: seen.grip_command,
            bias: bias.as_ref(),
            seed: self.setup.seed,
            step: step as u64,
            draw,
        };
        let problem = Problem {
            model: models.world,
            cost: cost.as_ref(),
            config: &config,
            request: &request,
        };
        while !search.is_done(&config) {
            let iteration = search.iterations().len();
            let record = search.iterate(&problem, cancel)?;
            observer(Event::Iteration {
                step,
                iteration,
                record,
            });
            if self.pace == Pace::Iteration {
                break;
            }
        }
        if !search.is_done(&config) {
            let plan_secs = before_secs + started.elapsed().as_secs_f64();
            self.change_record(|record| {
                record.cem = search.iterations().to_vec();
                (record.predicted_similarity, record.predicted_others) = (Vec::new(), Vec::new());
                record.cost = None;
                (record.draw, record.plan_secs) = (draw, plan_secs);
                record.stages = stages(search.stages(), record.stages);
            });
            self.state.plan = None;
            self.state.search = Some(Underway {
                terms,
                draw,
                search,
                plan_secs,
            });
            return Ok(false);
        }
        let chosen = search.finish(&problem, cancel)?;
        let predicted = goal.similarity.of(chosen.imagined.clone())?;
        let mut others = Vec::with_capacity(self.state.goals.len());
        for (index, goal) in self.state.goals.iter().enumerate() {
            others.push(if index == self.state.current {
                Vec::new()
            } else {
                goal.similarity.of(chosen.imagined.clone())?
            });
        }
        self.change_record(|record| {
            record.predicted_similarity = predicted;
            record.predicted_others = others;
            record.cem = chosen.iterations;
            record.cost = Some(chosen.cost);
            record.draw = draw;
            record.stages = stages(chosen.stages, record.stages);
            record.plan_secs = before_secs + started.elapsed().as_secs_f64();
        });
        self.state.search = None;
        self.state.plan = Some(MadePlan {
            terms,
            draw,
            left: chosen.mean.len(),
            mean: chosen.mean,
            cost: chosen.cost,
        });
        Ok(true)
    }

    /// What was planned is not executed: it was for another goal, or under another seed. The present step is shown as one
    /// that is not planned yet.
    pub(super) fn forget_plan(&mut self) {
        let plan = self.state.plan.take().map(|plan| plan.terms.step);
        let search = self.state.search.take().map(|search| search.terms.step);
        if ![plan, search].contains(&Some(self.state.step)) {
            return;
        }
        self.change_record(|record| {
            record.cem = Vec::new();
            (record.predicted_similarity, record.predicted_others) = (Vec::new(), Vec::new());
            (record.cost, record.draw, record.plan_secs) = (None, 0, 0.0);
            record.stages = stages(StageSecs::default(), record.stages);
        });
    }

    /// What is left of the last plan, where the settings let it be used.
    fn mean_to_start_from(&self, seen: &Seen) -> Vec<Action> {
        let usable = |mean: &&Vec<Action>| self.config.cem.warm_start && mean.len() == self.config.horizon;
        match self.state.mean.as_ref().filter(usable) {
            Some(mean) => mean.clone(),
            None => first_mean(&self.config, seen.grip_command),
        }
    }
}

/// A plan's stages with what its frame took.
fn stages(of_plan: StageSecs, of_record: StageSecs) -> StageSecs {
    StageSecs {
        encode_secs: of_record.encode_secs,
        ..of_plan
    }
}

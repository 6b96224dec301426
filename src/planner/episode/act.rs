//! Acting: a sub-goal begins, is compared, planned toward, and ends (Algorithm 2, lines 10-32).

use std::sync::atomic::AtomicBool;

use super::{Episode, Event, Held, Models, Pace, Phase, Progress};
use crate::config::GoalTiming;
use crate::planner::cem::{next_mean, one_on};
use crate::planner::goals::Seen;
use crate::planner::models::PlannerError;
use crate::recording::{EndedBecause, Outcome, Recording, ReplanRecord};
use crate::sim::{Action, Environment};
use crate::vlm::History;

impl Episode {
    /// The current sub-goal begins: its goal is made anew from the present frame.
    pub(super) fn begin(
        &mut self,
        seen: &Seen,
        models: &Models,
        observer: &mut dyn FnMut(Event),
    ) -> Result<(), PlannerError> {
        let (current, step) = (self.state.current, self.state.step);
        let stale = self.state.goals[current].made_at_step != step;
        if stale && self.config.goals == GoalTiming::AtSwitch {
            let sub_goal = self.state.sub_goals[current].clone();
            self.state.goals[current] = self.make_goal(&sub_goal, seen, models)?;
            observer(Event::Goal(current));
        }
        self.state.begun = true;
        let similarities = self.similarities(seen)?;
        let goal = &self.state.goals[current];
        self.recording.write(|recording| {
            let record = &mut recording.sub_goals[current];
            goal.describe(record);
            record.start_step = Some(step);
        });
        self.change_record(|record| {
            record.sub_goal = Some(current);
            record.similarities = similarities;
        });
        Ok(())
    }

    pub(super) fn act(
        &mut self,
        world: &mut dyn Environment,
        seen: &Seen,
        models: &Models,
        observer: &mut dyn FnMut(Event),
        cancel: &AtomicBool,
    ) -> Result<Progress, PlannerError> {
        if !self.state.begun {
            self.begin(seen, models, observer)?;
        }
        let current = self.state.current;
        let goal = self.state.goals[current].clone();
        let similarity = goal.similarity.of(seen.pooled.clone())?[0];
        if f64::from(similarity) >= self.config.delta_goal {
            return Ok(self.switch());
        }
        if self.state.steps_on_current >= self.config.t_max {
            return Ok(if self.switches.plan {
                self.out_of_time()
            } else {
                Progress::Held(Held::OutOfTime)
            });
        }
        let step = self.state.step;
        match (self.switches.plan, self.pace) {
            (false, Pace::Iteration) => return Ok(Progress::Held(Held::PlanOff)),
            (false, Pace::Step) => {}
            (true, Pace::Iteration) if self.is_planned() => return Ok(Progress::Held(Held::Complete { step })),
            (true, Pace::Step) if self.is_planned() && self.switches.act => {}
            (true, pace) => {
                let planned = self.think(&goal, seen, models, observer, cancel)?;
                if !planned || pace == Pace::Iteration || !self.switches.act {
                    return Ok(Progress::Planned { step, whole: planned });
                }
            }
        }
        self.take_action(world, models)
    }

    /// Executes the next action of the last plan: its first where the plan is the present step's, a later one open loop.
    fn take_action(&mut self, world: &mut dyn Environment, models: &Models) -> Result<Progress, PlannerError> {
        let (step, current) = (self.state.step, self.state.current);
        let Some(plan) = self.state.plan.as_mut().filter(|plan| plan.terms.sub_goal == current) else {
            return Ok(Progress::Held(Held::NoPlan));
        };
        let from = plan.terms.step;
        if plan.left == 0 {
            return Ok(Progress::Held(Held::UsedUp { from }));
        }
        let (action, cost) = (plan.mean[0], plan.cost);
        self.state.mean = Some(next_mean(&self.config, &plan.mean, action[2] > 0.0));
        plan.mean = one_on(&plan.mean);
        plan.left -= 1;
        self.change_record(|record| {
            record.action = Some(action);
            record.cost = Some(cost);
            record.open_loop_from = (from < step).then_some(from);
        });
        self.state.steps_on_current += 1;
        self.execute(action, world, models)
    }

    fn execute(
        &mut self,
        action: Action,
        world: &mut dyn Environment,
        models: &Models,
    ) -> Result<Progress, PlannerError> {
        world.step(action);
        self.state.step += 1;
        self.state.seen = None;
        self.look(world, models.world)?;
        Ok(Progress::Acted { step: self.state.step })
    }

    fn switch(&mut self) -> Progress {
        let ended = self.state.current;
        self.end_current(EndedBecause::Reached);
        // What the user replaced stays in the record and is passed over.
        let open = self.recording.read(Recording::open_sub_goals);
        let next = open.into_iter().find(|&index| index > ended);
        self.become_current(next.unwrap_or(self.state.sub_goals.len()));
        if next.is_none() {
            self.state.phase = Phase::Rest;
            self.change_record(|record| record.sub_goal = None);
        }
        Progress::Switched { ended, next }
    }

    fn out_of_time(&mut self) -> Progress {
        let (sub_goal, step, steps) = (self.state.current, self.state.step, self.state.steps_on_current);
        self.end_current(EndedBecause::StepLimit);
        let failed = self.state.sub_goals[sub_goal].text.clone();
        let reason = format!("\"{failed}\" was not reached in {steps} steps");
        if self.state.replans >= self.config.max_replans {
            let reason = match self.state.replans {
                0 => format!("{reason}."),
                1 => format!("{reason}, after 1 re-plan."),
                replans => format!("{reason}, after {replans} re-plans."),
            };
            return self.finish(Outcome::NotReached { reason });
        }
        self.state.replans += 1;
        let history = self.recording.write(|recording| {
            recording.replans.push(ReplanRecord {
                step,
                reason,
                reasoning: String::new(),
                answer: String::new(),
                sub_goals: Vec::new(),
                unread: Vec::new(),
            });
            let ended = |because: EndedBecause| {
                let records = recording.sub_goals.iter();
                let texts = records.filter(move |record| record.ended_because == Some(because));
                texts.map(|record| record.text.clone()).collect()
            };
            History {
                reached: ended(EndedBecause::Reached),
                failed: ended(EndedBecause::StepLimit),
            }
        });
        self.state.phase = Phase::Reason { history: Some(history) };
        Progress::OutOfTime { sub_goal }
    }

    pub(super) fn rest(
        &mut self,
        world: &mut dyn Environment,
        seen: &Seen,
        models: &Models,
    ) -> Result<Progress, PlannerError> {
        if self.rested() {
            return Ok(self.finish(Outcome::Reached));
        }
        if !self.switches.act {
            return Ok(Progress::Held(Held::ActOff));
        }
        let action = [0.0, 0.0, if seen.grip_command { 0.5 } else { -0.5 }];
        self.change_record(|record| record.action = Some(action));
        self.execute(action, world, models)
    }

    /// Whether a step has passed since the last switch.
    fn rested(&self) -> bool {
        let ended = self.recording.read(|recording| {
            let ends = recording.sub_goals.iter().filter_map(|record| record.end_step);
            ends.max()
        });
        ended.is_some_and(|end| self.state.step > end)
    }
}

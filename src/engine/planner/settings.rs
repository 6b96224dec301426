//! The knobs of planning, and planning by single iterations.

use super::Planner;
use crate::config::PlanConfig;
use crate::engine::board::Phase;
use crate::engine::session::Session;
use crate::planner::Pace;

impl<S: Session> Planner<S> {
    /// One iteration of the present step's plan, with the sub-goals' ends and the questions that come before it.
    pub(super) fn step_iteration(&mut self) {
        if self.can_go_on() {
            self.running = None;
            self.pace = Pace::Iteration;
            self.shared.board.set_phase(Phase::Stepping);
            self.step();
            self.pace = Pace::Step;
        }
    }

    /// Settings are taken over whatever else is asked for: a stop that waits in the queue does not drop them.
    pub(super) fn set_plan_config(&mut self, config: PlanConfig) {
        match (config.validate("The settings"), &mut self.session) {
            (Err(err), _) => self.refuse(err.to_string()),
            (Ok(()), session) => {
                self.opening.plan = Some(config.clone());
                if let Some(session) = session {
                    session.set_plan_config(config.clone());
                    self.shared.board.set_info(session.info());
                }
            }
        }
        self.shared.board.answer_plan(&config);
    }
}

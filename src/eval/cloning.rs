//! A list carried out by behaviour cloning in the place of goals, world model and planner: what a reasoner's lists are worth
//! in hands of the planner's own size that have learnt from the same scenes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::EvalEpisode;
use super::chain::{Run, TaskRun};
use super::hand::Moment;
use crate::planner::{PlannerError, Reasoner};
use crate::policy::{Decision, FollowerError};
use crate::sim::{Environment, Frame};

/// The policy takes a sub-goal for done where it is surer than this that it is. It has learnt that from the last moments of
/// demonstrations; it has no goal latent to be near to.
pub const DONE: f32 = 0.5;

/// Decides what to do about a sub-goal from a frame and what the robot knows of itself.
pub type Decide<'a> = dyn Fn(&Frame, [f32; 4], &str) -> Result<Decision, FollowerError> + 'a;

impl Run<'_> {
    /// Runs an episode in the hands of a policy, with a block moved at `moment` if there is one. A sub-goal ends where the
    /// policy says so ([`DONE`]); after as many steps as the planner has for one, it has failed, and the reasoner is asked
    /// again.
    ///
    /// Once `cancel` is set, it ends.
    ///
    /// # Errors
    /// A model or its device failed.
    pub fn by_policy(
        &self,
        one: &EvalEpisode,
        reasoner: &dyn Reasoner,
        decide: &Decide,
        moment: Option<Moment>,
        cancel: &AtomicBool,
    ) -> Result<TaskRun, PlannerError> {
        let t_max = self.config.t_max;
        self.by_hand(one, reasoner, moment, cancel, &mut |world, sub_goal| {
            for step in 0..=t_max {
                if cancel.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                // Of the state it is told what a robot's own sensors know.
                let body = world.world.state().proprioception();
                let decision = decide(&world.observe().frame, body, &sub_goal.text)
                    .map_err(|err| PlannerError::Model(Box::new(err)))?;
                if decision.done > DONE {
                    return Ok(true);
                }
                if step < t_max {
                    world.step(decision.action);
                }
            }
            Ok(false)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::expert::tests::{in_run, suite};
    use crate::planner::toy::toy_config;
    use crate::random::{Stream, rng};
    use crate::sim::{Expert, Judge, Noise, Primitive, World};

    fn run(one: &EvalEpisode, decide: &dyn Fn(&World, &str) -> Decision) -> TaskRun {
        let mut config = toy_config();
        (config.t_max, config.max_replans) = (16, 1);
        in_run(one, &config, |run, teacher, truth| {
            let blind = |_: &Frame, body: [f32; 4], text: &str| {
                let world = World::from_state(&truth.borrow(), 8);
                assert_eq!(body, world.state().proprioception());
                Ok(decide(&world, text))
            };
            run.by_policy(one, teacher, &blind, None, &AtomicBool::new(false))
                .unwrap()
        })
    }

    fn expertly(world: &World, text: &str) -> [f32; 3] {
        let primitive = Primitive::parse(text, world.state()).unwrap();
        Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE).act(&primitive, world.state())
    }

    #[test]
    fn a_policy_that_acts_like_the_expert_and_knows_when_it_is_done_solves_what_the_expert_solves() {
        for one in &suite(12) {
            let run = run(one, &|world, text| Decision {
                action: expertly(world, text),
                done: f32::from(u8::from(world.holds(text) == Some(true))),
            });
            assert!(run.solved && run.declared && run.replans == 0, "{run:?}");
            assert_eq!(run.declarations.len(), one.horizon);
            assert!(run.declarations.iter().all(|declared| declared.achieved));
        }
    }

    #[test]
    fn a_sub_goal_ends_where_the_policy_says_so_rightly_or_not_and_else_after_the_planner_s_steps() {
        let suite = suite(12);
        let one = &suite[0];
        let hasty = run(one, &|_, _| Decision {
            action: [0.0; 3],
            done: 0.51,
        });
        assert_eq!((hasty.declared, hasty.solved, hasty.steps), (true, false, 0));
        assert!(hasty.declarations.iter().all(|declared| !declared.achieved));
        let never = run(one, &|_, _| Decision {
            action: [0.0, 0.0, -1.0],
            done: 0.5,
        });
        assert_eq!((never.declared, never.replans, never.steps), (false, 1, 2 * 16));
    }
}

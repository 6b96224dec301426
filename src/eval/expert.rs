//! A list carried out by the scripted expert in the place of goals, world model and planner: what a reasoner's lists are
//! worth in perfect hands. The reasoner is asked as in an episode: once at the start, and again after a sub-goal that cannot
//! be read, cannot be done, or is not done in time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::EvalEpisode;
use super::chain::{Declared, Run, TaskRun, Watched, kind_of};
use super::hand::Moment;
use crate::planner::{PlannerError, Question, Reasoner, SubGoal, TEMPERATURES};
use crate::random::{Stream, rng};
use crate::sim::tasks::STEPS_PER_PRIMITIVE;
use crate::sim::{Environment, Expert, Noise, Primitive};
use crate::vlm::History;

impl Run<'_> {
    /// Runs an episode in the expert's hands, with a block moved at `moment` if there is one.
    ///
    /// Once `cancel` is set, it ends.
    ///
    /// # Errors
    /// A model or its device failed.
    pub fn by_expert(
        &self,
        one: &EvalEpisode,
        reasoner: &dyn Reasoner,
        moment: Option<Moment>,
        cancel: &AtomicBool,
    ) -> Result<TaskRun, PlannerError> {
        self.by_hand(one, reasoner, moment, cancel, &mut |world, sub_goal| {
            let read = Primitive::parse(&sub_goal.text, world.world.state());
            Ok(read.is_some_and(|primitive| achieve(world, primitive)))
        })
    }

    /// Runs an episode in which `carry_out` does the sub-goals of the list one by one, and says of each whether it takes it
    /// for reached; after one that it does not, the reasoner is asked again.
    ///
    /// # Errors
    /// A model or its device failed.
    pub(super) fn by_hand(
        &self,
        one: &EvalEpisode,
        reasoner: &dyn Reasoner,
        moment: Option<Moment>,
        cancel: &AtomicBool,
        carry_out: &mut CarryOut,
    ) -> Result<TaskRun, PlannerError> {
        let start = one.world(self.frame_px);
        let mut world = Watched::new(start, &one.task, self.truth.clone(), moment, one.seed);
        let mut done = TaskRun::default();
        let mut history = History {
            reached: Vec::new(),
            failed: Vec::new(),
        };
        loop {
            let again = (done.replans > 0).then_some(&history);
            let list = ask(&world, one, reasoner, again, cancel)?;
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            if done.replans == 0 {
                done.first_list = list.iter().map(|sub_goal| sub_goal.text.clone()).collect();
            }
            if list.is_empty() {
                done.unparsed = true;
                break;
            }
            let Some(failed) = first_failed(&mut world, &list, &mut done, &mut history, carry_out)? else {
                done.declared = true;
                break;
            };
            if done.replans == self.config.max_replans || cancel.load(Ordering::Relaxed) {
                break;
            }
            done.replans += 1;
            history.failed.push(failed);
        }
        let came_to = world.come_to();
        Ok(TaskRun {
            solved: came_to.solved,
            held_on_the_way: came_to.held_on_the_way,
            steps: came_to.steps,
            moved: came_to.moved,
            end: came_to.end,
            ..done
        })
    }
}

/// Acts in the world until the sub-goal is taken for reached, or given up.
pub(super) type CarryOut<'a> = dyn FnMut(&mut Watched, &SubGoal) -> Result<bool, PlannerError> + 'a;

/// Has the sub-goals carried out in turn; gives the first that fails.
fn first_failed(
    world: &mut Watched,
    list: &[SubGoal],
    done: &mut TaskRun,
    history: &mut History,
    carry_out: &mut CarryOut,
) -> Result<Option<String>, PlannerError> {
    for (index, sub_goal) in list.iter().enumerate() {
        if !carry_out(world, sub_goal)? {
            return Ok(Some(sub_goal.text.clone()));
        }
        history.reached.push(sub_goal.text.clone());
        if let Some(primitive) = Primitive::parse(&sub_goal.text, world.world.state()) {
            done.declarations.push(Declared {
                kind: kind_of(primitive),
                achieved: primitive.holds(world.world.state()),
            });
        }
        world
            .first_reached
            .set(index + 1 < list.len() || world.first_reached.get());
    }
    Ok(None)
}

/// The list of an answer, asked for as an episode asks; empty where none could be read.
fn ask(
    world: &Watched,
    one: &EvalEpisode,
    reasoner: &dyn Reasoner,
    history: Option<&History>,
    cancel: &AtomicBool,
) -> Result<Vec<SubGoal>, PlannerError> {
    let frame = world.observe().frame;
    for temperature in TEMPERATURES {
        let question = Question {
            frame: &frame,
            task: &one.task.text,
            history,
            temperature,
            seed: one.seed,
            cancel,
        };
        let answer = reasoner.reason(&question, &mut |_, _| ())?;
        if !answer.sub_goals.is_empty() {
            return Ok(answer.sub_goals);
        }
    }
    Ok(Vec::new())
}

/// Lets the noise-free expert act until the primitive holds, at rest, for as many steps as where lists are judged. It would
/// do unasked what must come first, so a primitive that is not possible from here is not begun.
fn achieve(world: &mut Watched, primitive: Primitive) -> bool {
    let holds = |world: &Watched| primitive.holds(world.world.state()) && world.world.at_rest();
    if holds(world) {
        return true;
    }
    if !primitive.possible(world.world.state()) {
        return false;
    }
    // Without noise nothing is drawn.
    let mut expert = Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE);
    (0..STEPS_PER_PRIMITIVE).any(|_| {
        let action = expert.act(&primitive, world.world.state());
        world.step(action);
        holds(world)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::config::PlanConfig;
    use crate::eval::baselines::{Teacher, Truth};
    use crate::eval::demo_suite;
    use crate::planner::toy::{ToyReasoner, toy_config};
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook};

    pub fn suite(n: usize) -> Vec<EvalEpisode> {
        let furniture = Scene::load("three-blocks").unwrap().start(0).unwrap();
        demo_suite(&TaskBook::built_in().unwrap(), &furniture, 9, n, Phrasing::Seen, None)
    }

    /// What `act` makes of the episode, with the teacher who says its lists and the truth of its world.
    pub fn in_run(
        one: &EvalEpisode,
        config: &PlanConfig,
        act: impl FnOnce(&Run<'_>, &Teacher, &Truth) -> TaskRun,
    ) -> TaskRun {
        let truth = Rc::new(RefCell::new(one.state.clone()));
        let teacher = Teacher {
            task: one.task.clone(),
            truth: truth.clone(),
        };
        let run = Run {
            scene: "three-blocks",
            checkpoint: ("toy", "0"),
            config,
            frame_px: 8,
            truth: truth.clone(),
        };
        act(&run, &teacher, &truth)
    }

    /// The episode in the expert's hands; the teacher says the lists where no reasoner does.
    fn run(one: &EvalEpisode, reasoner: Option<&dyn Reasoner>) -> TaskRun {
        in_run(one, &toy_config(), |run, teacher, _| {
            run.by_expert(one, reasoner.unwrap_or(teacher), None, &AtomicBool::new(false))
                .unwrap()
        })
    }

    #[test]
    fn with_the_teacher_s_list_it_solves_every_task() {
        for one in &suite(40) {
            let run = run(one, None);
            assert!(run.solved && run.declared && run.replans == 0, "{one:?}");
            assert_eq!(
                (run.first_list.len(), run.declarations.len()),
                (one.horizon, one.horizon)
            );
            assert!((one.horizon..one.horizon * 20).contains(&run.steps));
        }
    }

    #[test]
    fn a_list_that_cannot_be_done_is_asked_for_again_until_there_have_been_enough() {
        let suite = suite(40);
        let one = suite.iter().find(|one| one.state.held.is_none()).unwrap();
        let placing = ToyReasoner::new(&["1. place the red block on the green block | red block\n"]);
        let nothing_held = run(one, Some(&placing));
        assert_eq!(
            (nothing_held.replans, nothing_held.steps),
            (toy_config().max_replans, 0)
        );
        assert!(!nothing_held.declared && !nothing_held.solved);
        let asked = placing.asked.lock().unwrap().clone();
        assert_eq!(asked[0], (0.0, None));
        assert_eq!(
            asked[1],
            (0.0, Some("place the red block on the green block".to_owned()))
        );
        let mute = run(one, Some(&ToyReasoner::new(&["I do not know."])));
        assert!(mute.unparsed && mute.first_list.is_empty());
    }
}

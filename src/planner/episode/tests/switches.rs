//! Planning without acting, acting without planning, single iterations, and settings that are turned on the way.

use serde_json::json;

use super::*;

const PLAN_ONLY: Switches = Switches { plan: true, act: false };
const ACT_ONLY: Switches = Switches { plan: false, act: true };

impl Run {
    fn with(&mut self, switches: Switches, pace: Pace) -> Progress {
        self.episode.set_switches(switches, pace);
        let progress = self.advance();
        self.episode.set_switches(Switches::default(), Pace::Step);
        progress
    }

    fn last(&self) -> StepRecord {
        self.episode.recording().read(|recording| {
            let last = recording.steps.last().unwrap();
            StepRecord::clone(last)
        })
    }

    fn actions(&self) -> Vec<Action> {
        self.document().actions.iter().map(|action| action.action).collect()
    }
}

fn straight() -> Run {
    let mut run = Run::new(&[TWO], |_| ());
    run.finish();
    run
}

#[test]
fn planned_first_and_executed_later_it_is_the_same_episode() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    let planned = run.with(PLAN_ONLY, Pace::Step);
    assert_eq!(planned, Progress::Planned { step: 0, whole: true });
    let record = run.last();
    assert_eq!((run.world.x, record.action, record.draw), (0.0, None, 0));
    assert!(record.cost.is_some() && record.predicted_similarity.len() == toy_config().horizon);
    assert_eq!(run.advance(), Progress::Acted { step: 1 });
    assert_eq!(run.finish(), Outcome::Reached);
    assert_eq!(run.document(), straight().document());
}

#[test]
fn planned_again_a_step_has_noise_of_its_own_and_the_record_says_so() {
    let twice = || {
        let mut run = Run::new(&[TWO], |_| ());
        run.advance();
        run.with(PLAN_ONLY, Pace::Step);
        let first = run.last();
        run.with(PLAN_ONLY, Pace::Step);
        assert_ne!(run.last().cem, first.cem);
        run.advance();
        run
    };
    let run = twice();
    let recording = run.episode.recording().snapshot();
    assert_eq!((recording.steps[0].draw, recording.steps[1].draw), (1, 0));
    assert_eq!(run.document().actions[0].draw, Some(1));
    assert_eq!(run.document(), twice().document());
    assert_ne!(run.actions()[0], straight().actions()[0]);
}

#[test]
fn without_planning_the_last_plan_is_executed_to_its_end_and_each_step_says_where_it_is_from() {
    let mut run = Run::new(&[NEVER], |_| ());
    run.advance();
    assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Held(Held::NoPlan));
    assert_eq!(run.advance(), Progress::Acted { step: 1 });
    let horizon = toy_config().horizon;
    let mean = {
        let recording = run.episode.recording().snapshot();
        recording.steps[0].cem.last().unwrap().mean.clone()
    };
    for step in 1..horizon {
        assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Acted { step: step + 1 });
    }
    let used_up = Progress::Held(Held::UsedUp { from: 0 });
    assert_eq!(run.with(ACT_ONLY, Pace::Step), used_up);
    assert_eq!(run.actions(), mean);
    let recording = run.episode.recording().snapshot();
    for step in &recording.steps[1..horizon] {
        assert_eq!((step.open_loop_from, step.cost), (Some(0), recording.steps[0].cost));
        assert!(step.cem.is_empty() && step.plan_secs == 0.0);
    }
    assert_eq!(run.document().actions[2].open_loop_from, Some(0));
    // Planning goes on from there, and nothing is left over from the old plan.
    assert_eq!(run.advance(), Progress::Acted { step: horizon + 1 });
    let again = &run.episode.recording().snapshot().steps[horizon];
    assert_eq!((again.open_loop_from, again.cem.is_empty()), (None, false));
}

#[test]
fn a_plan_is_not_executed_for_another_sub_goal_and_nothing_is_asked_while_planning_is_off() {
    let mut run = Run::new(&["1. go to 0.15 0.0 | red pad\n2. go to 1.9 1.9 | red pad"], |config| {
        config.t_max = 1;
    });
    run.advance();
    run.advance();
    assert!(matches!(
        run.with(ACT_ONLY, Pace::Step),
        Progress::Switched { next: Some(1), .. }
    ));
    assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Held(Held::NoPlan));
    run.advance();
    assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Held(Held::OutOfTime));
    assert!(matches!(run.advance(), Progress::OutOfTime { .. }));
    assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Held(Held::OutOfTime));
    assert_eq!(run.reasoner.asked.lock().unwrap().len(), 1);
    let neither = Switches {
        plan: false,
        act: false,
    };
    run.advance();
    assert_eq!(run.with(neither, Pace::Step), Progress::Held(Held::BothOff));
}

#[test]
fn a_plan_that_is_made_iteration_by_iteration_is_the_same_plan() {
    let iterations = toy_config().cem.iterations;
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    for iteration in 1..=iterations {
        let whole = iteration == iterations;
        let progress = run.with(Switches::default(), Pace::Iteration);
        assert_eq!(progress, Progress::Planned { step: 0, whole });
        let record = run.last();
        assert_eq!((record.cem.len(), record.cost.is_some()), (iteration, whole));
    }
    let complete = Progress::Held(Held::Complete { step: 0 });
    assert_eq!(run.with(Switches::default(), Pace::Iteration), complete);
    assert_eq!(run.with(ACT_ONLY, Pace::Iteration), Progress::Held(Held::PlanOff));
    assert_eq!((run.world.x, run.episode.step()), (0.0, 0));
    assert_eq!(run.advance(), Progress::Acted { step: 1 });

    // Half a plan is gone on with by a whole step, and also after going back to it.
    run.with(Switches::default(), Pace::Iteration);
    let (kept, world) = (run.episode.snapshot(), run.world.clone());
    for _ in 0..2 {
        assert_eq!(run.finish(), Outcome::Reached);
        assert_eq!(run.document(), straight().document());
        run.episode.restore(&kept);
        run.world = world.clone();
        assert_eq!(run.last().cem.len(), 1);
    }
    // A stop leaves the iterations that there are.
    run.cancel.store(true, Ordering::Relaxed);
    assert_eq!(run.with(Switches::default(), Pace::Iteration), Progress::Cancelled);
    run.cancel.store(false, Ordering::Relaxed);
    run.with(Switches::default(), Pace::Iteration);
    assert_eq!(run.last().cem.len(), 2);
}

#[test]
fn the_time_of_a_plan_is_told_by_stages() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.advance();
    let first = run.episode.recording().snapshot().steps[0].clone();
    let stages = first.stages;
    let parts = [
        stages.sample_secs,
        stages.roll_out_secs,
        stages.score_secs,
        stages.refit_secs,
    ];
    assert!(
        stages.encode_secs > 0.0 && parts.iter().all(|&secs| secs > 0.0),
        "{stages:?}"
    );
    assert!(
        parts.iter().sum::<f64>() <= first.plan_secs,
        "{stages:?} in {}",
        first.plan_secs
    );
    // The frame that was only looked at.
    let last = run.last().stages;
    assert!(last.encode_secs > 0.0 && last.roll_out_secs == 0.0);
}

fn other() -> PlanConfig {
    let mut config = toy_config();
    (config.horizon, config.cem.population, config.cem.iterations) = (7, 40, 3);
    (config.cem.elite_fraction, config.cem.sigma_floor) = (0.2, 0.05);
    config
}

#[test]
fn knobs_turned_before_the_first_step_plan_as_a_configuration_with_their_values() {
    let mut by_config = Run::new(&[TWO], |config| *config = other());
    by_config.finish();
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    // A plan under the old settings is no longer the step's, and does not count as a draw under the new ones.
    run.with(PLAN_ONLY, Pace::Step);
    run.with(Switches::default(), Pace::Iteration);
    run.episode.set_config(other());
    run.finish();
    assert_eq!(run.actions(), by_config.actions());
    assert_ne!(run.actions(), straight().actions());
    let document = run.document();
    assert_eq!(document.cem, straight().document().cem);
    let population = document
        .changes
        .iter()
        .find(|change| change.field == "plan.cem.population");
    let population = population.unwrap();
    assert_eq!(
        (population.step, &population.from, &population.to),
        (0, &json!(toy_config().cem.population), &json!(40))
    );
    assert_eq!(document.changes.len(), 5);
    assert!(by_config.document().changes.is_empty());
    assert_eq!(by_config.document().cem.population, 40);
}

#[test]
fn knobs_apply_at_the_next_step_and_stay_turned_after_going_back() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.advance();
    let (kept, world) = (run.episode.snapshot(), run.world.clone());
    run.advance();
    run.episode.set_config(other());
    let sizes = |run: &Run| -> Vec<[usize; 2]> {
        let recording = run.episode.recording().snapshot();
        let planned = recording.steps.iter().filter(|step| !step.cem.is_empty());
        planned
            .map(|step| [step.cem[0].costs.len(), step.cem[0].mean.len()])
            .collect()
    };
    run.advance();
    let (p, h) = (toy_config().cem.population, toy_config().horizon);
    assert_eq!(sizes(&run), [[p, h], [p, h], [40, 7]]);
    assert!(run.document().changes.iter().all(|change| change.step == 2));
    run.episode.restore(&kept);
    run.world = world;
    run.advance();
    assert_eq!(sizes(&run), [[p, h], [40, 7]]);
    assert!(run.document().changes.iter().all(|change| change.step == 1));
    // Turned there and back between two steps, nothing was turned.
    let before = run.document().changes.len();
    run.episode.set_config(toy_config());
    run.episode.set_config(other());
    run.advance();
    assert_eq!(run.document().changes.len(), before);
}

#[test]
fn the_reasoning_bias_and_the_threshold_are_those_of_the_settings_as_they_are() {
    let mut run = Run::new(&[TWO], |config| config.reasoning_alpha = 0.0);
    run.advance();
    run.advance();
    assert!(!run.model.biased.load(Ordering::Relaxed));
    let mut config = run.episode.config().clone();
    config.reasoning_alpha = 0.5;
    run.episode.set_config(config.clone());
    run.advance();
    assert!(
        run.model.biased.load(Ordering::Relaxed),
        "the goal was made before the knob"
    );
    config.delta_goal = 1e-6;
    run.episode.set_config(config);
    assert!(matches!(run.advance(), Progress::Switched { ended: 0, .. }));
    let recording = run.episode.recording().snapshot();
    assert_eq!(
        (recording.delta_goal_at(1), recording.delta_goal_at(2)),
        (toy_config().delta_goal, 1e-6)
    );
}

#[test]
fn a_plan_for_a_list_that_was_changed_is_not_executed() {
    let edited = |planned: bool| {
        let mut run = Run::new(&[TWO], |_| ());
        run.advance();
        if planned {
            run.with(PLAN_ONLY, Pace::Step);
            assert!(!run.last().cem.is_empty());
        }
        run.edit(&["go to 0.0 -0.5"], 0).unwrap();
        let record = run.last();
        assert!(record.cem.is_empty() && record.predicted_similarity.is_empty() && record.cost.is_none());
        assert_eq!(run.with(ACT_ONLY, Pace::Step), Progress::Held(Held::NoPlan));
        run.finish();
        run.actions()
    };
    assert_eq!(edited(true), edited(false));
}

#[test]
fn a_branch_keeps_the_plan_under_its_own_seed_alone_and_goes_on_with_the_settings_in_force() {
    let mut run = Run::new(&[TWO], |_| ());
    run.advance();
    run.with(PLAN_ONLY, Pace::Step);
    let kept = run.kept();
    let mut same = run.branch(&kept, None);
    assert_eq!(same.last().cem, run.last().cem);
    assert_eq!(same.with(ACT_ONLY, Pace::Step), Progress::Acted { step: 1 });
    let mut other = run.branch(&kept, Some(8));
    assert!(other.last().cem.is_empty());
    assert_eq!(other.with(ACT_ONLY, Pace::Step), Progress::Held(Held::NoPlan));

    let mut config = toy_config();
    config.cem.elite_fraction = 0.5;
    run.episode.set_config(config);
    let mut turned = run.branch(&kept, None);
    turned.advance();
    let recording = turned.episode.recording().snapshot();
    assert_eq!((recording.settings, recording.changes.len()), (Some(toy_config()), 1));
    assert_eq!(recording.changes[0].field, "plan.cem.elite_fraction");
}

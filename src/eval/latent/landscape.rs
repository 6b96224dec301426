//! The similarity landscape: a grid of first actions, each imagined from the step's frame toward a goal, with what the
//! scripted expert would do for comparison.

use super::LatentError;
use super::moment::Moment;
use crate::planner::cost::{cost_of, path_weights, pool, read, sequence_costs};
use crate::planner::rollout::rollout;
use crate::random::{Stream, rng};
use crate::recording::Recording;
use crate::sim::{Action, Environment, Expert, Noise, Primitive, Scene, World};

/// Actions along either axis: an odd number, so that standing still is one of them.
pub const SIDE: usize = 15;

/// What follows the first action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rest {
    /// The same action again, up to the horizon: where each direction leads.
    #[default]
    Held,
    /// The rest of the chosen plan: what CEM saw around its choice.
    Planned,
}

/// One cell an action (dx, dy), the grip as in the chosen action.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    pub sub_goal: usize,
    pub rest: Rest,
    /// Values of dx and of dy, from -1 to 1.
    pub axis: Vec<f32>,
    pub grip: f32,
    /// Similarity of the state at the horizon to the goal, `[SIDE * SIDE]`: dx runs faster, both upward.
    pub similarity: Vec<f32>,
    /// The planner's cost J of the whole sequence, in the same order; lower is better.
    pub cost: Vec<f32>,
    /// Similarity of the step's own frame.
    pub now: f32,
    pub horizon: usize,
    /// What the scripted expert would do, or why that is not known.
    pub expert: Result<Action, String>,
}

pub(super) fn landscape(moment: &mut Moment, sub_goal: usize, rest: Rest) -> Result<Landscape, LatentError> {
    let record = moment.record()?;
    let config = moment.config();
    let plan = moment.plan().map(<[Action]>::to_vec);
    let horizon = moment.horizon();
    let resting = if moment.grip_command() { 1.0 } else { -1.0 };
    let grip = record.action.or_else(|| plan.as_ref()?.first().copied());
    let grip = grip.map_or(resting, |action| action[2]);
    let tail: Option<Vec<Action>> = match (rest, plan) {
        (Rest::Held, _) => None,
        (Rest::Planned, Some(plan)) => Some(plan[1..].to_vec()),
        (Rest::Planned, None) => {
            return Err(LatentError::Nothing(
                "Nothing was planned from this step. Choose Held, or another step.",
            ));
        }
    };
    let axis: Vec<f32> = (0..SIDE).map(|i| 2.0 * i as f32 / (SIDE - 1) as f32 - 1.0).collect();
    let sequence = |at: usize| -> Vec<Action> {
        let first = [axis[at % SIDE], axis[at / SIDE], grip];
        match &tail {
            None => vec![first; horizon],
            Some(tail) => std::iter::once(first).chain(tail.iter().copied()).collect(),
        }
    };
    let sequences: Vec<Vec<Action>> = (0..SIDE * SIDE).map(sequence).collect();

    let present = moment.present()?;
    let goal = moment.goal(sub_goal)?;
    let (space, source) = (moment.space()?, moment.goals.source());
    let now = pool(present.clone());
    let to_goal = space.similarity_to(goal.clone(), moment.model.sim_temperature(source));
    let cost = cost_of(config.cost.term, moment.model, &space, goal, now.clone(), source)?;
    let bias = moment.bias(Some(sub_goal), present.dims()[1])?;
    let weights = path_weights(config.cost.aggregation, horizon);
    let (mut similarity, mut costs) = (Vec::new(), Vec::new());
    // No more at a time than a plan has: whoever can plan has room for this.
    for chunk in sequences.chunks(config.cem.population.max(1)) {
        let imagined = rollout(moment.model, &present, chunk, bias.as_ref(), moment.stop)?;
        let [steps, count, dim] = imagined.dims();
        let end = imagined.clone().narrow(0, steps - 1, 1).reshape([count, dim]);
        similarity.extend(to_goal.of(end)?);
        let states = read(cost.cost(imagined.reshape([steps * count, dim])))?;
        costs.extend(sequence_costs(&weights, &states));
    }
    Ok(Landscape {
        sub_goal,
        rest,
        axis,
        grip,
        similarity,
        cost: costs,
        now: to_goal.of(now)?[0],
        horizon,
        expert: expert(moment.recording, moment.step, sub_goal),
    })
}

/// The noise-free expert's action. The world is brought back from the scene, the seed and the executed actions; it counts
/// only where it looks to the byte as it was recorded: other hands may have been in it.
fn expert(recording: &Recording, step: usize, sub_goal: usize) -> Result<Action, String> {
    let name = &recording.scene;
    let scene = match &recording.scene_text {
        Some(text) => Scene::from_ron(text, &format!("{name}.ron")),
        None => Scene::load(name),
    };
    let state = scene
        .and_then(|scene| scene.start(recording.seed))
        .map_err(|err| format!("The scene of this record cannot be brought back. {err}"))?;
    let gone = || format!("The actions until step {step} are not all recorded.");
    let frame = &recording.steps.get(step).ok_or_else(gone)?.frame;
    let mut world = World::from_state(&state, frame.height);
    for record in &recording.steps[..step] {
        world.step(record.action.ok_or_else(gone)?);
    }
    if world.observe().frame != *frame {
        return Err(format!(
            "The scene {name} under seed {} and the recorded actions lead to another picture than the recorded one: the \
             scene was changed, or something else moved in it.",
            recording.seed
        ));
    }
    let text = recording
        .sub_goals
        .get(sub_goal)
        .map_or("", |sub_goal| sub_goal.text.as_str());
    let primitive = Primitive::parse(text, world.state())
        .ok_or_else(|| format!("The expert does not know what to do for \"{text}\"."))?;
    // Without noise nothing is drawn.
    let mut expert = Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE);
    Ok(expert.act(&primitive, world.state()))
}

impl Landscape {
    /// The action of the best cell, by cost; none where no cost is finite.
    pub fn best(&self) -> Option<[f32; 2]> {
        let finite = self.cost.iter().enumerate().filter(|(_, cost)| cost.is_finite());
        let (at, _) = finite.min_by(|a, b| a.1.total_cmp(b.1))?;
        let side = self.axis.len();
        Some([self.axis[at % side], self.axis[at / side]])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::recording::{StageSecs, StepRecord, SubGoalRecord};

    const SEED: u64 = 3;

    /// One action in a scene of somebody's own, and the frame that came of it.
    fn recording() -> Recording {
        let mut scene = Scene::load("two-blocks").unwrap();
        scene.name = "mine".to_owned();
        let mut world = World::new(&scene, SEED, 32).unwrap();
        let mut step = |step: usize, action: Option<Action>| {
            let record = StepRecord {
                step,
                frame: world.observe().frame,
                view: world.view(32),
                vacuum: false,
                sub_goal: Some(0),
                similarities: Vec::new(),
                predicted_similarity: Vec::new(),
                predicted_others: vec![],
                gripper_m: [0.0, 0.0],
                cem: Vec::new(),
                action,
                cost: None,
                plan_secs: 0.0,
                stages: StageSecs::default(),
                draw: 0,
                open_loop_from: None,
            };
            action.into_iter().for_each(|action| world.step(action));
            Arc::new(record)
        };
        let steps = vec![step(0, Some([0.5, -0.5, -1.0])), step(1, None)];
        let block = &world.state().blocks[0].name;
        Recording {
            scene: scene.name.clone(),
            scene_text: scene.own_text(),
            seed: SEED,
            sub_goals: vec![SubGoalRecord {
                text: format!("pick up the {block}"),
                ..SubGoalRecord::default()
            }],
            steps,
            ..Recording::default()
        }
    }

    #[test]
    fn the_expert_is_known_where_the_record_leads_to_its_frame_and_else_it_is_said_why_not() {
        let recording = recording();
        for step in [0, 1] {
            let [x, y, _] = expert(&recording, step, 0).unwrap();
            assert!(x.hypot(y) > 0.0);
        }
        let why = |change: fn(&mut Recording)| {
            let mut other = recording.clone();
            change(&mut other);
            expert(&other, 1, 0).unwrap_err()
        };
        for (change, words) in [
            ((|one| one.scene_text = None) as fn(&mut Recording), "no scene \"mine\""),
            (|one| one.seed += 1, "lead to another picture"),
            (
                |one| one.sub_goals[0].text = "sing".to_owned(),
                "what to do for \"sing\"",
            ),
            (|one| Arc::make_mut(&mut one.steps[0]).action = None, "not all recorded"),
        ] {
            let said = why(change);
            assert!(said.contains(words), "{said}");
        }
    }
}

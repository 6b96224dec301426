//! The similarity landscape: a grid of first actions, each imagined from the step's frame toward a goal, with what the
//! scripted expert would do for comparison.

use super::LatentError;
use super::moment::Moment;
use crate::planner::cost::{cost_of, path_weights, pool, read};
use crate::planner::rollout::rollout;
use crate::random::{Stream, rng};
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
    /// What the scripted expert would do; none where the world could not be brought back.
    pub expert: Option<Action>,
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
        costs.extend((0..count).map(|candidate| {
            let along = weights.iter().enumerate();
            along
                .map(|(h, weight)| weight * states[h * count + candidate])
                .sum::<f32>()
        }));
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
        expert: expert(moment, sub_goal),
    })
}

/// The noise-free expert's action. The world is brought back from the scene, the seed and the executed actions; it counts
/// only where it looks to the byte as it was recorded: other hands may have been in it.
fn expert(moment: &Moment, sub_goal: usize) -> Option<Action> {
    let (recording, step) = (moment.recording, moment.step);
    let frame = &recording.steps.get(step)?.frame;
    let state = Scene::load(&recording.scene).ok()?.start(recording.seed).ok()?;
    let mut world = World::from_state(&state, frame.height);
    for record in &recording.steps[..step] {
        world.step(record.action?);
    }
    if world.observe().frame != *frame {
        return None;
    }
    let primitive = Primitive::parse(&recording.sub_goals.get(sub_goal)?.text, world.state())?;
    // Without noise nothing is drawn.
    let mut expert = Expert::new(rng(0, Stream::Expert, 0, 0), Noise::NONE);
    Some(expert.act(&primitive, world.state()))
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

//! The record of an episode. Everything the window shows is read from it, and `plan.json` is written from it: the
//! window, headless runs, exports and tests share one source of truth. [`file`] keeps it on disk.

mod cost_scale;
mod excerpt;
pub mod file;
pub mod png;
mod settings;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use cost_scale::CostScale;
pub use settings::PlanSettings;

use crate::config::PlanConfig;
use crate::sim::{Action, Frame};

/// A sub-goal's attention over the frame (method, 4.4: `w_k`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionMap {
    /// Height and width of the VLM's patch grid.
    pub grid: [usize; 2],
    /// Row-major from the top left, mean 1.
    pub values: Vec<f32>,
    /// Height and width of the world model's patch grid.
    pub model_grid: [usize; 2],
    /// `values` resampled to `model_grid` by area, mean 1.
    pub resampled: Vec<f32>,
}

/// Why a sub-goal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBecause {
    /// Its similarity passed `delta_goal`.
    Reached,
    /// `T_max` steps passed.
    StepLimit,
    /// A re-plan or the user's edit replaced it.
    Replaced,
    /// The user stopped or reset the episode.
    Interrupted,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubGoalRecord {
    pub text: String,
    pub objects: Vec<String>,
    /// Objects that the scene does not seem to have.
    pub unmatched: Vec<String>,
    pub map: AttentionMap,
    /// The step whose frame the goal was made from; provisional until the sub-goal begins.
    pub goal_made_at_step: usize,
    pub start_step: Option<usize>,
    pub end_step: Option<usize>,
    /// The switch criterion fired.
    pub declared: bool,
    /// A physical predicate held for two steps in a row; none where no template knows.
    pub achieved: Option<bool>,
    pub ended_because: Option<EndedBecause>,
    /// Gripper position that the goal latent reads as: x, y in metres.
    pub goal_gripper_m: Option<[f32; 2]>,
    /// The user wrote it: it stands in none of the VLM's answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
}

/// A token of an answer, and how sure the model was of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// In the vocabulary of the checkpoint that wrote it.
    pub id: u32,
    /// What it added to the text: nothing where it left a character unfinished.
    pub text: String,
    /// Its probability among all tokens that may be written, at temperature 1.
    pub probability: f32,
    /// The most probable other ones with theirs, the best first.
    pub others: Vec<(String, f32)>,
}

/// A question to the VLM, and its answer token by token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuestionRecord {
    /// The step whose frame it was asked about.
    pub step: usize,
    /// As it was sent; empty where nothing was sent to a language model.
    pub prompt: String,
    /// Index of the first sub-goal of its list in [`Recording::sub_goals`]; none where the list was not taken up.
    pub first_sub_goal: Option<usize>,
    /// As far as they are written, without the end.
    pub tokens: Vec<TokenRecord>,
}

/// One iteration of the cross-entropy method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CemIteration {
    /// Mean of the refitted distribution, `[H]` actions.
    pub mean: Vec<Action>,
    /// Its standard deviation, `[H]`.
    pub sigma: Vec<Action>,
    /// Costs of the whole population, `[P]`; lower is better.
    pub costs: Vec<f32>,
    /// Elite action sequences, best first, `[E][H]`.
    pub elites: Vec<Vec<Action>>,
    pub elite_costs: Vec<f32>,
    /// Gripper positions read out of each elite's imagined latents, metres, `[E][H]`.
    pub elite_paths_m: Vec<Vec<[f32; 2]>>,
}

/// Where the time of one plan went, wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSecs {
    /// The frame to tokens, once for each frame.
    pub encode_secs: f64,
    /// Noise and candidates.
    pub sample_secs: f64,
    /// The candidates through the predictor.
    pub roll_out_secs: f64,
    /// Costs and read-outs of the imagined states.
    pub score_secs: f64,
    /// Ranking, elites, their mean and deviation.
    pub refit_secs: f64,
}

/// A setting that was turned while the episode ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingChange {
    /// The first step that was planned or compared with the new value.
    pub step: usize,
    /// As the configuration names it: `plan.cem.population`.
    pub field: String,
    pub from: Value,
    pub to: Value,
}

/// One step: what was seen, what was thought, what was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// 0 for the first frame.
    pub step: usize,
    /// What the model saw.
    #[serde(with = "png")]
    pub frame: Frame,
    /// The same moment for people, at a higher resolution.
    #[serde(with = "png")]
    pub view: Frame,
    pub vacuum: bool,
    /// Index into [`Recording::sub_goals`]; none before the first and after the last.
    pub sub_goal: Option<usize>,
    /// Similarity of this frame to the goal of every sub-goal; none where no goal is made.
    pub similarities: Vec<Option<f32>>,
    /// Similarity of each imagined state `1..=H` of the chosen plan to the current goal.
    pub predicted_similarity: Vec<f32>,
    /// The same to the goals of the other sub-goals, `[K][H]`: nothing at the current one's place, and where no goal is
    /// made.
    #[serde(default)]
    pub predicted_others: Vec<Vec<f32>>,
    /// Gripper position read out of this frame's latent, metres.
    pub gripper_m: [f32; 2],
    pub cem: Vec<CemIteration>,
    /// What was executed from this frame; none on the last.
    pub action: Option<Action>,
    /// Cost of the plan that the action belongs to.
    pub cost: Option<f32>,
    /// Wall time of the plan.
    pub plan_secs: f64,
    /// Where that time went.
    #[serde(default)]
    pub stages: StageSecs,
    /// Which plan of this step it is: planned without acting, a step is planned again with noise of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub draw: u64,
    /// The action was not planned here: it is a later one of this earlier step's plan, executed open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop_from: Option<usize>,
}

/// The VLM was asked (again).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplanRecord {
    pub step: usize,
    pub reason: String,
    pub reasoning: String,
    /// The whole answer, as far as it is written.
    #[serde(default)]
    pub answer: String,
    pub sub_goals: Vec<String>,
    /// What of the list could not be read, as it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// The user changed what was left of the list: the plan is no longer the model's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditRecord {
    pub step: usize,
    /// What was left of the list, and what took its place: lines as a person types them, `text` or `text | [object]`.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// A condition that makes a run pause was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRecord {
    /// The step that would have been planned next.
    pub step: usize,
    /// "the similarity to sub-goal 2 fell for 4 steps, 0.61 to 0.44".
    pub why: String,
}

/// Where an episode left another one that it shares its past with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchPoint {
    /// Name of the other one's file, which lies in the same folder; none where it is not on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The first step that is its own.
    pub step: usize,
    /// Seed of the plans from there on.
    pub seed: u64,
}

/// How an episode ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// Every sub-goal was declared reached.
    Reached,
    NotReached {
        reason: String,
    },
    /// The VLM's answer could not be read, twice.
    Unparsed {
        answer: String,
    },
    Interrupted,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub task: String,
    pub scene: String,
    pub seed: u64,
    pub checkpoint_name: String,
    pub checkpoint_hash: String,
    pub delta_goal: f64,
    /// The VLM's words before its list, as far as they are written.
    pub reasoning: String,
    /// The whole answer, as far as it is written.
    pub answer: String,
    /// What of its list could not be read, as it stands.
    pub unread: Vec<String>,
    pub sub_goals: Vec<SubGoalRecord>,
    /// On disk they follow one by one.
    #[serde(skip)]
    pub steps: Vec<Arc<StepRecord>>,
    pub replans: Vec<ReplanRecord>,
    pub outcome: Option<Outcome>,
    /// The task's own predicate held in the world when the episode ended; none before, and where no template knows the
    /// task.
    pub task_achieved: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<EditRecord>,
    /// Where it left the episode that it branched from; more than one where that was a branch itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branched_from: Vec<BranchPoint>,
    /// What the episode began with; none where it was not recorded, or by a program with other settings.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "settings_if_known"
    )]
    pub settings: Option<PlanConfig>,
    /// Questions to the VLM: the first one, then that of each re-plan; none where an older program recorded them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionRecord>,
    /// What was turned since then, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SettingChange>,
    /// Of an excerpt, the first and the last step that were kept whole; none in a whole episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_whole: Option<[usize; 2]>,
    /// What made runs pause, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<PauseRecord>,
    /// The scene as RON, where its name alone does not say what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene_text: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Settings are there to be shown: an episode can be read without them.
fn settings_if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PlanConfig>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

impl StepRecord {
    /// Similarity of each imagined state of the chosen plan to the goal of a sub-goal; nothing where none was predicted.
    pub fn predicted(&self, sub_goal: usize) -> &[f32] {
        if self.sub_goal == Some(sub_goal) {
            &self.predicted_similarity
        } else {
            self.predicted_others.get(sub_goal).map_or(&[], Vec::as_slice)
        }
    }
}

impl Recording {
    /// Seed of the plans from now on: the episode's, or that of the last branch.
    pub fn plan_seed(&self) -> u64 {
        self.branched_from.last().map_or(self.seed, |point| point.seed)
    }

    /// Sub-goals that are neither reached nor given up, by their index.
    pub fn open_sub_goals(&self) -> Vec<usize> {
        let open = |index: &usize| self.sub_goals[*index].ended_because.is_none();
        (0..self.sub_goals.len()).filter(open).collect()
    }

    /// The switch thresholds, each with the step from which on it held; the first holds from step 0.
    pub fn delta_goals(&self) -> Vec<(usize, f64)> {
        let changes = self.changes.iter().filter(|change| change.field == "plan.delta_goal");
        let later = changes.filter_map(|change| Some((change.step, change.to.as_f64()?)));
        [(0, self.delta_goal)].into_iter().chain(later).collect()
    }

    /// The switch threshold when `step` was the present.
    pub fn delta_goal_at(&self, step: usize) -> f64 {
        let mut held = self.delta_goals().into_iter().filter(|&(from, _)| from <= step);
        held.next_back().map_or(self.delta_goal, |(_, value)| value)
    }

    fn same_but_for_steps(&self, other: &Self) -> bool {
        let bare = |recording: &Self| Self {
            steps: Vec::new(),
            ..recording.clone()
        };
        bare(self) == bare(other)
    }
}

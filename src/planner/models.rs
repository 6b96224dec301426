//! What the planner asks of the models, as small traits: planning is then one code for every preset, and its tests
//! need no trained weights.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor};

use crate::recording::{AttentionMap, TokenRecord};
use crate::sim::Frame;
use crate::vlm::{self, History};

/// An error of a model, whatever it is made of.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// Why a plan or an episode could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PlannerError {
    /// The cancel flag was set; nothing was changed.
    #[error("The plan was cancelled.")]
    Cancelled,
    #[error("{0}")]
    Model(#[from] ModelError),
    #[error("Could not read the world model's numbers back from its device: {0}.")]
    Device(String),
    #[error(
        "All {population} imagined futures of step {step} (iteration {iteration}) cost NaN or infinity: the checkpoint's weights or \
         latent statistics hold numbers that are not finite. Load another checkpoint."
    )]
    NotFinite {
        population: usize,
        step: u64,
        iteration: usize,
    },
    #[error("{field} has {found} values, expected {expected}. Load a checkpoint that was made with this preset.")]
    Shape {
        field: &'static str,
        found: usize,
        expected: usize,
    },
    #[error(
        "The cost \"temporal\" needs a world model with a temporal distance, and this one has none. Choose another cost, or \
         train one: stage 1b with --set world_model.temporal_distance=256."
    )]
    NoTemporalDistance,
    #[error("{field} is {value}, expected {expected}.")]
    Setting {
        field: &'static str,
        value: String,
        expected: &'static str,
    },
}

/// Where a goal latent comes from. Each source has a similarity temperature of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoalSource {
    /// The encoded frame of the achieved state.
    Oracle,
    /// The goal projection interface.
    Gpi,
    /// A picture that the user gave.
    Image,
}

/// The encoder and the predictor, with the statistics of their latent space (method, 4.1 and 4.3).
pub trait LatentModel {
    fn device(&self) -> Device;
    /// Frames to tokens `[B, N, D]`.
    ///
    /// # Errors
    /// A frame has not the size that the encoder was made for.
    fn encode(&self, frames: &[Frame]) -> Result<Tensor<3>, ModelError>;
    /// One step ahead: tokens `[B, N, D]` and actions `[B, 3]` to the next tokens `[B, N, D]`. `bias` `[N]` is added to
    /// the attention logits of the context columns (method, 4.8).
    fn predict(&self, tokens: Tensor<3>, actions: Tensor<2>, bias: Option<&Tensor<1>>) -> Tensor<3>;
    /// Pooled latents `[B, D]` to what they say of the gripper `[B, 4]`: x, y in metres, suction and holding as -1 or 1.
    fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2>;
    /// Actions from pooled latents `[B, D]` to goals `[B, D]`, `[B]`; none where the model has no temporal distance.
    fn temporal_distance(&self, states: Tensor<2>, goals: Tensor<2>) -> Option<Tensor<1>>;
    /// Pooled latents `[B, D]` to small square pictures of what they hold; none where the model reads none.
    fn pictures(&self, _pooled: Tensor<2>) -> Option<Vec<Frame>> {
        None
    }
    /// Mean of the pooled latent over the training data, `[D]`.
    fn latent_mean(&self) -> &[f32];
    /// The map from centred pooled latents to comparison vectors, `[D, D + 4]` row-major: scene content (the four
    /// directions of `proprioception` projected out), gripper x and y, suction and holding, each of the three groups
    /// scaled to unit total variance.
    fn comparison(&self) -> &[f32];
    /// Total variance of the gripper's x and y over the training data, square metres.
    fn gripper_variance(&self) -> f32;
    /// `T` of the calibrated similarity.
    fn sim_temperature(&self, source: GoalSource) -> f32;
}

/// What a goal is to be made from.
pub struct GoalRequest<'a> {
    pub frame: &'a Frame,
    /// The frame's tokens, `[1, N, D]`.
    pub tokens: &'a Tensor<3>,
    pub task: &'a str,
    /// The sub-goal's text.
    pub text: &'a str,
    pub objects: &'a [String],
}

/// A sub-goal in latent space.
#[derive(Clone, Debug)]
pub struct Goal {
    /// `[1, N, D]`.
    pub tokens: Tensor<3>,
    pub map: AttentionMap,
}

/// Makes latent goals: VLM grounding and GPI, or an oracle in measurements.
pub trait GoalMaker {
    fn source(&self) -> GoalSource;
    /// The goal of a sub-goal as seen from the present frame.
    ///
    /// # Errors
    /// A model failed.
    fn goal(&self, request: &GoalRequest) -> Result<Goal, ModelError>;
}

/// First greedily; an answer that cannot be read is asked for once more, with some chance in it.
pub const TEMPERATURES: [f64; 2] = [0.0, 0.7];

/// What the VLM is asked.
pub struct Question<'a> {
    pub frame: &'a Frame,
    pub task: &'a str,
    /// Given when the VLM is asked again in the middle of a task.
    pub history: Option<&'a History>,
    /// 0 decodes greedily.
    pub temperature: f64,
    pub seed: u64,
    /// Read at every token; once set, the answer so far is returned.
    pub cancel: &'a AtomicBool,
}

/// A sub-goal as the VLM wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubGoal {
    pub text: String,
    pub objects: Vec<String>,
}

/// The VLM's answer. It counts as unreadable when it holds no sub-goal.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// The question as it was sent; empty where nothing was sent to a language model.
    pub prompt: String,
    /// All of it, as written.
    pub text: String,
    /// What stands before the list.
    pub reasoning: String,
    pub sub_goals: Vec<SubGoal>,
    /// What of the list could not be read, as it stands.
    pub unread: Vec<String>,
}

impl From<vlm::Answer> for Answer {
    fn from(read: vlm::Answer) -> Self {
        let unread = read.doubts();
        let sub_goals = read.sub_goals.into_iter().map(|sub_goal| SubGoal {
            text: sub_goal.text,
            objects: sub_goal.objects,
        });
        Self {
            prompt: String::new(),
            text: read.text,
            reasoning: read.reasoning,
            sub_goals: sub_goals.collect(),
            unread,
        }
    }
}

/// Gets each new piece of an answer, with the token that wrote it where a language model did.
pub type OnText<'a> = dyn FnMut(&str, Option<&TokenRecord>) + 'a;

/// Decomposes a task (method, 4.4).
pub trait Reasoner {
    /// `on_text` gets the answer as it is written.
    ///
    /// # Errors
    /// A model failed.
    fn reason(&self, question: &Question, on_text: &mut OnText) -> Result<Answer, ModelError>;
}

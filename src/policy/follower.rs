//! One decision at a time, as a robot asks for it.

use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use super::{OUTPUTS, Policy, Words};
use crate::nn::wide;
use crate::sim::tasks::normalised;
use crate::sim::{Action, Frame};
use crate::vlm::{VlmError, VlmTokenizer};
use crate::world_model::pixels;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    #[error(
        "The frame has {width} x {height} pixels and the policy sees {size} x {size}: render the scene at a multiple of \
         that."
    )]
    FrameSize { width: usize, height: usize, size: usize },
    #[error(transparent)]
    Vocabulary(#[from] VlmError),
    #[error("Could not read the policy's numbers back from its device: {0}.")]
    Device(String),
}

/// What the policy wants now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The grip is 1 or -1.
    pub action: Action,
    /// How sure it is that the sub-goal is done already, 0 to 1.
    pub done: f32,
}

/// A trained policy with the vocabulary that it reads.
#[derive(Clone, Debug)]
pub struct Follower {
    policy: Policy,
    tokenizer: Arc<VlmTokenizer>,
    /// Height and width of the frames that the encoder sees, pixels.
    image_size: usize,
    device: Device,
}

impl Follower {
    pub fn new(policy: Policy, tokenizer: Arc<VlmTokenizer>, image_size: usize, device: Device) -> Self {
        Self {
            policy,
            tokenizer,
            image_size,
            device,
        }
    }

    /// What to do about a sub-goal, given what the camera sees and what the robot knows of itself (gripper x and y in metres,
    /// suction and holding as -1 or 1).
    ///
    /// # Errors
    /// The frame is no multiple of the size that the policy sees, or the device failed.
    pub fn decide(&self, frame: &Frame, body: [f32; 4], sub_goal: &str) -> Result<Decision, FollowerError> {
        let size = self.image_size;
        let seen = frame.shrunk(size).ok_or(FollowerError::FrameSize {
            width: frame.width,
            height: frame.height,
            size,
        })?;
        // As sub-goals are read elsewhere: lower case, single blanks, no stop at the end.
        let (ids, _) = self.tokenizer.encode(&normalised(sub_goal))?;
        let frames = pixels(&seen.rgb, [1, 3, size, size], &self.device);
        let body = Tensor::<2>::from_data([body], &self.device);
        let out = wide(self.policy.forward(frames, body, &Words::new(&[&ids], &self.device)));
        let out = Tensor::cat(
            vec![out.clone().slice([0..1, 0..3]), sigmoid(out.slice([0..1, 3..4]))],
            1,
        );
        let values: Vec<f32> = match out.try_into_data() {
            Ok(data) => data.iter::<f32>().collect(),
            Err(err) => return Err(FollowerError::Device(err.to_string())),
        };
        let [dx, dy, grip, done] = values[..] else {
            return Err(FollowerError::Device(format!("it gave {} of {OUTPUTS}", values.len())));
        };
        Ok(Decision {
            action: [
                dx.clamp(-1.0, 1.0),
                dy.clamp(-1.0, 1.0),
                if grip > 0.0 { 1.0 } else { -1.0 },
            ],
            done,
        })
    }
}

//! Small heads on the mean-pooled latent that anchor it to what a robot knows of itself, and where it is wanted to what it
//! sees. No object's place is ever a label. Beside them stands, where it is wanted, a temporal distance. They answer in
//! single precision whatever they compute in: what they say is compared with measured numbers.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::TemporalDistance;
use crate::config::WorldModelConfig;
use crate::nn::{Mlp, wide};

/// Hidden width of the inverse-dynamics head.
const IDM_HIDDEN: usize = 128;
/// Hidden width of the head that reads pictures.
const PICTURE_HIDDEN: usize = 512;

#[derive(Module, Debug)]
pub struct Heads {
    /// (p_t, p_t+1) to dx, dy and the logit of the grip command.
    pub idm: Mlp,
    /// Linear read-out of gripper x, y (metres), suction and holding (-1 or 1).
    pub prop: Linear,
    /// None where `world_model.temporal_distance` is 0.
    pub temporal: Option<TemporalDistance>,
    /// Small pictures of what is seen ([`pictures`](super::pictures)). None where `world_model.picture` is 0.
    pub picture: Option<Mlp>,
}

impl Heads {
    pub fn new(config: &WorldModelConfig, device: &Device) -> Self {
        Self {
            idm: Mlp::new(2 * config.dim, IDM_HIDDEN, config.action_dim, device),
            prop: LinearConfig::new(config.dim, 4).init(device),
            temporal: Self::fresh_temporal(config, device),
            picture: Self::fresh_picture(config, device),
        }
    }

    /// With those heads that the configuration wants and that are not there, as they are before training.
    #[must_use]
    pub fn completed(mut self, config: &WorldModelConfig, device: &Device) -> Self {
        self.temporal = self.temporal.or_else(|| Self::fresh_temporal(config, device));
        self.picture = self.picture.or_else(|| Self::fresh_picture(config, device));
        self
    }

    /// The temporal distance as it is before training.
    pub fn fresh_temporal(config: &WorldModelConfig, device: &Device) -> Option<TemporalDistance> {
        let hidden = config.temporal_distance;
        (hidden > 0).then(|| TemporalDistance::new(config.dim, hidden, device))
    }

    /// The head that reads pictures as it is before training.
    fn fresh_picture(config: &WorldModelConfig, device: &Device) -> Option<Mlp> {
        let side = config.picture;
        (side > 0).then(|| Mlp::new(config.dim, PICTURE_HIDDEN, 3 * side * side, device))
    }

    /// Two pooled latents `[B, D]` to the action between them, `[B, D_a]`; the last column is a logit.
    pub fn inverse_dynamics(&self, before: Tensor<2>, after: Tensor<2>) -> Tensor<2> {
        let both = Tensor::cat(vec![before, after], 1);
        wide(self.idm.forward(both.cast(self.idm.fc1.weight.val().dtype())))
    }

    /// Pooled latents `[B, D]` to `[B, 4]`: x, y, suction, holding.
    pub fn proprioception(&self, pooled: Tensor<2>) -> Tensor<2> {
        wide(self.prop.forward(pooled.cast(self.prop.weight.val().dtype())))
    }

    /// Pooled latents `[B, D]` to pictures `[B, 3 * side * side]`; none where there is no such head.
    pub fn read_picture(&self, pooled: Tensor<2>) -> Option<Tensor<2>> {
        let head = self.picture.as_ref()?;
        Some(wide(head.forward(pooled.cast(head.fc1.weight.val().dtype()))))
    }
}

//! The JEPA world model: online encoder, EMA target encoder, action-conditioned predictor, masks and losses
//! (method, 4.1 to 4.3, 4.6 and 4.7).

mod cpu_predictor;
mod ema;
mod encoder;
mod heads;
mod latent_stats;
pub mod losses;
pub mod masking;
mod model;
mod picture;
mod predictor;
mod temporal;

pub use cpu_predictor::CpuPredictor;
pub use ema::ema_update;
pub use encoder::Encoder;
pub use heads::Heads;
pub use latent_stats::{LatentStats, SimTemperature};
pub use model::{WorldModel, pixels};
pub use picture::{picture_loss, pictures, small_frames};
pub use predictor::{Predictor, TokenSet};
pub use temporal::{TemporalDistance, temporal_loss};

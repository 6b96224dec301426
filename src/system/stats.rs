//! Latent statistics as a checkpoint's tensors. The weight of the proprioception head is part of the heads already.

use crate::weights::{NamedTensor, Tensors, WeightsError};
use crate::world_model::{LatentStats, SimTemperature};

const MEAN: &str = "latent_stats.mean";
const COVARIANCE: &str = "latent_stats.covariance";
const XY_VARIANCE: &str = "latent_stats.xy_variance";
/// Of both kinds of goals; calibration replaces it.
pub const SIM_TEMPERATURE: &str = "latent_stats.sim_temperature";
/// `[4, D]` on disk, as the statistics want it.
const PROPRIO_WEIGHT: &str = "heads.prop.weight";

/// What is stored: mean `[D]`, covariance `[D, D]`, the gripper's variance `[1]`, and the temperatures for goals from an
/// oracle, the goal projection interface and a picture `[3]`.
pub(super) fn to_tensors(stats: &LatentStats) -> Vec<NamedTensor> {
    let dim = stats.dim();
    let temperature = stats.sim_temperature;
    let tensor = |name: &str, shape: Vec<usize>, values: Vec<f32>| NamedTensor {
        name: name.to_owned(),
        shape,
        values,
    };
    let temperatures = vec![temperature.oracle, temperature.gpi, temperature.image];
    vec![
        tensor(MEAN, vec![dim], stats.mean.clone()),
        tensor(COVARIANCE, vec![dim, dim], stats.covariance.clone()),
        tensor(XY_VARIANCE, vec![1], vec![stats.xy_variance]),
        tensor(SIM_TEMPERATURE, vec![3], temperatures),
    ]
}

/// Whether a checkpoint has statistics at all.
pub(super) fn are_there(tensors: &Tensors) -> bool {
    tensors.shape(MEAN).is_some()
}

/// The statistics of latents of width `dim`.
///
/// # Errors
/// A tensor is missing, has another shape, or holds a number that cannot be.
pub(super) fn from_tensors(tensors: &Tensors, dim: usize) -> Result<LatentStats, WeightsError> {
    let damaged = |what: String| WeightsError::Damaged {
        path: tensors.path().to_owned(),
        what,
    };
    let read = |name: &str, expected: &[usize]| {
        let tensor = tensors.read_finite(name)?;
        if tensor.shape != expected {
            let found = tensor.shape;
            return Err(damaged(format!("tensor {name} is {found:?}, expected {expected:?}")));
        }
        Ok(tensor.values)
    };
    let positive = |name: &str, expected: &[usize]| {
        let values = read(name, expected)?;
        match values.iter().find(|&&value| value <= 0.0) {
            Some(value) => Err(damaged(format!("tensor {name} holds {value}, expected more than 0"))),
            None => Ok(values),
        }
    };
    let temperatures = positive(SIM_TEMPERATURE, &[3])?;
    Ok(LatentStats {
        mean: read(MEAN, &[dim])?,
        covariance: read(COVARIANCE, &[dim, dim])?,
        xy_variance: positive(XY_VARIANCE, &[1])?[0],
        proprio_weight: read(PROPRIO_WEIGHT, &[4, dim])?,
        sim_temperature: SimTemperature {
            oracle: temperatures[0],
            gpi: temperatures[1],
            image: temperatures[2],
        },
    })
}

//! From a checkpoint's tensors to modules on a device.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;

use super::{MODULES, System, SystemError, stats};
use crate::gpi::Gpi;
use crate::nn::lora::is_adapter;
use crate::planner::TrainedWorld;
use crate::vlm::{Vlm, VlmModel, VlmTokenizer};
use crate::weights::{Checkpoint, LoadReport, Remap, Tensors, load};
use crate::world_model::{LatentStats, WorldModel};

impl System {
    /// Loads everything that a checkpoint folder holds.
    ///
    /// # Errors
    /// The folder is no checkpoint, a file is damaged, a tensor has another shape than its configuration says, or there
    /// is no world model with its latent statistics.
    pub fn load(folder: &Path, device: &Device) -> Result<(Self, LoadReport), SystemError> {
        Self::from_checkpoint(&Checkpoint::open(folder)?, device)
    }

    /// The same for a checkpoint that is open already.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Result<(Self, LoadReport), SystemError> {
        let config = checkpoint.config.clone();
        let (model, latent_stats, mut report) = load_world_model(checkpoint, device)?;
        let latent_stats = latent_stats.ok_or_else(|| SystemError::Missing {
            checkpoint: checkpoint.name.clone(),
            what: "latent statistics",
            prefix: "latent_stats.",
            advice: "Write it anew with `thinkjepa train --stage 1 --out FOLDER`.",
        })?;
        let encoder = config.plan.encoder;
        let world = TrainedWorld::new(model, latent_stats, &config.world_model, encoder, device.clone());
        let mut merge = |other| report.merge(other);
        let gpi = load_gpi(checkpoint, device)?.map(|(gpi, of_gpi)| {
            merge(of_gpi);
            gpi
        });
        let vlm = match load_vlm(checkpoint, device)? {
            Some((model, tokenizer, of_vlm)) => {
                merge(of_vlm);
                Some(Vlm::new(&model, tokenizer)?)
            }
            None => None,
        };
        let strange = checkpoint
            .tensors
            .names()
            .filter(|name| !MODULES.iter().any(|prefix| name.starts_with(prefix)));
        report.unexpected.extend(strange.map(str::to_owned));
        let system = Self {
            config,
            world,
            gpi,
            vlm,
            name: checkpoint.name.clone(),
            hash: checkpoint.hash.clone(),
            device: device.clone(),
        };
        Ok((system, report))
    }
}

/// Encoders, predictor and heads, and the latent statistics where there are any. On an autodiff device the model can be
/// trained on.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read.
pub fn load_world_model(
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<(WorldModel, Option<LatentStats>, LoadReport), SystemError> {
    let tensors = &checkpoint.tensors;
    if !holds(tensors, "encoder.") {
        return Err(SystemError::Missing {
            checkpoint: checkpoint.name.clone(),
            what: "world model",
            prefix: "encoder.",
            advice: "Train one with `thinkjepa train --stage 1`.",
        });
    }
    let shape = &checkpoint.config.world_model;
    let fresh = WorldModel::new(shape, device);
    let mut report = LoadReport::default();
    let model = WorldModel {
        encoder: part(fresh.encoder, tensors, "encoder.", &mut report)?,
        target_encoder: part(fresh.target_encoder, tensors, "target_encoder.", &mut report)?,
        predictor: part(fresh.predictor, tensors, "predictor.", &mut report)?,
        heads: part(fresh.heads, tensors, "heads.", &mut report)?,
    };
    let latent_stats = if stats::are_there(tensors) {
        Some(stats::from_tensors(tensors, shape.dim)?)
    } else {
        None
    };
    Ok((model, latent_stats, report))
}

/// The goal projection interface, if the checkpoint holds one.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read.
pub fn load_gpi(checkpoint: &Checkpoint, device: &Device) -> Result<Option<(Gpi, LoadReport)>, SystemError> {
    if !holds(&checkpoint.tensors, "gpi.") {
        return Ok(None);
    }
    let config = &checkpoint.config;
    let fresh = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, device);
    let mut report = LoadReport::default();
    let gpi = part(fresh, &checkpoint.tensors, "gpi.", &mut report)?;
    Ok(Some((gpi, report)))
}

/// The vision-language model as it is stored, its adapters (if it has any) apart from the weights, with its tokenizer;
/// none if the checkpoint holds none.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read, or there is no tokenizer.
pub fn load_vlm(
    checkpoint: &Checkpoint,
    device: &Device,
) -> Result<Option<(VlmModel, Arc<VlmTokenizer>, LoadReport)>, SystemError> {
    let tensors = &checkpoint.tensors;
    if !holds(tensors, "vlm.") {
        return Ok(None);
    }
    let path = checkpoint.tokenizer().ok_or_else(|| SystemError::NoTokenizer {
        checkpoint: checkpoint.name.clone(),
    })?;
    let tokenizer = Arc::new(VlmTokenizer::load(&path)?);
    let mut fresh = VlmModel::new(&checkpoint.config.vlm, device);
    if tensors.names().any(|name| name.starts_with("vlm.") && is_adapter(name)) {
        // The seed does not matter: the factors are replaced.
        fresh = fresh.with_lora(0);
    }
    let mut report = LoadReport::default();
    let model = part(fresh, tensors, "vlm.", &mut report)?;
    Ok(Some((model, tokenizer, report)))
}

fn holds(tensors: &Tensors, prefix: &str) -> bool {
    tensors.names().any(|name| name.starts_with(prefix))
}

fn part<M: Module>(fresh: M, tensors: &Tensors, prefix: &str, report: &mut LoadReport) -> Result<M, SystemError> {
    let (module, of_part) = load(fresh, tensors, prefix, &Remap::none())?;
    report.merge(of_part);
    Ok(module)
}

//! From a checkpoint's tensors to modules on a device.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, FloatDType};

use super::{MODULES, System, SystemError, stats};
use crate::config::Precision;
use crate::gpi::Gpi;
use crate::nn::dtype;
use crate::nn::lora::is_adapter;
use crate::planner::TrainedWorld;
use crate::policy::{Follower, Policy};
use crate::vlm::{Vlm, VlmModel, VlmTokenizer};
use crate::weights::{Checkpoint, LoadReport, Remap, Tensors, load_as};
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
        let precision = config.precision;
        let (model, latent_stats, mut report) = load_world_model(checkpoint, precision, device)?;
        let latent_stats = latent_stats.ok_or_else(|| SystemError::Missing {
            checkpoint: checkpoint.name.clone(),
            what: "latent statistics",
            prefix: "latent_stats.",
            advice: "Write it anew with `thinkjepa train --stage 1 --out FOLDER`.",
        })?;
        let encoder = config.plan.encoder;
        let world = TrainedWorld::new(model, latent_stats, &config.world_model, encoder, device.clone());
        let mut merge = |other| report.merge(other);
        let gpi = load_gpi(checkpoint, precision, device)?.map(|(gpi, of_gpi)| {
            merge(of_gpi);
            gpi
        });
        let mut vocabulary = None;
        let vlm = match load_vlm(checkpoint, precision, device)? {
            Some((model, tokenizer, of_vlm)) => {
                merge(of_vlm);
                vocabulary = Some(tokenizer.clone());
                Some(Vlm::new(&model, tokenizer)?)
            }
            None => None,
        };
        let policy = load_policy(checkpoint, precision, device)?.map(|(policy, of_policy)| {
            merge(of_policy);
            policy
        });
        let image_size = config.world_model.image_size;
        // Without the language model there is nothing that it could be told in.
        let policy = policy
            .zip(vocabulary)
            .map(|(policy, words)| Follower::new(policy, words, image_size, device.clone()));
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
            policy,
            name: checkpoint.name.clone(),
            hash: checkpoint.hash.clone(),
            device: device.clone(),
        };
        Ok((system, report))
    }
}

/// Encoders, predictor and heads in a number format, and the latent statistics where there are any. In single precision the
/// model can be trained on.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read.
pub fn load_world_model(
    checkpoint: &Checkpoint,
    precision: Precision,
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
    let mut parts = Parts::new(tensors, precision);
    let model = WorldModel {
        encoder: parts.load(fresh.encoder, "encoder.")?,
        target_encoder: parts.load(fresh.target_encoder, "target_encoder.")?,
        predictor: parts.load(fresh.predictor, "predictor.")?,
        heads: parts.load(fresh.heads, "heads.")?,
    };
    let latent_stats = if stats::are_there(tensors) {
        Some(stats::from_tensors(tensors, shape.dim)?)
    } else {
        None
    };
    Ok((model, latent_stats, parts.report))
}

/// The goal projection interface, if the checkpoint holds one.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read.
pub fn load_gpi(
    checkpoint: &Checkpoint,
    precision: Precision,
    device: &Device,
) -> Result<Option<(Gpi, LoadReport)>, SystemError> {
    if !holds(&checkpoint.tensors, "gpi.") {
        return Ok(None);
    }
    let config = &checkpoint.config;
    let fresh = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, device);
    let mut parts = Parts::new(&checkpoint.tensors, precision);
    let gpi = parts.load(fresh, "gpi.")?;
    Ok(Some((gpi, parts.report)))
}

/// The policy of the baseline, if the checkpoint holds one.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read.
pub fn load_policy(
    checkpoint: &Checkpoint,
    precision: Precision,
    device: &Device,
) -> Result<Option<(Policy, LoadReport)>, SystemError> {
    if !holds(&checkpoint.tensors, "policy.") {
        return Ok(None);
    }
    let config = &checkpoint.config;
    let fresh = Policy::new(&config.world_model, config.vlm.vocab_size, device);
    let mut parts = Parts::new(&checkpoint.tensors, precision);
    let policy = parts.load(fresh, "policy.")?;
    Ok(Some((policy, parts.report)))
}

/// The vision-language model as it is stored, its adapters (if it has any) apart from the weights, with its tokenizer;
/// none if the checkpoint holds none.
///
/// # Errors
/// A tensor is missing, has another shape or cannot be read, or there is no tokenizer.
pub fn load_vlm(
    checkpoint: &Checkpoint,
    precision: Precision,
    device: &Device,
) -> Result<Option<(VlmModel, Arc<VlmTokenizer>, LoadReport)>, SystemError> {
    let mut names = checkpoint.tensors.names();
    let adapted = names.any(|name| name.starts_with("vlm.") && is_adapter(name));
    load_language(checkpoint, adapted, precision, device)
}

/// [`load_vlm`] without its adapters, as stage `vlm` left it.
///
/// # Errors
/// As those of [`load_vlm`].
pub fn load_vlm_base(
    checkpoint: &Checkpoint,
    precision: Precision,
    device: &Device,
) -> Result<Option<(VlmModel, Arc<VlmTokenizer>)>, SystemError> {
    let loaded = load_language(checkpoint, false, precision, device)?;
    Ok(loaded.map(|(model, tokenizer, _)| (model, tokenizer)))
}

fn load_language(
    checkpoint: &Checkpoint,
    adapted: bool,
    precision: Precision,
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
    let fresh = VlmModel::new(&checkpoint.config.vlm, device);
    let (fresh, tensors) = if adapted {
        // The seed does not matter: the factors are replaced.
        (fresh.with_lora(0), tensors)
    } else {
        (fresh, &tensors.without(is_adapter))
    };
    let mut parts = Parts::new(tensors, precision);
    let model = parts.load(fresh, "vlm.")?;
    Ok(Some((model, tokenizer, parts.report)))
}

fn holds(tensors: &Tensors, prefix: &str) -> bool {
    tensors.names().any(|name| name.starts_with(prefix))
}

/// Modules of one file, and the report of them all.
struct Parts<'a> {
    tensors: &'a Tensors,
    format: FloatDType,
    report: LoadReport,
}

impl<'a> Parts<'a> {
    fn new(tensors: &'a Tensors, precision: Precision) -> Self {
        Self {
            tensors,
            format: dtype(precision),
            report: LoadReport::default(),
        }
    }

    fn load<M: Module>(&mut self, fresh: M, prefix: &str) -> Result<M, SystemError> {
        let (module, of_part) = load_as(fresh, self.tensors, prefix, &Remap::none(), self.format)?;
        self.report.merge(of_part);
        Ok(module)
    }
}

//! A checkpoint brought to life: world model, goal projection interface and vision-language model with what a checkpoint
//! says of them, as the planner wants to see them.
//!
//! - [`System`]: loaded, on its device, ready to plan
//! - [`Draft`]: a checkpoint as it is put together, module by module, by the stages of training and by calibration
//!
//! A checkpoint need not hold everything: a world model alone can be measured toward oracle goals. What is missing is
//! said when it is asked for.

mod draft;
mod load;
mod models;
mod stats;

use burn::tensor::Device;

pub use draft::Draft;
pub use load::{load_gpi, load_policy, load_vlm, load_vlm_base, load_world_model};
pub use stats::SIM_TEMPERATURE;

use crate::config::Config;
use crate::gpi::Gpi;
use crate::planner::{Models, TrainedWorld};
use crate::policy::Follower;
use crate::vlm::{Vlm, VlmError};
use crate::weights::WeightsError;

/// Prefixes of a checkpoint's tensors.
pub const MODULES: [&str; 8] = [
    "encoder.",
    "target_encoder.",
    "predictor.",
    "heads.",
    "gpi.",
    "vlm.",
    "policy.",
    "latent_stats.",
];

/// Why a system cannot be loaded, or cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Vlm(#[from] VlmError),
    #[error("Checkpoint {checkpoint} holds no {what} (its keys would begin with {prefix}). {advice}")]
    Missing {
        checkpoint: String,
        what: &'static str,
        prefix: &'static str,
        advice: &'static str,
    },
    #[error("Checkpoint {checkpoint} has no tokenizer.json beside its language model. Copy or download it again.")]
    NoTokenizer { checkpoint: String },
}

/// Everything that a plan is made with.
pub struct System {
    pub config: Config,
    pub world: TrainedWorld,
    pub gpi: Option<Gpi>,
    pub vlm: Option<Vlm>,
    /// The baseline's, see [`Self::follower`].
    pub policy: Option<Follower>,
    /// The checkpoint's folder name.
    pub name: String,
    /// Identity of what it computes.
    pub hash: String,
    pub device: Device,
}

impl System {
    /// The models of an episode.
    ///
    /// # Errors
    /// The checkpoint holds no language model, or no goal projection interface.
    pub fn models(&self) -> Result<Models<'_>, SystemError> {
        self.vlm()?;
        self.gpi()?;
        Ok(Models {
            world: &self.world,
            goals: self,
            reasoner: self,
        })
    }

    /// The language model.
    ///
    /// # Errors
    /// The checkpoint holds none.
    pub fn vlm(&self) -> Result<&Vlm, SystemError> {
        self.vlm.as_ref().ok_or_else(|| SystemError::Missing {
            checkpoint: self.name.clone(),
            what: "vision-language model",
            prefix: "vlm.",
            advice: "Train one with `thinkjepa train --stage vlm`, or measure the world model alone with `thinkjepa \
                     eval --suite oracle`.",
        })
    }

    /// The policy of the baseline, which carries a sub-goal out by behaviour cloning. A checkpoint need not hold one.
    ///
    /// # Errors
    /// The checkpoint holds none.
    pub fn follower(&self) -> Result<&Follower, SystemError> {
        self.policy.as_ref().ok_or_else(|| SystemError::Missing {
            checkpoint: self.name.clone(),
            what: "policy for the baseline",
            prefix: "policy.",
            advice: "Train one with `thinkjepa train --stage bc --run FOLDER --from CHECKPOINT --out CHECKPOINT`.",
        })
    }

    fn gpi(&self) -> Result<&Gpi, SystemError> {
        self.gpi.as_ref().ok_or_else(|| SystemError::Missing {
            checkpoint: self.name.clone(),
            what: "goal projection interface",
            prefix: "gpi.",
            advice: "Train one with `thinkjepa train --stage 2`, or measure the world model alone with `thinkjepa eval \
                     --suite oracle`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{LoraConfig, Stem, preset};
    use crate::nn::lora::is_adapter;
    use crate::policy::Policy;
    use crate::sim::Frame;
    use crate::vlm::{VlmModel, VlmTokenizer};
    use crate::weights::Checkpoint;
    use crate::world_model::{LatentStats, WorldModel};

    fn tiny() -> Config {
        let mut config = preset("nano").unwrap();
        let vlm = &mut config.vlm;
        (vlm.image_size, vlm.patch_size) = (16, 4);
        vlm.stem = Stem::Conv(vec![(6, 3, 2), (8, 3, 2)]);
        (vlm.vision_dim, vlm.vision_depth, vlm.vision_heads, vlm.vision_mlp) = (8, 1, 2, 16);
        (vlm.dim, vlm.depth, vlm.heads, vlm.kv_heads, vlm.mlp, vlm.max_tokens) = (16, 1, 2, 1, 24, 160);
        vlm.lora = LoraConfig { rank: 2, alpha: 4.0 };
        config
    }

    fn language(config: &Config, device: &Device) -> (VlmModel, VlmTokenizer) {
        let tokenizer = VlmTokenizer::train(["pick up the red block"; 3], config.vlm.vocab_size).unwrap();
        (VlmModel::new(&config.vlm, device), tokenizer)
    }

    fn world(config: &Config, device: &Device) -> (WorldModel, LatentStats) {
        let model = WorldModel::new(&config.world_model, device);
        let dim = config.world_model.dim;
        let pooled: Vec<f32> = (0..2 * dim * dim).map(|i| ((i * 7919) % 1013) as f32 / 506.0).collect();
        let weight = model
            .heads
            .prop
            .weight
            .val()
            .transpose()
            .into_data()
            .iter::<f32>()
            .collect();
        let mut stats = LatentStats::fit(&pooled, dim, 0.5, weight);
        stats.sim_temperature.gpi = 0.3;
        (model, stats)
    }

    #[test]
    fn a_whole_system_survives_the_round_trip() {
        let (config, device) = (tiny(), Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        let (model, stats) = world(&config, &device);
        let (language, tokenizer) = language(&config, &device);
        let mut draft = Draft::new(config.clone());
        draft.put_world_model(&model).unwrap();
        draft.put_stats(&stats);
        draft.put_vlm(&language, &tokenizer).unwrap();
        draft
            .put_gpi(&Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device))
            .unwrap();
        draft.write(&path).unwrap();

        let (system, report) = System::load(&path, &device).unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!((system.name.as_str(), system.world.stats()), ("mine", &stats));
        assert!(system.models().is_ok());
        let frame = Frame {
            width: 64,
            height: 64,
            rgb: (0..3 * 64 * 64).map(|i| (i * 31 % 251) as u8).collect(),
        };
        let by = config.plan.encoder;
        let numbers = |model: &WorldModel| model.encode(std::slice::from_ref(&frame), by, &device).into_data();
        assert_eq!(numbers(system.world.model()), numbers(&model));
        let again = Draft::of(&Checkpoint::open(&path).unwrap()).unwrap();
        again.write(&folder.path().join("copy")).unwrap();
        assert_eq!(Checkpoint::open(&folder.path().join("copy")).unwrap().hash, system.hash);
    }

    #[test]
    fn adapters_are_stored_apart_and_folded_in_on_load() {
        let (config, device) = (tiny(), Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        let (model, stats) = world(&config, &device);
        let (language, tokenizer) = language(&config, &device);
        let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        let mut draft = Draft::new(config.clone());
        draft.put_world_model(&model).unwrap();
        draft.put_stats(&stats);
        draft.put_vlm(&language, &tokenizer).unwrap();
        draft.put_gpi(&gpi).unwrap();
        // The same base with adapters: what was trained on the base is still of use.
        draft.put_vlm(&language.clone().with_lora(3), &tokenizer).unwrap();
        draft.write(&path).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let adapters = checkpoint.tensors.names().filter(|name| is_adapter(name)).count();
        assert_eq!(adapters, 2 * 7);
        let (system, report) = System::from_checkpoint(&checkpoint, &device).unwrap();
        assert!(report.is_clean() && system.gpi.is_some(), "{report}");
        let kept = system
            .vlm
            .as_ref()
            .map(|vlm| crate::nn::lora::detached(vlm.model(), &config.vlm.lora).factors);
        assert_eq!(kept, Some(BTreeMap::new()), "folded in");
        let (stored, ..) = load_vlm(&checkpoint, config.precision, &device).unwrap().unwrap();
        assert_eq!(crate::nn::lora::detached(&stored, &config.vlm.lora).factors.len(), 7);
    }

    #[test]
    fn a_new_encoder_or_language_model_outdates_the_goals() {
        let (config, device) = (tiny(), Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        let (model, stats) = world(&config, &device);
        let (language, tokenizer) = language(&config, &device);
        let gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device);
        let mut draft = Draft::new(config.clone());
        draft.put_world_model(&model).unwrap();
        draft.put_stats(&stats);
        draft.put_vlm(&language, &tokenizer).unwrap();
        draft.put_gpi(&gpi).unwrap();
        draft.write(&path).unwrap();
        let older = Draft::of(&Checkpoint::open(&path).unwrap()).unwrap();
        let read = |draft: &Draft| {
            draft.write(&path).unwrap();
            System::load(&path, &device).unwrap().0
        };
        let mut same = older.clone();
        same.put_world_model(&model).unwrap();
        same.put_vlm(&language.clone().with_lora(3), &tokenizer).unwrap();
        assert!(read(&same).models().is_ok());
        for change in [true, false] {
            let mut draft = older.clone();
            if change {
                draft.put_world_model(&world(&config, &device).0).unwrap();
            } else {
                draft.put_vlm(&self::language(&config, &device).0, &tokenizer).unwrap();
            }
            let err = read(&draft).models().err().unwrap().to_string();
            assert!(
                err.contains("Checkpoint mine holds no goal projection interface"),
                "{err}"
            );
            draft.put_gpi(&gpi).unwrap();
            draft.put_world_model(&model).unwrap();
            assert!(read(&draft).models().is_ok(), "a new one stays");
        }
    }

    #[test]
    fn a_policy_is_kept_until_its_words_or_its_sizes_are_others() {
        let (config, device) = (tiny(), Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        let (model, stats) = world(&config, &device);
        let (language, tokenizer) = language(&config, &device);
        let policy = Policy::new(&config.world_model, config.vlm.vocab_size, &device);
        let mut draft = Draft::new(config.clone());
        draft.put_world_model(&model).unwrap();
        draft.put_stats(&stats);
        draft.put_vlm(&language, &tokenizer).unwrap();
        draft.write(&path).unwrap();
        let err = System::load(&path, &device)
            .unwrap()
            .0
            .follower()
            .err()
            .unwrap()
            .to_string();
        assert!(
            err.contains("Checkpoint mine holds no policy for the baseline") && err.contains("train --stage bc"),
            "{err}"
        );
        draft.put_policy(&policy).unwrap();
        draft.put_world_model(&world(&config, &device).0).unwrap();
        draft.put_vlm(&VlmModel::new(&config.vlm, &device), &tokenizer).unwrap();
        draft.write(&path).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let (system, report) = System::from_checkpoint(&checkpoint, &device).unwrap();
        assert!(report.is_clean(), "{report}");
        let frame = Frame {
            width: 128,
            height: 128,
            rgb: (0..3 * 128 * 128).map(|i| (i * 31 % 251) as u8).collect(),
        };
        let decide = |follower: &Follower, text: &str| follower.decide(&frame, [0.1, 0.2, -1.0, -1.0], text).unwrap();
        let own = Follower::new(policy, std::sync::Arc::new(tokenizer.clone()), 64, device.clone());
        let follower = system.follower().unwrap();
        let decision = decide(follower, "pick up the red block");
        assert_eq!(decision, decide(&own, " Pick up the red block. "));
        assert!(
            (0.0..=1.0).contains(&decision.done) && decision.action[2].abs() == 1.0,
            "{decision:?}"
        );
        let odd = Frame {
            width: 3,
            height: 3,
            rgb: [0; 27].into(),
        };
        assert!(
            follower
                .decide(&odd, [0.0; 4], "pick")
                .unwrap_err()
                .to_string()
                .contains("3 x 3")
        );

        let holds = |draft: &Draft| {
            draft.write(&folder.path().join("other")).unwrap();
            let tensors = Checkpoint::open(&folder.path().join("other")).unwrap().tensors;
            tensors.names().any(|name| name.starts_with("policy."))
        };
        let mut of_other_sizes = config.clone();
        of_other_sizes.world_model.predictor.heads = 2;
        for (config, kept) in [(config.clone(), true), (of_other_sizes, false)] {
            let mut draft = Draft::new(config);
            draft.fill(&checkpoint).unwrap();
            assert_eq!(holds(&draft), kept);
        }
        let other_words = VlmTokenizer::train(["stack the green cube"; 3], config.vlm.vocab_size).unwrap();
        draft.put_vlm(&language, &other_words).unwrap();
        assert!(!holds(&draft));
    }
}

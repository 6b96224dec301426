//! Ablations: parts of the system that are switched off to see what they are worth. Those that a shipped checkpoint can be
//! measured without are switches here; the others need a checkpoint of their own, and say with which settings it is
//! trained.

use burn::nn::LinearConfig;
use burn::tensor::Device;

use super::maps::MapSource;
use crate::config::Config;
use crate::gpi::Gpi;
use crate::nn::parameter_bytes;

/// What an ablation changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Settings of the checkpoint's configuration, as `--set` reads them.
    Settings(&'static [&'static str]),
    /// The map that goals and attention bias are made with.
    Map(MapSource),
    /// The whole task as the only sub-goal.
    WholeTask,
    /// Weights of the goal projection interface, drawn from the seed.
    RandomGpi,
    /// The language model without its adapters.
    NoAdapters,
    /// Nothing at run time: a checkpoint that is trained so.
    Training(&'static [&'static str]),
}

impl Change {
    /// Settings with which a checkpoint is trained; none for a switch.
    pub fn training(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Training(settings) => Some(settings),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ablation {
    pub name: &'static str,
    pub what: &'static str,
    pub change: Change,
}

const fn switch(name: &'static str, what: &'static str, change: Change) -> Ablation {
    Ablation { name, what, change }
}

/// All of them, in the order in which they are listed.
pub const ABLATIONS: &[Ablation] = &[
    switch(
        "no-vlm",
        "no decomposition: one goal from the task's own text (as --baseline flat)",
        Change::WholeTask,
    ),
    switch(
        "random-gpi",
        "the goal projection interface with weights drawn from the seed, its output layer too",
        Change::RandomGpi,
    ),
    switch(
        "uniform-map",
        "a map that is the same everywhere, for goals and attention bias",
        Change::Map(MapSource::Uniform),
    ),
    switch(
        "shuffled-map",
        "the values of the language model's map on other patches, for goals and attention bias",
        Change::Map(MapSource::Shuffled),
    ),
    switch(
        "no-lora",
        "the language model without its adapters: its lists, embeddings and maps",
        Change::NoAdapters,
    ),
    switch(
        "no-reasoning-bias",
        "no attention bias of the predictor: alpha = 0",
        Change::Settings(&["plan.reasoning_alpha=0.0"]),
    ),
    switch(
        "no-path-cost",
        "the cost of the last imagined state alone",
        Change::Settings(&["plan.cost.aggregation=end"]),
    ),
    switch(
        "similarity-cost",
        "the method's reward as the cost: similarity of pooled latents",
        Change::Settings(&["plan.cost.term=similarity"]),
    ),
    switch(
        "content-cost",
        "distance of comparison vectors as the cost: scene content, gripper and flags",
        Change::Settings(&["plan.cost.term=content"]),
    ),
    switch(
        "no-comparison-vector",
        "plain cosine of pooled latents in the place of the calibrated similarity; the threshold stays 0.85",
        Change::Settings(&["plan.similarity=cosine"]),
    ),
    switch(
        "goals-once",
        "all goals made from the frame of their list, and not anew when a sub-goal begins",
        Change::Settings(&["plan.goals=once"]),
    ),
    switch(
        "no-replans",
        "the language model is asked once",
        Change::Settings(&["plan.max_replans=0"]),
    ),
    switch(
        "no-warm-start",
        "every plan starts from a mean of zeros",
        Change::Settings(&["plan.cem.warm_start=false"]),
    ),
    switch(
        "no-common-noise",
        "independent noise for every step of a candidate",
        Change::Settings(&["plan.cem.noise_common=[0.0,0.0,0.0]"]),
    ),
    switch(
        "no-switch-once",
        "no candidates that switch the grip exactly once",
        Change::Settings(&["plan.cem.switch_once=false"]),
    ),
    switch(
        "no-sigma-floor",
        "no least standard deviation after a refit",
        Change::Settings(&["plan.cem.sigma_floor=0.0"]),
    ),
    switch(
        "online-encoder",
        "the online encoder looks at the world, not its moving average",
        Change::Settings(&["plan.encoder=online"]),
    ),
    switch(
        "no-sigreg",
        "stage 1 without SIGReg and the scale hinge inside it",
        Change::Training(&["train.stage1.losses.lambda_reg=0.0"]),
    ),
    switch(
        "no-scale-hinge",
        "stage 1 without the hinge on the pooled latent's deviation",
        Change::Training(&["train.stage1.losses.lambda_var=0.0"]),
    ),
    switch(
        "no-slowness",
        "stage 1 without the slowness term",
        Change::Training(&["train.stage1.losses.lambda_slow=0.0"]),
    ),
    switch(
        "no-inverse-dynamics",
        "stage 1 without inverse dynamics",
        Change::Training(&["train.stage1.losses.lambda_idm=0.0"]),
    ),
    switch(
        "no-proprioception",
        "stage 1 without the proprioception head",
        Change::Training(&["train.stage1.losses.lambda_prop=0.0"]),
    ),
    switch(
        "mse",
        "stage 1 with squared error in the place of smooth L1",
        Change::Training(&["train.stage1.losses.prediction=mse"]),
    ),
    switch(
        "fixed-tau",
        "stage 1 with the target encoder's momentum fixed at 0.999",
        Change::Training(&["train.stage1.ema=[0.999,0.999]"]),
    ),
    switch(
        "concat",
        "actions concatenated to the predictor's tokens in the place of FiLM",
        Change::Training(&["world_model.predictor.conditioning=concat"]),
    ),
    switch(
        "smaller-encoder",
        "half of the encoder's blocks",
        Change::Training(&["world_model.encoder.depth=1"]),
    ),
    switch(
        "no-refinement",
        "the goal projection interface without transformer blocks",
        Change::Training(&["gpi.depth=0"]),
    ),
    switch(
        "no-gpi-context",
        "the goal projection interface without the present frame",
        Change::Training(&["gpi.context=false"]),
    ),
    switch(
        "no-gpi-regression",
        "the goal projection interface trained by InfoNCE alone",
        Change::Training(&["gpi.lambda_goal=0.0"]),
    ),
    switch(
        "larger-vlm",
        "twice the language model's layers",
        Change::Training(&["vlm.depth=6"]),
    ),
];

/// The ablation of that name.
pub fn find(name: &str) -> Option<&'static Ablation> {
    ABLATIONS.iter().find(|ablation| ablation.name == name)
}

/// A goal projection interface that was never trained. Training starts from an output layer of zeros, with which the goal is
/// the present and every sub-goal would be declared at once; here it is drawn like the others.
pub fn random_gpi(config: &Config, seed: u64, device: &Device) -> Gpi {
    device.seed(seed);
    let mut gpi = Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, device);
    gpi.output = LinearConfig::new(config.gpi.dim, config.world_model.dim).init(device);
    // Parameters are drawn when they are first read.
    let bytes = parameter_bytes(&gpi);
    log::debug!("{bytes} bytes of random weights");
    gpi
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::config::preset;

    #[test]
    fn names_are_their_own_and_settings_are_read() {
        let nano = preset("nano").unwrap();
        for (at, ablation) in ABLATIONS.iter().enumerate() {
            assert_eq!(find(ablation.name), Some(ablation));
            assert!(ABLATIONS[..at].iter().all(|other| other.name != ablation.name));
            let (Change::Settings(settings) | Change::Training(settings)) = ablation.change else {
                continue;
            };
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let changed = nano.with_settings(&settings);
            assert!(
                changed.as_ref().is_ok_and(|changed| *changed != nano),
                "{}: {changed:?}",
                ablation.name
            );
            // What is a switch leaves shapes and training alone.
            let changed = changed.unwrap();
            let only_plans = crate::config::Config {
                plan: nano.plan.clone(),
                ..changed
            } == nano;
            assert_eq!(only_plans, ablation.change.training().is_none(), "{}", ablation.name);
        }
        assert_eq!(find("no-such-thing"), None);
    }

    #[test]
    fn a_random_interface_is_the_seed_s_and_does_not_say_stay() {
        let (config, device) = (preset("nano").unwrap(), Device::flex());
        let goal = |seed| {
            let gpi = random_gpi(&config, seed, &device);
            let present =
                Tensor::<3>::ones([1, config.world_model.tokens(), config.world_model.dim], &device).cumsum(2) / 10.0;
            let map = Tensor::<2>::ones([1, config.world_model.tokens()], &device);
            let embedding = Tensor::<2>::ones([1, config.vlm.dim], &device);
            let goal = gpi.forward(embedding, map, present.clone());
            let stay = (goal.clone() - crate::nn::layer_norm(present))
                .abs()
                .mean()
                .into_scalar::<f32>();
            assert!(stay > 0.05, "{stay}");
            goal.into_data()
        };
        assert_eq!(goal(3), goal(3));
        assert_ne!(goal(3), goal(4));
    }
}

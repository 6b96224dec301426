//! Reading a configuration: unknown fields, wrong types and values out of range are errors that name the field.

use super::rules::{MAX_SIZE, MAX_STEPS, Rules};
use super::{Config, CostTerm, GpiConfig, MaskConfig, PRESETS, PlanConfig, TrainConfig, VlmConfig, WorldModelConfig};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("There is no preset \"{name}\". Choose one of: {}.", PRESETS.join(", "))]
    UnknownPreset { name: String },
    #[error("Could not read {source_name}: {err}.")]
    Read { source_name: String, err: std::io::Error },
    #[error("Could not read {source_name}: {err}.")]
    Parse {
        source_name: String,
        err: Box<ron::error::SpannedError>,
    },
    #[error("Could not read {source_name}: {err}.")]
    ParseJson {
        source_name: String,
        err: serde_json::Error,
    },
    #[error("--set {setting}: {what}.")]
    Setting { setting: String, what: String },
    #[error("{source_name}: {field} is {value}, expected {expected}.")]
    Value {
        source_name: String,
        field: String,
        value: String,
        expected: String,
    },
}

/// dx, dy, grip: what [`crate::sim::Action`] holds.
const ACTION_DIM: usize = 3;

impl Config {
    /// Parses and validates a configuration; `source_name` is what errors call it.
    ///
    /// # Errors
    /// The text is not RON of this shape, or a value is out of range.
    pub fn from_ron(text: &str, source_name: &str) -> Result<Self, ConfigError> {
        let config: Self = ron::from_str(text).map_err(|err| ConfigError::Parse {
            source_name: source_name.to_owned(),
            err: Box::new(err),
        })?;
        config.validate(source_name)?;
        Ok(config)
    }

    /// The same from the `config.json` of a checkpoint.
    ///
    /// # Errors
    /// The text is not JSON of this shape, or a value is out of range.
    pub fn from_json(text: &str, source_name: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(text).map_err(|err| ConfigError::ParseJson {
            source_name: source_name.to_owned(),
            err,
        })?;
        config.validate(source_name)?;
        Ok(config)
    }

    /// Checks every value that a type cannot check.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self, source_name: &str) -> Result<(), ConfigError> {
        self.problems(source_name).into_iter().next().map_or(Ok(()), Err)
    }

    /// Every rule that is broken, in the order of the fields.
    pub(super) fn problems(&self, source_name: &str) -> Vec<ConfigError> {
        let mut rules = Rules::new(source_name);
        rules.expect("name", &self.name, !self.name.trim().is_empty(), "a name");
        world_model(&mut rules, &self.world_model);
        vlm(&mut rules, &self.vlm);
        gpi(&mut rules, &self.gpi);
        plan(&mut rules, &self.plan);
        let (term, width) = (self.plan.cost.term, self.world_model.temporal_distance);
        rules.expect(
            "plan.cost.term",
            "temporal",
            term != CostTerm::Temporal || width > 0,
            "similarity, content or gate, or a temporal distance (world_model.temporal_distance above 0)",
        );
        train(&mut rules, &self.train, self.world_model.clip_len);
        rules.found
    }
}

impl PlanConfig {
    /// The rules of [`Config::validate`] for the settings of plans alone.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self, source_name: &str) -> Result<(), ConfigError> {
        let mut rules = Rules::new(source_name);
        plan(&mut rules, self);
        rules.found.into_iter().next().map_or(Ok(()), Err)
    }
}

fn world_model(rules: &mut Rules, model: &WorldModelConfig) {
    rules.patches("world_model", model.image_size, model.patch_size);
    rules.size("world_model.dim", model.dim);
    rules.whole("world_model.clip_len", model.clip_len, 2, MAX_SIZE);
    rules.expect(
        "world_model.action_dim",
        model.action_dim,
        model.action_dim == ACTION_DIM,
        format!("{ACTION_DIM} (dx, dy, grip)"),
    );
    let encoder = &model.encoder;
    rules.stem("world_model.encoder.stem", &encoder.stem, model.patch_size, model.dim);
    rules.size("world_model.encoder.depth", encoder.depth);
    rules.heads("world_model.encoder.heads", encoder.heads, model.dim);
    rules.size("world_model.encoder.mlp_ratio", encoder.mlp_ratio);
    let predictor = &model.predictor;
    rules.size("world_model.predictor.dim", predictor.dim);
    rules.size("world_model.predictor.depth", predictor.depth);
    rules.heads("world_model.predictor.heads", predictor.heads, predictor.dim);
    rules.size("world_model.predictor.mlp_ratio", predictor.mlp_ratio);
    rules.size("world_model.predictor.action_hidden", predictor.action_hidden);
    rules.whole("world_model.temporal_distance", model.temporal_distance, 0, MAX_SIZE);
    let side = model.picture;
    rules.expect(
        "world_model.picture",
        side,
        side == 0 || model.image_size.is_multiple_of(side),
        format!("0, or a divisor of world_model.image_size ({})", model.image_size),
    );
}

fn vlm(rules: &mut Rules, vlm: &VlmConfig) {
    rules.patches("vlm", vlm.image_size, vlm.patch_size);
    rules.size("vlm.vision_dim", vlm.vision_dim);
    rules.stem("vlm.stem", &vlm.stem, vlm.patch_size, vlm.vision_dim);
    rules.size("vlm.vision_depth", vlm.vision_depth);
    rules.heads("vlm.vision_heads", vlm.vision_heads, vlm.vision_dim);
    rules.size("vlm.vision_mlp", vlm.vision_mlp);
    rules.whole(
        "vlm.unused_blocks",
        vlm.unused_blocks,
        0,
        vlm.vision_depth.saturating_sub(1),
    );
    for (channel, (&mean, &std)) in vlm.pixel_mean.iter().zip(&vlm.pixel_std).enumerate() {
        rules.share(&format!("vlm.pixel_mean[{channel}]"), mean);
        rules.rate(&format!("vlm.pixel_std[{channel}]"), std);
    }
    rules.size("vlm.dim", vlm.dim);
    rules.size("vlm.depth", vlm.depth);
    rules.heads("vlm.heads", vlm.heads, vlm.dim);
    // Rotary positions turn pairs of features.
    let head_dim = vlm.dim / vlm.heads.max(1);
    rules.expect(
        "vlm.heads",
        vlm.heads,
        head_dim.is_multiple_of(2),
        format!(
            "a number that leaves an even share of vlm.dim ({}) to each head",
            vlm.dim
        ),
    );
    rules.expect(
        "vlm.kv_heads",
        vlm.kv_heads,
        vlm.kv_heads >= 1 && vlm.heads.is_multiple_of(vlm.kv_heads),
        format!("a divisor of vlm.heads ({})", vlm.heads),
    );
    rules.size("vlm.mlp", vlm.mlp);
    // Any text can be typed: the tokenizer starts from the 256 bytes.
    rules.whole("vlm.vocab_size", vlm.vocab_size, 256, MAX_SIZE);
    rules.rate("vlm.rope_theta", vlm.rope_theta);
    rules.rate("vlm.rms_eps", vlm.rms_eps);
    let image_tokens = vlm.image_size.saturating_div(vlm.patch_size.max(1)).saturating_pow(2);
    rules.expect(
        "vlm.max_tokens",
        vlm.max_tokens,
        vlm.max_tokens > image_tokens && vlm.max_tokens <= MAX_SIZE,
        format!("more than the {image_tokens} image tokens and at most {MAX_SIZE}"),
    );
    rules.whole("vlm.lora.rank", vlm.lora.rank, 1, vlm.dim);
    rules.rate("vlm.lora.alpha", vlm.lora.alpha);
}

fn gpi(rules: &mut Rules, gpi: &GpiConfig) {
    rules.size("gpi.dim", gpi.dim);
    // Without refinement there are no blocks.
    rules.whole("gpi.depth", gpi.depth, 0, MAX_SIZE);
    rules.heads("gpi.heads", gpi.heads, gpi.dim);
    rules.size("gpi.mlp_ratio", gpi.mlp_ratio);
    rules.rate("gpi.temperature", gpi.temperature);
    rules.weight("gpi.lambda_goal", gpi.lambda_goal);
}

fn plan(rules: &mut Rules, plan: &PlanConfig) {
    rules.whole("plan.horizon", plan.horizon, 1, MAX_SIZE);
    let cem = &plan.cem;
    rules.whole("plan.cem.population", cem.population, 2, MAX_SIZE);
    rules.whole("plan.cem.iterations", cem.iterations, 1, MAX_SIZE);
    rules.expect(
        "plan.cem.elite_fraction",
        cem.elite_fraction,
        cem.elite_fraction > 0.0 && cem.elite_fraction <= 1.0,
        "a share above 0 and up to 1",
    );
    rules.rate("plan.cem.sd0", cem.sd0);
    rules.expect(
        "plan.cem.sigma_floor",
        cem.sigma_floor,
        cem.sigma_floor >= 0.0 && cem.sigma_floor <= cem.sd0,
        format!("0 to plan.cem.sd0 ({})", cem.sd0),
    );
    for (i, &share) in cem.noise_common.iter().enumerate() {
        rules.share(&format!("plan.cem.noise_common[{i}]"), share);
    }
    rules.expect(
        "plan.delta_goal",
        plan.delta_goal,
        plan.delta_goal > 0.0 && plan.delta_goal < 1.0,
        "a similarity above 0 and below 1",
    );
    rules.whole("plan.t_max", plan.t_max, 1, MAX_STEPS);
    rules.whole("plan.max_replans", plan.max_replans, 0, MAX_SIZE);
    rules.weight("plan.reasoning_alpha", plan.reasoning_alpha);
    rules.rate("plan.reasoning_eps", plan.reasoning_eps);
}

fn train(rules: &mut Rules, train: &TrainConfig, clip_len: usize) {
    for (field, beta) in [("train.betas.0", train.betas.0), ("train.betas.1", train.betas.1)] {
        rules.expect(field, beta, (0.0..1.0).contains(&beta), "at least 0 and below 1");
    }
    rules.rate("train.clip_norm", train.clip_norm);
    rules.whole("train.checkpoint_every", train.checkpoint_every, 1, MAX_STEPS);
    rules.whole("train.samples_every", train.samples_every, 0, MAX_STEPS);

    let one = &train.stage1;
    rules.schedule("train.stage1", one.steps, one.lr.warmup_steps);
    rules.size("train.stage1.batch", one.batch);
    rules.size("train.stage1.accumulation", one.accumulation);
    rules.rate("train.stage1.lr.encoder", one.lr.encoder);
    rules.rate("train.stage1.lr.predictor", one.lr.predictor);
    rules.share("train.stage1.lr.floor", one.lr.floor);
    rules.weight("train.stage1.weight_decay", one.weight_decay);
    rules.interval("train.stage1.ema", one.ema, 0.0, 1.0);
    rules.share("train.stage1.event_share", one.event_share);
    mask(rules, &one.mask, clip_len);
    let losses = &one.losses;
    for (field, value) in [
        ("target_scale", losses.target_scale),
        ("lambda_pooled", losses.lambda_pooled),
        ("lambda_reg", losses.lambda_reg),
        ("lambda_var", losses.lambda_var),
        ("lambda_slow", losses.lambda_slow),
        ("lambda_idm", losses.lambda_idm),
        ("lambda_prop", losses.lambda_prop),
        ("lambda_picture", losses.lambda_picture),
    ] {
        rules.weight(&format!("train.stage1.losses.{field}"), value);
    }
    rules.rate("train.stage1.losses.pooled_scale", losses.pooled_scale);

    let rollouts = &train.stage1b;
    rules.schedule("train.stage1b", rollouts.steps, rollouts.warmup_steps);
    rules.size("train.stage1b.batch", rollouts.batch);
    rules.size("train.stage1b.accumulation", rollouts.accumulation);
    rules.rate("train.stage1b.lr", rollouts.lr);
    rules.weight("train.stage1b.weight_decay", rollouts.weight_decay);
    rules.size("train.stage1b.rollout", rollouts.rollout);
    rules.share("train.stage1b.event_share", rollouts.event_share);
    rules.weight("train.stage1b.lambda_comparison", rollouts.lambda_comparison);
    rules.weight("train.stage1b.lambda_picture", rollouts.lambda_picture);

    let vlm = &train.vlm;
    rules.schedule("train.vlm", vlm.steps, vlm.warmup_steps);
    rules.size("train.vlm.batch", vlm.batch);
    rules.size("train.vlm.accumulation", vlm.accumulation);
    rules.rate("train.vlm.lr", vlm.lr);
    rules.weight("train.vlm.weight_decay", vlm.weight_decay);
    rules.whole("train.vlm.facts_steps", vlm.facts_steps, 0, MAX_STEPS);
    rules.size("train.vlm.facts_batch", vlm.facts_batch);
    rules.weight("train.vlm.lambda_facts", vlm.lambda_facts);
    rules.weight("train.vlm.lambda_form", vlm.lambda_form);
    rules.weight("train.vlm.lambda_attention", vlm.lambda_attention);
    rules.share("train.vlm.requery_share", vlm.requery_share);
    rules.share("train.vlm.composed_share", vlm.composed_share);

    let two = &train.stage2;
    rules.schedule("train.stage2", two.steps, two.warmup_steps);
    rules.size("train.stage2.scenes_total", two.scenes_total);
    rules.size("train.stage2.sub_goals_per_scene", two.sub_goals_per_scene);
    // With fewer steps than that, all of them train the adapters.
    rules.whole("train.stage2.lora_steps", two.lora_steps, 0, MAX_STEPS);
    for (field, scenes) in [("scenes", two.scenes), ("lora_scenes", two.lora_scenes)] {
        let field = format!("train.stage2.{field}");
        rules.size(&field, scenes);
        rules.expect(
            &field,
            scenes,
            scenes.saturating_mul(two.sub_goals_per_scene) >= 2,
            "at least 2 pairs a step with train.stage2.sub_goals_per_scene: a contrast needs something to differ from",
        );
    }
    rules.size("train.stage2.accumulation", two.accumulation);
    rules.rate("train.stage2.lr_gpi", two.lr_gpi);
    rules.rate("train.stage2.lr_lora", two.lr_lora);
    rules.weight("train.stage2.weight_decay", two.weight_decay);
    rules.weight("train.stage2.lambda_gpi", two.lambda_gpi);
    rules.share("train.stage2.joint_rate", two.joint_rate);

    let bc = &train.bc;
    rules.schedule("train.bc", bc.steps, bc.warmup_steps);
    rules.size("train.bc.batch", bc.batch);
    rules.size("train.bc.accumulation", bc.accumulation);
    rules.size("train.bc.episodes", bc.episodes);
    rules.weight("train.bc.noise", bc.noise);
    rules.rate("train.bc.lr", bc.lr);
    rules.weight("train.bc.weight_decay", bc.weight_decay);
}

fn mask(rules: &mut Rules, mask: &MaskConfig, clip_len: usize) {
    rules.size("train.stage1.mask.blocks", mask.blocks);
    rules.interval("train.stage1.mask.scale", mask.scale, f64::MIN_POSITIVE, 1.0);
    rules.interval("train.stage1.mask.aspect", mask.aspect, 0.01, 100.0);
    let (from, to) = mask.temporal;
    rules.expect(
        "train.stage1.mask.temporal",
        format!("({from}, {to})"),
        from >= 1 && from <= to && to <= clip_len,
        format!("from <= to, within 1 and world_model.clip_len ({clip_len})"),
    );
    rules.interval("train.stage1.mask.ratio", mask.ratio, 0.0, 1.0);
    rules.share("train.stage1.mask.causal_share", mask.causal_share);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Stem;
    use crate::config::preset;

    fn refused(change: impl FnOnce(&mut Config)) -> (String, String) {
        let mut config = preset("nano").unwrap();
        change(&mut config);
        match config.validate("here") {
            Err(ConfigError::Value { field, expected, .. }) => (field, expected),
            other => panic!("expected a refused value, got {other:?}"),
        }
    }

    /// One wrong value and the field that must be named for it.
    type Case = (fn(&mut Config), &'static str);

    #[test]
    fn every_rule_names_its_field() {
        let cases: &[Case] = &[
            (|c| c.name.clear(), "name"),
            (|c| c.world_model.image_size = 0, "world_model.image_size"),
            (|c| c.world_model.image_size = usize::MAX, "world_model.image_size"),
            (|c| c.world_model.patch_size = 15, "world_model.patch_size"),
            (|c| c.world_model.patch_size = 0, "world_model.patch_size"),
            (|c| c.world_model.dim = 0, "world_model.dim"),
            (|c| c.world_model.clip_len = 1, "world_model.clip_len"),
            (|c| c.world_model.action_dim = 4, "world_model.action_dim"),
            (|c| c.world_model.encoder.heads = 3, "world_model.encoder.heads"),
            (|c| c.world_model.encoder.heads = 0, "world_model.encoder.heads"),
            (|c| c.world_model.encoder.depth = 0, "world_model.encoder.depth"),
            (
                |c| c.world_model.encoder.stem = Stem::Conv(vec![]),
                "world_model.encoder.stem",
            ),
            (
                |c| c.world_model.encoder.stem = Stem::Conv(vec![(128, 3, 2)]),
                "world_model.encoder.stem",
            ),
            (
                |c| c.world_model.encoder.stem = Stem::Conv(vec![(127, 18, 16)]),
                "world_model.encoder.stem",
            ),
            (
                |c| c.world_model.encoder.stem = Stem::Conv(vec![(128, 19, 16)]),
                "world_model.encoder.stem[0].kernel",
            ),
            (
                |c| c.world_model.encoder.stem = Stem::Conv(vec![(128, 3, 0)]),
                "world_model.encoder.stem[0].stride",
            ),
            (|c| c.world_model.predictor.heads = 5, "world_model.predictor.heads"),
            (
                |c| c.world_model.predictor.action_hidden = 0,
                "world_model.predictor.action_hidden",
            ),
            (|c| c.vlm.patch_size = 7, "vlm.patch_size"),
            (|c| c.vlm.unused_blocks = c.vlm.vision_depth, "vlm.unused_blocks"),
            (|c| c.vlm.pixel_mean[1] = f64::NAN, "vlm.pixel_mean[1]"),
            (|c| c.vlm.pixel_std[2] = 0.0, "vlm.pixel_std[2]"),
            (|c| c.vlm.heads = 32, "vlm.heads"),
            (|c| c.vlm.kv_heads = 2, "vlm.kv_heads"),
            (|c| c.vlm.kv_heads = 0, "vlm.kv_heads"),
            (|c| c.vlm.vocab_size = 255, "vlm.vocab_size"),
            (|c| c.vlm.max_tokens = 64, "vlm.max_tokens"),
            (|c| c.vlm.rope_theta = f64::INFINITY, "vlm.rope_theta"),
            (|c| c.vlm.lora.rank = 0, "vlm.lora.rank"),
            (|c| c.gpi.heads = 3, "gpi.heads"),
            (|c| c.gpi.temperature = 0.0, "gpi.temperature"),
            (|c| c.gpi.lambda_goal = -1.0, "gpi.lambda_goal"),
            (|c| c.plan.horizon = 0, "plan.horizon"),
            (|c| c.plan.cem.population = 1, "plan.cem.population"),
            (|c| c.plan.cem.iterations = 0, "plan.cem.iterations"),
            (|c| c.plan.cem.elite_fraction = 0.0, "plan.cem.elite_fraction"),
            (|c| c.plan.cem.elite_fraction = 1.1, "plan.cem.elite_fraction"),
            (|c| c.plan.cem.sd0 = f64::NAN, "plan.cem.sd0"),
            (|c| c.plan.cem.sigma_floor = f64::NAN, "plan.cem.sigma_floor"),
            (|c| c.plan.cem.sigma_floor = 0.8, "plan.cem.sigma_floor"),
            (|c| c.plan.cem.noise_common[2] = 1.5, "plan.cem.noise_common[2]"),
            (|c| c.plan.delta_goal = 1.0, "plan.delta_goal"),
            (|c| c.plan.t_max = 0, "plan.t_max"),
            (|c| c.plan.reasoning_alpha = f64::NAN, "plan.reasoning_alpha"),
            (|c| c.plan.reasoning_eps = 0.0, "plan.reasoning_eps"),
            (|c| c.train.betas.1 = 1.0, "train.betas.1"),
            (|c| c.train.clip_norm = 0.0, "train.clip_norm"),
            (|c| c.train.checkpoint_every = 0, "train.checkpoint_every"),
            (|c| c.train.stage1.batch = 0, "train.stage1.batch"),
            (|c| c.train.stage1.lr.encoder = f64::NAN, "train.stage1.lr.encoder"),
            (|c| c.train.stage1.lr.predictor = -1e-4, "train.stage1.lr.predictor"),
            (
                |c| c.train.stage1.lr.warmup_steps = 5001,
                "train.stage1.lr.warmup_steps",
            ),
            (|c| c.train.stage1.ema = (0.999, 0.99), "train.stage1.ema"),
            (|c| c.train.stage1.event_share = 1.2, "train.stage1.event_share"),
            (|c| c.train.stage1.mask.scale = (0.0, 0.7), "train.stage1.mask.scale"),
            (|c| c.train.stage1.mask.aspect = (1.5, 0.75), "train.stage1.mask.aspect"),
            (|c| c.train.stage1.mask.temporal = (1, 3), "train.stage1.mask.temporal"),
            (|c| c.train.stage1.mask.temporal = (0, 1), "train.stage1.mask.temporal"),
            (
                |c| c.train.stage1.mask.ratio = (0.6, f64::NAN),
                "train.stage1.mask.ratio",
            ),
            (
                |c| c.train.stage1.losses.lambda_idm = f64::INFINITY,
                "train.stage1.losses.lambda_idm",
            ),
            (
                |c| c.train.stage1.losses.pooled_scale = 0.0,
                "train.stage1.losses.pooled_scale",
            ),
            (|c| c.train.stage1.accumulation = 0, "train.stage1.accumulation"),
            (|c| c.train.stage1b.accumulation = 0, "train.stage1b.accumulation"),
            (|c| c.train.vlm.accumulation = 0, "train.vlm.accumulation"),
            (|c| c.train.stage2.accumulation = 0, "train.stage2.accumulation"),
            (|c| c.train.stage1b.rollout = 0, "train.stage1b.rollout"),
            (|c| c.train.vlm.warmup_steps = 4001, "train.vlm.warmup_steps"),
            (|c| c.train.vlm.facts_steps = usize::MAX, "train.vlm.facts_steps"),
            (|c| c.train.vlm.facts_batch = 0, "train.vlm.facts_batch"),
            (|c| c.train.vlm.lambda_facts = f64::NAN, "train.vlm.lambda_facts"),
            (|c| c.train.vlm.lambda_form = -1.0, "train.vlm.lambda_form"),
            (|c| c.train.vlm.requery_share = -0.1, "train.vlm.requery_share"),
            (|c| c.train.vlm.composed_share = 1.5, "train.vlm.composed_share"),
            (|c| c.train.stage2.scenes_total = 0, "train.stage2.scenes_total"),
            (|c| c.train.stage2.lora_steps = usize::MAX, "train.stage2.lora_steps"),
            (|c| c.train.stage2.lora_scenes = 0, "train.stage2.lora_scenes"),
            (|c| c.train.stage2.lr_lora = 0.0, "train.stage2.lr_lora"),
            (
                |c| (c.train.stage2.scenes, c.train.stage2.sub_goals_per_scene) = (1, 1),
                "train.stage2.scenes",
            ),
            (
                |c| (c.train.stage2.lora_scenes, c.train.stage2.sub_goals_per_scene) = (1, 1),
                "train.stage2.lora_scenes",
            ),
            (|c| c.train.bc.warmup_steps = usize::MAX, "train.bc.warmup_steps"),
            (|c| c.train.bc.episodes = 0, "train.bc.episodes"),
            (|c| c.train.bc.noise = f64::NAN, "train.bc.noise"),
        ];
        for (change, field) in cases {
            assert_eq!(refused(change).0, *field);
        }
    }

    /// The numbers of a RON document: the field that each belongs to, and where it stands.
    fn numbers(text: &str) -> Vec<(&str, std::ops::Range<usize>)> {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
        let (bytes, mut at, mut field) = (text.as_bytes(), 0, "");
        let mut found = Vec::new();
        while at < bytes.len() {
            let length = bytes[at..].iter().take_while(|&&byte| inside(byte)).count();
            let word = &text[at..at + length];
            if word.parse::<f64>().is_ok() {
                found.push((field, at..at + length));
            } else if length > 0 && bytes.get(at + length) == Some(&b':') {
                field = word;
            }
            at += length.max(1);
        }
        found
    }

    /// Whatever field is added later is held to it too.
    #[test]
    fn no_number_of_a_preset_goes_unchecked() {
        let text = ron::ser::to_string_pretty(&preset("nano").unwrap(), ron::ser::PrettyConfig::default()).unwrap();
        let numbers = numbers(&text);
        assert!(numbers.len() > 130, "{}", numbers.len());
        let accepted = |place: &std::ops::Range<usize>, number: &str| {
            let mut text = text.clone();
            text.replace_range(place.clone(), number);
            Config::from_ron(&text, "here").is_ok()
        };
        for (field, place) in &numbers {
            for number in ["NaN", "inf", "-inf", "-1"] {
                assert!(!accepted(place, number), "{field} was accepted as {number}");
            }
        }
        let may_be_none: Vec<&str> = numbers
            .iter()
            .filter(|(_, place)| text[place.clone()].parse::<usize>().is_ok() && accepted(place, "0"))
            .map(|(field, _)| *field)
            .collect();
        let expected = [
            "temporal_distance",
            "picture",
            "unused_blocks",
            // Of the goal projection interface.
            "depth",
            "max_replans",
            "seed",
            "samples_every",
            // Of stages 1, 1b, vlm, 2 and bc.
            "warmup_steps",
            "warmup_steps",
            "facts_steps",
            "warmup_steps",
            "lora_steps",
            "warmup_steps",
            "warmup_steps",
        ];
        assert_eq!(may_be_none, expected);
    }

    #[test]
    fn an_error_reads_as_a_sentence() {
        let text = std::fs::read_to_string("assets/presets/nano.ron").unwrap();
        let text = text.replace("sigma_floor: 0.1", "sigma_floor: NaN");
        let err = Config::from_ron(&text, "my.ron").unwrap_err();
        assert_eq!(
            err.to_string(),
            "my.ron: plan.cem.sigma_floor is NaN, expected 0 to plan.cem.sd0 (0.7)."
        );
        let text = text.replace("sigma_floor", "sigma_flor");
        let err = Config::from_ron(&text, "my.ron").unwrap_err().to_string();
        assert!(err.contains("my.ron") && err.contains("sigma_flor"), "{err}");
    }

    #[test]
    fn presets_are_valid_and_survive_both_formats() {
        for name in PRESETS {
            let config = preset(name).unwrap();
            assert_eq!(config.name, name);
            let ron = ron::ser::to_string(&config).unwrap();
            assert_eq!(Config::from_ron(&ron, name).unwrap(), config);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(Config::from_json(&json, name).unwrap(), config);
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        for open in ["(", "[", "{a:", "Some("] {
            assert!(Config::from_ron(&open.repeat(100_000), "deep").is_err());
        }
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in "\\PC{0,300}") {
            prop_assert!(Config::from_ron(&text, "random").is_err());
        }

        /// A preset with a piece replaced gets further into the parser and the rules than noise does.
        #[test]
        fn damaged_presets_never_panic(
            at in 0usize..4000,
            length in 0usize..60,
            piece in "(-?[0-9]{1,20}(\\.[0-9]{0,3})?|NaN|inf|-inf|\\(|\\[|\"|[a-z_]{1,8}:|\\PC{0,5})",
        ) {
            let mut text = include_str!("../../assets/presets/nano.ron").to_owned();
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &piece);
            }
            if let Ok(config) = Config::from_ron(&text, "damaged") {
                prop_assert!(config.validate("again").is_ok());
            }
        }
    }
}

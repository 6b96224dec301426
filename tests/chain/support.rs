//! A checkpoint of a few thousand parameters, so that whole episodes take seconds, and the program run from outside.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::nn::LinearConfig;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use serde_json::Value;
use thinkjepa::config::{Config, LoraConfig, Stem, preset};
use thinkjepa::gpi::Gpi;
use thinkjepa::nn::parameter_bytes;
use thinkjepa::sim::{Environment, Scene, World};
use thinkjepa::system::Draft;
use thinkjepa::train::optimizer::adamw;
use thinkjepa::vlm::loss::losses;
use thinkjepa::vlm::{Example, TokenBatch, VlmModel, VlmTokenizer, plan_prompt};
use thinkjepa::world_model::{LatentStats, WorldModel};

/// The task that the language model of [`with_list`] knows by heart, and its list.
pub const TASK: &str = "put the red block on the yellow pad";
pub const LIST: &str = "red is free.\n1. [pick up the red block] | [red block]\n\
                        2. [place the red block on the yellow pad] | [red block, yellow pad]";

pub fn config() -> Config {
    let mut config = preset("nano").unwrap();
    config.name = "tiny".to_owned();
    let model = &mut config.world_model;
    (model.image_size, model.patch_size, model.dim) = (32, 8, 16);
    model.encoder.stem = Stem::Conv(vec![(8, 3, 2), (8, 3, 2), (16, 3, 2)]);
    (model.encoder.depth, model.encoder.heads) = (1, 2);
    (model.predictor.dim, model.predictor.depth, model.predictor.heads) = (16, 1, 2);
    model.predictor.action_hidden = 16;
    let vlm = &mut config.vlm;
    (vlm.image_size, vlm.patch_size) = (16, 4);
    vlm.stem = Stem::Conv(vec![(6, 3, 2), (8, 3, 2)]);
    (vlm.vision_dim, vlm.vision_depth, vlm.vision_heads, vlm.vision_mlp) = (8, 1, 2, 16);
    (vlm.dim, vlm.depth, vlm.heads, vlm.kv_heads, vlm.mlp) = (32, 2, 4, 2, 48);
    (vlm.vocab_size, vlm.max_tokens) = (400, 160);
    vlm.lora = LoraConfig { rank: 2, alpha: 4.0 };
    (config.gpi.dim, config.gpi.depth, config.gpi.heads) = (16, 1, 2);
    // Without context an untrained goal is anywhere, and not the present.
    config.gpi.context = false;
    let plan = &mut config.plan;
    (plan.horizon, plan.t_max, plan.max_replans) = (3, 3, 0);
    (plan.cem.population, plan.cem.iterations, plan.cem.elite_fraction) = (30, 2, 0.1);
    let train = &mut config.train;
    (train.stage1.batch, train.stage1.lr.warmup_steps) = (4, 0);
    (train.stage1b.batch, train.stage1b.rollout, train.stage1b.warmup_steps) = (4, 2, 0);
    (train.bc.batch, train.bc.episodes, train.bc.warmup_steps) = (4, 6, 0);
    config.validate("tiny").unwrap();
    config
}

/// A checkpoint with random weights in every module.
pub fn untrained(folder: &Path) {
    write(folder, |_, _, model| model);
}

/// The same, but its language model knows [`LIST`] by heart.
pub fn with_list(folder: &Path) {
    write(folder, know_by_heart);
}

/// A world model with its statistics, and nothing else.
pub fn world_alone(folder: &Path) {
    draft(&config(), &Device::flex()).write(folder).unwrap();
}

fn draft(config: &Config, device: &Device) -> Draft {
    // An untrained residual predictor is persistence: every candidate would cost the same.
    device.seed(4);
    let output = LinearConfig::new(config.world_model.predictor.dim, config.world_model.dim).init(device);
    // Parameters are drawn when they are first read.
    assert!(parameter_bytes(&output) > 0);
    device.seed(5);
    let mut model = WorldModel::new(&config.world_model, device);
    model.predictor.output = output;
    let dim = config.world_model.dim;
    let wave = |i: usize, step: usize, length: usize| ((i * step) % length) as f32 / length as f32 - 0.5;
    let pooled: Vec<f32> = (0..8 * dim * dim).map(|i| wave(i, 7919, 1013)).collect();
    let weight = model
        .heads
        .prop
        .weight
        .val()
        .transpose()
        .into_data()
        .iter::<f32>()
        .collect();
    let mut stats = LatentStats::fit(&pooled, dim, 0.54, weight);
    // Nothing that is not the goal itself passes for it.
    stats.sim_temperature.gpi = 1e-4;
    // Frames are nearly alike to random weights.
    (stats.sim_temperature.oracle, stats.sim_temperature.image) = (1e-6, 1e-6);
    let mut draft = Draft::new(config.clone());
    draft.put_world_model(&model).unwrap();
    draft.put_stats(&stats);
    draft.note("Random weights, for tests.");
    draft
}

fn write(folder: &Path, teach: impl FnOnce(&Config, &VlmTokenizer, VlmModel) -> VlmModel) {
    let (config, device) = (config(), Device::flex());
    let mut draft = draft(&config, &device);
    draft
        .put_gpi(&Gpi::new(&config.gpi, &config.world_model, config.vlm.dim, &device))
        .unwrap();
    let tokenizer = VlmTokenizer::train([TASK, LIST].into_iter().cycle().take(40), config.vlm.vocab_size).unwrap();
    let model = teach(&config, &tokenizer, VlmModel::new(&config.vlm, &device));
    draft.put_vlm(&model, &tokenizer).unwrap();
    draft.write(folder).unwrap();
}

fn know_by_heart(config: &Config, tokenizer: &VlmTokenizer, _: VlmModel) -> VlmModel {
    use burn::module::Module;
    let device = Device::flex().autodiff();
    let mut model = VlmModel::new(&config.vlm, &device);
    let mut optimizer = adamw(&model, (0.9, 0.95), 0.0);
    let scene = Scene::load("three-blocks").unwrap();
    let encoded: Vec<_> = (0..4)
        .map(|seed| {
            let world = World::new(&scene, seed, config.world_model.image_size).unwrap();
            let example = Example {
                frame: world.observe().frame,
                prompt: plan_prompt(TASK),
                answer: LIST.to_owned(),
                spans: vec![],
            };
            example.encode(tokenizer, &config.vlm).unwrap()
        })
        .collect();
    let members: Vec<_> = encoded.iter().collect();
    let batch = TokenBatch::new(&members, tokenizer, &config.vlm, &device).unwrap();
    for _ in 0..150 {
        let loss = losses(&model, &batch, 0.0).total;
        if loss.clone().into_scalar::<f32>() < 0.02 {
            break;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    model.valid()
}

/// Runs the program in a folder; more variables of the environment may be set.
pub fn run_in(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_thinkjepa"))
        .args(args)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The document of a command that ends with this code.
pub fn document(output: &Output, code: i32) -> Value {
    let (said, shown) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(code), "{said}{shown}");
    assert!(!said.contains("panicked"), "{said}");
    serde_json::from_str(&shown).unwrap()
}

/// The plan that the command line makes of [`TASK`] with the checkpoint `tiny` in the folder and seed 7.
pub fn planned_headless(folder: &Path) -> Vec<u8> {
    let args = [
        "plan",
        TASK,
        "--checkpoint",
        "tiny",
        "--seed",
        "7",
        "--device",
        "cpu",
        "--out",
        "headless.json",
    ];
    let output = run_in(folder, &args, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    std::fs::read(folder.join("headless.json")).unwrap()
}

/// Three episodes of six steps in `data`, for this preset file; what is said of them.
pub fn made_data(folder: &Path, preset: &str) -> Value {
    let args = [
        "datagen",
        "--episodes",
        "3",
        "--steps",
        "6",
        "--out",
        "data",
        "--preset",
        preset,
        "--json",
    ];
    document(&run_in(folder, &args, &[]), 0)
}

//! The same numbers on a graphics card as on the CPU: encoder, rollout, one CEM iteration, one training step.
//!
//! A test binary of its own, since a driver may take its process with it. Where there is no card, Mesa's software adapter
//! (package mesa-vulkan-drivers, which `make test` installs) serves: slow, but of the same shaders.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use thinkjepa::config::{Config, CostTerm, Stem, preset};
use thinkjepa::data::{ClipSampler, EpisodeStore, GenerateSettings, generate};
use thinkjepa::device::{Candidate, DeviceChoice, candidates, open};
use thinkjepa::planner::cem::{PlanRequest, first_mean, plan};
use thinkjepa::planner::cost::{LatentSpace, cost_of, pool};
use thinkjepa::planner::rollout::rollout;
use thinkjepa::planner::{GoalSource, LatentModel, TrainedWorld};
use thinkjepa::sim::{Frame, Scene};
use thinkjepa::train::{Stage, Stage1};
use thinkjepa::world_model::{LatentStats, WorldModel};

const TOLERANCE: f32 = 1e-3;

/// Every kind of layer that nano has, at a size that a software adapter computes in seconds.
fn config() -> Config {
    let mut config = preset("nano").unwrap();
    let model = &mut config.world_model;
    (model.image_size, model.patch_size, model.dim) = (32, 8, 16);
    model.encoder.stem = Stem::Conv(vec![(8, 3, 2), (8, 3, 2), (16, 3, 2)]);
    (model.encoder.depth, model.encoder.heads) = (1, 2);
    (model.predictor.dim, model.predictor.depth, model.predictor.heads) = (16, 1, 2);
    model.predictor.action_hidden = 16;
    config.plan.cem.iterations = 1;
    config.plan.cem.population = 12;
    config.train.stage1.batch = 8;
    config.train.stage1.steps = 2;
    // The first step of a warm-up would move nothing that could be compared.
    config.train.stage1.lr.warmup_steps = 0;
    config.validate("small").unwrap();
    config
}

fn adapter() -> Device {
    let found: Vec<Candidate> = candidates();
    let card = found
        .iter()
        .find(|candidate| matches!(candidate.id, DeviceChoice::Wgpu(_)))
        .unwrap_or_else(|| {
            panic!(
                "There is no graphics adapter, not even a software one: install mesa-vulkan-drivers (.ci/setup test)."
            )
        });
    println!("{} {} ({})", card.id, card.name, card.driver);
    open(card.id).unwrap_or_else(|err| panic!("{err}"))
}

fn frame(shade: usize) -> Frame {
    Frame {
        width: 32,
        height: 32,
        rgb: (0..3 * 32 * 32).map(|i| ((i * 7 + shade) % 251) as u8).collect(),
    }
}

fn values<const R: usize>(x: Tensor<R>) -> Vec<f32> {
    x.try_into_vec_as::<f32>().unwrap()
}

fn close(what: &str, card: &[f32], cpu: &[f32]) {
    assert_eq!(card.len(), cpu.len(), "{what}");
    let worst = card.iter().zip(cpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{what}: largest difference {worst:.1e}");
    assert!(worst < TOLERANCE, "{what} is off by {worst}");
    assert!(
        cpu.iter().any(|x| x.abs() > 0.01),
        "{what} is all but zero: nothing was compared"
    );
}

#[test]
fn a_graphics_adapter_computes_what_the_cpu_computes() {
    let (config, cpu) = (config(), Device::flex());
    let card = adapter();
    cpu.seed(11);
    let mut model = WorldModel::new(&config.world_model, &cpu);
    // An untrained residual predictor is persistence: give it something to predict.
    model.predictor.output = burn::nn::LinearConfig::new(16, 16).init(&cpu);
    let dim = config.world_model.dim;
    let wave = |i: usize, step: usize, length: usize| ((i * step) % length) as f32 / length as f32 - 0.5;
    let pooled: Vec<f32> = (0..8 * dim * dim).map(|i| wave(i, 7919, 1013)).collect();
    let read_out: Vec<f32> = (0..4 * dim).map(|i| wave(i, 104_729, 997)).collect();
    let stats = LatentStats::fit(&pooled, dim, 0.54, read_out);
    let world = |device: &Device| {
        // A first pass makes every parameter before it is copied.
        model.encode(&[frame(0)], config.plan.encoder, &cpu);
        let model = model.clone().fork(device);
        TrainedWorld::new(
            model,
            stats.clone(),
            &config.world_model,
            config.plan.encoder,
            device.clone(),
        )
    };
    let worlds = [world(&card), world(&cpu)];
    let [on_card, on_cpu] = worlds
        .each_ref()
        .map(|world| world.encode(&[frame(0), frame(90)]).unwrap());
    close("encoder", &values(on_card), &values(on_cpu));

    let cancel = AtomicBool::new(false);
    let sequences: Vec<Vec<[f32; 3]>> = (0..4)
        .map(|p| {
            (0..5)
                .map(|t| [0.3 * p as f32 - 0.5, 0.2 * t as f32 - 0.4, 1.0 - p as f32])
                .collect()
        })
        .collect();
    let [on_card, on_cpu] = worlds.each_ref().map(|world| {
        let start = world.encode(&[frame(0)]).unwrap();
        let bias = Tensor::<1>::from_floats([0.4f32; 16].map(f32::ln), &world.device());
        values(rollout(world, &start, &sequences, Some(&bias), &cancel).unwrap())
    });
    close("rollout of 5 steps", &on_card, &on_cpu);

    let [on_card, on_cpu] = worlds.each_ref().map(|world| {
        let tokens = world.encode(&[frame(0), frame(90)]).unwrap();
        let (present, goal) = (tokens.clone().narrow(0, 0, 1), tokens.narrow(0, 1, 1));
        let space = LatentSpace::new(world, config.plan.similarity).unwrap();
        let (g, p) = (pool(goal), pool(present.clone()));
        let cost = cost_of(CostTerm::Content, world, &space, g, p, GoalSource::Oracle).unwrap();
        let request = PlanRequest {
            tokens: &present,
            mean: first_mean(&config.plan, false),
            grip_command: false,
            bias: None,
            seed: 3,
            step: 1,
        };
        plan(world, cost.as_ref(), &config.plan, &request, &mut |_, _| (), &cancel).unwrap()
    });
    assert_eq!(on_card.iterations.len(), 1);
    close(
        "costs of a population",
        &on_card.iterations[0].costs,
        &on_cpu.iterations[0].costs,
    );
    close("the plan", &on_card.mean.concat(), &on_cpu.mean.concat());

    training_step(&config, &card, &cpu);
}

/// One step of stage 1 from the same weights on the same clips: its loss, and every weight after it.
fn training_step(config: &Config, card: &Device, cpu: &Device) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = GenerateSettings {
        episodes: 2,
        steps: 6,
        frame_px: 32,
        ..GenerateSettings::default()
    };
    let scene = Scene::load("three-blocks").unwrap();
    generate(&data, &scene, &settings, &|_, _| (), &AtomicBool::new(false)).unwrap();
    let store = Arc::new(EpisodeStore::open(&data).unwrap());
    let stage = |device: &Device| {
        let clips = ClipSampler::new(store.clone(), 0, 0..store.episodes());
        Stage1::new(config.clone(), clips, device)
    };
    let start = folder.path().join("start");
    std::fs::create_dir(&start).unwrap();
    let mut on_cpu = stage(cpu);
    on_cpu.save(&start).unwrap();
    let mut on_card = stage(card);
    on_card.load(&start).unwrap();

    let mut idle = stage(cpu);
    idle.load(&start).unwrap();
    let step = |stage: &mut Stage1, step: usize| -> Vec<(&'static str, f32)> {
        let metrics = stage.step(step).unwrap();
        let steady = metrics.into_iter().filter(|(name, _)| *name != "loader_secs");
        steady.map(|(name, value)| (name, value as f32)).collect()
    };
    let compare = |card: &[(&str, f32)], cpu: &[(&str, f32)]| {
        for ((name, card), (_, cpu)) in card.iter().zip(cpu) {
            println!("{name}: {card} {cpu}");
            assert!(
                (card - cpu).abs() < TOLERANCE * cpu.abs().max(1.0),
                "{name} is {card}, on the CPU {cpu}"
            );
        }
    };
    compare(&step(&mut on_card, 0), &step(&mut on_cpu, 0));
    // Weights with hardly any gradient move by AdamW's full rate in whatever direction rounding points, and change nothing:
    // what is compared after the step is what the model computes.
    let (card_then, cpu_then) = (step(&mut on_card, 1), step(&mut on_cpu, 1));
    compare(&card_then, &cpu_then);
    let without = step(&mut idle, 1)[0].1;
    assert!(
        (without - cpu_then[0].1).abs() > 20.0 * TOLERANCE,
        "the step changed the loss from {without} to {} alone",
        cpu_then[0].1
    );
}

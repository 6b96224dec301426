//! The same numbers on a graphics card as on the CPU: encoder, rollout, one CEM iteration, one training step.
//!
//! A test binary of its own, since a driver may take its process with it. Where there is no card, Mesa's software adapter
//! (package mesa-vulkan-drivers, which `make test` installs) serves: slow, but of the same shaders.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

use std::sync::atomic::AtomicBool;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use thinkjepa::config::{Config, CostTerm, Precision, PredictionLoss, SigReg, Stem, preset};
use thinkjepa::device::{Candidate, DeviceChoice, Workload, ask_children_of, candidates, open, select};
use thinkjepa::nn::parameter_bytes;
use thinkjepa::planner::cem::{PlanRequest, first_mean, plan};
use thinkjepa::planner::cost::{LatentSpace, cost_of, pool};
use thinkjepa::planner::rollout::rollout;
use thinkjepa::planner::{GoalSource, LatentModel, TrainedWorld};
use thinkjepa::sim::Frame;
use thinkjepa::train::optimizer::adamw;
use thinkjepa::world_model::losses::{prediction_loss, sigreg};
use thinkjepa::world_model::{Encoder, LatentStats, Predictor, WorldModel, pixels};

const TOLERANCE: f32 = 1e-3;

/// Frames, candidates and clips alike: a software adapter spends its time on compiling a shader for each new shape.
const BATCH: usize = 8;

/// Every kind of layer that planning has, at a size that a software adapter computes in seconds.
fn config() -> Config {
    let mut config = preset("nano").unwrap();
    let model = &mut config.world_model;
    (model.image_size, model.patch_size, model.dim) = (32, 8, 16);
    model.encoder.stem = Stem::Patch;
    (model.encoder.depth, model.encoder.heads, model.encoder.mlp_ratio) = (1, 2, 1);
    let predictor = &mut model.predictor;
    (predictor.dim, predictor.depth, predictor.heads, predictor.mlp_ratio) = (16, 1, 2, 1);
    predictor.action_hidden = 16;
    (config.plan.cem.iterations, config.plan.cem.population) = (1, BATCH);
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

/// Half precision is refused in words where the shaders' language has none.
#[test]
fn half_precision_is_refused_on_wgpu() {
    let mut config = config();
    config.precision = Precision::Bf16;
    let id = candidates()
        .into_iter()
        .map(|candidate| candidate.id)
        .find(|id| matches!(id, DeviceChoice::Wgpu(_)))
        .expect("an adapter; see the other test");
    ask_children_of(env!("CARGO_BIN_EXE_thinkjepa").into());
    let refused = select(id, &Workload::of(&config)).map(|selected| selected.why);
    let said = refused.unwrap_err().to_string();
    assert!(
        said.contains("cannot compute in bf16") && said.contains("cpu or cuda"),
        "{said}"
    );
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
        cpu.iter().any(|x| x.abs() > 1e-5 && x.abs() > 20.0 * worst),
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
    // A parameter is drawn when it is first looked at: all of them here, or each device would draw its own.
    parameter_bytes(&model);
    let world = |device: &Device| {
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
    let frames: Vec<Frame> = (0..BATCH).map(|i| frame(11 * i)).collect();
    let tokens = worlds.each_ref().map(|world| world.encode(&frames).unwrap());
    let [on_card, on_cpu] = tokens.clone().map(values);
    close("encoder", &on_card, &on_cpu);

    let cancel = AtomicBool::new(false);
    let sequences: Vec<Vec<[f32; 3]>> = (0..BATCH)
        .map(|p| {
            (0..5)
                .map(|t| [0.2 * p as f32 - 0.7, 0.2 * t as f32 - 0.4, 1.0 - p as f32])
                .collect()
        })
        .collect();
    let of_frame = |tokens: &Tensor<3>, i: usize| tokens.clone().narrow(0, i, 1);
    let each = [0, 1].map(|i| (&worlds[i], &tokens[i]));
    let [on_card, on_cpu] = each.map(|(world, tokens)| {
        let bias = Tensor::<1>::from_floats(
            std::array::from_fn::<f32, 16, _>(|i| 0.1 * i as f32 - 0.6),
            &world.device(),
        );
        values(rollout(world, &of_frame(tokens, 0), &sequences, Some(&bias), &cancel).unwrap())
    });
    close("rollout of 5 steps", &on_card, &on_cpu);

    let [on_card, on_cpu] = each.map(|(world, tokens)| {
        let (present, goal) = (of_frame(tokens, 0), of_frame(tokens, 1));
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
            draw: 0,
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

    let [on_card, on_cpu] = worlds.each_ref().map(|world| trained(&config, world, &frames));
    close("loss", &[on_card.before], &[on_cpu.before]);
    close("gradient of the encoder", &on_card.of_encoder, &on_cpu.of_encoder);
    close("gradient of the predictor", &on_card.of_predictor, &on_cpu.of_predictor);
    close("loss after the step", &[on_card.after], &[on_cpu.after]);
    let moved = (on_cpu.before - on_cpu.after).abs();
    assert!(moved > 2.0 * TOLERANCE, "the step moved the loss by {moved} alone");
}

struct Trained {
    before: f32,
    of_encoder: Vec<f32>,
    of_predictor: Vec<f32>,
    after: f32,
}

/// One step of the method's loss, prediction and SIGReg, from each frame to the next. Weights with hardly any gradient move
/// by AdamW's full rate in whatever direction rounding points, and change nothing: after the step the loss is compared.
fn trained(config: &Config, world: &TrainedWorld, frames: &[Frame]) -> Trained {
    let (plain, device) = (world.device(), world.device().autodiff());
    let size = config.world_model.image_size;
    let seen = |frames: &[&Frame]| -> Tensor<4> {
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.rgb.iter().copied()).collect();
        pixels(&bytes, [frames.len(), 3, size, size], &plain)
    };
    let now: Vec<&Frame> = frames.iter().collect();
    let next: Vec<&Frame> = (1..=BATCH).map(|i| &frames[i % BATCH]).collect();
    let actions: Vec<f32> = (0..3 * BATCH).map(|i| (i % 5) as f32 * 0.4 - 0.8).collect();
    let actions = Tensor::<2>::from_data(TensorData::new(actions, [BATCH, 3]), &device);
    let target = world.model().target_encoder.forward(seen(&next)).autodiff();
    let loss = |encoder: &Encoder, predictor: &Predictor| {
        let tokens = encoder.forward(seen(&now).autodiff());
        let [b, n, d] = tokens.dims();
        let rows = tokens.clone().reshape([b * n, d]);
        let predicted = predictor.step(tokens, actions.clone(), None);
        prediction_loss(PredictionLoss::SmoothL1, predicted, target.clone())
            + sigreg(SigReg::Spectral, rows.clone() - rows.mean_dim(0), (0, 0)) * 0.1
    };
    let (encoder, predictor) = (
        world.model().encoder.clone().train(),
        world.model().predictor.clone().train(),
    );
    let before = loss(&encoder, &predictor);
    let mut all = before.backward();
    let gradient = |param: &Param<Tensor<2>>| values(param.val().grad(&all).unwrap());
    let of_encoder = gradient(&encoder.blocks[0].attn.qkv.weight);
    let of_predictor = gradient(&predictor.blocks[0].film.as_ref().unwrap().proj.weight);
    let (for_encoder, for_predictor) = (
        GradientsParams::from_module(&mut all, &encoder),
        GradientsParams::from_module(&mut all, &predictor),
    );
    let encoder = adamw(&encoder, (0.9, 0.95), 0.05).step(1e-2, encoder, for_encoder);
    let predictor = adamw(&predictor, (0.9, 0.95), 0.05).step(1e-2, predictor, for_predictor);
    Trained {
        before: before.into_scalar::<f32>(),
        of_encoder,
        of_predictor,
        after: loss(&encoder, &predictor).into_scalar::<f32>(),
    }
}

//! `precision: bf16` against f32: the same weights see, imagine, plan, speak and learn alike to the digits that half
//! precision has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::{DType, Device, Tensor};
use thinkjepa::config::{CostTerm, Precision};
use thinkjepa::data::{ClipSampler, EpisodeStore, GenerateSettings, generate};
use thinkjepa::nn::{computing_in, parameter_bytes};
use thinkjepa::planner::cem::{PlanRequest, first_mean, plan};
use thinkjepa::planner::cost::{LatentSpace, cost_of, pool};
use thinkjepa::planner::rollout::rollout;
use thinkjepa::planner::{GoalSource, LatentModel};
use thinkjepa::sim::{Environment, Frame, Scene, World};
use thinkjepa::system::System;
use thinkjepa::train::{Stage, Stage1};

use crate::support::{TASK, config, document, made_data, run_in, untrained, with_list};

/// The same checkpoint once more, to compute in half precision.
fn in_half(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(to.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["precision"] = "bf16".into();
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
}

fn frame(seed: u64) -> Frame {
    let scene = Scene::load("three-blocks").unwrap();
    World::new(&scene, seed, config().world_model.image_size)
        .unwrap()
        .observe()
        .frame
}

/// Largest and mean difference.
fn gap<const R: usize>(half: Tensor<R>, full: Tensor<R>) -> (f32, f32) {
    let values = |x: Tensor<R>| x.try_into_vec_as::<f32>().unwrap();
    let (half, full) = (values(half), values(full));
    assert!(half.iter().all(|x| x.is_finite()) && half.len() == full.len());
    let gaps: Vec<f32> = half.iter().zip(&full).map(|(a, b)| (a - b).abs()).collect();
    (
        gaps.iter().copied().fold(0.0, f32::max),
        gaps.iter().sum::<f32>() / gaps.len() as f32,
    )
}

/// Tokens have unit variance, so that the differences are shares of a standard deviation.
#[test]
fn half_precision_sees_imagines_and_plans_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (full_at, half_at) = (folder.path().join("full"), folder.path().join("half"));
    untrained(&full_at);
    let device = Device::flex();
    in_half(&full_at, &half_at);
    let load = |path: &Path| System::load(path, &device).unwrap().0;
    let (full, half) = (load(&full_at), load(&half_at));
    assert_eq!(
        parameter_bytes(full.world.model()),
        2 * parameter_bytes(half.world.model()),
        "the weights are held in half precision"
    );
    let frames = [frame(1), frame(2)];
    let (of_half, of_full) = (half.world.encode(&frames).unwrap(), full.world.encode(&frames).unwrap());
    assert_eq!((of_half.dtype(), of_full.dtype()), (DType::BF16, DType::F32));
    let (worst, mean) = gap(of_half.clone(), of_full.clone());
    println!("tokens: largest {worst:.4}, mean {mean:.4}");
    assert!(worst < 0.1 && mean < 0.02, "tokens {worst} {mean}");

    let cancel = AtomicBool::new(false);
    let sequences = vec![vec![[0.5, -0.5, 1.0]; 5], vec![[-0.7, 0.2, -1.0]; 5]];
    let ahead = |system: &System, tokens: &Tensor<3>| {
        let bias = Tensor::<1>::from_floats(std::array::from_fn::<f32, 16, _>(|i| 0.1 * i as f32 - 0.6), &device);
        let first = tokens.clone().narrow(0, 0, 1);
        rollout(&system.world, &first, &sequences, Some(&bias), &cancel).unwrap()
    };
    let (worst, mean) = gap(ahead(&half, &of_half), ahead(&full, &of_full));
    println!("pooled latents of five imagined steps: largest {worst:.4}, mean {mean:.4}");
    assert!(worst < 0.05 && mean < 0.01, "rollout {worst} {mean}");

    let plan_with = |system: &System, tokens: &Tensor<3>| {
        let config = &system.config.plan;
        let (present, goal) = (tokens.clone().narrow(0, 0, 1), tokens.clone().narrow(0, 1, 1));
        let space = LatentSpace::new(&system.world, config.similarity).unwrap();
        let (g, p) = (pool(goal), pool(present.clone()));
        let cost = cost_of(CostTerm::Content, &system.world, &space, g, p, GoalSource::Oracle).unwrap();
        let request = PlanRequest {
            tokens: &present,
            mean: first_mean(config, false),
            grip_command: false,
            bias: None,
            seed: 3,
            step: 1,
            draw: 0,
        };
        plan(&system.world, cost.as_ref(), config, &request, &mut |_, _| (), &cancel).unwrap()
    };
    let (of_half, of_full) = (plan_with(&half, &of_half), plan_with(&full, &of_full));
    let (half_costs, full_costs) = (&of_half.iterations[0].costs, &of_full.iterations[0].costs);
    for (a, b) in half_costs.iter().zip(full_costs) {
        assert!((a - b).abs() < 0.05 * b.abs(), "costs {half_costs:?} {full_costs:?}");
    }

    let grounded = |system: &System| {
        let asked = [("pick up the red block", vec!["red block"])];
        system
            .vlm()
            .unwrap()
            .ground(&frames[0], &asked, [4, 4])
            .unwrap()
            .remove(0)
    };
    let (half, full) = (grounded(&half), grounded(&full));
    let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (map, embedding) = (
        worst(&half.map.values, &full.map.values),
        worst(&half.embedding, &full.embedding),
    );
    println!("map (mean 1): largest {map:.4}; embedding: largest {embedding:.4}");
    assert!(map < 0.05 && embedding < 0.1, "map {map} embedding {embedding}");
}

#[test]
fn a_whole_episode_in_half_precision_reads_the_list_that_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    with_list(&at.join("full"));
    in_half(&at.join("full"), &at.join("half"));
    let args = [
        "plan",
        TASK,
        "--checkpoint",
        "half",
        "--seed",
        "7",
        "--device",
        "cpu",
        "--json",
    ];
    let printed = document(&run_in(at, &args, &[]), 1);
    assert_eq!(printed["outcome"], "not_reached");
    assert_eq!(printed["reasoning"], "red is free.");
    let actions = printed["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 3);
    assert!(
        actions
            .iter()
            .all(|action| action["cost"].as_f64().unwrap().is_finite())
    );
}

/// Weights are kept in single precision and computed with in half.
#[test]
fn a_training_step_in_half_precision_goes_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let settings = GenerateSettings {
        episodes: 2,
        steps: 6,
        frame_px: 32,
        ..GenerateSettings::default()
    };
    let scene = Scene::load("three-blocks").unwrap();
    generate(folder.path(), &scene, &settings, &|_, _| (), &AtomicBool::new(false)).unwrap();
    let store = Arc::new(EpisodeStore::open(folder.path()).unwrap());
    let start = tempfile::tempdir().unwrap();
    // A causal step and, with the shares of a mix, one on block masks.
    for causal_share in [1.0, 0.0] {
        let stage = |precision| {
            let mut config = config();
            config.precision = precision;
            config.train.stage1.mask.causal_share = causal_share;
            let clips = ClipSampler::new(store.clone(), 0, 0..store.episodes());
            Stage1::new(config, None, clips, &Device::flex())
        };
        let (mut full, mut half) = (stage(Precision::F32), stage(Precision::Bf16));
        full.save(start.path()).unwrap();
        half.load(start.path()).unwrap();
        let before = full.model();
        for step in 0..3 {
            let number = |stage: &mut Stage1| stage.step(step).unwrap();
            let (of_full, of_half) = (number(&mut full), number(&mut half));
            for ((name, a), (_, b)) in of_half.iter().zip(&of_full) {
                // Gradients are compared at the same weights; later they are those of two runs.
                if *name == "loss" || (*name == "gradient_norm" && step == 0) {
                    println!("{name} {a:.5} {b:.5}");
                    let room = 0.02 * b.abs() + 1e-3;
                    assert!(a.is_finite() && (a - b).abs() < room, "{name} is {a}, in f32 {b}");
                }
            }
        }
        let weight = |model: &thinkjepa::world_model::WorldModel| model.encoder.blocks[0].attn.qkv.weight.val();
        assert_eq!(weight(&half.model()).dtype(), DType::F32);
        let moved = gap(weight(&full.model()), weight(&before)).1;
        let apart = gap(weight(&half.model()), weight(&full.model())).1;
        println!("weights moved by {moved:.6}, apart by {apart:.6}");
        assert!(apart > 0.0 && apart < 0.3 * moved, "moved by {moved}, apart by {apart}");
    }
}

/// Each later stage runs in half precision, with the losses that it has in single.
#[test]
fn later_stages_learn_in_half_precision() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut losses = Vec::new();
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        let mut config = config();
        config.precision = precision;
        config.vlm.max_tokens = 512;
        let train = &mut config.train;
        (train.vlm.facts_steps, train.vlm.steps) = (0, 2);
        (train.vlm.batch, train.vlm.warmup_steps) = (2, 0);
        let stage = &mut train.stage2;
        (stage.steps, stage.scenes_total, stage.scenes, stage.sub_goals_per_scene) = (3, 3, 2, 3);
        (
            stage.lora_steps,
            stage.lora_scenes,
            stage.warmup_steps,
            stage.joint_rate,
        ) = (2, 2, 0, 0.1);
        config.train.stage1b.steps = 2;
        config.validate(name).unwrap();
        let preset = format!("{name}.ron");
        std::fs::write(at.join(&preset), ron::ser::to_string(&config).unwrap()).unwrap();
        if precision == Precision::F32 {
            untrained(&at.join("base"));
            made_data(at, &preset);
        }
        for stage in ["1b", "vlm", "2"] {
            let run = format!("{name}-{stage}");
            let args = [
                "train", "--stage", stage, "--run", &run, "--preset", &preset, "--from", "base",
            ];
            let more = ["--data", "data", "--device", "cpu", "--json"];
            let done = document(&run_in(at, &[&args[..], &more].concat(), &[]), 0);
            assert!(done["metrics"]["loss"].as_f64().unwrap().is_finite());
            // Of the first step, at the same weights but for what a stage makes anew.
            let log = std::fs::read_to_string(at.join(&run).join("metrics.jsonl")).unwrap();
            let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
            // Goals of stage 2 are compared in units of the variance of latents that nothing has trained, which is mostly
            // rounding: of its loss the world model's part is held against single precision.
            let term = if stage == "2" { "inverse_dynamics" } else { "loss" };
            losses.push((stage, first[term].as_f64().unwrap()));
        }
    }
    let (full, half) = losses.split_at(3);
    for ((stage, a), (_, b)) in half.iter().zip(full) {
        println!("stage {stage}: {a:.5}, in f32 {b:.5}");
        // An untrained encoder sees frames as nearly alike: rounding is a visible share of the little that differs.
        assert!(
            a.is_finite() && (a - b).abs() < 0.1 * b.abs(),
            "stage {stage}: {a}, in f32 {b}"
        );
    }
}

#[test]
fn a_copy_that_computes_shares_nothing_that_a_step_would_change() {
    let device = Device::flex();
    let model = thinkjepa::gpi::Gpi::new(&config().gpi, &config().world_model, 8, &device);
    let copy = computing_in(&model, Precision::Bf16);
    assert_eq!(
        model.pos.id, copy.pos.id,
        "gradients are found by the parameter's identity"
    );
    assert_eq!(
        (model.pos.val().dtype(), copy.pos.val().dtype()),
        (DType::F32, DType::BF16)
    );
}

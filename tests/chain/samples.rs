//! Samples of real trainings: every stage writes its own, and trains as it does without them.

use std::path::Path;

use thinkjepa::config::Config;
use thinkjepa::train::{Sample, StageKind, TokenRole, sampled_steps};

use crate::support::{config, document, run_in, untrained};

const STEPS: usize = 5;

fn small() -> Config {
    let mut config = config();
    config.vlm.max_tokens = 512;
    let train = &mut config.train;
    // Steps of both kinds.
    train.stage1.mask.causal_share = 0.5;
    train.checkpoint_every = 4;
    (train.vlm.facts_steps, train.vlm.steps, train.vlm.warmup_steps) = (2, STEPS - 2, 0);
    (train.vlm.facts_batch, train.vlm.batch) = (2, 2);
    let stage = &mut train.stage2;
    (stage.scenes_total, stage.scenes, stage.sub_goals_per_scene) = (4, 2, 3);
    (stage.lora_steps, stage.lora_scenes, stage.warmup_steps) = (2, 2, 0);
    config
}

fn weights(checkpoint: &Path) -> Vec<u8> {
    std::fs::read(checkpoint.join("model.safetensors")).unwrap()
}

#[test]
fn every_stage_is_sampled_and_trains_as_it_does_without() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let small = small();
    small.validate("small.ron").unwrap();
    std::fs::write(at.join("small.ron"), ron::ser::to_string(&small).unwrap()).unwrap();
    untrained(&at.join("base"));
    let command = |args: &[&str]| document(&run_in(at, &[args, &["--json"]].concat(), &[]), 0);
    command(&[
        "datagen",
        "--episodes",
        "8",
        "--steps",
        "10",
        "--out",
        "data",
        "--preset",
        "small.ron",
    ]);
    let train = |stage: &str, run: &str, every: usize| {
        let (out, every) = (format!("{run}-out"), format!("train.samples_every={every}"));
        let steps = STEPS.to_string();
        let mut args = vec![
            "train",
            "--stage",
            stage,
            "--preset",
            "small.ron",
            "--data",
            "data",
            "--run",
            run,
            "--out",
            &out,
            "--set",
            &every,
            "--device",
            "cpu",
        ];
        // The preset's own steps of stage vlm: --steps would leave those on facts as they are.
        if stage != "vlm" {
            args.extend(["--steps", &steps]);
        }
        if matches!(stage, "1b" | "2" | "bc") {
            args.extend(["--from", "base"]);
        }
        command(&args);
        weights(&at.join(out))
    };
    for stage in StageKind::ALL {
        let (with, without) = (format!("{stage}-with"), format!("{stage}-without"));
        assert!(
            train(stage.name(), &with, 1) == train(stage.name(), &without, 0),
            "stage {stage} trains otherwise where it is sampled"
        );
        assert!(sampled_steps(&at.join(&without)).is_empty(), "stage {stage}");
        let run = at.join(&with);
        let expected: Vec<usize> = match stage {
            StageKind::Vlm => (2..=STEPS).collect(),
            // Where a checkpoint is kept.
            StageKind::Bc => vec![4, STEPS],
            _ => (1..=STEPS).collect(),
        };
        assert_eq!(sampled_steps(&run), expected, "stage {stage}");
        let samples: Vec<Sample> = expected.iter().map(|step| Sample::read(&run, *step).unwrap()).collect();
        assert!(
            samples
                .iter()
                .zip(&expected)
                .all(|(sample, step)| (sample.stage, sample.step) == (stage, *step))
        );
        match stage {
            StageKind::One => check_stage_1(&samples, &run),
            StageKind::OneB => {
                for (sample, step) in samples.iter().zip(expected) {
                    let ahead: Vec<usize> = sample.content.open_loop.iter().map(|error| error.ahead).collect();
                    assert_eq!(ahead, (1..=8).collect::<Vec<_>>());
                    assert!(sample.content.open_loop.iter().all(|error| error.tokens > 0.0));
                    // Where a checkpoint is kept.
                    let plans = if step == 4 || step == STEPS { 2 } else { 0 };
                    assert_eq!(sample.content.plans.len(), plans, "{step}");
                }
                assert_ne!(samples[0].content.open_loop, samples[STEPS - 1].content.open_loop);
            }
            StageKind::Vlm => {
                for sample in samples {
                    assert_eq!(sample.content.answers.len(), 2);
                    for answer in sample.content.answers {
                        assert!(answer.teacher.contains("1. [") && !answer.maps.is_empty());
                        assert!(
                            answer
                                .maps
                                .iter()
                                .all(|map| map.chance > 0.0 && map.mass >= 0.0 && map.mass <= 1.0)
                        );
                    }
                }
            }
            StageKind::Two => {
                for sample in &samples {
                    let pairs = sample.content.pairs.as_ref().unwrap();
                    assert!(pairs.is_whole() && pairs.columns == pairs.rows() + 4);
                    assert!(pairs.cosines.iter().all(|cosine| cosine.abs() < 1.001));
                }
                assert_ne!(samples[0].content, samples[STEPS - 1].content);
            }
            StageKind::Bc => {
                for sample in &samples {
                    let plans = &sample.content.plans;
                    assert!(plans.len() == 6 && plans.iter().all(|plan| plan.steps <= plan.budget));
                    assert!(plans.iter().all(|plan| plan.reached || plan.steps == plan.budget));
                }
            }
        }
    }
}

fn check_stage_1(samples: &[Sample], run: &Path) {
    for sample in samples {
        let content = &sample.content;
        assert_eq!(content.spectra.len(), 2);
        for spectrum in &content.spectra {
            assert!((1.0..=16.0).contains(&spectrum.effective_rank));
            assert!(spectrum.shares.windows(2).all(|pair| pair[0] >= pair[1]));
            assert!((spectrum.shares.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        let probe = content.probe.as_ref().unwrap();
        assert!(probe.gripper_m.is_finite() && probe.by_block_m.len() == 3 && probe.episodes == [6, 2]);
        let masks = content.masks.as_ref().unwrap();
        let roles = |role| {
            let frames = masks.clips.iter().flat_map(|clip| &clip.frames);
            frames
                .map(|frame| frame.roles.iter().filter(|one| **one == role).count())
                .collect::<Vec<_>>()
        };
        let (context, target) = (roles(TokenRole::Context), roles(TokenRole::Target));
        if masks.causal {
            assert_eq!((context, target), (vec![16, 0, 16, 0], vec![0, 16, 0, 16]));
        } else {
            assert!(context.iter().sum::<usize>() > 0 && target.iter().sum::<usize>() > 0);
        }
    }
    let kinds: Vec<bool> = samples
        .iter()
        .map(|sample| sample.content.masks.as_ref().unwrap().causal)
        .collect();
    // As the log says of the same steps.
    let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for (line, causal) in log.lines().zip(&kinds) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.get("inverse_dynamics").is_some(), *causal, "{line}");
        assert!(line["effective_rank"].as_f64().unwrap() > 1.0 && line["probe_blocks_m"].is_number());
    }
}

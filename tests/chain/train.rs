//! Training from outside: data, stage 1, stage 1b, a checkpoint that can be measured, and runs that are resumed.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use thinkjepa::weights::Checkpoint;

use crate::support::{config, document, made_data, run_in, untrained};

fn command(folder: &Path, args: &[&str]) -> Output {
    run_in(folder, &[args, &["--json"]].concat(), &[])
}

#[test]
fn stages_follow_one_another_into_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let preset = ron::ser::to_string(&config()).unwrap();
    std::fs::write(at.join("tiny.ron"), preset).unwrap();
    assert_eq!(made_data(at, "tiny.ron")["frame_px"], 32);

    let train = |more: &[&str]| {
        let args = ["train", "--data", "data", "--device", "cpu"];
        command(at, &[&args, more].concat())
    };
    let first = [
        "--stage", "1", "--run", "one", "--preset", "tiny.ron", "--steps", "3", "--out", "made",
    ];
    let done = document(&train(&first), 0);
    assert_eq!((&done["done"], &done["checkpoint"]), (&3.into(), &"made".into()));
    assert!(done["metrics"]["loss"].as_f64().unwrap().is_finite());
    let log = std::fs::read_to_string(at.join("one/metrics.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 3);
    let weights = || std::fs::read(at.join("made/model.safetensors")).unwrap();
    let of_stage_1 = weights();

    // A finished run has nothing left to do, and writes the same checkpoint again.
    assert!(document(&train(&first), 0)["metrics"].as_object().unwrap().is_empty());
    assert!(weights() == of_stage_1);
    let over = document(&train(&[&first[..first.len() - 1], &["data"]].concat()), 2);
    assert!(over["error"].as_str().unwrap().contains("data holds other things") && at.join("data/meta.json").exists());
    let longer = ["--stage", "1", "--run", "one", "--preset", "tiny.ron", "--steps", "4"];
    let refused = document(&train(&longer), 2);
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("train.stage1.steps is 3, asked for 4")
    );

    let lock = std::fs::File::create(at.join("one/lock")).unwrap();
    lock.lock().unwrap();
    let busy = document(&train(&first), 2);
    assert!(
        busy["error"].as_str().unwrap().contains("one is being trained already"),
        "{busy}"
    );
    drop(lock);

    // From the run or from the checkpoint: the same world model.
    for (from, out) in [("one", "from-run"), ("made", "made")] {
        let run = format!("two-{from}");
        let args = [
            "--stage", "1b", "--run", &run, "--from", from, "--steps", "2", "--out", out,
        ];
        assert_eq!(document(&train(&args), 0)["done"], 2);
    }
    let of_run = std::fs::read(at.join("from-run/model.safetensors")).unwrap();
    assert!(weights() == of_run && weights() != of_stage_1);
    let card = std::fs::read_to_string(at.join("made/card.md")).unwrap();
    assert!(
        card.contains("- Stage 1: 3 steps") && card.contains("- Stage 1b: 2 steps"),
        "{card}"
    );

    let eval = [
        "eval",
        "--suite",
        "oracle",
        "--checkpoint",
        "made",
        "--episodes",
        "1",
        "--kinds",
        "pick",
    ];
    assert_eq!(
        document(&command(at, &[&eval[..], &["--device", "cpu"]].concat()), 0)["n"],
        1
    );
}

/// With rates of next to nothing, the weights at the end are those that it began with.
#[test]
fn stage_1_begins_with_the_weights_that_it_is_given_and_with_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let preset = ron::ser::to_string(&config()).unwrap();
    std::fs::write(at.join("tiny.ron"), preset).unwrap();
    untrained(&at.join("base"));
    let data = ["datagen", "--episodes", "3", "--steps", "6", "--out", "data"];
    document(&command(at, &[&data[..], &["--preset", "tiny.ron"]].concat()), 0);
    let train = |out: &str, more: &[&str]| {
        let run = format!("run-{out}");
        let args = [
            "train", "--stage", "1", "--data", "data", "--device", "cpu", "--steps", "2", "--run", &run, "--out", out,
        ];
        let still = [
            "--set",
            "train.stage1.lr.encoder=1e-30",
            "--set",
            "train.stage1.lr.predictor=1e-30",
        ];
        command(at, &[&args[..], &still, more].concat())
    };
    document(&train("given", &["--from", "base"]), 0);
    document(&train("fresh", &["--preset", "tiny.ron"]), 0);
    let weights = |name: &str| Checkpoint::open(&at.join(name)).unwrap().tensors;
    let (base, given, fresh) = (weights("base"), weights("given"), weights("fresh"));
    let learnt = |name: &&str| {
        name.ends_with("weight")
            && ["encoder.", "predictor.", "heads."]
                .iter()
                .any(|part| name.starts_with(part))
    };
    let mut differing = 0;
    for name in base.names().filter(learnt) {
        assert_eq!(base.read(name).unwrap(), given.read(name).unwrap(), "{name}");
        differing += usize::from(base.read(name).unwrap() != fresh.read(name).unwrap());
    }
    assert!(differing > 5, "{differing}");
    assert!(
        !given.names().any(|name| name.starts_with("vlm.")),
        "only the world model is taken"
    );
    // What reads pictures may be wanted of a model that has none; where the encoder stays as it is, it cannot be learnt.
    let pictures = ["--from", "base", "--set", "world_model.picture=8"];
    document(&train("pictures", &pictures), 0);
    let of_head = weights("pictures");
    let of_head = of_head.names().filter(|name| name.starts_with("heads.picture."));
    assert_eq!(of_head.count(), 4, "weight and bias of two layers");
    let rollouts = [
        "train", "--stage", "1b", "--data", "data", "--device", "cpu", "--run", "rollouts",
    ];
    let refused = command(at, &[&rollouts[..], &pictures].concat());
    let refused = document(&refused, 2)["error"].as_str().unwrap().to_owned();
    assert!(
        refused.contains("world_model.picture is 0 there, asked for 8"),
        "{refused}"
    );
    let refused = train("other", &["--from", "base", "--set", "world_model.encoder.depth=2"]);
    let refused = document(&refused, 2)["error"].as_str().unwrap().to_owned();
    assert!(
        refused.contains("world_model.encoder.depth is 1 there, asked for 2"),
        "{refused}"
    );
}

/// As above, of the language model: with a rate of next to nothing, what was given comes out again.
#[test]
fn stage_vlm_goes_on_with_the_language_model_that_it_is_given_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut config = config();
    config.vlm.max_tokens = 512;
    let stage = &mut config.train.vlm;
    (stage.facts_steps, stage.steps, stage.warmup_steps, stage.batch) = (1, 1, 0, 2);
    std::fs::write(at.join("tiny.ron"), ron::ser::to_string(&config).unwrap()).unwrap();
    let train = |out: &str, more: &[&str]| {
        let run = format!("run-{out}");
        let args = [
            "train", "--stage", "vlm", "--device", "cpu", "--run", &run, "--out", out,
        ];
        command(at, &[&args, more].concat())
    };
    document(&train("base", &["--preset", "tiny.ron"]), 0);
    let still = ["--from", "base", "--set", "train.vlm.lr=1e-30"];
    let continued = [&still[..], &["--set", "train.vlm.continued=true"]].concat();
    document(&train("fresh", &still), 0);
    document(&train("given", &continued), 0);
    let weights = |name: &str| Checkpoint::open(&at.join(name)).unwrap().tensors;
    let (base, given, fresh) = (weights("base"), weights("given"), weights("fresh"));
    let differing = |other: &thinkjepa::weights::Tensors| {
        let of_model = |name: &&str| name.starts_with("vlm.") && !name.contains("lora");
        let names = base.names().filter(of_model);
        names
            .filter(|name| base.read(name).unwrap() != other.read(name).unwrap())
            .count()
    };
    assert_eq!(differing(&given), 0);
    assert!(differing(&fresh) > 5);
    let tokenizer = |name: &str| std::fs::read(at.join(name).join("tokenizer.json")).unwrap();
    assert!(tokenizer("given") == tokenizer("base"));
    let refused = train("other", &[&continued[..], &["--set", "vlm.depth=1"]].concat());
    let refused = document(&refused, 2)["error"].as_str().unwrap().to_owned();
    assert!(refused.contains("vlm.depth is 2 there, asked for 1"), "{refused}");
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let train = |more: &[&str]| {
        let args = ["train", "--device", "cpu", "--run", "run"];
        let document = document(&command(at, &[&args, more].concat()), 2);
        document["error"].as_str().unwrap().to_owned()
    };
    let error = train(&["--stage", "1"]);
    assert!(
        error.contains("data/three-blocks") && error.contains("thinkjepa datagen"),
        "{error}"
    );
    assert!(train(&["--stage", "1b"]).contains("name it with --from"));
    let error = train(&["--stage", "1b", "--from", "nowhere"]);
    assert!(error.contains("nowhere holds neither"), "{error}");
    assert!(train(&["--stage", "bc"]).contains("a checkpoint with a language model"));
    let continued = ["--stage", "vlm", "--set", "train.vlm.continued=true"];
    assert!(train(&continued).contains("as train.vlm.continued is set"));
    assert!(train(&["--stage", "3"]).contains("no stage \"3\""));
    assert!(train(&["--stage", "1", "--steps", "0"]).contains("train.stage1.steps"));
    assert_eq!(
        std::fs::read_dir(at).unwrap().count(),
        0,
        "a refused command wrote something"
    );
}

/// With weights that do not move, a step that adds up two batches has the mean of their losses and a gradient that is no
/// longer than the mean of theirs: the batches of a run are the same ones, however they are shared out among its steps.
#[test]
fn a_step_may_add_up_several_batches_in_every_stage() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut config = config();
    config.vlm.max_tokens = 512;
    let train = &mut config.train;
    (train.stage1.lr.encoder, train.stage1.lr.predictor) = (1e-30, 1e-30);
    (
        train.stage1b.lr,
        train.vlm.lr,
        train.stage2.lr_gpi,
        train.stage2.lr_lora,
    ) = (1e-30, 1e-30, 1e-30, 1e-30);
    train.bc.lr = 1e-30;
    (train.vlm.facts_steps, train.vlm.batch, train.vlm.warmup_steps) = (0, 2, 0);
    let stage = &mut train.stage2;
    (stage.scenes_total, stage.scenes, stage.lora_scenes, stage.warmup_steps) = (6, 2, 2, 0);
    // The world model as well.
    stage.joint_rate = 1.0;
    std::fs::write(at.join("tiny.ron"), ron::ser::to_string(&config).unwrap()).unwrap();
    untrained(&at.join("base"));
    let data = ["datagen", "--episodes", "3", "--steps", "6", "--out", "data"];
    document(&command(at, &[&data[..], &["--preset", "tiny.ron"]].concat()), 0);

    for (stage, field) in [
        ("1", "stage1"),
        ("1b", "stage1b"),
        ("vlm", "vlm"),
        ("2", "stage2"),
        ("bc", "bc"),
    ] {
        let logged = |parts: usize, steps: usize| -> Vec<Value> {
            let (run, set) = (
                format!("{stage}-{parts}"),
                format!("train.{field}.accumulation={parts}"),
            );
            let steps = steps.to_string();
            let mut args = vec![
                "train", "--stage", stage, "--preset", "tiny.ron", "--data", "data", "--run", &run,
            ];
            args.extend(["--device", "cpu", "--steps", &steps, "--set", &set]);
            if stage != "1" {
                args.extend(["--from", "base"]);
            }
            document(&command(at, &args), 0);
            let log = std::fs::read_to_string(at.join(run).join("metrics.jsonl")).unwrap();
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (alone, together) = (logged(1, 4), logged(2, 2));
        for (pair, both) in alone.chunks(2).zip(&together) {
            let number = |line: &Value, name: &str| line[name].as_f64().unwrap();
            let mean = |name: &str| (number(&pair[0], name) + number(&pair[1], name)) / 2.0;
            let (loss, expected) = (number(both, "loss"), mean("loss"));
            assert!(
                (loss - expected).abs() < 1e-5 * expected.abs(),
                "stage {stage}: {loss}, {expected}"
            );
            assert_ne!(
                number(&pair[0], "loss"),
                number(&pair[1], "loss"),
                "stage {stage}: one batch twice"
            );
            let (norm, most) = (number(both, "gradient_norm"), mean("gradient_norm"));
            let least = (number(&pair[0], "gradient_norm") - number(&pair[1], "gradient_norm")).abs() / 2.0;
            assert!(
                least < norm && norm < most,
                "stage {stage}: {norm} between {least} and {most}"
            );
        }
    }
}

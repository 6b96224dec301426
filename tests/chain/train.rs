//! Training from outside: data, stage 1, stage 1b, a checkpoint that can be measured, and runs that are resumed.

use std::path::Path;
use std::process::Output;

use crate::support::{config, document, run_in};

fn command(folder: &Path, args: &[&str]) -> Output {
    run_in(folder, &[args, &["--json"]].concat(), &[])
}

#[test]
fn stages_follow_one_another_into_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let preset = ron::ser::to_string(&config()).unwrap();
    std::fs::write(at.join("tiny.ron"), preset).unwrap();
    let made = command(
        at,
        &[
            "datagen",
            "--episodes",
            "3",
            "--steps",
            "6",
            "--out",
            "data",
            "--preset",
            "tiny.ron",
        ],
    );
    assert_eq!(document(&made, 0)["frame_px"], 32);

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
    assert!(train(&["--stage", "1", "--from", "nowhere"]).contains("leave --from out"));
    assert!(train(&["--stage", "3"]).contains("no stage \"3\""));
    assert!(train(&["--stage", "1", "--steps", "0"]).contains("train.stage1.steps"));
    assert_eq!(
        std::fs::read_dir(at).unwrap().count(),
        0,
        "a refused command wrote something"
    );
}

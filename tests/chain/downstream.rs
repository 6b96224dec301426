//! `thinkjepa probe` and `thinkjepa finetune` from outside: every part runs on a checkpoint of a few thousand random
//! numbers, gives the same figures again, and what was written is read back.

use std::path::Path;

use serde_json::Value;

use crate::support::{document, run_in, world_alone};

const FEW: [&str; 6] = ["--clips", "2", "--seed", "3", "--device", "cpu"];

fn probe(folder: &Path, args: &[&str], code: i32) -> Value {
    document(&run_in(folder, &[&["probe", "--json"], args].concat(), &[]), code)
}

fn finetune(folder: &Path, args: &[&str], code: i32) -> Value {
    document(&run_in(folder, &[&["finetune", "--json"], args].concat(), &[]), code)
}

#[test]
fn probes_of_three_encoders_are_scored_and_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    world_alone(&folder.path().join("tiny"));
    let few = ["--checkpoint", "tiny", "--steps", "3", "--supervised-steps", "2"];
    let args = [&few[..], &FEW, &["--out", "probe.json"]].concat();
    let report = probe(folder.path(), &args, 0);
    let written = std::fs::read(folder.path().join("probe.json")).unwrap();
    assert_eq!(report, serde_json::from_slice::<Value>(&written).unwrap());
    assert_eq!(report["schema"], "thinkjepa.probe/1");
    assert_eq!(
        report["classes"],
        serde_json::json!(["grasp", "place", "topple", "carry", "push"])
    );
    assert_eq!((&report["chance"], &report["seeds"][0]), (&0.2.into(), &3.into()));
    for place in [
        "checkpoint/linear",
        "checkpoint/attentive",
        "random/linear",
        "random/attentive",
        "supervised/attentive",
    ] {
        let score = report.pointer(&format!("/probes/{place}")).unwrap();
        // Half as many clips of each event as were trained on.
        assert_eq!(score["n"], 5, "{place}");
        let rate = score["success_rate"].as_f64().unwrap();
        let bounds = score["ci95"].as_array().unwrap();
        assert!(bounds[0].as_f64().unwrap() <= rate && rate <= bounds[1].as_f64().unwrap());
        let shown: u64 = score["confusion"]["push"]
            .as_object()
            .unwrap()
            .values()
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(shown, 1, "{place}");
    }
    assert_eq!(probe(folder.path(), &args, 0)["probes"], report["probes"]);
    let without = [&few[..4], &["--supervised-steps", "0"], &FEW].concat();
    assert_eq!(probe(folder.path(), &without, 0)["probes"]["supervised"], Value::Null);
}

#[test]
fn a_finetuned_encoder_is_written_and_tells_the_same_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    world_alone(&folder.path().join("tiny"));
    let few = [
        "--checkpoint",
        "tiny",
        "--out",
        "deep/events",
        "--steps",
        "4",
        "--head-steps",
        "3",
        "--batch",
        "4",
    ];
    let args = [&few[..], &FEW].concat();
    let report = finetune(folder.path(), &args, 0);
    assert_eq!(report["schema"], "thinkjepa.finetune/1");
    let about = std::fs::read(folder.path().join("deep/events/finetuned.json")).unwrap();
    assert_eq!(report["about"], serde_json::from_slice::<Value>(&about).unwrap());
    assert_eq!(
        (&report["about"]["before"]["n"], &report["about"]["steps"]),
        (&5.into(), &4.into())
    );

    let told = probe(folder.path(), &[&["--head", "deep/events"][..], &FEW].concat(), 0);
    assert_eq!(told["probes"]["finetuned"]["attentive"], report["about"]["after"]);

    let weights = |folder: &Path| std::fs::read(folder.join("deep/events/model.safetensors")).unwrap();
    let before = weights(folder.path());
    assert_eq!(finetune(folder.path(), &args, 0)["about"], report["about"]);
    assert!(weights(folder.path()) == before, "the same seed, the same weights");
    // The encoder was trained too.
    let moved = finetune(folder.path(), &[&args[..], &["--rate-encoder", "0.01"]].concat(), 0);
    assert_ne!(weights(folder.path()), before);
    assert_eq!(moved["about"]["before"], report["about"]["before"]);
}

#[test]
fn what_cannot_be_probed_or_tuned_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    world_alone(&folder.path().join("tiny"));
    let lonely = "(about: \"One block.\", blocks: [(name: \"red block\", colour: (0.9, 0.2, 0.2), half_m: 0.15, \
                  height_m: 0.24)], pads: [])";
    std::fs::write(folder.path().join("lonely.ron"), lonely).unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/notes.txt"), "notes").unwrap();
    let refused = |report: Value, words: &[&str]| {
        let error = report["error"].as_str().unwrap();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    };
    let cases: &[(&[&str], &[&str])] = &[
        (&["--checkpoint", "nowhere"], &["nowhere", "config.json"]),
        (&["--head", "tiny"], &["finetuned.json"]),
        (&["--clips", "0"], &["--clips", "0"]),
        (&["--steps", "0"], &["--steps"]),
        (&["--scene", "kitchen"], &["kitchen", "three-blocks"]),
        (&["--checkpoint", "tiny", "--head", "tiny"], &["--head"]),
        (
            &[
                "--checkpoint",
                "tiny",
                "--scene",
                "lonely.ron",
                "--clips",
                "1",
                "--device",
                "cpu",
            ],
            &["lonely", "topple"],
        ),
        (&["--out", "no/such/probe.json"], &["no/such", "Create it"]),
    ];
    for (args, words) in cases {
        refused(probe(folder.path(), args, 2), words);
    }
    let cases: &[(&[&str], &[&str])] = &[
        (&["--checkpoint", "nowhere", "--out", "x"], &["nowhere", "config.json"]),
        (&["--checkpoint", "tiny"], &["--out"]),
        (
            &["--checkpoint", "tiny", "--out", "mine"],
            &["mine", "nothing was written"],
        ),
        (
            &["--checkpoint", "tiny", "--out", "tiny"],
            &["tiny", "nothing was written"],
        ),
        (&["--out", "x", "--rate-encoder", "0"], &["--rate-encoder", "above 0"]),
        (&["--out", "x", "--clips", "0"], &["--clips"]),
    ];
    for (args, words) in cases {
        refused(finetune(folder.path(), args, 2), words);
    }
    assert!(!folder.path().join("x").exists());
    assert!(folder.path().join("mine/notes.txt").is_file() && folder.path().join("tiny/config.json").is_file());
}

//! The program from outside: exit codes, messages, and that `--json` is one document and nothing else.

#![allow(
    clippy::unwrap_used,
    reason = "a test may say with a panic that something went wrong"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::tensor::Device;
use serde_json::Value;
use thinkjepa::config::{Precision, preset};
use thinkjepa::device::Workload;
use thinkjepa::system::System;
use thinkjepa::weights::{Checkpoint, NamedTensor};

fn thinkjepa(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_thinkjepa"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Bad input: exit code 2, nothing on stdout, the words on stderr; with `--json`, the same words as a document.
fn refused(args: &[&str], words: &[&str]) {
    let plain = thinkjepa(args);
    let said = text(&plain.stderr);
    assert_eq!(plain.status.code(), Some(2), "{args:?}: {said}");
    assert_eq!(text(&plain.stdout), "", "{args:?}");
    assert!(!said.contains("panicked"), "{said}");
    let json = thinkjepa(&[args, &["--json"]].concat());
    assert_eq!(json.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    for word in words {
        assert!(said.contains(word), "{args:?} said: {said}");
        assert!(error.contains(word), "{args:?} said: {error}");
    }
}

fn document(args: &[&str]) -> Value {
    let output = thinkjepa(args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn thinkbench_is_listed_without_a_model() {
    let listed = document(&["eval", "--suite", "thinkbench", "--list", "--json"]);
    let episodes = listed["episodes"].as_array().unwrap();
    assert_eq!((episodes.len(), &listed["suite"]), (200, &Value::from("thinkbench")));
    for episode in episodes {
        assert_eq!(episode["scene"], "thinkbench");
        assert!(["seen", "held_out"].contains(&episode["phrasing"].as_str().unwrap()));
        assert!(["seen", "held_out"].contains(&episode["looks"].as_str().unwrap()));
        assert!([3, 5, 7, 10].contains(&episode["sub_goals"].as_u64().unwrap()));
        assert!(!episode["text"].as_str().unwrap().is_empty() && episode["seed"].is_u64());
    }
}

#[test]
fn bad_input_is_named_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    refused(
        &["inspect", "--preset", "giant"],
        &["no preset \"giant\"", "nano, vit-l, paper"],
    );
    refused(&["inspect", "--preset", path(&at("none.ron"))], &["none.ron"]);

    let nano = std::fs::read_to_string("assets/presets/nano.ron").unwrap();
    let put = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    put("nan.ron", &nano.replace("delta_goal: 0.85", "delta_goal: NaN"));
    refused(
        &["inspect", "--preset", path(&at("nan.ron"))],
        &["nan.ron: plan.delta_goal is NaN, expected"],
    );
    put("typo.ron", &nano.replace("delta_goal", "delta_gaol"));
    refused(
        &["inspect", "--preset", path(&at("typo.ron"))],
        &["typo.ron", "delta_gaol"],
    );
    put("binary.ron", "\u{0}\u{1}");
    refused(&["inspect", "--preset", path(&at("binary.ron"))], &["binary.ron"]);

    refused(&["doctor", "--probe", "quantum"], &["no device \"quantum\""]);
    refused(&["doctor", "--probe", "wgpu:4711"], &["wgpu:4711 is not there"]);
    refused(&["doctor", "--probe", "auto"], &["name one device"]);
    refused(
        &["plan", "stack red on green", "--device", "wgpu:4711"],
        &["wgpu:4711 is not there", "cpu"],
    );
    refused(
        &["inspect", "--out", path(&at("no/such/report.json"))],
        &["no/such does not exist", "Create it"],
    );
    refused(&["inspect", "--out", path(folder.path())], &["is a folder"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);

    refused(&["inspect", "--prest", "nano"], &["--prest"]);
    refused(&["dance"], &["dance"]);
    refused(&["inspect", "--preset", "nano", "--checkpoint", "x"], &["--checkpoint"]);
}

#[test]
fn a_checkpoint_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("mine");
    let tensor = NamedTensor {
        name: "encoder.pos".to_owned(),
        shape: vec![2],
        values: vec![1.0, 2.0],
    };
    Checkpoint::write(&checkpoint, &preset("nano").unwrap(), &[tensor], None, "a card").unwrap();
    assert_eq!(
        document(&["inspect", "--checkpoint", path(&checkpoint), "--json"])["preset"],
        "nano"
    );

    let weights = checkpoint.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() - 3]).unwrap();
    refused(
        &["inspect", "--checkpoint", path(&checkpoint)],
        &["model.safetensors", "cut off", "another file"],
    );
    std::fs::write(&weights, "not weights at all").unwrap();
    refused(
        &["inspect", "--checkpoint", path(&checkpoint)],
        &["model.safetensors", "not safetensors"],
    );
    std::fs::remove_file(&weights).unwrap();
    refused(&["inspect", "--checkpoint", path(&checkpoint)], &["holds no weights"]);
    refused(&["inspect", "--checkpoint", path(folder.path())], &["config.json"]);
}

/// Bytes that the shipped checkpoint may have in all.
const MOST_BYTES: u64 = 40_000_000;

#[test]
fn the_shipped_checkpoint_is_whole_small_and_plans() {
    let nano = Path::new("checkpoints/nano");
    let bytes: u64 = std::fs::read_dir(nano)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < MOST_BYTES, "checkpoints/nano has {bytes} bytes");
    assert!(std::fs::read_to_string(nano.join("card.md")).unwrap().contains("nano"));
    let (system, report) = System::load(nano, &Device::flex()).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(system.models().is_ok());

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("plan.json");
    let task = "put the red block on the yellow pad";
    let args = ["plan", task, "--seed", "1", "--max-steps", "2", "--device", "cpu"];
    let output = thinkjepa(&[&args[..], &["--out", path(&out)]].concat());
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    let plan: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../assets/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&plan).map(|err| err.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        (&plan["checkpoint"]["name"], &plan["checkpoint"]["hash"]),
        (&"nano".into(), &system.hash.as_str().into())
    );
    assert_ne!(plan["outcome"], "unparsed", "{said}");
}

#[test]
fn inspect_counts_every_preset() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.json");
    let mut before = 0;
    for name in ["nano", "vit-l", "paper"] {
        let report = document(&["inspect", "--preset", name, "--json", "--out", path(&out)]);
        let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        assert_eq!(report, written);
        assert_eq!(report["schema"], "thinkjepa.inspect/1");
        let modules = report["modules"].as_array().unwrap();
        let sum: u64 = modules
            .iter()
            .map(|module| module["parameters"].as_u64().unwrap())
            .sum();
        let parameters = report["parameters"].as_u64().unwrap();
        assert_eq!(sum, parameters);
        assert!(parameters > before, "{name} is larger than the one before");
        before = parameters;
        let plain = thinkjepa(&["inspect", "--preset", name]);
        assert!(text(&plain.stdout).contains("predictor"));
    }
}

#[test]
fn doctor_says_what_it_would_take_and_why() {
    let report = document(&["doctor", "--json"]);
    assert_eq!(report["schema"], "thinkjepa.doctor/1");
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices[0]["id"], "cpu");
    let chosen: Vec<&Value> = devices.iter().filter(|device| device["chosen"] == true).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["id"], report["chosen"]);
    assert_ne!(chosen[0]["kind"], "software");
    assert!(devices.iter().all(|device| !device["why"].as_str().unwrap().is_empty()));
}

#[test]
fn a_probe_is_one_line_of_json() {
    for precision in [Precision::F32, Precision::Bf16] {
        let workload = Workload {
            batch: 2,
            world_model: preset("nano").unwrap().world_model,
            precision,
        };
        let workload = serde_json::to_string(&workload).unwrap();
        let line = document(&["doctor", "--probe", "cpu", "--workload", &workload]);
        assert!(line["steps_per_sec"].as_f64().unwrap() > 1.0, "{workload}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [
        &["--help"][..],
        &["--version"],
        &["inspect", "--help"],
        &["--help", "--json"],
    ] {
        let output = thinkjepa(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).to_lowercase().contains("thinkjepa"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_thinkjepa"))
        .args(["inspect", "--preset", "paper", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

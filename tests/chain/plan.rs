//! Whole episodes from outside, with a checkpoint that is made here: what they end with, what they write, and that the
//! same seed gives the same plan.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::support::{TASK, document, run_in, text, untrained, with_list, world_alone};
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use serde_json::Value;

const CPU: [&str; 2] = ["--device", "cpu"];

fn valid(plan: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../assets/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(plan).map(|err| err.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
}

fn plan(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    run_in(
        folder,
        &[&["plan", TASK, "--checkpoint", "tiny"], &CPU[..], more].concat(),
        variables,
    )
}

#[test]
fn an_answer_that_cannot_be_read_ends_with_1_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    let output = plan(folder.path(), &["--seed", "3", "--json", "--out", "plan.json"], &[]);
    let printed = document(&output, 1);
    valid(&printed);
    let written: Value = serde_json::from_slice(&std::fs::read(folder.path().join("plan.json")).unwrap()).unwrap();
    assert_eq!(printed, written);
    assert_eq!(
        (&printed["outcome"], &printed["task"]),
        (&"unparsed".into(), &TASK.into())
    );
    assert!(!printed["outcome_reason"].as_str().unwrap().is_empty());
    assert_eq!(printed["actions"].as_array().unwrap().len(), 0);
    assert_eq!(printed["checkpoint"]["name"], "tiny");
}

#[test]
fn the_same_seed_gives_the_same_plan_with_one_thread_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let run = |seed: &str, threads: &str, more: &[&str]| {
        let args = [&["--seed", seed, "--out", "plan.json"], more].concat();
        let output = plan(folder.path(), &args, &[("RAYON_NUM_THREADS", threads)]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert!(
            said.contains("red is free.\n1. [pick up the red block]"),
            "the answer is streamed: {said}"
        );
        std::fs::read(folder.path().join("plan.json")).unwrap()
    };
    let first = run("7", "1", &["--gif", "episode.gif"]);
    assert!(first == run("7", "1", &[]), "the same seed gave another plan");
    assert!(first == run("7", "2", &[]), "two threads gave another plan");
    assert!(first != run("8", "2", &[]), "another seed gave the same plan");

    let document: Value = serde_json::from_slice(&first).unwrap();
    valid(&document);
    assert_eq!(document["outcome"], "not_reached");
    assert_eq!(document["reasoning"], "red is free.");
    let sub_goals = document["sub_goals"].as_array().unwrap();
    assert_eq!(sub_goals[1]["text"], "place the red block on the yellow pad");
    assert_eq!(sub_goals[0]["ended_because"], "step_limit");
    assert_eq!(
        (&document["achieved"], &sub_goals[0]["achieved"]),
        (&false.into(), &false.into())
    );
    let actions = document["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 3);
    assert!(
        actions
            .iter()
            .all(|action| action["cost"].as_f64().unwrap().is_finite())
    );

    let gif = GifDecoder::new(BufReader::new(File::open(folder.path().join("episode.gif")).unwrap())).unwrap();
    assert_eq!(gif.into_frames().collect_frames().unwrap().len(), 4);
}

#[test]
fn a_limit_of_steps_ends_an_episode_in_words() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let printed = document(&plan(folder.path(), &["--max-steps", "2", "--json"], &[]), 1);
    valid(&printed);
    assert_eq!(printed["actions"].as_array().unwrap().len(), 2);
    assert_eq!(
        printed["outcome_reason"],
        "2 steps were executed, and no more were allowed."
    );
}

#[test]
fn bad_input_is_named_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    world_alone(&folder.path().join("world"));
    let long = "put the red block ".repeat(20);
    let cases: &[(&[&str], &[&str])] = &[
        (&["plan", ""], &["The task is empty"]),
        (&["plan", "   "], &["The task is empty"]),
        (&["plan", &long], &["360 characters", "300"]),
        (
            &["plan", "stack the orange ball on the red block"],
            &["nothing orange and no ball", "red block", "purple pad"],
        ),
        (&["plan", TASK, "--scene", "moon"], &["moon"]),
        (&["plan", TASK, "--checkpoint", "nowhere"], &["nowhere", "config.json"]),
        (
            &["plan", TASK, "--checkpoint", "world"],
            &["Checkpoint world", "vision-language model", "train --stage vlm"],
        ),
        (
            &["plan", TASK, "--checkpoint", "tiny", "--max-steps", "0"],
            &["--max-steps"],
        ),
        (
            &["plan", TASK, "--checkpoint", "tiny", "--gif", "no/episode.gif"],
            &["no does not exist"],
        ),
        (
            &["plan", TASK, "--checkpoint", "tiny", "--out", "no/plan.json"],
            &["no does not exist"],
        ),
        (&["plan", TASK, "--checkpoint", "tiny", "--seed", "-1"], &["-1"]),
        (&["plan"], &["TASK"]),
    ];
    for (args, words) in cases {
        let output = run_in(folder.path(), &[*args, &CPU, &["--json"]].concat(), &[]);
        let error = document(&output, 2)["error"].as_str().unwrap().to_owned();
        for word in *words {
            assert!(error.contains(word), "{args:?} said: {error}");
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        2,
        "a refused command wrote something"
    );
}

#[test]
fn the_world_model_alone_can_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    world_alone(&folder.path().join("world"));
    let eval = |more: &[&str]| {
        let args = [
            "eval",
            "--suite",
            "oracle",
            "--checkpoint",
            "world",
            "--episodes",
            "2",
            "--json",
        ];
        run_in(folder.path(), &[&args, &CPU[..], more].concat(), &[])
    };
    let report = document(&eval(&["--kinds", "reach,stack"]), 0);
    assert_eq!(
        (&report["schema"], &report["n"]),
        (&"thinkjepa.eval/1".into(), &4.into())
    );
    assert_eq!(report["by_template"].as_object().unwrap().len(), 2);
    assert_eq!(report["settings"]["plan"]["cost"]["term"], "gate");
    assert_eq!(report["settings"]["checkpoint"]["name"], "world");
    // The gate reads the gripper alone.
    assert!(report["measured"]["content_share"].as_f64().unwrap() < 1e-6);
    assert!(report["measured"]["by_kind"]["stack"]["plan_ms"].as_f64().unwrap() > 0.0);
    let content = document(&eval(&["--kinds", "place", "--cost", "content"]), 0);
    assert!(content["measured"]["content_share"].as_f64().unwrap() > 0.0);

    let list = document(&eval(&["--list", "--kinds", "pick"]), 0);
    assert_eq!(list["templates"], serde_json::json!({ "pick": { "1": 2 } }));
    let refused = document(&eval(&["--goals", "gpi"]), 2);
    assert!(refused["error"].as_str().unwrap().contains("vision-language model"));
    let refused = run_in(
        folder.path(),
        &["eval", "--suite", "demo", "--calibrate", "--json"],
        &[],
    );
    assert!(
        document(&refused, 2)["error"]
            .as_str()
            .unwrap()
            .contains("--suite oracle")
    );
}

#[test]
fn the_demo_suite_lists_its_templates_and_runs_the_whole_chain() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let eval = |more: &[&str]| {
        let args = ["eval", "--suite", "demo", "--checkpoint", "tiny", "--json"];
        document(&run_in(folder.path(), &[&args, &CPU[..], more].concat(), &[]), 0)
    };
    let list = eval(&["--list", "--episodes", "40"]);
    let templates = list["templates"].as_object().unwrap();
    let counted: u64 = templates
        .values()
        .flat_map(|horizons| horizons.as_object().unwrap().values())
        .filter_map(Value::as_u64)
        .sum();
    assert!(counted == 40 && templates.len() > 5, "{list}");
    let report = eval(&["--episodes", "2"]);
    assert_eq!(report["n"], 2);
    assert_eq!(report["measured"]["lists_right"]["n"], 2);
    assert!(report["measured"]["steps_per_episode"].as_f64().unwrap() <= 4.0);
}

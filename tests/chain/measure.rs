//! `thinkjepa eval` from outside: every suite and every option runs on a checkpoint of a few thousand random numbers, says
//! in its report what it did, gives the same figures again, and refuses options that do not go together.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{document, run_in, untrained, with_list, world_alone};

/// Picks toward goals from language.
const GPI_PICKS: [&str; 8] = [
    "--suite",
    "oracle",
    "--goals",
    "gpi",
    "--kinds",
    "pick",
    "--episodes",
    "2",
];
/// Typed tasks of two sub-goals.
const DEMO: [&str; 4] = ["--suite", "demo", "--horizon", "2"];

fn eval(folder: &Path, args: &[&str], code: i32) -> Value {
    document(
        &run_in(folder, &[&["eval", "--device", "cpu", "--json"], args].concat(), &[]),
        code,
    )
}

fn in_tiny(folder: &Path, args: &[&str]) -> Value {
    eval(folder, &[&["--checkpoint", "tiny"], args].concat(), 0)
}

/// The figures of a report, without where, how fast and by what words they were made.
fn figures(mut report: Value) -> Value {
    let all = report.as_object_mut().unwrap();
    all.remove("machine");
    if let Some(settings) = all["settings"].as_object_mut() {
        settings.remove("command");
    }
    if let Some(kinds) = all["measured"]["by_kind"].as_object_mut() {
        kinds.values_mut().for_each(|kind| {
            kind.as_object_mut().unwrap().remove("plan_ms");
        });
    }
    report
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--suite", "demo", "--map", "true"], &["--map", "--suite oracle"]),
        (&["--suite", "oracle", "--map", "uniform"], &["--map", "--goals gpi"]),
        (
            &["--suite", "oracle", "--goals", "gpi", "--map", "true", "--calibrate"],
            &["--calibrate", "leave --map out"],
        ),
        (
            &["--suite", "lists", "--baseline", "flat"],
            &["--baseline", "--suite demo"],
        ),
        (
            &["--suite", "demo", "--baseline", "random", "--disturb"],
            &["--disturb", "true-lists"],
        ),
        (
            &["--suite", "demo", "--baseline", "flat-image", "--disturb"],
            &["--disturb", "true-lists"],
        ),
        (
            &["--suite", "swap", "--horizon", "2"],
            &["--horizon", "--suite demo or --suite lists"],
        ),
        (&["--suite", "demo", "--horizon", "4"], &["4"]),
        (&["--suite", "demo", "--kinds", "pick"], &["--kinds", "--suite oracle"]),
        (&["--suite", "demo", "--goals", "gpi"], &["--goals", "--suite oracle"]),
        (
            &["--suite", "oracle", "--phrasing", "held-out"],
            &["--phrasing", "demo"],
        ),
        (&["--suite", "world", "--cost", "gate"], &["--cost"]),
        (&["--suite", "world", "--list"], &["--list", "world"]),
        (&["--suite", "swap", "--episodes", "0"], &["--episodes is 0"]),
        (&["--suite", "demo", "--calibrate"], &["--calibrate", "--suite oracle"]),
        (
            &["--suite", "blame", "--baseline", "flat"],
            &["--baseline", "--suite demo"],
        ),
        (&["--suite", "demo", "--parts", "list"], &["--parts", "--suite blame"]),
        (&["--suite", "demo", "--all"], &["--all", "--suite thinkbench"]),
        (
            &["--suite", "thinkbench", "--all", "--baseline", "flat"],
            &["--all", "leave --baseline and --out out"],
        ),
        (&[], &["--suite"]),
        (&["--ablation", "no-brain"], &["no-brain", "--ablation list"]),
        (
            &["--ablation", "no-sigreg"],
            &["train a checkpoint with --set train.stage1.losses.lambda_reg=0.0"],
        ),
        (
            &["--suite", "oracle", "--ablation", "no-lora"],
            &["--ablation", "--suite demo"],
        ),
        (
            &["--ablation", "no-vlm", "--baseline", "random"],
            &["no-vlm", "leave --baseline out"],
        ),
    ];
    for (args, words) in cases {
        let report = eval(folder.path(), args, 2);
        let error = report["error"].as_str().unwrap();
        for word in *words {
            assert!(error.contains(word), "{args:?} said: {error}");
        }
    }
    world_alone(&folder.path().join("world"));
    let refused = eval(folder.path(), &["--suite", "swap", "--checkpoint", "world"], 2);
    assert!(refused["error"].as_str().unwrap().contains("vision-language model"));
}

#[test]
fn goals_from_language_are_measured_with_every_map() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    let run = |map: &str| figures(in_tiny(folder.path(), &[&GPI_PICKS[..], &["--map", map]].concat()));
    for map in ["vlm", "shuffled", "uniform", "true"] {
        let report = run(map);
        assert_eq!((&report["settings"]["map"], &report["n"]), (&map.into(), &2.into()));
        let declared = &report["measured"]["declarations"]["declared"];
        assert_eq!(declared["n"], 2, "{declared}");
        assert_eq!(report, run(map), "the same seed, the same figures");
    }
    let without = figures(in_tiny(folder.path(), &GPI_PICKS));
    assert_eq!(without, run("vlm"), "the language model's own map is the default");
    let oracle = in_tiny(
        folder.path(),
        &["--suite", "oracle", "--kinds", "pick", "--episodes", "1"],
    );
    assert_eq!(oracle["settings"]["map"], Value::Null);
}

#[test]
fn swapped_objects_are_measured_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    let run = || {
        figures(in_tiny(
            folder.path(),
            &["--suite", "swap", "--episodes", "6", "--seed", "3"],
        ))
    };
    let report = run();
    assert_eq!(report, run());
    assert_eq!(report["n"], 6);
    let kinds = report["by_template"].as_object().unwrap();
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["pick", "place", "stack"]);
    assert!(kinds.values().all(|kind| kind["n"] == 2));
    let measured = &report["measured"];
    let ratio = &measured["median_share_of_distance"];
    // An interface that was never trained does not know one text from another.
    assert!(ratio["value"].as_f64().unwrap() < 0.5, "{measured}");
    assert_eq!((ratio["ci95"].as_array().unwrap().len(), &ratio["n"]), (2, &6.into()));
    for goal in ["first", "second"] {
        assert!(measured["median_error_m"][goal]["value"].as_f64().unwrap() > 0.0);
    }
    assert!(measured["by_kind"]["place"]["median_share_of_distance"].is_object());
    let list = eval(folder.path(), &["--suite", "swap", "--list", "--episodes", "4"], 0);
    assert_eq!(list["templates"]["pick"]["1"], 2);
}

#[test]
fn baselines_stand_beside_the_chain_on_the_same_episodes() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let run = |more: &[&str]| {
        let args = [&DEMO[..], &["--episodes", "3"], more].concat();
        figures(in_tiny(folder.path(), &args))
    };
    let chain = run(&[]);
    assert_eq!(
        (&chain["settings"]["baseline"], &chain["settings"]["horizon"]),
        (&"none".into(), &2.into())
    );
    assert_eq!(chain["measured"]["solved_in_budget"]["n"], 3);
    for baseline in ["flat", "flat-image", "random", "true-lists", "true-goals"] {
        let report = run(&["--baseline", baseline]);
        assert_eq!(
            report,
            run(&["--baseline", baseline, "--jobs", "1"]),
            "the same seed, the same figures, however many episodes run at a time"
        );
        assert_eq!(report["settings"]["baseline"], baseline.replace('-', "_"));
        let templates = |report: &Value| {
            let templates = report["by_template"].as_object().unwrap();
            templates
                .iter()
                .map(|(name, rate)| (name.clone(), rate["n"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(templates(&report), templates(&chain));
        assert_eq!(report["by_horizon"]["2"]["n"], 3);
        let measured = &report["measured"];
        assert_eq!(measured["held_on_the_way"]["n"], 3);
        let steps = measured["steps_per_episode"].as_f64().unwrap();
        match baseline {
            // Two sub-goals of three steps each, all in one.
            "flat" | "flat-image" => assert!(steps == 6.0 && measured["declared"]["solved"] == 0, "{measured}"),
            "random" => assert!(steps == 6.0 && measured["declared"].is_null(), "{measured}"),
            _ => assert!(steps == 3.0 && measured["lists_right"]["solved"] == 3, "{measured}"),
        }
    }
    // In the expert's hands the true lists are right, and those that are known by heart are mostly another task's.
    let expert = run(&["--baseline", "expert"]);
    assert_eq!(
        (&expert["solved"], &expert["settings"]["baseline"]),
        (&3.into(), &"expert".into())
    );
    assert_eq!(expert["measured"]["lists_right"]["solved"], 3);
    let by_heart = run(&["--baseline", "vlm-expert"]);
    assert_eq!(by_heart["settings"]["baseline"], "vlm_expert");
    assert_eq!(by_heart["measured"]["lists_right"], chain["measured"]["lists_right"]);
    assert_eq!(
        by_heart["solved"],
        by_heart["measured"]["solved_where_list_right"]["solved"]
    );
}

#[test]
fn tasks_in_a_row_follow_each_other_whoever_carries_them_out_and_however_many_rows_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let rows = |more: &[&str]| {
        let suite = ["--suite", "in-a-row", "--episodes", "4"];
        figures(in_tiny(folder.path(), &[&suite[..], more].concat()))
    };
    let expert = rows(&["--baseline", "expert"]);
    let of_length = |report: &Value, length: &str| report["measured"]["in_a_row"][length]["solved"].as_u64().unwrap();
    let five = of_length(&expert, "5") + expert["measured"]["cut_short"].as_u64().unwrap();
    assert_eq!((of_length(&expert, "1"), five), (4, 4));
    assert!(expert["measured"]["average_length"]["value"].as_f64().unwrap() > 4.0);
    let chain = rows(&["--jobs", "1"]);
    assert_eq!(chain, rows(&["--jobs", "2"]));
    assert!(of_length(&chain, "1") >= of_length(&chain, "2"));
    let refused = eval(
        folder.path(),
        &["--suite", "in-a-row", "--scene", "thinkbench", "--checkpoint", "tiny"],
        2,
    );
    assert!(refused["error"].as_str().unwrap().contains("Choose another scene"));
}

/// The rows that take long stand there already, as if the command had been stopped after them.
#[test]
fn a_row_of_the_table_whose_record_is_there_is_not_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let records = folder.path().join("records");
    std::fs::create_dir(&records).unwrap();
    let suite = ["--suite", "thinkbench"];
    let random = in_tiny(folder.path(), &[&suite[..], &["--baseline", "random"]].concat());
    assert_eq!(
        (&random["n"], &random["by_horizon"]["10"]["n"]),
        (&200.into(), &50.into())
    );
    for (of, words) in [("by_phrasing", "held_out"), ("by_looks", "held_out")] {
        assert_eq!(random["measured"][of][words]["n"], 80, "{of}");
    }
    for name in [
        "",
        "-flat",
        "-flat-image",
        "-true-lists",
        "-true-goals",
        "-vlm-expert",
        "-expert",
    ] {
        let mut record = random.clone();
        let baseline = name.strip_prefix('-').unwrap_or("none").replace('-', "_");
        record["settings"]["baseline"] = baseline.into();
        std::fs::write(records.join(format!("thinkbench{name}.json")), record.to_string()).unwrap();
    }
    let all = || {
        in_tiny(
            folder.path(),
            &[&suite[..], &["--all", "--records", "records"]].concat(),
        )
    };
    // A policy that it does not have is left out.
    assert_eq!(all()["records"].as_array().unwrap().len(), 8);
    let path = records.join("thinkbench-random.json");
    let made = std::fs::read_to_string(&path).unwrap();
    assert_eq!(figures(serde_json::from_str(&made).unwrap()), figures(random));
    all();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
}

#[test]
fn a_policy_that_clones_behaviour_is_trained_kept_and_measured_beside_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = folder.path().join("tiny");
    with_list(&tiny);
    let bc = [&DEMO[..], &["--episodes", "2", "--baseline", "bc"]].concat();
    let refused = eval(folder.path(), &[&["--checkpoint", "tiny"], &bc[..]].concat(), 2);
    let said = refused["error"].as_str().unwrap();
    assert!(
        said.contains("no policy for the baseline") && said.contains("thinkjepa train --stage bc"),
        "{said}"
    );
    let train = [
        "train", "--stage", "bc", "--run", "bc", "--from", "tiny", "--out", "tiny", "--steps", "3",
    ];
    let done = document(
        &run_in(
            folder.path(),
            &[&train[..], &["--device", "cpu", "--json"]].concat(),
            &[],
        ),
        0,
    );
    assert!(done["metrics"]["move"].as_f64().unwrap() > 0.0, "{done}");
    let card = std::fs::read_to_string(tiny.join("card.md")).unwrap();
    assert!(
        card.contains("- Stage bc: 3 steps of 4 moments out of 6 demonstrations of 40 actions"),
        "{card}"
    );
    let chain = figures(in_tiny(folder.path(), &[&DEMO[..], &["--episodes", "2"]].concat()));
    let report = figures(in_tiny(folder.path(), &bc));
    assert_eq!(
        report,
        figures(in_tiny(folder.path(), &[&bc[..], &["--jobs", "1"]].concat()))
    );
    assert_eq!(
        (&report["n"], &report["settings"]["baseline"]),
        (&2.into(), &"bc".into())
    );
    let measured = &report["measured"];
    assert_eq!(
        measured["lists_right"], chain["measured"]["lists_right"],
        "the same lists"
    );
    // Two sub-goals of at most three steps each.
    assert!(measured["steps_per_episode"].as_f64().unwrap() <= 6.0, "{measured}");
    assert!(
        measured["declared"].is_object() && measured["solved_in_budget"].is_object(),
        "{measured}"
    );
}

#[test]
fn every_failed_episode_has_its_blame_and_a_stopped_measurement_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    with_list(&folder.path().join("tiny"));
    let (out, kept) = (
        folder.path().join("blame.json"),
        folder.path().join("blame.json.episodes.jsonl"),
    );
    let run = |more: &[&str]| {
        let args = [&["--suite", "blame", "--sub-goals", "2", "--seed", "3"], more].concat();
        figures(in_tiny(folder.path(), &args))
    };
    let whole = run(&["--episodes", "3"]);
    let (measured, failed) = (&whole["measured"], whole["measured"]["failed"].as_u64().unwrap());
    assert_eq!(
        (whole["n"].as_u64(), whole["settings"]["horizon"].as_u64()),
        (Some(3), Some(2))
    );
    assert!(failed > 0 && failed == 3 - whole["solved"].as_u64().unwrap(), "{whole}");
    let blame = measured["blame"].as_object().unwrap();
    let shares: u64 = blame.values().map(|rate| rate["solved"].as_u64().unwrap()).sum();
    assert_eq!((blame.len(), shares), (8, failed), "{measured}");
    for episode in measured["episodes"].as_array().unwrap() {
        let failed = &episode["failed"];
        let cures = failed["cures"].as_array().unwrap();
        match cures.first() {
            Some(first) => assert_eq!(first, &failed["blame"]),
            None => assert!(failed["blame"] == "none" || failed["blame"] == "several"),
        }
    }
    assert_eq!(whole["settings"]["replaced_by"].as_object().unwrap().len(), 6);
    let lists = run(&["--episodes", "3", "--parts", "list"]);
    assert_eq!(lists["measured"]["cures"].as_object().unwrap().len(), 1);
    assert_eq!(lists["measured"]["cures"]["list"], measured["cures"]["list"]);

    // The journal of two episodes, as a measurement that was stopped leaves it.
    let name = out.to_str().unwrap();
    let with_out = ["--episodes", "2", "--out", name];
    let head_only = Command::new(env!("CARGO_BIN_EXE_thinkjepa"))
        .args([
            "eval",
            "--device",
            "cpu",
            "--checkpoint",
            "tiny",
            "--suite",
            "blame",
            "--sub-goals",
            "2",
            "--seed",
            "3",
        ])
        .args(with_out)
        .current_dir(folder.path())
        .spawn();
    let mut stopped = head_only.unwrap();
    let lines = || std::fs::read_to_string(&kept).map_or(0, |text| text.lines().count());
    while lines() < 2 && stopped.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    stopped.kill().ok();
    stopped.wait().unwrap();
    let refused = [
        "--suite",
        "blame",
        "--sub-goals",
        "2",
        "--seed",
        "4",
        "--checkpoint",
        "tiny",
        "--out",
        name,
    ];
    if lines() > 0 {
        let refused = eval(folder.path(), &refused, 2);
        assert!(
            refused["error"].as_str().unwrap().contains("another measurement"),
            "{refused}"
        );
    }
    assert_eq!(
        run(&["--episodes", "3", "--out", name]),
        whole,
        "stopped and gone on with, the same figures"
    );
    assert!(!kept.exists() && out.exists());
}

#[test]
fn ablations_are_listed_and_each_switch_is_measured_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let listed = eval(folder.path(), &["--ablation", "list"], 0);
    let listed = listed["ablations"].as_array().unwrap();
    assert!(
        listed
            .iter()
            .any(|one| one["name"] == "no-sigreg" && one["needs_training"] == true)
    );
    with_list(&folder.path().join("tiny"));
    let run = |more: &[&str]| {
        figures(in_tiny(
            folder.path(),
            &[more, &["--episodes", "2", "--sub-goals", "2"]].concat(),
        ))
    };
    let chain = run(&["--suite", "demo"]);
    assert!(chain["settings"]["ablation"].is_null());
    for one in listed.iter().filter(|one| one["needs_training"] == false) {
        let name = one["name"].as_str().unwrap();
        if name == "no-lora" {
            let refused = [&["--checkpoint", "tiny"], &["--ablation", name][..]].concat();
            let said = eval(folder.path(), &refused, 2);
            assert!(said["error"].as_str().unwrap().contains("no adapters"), "{said}");
            continue;
        }
        let report = run(&["--ablation", name]);
        assert_eq!(
            (&report["suite"], &report["settings"]["ablation"]),
            (&"demo".into(), one)
        );
        assert_eq!(report["n"], 2);
        // This checkpoint never asks again anyway.
        let changes = name != "no-replans" && !one["settings"].as_array().unwrap().is_empty();
        assert_eq!(
            changes,
            report["settings"]["plan"] != chain["settings"]["plan"],
            "{name}"
        );
    }
    assert_eq!(run(&["--ablation", "no-vlm"])["settings"]["baseline"], "flat");
    let again = ["--ablation", "random-gpi"];
    assert_eq!(run(&again), run(&again), "the same seed, the same figures");
}

#[test]
fn lists_and_the_map_s_mass_are_measured_with_intervals() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    let run = || figures(in_tiny(folder.path(), &["--suite", "lists", "--episodes", "3"]));
    let report = run();
    assert_eq!(report, run());
    assert_eq!(report["n"], 3);
    let mass = &report["measured"]["map_mass_on_objects"];
    let of = |number: &Value| number.as_f64().unwrap();
    let [low, high] = [0, 1].map(|bound| of(&mass["ci95"][bound]));
    assert!(
        mass["n"] == 3 && low <= of(&mass["value"]) && of(&mass["value"]) <= high,
        "{mass}"
    );
    // Random weights look everywhere.
    assert!((0.2..3.0).contains(&of(&mass["value"])), "{mass}");
}

#[test]
fn only_episodes_in_which_a_block_was_moved_count_as_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    untrained(&folder.path().join("tiny"));
    let more = ["--episodes", "16", "--baseline", "true-lists", "--disturb"];
    let run = || figures(in_tiny(folder.path(), &[&DEMO[..], &more].concat()));
    let report = run();
    assert_eq!(report, run());
    let measured = &report["measured"];
    let count = |key: &str| measured[key].as_u64().unwrap();
    assert_eq!(
        count("disturbed") + count("not_about_a_free_block") + count("nothing_moved"),
        16,
        "{measured}"
    );
    assert_eq!(report["n"], measured["disturbed"]);
    assert_eq!(measured["undisturbed"]["n"], measured["disturbed"]);
    // Nothing is ever reached by these weights: what is moved is moved on the way to the first grasp.
    assert!(count("disturbed") > 0);
    assert_eq!(measured["by_moment"]["on_the_way"]["n"], measured["disturbed"]);
    for moved in measured["moved"].as_array().unwrap() {
        assert_eq!(moved["step"], 3, "{moved}");
        assert_ne!(moved["from_m"], moved["to_m"]);
    }
    assert_eq!(report["settings"]["disturb"], true);
}

#[test]
fn the_world_model_is_probed_on_fresh_episodes() {
    let folder = tempfile::tempdir().unwrap();
    world_alone(&folder.path().join("tiny"));
    let run = || figures(in_tiny(folder.path(), &["--suite", "world", "--episodes", "3"]));
    let report = run();
    assert_eq!(report, run());
    assert_eq!(report["settings"]["episodes_fitted"], 18);
    // Nothing is solved here.
    let total = ["n", "solved", "success_rate", "ci95", "by_horizon"];
    assert!(total.iter().all(|field| report[field].is_null()), "{report}");
    assert_eq!(report["by_template"].as_object().unwrap().len(), 3);
    let measured = &report["measured"];
    for ahead in ["1", "4", "8"] {
        for of in ["tokens", "pooled", "content", "gripper_xy", "flags"] {
            let error = &measured["open_loop"][ahead][of]["error_over_persistence"];
            assert!(
                error["value"].as_f64().unwrap() > 0.0 && error["n"] == 3,
                "{ahead} {of}: {error}"
            );
        }
    }
    for features in ["pooled", "tokens", "tokens_perceptron"] {
        let read_out = &measured["read_out"][features];
        for figure in [
            "gripper_m",
            "blocks_m",
            "gripper_chance_m",
            "blocks_chance_m",
            "held",
            "held_chance",
        ] {
            let value = read_out["found"][figure]["value"].as_f64().unwrap();
            assert!((0.0..1.0).contains(&value), "{figure}: {value}");
        }
        assert_eq!(read_out["found"]["by_block_m"].as_object().unwrap().len(), 3);
        assert!(read_out["moved"]["8"]["blocks"].as_u64().unwrap() > 0);
    }
    // Random convolutions of a picture still tell where the gripper is.
    let found = &measured["read_out"]["tokens"]["found"];
    assert!(
        found["gripper_m"]["value"].as_f64().unwrap() < found["gripper_chance_m"]["value"].as_f64().unwrap(),
        "{found}"
    );
}

//! Every stage is killed at some step, goes on, and ends with the weights of a run that was left alone, bit for bit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use thinkjepa::config::Config;
use thinkjepa::weights::{Checkpoint, NamedTensor};

use crate::support::{config, document, run_in, untrained};

const STEPS: usize = 40;
const EVERY: usize = 3;

fn small() -> Config {
    let mut config = config();
    config.vlm.max_tokens = 512;
    let train = &mut config.train;
    train.checkpoint_every = EVERY;
    // Several batches a step: those of a step that is done again are the same ones.
    (train.stage1b.accumulation, train.vlm.accumulation) = (2, 2);
    // One change of pools, facts and text on both sides of where the run is killed.
    (train.vlm.facts_steps, train.vlm.steps) = (8, STEPS - 8);
    (train.vlm.facts_batch, train.vlm.batch, train.vlm.warmup_steps) = (4, 2, 2);
    let stage = &mut train.stage2;
    (stage.scenes_total, stage.scenes, stage.sub_goals_per_scene) = (4, 2, 3);
    (stage.lora_steps, stage.lora_scenes, stage.warmup_steps) = (STEPS - 4, 2, 2);
    config
}

fn write_preset(folder: &Path, name: &str, config: &Config) {
    config.validate(name).unwrap();
    std::fs::write(folder.join(name), ron::ser::to_string(config).unwrap()).unwrap();
}

fn datagen(folder: &Path) {
    let args = ["datagen", "--episodes", "3", "--steps", "6", "--out", "data"];
    let made = run_in(folder, &[&args[..], &["--preset", "small.ron", "--json"]].concat(), &[]);
    document(&made, 0);
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Starts a training and kills it (SIGKILL) once it has done some steps behind its first checkpoint.
fn kill(folder: &Path, run: &str, args: &[&str]) {
    let log = folder.join(run).join("metrics.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_thinkjepa"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Not a multiple of the distance of two checkpoints: what is resumed are steps that were done already.
    while lines(&log) < 2 * EVERY + 1 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines(&log) < STEPS, "it was over before it could be killed");
}

/// A run that is killed against one that is not: the same weights, the same losses. Returns the weights.
fn twice(folder: &Path, stage: &str, steps: bool, more: &[&str]) -> Vec<NamedTensor> {
    let count = STEPS.to_string();
    let steps: &[&str] = if steps { &["--steps", &count] } else { &[] };
    let result = |run: &str, out: &str, killed: bool| {
        let args = ["train", "--stage", stage, "--run", run, "--out", out];
        let args = [&args[..], more, steps, &["--device", "cpu", "--json"]].concat();
        if killed {
            kill(folder, run, &args);
        }
        let done = document(&run_in(folder, &args, &[]), 0);
        assert_eq!(done["done"], STEPS, "stage {stage}");
        let log = std::fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
        let losses: Vec<(u64, f64)> = log
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                (line["step"].as_u64().unwrap(), line["loss"].as_f64().unwrap())
            })
            .collect();
        assert!(losses.iter().map(|(step, _)| *step).eq(1..=STEPS as u64), "{losses:?}");
        (losses, tensors(&folder.join(out)))
    };
    let (of_run, of_out) = (format!("{stage}-whole"), format!("{stage}-whole-out"));
    let whole = result(&of_run, &of_out, false);
    let killed = result(&format!("{stage}-killed"), &format!("{stage}-killed-out"), true);
    assert!(whole.0 == killed.0, "stage {stage}: other losses after it was killed");
    assert!(whole.1 == killed.1, "stage {stage}: other weights after it was killed");
    whole.1
}

fn tensors(checkpoint: &Path) -> Vec<NamedTensor> {
    let checkpoint = Checkpoint::open(checkpoint).unwrap();
    let names: Vec<&str> = checkpoint.tensors.names().collect();
    names
        .into_iter()
        .map(|name| checkpoint.tensors.read(name).unwrap())
        .collect()
}

#[test]
fn stages_1_and_1b_are_resumed_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_preset(at, "small.ron", &small());
    datagen(at);
    let more = ["--preset", "small.ron", "--data", "data"];
    twice(at, "1", true, &more);
    // A temporal distance may be wanted of a world model that has none yet.
    let from = ["--from", "1-whole-out", "--set", "world_model.temporal_distance=8"];
    let trained = twice(at, "1b", true, &[&more[..], &from].concat());
    let of_head = trained
        .iter()
        .filter(|tensor| tensor.name.starts_with("heads.temporal."));
    assert_eq!(of_head.count(), 8, "mean, scale, and weight and bias of three layers");
    assert!(
        !tensors(&at.join("1-whole-out"))
            .iter()
            .any(|tensor| tensor.name.contains("temporal"))
    );
}

#[test]
fn stage_vlm_is_resumed_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_preset(at, "small.ron", &small());
    // The preset's own steps: --steps would leave those on facts as they are.
    twice(at, "vlm", false, &["--preset", "small.ron"]);
}

/// It adds the policy to the checkpoint, and everything else stays as it was.
#[test]
fn stage_bc_is_resumed_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    untrained(&at.join("base"));
    write_preset(at, "small.ron", &small());
    let made = twice(at, "bc", true, &["--preset", "small.ron", "--from", "base"]);
    let (policy, rest): (Vec<_>, Vec<_>) = made.into_iter().partition(|tensor| tensor.name.starts_with("policy."));
    assert!(
        policy.len() > 20 && rest == tensors(&at.join("base")),
        "{}",
        policy.len()
    );
}

/// Frozen, the world model stays as it was; in joint mode encoder and predictor move, and the statistics with them.
#[test]
fn stage_2_is_resumed_bit_for_bit_alone_and_jointly() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    untrained(&at.join("base"));
    write_preset(at, "small.ron", &small());
    let mut joint = small();
    (joint.train.stage2.joint_rate, joint.train.stage2.accumulation) = (0.2, 2);
    write_preset(at, "joint.ron", &joint);

    let from = ["--from", "base", "--data", "data"];
    let args = [
        "train",
        "--stage",
        "2",
        "--run",
        "refused",
        "--preset",
        "joint.ron",
        "--device",
        "cpu",
        "--json",
    ];
    let refused = document(&run_in(at, &[&args[..], &from].concat(), &[]), 2);
    let said = refused["error"].as_str().unwrap();
    assert!(
        said.contains("train.stage2.joint_rate is 0.2") && said.contains("no episodes in data"),
        "{said}"
    );
    assert!(!at.join("refused").exists());

    let base = tensors(&at.join("base"));
    let changed = |tensors: &[NamedTensor], prefix: &str| {
        let of = |tensors: &[NamedTensor]| -> Vec<NamedTensor> {
            tensors
                .iter()
                .filter(|tensor| tensor.name.starts_with(prefix))
                .cloned()
                .collect()
        };
        let (now, then) = (of(tensors), of(&base));
        assert!(
            !now.is_empty() && now.iter().map(|t| &t.name).eq(then.iter().map(|t| &t.name)),
            "{prefix}"
        );
        now != then
    };
    let world = [
        "encoder.",
        "target_encoder.",
        "predictor.",
        "heads.",
        "latent_stats.mean",
    ];
    let alone = twice(at, "2", true, &[&from[..], &["--preset", "small.ron"]].concat());
    assert!(changed(&alone, "gpi."));
    for prefix in world {
        assert!(!changed(&alone, prefix), "{prefix} of a frozen world model moved");
    }
    // From what it made itself, whose adapters and interface it makes anew.
    let again = [
        "train",
        "--stage",
        "2",
        "--run",
        "again",
        "--out",
        "again-out",
        "--preset",
        "small.ron",
    ];
    let again = [
        &again[..],
        &["--from", "2-whole-out", "--steps", "40", "--device", "cpu", "--json"],
    ]
    .concat();
    document(&run_in(at, &again, &[]), 0);
    assert!(
        tensors(&at.join("again-out")) == alone,
        "other weights from a checkpoint with adapters"
    );

    datagen(at);
    for name in ["2-whole", "2-killed", "2-whole-out", "2-killed-out"] {
        std::fs::remove_dir_all(at.join(name)).unwrap();
    }
    let jointly = twice(at, "2", true, &[&from[..], &["--preset", "joint.ron"]].concat());
    assert!(changed(&jointly, "gpi."));
    for prefix in world {
        assert!(changed(&jointly, prefix), "{prefix} did not move in joint mode");
    }
    let card = std::fs::read_to_string(at.join("2-whole-out/card.md")).unwrap();
    assert!(card.contains("- Joint mode: the world model was trained too"), "{card}");
}

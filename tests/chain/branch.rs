//! Branches and edits of real episodes of the shipped checkpoint: under the same seed a branch is the same to the byte, under
//! another it is another, nothing on disk is lost, and a list that was edited says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thinkjepa::device::DeviceChoice;
use thinkjepa::engine::{BoardView, Breakpoints, Command, Engine, Phase, Until};
use thinkjepa::planner::SubGoal;
use thinkjepa::recording::file;
use thinkjepa::sim::DEMO_SCENE;
use thinkjepa::studio::{StudioSettings, start};

use crate::window::Window;

const STACK: &str = "stack the red block on the green block";

fn shipped() -> PathBuf {
    PathBuf::from("checkpoints/nano")
}

/// An engine, and what is asked of it.
pub struct Desk(pub Engine);

impl Desk {
    pub fn open(recordings: &Path) -> Self {
        let settings = StudioSettings {
            checkpoint: shipped(),
            scene: DEMO_SCENE.to_owned(),
            seed: 7,
            device: DeviceChoice::Cpu,
            recordings: Some(recordings.to_owned()),
        };
        let desk = Self(start(settings, Arc::new(|| ())).unwrap());
        desk.until("idle", |board| board.phase == Phase::Idle);
        desk
    }

    pub fn until(&self, what: &str, shown: impl Fn(&BoardView) -> bool) {
        let begun = Instant::now();
        loop {
            let board = self.0.board();
            if shown(&board) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(180), "never {what}: {board:?}");
            self.0.wait(Duration::from_millis(20));
        }
    }

    pub fn plan(&self) {
        let task = STACK.to_owned();
        let (seed, then) = (7, None);
        assert!(self.0.send(Command::Plan { task, seed, then }));
        self.until("planned", |board| board.phase == Phase::Paused);
    }

    pub fn finish(&self) {
        assert!(self.0.send(Command::Run(Until::End)));
        self.until("running", |board| board.phase != Phase::Paused);
        self.until("finished", |board| board.phase == Phase::Finished);
    }

    /// Goes on from a step as the next branch.
    fn branch(&self, step: usize, seed: Option<u64>, id: usize) {
        assert!(self.0.send(Command::Seek {
            branch: None,
            step,
            seed,
        }));
        self.at_hand(id);
        self.until("paused", |board| board.phase == Phase::Paused);
    }

    fn at_hand(&self, id: usize) {
        self.until("at hand", |board| board.branches.at_hand == Some(id));
    }

    fn ids(&self) -> Vec<usize> {
        self.0.board().branches.list.iter().map(|branch| branch.id).collect()
    }

    pub fn exported(&self, path: &Path) -> Vec<u8> {
        assert!(self.0.send(Command::Export {
            path: path.to_owned(),
            steps: None
        }));
        let wrote = format!("Wrote {}.", path.display());
        self.until("exported", |board| board.log.iter().any(|line| line.text == wrote));
        std::fs::read(path).unwrap()
    }
}

fn valid(plan: &[u8]) -> Value {
    let plan: Value = serde_json::from_slice(plan).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../assets/plan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&plan).map(|err| err.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    plan
}

#[test]
fn a_branch_under_the_same_seed_is_the_same_to_the_byte_and_under_another_it_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let desk = Desk::open(folder.path());
    desk.plan();
    desk.finish();
    let first = desk.exported(&at("first.json"));
    let recording = desk.0.recording();
    assert!(recording.steps.len() > 6, "{} steps", recording.steps.len());
    let bytes = std::fs::read(at("episode-0001.tjrec")).unwrap();

    desk.branch(5, None, 1);
    desk.finish();
    assert!(
        desk.exported(&at("same.json")) == first,
        "the same seed did something else"
    );

    desk.branch(5, Some(8), 2);
    desk.finish();
    let other = valid(&desk.exported(&at("other.json")));
    let plain = valid(&first);
    let actions = |plan: &Value| plan["actions"].as_array().unwrap().clone();
    assert_eq!(actions(&other)[..5], actions(&plain)[..5]);
    assert_ne!(actions(&other)[5], actions(&plain)[5]);
    assert_eq!(
        other["seeds"],
        json!({ "episode": 7, "later": [{ "from_step": 5, "seed": 8 }] })
    );

    // The first one is there as it was left, in the list and on disk.
    assert!(desk.0.send(Command::GoToBranch(0)));
    desk.at_hand(0);
    assert!(desk.0.recording() == recording);
    assert!(desk.exported(&at("again.json")) == first);
    assert_eq!(std::fs::read(at("episode-0001.tjrec")).unwrap(), bytes);
    for (name, parent) in [
        ("episode-0002.tjrec", "episode-0001.tjrec"),
        ("episode-0003.tjrec", "episode-0002.tjrec"),
    ] {
        let branch = file::open(&at(name)).unwrap().recording;
        let point = branch.branched_from.last().unwrap();
        assert_eq!((point.file.as_deref(), point.step), (Some(parent), 5));
        assert_eq!(branch.steps[..5], recording.steps[..5]);
        assert!(branch.outcome.is_some());
    }

    // From a step of another branch than the one at hand, which stays as it is.
    let seek = |branch, step| {
        assert!(desk.0.send(Command::Seek {
            branch: Some(branch),
            step,
            seed: None,
        }));
    };
    seek(2, 5);
    desk.at_hand(3);
    let third = desk.0.recording();
    let seeds: Vec<u64> = third.branched_from.iter().map(|point| point.seed).collect();
    assert_eq!((seeds, third.steps.len()), (vec![7, 8, 8], 6));
    assert!(*desk.0.board().branches.get(0).unwrap().recording == *recording);
    seek(0, recording.steps.len() - 1);
    desk.until("refused", |board| board.failure.is_some());
    let last = format!("the last is {}.", recording.steps.len() - 2);
    assert!(desk.0.board().failure.unwrap().what.ends_with(&last));
    assert!(desk.0.send(Command::DismissFailure));
    desk.until("dismissed", |board| board.failure.is_none());
    assert!(desk.0.send(Command::GoToBranch(0)));
    desk.at_hand(0);
    assert!(desk.0.send(Command::DeleteBranch(3)));
    desk.until("deleted", |board| board.branches.deleted == Some(3));

    // A branch is deleted and brought back; the one at hand is not.
    assert!(desk.0.send(Command::DeleteBranch(1)));
    desk.until("deleted", |board| board.branches.deleted == Some(1));
    assert_eq!(desk.ids(), [0, 2]);
    assert!(desk.0.send(Command::UndeleteBranch));
    desk.until("back", |board| board.branches.deleted.is_none());
    assert_eq!(desk.ids(), [0, 1, 2]);
    assert!(desk.0.send(Command::DeleteBranch(0)));
    desk.until("refused", |board| board.failure.is_some());
    assert_eq!(desk.ids(), [0, 1, 2]);
}

#[test]
fn the_file_that_is_recorded_into_is_not_exported_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let desk = Desk::open(&at("recordings"));
    desk.plan();
    // The same file by another way.
    let path = at("recordings/../recordings/episode-0001.tjrec");
    assert!(desk.0.send(Command::Export { path, steps: None }));
    desk.until("refused", |board| {
        let failure = board.failure.as_ref();
        failure.is_some_and(|failure| failure.what.contains("Choose another name for a copy"))
    });
    assert!(desk.0.send(Command::Step));
    desk.until("a step", |board| {
        board.phase == Phase::Paused && desk.0.recording().steps.len() == 2
    });
    let on_disk = || file::open(&at("recordings/episode-0001.tjrec")).unwrap().recording;
    assert!(on_disk() == *desk.0.recording());
    // A copy of it is written, and the file itself once nothing is recorded into it any more.
    desk.exported(&at("copy.tjrec"));
    assert!(file::open(&at("copy.tjrec")).unwrap().recording == on_disk());
    assert!(desk.0.send(Command::OpenRecording(at("copy.tjrec"))));
    desk.until("opened", |board| board.phase == Phase::Opened);
    desk.exported(&at("recordings/episode-0001.tjrec"));
}

#[test]
fn where_a_run_paused_is_recorded_with_its_branch() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.plan();
    assert!(desk.0.send(Command::SetBreakpoints(Breakpoints {
        steps: [2].into(),
        ..Breakpoints::default()
    })));
    assert!(desk.0.send(Command::Run(Until::End)));
    desk.until("at the breakpoint", |board| {
        board.phase == Phase::Paused && !desk.0.recording().pauses.is_empty()
    });
    let pauses = desk.0.recording().pauses.clone();
    assert_eq!((pauses.len(), pauses[0].step), (1, 2));
    let on_disk = |name: &str| file::open(&folder.path().join(name)).unwrap().recording;
    assert_eq!(on_disk("episode-0001.tjrec").pauses, pauses);
    assert!(desk.0.send(Command::Step));
    desk.until("a step further", |board| {
        board.phase == Phase::Paused && desk.0.recording().steps.len() == 4
    });
    desk.branch(1, None, 1);
    assert!(desk.0.recording().pauses.is_empty());
    assert!(desk.0.send(Command::GoToBranch(0)));
    desk.at_hand(0);
    assert_eq!(desk.0.recording().pauses, pauses);
    desk.branch(2, None, 2);
    assert_eq!(desk.0.recording().pauses, pauses);
    assert_eq!(on_disk("episode-0003.tjrec").pauses, pauses);
}

#[test]
fn what_is_stopped_halfway_leaves_nothing_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.plan();
    let recording = desk.0.recording();
    let present = recording.steps[0].clone();

    // A step whose plan takes long enough to be stopped in.
    let mut config = desk.0.board().info.unwrap().plan.clone();
    config.cem.iterations = 1000;
    assert!(desk.0.send(Command::SetPlanConfig(config)));
    assert!(desk.0.send(Command::Step));
    desk.until("an iteration", |_| {
        desk.0.live().is_some_and(|live| !live.cem.is_empty())
    });
    assert!(desk.0.send(Command::Cancel));
    desk.until("stopped", |board| board.phase == Phase::Paused);
    assert!(
        *desk.0.live().unwrap() == *present,
        "the iterations that were dropped are shown"
    );

    // An answer under another seed, in another start of the scene.
    let task = STACK.to_owned();
    let (seed, then) = (8, None);
    assert!(desk.0.send(Command::Plan { task, seed, then }));
    desk.until("its scene", |_| desk.0.live().unwrap().frame != present.frame);
    assert!(desk.0.send(Command::Cancel));
    desk.until("stopped again", |board| board.phase == Phase::Paused);
    assert!(*desk.0.recording() == *recording && *desk.0.live().unwrap() == *present);
}

#[test]
fn an_edited_list_gets_its_goals_from_the_models_and_is_pursued_while_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.plan();
    let planned = desk.0.recording();
    assert!(desk.0.send(Command::Run(Until::End)));
    desk.until("under way", |_| desk.0.recording().steps.len() > 3);
    let list = [
        "pick up the red block",
        "place the red block on the moon",
        "place the red block on the yellow pad",
    ];
    assert!(desk.0.send(Command::EditSubGoals {
        list: list.iter().map(|line| SubGoal::read(line).unwrap()).collect(),
        from: 0,
    }));
    desk.until("taken up", |_| !desk.0.recording().edits.is_empty());
    assert_eq!(desk.0.board().phase, Phase::Running, "an edit pauses nothing");
    let edited = desk.0.recording();
    let [first, replaced, moon, pad] = &edited.sub_goals[..] else {
        panic!("{:?}", edited.sub_goals);
    };
    assert_eq!(
        (first.edited, first.goal_made_at_step),
        (false, planned.sub_goals[0].goal_made_at_step)
    );
    assert!(replaced.ended_because.is_some() && replaced.start_step.is_none());
    assert_eq!((moon.edited, &moon.unmatched[..]), (true, &["moon".to_owned()][..]));
    assert!(pad.edited && pad.unmatched.is_empty());
    assert!(pad.map.values != replaced.map.values, "another text has another map");

    // Back to what the model wrote.
    desk.until("the first reached", |_| {
        desk.0.recording().sub_goals[0].end_step.is_some()
    });
    assert!(
        desk.0.send(Command::EditSubGoals {
            list: planned
                .sub_goals
                .iter()
                .map(|record| SubGoal {
                    text: record.text.clone(),
                    objects: record.objects.clone(),
                })
                .collect(),
            from: 0,
        })
    );
    desk.until("finished", |board| board.phase == Phase::Finished);
    let plan = valid(&desk.exported(&folder.path().join("plan.json")));
    assert_eq!(plan["edits"].as_array().unwrap().len(), 2);
    let texts = |value: &Value| serde_json::from_value::<Vec<String>>(value.clone()).unwrap();
    assert_eq!(
        texts(&plan["edits"][1]["after"]),
        ["place the red block on the green block"]
    );
    let last = plan["sub_goals"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["text"], &last["edited"]),
        (&json!("place the red block on the green block"), &Value::Null)
    );
    assert_eq!(plan["sub_goals"][3]["edited"], json!(true));
    let on_disk = file::open(&folder.path().join("episode-0001.tjrec")).unwrap().recording;
    assert!(on_disk == *desk.0.recording());
}

#[test]
fn an_episode_is_typed_run_paused_stepped_back_branched_edited_exported_and_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut window = Window::open(shipped(), DeviceChoice::Cpu, folder.path());
    window.fill("Task", STACK);
    window.press("Plan");
    window.until("under way", |window| window.recording().steps.len() > 3);
    window.press("Pause");
    window.until("paused", |window| window.phase() == Phase::Paused);
    let first = window.recording();

    window.press("Step back");
    window.press("Step back");
    let step = first.steps.last().unwrap().step - 2;
    window.says(&format!("Go on from step {step}"));
    window.press("Branches");
    window.press("Go on as a branch");
    window.until("branched", |window| {
        window.engine().board().branches.at_hand == Some(1) && window.phase() == Phase::Paused
    });
    let branch = window.recording();
    assert_eq!((branch.steps.len(), branch.plan_seed()), (step + 1, 8));
    assert_eq!(branch.steps[..step], first.steps[..step]);

    // What is left is the second of two, unless the first was reached by then.
    window.press("Edit the sub-goals");
    window.fill("Sub-goal 2 text", "place the red block on the yellow pad");
    window.press("Apply the edit");
    window.until("edited", |window| window.recording().edits.len() == 1);
    window.0.run_steps(2);
    window.press("Run");
    window.until("finished", |window| window.phase() == Phase::Finished);
    window.says("Sub-goal 3: place the red block on the yellow pad");
    let episode = window.recording();

    let plan = valid(&window.export(&at("plan.json")));
    assert_eq!(plan["seeds"]["later"][0], json!({ "from_step": step, "seed": 8 }));
    let last = plan["sub_goals"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["text"], &last["edited"]),
        (&json!("place the red block on the yellow pad"), &json!(true))
    );
    window.export(&at("episode.tjrec"));

    window.press("Branches");
    window.press("Pin first");
    window.says("Unpin A");
    window.press("Reset");
    window.until("idle again", |window| window.phase() == Phase::Idle);
    window.open_recording(&at("episode.tjrec"));
    window.until("opened", |window| window.phase() == Phase::Opened);
    assert!(window.recording() == episode, "it is another when it is opened again");
    window.says("with A");
    assert_eq!(window.engine().board().branches.at_hand, None);
}

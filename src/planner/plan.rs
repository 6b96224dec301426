//! The plan as a document (`schema: "thinkjepa.plan/1"`): what was thought and done, for other programs to read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{WriteError, write_atomically};
use crate::config::PlanConfig;
use crate::recording::{
    AttentionMap, EditRecord, EndedBecause, Outcome, PlanSettings, Recording, ReplanRecord, SettingChange,
};
use crate::sim::Action;

/// Name of the format.
pub const PLAN_SCHEMA: &str = "thinkjepa.plan/1";

/// A plan; `assets/plan.schema.json` is its JSON schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    pub schema: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task: Option<String>,
    /// Path of the goal picture, for an episode that had one in place of a task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal_image: Option<String>,
    pub scene: String,
    pub reasoning: String,
    /// Lines of the model's list that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unread: Vec<String>,
    pub sub_goals: Vec<PlanSubGoal>,
    pub actions: Vec<PlanAction>,
    pub replans: Vec<ReplanRecord>,
    /// The user's changes of the list; where there are any, the plan is not the model's own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub edits: Vec<EditRecord>,
    /// What the episode began with.
    pub cem: PlanSettings,
    /// Settings that were turned while it ran.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<SettingChange>,
    pub seeds: Seeds,
    pub checkpoint: CheckpointName,
    /// `reached`, `not_reached`, `unparsed`, `interrupted`, or `running` for an episode that has not ended.
    pub outcome: String,
    /// Why it was not reached, or the answer that could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome_reason: Option<String>,
    /// Whether the task's own predicate held in the world at the end; none where no template knows the task.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub achieved: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSubGoal {
    pub text: String,
    pub objects: Vec<String>,
    /// Objects that the scene does not seem to have.
    pub unmatched: Vec<String>,
    pub map: AttentionMap,
    pub goal_made_at_step: usize,
    pub start_step: Option<usize>,
    pub end_step: Option<usize>,
    pub declared: bool,
    pub achieved: Option<bool>,
    pub ended_because: Option<EndedBecause>,
    /// The user wrote it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub edited: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanAction {
    pub step: usize,
    /// Index into `sub_goals`; none for the step of rest after the last.
    pub sub_goal: Option<usize>,
    /// dx, dy, grip, each in [-1, 1].
    pub action: Action,
    /// Similarity of the frame before the action to the sub-goal's latent.
    pub similarity: Option<f32>,
    /// Cost of the plan that the action was taken from.
    pub cost: Option<f32>,
    /// Which plan of this step it was taken from, for a step that was planned more than once; 0 is the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub draw: Option<u64>,
    /// The earlier step whose plan the action was taken from, where it was executed open loop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open_loop_from: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// Scene jitter, CEM and sampling.
    pub episode: u64,
    /// Other seeds of CEM and sampling, first to last, of an episode that went on from a step under another seed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub later: Vec<LaterSeed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterSeed {
    pub from_step: usize,
    pub seed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointName {
    pub name: String,
    pub hash: String,
}

impl PlanDocument {
    /// The plan of a recording, as far as it goes; `config` stands in where it has no settings of its own. Nothing in it
    /// depends on the clock.
    pub fn from_recording(recording: &Recording, config: &PlanConfig) -> Self {
        let (outcome, outcome_reason) = match &recording.outcome {
            None => ("running", None),
            Some(Outcome::Reached) => ("reached", None),
            Some(Outcome::NotReached { reason }) => ("not_reached", Some(reason.clone())),
            Some(Outcome::Unparsed { answer }) => ("unparsed", Some(answer.clone())),
            Some(Outcome::Interrupted) => ("interrupted", None),
        };
        Self {
            schema: PLAN_SCHEMA.to_owned(),
            task: Some(recording.task.clone()),
            goal_image: None,
            scene: recording.scene.clone(),
            reasoning: recording.reasoning.clone(),
            unread: recording.unread.clone(),
            sub_goals: sub_goals(recording),
            actions: actions(recording),
            replans: recording.replans.clone(),
            edits: recording.edits.clone(),
            cem: PlanSettings::from(recording.settings.as_ref().unwrap_or(config)),
            changes: recording.changes.clone(),
            seeds: seeds(recording),
            checkpoint: CheckpointName {
                name: recording.checkpoint_name.clone(),
                hash: recording.checkpoint_hash.clone(),
            },
            outcome: outcome.to_owned(),
            outcome_reason,
            achieved: recording.task_achieved,
        }
    }

    /// The document as text, one field a line; ends with a newline.
    ///
    /// # Errors
    /// `serde_json` refused it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Writes the document whole or not at all.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let text = self.to_json().map_err(|err| WriteError::Content {
            path: path.to_owned(),
            reason: err.to_string(),
        })?;
        write_atomically(path, |file| {
            file.write_all(text.as_bytes()).map_err(|err| WriteError::Io {
                path: path.to_owned(),
                err,
            })
        })
    }
}

/// A branch under the seed that was in force does what the episode would have done, and is not told apart.
fn seeds(recording: &Recording) -> Seeds {
    let (mut seed, mut later) = (recording.seed, Vec::new());
    for point in &recording.branched_from {
        if point.seed != seed {
            seed = point.seed;
            later.push(LaterSeed {
                from_step: point.step,
                seed,
            });
        }
    }
    Seeds {
        episode: recording.seed,
        later,
    }
}

fn sub_goals(recording: &Recording) -> Vec<PlanSubGoal> {
    let sub_goal = |record: &crate::recording::SubGoalRecord| PlanSubGoal {
        text: record.text.clone(),
        objects: record.objects.clone(),
        unmatched: record.unmatched.clone(),
        map: record.map.clone(),
        goal_made_at_step: record.goal_made_at_step,
        start_step: record.start_step,
        end_step: record.end_step,
        declared: record.declared,
        achieved: record.achieved,
        ended_because: record.ended_because,
        edited: record.edited,
    };
    recording.sub_goals.iter().map(sub_goal).collect()
}

fn actions(recording: &Recording) -> Vec<PlanAction> {
    let action = |record: &crate::recording::StepRecord| {
        Some(PlanAction {
            step: record.step,
            sub_goal: record.sub_goal,
            action: record.action?,
            similarity: record
                .sub_goal
                .and_then(|index| record.similarities.get(index).copied().flatten()),
            cost: record.cost,
            draw: (record.draw > 0).then_some(record.draw),
            open_loop_from: record.open_loop_from,
        })
    };
    recording.steps.iter().filter_map(|record| action(record)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::planner::toy::{frame_of, toy_config};
    use crate::recording::{BranchPoint, StageSecs, StepRecord, SubGoalRecord};

    fn recording() -> Recording {
        let ones = AttentionMap {
            grid: [1, 2],
            values: vec![1.0; 2],
            model_grid: [1, 1],
            resampled: vec![1.0],
        };
        let step = |step, action: Option<Action>| StepRecord {
            step,
            frame: frame_of(0.0, 0.0, false),
            view: frame_of(0.0, 0.0, false),
            vacuum: false,
            sub_goal: Some(0),
            similarities: vec![Some(0.25 + step as f32)],
            predicted_similarity: vec![0.5],
            predicted_others: vec![],
            gripper_m: [0.0, 0.0],
            cem: vec![],
            action,
            cost: action.map(|_| 0.1),
            plan_secs: 0.5,
            stages: StageSecs::default(),
            draw: 0,
            open_loop_from: None,
        };
        Recording {
            task: "pick up the red block".to_owned(),
            scene: "demo".to_owned(),
            seed: 7,
            checkpoint_name: "nano".to_owned(),
            checkpoint_hash: "00ff".to_owned(),
            sub_goals: vec![SubGoalRecord {
                text: "pick up the red block".to_owned(),
                objects: vec!["red block".to_owned()],
                unmatched: vec![],
                map: ones,
                goal_made_at_step: 0,
                start_step: Some(0),
                end_step: Some(1),
                declared: true,
                achieved: None,
                ended_because: Some(EndedBecause::Reached),
                goal_gripper_m: None,
                edited: false,
            }],
            steps: vec![Arc::new(step(0, Some([0.5, -1.0, 0.25]))), Arc::new(step(1, None))],
            replans: vec![ReplanRecord {
                step: 3,
                reason: "r".into(),
                reasoning: "s".into(),
                answer: "s\n1. [a] | []\n2. b".into(),
                sub_goals: vec![],
                unread: vec!["2. b".into()],
            }],
            outcome: Some(Outcome::NotReached {
                reason: "time".to_owned(),
            }),
            ..Recording::default()
        }
    }

    #[test]
    fn a_document_fits_its_schema_and_a_damaged_one_does_not() {
        let schema: Value = serde_json::from_str(include_str!("../../assets/plan.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut recording = recording();
        let first = Arc::make_mut(&mut recording.steps[0]);
        (first.draw, first.open_loop_from) = (1, Some(0));
        recording.changes = vec![SettingChange {
            step: 1,
            field: "plan.horizon".to_owned(),
            from: json!(5),
            to: json!(7),
        }];
        let document = PlanDocument::from_recording(&recording, &toy_config());
        let value = serde_json::to_value(&document).unwrap();
        let problems: Vec<String> = validator.iter_errors(&value).map(|err| err.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
        for (pointer, wrong) in [
            ("/outcome", json!("done")),
            ("/actions/0/action", json!([0.0, 0.0])),
            ("/actions/0/action/1", json!(1.5)),
            ("/sub_goals/0/ended_because", json!("bored")),
            ("/checkpoint/hash", json!(null)),
            ("/schema", json!("thinkjepa.plan/2")),
            ("/actions/0/draw", json!(0)),
            ("/actions/0/open_loop_from", json!(null)),
            ("/changes/0/field", json!("train.steps")),
            ("/changes/0/step", json!(-1)),
        ] {
            let mut damaged = value.clone();
            *damaged.pointer_mut(pointer).unwrap() = wrong;
            assert!(!validator.is_valid(&damaged), "{pointer} was accepted");
        }
        let mut nameless = value;
        nameless.as_object_mut().unwrap().remove("task");
        assert!(!validator.is_valid(&nameless), "neither task nor goal_image");
    }

    #[test]
    fn a_document_says_what_the_user_changed_and_says_nothing_where_there_is_nothing() {
        let schema: Value = serde_json::from_str(include_str!("../../assets/plan.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let plain = serde_json::to_string(&PlanDocument::from_recording(&recording(), &toy_config())).unwrap();
        assert!(!plain.contains("edit") && !plain.contains("later"), "{plain}");
        let mut changed = recording();
        changed.sub_goals[0].edited = true;
        changed.edits.push(EditRecord {
            step: 2,
            before: vec!["pick up the blue block".to_owned()],
            after: vec!["pick up the red block".to_owned()],
        });
        // The second branch goes on under the seed of the first.
        for (step, seed) in [(2, 8), (3, 8), (4, 9)] {
            let file = None;
            changed.branched_from.push(BranchPoint { file, step, seed });
        }
        let mut settings = toy_config();
        settings.cem.population = 11;
        changed.settings = Some(settings);
        let value = serde_json::to_value(PlanDocument::from_recording(&changed, &toy_config())).unwrap();
        let problems: Vec<String> = validator.iter_errors(&value).map(|err| err.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(value["sub_goals"][0]["edited"], json!(true));
        assert_eq!(value["edits"][0]["before"], json!(["pick up the blue block"]));
        assert_eq!(
            value["seeds"],
            json!({ "episode": 7, "later": [{ "from_step": 2, "seed": 8 }, { "from_step": 4, "seed": 9 }] })
        );
        assert_eq!(value["cem"]["population"], json!(11));
    }

    #[test]
    fn a_document_is_written_whole_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let document = PlanDocument::from_recording(&recording(), &toy_config());
        document.write(&path).unwrap();
        let back: PlanDocument = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(back, document);
        assert_eq!((back.actions.len(), back.actions[0].similarity), (1, Some(0.25)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let text = document.to_json().unwrap();
        for word in ["changes", "draw", "open_loop_from"] {
            assert!(!text.contains(word), "{word} is written where there is none");
        }

        let nowhere = folder.path().join("missing").join("plan.json");
        let message = document.write(&nowhere).unwrap_err().to_string();
        assert!(message.contains("missing does not exist. Create it"), "{message}");
    }
}

//! A recording on disk (`.tjrec`): added to as the episode happens, and readable up to its last whole block after a program
//! that was killed.
//!
//! The file is the eight bytes `tjrecord`, the version as u32, and blocks. A block is the length of its content as u32, the
//! first eight bytes of the content's BLAKE3 hash, and the content: a [`Block`] in CBOR with named fields. Numbers are
//! little endian, frames are PNG. Blocks are only ever added; that an episode was taken back is a block too.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Recording, StepRecord};
use crate::weights::{DiskWriter, WeightsError, write_file};

/// What names of recordings end with.
pub const EXTENSION: &str = "tjrec";

const MAGIC: &[u8; 8] = b"tjrecord";
/// Raised when what is written can no longer be read by older programs; fields that may be missing do not raise it.
const VERSION: u32 = 1;
const HEADER: usize = MAGIC.len() + 4;
const CHECKSUM: usize = 8;

/// Borrowed where it is written, owned where it was read.
#[derive(Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, on its way to or from a file"
)]
enum Block<'a> {
    /// Everything but the steps, as it is from here on.
    Episode(Cow<'a, Recording>),
    /// The next step.
    Step(Cow<'a, StepRecord>),
    /// Steps from this one on were taken back.
    BackTo(usize),
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingFileError {
    #[error("Could not {action} {}: {err}.", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        err: std::io::Error,
    },
    #[error("{} is there already. Choose another file: a recording is never written over.", .0.display())]
    Exists(PathBuf),
    #[error("{} is no recording: it does not begin as one. Expected a file that was saved as .{EXTENSION}.", .0.display())]
    NoRecording(PathBuf),
    #[error("{} is a recording of version {found}; this program reads up to version {VERSION}. Use a newer one.", path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("{} holds no episode: it ends before the first one begins.", .0.display())]
    Empty(PathBuf),
    #[error("{}, step {step}: {field} is {found}, expected {expected}. The file was not written by this program.", path.display())]
    Field {
        path: PathBuf,
        step: usize,
        field: &'static str,
        found: String,
        expected: String,
    },
    #[error("Could not write {}: {reason}.", path.display())]
    Encode { path: PathBuf, reason: String },
    #[error(transparent)]
    Save(#[from] WeightsError),
}

/// Adds to a file what is new in a recording.
#[derive(Debug)]
pub struct RecordingWriter {
    path: PathBuf,
    file: File,
    /// Bytes of whole blocks.
    length: u64,
    /// As the file says it is.
    written: Recording,
}

impl RecordingWriter {
    /// Begins a new file.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn create(path: &Path) -> Result<Self, RecordingFileError> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|err| match err.kind() {
                std::io::ErrorKind::AlreadyExists => RecordingFileError::Exists(path.to_owned()),
                _ => io("write", path)(err),
            })?;
        let mut writer = Self {
            path: path.to_owned(),
            file,
            length: 0,
            written: Recording::default(),
        };
        writer.add(&header())?;
        Ok(writer)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what has changed since the last call.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be written for another reason; what was written before can still be read.
    pub fn update(&mut self, recording: &Recording) -> Result<(), RecordingFileError> {
        let blocks = blocks(&self.written, recording).map_err(|reason| RecordingFileError::Encode {
            path: self.path.clone(),
            reason,
        })?;
        self.add(&blocks)?;
        self.written = recording.clone();
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), RecordingFileError> {
        match DiskWriter::new(&mut self.file, &self.path).write_all(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(err) => {
                // Half a block is of no use. Where not even that can be taken back, a reader leaves it out.
                let _ = self.file.set_len(self.length);
                Err(io("write", &self.path)(err))
            }
        }
    }
}

/// Writes a whole recording at once, over an older file if there is one.
///
/// # Errors
/// The file cannot be written; an older one is then still there.
pub fn save(recording: &Recording, path: &Path) -> Result<(), RecordingFileError> {
    let mut bytes = header();
    let blocks = blocks(&Recording::default(), recording).map_err(|reason| RecordingFileError::Encode {
        path: path.to_owned(),
        reason,
    })?;
    bytes.extend(blocks);
    Ok(write_file(path, &bytes)?)
}

/// Whether a path's name ends in a dot and this, in large letters or small.
pub fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|have| have.eq_ignore_ascii_case(extension))
}

/// A recording that was read.
#[derive(Debug)]
pub struct Opened {
    pub recording: Recording,
    /// Where whole blocks end and bytes are left over: the program that wrote them was killed, or the file is damaged there.
    pub cut_at: Option<u64>,
}

/// Reads a recording, up to its last whole block.
///
/// # Errors
/// The file cannot be read, is no recording or a newer one, holds no episode, or contradicts itself.
pub fn open(path: &Path) -> Result<Opened, RecordingFileError> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    let version = bytes
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.first_chunk::<4>())
        .ok_or_else(|| RecordingFileError::NoRecording(path.to_owned()))?;
    let found = u32::from_le_bytes(*version);
    if found > VERSION {
        let path = path.to_owned();
        return Err(RecordingFileError::Newer { path, found });
    }
    let mut recording = Recording::default();
    let mut at = HEADER;
    while let Some((block, length)) = next_block(&bytes[at..]) {
        match block {
            Block::Episode(episode) => {
                let steps = std::mem::take(&mut recording.steps);
                recording = Recording {
                    steps,
                    ..episode.into_owned()
                };
            }
            Block::Step(step) => recording.steps.push(Arc::new(step.into_owned())),
            Block::BackTo(steps) => recording.steps.truncate(steps),
        }
        at += length;
    }
    if recording.task.is_empty() {
        return Err(RecordingFileError::Empty(path.to_owned()));
    }
    check(&recording, path)?;
    Ok(Opened {
        recording,
        cut_at: (at < bytes.len()).then_some(at as u64),
    })
}

/// The first block and its length in the file; none where it is not whole.
fn next_block(bytes: &[u8]) -> Option<(Block<'static>, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let content = rest.get(..length)?;
    if blake3::hash(content).as_bytes()[..CHECKSUM] != *checksum {
        return None;
    }
    let block = ciborium::from_reader(content).ok()?;
    Some((block, 4 + CHECKSUM + length))
}

/// What turns one recording into another, as bytes.
fn blocks(before: &Recording, after: &Recording) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut add = |block: Block<'_>| -> Result<(), String> {
        let mut content = Vec::new();
        ciborium::into_writer(&block, &mut content).map_err(|err| err.to_string())?;
        let length = u32::try_from(content.len()).map_err(|err| err.to_string())?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(&blake3::hash(&content).as_bytes()[..CHECKSUM]);
        bytes.extend(content);
        Ok(())
    };
    let kept = before
        .steps
        .iter()
        .zip(&after.steps)
        .take_while(|(before, after)| Arc::ptr_eq(before, after) || before == after)
        .count();
    if kept < before.steps.len() {
        add(Block::BackTo(kept))?;
    }
    // First what the steps refer to.
    if !before.same_but_for_steps(after) {
        add(Block::Episode(Cow::Borrowed(after)))?;
    }
    for step in &after.steps[kept..] {
        add(Block::Step(Cow::Borrowed(step)))?;
    }
    Ok(bytes)
}

/// What panels rely on.
fn check(recording: &Recording, path: &Path) -> Result<(), RecordingFileError> {
    let wrong = |step: usize, field, found: usize, expected: String| RecordingFileError::Field {
        path: path.to_owned(),
        step,
        field,
        found: found.to_string(),
        expected,
    };
    for sub_goal in &recording.sub_goals {
        let map = &sub_goal.map;
        for (grid, values) in [(map.grid, &map.values), (map.model_grid, &map.resampled)] {
            if grid[0].checked_mul(grid[1]) != Some(values.len()) {
                let expected = format!("{} x {} values", grid[0], grid[1]);
                return Err(wrong(
                    sub_goal.goal_made_at_step,
                    "an attention map",
                    values.len(),
                    expected,
                ));
            }
        }
    }
    let sub_goals = recording.sub_goals.len();
    for (index, step) in recording.steps.iter().enumerate() {
        if step.step != index {
            return Err(wrong(index, "its number", step.step, index.to_string()));
        }
        if let Some(sub_goal) = step.sub_goal.filter(|&sub_goal| sub_goal >= sub_goals) {
            return Err(wrong(index, "sub_goal", sub_goal, format!("less than {sub_goals}")));
        }
    }
    Ok(())
}

fn header() -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes()].concat()
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordingFileError {
    move |err| RecordingFileError::Io {
        action,
        path: path.to_owned(),
        err,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::preset;
    use crate::recording::{
        AttentionMap, BranchPoint, CemIteration, EditRecord, Outcome, PauseRecord, QuestionRecord, ReplanRecord,
        SettingChange, StageSecs, SubGoalRecord, TokenRecord,
    };
    use crate::sim::Frame;
    use crate::weights::FullDisk;

    fn frame(size: usize, shade: usize) -> Frame {
        Frame {
            width: size,
            height: size + 1,
            rgb: (0..3 * size * (size + 1)).map(|at| (at * 7 + shade) as u8).collect(),
        }
    }

    fn step(step: usize) -> Arc<StepRecord> {
        Arc::new(StepRecord {
            step,
            frame: frame(4, step),
            view: frame(9, 3 * step),
            vacuum: step % 2 == 1,
            sub_goal: Some(0),
            similarities: vec![Some(0.1 + step as f32 / 3.0), None],
            predicted_similarity: vec![1.0 / 3.0; 5],
            predicted_others: vec![vec![], vec![0.25; 5]],
            gripper_m: [0.1, -0.7],
            cem: vec![CemIteration {
                mean: vec![[0.1, 0.2, -1.0]; 5],
                sigma: vec![[0.3, 0.3, 0.7]; 5],
                costs: vec![1.5, f32::MAX, -0.0, 1e-30],
                elites: vec![vec![[0.5, 0.25, 1.0]; 5]; 2],
                elite_costs: vec![0.1, 0.2],
                elite_paths_m: vec![vec![[0.01, 0.02]; 5]; 2],
            }],
            action: (step < 5).then_some([0.1, 0.2, 1.0]),
            cost: Some(0.125),
            plan_secs: 0.1,
            stages: StageSecs {
                encode_secs: 0.01,
                roll_out_secs: 0.3,
                ..StageSecs::default()
            },
            draw: step as u64 % 2,
            open_loop_from: step.checked_sub(2),
        })
    }

    pub(in crate::recording) fn episode(steps: usize) -> Recording {
        let map = AttentionMap {
            grid: [1, 2],
            values: vec![0.5, 1.5],
            model_grid: [1, 1],
            resampled: vec![1.0],
        };
        Recording {
            task: "stack the red block on the green block".to_owned(),
            scene: "three-blocks".to_owned(),
            seed: u64::MAX,
            checkpoint_name: "nano".to_owned(),
            checkpoint_hash: "abc".to_owned(),
            delta_goal: 0.85,
            reasoning: "Red on table.".to_owned(),
            answer: "1. [pick up] | [red]".to_owned(),
            unread: vec!["?".to_owned()],
            sub_goals: vec![SubGoalRecord {
                text: "pick up the red block".to_owned(),
                objects: vec!["red block".to_owned()],
                unmatched: vec![],
                map,
                goal_made_at_step: 0,
                start_step: Some(0),
                end_step: None,
                declared: false,
                achieved: Some(true),
                ended_because: None,
                goal_gripper_m: Some([0.1, 0.2]),
                edited: false,
            }],
            steps: (0..steps).map(step).collect(),
            replans: vec![],
            outcome: None,
            task_achieved: None,
            settings: Some(preset("nano").unwrap().plan),
            questions: vec![QuestionRecord {
                step: 0,
                prompt: "Task: stack".to_owned(),
                first_sub_goal: Some(0),
                tokens: vec![TokenRecord {
                    id: 7,
                    text: "1. [".to_owned(),
                    probability: 0.9,
                    others: vec![("The".to_owned(), 0.05), (String::new(), 1e-30)],
                }],
            }],
            changes: vec![SettingChange {
                step: 1,
                field: "plan.cem.elite_fraction".to_owned(),
                from: 0.1.into(),
                to: 0.3.into(),
            }],
            ..Recording::default()
        }
    }

    /// A value without fields that older programs did not write.
    fn without(value: impl Serialize, fields: &[&str]) -> ciborium::Value {
        let ciborium::Value::Map(mut entries) = ciborium::Value::serialized(&value).unwrap() else {
            panic!("not a struct")
        };
        let before = entries.len();
        entries.retain(|(key, _)| !fields.contains(&key.as_text().unwrap()));
        assert_eq!(entries.len(), before - fields.len());
        ciborium::Value::Map(entries)
    }

    #[test]
    fn recordings_of_older_programs_and_of_other_settings_open() {
        let expected = episode(1);
        let recording: Recording = without(&expected, &["settings", "changes", "questions"])
            .deserialized()
            .unwrap();
        assert_eq!((&recording.settings, recording.changes.len()), (&None, 0));
        assert_eq!(
            (recording.questions.len(), recording.answer),
            (0, expected.answer.clone())
        );
        let mut first = StepRecord::clone(&expected.steps[0]);
        (first.draw, first.open_loop_from) = (1, Some(0));
        let old: StepRecord = without(&first, &["stages", "draw", "open_loop_from", "predicted_others"])
            .deserialized()
            .unwrap();
        assert_eq!(
            (old.stages, old.draw, old.open_loop_from),
            (StageSecs::default(), 0, None)
        );

        let mut settings = serde_json::to_value(expected.settings.as_ref().unwrap()).unwrap();
        settings["a_knob_of_tomorrow"] = 1.into();
        let mut other = serde_json::to_value(&expected).unwrap();
        other["settings"] = settings;
        let read: Recording = serde_json::from_value(other).unwrap();
        assert_eq!((read.settings, read.changes), (None, expected.changes));
    }

    /// An episode as it happens: a question, steps, a re-plan, a step back, an end.
    fn moments() -> Vec<Recording> {
        let mut moments: Vec<Recording> = (0..4).map(episode).collect();
        let mut replanned = episode(4);
        replanned.replans.push(ReplanRecord {
            step: 3,
            reason: "not reached".to_owned(),
            reasoning: String::new(),
            answer: String::new(),
            sub_goals: vec!["again".to_owned()],
            unread: vec![],
        });
        moments.push(replanned);
        moments.push(episode(2));
        let mut over = episode(3);
        Arc::make_mut(&mut over.steps[2]).vacuum = true;
        over.outcome = Some(Outcome::NotReached {
            reason: "out of time".to_owned(),
        });
        over.task_achieved = Some(false);
        over.sub_goals[0].edited = true;
        over.edits.push(EditRecord {
            step: 1,
            before: vec!["a".to_owned()],
            after: vec!["b".to_owned()],
        });
        over.branched_from.push(BranchPoint {
            file: Some("episode-0001.tjrec".to_owned()),
            step: 1,
            seed: 8,
        });
        over.scene_text = Some("(about: \"mine\")".to_owned());
        over.pauses.push(PauseRecord {
            step: 2,
            why: "sub-goal 1 was declared reached".to_owned(),
        });
        moments.push(over.excerpt([1, 2]));
        moments.push(over);
        moments
    }

    #[test]
    fn what_is_read_is_what_was_recorded_at_every_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episode.tjrec");
        let mut writer = RecordingWriter::create(&path).unwrap();
        assert!(matches!(open(&path), Err(RecordingFileError::Empty(_))));
        let mut sizes = vec![];
        for moment in moments() {
            writer.update(&moment).unwrap();
            let opened = open(&path).unwrap();
            assert_eq!((opened.recording, opened.cut_at), (moment.clone(), None));
            // Nothing is new.
            let size = path.metadata().unwrap().len();
            writer.update(&moment).unwrap();
            assert_eq!(path.metadata().unwrap().len(), size);
            sizes.push(size);
        }
        assert!(sizes.is_sorted() && sizes[0] < sizes[1], "{sizes:?}");
        let saved = folder.path().join("saved.tjrec");
        for moment in moments() {
            save(&moment, &saved).unwrap();
            assert_eq!(open(&saved).unwrap().recording, moment);
        }
    }

    /// What an episode that nobody edited or branched has no use for is not in its file, and an older file has none of it.
    #[test]
    fn a_plain_episode_is_written_as_it_was_before_there_were_edits_and_branches() {
        let mut content = Vec::new();
        ciborium::into_writer(&Block::Episode(Cow::Owned(episode(1))), &mut content).unwrap();
        let has = |name: &str| content.windows(name.len()).any(|bytes| bytes == name.as_bytes());
        assert!(has("task_achieved") && has("goal_gripper_m"));
        for name in ["edited", "edits", "branched_from", "pauses", "scene_text"] {
            assert!(!has(name), "{name}");
        }
    }

    #[test]
    fn numbers_that_are_none_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nan.tjrec");
        let mut broken = episode(1);
        Arc::make_mut(&mut broken.steps[0]).similarities = vec![Some(f32::NAN), Some(f32::INFINITY)];
        save(&broken, &path).unwrap();
        let read = &open(&path).unwrap().recording.steps[0].similarities;
        assert!(read[0].is_some_and(f32::is_nan) && read[1] == Some(f32::INFINITY));
    }

    /// Wherever a program is killed, what was whole before can be read.
    #[test]
    fn a_file_that_was_cut_anywhere_gives_what_was_whole_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episode.tjrec");
        let mut writer = RecordingWriter::create(&path).unwrap();
        let mut ends = vec![];
        for moment in (0..3).map(episode) {
            writer.update(&moment).unwrap();
            ends.push((path.metadata().unwrap().len() as usize, moment));
        }
        let bytes = std::fs::read(&path).unwrap();
        let cut = folder.path().join("cut.tjrec");
        for length in 0..bytes.len() {
            std::fs::write(&cut, &bytes[..length]).unwrap();
            let whole = ends.iter().rev().find(|(end, _)| *end <= length);
            match (open(&cut), whole) {
                (Ok(opened), Some((end, moment))) => {
                    assert_eq!(&opened.recording, moment, "{length}");
                    assert_eq!(opened.cut_at, (*end < length).then_some(*end as u64), "{length}");
                }
                (Err(RecordingFileError::Empty(_)), None) => assert!(length >= HEADER, "{length}"),
                (Err(RecordingFileError::NoRecording(_)), None) => assert!(length < HEADER, "{length}"),
                (result, _) => panic!("{length}: {result:?}"),
            }
        }
        // A byte that has changed ends what can be read just as a cut does.
        let mut damaged = bytes.clone();
        let at = ends[1].0 + 40;
        damaged[at] ^= 1;
        std::fs::write(&cut, &damaged).unwrap();
        let opened = open(&cut).unwrap();
        assert_eq!((&opened.recording, opened.cut_at), (&ends[1].1, Some(ends[1].0 as u64)));
    }

    #[test]
    fn a_full_disk_leaves_what_was_whole_and_no_half_block() {
        let folder = tempfile::tempdir().unwrap();
        for writes in 1..4 {
            let path = folder.path().join(format!("{writes}.tjrec"));
            let disk = FullDisk::after(&path, writes);
            let mut writer = RecordingWriter::create(&path).unwrap();
            let results: Vec<bool> = (0..4).map(|moment| writer.update(&episode(moment)).is_ok()).collect();
            // The header takes the first of the writes.
            assert!(
                results.iter().enumerate().all(|(i, ok)| *ok == (i + 1 < writes)),
                "{results:?}"
            );
            drop(disk);
            if writes > 1 {
                let opened = open(&path).unwrap();
                assert_eq!((&opened.recording, opened.cut_at), (&episode(writes - 2), None));
            }
            // With room again it goes on: what is new is what the file does not say yet.
            writer.update(&episode(3)).unwrap();
            assert_eq!(open(&path).unwrap().recording, episode(3));
        }
        let path = folder.path().join("saved.tjrec");
        save(&episode(1), &path).unwrap();
        let _disk = FullDisk::after(&path, 0);
        let said = save(&episode(2), &path).unwrap_err().to_string();
        assert!(said.contains("Could not write"), "{said}");
        assert_eq!(
            open(&path).unwrap().recording,
            episode(1),
            "the older one is still there"
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episode.tjrec");
        save(&episode(1), &path).unwrap();
        let said = RecordingWriter::create(&path).unwrap_err().to_string();
        assert!(said.contains("never written over"), "{said}");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[MAGIC.len()] = 9;
        std::fs::write(&path, &bytes).unwrap();
        let said = open(&path).unwrap_err().to_string();
        assert!(said.contains("version 9") && said.contains("up to version 1"), "{said}");
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(open(&path), Err(RecordingFileError::NoRecording(_))));
        let said = open(&folder.path().join("none.tjrec")).unwrap_err().to_string();
        assert!(said.contains("Could not read") && said.contains("none.tjrec"), "{said}");
        let mut wrong = episode(2);
        Arc::make_mut(&mut wrong.steps[1]).sub_goal = Some(7);
        save(&wrong, &path).unwrap();
        let said = open(&path).unwrap_err().to_string();
        assert!(said.contains("step 1: sub_goal is 7, expected less than 1"), "{said}");
    }
}

//! The training runs that the window knows of: those below the folder that is listed and those that are watched by path, whoever writes them, and the curves of those that are watched. Every look at the disk is bounded, so that a
//! thousand runs or a file of a gigabyte delay nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::command::Stage;
use super::metrics::{MetricsReader, Run};
use super::samples::{RunSamples, SampleBook};
use crate::config::{self, Config};
use crate::train::{RunFile, RunStanding};
use crate::weights::Checkpoint;

/// How often a watched file is looked at.
const POLL: Duration = Duration::from_millis(400);
/// How often the folders are listed.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// Runs that are listed, the newest ones.
const MOST_RUNS: usize = 200;
/// Folders below the one that is listed in which runs are looked for, and how far down they lie.
const MOST_FOLDERS: usize = 2000;
const DEEPEST: usize = 3;
/// Of a metrics file that nobody watches the end is read.
const TAIL: u64 = 16 << 10;
/// A run whose files are that fresh is being written.
const FRESH: Duration = Duration::from_secs(15);
/// What a run's folder holds, as far as the run has come.
const FILES: [&str; 3] = ["metrics.jsonl", "run.json", "config.ron"];
/// A process may be silent that long before its steps or while it saves.
const SILENT: Duration = Duration::from_secs(3600);

/// How a run stands, as far as its folder and this program tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// This program trains it.
    Here,
    /// Another process writes it.
    Elsewhere,
    Finished,
    Stopped,
    Failed,
}

/// What is known of a run without its curves.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    pub run: PathBuf,
    /// None of a run whose folder does not say.
    pub stage: Option<Stage>,
    pub preset: Option<String>,
    /// The settings that it was begun with, where its folder says.
    pub config: Option<Arc<Config>>,
    pub from: Option<PathBuf>,
    pub scene: Option<String>,
    pub data: Option<PathBuf>,
    pub state: RunState,
    /// The last step in its metrics.
    pub step: usize,
    pub steps: Option<usize>,
    pub steps_per_sec: Option<f64>,
    pub changed: SystemTime,
}

impl RunFacts {
    /// Time that is left at the pace of the last steps.
    pub fn left(&self) -> Option<Duration> {
        let steps = self.steps?.checked_sub(self.step)? as f64;
        let pace = self.steps_per_sec.filter(|pace| *pace > 0.0)?;
        Duration::try_from_secs_f64(steps / pace).ok()
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, RunState::Here | RunState::Elsewhere)
    }
}

/// What the window sees of all runs.
#[derive(Clone, Debug, Default)]
pub struct RunMetrics {
    /// The newest first.
    pub listed: Vec<RunFacts>,
    /// Curves by the run's folder.
    pub watched: BTreeMap<PathBuf, Run>,
    /// The run that this program trains.
    pub here: Option<PathBuf>,
    /// Of the run that is looked at.
    pub samples: RunSamples,
}

/// What was read of a file, and the stamp by which a change is seen.
#[derive(Debug)]
struct Known {
    stamp: (SystemTime, SystemTime, u64),
    facts: RunFacts,
    file: Option<RunFile>,
}

/// The io thread's part: what to look at and how far it was read.
#[derive(Debug, Default)]
pub(super) struct RunBook {
    root: Option<PathBuf>,
    readers: BTreeMap<PathBuf, MetricsReader>,
    known: BTreeMap<PathBuf, Known>,
    listed_at: Option<Instant>,
    more: bool,
    pub samples: SampleBook,
}

impl RunBook {
    /// How long the io thread may sleep until the next look; none where there is nothing to look at.
    pub fn sleep(&self) -> Option<Duration> {
        if self.root.is_none() && self.readers.is_empty() && !self.samples.is_asked() {
            return None;
        }
        Some(if self.more { Duration::ZERO } else { POLL })
    }

    /// Without the runs that were watched; the same folder is listed.
    pub fn begun_anew(self) -> Self {
        Self {
            root: self.root,
            ..Self::default()
        }
    }

    pub fn list(&mut self, root: PathBuf) {
        self.root = Some(root);
        self.listed_at = None;
    }

    pub fn watch(&mut self, run: &Path) {
        self.readers
            .entry(listed(run))
            .or_insert_with_key(|run| MetricsReader::new(run));
        self.listed_at = None;
    }

    pub fn forget(&mut self, run: &Path) {
        self.readers.remove(&listed(run));
        self.listed_at = None;
    }

    /// One look: a piece of every watched file, and the folders if it is time. `change` gets what has to be changed, and
    /// holds no lock while files are read.
    pub fn look(&mut self, here: Option<&Path>, mut change: impl FnMut(&mut dyn FnMut(&mut RunMetrics) -> bool)) {
        self.more = false;
        for (run, reader) in &mut self.readers {
            let mut piece = Some(reader.read());
            self.more |= piece.as_ref().is_some_and(|piece| piece.more);
            change(&mut |metrics| {
                let curves = metrics.watched.entry(run.clone()).or_default();
                piece.take().is_some_and(|piece| curves.append(piece))
            });
        }
        let kept: BTreeSet<&PathBuf> = self.readers.keys().collect();
        change(&mut |metrics| {
            let before = metrics.watched.len();
            metrics.watched.retain(|run, _| kept.contains(run));
            metrics.watched.len() != before
        });
        if let Some(seen) = self.samples.look() {
            let mut seen = Some(seen);
            change(&mut |metrics| {
                metrics.samples = seen.take().unwrap_or_default();
                true
            });
        }
        if self.listed_at.is_none_or(|at| at.elapsed() >= LIST_EVERY) {
            self.listed_at = Some(Instant::now());
            let mut listed = Some(self.listing(here));
            change(&mut |metrics| {
                let fresh = listed.take().unwrap_or_default();
                let changed = metrics.listed != fresh;
                metrics.listed = fresh;
                changed
            });
        }
    }

    fn listing(&mut self, here: Option<&Path>) -> Vec<RunFacts> {
        let below = self.root.iter().flat_map(|root| runs_below(root));
        let found: BTreeSet<PathBuf> = below.chain(self.readers.keys().cloned()).collect();
        self.known.retain(|run, _| found.contains(run));
        let mut listed: Vec<RunFacts> = found.iter().filter_map(|run| self.facts(run, here)).collect();
        listed.sort_by(|a, b| b.is_running().cmp(&a.is_running()).then(b.changed.cmp(&a.changed)));
        listed.truncate(MOST_RUNS);
        listed
    }

    /// What a folder says; none where it is no run. Files that did not change are not read again.
    fn facts(&mut self, run: &Path, here: Option<&Path>) -> Option<RunFacts> {
        let about = |name: &str| std::fs::metadata(run.join(name)).ok();
        let time = |metadata: &Option<std::fs::Metadata>| {
            let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            modified.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let (log, file) = (about("metrics.jsonl"), about("run.json"));
        if !is_run(run) && here != Some(run) {
            return None;
        }
        let length = log.as_ref().map_or(0, std::fs::Metadata::len);
        let stamp = (time(&log), time(&file), length);
        let known = match self.known.remove(run) {
            Some(known) if known.stamp == stamp => known,
            _ => {
                let file = RunFile::read(run);
                let (step, steps_per_sec) = tail(run, length);
                let facts = RunFacts {
                    run: run.to_owned(),
                    stage: file.as_ref().map(|file| file.stage),
                    preset: file.as_ref().map(|file| file.preset.clone()),
                    config: config::load(&run.join("config.ron")).ok().map(Arc::new),
                    from: file.as_ref().and_then(|file| file.from.clone()),
                    scene: file.as_ref().and_then(|file| file.scene.clone()),
                    data: file.as_ref().and_then(|file| file.data.clone()),
                    state: RunState::Stopped,
                    step,
                    steps: file.as_ref().map(|file| file.steps),
                    steps_per_sec,
                    changed: stamp.0.max(stamp.1),
                };
                Known { stamp, facts, file }
            }
        };
        let mut facts = known.facts.clone();
        facts.state = state(&facts, known.file.as_ref(), here);
        self.known.insert(run.to_owned(), known);
        Some(facts)
    }
}

/// A run's name: its path below the folder of runs, `nano/1` of `runs/nano/1`; elsewhere its own folder's.
pub fn run_name(run: &Path) -> String {
    let names: Vec<_> = run.iter().map(|name| name.to_string_lossy()).collect();
    let root = names.iter().rposition(|name| name == "runs");
    match root.map(|root| &names[root + 1..]).filter(|below| !below.is_empty()) {
        Some(below) => below.join("/"),
        None => names
            .last()
            .map_or_else(|| run.display().to_string(), ToString::to_string),
    }
}

/// The runs below a folder, those that lie high first. Nothing is looked for in a run, whose folders are checkpoints and
/// samples, nor in a checkpoint.
fn runs_below(root: &Path) -> Vec<PathBuf> {
    let (mut runs, mut level, mut folders) = (Vec::new(), vec![root.to_owned()], 0);
    for _ in 0..DEEPEST {
        let mut below = Vec::new();
        for entry in level
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
        {
            let Some(path) = entry.ok().map(|entry| entry.path()).filter(|path| path.is_dir()) else {
                continue;
            };
            folders += 1;
            if folders > MOST_FOLDERS {
                return runs;
            }
            if is_run(&path) {
                runs.push(path);
            } else if !Checkpoint::is_at(&path) {
                below.push(path);
            }
        }
        level = below;
    }
    runs
}

/// A run's path as the list has it, relative to the working folder where it lies below: however it is named, it is one run.
pub(super) fn listed(run: &Path) -> PathBuf {
    let below = std::env::current_dir().ok();
    let below = below.and_then(|here| run.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| run.to_owned())
}

/// Whether a folder is that of a training run.
pub fn is_run(folder: &Path) -> bool {
    FILES.iter().any(|name| folder.join(name).is_file())
}

fn state(facts: &RunFacts, file: Option<&RunFile>, here: Option<&Path>) -> RunState {
    if here == Some(facts.run.as_path()) {
        return RunState::Here;
    }
    let silent = SystemTime::now().duration_since(facts.changed).unwrap_or_default();
    // Slow steps are no silence.
    let fresh = FRESH.max(Duration::try_from_secs_f64(5.0 / facts.steps_per_sec.unwrap_or(1.0)).unwrap_or(FRESH));
    match file.map(|file| (file.standing, file.process)) {
        Some((RunStanding::Finished, _)) => RunState::Finished,
        Some((RunStanding::Stopped, _)) => RunState::Stopped,
        Some((RunStanding::Failed, _)) => RunState::Failed,
        // This program would know of its own run: that one ended without a word.
        Some((RunStanding::Running, process)) if process == std::process::id() => RunState::Stopped,
        Some((RunStanding::Running, process)) if silent < fresh || is_alive(process) && silent < SILENT => {
            RunState::Elsewhere
        }
        Some((RunStanding::Running, _)) => RunState::Stopped,
        None if facts.step > 0 && silent < fresh => RunState::Elsewhere,
        None => RunState::Stopped,
    }
}

/// Whether there is such a process, as far as the system tells.
fn is_alive(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// The last step of a metrics file, and the pace of its last steps.
fn tail(run: &Path, length: u64) -> (usize, Option<f64>) {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(run.join("metrics.jsonl"))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n').rev();
    let values = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut last = 0;
    let mut secs = Vec::new();
    for value in values.take(20) {
        last = last.max(value.get("step").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize);
        secs.extend(value.get("secs").and_then(serde_json::Value::as_f64));
    }
    let total: f64 = secs.iter().sum();
    (last, (total > 0.0).then(|| secs.len() as f64 / total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(book: &mut RunBook, metrics: &mut RunMetrics, here: Option<&Path>) -> bool {
        let mut changed = false;
        loop {
            book.listed_at = None;
            book.look(here, |change| changed |= change(metrics));
            if !book.more {
                return changed;
            }
        }
    }

    #[test]
    fn runs_are_found_below_folders_and_named_by_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("runs");
        for (path, file) in [
            ("first", "metrics.jsonl"),
            ("first/inside", "metrics.jsonl"),
            ("nano/1", "metrics.jsonl"),
            ("nano/1b", "run.json"),
            ("nano/checkpoint", "config.json"),
            ("nano/checkpoint/inside", "metrics.jsonl"),
            ("a/b/c", "config.ron"),
            ("a/b/too/deep", "metrics.jsonl"),
            ("notes", "read.me"),
        ] {
            std::fs::create_dir_all(root.join(path)).unwrap();
            std::fs::write(root.join(path).join(file), "").unwrap();
        }
        let (mut book, mut metrics) = (RunBook::default(), RunMetrics::default());
        book.list(root);
        look(&mut book, &mut metrics, None);
        let mut names: Vec<String> = metrics.listed.iter().map(|facts| run_name(&facts.run)).collect();
        names.sort();
        assert_eq!(names, ["a/b/c", "first", "nano/1", "nano/1b"]);
        for (path, name) in [
            ("runs/nano/1", "nano/1"),
            ("/home/me/runs/old/runs/2", "2"),
            ("elsewhere/2", "2"),
            ("runs", "runs"),
        ] {
            assert_eq!(run_name(Path::new(path)), name);
        }
    }

    #[test]
    fn runs_are_listed_with_their_state_and_watched_together() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["one", "two", "done", "no-run"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let nano = config::preset("nano").unwrap();
        std::fs::write(at("one/config.ron"), ron::ser::to_string(&nano).unwrap()).unwrap();
        let line = |step: usize| format!("{{\"step\":{step},\"secs\":0.25,\"loss\":{}}}\n", 1.0 / step as f64);
        let mut own = RunFile::begun(Stage::One, "nano", 100, None);
        own.write(&at("one")).unwrap();
        std::fs::write(at("one/metrics.jsonl"), (1..=60).map(line).collect::<String>()).unwrap();
        // No run.json: an older run, or another program's.
        std::fs::write(at("two/metrics.jsonl"), (1..=30).map(line).collect::<String>()).unwrap();
        own.standing = RunStanding::Finished;
        own.write(&at("done")).unwrap();

        let (mut book, mut metrics) = (RunBook::default(), RunMetrics::default());
        assert_eq!(book.sleep(), None);
        book.list(folder.path().to_owned());
        assert!(look(&mut book, &mut metrics, Some(&at("one"))));
        let of = |metrics: &RunMetrics, name: &str| {
            let found = metrics.listed.iter().find(|facts| facts.run == at(name));
            found.cloned().unwrap()
        };
        assert_eq!(metrics.listed.len(), 3, "{:?}", metrics.listed);
        let one = of(&metrics, "one");
        assert_eq!(
            (one.state, one.step, one.steps, one.stage),
            (RunState::Here, 60, Some(100), Some(Stage::One))
        );
        assert_eq!(
            (one.steps_per_sec, one.left()),
            (Some(4.0), Some(Duration::from_secs(10)))
        );
        assert_eq!(
            (of(&metrics, "two").state, of(&metrics, "two").stage),
            (RunState::Elsewhere, None)
        );
        assert_eq!(one.config.as_deref(), Some(&nano));
        assert_eq!(of(&metrics, "two").config, None);
        assert_eq!(
            (of(&metrics, "done").state, of(&metrics, "done").step),
            (RunState::Finished, 0)
        );
        assert!(metrics.watched.is_empty());
        // Nothing changed, and nothing is told.
        assert!(!look(&mut book, &mut metrics, Some(&at("one"))));

        // The run that was here ended without a word.
        look(&mut book, &mut metrics, None);
        assert_eq!(of(&metrics, "one").state, RunState::Stopped);
        book.watch(&at("one"));
        book.watch(&at("two"));
        look(&mut book, &mut metrics, None);
        let length = |metrics: &RunMetrics, name: &str| metrics.watched[&at(name)].series["loss"].len();
        assert_eq!((length(&metrics, "one"), length(&metrics, "two")), (60, 30));
        std::fs::write(at("two/metrics.jsonl"), (1..=33).map(line).collect::<String>()).unwrap();
        look(&mut book, &mut metrics, None);
        assert_eq!((length(&metrics, "two"), of(&metrics, "two").step), (33, 33));
        book.forget(&at("two"));
        look(&mut book, &mut metrics, None);
        assert!(!metrics.watched.contains_key(&at("two")) && metrics.watched.contains_key(&at("one")));
    }
}

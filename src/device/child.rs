//! Questions about devices that a child of this program answers, one line of JSON each: a driver that ends its process,
//! hangs or talks takes the child with it and nothing else.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DeviceChoice, FoundDevice, Workload};

/// A card's first result waits for its shaders; after this a candidate is given up.
const PROBE_LIMIT_SECS: u64 = 30;
/// Every candidate may take its time.
const CHOICE_LIMIT_SECS: u64 = 4 * PROBE_LIMIT_SECS;

/// Exit code of bad input or set-up: the child lives, and says what is wrong.
const REFUSED: i32 = 2;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program whose children are asked, where the running one is not `thinkjepa` itself: a test of the library. The
/// first name stays.
pub fn ask_children_of(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// Why a child gave no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// In the child's own words.
    #[error("{0}")]
    Refused(String),
    /// It ended, hung or could not be started.
    #[error("{0}")]
    Failed(String),
}

impl NoAnswer {
    fn failed(why: impl ToString) -> Self {
        Self::Failed(why.to_string())
    }
}

/// What `thinkjepa doctor --probe` prints.
#[derive(Serialize, Deserialize)]
pub struct ProbeLine {
    pub steps_per_sec: f64,
}

/// What `thinkjepa doctor --choose` prints.
#[derive(Serialize, Deserialize)]
pub struct ChoiceLine {
    pub id: DeviceChoice,
    pub why: String,
}

/// Measures a device in a child of this program: steps a second.
///
/// # Errors
/// Why there is no figure, in words.
pub(super) fn probe_in_child(choice: DeviceChoice, workload: &Workload) -> Result<f64, NoAnswer> {
    let question = ["--probe", &choice.to_string(), "--workload", &json(workload)?];
    let line: ProbeLine = ask(&question, PROBE_LIMIT_SECS)?;
    Ok(line.steps_per_sec)
}

/// Looks for cards and chooses the fastest device in a child of this program.
///
/// # Errors
/// Why there is no choice, in words.
pub(super) fn choose_in_child(workload: &Workload) -> Result<ChoiceLine, NoAnswer> {
    ask(&["--choose", "--workload", &json(workload)?], CHOICE_LIMIT_SECS)
}

/// The devices of this machine, looked for in a child of this program. Blocks until it answers.
///
/// # Errors
/// Why there is no list, in words.
pub fn found_in_child() -> Result<Vec<FoundDevice>, String> {
    ask(&["--found"], PROBE_LIMIT_SECS).map_err(|err| err.to_string())
}

fn json(workload: &Workload) -> Result<String, NoAnswer> {
    serde_json::to_string(&workload).map_err(NoAnswer::failed)
}

fn ask<T: DeserializeOwned>(question: &[&str], limit_secs: u64) -> Result<T, NoAnswer> {
    let program = match PROGRAM.get() {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(NoAnswer::failed)?,
    };
    ask_program(&program, question, limit_secs)
}

fn ask_program<T: DeserializeOwned>(program: &Path, question: &[&str], limit_secs: u64) -> Result<T, NoAnswer> {
    let mut child = Command::new(program)
        .arg("doctor")
        .args(question)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(NoAnswer::failed)?;
    // Read beside waiting: a child that fills its pipe would wait for us as we wait for it.
    let streams = (child.stdout.take(), child.stderr.take());
    let (out, err) = (read_all(streams.0), read_all(streams.1));
    let limit = Instant::now() + Duration::from_secs(limit_secs);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < limit => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(NoAnswer::Failed(format!("no answer within {limit_secs} s")));
            }
            Err(err) => return Err(NoAnswer::failed(err)),
        }
    };
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if !status.success() {
        let said = err
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("it said nothing");
        return Err(match status.code() {
            Some(REFUSED) => NoAnswer::Refused(said.to_owned()),
            _ => NoAnswer::Failed(format!("{status}, {said}")),
        });
    }
    serde_json::from_str(out.trim()).map_err(NoAnswer::failed)
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What could be read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What a program of these shell commands has to say about a device.
    fn answer(commands: &str) -> Result<f64, NoAnswer> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("driver");
        std::fs::write(&program, format!("#!/bin/sh\n{commands}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask_program::<ProbeLine>(&program, &["--probe", "wgpu:0"], 1).map(|line| line.steps_per_sec)
    }

    #[test]
    fn a_driver_that_kills_its_process_or_hangs_costs_an_answer_and_nothing_else() {
        assert_eq!(answer("echo '{\"steps_per_sec\": 12.5}'"), Ok(12.5));
        let failed = |commands: &str| match answer(commands) {
            Err(NoAnswer::Failed(why)) => why,
            other => panic!("{other:?}"),
        };
        let lost = failed("echo 'device lost' >&2; kill -ABRT $$");
        assert!(lost.contains("signal: 6") && lost.contains("device lost"), "{lost}");
        let hung = failed("exec sleep 30");
        assert!(hung.contains("no answer within 1 s"), "{hung}");
        assert!(!failed("echo nonsense").is_empty());
        let refused = answer(&format!("echo 'no such card' >&2; exit {REFUSED}"));
        assert_eq!(refused, Err(NoAnswer::Refused("no such card".to_owned())));
    }
}

//! The numbers of a training run, read from its `metrics.jsonl` as the file grows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::series::Series;

/// Bytes that are read in one go: they are parsed and added within a few milliseconds.
const PIECE: usize = 512 << 10;

/// All curves of one run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub series: BTreeMap<String, Series>,
    /// Steps at which a value was not finite, by curve: they are marked and worth knowing of.
    pub not_finite: BTreeMap<String, Vec<f64>>,
    /// Lines that are not JSON objects with a step.
    pub unread_lines: usize,
    /// Why the file cannot be read, if it cannot.
    pub problem: Option<String>,
    /// Step, and the seconds that were spent in steps until then.
    clock: Vec<[f64; 2]>,
}

impl Run {
    /// Steps and values of a curve in order, none for a value that was not finite.
    pub fn rows(&self, name: &str) -> Vec<(f64, Option<f64>)> {
        let points = self.series.get(name).map_or(&[][..], |series| series.points());
        let marks = self.not_finite.get(name).map_or(&[][..], Vec::as_slice);
        let mut rows: Vec<_> = points.iter().map(|point| (point[0], Some(point[1]))).collect();
        rows.extend(marks.iter().map(|step| (*step, None)));
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows
    }

    /// Adds what was read; whether anything changed.
    pub fn append(&mut self, piece: Piece) -> bool {
        let changed =
            !piece.values.is_empty() || piece.unread_lines > 0 || piece.restarted || self.problem != piece.problem;
        if piece.restarted {
            *self = Self::default();
        }
        self.problem = piece.problem;
        self.unread_lines += piece.unread_lines;
        for (name, step, value) in piece.values {
            self.push(name, step, value);
        }
        changed
    }

    /// Adds a value. A step that is done again replaces what was known from there on. From the seconds of a step comes
    /// the throughput.
    pub fn push(&mut self, name: String, step: f64, value: f64) {
        if let Some(marks) = self.not_finite.get_mut(&name) {
            marks.truncate(marks.partition_point(|&mark| mark < step));
        }
        if !value.is_finite() {
            if let Some(series) = self.series.get_mut(&name) {
                series.overtake(step);
            }
            self.not_finite.entry(name).or_default().push(step);
            return;
        }
        if name == "secs" {
            self.clock.truncate(self.clock.partition_point(|at| at[0] < step));
            let before = self.clock.last().map_or(0.0, |at| at[1]);
            self.clock.push([step, before + value]);
            if value > 0.0 {
                self.series
                    .entry("steps_per_sec".to_owned())
                    .or_default()
                    .push(step, 1.0 / value);
            }
        }
        self.series.entry(name).or_default().push(step, value);
    }

    /// The last step that is known.
    pub fn last_step(&self) -> Option<f64> {
        let last = |series: &Series| series.last().map(|point| point[0]);
        let marks = self.not_finite.values().filter_map(|marks| marks.last().copied());
        self.series
            .values()
            .filter_map(last)
            .chain(marks)
            .max_by(f64::total_cmp)
    }

    /// Seconds of training at a step, between those that are known in proportion; none where the run does not say.
    pub fn secs_at(&self, step: f64) -> Option<f64> {
        between(&self.clock, step, 0)
    }

    /// The step at so many seconds of training.
    pub fn step_at(&self, secs: f64) -> Option<f64> {
        between(&self.clock, secs, 1)
    }
}

/// The other coordinate at `x`, which is coordinate `axis` of rising points: a straight line between two of them, the ends
/// beyond them.
fn between(points: &[[f64; 2]], x: f64, axis: usize) -> Option<f64> {
    let after = points.partition_point(|point| point[axis] < x);
    let (a, b) = (
        points.get(after.saturating_sub(1))?,
        points.get(after).or(points.last())?,
    );
    let width = b[axis] - a[axis];
    let share = if width > 0.0 {
        ((x - a[axis]) / width).clamp(0.0, 1.0)
    } else {
        1.0
    };
    Some(a[1 - axis] + share * (b[1 - axis] - a[1 - axis]))
}

/// What one look at the file brought.
#[derive(Debug, Default)]
pub struct Piece {
    values: Vec<(String, f64, f64)>,
    unread_lines: usize,
    /// The file is shorter than it was: it was begun anew.
    restarted: bool,
    problem: Option<String>,
    /// There is more to read now.
    pub more: bool,
}

/// Reads a growing `metrics.jsonl`: one JSON object a line, `step` and any number of named values, nested objects
/// joined by a dot.
#[derive(Debug)]
pub struct MetricsReader {
    path: PathBuf,
    /// Which file was read: a resumed run puts another one in its place.
    file: Option<u64>,
    offset: u64,
    /// The line that was being written when the file was last read.
    rest: Vec<u8>,
}

impl MetricsReader {
    pub fn new(run: &Path) -> Self {
        Self {
            path: run.join("metrics.jsonl"),
            file: None,
            offset: 0,
            rest: Vec::new(),
        }
    }

    /// Reads what was added since the last call, a piece at a time.
    pub fn read(&mut self) -> Piece {
        let mut piece = Piece::default();
        if let Err(err) = self.read_into(&mut piece) {
            // A run that was just started has no file yet: that is no problem.
            if err.kind() != std::io::ErrorKind::NotFound {
                piece.problem = Some(format!("Could not read {}: {err}.", self.path.display()));
            }
        }
        piece
    }

    fn read_into(&mut self, piece: &mut Piece) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let id = file_id(&metadata);
        if metadata.len() < self.offset || self.file.is_some_and(|known| known != id) {
            self.offset = 0;
            self.rest.clear();
            piece.restarted = true;
        }
        self.file = Some(id);
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.take(PIECE as u64).read_to_end(&mut self.rest)?;
        self.offset += read as u64;
        piece.more = read == PIECE;
        let whole = self
            .rest
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in self.rest[..whole]
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
        {
            if !parse(line, &mut piece.values) {
                piece.unread_lines += 1;
            }
        }
        self.rest.drain(..whole);
        Ok(())
    }
}

/// Tells one file from another that took its name; where the system has no such number, its length must do.
fn file_id(metadata: &std::fs::Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    return u64::from(metadata.is_file());
}

fn parse(line: &[u8], values: &mut Vec<(String, f64, f64)>) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
        return false;
    };
    let Some(step) = object.get("step").and_then(Value::as_f64) else {
        return false;
    };
    for (name, value) in &object {
        if name != "step" {
            flatten(name, value, step, values);
        }
    }
    true
}

fn flatten(name: &str, value: &Value, step: f64, values: &mut Vec<(String, f64, f64)>) {
    match value {
        Value::Number(number) => values.extend(number.as_f64().map(|value| (name.to_owned(), step, value))),
        // JSON has no NaN: writers put null or a string.
        Value::Null => values.push((name.to_owned(), step, f64::NAN)),
        Value::String(text) if matches!(text.as_str(), "NaN" | "inf" | "-inf") => {
            values.push((name.to_owned(), step, f64::NAN));
        }
        Value::Object(object) => {
            for (inner, value) in object {
                flatten(&format!("{name}.{inner}"), value, step, values);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_growing_file_is_read_once_and_half_lines_wait() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut reader = MetricsReader::new(folder.path());
        let mut metrics = Run::default();
        assert!(!metrics.append(reader.read()), "no file yet");
        let mut file = File::create(folder.path().join("metrics.jsonl"))?;
        write!(
            file,
            "{{\"step\":1,\"loss\":2.5,\"lr\":{{\"encoder\":0.1}}}}\nnot json\n{{\"step\":2,\"lo"
        )?;
        assert!(metrics.append(reader.read()));
        assert_eq!(metrics.series["loss"].last(), Some([1.0, 2.5]));
        assert_eq!(metrics.series["lr.encoder"].len(), 1);
        writeln!(file, "ss\":null}}")?;
        metrics.append(reader.read());
        assert_eq!((&metrics.not_finite["loss"], metrics.unread_lines), (&vec![2.0], 1));
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\":0,\"loss\":9}\n")?;
        metrics.append(reader.read());
        assert_eq!(metrics.series["loss"].last(), Some([0.0, 9.0]));
        // A longer file in its place: what a resumed run leaves behind after trimming.
        let other = folder.path().join("other");
        std::fs::write(
            &other,
            "{\"step\":0,\"loss\":7}\n{\"step\":1,\"loss\":6}\n{\"step\":2,\"loss\":5}\n",
        )?;
        std::fs::rename(&other, &path)?;
        metrics.append(reader.read());
        assert_eq!((metrics.series["loss"].len(), metrics.unread_lines), (3, 0));
        Ok(())
    }

    #[test]
    fn a_run_knows_its_time_its_throughput_and_what_was_no_number() {
        let mut run = Run::default();
        let mut push = |name: &str, step: f64, value: f64| run.push(name.to_owned(), step, value);
        for step in 1..=4 {
            push("secs", f64::from(step), 0.5);
            push("loss", f64::from(step), if step == 3 { f64::NAN } else { 1.0 });
        }
        assert_eq!(
            (run.secs_at(2.0), run.secs_at(2.5), run.secs_at(9.0)),
            (Some(1.0), Some(1.25), Some(2.0))
        );
        assert_eq!((run.step_at(1.25), run.step_at(0.0)), (Some(2.5), Some(1.0)));
        assert_eq!(run.series["steps_per_sec"].last(), Some([4.0, 2.0]));
        assert_eq!(
            (run.series["loss"].len(), run.not_finite["loss"].as_slice()),
            (3, &[3.0][..])
        );
        assert_eq!(run.last_step(), Some(4.0));
        // It is resumed from step 2, and this time all goes well.
        run.push("secs".to_owned(), 3.0, 1.0);
        run.push("loss".to_owned(), 3.0, 0.9);
        assert_eq!(run.secs_at(3.0), Some(2.0));
        assert!(run.not_finite["loss"].is_empty());
        assert_eq!(run.series["loss"].last(), Some([3.0, 0.9]));
    }
}

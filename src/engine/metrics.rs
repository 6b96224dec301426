//! The numbers of a training run, read from its `metrics.jsonl` as the file grows, and kept so that a curve of a
//! million points is drawn from a few thousand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Points or buckets that make one bucket of the next level.
const FAN: usize = 8;
/// Bytes that are read in one go.
const PIECE: usize = 4 << 20;

/// A stretch of a curve: where it lies and the values in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// First and last x.
    pub x: [f64; 2],
    /// Lowest and highest value.
    pub y: [f64; 2],
    pub mean: f64,
}

/// One curve, with its extremes over ever longer stretches: level k holds one bucket for every 8^k points.
#[derive(Clone, Debug, Default)]
pub struct Series {
    points: Vec<[f64; 2]>,
    levels: Vec<Vec<Stretch>>,
}

impl Series {
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Every point, in the order of its steps.
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub fn last(&self) -> Option<[f64; 2]> {
        self.points.last().copied()
    }

    /// Adds a point. One that does not lie after the last (a resumed run repeats steps) replaces what it overtakes.
    pub fn push(&mut self, x: f64, y: f64) {
        if self.points.last().is_some_and(|last| last[0] >= x) {
            self.truncate(self.points.partition_point(|point| point[0] < x));
        }
        self.points.push([x, y]);
        let mut len = self.points.len();
        let mut level = 0;
        while len.is_multiple_of(FAN) {
            let bucket = self.summary(level, len - FAN..len);
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(bucket);
            len = self.levels[level].len();
            level += 1;
        }
    }

    fn truncate(&mut self, mut len: usize) {
        self.points.truncate(len);
        for level in &mut self.levels {
            len /= FAN;
            level.truncate(len);
        }
    }

    /// One bucket over a range of level `level - 1` (of the points for level 0).
    fn summary(&self, level: usize, range: std::ops::Range<usize>) -> Stretch {
        let empty = [f64::INFINITY, f64::NEG_INFINITY];
        let mut all = Stretch {
            x: empty,
            y: empty,
            mean: 0.0,
        };
        for index in range {
            let part = self.bucket(level, index);
            all.x = [all.x[0].min(part.x[0]), all.x[1].max(part.x[1])];
            all.y = [all.y[0].min(part.y[0]), all.y[1].max(part.y[1])];
            // Every part stands for as many points as the next.
            all.mean += part.mean / FAN as f64;
        }
        all
    }

    /// What lies at an index of level `level`, where 0 is the points themselves.
    fn bucket(&self, level: usize, index: usize) -> Stretch {
        match level {
            0 => {
                let [x, y] = self.points[index];
                Stretch {
                    x: [x; 2],
                    y: [y; 2],
                    mean: y,
                }
            }
            level => self.levels[level - 1][index],
        }
    }

    fn level_len(&self, level: usize) -> usize {
        match level {
            0 => self.points.len(),
            level => self.levels.get(level - 1).map_or(0, Vec::len),
        }
    }

    /// The curve over a range of x in at most about `most` stretches. Each knows its extremes, so that no spike is lost;
    /// short enough ranges come as their points.
    pub fn decimated(&self, x: RangeInclusive<f64>, most: usize) -> Vec<Stretch> {
        // One point beyond either edge, so that the line runs out of the picture and does not stop in it.
        let from = self
            .points
            .partition_point(|point| point[0] < *x.start())
            .saturating_sub(1);
        let to = (self.points.partition_point(|point| point[0] <= *x.end()) + 1).min(self.points.len());
        let mut out = Vec::new();
        let mut level = 0;
        let mut width = 1;
        while to.saturating_sub(from) / width > most.max(FAN) && self.level_len(level + 1) > 0 {
            level += 1;
            width *= FAN;
        }
        // Whole buckets first; what is left after the last whole one comes from the finer levels.
        let mut at = from / width * width;
        loop {
            while at < to && at / width < self.level_len(level) {
                out.push(self.bucket(level, at / width));
                at += width;
            }
            if level == 0 {
                return out;
            }
            level -= 1;
            width /= FAN;
        }
    }
}

/// All curves of one run.
#[derive(Clone, Debug, Default)]
pub struct RunMetrics {
    /// `runs/NAME`.
    pub run: PathBuf,
    pub series: BTreeMap<String, Series>,
    /// Values that were not finite, by curve: they leave a gap and are worth knowing of.
    pub not_finite: BTreeMap<String, usize>,
    /// Lines that are not JSON objects with a step.
    pub unread_lines: usize,
    /// Why the file cannot be read, if it cannot.
    pub problem: Option<String>,
}

impl RunMetrics {
    pub fn new(run: PathBuf) -> Self {
        Self { run, ..Self::default() }
    }

    /// Adds what was read; whether anything changed.
    pub fn append(&mut self, piece: Piece) -> bool {
        let changed =
            !piece.values.is_empty() || piece.unread_lines > 0 || piece.restarted || self.problem != piece.problem;
        if piece.restarted {
            self.series.clear();
            self.not_finite.clear();
            self.unread_lines = 0;
        }
        self.problem = piece.problem;
        self.unread_lines += piece.unread_lines;
        for (name, step, value) in piece.values {
            if value.is_finite() {
                self.series.entry(name).or_default().push(step, value);
            } else {
                *self.not_finite.entry(name).or_default() += 1;
            }
        }
        changed
    }
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
    fn a_million_points_are_drawn_from_a_few_thousand_and_no_spike_is_lost() {
        let mut series = Series::default();
        for step in 0..1_000_000 {
            let spike = if step == 654_321 { 1e3 } else { 0.0 };
            series.push(f64::from(step), (f64::from(step) * 1e-3).sin() + spike);
        }
        let curve = series.decimated(0.0..=1e6, 1000);
        assert!(curve.len() <= 1040, "{}", curve.len());
        assert!(curve.iter().any(|stretch| stretch.y[1] > 999.0));
        assert_eq!((curve[0].x[0], curve[curve.len() - 1].x[1]), (0.0, 999_999.0));
        assert!(curve.windows(2).all(|pair| pair[0].x[1] < pair[1].x[0]));
        assert!(
            curve
                .iter()
                .all(|stretch| stretch.y[0] <= stretch.mean && stretch.mean <= stretch.y[1])
        );
        let close = series.decimated(654_300.0..=654_340.0, 1000);
        let spike = [1e3 + 654.321f64.sin(); 2];
        assert!(
            close.len() < 50
                && close
                    .iter()
                    .any(|stretch| stretch.x[0] == 654_321.0 && stretch.y == spike)
        );
    }

    #[test]
    fn a_resumed_run_overwrites_the_steps_it_repeats() {
        let mut series = Series::default();
        for step in 0..1000 {
            series.push(f64::from(step), 1.0);
        }
        for step in 500..700 {
            series.push(f64::from(step), 2.0);
        }
        assert_eq!((series.len(), series.last()), (700, Some([699.0, 2.0])));
        let mut fresh = Series::default();
        for step in 0..700 {
            fresh.push(f64::from(step), if step < 500 { 1.0 } else { 2.0 });
        }
        assert_eq!(series.levels, fresh.levels);
    }

    #[test]
    fn a_growing_file_is_read_once_and_half_lines_wait() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut reader = MetricsReader::new(folder.path());
        let mut metrics = RunMetrics::new(folder.path().to_owned());
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
        assert_eq!((metrics.not_finite["loss"], metrics.unread_lines), (1, 1));
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
}

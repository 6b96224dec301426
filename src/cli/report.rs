//! `thinkjepa report`: the tables of the README, made from the records that measurements leave.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::eval::{ROWS, Row};
use super::{CliError, CliResult, Console, Exit, OutputArgs, Subcommand};
use crate::weights::write_file;

/// What stands around a table.
struct Marks {
    begin: &'static str,
    end: &'static str,
}

const FIGURES: Marks = Marks {
    begin: "<!-- made by `thinkjepa report` -->\n",
    end: "<!-- end -->\n",
};
const HORIZONS: Marks = Marks {
    begin: "<!-- by horizon, made by `thinkjepa report` -->\n",
    end: "<!-- end of horizons -->\n",
};

#[derive(Args)]
pub struct Report {
    /// Folder of the records
    #[arg(long, value_name = "FOLDER", default_value = "assets/records")]
    records: PathBuf,
    /// Put the table between the marks in this file, instead of printing it
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// One line of the table.
struct Line {
    /// Name of the record, without `.json`.
    record: &'static str,
    what: &'static str,
    figures: &'static [Figure],
}

/// A part of a line's result: what stands before it, where it lies in the record, and how it is written.
struct Figure(&'static str, &'static str, Form);

#[derive(Clone, Copy)]
enum Form {
    /// A share with its interval and its count.
    Rate,
    /// A value in metres with its interval, as centimetres.
    Centimetres,
    /// A bare number of milliseconds.
    Milliseconds,
    /// A bare number of frames a second.
    FramesPerSecond,
    /// A value with its interval, to so many digits.
    Value(usize),
}

impl Form {
    /// What a record must hold for it.
    fn expected(self) -> &'static str {
        match self {
            Rate => "success_rate, ci95 and n",
            Centimetres | WithInterval(_) => "value and ci95",
            Milliseconds => "a number of milliseconds",
            FramesPerSecond => "a number of frames a second",
        }
    }
}

use Form::{Centimetres, FramesPerSecond, Milliseconds, Rate, Value as WithInterval};

const KINDS: &[Figure] = &[
    Figure("reach ", "/by_template/reach", Rate),
    Figure("pick ", "/by_template/pick", Rate),
    Figure("place ", "/by_template/place", Rate),
    Figure("stack ", "/by_template/stack", Rate),
];

/// Nothing teaches the language side to say "reach".
const OF_LANGUAGE: &[Figure] = KINDS.split_at(1).1;

const IN_A_ROW: &[Figure] = &[
    Figure("one ", "/measured/in_a_row/1", Rate),
    Figure("two ", "/measured/in_a_row/2", Rate),
    Figure("three ", "/measured/in_a_row/3", Rate),
    Figure("four ", "/measured/in_a_row/4", Rate),
    Figure("five ", "/measured/in_a_row/5", Rate),
    Figure("on average ", "/measured/average_length", WithInterval(2)),
];

const ALL: &[Figure] = &[Figure("", "", Rate)];

/// Sub-goals of a task.
const COLUMNS: [usize; 4] = [3, 5, 7, 10];

const LINES: &[Line] = &[
    Line {
        record: "nano-lists-seen",
        what: "the language model's list, carried out by the scripted expert, solves the task",
        figures: ALL,
    },
    Line {
        record: "nano-lists-held-out",
        what: "the same, in phrasings that were never trained on",
        figures: ALL,
    },
    Line {
        record: "nano-lists-seen",
        what: "lists that depend on the frame: with it, and with another episode's frame",
        figures: &[
            Figure("", "/measured/depends_on_frame", Rate),
            Figure("with another ", "/measured/depends_on_frame_shuffled", Rate),
        ],
    },
    Line {
        record: "nano-lists-seen",
        what: "the attention map's mass on what the first sub-goal names, as a multiple of a uniform map's",
        figures: &[Figure("", "/measured/map_mass_on_objects", WithInterval(1))],
    },
    Line {
        record: "nano-oracle",
        what: "one sub-goal toward the encoded picture of it achieved",
        figures: KINDS,
    },
    Line {
        record: "nano-gpi-vlm",
        what: "one sub-goal toward the goal that GPI makes of the text, with the language model's own map",
        figures: OF_LANGUAGE,
    },
    Line {
        record: "nano-gpi-true",
        what: "the same, with the true map",
        figures: OF_LANGUAGE,
    },
    Line {
        record: "nano-gpi-uniform",
        what: "the same, with a uniform map",
        figures: OF_LANGUAGE,
    },
    Line {
        record: "nano-gpi-shuffled",
        what: "the same, with the values of the model's map on other patches",
        figures: OF_LANGUAGE,
    },
    Line {
        record: "nano-swap",
        what: "the goal follows when the text names another object, and how far off it lies (median)",
        figures: &[
            Figure("", "", Rate),
            Figure("off by ", "/measured/median_error_m/first", Centimetres),
        ],
    },
    Line {
        record: "nano-demo-3",
        what: "typed tasks of three sub-goals, the whole chain, judged by the physical world",
        figures: ALL,
    },
    Line {
        record: "nano-demo-3",
        what: "of the tasks of three sub-goals, those whose first list was right",
        figures: &[Figure("", "/measured/solved_where_list_right", Rate)],
    },
    Line {
        record: "nano-demo-flat",
        what: "beside it: CEM toward one goal that GPI makes of the whole task's words, no list",
        figures: ALL,
    },
    Line {
        record: "nano-demo-flat-image",
        what: "beside it: CEM toward the encoded picture of the task achieved, no list and no language",
        figures: ALL,
    },
    Line {
        record: "nano-demo-random",
        what: "beside it: smooth random actions for as many steps",
        figures: ALL,
    },
    Line {
        record: "nano-in-a-row",
        what: "short tasks in a row, each in the world that the one before has left (CALVIN's protocol), the whole chain",
        figures: IN_A_ROW,
    },
    Line {
        record: "nano-in-a-row-flat",
        what: "beside it: CEM toward one goal that GPI makes of each task's words, no list",
        figures: IN_A_ROW,
    },
    Line {
        record: "nano-recovery",
        what: "a block is moved by hand in the middle of the task: solved all the same, and undisturbed",
        figures: &[
            Figure("", "", Rate),
            Figure("undisturbed ", "/measured/undisturbed", Rate),
        ],
    },
    Line {
        record: "nano-world",
        what: "open-loop error over persistence, all tokens, 1, 4 and 8 steps ahead",
        figures: &[
            Figure(
                "",
                "/measured/open_loop/1/tokens/error_over_persistence",
                WithInterval(2),
            ),
            Figure(
                "",
                "/measured/open_loop/4/tokens/error_over_persistence",
                WithInterval(2),
            ),
            Figure(
                "",
                "/measured/open_loop/8/tokens/error_over_persistence",
                WithInterval(2),
            ),
        ],
    },
    Line {
        record: "nano-world",
        what: "the same of the gripper, and of scene content",
        figures: &[
            Figure(
                "gripper ",
                "/measured/open_loop/8/gripper_xy/error_over_persistence",
                WithInterval(2),
            ),
            Figure(
                "content ",
                "/measured/open_loop/1/content/error_over_persistence",
                WithInterval(2),
            ),
            Figure(
                "",
                "/measured/open_loop/4/content/error_over_persistence",
                WithInterval(2),
            ),
            Figure(
                "",
                "/measured/open_loop/8/content/error_over_persistence",
                WithInterval(2),
            ),
        ],
    },
    Line {
        record: "nano-world",
        what: "blocks read out of the real frame's tokens by a line: mean error an axis, and chance",
        figures: &[
            Figure("", "/measured/read_out/tokens/found/blocks_m", Centimetres),
            Figure(
                "chance ",
                "/measured/read_out/tokens/found/blocks_chance_m",
                Centimetres,
            ),
        ],
    },
    Line {
        record: "nano-bench",
        what: "one plan: 480 imagined steps",
        figures: &[Figure("", "/timings/plan", Milliseconds)],
    },
    Line {
        record: "nano-bench",
        what: "48 futures by one step, and with the library's layers one by one",
        figures: &[
            Figure("", "/timings/imagine", Milliseconds),
            Figure("by layers ", "/timings/by layers", Milliseconds),
        ],
    },
    Line {
        record: "nano-window",
        what: "a frame of the window, laid out and tessellated while an episode is planned: p50, p95",
        figures: &[Figure("", "/p50_ms", Milliseconds), Figure("", "/p95_ms", Milliseconds)],
    },
    Line {
        record: "nano-window-training",
        what: "the same of both workspaces in turn, while a training runs as well and a million points are in the charts",
        figures: &[
            Figure("", "/p50_ms", Milliseconds),
            Figure("", "/p95_ms", Milliseconds),
            Figure("in the training workspace alone p95 ", "/training/p95_ms", Milliseconds),
        ],
    },
    Line {
        record: "nano-window-software",
        what: "frames that a software adapter draws a second while an episode is planned, of 30 that the window asks for",
        figures: &[Figure("", "/frames_per_sec", FramesPerSecond)],
    },
];

impl Subcommand for Report {
    fn json(&self) -> bool {
        self.output.json
    }

    fn check(&self) -> Result<(), CliError> {
        self.output.check()
    }

    fn run(&self, console: &Console) -> CliResult {
        let (figures, horizons) = (table(&self.records)?, by_horizon(&self.records)?);
        match &self.readme {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|err| CliError::new(format!("Could not read {}: {err}.", path.display())))?;
                let text = with_table(&text, &FIGURES, &figures, path)?;
                write_file(path, with_table(&text, &HORIZONS, &horizons, path)?.as_bytes())?;
            }
            None => console.line(&format!("{figures}\n{}", horizons.trim_end())),
        }
        let tables = json!({ "schema": "thinkjepa.report/1", "table": figures, "by_horizon": horizons });
        console.document(&self.output, &tables)?;
        Ok(Exit::Done)
    }
}

/// The text with the table between its marks.
fn with_table(text: &str, marks: &Marks, table: &str, path: &Path) -> Result<String, CliError> {
    let Marks { begin, end } = marks;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(CliError::new(format!(
            "{}: no place for the table, expected the line {} and, below it, the line {}.",
            path.display(),
            begin.trim_end(),
            end.trim_end()
        )));
    };
    Ok(format!("{before}{begin}{table}{end}{after}"))
}

/// The table in Markdown; lines whose record is not there are left out.
///
/// # Errors
/// A record cannot be read, or lacks a figure of its line.
fn table(records: &Path) -> Result<String, CliError> {
    let mut table = "| what | result | command (`thinkjepa …`) |\n|---|---|---|\n".to_owned();
    let mut before = None;
    for line in LINES {
        let path = path_of(records, line.record);
        let Some(record) = read(&path)? else { continue };
        let figures: Vec<String> = line
            .figures
            .iter()
            .map(|figure| figure.read(&record).ok_or_else(|| lacking(&path, figure.1, figure.2)))
            .collect::<Result<_, _>>()?;
        let command = match before.replace(line.record) {
            Some(before) if before == line.record => "in the same record".to_owned(),
            _ => record["command"]
                .as_str()
                .or_else(|| record["settings"]["command"].as_str())
                .map_or(String::new(), |command| format!("`{command}`")),
        };
        table.push_str(&format!("| {} | {} | {command} |\n", line.what, figures.join(", ")));
    }
    Ok(table)
}

/// Rates by the number of sub-goals in Markdown; rows whose record is not there are left out.
///
/// # Errors
/// A record cannot be read, or lacks the rate of a number of sub-goals.
fn by_horizon(records: &Path) -> Result<String, CliError> {
    let heads = COLUMNS.map(|column| column.to_string()).join(" | ");
    let mut table = format!("| sub-goals | {heads} |\n|---{}|\n", "|---".repeat(COLUMNS.len()));
    for Row { record, what, .. } in ROWS {
        let path = path_of(records, record);
        let Some(record) = read(&path)? else { continue };
        let mut row = format!("| {what} |");
        for column in COLUMNS {
            let place = format!("/by_horizon/{column}");
            let found = record.pointer(&place).and_then(|found| Rate.write(found));
            let found = found.ok_or_else(|| lacking(&path, &place, Rate))?;
            row.push_str(&format!(" {found} |"));
        }
        table.push_str(&format!("{row}\n"));
    }
    Ok(table)
}

fn path_of(records: &Path, name: &str) -> PathBuf {
    records.join(format!("{name}.json"))
}

/// None where there is no such record.
fn read(path: &Path) -> Result<Option<Value>, CliError> {
    let wrong = |what: &str, err: &dyn std::fmt::Display| CliError::new(format!("{what}{}: {err}.", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(serde_json::from_str(&text).map_err(|err| wrong("", &err))?)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(wrong("Could not read ", &err)),
    }
}

fn lacking(path: &Path, place: &str, form: Form) -> CliError {
    let place = if place.is_empty() { "its top level" } else { place };
    CliError::new(format!(
        "{}: no figure at {place}, expected {}. Make the record anew.",
        path.display(),
        form.expected()
    ))
}

impl Figure {
    fn read(&self, record: &Value) -> Option<String> {
        let Self(label, place, form) = self;
        // Timings lie in a list, by name.
        let found = match place.strip_prefix("/timings/") {
            Some(name) => record["timings"]
                .as_array()?
                .iter()
                .find(|timing| timing["name"] == name)
                .map(|timing| &timing["median_ms"])?,
            None => record.pointer(place)?,
        };
        Some(format!("{label}{}", form.write(found)?))
    }
}

impl Form {
    /// None where the value has another form.
    fn write(self, found: &Value) -> Option<String> {
        let bounds = || Some([found["ci95"][0].as_f64()?, found["ci95"][1].as_f64()?]);
        let interval = |scale: f64, unit: &str, digits: usize| {
            let value = scale * found["value"].as_f64()?;
            let [low, high] = bounds()?.map(|bound| scale * bound);
            Some(format!("{value:.digits$}{unit} [{low:.digits$}, {high:.digits$}]"))
        };
        Some(match self {
            Rate => {
                let [low, high] = bounds()?.map(|bound| 100.0 * bound.max(0.0));
                let rate = 100.0 * found["success_rate"].as_f64()?;
                format!("{rate:.0} % [{low:.0}, {high:.0}], n = {}", found["n"].as_u64()?)
            }
            Centimetres => interval(100.0, " cm", 1)?,
            WithInterval(digits) => interval(1.0, "", digits)?,
            Milliseconds => format!("{:.1} ms", found.as_f64()?),
            FramesPerSecond => format!("{:.1}", found.as_f64()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_intervals() {
        let record = json!({
            "n": 50, "success_rate": 0.86, "ci95": [0.738, 0.9304],
            "timings": [{ "name": "plan", "median_ms": 82.31 }],
            "measured": { "off": { "value": 0.0659, "ci95": [0.058, 0.0721] } },
        });
        let read = |place, form| Figure("all ", place, form).read(&record);
        assert_eq!(read("", Rate).as_deref(), Some("all 86 % [74, 93], n = 50"));
        assert_eq!(read("/timings/plan", Milliseconds).as_deref(), Some("all 82.3 ms"));
        assert_eq!(
            read("/measured/off", Centimetres).as_deref(),
            Some("all 6.6 cm [5.8, 7.2]")
        );
        assert_eq!(
            read("/measured/off", WithInterval(1)).as_deref(),
            Some("all 0.1 [0.1, 0.1]")
        );
        assert_eq!(read("/measured/on", Rate), None);
    }

    #[test]
    fn the_table_takes_the_place_of_the_one_before_and_needs_its_marks() {
        let path = Path::new("README.md");
        let Marks { begin, end } = FIGURES;
        let old = format!("before\n{begin}old\n{end}after\n");
        let new = with_table(&old, &FIGURES, "new\n", path).ok().unwrap();
        assert_eq!(new, format!("before\n{begin}new\n{end}after\n"));
        assert!(with_table(&old, &HORIZONS, "new\n", path).is_err());
    }

    #[test]
    fn a_missing_record_is_left_out_and_a_missing_figure_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nano-oracle.json");
        let rate = json!({ "n": 5, "success_rate": 0.6, "ci95": [0.2, 0.9] });
        let mut record = json!({ "by_template": { "reach": rate, "pick": rate, "place": rate, "stack": rate } });
        std::fs::write(&path, record.to_string()).unwrap();
        let made = table(folder.path()).ok().unwrap();
        assert_eq!(made.lines().count(), 3, "{made}");
        record["by_template"].as_object_mut().unwrap().remove("place");
        std::fs::write(&path, record.to_string()).unwrap();
        let said = table(folder.path()).err().unwrap().0.to_string();
        assert!(
            said.contains("nano-oracle.json: no figure at /by_template/place, expected success_rate"),
            "{said}"
        );
        // The language side is never asked to reach.
        record["by_template"] = json!({ "pick": rate, "place": rate, "stack": rate });
        std::fs::remove_file(&path).unwrap();
        std::fs::write(folder.path().join("nano-gpi-vlm.json"), record.to_string()).unwrap();
        assert!(table(folder.path()).is_ok());
    }

    #[test]
    fn a_row_by_horizon_has_every_number_of_sub_goals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thinkbench-random.json");
        let rate = json!({ "n": 50, "success_rate": 0.0, "ci95": [0.0, 0.07] });
        let mut record = json!({ "by_horizon": { "3": rate, "5": rate, "7": rate, "10": rate } });
        std::fs::write(&path, record.to_string()).unwrap();
        let made = by_horizon(folder.path()).ok().unwrap();
        let cell = "0 % [0, 7], n = 50";
        let row = format!("| random actions | {cell} | {cell} | {cell} | {cell} |");
        assert_eq!(made.lines().nth(2), Some(row.as_str()));
        record["by_horizon"].as_object_mut().unwrap().remove("7");
        std::fs::write(&path, record.to_string()).unwrap();
        let said = by_horizon(folder.path()).err().unwrap().0.to_string();
        assert!(
            said.contains("thinkbench-random.json: no figure at /by_horizon/7"),
            "{said}"
        );
    }

    #[test]
    fn the_readme_s_table_has_the_record_of_every_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut missing: Vec<&str> = LINES.iter().map(|line| line.record).collect();
        missing.retain(|record| !root.join(format!("assets/records/{record}.json")).is_file());
        assert!(missing.is_empty(), "assets/records lacks {missing:?}");
    }

    /// What the README claims is what the records hold.
    #[test]
    fn the_readme_holds_the_table_of_the_committed_records() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("README.md");
        let readme = std::fs::read_to_string(&path).unwrap();
        let records = root.join("assets/records");
        let [figures, horizons] =
            [table(&records), by_horizon(&records)].map(|table| table.unwrap_or_else(|err| panic!("{}", err.0)));
        let renewed = with_table(&readme, &FIGURES, &figures, &path).ok().unwrap();
        let renewed = with_table(&renewed, &HORIZONS, &horizons, &path).ok().unwrap();
        assert!(
            renewed == readme,
            "README.md is not up to date: run `thinkjepa report --readme README.md`"
        );
    }
}

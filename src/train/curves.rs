//! A run's numbers in a few: how each went from its beginning to its end.

use std::path::Path;

use serde_json::{Map, Value};

use super::TrainError;
use super::run::LOG;

/// Columns of the table.
const PARTS: usize = 10;

/// What is no outcome of a step.
const LEFT_OUT: [&str; 8] = [
    "step",
    "secs",
    "loader_secs",
    "learning_rate",
    "learning_rate_encoder",
    "learning_rate_lora",
    "ema_tau",
    "memory_bytes",
];

/// A table in Markdown of a run's `metrics.jsonl`: means over each tenth of its steps, a column headed by the tenth's last
/// step and a row for each number.
///
/// # Errors
/// The log cannot be read, or a line of it is no JSON object.
pub fn curves(run: &Path) -> Result<String, TrainError> {
    let path = run.join(LOG);
    let text = std::fs::read_to_string(&path).map_err(|err| TrainError::io("read", &path, err))?;
    let steps: Vec<Map<String, Value>> = text
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|err| TrainError::io("read", &path, err)))
        .collect::<Result<_, _>>()?;
    let parts: Vec<&[Map<String, Value>]> = steps.chunks(steps.len().div_ceil(PARTS).max(1)).collect();
    let mut names: Vec<&str> = Vec::new();
    for name in steps.iter().flat_map(Map::keys) {
        if !names.contains(&name.as_str()) && !LEFT_OUT.contains(&name.as_str()) {
            names.push(name);
        }
    }
    // The loss that is minimised comes first.
    names.sort_by_key(|name| *name != "loss");
    let last = |part: &&[Map<String, Value>]| part.last().and_then(|step| step.get("step")).cloned();
    let ends: Vec<String> = parts
        .iter()
        .map(|part| last(part).unwrap_or_default().to_string())
        .collect();
    let mut table = format!(
        "| mean up to step | {} |\n|---|{}\n",
        ends.join(" | "),
        "---|".repeat(parts.len())
    );
    for name in names {
        let cells: Vec<String> = parts.iter().map(|part| mean(part, name)).collect();
        table.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    Ok(table)
}

/// Three digits that count, or a dash where no step has the number.
fn mean(part: &[Map<String, Value>], name: &str) -> String {
    let values: Vec<f64> = part
        .iter()
        .filter_map(|step| step.get(name).and_then(Value::as_f64))
        .collect();
    if values.is_empty() {
        return "–".to_owned();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let before_point = mean.abs().log10().floor().clamp(-6.0, 3.0) as i32;
    let digits = (2 - before_point).max(0) as usize;
    format!("{mean:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_becomes_the_means_of_its_tenths() {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (1..=40)
            .map(|step| {
                let late = if step > 20 { ",\"late\":0.00126" } else { "" };
                format!("{{\"a\":{},\"loss\":{step},\"secs\":3,\"step\":{step}{late}}}\n", -step)
            })
            .collect();
        std::fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
        let table = curves(folder.path()).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "| mean up to step | 4 | 8 | 12 | 16 | 20 | 24 | 28 | 32 | 36 | 40 |"
        );
        assert_eq!(
            lines[2],
            "| loss | 2.50 | 6.50 | 10.5 | 14.5 | 18.5 | 22.5 | 26.5 | 30.5 | 34.5 | 38.5 |"
        );
        assert!(lines[3].starts_with("| a | -2.50 |"), "{table}");
        assert!(
            lines[4].starts_with("| late | – | – |") && lines[4].ends_with("| 0.00126 |"),
            "{table}"
        );
        assert_eq!(lines.len(), 5, "{table}");
    }

    #[test]
    fn a_log_that_is_not_there_is_named() {
        let err = curves(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(err.contains("/nowhere/metrics.jsonl"), "{err}");
    }
}

//! A configuration as a form: its fields one by one, each with the text that stands for it, and a configuration made of
//! such texts with every mistake beside its field.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Config, ConfigError};

/// How a field is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Number,
    Switch,
    /// One of these words.
    Choice(Vec<String>),
    /// Numbers in a row, such as a range.
    Row,
}

/// One value of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `train.stage1.lr.encoder`.
    pub path: String,
    pub kind: FieldKind,
    /// What stands there.
    pub text: String,
}

/// What came of the texts of a form.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// With every text that could be read.
    pub config: Config,
    /// What is wrong, by field.
    pub problems: BTreeMap<String, String>,
}

impl Config {
    /// The fields at or below `path`, by name. Values that are no number, switch, word or row of
    /// numbers have no field.
    pub fn fields(&self, path: &str) -> Vec<Field> {
        let document = serde_json::to_value(self).unwrap_or_default();
        let mut place = Some(&document);
        for name in path.split('.') {
            place = place.and_then(|place| place.get(name));
        }
        let mut found = Vec::new();
        if let Some(place) = place {
            walk(&document, path, place, &mut found);
        }
        found
    }

    /// This configuration with texts in place of fields.
    pub fn edited(&self, texts: &BTreeMap<String, String>) -> Edited {
        let mut problems = BTreeMap::new();
        let mut config = self.clone();
        for (path, text) in texts {
            let read = config.with_text(path, text);
            match read {
                Ok(changed) => config = changed,
                Err(what) => {
                    problems.insert(path.clone(), what);
                }
            }
        }
        for problem in config.problems("the form") {
            if let ConfigError::Value { field, expected, .. } = problem {
                problems.entry(field).or_insert(format!("Expected {expected}."));
            }
        }
        Edited { config, problems }
    }

    /// With one text in place, of the right kind but perhaps out of range.
    fn with_text(&self, path: &str, text: &str) -> Result<Self, String> {
        let mut document = serde_json::to_value(self).map_err(|err| err.to_string())?;
        let place = document
            .pointer_mut(&format!("/{}", path.replace('.', "/")))
            .ok_or_else(|| "There is no such field.".to_owned())?;
        *place = value(place, text)?;
        serde_json::from_value(document).map_err(|_| "Expected a whole number, 0 or more.".to_owned())
    }
}

fn walk(document: &Value, path: &str, value: &Value, found: &mut Vec<Field>) {
    let kind = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(document, &format!("{path}.{name}"), value, found);
            }
            return;
        }
        Value::Number(_) => FieldKind::Number,
        Value::Bool(_) => FieldKind::Switch,
        Value::Array(values) if values.iter().all(Value::is_number) => FieldKind::Row,
        Value::String(_) => match choices(document, path) {
            Some(words) => FieldKind::Choice(words),
            None => return,
        },
        Value::Array(_) | Value::Null => return,
    };
    found.push(Field {
        path: path.to_owned(),
        kind,
        text: text(value),
    });
}

fn text(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Array(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

/// The value that a text stands for, of the kind that was there before.
fn value(before: &Value, text: &str) -> Result<Value, String> {
    let number = |text: &str| -> Option<Value> {
        // What can be written as a whole number is one: 1e3 steps are 1000.
        let number: f64 = text.trim().parse().ok()?;
        if number.fract() == 0.0 && (0.0..9e15).contains(&number) {
            return Some(Value::from(number as u64));
        }
        serde_json::Number::from_f64(number).map(Value::Number)
    };
    match before {
        Value::Number(_) => number(text).ok_or_else(|| "Expected a number.".to_owned()),
        Value::Bool(_) => text
            .parse()
            .map(Value::Bool)
            .map_err(|_| "Expected true or false.".to_owned()),
        Value::Array(values) => {
            let row: Option<Vec<Value>> = text.split(',').map(number).collect();
            let row = row.filter(|row| row.len() == values.len());
            row.map(Value::Array)
                .ok_or_else(|| format!("Expected {} numbers with commas between them.", values.len()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The words that an enumeration knows: its reader names them where it meets one that it does not know.
fn choices(document: &Value, path: &str) -> Option<Vec<String>> {
    const NO_WORD: &str = "?";
    let mut document = document.clone();
    *document.pointer_mut(&format!("/{}", path.replace('.', "/")))? = NO_WORD.into();
    let said = serde_json::from_value::<Config>(document).err()?.to_string();
    let (_, expected) = said.split_once("expected ")?;
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SigReg, preset};

    fn edited(texts: &[(&str, &str)]) -> Edited {
        let texts = texts
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        preset("nano").unwrap().edited(&texts.collect())
    }

    #[test]
    fn every_field_of_a_stage_has_its_kind_and_says_what_is_there() {
        let nano = preset("nano").unwrap();
        for stage in ["train.stage1", "train.stage1b", "train.vlm", "train.stage2", "train.bc"] {
            let fields = nano.fields(stage);
            assert!(fields.len() > 7, "{stage}: {fields:?}");
            // What a form shows unchanged is the configuration itself.
            let texts = fields.into_iter().map(|field| (field.path, field.text)).collect();
            assert_eq!(
                nano.edited(&texts),
                Edited {
                    config: nano.clone(),
                    problems: BTreeMap::new()
                }
            );
        }
        let fields = nano.fields("train.stage1");
        let kind = |path: &str| fields.iter().find(|field| field.path == path).unwrap().kind.clone();
        let words = ["spectral", "sketched"].map(str::to_owned).to_vec();
        assert_eq!(kind("train.stage1.losses.sigreg"), FieldKind::Choice(words));
        assert_eq!(kind("train.stage1.losses.sigreg_pooled"), FieldKind::Switch);
        assert_eq!(kind("train.stage1.ema"), FieldKind::Row);
        assert_eq!(kind("train.stage1.lr.encoder"), FieldKind::Number);
        let precision = ["f32", "bf16"].map(str::to_owned).to_vec();
        assert_eq!(nano.fields("precision")[0].kind, FieldKind::Choice(precision));
    }

    #[test]
    fn texts_are_read_and_every_mistake_stands_at_its_field() {
        let good = edited(&[
            ("train.stage1.steps", "1e3"),
            ("train.stage1.lr.encoder", "0.5"),
            ("train.stage1.losses.sigreg", "sketched"),
            ("train.stage1.losses.sigreg_pooled", "false"),
            ("train.stage1.ema", "0.9, 1"),
        ]);
        assert_eq!(good.problems, BTreeMap::new());
        let stage = &good.config.train.stage1;
        assert_eq!((stage.steps, stage.lr.encoder, stage.ema), (1000, 0.5, (0.9, 1.0)));
        assert_eq!(
            (stage.losses.sigreg, stage.losses.sigreg_pooled),
            (SigReg::Sketched, false)
        );

        let bad = edited(&[
            ("train.stage1.steps", "many"),
            ("train.stage1.batch", "0"),
            ("train.stage1.accumulation", "-2"),
            ("train.stage1.ema", "0.9"),
            ("train.stage1.event_share", "1.5"),
            ("train.clip_norm", "NaN"),
        ]);
        let said = |path: &str| bad.problems[path].as_str();
        assert_eq!(said("train.stage1.steps"), "Expected a number.");
        assert_eq!(said("train.stage1.batch"), "Expected 1 to 1048576.");
        assert_eq!(said("train.stage1.accumulation"), "Expected a whole number, 0 or more.");
        assert_eq!(said("train.stage1.ema"), "Expected 2 numbers with commas between them.");
        assert_eq!(said("train.stage1.event_share"), "Expected a share, 0 to 1.");
        assert_eq!(said("train.clip_norm"), "Expected a number.");
        assert_eq!(bad.problems.len(), 6, "{:?}", bad.problems);
    }
}

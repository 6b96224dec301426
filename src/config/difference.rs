//! Where two settings differ, field by field, as the configuration names them.

use serde_json::Value;

use super::PlanConfig;

/// One field and its two values.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `plan.cem.population`.
    pub field: String,
    pub from: Value,
    pub to: Value,
}

impl PlanConfig {
    /// The fields in which `self` and `other` differ, in the order of their names.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        if self == other {
            return Vec::new();
        }
        let value = |config| serde_json::to_value(config).unwrap_or_default();
        let mut found = Vec::new();
        walk("plan", value(self), value(other), &mut found);
        found
    }
}

fn walk(field: &str, from: Value, to: Value, found: &mut Vec<Difference>) {
    match (from, to) {
        (Value::Object(from), Value::Object(mut to)) => {
            for (name, from) in from {
                let to = to.remove(&name).unwrap_or_default();
                walk(&format!("{field}.{name}"), from, to, found);
            }
        }
        (from, to) if from != to => found.push(Difference {
            field: field.to_owned(),
            from,
            to,
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::preset;

    #[test]
    fn only_the_fields_that_differ_are_named() {
        let before = preset("nano").unwrap().plan;
        assert!(before.differences(&before).is_empty());
        let mut after = before.clone();
        (after.horizon, after.cem.elite_fraction) = (before.horizon + 1, 0.25);
        after.cem.noise_common[2] = 0.125;
        let found = before.differences(&after);
        let fields: Vec<&str> = found.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(
            fields,
            ["plan.cem.elite_fraction", "plan.cem.noise_common", "plan.horizon"]
        );
        assert_eq!((&found[0].to, &found[2].from), (&json!(0.25), &json!(before.horizon)));
    }
}

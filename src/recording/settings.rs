//! The settings that a plan is made with, as records and plans tell them: a copy that stays what it was when the
//! program's own settings go on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Recording;
use crate::config::{CostConfig, GoalTiming, PlanConfig, SimilarityKind};

/// What the plan was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSettings {
    pub horizon: usize,
    pub population: usize,
    pub iterations: usize,
    pub elite_fraction: f64,
    pub sd0: f64,
    pub sigma_floor: f64,
    pub warm_start: bool,
    pub noise_common: [f64; 3],
    pub switch_once: bool,
    pub cost: CostConfig,
    pub similarity: SimilarityKind,
    pub goals: GoalTiming,
    pub delta_goal: f64,
    pub t_max: usize,
    pub max_replans: usize,
    pub reasoning_alpha: f64,
}

impl From<&PlanConfig> for PlanSettings {
    fn from(config: &PlanConfig) -> Self {
        let cem = &config.cem;
        Self {
            horizon: config.horizon,
            population: cem.population,
            iterations: cem.iterations,
            elite_fraction: cem.elite_fraction,
            sd0: cem.sd0,
            sigma_floor: cem.sigma_floor,
            warm_start: cem.warm_start,
            noise_common: cem.noise_common,
            switch_once: cem.switch_once,
            cost: config.cost,
            similarity: config.similarity,
            goals: config.goals,
            delta_goal: config.delta_goal,
            t_max: config.t_max,
            max_replans: config.max_replans,
            reasoning_alpha: config.reasoning_alpha,
        }
    }
}

impl Recording {
    /// Names and values of all settings that the episode came to be planned with, in the order of their names: `cem` and
    /// `population` with a dot between. Nothing where the record does not tell.
    pub fn plan_entries(&self) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        let config = self.plan_config_at(usize::MAX);
        if let Some(Ok(value)) = config.map(serde_json::to_value) {
            flatten("", &value, &mut entries);
        }
        entries.sort();
        entries
    }

    /// The settings when `step` was the present: what the episode began with and all that was turned until then; what it
    /// began with alone, where a change was of a setting that is no more. None where the record does not tell.
    pub fn plan_config_at(&self, step: usize) -> Option<PlanConfig> {
        let begun = self.settings.as_ref()?;
        Some(turned(begun, self, step).unwrap_or_else(|| begun.clone()))
    }
}

fn turned(begun: &PlanConfig, recording: &Recording, step: usize) -> Option<PlanConfig> {
    let mut changes = recording.changes.iter().filter(|change| change.step <= step).peekable();
    if changes.peek().is_none() {
        return Some(begun.clone());
    }
    let mut value = serde_json::to_value(begun).ok()?;
    for change in changes {
        let path = change.field.strip_prefix("plan.")?.replace('.', "/");
        value.pointer_mut(&format!("/{path}"))?.clone_from(&change.to);
    }
    serde_json::from_value(value).ok()
}

fn flatten(name: &str, value: &Value, entries: &mut Vec<(String, String)>) {
    let below = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    match value {
        Value::Object(parts) => parts
            .iter()
            .for_each(|(part, value)| flatten(&below(part), value, entries)),
        Value::Array(parts) => {
            let parts = parts.iter().enumerate();
            parts.for_each(|(part, value)| flatten(&below(&part.to_string()), value, entries));
        }
        Value::String(text) => entries.push((name.to_owned(), text.clone())),
        value => entries.push((name.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;
    use crate::recording::SettingChange;

    #[test]
    fn settings_are_told_as_they_were_at_a_step() {
        let begun = preset("nano").unwrap().plan;
        let turned = |step: usize, from: usize, to: usize| SettingChange {
            step,
            field: "plan.cem.population".to_owned(),
            from: from.into(),
            to: to.into(),
        };
        let before = begun.cem.population;
        let recording = Recording {
            settings: Some(begun),
            changes: vec![turned(2, before, 11), turned(5, 11, 13)],
            ..Recording::default()
        };
        let at = |step: usize| recording.plan_config_at(step).unwrap().cem.population;
        assert_eq!(
            [at(0), at(1), at(2), at(4), at(5), at(99)],
            [before, before, 11, 11, 13, 13]
        );
        assert_eq!(Recording::default().plan_config_at(0), None);
        let entries = recording.plan_entries();
        let of = |name: &str| {
            entries
                .iter()
                .find(|entry| entry.0 == name)
                .map(|entry| entry.1.as_str())
        };
        assert_eq!(of("cem.population"), Some("13"));
        assert!(of("encoder").is_some(), "{entries:?}");
        assert_eq!(Recording::default().plan_entries(), []);
    }
}

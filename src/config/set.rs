//! Single settings that replace those of a preset: `train.stage1.mask.causal_share=0.7`.

use serde_json::Value;

use super::{Config, ConfigError};

impl Config {
    /// The configuration with settings replaced. Each is a field's path and its value, as JSON or as a plain word:
    /// `train.stage1.batch=16`, `plan.cost.term=content`, `train.betas=[0.9,0.95]`.
    ///
    /// # Errors
    /// There is no such field, or the value is of another kind or out of range.
    pub fn with_settings(&self, settings: &[String]) -> Result<Self, ConfigError> {
        let mut config = self.clone();
        for setting in settings {
            config = config.with_setting(setting)?;
        }
        Ok(config)
    }

    fn with_setting(&self, setting: &str) -> Result<Self, ConfigError> {
        let refused = |what: String| ConfigError::Setting {
            setting: setting.to_owned(),
            what,
        };
        let (path, text) = setting
            .split_once('=')
            .ok_or_else(|| refused("expected FIELD=VALUE".to_owned()))?;
        let mut document = serde_json::to_value(self).map_err(|err| refused(err.to_string()))?;
        let mut place = &mut document;
        for name in path.trim().split('.') {
            let names = match place {
                Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>().join(", "),
                _ => "no fields".to_owned(),
            };
            place = place
                .get_mut(name)
                .ok_or_else(|| refused(format!("there is no field \"{name}\" (there are {names})")))?;
        }
        // A word that is no JSON is the name of a choice.
        let text = text.trim();
        *place = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        let config: Self = serde_json::from_value(document).map_err(|err| refused(err.to_string()))?;
        config.validate("--set")?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{CostTerm, preset};

    #[test]
    fn settings_replace_those_of_a_preset_and_no_others() {
        let nano = preset("nano").unwrap();
        let set = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            nano.with_settings(&settings)
        };
        let mut expected = nano.clone();
        expected.train.stage1.mask.causal_share = 0.7;
        expected.plan.cost.term = CostTerm::Content;
        expected.train.betas = (0.8, 0.9);
        let config = set(&[
            "train.stage1.mask.causal_share=0.7",
            "plan.cost.term = content",
            "train.betas=[0.8,0.9]",
        ]);
        assert_eq!(config.unwrap(), expected);
        assert_eq!(set(&[]).unwrap(), nano);
        for (setting, said) in [
            ("train.stage1.mask.causal_share", "expected FIELD=VALUE"),
            ("train.stage1.masks.blocks=2", "no field \"masks\""),
            ("train.seed.x=2", "no field \"x\""),
            ("train.stage1.batch=many", "invalid type"),
            (
                "train.stage1.mask.causal_share=1.5",
                "train.stage1.mask.causal_share is 1.5",
            ),
        ] {
            let err = set(&[setting]).unwrap_err().to_string();
            assert!(err.contains(said), "{err}");
        }
    }
}

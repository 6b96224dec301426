//! What each setting of a run means: its symbol, its unit, its range, and its place in the method.

/// A line a setting: its path, a colon, and one sentence.
const MEANINGS: &str = include_str!("meanings.txt");

fn each() -> impl Iterator<Item = (&'static str, &'static str)> {
    MEANINGS.lines().filter_map(|line| line.split_once(": "))
}

/// What a setting means; none where nobody has said it.
pub(super) fn meaning(path: &str) -> Option<&'static str> {
    each().find(|(name, _)| *name == path).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::TrainingForm;
    use super::*;
    use crate::config::PRESETS;
    use crate::engine::Stage;

    /// Every field that the form can show.
    fn fields() -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for preset in PRESETS {
            for stage in Stage::ALL {
                let mut form = TrainingForm::default();
                (form.preset, form.stage) = (preset.to_owned(), stage);
                let checked = form.checked().unwrap();
                let fields = checked.fields.iter().flat_map(|(_, fields)| fields);
                found.extend(fields.map(|field| field.path.clone()));
            }
        }
        found
    }

    #[test]
    fn every_setting_of_every_stage_has_its_meaning_and_no_meaning_is_left_over() {
        let fields = fields();
        let explained: BTreeSet<String> = each().map(|(path, _)| path.to_owned()).collect();
        assert_eq!(fields, explained);
        assert_eq!(explained.len(), each().count(), "each once");
    }

    #[test]
    fn every_meaning_is_one_sentence_with_its_place_in_the_method() {
        for (path, text) in each() {
            let place = text.rsplit_once(" (").map_or("", |(_, place)| place);
            assert!(
                place.contains("method") || place.contains("Algorithm"),
                "{path}: {text}"
            );
            assert!(text.ends_with(").") && !text.contains(". "), "{path}: {text}");
        }
    }
}

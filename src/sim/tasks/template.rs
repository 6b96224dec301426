//! Task templates as data: slots, objects that are found by looking, goals and phrasings, read from RON and checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Goal;
use super::arrangement::{Arrangement, Place};
use super::phrase::spellings;
use crate::sim::{Target, WorldState};

/// The tasks that ship with the program.
const BUILT_IN: &str = include_str!("../../../scenes/tasks/tabletop.ron");

/// Why a file of tasks was refused.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("Could not read {source_name}: {err}.")]
    Read { source_name: String, err: std::io::Error },
    #[error("Could not read {source_name}: {err}.")]
    Parse {
        source_name: String,
        err: Box<ron::error::SpannedError>,
    },
    #[error("{source_name}: template \"{template}\", {field}: {found}; expected {expected}.")]
    Value {
        source_name: String,
        template: String,
        field: &'static str,
        found: String,
        expected: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Block,
    Pad,
}

/// How an object that a text does not name is found in the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finder {
    /// The block that lies directly on that slot's block or pad.
    On(String),
    /// The block in the gripper.
    Gripper,
    /// The only pad with nothing on it.
    FreePad,
    /// The block of that rank by size, 0 the largest; a template that asks for ranks is about that many blocks.
    Size(usize),
}

/// What holds at the end, in the names of slots and found objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalPattern {
    /// The first, a block, is on the second, a block or a pad.
    On(String, String),
    /// The block is in the gripper.
    Held(String),
    /// Nothing is on the block.
    Bare(String),
    /// Nothing is on the pad.
    Empty(String),
}

impl GoalPattern {
    fn names(&self) -> Vec<(&str, Option<Kind>)> {
        match self {
            Self::On(x, y) => vec![(x, Some(Kind::Block)), (y, None)],
            Self::Held(x) | Self::Bare(x) => vec![(x, Some(Kind::Block))],
            Self::Empty(p) => vec![(p, Some(Kind::Pad))],
        }
    }
}

/// One kind of task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    pub name: String,
    /// Share of the template among drawn tasks, relative to the others.
    #[serde(default = "one")]
    pub weight: f64,
    /// What the phrasings name.
    #[serde(default)]
    pub slots: Vec<(String, Kind)>,
    /// What is found by looking.
    #[serde(default)]
    pub found: Vec<(String, Finder)>,
    pub goals: Vec<GoalPattern>,
    /// Phrasings for training; of a group "(put|place)" one alternative is taken at random.
    pub seen: Vec<String>,
    /// Phrasings for evaluation alone.
    pub held_out: Vec<String>,
}

fn one() -> f64 {
    1.
}

/// All templates of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskBook {
    pub templates: Vec<Template>,
}

/// What a slot stands for in one world: a block or a pad by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Block(usize),
    Pad(usize),
}

impl Object {
    /// Its whole name: "red block".
    pub fn name(self, state: &WorldState) -> &str {
        match self {
            Self::Block(i) => &state.blocks[i].name,
            Self::Pad(i) => &state.pads[i].name,
        }
    }
}

/// Slots and found objects by name.
pub type Binding = Vec<(String, Object)>;

impl TaskBook {
    /// The tasks that ship with the program.
    ///
    /// # Errors
    /// None that a test does not find first.
    pub fn built_in() -> Result<Self, TaskError> {
        Self::from_ron(BUILT_IN, "scenes/tasks/tabletop.ron")
    }

    /// Tasks from a RON file.
    ///
    /// # Errors
    /// The file cannot be read, is not RON of this shape, or a template contradicts itself.
    pub fn load(path: &Path) -> Result<Self, TaskError> {
        let source_name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_ron(&text, &source_name),
            Err(err) => Err(TaskError::Read { source_name, err }),
        }
    }

    /// Parses and checks; `source_name` is what errors call the text.
    ///
    /// # Errors
    /// The text is not RON of this shape, or a template contradicts itself.
    pub fn from_ron(text: &str, source_name: &str) -> Result<Self, TaskError> {
        let book: Self = ron::from_str(text).map_err(|err| TaskError::Parse {
            source_name: source_name.to_owned(),
            err: Box::new(err),
        })?;
        for template in &book.templates {
            template.check(source_name)?;
        }
        Ok(book)
    }

    /// The template of that name.
    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.name == name)
    }
}

impl Template {
    /// Whether the text alone leaves open which objects the task is about.
    pub fn looks(&self) -> bool {
        self.found.iter().any(|(_, finder)| !matches!(finder, Finder::Size(_)))
    }

    /// Adds the found objects to the slots; none where the world has no such object, or not exactly one.
    pub fn find(&self, slots: Binding, state: &WorldState) -> Option<Binding> {
        let arrangement = Arrangement::of(state);
        let mut binding = slots;
        for (name, finder) in &self.found {
            let object = match finder {
                Finder::Gripper => Object::Block(arrangement.held()?),
                Finder::FreePad => {
                    let mut free = (0..state.pads.len()).filter(|&pad| arrangement.on(Place::Pad(pad)).is_none());
                    let pad = free.next()?;
                    if free.next().is_some() {
                        return None;
                    }
                    Object::Pad(pad)
                }
                Finder::On(slot) => Object::Block(arrangement.on(Place::from(bound(&binding, slot)?))?),
                Finder::Size(rank) => {
                    let sizes = self
                        .found
                        .iter()
                        .filter(|(_, finder)| matches!(finder, Finder::Size(_)));
                    if sizes.count() != state.blocks.len() {
                        return None;
                    }
                    let mut order: Vec<usize> = (0..state.blocks.len()).collect();
                    order.sort_by(|&a, &b| state.blocks[b].half_m.total_cmp(&state.blocks[a].half_m));
                    Object::Block(*order.get(*rank)?)
                }
            };
            binding.push((name.clone(), object));
        }
        // Two names for one object: "replace the red block by the red block".
        let distinct = binding
            .iter()
            .enumerate()
            .all(|(i, (_, a))| binding[..i].iter().all(|(_, b)| a != b));
        distinct.then_some(binding)
    }

    /// The goals in one world.
    pub fn goals(&self, binding: &Binding) -> Option<Vec<Goal>> {
        let block = |name: &str| match bound(binding, name)? {
            Object::Block(block) => Some(block),
            Object::Pad(_) => None,
        };
        self.goals
            .iter()
            .map(|goal| {
                Some(match goal {
                    GoalPattern::On(x, y) => Goal::On {
                        block: block(x)?,
                        target: match bound(binding, y)? {
                            Object::Block(lower) => Target::Block(lower),
                            Object::Pad(pad) => Target::Pad(pad),
                        },
                    },
                    GoalPattern::Held(x) => Goal::Held { block: block(x)? },
                    GoalPattern::Bare(x) => Goal::Bare { block: block(x)? },
                    GoalPattern::Empty(p) => match bound(binding, p)? {
                        Object::Pad(pad) => Goal::Empty { pad },
                        Object::Block(_) => return None,
                    },
                })
            })
            .collect()
    }

    fn check(&self, source_name: &str) -> Result<(), TaskError> {
        let refuse = |field, found: String, expected| {
            Err(TaskError::Value {
                source_name: source_name.to_owned(),
                template: self.name.clone(),
                field,
                found,
                expected,
            })
        };
        if !(self.weight.is_finite() && self.weight > 0.) {
            return refuse("weight", self.weight.to_string(), "a number above 0");
        }
        for (field, phrasings) in [("seen", &self.seen), ("held_out", &self.held_out)] {
            for phrasing in phrasings.iter().flat_map(|phrasing| spellings(phrasing)) {
                let named = slots_of(&phrasing);
                let known = |name: &&str| self.slots.iter().any(|(slot, _)| slot == name);
                if !named.iter().all(known) || !self.slots.iter().all(|(slot, _)| named.contains(&slot.as_str())) {
                    return refuse(
                        field,
                        format!("\"{phrasing}\""),
                        "every slot of the template and no other",
                    );
                }
            }
        }
        if self.seen.is_empty() {
            return refuse("seen", "nothing".to_owned(), "at least one phrasing");
        }
        if self.goals.is_empty() {
            return refuse("goals", "nothing".to_owned(), "at least one goal");
        }
        let mut known: Vec<(&str, Kind)> = self.slots.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        for (name, finder) in &self.found {
            if let Finder::On(slot) = finder
                && !known.iter().any(|(known, _)| known == slot)
            {
                return refuse(
                    "found",
                    format!("\"{slot}\""),
                    "a slot, or an object that is found before",
                );
            }
            let kind = if *finder == Finder::FreePad {
                Kind::Pad
            } else {
                Kind::Block
            };
            known.push((name, kind));
        }
        for (name, kind) in self.goals.iter().flat_map(GoalPattern::names) {
            let fits = |&(other, is): &(&str, Kind)| other == name && kind.is_none_or(|kind| kind == is);
            if !known.iter().any(fits) {
                return refuse(
                    "goals",
                    format!("\"{name}\""),
                    "a slot or found object of the right kind",
                );
            }
        }
        Ok(())
    }
}

impl From<Object> for Place {
    fn from(object: Object) -> Self {
        match object {
            Object::Block(block) => Self::Block(block),
            Object::Pad(pad) => Self::Pad(pad),
        }
    }
}

fn bound(binding: &Binding, name: &str) -> Option<Object> {
    binding
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, object)| *object)
}

/// Names in braces, in order.
fn slots_of(phrasing: &str) -> Vec<&str> {
    phrasing
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_built_in_tasks_are_enough_and_held_out_ones_use_known_words() {
        let book = TaskBook::built_in().unwrap();
        assert!(book.templates.len() >= 8);
        let words = |text: &str| -> Vec<String> {
            text.split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let kinds = |template: &Template, text: &str| {
            template.slots.iter().fold(text.to_owned(), |text, (slot, kind)| {
                text.replace(&format!("{{{slot}}}"), &format!("{kind:?}"))
            })
        };
        let seen: Vec<String> = book
            .templates
            .iter()
            .flat_map(|template| {
                let texts = template.seen.iter().flat_map(|text| spellings(text));
                texts.map(|text| kinds(template, &text))
            })
            .collect();
        let known: BTreeSet<String> = seen.iter().flat_map(|text| words(text)).collect();
        for template in &book.templates {
            assert!(
                template.seen.len() >= 6 && !template.held_out.is_empty(),
                "{}",
                template.name
            );
            for phrasing in &template.held_out {
                let phrasing = kinds(template, phrasing);
                assert!(!seen.contains(&phrasing), "{phrasing} is a seen phrasing");
                for word in words(&phrasing) {
                    assert!(
                        known.contains(&word),
                        "\"{word}\" of \"{phrasing}\" is in no seen phrasing"
                    );
                }
            }
        }
        let looking = book.templates.iter().filter(|template| template.looks()).count();
        assert!(looking >= 6, "{looking} templates leave open what they are about");
    }

    /// Words and slots to insert, delete or replace.
    fn word_edits(a: &[&str], b: &[&str]) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut next = vec![i + 1];
            for (j, y) in b.iter().enumerate() {
                let replaced = row[j] + usize::from(x != y);
                next.push(replaced.min(row[j + 1] + 1).min(next[j] + 1));
            }
            row = next;
        }
        row[b.len()]
    }

    /// Otherwise built than every phrasing of training: its slots come in another order, or three words differ.
    #[test]
    fn held_out_phrasings_are_built_otherwise() {
        fn words(text: &str) -> Vec<&str> {
            text.split([' ', ',']).filter(|word| !word.is_empty()).collect()
        }
        assert_eq!(word_edits(&words("lift {x} up"), &words("pick up {x}")), 3);
        for template in &TaskBook::built_in().unwrap().templates {
            let seen: Vec<String> = template.seen.iter().flat_map(|text| spellings(text)).collect();
            for held_out in template.held_out.iter().flat_map(|text| spellings(text)) {
                let close = |seen: &&String| {
                    slots_of(&held_out) == slots_of(seen) && word_edits(&words(&held_out), &words(seen)) < 3
                };
                let near = seen.iter().find(close);
                assert_eq!(near, None, "\"{held_out}\" is held out, and nearly seen");
            }
        }
    }

    #[test]
    fn a_template_that_contradicts_itself_is_named() {
        let with = |goals: &str, seen: &str| {
            let text = format!(
                "(templates: [(name: \"put\", slots: [(\"x\", block)], goals: {goals}, seen: {seen}, held_out: [])])"
            );
            TaskBook::from_ron(&text, "mine.ron").map_err(|err| err.to_string())
        };
        assert!(with("[held(\"x\")]", "[\"take {x}\"]").is_ok());
        let err = with("[held(\"y\")]", "[\"take {x}\"]").unwrap_err();
        assert_eq!(
            err,
            "mine.ron: template \"put\", goals: \"y\"; expected a slot or found object of the right kind."
        );
        assert!(with("[empty(\"x\")]", "[\"take {x}\"]").is_err());
        assert!(
            with("[held(\"x\")]", "[\"take it\"]")
                .unwrap_err()
                .contains("\"take it\"")
        );
        assert!(with("[]", "[\"take {x}\"]").is_err());
        assert!(
            with("[lost(\"x\")]", "[\"take {x}\"]")
                .unwrap_err()
                .contains("mine.ron")
        );
    }
}

//! Task templates as data: slots, objects that are found by looking, goals and phrasings, read from RON and checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Goal;
use super::arrangement::{Arrangement, Place};
use super::finder::{Class, Finder};
use super::layout::Mix;
use super::phrase::spellings;
use crate::sim::{Shape, Target, WorldState};

/// The books that ship with the program: name, file, text.
const BUILT_IN: [(&str, &str, &str); 2] = [
    (
        "tabletop",
        "scenes/tasks/tabletop.ron",
        include_str!("../../../scenes/tasks/tabletop.ron"),
    ),
    (
        "thinkbench",
        "scenes/tasks/thinkbench.ron",
        include_str!("../../../scenes/tasks/thinkbench.ron"),
    ),
];
/// The longest lists of templates that do not say how long theirs are.
const LONGEST: usize = 4;
/// What goals call the bare table.
pub(super) const TABLE: &str = "table";

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
    /// Anything that can be moved.
    Block,
    /// A block that is a box.
    Cuboid,
    Cylinder,
    Pad,
    Bin,
}

impl Kind {
    /// What of the world is of this kind.
    pub(super) fn objects(self, state: &WorldState) -> Vec<Object> {
        let of_shape = |shape| (0..state.blocks.len()).filter(move |&block| state.blocks[block].shape == shape);
        match self {
            Self::Block => (0..state.blocks.len()).map(Object::Block).collect(),
            Self::Cuboid => of_shape(Shape::Cuboid).map(Object::Block).collect(),
            Self::Cylinder => of_shape(Shape::Cylinder).map(Object::Block).collect(),
            Self::Pad => (0..state.pads.len()).map(Object::Pad).collect(),
            Self::Bin => (0..state.bins.len()).map(Object::Bin).collect(),
        }
    }
}

/// What holds at the end, in the names of slots and found objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalPattern {
    /// The first, a block, is on the second, a block or a pad, or in the second, a bin; "table" is the bare table.
    On(String, String),
    /// So is every block of a class.
    Each(Class, String),
    /// The block is in the gripper.
    Held(String),
    /// Nothing is on the block.
    Bare(String),
    /// Nothing is on the pad, or in the bin.
    Empty(String),
}

impl GoalPattern {
    /// It is about whatever is in a bin.
    pub(super) fn of_contents(&self) -> bool {
        matches!(self, Self::Each(Class::In(_), _))
    }

    /// The names it speaks of, with the kinds that each may be; none: any.
    pub(super) fn names(&self) -> Vec<(&str, &'static [Kind])> {
        const ANY: &[Kind] = &[];
        const THING: &[Kind] = &[Kind::Block, Kind::Cuboid, Kind::Cylinder];
        match self {
            Self::On(x, y) => vec![(x, THING), (y, ANY)],
            Self::Each(class, y) => {
                let bin = class.slot().map(|slot| (slot, [Kind::Bin].as_slice()));
                bin.into_iter().chain([(y.as_str(), ANY)]).collect()
            }
            Self::Held(x) | Self::Bare(x) => vec![(x, THING)],
            Self::Empty(p) => vec![(p, &[Kind::Pad, Kind::Bin])],
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
    /// Starts are drawn so that the shortest list has so many sub-goals.
    #[serde(default)]
    pub sub_goals: Option<usize>,
    /// Where things lie at the start, instead of the sampler's own mix.
    #[serde(default)]
    pub start: Option<Mix>,
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

/// What a slot stands for in one world: a block, a pad or a bin by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Block(usize),
    Pad(usize),
    Bin(usize),
}

impl Object {
    /// Its whole name: "red block".
    pub fn name(self, state: &WorldState) -> &str {
        match self {
            Self::Block(i) => &state.blocks[i].name,
            Self::Pad(i) => &state.pads[i].name,
            Self::Bin(i) => &state.bins[i].name,
        }
    }
}

/// Slots and found objects by name.
pub type Binding = Vec<(String, Object)>;

impl TaskBook {
    /// Names that [`Self::named`] knows.
    pub const NAMES: [&str; 2] = [BUILT_IN[0].0, BUILT_IN[1].0];

    /// The tasks of the demo.
    ///
    /// # Errors
    /// None that a test does not find first.
    pub fn built_in() -> Result<Self, TaskError> {
        Self::named(BUILT_IN[0].0)
    }

    /// A book that ships with the program, or a RON file.
    ///
    /// # Errors
    /// No book of that name, or a file that is none.
    pub fn named(name_or_path: &str) -> Result<Self, TaskError> {
        match BUILT_IN.iter().find(|(name, ..)| *name == name_or_path) {
            Some((_, source_name, text)) => Self::from_ron(text, source_name),
            None => Self::load(Path::new(name_or_path)),
        }
    }

    /// The longest lists that its tasks are drawn with.
    pub fn longest(&self) -> usize {
        let said = self.templates.iter().filter_map(|template| template.sub_goals);
        said.max().unwrap_or(LONGEST).max(LONGEST)
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
        self.found.iter().any(|(_, finder)| finder.looks()) || self.goals.iter().any(GoalPattern::of_contents)
    }

    /// Whether the text leaves to the eye which objects are larger than others of these sizes.
    pub fn compares(&self) -> bool {
        self.found.iter().any(|(_, finder)| finder.compares())
    }

    /// Adds the found objects to the slots; none where the world has no such object, or not exactly one.
    pub fn find(&self, slots: Binding, state: &WorldState) -> Option<Binding> {
        let arrangement = Arrangement::of(state);
        let sizes = (self.found.iter()).filter(|(_, finder)| matches!(finder, Finder::Size(_)));
        // Ranks among all blocks are for tasks about all of them.
        let sizes = sizes.count();
        if sizes > 0 && sizes != state.blocks.len() {
            return None;
        }
        let mut binding = slots;
        let mut named: Vec<Object> = binding.iter().map(|(_, object)| *object).collect();
        for (name, finder) in &self.found {
            let object = finder.find(&binding, state, &arrangement)?;
            if !finder.renames() {
                named.push(object);
            }
            binding.push((name.clone(), object));
        }
        // Two names for one object: "replace the red block by the red block".
        let distinct = named.iter().enumerate().all(|(i, a)| !named[..i].contains(a));
        distinct.then_some(binding)
    }

    /// The goals in one world; none where they are about nothing, or want one block in two places.
    pub fn goals(&self, binding: &Binding, state: &WorldState) -> Option<Vec<Goal>> {
        let block = |name: &str| match bound(binding, name)? {
            Object::Block(block) => Some(block),
            Object::Pad(_) | Object::Bin(_) => None,
        };
        let target = |name: &str| {
            Some(match bound(binding, name) {
                None => (name == TABLE).then_some(Target::Table)?,
                Some(Object::Block(lower)) => Target::Block(lower),
                Some(Object::Pad(pad)) => Target::Pad(pad),
                Some(Object::Bin(bin)) => Target::Bin(bin),
            })
        };
        let mut goals = vec![];
        for goal in &self.goals {
            match goal {
                GoalPattern::On(x, y) => goals.push(Goal::On {
                    block: block(x)?,
                    target: target(y)?,
                }),
                GoalPattern::Each(class, y) => {
                    let (members, target) = (class.members(binding, state)?, target(y)?);
                    if members.is_empty() {
                        return None;
                    }
                    goals.extend(members.into_iter().map(|block| Goal::On { block, target }));
                }
                GoalPattern::Held(x) => goals.push(Goal::Held { block: block(x)? }),
                GoalPattern::Bare(x) => goals.push(Goal::Bare { block: block(x)? }),
                GoalPattern::Empty(p) => goals.push(match bound(binding, p)? {
                    Object::Pad(pad) => Goal::Empty { pad },
                    Object::Bin(bin) => Goal::EmptyBin { bin },
                    Object::Block(_) => return None,
                }),
            }
        }
        let mut placed = vec![];
        for goal in &goals {
            if let Goal::On { block, .. } | Goal::Held { block } = *goal {
                if placed.contains(&block) {
                    return None;
                }
                placed.push(block);
            }
        }
        Some(goals)
    }

    /// How the found object of that name is found.
    pub(super) fn finder(&self, name: &str) -> Option<&Finder> {
        let found = self.found.iter().find(|(found, _)| found == name);
        found.map(|(_, finder)| finder)
    }

    /// What kind of object a slot or a found object is.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        let slot = self.slots.iter().find(|(slot, _)| slot == name);
        slot.map(|(_, kind)| *kind)
            .or_else(|| self.finder(name).map(Finder::kind))
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
            if let Some(slot) = (finder.slots().into_iter()).find(|slot| !known.iter().any(|(known, _)| known == slot))
            {
                return refuse(
                    "found",
                    format!("\"{slot}\""),
                    "a slot, or an object that is found before",
                );
            }
            known.push((name, finder.kind()));
        }
        for (name, kinds) in self.goals.iter().flat_map(GoalPattern::names) {
            let fits = |(other, is): &(&str, Kind)| *other == name && (kinds.is_empty() || kinds.contains(is));
            let is_table = name == TABLE && kinds.is_empty();
            if !is_table && !known.iter().any(fits) {
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
            Object::Bin(bin) => Self::Bin(bin),
        }
    }
}

pub(super) fn bound(binding: &Binding, name: &str) -> Option<Object> {
    binding
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, object)| *object)
}

/// Names in braces, in order.
pub(super) fn slots_of(phrasing: &str) -> Vec<&str> {
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
    use crate::sim::tasks::compose::is_near;

    #[test]
    fn the_built_in_tasks_are_enough_and_held_out_ones_use_known_words() {
        for name in TaskBook::NAMES {
            enough_and_known(&TaskBook::named(name).unwrap());
        }
    }

    fn enough_and_known(book: &TaskBook) {
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

    /// Otherwise built than every phrasing of training: its slots come in another order, or three words differ.
    #[test]
    fn held_out_phrasings_are_built_otherwise() {
        assert!(!is_near("lift {x} up", "pick up {x}") && is_near("lift {x} up", "lift {x}"));
        for template in TaskBook::NAMES
            .iter()
            .flat_map(|name| TaskBook::named(name).unwrap().templates)
        {
            let seen: Vec<String> = template.seen.iter().flat_map(|text| spellings(text)).collect();
            for held_out in template.held_out.iter().flat_map(|text| spellings(text)) {
                let near = seen.iter().find(|seen| is_near(seen, &held_out));
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

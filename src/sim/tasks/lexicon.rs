//! Words that name things: a task that speaks of a thing, a colour or a shape which is not on the table is refused before
//! any model is asked. It knows the names of the scene's objects, not where they are.
//!
//! A thing is what an article, a colour or a preposition leads up to: in "put the small cow on green moon, then on top of
//! houses" the cow, the moon and the houses. It is strange where it is neither of the scene nor a word that tasks are made
//! of. Where a verb has nothing else to act on ("lift cow", "move red to moon"), the word that nobody knows is its thing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::phrase::{manners, spellings};
use super::template::{TaskBook, Template};
use crate::sim::WorldState;

/// Longest task, in characters.
pub const MOST_CHARACTERS: usize = 300;

const COLOURS: [&str; 22] = [
    "red",
    "green",
    "blue",
    "yellow",
    "purple",
    "orange",
    "pink",
    "teal",
    "grey",
    "gray",
    "white",
    "black",
    "brown",
    "cyan",
    "magenta",
    "violet",
    "turquoise",
    "golden",
    "silver",
    "beige",
    "crimson",
    "lime",
];
const SHAPES: [&str; 17] = [
    "bin", "block", "pad", "cube", "ball", "sphere", "cylinder", "pyramid", "cone", "cup", "bowl", "box", "disc",
    "plate", "ring", "triangle", "brick",
];

const ARTICLES: [&str; 3] = ["the", "a", "an"];
/// Not "to", which leads up to verbs as well: see [`PURPOSES`].
const PREPOSITIONS: [&str; 8] = ["on", "onto", "into", "in", "over", "under", "from", "off"];
/// What may stand behind "to" at the end and is a verb; any other word that nobody knows is a place there.
const PURPOSES: [&str; 14] = [
    "finish", "begin", "start", "end", "stop", "help", "try", "test", "win", "practise", "practice", "show", "see",
    "rest",
];
/// Where one thing to do ends and the next begins, besides at a comma or a stop.
const CONNECTIVES: [&str; 11] = [
    "and", "then", "but", "before", "after", "once", "while", "until", "because", "so", "when",
];
/// What stands for a thing.
const PRONOUNS: [&str; 18] = [
    "it",
    "them",
    "this",
    "that",
    "these",
    "those",
    "one",
    "ones",
    "all",
    "both",
    "each",
    "everything",
    "anything",
    "something",
    "whatever",
    "what",
    "which",
    "others",
];
/// Words between an article and its noun, besides colours.
const ATTRIBUTES: [&str; 29] = [
    "big", "bigger", "biggest", "small", "smaller", "smallest", "large", "larger", "largest", "tall", "taller",
    "tallest", "short", "shorter", "shortest", "free", "empty", "held", "other", "same", "first", "second", "third",
    "last", "upper", "lower", "lowest", "whole", "only",
];
/// Words that may follow an article or its noun, and are no thing that could be missing.
const NO_THINGS: &str = "\
    left right front back side edge corner centre center end rest others way time moment bit little lot order row \
    line colour color arm hand camera scene world task goal job following surface tabletop thing object item atop \
    upon beside near beneath underneath inside behind between against around without until while because or not no \
    are was will can could would might which again too also aside together apart somewhere elsewhere here \
    asap thanks fast quick slow soon me us you we my your our their his her its";

/// Why a task was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskTextError {
    #[error("The task is empty. Say what should be done, for example: put the red block on the yellow pad.")]
    Empty,
    #[error("The task has {characters} characters, at most {MOST_CHARACTERS} are read. Say it in fewer words.")]
    TooLong { characters: usize },
    #[error("The scene has {strange}. It has: {known}.")]
    NotInScene { strange: String, known: String },
}

/// Checks a typed task against the names of what is on the table.
///
/// # Errors
/// It is empty, too long, or names a thing, a colour or a shape that is not there.
pub fn check_text(text: &str, state: &WorldState) -> Result<(), TaskTextError> {
    let characters = text.chars().count();
    if text.trim().is_empty() {
        return Err(TaskTextError::Empty);
    }
    if characters > MOST_CHARACTERS {
        return Err(TaskTextError::TooLong { characters });
    }
    let names: Vec<&str> = state
        .blocks
        .iter()
        .map(|block| block.name.as_str())
        .chain(state.pads.iter().map(|pad| pad.name.as_str()))
        .chain(state.bins.iter().map(|bin| bin.name.as_str()))
        .collect();
    let words: &Vocabulary = if state.bins.is_empty() { &OF_TABLETOP } else { &OF_ALL };
    let text = text.to_lowercase();
    let mut strange = strange_things(&text, &names, words);
    for missing in clauses(&text).filter_map(|clause| object_missing(clause, &names, words)) {
        if !strange.contains(&missing) {
            strange.push(missing);
        }
    }
    let Some((last, others)) = strange.split_last() else {
        return Ok(());
    };
    let strange = if others.is_empty() {
        last.clone()
    } else {
        format!("{} and {last}", others.join(", "))
    };
    let known = names.join(", ");
    Err(TaskTextError::NotInScene { strange, known })
}

/// What a text in lower case names that is not there: "no cow", "nothing pink", "no purple block".
fn strange_things(text: &str, names: &[&str], of_tasks: &Vocabulary) -> Vec<String> {
    let known: Vec<&str> = names.iter().flat_map(|name| name.split(' ')).collect();
    let kinds: Vec<&str> = names.iter().filter_map(|name| name.rsplit(' ').next()).collect();
    let mut strange: Vec<String> = vec![];
    let mut missing = |what: String| {
        if !strange.contains(&what) {
            strange.push(what);
        }
    };
    // Unknown words since what leads up to a noun, none outside of a noun phrase: the noun, or attributes of one that is
    // known.
    let mut phrase: Option<Vec<&str>> = None;
    let mut before = "";
    for word in words_of(text) {
        let form_of = |noun: &&&str| is_form(word, noun);
        let mut ended = None;
        if ARTICLES.contains(&word) || PREPOSITIONS.contains(&word) {
            ended = phrase.replace(vec![]);
        } else if let Some(kind) = kinds.iter().find(form_of) {
            let name = format!("{before} {kind}");
            if COLOURS.contains(&before) && known.contains(&before) && !names.iter().any(|whole| whole.ends_with(&name))
            {
                missing(format!("no {name}"));
            }
            phrase = None;
        } else if COLOURS.contains(&word) {
            if !known.contains(&word) {
                missing(format!("nothing {word}"));
            }
            phrase.get_or_insert_default();
        } else if known.iter().any(|part| is_form(word, part)) || ATTRIBUTES.contains(&word) {
            // The noun is still to come.
        } else if let Some(shape) = SHAPES.iter().find(form_of) {
            missing(format!("no {shape}"));
            phrase = None;
        } else if is_form(word, "one") || of_tasks.nouns.contains(word) {
            phrase = None;
        } else if is_word_of_tasks(word, of_tasks) {
            ended = phrase.take();
        } else if let Some(unknown) = &mut phrase {
            unknown.push(word);
        }
        if let Some(unknown) = ended.filter(|unknown| !unknown.is_empty()) {
            missing(format!("no {}", unknown.join(" ")));
        }
        before = word;
    }
    if let Some(unknown) = phrase.filter(|unknown| !unknown.is_empty()) {
        missing(format!("no {}", unknown.join(" ")));
    }
    strange
}

/// The parts of a text that each say one thing to do.
fn clauses(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.split([',', '.', ';', ':', '!', '?']).flat_map(|part| {
        let words: Vec<&str> = words_of(part).collect();
        let clauses = words.split(|word| CONNECTIVES.contains(word));
        clauses.map(<[&str]>::to_vec).collect::<Vec<_>>()
    })
}

/// What a clause wants something done with that is not there, where no article says so: "lift cow", "move red to moon".
fn object_missing(clause: Vec<&str>, names: &[&str], of_tasks: &Vocabulary) -> Option<String> {
    let unknown = |word: &str| !is_thing(word, names, of_tasks) && !is_word_of_tasks(word, of_tasks);
    let said = clause
        .iter()
        .rposition(|word| manners().flat_map(words_of).all(|manner| manner != *word));
    if let Some([.., "to", last]) = said.and_then(|last| clause.get(..=last))
        && unknown(last)
        && !PURPOSES.contains(last)
    {
        return Some(format!("no {last}"));
    }
    let verb = clause.iter().position(|word| of_tasks.verbs.contains(*word))?;
    let after = &clause[verb + 1..];
    let leads = |word: &&str| ARTICLES.contains(word) || PREPOSITIONS.contains(word) || **word == *"to";
    if after.iter().any(|word| leads(word) || is_thing(word, names, of_tasks)) {
        return None;
    }
    let of_it: Vec<&str> = after.iter().copied().filter(|word| unknown(word)).collect();
    (!of_it.is_empty()).then(|| format!("no {}", of_it.join(" ")))
}

/// A word that names or stands for something, or is part of a name.
fn is_thing(word: &str, names: &[&str], of_tasks: &Vocabulary) -> bool {
    COLOURS.contains(&word)
        || ATTRIBUTES.contains(&word)
        || PRONOUNS.contains(&word)
        || of_tasks.nouns.contains(word)
        || SHAPES.iter().any(|shape| is_form(word, shape))
        || names
            .iter()
            .flat_map(|name| name.split(' '))
            .any(|part| is_form(word, part))
}

/// The things that a sub-goal's text names, in its order and by its words alone: the noun that an article or a colour leads
/// up to, with its colours. Whether they are on the table is another question.
pub fn things_in(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut things: Vec<String> = vec![];
    // Colours since an article or the first colour; none outside of a noun phrase.
    let mut phrase: Option<Vec<&str>> = None;
    for word in words_of(&text) {
        if ARTICLES.contains(&word) {
            phrase = Some(vec![]);
        } else if COLOURS.contains(&word) {
            phrase.get_or_insert_default().push(word);
        } else if !ATTRIBUTES.contains(&word)
            && let Some(mut name) = phrase.take()
        {
            let shape = SHAPES.iter().find(|shape| is_form(word, shape));
            if shape.is_none() && (is_word_of_tasks(word, &OF_ALL) || PREPOSITIONS.contains(&word)) {
                continue;
            }
            name.push(shape.map_or(word, |shape| shape));
            let name = name.join(" ");
            if !things.contains(&name) {
                things.push(name);
            }
        }
    }
    things
}

/// The noun or its plural.
fn is_form(word: &str, noun: &str) -> bool {
    word.strip_prefix(noun)
        .is_some_and(|ending| ["", "s", "es"].contains(&ending))
}

/// A word of the phrasings of tasks, or one that names no thing in any case.
fn is_word_of_tasks(word: &str, of_tasks: &Vocabulary) -> bool {
    let singular = word.strip_suffix('s').unwrap_or(word);
    word.ends_with("ly")
        || word.chars().all(char::is_numeric)
        || [word, singular]
            .iter()
            .any(|form| NO_THINGS.split(' ').any(|known| known == *form) || of_tasks.all.contains(*form))
}

/// The words of the phrasings of tasks.
struct Vocabulary {
    all: BTreeSet<String>,
    /// Those that follow an article somewhere: "table", "gripper", "tower".
    nouns: BTreeSet<String>,
    /// Those that an object follows at once and that lead up to nothing else: "lift", the "up" of "pick up".
    verbs: BTreeSet<String>,
}

/// Of the demo's tasks.
static OF_TABLETOP: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::of(&TaskBook::NAMES[..1]));
/// Of every book's: where there are bins, tasks are said in other words too.
static OF_ALL: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::of(&TaskBook::NAMES));

impl Vocabulary {
    fn of(books: &[&str]) -> Self {
        // That the built-in tasks can be read is tested.
        let books = books.iter().filter_map(|name| TaskBook::named(name).ok());
        let templates: Vec<Template> = books.flat_map(|book| book.templates).collect();
        let phrasings = templates
            .iter()
            .flat_map(|template| template.seen.iter().chain(&template.held_out));
        let mut words = Self {
            all: manners().flat_map(words_of).map(str::to_owned).collect(),
            nouns: BTreeSet::new(),
            verbs: BTreeSet::new(),
        };
        for phrasing in phrasings {
            let mut before = "";
            for word in words_of(phrasing) {
                words.all.insert(word.to_owned());
                if ARTICLES.contains(&before) {
                    words.nouns.insert(word.to_owned());
                }
                before = word;
            }
            for spelling in spellings(phrasing) {
                let spelt: Vec<&str> = spelling.split_whitespace().collect();
                let leads = |word: &str| {
                    ARTICLES.contains(&word) || PREPOSITIONS.contains(&word) || ["to", "of"].contains(&word)
                };
                let before_slots = spelt
                    .windows(2)
                    .filter(|pair| pair[1].starts_with('{') && !leads(pair[0]));
                words.verbs.extend(before_slots.map(|pair| pair[0].to_owned()));
            }
        }
        words
    }
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;
    use crate::sim::tasks::phrase::{names, spellings};
    use crate::sim::tasks::template::{Kind, Object};
    use crate::sim::{Primitive, Scene, Target};

    const THERE: &str = "It has: red block, green block, blue block, yellow pad, purple pad.";

    #[test]
    fn strange_things_are_named_and_known_ones_pass() {
        let state = three_blocks();
        for text in [
            "Stack RED on green!",
            "sort the blocks",
            "free both pads",
            "tidy up",
            "please, put the red one carefully onto the yellow pad now",
            "put the big shiny red block on the 1 yellow pad",
            "move the biggest atop the smallest",
            "a little to the left of the green one",
            "build a nice tower",
            "lift the red thing",
            "put the green quickly on the blue",
            "the robot's arm should hold the red block, please",
            "put red on green fast and then lift blue up, thanks",
            "stack green onto red to save room",
            "stack green on red to finish",
            "lift it gingerly-ish",
            "hello, lift red",
            "lift whatever",
            "make room",
        ] {
            assert_eq!(check_text(text, &state), Ok(()), "{text}");
        }
        for (text, strange) in [
            ("put the green cow on the moon", "no cow and no moon"),
            ("put green cow on moon", "no cow and no moon"),
            ("put red onto big house", "no house"),
            ("put the cow aside", "no cow"),
            ("Lift the Cow, please", "no cow"),
            ("put the pink block on the yellow pad", "nothing pink"),
            ("stack the orange ball on the red block", "nothing orange and no ball"),
            ("roll the balls into the boxes", "no ball and no box"),
            ("put the red block on the yellow block", "no yellow block"),
            (
                "give the old cow a banana and the cow a moon",
                "no old cow, no banana, no cow and no moon",
            ),
            ("the moon is where the moon goes", "no moon"),
            ("lift cow", "no cow"),
            ("move red to moon", "no moon"),
            ("put red on green, then pick up sushi", "no sushi"),
            ("lift cow and move red to moon please", "no cow and no moon"),
            ("please hold my beer", "no beer"),
        ] {
            let err = check_text(text, &state).unwrap_err().to_string();
            assert_eq!(err, format!("The scene has {strange}. {THERE}"), "{text}");
        }
        assert_eq!(check_text(" \n", &state), Err(TaskTextError::Empty));
        let long = "a".repeat(301);
        assert_eq!(
            check_text(&long, &state),
            Err(TaskTextError::TooLong { characters: 301 })
        );
    }

    #[test]
    fn a_texts_things_are_those_of_the_list_that_the_model_learned_to_write() {
        for scene in ["three-blocks", "tower", "two-blocks", "four-small-blocks"] {
            let state = Scene::load(scene).unwrap().start(0).unwrap();
            for block in 0..state.blocks.len() {
                let targets = (0..state.pads.len()).map(Target::Pad);
                let targets = targets.chain((0..state.blocks.len()).map(Target::Block));
                let places = targets
                    .chain([Target::Table])
                    .map(|target| Primitive::Place { block, target });
                for primitive in places.chain([Primitive::Pick { block }, Primitive::Reach { block }]) {
                    let mut objects = primitive.objects(&state);
                    objects.dedup();
                    assert_eq!(things_in(&primitive.text(&state)), objects);
                }
            }
        }
        for (text, things) in [
            ("Pick up the big red block", vec!["red block"]),
            ("put green blocks on the moon", vec!["green block", "moon"]),
            ("lift it", vec![]),
            ("place the block on the table", vec!["block"]),
        ] {
            assert_eq!(things_in(text), things, "{text}");
        }
    }

    #[test]
    fn no_phrasing_of_a_task_is_refused_whatever_its_objects_are_called() {
        for scene in ["three-blocks", "tower", "two-blocks", "four-small-blocks", "thinkbench"] {
            let scene = Scene::load(scene).unwrap();
            let book = TaskBook::named(&scene.tasks).unwrap();
            let state = scene.start(0).unwrap();
            let called = |objects: Vec<Object>| -> Vec<String> {
                let all = objects.into_iter().flat_map(|object| names(object, &state));
                all.map(|(name, _)| name).collect()
            };
            let of_kind = |kind: Kind| called(kind.objects(&state));
            let turns = of_kind(Kind::Block).len().max(of_kind(Kind::Pad).len());
            let phrasings = book.templates.iter().flat_map(|template| {
                template
                    .seen
                    .iter()
                    .chain(&template.held_out)
                    .map(move |text| (template, text))
            });
            for (template, phrasing) in phrasings {
                for spelling in spellings(phrasing) {
                    // Each slot gets every name, and neighbours get different ones.
                    for turn in 0..turns {
                        let mut text = spelling.clone();
                        for (place, (slot, kind)) in template.slots.iter().enumerate() {
                            let of_kind = of_kind(*kind);
                            text = text.replace(&format!("{{{slot}}}"), &of_kind[(turn + 5 * place) % of_kind.len()]);
                        }
                        assert_eq!(check_text(&text, &state), Ok(()), "{text}");
                    }
                }
            }
            for manner in manners() {
                let text = format!("{manner} lift the {} {manner}", state.blocks[0].name);
                assert_eq!(check_text(&text, &state), Ok(()), "{text}");
            }
        }
    }
}

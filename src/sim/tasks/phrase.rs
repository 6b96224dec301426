//! Words: what a slot may be called, filling a phrasing, and reading a typed task back into goals for measurements.

use rand::{Rng, RngExt};

use super::strategist::short_name;
use super::template::{Binding, Object, TaskBook, Template};
use super::{Phrasing, Task};
use crate::sim::WorldState;

/// A task as models read it: lower case, single blanks, no stop at the end.
pub fn normalised(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .to_lowercase()
        .replace(" ,", ",")
        .trim_end_matches(['.', '!', '?', ' '])
        .to_owned()
}

/// What people may call an object, with how often they do.
pub(super) fn names(object: Object, state: &WorldState) -> Vec<(String, f64)> {
    let whole = object.name(state);
    let short = short_name(whole, state);
    let (the, bare) = (format!("the {whole}"), whole.to_owned());
    if short == whole {
        return vec![(the, 1.), (bare, 0.)];
    }
    match object {
        Object::Block(_) => vec![
            (the, 0.5),
            (format!("the {short} one"), 0.2),
            (bare, 0.),
            (short.to_owned(), 0.3),
        ],
        Object::Pad(_) | Object::Bin(_) => vec![(the, 0.8), (bare, 0.), (short.to_owned(), 0.2)],
    }
}

/// What people say before and after what they want.
const OPENERS: [&str; 4] = ["please ", "now ", "robot, ", "next, "];
const CLOSERS: [&str; 2] = [" please", ", please"];
/// All of them.
pub(super) fn manners() -> impl Iterator<Item = &'static str> {
    OPENERS.into_iter().chain(CLOSERS)
}

/// Share of the tasks of training that have an opener, and of those that have a closer.
const OPENED: f64 = 0.1;
const CLOSED: f64 = 0.05;

/// Adds an opener or a closer now and then.
pub(super) fn politely(text: String, rng: &mut impl Rng) -> String {
    if rng.random_bool(OPENED) {
        OPENERS[rng.random_range(0..OPENERS.len())].to_owned() + &text
    } else if rng.random_bool(CLOSED) {
        text + CLOSERS[rng.random_range(0..CLOSERS.len())]
    } else {
        text
    }
}

/// The text without its opener and closer.
fn plainly(text: &str) -> &str {
    let text = OPENERS
        .iter()
        .find_map(|opener| text.strip_prefix(opener))
        .unwrap_or(text);
    // The longer one first: both end in the same word.
    CLOSERS
        .iter()
        .rev()
        .find_map(|closer| text.strip_suffix(closer))
        .unwrap_or(text)
}

/// A phrasing cut at its first group: what stands before it, the alternatives, what follows.
fn first_group(phrasing: &str) -> Option<(&str, std::str::Split<'_, char>, &str)> {
    let (before, rest) = phrasing.split_once('(')?;
    let (group, after) = rest.split_once(')')?;
    Some((before, group.split('|'), after))
}

/// Every spelling of a phrasing: one alternative of each group "(put|place)".
pub(super) fn spellings(phrasing: &str) -> Vec<String> {
    let Some((before, group, after)) = first_group(phrasing) else {
        return vec![phrasing.to_owned()];
    };
    let rest = spellings(after);
    group
        .flat_map(|word| rest.iter().map(move |rest| join(before, word, rest)))
        .collect()
}

/// One of the spellings, each alternative of a group as likely as the next.
pub(super) fn spell(phrasing: &str, rng: &mut impl Rng) -> String {
    let Some((before, group, after)) = first_group(phrasing) else {
        return phrasing.to_owned();
    };
    let words: Vec<&str> = group.collect();
    let word = words[rng.random_range(0..words.len())];
    join(before, word, &spell(after, rng))
}

/// An empty alternative takes a blank with it.
fn join(before: &str, word: &str, after: &str) -> String {
    let after = if word.is_empty() { after.trim_start() } else { after };
    format!("{before}{word}{after}")
}

/// Puts names into the braces of a phrasing.
pub(super) fn fill(phrasing: &str, slots: &Binding, state: &WorldState, rng: &mut impl Rng) -> String {
    let mut text = phrasing.to_owned();
    for (slot, object) in slots {
        let mut left: f64 = rng.random();
        let names = names(*object, state);
        let name = names.iter().find(|(_, share)| {
            left -= share;
            left < 0.
        });
        let name = name.unwrap_or(&names[0]);
        text = text.replace(&format!("{{{slot}}}"), &name.0);
    }
    text
}

impl TaskBook {
    /// The task that a typed text is, where a phrasing of a template fits it in this world; for measurements, since
    /// what it is to a model is for the model to say.
    pub fn recognise(&self, text: &str, state: &WorldState) -> Option<Task> {
        let whole = normalised(text);
        let text = plainly(&whole);
        self.templates.iter().find_map(|template| {
            let phrasings = template.seen.iter().map(|phrasing| (phrasing, Phrasing::Seen));
            let held_out = template.held_out.iter().map(|phrasing| (phrasing, Phrasing::HeldOut));
            let mut patterns = phrasings
                .chain(held_out)
                .flat_map(|(pattern, phrasing)| spellings(pattern).into_iter().map(move |one| (one, phrasing)));
            patterns.find_map(|(pattern, phrasing)| {
                let mut slots = vec![];
                if !fits(&pattern, text, template, state, &mut slots) {
                    return None;
                }
                // In the order in which the template declares them.
                let declared = template
                    .slots
                    .iter()
                    .filter_map(|(slot, _)| slots.iter().find(|(name, _)| name == slot));
                let binding = template.find(declared.cloned().collect(), state)?;
                Some(Task {
                    template: template.name.clone(),
                    text: whole.clone(),
                    phrasing,
                    goals: template.goals(&binding, state)?,
                })
            })
        })
    }
}

/// Whether the text is the pattern with objects of the world in its braces; they are added to `slots`.
fn fits(pattern: &str, text: &str, template: &Template, state: &WorldState, slots: &mut Binding) -> bool {
    let Some((literal, rest)) = pattern.split_once('{') else {
        return pattern == text;
    };
    let (Some(text), Some((slot, rest))) = (text.strip_prefix(literal), rest.split_once('}')) else {
        return false;
    };
    let Some((_, kind)) = template.slots.iter().find(|(name, _)| name == slot) else {
        return false;
    };
    let objects = kind.objects(state);
    let bound = slots.iter().find(|(name, _)| name == slot).map(|(_, object)| *object);
    for object in objects {
        if bound.is_some_and(|bound| bound != object) {
            continue;
        }
        for (name, _) in names(object, state) {
            let Some(text) = text.strip_prefix(name.as_str()) else {
                continue;
            };
            let known = slots.len();
            slots.push((slot.to_owned(), object));
            if fits(rest, text, template, state, slots) {
                return true;
            }
            slots.truncate(known);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_take_one_alternative_of_each_group() {
        assert_eq!(
            spellings("(put|place) {x} on (top of|) {y}"),
            [
                "put {x} on top of {y}",
                "put {x} on {y}",
                "place {x} on top of {y}",
                "place {x} on {y}"
            ]
        );
        let mut rng = crate::random::rng(0, crate::random::Stream::Tasks, 0, 0);
        let all = spellings("(a|b) c (d|e|)");
        let drawn: std::collections::BTreeSet<String> = (0..200).map(|_| spell("(a|b) c (d|e|)", &mut rng)).collect();
        assert_eq!(drawn, all.into_iter().collect());
    }

    #[test]
    fn politeness_is_taken_off_again() {
        for text in ["please lift it", "lift it, please", "robot, lift it please", "lift it"] {
            assert_eq!(plainly(text), "lift it");
        }
    }
}

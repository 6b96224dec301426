//! Phrasings made from a template's goals alone: each goal as a clause in one of many forms, the clauses in one of many
//! orders. A book has a handful of phrasings for a task; whoever learns from those alone learns the phrasings, not the words.
//!
//! Whatever is close to a held-out phrasing is never made, so that held-out words stay what their name says.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};

use super::finder::{Class, Finder};
use super::phrase::{spell, spellings};
use super::template::{GoalPattern, Kind, TABLE, Template, slots_of};
use crate::sim::Shape;

/// Phrasings of training are at least so many words away from a held-out one whose slots come in the same order.
const APART: usize = 3;
/// Words of a phrasing at most, a slot counting as one: longer ones nobody says.
const MOST_WORDS: usize = 36;
const TABLE_SAID: &str = "the table";
/// Draws before a template is left without a composed phrasing.
const PATIENCE: usize = 8;

/// Ways to say one goal, X being what it is about and Y where that is to be.
struct Forms {
    /// As something to do, with the verb in front.
    orders: &'static [&'static str],
    /// As something that has to be so.
    wishes: &'static [&'static str],
    /// As something that is so, behind "once".
    facts: &'static [&'static str],
}

const ON_PAD: Forms = Forms {
    orders: &[
        "(put|place|set) X on Y",
        "(put|move) X onto Y",
        "(bring|carry|move) X to Y",
        "(use|take) Y for X",
    ],
    wishes: &[
        "X (goes|belongs) on Y",
        "Y (gets|needs) X",
        "Y (should|must) hold X",
        "Y is for X",
        "i (want|need) X on Y",
        "on Y i want X",
        "on Y goes X",
    ],
    facts: &["X is on Y", "Y holds X"],
};
const IN_BIN: Forms = Forms {
    orders: &[
        "(put|place|drop|lay) X (in|into) Y",
        "(bring|carry|move) X to Y",
        "(use|take) Y for X",
    ],
    wishes: &[
        "X (goes|belongs) in Y",
        "X goes into Y",
        "Y (gets|needs) X",
        "Y (should|must) hold X",
        "Y is for X",
        "i (want|need) X in Y",
        "in Y i want X",
        "into Y goes X",
    ],
    facts: &["X is in Y", "Y holds X"],
};
const ON_BLOCK: Forms = Forms {
    orders: &[
        "(stack|put|place) X on Y",
        "(stack|put|place) X on top of Y",
        "(use|take) Y as the base for X",
    ],
    wishes: &[
        "X (goes|belongs) on Y",
        "X (goes|belongs) on top of Y",
        "X (should|must) stand on Y",
        "Y (should|must) carry X",
        "Y carries X",
        "on top of Y i want X",
        "on Y i want X",
    ],
    facts: &["X (is|stands) on Y", "Y carries X"],
};
const ON_TABLE: Forms = Forms {
    orders: &["(put|place|set|lay) X on Y", "(bring|move) X to Y"],
    wishes: &["X (goes|belongs) on Y", "Y is for X", "on Y i want X"],
    facts: &["X is on Y"],
};
const HELD: Forms = Forms {
    orders: &["(pick up|lift|take|hold|get) X"],
    wishes: &[
        "X (goes|belongs) in the gripper",
        "the gripper (should|must) hold X",
        "the gripper (holds|gets|needs) X",
        "i (want|need) X in the gripper",
        "in the gripper i want X",
    ],
    facts: &["the gripper holds X", "X is in the gripper"],
};
const EMPTY: Forms = Forms {
    orders: &["(clear|empty|free) X", "take away what is on X"],
    wishes: &["X (should|must) be (clear|empty|free)", "nothing (should|must) be on X"],
    facts: &["X is (clear|empty|free)", "nothing is on X"],
};
const EMPTY_BIN: Forms = Forms {
    orders: &["(clear|empty) X"],
    wishes: &["X (should|must) be (clear|empty)", "nothing (should|must) be in X"],
    facts: &["X is (clear|empty)", "nothing is in X"],
};
const BARE: Forms = Forms {
    orders: &["(clear|free|uncover) X", "take away what is on X"],
    wishes: &["X (should|must) be (clear|free)", "nothing (should|must) be on X"],
    facts: &["nothing is on X"],
};

/// One goal in words: its forms, and what X and Y stand for.
struct Clause {
    forms: &'static Forms,
    x: String,
    y: String,
    /// It speaks of something by where that is at the start.
    by_place: bool,
}

impl Clause {
    fn said(&self, forms: &[&str], rng: &mut impl Rng) -> String {
        let form = spell(forms.choose(rng).copied().unwrap_or_default(), rng);
        let words = form.split(' ').map(|word| match word {
            "X" => self.x.as_str(),
            "Y" => self.y.as_str(),
            word => word,
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A phrasing with the template's slots in braces; none where its goals cannot be said clause by clause, or where nothing came
/// up that is far enough from what is held out.
pub(super) fn compose(template: &Template, rng: &mut impl Rng) -> Option<String> {
    let held_out: Vec<String> = template.held_out.iter().flat_map(|text| spellings(text)).collect();
    for _ in 0..PATIENCE {
        let clauses: Option<Vec<Clause>> = template.goals.iter().map(|goal| clause(goal, template, rng)).collect();
        let text = arranged(clauses?, rng);
        let named = slots_of(&text);
        if !template.slots.iter().all(|(slot, _)| named.contains(&slot.as_str())) {
            return None;
        }
        let is_short = text.split(' ').count() <= MOST_WORDS;
        if is_short && !held_out.iter().any(|other| is_near(&text, other)) {
            return Some(text);
        }
    }
    None
}

/// The clauses in one sentence. Goals are listed in an order in which they can be done, so "then" and "first" tell no lie;
/// where one is about what lies somewhere now, an order would speak of what lies there later.
fn arranged(mut clauses: Vec<Clause>, rng: &mut impl Rng) -> String {
    let ordered = clauses.iter().all(|clause| !clause.by_place);
    let last_is_last = ordered || clauses.last().is_some_and(|clause| !clause.by_place);
    let way = rng.random_range(0..8);
    if clauses.len() < 2 || way < 3 || !last_is_last {
        clauses.shuffle(rng);
        let wished = rng.random_bool(0.5);
        return listed(&clauses, wished, rng);
    }
    if way == 3 && ordered {
        let mut said = clauses.iter().map(|clause| clause.said(clause.forms.orders, rng));
        let first = said.next().unwrap_or_default();
        let rest: Vec<String> = said.collect();
        return format!("first {first}, then {}", rest.join(", then "));
    }
    let Some(last) = clauses.pop() else {
        return String::new();
    };
    clauses.shuffle(rng);
    let (order, wish) = (last.said(last.forms.orders, rng), last.said(last.forms.wishes, rng));
    let mut facts = || {
        joined(
            clauses
                .iter()
                .map(|clause| clause.said(clause.forms.facts, rng))
                .collect(),
        )
    };
    match way {
        4 => format!("once {}, {order}", facts()),
        5 => format!("{order} once {}", facts()),
        6 => format!("{wish}, but first {}", listed(&clauses, rng.random_bool(0.5), rng)),
        7 if rng.random_bool(0.5) => format!("before you {order}, {}", listed(&clauses, false, rng)),
        _ => {
            let then = ["then", "and after that", "after that"].choose(rng).copied();
            let comma = if then == Some("and after that") { "" } else { "," };
            let first = listed(&clauses, rng.random_bool(0.5), rng);
            format!("{first}{comma} {} {order}", then.unwrap_or("then"))
        }
    }
}

/// All of them as wishes, or all as orders.
fn listed(clauses: &[Clause], wished: bool, rng: &mut impl Rng) -> String {
    let forms = |clause: &Clause| {
        if wished {
            clause.forms.wishes
        } else {
            clause.forms.orders
        }
    };
    joined(clauses.iter().map(|clause| clause.said(forms(clause), rng)).collect())
}

/// "a, b and c".
fn joined(mut said: Vec<String>) -> String {
    let last = said.pop().unwrap_or_default();
    if said.is_empty() {
        last
    } else {
        format!("{} and {last}", said.join(", "))
    }
}

fn clause(goal: &GoalPattern, template: &Template, rng: &mut impl Rng) -> Option<Clause> {
    let (forms, x, y) = match goal {
        GoalPattern::On(x, y) if y == TABLE => (&ON_TABLE, noun(x, template, rng)?, TABLE_SAID.to_owned()),
        GoalPattern::On(x, y) => (on(y, template)?, noun(x, template, rng)?, noun(y, template, rng)?),
        GoalPattern::Each(class, y) => (on(y, template)?, every(class, rng), noun(y, template, rng)?),
        GoalPattern::Held(x) => (&HELD, noun(x, template, rng)?, String::new()),
        GoalPattern::Bare(x) => (&BARE, noun(x, template, rng)?, String::new()),
        GoalPattern::Empty(p) if template.kind(p)? == Kind::Bin => (&EMPTY_BIN, noun(p, template, rng)?, String::new()),
        GoalPattern::Empty(p) => (&EMPTY, noun(p, template, rng)?, String::new()),
    };
    let found_by_place = |name: &str| template.finder(name).is_some_and(Finder::looks);
    let by_place = goal.of_contents() || goal.names().iter().any(|(name, _)| found_by_place(name));
    Some(Clause { forms, x, y, by_place })
}

/// How to say that something is there.
fn on(place: &str, template: &Template) -> Option<&'static Forms> {
    Some(match template.kind(place)? {
        Kind::Pad => &ON_PAD,
        Kind::Bin => &IN_BIN,
        Kind::Block | Kind::Cuboid | Kind::Cylinder => &ON_BLOCK,
    })
}

/// A name of goals in words: its braces, or what it is found by.
fn noun(name: &str, template: &Template, rng: &mut impl Rng) -> Option<String> {
    let Some(finder) = template.finder(name) else {
        return Some(format!("{{{name}}}"));
    };
    let mut one_of = |words: &[&str]| words.choose(rng).map(|&word| word.to_owned());
    match finder {
        Finder::Gripper => one_of(&["what you hold", "what is in the gripper"]),
        Finder::FreePad => one_of(&["the free pad", "the empty pad"]),
        Finder::Named(name) => Some(format!("the {name}")),
        Finder::On(slot) => Some(match template.kind(slot)? {
            Kind::Bin => format!("what is in {{{slot}}}"),
            Kind::Pad => format!("what is on {{{slot}}}"),
            Kind::Block | Kind::Cuboid | Kind::Cylinder => format!("what stands on {{{slot}}}"),
        }),
        Finder::Rank(Class::Shape(shape), rank, count) => {
            let size = match (*rank, *count) {
                (0, _) => "largest",
                (rank, count) if rank + 1 == count => "smallest",
                (1, 3) => "middle",
                _ => return None,
            };
            let shape = shape_said(*shape);
            if size == "middle" {
                Some(format!("the {size} {shape}"))
            } else {
                one_of(&[&format!("the {size} {shape}"), &format!("the {size} of the {shape}s")])
            }
        }
        Finder::Among(slots, rank) => match slots.as_slice() {
            [a, b] => {
                let size = if *rank == 0 { "larger" } else { "smaller" };
                Some(format!("the {size} of {{{a}}} and {{{b}}}"))
            }
            _ => None,
        },
        // Towers and ranks among all need more than a noun.
        Finder::Rank(..) | Finder::Size(_) | Finder::Storey(_) => None,
    }
}

/// A class of blocks in words, in the singular.
fn every(class: &Class, rng: &mut impl Rng) -> String {
    let ways = match class {
        Class::Colour(colour) => [
            format!("everything {colour}"),
            format!("all that is {colour}"),
            format!("every {colour} thing"),
        ],
        Class::Shape(shape) => [
            format!("every {}", shape_said(*shape)),
            format!("each {}", shape_said(*shape)),
            format!("each of the {}s", shape_said(*shape)),
        ],
        Class::In(slot) => [
            format!("everything in {{{slot}}}"),
            format!("all that is in {{{slot}}}"),
            format!("everything from {{{slot}}}"),
        ],
    };
    ways[rng.random_range(0..ways.len())].clone()
}

fn shape_said(shape: Shape) -> &'static str {
    match shape {
        Shape::Cuboid => "block",
        Shape::Cylinder => "cylinder",
    }
}

/// The slots of both come in one order, and fewer than [`APART`] words differ.
pub(super) fn is_near(text: &str, other: &str) -> bool {
    fn words(text: &str) -> Vec<&str> {
        text.split([' ', ',']).filter(|word| !word.is_empty()).collect()
    }
    slots_of(text) == slots_of(other) && word_edits(&words(text), &words(other)) < APART
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::{Stream, rng};
    use crate::sim::Scene;
    use crate::sim::tasks::{Phrasing, TaskBook, TaskSampler, check_text};

    fn texts(template: &Template, draws: u64) -> BTreeSet<String> {
        let drawn = (0..draws).filter_map(|index| compose(template, &mut rng(1, Stream::Tasks, index, 0)));
        drawn.collect()
    }

    #[test]
    fn most_templates_are_said_in_many_ways_and_none_is_nearly_held_out() {
        let book = TaskBook::named("thinkbench").unwrap();
        let mut many = 0;
        for template in &book.templates {
            let texts = self::texts(template, 300);
            many += usize::from(texts.len() >= 15);
            for text in &texts {
                for other in template.held_out.iter().flat_map(|text| spellings(text)) {
                    assert!(!is_near(text, &other), "{text} | {other}");
                }
                assert!(
                    !text.contains("X") && !text.contains("Y") && !text.contains("  "),
                    "{text}"
                );
            }
        }
        assert!(many >= 30, "{many} of {} templates", book.templates.len());
    }

    #[test]
    fn a_composed_phrasing_says_every_goal() {
        let book = TaskBook::named("thinkbench").unwrap();
        let texts = self::texts(book.template("bin then pick").unwrap(), 400);
        let said = |like: &dyn Fn(&str) -> bool| texts.iter().any(|text| like(text));
        assert!(said(&|text| text.starts_with("once ")));
        assert!(said(&|text| text.contains(" once ")));
        assert!(said(&|text| text.starts_with("before you ")));
        assert!(said(&|text| text.starts_with("first ") && text.contains(", then ")));
        assert!(said(&|text| text.contains(", but first ")));
        assert!(said(&|text| text.starts_with("in the gripper i want {y}")));
        assert!(
            texts
                .iter()
                .all(|text| text.contains("{x}") && text.contains("{b}") && text.contains("{y}"))
        );
        // An order of things that change places would be about what lies there later.
        let swap = self::texts(book.template("swap two pads then pick").unwrap(), 200);
        assert!(swap.iter().all(|text| !text.starts_with("first ")), "{swap:#?}");
    }

    #[test]
    fn drawn_tasks_are_composed_as_often_as_asked_and_pass_as_typed_ones() {
        let scene = Scene::load("thinkbench").unwrap();
        let book = TaskBook::named(&scene.tasks).unwrap();
        let plain = TaskSampler::on(book.clone(), &scene, 1).unwrap();
        let composed = TaskSampler {
            composed: 1.0,
            ..plain.clone()
        };
        let mut of_the_book = 0;
        for index in 0..60 {
            let sample = composed.sample(2, index, Phrasing::Seen).unwrap();
            check_text(&sample.task.text, &sample.state).unwrap();
            let read = book.recognise(&sample.task.text, &sample.state);
            of_the_book += usize::from(read.is_some());
        }
        assert!(of_the_book < 30, "{of_the_book}");
    }
}

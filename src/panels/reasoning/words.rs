//! An answer as people read it: tokens gathered into words and lines, each word with the sub-goal that it belongs to.

use std::ops::Range;

use crate::recording::{QuestionRecord, SubGoalRecord, TokenRecord};
use crate::vlm::parse_answer;

/// Tokens that stand together in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub tokens: Range<usize>,
    /// With the blank before it, without the end of its line.
    pub text: String,
    /// The sub-goal in whose line it stands, or whose object it names.
    pub sub_goal: Option<usize>,
    /// It stands in the list.
    pub listed: bool,
}

impl Word {
    /// A number, a bracket or a stop: nothing that could be looked at.
    pub fn is_sign(&self) -> bool {
        !self.text.chars().any(char::is_alphabetic)
    }

    /// What a line of the list begins with.
    pub fn is_number(&self) -> bool {
        self.is_sign() && self.text.contains(|c: char| c.is_ascii_digit())
    }
}

fn joined(tokens: &[TokenRecord]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

/// What some tokens of an answer read, for people.
pub fn text_of(tokens: &[TokenRecord]) -> String {
    joined(tokens).trim().to_owned()
}

/// The lines of an answer, as far as it is written.
pub(super) fn lines(question: &QuestionRecord, sub_goals: &[SubGoalRecord]) -> Vec<Vec<Word>> {
    let text = joined(&question.tokens);
    let owners = owners(&text, question.first_sub_goal, sub_goals);
    let mut lines = Vec::new();
    let mut line: Vec<Word> = Vec::new();
    let mut joins = false;
    let mut at = 0;
    for (index, token) in question.tokens.iter().enumerate() {
        let ends_line = token.text.contains('\n');
        let shown = token.text.replace('\n', "");
        // What begins with a letter goes on with a word that ended in one.
        let begins = shown.chars().next();
        match line.last_mut() {
            Some(word) if token.text.is_empty() || joins && begins.is_some_and(char::is_alphanumeric) => {
                word.text.push_str(&shown);
                word.tokens.end = index + 1;
            }
            _ => {
                // Where its letters are: a blank before it is nobody's.
                let from = at + shown.len() - shown.trim_start().len();
                let owner = owners.iter().find(|owner| owner.bytes.contains(&from));
                line.push(Word {
                    tokens: index..index + 1,
                    text: shown.clone(),
                    sub_goal: owner.and_then(|owner| owner.sub_goal),
                    listed: owner.is_some_and(|owner| owner.listed),
                });
            }
        }
        joins = shown.chars().next_back().map_or(joins, char::is_alphanumeric);
        at += token.text.len();
        if ends_line {
            lines.push(std::mem::take(&mut line));
            joins = false;
        }
    }
    lines.push(line);
    lines.retain(|line| line.iter().any(|word| !word.text.trim().is_empty()));
    lines
}

/// Bytes of an answer that belong to a sub-goal, or stand in the list.
struct Owner {
    bytes: Range<usize>,
    sub_goal: Option<usize>,
    listed: bool,
}

fn owners(text: &str, first: Option<usize>, sub_goals: &[SubGoalRecord]) -> Vec<Owner> {
    let mut owners = Vec::new();
    for (number, read) in parse_answer(text).sub_goals.into_iter().enumerate() {
        let begin = text[..read.byte_range.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[begin..].find('\n').map_or(text.len(), |at| begin + at + 1);
        // Another list may have taken the place of this one.
        let index = first.map(|first| first + number);
        let same = |index: &usize| sub_goals.get(*index).is_some_and(|record| record.text == read.text);
        owners.push(Owner {
            bytes: begin..end,
            sub_goal: index.filter(same),
            listed: true,
        });
    }
    let reasoning = &text[..owners.first().map_or(text.len(), |owner| owner.bytes.start)];
    let mut at = 0;
    for piece in pieces(reasoning, sub_goals) {
        let bytes = at..at + piece.text.len();
        at = bytes.end;
        owners.extend(piece.sub_goal.map(|index| Owner {
            bytes,
            sub_goal: Some(index),
            listed: false,
        }));
    }
    owners
}

/// A stretch of the text, and the sub-goal whose object it names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    pub sub_goal: Option<usize>,
}

/// Cuts a text at the objects that sub-goals name; the first sub-goal that names an object owns it.
pub(super) fn pieces<'a>(text: &'a str, sub_goals: &[SubGoalRecord]) -> Vec<Piece<'a>> {
    let lower = text.to_ascii_lowercase();
    let mut names: Vec<(String, usize)> = Vec::new();
    for (index, sub_goal) in sub_goals.iter().enumerate() {
        for object in &sub_goal.objects {
            let object = object.trim().to_ascii_lowercase();
            if !object.is_empty() && !names.iter().any(|(name, _)| *name == object) {
                names.push((object, index));
            }
        }
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        // The earliest name; of two at one place the longer.
        let next = names
            .iter()
            .filter_map(|(name, index)| lower[at..].find(name.as_str()).map(|from| (from, name.len(), *index)))
            .min_by_key(|&(from, len, _)| (from, usize::MAX - len));
        let Some((from, len, index)) = next else {
            break;
        };
        if from > 0 {
            out.push(Piece {
                text: &text[at..at + from],
                sub_goal: None,
            });
        }
        out.push(Piece {
            text: &text[at + from..at + from + len],
            sub_goal: Some(index),
        });
        at += from + len;
    }
    if at < text.len() {
        out.push(Piece {
            text: &text[at..],
            sub_goal: None,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub_goal(text: &str, objects: &[&str]) -> SubGoalRecord {
        SubGoalRecord {
            text: text.to_owned(),
            objects: objects.iter().map(ToString::to_string).collect(),
            ..SubGoalRecord::default()
        }
    }

    #[test]
    fn words_link_to_the_first_sub_goal_that_names_them_and_no_text_is_lost() {
        let sub_goals = [
            sub_goal("", &["red block"]),
            sub_goal("", &["red block", "blue pad", "blue"]),
        ];
        let text = "The Red block goes — onto the blue pad.";
        let cut = pieces(text, &sub_goals);
        assert_eq!(cut.iter().map(|piece| piece.text).collect::<String>(), text);
        let linked: Vec<_> = cut
            .iter()
            .filter_map(|piece| piece.sub_goal.map(|index| (piece.text, index)))
            .collect();
        assert_eq!(linked, [("Red block", 0), ("blue pad", 1)]);
        assert_eq!(pieces("nothing", &sub_goals).len(), 1);
    }

    fn question(tokens: &[&str]) -> QuestionRecord {
        let token = |text: &&str| TokenRecord {
            text: (*text).to_owned(),
            ..TokenRecord::default()
        };
        QuestionRecord {
            first_sub_goal: Some(1),
            tokens: tokens.iter().map(token).collect(),
            ..QuestionRecord::default()
        }
    }

    #[test]
    fn tokens_become_words_of_lines_and_know_their_sub_goal() {
        let tokens = [
            "The", " red", " bl", "ock", "", "'s", " free", ".\n", "1. [", "pick", " it", "] | [", "red", " block",
            "]\n", "2. [", "go", "] | [", "pad", "]",
        ];
        let sub_goals = [
            sub_goal("old", &["pad"]),
            sub_goal("pick it", &["red block"]),
            sub_goal("changed", &["pad"]),
        ];
        let question = question(&tokens);
        let lines = lines(&question, &sub_goals);
        let read: Vec<String> = lines
            .iter()
            .map(|line| line.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("/"))
            .collect();
        assert_eq!(
            read,
            [
                "The/ red/ block/'s/ free/.",
                "1. [/pick/ it/] | [/red/ block/]",
                "2. [/go/] | [/pad/]"
            ]
        );
        // Every token is in one word, in order.
        let covered: Vec<usize> = lines.iter().flatten().flat_map(|word| word.tokens.clone()).collect();
        assert_eq!(covered, (0..tokens.len()).collect::<Vec<_>>());
        let block = &lines[0][2];
        assert_eq!(
            (block.tokens.clone(), block.sub_goal, block.listed),
            (2..5, Some(1), false)
        );
        assert_eq!((lines[0][0].sub_goal, lines[0][4].sub_goal), (None, None));
        assert!(lines[1].iter().all(|word| word.sub_goal == Some(1) && word.listed));
        // The second line's sub-goal has another text by now.
        assert!(lines[2].iter().all(|word| word.sub_goal.is_none() && word.listed));
        assert!(lines[1][0].is_sign() && lines[1][3].is_sign() && !lines[1][1].is_sign());
        assert_eq!(text_of(&question.tokens[1..4]), "red block");
    }
}

//! Reading the model's answer, strictly (interfaces: "VLM answer"): reasoning is everything before the first line that
//! starts with a number and a full stop, then `n. [sub-goal] | [object, object]`. What cannot be read is kept.

use std::ops::Range;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedSubGoal {
    pub text: String,
    pub objects: Vec<String>,
    /// Where `text` stands in the answer.
    pub byte_range: Range<usize>,
}

/// An answer, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// All of it, as written.
    pub text: String,
    pub reasoning: String,
    pub sub_goals: Vec<ParsedSubGoal>,
    /// Lines of the list that do not have the form `n. [sub-goal] | [objects]`.
    pub unread: Vec<String>,
    /// Numbers that are not the next one: (expected, as written).
    pub misnumbered: Vec<(usize, String)>,
}

impl Answer {
    /// Whether there is a list and nothing in it is in doubt.
    pub fn is_sound(&self) -> bool {
        !self.sub_goals.is_empty() && self.doubts().is_empty()
    }

    /// What could not be read, in words: lines as they stand, then numbers out of order.
    pub fn doubts(&self) -> Vec<String> {
        let numbers = self.misnumbered.iter();
        let numbers = numbers.map(|(expected, found)| format!("number {found} where {expected} was expected"));
        self.unread.iter().cloned().chain(numbers).collect()
    }
}

/// Writes an answer. Brackets are always written. A text must hold neither line breaks nor `[`, `]`, `|`, an object no
/// comma either: they are replaced by spaces, so that what is written can be read.
pub fn format_answer<T: AsRef<str>, O: AsRef<str>>(reasoning: &str, sub_goals: &[(T, Vec<O>)]) -> String {
    let mut lines = Vec::new();
    if !reasoning.trim().is_empty() {
        lines.push(reasoning.trim().to_owned());
    }
    for (i, (text, objects)) in sub_goals.iter().enumerate() {
        let objects: Vec<String> = objects.iter().map(|object| plain(object.as_ref(), true)).collect();
        lines.push(format!(
            "{}. [{}] | [{}]",
            i + 1,
            plain(text.as_ref(), false),
            objects.join(", ")
        ));
    }
    lines.join("\n")
}

fn plain(text: &str, object: bool) -> String {
    let spaced = text.replace(|c: char| "[]|".contains(c) || (object && c == ','), " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads an answer; any string gives a result.
pub fn parse_answer(text: &str) -> Answer {
    let mut answer = Answer {
        text: text.to_owned(),
        ..Answer::default()
    };
    let mut list_at = None;
    let (mut at, mut numbers) = (0, 0);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some((number, rest_at)) = numbered(line) else {
            if list_at.is_some() && !line.trim().is_empty() {
                answer.unread.push(line.trim().to_owned());
            }
            continue;
        };
        list_at.get_or_insert(start);
        numbers += 1;
        match sub_goal(text, start + rest_at..start + line.len()) {
            Some(sub_goal) => {
                answer.sub_goals.push(sub_goal);
                if number.parse() != Ok(numbers) {
                    answer.misnumbered.push((numbers, number.to_owned()));
                }
            }
            None => answer.unread.push(line.trim().to_owned()),
        }
    }
    answer.reasoning = text[..list_at.unwrap_or(text.len())].trim().to_owned();
    answer
}

/// The number of a line `n. ...` and where its rest begins.
fn numbered(line: &str) -> Option<(&str, usize)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && line[digits..].starts_with('.')).then(|| (&line[..digits], digits + 1))
}

/// Reads `[text] | [object, object]` in a range of the answer.
fn sub_goal(answer: &str, range: Range<usize>) -> Option<ParsedSubGoal> {
    let line = &answer[range.clone()];
    let bar = line.find('|')?;
    let text = unbracketed(line, 0..bar)?;
    let objects = unbracketed(line, bar + 1..line.len())?;
    if text.is_empty() {
        return None;
    }
    let listed = &line[objects];
    let objects: Vec<String> = match listed {
        "" => Vec::new(),
        _ => listed.split(',').map(|object| object.trim().to_owned()).collect(),
    };
    if objects.iter().any(String::is_empty) {
        return None;
    }
    Some(ParsedSubGoal {
        text: line[text.clone()].to_owned(),
        objects,
        byte_range: range.start + text.start..range.start + text.end,
    })
}

/// The trimmed inside of a part of a line, without its brackets if it has both; none if one is missing or if there are
/// others, or a second bar.
fn unbracketed(line: &str, part: Range<usize>) -> Option<Range<usize>> {
    let mut inside = trimmed(line, part);
    let text = &line[inside.clone()];
    if let Some(rest) = text.strip_prefix('[') {
        rest.strip_suffix(']')?;
        inside = trimmed(line, inside.start + 1..inside.end - 1);
    }
    (!line[inside.clone()].contains(['[', ']', '|'])).then_some(inside)
}

fn trimmed(line: &str, part: Range<usize>) -> Range<usize> {
    let text = &line[part.clone()];
    let start = part.start + (text.len() - text.trim_start().len());
    start..(start + text.trim().len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_reasoning_list_and_places() {
        let text = "The red block is free.\nIt can go first.\n1. [pick up the red block] | [red block]\n\
            2. place it on the blue pad | red block,  blue pad\n";
        let answer = parse_answer(text);
        assert_eq!(answer.reasoning, "The red block is free.\nIt can go first.");
        assert_eq!(answer.sub_goals.len(), 2);
        assert_eq!(answer.sub_goals[1].objects, ["red block", "blue pad"]);
        for sub_goal in &answer.sub_goals {
            assert_eq!(&text[sub_goal.byte_range.clone()], sub_goal.text);
        }
        assert!(answer.is_sound());
    }

    #[test]
    fn keeps_what_it_cannot_read() {
        let answer =
            parse_answer("1. [pick up the red block]\nand then\n2. [place it | [pad]\n3. [a] | [b,,c]\n4. [] | [b]");
        assert!(answer.sub_goals.is_empty());
        assert_eq!(answer.unread.len(), 5);
        assert!(!answer.is_sound());
        assert_eq!(parse_answer("no list at all").reasoning, "no list at all");
    }

    #[test]
    fn reports_wrong_numbers() {
        let answer = parse_answer("1. [a] | []\n3. [b] | []\n99999999999999999999999. [c] | []");
        assert_eq!(answer.sub_goals.len(), 3);
        assert_eq!(answer.misnumbered, [(2, "3".to_owned()), (3, "9".repeat(23))]);
        assert_eq!(answer.doubts()[0], "number 3 where 2 was expected");
        let gap = parse_answer("1. [a] | []\n2. unreadable\n3. [b] | []");
        assert!(gap.misnumbered.is_empty() && gap.unread.len() == 1);
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(
            reasoning in "[a-z .\n]{0,40}",
            goals in prop::collection::vec(("[a-zé ]{0,12}[a-zé]", prop::collection::vec("[a-z] ?[a-z]{1,5}", 0..4)), 1..5),
        ) {
            let goals: Vec<(String, Vec<String>)> =
                goals.into_iter().map(|(text, objects)| (plain(&text, false), objects)).collect();
            let answer = parse_answer(&format_answer(&reasoning, &goals));
            prop_assert!(answer.is_sound());
            prop_assert_eq!(answer.reasoning, reasoning.trim());
            let read: Vec<_> = answer.sub_goals.into_iter().map(|goal| (goal.text, goal.objects)).collect();
            prop_assert_eq!(read, goals);
        }

        #[test]
        fn any_string_is_read_without_panic(text in "(\\PC|[0-9.\\[\\]|,\n ]){0,60}") {
            let answer = parse_answer(&text);
            for goal in &answer.sub_goals {
                prop_assert_eq!(&text[goal.byte_range.clone()], goal.text.as_str());
            }
            let written: Vec<_> = answer.sub_goals.iter().map(|g| (g.text.clone(), g.objects.clone())).collect();
            let again = parse_answer(&format_answer("", &written));
            prop_assert_eq!(again.sub_goals.len(), written.len());
        }
    }
}

//! A sub-goal as a person types it: its text, and the objects after a bar where they are not the ones that the text names.

use super::models::SubGoal;
use crate::sim::tasks::things_in;
use crate::vlm::parse_answer;

impl SubGoal {
    /// Reads a line: `text`, whose objects are the things it names, or `text | [object, object]` as in the VLM's list. None
    /// where it is empty, or its brackets cannot be read.
    pub fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.contains(['|', '[', ']']) {
            let read = parse_answer(&format!("1. {line}")).sub_goals.into_iter().next()?;
            let (text, objects) = (read.text, read.objects);
            return Some(Self { text, objects });
        }
        (!line.is_empty()).then(|| Self {
            text: line.split_whitespace().collect::<Vec<_>>().join(" "),
            objects: things_in(line),
        })
    }

    /// The line that reads as this sub-goal; without its objects where the text names the same.
    pub fn line(&self) -> String {
        if things_in(&self.text) == self.objects {
            self.text.clone()
        } else {
            format!("{} | [{}]", self.text, self.objects.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub_goal(text: &str, objects: &[&str]) -> SubGoal {
        SubGoal {
            text: text.to_owned(),
            objects: objects.iter().map(|&object| object.to_owned()).collect(),
        }
    }

    #[test]
    fn a_line_is_read_as_it_is_written() {
        for (line, read) in [
            (
                "pick up the red block",
                sub_goal("pick up the red block", &["red block"]),
            ),
            ("lift it | red block", sub_goal("lift it", &["red block"])),
            (
                "[lift it] | [red block, blue pad]",
                sub_goal("lift it", &["red block", "blue pad"]),
            ),
            ("pick up the red block | []", sub_goal("pick up the red block", &[])),
        ] {
            assert_eq!(SubGoal::read(line), Some(read.clone()), "{line}");
            assert_eq!(SubGoal::read(&read.line()), Some(read), "{line}");
        }
        assert_eq!(
            sub_goal("pick up the red block", &["red block"]).line(),
            "pick up the red block"
        );
        for line in ["", "  ", "[lift it | red block", "lift it | a | b", "| red block"] {
            assert_eq!(SubGoal::read(line), None, "{line}");
        }
    }
}

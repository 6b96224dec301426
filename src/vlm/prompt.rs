//! The seed's prompt template, word for word (method, 4.4), with a history for a re-query (Algorithm 2, line 31).

/// Where the image tokens stand.
pub const IMAGE_MARK: &str = "[IMAGE]";

const HEAD: &str = "You are a robot planning assistant. \nCurrent observation: ";
const TASK: &str = "\nTask: ";
const HISTORY: &str = "\nHistory:";
const REACHED: &str = "\nreached: ";
const FAILED: &str = "\nfailed: ";
const TAIL: &str = "\nDecompose this task into ordered sub-goals. For each sub-goal, \n\
    describe the target scene state and which objects are involved.\n\
    Output format: \n\
    1. [sub-goal description] | [relevant objects]\n\
    2. [sub-goal description] | [relevant objects]\n\
    ...\n";

/// Strings that every prompt or answer repeats. Our own tokenizer holds each as one token: the fixed part of the
/// template then costs four positions instead of about seventy, and training time goes with the positions.
/// Each contains white space, which no merged token of a byte-level vocabulary spells this way.
pub const PHRASES: [&str; 17] = [
    HEAD, TASK, HISTORY, REACHED, FAILED, TAIL, "1. [", "2. [", "3. [", "4. [", "5. [", "6. [", "7. [", "8. [", "9. [",
    "] | [", "]\n",
];

/// What happened before a re-query, oldest first. The frame shows where it led.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Texts of the sub-goals that were reached.
    pub reached: Vec<String>,
    /// Texts of those that were not reached in time.
    pub failed: Vec<String>,
}

/// The prompt of a first query.
pub fn plan_prompt(task: &str) -> String {
    replan_prompt(task, &History::default())
}

/// The prompt of a re-query; with an empty history, that of a first query.
pub fn replan_prompt(task: &str, history: &History) -> String {
    let mut prompt = format!("{HEAD}{IMAGE_MARK}{TASK}{}", one_line(task));
    if !history.reached.is_empty() || !history.failed.is_empty() {
        prompt.push_str(HISTORY);
        for (label, texts) in [(REACHED, &history.reached), (FAILED, &history.failed)] {
            for text in texts {
                prompt.push_str(label);
                prompt.push_str(&one_line(text));
            }
        }
    }
    prompt.push_str(TAIL);
    prompt
}

/// The prompt under which a sub-goal's own text is teacher-forced for its map and embedding: the text is its task, so
/// that a list that was edited by hand is grounded like one that the model wrote.
pub fn grounding_prompt(sub_goal: &str) -> String {
    plan_prompt(sub_goal)
}

/// A task is one line of the template.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_methods_word_for_word() {
        let expected = "You are a robot planning assistant. \nCurrent observation: [IMAGE]\nTask: stack red on green\n\
            Decompose this task into ordered sub-goals. For each sub-goal, \n\
            describe the target scene state and which objects are involved.\nOutput format: \n\
            1. [sub-goal description] | [relevant objects]\n2. [sub-goal description] | [relevant objects]\n...\n";
        assert_eq!(plan_prompt("  stack red\n on green "), expected);
    }

    #[test]
    fn a_requery_tells_what_was_reached_and_what_failed() {
        let history = History {
            reached: vec!["pick up a".into()],
            failed: vec!["place a".into()],
        };
        let prompt = replan_prompt("move a", &history);
        assert!(prompt.contains("\nTask: move a\nHistory:\nreached: pick up a\nfailed: place a\nDecompose"));
    }
}

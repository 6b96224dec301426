//! Words that name things: a task that speaks of a colour or a shape which nothing on the table has is refused before
//! any model is asked. It knows the names of the scene's objects, not where they are.

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
const SHAPES: [&str; 16] = [
    "block", "pad", "cube", "ball", "sphere", "cylinder", "pyramid", "cone", "cup", "bowl", "box", "disc", "plate",
    "ring", "triangle", "brick",
];

/// Why a task was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskTextError {
    #[error("The task is empty. Say what should be done, for example: put the red block on the yellow pad.")]
    Empty,
    #[error("The task has {characters} characters, at most {MOST_CHARACTERS} are read. Say it in fewer words.")]
    TooLong { characters: usize },
    #[error("Nothing here is \"{word}\". There is: {known}.")]
    NotInScene { word: String, known: String },
}

/// Checks a typed task against the names of what is on the table.
///
/// # Errors
/// It is empty, too long, or names a colour or shape that no object has.
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
        .collect();
    let known: Vec<&str> = names.iter().flat_map(|name| name.split(' ')).collect();
    let lower = text.to_lowercase();
    let strange = lower.split(|c: char| !c.is_alphanumeric()).find(|word| {
        let named = COLOURS.contains(word) || SHAPES.iter().any(|shape| singular(word) == *shape);
        named && !known.contains(word) && !known.contains(&singular(word))
    });
    match strange {
        Some(word) => Err(TaskTextError::NotInScene {
            word: word.to_owned(),
            known: names.join(", "),
        }),
        None => Ok(()),
    }
}

fn singular(word: &str) -> &str {
    word.strip_suffix('s').unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::relations::tests::three_blocks;

    #[test]
    fn strange_things_are_named_and_known_ones_pass() {
        let state = three_blocks();
        for text in ["Stack RED on green!", "sort the blocks", "free both pads", "tidy up"] {
            assert_eq!(check_text(text, &state), Ok(()), "{text}");
        }
        let err = check_text("put the pink block on the yellow pad", &state).unwrap_err();
        assert_eq!(
            err.to_string(),
            "Nothing here is \"pink\". There is: red block, green block, blue block, yellow pad, purple pad."
        );
        assert!(check_text("roll the balls away", &state).is_err());
        assert_eq!(check_text(" \n", &state), Err(TaskTextError::Empty));
        let long = "a".repeat(301);
        assert_eq!(
            check_text(&long, &state),
            Err(TaskTextError::TooLong { characters: 301 })
        );
    }
}

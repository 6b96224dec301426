//! Finding a line by a few of its letters.

/// How well a text fits what was typed, more is better; none if a word of it does not fit. Each word is looked for by
/// itself, in any order: whole, or letter by letter.
pub fn score(typed: &str, text: &str) -> Option<u32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let words = typed.split_whitespace();
    words.map(|word| word_score(&word.to_lowercase(), &text)).sum()
}

fn word_score(word: &str, text: &[char]) -> Option<u32> {
    let word: Vec<char> = word.chars().collect();
    let starts = |at: usize| at == 0 || !text[at - 1].is_alphanumeric();
    // In one piece, best at the beginning of a word.
    let whole = text.windows(word.len()).enumerate();
    let whole = whole.filter(|(_, window)| *window == word.as_slice());
    let best = whole.map(|(at, _)| if starts(at) { 100 } else { 60 }).max();
    best.or_else(|| scattered(&word, text, starts))
}

/// Letter after letter; each that begins a word or follows the last one counts. A word of which most letters lie about
/// anywhere is no find.
fn scattered(word: &[char], text: &[char], starts: impl Fn(usize) -> bool) -> Option<u32> {
    let mut score = 0;
    let mut last: Option<usize> = None;
    for letter in word {
        let from = last.map_or(0, |at| at + 1);
        let next = |fits: &dyn Fn(usize) -> bool| (from..text.len()).find(|&at| text[at] == *letter && fits(at));
        let near = last.map(|at| at + 1);
        let at = next(&|at| Some(at) == near)
            .or_else(|| next(&starts))
            .or_else(|| next(&|_| true))?;
        score += u32::from(starts(at) || Some(at) == near);
        last = Some(at);
    }
    (2 * score as usize > word.len()).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_order_initials_and_parts_fit_and_others_do_not() {
        let fits = |typed: &str, text: &str| score(typed, text).is_some();
        assert!(fits("", "Reset the scene"));
        assert!(fits("scene reset", "Reset the scene"));
        assert!(fits("rts", "Reset the scene"), "initials");
        assert!(fits("resc", "Reset the scene"));
        assert!(!fits("reset camera", "Reset the scene"));
        assert!(!fits("tee", "Reset the scene"), "letters that lie about are no find");
        assert!(score("step", "Step forward") > score("step", "The misstep"));
        assert!(score("lay", "Reset the layout") > score("rl", "Reset the layout"));
    }
}

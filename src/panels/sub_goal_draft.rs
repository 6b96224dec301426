//! The list of sub-goals while the user changes it: what is typed and not yet applied, and what became of what was sent. It
//! knows no widgets.

use crate::planner::SubGoal;
use crate::recording::{Recording, SubGoalRecord};

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its own as long as the draft lives, wherever the line is moved to.
    pub key: usize,
    pub text: String,
    /// The sub-goal of the recording that it stands for; none for a new one.
    pub of: Option<usize>,
}

/// What the user has changed and not applied.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub lines: Vec<Line>,
    keys: usize,
    /// Sub-goals of the recording that the draft has seen.
    known: usize,
    undo: Vec<Vec<Line>>,
    redo: Vec<Vec<Line>>,
    /// The lines before the text that is being typed.
    typing: Option<Vec<Line>>,
}

impl Draft {
    pub fn of(recording: &Recording) -> Self {
        let mut draft = Self::default();
        draft.follow(recording);
        draft
    }

    /// Drops what has ended since, and adds what a re-plan brought.
    pub fn follow(&mut self, recording: &Recording) {
        let open = recording.open_sub_goals();
        self.lines.retain(|line| line.of.is_none_or(|of| open.contains(&of)));
        let known = self.known;
        for index in open.into_iter().filter(|&index| index >= known) {
            let text = sub_goal(&recording.sub_goals[index]).line();
            self.push(self.lines.len(), text, Some(index));
        }
        self.known = recording.sub_goals.len();
    }

    fn push(&mut self, at: usize, text: String, of: Option<usize>) -> usize {
        self.keys += 1;
        let key = self.keys;
        self.lines.insert(at, Line { key, text, of });
        key
    }

    /// Puts an empty line at this place; its key.
    pub fn insert(&mut self, at: usize) -> usize {
        self.keep();
        self.push(at.min(self.lines.len()), String::new(), None)
    }

    pub fn remove(&mut self, at: usize) {
        self.keep();
        self.lines.remove(at);
    }

    /// Moves a line to where another one is.
    pub fn shift(&mut self, from: usize, to: usize) {
        if from != to && from < self.lines.len() && to < self.lines.len() {
            self.keep();
            let line = self.lines.remove(from);
            self.lines.insert(to, line);
        }
    }

    /// A text is being typed from here on: all of it is undone at once.
    pub fn begin_typing(&mut self) {
        self.typing.get_or_insert_with(|| self.lines.clone());
    }

    pub fn end_typing(&mut self) {
        if let Some(before) = self.typing.take().filter(|before| *before != self.lines) {
            self.undo.push(before);
            self.redo.clear();
        }
    }

    fn keep(&mut self) {
        self.end_typing();
        self.undo.push(self.lines.clone());
        self.redo.clear();
    }

    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty() || self.typing.as_ref().is_some_and(|before| *before != self.lines)
    }

    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    pub fn undo(&mut self) {
        self.end_typing();
        if let Some(before) = self.undo.pop() {
            self.redo.push(std::mem::replace(&mut self.lines, before));
        }
    }

    pub fn redo(&mut self) {
        if let Some(after) = self.redo.pop() {
            self.undo.push(std::mem::replace(&mut self.lines, after));
        }
    }

    /// The list that the lines read as; where one cannot be read, which.
    ///
    /// # Errors
    /// The place of a line that is empty or has a bracket too few or too many.
    pub fn list(&self, recording: &Recording) -> Result<Vec<SubGoal>, usize> {
        let read = |(at, line): (usize, &Line)| {
            let own = line.of.and_then(|of| recording.sub_goals.get(of)).map(sub_goal);
            let kept = own.filter(|own| own.line() == line.text);
            kept.or_else(|| SubGoal::read(&line.text)).ok_or(at)
        };
        self.lines.iter().enumerate().map(read).collect()
    }
}

pub fn sub_goal(record: &SubGoalRecord) -> SubGoal {
    SubGoal {
        text: record.text.clone(),
        objects: record.objects.clone(),
    }
}

/// A list, and the first sub-goal of the recording that was open when it was the one in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub list: Vec<SubGoal>,
    pub from: usize,
}

impl InForce {
    pub fn of(recording: &Recording) -> Self {
        let open = recording.open_sub_goals();
        Self {
            from: open.first().copied().unwrap_or(recording.sub_goals.len()),
            list: open
                .into_iter()
                .map(|index| sub_goal(&recording.sub_goals[index]))
                .collect(),
        }
    }
}

/// A list that takes the place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub before: InForce,
    pub after: InForce,
}

/// What happened to the episode's list since it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Nothing,
    /// Another episode is at hand.
    OtherEpisode,
    /// The draft is in force.
    Applied(Applied),
}

/// A list on its way to the engine.
#[derive(Clone, Debug)]
struct Sent {
    edit: Applied,
    /// Edits that the recording had, and those that the engine had answered.
    edits: usize,
    answered: usize,
}

/// The draft, and the list that was sent and is not in force yet.
#[derive(Debug, Default)]
pub struct SubGoalEditor {
    pub draft: Option<Draft>,
    /// Key of the line that takes the focus next.
    pub focus: Option<usize>,
    sent: Option<Sent>,
    /// Edits that the recording has, and those that the engine has answered.
    edits: usize,
    answered: usize,
    /// The episode that all of this is about.
    episode: (String, Option<usize>),
}

impl SubGoalEditor {
    /// Takes up what happened since the last frame: an edit that was applied or refused, a sub-goal that ended, another
    /// episode. `answered`: how many edits the engine has taken up or refused so far.
    pub fn follow(&mut self, recording: &Recording, branch: Option<usize>, answered: usize) -> News {
        let before = (
            std::mem::replace(&mut self.edits, recording.edits.len()),
            recording.edits.len(),
        );
        self.answered = answered;
        // An episode that began anew has fewer edits than the one before it.
        if self.episode.0 != recording.task || self.episode.1 != branch || before.1 < before.0 {
            *self = Self {
                episode: (recording.task.clone(), branch),
                edits: self.edits,
                answered,
                ..Self::default()
            };
            return News::OtherEpisode;
        }
        let mut news = News::Nothing;
        let edits = self.edits;
        if let Some(sent) = self.sent.take_if(|sent| edits > sent.edits) {
            self.draft = None;
            news = News::Applied(sent.edit);
        }
        // It was refused: the draft is there to be mended.
        self.sent.take_if(|sent| answered > sent.answered);
        if let Some(draft) = &mut self.draft {
            draft.follow(recording);
        }
        news
    }

    /// A list was sent and is not in force yet.
    pub fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// The draft's list, to be sent; none where it cannot be read or is empty.
    pub fn apply(&mut self, recording: &Recording) -> Option<InForce> {
        let list = self.draft.as_ref()?.list(recording).ok()?;
        if list.is_empty() {
            return None;
        }
        let before = InForce::of(recording);
        let after = InForce {
            list,
            from: before.from,
        };
        self.sent = Some(Sent {
            edit: Applied {
                before,
                after: after.clone(),
            },
            edits: recording.edits.len(),
            answered: self.answered,
        });
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{EditRecord, EndedBecause};

    fn recording(texts: &[&str]) -> Recording {
        let record = |text: &&str| SubGoalRecord {
            text: (*text).to_owned(),
            objects: vec!["thing".to_owned()],
            ..SubGoalRecord::default()
        };
        Recording {
            task: "task".to_owned(),
            sub_goals: texts.iter().map(record).collect(),
            ..Recording::default()
        }
    }

    fn texts(draft: &Draft) -> Vec<&str> {
        draft
            .lines
            .iter()
            .map(|line| line.text.split(" |").next().unwrap())
            .collect()
    }

    #[test]
    fn each_change_of_a_draft_is_undone_and_done_again_and_typing_is_one() {
        let recording = recording(&["a", "b", "c"]);
        let mut draft = Draft::of(&recording);
        draft.shift(2, 0);
        draft.insert(1);
        draft.begin_typing();
        for text in ["d", "de", "def"] {
            draft.begin_typing();
            draft.lines[1].text = text.to_owned();
        }
        draft.remove(3);
        assert_eq!(texts(&draft), ["c", "def", "a"]);
        let mut seen = vec![];
        while draft.can_undo() {
            draft.undo();
            seen.push(texts(&draft).join(" "));
        }
        assert_eq!(seen, ["c def a b", "c  a b", "c a b", "a b c"]);
        while draft.can_redo() {
            draft.redo();
        }
        assert_eq!(texts(&draft), ["c", "def", "a"]);
        // What was not touched keeps its objects, what was typed has those that it names.
        let list = draft.list(&recording).unwrap();
        assert_eq!(
            (list[0].objects.as_slice(), list[1].objects.len()),
            (&["thing".to_owned()][..], 0)
        );
        draft.insert(0);
        assert_eq!(draft.list(&recording), Err(0));
    }

    #[test]
    fn a_draft_follows_the_episode() {
        let mut recording = recording(&["a", "b", "c"]);
        let mut draft = Draft::of(&recording);
        draft.shift(2, 1);
        recording.sub_goals[0].ended_because = Some(EndedBecause::Reached);
        draft.follow(&recording);
        assert_eq!(texts(&draft), ["c", "b"]);
        for record in &mut recording.sub_goals[1..] {
            record.ended_because = Some(EndedBecause::Replaced);
        }
        let mut fresh = recording.sub_goals[0].clone();
        (fresh.text, fresh.ended_because) = ("again".to_owned(), None);
        recording.sub_goals.push(fresh);
        draft.follow(&recording);
        assert_eq!(texts(&draft), ["again"]);
    }

    /// What the engine does with a list that is sent.
    fn take_up(recording: &mut Recording, sent: &InForce) {
        let list: Vec<&str> = sent.list.iter().map(|sub_goal| sub_goal.text.as_str()).collect();
        recording.sub_goals = super::tests::recording(&list).sub_goals;
        recording.edits.push(EditRecord {
            step: 0,
            before: vec![],
            after: vec![],
        });
    }

    #[test]
    fn an_edit_is_known_once_it_is_in_force_and_forgotten_with_its_episode() {
        let mut recording = recording(&["a", "b"]);
        let mut editor = SubGoalEditor::default();
        let list = |list: &InForce| list.list.iter().map(|s| s.text.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(editor.follow(&recording, Some(0), 0), News::OtherEpisode);
        editor.draft = Some(Draft::of(&recording));
        editor.draft.as_mut().unwrap().remove(0);
        let sent = editor.apply(&recording).unwrap();
        assert_eq!((list(&sent).as_str(), sent.from), ("b", 0));
        assert_eq!(editor.follow(&recording, Some(0), 0), News::Nothing);
        assert!(
            editor.is_sent() && editor.draft.is_some(),
            "it is kept until it is in force"
        );
        // One that was refused can be mended and sent again.
        assert_eq!(editor.follow(&recording, Some(0), 1), News::Nothing);
        assert!(!editor.is_sent() && editor.draft.is_some());
        let sent = editor.apply(&recording).unwrap();
        assert!(editor.is_sent());
        take_up(&mut recording, &sent);
        let News::Applied(edit) = editor.follow(&recording, Some(0), 2) else {
            panic!("it is in force");
        };
        assert_eq!(
            (list(&edit.before), list(&edit.after)),
            ("a b".to_owned(), "b".to_owned())
        );
        assert!(!editor.is_sent() && editor.draft.is_none());
        assert_eq!(editor.follow(&recording, Some(0), 2), News::Nothing);
        assert_eq!(editor.follow(&recording, Some(1), 2), News::OtherEpisode);
        recording.edits.clear();
        assert_eq!(editor.follow(&recording, Some(1), 2), News::OtherEpisode);
    }
}

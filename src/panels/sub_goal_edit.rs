//! Changing the list of sub-goals: lines that are typed, moved, added and deleted, and sent at once.

use egui::{Align, Align2, FontId, Key, Layout, Modifiers, Rect, RichText, Sense, Stroke, TextEdit, Ui, pos2, vec2};

use super::history::Edit;
use super::pane::Pane;
use super::state::{View, ViewState, Workspace};
use super::sub_goal_draft::{Applied, Draft, InForce, News, SubGoalEditor};
use crate::engine::{Command, Phase};
use crate::planner::SubGoal;
use crate::recording::Recording;
use crate::ui::icons::{self, Icon};
use crate::ui::keys::{Act, with_keys};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, widgets};

const ROW: f32 = 46.0;
/// Room of a row's four buttons.
const BUTTONS: f32 = 108.0;
/// Where a row's text begins.
const TEXT: f32 = 42.0;

/// Why the list cannot be changed now; none where it can.
pub(super) fn obstacle(state: &ViewState, view: &View<'_>) -> Option<&'static str> {
    if state.shown_branch.is_some() {
        return Some("You look at a branch that was left. Go over to it first.");
    }
    if view.board.branches.at_hand.is_none() {
        return Some("There is no episode that can go on: an opened recording has no world behind it.");
    }
    if view.is_past(state) {
        return Some("You look at the past. Go back to live, or go on from here as a branch first.");
    }
    matches!(
        view.board.phase,
        Phase::Opening | Phase::Idle | Phase::Thinking | Phase::Closed
    )
    .then_some("There is no list yet.")
}

/// Begins to change the list; the line of this sub-goal gets the focus.
pub(super) fn begin(editor: &mut SubGoalEditor, recording: &Recording, sub_goal: Option<usize>) {
    let draft = editor.draft.get_or_insert_with(|| Draft::of(recording));
    let line = sub_goal.and_then(|index| draft.lines.iter().find(|line| line.of == Some(index)));
    editor.focus = line.map(|line| line.key);
}

/// Takes up what became of the list of the episode at hand. An edit that is in force can be undone like any other.
pub(super) fn follow(state: &mut ViewState, view: &View<'_>) {
    // A branch that is looked at has a list of its own.
    if state.shown_branch.is_some() {
        return;
    }
    let board = view.board;
    let editor = &mut state.sub_goal_editor;
    match editor.follow(view.recording, board.branches.at_hand, board.edits_answered) {
        News::Nothing => {}
        News::OtherEpisode => state.history.forget_episode(),
        News::Applied(Applied { before, after }) => {
            let edit = Edit::commands("Change the sub-goals", command(before), command(after));
            state.history.push(edit.of_episode());
        }
    }
}

/// Undoes or does again: the last change of the draft where there is one, or the last edit of all. Why it cannot be done
/// now is said.
pub(super) fn undo_or_redo(act: Act, state: &mut ViewState, view: &View<'_>) {
    let obstacle = obstacle(state, view);
    let undo = act == Act::Undo;
    let seen = obstacle.is_none() && is_seen(state);
    let can = if undo { Draft::can_undo } else { Draft::can_redo };
    if let Some(draft) = state.sub_goal_editor.draft.as_mut().filter(|draft| seen && can(draft)) {
        if undo {
            draft.undo();
        } else {
            draft.redo();
        }
        return;
    }
    let history = &state.history;
    let of_episode = if undo {
        history.undoes_episode()
    } else {
        history.redoes_episode()
    };
    match obstacle.filter(|_| of_episode) {
        Some(why) => state
            .shell
            .warnings
            .push(format!("The sub-goals were left alone. {why}")),
        None if undo => state.undo(),
        None => state.redo(),
    }
}

/// The list of sub-goals is on the screen: what is undone without being seen would be a riddle.
fn is_seen(state: &ViewState) -> bool {
    state.workspace == Workspace::Episode && state.shell.panes[Workspace::Episode].is_open(Pane::SubGoals)
}

/// The pencil, undo and redo; laid out from the right.
pub(super) fn buttons_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let obstacle = obstacle(state, view);
    let free = obstacle.is_none();
    let draft = state.sub_goal_editor.draft.as_ref().filter(|_| free);
    let title = |next: Option<&str>, word: &str, can: fn(&Draft) -> bool| match draft.filter(|draft| can(draft)) {
        Some(_) => Some(format!("{word} the last change of the draft")),
        None => next.map(|title| format!("{word}: {title}")),
    };
    let redo = title(state.history.next_redo(), "Redo", Draft::can_redo);
    let undo = title(state.history.next_undo(), "Undo", Draft::can_undo);
    for (icon, name, title, act) in [
        (Icon::Redo, "Redo the edit", redo, Act::Redo),
        (Icon::Undo, "Undo the edit", undo, Act::Undo),
    ] {
        let button = widgets::icon_button(ui, title.is_some(), icon, "", name);
        let tip = with_keys(ui.ctx(), &title.unwrap_or_default(), act);
        if button.on_hover_text(tip).clicked() {
            state.acts.push(act);
        }
    }
    let editor = &mut state.sub_goal_editor;
    let name = "Edit the sub-goals";
    let editing = editor.draft.is_some();
    let edit = widgets::icon_toggle(ui, free || editing, editing, Icon::Pencil, "", name);
    let tip = "Change what is left of the list: its texts, their order and number. Done sub-goals stay.";
    if edit
        .on_hover_text(tip)
        .on_disabled_hover_text(obstacle.unwrap_or_default())
        .clicked()
    {
        if editing {
            editor.draft = None;
        } else {
            begin(editor, view.recording, None);
        }
    }
}

fn command(InForce { list, from }: InForce) -> Command {
    Command::EditSubGoals { list, from }
}

/// What a row's buttons and keys ask for.
enum Change {
    Shift { from: usize, to: usize },
    Insert(usize),
    Remove(usize),
}

/// The lines of the draft, and what becomes of them. `first` is the number of the first one.
pub(super) fn draft_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, first: usize) {
    let SubGoalEditor { draft, focus, .. } = &mut state.sub_goal_editor;
    let Some(draft) = draft else { return };
    let mut change = None;
    let top = ui.cursor().top();
    let wanted = focus.take();
    for at in 0..draft.lines.len() {
        let asked = line_ui(ui, draft, view.recording, at, first + at, wanted);
        change = change.or(asked.or_else(|| handle_ui(ui, draft, at, first + at, top)));
    }
    match change {
        Some(Change::Shift { from, to }) => draft.shift(from, to),
        Some(Change::Insert(at)) => *focus = Some(draft.insert(at)),
        Some(Change::Remove(at)) => draft.remove(at),
        None => {}
    }
    if draft.lines.is_empty() {
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            ui.add_space(TEXT);
            if ui.button("Add a sub-goal").clicked() {
                *focus = Some(draft.insert(0));
            }
        });
    }
    ui.add_space(8.0);
    apply_ui(ui, state, view, first);
}

/// One line: its number, its text, its buttons, and what the text names.
fn line_ui(
    ui: &mut Ui,
    draft: &mut Draft,
    recording: &Recording,
    at: usize,
    number: usize,
    wanted: Option<usize>,
) -> Option<Change> {
    let p = Palette::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    ui.painter()
        .hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, p.line));
    let line = draft.lines[at].clone();
    let color = line.of.map_or(p.weak, |of| p.sub_goal(of));
    let mut change = None;
    let id = ui.scope_id().with(("sub-goal line", line.key));
    if ui.memory(|memory| memory.has_focus(id)) {
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::ALT, key));
        if pressed(Key::ArrowUp) && at > 0 {
            change = Some(Change::Shift { from: at, to: at - 1 });
        } else if pressed(Key::ArrowDown) && at + 1 < draft.lines.len() {
            change = Some(Change::Shift { from: at, to: at + 1 });
        }
    }
    let field = Rect::from_min_max(
        pos2(rect.left() + TEXT, rect.top() + 3.0),
        pos2(rect.right() - BUTTONS - 8.0, rect.top() + 27.0),
    );
    let mut text = line.text.clone();
    let edit = TextEdit::singleline(&mut text)
        .id(id)
        .hint_text("pick up the red block")
        .margin(egui::Margin::symmetric(6, 3));
    // A child of its own: what is put into a place would move the next row.
    let mut child = ui.new_child(egui::UiBuilder::new().id_salt(("text", line.key)).max_rect(rect));
    let response = child.put(field, edit);
    if response.changed() {
        draft.begin_typing();
        draft.lines[at].text.clone_from(&text);
    }
    if response.lost_focus() {
        draft.end_typing();
    }
    if wanted == Some(line.key) {
        response.request_focus();
    }
    response
        .accessible_name(format!("Sub-goal {number} text"))
        .on_hover_text("The text that VLM and GPI make the goal from. Its objects are the things that it names, or those after a bar: text | [object, object].\nAlt+Up and Alt+Down move it.");

    let unmatched = line
        .of
        .and_then(|of| recording.sub_goals.get(of))
        .filter(|record| record.text == text && !record.unmatched.is_empty());
    let (said, tint) = match (SubGoal::read(&text), unmatched) {
        (_, Some(record)) => (format!("Not in the scene: {}", record.unmatched.join(", ")), p.warn),
        (Some(read), None) if read.objects.is_empty() => ("It names no object".to_owned(), p.weak),
        (Some(read), None) => (format!("Objects: {}", read.objects.join(", ")), p.weak),
        (None, None) if text.trim().is_empty() => ("Say what should be true next".to_owned(), p.weak),
        (None, None) => ("A bracket is missing: text | [object, object]".to_owned(), p.bad),
    };
    let galley = widgets::elided(ui, &said, SMALL, tint, field.width());
    ui.painter()
        .galley(pos2(field.left() + 6.0, rect.bottom() - 18.0), galley, tint);

    let room = Rect::from_min_max(
        pos2(rect.right() - BUTTONS - 4.0, field.top()),
        pos2(rect.right() - 4.0, field.bottom()),
    );
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .id_salt(line.key)
            .max_rect(room)
            .layout(Layout::right_to_left(Align::Center)),
    );
    ui.spacing_mut().item_spacing.x = 1.0;
    let last = draft.lines.len() - 1;
    for (enabled, icon, name, asked) in [
        (
            true,
            Icon::Cross,
            format!("Delete sub-goal {number}"),
            Change::Remove(at),
        ),
        (
            true,
            Icon::Plus,
            format!("Insert a sub-goal after {number}"),
            Change::Insert(at + 1),
        ),
        (
            at < last,
            Icon::Down,
            format!("Move sub-goal {number} down"),
            Change::Shift { from: at, to: at + 1 },
        ),
        (
            at > 0,
            Icon::Up,
            format!("Move sub-goal {number} up"),
            Change::Shift {
                from: at,
                to: at.saturating_sub(1),
            },
        ),
    ] {
        if widgets::icon_button(&mut ui, enabled, icon, "", &name)
            .on_hover_text(&name)
            .clicked()
        {
            change = Some(asked);
        }
    }
    ui.painter().text(
        pos2(rect.left() + 30.0, field.center().y),
        Align2::CENTER_CENTER,
        number.to_string(),
        FontId::proportional(SMALL + 0.5),
        color,
    );
    change
}

/// What a line is dragged by. Where it will be is marked while it is dragged.
fn handle_ui(ui: &Ui, draft: &Draft, at: usize, number: usize, top: f32) -> Option<Change> {
    let p = Palette::of(ui);
    let rect = Rect::from_min_size(pos2(ui.max_rect().left(), top + at as f32 * ROW), vec2(22.0, ROW));
    let id = ui.scope_id().with(("sub-goal handle", draft.lines.get(at)?.key));
    let response = ui.interact(rect, id, Sense::drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Drag sub-goal {number}")));
    let color = if response.hovered() || response.dragged() {
        p.strong
    } else {
        p.weak
    };
    let grip = Rect::from_center_size(pos2(rect.left() + 12.0, rect.top() + 15.0), vec2(12.0, 12.0));
    icons::paint(ui.painter(), grip, Icon::Grip, color);
    let pointer = response.interact_pointer_pos()?;
    let last = draft.lines.len() - 1;
    let to = (((pointer.y - top) / ROW).floor().max(0.0) as usize).min(last);
    if response.dragged() {
        let edge = top + (to + usize::from(to > at)) as f32 * ROW;
        ui.painter()
            .hline(ui.max_rect().x_range(), edge, Stroke::new(2.0, p.accent));
    }
    let done = response.drag_stopped() && to != at;
    let response = response.on_hover_text("Drag it to another place");
    response.on_hover_cursor(egui::CursorIcon::Grab);
    done.then_some(Change::Shift { from: at, to })
}

fn apply_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>, first: usize) {
    let p = Palette::of(ui);
    let editor = &mut state.sub_goal_editor;
    let Some(draft) = &editor.draft else { return };
    let present = InForce::of(view.recording).list;
    let list = draft.list(view.recording);
    let problem = match &list {
        Err(at) if draft.lines[*at].text.trim().is_empty() => Some(format!("Sub-goal {} is empty", first + at)),
        Err(at) => Some(format!("Sub-goal {} cannot be read", first + at)),
        Ok(list) if list.is_empty() => Some("Keep one sub-goal at least".to_owned()),
        Ok(list) if *list == present => Some("Nothing is changed yet".to_owned()),
        Ok(_) => None,
    };
    let mut sent = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.add_space(10.0);
        let apply = widgets::primary_button(ui, problem.is_none(), "Apply the edit");
        let tip = "Send the list: new sub-goals get their maps and goals from the VLM and GPI on the present frame. A run goes on, and takes the list up at its next step.\nCtrl+Enter";
        let keys = ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Enter));
        let said = problem.clone().unwrap_or_default();
        if apply.on_hover_text(tip).on_disabled_hover_text(said).clicked() || keys && problem.is_none() {
            sent = editor.apply(view.recording);
        }
        let discard = ui.button("Discard");
        if discard.on_hover_text("Leave the list as it is").clicked() {
            editor.draft = None;
        }
        let note = if editor.is_sent() {
            "Taken up at the next step".to_owned()
        } else {
            problem.unwrap_or_else(|| "Not applied yet".to_owned())
        };
        ui.add(egui::Label::new(RichText::new(note).size(SMALL).color(p.weak)).truncate());
    });
    state.outbox.extend(sent.map(command));
}

//! The keyboard: one table that the handler, the tooltips, the palette and the manual read.

use egui::{Context, Event, Key, KeyboardShortcut, Modifiers};

/// What a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    RunPause,
    StepForward,
    StepBack,
    NextIteration,
    PreviousIteration,
    NextSubGoal,
    PreviousSubGoal,
    First,
    Last,
    ToggleBreakpoint,
    GoFromHere,
    Play,
    Slower,
    Faster,
    LoopFrom,
    LoopTo,
    Loop,
    Stop,
    Undo,
    Redo,
    Reset,
    FocusTask,
    OpenCheckpoint,
    Export,
    Palette,
    Manual,
    FullScreen,
    ToggleTheme,
    ShowEpisode,
    ShowTraining,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub act: Act,
    pub keys: KeyboardShortcut,
    /// Sentence case, a verb first.
    pub title: &'static str,
}

const fn bind(act: Act, modifiers: Modifiers, key: Key, title: &'static str) -> Binding {
    Binding {
        act,
        keys: KeyboardShortcut::new(modifiers, key),
        title,
    }
}

const CTRL_SHIFT: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

pub const KEYMAP: [Binding; 30] = [
    bind(Act::RunPause, Modifiers::NONE, Key::Space, "Run or pause"),
    bind(
        Act::StepForward,
        Modifiers::NONE,
        Key::ArrowRight,
        "Step: the next recorded step, or plan one more",
    ),
    bind(Act::StepBack, Modifiers::NONE, Key::ArrowLeft, "Look one step back"),
    bind(
        Act::NextIteration,
        Modifiers::SHIFT,
        Key::ArrowRight,
        "Next CEM iteration: look at it, or plan one more",
    ),
    bind(
        Act::PreviousIteration,
        Modifiers::SHIFT,
        Key::ArrowLeft,
        "Previous CEM iteration",
    ),
    bind(
        Act::NextSubGoal,
        Modifiers::COMMAND,
        Key::ArrowRight,
        "Next sub-goal: look at it, or run until it begins",
    ),
    bind(
        Act::PreviousSubGoal,
        Modifiers::COMMAND,
        Key::ArrowLeft,
        "Previous sub-goal",
    ),
    bind(Act::First, Modifiers::NONE, Key::Home, "Look at the first step"),
    bind(
        Act::Last,
        Modifiers::NONE,
        Key::End,
        "Back to live: follow the newest step",
    ),
    bind(
        Act::ToggleBreakpoint,
        Modifiers::NONE,
        Key::B,
        "Set or clear a breakpoint at this step",
    ),
    bind(
        Act::GoFromHere,
        Modifiers::NONE,
        Key::G,
        "Go on from this step as a branch",
    ),
    bind(
        Act::Play,
        Modifiers::NONE,
        Key::P,
        "Play what is recorded, or stop playing",
    ),
    bind(Act::Slower, Modifiers::NONE, Key::Comma, "Play more slowly"),
    bind(Act::Faster, Modifiers::NONE, Key::Period, "Play faster"),
    bind(Act::LoopFrom, Modifiers::NONE, Key::I, "Loop from this step"),
    bind(Act::LoopTo, Modifiers::NONE, Key::O, "Loop to this step"),
    bind(
        Act::Loop,
        Modifiers::NONE,
        Key::L,
        "Loop this step's sub-goal, or loop no more",
    ),
    bind(Act::Stop, Modifiers::NONE, Key::Escape, "Stop the work at hand"),
    bind(Act::Undo, Modifiers::COMMAND, Key::Z, "Undo the last edit"),
    bind(Act::Redo, CTRL_SHIFT, Key::Z, "Do the last edit again"),
    bind(Act::Reset, CTRL_SHIFT, Key::R, "Reset the scene"),
    bind(Act::FocusTask, Modifiers::COMMAND, Key::L, "Type a task"),
    bind(
        Act::OpenCheckpoint,
        Modifiers::COMMAND,
        Key::O,
        "Load a checkpoint or a scene, or open a recording",
    ),
    bind(Act::Export, Modifiers::COMMAND, Key::E, "Export the episode"),
    bind(Act::Palette, Modifiers::COMMAND, Key::P, "Find a command"),
    bind(Act::Manual, Modifiers::NONE, Key::F1, "Show the manual"),
    bind(Act::FullScreen, Modifiers::NONE, Key::F11, "Full screen"),
    bind(Act::ToggleTheme, CTRL_SHIFT, Key::T, "Switch between dark and light"),
    bind(Act::ShowEpisode, Modifiers::COMMAND, Key::Num1, "Show the episode"),
    bind(Act::ShowTraining, Modifiers::COMMAND, Key::Num2, "Show training"),
];

/// The keys of an act, as they are printed on a keyboard.
pub fn label(ctx: &Context, act: Act) -> String {
    KEYMAP
        .iter()
        .find(|binding| binding.act == act)
        .map_or_else(String::new, |binding| {
            let text = ctx.format_shortcut(&binding.keys);
            // Arrows are easier to find as words.
            text.replace('⏵', "Right")
                .replace('⏴', "Left")
                .replace('→', "Right")
                .replace('←', "Left")
        })
}

/// A tooltip's last line.
pub fn with_keys(ctx: &Context, text: &str, act: Act) -> String {
    format!("{text}\n{}", label(ctx, act))
}

/// The acts whose keys were pressed since the last frame. None while a text field has the focus, but for those of the
/// function keys, which no text field knows; and a key that moves or presses a focused widget (arrows, space, Home, End)
/// belongs to that widget.
pub fn pressed(ctx: &Context) -> Vec<Act> {
    let typing = ctx.text_edit_focused();
    let widget_focused = ctx.egui_wants_keyboard_input();
    let menu_open = egui::Popup::is_any_open(ctx);
    ctx.input_mut(|input| {
        // A key that is held walks through steps, but it does not run and pause in turns.
        input.events.retain(|event| match event {
            Event::Key { key, repeat, .. } => typing || !repeat || matches!(key, Key::ArrowLeft | Key::ArrowRight),
            _ => true,
        });
        let mut acts = Vec::new();
        // Longer combinations first, so that Shift+Right is not taken for Right.
        for wanted in [CTRL_SHIFT, Modifiers::COMMAND, Modifiers::SHIFT, Modifiers::NONE] {
            for binding in KEYMAP.iter().filter(|binding| binding.keys.modifiers == wanted) {
                let widgets_own = matches!(
                    binding.keys.logical_key,
                    Key::Space | Key::ArrowLeft | Key::ArrowRight | Key::Home | Key::End | Key::Escape
                );
                let function_key = matches!(binding.keys.logical_key, Key::F1 | Key::F11);
                // Escape closes an open menu and stops nothing.
                let menus_own = menu_open && binding.keys.logical_key == Key::Escape;
                if typing && !function_key || widget_focused && widgets_own || menus_own {
                    continue;
                }
                // Each press counts: a step is not lost when two fall into one frame.
                for _ in 0..input.count_and_consume_key(wanted, binding.keys.logical_key) {
                    acts.push(binding.act);
                }
            }
        }
        acts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_acts_share_their_keys_and_every_act_has_one_line() {
        for (i, a) in KEYMAP.iter().enumerate() {
            for b in &KEYMAP[i + 1..] {
                assert_ne!(a.keys, b.keys, "{:?} and {:?}", a.act, b.act);
                assert_ne!(a.act, b.act);
            }
        }
    }
}

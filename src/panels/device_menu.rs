//! The device in the title bar: what computes, and a menu of what could.

use egui::containers::menu::MenuButton;
use egui::{Align, Button, Label, Layout, RichText, Ui};

use super::state::{View, ViewState};
use crate::device::{DeviceChoice, FoundDevice};
use crate::engine::{Command, DeviceSearch};
use crate::ui::Palette;
use crate::ui::theme::SMALL;

/// Width of the menu, points: names of cards are long.
const WIDTH: f32 = 380.0;

/// A button that names the device. Its menu is filled when it is first opened: looking for cards takes a moment.
pub(super) fn device_menu_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let computing = view.board.info.as_ref().map_or("none", |info| info.device.as_str());
    let button = Button::new(RichText::new(computing).size(SMALL).color(p.weak));
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| menu_ui(ui, state, view));
    let unknown = matches!(view.board.devices, DeviceSearch::NotYet | DeviceSearch::Failed(_));
    if response.clicked() && unknown {
        state.outbox.push(Command::FindDevices);
    }
    response
        .accessible_name(format!("Device: {computing}"))
        .on_hover_text("The device that computes (--device). Click to choose another.");
}

/// A device that can be asked for.
pub(super) struct Choice {
    pub id: DeviceChoice,
    pub chosen: bool,
    name: String,
    drawback: Option<String>,
}

impl Choice {
    /// In words, with why not to choose it where there is a reason.
    pub fn said(&self) -> String {
        let Self { id, name, .. } = self;
        match &self.drawback {
            Some(drawback) => format!("{id}: {name}. Not recommended: {drawback}"),
            None => format!("{id}: {name}"),
        }
    }
}

/// What was found, and what can be told without having been looked for.
pub(super) fn device_choices(view: &View<'_>) -> Vec<Choice> {
    let chosen = view.board.info.as_ref().map(|info| info.device_choice);
    let choice = |id, name: &str, drawback: Option<&str>| Choice {
        id,
        chosen: chosen == Some(id),
        name: name.to_owned(),
        drawback: drawback.map(str::to_owned),
    };
    let found: &[FoundDevice] = match &view.board.devices {
        DeviceSearch::Found(found) => found,
        _ => &[],
    };
    let mut choices = vec![choice(DeviceChoice::Auto, "the fastest, by measurement", None)];
    choices.extend(found.iter().map(|device| {
        let name = format!("{} ({})", device.name, device.kind);
        choice(device.id, &name, device.drawback.as_deref())
    }));
    for (id, name) in [(Some(DeviceChoice::Cpu), "the processor"), (chosen, "in use")] {
        if let Some(id) = id.filter(|id| choices.iter().all(|listed| listed.id != *id)) {
            choices.push(choice(id, name, None));
        }
    }
    choices
}

fn menu_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.set_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 4.0;
    note_ui(
        ui,
        "The checkpoint is loaded on the device that you choose; the episode is dropped.",
    );
    for choice in device_choices(view) {
        choice_ui(ui, state, &choice);
        if let Some(info) = view.board.info.as_ref().filter(|_| choice.chosen)
            && choice.id == DeviceChoice::Auto
        {
            note_ui(ui, &format!("Now {}: {}.", info.device, info.device_why));
        }
    }
    match &view.board.devices {
        DeviceSearch::NotYet | DeviceSearch::Running => note_ui(ui, "Looking for graphics cards…"),
        DeviceSearch::Failed(what) => note_ui(ui, &format!("The search for graphics cards failed: {what}.")),
        DeviceSearch::Found(found) if found.len() < 2 => note_ui(ui, "There is no graphics card."),
        DeviceSearch::Found(_) => {}
    }
    if !cfg!(feature = "cuda") {
        note_ui(ui, "No cuda: this program was built without it (feature `cuda`).");
    }
}

fn choice_ui(ui: &mut Ui, state: &mut ViewState, choice: &Choice) {
    let radio = ui.radio(choice.chosen, format!("{}  {}", choice.id, choice.name));
    if radio.accessible_name(choice.said()).clicked() && !choice.chosen {
        state.outbox.push(Command::SetDevice(choice.id));
    }
    if let Some(drawback) = &choice.drawback {
        note_ui(ui, &format!("Not recommended: {drawback}."));
    }
}

fn note_ui(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    // A menu justifies what lies in it, and with it the gaps between words.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.add(Label::new(RichText::new(text).size(SMALL).color(p.weak)).wrap());
    });
}

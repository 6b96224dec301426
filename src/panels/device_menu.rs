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

fn menu_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    ui.set_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 4.0;
    note_ui(
        ui,
        "The checkpoint is loaded on the device that you choose; the episode is dropped.",
    );
    let chosen = view.board.info.as_ref().map(|info| info.device_choice);
    let mut choice = |ui: &mut Ui, id, name: &str, drawback: Option<&str>| {
        choice_ui(ui, state, chosen == Some(id), id, name, drawback);
    };
    choice(ui, DeviceChoice::Auto, "the fastest, by measurement", None);
    if let Some(info) = view.board.info.as_ref().filter(|_| chosen == Some(DeviceChoice::Auto)) {
        note_ui(ui, &format!("Now {}: {}.", info.device, info.device_why));
    }
    let found: &[FoundDevice] = match &view.board.devices {
        DeviceSearch::Found(found) => found,
        _ => &[],
    };
    for device in found {
        choice(
            ui,
            device.id,
            &format!("{} ({})", device.name, device.kind),
            device.drawback.as_deref(),
        );
    }
    // These can be told without having been looked for.
    let listed = |id| id == DeviceChoice::Auto || found.iter().any(|device| device.id == id);
    if !listed(DeviceChoice::Cpu) {
        choice(ui, DeviceChoice::Cpu, "the processor", None);
    }
    if let Some(id) = chosen.filter(|&id| id != DeviceChoice::Cpu && !listed(id)) {
        choice(ui, id, "in use", None);
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

fn choice_ui(ui: &mut Ui, state: &mut ViewState, chosen: bool, id: DeviceChoice, name: &str, drawback: Option<&str>) {
    let radio = ui.radio(chosen, format!("{id}  {name}"));
    let said = match drawback {
        Some(drawback) => format!("{id}: {name}. Not recommended: {drawback}"),
        None => format!("{id}: {name}"),
    };
    if radio.accessible_name(said).clicked() && !chosen {
        state.outbox.push(Command::SetDevice(id));
    }
    if let Some(drawback) = drawback {
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

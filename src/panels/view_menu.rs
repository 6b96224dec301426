//! The View menu: panes, layouts, theme and zoom.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Button, PopupCloseBehavior, RichText, ThemePreference, Ui, gui_zoom::kb_shortcuts, vec2};

use super::pane::Pane;
use super::shell::WindowAct;
use super::state::{Popup, ViewState};
use crate::ui::icons::{self, Icon};
use crate::ui::keys::{self, Act};
use crate::ui::theme::{SMALL, semibold};
use crate::ui::{Palette, widgets};

/// Points.
const WIDTH: f32 = 250.0;

pub(super) fn view_menu_ui(ui: &mut Ui, state: &mut ViewState) {
    let p = Palette::of(ui);
    // It stays while panes are switched on and off one after the other.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let button = MenuButton::from_button(Button::new("").min_size(vec2(26.0, 24.0)));
    let (response, _) = button.config(config).ui(ui, |ui| {
        ui.set_width(WIDTH);
        panes_ui(ui, state);
        ui.separator();
        layouts_ui(ui, state);
        ui.separator();
        looks_ui(ui, state);
    });
    let square = egui::Rect::from_center_size(response.rect.center(), vec2(14.0, 14.0));
    let color = if response.hovered() { p.strong } else { p.text };
    icons::paint(ui.painter(), square, Icon::Panes, color);
    response
        .accessible_name("View")
        .on_hover_text("Panes, layouts, theme and zoom");
}

fn title_ui(ui: &mut Ui, text: &str) {
    let p = Palette::of(ui);
    ui.label(RichText::new(text).size(SMALL).family(semibold()).color(p.weak));
}

fn panes_ui(ui: &mut Ui, state: &mut ViewState) {
    title_ui(ui, "Panes");
    for &pane in Pane::of(state.workspace) {
        let mut open = state.panes().is_open(pane);
        if ui.checkbox(&mut open, pane.title()).changed() {
            state.shell.acts.push(if open {
                WindowAct::OpenPane(pane)
            } else {
                WindowAct::ClosePane(pane)
            });
        }
    }
}

fn layouts_ui(ui: &mut Ui, state: &mut ViewState) {
    title_ui(ui, "Layout");
    let entry = |ui: &mut Ui, enabled: bool, text: &str| {
        let clicked = ui.add_enabled(enabled, Button::new(text)).clicked();
        if clicked {
            ui.close();
        }
        clicked
    };
    if entry(ui, state.panes().custom().is_some(), "Reset the layout") {
        state.shell.acts.push(WindowAct::ResetLayout);
    }
    if entry(ui, state.can_undo_layout(), "Undo layout change") {
        state.shell.acts.push(WindowAct::UndoLayout);
    }
    if entry(ui, true, "Save the layout as…") {
        state.task.popup = Some(Popup::Layout);
        state.task.focus_popup = true;
    }
    let names: Vec<String> = state.panes().named.keys().cloned().collect();
    let shell = &mut state.shell;
    for name in names {
        ui.horizontal(|ui| {
            let use_it = Button::new(&name).min_size(vec2(WIDTH - 34.0, 0.0));
            if ui
                .add(use_it)
                .accessible_name(format!("Use the layout {name}"))
                .clicked()
            {
                shell.acts.push(WindowAct::UseLayout(name.clone()));
                ui.close();
            }
            let forget = format!("Forget the layout {name}");
            if widgets::icon_button(ui, true, Icon::Cross, "", &forget)
                .on_hover_text(&forget)
                .clicked()
            {
                shell.acts.push(WindowAct::ForgetLayout(name));
            }
        });
    }
}

fn looks_ui(ui: &mut Ui, state: &mut ViewState) {
    let shell = &mut state.shell;
    title_ui(ui, "Theme");
    let chosen = ui.ctx().options(|options| options.theme_preference);
    ui.horizontal(|ui| {
        for (theme, text) in THEMES {
            if ui.radio(chosen == theme, text).clicked() {
                shell.acts.push(WindowAct::Theme(theme));
            }
        }
    });
    let keys = keys::label(ui.ctx(), Act::ToggleTheme);
    ui.label(RichText::new(format!("{keys} switches")).size(SMALL).weak());
    title_ui(ui, "Zoom");
    ui.horizontal(|ui| {
        for (text, act, keys) in [
            ("Smaller", WindowAct::ZoomOut, kb_shortcuts::ZOOM_OUT),
            ("Larger", WindowAct::ZoomIn, kb_shortcuts::ZOOM_IN),
            ("100 %", WindowAct::ZoomReset, kb_shortcuts::ZOOM_RESET),
        ] {
            let tip = ui.ctx().format_shortcut(&keys);
            if ui.button(text).on_hover_text(tip).clicked() {
                shell.acts.push(act);
            }
        }
        let percent = (ui.ctx().zoom_factor() * 100.0).round();
        ui.label(RichText::new(format!("now {percent} %")).size(SMALL).weak());
    });
}

pub(super) const THEMES: [(ThemePreference, &str); 3] = [
    (ThemePreference::Dark, "Dark"),
    (ThemePreference::Light, "Light"),
    (ThemePreference::System, "System"),
];

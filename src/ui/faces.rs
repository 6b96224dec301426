//! What panels have in common: a title strip, and the faces they show when there is nothing to draw yet, while work is
//! under way, when the user looks at the past, and after a failure.

use std::time::Duration;

use egui::{Align, Frame, Layout, Margin, RichText, Stroke, Ui, vec2};

use super::icons::{self, Icon};
use super::theme::{SMALL, semibold};
use super::{Palette, numbers, pane_title, widgets};

/// A panel: title on the left, controls on the right, the body under them.
pub fn panel_ui<R>(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui), body: impl FnOnce(&mut Ui) -> R) -> R {
    ui.spacing_mut().item_spacing.y = 0.0;
    header_ui(ui, title, right);
    Frame::NONE
        .inner_margin(Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            body(ui)
        })
        .inner
}

/// The title strip alone. In a pane, its title is what the pane is dragged by.
pub fn header_ui(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui)) {
    let p = Palette::of(ui);
    let size = vec2(ui.available_width(), 28.0);
    let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    ui.painter().rect_filled(rect, 0.0, p.header);
    ui.painter()
        .hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, p.line));
    let inner = rect.shrink2(vec2(10.0, 2.0));
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(inner)
            .layout(Layout::left_to_right(Align::Center)),
    );
    ui.spacing_mut().interact_size.y = 20.0;
    ui.spacing_mut().button_padding = vec2(7.0, 1.0);
    if !pane_title::titles_ui(&mut ui, title, rect) {
        ui.label(RichText::new(title).family(semibold()).color(p.strong));
    }
    ui.with_layout(Layout::right_to_left(Align::Center), right);
}

/// Nothing to show yet: what the panel will show, and the one thing to do.
pub fn empty_ui(ui: &mut Ui, what: &str, advice: &str) {
    let p = Palette::of(ui);
    centred(ui, |ui| {
        ui.label(RichText::new(what).color(p.weak));
        if !advice.is_empty() {
            ui.label(RichText::new(advice).color(p.text));
        }
    });
}

/// A title strip has room for words beside buttons from this width on, points.
const WIDE: f32 = 400.0;

/// Work is under way: what, how far, how long. `true` when the user wants it to stop; `tip` says what that does.
pub fn working_ui(
    ui: &mut Ui,
    what: &str,
    share: Option<f32>,
    elapsed: Duration,
    eta: Option<Duration>,
    tip: &str,
) -> bool {
    let p = Palette::of(ui);
    let mut stop = false;
    centred(ui, |ui| {
        ui.label(RichText::new(what).color(p.text));
        widgets::progress_bar(ui, 180.0, share, what);
        let mut times = numbers::duration(elapsed);
        if let Some(eta) = eta {
            times = format!("{times} · {} left", numbers::duration(eta));
        }
        ui.label(RichText::new(times).size(SMALL).color(p.weak));
        stop = ui.button("Stop").on_hover_text(tip).clicked();
    });
    stop
}

fn centred(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let height = ui.available_height();
    ui.vertical_centered(|ui| {
        ui.add_space((height * 0.5 - 44.0).clamp(4.0, 400.0));
        ui.set_max_width(ui.available_width().min(360.0));
        content(ui);
    });
}

/// The user looks at the past. `true` when they want to go back to live. Where there is little room, the step alone is the
/// button.
pub fn frozen_ui(ui: &mut Ui, panel: &str, step: usize, last: usize) -> bool {
    let p = Palette::of(ui);
    let about = format!("You look at recorded step {step} of {last}: nothing here moves until you go back to live.");
    let back = "Show the newest step and follow it\nEnd";
    let narrow = ui.available_width() < WIDE;
    let text = if narrow {
        format!("Step {step}")
    } else {
        "Back to live".to_owned()
    };
    let text = RichText::new(text).size(SMALL);
    let button = egui::Button::new(if narrow { text.color(p.warn) } else { text }).small();
    let button = ui.add(button);
    button.widget_info(|| {
        let name = format!("{panel}: back to live");
        egui::WidgetInfo::labeled(egui::Role::Button, true, name)
    });
    if narrow {
        return button.on_hover_text(format!("{about}\n{back}")).clicked();
    }
    widgets::chip(ui, &format!("Step {step} of {last}"), p.warn, p.warn_fill).on_hover_text(about);
    button.on_hover_text(back).clicked()
}

/// Work was stopped by the user. `true` when they want it after all.
pub fn stopped_ui(ui: &mut Ui, what: &str) -> bool {
    let p = Palette::of(ui);
    let mut again = false;
    centred(ui, |ui| {
        ui.label(RichText::new(what).color(p.weak));
        again = ui.button("Ask again").clicked();
    });
    again
}

/// What a banner's buttons asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BannerAnswer {
    None,
    Dismiss,
    Copy,
}

/// Width that the banner's icon and buttons take.
const BANNER_SIDES: f32 = 140.0;

/// How high a banner with this text is: known beforehand, it needs no frame to find its size.
pub fn banner_height(ui: &Ui, what: &str, kept: &str, advice: &str) -> f32 {
    let width = (ui.available_width() - BANNER_SIDES).max(100.0);
    let height = |text: &str, family| {
        let font = egui::FontId::new(super::theme::BODY, family);
        let galley = ui
            .painter()
            .layout(text.to_owned(), font, egui::Color32::PLACEHOLDER, width);
        galley.size().y
    };
    let rest = format!("{kept} {advice}");
    let lines = height(what, semibold()) + height(rest.trim(), egui::FontFamily::Proportional) + 1.0;
    lines.max(24.0) + 14.0
}

/// What happened, what was kept, what to do. An error is red, a refusal amber.
pub fn banner_ui(ui: &mut Ui, error: bool, what: &str, kept: &str, advice: &str) -> BannerAnswer {
    let p = Palette::of(ui);
    let (color, fill) = if error {
        (p.bad, p.bad_fill)
    } else {
        (p.warn, p.warn_fill)
    };
    let mut answer = BannerAnswer::None;
    let frame = Frame::NONE.fill(fill).inner_margin(Margin::symmetric(10, 7));
    frame.show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            let (icon, _) = ui.allocate_exact_size(vec2(16.0, 16.0), egui::Sense::hover());
            icons::paint(ui.painter(), icon, Icon::Warning, color);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if widgets::icon_button(ui, true, Icon::Cross, "", "Dismiss the message").clicked() {
                    answer = BannerAnswer::Dismiss;
                }
                if ui.button("Copy").on_hover_text("Copy the message").clicked() {
                    answer = BannerAnswer::Copy;
                }
                ui.with_layout(Layout::top_down(Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    ui.set_max_width(ui.available_width());
                    ui.add(egui::Label::new(RichText::new(what).color(color).family(semibold())).wrap());
                    let rest = format!("{kept} {advice}");
                    if !rest.trim().is_empty() {
                        ui.add(egui::Label::new(RichText::new(rest.trim()).color(p.text)).wrap());
                    }
                });
            });
        });
    });
    answer
}

//! Small widgets that egui lacks: icon buttons, chips, a value with its label, a thin progress bar.

use std::time::Duration;

use egui::containers::menu::MenuConfig;
use egui::style::StyleModifier;
use egui::{
    Align2, Color32, FontId, Id, PopupCloseBehavior, Rect, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui,
    Vec2, WidgetInfo, pos2, vec2,
};

use super::Palette;
use super::color::mix;
use super::icons::{self, Icon};
use super::theme::{BODY, SMALL, semibold};

/// A button with an icon and, if `text` is not empty, a word beside it. `name` is for those who cannot see it.
pub fn icon_button(ui: &mut Ui, enabled: bool, icon: Icon, text: &str, name: &str) -> Response {
    button(ui, enabled, false, Some(icon), text, name)
}

/// An icon button that stays pressed.
pub fn icon_toggle(ui: &mut Ui, enabled: bool, on: bool, icon: Icon, text: &str, name: &str) -> Response {
    button(ui, enabled, on, Some(icon), text, name)
}

/// A word that is switched on or off.
pub fn toggle(ui: &mut Ui, on: bool, text: &str, name: &str) -> Response {
    button(ui, true, on, None, text, name)
}

fn button(ui: &mut Ui, enabled: bool, on: bool, icon: Option<Icon>, text: &str, name: &str) -> Response {
    ui.add_enabled_ui(enabled, |ui| {
        let p = Palette::of(ui);
        let height = ui.spacing().interact_size.y;
        let font = FontId::proportional(BODY);
        let galley =
            (!text.is_empty()).then(|| ui.painter().layout_no_wrap(text.to_owned(), font, Color32::PLACEHOLDER));
        let icon_width = if icon.is_some() { 14.0 } else { 0.0 };
        let gap = if icon.is_some() && galley.is_some() { 6.0 } else { 0.0 };
        let text_width = galley.as_ref().map_or(0.0, |galley| galley.size().x);
        let padding = if galley.is_some() { 9.0 } else { 6.0 };
        let size = vec2(2.0 * padding + icon_width + gap + text_width, height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), on, name));
        if ui.is_rect_visible(rect) {
            let style = ui.style().interact_selectable(&response, on);
            let (fill, edge, color) = if on {
                (p.selected, p.accent, p.strong)
            } else if response.hovered() || response.is_pointer_button_down_on() || response.has_focus() {
                (style.weak_bg_fill, style.bg_stroke.color, style.fg_stroke.color)
            } else {
                (p.button, p.line, p.text)
            };
            let painter = ui.painter();
            painter.rect(
                rect,
                style.corner_radius,
                fill,
                Stroke::new(1.0, edge),
                StrokeKind::Inside,
            );
            if let Some(icon) = icon {
                let min = pos2(rect.left() + padding, rect.center().y - 7.0);
                icons::paint(painter, Rect::from_min_size(min, Vec2::splat(14.0)), icon, color);
            }
            if let Some(galley) = galley {
                let left = rect.left() + padding + icon_width + gap;
                painter.galley(pos2(left, rect.center().y - galley.size().y * 0.5), galley, color);
            }
        }
        response
    })
    .inner
}

/// The one button of a row that matters most.
pub fn primary_button(ui: &mut Ui, enabled: bool, text: &str) -> Response {
    let p = Palette::of(ui);
    let text = RichText::new(text)
        .family(semibold())
        .color(if enabled { p.on_accent } else { p.weak });
    let fill = if enabled { p.accent } else { p.button };
    ui.add_enabled(
        enabled,
        egui::Button::new(text)
            .fill(fill)
            .stroke(Stroke::NONE)
            .min_size(vec2(0.0, 24.0)),
    )
}

/// A word on a coloured ground.
pub fn chip(ui: &mut Ui, text: &str, color: Color32, fill: Color32) -> Response {
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), FontId::proportional(SMALL), color);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(12.0, 4.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    ui.painter().rect_filled(rect, 3.0, fill);
    ui.painter().galley(rect.min + vec2(6.0, 2.0), galley, color);
    response
}

/// For how long a changed number stands out, seconds.
const FRESH_SECS: f64 = 0.6;

/// The colour of a number: for a moment after it changed it stands out from `calm`, so that a change is seen though nothing
/// moves. `id` is the number's place on the screen.
pub fn number_color(ui: &Ui, id: Id, text: &str, calm: Color32) -> Color32 {
    let now = ui.input(|input| input.time);
    let changed_at = ui.data_mut(|data| {
        let (known, changed_at) = data.get_temp_mut_or_insert_with(id, || (text.to_owned(), f64::NEG_INFINITY));
        if known != text {
            text.clone_into(known);
            *changed_at = now;
        }
        *changed_at
    });
    let left = 1.0 - (now - changed_at) / FRESH_SECS;
    if left <= 0.0 {
        return calm;
    }
    ui.ctx().request_repaint_after(Duration::from_millis(33));
    mix(calm, Palette::of(ui).accent, left as f32)
}

/// A weak label with its value right behind it, the value in a field of fixed width so that nothing moves.
pub fn value(ui: &mut Ui, label: &str, value: &str, digits: usize, tip: &str) -> Response {
    let p = Palette::of(ui);
    let font = FontId::proportional(BODY);
    let label_galley = ui
        .painter()
        .layout_no_wrap(label.to_owned(), FontId::proportional(SMALL), p.weak);
    let value_galley = ui.painter().layout_no_wrap(value.to_owned(), font.clone(), p.text);
    let figure = ui.painter().layout_no_wrap("0".to_owned(), font, p.text).size().x;
    let width = value_galley.size().x.max(figure * digits as f32);
    let size = vec2(label_galley.size().x + 5.0 + width, 18.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{label} {value}")));
    let middle = rect.center().y;
    let label_width = label_galley.size().x;
    let label_top = middle - label_galley.size().y * 0.5;
    ui.painter().galley(pos2(rect.left(), label_top), label_galley, p.weak);
    let value_top = middle - value_galley.size().y * 0.5;
    let color = number_color(ui, ui.scope_id().with(label), value, p.text);
    let at = pos2(rect.left() + label_width + 5.0, value_top);
    ui.painter().galley_with_override_text_color(at, value_galley, color);
    if tip.is_empty() {
        response
    } else {
        response.on_hover_text(tip)
    }
}

/// A thin bar; without a known share a bar at rest.
pub fn progress_bar(ui: &mut Ui, width: f32, share: Option<f32>, name: &str) -> Response {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, 14.0), Sense::hover());
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, name);
        info.value = share.map(f64::from);
        info
    });
    let track = Rect::from_center_size(rect.center(), vec2(width, 4.0));
    ui.painter().rect_filled(track, 2.0, p.edge);
    if let Some(share) = share {
        let done = Rect::from_min_size(track.min, vec2(width * share.clamp(0.0, 1.0), 4.0));
        ui.painter().rect_filled(done, 2.0, p.accent);
    }
    response
}

/// One line of text, cut off with an ellipsis where the room ends.
pub fn elided(ui: &Ui, text: &str, size: f32, color: Color32, width: f32) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), FontId::proportional(size), color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(0.0));
    ui.painter().layout_job(job)
}

/// A menu that is filled in like a form: it stays open, and its fields and buttons look as they do elsewhere.
pub fn form_menu() -> MenuConfig {
    MenuConfig::new()
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .style(StyleModifier::default())
}

/// A text field with a name of its own, which it is known by when what stands above it comes and goes while it is typed into.
pub fn field(ui: &mut Ui, text: &mut String, width: f32, hint: &str, name: &str) -> Response {
    let response = ui.add(
        egui::TextEdit::singleline(text)
            .id_salt(name)
            .desired_width(width)
            .align(egui::Align2::LEFT_CENTER)
            .hint_text(hint.to_owned()),
    );
    response.accessible_name(name)
}

/// The number of a sub-goal on its colour.
pub fn badge(ui: &Ui, center: egui::Pos2, index: usize, color: Color32, filled: bool) {
    let p = Palette::of(ui);
    let painter = ui.painter();
    if filled {
        painter.circle_filled(center, 9.0, color);
    } else {
        painter.circle_stroke(center, 8.5, Stroke::new(1.2, color));
    }
    let text = if filled { p.panel } else { color };
    painter.text(
        center,
        Align2::CENTER_CENTER,
        (index + 1).to_string(),
        FontId::new(SMALL, semibold()),
        text,
    );
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;

    use super::*;

    #[test]
    fn a_number_stands_out_for_a_moment_after_it_changed() {
        let mut shown = Harness::new_ui_state(
            |ui, (text, color): &mut (&str, Color32)| {
                *color = number_color(ui, Id::unique("place"), text, Color32::WHITE);
            },
            ("0.1", Color32::BLACK),
        );
        shown.run();
        assert_eq!(shown.state().1, Color32::WHITE, "what was never another is calm");
        shown.state_mut().0 = "0.2";
        shown.step();
        assert_ne!(shown.state().1, Color32::WHITE);
        for _ in 0..4 {
            shown.step();
        }
        assert_eq!(shown.state().1, Color32::WHITE);
    }
}

//! The title of a pane that can be dragged about: panels that share a place stand side by side in the one title strip, so
//! that no pane has two. The window says around a pane which titles those are; the strip draws them and leaves clicks and
//! drags to the window, under ids that it knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use egui::{FontId, Id, Rect, Role, Sense, Stroke, Ui, UiBuilder, UiKind, UiStackInfo, WidgetInfo, pos2, vec2};

use super::Palette;
use super::icons::{self, Icon};
use super::theme::{BODY, semibold};

const TAG: &str = "pane-titles";

/// One of the panes that share a title strip.
#[derive(Clone, Debug)]
pub struct PaneTitle {
    /// Clicks, drags and the menu of the title.
    pub id: Id,
    pub title: &'static str,
    pub shown: bool,
}

impl PaneTitle {
    /// The cross that closes the pane.
    pub fn close_id(&self) -> Id {
        self.id.with("close")
    }
}

struct Titles {
    all: Vec<PaneTitle>,
    /// The first strip in the pane takes them.
    taken: AtomicBool,
}

/// The builder of a pane's `Ui`, whose title strip shows these titles.
pub fn pane_builder(titles: Vec<PaneTitle>) -> UiBuilder {
    let titles = Titles {
        all: titles,
        taken: AtomicBool::new(false),
    };
    UiBuilder::new().ui_stack_info(UiStackInfo::new(UiKind::Frame).with_tag_value(TAG, titles))
}

/// Draws the titles that the window put around this pane; `false` where it put none, or a strip above has taken them.
pub(super) fn titles_ui(ui: &mut Ui, own: &str, strip: Rect) -> bool {
    let stack = Arc::clone(ui.stack());
    let titles = stack.iter().find_map(|node| node.tags().get_downcast::<Titles>(TAG));
    let Some(titles) = titles.filter(|titles| !titles.taken.swap(true, Ordering::Relaxed)) else {
        return false;
    };
    let alone = titles.all.len() == 1;
    for title in &titles.all {
        title_ui(ui, title, alone.then_some(own), strip);
    }
    true
}

/// A pane that stands alone has its panel's own words for a title; tabs have short ones.
fn title_ui(ui: &mut Ui, title: &PaneTitle, own: Option<&str>, strip: Rect) {
    let p = Palette::of(ui);
    let color = if title.shown { p.strong } else { p.weak };
    let text = own.unwrap_or(title.title).to_owned();
    let galley = ui.painter().layout_no_wrap(text, FontId::new(BODY, semibold()), color);
    let padding = if own.is_some() { 0.0 } else { 6.0 };
    let size = vec2(galley.size().x + 2.0 * padding, ui.available_height());
    let (_, rect) = ui.allocate_space(size);
    let response = ui.interact(rect, title.id, Sense::click_and_drag());
    response.widget_info(|| {
        WidgetInfo::selected(
            Role::Button,
            ui.is_enabled(),
            title.shown,
            format!("{} pane", title.title),
        )
    });
    if own.is_none() {
        let tab = Rect::from_x_y_ranges(rect.x_range(), strip.y_range());
        if title.shown {
            ui.painter().rect_filled(tab, 0.0, p.panel);
            ui.painter()
                .hline(tab.x_range(), tab.top() + 1.0, Stroke::new(2.0, p.accent));
        } else if response.hovered() {
            ui.painter().rect_filled(tab, 0.0, p.button);
        }
    }
    let at = pos2(rect.left() + padding, rect.center().y - galley.size().y * 0.5);
    ui.painter().galley(at, galley, color);
    let tip = "Drag it to another place, or onto another title to share its place. Right click for more.";
    let response = response.on_hover_text(tip);
    if title.shown {
        close_ui(ui, title, ui.rect_contains_pointer(strip) || response.has_focus());
    }
}

/// The cross is there for those who point at the strip; others need not see it.
fn close_ui(ui: &mut Ui, title: &PaneTitle, near: bool) {
    let p = Palette::of(ui);
    let (_, rect) = ui.allocate_space(vec2(16.0, 16.0));
    let response = ui.interact(rect, title.close_id(), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), format!("Close {}", title.title)));
    if near || response.has_focus() {
        let color = if response.hovered() || response.has_focus() {
            p.strong
        } else {
            p.weak
        };
        icons::paint(ui.painter(), rect.shrink(3.0), Icon::Cross, color);
    }
    response.on_hover_text("Close this pane; View brings it back");
}

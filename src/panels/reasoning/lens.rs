//! The layer and the head that attention is looked at through.

use egui::{ComboBox, RichText, Ui};

use super::super::state::{View, ViewState};
use crate::ui::Palette;
use crate::ui::theme::SMALL;

const TIP: &str = "Maps of words and of the shown sub-goal as this layer and head of the VLM see them. The method takes the \
                   last layer and the mean of its heads (4.4). A view: plans are made by the method's maps and do not \
                   change.";

pub(super) fn lens_ui(ui: &mut Ui, state: &mut ViewState, view: &View<'_>) {
    let p = Palette::of(ui);
    let [layers, heads] = view
        .board
        .info
        .as_ref()
        .and_then(|info| info.attention)
        .unwrap_or([0, 0]);
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        ui.label(RichText::new("Layer").size(SMALL).color(p.weak))
            .on_hover_text(TIP);
        let last = if layers > 0 {
            format!("last ({layers})")
        } else {
            "last".to_owned()
        };
        choice_ui(ui, "Layer of the attention", &mut state.lens.layer, layers, &last);
        ui.label(RichText::new("Head").size(SMALL).color(p.weak))
            .on_hover_text(TIP);
        choice_ui(ui, "Head of the attention", &mut state.lens.head, heads, "mean");
    });
}

/// One of `count`, counted from 1, or what the method takes.
fn choice_ui(ui: &mut Ui, name: &str, chosen: &mut Option<usize>, count: usize, default: &str) {
    ui.add_enabled_ui(count > 0, |ui| {
        let said = |choice: Option<usize>| choice.map_or_else(|| default.to_owned(), |index| (index + 1).to_string());
        let text = RichText::new(said(*chosen)).size(SMALL);
        let combo = ComboBox::from_id_salt(name).selected_text(text).width(64.0);
        let combo = combo.show_ui(ui, |ui| {
            for choice in std::iter::once(None).chain((0..count).map(Some)) {
                ui.selectable_value(chosen, choice, said(choice));
            }
        });
        combo
            .response
            .accessible_name(name)
            .on_hover_text(TIP)
            .on_disabled_hover_text("Needs a checkpoint with a language model");
    });
}

//! Imagined against real: rows of frames, one column a step ahead.

use egui::{
    Align2, Color32, FontId, Label, Painter, Rect, Response, RichText, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use super::super::camera::FrameTexture;
use crate::eval::latent::Imagined;
use crate::recording::Recording;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

const GAP: f32 = 4.0;
/// Between a frame and the next row: its step and its distance.
const CAPTION: f32 = 16.0;
const LEAST: f32 = 58.0;
const MOST: f32 = 170.0;

/// The step whose frame was clicked.
pub(super) fn strip_ui(
    ui: &mut Ui,
    textures: &mut Vec<FrameTexture>,
    recording: &Recording,
    step: usize,
    found: &Imagined,
) -> (Response, Option<usize>) {
    let p = Palette::of(ui);
    let count = found.states.len();
    let read_out = usize::from(!found.pictures.is_empty());
    let lines = 2 + read_out;
    if textures.len() < lines * count {
        textures.resize_with(lines * count, FrameTexture::default);
    }
    let title = format!("Imagined, the nearest of {} frames, over what came", found.frames);
    let title = ui.add(Label::new(RichText::new(title).size(SMALL).color(p.text)).sense(Sense::click()));
    let title = title.on_hover_text(
        "Above: the recorded frame whose latent is nearest to the imagined state ŝ_t+h in the comparison space. Below: the \
         frame that really came, by the actions that were planned anew at every step. Numbers: the step, and the distance \
         from the imagined state. A real frame much farther than the one above it is where the plan's promise was not kept. Click a frame to \
         see its step. Where the model reads pictures out of its latents (world_model.picture), those of the imagined states stand on top.",
    );
    let wide = (ui.available_width() - GAP * count as f32) / count.max(1) as f32;
    let high = (ui.available_height() - lines as f32 * CAPTION - 34.0) / lines as f32;
    let side = wide.min(high).clamp(LEAST, MOST);
    let mut clicked = None;
    ScrollArea::horizontal().id_salt("strip").show(ui, |ui| {
        let size = vec2((side + GAP) * count as f32, 16.0 + lines as f32 * (side + CAPTION));
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        for (h, state) in found.states.iter().enumerate() {
            let left = area.left() + h as f32 * (side + GAP);
            let font = FontId::proportional(SMALL);
            let head = pos2(left + side * 0.5, area.top());
            ui.painter()
                .text(head, Align2::CENTER_TOP, format!("+{}", h + 1), font, p.weak);
            let came = step + h + 1;
            let place = |row: usize| {
                let top = area.top() + 16.0 + row as f32 * (side + CAPTION);
                Rect::from_min_size(pos2(left, top), vec2(side, side))
            };
            if let Some(picture) = found.pictures.get(h) {
                let rect = place(0);
                let response = ui.interact(rect, ui.scope_id().with(("read out", h)), Sense::hover());
                let name = format!("Read out +{}", h + 1);
                response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
                if let Some(texture) = textures[lines * h].get(ui.ctx(), picture, true) {
                    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                    ui.painter().image(texture, rect, uv, Color32::WHITE);
                }
            }
            let rows = [
                (
                    Some(state.step),
                    Some(state.distance),
                    "Imagined",
                    format!("step {}", state.step),
                ),
                (state.real.map(|_| came), state.real, "Real", format!("step {came}")),
            ];
            for (row, (shown, distance, word, caption)) in rows.into_iter().enumerate() {
                let rect = place(row + read_out);
                let response = ui.interact(rect, ui.scope_id().with((row, h)), Sense::click());
                let frame = shown
                    .and_then(|step| recording.steps.get(step))
                    .map(|record| &record.frame);
                let texture = frame.and_then(|frame| textures[lines * h + read_out + row].get(ui.ctx(), frame, true));
                let painter = ui.painter();
                match texture {
                    Some(texture) => {
                        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                        painter.image(texture, rect, uv, Color32::WHITE);
                    }
                    None => nothing(painter, p, rect),
                }
                let distance = numbers::sig3(distance.unwrap_or(f64::NAN));
                let name = if shown.is_some() {
                    format!("{word} +{}: {caption}, distance {distance}", h + 1)
                } else {
                    format!("{word} +{}: not yet", h + 1)
                };
                response.widget_info(|| WidgetInfo::labeled(Role::Button, shown.is_some(), &name));
                if response.hovered() || response.has_focus() {
                    painter.rect_stroke(rect, 0.0, Stroke::new(1.5, p.accent), StrokeKind::Inside);
                }
                let under = pos2(rect.center().x, rect.bottom() + 1.0);
                let small = FontId::proportional(SMALL - 1.0);
                let words = shown.map_or_else(|| distance.clone(), |shown| format!("{shown} · {distance}"));
                painter.text(under, Align2::CENTER_TOP, words, small, p.text);
                if response.on_hover_text(name).clicked() {
                    clicked = shown;
                }
            }
        }
    });
    (title, clicked)
}

fn nothing(painter: &Painter, p: &Palette, rect: Rect) {
    painter.rect_filled(rect, 0.0, p.header);
    let font = FontId::proportional(SMALL);
    painter.text(rect.center(), Align2::CENTER_CENTER, "not yet", font, p.weak);
}

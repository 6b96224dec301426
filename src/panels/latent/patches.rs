//! The patch tokens as colours over the frame that they were made from.

use egui::{Color32, Rect, Response, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::super::camera::FrameTexture;
use super::super::patch::{Patch, PatchGrid};
use crate::eval::latent::{Centre, Patches};
use crate::sim::Frame;
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

pub(super) const CENTRES: [(Centre, &str, &str); 2] = [
    (
        Centre::All,
        "What is there",
        "Tokens less their mean over all patches and frames: a colour says what a patch holds and where it lies",
    ),
    (
        Centre::Patch,
        "What changed",
        "Tokens less each patch's own mean over the episode: a colour says how the patch differs from what it mostly is",
    ),
];

/// How much of the frame the colours cover.
const COVER: f32 = 0.72;

pub(super) fn patches_ui(
    ui: &mut Ui,
    texture: &mut FrameTexture,
    selected: &mut Option<Patch>,
    frame: Option<&Frame>,
    step: usize,
    found: &Patches,
) -> Response {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        for (channel, share) in ["red", "green", "blue"].into_iter().zip(found.shares) {
            let text = format!("{channel} {} %", numbers::fixed(100.0 * share, 0));
            ui.label(RichText::new(text).size(SMALL).color(p.text))
                .on_hover_text("Share of the tokens' variance that this principal component holds");
        }
        let text = format!("over {} frames", found.frames);
        ui.label(RichText::new(text).size(SMALL).color(p.weak)).on_hover_text(
            "The components are fitted over all recorded frames of the episode and not over this one, so that a colour \
             means the same at every step. Half of a channel is the mean, all of it two standard deviations above.",
        );
    });
    let side = ui.available_width().min(ui.available_height() - 6.0).max(120.0);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), side), Sense::click());
    let rect = Rect::from_center_size(area.center(), vec2(side, side));
    let painter = ui.painter();
    if let Some(texture) = frame.and_then(|frame| texture.get(ui.ctx(), frame, true)) {
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture, rect, uv, Color32::WHITE);
    }
    let [rows, columns] = found.grid;
    let patches = PatchGrid { rect, grid: found.grid };
    for (at, rgb) in found.rgb.iter().enumerate() {
        let [red, green, blue] = rgb.map(|value| (value * 255.0).round() as u8);
        let color = Color32::from_rgb(red, green, blue).gamma_multiply(COVER);
        painter.rect_filled(patches.cell([at / columns, at % columns]), 0.0, color);
    }
    response.widget_info(|| {
        let name = format!("Principal components of {rows} x {columns} patches at step {step}");
        WidgetInfo::labeled(Role::Image, true, name)
    });
    if let Some([row, column]) = patches.select_ui(painter, &response, selected, p)
        && let Some(rgb) = found.rgb.get(row * columns + column)
    {
        let [first, second, third] = rgb.map(|value| numbers::fixed(f64::from(4.0 * value - 2.0), 1));
        response.clone().on_hover_text_at_pointer(format!(
            "Patch row {row}, column {column}\nComponents {first}, {second}, {third} standard deviations from the mean\n\
             Click to select it here and over the camera"
        ));
    }
    response
}

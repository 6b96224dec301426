//! The masks of a step over frames of its clips: what the encoder saw, and what was to be predicted.

use egui::{Rect, Stroke, StrokeKind, Ui, vec2};

use super::pictures::Pictures;
use super::{line_ui, title_ui};
use crate::train::{MaskedFrame, Masks, TokenRole};
use crate::ui::Palette;

/// Frames beside one another.
const COLUMNS: usize = 4;
const TIP: &str = "Masks of the step before, over frames of its own clips (method 4.6; Algorithm 1, line 4). Clear: context, seen by the online \
                   encoder. Coloured: target, to be predicted as the target encoder sees it. Dark: not looked at.";

pub(super) fn masks_ui(ui: &mut Ui, pictures: &mut Pictures, masks: &Masks) {
    title_ui(ui, "Masks", TIP);
    let all = || masks.clips.iter().flat_map(|clip| &clip.frames);
    let tokens = |role| all().flat_map(|frame| &frame.roles).filter(|one| **one == role).count();
    let (context, target) = (tokens(TokenRole::Context), tokens(TokenRole::Target));
    let text = if masks.causal {
        "Causal step: frame t is the context, frame t + 1 the target".to_owned()
    } else {
        let share = 100.0 * target as f64 / (context + target).max(1) as f64;
        format!("Block masks: {share:.0} % of the tokens used in these frames are target")
    };
    line_ui(ui, text, TIP);
    let across = masks.clips.iter().map(|clip| clip.frames.len()).max().unwrap_or(1);
    let columns = across.clamp(2, COLUMNS);
    let gap = 6.0;
    let side = ((ui.available_width() - gap * (columns - 1) as f32) / columns as f32).clamp(24.0, 150.0);
    for (number, clip) in masks.clips.iter().enumerate() {
        for (row, frames) in clip.frames.chunks(columns).enumerate() {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = gap;
                for (column, frame) in frames.iter().enumerate() {
                    let name = format!("Mask of clip {}, frame {}", number + 1, row * columns + column + 1);
                    frame_ui(ui, pictures, frame, masks.grid, side, &name);
                }
            });
        }
    }
}

fn frame_ui(ui: &mut Ui, pictures: &mut Pictures, masked: &MaskedFrame, grid: usize, side: f32, name: &str) {
    let p = Palette::of(ui);
    let rect = pictures.show(ui, &masked.frame, side, name, TIP);
    let painter = ui.painter();
    let cell = side / grid.max(1) as f32;
    for (token, role) in masked.roles.iter().enumerate() {
        let fill = match role {
            TokenRole::Context => continue,
            TokenRole::Target => p.accent.gamma_multiply(0.5),
            TokenRole::Unused => p.over_edge.gamma_multiply(0.7),
        };
        let at = rect.min + vec2((token % grid) as f32, (token / grid) as f32) * cell;
        painter.rect_filled(Rect::from_min_size(at, vec2(cell, cell)), 0.0, fill);
    }
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, p.edge), StrokeKind::Inside);
}

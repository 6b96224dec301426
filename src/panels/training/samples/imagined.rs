//! What the latents of a world model look like, seen and imagined, beside what was really there.

use egui::{Stroke, StrokeKind, Ui};

use super::pictures::Pictures;
use super::{line_ui, title_ui};
use crate::train::PictureRow;
use crate::ui::Palette;

const TIP: &str = "Small pictures that a head reads out of pooled latents (world_model.picture). Above what the camera saw, below what the \
                   latent says: of the first frame, then imagined so many steps ahead along the episode's own actions.";
const GAP: f32 = 6.0;

pub(super) fn pictures_ui(ui: &mut Ui, pictures: &mut Pictures, rows: &[PictureRow]) {
    title_ui(ui, "Pictures", TIP);
    for PictureRow { episode, from, steps } in rows {
        let ahead: Vec<String> = steps.iter().map(|step| format!("+{}", step.ahead)).collect();
        let text = format!("Episode {episode} from step {from}: {}", ahead.join(", "));
        line_ui(ui, text, TIP);
        let columns = steps.len().max(1) as f32;
        let side = ((ui.available_width() - GAP * (columns - 1.0)) / columns).clamp(16.0, 110.0);
        for which in ["Seen", "Read"] {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = GAP;
                for step in steps {
                    let name = format!("{which} in episode {episode}, {} steps ahead", step.ahead);
                    let frame = if which == "Seen" { &step.seen } else { &step.read };
                    let rect = pictures.show(ui, frame, side, &name, TIP);
                    let edge = Stroke::new(1.0, Palette::of(ui).edge);
                    ui.painter().rect_stroke(rect, 0.0, edge, StrokeKind::Inside);
                }
            });
        }
    }
}

//! The spectrum of latents: sorted shares of the variance on a logarithmic axis, and how many directions that comes to.

use egui::{Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::{line_ui, menu, title_ui};
use crate::panels::Shell;
use crate::panels::tables::SamplePlot;
use crate::train::{LatentKind, Spectrum};
use crate::ui::chart::{self, Axes};
use crate::ui::theme::SMALL;
use crate::ui::{Palette, numbers};

/// Powers of ten under 1 that are shown.
const DECADES: f64 = 5.0;
const HEIGHT: f32 = 120.0;
const TIP: &str = "Eigenvalues p of the latents' covariance C = S'S / tr(S'S), as shares of their sum and sorted: what SIGReg \
                   spreads, L_reg = sum p ln p (method 4.7; Algorithm 1, line 17). Over frames of the store's last episodes, seen by the target \
                   encoder.";
const RANK: &str = "Effective rank exp(H(p)), H(p) = -sum p ln p, between 1 and D: how many directions are in use. Near 1 the \
                    latent has collapsed (p and H(p): method 4.7; Algorithm 1, line 17).";

pub(super) fn name(of: LatentKind) -> &'static str {
    match of {
        LatentKind::Pooled => "pooled latent",
        LatentKind::Tokens => "tokens",
    }
}

pub(super) fn spectra_ui(ui: &mut Ui, shell: &mut Shell, spectra: &[Spectrum]) {
    let p = Palette::of(ui);
    title_ui(ui, "Spectrum", TIP);
    for spectrum in spectra {
        let text = format!(
            "{}: effective rank {} of {}; 90 % of the variance in {}",
            name(spectrum.of),
            numbers::sig3(spectrum.effective_rank),
            spectrum.shares.len(),
            spectrum.directions_of(0.9),
        );
        line_ui(ui, text, RANK);
    }
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    let count = spectra.iter().map(|spectrum| spectrum.shares.len()).max().unwrap_or(1);
    let label = format!("Spectrum of {count} directions");
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label.clone()));
    menu(&response, shell, SamplePlot::Spectrum);
    let response = response.on_hover_text(TIP);
    if !ui.is_rect_visible(rect) {
        return;
    }
    let plot = egui::Rect::from_min_max(
        pos2(rect.left() + 40.0, rect.top() + 18.0),
        pos2(rect.right() - 8.0, rect.bottom() - 18.0),
    );
    let axes = Axes::new(plot, 1.0..=count as f64, -DECADES..=0.0);
    let painter = ui.painter();
    let marks: Vec<(f64, String)> = [
        (0.0, "1"),
        (-1.0, "0.1"),
        (-2.0, "0.01"),
        (-3.0, "1e−3"),
        (-4.0, "1e−4"),
    ]
    .map(|(at, text)| (at, text.to_owned()))
    .to_vec();
    axes.y_grid(painter, p, &marks);
    axes.x_labels(painter, p, &chart::integer_ticks(1.0..=count as f64, 6));
    axes.frame(painter, p);
    let mut legend = pos2(plot.right() - 190.0, rect.top() + 8.0);
    for (spectrum, (color, dashed)) in spectra.iter().zip([(p.accent, false), (p.text, true)]) {
        let points: Vec<[f64; 2]> = spectrum
            .shares
            .iter()
            .enumerate()
            .map(|(i, share)| [i as f64 + 1.0, f64::from(*share).log10().max(-DECADES)])
            .collect();
        axes.line(painter, &points, Stroke::new(1.6, color), dashed);
        legend.x += chart::legend_entry(painter, p, legend, color, name(spectrum.of));
    }
    if let Some(pointer) = response.hover_pos().filter(|at| plot.contains(*at)) {
        let index = axes.x_of(pointer.x).round().max(1.0) as usize;
        painter.vline(axes.at_x(index as f64), plot.y_range(), Stroke::new(1.0, p.edge));
        let shares: Vec<String> = spectra
            .iter()
            .filter_map(|spectrum| Some(numbers::sig3(f64::from(*spectrum.shares.get(index - 1)?))))
            .collect();
        let text = format!("{index}: {}", shares.join(" · "));
        let font = egui::FontId::proportional(SMALL - 0.5);
        let at = pos2(plot.left() + 4.0, rect.top() + 8.0);
        painter.text(at, egui::Align2::LEFT_CENTER, text, font, p.text);
    }
}

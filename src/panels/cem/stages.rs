//! Where the time of a plan went, as one bar.

use egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::recording::StepRecord;
use crate::ui::{Palette, numbers};

const HEIGHT: f32 = 10.0;

/// Each stage with its time in seconds and what is done in it, in the order in which they come.
fn stages(step: &StepRecord) -> [(&'static str, f64, &'static str); 5] {
    let stages = step.stages;
    let time = |secs: f64| if secs.is_finite() { secs.max(0.0) } else { 0.0 };
    [
        (
            "encode",
            time(stages.encode_secs),
            "the frame to tokens, once for each frame (Algorithm 2, lines 9 and 28)",
        ),
        ("sample", time(stages.sample_secs), "noise and candidates (line 15)"),
        (
            "roll out",
            time(stages.roll_out_secs),
            "the candidates through the predictor (lines 16 to 21)",
        ),
        (
            "score",
            time(stages.score_secs),
            "costs and read-outs of the imagined states (line 22)",
        ),
        (
            "refit",
            time(stages.refit_secs),
            "ranking, elites, their mean and deviation (lines 24 and 25)",
        ),
    ]
}

fn duration(secs: f64) -> String {
    if secs < 0.01 {
        format!("{} ms", numbers::sig3(1e3 * secs))
    } else {
        numbers::duration(std::time::Duration::from_secs_f64(secs))
    }
}

/// The bar; nothing for a plan whose stages were not timed.
pub(super) fn stages_ui(ui: &mut Ui, step: &StepRecord) {
    let p = Palette::of(ui);
    let stages = stages(step);
    let total: f64 = stages.iter().map(|stage| stage.1).sum();
    // A frame that was only looked at was encoded, and no more.
    if total <= stages[0].1 {
        return;
    }
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let short: Vec<String> = stages
        .iter()
        .map(|(name, secs, _)| format!("{name} {}", duration(*secs)))
        .collect();
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Stages: {}", short.join(", "))));
    let mut left = rect.left();
    for (index, (_, secs, _)) in stages.iter().enumerate() {
        let width = rect.width() * (secs / total) as f32;
        let part = Rect::from_min_max(pos2(left, rect.top()), pos2(left + width, rect.bottom()));
        left += width;
        // Neighbours differ enough to be told apart, and the order is that of the text.
        let shade = [0.35, 0.9, 0.55, 1.0, 0.7][index];
        let gap = (width * 0.25).min(0.5);
        ui.painter()
            .rect_filled(part.shrink2(vec2(gap, 0.0)), 1.0, p.accent.gamma_multiply(shade));
    }
    let lines: Vec<String> = stages
        .iter()
        .map(|(name, secs, about)| format!("{name}: {} ({:.0} %) — {about}", duration(*secs), 100.0 * secs / total))
        .collect();
    let text = format!("Where the time of this plan went, wall time\n{}", lines.join("\n"));
    response.on_hover_text(text);
}

//! The two themes, dark and light, and the only place where colours are named.

use std::sync::Arc;

use egui::epaint::text::{FontData, FontDefinitions};
use egui::{Color32, Context, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, Theme, Ui, Vec2, Visuals};

use super::color::contrast;

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");
const SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

/// The font family of titles and values that matter.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// Text sizes, points.
pub const BODY: f32 = 13.0;
pub const SMALL: f32 = 11.5;

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Every colour of a theme, by meaning.
#[derive(Debug, PartialEq)]
pub struct Palette {
    /// Between the panels.
    pub gap: Color32,
    pub panel: Color32,
    /// Title strips, and rows under the pointer.
    pub header: Color32,
    pub button: Color32,
    pub button_hover: Color32,
    pub button_press: Color32,
    pub field: Color32,
    pub line: Color32,
    /// Frames of fields and buttons, axes.
    pub edge: Color32,
    pub text: Color32,
    /// Labels and units.
    pub weak: Color32,
    pub strong: Color32,
    /// The selection, and the one button that matters most.
    pub accent: Color32,
    pub on_accent: Color32,
    /// Behind selected rows.
    pub selected: Color32,
    /// Behind selected text.
    pub marked: Color32,
    pub good: Color32,
    pub warn: Color32,
    pub bad: Color32,
    pub warn_fill: Color32,
    pub bad_fill: Color32,
    /// Drawn over the camera's picture, whatever the theme: a light line and its dark edge.
    pub over: Color32,
    pub over_edge: Color32,
    sub_goals: [Color32; 8],
}

static DARK: Palette = Palette {
    gap: rgb(0x0b_0e11),
    panel: rgb(0x14_181d),
    header: rgb(0x1b_2027),
    button: rgb(0x25_2c35),
    button_hover: rgb(0x30_3945),
    button_press: rgb(0x3b_4655),
    field: rgb(0x0d_1115),
    line: rgb(0x26_2d36),
    edge: rgb(0x3a_4450),
    text: rgb(0xd3_dae2),
    weak: rgb(0x94_a0ad),
    strong: rgb(0xf3_f6f9),
    accent: rgb(0x5a_a9f5),
    on_accent: rgb(0x07_131f),
    selected: rgb(0x1d_3046),
    marked: rgb(0x1f_3853),
    good: rgb(0x4f_c48a),
    warn: rgb(0xf0_b429),
    bad: rgb(0xff_7b72),
    warn_fill: rgb(0x33_2a12),
    bad_fill: rgb(0x3a_1b1c),
    over: rgb(0xff_ffff),
    over_edge: rgb(0x0b_0e11),
    sub_goals: [
        rgb(0x56_b4e9),
        rgb(0xf5_a623),
        rgb(0x2f_c79a),
        rgb(0xe3_6bb5),
        rgb(0xf2_e34c),
        rgb(0xff_7a52),
        rgb(0x9d_8cff),
        rgb(0xcc_d4dc),
    ],
};

static LIGHT: Palette = Palette {
    gap: rgb(0xd9_dee4),
    panel: rgb(0xfa_fbfc),
    header: rgb(0xef_f2f5),
    button: rgb(0xe9_edf1),
    button_hover: rgb(0xdd_e3e9),
    button_press: rgb(0xcf_d7df),
    field: rgb(0xff_ffff),
    line: rgb(0xdf_e4e9),
    edge: rgb(0xbc_c5cf),
    text: rgb(0x22_2a33),
    weak: rgb(0x58_6472),
    strong: rgb(0x0b_1118),
    accent: rgb(0x13_62b8),
    on_accent: rgb(0xff_ffff),
    selected: rgb(0xd8_e8fa),
    marked: rgb(0xd0_e3f9),
    good: rgb(0x0f_7a48),
    warn: rgb(0x8a_5a00),
    bad: rgb(0xbd_2522),
    warn_fill: rgb(0xfd_f3da),
    bad_fill: rgb(0xfd_e8e6),
    over: rgb(0xff_ffff),
    over_edge: rgb(0x0b_0e11),
    sub_goals: [
        rgb(0x00_6bb1),
        rgb(0xa9_4a0d),
        rgb(0x00_7463),
        rgb(0x8d_1480),
        rgb(0x65_5501),
        rgb(0x7a_0f1f),
        rgb(0x2b_33a1),
        rgb(0x3b_414b),
    ],
};

impl Palette {
    pub fn of(ui: &Ui) -> &'static Self {
        Self::theme(ui.visuals().dark_mode)
    }

    pub fn theme(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }

    /// Whichever of the two ends of the theme's greys is easier to read on this ground.
    pub fn readable_on(&self, ground: Color32) -> Color32 {
        if contrast(self.strong, ground) >= contrast(self.panel, ground) {
            self.strong
        } else {
            self.panel
        }
    }

    /// The colour of a sub-goal in list, curve, timeline and map. From the ninth on they repeat: its number always
    /// stands beside the colour.
    pub fn sub_goal(&self, index: usize) -> Color32 {
        self.sub_goals[index % self.sub_goals.len()]
    }
}

/// Gives the context both themes and the fonts.
pub fn apply(ctx: &Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        let palette = Palette::theme(theme == Theme::Dark);
        ctx.style_mut_of(theme, |style| {
            style.text_styles = [
                (TextStyle::Heading, FontId::new(BODY, semibold())),
                (TextStyle::Body, FontId::new(BODY, FontFamily::Proportional)),
                (TextStyle::Button, FontId::new(BODY, FontFamily::Proportional)),
                (TextStyle::Small, FontId::new(SMALL, FontFamily::Proportional)),
                (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
            ]
            .into();
            style.visuals = visuals(theme, palette);
            let spacing = &mut style.spacing;
            spacing.item_spacing = Vec2::new(6.0, 4.0);
            spacing.button_padding = Vec2::new(9.0, 3.0);
            spacing.interact_size = Vec2::new(28.0, 24.0);
            spacing.window_margin = Margin::same(10);
            spacing.menu_margin = Margin::same(8);
            spacing.scroll.bar_width = 7.0;
            spacing.scroll.floating = true;
            spacing.tooltip_width = 340.0;
            style.interaction.tooltip_delay = 0.35;
            style.interaction.selectable_labels = false;
            style.animation_time = 0.08;
        });
    }
}

fn visuals(theme: Theme, p: &Palette) -> Visuals {
    let mut visuals = if theme == Theme::Dark {
        Visuals::dark()
    } else {
        Visuals::light()
    };
    visuals.override_text_color = None;
    // A caret that blinks draws the whole window twice a second for as long as it rests.
    visuals.text_cursor.blink = false;
    visuals.weak_text_color = Some(p.weak);
    visuals.panel_fill = p.panel;
    visuals.window_fill = p.panel;
    visuals.window_stroke = Stroke::new(1.0, p.edge);
    visuals.window_corner_radius = CornerRadius::same(6);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.extreme_bg_color = p.field;
    visuals.faint_bg_color = p.header;
    visuals.code_bg_color = p.header;
    visuals.hyperlink_color = p.accent;
    visuals.warn_fg_color = p.warn;
    visuals.error_fg_color = p.bad;
    visuals.selection.bg_fill = p.marked;
    visuals.selection.stroke = Stroke::new(1.0, p.accent);
    visuals.striped = false;
    let radius = CornerRadius::same(4);
    let w = &mut visuals.widgets;
    for (widget, fill, text, edge) in [
        (&mut w.noninteractive, p.panel, p.text, p.line),
        (&mut w.inactive, p.button, p.text, p.edge),
        (&mut w.hovered, p.button_hover, p.strong, p.edge),
        (&mut w.active, p.button_press, p.strong, p.accent),
        (&mut w.open, p.button_hover, p.strong, p.edge),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, edge);
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    visuals
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    for (name, bytes, family) in [
        ("inter", REGULAR, FontFamily::Proportional),
        ("inter-semibold", SEMIBOLD, semibold()),
    ] {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        // egui's own fonts stay behind it for signs that it lacks.
        let mut chain = fonts
            .families
            .get(&FontFamily::Proportional)
            .cloned()
            .unwrap_or_default();
        chain.retain(|other| other != "inter");
        chain.insert(0, name.to_owned());
        fonts.families.insert(family, chain);
    }
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::color::{from_lab, to_lab};

    #[test]
    fn every_text_colour_is_readable_on_every_ground_it_stands_on() {
        for p in [&DARK, &LIGHT] {
            let mut texts = vec![p.text, p.weak, p.strong, p.accent, p.good, p.warn, p.bad];
            texts.extend(p.sub_goals);
            for text in texts {
                for ground in [p.panel, p.header, p.field] {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{text:?} on {ground:?}: {ratio:.2}");
                }
            }
            for (text, ground) in [
                (p.text, p.button),
                (p.text, p.selected),
                (p.text, p.marked),
                (p.accent, p.marked),
                (p.weak, p.selected),
                (p.strong, p.button_press),
                (p.on_accent, p.accent),
                (p.warn, p.warn_fill),
                (p.bad, p.bad_fill),
                (p.text, p.bad_fill),
                (p.text, p.warn_fill),
            ] {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "{text:?} on {ground:?}: {ratio:.2}");
            }
        }
    }

    /// Machado et al. (2009), severity 1, on linear RGB.
    const DEUTERANOPIA: [[f32; 3]; 3] = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_82, 0.042_94, 0.968_881],
    ];

    fn as_deuteranope(color: Color32) -> Color32 {
        let linear = [color.r(), color.g(), color.b()].map(|c| {
            let c = f32::from(c) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        let out: [f32; 3] = std::array::from_fn(|i| {
            (0..3)
                .map(|j| DEUTERANOPIA[i][j] * linear[j])
                .sum::<f32>()
                .clamp(0.0, 1.0)
        });
        let gamma = out.map(|c| {
            if c <= 0.003_130_8 {
                c * 12.92
            } else {
                1.055 * c.powf(1.0 / 2.4) - 0.055
            }
        });
        Color32::from_rgb(
            (gamma[0] * 255.0) as u8,
            (gamma[1] * 255.0) as u8,
            (gamma[2] * 255.0) as u8,
        )
    }

    #[test]
    fn sub_goal_colours_are_told_apart_with_and_without_red_and_green() {
        for p in [&DARK, &LIGHT] {
            for (i, &a) in p.sub_goals.iter().enumerate() {
                for &b in &p.sub_goals[i + 1..] {
                    for (a, b, least) in [(a, b, 0.1), (as_deuteranope(a), as_deuteranope(b), 0.05)] {
                        let (x, y) = (to_lab(a), to_lab(b));
                        let distance = (0..3).map(|k| (x[k] - y[k]).powi(2)).sum::<f32>().sqrt();
                        assert!(distance > least, "{a:?} and {b:?}: {distance:.3}");
                    }
                }
            }
        }
        assert_eq!(from_lab(to_lab(DARK.accent)), DARK.accent);
    }
}

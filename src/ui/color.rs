//! Colour arithmetic: OKLab for everything that must look even, contrast, and the ramp of costs.

use egui::Color32;

/// A colour in OKLab: lightness, green-red, blue-yellow.
pub type Lab = [f32; 3];

fn to_linear(channel: u8) -> f32 {
    let c = f32::from(channel) / 255.0;
    if c <= 0.04045 {
        c / 12.92
    } else {
        ((c + 0.055) / 1.055).powf(2.4)
    }
}

fn to_gamma(c: f32) -> u8 {
    let c = c.clamp(0.0, 1.0);
    let c = if c <= 0.003_130_8 {
        c * 12.92
    } else {
        1.055 * c.powf(1.0 / 2.4) - 0.055
    };
    (c * 255.0).round() as u8
}

/// An opaque sRGB colour in OKLab.
pub fn to_lab(color: Color32) -> Lab {
    let [r, g, b] = [to_linear(color.r()), to_linear(color.g()), to_linear(color.b())];
    let l = (0.412_221_47 * r + 0.536_332_54 * g + 0.051_445_993 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_84 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// An OKLab colour in sRGB; what a screen cannot show is clamped.
pub fn from_lab([lightness, a, b]: Lab) -> Color32 {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    Color32::from_rgb(
        to_gamma(4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s),
        to_gamma(-1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s),
        to_gamma(-0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s),
    )
}

/// Even steps from one colour to another.
pub fn mix(from: Color32, to: Color32, share: f32) -> Color32 {
    let (from, to) = (to_lab(from), to_lab(to));
    from_lab(std::array::from_fn(|i| {
        from[i] + (to[i] - from[i]) * share.clamp(0.0, 1.0)
    }))
}

/// Contrast ratio of two opaque colours (WCAG 2), 1 to 21.
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |c: Color32| 0.2126 * to_linear(c.r()) + 0.7152 * to_linear(c.g()) + 0.0722 * to_linear(c.b());
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Viridis: even in lightness, and readable with any colour vision.
const RAMP: [[u8; 3]; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// The colour of a cost: 0 the worst (dark), 1 the best (bright).
pub fn cost_ramp(goodness: f32) -> Color32 {
    let at = goodness.clamp(0.0, 1.0) * (RAMP.len() - 1) as f32;
    let low = (at.floor() as usize).min(RAMP.len() - 2);
    let [from, to] = [RAMP[low], RAMP[low + 1]].map(|[r, g, b]| Color32::from_rgb(r, g, b));
    from.lerp_to_gamma(to, at - low as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_and_back_is_the_same_colour() {
        for color in [[0, 0, 0], [255, 255, 255], [86, 180, 233], [213, 94, 0], [1, 2, 3]] {
            let color = Color32::from_rgb(color[0], color[1], color[2]);
            assert_eq!(from_lab(to_lab(color)), color);
        }
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-3);
    }

    #[test]
    fn better_costs_are_brighter_without_a_dip() {
        let lightness: Vec<f32> = (0..=50).map(|i| to_lab(cost_ramp(i as f32 / 50.0))[0]).collect();
        assert!(lightness.windows(2).all(|pair| pair[1] > pair[0]));
    }
}

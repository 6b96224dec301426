//! How numbers are written: three significant digits, a real minus sign, units always.

use std::time::Duration;

/// A typographic minus is as wide as a figure and a plus; a hyphen is not.
const MINUS: char = '\u{2212}';

/// Three significant digits: `0.973`, `12.3`, `−1.50`, `12 300`, `1.20e−5`. Not finite: an en dash.
pub fn sig3(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    let text = match magnitude {
        ..-3 | 7.. => format!("{value:.2e}"),
        -3..3 => {
            // Rounding may carry into the next magnitude: 0.99999 is 1.00, not 1.000.
            let decimals = (2 - magnitude).max(0);
            let carried = (value.abs() * 10f64.powi(decimals)).round() >= 10f64.powi(magnitude + 1 + decimals);
            let decimals = if carried { (decimals - 1).max(0) } else { decimals };
            format!("{value:.*}", decimals as usize)
        }
        _ => {
            let unit = 10f64.powi(magnitude - 2);
            grouped(((value / unit).round() * unit) as i64)
        }
    };
    text.replace('-', &MINUS.to_string())
}

/// A fixed number of decimals, for columns and curves that must not dance.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.decimals$}");
    let zero = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
    if zero {
        text.trim_start_matches('-').to_owned()
    } else {
        text.replace('-', &MINUS.to_string())
    }
}

/// An integer in groups of three.
pub fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    if value < 0 {
        out.push(MINUS);
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            // A thin, unbreakable gap.
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `0.84 s`, `12.3 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs_f64();
    if secs < 0.9995 {
        format!("{:.0} ms", secs * 1e3)
    } else if secs < 59.95 {
        format!("{secs:.1} s")
    } else if secs < 3600.0 {
        let whole = secs.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        let minutes = (secs / 60.0).round() as u64;
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    }
}

/// `812 MB`, `1.21 GB`; powers of ten.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{} MB", bytes / 1_000_000)
    } else {
        format!("{:.2} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_at_every_magnitude() {
        let cases = [
            (0.0, "0"),
            (0.973_4, "0.973"),
            (0.999_9, "1.00"),
            (-1.5, "−1.50"),
            (12.345, "12.3"),
            (99.96, "100"),
            (123.4, "123"),
            (999.9, "1000"),
            (12_345.0, "12\u{202f}300"),
            (0.001_234, "0.00123"),
            (0.000_012, "1.20e−5"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(sig3(value), text, "{value}");
        }
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-0.25, 2), "−0.25");
    }

    #[test]
    fn times_carry_over() {
        let secs = |secs| duration(Duration::from_secs_f64(secs));
        assert_eq!(
            (secs(0.84), secs(59.96), secs(200.0)),
            ("840 ms".into(), "1 min 00 s".into(), "3 min 20 s".into())
        );
        assert_eq!(secs(7500.0), "2 h 05 min");
    }
}

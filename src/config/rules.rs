//! The kinds of rules that the numbers of a configuration are held to; which number has which stands in [`super::validate`].

use std::fmt::Display;

use super::{ConfigError, Stem};

/// Largest number of pixels, channels, layers or tokens along one axis: a typing mistake beyond it would only run the
/// machine out of memory.
pub(super) const MAX_SIZE: usize = 1 << 20;
/// Largest number of training steps.
pub(super) const MAX_STEPS: usize = 1_000_000_000;

/// Collects the rules that are broken. A comparison with NaN is false, so every rule says what must hold.
pub(super) struct Rules<'a> {
    source_name: &'a str,
    pub found: Vec<ConfigError>,
}

impl<'a> Rules<'a> {
    pub fn new(source_name: &'a str) -> Self {
        Self {
            source_name,
            found: Vec::new(),
        }
    }

    pub fn expect(&mut self, field: &str, value: impl Display, holds: bool, expected: impl Into<String>) {
        if !holds {
            self.found.push(ConfigError::Value {
                source_name: self.source_name.to_owned(),
                field: field.to_owned(),
                value: value.to_string(),
                expected: expected.into(),
            });
        }
    }

    pub fn whole(&mut self, field: &str, value: usize, from: usize, to: usize) {
        self.expect(field, value, (from..=to).contains(&value), format!("{from} to {to}"));
    }

    pub fn size(&mut self, field: &str, value: usize) {
        self.whole(field, value, 1, MAX_SIZE);
    }

    /// A learning rate, temperature or scale.
    pub fn rate(&mut self, field: &str, value: f64) {
        self.expect(
            field,
            value,
            value.is_finite() && value > 0.0,
            "a finite number above 0",
        );
    }

    /// The weight of a loss, or a decay.
    pub fn weight(&mut self, field: &str, value: f64) {
        self.expect(
            field,
            value,
            value.is_finite() && value >= 0.0,
            "a finite number, 0 or more",
        );
    }

    pub fn share(&mut self, field: &str, value: f64) {
        self.expect(field, value, (0.0..=1.0).contains(&value), "a share, 0 to 1");
    }

    pub fn interval(&mut self, field: &str, (from, to): (f64, f64), least: f64, most: f64) {
        let holds = from >= least && from <= to && to <= most;
        let least = if least == f64::MIN_POSITIVE {
            "above 0".to_owned()
        } else {
            format!("from {least}")
        };
        self.expect(
            field,
            format!("({from}, {to})"),
            holds,
            format!("two numbers, the first not larger, {least} to {most}"),
        );
    }

    pub fn patches(&mut self, part: &str, image_size: usize, patch_size: usize) {
        self.size(&format!("{part}.image_size"), image_size);
        self.expect(
            &format!("{part}.patch_size"),
            patch_size,
            patch_size >= 1 && image_size.is_multiple_of(patch_size),
            format!("a divisor of {part}.image_size ({image_size})"),
        );
    }

    pub fn heads(&mut self, field: &str, heads: usize, dim: usize) {
        self.expect(
            field,
            heads,
            heads >= 1 && dim.is_multiple_of(heads),
            format!("a divisor of the width ({dim})"),
        );
    }

    pub fn schedule(&mut self, stage: &str, steps: usize, warmup_steps: usize) {
        self.whole(&format!("{stage}.steps"), steps, 0, MAX_STEPS);
        let field = if stage == "train.stage1" {
            "lr.warmup_steps"
        } else {
            "warmup_steps"
        };
        self.expect(
            &format!("{stage}.{field}"),
            warmup_steps,
            warmup_steps <= steps,
            format!("0 to {stage}.steps ({steps})"),
        );
    }

    /// A stem must leave exactly one token a patch, `dim` wide.
    pub fn stem(&mut self, field: &str, stem: &Stem, patch_size: usize, dim: usize) {
        let Stem::Conv(layers) = stem else { return };
        for (i, &(channels, kernel, stride)) in layers.iter().enumerate() {
            self.size(&format!("{field}[{i}].channels"), channels);
            self.size(&format!("{field}[{i}].stride"), stride);
            // With a padding of 1, only these kernels turn `n * stride` pixels into exactly `n`.
            let widest = stride.saturating_add(2);
            self.expect(
                &format!("{field}[{i}].kernel"),
                kernel,
                (3..=widest).contains(&kernel),
                format!("3 to {widest} at stride {stride}"),
            );
        }
        let strides = layers
            .iter()
            .fold(1usize, |product, layer| product.saturating_mul(layer.2));
        self.expect(
            field,
            format!("a stem whose strides multiply to {strides}"),
            strides == patch_size,
            format!("a product of {patch_size}, the patch size"),
        );
        let last = layers.last().map_or(0, |layer| layer.0);
        self.expect(
            field,
            format!("a stem whose last layer has {last} channels"),
            last == dim,
            format!("{dim}, the width of a token"),
        );
    }
}

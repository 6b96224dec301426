//! What changes with the step: learning rate and EMA momentum. Nothing here knows the clock.

use std::f64::consts::PI;

/// Linear warm-up to `peak`, then a cosine down to `floor * peak` at the last step.
pub fn learning_rate(step: usize, steps: usize, warmup: usize, peak: f64, floor: f64) -> f64 {
    let warm = if warmup == 0 {
        1.0
    } else {
        ((step + 1) as f64 / warmup as f64).min(1.0)
    };
    peak * warm * (floor + (1.0 - floor) * cosine(step, steps))
}

/// EMA momentum `tau`: cosine from `from` to `to` (method, 4.2).
pub fn ema_momentum(step: usize, steps: usize, (from, to): (f64, f64)) -> f64 {
    to - (to - from) * cosine(step, steps)
}

/// 1 at the first step, 0 at the last.
fn cosine(step: usize, steps: usize) -> f64 {
    let done = (step as f64 / steps.max(1) as f64).min(1.0);
    0.5 * (1.0 + (PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_warms_up_and_falls_to_its_floor() {
        assert!((learning_rate(0, 1000, 100, 1.0, 0.1) - 0.01).abs() < 1e-9);
        assert!(learning_rate(99, 1000, 100, 1.0, 0.1) > 0.95);
        assert!((learning_rate(1000, 1000, 100, 1.0, 0.1) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn momentum_runs_from_first_to_last() {
        assert!((ema_momentum(0, 500, (0.996, 1.0)) - 0.996).abs() < 1e-12);
        assert!((ema_momentum(500, 500, (0.996, 1.0)) - 1.0).abs() < 1e-12);
    }
}

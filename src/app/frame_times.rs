//! How long the window takes for a frame: a ring of the newest times and their percentiles, and what tessellation costs.

use std::time::Instant;

use egui::epaint::ClippedShape;
use egui::{Context, LayerId};

/// The newest frame times, seconds.
#[derive(Clone, Debug)]
pub struct FrameTimes {
    ring: Vec<f32>,
    next: usize,
    capacity: usize,
}

impl FrameTimes {
    pub fn new(capacity: usize) -> Self {
        Self {
            ring: Vec::with_capacity(capacity),
            next: 0,
            capacity: capacity.max(1),
        }
    }

    pub fn push(&mut self, secs: f32) {
        if self.ring.len() < self.capacity {
            self.ring.push(secs);
        } else {
            self.ring[self.next] = secs;
        }
        self.next = (self.next + 1) % self.capacity;
    }

    pub fn len(&self) -> usize {
        self.ring.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Mean of the times that are kept.
    pub fn mean_secs(&self) -> Option<f64> {
        let sum: f64 = self.ring.iter().map(|&secs| f64::from(secs)).sum();
        (!self.ring.is_empty()).then(|| sum / self.ring.len() as f64)
    }

    /// The time that this share of the frames stays under or at, milliseconds (nearest rank).
    pub fn percentile_ms(&self, share: f64) -> Option<f64> {
        let mut sorted = self.ring.clone();
        sorted.sort_by(f32::total_cmp);
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted
            .get(rank.min(sorted.len()).checked_sub(1)?)
            .map(|&secs| f64::from(secs) * 1e3)
    }
}

/// Seconds to tessellate what was laid out in this frame so far. The work is done once more for the measurement, so it
/// is for a frame now and then.
pub fn tessellation_secs(ctx: &Context) -> f32 {
    let mut layers: Vec<LayerId> = ctx.memory(|memory| memory.layer_ids().collect());
    if !layers.contains(&LayerId::background()) {
        layers.push(LayerId::background());
    }
    let shapes: Vec<ClippedShape> = ctx.graphics(|graphics| {
        layers
            .iter()
            .filter_map(|layer| graphics.get(*layer))
            .flat_map(|list| list.all_entries().cloned())
            .collect()
    });
    let pixels_per_point = ctx.pixels_per_point();
    let begun = Instant::now();
    let meshes = ctx.tessellate(shapes, pixels_per_point);
    let secs = begun.elapsed().as_secs_f32();
    std::hint::black_box(meshes);
    secs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_newest_frames_alone() {
        let mut times = FrameTimes::new(100);
        assert_eq!((times.percentile_ms(0.95), times.mean_secs()), (None, None));
        for _ in 0..50 {
            times.push(9.0);
        }
        for i in 1..=100 {
            times.push(i as f32 * 1e-3);
        }
        let ms = |share| times.percentile_ms(share).map(f64::round);
        assert_eq!(
            (ms(0.5), ms(0.95), ms(1.0), times.len()),
            (Some(50.0), Some(95.0), Some(100.0), 100)
        );
        let mean = times.mean_secs().unwrap();
        assert!((mean - 0.0505).abs() < 1e-6, "{mean}");
    }
}

//! One curve of a run, kept so that a million points are drawn from a few thousand.

use std::ops::{Range, RangeInclusive};

/// Points or buckets that make one bucket of the next level.
const FAN: usize = 8;

/// A stretch of a curve: where it lies and the values in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// First and last x.
    pub x: [f64; 2],
    /// Lowest and highest value.
    pub y: [f64; 2],
    pub mean: f64,
}

/// One curve, with its extremes over ever longer stretches: level k holds one bucket for every 8^k points.
#[derive(Clone, Debug, Default)]
pub struct Series {
    points: Vec<[f64; 2]>,
    levels: Vec<Vec<Stretch>>,
}

impl Series {
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Every point, in the order of its steps.
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub fn first(&self) -> Option<[f64; 2]> {
        self.points.first().copied()
    }

    pub fn last(&self) -> Option<[f64; 2]> {
        self.points.last().copied()
    }

    /// The point whose x is nearest.
    pub fn nearest(&self, x: f64) -> Option<[f64; 2]> {
        let after = self.points.partition_point(|point| point[0] < x);
        let around = self
            .points
            .get(after.saturating_sub(1)..(after + 1).min(self.points.len()))?;
        around
            .iter()
            .copied()
            .min_by(|a, b| (a[0] - x).abs().total_cmp(&(b[0] - x).abs()))
    }

    /// Adds a point. One that does not lie after the last (a resumed run repeats steps) replaces what it overtakes.
    pub fn push(&mut self, x: f64, y: f64) {
        self.overtake(x);
        self.points.push([x, y]);
        let mut len = self.points.len();
        let mut level = 0;
        while len.is_multiple_of(FAN) {
            let bucket = self.summary(level, len - FAN..len);
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(bucket);
            len = self.levels[level].len();
            level += 1;
        }
    }

    /// Drops what lies at `x` and after it.
    pub fn overtake(&mut self, x: f64) {
        if self.points.last().is_some_and(|last| last[0] >= x) {
            self.truncate(self.points.partition_point(|point| point[0] < x));
        }
    }

    fn truncate(&mut self, mut len: usize) {
        self.points.truncate(len);
        for level in &mut self.levels {
            len /= FAN;
            level.truncate(len);
        }
    }

    /// One bucket over a range of level `level - 1` (of the points for level 0).
    fn summary(&self, level: usize, range: Range<usize>) -> Stretch {
        let empty = [f64::INFINITY, f64::NEG_INFINITY];
        let mut all = Stretch {
            x: empty,
            y: empty,
            mean: 0.0,
        };
        for index in range {
            let part = self.bucket(level, index);
            all.x = [all.x[0].min(part.x[0]), all.x[1].max(part.x[1])];
            all.y = [all.y[0].min(part.y[0]), all.y[1].max(part.y[1])];
            // Every part stands for as many points as the next.
            all.mean += part.mean / FAN as f64;
        }
        all
    }

    /// What lies at an index of level `level`, where 0 is the points themselves.
    fn bucket(&self, level: usize, index: usize) -> Stretch {
        match level {
            0 => {
                let [x, y] = self.points[index];
                Stretch {
                    x: [x; 2],
                    y: [y; 2],
                    mean: y,
                }
            }
            level => self.levels[level - 1][index],
        }
    }

    /// The curve over a range of x in at most about `most` stretches. Each knows its extremes, so that no spike is lost;
    /// short enough ranges come as their points.
    pub fn decimated(&self, x: RangeInclusive<f64>, most: usize) -> Vec<Stretch> {
        self.stretches(self.within(x), most)
    }

    /// The points over a range of x, and one beyond either edge, so that a line runs out of the picture and does not stop
    /// in it.
    pub fn within(&self, x: RangeInclusive<f64>) -> Range<usize> {
        let before = self.points.partition_point(|point| point[0] < *x.start());
        let until = self.points.partition_point(|point| point[0] <= *x.end());
        let end = (until + 1).min(self.points.len());
        before.saturating_sub(1).min(end)..end
    }

    /// These points in at most about `most` stretches.
    pub fn stretches(&self, points: Range<usize>, most: usize) -> Vec<Stretch> {
        let (mut longest, mut width) = (0, 1);
        while points.len() / width > most.max(FAN) {
            (longest, width) = (longest + 1, width * FAN);
        }
        let mut out = Vec::new();
        let mut at = points.start;
        while at < points.end {
            // Long buckets begin and end with short ones, down to points: what lies beyond either end is no part of it.
            let (mut level, mut width) = (longest, width);
            while level > 0 && (!at.is_multiple_of(width) || at + width > points.end) {
                (level, width) = (level - 1, width / FAN);
            }
            out.push(self.bucket(level, at / width));
            at += width;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_points_are_drawn_from_a_few_thousand_and_no_spike_is_lost() {
        let mut series = Series::default();
        for step in 0..1_000_000 {
            let spike = if step == 654_321 { 1e3 } else { 0.0 };
            series.push(f64::from(step), (f64::from(step) * 1e-3).sin() + spike);
        }
        let curve = series.decimated(0.0..=1e6, 1000);
        assert!(curve.len() <= 1040, "{}", curve.len());
        assert!(curve.iter().any(|stretch| stretch.y[1] > 999.0));
        assert_eq!((curve[0].x[0], curve[curve.len() - 1].x[1]), (0.0, 999_999.0));
        assert!(curve.windows(2).all(|pair| pair[0].x[1] < pair[1].x[0]));
        assert!(
            curve
                .iter()
                .all(|stretch| stretch.y[0] <= stretch.mean && stretch.mean <= stretch.y[1])
        );
        let close = series.decimated(654_300.0..=654_340.0, 1000);
        let spike = [1e3 + 654.321f64.sin(); 2];
        assert!(
            close.len() < 50
                && close
                    .iter()
                    .any(|stretch| stretch.x[0] == 654_321.0 && stretch.y == spike)
        );
    }

    #[test]
    fn stretches_are_of_their_points_and_of_no_others() {
        let mut series = Series::default();
        for step in 0..5000 {
            series.push(f64::from(step), f64::from(step));
        }
        for range in [0..5000, 1..4999, 63..65, 700..3001, 4990..5000, 12..12] {
            for most in [8, 100, 10_000] {
                let stretches = series.stretches(range.clone(), most);
                assert!(stretches.len() <= most + 60, "{} of {range:?}", stretches.len());
                let mut next = range.start as f64;
                for stretch in stretches {
                    assert_eq!(stretch.x[0], next, "{range:?}");
                    assert_eq!(stretch.mean, 0.5 * (stretch.x[0] + stretch.x[1]));
                    next = stretch.x[1] + 1.0;
                }
                assert_eq!(next, range.end as f64);
            }
        }
        assert_eq!(series.within(100.0..=200.0), 99..202);
        assert_eq!(series.within(9000.0..=9001.0), 4999..5000);
        assert_eq!(series.within(-5.0..=-1.0), 0..1);
    }

    #[test]
    fn a_resumed_run_overwrites_the_steps_it_repeats() {
        let mut series = Series::default();
        for step in 0..1000 {
            series.push(f64::from(step), 1.0);
        }
        for step in 500..700 {
            series.push(f64::from(step), 2.0);
        }
        assert_eq!((series.len(), series.last()), (700, Some([699.0, 2.0])));
        let mut fresh = Series::default();
        for step in 0..700 {
            fresh.push(f64::from(step), if step < 500 { 1.0 } else { 2.0 });
        }
        assert_eq!(series.levels, fresh.levels);
    }

    #[test]
    fn the_nearest_point_is_on_either_side() {
        let mut series = Series::default();
        assert_eq!(series.nearest(3.0), None);
        for step in [10.0, 20.0, 30.0] {
            series.push(step, step);
        }
        for (x, nearest) in [(-5.0, 10.0), (14.0, 10.0), (16.0, 20.0), (30.0, 30.0), (99.0, 30.0)] {
            assert_eq!(series.nearest(x), Some([nearest; 2]), "{x}");
        }
    }
}

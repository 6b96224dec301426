//! One run's curve in a chart: where its points lie on axes of steps or seconds, even or logarithmic, decimated to what the
//! eye tells apart, and smoothed.

use std::ops::Range;
use std::path::Path;

use egui::Stroke;
use egui_plot::{FilledArea, Line, MarkerShape, PlotPoints, PlotUi, Points};

use crate::engine::{Run, Series, Stretch, run_name};
use crate::ui::Palette;

/// A run that is drawn, and the number of its colour.
pub(super) type Drawn<'a> = (&'a Path, &'a Run, usize);

/// How all charts are drawn.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub by_time: bool,
    pub log_x: bool,
    pub logarithmic: bool,
    pub smoothing: f64,
}

impl Style {
    pub fn scale(self, value: f64) -> f64 {
        if self.logarithmic {
            value.max(1e-12).log10()
        } else {
            value
        }
    }

    pub fn unscale(self, value: f64) -> f64 {
        if self.logarithmic { 10f64.powf(value) } else { value }
    }

    /// Steps or seconds at a step of a run; none where the run does not know its time.
    fn progress(self, run: &Run, step: f64) -> Option<f64> {
        if self.by_time { run.secs_at(step) } else { Some(step) }
    }

    /// Steps or seconds at a place of the x axis.
    pub fn progress_at(self, x: f64) -> f64 {
        if self.log_x { 10f64.powf(x) } else { x }
    }

    /// Where a step of a run lies on the x axis; none where the run does not know its time, or the axis has no such place.
    pub fn x(self, run: &Run, step: f64) -> Option<f64> {
        let progress = self.progress(run, step)?;
        if self.log_x {
            (progress > 0.0).then(|| progress.log10())
        } else {
            Some(progress)
        }
    }

    pub fn step(self, run: &Run, x: f64) -> Option<f64> {
        let progress = self.progress_at(x);
        if self.by_time {
            run.step_at(progress)
        } else {
            Some(progress)
        }
    }

    /// Values of a curve that lie at or below zero of a logarithmic x axis.
    pub fn left_out(self, run: &Run, name: &str) -> usize {
        let points = run.series.get(name).map_or(&[][..], Series::points);
        let marks = run.not_finite.get(name).map_or(&[][..], Vec::as_slice);
        let below = |step: f64| self.progress(run, step).is_some_and(|progress| progress <= 0.0);
        if self.log_x {
            points.partition_point(|point| below(point[0])) + marks.partition_point(|&step| below(step))
        } else {
            0
        }
    }
}

/// One run's curve in a chart.
pub(super) fn curve(
    plot: &mut PlotUi<'_>,
    p: &Palette,
    name: &str,
    (path, run, color): Drawn<'_>,
    style: Style,
    most: usize,
) {
    let color = p.sub_goal(color);
    // Before the first layout the plot has no bounds: then all of the curve is wanted.
    let bounds = plot.plot_bounds();
    let ends = (style.step(run, bounds.min()[0]), style.step(run, bounds.max()[0]));
    let range = match ends {
        (Some(from), Some(to)) if !plot.auto_bounds().x => from..=to,
        _ => f64::MIN..=f64::MAX,
    };
    let title = format!("{name} of {}", run_name(path));
    if let Some(series) = run.series.get(name) {
        let points = series.within(range.clone());
        let stretches = decimated(series, points.clone(), style, most);
        let at = |stretch: &Stretch| style.x(run, middle(stretch));
        let seen: Vec<(f64, &Stretch)> = stretches
            .iter()
            .filter_map(|stretch| Some((at(stretch)?, stretch)))
            .collect();
        if seen.iter().any(|(_, stretch)| stretch.y[0] < stretch.y[1]) {
            let xs: Vec<f64> = seen.iter().map(|(x, _)| *x).collect();
            let low: Vec<f64> = seen.iter().map(|(_, stretch)| style.scale(stretch.y[0])).collect();
            let high: Vec<f64> = seen.iter().map(|(_, stretch)| style.scale(stretch.y[1])).collect();
            let area = FilledArea::new(format!("{title}, lowest to highest"), &xs, &low, &high);
            plot.add(area.fill_color(color.gamma_multiply(0.2)).allow_hover(false));
        }
        let mean: PlotPoints<'_> = seen
            .iter()
            .map(|(x, stretch)| [*x, style.scale(stretch.mean)])
            .collect();
        let raw = if style.smoothing > 0.0 {
            Stroke::new(0.8, color.gamma_multiply(0.45))
        } else {
            Stroke::new(1.4, color)
        };
        plot.line(Line::new(title.clone(), mean).stroke(raw).allow_hover(false));
        if style.smoothing > 0.0 {
            let smooth = smoothed_over(series, &stretches, points.start, style.smoothing, most);
            let smooth: PlotPoints<'_> = smooth
                .iter()
                .filter_map(|[step, value]| Some([style.x(run, *step)?, style.scale(*value)]))
                .collect();
            let line = Line::new(format!("{title}, smoothed"), smooth);
            plot.line(line.stroke(Stroke::new(1.8, color)).allow_hover(false));
        }
    }
    let marks = run.not_finite.get(name).map_or(&[][..], Vec::as_slice);
    let marks = apart(marks, &range, most);
    if !marks.is_empty() {
        let beside = |step: f64| run.series.get(name).and_then(|series| series.nearest(step));
        let points: PlotPoints<'_> = marks
            .into_iter()
            .filter_map(|step| {
                Some([
                    style.x(run, step)?,
                    style.scale(beside(step).map_or(1.0, |point| point[1])),
                ])
            })
            .collect();
        let points = Points::new(format!("{title}, not a number"), points)
            .shape(MarkerShape::Cross)
            .radius(5.0)
            .color(p.bad);
        plot.points(points.allow_hover(false));
    }
}

fn middle(stretch: &Stretch) -> f64 {
    0.5 * (stretch.x[0] + stretch.x[1])
}

/// Steps within a range, so far apart that at most about `most` are left.
fn apart(steps: &[f64], range: &std::ops::RangeInclusive<f64>, most: usize) -> Vec<f64> {
    let from = steps.partition_point(|step| step < range.start());
    let to = steps.partition_point(|step| step <= range.end());
    let within = &steps[from.min(to)..to];
    let (Some(first), Some(last)) = (within.first(), within.last()) else {
        return Vec::new();
    };
    let gap = (last - first) / most.max(1) as f64;
    let mut kept: Vec<f64> = Vec::new();
    for &step in within {
        if kept.last().is_none_or(|before| step - before >= gap) {
            kept.push(step);
        }
    }
    kept
}

/// Points of a curve in about `most` stretches; on a logarithmic axis in as many for each doubling, since that is as wide as
/// the next one.
fn decimated(series: &Series, points: Range<usize>, style: Style, most: usize) -> Vec<Stretch> {
    /// Stretches of a doubling, at least.
    const LEAST: usize = 64;
    let all = &series.points()[points.clone()];
    let start = points.start + all.partition_point(|point| point[0] <= 0.0);
    let (Some(first), Some(last)) = (series.points()[start..points.end].first(), all.last()) else {
        return if style.log_x {
            Vec::new()
        } else {
            series.stretches(points, most)
        };
    };
    if !style.log_x {
        return series.stretches(points, most);
    }
    let doublings = (last[0] / first[0]).log2().ceil().max(1.0);
    let most = (most / doublings as usize).max(LEAST);
    let (mut stretches, mut at) = (Vec::new(), start);
    while at < points.end {
        let until = 2.0 * series.points()[at][0];
        let end = at + series.points()[at..points.end].partition_point(|point| point[0] < until);
        stretches.extend(series.stretches(at..end, most));
        at = end;
    }
    stretches
}

/// The smoothed line over stretches that begin at point `first`. What lies before them is summed up on its own: however far
/// back a long smoothing reaches, the stretches stay as fine as they are.
fn smoothed_over(series: &Series, stretches: &[Stretch], first: usize, constant: f64, most: usize) -> Vec<[f64; 2]> {
    let start = stretches.first().map_or(f64::MIN, |stretch| stretch.x[0]);
    let before = series.within(start - 5.0 * constant..=start).start.min(first)..first;
    let mut all = series.stretches(before, most);
    let lead = all.len();
    all.extend_from_slice(stretches);
    smoothed(&all, constant).split_off(lead)
}

/// Steps and means with weights `exp(-(t - s) / constant)` over what lies at or before t: the same whether a stretch is one
/// point or a thousand.
fn smoothed(stretches: &[Stretch], constant: f64) -> Vec<[f64; 2]> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let mut before: Option<f64> = None;
    let mut line = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let step = middle(stretch);
        let passed = before.map_or(1.0, |before| step - before);
        let left = (-passed / constant).exp();
        sum = sum * left + stretch.mean * (1.0 - left);
        weight = weight * left + (1.0 - left);
        before = Some(step);
        line.push([step, sum / weight]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_line_is_the_same_over_points_and_over_stretches() {
        let mut series = Series::default();
        for step in 0..40_000u32 {
            let noise = if step % 2 == 0 { 0.5 } else { -0.5 };
            series.push(f64::from(step), 3.0 - f64::from(step) * 5e-5 + noise);
        }
        let fine = smoothed(&series.decimated(f64::MIN..=f64::MAX, 40_000), 800.0);
        let coarse = smoothed(&series.decimated(f64::MIN..=f64::MAX, 700), 800.0);
        assert!(coarse.len() < 900 && fine.len() == 40_000);
        for [step, value] in coarse.iter().skip(40) {
            let other = fine[*step as usize][1];
            assert!((value - other).abs() < 0.01, "{value} and {other} at {step}");
        }
        // A constant stays what it is from the first point on.
        let flat: Vec<Stretch> = series
            .decimated(0.0..=100.0, 200)
            .into_iter()
            .map(|stretch| Stretch { mean: 2.0, ..stretch })
            .collect();
        assert!(smoothed(&flat, 1e4).iter().all(|[_, value]| (value - 2.0).abs() < 1e-9));
    }

    #[test]
    fn a_long_smoothing_leaves_every_point_of_a_short_range() {
        let mut series = Series::default();
        for step in 0..40_000u32 {
            let noise = if step % 2 == 0 { 0.5 } else { -0.5 };
            series.push(f64::from(step), 3.0 - f64::from(step) * 5e-5 + noise);
        }
        let points = series.within(30_000.0..=30_020.0);
        let seen = series.stretches(points.clone(), 300);
        assert_eq!(seen.len(), 23, "each step, and one beyond either edge");
        let line = smoothed_over(&series, &seen, points.start, 1000.0, 300);
        let fine = smoothed(&series.stretches(0..40_000, 40_000), 1000.0);
        assert_eq!(line.len(), seen.len());
        for [step, value] in line {
            let other = fine[step as usize][1];
            assert!((value - other).abs() < 0.01, "{value} and {other} at {step}");
        }
    }

    #[test]
    fn marks_are_thinned_and_none_is_lost_among_few() {
        let few = [3.0, 500.0, 501.0];
        assert_eq!(apart(&few, &(0.0..=1e4), 600), few);
        assert_eq!(apart(&few, &(100.0..=500.0), 600), [500.0]);
        let all: Vec<f64> = (0..100_000).map(f64::from).collect();
        let kept = apart(&all, &(f64::MIN..=f64::MAX), 200);
        assert!((150..=202).contains(&kept.len()), "{}", kept.len());
        assert!(apart(&[], &(0.0..=1.0), 10).is_empty());
    }

    #[test]
    fn a_logarithmic_x_axis_has_every_decade_and_leaves_out_what_it_has_no_place_for() {
        let mut run = Run::default();
        for step in 0..1_000_000u32 {
            run.push("loss".to_owned(), f64::from(step), 1.0);
        }
        run.push("late".to_owned(), 5.0, 1.0);
        let mut style = Style {
            by_time: false,
            log_x: true,
            logarithmic: false,
            smoothing: 0.0,
        };
        let series = &run.series["loss"];
        let stretches = decimated(series, 0..series.len(), style, 300);
        assert!((300..700).contains(&stretches.len()), "{}", stretches.len());
        let xs: Vec<f64> = stretches
            .iter()
            .filter_map(|stretch| style.x(&run, middle(stretch)))
            .collect();
        assert_eq!(xs.len(), stretches.len());
        assert_eq!((xs[0], stretches[stretches.len() - 1].x[1]), (0.0, 999_999.0));
        for decade in 0..6 {
            let within = xs.iter().filter(|&&x| x.floor() as usize == decade).count();
            assert!(within >= 9, "{within} in decade {decade}");
        }
        assert_eq!((style.left_out(&run, "loss"), style.left_out(&run, "late")), (1, 0));
        assert_eq!((style.x(&run, 0.0), style.x(&run, 100.0)), (None, Some(2.0)));
        assert_eq!(style.step(&run, 3.0), Some(1000.0));
        style.log_x = false;
        assert_eq!((style.left_out(&run, "loss"), style.x(&run, 0.0)), (0, Some(0.0)));

        // Seconds: the clock of this run stands still for two steps.
        for (step, secs) in [(1.0, 0.0), (2.0, 0.0), (3.0, 10.0), (4.0, 90.0)] {
            run.push("secs".to_owned(), step, secs);
        }
        (style.by_time, style.log_x) = (true, true);
        assert_eq!(style.left_out(&run, "secs"), 2);
        assert_eq!((style.x(&run, 2.0), style.x(&run, 4.0)), (None, Some(2.0)));
        assert_eq!(style.step(&run, 1.0), Some(3.0));
    }
}

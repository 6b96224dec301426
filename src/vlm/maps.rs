//! Attention maps between patch grids (interfaces: "Maps"): mean 1 on both grids, resampled by area.

use crate::recording::AttentionMap;

/// The map of non-negative weights over the VLM's patches, on its own grid and on the world model's. Weights that are
/// all zero or not finite say nothing: they give the uniform map.
pub fn attention_map(weights: &[f32], grid: [usize; 2], model_grid: [usize; 2]) -> AttentionMap {
    let values = mean_one(weights.to_vec());
    let resampled = mean_one(resample(&values, grid, model_grid));
    AttentionMap {
        grid,
        values,
        model_grid,
        resampled,
    }
}

/// Each new cell is the mean of what it covers, so the mean over the frame stays. `values` is row-major, `[h, w]`.
pub fn resample(values: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let rows = overlaps(from[0], to[0]);
    let columns = overlaps(from[1], to[1]);
    let mut out = Vec::with_capacity(to[0] * to[1]);
    for row in &rows {
        for column in &columns {
            let mut sum = 0.0;
            for &(i, height) in row {
                for &(j, width) in column {
                    sum += f64::from(values[i * from[1] + j]) * height * width;
                }
            }
            out.push(sum as f32);
        }
    }
    out
}

/// For each of `to` equal parts of a line: which of `from` equal parts it covers, as shares of itself.
fn overlaps(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    // In units of 1 / (from * to) all borders are whole numbers.
    (0..to)
        .map(|cell| {
            let (start, end) = (cell * from, (cell + 1) * from);
            (start / to..end.div_ceil(to))
                .map(|part| {
                    (
                        part,
                        (end.min((part + 1) * to) - start.max(part * to)) as f64 / from as f64,
                    )
                })
                .collect()
        })
        .collect()
}

fn mean_one(mut values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
    if mean.is_finite() && mean > 0.0 {
        values.iter_mut().for_each(|v| *v = (f64::from(*v) / mean) as f32);
    } else {
        values.fill(1.0);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_stays_uniform() {
        for (from, to) in [([24, 24], [14, 14]), ([8, 8], [4, 4]), ([3, 5], [7, 2])] {
            let map = attention_map(&vec![0.25; from[0] * from[1]], from, to);
            assert!(map.values.iter().chain(&map.resampled).all(|v| (v - 1.0).abs() < 1e-6));
        }
    }

    #[test]
    fn mass_stays_where_it_is() {
        let mut weights = vec![0.0; 24 * 24];
        weights[5 * 24 + 20] = 3.0;
        let out = resample(&weights, [24, 24], [14, 14]);
        let mass = |values: &[f32], cells: usize| values.iter().sum::<f32>() / cells as f32;
        assert!((mass(&weights, 576) - mass(&out, 196)).abs() < 1e-6);
        // Patch (5, 20) spans rows 2.92..3.5 and columns 11.67..12.25 of the new grid.
        let at = |i: usize, j: usize| out[i * 14 + j];
        let total: f32 = out.iter().sum();
        assert!(((at(2, 11) + at(2, 12) + at(3, 11) + at(3, 12)) - total).abs() < 1e-5);
        assert!(at(3, 11) > at(2, 11) && at(3, 11) > at(3, 12));
    }

    #[test]
    fn halving_averages_four() {
        let out = resample(&[1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0], [2, 4], [1, 2]);
        assert_eq!(out, [2.5, 6.5]);
    }

    #[test]
    fn nothing_to_see_is_uniform() {
        assert_eq!(attention_map(&[0.0; 4], [2, 2], [1, 1]).values, [1.0; 4]);
        assert_eq!(attention_map(&[f32::NAN; 4], [2, 2], [1, 1]).resampled, [1.0]);
    }
}

//! Patch tokens as colours: their first three principal components, fitted over all frames of the episode that are
//! recorded, so that a colour means the same at every step.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, SymmetricEigen};

use super::LatentError;
use super::moment::Moment;
use crate::planner::cost::read;

/// Components, one for each of red, green and blue.
const COMPONENTS: usize = 3;
/// Standard deviations to either side that the colours span.
const SPAN: f64 = 2.0;

/// What is taken off the tokens first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Centre {
    /// The mean of all tokens: colours show what a patch holds, and where it lies.
    #[default]
    All,
    /// Each patch's own mean over the episode: colours show what has changed there.
    Patch,
}

/// Colours of a frame's patches.
#[derive(Clone, Debug, PartialEq)]
pub struct Patches {
    pub centre: Centre,
    /// Height and width.
    pub grid: [usize; 2],
    /// Red, green and blue of each patch, 0 to 1, row-major from the top left.
    pub rgb: Vec<[f32; 3]>,
    /// Share of the tokens' variance that each component holds.
    pub shares: [f64; 3],
    /// Frames that the components were fitted over.
    pub frames: usize,
}

pub(super) fn patches(moment: &mut Moment, centre: Centre) -> Result<Patches, LatentError> {
    moment.record()?;
    let all = moment.tokens(0..moment.recording.steps.len())?;
    let (frames, step) = (all.len(), moment.step);
    if centre == Centre::Patch && frames < 2 {
        return Err(LatentError::Nothing(
            "One frame alone shows no change. Choose What is there, or run a step.",
        ));
    }
    let [_, count, dim] = all[0].dims();
    let tokens = read(Tensor::cat(all, 0))?;
    let tokens: Vec<f64> = tokens.into_iter().map(f64::from).collect();
    if tokens.iter().any(|value| !value.is_finite()) {
        return Err(LatentError::Nothing(
            "The model gives numbers that are not finite for this episode.",
        ));
    }
    let principal = Principal::fit(&centred(tokens, [frames, count, dim], centre), dim);
    // The map's own grid has the right shape where the picture is not square.
    let side = (count as f64).sqrt().round() as usize;
    let maps = moment
        .recording
        .sub_goals
        .iter()
        .map(|sub_goal| sub_goal.map.model_grid);
    let grid = maps.into_iter().find(|grid| grid[0] * grid[1] == count);
    let grid = grid.unwrap_or(if side * side == count { [side, side] } else { [1, count] });
    let own = &principal.scores[step * count..(step + 1) * count];
    Ok(Patches {
        centre,
        grid,
        rgb: own.iter().map(|scores| principal.colour(*scores)).collect(),
        shares: principal.shares,
        frames,
    })
}

/// Takes the mean off tokens `[F, N, D]`.
fn centred(mut tokens: Vec<f64>, [frames, count, dim]: [usize; 3], centre: Centre) -> Vec<f64> {
    let groups = match centre {
        Centre::All => 1,
        Centre::Patch => count,
    };
    let mut means = vec![0.0; groups * dim];
    let weight = groups as f64 / (frames * count) as f64;
    for (at, row) in tokens.chunks_exact(dim).enumerate() {
        let mean = &mut means[at % groups * dim..(at % groups + 1) * dim];
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, value)| *mean += value * weight);
    }
    for (at, row) in tokens.chunks_exact_mut(dim).enumerate() {
        let mean = &means[at % groups * dim..(at % groups + 1) * dim];
        row.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
    }
    tokens
}

/// Principal components of centred rows.
struct Principal {
    /// Each row along the components.
    scores: Vec<[f64; COMPONENTS]>,
    /// Standard deviation along each.
    deviations: [f64; COMPONENTS],
    shares: [f64; COMPONENTS],
}

impl Principal {
    /// Of rows of `dim` numbers whose mean is zero. A component points where its largest entry is positive: a sign that
    /// stays when frames are added.
    fn fit(rows: &[f64], dim: usize) -> Self {
        let matrix = DMatrix::from_row_slice(rows.len() / dim, dim, rows);
        let count = matrix.nrows() as f64;
        let covariance = matrix.transpose() * &matrix / count;
        let total = covariance.trace();
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let mut fitted = Self {
            scores: vec![[0.0; COMPONENTS]; matrix.nrows()],
            deviations: [0.0; COMPONENTS],
            shares: [0.0; COMPONENTS],
        };
        for (component, &at) in order.iter().take(COMPONENTS).enumerate() {
            let variance = eigen.eigenvalues[at].max(0.0);
            fitted.deviations[component] = variance.sqrt();
            fitted.shares[component] = if total > 0.0 { variance / total } else { 0.0 };
            let vector = eigen.eigenvectors.column(at);
            let largest = vector
                .iter()
                .copied()
                .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
            let along = &matrix * vector * largest.signum();
            let scores = fitted.scores.iter_mut().zip(along.iter());
            scores.for_each(|(scores, &score)| scores[component] = score);
        }
        fitted
    }

    /// Half of the way up at the mean, all of it two standard deviations above.
    fn colour(&self, scores: [f64; COMPONENTS]) -> [f32; 3] {
        std::array::from_fn(|i| {
            let deviations = scores[i] / self.deviations[i].max(1e-12);
            (0.5 + 0.5 * deviations / SPAN).clamp(0.0, 1.0) as f32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points at +-2, +-1 and +-0.5 along three directions that stand at right angles to each other.
    fn rows() -> (Vec<f64>, [[f64; 4]; 3]) {
        let (s, t) = (0.5f64.sqrt(), 1.0 / 3.0f64.sqrt());
        let directions = [
            [s, s, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [s * t, -s * t, 0.0, (2.0f64 / 3.0).sqrt()],
        ];
        let rows = directions.iter().zip([2.0, 1.0, 0.5]).flat_map(|(direction, length)| {
            [length, -length]
                .into_iter()
                .flat_map(move |sign| direction.map(|value| value * sign))
        });
        (rows.collect(), directions)
    }

    #[test]
    fn components_of_a_known_covariance_come_back_with_their_variances() {
        let (rows, directions) = rows();
        let fitted = Principal::fit(&rows, 4);
        // Two of six rows lie along each: the variance is its squared length over three.
        for (component, length) in [2.0f64, 1.0, 0.5].into_iter().enumerate() {
            assert!((fitted.deviations[component] - length / 3.0f64.sqrt()).abs() < 1e-9);
            assert!((fitted.shares[component] - length * length / 5.25).abs() < 1e-9);
            // The largest entry of every direction is positive, so the signs are those above.
            let score = fitted.scores[2 * component][component];
            assert!(
                (score - length).abs() < 1e-9,
                "{component}: {score} along {:?}",
                directions[component]
            );
        }
        let colour = fitted.colour(fitted.scores[0]);
        assert!(
            (colour[0] - (0.5 + 0.25 * 3.0f32.sqrt())).abs() < 1e-6 && colour[1] == 0.5,
            "{colour:?}"
        );
    }

    #[test]
    fn a_patch_that_never_changes_has_no_colour_of_its_own_once_its_mean_is_off() {
        // Two frames of two patches: the first stays, the second moves.
        let tokens = vec![5.0, 1.0, 0.0, -1.0, 5.0, 1.0, 0.0, 1.0];
        let all = centred(tokens.clone(), [2, 2, 2], Centre::All);
        assert_eq!(all, [2.5, 0.5, -2.5, -1.5, 2.5, 0.5, -2.5, 0.5]);
        let own = centred(tokens, [2, 2, 2], Centre::Patch);
        assert_eq!(own, [0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]);
    }
}

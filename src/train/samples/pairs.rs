//! The matrix that InfoNCE works on (method, 4.7), of one fixed batch: which goal is nearest to which state.

use serde::{Deserialize, Serialize};

/// Cosines of K goals with K achieved states and S start states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// `scene: sub-goal` of each goal, `[K]`.
    pub labels: Vec<String>,
    /// Equal where two goals mean the same sub-goal of the same scene: they are no negatives of each other. `[K]`.
    pub identity: Vec<u64>,
    /// Columns: the K achieved states, then the S start states.
    pub columns: usize,
    /// `[K, K + S]`, row-major. Centred about the data's mean where planning compares states so.
    pub cosines: Vec<f32>,
    /// `tau_c`.
    pub temperature: f64,
}

impl Pairs {
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub fn cosine(&self, row: usize, column: usize) -> f32 {
        self.cosines
            .get(row * self.columns + column)
            .copied()
            .unwrap_or(f32::NAN)
    }

    /// Whether a column is no negative of a row, beside the row's own.
    pub fn is_equal(&self, row: usize, column: usize) -> bool {
        row != column && self.identity.get(row) == self.identity.get(column) && column < self.rows()
    }

    /// The place of each goal's own state among all that it is told from; 1 is the nearest. `[K]`.
    pub fn ranks(&self) -> Vec<usize> {
        let rank = |row: usize| {
            let own = self.cosine(row, row);
            let nearer = (0..self.columns)
                .filter(|&column| column != row && !self.is_equal(row, column) && self.cosine(row, column) > own);
            1 + nearer.count()
        };
        (0..self.rows()).map(rank).collect()
    }

    /// Share of goals that are nearest to their own state.
    pub fn found(&self) -> f64 {
        let ranks = self.ranks();
        ranks.iter().filter(|rank| **rank == 1).count() as f64 / ranks.len().max(1) as f64
    }

    /// Whether sizes fit one another.
    pub fn is_whole(&self) -> bool {
        let rows = self.rows();
        rows > 0 && self.identity.len() == rows && self.columns >= rows && self.cosines.len() == rows * self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_ranked_among_what_it_is_told_from() {
        let pairs = Pairs {
            labels: ["a", "b", "a again"].map(str::to_owned).to_vec(),
            identity: vec![1, 2, 1],
            columns: 4,
            // The last column is a start state.
            cosines: vec![
                0.5, 0.1, 0.9, 0.2, // its equal is nearer, which does not count
                0.8, 0.3, 0.1, 0.4, // two are nearer
                0.9, 0.1, 0.7, 0.8, // the start is nearer
            ],
            temperature: 0.07,
        };
        assert!(pairs.is_whole());
        assert_eq!(pairs.ranks(), [1, 3, 2]);
        assert!((pairs.found() - 1.0 / 3.0).abs() < 1e-12);
        assert!(pairs.is_equal(0, 2) && !pairs.is_equal(0, 0) && !pairs.is_equal(0, 3));
        let cut = Pairs { columns: 3, ..pairs };
        assert!(!cut.is_whole());
    }
}

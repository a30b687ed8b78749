//! A row between the cuts next to its level.

use crate::score::{log_likelihood, logistic};

/// The cuts next to a row's level: the log odds of being below each, where there is one.
pub(super) struct Beside {
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
}

impl Beside {
    /// Of a row with this linear predictor.
    pub(super) fn of(level: usize, thresholds: &[f64], predictor: f64) -> Self {
        let above = thresholds.get(level);
        let below = level.checked_sub(1).and_then(|at| thresholds.get(at));
        Self {
            above: above.map(|theta| theta - predictor),
            below: below.map(|theta| theta - predictor),
        }
    }

    /// Of each cut beside a row of this level its place, the slope of the kernel there, and what its
    /// size is multiplied with to be the curvature.
    pub(super) fn of_cuts(&self, level: usize) -> impl Iterator<Item = (usize, f64, f64)> {
        let above = self.above.map(|u| (level, logistic(-u), logistic(u)));
        // Below the lowest level there is no cut, and so no place of one.
        let cut = level.wrapping_sub(1);
        let below = self.below.map(|v| (cut, -logistic(v), logistic(-v)));
        above.into_iter().chain(below)
    }

    /// The part of the log-likelihood that the thresholds alone do not tell.
    pub(super) fn kernel(&self) -> f64 {
        let above = self.above.map_or(0.0, |u| log_likelihood(u, 1.0));
        let below = self.below.map_or(0.0, |v| log_likelihood(v, 0.0));
        above + below
    }
}

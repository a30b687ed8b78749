//! What of the likelihood follows from thresholds and the rows of each level
//! alone: the factor `1 - exp(-d)` of a level between two cuts that lie d
//! apart.
//!
//! ```text
//! log-likelihood   log(1 - exp -d)
//! slope by d       r = 1 / (exp d - 1)               + for the cut above, - for the cut below
//! curvature by d   s = r (1 + r) = exp d / (exp d - 1)^2
//! ```

use crate::linear::triangle;

/// Whether each threshold is above the one before it.
pub(super) fn in_order(thresholds: &[f64]) -> bool {
    thresholds.windows(2).all(|pair| match pair {
        [below, above] => below < above,
        _ => false,
    })
}

/// Slope and curvature of a level between two cuts.
pub(super) fn between(below: f64, above: f64) -> (f64, f64) {
    let r = 1.0 / libm::expm1(above - below);
    (r, r * (1.0 + r))
}

/// What the levels between two cuts add to log-likelihood, gradient and information of a fit.
pub(super) struct Known {
    pub(super) loglik: f64,
    /// Of each cut.
    pub(super) gradient: Vec<f64>,
    /// Of each cut with itself, and
    own: Vec<f64>,
    /// with the next one.
    next: Vec<f64>,
}

impl Known {
    /// At these thresholds, with that many rows at each level.
    pub(super) fn at(thresholds: &[f64], counts: &[u64]) -> Self {
        let cuts = thresholds.len();
        let mut known = Self {
            loglik: 0.0,
            gradient: vec![0.0; cuts],
            own: vec![0.0; cuts],
            next: vec![0.0; cuts],
        };
        // The first level lies below all cuts.
        let middle = counts.iter().skip(1);
        for ((at, pair), rows) in thresholds.windows(2).enumerate().zip(middle) {
            let [below, above] = *pair else { continue };
            let rows = *rows as f64;
            let (slope, curvature) = between(below, above);
            known.loglik += rows * libm::log(-libm::expm1(below - above));
            for (cut, sign) in [(at, -1.0), (at + 1, 1.0)] {
                if let Some(cell) = known.gradient.get_mut(cut) {
                    *cell += sign * rows * slope;
                }
                if let Some(cell) = known.own.get_mut(cut) {
                    *cell += rows * curvature;
                }
            }
            if let Some(cell) = known.next.get_mut(at) {
                *cell = -rows * curvature;
            }
        }
        known
    }

    /// The whole information, upper triangle, thresholds before columns, given the curvature that
    /// the sites added up: of each cut, of each cut and column, and of two columns.
    pub(super) fn information(
        &self,
        of_cuts: &[f64],
        mixed: &[f64],
        of_columns: &[f64],
    ) -> Vec<f64> {
        let cuts = self.own.len();
        let columns = mixed.len() / cuts.max(1);
        let mut cells = Vec::with_capacity(triangle(cuts + columns));
        let mut mixed = mixed.chunks(columns.max(1));
        for (at, (summed, own)) in of_cuts.iter().zip(&self.own).enumerate() {
            cells.push(summed + own);
            let next = self.next.get(at).copied();
            let later = cuts - at - 1;
            cells.extend(next.filter(|_| later > 0));
            cells.extend(std::iter::repeat_n(0.0, later.saturating_sub(1)));
            cells.extend(mixed.next().into_iter().flatten());
        }
        cells.extend(of_columns);
        cells
    }
}

/// The model without any column: the log odds of the shares of rows below each cut. Every level has
/// a row.
pub(super) fn beginning(counts: &[u64]) -> Vec<f64> {
    let rows: u64 = counts.iter().sum();
    let mut below = 0;
    let levels = counts.iter().take(counts.len().saturating_sub(1));
    levels
        .map(|level| {
            below += level;
            libm::log(below as f64 / (rows - below) as f64)
        })
        .collect()
}

/// Its log-likelihood.
pub(super) fn null(counts: &[u64]) -> f64 {
    let rows = counts.iter().sum::<u64>() as f64;
    counts.iter().fold(0.0, |sum, level| {
        let level = *level as f64;
        sum + level * libm::log(level / rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::diagonal;

    #[test]
    fn the_known_part_has_the_slopes_and_curvatures_of_its_likelihood() {
        let (counts, at) = ([4, 7, 2, 9], [-1.0, 0.25, 0.5]);
        let loglik = |moved: [f64; 3]| Known::at(&moved, &counts).loglik;
        let known = Known::at(&at, &counts);
        let moved = |cut: usize, by: f64| {
            let mut moved = at;
            moved[cut] += by;
            moved
        };
        let step = 1e-5;
        let full = known.information(&[0.0; 3], &[], &[]);
        assert_eq!(full.len(), 6);
        for (cut, place) in diagonal(3).enumerate() {
            let [up, down] = [step, -step].map(|by| loglik(moved(cut, by)));
            let slope = (up - down) / (2.0 * step);
            assert!((slope - known.gradient[cut]).abs() < 1e-6 * slope.abs());
            let curvature = (up + down - 2.0 * known.loglik) / (step * step);
            assert!((curvature + full[place]).abs() < 1e-3 * full[place]);
        }
        assert!(full[1] < 0.0 && full[2] == 0.0 && full[4] < 0.0);
    }

    #[test]
    fn the_model_of_the_shares_is_where_the_climb_begins() {
        let counts = [3, 1, 4];
        let start = beginning(&counts);
        assert_eq!(start, [libm::log(3.0 / 5.0), libm::log(4.0 / 4.0)]);
        assert!(in_order(&start) && !in_order(&[1.0, 1.0]) && in_order(&[0.0]));
        let want = 3.0 * (3.0_f64 / 8.0).ln() + (1.0_f64 / 8.0).ln() + 4.0 * 0.5_f64.ln();
        assert!((null(&counts) - want).abs() < 1e-12);
    }
}

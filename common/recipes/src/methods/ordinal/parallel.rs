//! Whether the odds are proportional: the score test of Peterson and Harrell
//! (1990, Applied Statistics 39, 205), for all columns together and for each
//! alone.
//!
//! The model is widened by slopes of its own for each cut, `theta_j - z
//! beta_j`. Score U and expected information I of it are summed at the fitted
//! point, where all beta_j are beta. With f = F (1 - F) at a cut and pi the
//! probability of a level,
//!
//! ```text
//! U_j            sum of (slope of the log-likelihood by the log odds of cut j) (1, -z)
//! I_jj           sum of f_j^2 (1 / pi below the cut + 1 / pi above it) (1, -z) (1, -z)'
//! I_j,j+1        - sum of f_j f_j+1 / pi between them                  (1, -z) (1, -z)'       and no others
//! all columns    U' I^-1 U                                            chi-square on p (m - 1) degrees of freedom
//! one column     the same of the model in which its slopes alone differ, on m - 1
//! ```
//!
//! The expected information has an inverse where columns do not depend on each
//! other. Where the wider model has a parameter for every cell of a table, the
//! test is Pearson's chi-square of it (the cheese of McCullagh and Nelder 1989,
//! 5.6: 20.94 on 21). SAS takes the observed information, with a generalised
//! inverse where it has none (17.29 there), so that its figure differs a
//! little.

use super::cuts::between;
use super::patients::Patients;
use super::row::Beside;
use crate::derivatives::add_square;
use crate::error::RecipeError;
use crate::linear::{Factor, dot, square, triangle};
use crate::moments::Moments;
use crate::rows::Values;
use crate::score::{log_likelihood, logistic};

/// Stands in a state for a test that cannot be told; a statistic is never negative.
pub(super) const UNKNOWN: f64 = -1.0;

/// `[ kernel | score of each cut | information of each cut, then of each two neighbours ]`, of two
/// levels the kernel alone.
pub(super) fn answer(
    patients: &Patients,
    moments: &Moments,
    thresholds: &[f64],
    slopes: &[f64],
) -> Vec<f64> {
    let cuts = thresholds.len();
    let terms = slopes.len() + 1;
    let mut kernel = 0.0;
    let mut score = vec![0.0; cuts * terms];
    let mut own = vec![0.0; cuts * triangle(terms)];
    let mut next = vec![0.0; cuts.saturating_sub(1) * triangle(terms)];
    let mut line = vec![1.0; terms];
    let pairs = thresholds.windows(2).filter_map(|pair| match pair {
        [below, above] => Some((between(*below, *above).0, -(below - above).exp_m1())),
        _ => None,
    });
    let (slopes_between, widths): (Vec<f64>, Vec<f64>) = pairs.unzip();
    patients.each(moments, |z, level| {
        let predictor = dot(z, slopes);
        let beside = Beside::of(level, thresholds, predictor);
        kernel += beside.kernel();
        if cuts < 2 {
            return;
        }
        for (cell, z) in line.iter_mut().skip(1).zip(z) {
            *cell = -z;
        }
        // The lowest and the highest level lie between no two cuts.
        let middle = level.checked_sub(1).and_then(|at| slopes_between.get(at));
        for (cut, slope) in slopes_of(level, &beside, middle.map_or(0.0, |slope| *slope)) {
            let cells = score.chunks_mut(terms).nth(cut);
            for (cell, value) in cells.into_iter().flatten().zip(&line) {
                *cell += slope * value;
            }
        }
        let odds: Vec<f64> = thresholds.iter().map(|theta| theta - predictor).collect();
        let (of_cuts, of_neighbours) = expected(&odds, &widths);
        for (cells, weight) in own.chunks_mut(triangle(terms)).zip(of_cuts) {
            add_square(cells, &line, weight);
        }
        for (cells, weight) in next.chunks_mut(triangle(terms)).zip(of_neighbours) {
            add_square(cells, &line, weight);
        }
    });
    if cuts < 2 {
        return vec![kernel];
    }
    [vec![kernel], score, own, next].concat()
}

/// The slopes of a row's log-likelihood by the log odds of the cuts next to its level; `between` is
/// that of a level between two cuts.
fn slopes_of(level: usize, beside: &Beside, between: f64) -> impl Iterator<Item = (usize, f64)> {
    let above = beside.above.map(|u| (level, logistic(-u) + between));
    let below = beside.below.zip(level.checked_sub(1));
    let below = below.map(|(v, cut)| (cut, -logistic(v) - between));
    above.into_iter().chain(below)
}

/// Expected information of a row by the log odds of each cut, and of each two neighbours; `widths`
/// are `1 - exp(-d)` of the levels between two cuts. Nothing else is divided by.
fn expected(odds: &[f64], widths: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut own: Vec<f64> = vec![0.0; odds.len()];
    let mut next = Vec::with_capacity(widths.len());
    // The lowest and the highest level: f^2 / F(u) = F(u) F(-u)^2.
    if let Some((cell, odds)) = own.first_mut().zip(odds.first()) {
        *cell += logistic(*odds) * logistic(-odds) * logistic(-odds);
    }
    if let Some((cell, odds)) = own.last_mut().zip(odds.last()) {
        *cell += logistic(*odds) * logistic(*odds) * logistic(-odds);
    }
    for ((at, pair), width) in odds.windows(2).enumerate().zip(widths) {
        let [v, u] = *pair else { continue };
        // pi = F(u) F(-v) width, and F(-u) F(v) = F(u) F(-v) exp(v - u).
        let lower = (log_likelihood(v, 1.0) - log_likelihood(u, 1.0)).exp();
        let upper = (log_likelihood(u, 0.0) - log_likelihood(v, 0.0)).exp();
        for (cut, value) in [
            (at, logistic(v) * logistic(-v) * lower),
            (at + 1, logistic(u) * logistic(-u) * upper),
        ] {
            if let Some(cell) = own.get_mut(cut) {
                *cell += value / width;
            }
        }
        next.push(-logistic(-u) * logistic(v) / width);
    }
    (own, next)
}

/// The statistic of all columns, then of each: from the sums behind the kernel.
pub(super) fn tests(
    values: &mut Values<'_>,
    cuts: usize,
    columns: usize,
) -> Result<Vec<f64>, RecipeError> {
    let terms = columns + 1;
    let wide = Wide {
        cuts,
        terms,
        score: values.take(cuts * terms)?.to_vec(),
        information: full(
            values.take(cuts * triangle(terms))?,
            values.take((cuts - 1) * triangle(terms))?,
            cuts,
            terms,
        ),
    };
    let all = statistic(&wide.score, &wide.information);
    let each = wide.of_columns();
    Ok(std::iter::once(all).chain(each).collect())
}

/// The whole information as a full square: blocks of each cut and of two neighbours.
fn full(own: &[f64], next: &[f64], cuts: usize, terms: usize) -> Vec<f64> {
    let size = cuts * terms;
    let mut cells = vec![0.0; size * size];
    let blocks = [(own, 0), (next, 1)];
    for (triangles, ahead) in blocks {
        for (cut, packed) in triangles.chunks(triangle(terms).max(1)).enumerate() {
            let block = square(packed, terms);
            let lines = block.chunks(terms.max(1)).enumerate();
            for (row, line) in lines {
                for (column, value) in line.iter().enumerate() {
                    let here = cut * terms + row;
                    let there = (cut + ahead) * terms + column;
                    for place in [here * size + there, there * size + here] {
                        if let Some(cell) = cells.get_mut(place) {
                            *cell = *value;
                        }
                    }
                }
            }
        }
    }
    cells
}

/// `u' M^-1 u` of a full square; [`UNKNOWN`] where M has no inverse.
fn statistic(u: &[f64], cells: &[f64]) -> f64 {
    let size = u.len();
    let lines = cells.chunks(size.max(1)).enumerate();
    let packed: Vec<f64> = lines
        .flat_map(|(row, line)| line.iter().skip(row).copied())
        .collect();
    let found = Factor::of(&packed, size, 0.0).map(|factor| dot(u, &factor.solve(u)));
    match found {
        Ok(statistic) if statistic.is_finite() => statistic.max(0.0),
        _ => UNKNOWN,
    }
}

/// Score and information of the model with slopes of its own for each cut.
struct Wide {
    cuts: usize,
    terms: usize,
    score: Vec<f64>,
    information: Vec<f64>,
}

impl Wide {
    /// A line of the information.
    fn line(&self, at: usize) -> &[f64] {
        let lines = self.information.chunks(self.score.len().max(1));
        lines.into_iter().nth(at).unwrap_or(&[])
    }

    /// A vector over the wide model seen along the directions of the fit: each threshold, and each
    /// column at all cuts together.
    fn narrow(&self, wide: &[f64]) -> Vec<f64> {
        let mut narrow = Vec::with_capacity(self.cuts + self.terms - 1);
        let mut slopes = vec![0.0; self.terms - 1];
        for block in wide.chunks(self.terms) {
            if let Some((threshold, own)) = block.split_first() {
                narrow.push(*threshold);
                slopes
                    .iter_mut()
                    .zip(own)
                    .for_each(|(sum, own)| *sum += own);
            }
        }
        narrow.extend(slopes);
        narrow
    }

    /// The information of the fit, packed.
    fn of_fit(&self) -> Vec<f64> {
        let lines = (0..self.score.len()).map(|at| self.narrow(self.line(at)));
        let lines: Vec<Vec<f64>> = lines.collect();
        let size = self.cuts + self.terms - 1;
        // Each of its columns seen along the same directions once more.
        let columns = (0..size).map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column).copied());
            self.narrow(&cells.collect::<Vec<f64>>())
        });
        let full = columns.enumerate();
        full.flat_map(|(row, line)| line.into_iter().skip(row))
            .collect()
    }

    /// The statistic of each column alone: what is left of its slopes at the cuts but the first
    /// beside the fit.
    fn of_columns(&self) -> Vec<f64> {
        let size = self.cuts + self.terms - 1;
        let Ok(factor) = Factor::of(&self.of_fit(), size, 0.0) else {
            return vec![UNKNOWN; self.terms - 1];
        };
        let fitted = self.narrow(&self.score);
        (1..self.terms)
            .map(|column| {
                let places: Vec<usize> = (1..self.cuts)
                    .map(|cut| cut * self.terms + column)
                    .collect();
                self.left(&factor, &fitted, &places)
            })
            .collect()
    }

    fn left(&self, factor: &Factor, fitted: &[f64], places: &[usize]) -> f64 {
        let seen: Vec<Vec<f64>> = places
            .iter()
            .map(|at| self.narrow(self.line(*at)))
            .collect();
        let solved: Vec<Vec<f64>> = seen.iter().map(|seen| factor.solve(seen)).collect();
        let score: Vec<f64> = places
            .iter()
            .zip(&solved)
            .filter_map(|(at, solved)| Some(self.score.get(*at)? - dot(solved, fitted)))
            .collect();
        let information: Vec<f64> = places
            .iter()
            .zip(&seen)
            .flat_map(|(at, seen)| {
                let line = self.line(*at);
                let cells = places.iter().zip(&solved);
                cells.filter_map(move |(other, solved)| Some(line.get(*other)? - dot(seen, solved)))
            })
            .collect();
        statistic(&score, &information)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_information_of_a_row_is_that_of_its_probabilities() {
        let odds = [-1.3, 0.2, 0.9];
        let f: Vec<f64> = odds.iter().map(|odds| logistic(*odds)).collect();
        let slope = |at: usize| f[at] * (1.0 - f[at]);
        let pi = [f[0], f[1] - f[0], f[2] - f[1], 1.0 - f[2]];
        let widths = [1.0 - f64::exp(-1.5), 1.0 - f64::exp(-0.7)];
        let (own, next) = expected(&odds, &widths);
        for at in 0..3 {
            let want = slope(at) * slope(at) * (1.0 / pi[at] + 1.0 / pi[at + 1]);
            assert!((own[at] / want - 1.0).abs() < 1e-13, "{at}");
        }
        for at in 0..2 {
            let want = -slope(at) * slope(at + 1) / pi[at + 1];
            assert!((next[at] / want - 1.0).abs() < 1e-13, "{at}");
        }
        // One cut is that of a logistic regression.
        let (own, next) = expected(&[0.7], &[]);
        assert!((own[0] - logistic(0.7) * logistic(-0.7)).abs() < 1e-15 && next.is_empty());
        // Far out nothing is divided by nothing.
        for far in [900.0, -900.0] {
            let (own, next) = expected(&[far, far + 1.0], &[1.0 - f64::exp(-1.0)]);
            assert!(own.iter().chain(&next).all(|value| value.is_finite()));
        }
    }
}

//! The knots of `ns(x, 3)`: quantiles of the column over all sites, found from counts before the
//! fit.
//!
//! ```text
//! sums    -> [ rows | sum x a column ]
//! spread  -> [ sum (x - mean)^2 a column ]
//! cells   -> [ rows in each cell ]                cells of sd / 4 between mean - 2 sd and mean + 2 sd, one on each side
//! parts   -> [ rows in parts of a cell ] ..       of the cells that hold a knot, until each is known well enough
//! ```
//!
//! **Where knots stand.** With d degrees of freedom the d - 1 inner knots are the quantiles 1/d,
//! 2/d, .. as in R's `splines::ns(x, df = d)`. R takes the smallest and the largest value as
//! boundary; those are single patients', so the boundary is at the quantiles 0.05 and 0.95, where
//! Harrell (Regression Modeling Strategies, 2nd ed. 2015, 2.4.6) puts the outer knots. Beyond it
//! the spline is straight and loses no patient.
//!
//! **No value is named.** A quantile with at least a twentieth of the rows on either side lies
//! within `mean +- sqrt(19) sd` (Cantelli's inequality), so the search begins within 5 sd and needs
//! no range; a value beyond counts in the outermost cell. A cell is looked into only where its
//! parts hold [`LEAST`] rows or more on average, and no further than to [`WELL`] of the distance
//! between the outer knots. A knot is then the number with the fewest digits in the interval that
//! is known to hold the quantile (R's type 7), so that heaped values give heaped knots; how wide
//! the interval is stands beside it.
//!
//! **What the sums show:** mean and standard deviation of the column, and how many patients lie in
//! each cell and part. In thin places a cell may hold one patient of all sites.
//!
//! Counts are whole numbers, and the cells are set by mean and sd rounded to few digits: rows at
//! other sites give the same knots, bit for bit. Rows of weight 0 do not count, other weights do
//! not matter.

use crate::error::{MOST_ROWS, RecipeError, Stuck};
use crate::methods::summary::quantile::{self, Target, WHAT};
use crate::moments::{Moments, Spread, counts, exact, limbs};
use crate::rows::Values;
use crate::spline::{Placed, rising};
use crate::windows::{PARTS, counting, histogram, spent, tally};
use motet_secagg::canonical;
use motet_secagg::layout::{Layout, Sum};
use ndarray::{Array2, ArrayView1};
use std::collections::BTreeMap;

/// Where the boundary stands, as a probability from either end.
const OUTER: f64 = 0.05;
/// Standard deviations from the mean within which the outer knots must lie.
const FAR: f64 = 5.0;
/// Standard deviations from the mean within which the first cells are narrow ..
const NEAR: f64 = 2.0;
/// .. and how many there are, if rows are not few.
const CELLS: usize = 16;
/// Rows that a cell or part must hold on average.
const LEAST: u64 = 5;
/// Intervals of this part of the distance between the outer knots are narrow enough: no curve can
/// tell.
const WELL: f64 = 0.01;
/// Rounds of narrowing, each to a 32nd: where outliers make the standard deviation so large that
/// these are not enough, most values are almost equal beside it.
const MOST_NARROWINGS: u32 = 6;

canonical! {
    /// How far the search has come.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Search {
        /// The means are asked for.
        1 => Sums,
        /// The standard deviations.
        2 => Spread(Moments),
        /// The first cells.
        3 => Cells(Moments),
        /// Parts of cells.
        4 => Parts(Narrowing),
    }
}

canonical! {
    /// Quantiles and the intervals they are known to lie in.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Narrowing {
        /// Rows, and mean and standard deviation of each column that is searched.
        pub moments: Moments,
        /// Rounds so far.
        pub rounds: u32,
        /// Order statistics; columns count among those that are searched.
        pub targets: Vec<Target>,
    }
}

/// What a sum of the search leads to.
pub(super) enum Found {
    On(Search),
    Knots(Vec<Placed>),
}

/// What is looked for: column of the design and degrees, each once.
pub(super) struct Sought(pub(super) Vec<(u32, u32)>);

impl Sought {
    /// The columns of the design that are searched.
    pub(super) fn columns(&self) -> Vec<u32> {
        let mut columns: Vec<u32> = self.0.iter().map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Probabilities of the knots of a column that is searched, all degrees.
    fn probabilities(&self, column: u32) -> impl Iterator<Item = f64> + '_ {
        self.0
            .iter()
            .filter(move |(own, _)| *own == column)
            .flat_map(|(_, degrees)| probabilities(*degrees))
    }

    /// The most numbers a site is asked for in each of the four steps.
    pub(super) fn vectors(&self) -> [usize; 4] {
        let columns = self.columns();
        let ranks: usize = columns
            .iter()
            .map(|column| 2 * self.probabilities(*column).count())
            .sum();
        [
            1 + columns.len(),
            2 * columns.len(),
            (CELLS + 2) * columns.len(),
            PARTS * ranks,
        ]
    }
}

/// Probabilities of the knots, rising.
fn probabilities(degrees: u32) -> Vec<f64> {
    let inner = (1..degrees).map(|at| f64::from(at) / f64::from(degrees));
    std::iter::once(OUTER)
        .chain(inner)
        .chain([1.0 - OUTER])
        .collect()
}

/// Parts of an interval that holds that many rows; 1 where it must not be divided.
fn parts(inside: u64) -> usize {
    let mut parts = PARTS;
    while parts > 1 && inside < LEAST * parts as u64 {
        parts /= 2;
    }
    parts
}

/// Edges of the first cells of a column. Sums of other sites may differ in their last bits: round
/// numbers do not.
fn edges(moments: &Moments, at: usize) -> Result<Vec<f64>, RecipeError> {
    let (Some(mean), Some(sd)) = (moments.mean.get(at), moments.sd.get(at)) else {
        return Err(RecipeError::Mismatch { what: "state" });
    };
    let mean = roundest(mean - 0.05 * sd, mean + 0.05 * sd);
    let sd = roundest(*sd, 1.1 * sd);
    let cells = narrow_cells(moments);
    let mut edges = vec![mean - FAR * sd];
    edges
        .extend((0..=cells).map(|at| mean + sd * (2.0 * NEAR * (at as f64 / cells as f64) - NEAR)));
    edges.push(mean + FAR * sd);
    debug_assert_eq!(edges.len() - 1, narrow_cells(moments) + 2);
    Ok(edges)
}

/// First cells of a column, but the outermost two.
fn narrow_cells(moments: &Moments) -> usize {
    parts(moments.rows).min(CELLS)
}

/// The values, those beyond the outermost edges upon them.
fn held(values: ArrayView1<'_, f64>, edges: &[f64]) -> ndarray::Array1<f64> {
    match edges {
        [low, .., high] => values.mapv(|x| x.max(*low).min(*high)),
        // Nothing lies beyond edges that are not there.
        _ => values.to_owned(),
    }
}

impl Search {
    pub(super) fn ask(&self, sought: &Sought, sites: u32) -> Layout {
        let columns = sought.columns().len();
        match self {
            Self::Sums => exact(vec![counts(1, MOST_ROWS), limbs(columns)]),
            Self::Spread(moments) => exact(vec![moments.ask_spread()]),
            Self::Cells(moments) => {
                let cells = columns * (narrow_cells(moments) + 2);
                counting(cells, sites, moments.rows)
            }
            Self::Parts(narrowing) => {
                let words = narrowing.windows().iter().map(|window| window.parts).sum();
                counting(words, sites, narrowing.moments.rows)
            }
        }
    }

    /// From the columns of the design and the weights of a site's rows.
    pub(super) fn answer(
        &self,
        sought: &Sought,
        x: &Array2<f64>,
        weight: ArrayView1<'_, f64>,
    ) -> Result<Vec<f64>, RecipeError> {
        let rows: Vec<usize> = (0..x.nrows())
            .filter(|row| weight.get(*row).is_some_and(|w| *w > 0.0))
            .collect();
        let columns: Vec<usize> = sought
            .columns()
            .iter()
            .map(|column| *column as usize)
            .collect();
        let x = x
            .select(ndarray::Axis(0), &rows)
            .select(ndarray::Axis(1), &columns);
        let by_column = x.columns().into_iter().enumerate();
        Ok(match self {
            Self::Sums => std::iter::once(x.nrows() as f64)
                .chain(x.columns().into_iter().map(|column| column.sum()))
                .collect(),
            Self::Spread(moments) => moments.answer_spread(x.view()),
            Self::Cells(moments) => {
                let mut counts = Vec::new();
                for (at, column) in by_column {
                    let edges = edges(moments, at)?;
                    let cells = histogram(held(column, &edges).view(), &edges);
                    // Nothing is below or above: what lies there is held upon the edges.
                    counts.extend(cells.into_iter().take(edges.len()).skip(1));
                }
                counts
            }
            Self::Parts(narrowing) => {
                let mut counts = Vec::new();
                for (at, column) in by_column {
                    counts.extend(narrowing.answer(at, column)?);
                }
                counts
            }
        })
    }

    pub(super) fn absorb(
        &self,
        sought: &Sought,
        sum: &Sum,
    ) -> Result<Result<Found, Stuck>, RecipeError> {
        let mut values = Values::of(sum);
        let columns = sought.columns();
        let next = match self {
            Self::Sums => {
                let rows = values.count("rows")?;
                let mean = values
                    .take(columns.len())?
                    .iter()
                    .map(|sum| sum / rows as f64)
                    .collect();
                if rows < 2 {
                    return Ok(Err(Stuck::TooFewRows));
                }
                Self::Spread(Moments::new(rows, 0, mean))
            }
            Self::Spread(moments) => {
                let squares = values.take(moments.units.len(columns.len()))?;
                match moments.absorb_spread(squares, sum.sites, moments.rows as f64) {
                    Ok(Spread::Known(moments)) => Self::Cells(moments),
                    Ok(Spread::Again(moments)) => Self::Spread(moments),
                    Err(stuck) => return Ok(Err(stuck)),
                }
            }
            Self::Cells(moments) => {
                let mut targets = Vec::new();
                for ((at, column), place) in (0_u32..).zip(&columns).zip(0..) {
                    let edges = edges(moments, place)?;
                    let cells = values.counts(edges.len() - 1, WHAT)?;
                    if cells.iter().sum::<u64>() != moments.rows {
                        return Err(RecipeError::Implausible { what: WHAT });
                    }
                    let ranks = sought.probabilities(*column).flat_map(|probability| {
                        let (low, high, _) = quantile::ranks(moments.rows, probability);
                        [(low, false), (high, false)]
                    });
                    targets.extend(quantile::within(
                        at,
                        &ranks.collect::<BTreeMap<_, _>>(),
                        0,
                        &cells,
                        &edges,
                    ));
                }
                Self::Parts(Narrowing {
                    moments: moments.clone(),
                    rounds: 0,
                    targets,
                })
            }
            Self::Parts(narrowing) => Self::Parts(narrowing.absorb(&mut values)?),
        };
        values.end()?;
        Ok(match next {
            Self::Parts(narrowing) if narrowing.windows().is_empty() => {
                narrowing.knots(sought, &columns).map(Found::Knots)
            }
            next => Ok(Found::On(next)),
        })
    }
}

/// An interval to look into.
#[derive(PartialEq)]
struct Window {
    column: u32,
    low: f64,
    high: f64,
    parts: usize,
}

impl Window {
    fn is_of(&self, target: &Target) -> bool {
        (self.column, self.low, self.high) == (target.column, target.low, target.high)
    }
}

impl Narrowing {
    /// The intervals of the next round, each once, rising.
    fn windows(&self) -> Vec<Window> {
        let mut windows = Vec::new();
        if self.rounds >= MOST_NARROWINGS {
            return windows;
        }
        for target in &self.targets {
            let mut of_column = self
                .targets
                .iter()
                .filter(|other| other.column == target.column);
            let first = of_column.next().map_or(target.high, |first| first.high);
            let last = of_column.next_back().map_or(target.low, |last| last.low);
            let low = target.low;
            let high = target.high;
            let parts = parts(target.inside);
            // Not divided by the distance, which may be zero.
            if high - low > WELL * (last - first) && parts > 1 && !spent(low, high) {
                windows.push(Window {
                    column: target.column,
                    low,
                    high,
                    parts,
                });
            }
        }
        windows.dedup();
        windows
    }

    fn answer(&self, at: usize, column: ArrayView1<'_, f64>) -> Result<Vec<f64>, RecipeError> {
        let edges = edges(&self.moments, at)?;
        let last = *edges
            .last()
            .ok_or(RecipeError::Mismatch { what: "state" })?;
        let all = self.windows();
        let windows: Vec<&Window> = all
            .iter()
            .filter(|window| window.column as usize == at)
            .collect();
        let pairs: Vec<(f64, f64)> = windows
            .iter()
            .map(|window| (window.low, window.high))
            .collect();
        let cells = tally(held(column, &edges).view(), &pairs, last);
        let counts = cells
            .chunks(PARTS)
            .zip(&windows)
            .flat_map(|(cells, window)| -> Vec<f64> {
                cells
                    .chunks(PARTS / window.parts)
                    .map(|cells| cells.iter().sum())
                    .collect()
            })
            .collect();
        Ok(counts)
    }

    fn absorb(&self, values: &mut Values<'_>) -> Result<Self, RecipeError> {
        let mut next = Self {
            rounds: self.rounds + 1,
            ..self.clone()
        };
        for window in self.windows() {
            let cells = values.counts(window.parts, WHAT)?;
            for (target, moved) in self.targets.iter().zip(&mut next.targets) {
                if window.is_of(target) {
                    *moved = target.narrowed(&cells)?;
                }
            }
        }
        Ok(next)
    }

    fn knots(&self, sought: &Sought, columns: &[u32]) -> Result<Vec<Placed>, Stuck> {
        let mut all = Vec::new();
        for (nth, (column, degrees)) in (0_u32..).zip(&sought.0) {
            debug_assert!(columns.contains(column));
            let at = columns.partition_point(|own| own < column) as u32;
            let mut knots = Vec::new();
            let mut within = Vec::new();
            for probability in probabilities(*degrees) {
                let interval =
                    quantile::interval(&self.targets, at, self.moments.rows, probability);
                let (low, high) = interval.unwrap_or((f64::NAN, f64::NAN));
                let knot = roundest(low, high);
                knots.push(knot);
                within.push((high - knot).max(knot - low));
            }
            if !rising(&knots) {
                return Err(Stuck::Bunched(nth));
            }
            all.push(Placed {
                column: *column,
                degrees: *degrees,
                knots,
                within,
            });
        }
        Ok(all)
    }
}

/// The number with the fewest digits that is `low` or more and less than `high`; their middle where
/// none has 15 or fewer.
fn roundest(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    for exponent in (-15..=15_i32).rev() {
        let near = if exponent >= 0 {
            libm::floor(middle / ten_to(exponent) + 0.5) * ten_to(exponent)
        } else {
            libm::floor(middle * ten_to(-exponent) + 0.5) / ten_to(-exponent)
        };
        // Adding zero turns -0 into 0.
        if low <= near && near < high {
            return near + 0.0;
        }
    }
    middle
}

/// A power of ten, the same on every processor.
fn ten_to(exponent: i32) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knot_has_no_more_digits_than_its_interval_asks_for() {
        for (low, high, want) in [
            (159.6, 160.2, 160.0),
            (0.031, 0.0324, 0.032),
            (-0.4, 0.2, 0.0),
            (-210.0, -195.0, -200.0),
            (0.75, 1.0, 0.9),
            (1.0, 1.25, 1.0),
            (1e300, 1.5e300, 1.25e300),
        ] {
            assert_eq!(roundest(low, high), want, "{low} {high}");
        }
        assert!(roundest(f64::NAN, f64::NAN).is_nan());
    }

    #[test]
    fn an_interval_of_few_rows_is_not_divided() {
        assert_eq!(
            [0, 9, 10, 79, 80, 159, 160].map(parts),
            [1, 1, 2, 8, 16, 16, 32]
        );
        assert_eq!(probabilities(4), [0.05, 0.25, 0.5, 0.75, 0.95]);
    }
}

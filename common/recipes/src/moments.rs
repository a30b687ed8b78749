//! Pooled mean and standard deviation of every column, in two rounds: sums, then centred squares (one round of raw
//! squares would lose the variance of a column whose mean is large). Shared by `logistic` and `fedavg`.
//!
//! ```text
//! sums   -> [ rows, events | sum x_1 .. sum x_p ]                       counts exact, sums in limbs
//! spread -> [ sum (x_1 - mean_1)^2 .. sum (x_p - mean_p)^2 ]            limbs;  sd^2 = sum / (rows - 1)
//! ```

use crate::error::{MOST_ROWS, RecipeError, Stuck};
use crate::rows::Values;
use crate::score;
use motet_secagg::canonical;
use motet_secagg::layout::{Block, Layout, Ring, Scale, Sum};
use motet_secagg::quantise::fixed_bits;
use ndarray::{ArrayView1, ArrayView2};

canonical! {
    /// The pooled moments of one set of sites.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Moments {
        /// Rows of all sites.
        pub rows: u64,
        /// Rows whose outcome is 1.
        pub events: u64,
        /// Mean of each column.
        pub mean: Vec<f64>,
        /// Standard deviation of each column, ddof 1; empty after the first round.
        pub sd: Vec<f64>,
    }
}

/// A layout of exact statistics.
pub(crate) fn exact(blocks: Vec<Block>) -> Layout {
    Layout { ring: Ring::Bits64, weight_max: 1, blocks }
}

/// Whole numbers from 0 to `most`.
pub(crate) fn counts(len: usize, most: f64) -> Block {
    Block { len: len as u32, scale: Scale::Fixed(0), bound: most }
}

/// Numbers without a provable bound.
pub(crate) fn limbs(len: usize) -> Block {
    Block { len: len as u32, scale: Scale::Limbs, bound: 0.0 }
}

/// Numbers that `bound` provably bounds: fixed point with 30 to 40 bits after the point, limbs where even 30 do not fit.
pub(crate) fn bounded(len: usize, sites: u32, bound: u64) -> Block {
    match fixed_bits(Ring::Bits64, sites, bound, 40, 30) {
        Some(bits) => Block { len: len as u32, scale: Scale::Fixed(bits), bound: bound as f64 },
        None => limbs(len),
    }
}

/// Question of the first round.
pub(crate) fn ask_sums(columns: usize) -> Layout {
    exact(vec![counts(2, MOST_ROWS), limbs(columns)])
}

pub(crate) fn answer_sums(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut values = vec![x.nrows() as f64, y.sum()];
    values.extend(x.columns().into_iter().map(|column| column.sum()));
    values
}

/// Rows, events and means; or why there is nothing to fit.
pub(crate) fn absorb_sums(columns: usize, sum: &Sum) -> Result<Result<Moments, Stuck>, RecipeError> {
    let mut values = Values::of(sum);
    let rows = values.counts(1, "rows")?.first().copied().unwrap_or_default();
    let events = values.counts(1, "events")?.first().copied().unwrap_or_default();
    let mean = values.take(columns)?.iter().map(|total| total / rows as f64).collect();
    values.end()?;
    if events > rows {
        return Err(RecipeError::Implausible { what: "events" });
    }
    Ok(match (rows, events) {
        (0 | 1, _) => Err(Stuck::TooFewRows),
        (_, 0) => Err(Stuck::OneClass),
        (rows, events) if rows == events => Err(Stuck::OneClass),
        _ => Ok(Moments { rows, events, mean, sd: Vec::new() }),
    })
}

/// Question of the second round.
pub(crate) fn ask_spread(columns: usize) -> Layout {
    exact(vec![limbs(columns)])
}

/// Sum of squared distances from `mean`; NaN is passed over.
pub(crate) fn answer_spread(x: ArrayView2<'_, f64>, mean: &[f64]) -> Vec<f64> {
    let squares = |(column, mean): (ArrayView1<'_, f64>, &f64)| {
        column.iter().filter(|value| !value.is_nan()).map(|value| (value - mean) * (value - mean)).sum()
    };
    x.columns().into_iter().zip(mean).map(squares).collect()
}

/// Standard deviations; or the first column that does not vary.
pub(crate) fn absorb_spread(moments: &Moments, sum: &Sum) -> Result<Result<Moments, Stuck>, RecipeError> {
    let mut values = Values::of(sum);
    let squares = values.take(moments.mean.len())?;
    values.end()?;
    Ok(moments.spread(squares, sum.sites, (moments.rows - 1) as f64))
}

impl Moments {
    /// Standard deviations from sums of squared distances; or the first column that does not vary.
    ///
    /// The limbs round each site's sum to 2^-41, so a sum of squares S is known to sites * 2^-41. S must be so large that
    /// this error is below S / (4 rows): then sum z^2 <= rows - 1/2 for the standardised columns, which the bounds of the
    /// Newton rounds rest on. A column with less spread counts as constant (standard deviation about 1e-5 for ten sites).
    pub(crate) fn spread(&self, squares: &[f64], sites: u32, divisor: f64) -> Result<Moments, Stuck> {
        let least = self.least_spread(sites);
        if let Some(at) = squares.iter().position(|square| *square <= least) {
            return Err(Stuck::Constant(at as u32));
        }
        let sd = squares.iter().map(|square| (square / divisor).sqrt()).collect();
        Ok(Moments { sd, ..self.clone() })
    }

    /// The sum of squares at and below which a column counts as constant.
    pub(crate) fn least_spread(&self, sites: u32) -> f64 {
        const HALF_UNIT: f64 = 1.0 / 2_199_023_255_552.0; // 2^-41
        4.0 * self.rows as f64 * f64::from(sites) * HALF_UNIT
    }

    /// Log odds of the outcome.
    pub(crate) fn base(&self) -> f64 {
        score::base(self.rows, self.events)
    }

    /// Writes the standardised row into `z`.
    pub(crate) fn standardise(&self, row: ArrayView1<'_, f64>, z: &mut [f64]) {
        for (((z, x), mean), sd) in z.iter_mut().zip(row).zip(&self.mean).zip(&self.sd) {
            *z = (x - mean) / sd;
        }
    }
}

//! Pooled mean and standard deviation of every column, in two rounds: sums, then centred squares
//! (one round of raw squares would lose the variance of a column whose mean is large). Shared by
//! `fedavg`, `cox` and, but for the first round, `glm`.
//!
//! ```text
//! sums   -> [ rows, events | sum x_1 .. sum x_p ]                       counts exact, sums in limbs
//! spread -> [ sum (x_1 - mean_1)^2 .. sum (x_p - mean_p)^2 ]            limbs;  sd^2 = sum / (rows - 1)
//!           once more in finer units where a column needs them: see `squares`
//! ```

use crate::error::{MOST_ROWS, RecipeError, Stuck};
use crate::rows::Values;
use crate::squares::Units;
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
        /// In which units the squares are asked for.
        pub units: Units,
    }
}

/// Log odds of the outcome in all rows; 0 where all or none have it.
pub(crate) fn log_odds(rows: u64, events: u64) -> f64 {
    if events == 0 || events >= rows {
        0.0
    } else {
        libm::log(events as f64 / (rows - events) as f64)
    }
}

/// A layout of exact statistics.
pub(crate) fn exact(blocks: Vec<Block>) -> Layout {
    Layout {
        ring: Ring::Bits64,
        weight_max: 1,
        blocks,
    }
}

/// Whole numbers from 0 to `most`.
pub(crate) fn counts(len: usize, most: f64) -> Block {
    Block {
        len: len as u32,
        scale: Scale::Fixed(0),
        bound: most,
    }
}

/// Numbers without a provable bound.
pub(crate) fn limbs(len: usize) -> Block {
    Block {
        len: len as u32,
        scale: Scale::Limbs,
        bound: 0.0,
    }
}

/// Numbers that `bound` provably bounds: fixed point with 30 to 40 bits after the point, limbs
/// where even 30 do not fit.
pub(crate) fn bounded(len: usize, sites: u32, bound: u64) -> Block {
    match fixed_bits(Ring::Bits64, sites, bound, 40, 30) {
        Some(bits) => Block {
            len: len as u32,
            scale: Scale::Fixed(bits),
            bound: bound as f64,
        },
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
pub(crate) fn absorb_sums(
    columns: usize,
    sum: &Sum,
) -> Result<Result<Moments, Stuck>, RecipeError> {
    let mut values = Values::of(sum);
    let rows = values.count("rows")?;
    let events = values.count("events")?;
    let mean = values
        .take(columns)?
        .iter()
        .map(|total| total / rows as f64)
        .collect();
    values.end()?;
    if events > rows {
        return Err(RecipeError::Implausible { what: "events" });
    }
    Ok(match (rows, events) {
        (0 | 1, _) => Err(Stuck::TooFewRows),
        (_, 0) => Err(Stuck::OneClass),
        (rows, events) if rows == events => Err(Stuck::OneClass),
        _ => Ok(Moments::new(rows, events, mean)),
    })
}

/// Refuses sums that no limbs hold, by the column's name: `values` are figures of the columns in
/// turn.
pub(crate) fn within(values: &[f64], columns: &[String]) -> Result<(), RecipeError> {
    const RANGE: f64 = 77_371_252_455_336_267_181_195_264.0; // 2^86
    let vast = values
        .iter()
        .zip(columns.iter().cycle())
        .find(|(value, _)| value.abs() >= RANGE);
    vast.map_or(Ok(()), |(_, column)| {
        Err(RecipeError::Vast {
            column: column.clone(),
        })
    })
}

/// Takes in a round of squares and nothing else.
pub(crate) fn absorb_spread(
    moments: &Moments,
    sum: &Sum,
) -> Result<Result<Spread, Stuck>, RecipeError> {
    let mut values = Values::of(sum);
    let squares = values.take(moments.units.len(moments.mean.len()))?;
    values.end()?;
    Ok(moments.absorb_spread(squares, sum.sites, moments.rows as f64))
}

/// What a round of squares leads to.
pub(crate) enum Spread {
    /// Standard deviations are known.
    Known(Moments),
    /// Ask once more, in finer units.
    Again(Moments),
}

impl Moments {
    /// After the first round.
    pub(crate) fn new(rows: u64, events: u64, mean: Vec<f64>) -> Self {
        Self {
            units: Units::first(&mean),
            rows,
            events,
            mean,
            sd: Vec::new(),
        }
    }

    /// The columns standardised, row by row.
    pub(crate) fn standardised(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        let mut z = vec![0.0; x.len()];
        let rows = x.rows().into_iter();
        for (row, z) in rows.zip(z.chunks_exact_mut(x.ncols().max(1))) {
            self.standardise(row, z);
        }
        z
    }

    /// Question of a round of squares.
    pub(crate) fn ask_spread(&self) -> Block {
        limbs(self.units.len(self.mean.len()))
    }

    /// Answers it from rows of this weight each; NaN is passed over.
    pub(crate) fn answer_spread(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        self.units.answer(&self.mean, |at, figure| {
            let values = x.columns().into_iter().nth(at).into_iter().flatten();
            values
                .filter(|value| !value.is_nan())
                .map(|value| figure(*value))
                .sum()
        })
    }

    /// Standard deviations from sums of squared distances; or the first column that does not vary.
    /// `total` is the sum of the weights.
    pub(crate) fn absorb_spread(
        &self,
        values: &[f64],
        sites: u32,
        total: f64,
    ) -> Result<Spread, Stuck> {
        let weights = vec![total; self.mean.len()];
        let found = self.units.absorb(values, &self.mean, &weights, sites);
        if let Some(finer) = found.finer {
            return Ok(Spread::Again(Self {
                units: finer,
                ..self.clone()
            }));
        }
        let rows = self.rows as f64;
        let divisor = total * (rows - 1.0) / rows;
        if let Some(at) = found.constant(self.rows, divisor) {
            return Err(Stuck::Constant(at as u32));
        }
        let sd = found
            .sum
            .iter()
            .map(|square| (square / divisor).sqrt())
            .collect();
        Ok(Spread::Known(Self {
            mean: found.mean,
            sd,
            ..self.clone()
        }))
    }

    /// Log odds of the outcome.
    pub(crate) fn base(&self) -> f64 {
        log_odds(self.rows, self.events)
    }

    /// Writes the standardised row into `z`.
    pub(crate) fn standardise(&self, row: ArrayView1<'_, f64>, z: &mut [f64]) {
        for (((z, x), mean), sd) in z.iter_mut().zip(row).zip(&self.mean).zip(&self.sd) {
            *z = (x - mean) / sd;
        }
    }
}

//! The first two rounds: pooled mean and standard deviation of every column, and of the outcome
//! where that is a number.
//!
//! ```text
//! moments, binary and time   [ rows, events | sum x_1 .. sum x_p ]         (`moments.rs`)
//! moments, number            [ rows         | sum x_1 .. sum x_p, sum y ]
//! spread                     [ sum (x_j - mean_j)^2 .., number: sum (y - mean)^2 ]
//! ```

use crate::error::{MOST_ROWS, RecipeError, Stuck};
use crate::loss::Loss;
use crate::moments::{self, Moments, Spread, counts, exact, limbs};
use crate::rows::Values;
use motet_secagg::layout::{Layout, Sum};
use ndarray::{ArrayView1, ArrayView2};

pub(super) fn ask_sums(loss: &Loss, columns: usize) -> Layout {
    match loss {
        Loss::Number => exact(vec![counts(1, MOST_ROWS), limbs(columns + 1)]),
        Loss::Binary | Loss::Time(_) => moments::ask_sums(columns),
    }
}

pub(super) fn answer_sums(loss: &Loss, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut values = moments::answer_sums(x, y);
    if *loss == Loss::Number {
        // There are no events; the sum of the outcome stands last.
        values.remove(1);
        values.push(y.sum());
    }
    values
}

/// Rows, events and means; or why there is nothing to fit. That everybody had the event is
/// something to fit where the outcome is a time.
pub(super) fn absorb_sums(
    loss: &Loss,
    columns: usize,
    sum: &Sum,
) -> Result<Result<Moments, Stuck>, RecipeError> {
    if *loss == Loss::Binary {
        return moments::absorb_sums(columns, sum);
    }
    let number = *loss == Loss::Number;
    let mut values = Values::of(sum);
    let rows = values.count("rows")?;
    // Of a number nobody has an event.
    let events = if number { 0 } else { values.count("events")? };
    let totals = values.take(columns + usize::from(number))?;
    values.end()?;
    if events > rows {
        return Err(RecipeError::Implausible { what: "events" });
    }
    Ok(match (rows, events) {
        (0 | 1, _) => Err(Stuck::TooFewRows),
        (_, 0) if !number => Err(Stuck::OneClass),
        _ => {
            let mean = totals.iter().map(|total| total / rows as f64).collect();
            Ok(Moments::new(rows, events, mean))
        }
    })
}

pub(super) fn answer_spread(
    loss: &Loss,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    moments: &Moments,
) -> Vec<f64> {
    // The outcome that is a number stands behind the columns.
    let outcome = (*loss == Loss::Number).then_some(y);
    let columns = x.columns().into_iter().chain(outcome).collect::<Vec<_>>();
    moments.units.answer(&moments.mean, |at, figure| {
        columns
            .get(at)
            .into_iter()
            .flatten()
            .map(|value| figure(*value))
            .sum()
    })
}

/// As [`moments::absorb_spread`]; an outcome that does not vary is one value only.
pub(super) fn absorb_spread(
    columns: usize,
    moments: &Moments,
    sum: &Sum,
) -> Result<Result<Spread, Stuck>, RecipeError> {
    let spread = moments::absorb_spread(moments, sum)?;
    Ok(spread.map_err(|stuck| match stuck {
        Stuck::Constant(at) if at as usize >= columns => Stuck::OneClass,
        other => other,
    }))
}

/// Mean and standard deviation of an outcome that is a number.
pub(crate) fn outcome_scale(loss: &Loss, moments: &Moments) -> Option<(f64, f64)> {
    match loss {
        Loss::Number => moments.mean.last().copied().zip(moments.sd.last().copied()),
        Loss::Binary | Loss::Time(_) => None,
    }
}

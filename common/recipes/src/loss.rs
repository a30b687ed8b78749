//! What a model is to predict, and how far off it is: the loss of a site's rows and its slope in
//! each predictor.
//!
//! | outcome | loss of a site | slope in a row's predictor f |
//! |---|---|---|
//! | binary | mean cross-entropy of logistic(f) | (logistic(f) - y) / n |
//! | number | half the mean of (f - y)^2, y standardised by the pooled mean and standard deviation | (f - y) / n |
//! | time | minus the log partial likelihood per event, the site a stratum of its own (see `partial.rs`) | by event |

use crate::error::RecipeError;
use crate::partial;
use crate::rows::Rows;
use crate::score::{log_likelihood, logistic};
use motet_secagg::canonical;
use ndarray::{ArrayView1, ArrayView2};

canonical! {
    /// What the outcome is, and with it what training makes small.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Loss {
        /// 0 or 1: the log odds, by cross-entropy.
        1 => Binary,
        /// A number, by its squared error.
        2 => Number,
        /// Whether an event was seen: the log hazard, by Cox's partial likelihood. It names the
        /// column of the time.
        3 => Time(String),
    }
}

/// A site's rows as a model trains on them.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    /// Standardised columns, row by row.
    pub(crate) z: &'a [f64],
    /// The outcome.
    pub(crate) y: &'a [f64],
    /// The time; empty where the outcome has none.
    pub(crate) time: &'a [f64],
}

/// Columns, outcome and time (empty where there is none) of a table that fits the recipe.
pub(crate) type Checked<'a> = (ArrayView2<'a, f64>, ArrayView1<'a, f64>, Vec<f64>);

impl Loss {
    /// Checks a site's table.
    pub(crate) fn check<'a>(
        &self,
        rows: &Rows<'a>,
        columns: &[String],
        outcome: &str,
    ) -> Result<Checked<'a>, RecipeError> {
        match self {
            Self::Binary => rows
                .complete(columns, outcome)
                .map(|(x, y)| (x, y, Vec::new())),
            Self::Number => {
                let x = rows.finite(columns)?;
                let y = finite(rows.y, outcome, x.nrows())?;
                Ok((x, y, Vec::new()))
            }
            Self::Time(name) => {
                let (x, y) = rows.complete(columns, outcome)?;
                let time = finite(rows.time, name, x.nrows())?;
                Ok((x, y, time.to_vec()))
            }
        }
    }

    /// The loss of the rows.
    pub(crate) fn mean(&self, predictors: &[f64], table: &Table<'_>) -> f64 {
        let pairs = predictors.iter().zip(table.y);
        match self {
            Self::Binary => {
                -pairs.map(|(f, y)| log_likelihood(*f, *y)).sum::<f64>() / predictors.len() as f64
            }
            Self::Number => {
                pairs.map(|(f, y)| (f - y) * (f - y)).sum::<f64>() / (2.0 * predictors.len() as f64)
            }
            Self::Time(_) => {
                -partial::likelihood(predictors, table.time, table.y).0 / self.counted(table.y)
            }
        }
    }

    /// The slope of the loss in each predictor. A partial likelihood ties all rows together: then
    /// these are all rows.
    pub(crate) fn slopes(&self, predictors: &[f64], y: &[f64], time: &[f64]) -> Vec<f64> {
        let counted = self.counted(y);
        let pairs = predictors.iter().zip(y);
        match self {
            Self::Binary => pairs.map(|(f, y)| (logistic(*f) - y) / counted).collect(),
            Self::Number => pairs.map(|(f, y)| (f - y) / counted).collect(),
            Self::Time(_) => {
                let (_, mut slopes) = partial::likelihood(predictors, time, y);
                slopes.iter_mut().for_each(|slope| *slope /= counted);
                slopes
            }
        }
    }

    /// What a table counts for: its rows, or its events (1 where it has none) where only these tell
    /// something.
    pub(crate) fn counted(&self, y: &[f64]) -> f64 {
        match self {
            Self::Binary | Self::Number => y.len() as f64,
            Self::Time(_) => y.iter().sum::<f64>().max(1.0),
        }
    }
}

/// An outcome or a time, which each row must have.
fn finite<'a>(
    values: Option<ArrayView1<'a, f64>>,
    name: &str,
    rows: usize,
) -> Result<ArrayView1<'a, f64>, RecipeError> {
    let values = values
        .filter(|values| values.len() == rows)
        .ok_or_else(|| RecipeError::NoOutcome {
            outcome: name.to_owned(),
            rows,
        })?;
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => Ok(values),
        rows => Err(RecipeError::NotFinite {
            column: name.to_owned(),
            rows,
        }),
    }
}

//! What the final model is worth on the rows of the sites that are there, by the kind of outcome.
//!
//! ```text
//! binary  as in `score.rs`: histograms of the risk, then Newton steps of the calibration line
//! number  [ rows | sum (f - y)^2, sum y, sum y^2 ]                          y and f standardised
//! time    [ rows, events | comparable, concordant, tied pairs within the site, log partial likelihood ]
//! ```
//!
//! Pairs are counted within each site and added: a C-index of all pairs that lie in one site, exact
//! for these.

use crate::error::RecipeError;
use crate::loss::{Loss, Table};
use crate::moments::{counts, exact, limbs};
use crate::partial;
use crate::rows::Values;
use crate::score::{self, Score};
use motet_secagg::canonical;
use motet_secagg::layout::{Layout, Sum};

canonical! {
    /// The evaluation so far.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub enum Evaluation {
        /// None yet.
        #[default]
        0 => Nothing,
        /// Of risks.
        1 => Binary(Score),
        /// Of numbers.
        2 => Number(Residuals),
        /// Of hazards.
        3 => Time(Ranking),
    }
}

canonical! {
    /// Sums over rows, in standard deviations of the outcome.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Residuals {
        /// Rows.
        pub rows: u64,
        /// Sum of (f - y)^2.
        pub squares: f64,
        /// Sum of y.
        pub outcome: f64,
        /// Sum of y^2.
        pub outcome_squares: f64,
    }
}

canonical! {
    /// Sums over the sites, each counted on its own.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Ranking {
        /// Rows.
        pub rows: u64,
        /// Rows with an event.
        pub events: u64,
        /// Pairs of which one had its event first.
        pub comparable: f64,
        /// Those in which it had the higher predictor.
        pub concordant: f64,
        /// Those with equal predictors.
        pub tied: f64,
        /// Log partial likelihood, stratified by site.
        pub loglik: f64,
    }
}

pub(super) fn ask(loss: &Loss, sites: u32, rows: u64) -> Layout {
    exact(match loss {
        Loss::Binary => score::ask(sites, rows),
        Loss::Number => vec![counts(1, rows as f64), limbs(3)],
        Loss::Time(_) => vec![counts(2, rows as f64), limbs(4)],
    })
}

pub(super) fn pairs(predictors: &[f64], table: &Table<'_>) -> Vec<(f64, f64)> {
    predictors
        .iter()
        .copied()
        .zip(table.y.iter().copied())
        .collect()
}

pub(super) fn answer(loss: &Loss, predictors: &[f64], table: &Table<'_>, base: f64) -> Vec<f64> {
    let rows = table.y.len() as f64;
    match loss {
        Loss::Binary => score::answer(&pairs(predictors, table), base),
        Loss::Number => {
            let squares = predictors
                .iter()
                .zip(table.y)
                .map(|(f, y)| (f - y) * (f - y))
                .sum();
            vec![
                rows,
                squares,
                table.y.iter().sum(),
                table.y.iter().map(|y| y * y).sum(),
            ]
        }
        Loss::Time(_) => {
            let pairs = partial::pairs(predictors, table.time, table.y);
            let (loglik, _) = partial::likelihood(predictors, table.time, table.y);
            let events = table.y.iter().sum();
            vec![
                rows,
                events,
                pairs.comparable,
                pairs.concordant,
                pairs.tied,
                loglik,
            ]
        }
    }
}

impl Evaluation {
    pub(super) fn absorb(loss: &Loss, sum: &Sum, base: f64) -> Result<Self, RecipeError> {
        let mut values = Values::of(sum);
        let evaluation = match loss {
            Loss::Binary => Self::Binary(Score::absorb(&mut values, base)?),
            Loss::Number => Self::Number(Residuals {
                rows: values.count("rows")?,
                squares: values.one()?,
                outcome: values.one()?,
                outcome_squares: values.one()?,
            }),
            Loss::Time(_) => Self::Time(Ranking {
                rows: values.count("rows")?,
                events: values.count("events")?,
                comparable: values.one()?,
                concordant: values.one()?,
                tied: values.one()?,
                loglik: values.one()?,
            }),
        };
        values.end()?;
        Ok(evaluation)
    }

    /// One more Newton step of the calibration line.
    pub(super) fn absorb_line(&mut self, sum: &Sum) -> Result<(), RecipeError> {
        let Self::Binary(score) = self else {
            return Err(RecipeError::Mismatch { what: "state" });
        };
        let mut values = Values::of(sum);
        score.absorb_line(&mut values)?;
        values.end()
    }

    /// The calibration line so far.
    pub(super) fn line(&self) -> Result<(f64, f64), RecipeError> {
        match self {
            Self::Binary(score) => score.line_so_far(),
            Self::Nothing | Self::Number(_) | Self::Time(_) => {
                Err(RecipeError::Mismatch { what: "state" })
            }
        }
    }

    /// Whether nothing is left to ask.
    pub(super) fn settled(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Binary(score) => score.settled,
            Self::Number(_) | Self::Time(_) => true,
        }
    }
}

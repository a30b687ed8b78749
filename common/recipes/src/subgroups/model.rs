//! A finished model that can be judged by group, whatever
//! the method.

use crate::error::RecipeError;
use crate::rows::Rows;
use crate::score::Score;

/// What a model says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The risk of a yes/no outcome.
    Risk,
    /// A number.
    Number,
    /// Who has an event before whom.
    Time,
}

/// What a model says of the rows of a site.
pub(crate) struct Predictions {
    /// Of each row log odds, a number or a score, and the
    /// outcome; nothing of rows the model is not judged on.
    pub(crate) pairs: Vec<Option<(f64, f64)>>,
    /// Time and stratum of each row where the outcome is a time
    /// to an event; else nothing.
    pub(crate) times: Vec<(f64, u32)>,
}

impl Predictions {
    /// Puts those of further rows behind them.
    pub(crate) fn add(&mut self, others: Self) {
        self.pairs.extend(others.pairs);
        self.times.extend(others.times);
    }

    /// Of all rows.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            pairs: pairs.into_iter().map(Some).collect(),
            times: Vec::new(),
        }
    }
}

/// A finished model: a method with its state.
pub(crate) trait Model {
    /// What it says of a row.
    fn measure(&self) -> Measure;

    /// Histogram of the risk of all rows; none of what is no
    /// risk.
    fn score(&self) -> Option<&Score>;

    /// Rows that it is judged on, and of these the ones with
    /// the outcome; 0 of a number.
    fn rows(&self) -> (u64, u64);

    /// A middle of the outcome on the scale of the fit, and
    /// what one unit of that scale is.
    fn scale(&self) -> (f64, f64);

    /// What it says of these rows.
    fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError>;

    /// What it says of rows that took no part in its fit: of
    /// each of them.
    fn predictions_of_others(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        self.predictions(rows)
    }
}

/// A method and the state of its finished model.
pub(crate) struct Fitted<'a, M, S> {
    pub(crate) method: &'a M,
    pub(crate) state: &'a S,
}

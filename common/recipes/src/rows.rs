//! A site's table as a recipe sees it, and the checks that
//! every answer begins with.

use crate::error::{MOST_ROWS, RecipeError};
use motet_secagg::layout::Sum;
use ndarray::{ArrayView, ArrayView1, ArrayView2, Axis, RemoveAxis};

/// The rows of one site's cohort. It has no `Debug`: patients
/// are not printed.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// One row a patient, one column for each column of the recipe,
    /// in its order. `summary` and `gbdt` read NaN as missing; the
    /// other recipes take complete rows only.
    pub x: ArrayView2<'a, f64>,
    /// The outcome: 0 or 1, a number, a count, or the place of a
    /// level from 0, as the recipe says; in survival recipes
    /// whether the event was seen.
    pub y: Option<ArrayView1<'a, f64>>,
    /// Time to the event or to the end of follow-up, in the unit of
    /// its column.
    pub time: Option<ArrayView1<'a, f64>>,
    /// The level, from 0, of the category that groups or
    /// stratifies.
    pub group: Option<ArrayView1<'a, f64>>,
    /// A known part of the linear predictor.
    pub offset: Option<ArrayView1<'a, f64>>,
    /// The weight of a row, as the recipe takes it; 1 where there
    /// is none.
    pub weight: Option<ArrayView1<'a, f64>>,
    /// What divides the rows where a model is judged by group, one
    /// column a group; NaN is missing.
    pub groups: Option<ArrayView2<'a, f64>>,
    /// This site's place in the roster, where the site tells how a
    /// model does on its rows alone; else it says nothing.
    pub slot: Option<u32>,
    /// Its place, whether it tells or not.
    pub place: Option<u32>,
    /// How many of the rows are held out: the last ones, which no
    /// fit sees.
    pub held_out: usize,
}

/// A part of the rows.
#[derive(Clone, Copy)]
enum Part {
    Fitted,
    HeldOut,
}

impl Part {
    /// Of a column or a table of which that many rows, the last
    /// ones, are held out.
    fn of<D: RemoveAxis>(
        self,
        all: ArrayView<'_, f64, D>,
        held_out: usize,
    ) -> ArrayView<'_, f64, D> {
        let fitted = all.len_of(Axis(0)).saturating_sub(held_out);
        let (before, after) = all.split_at(Axis(0), fitted);
        match self {
            Self::Fitted => before,
            Self::HeldOut => after,
        }
    }
}

impl<'a> Rows<'a> {
    /// A table of columns alone; [`Rows::outcome`] and the fields
    /// add the rest.
    pub fn new(x: ArrayView2<'a, f64>) -> Self {
        Self {
            x,
            y: None,
            time: None,
            group: None,
            offset: None,
            weight: None,
            groups: None,
            slot: None,
            place: None,
            held_out: 0,
        }
    }

    /// The rows that a model is fitted on: all but those that are
    /// held out.
    pub fn fitted(&self) -> Self {
        self.part(Part::Fitted)
    }

    /// The rows that are held out, as a table of their own.
    pub fn only_held_out(&self) -> Self {
        self.part(Part::HeldOut)
    }

    fn part(&self, part: Part) -> Self {
        Self {
            x: part.of(self.x, self.held_out),
            y: self.y.map(|y| part.of(y, self.held_out)),
            time: self.time.map(|time| part.of(time, self.held_out)),
            group: self.group.map(|group| part.of(group, self.held_out)),
            offset: self.offset.map(|offset| part.of(offset, self.held_out)),
            weight: self.weight.map(|weight| part.of(weight, self.held_out)),
            groups: self.groups.map(|groups| part.of(groups, self.held_out)),
            slot: self.slot,
            place: self.place,
            held_out: 0,
        }
    }

    /// The same table with an outcome.
    pub fn outcome(self, y: ArrayView1<'a, f64>) -> Self {
        Self { y: Some(y), ..self }
    }

    /// Checks the shape only.
    pub(crate) fn of(&self, columns: &[String]) -> Result<ArrayView2<'a, f64>, RecipeError> {
        let (rows, found) = self.x.dim();
        if found != columns.len() {
            return Err(RecipeError::Columns {
                expected: columns.len(),
                found,
            });
        }
        if rows == 0 {
            return Err(RecipeError::NoRows);
        }
        if rows as f64 > MOST_ROWS {
            return Err(RecipeError::TooManyRows {
                rows: rows as u64,
                most: MOST_ROWS as u64,
            });
        }
        Ok(self.x)
    }

    /// Checks that the columns are complete.
    pub(crate) fn finite(&self, columns: &[String]) -> Result<ArrayView2<'a, f64>, RecipeError> {
        let x = self.of(columns)?;
        for (values, column) in x.columns().into_iter().zip(columns) {
            let rows = values.iter().filter(|value| !value.is_finite()).count();
            if rows > 0 {
                return Err(RecipeError::NotFinite {
                    column: column.clone(),
                    rows,
                });
            }
        }
        Ok(x)
    }

    /// Checks that the rows are complete and the outcome is 0 or 1.
    pub(crate) fn complete(
        &self,
        columns: &[String],
        outcome: &str,
    ) -> Result<(ArrayView2<'a, f64>, ArrayView1<'a, f64>), RecipeError> {
        let x = self.finite(columns)?;
        let y = self
            .y
            .filter(|y| y.len() == x.nrows())
            .ok_or_else(|| RecipeError::NoOutcome {
                outcome: outcome.to_owned(),
                rows: x.nrows(),
            })?;
        let rows = y
            .iter()
            .filter(|value| **value != 0.0 && **value != 1.0)
            .count();
        if rows > 0 {
            return Err(RecipeError::NotBinary {
                outcome: outcome.to_owned(),
                rows,
            });
        }
        Ok((x, y))
    }
}

/// Reads the values of a sum from front to back, so that no
/// index can be wrong.
#[derive(Clone)]
pub(crate) struct Values<'a> {
    rest: &'a [f64],
}

impl<'a> Values<'a> {
    pub(crate) fn of(sum: &'a Sum) -> Self {
        Self { rest: &sum.values }
    }

    /// One site's own values, where it takes in its answer as
    /// others take in the sum.
    pub(crate) fn from(values: &'a [f64]) -> Self {
        Self { rest: values }
    }

    /// The next `count` values.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [f64], RecipeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(RecipeError::Mismatch { what: "sum" })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next value.
    pub(crate) fn one(&mut self) -> Result<f64, RecipeError> {
        let (value, rest) = self
            .rest
            .split_first()
            .ok_or(RecipeError::Mismatch { what: "sum" })?;
        self.rest = rest;
        Ok(*value)
    }

    /// The next value as a count.
    pub(crate) fn count(&mut self, what: &'static str) -> Result<u64, RecipeError> {
        count(self.one()?, what)
    }

    /// The next `len` values as counts.
    pub(crate) fn counts(
        &mut self,
        len: usize,
        what: &'static str,
    ) -> Result<Vec<u64>, RecipeError> {
        self.take(len)?
            .iter()
            .map(|value| count(*value, what))
            .collect()
    }

    /// All values must have been read.
    pub(crate) fn end(self) -> Result<(), RecipeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RecipeError::Mismatch { what: "sum" })
        }
    }
}

/// A decoded count: whole, not negative and exact in an f64.
pub(crate) fn count(value: f64, what: &'static str) -> Result<u64, RecipeError> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if (0.0..=EXACT).contains(&value) && libm::floor(value) == value {
        Ok(value as u64)
    } else {
        Err(RecipeError::Implausible { what })
    }
}

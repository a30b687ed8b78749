//! Where all columns are yes/no or categories, coefficients and their errors are counts in another form: each patient group that a
//! coefficient stands for, with the outcome and without it, must then be of enough patients. The groups: those with a yes in a
//! column, a level or a product of them, and those with none of all.

use super::{Beside, Census, Explained, Seen};
use crate::design::Design;
use crate::error::RecipeError;
use crate::rows::Rows;
use ndarray::{Array1, ArrayView1};

/// One such group, and how many patients a site has in it.
pub(super) struct Cell {
    /// What it is, for a sentence.
    name: String,
    /// With the outcome, without it, or both together where the outcome is a number.
    class: Option<bool>,
    /// Rows of the site.
    pub(super) rows: usize,
}

impl Cell {
    pub(super) fn error(&self, least: u32) -> RecipeError {
        let class = match self.class {
            Some(true) => " and the outcome",
            Some(false) => " and without the outcome",
            None => "",
        };
        RecipeError::FewInCell { what: format!("{}{class}", self.name), least }
    }
}

impl Census {
    /// The groups of the columns and of the terms; with rows, how many of them are in each.
    pub(super) fn cells(&self, beside: &Beside, rows: Option<&Rows<'_>>) -> Result<Vec<Cell>, RecipeError> {
        if !self.crosses || self.columns.is_empty() {
            return Ok(Vec::new());
        }
        let expanded = match (&beside.terms, rows) {
            (Some(design), Some(rows)) => Some(design.expand(rows)?),
            _ => None,
        };
        let of_terms = beside.terms.as_ref().map(Design::names).unwrap_or_default();
        let mut cells = Vec::new();
        let mut push = |name: String, members: Option<Array1<f64>>| {
            let count = |what: Option<f64>| match (&members, rows) {
                (Some(members), Some(rows)) => within(rows, members.view(), what),
                _ => 0,
            };
            match self.outcome {
                Some(Explained::YesNo(_) | Explained::Event(_)) => {
                    for class in [true, false] {
                        let rows = count(Some(f64::from(u8::from(class))));
                        cells.push(Cell { name: name.clone(), class: Some(class), rows });
                    }
                }
                Some(Explained::Number(_)) | None => {
                    cells.push(Cell { name, class: None, rows: count(None) })
                }
            }
        };
        let none = |rows: &Rows<'_>| {
            rows.x.rows().into_iter().map(|row| f64::from(u8::from(row.iter().all(|x| *x == 0.0)))).collect()
        };
        push("a no, or the first level, in every column".to_owned(), rows.map(none));
        for (at, name) in self.columns.iter().enumerate() {
            let column = rows.filter(|rows| at < rows.x.ncols()).map(|rows| rows.x.column(at).to_owned());
            push(format!("a yes in `{name}`"), column);
        }
        for (at, name) in of_terms.into_iter().enumerate() {
            push(format!("a yes in `{name}`"), expanded.as_ref().map(|all| all.column(at).to_owned()));
        }
        Ok(cells)
    }
}

/// Rows that count, are members, and have this outcome.
fn within(rows: &Rows<'_>, members: ArrayView1<'_, f64>, outcome: Option<f64>) -> usize {
    let seen = Seen { rows };
    let with = |at: usize, what: f64| rows.y.as_ref().and_then(|y| y.get(at)).is_some_and(|y| *y == what);
    let of = |at: usize| outcome.is_none_or(|what| with(at, what));
    members.iter().enumerate().filter(|(at, is)| **is == 1.0 && seen.counts(*at) && of(*at)).count()
}

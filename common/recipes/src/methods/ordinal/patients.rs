//! A site's rows as the fit sees them, checked once a round.

use super::Ordinal;
use crate::error::RecipeError;
use crate::moments::Moments;
use crate::rows::Rows;
use ndarray::Array2;

/// Terms of the design, and the place of each row's level. It has no `Debug`: patients are not
/// printed.
pub(super) struct Patients {
    pub(super) x: Array2<f64>,
    pub(super) levels: Vec<usize>,
}

impl Patients {
    pub(super) fn of(recipe: &Ordinal, rows: &Rows<'_>) -> Result<Self, RecipeError> {
        let x = recipe.design.expand(rows)?;
        let count = x.nrows();
        let y = rows.y.filter(|y| y.len() == count);
        let y = y.ok_or_else(|| RecipeError::NoOutcome {
            outcome: recipe.outcome.clone(),
            rows: count,
        })?;
        let places = 0..recipe.levels.len();
        let levels: Vec<usize> = y
            .iter()
            .filter_map(|y| places.clone().find(|place| *place as f64 == *y))
            .collect();
        if levels.len() < count {
            return Err(RecipeError::NotALevel {
                column: recipe.outcome.clone(),
                rows: count - levels.len(),
            });
        }
        Ok(Self { x, levels })
    }

    /// Calls `each` with every row, standardised, a 1 in front.
    pub(super) fn with_intercept(&self, moments: &Moments, mut each: impl FnMut(&[f64])) {
        let mut line = vec![1.0; self.x.ncols() + 1];
        self.each(moments, |z, _| {
            line.iter_mut().skip(1).zip(z).for_each(|(to, z)| *to = *z);
            each(&line);
        });
    }

    /// Calls `each` with every row, standardised, and its level.
    pub(super) fn each(&self, moments: &Moments, mut each: impl FnMut(&[f64], usize)) {
        let mut z = vec![0.0; self.x.ncols()];
        for (row, level) in self.x.rows().into_iter().zip(&self.levels) {
            moments.standardise(row, &mut z);
            each(&z, *level);
        }
    }
}

//! A site's rows as a generalised linear model reads them: checked, expanded by the design, with
//! offset and weight.

use super::family::Family;
use super::{Glm, GlmState};
use crate::data::WeightKind;
use crate::derivatives;
use crate::design::Design;
use crate::error::{MOST_ROWS, RecipeError};
use crate::moments::Moments;
use crate::rows::Rows;
use ndarray::{Array1, Array2, ArrayView1};

/// A row of the fit.
pub(super) struct Line<'a> {
    /// Standardised, intercept first.
    pub(super) z: &'a [f64],
    pub(super) predictor: f64,
    /// The outcome on the scale of the fit.
    pub(super) y: f64,
    pub(super) weight: f64,
}

/// It has no `Debug`: patients are not printed.
pub(super) struct Table {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
    /// Zeros where there is none.
    pub(super) offset: Array1<f64>,
    /// Ones where there is none.
    pub(super) weight: Array1<f64>,
}

impl Table {
    /// `design` is the recipe's with its knots, or its columns alone.
    pub(super) fn of(recipe: &Glm, design: &Design, rows: &Rows<'_>) -> Result<Self, RecipeError> {
        let x = design.expand(rows)?;
        let count = x.nrows();
        let mut y = rows
            .y
            .filter(|y| y.len() == count)
            .ok_or_else(|| RecipeError::NoOutcome {
                outcome: recipe.outcome.clone(),
                rows: count,
            })?
            .to_owned();
        let bad = y.iter().filter(|y| !recipe.family.knows(**y)).count();
        if bad > 0 && recipe.family == Family::Logistic {
            return Err(RecipeError::NotBinary {
                outcome: recipe.outcome.clone(),
                rows: bad,
            });
        }
        if bad > 0 {
            let outcome = recipe.outcome.clone();
            let must = recipe.family.must();
            return Err(RecipeError::Outcome {
                outcome,
                must,
                rows: bad,
            });
        }
        let finite = (
            "offset",
            "a finite number",
            f64::is_finite as fn(f64) -> bool,
        );
        let mut offset = side(rows.offset, recipe.offset, count, 0.0, finite)?;
        let weight: (_, _, fn(f64) -> bool) = match recipe.weight {
            Some(WeightKind::Frequency) => ("weight", "a whole number of rows, 0 or more", |w| {
                (0.0..=MOST_ROWS).contains(&w) && libm::floor(w) == w
            }),
            _ => ("weight", "0 or more", |w| w >= 0.0 && w.is_finite()),
        };
        let weight = side(rows.weight, recipe.weight.is_some(), count, 1.0, weight)?;
        if recipe.family == Family::Linear {
            y -= &offset;
            offset.fill(0.0);
        }
        Ok(Self {
            x,
            y,
            offset,
            weight,
        })
    }

    /// Rows that count, each as often as it stands for.
    pub(super) fn rows(&self, kind: Option<WeightKind>) -> f64 {
        self.weight.iter().map(|weight| rows(*weight, kind)).sum()
    }

    /// Sum of weight times `value`.
    pub(super) fn total(&self, values: impl IntoIterator<Item = f64>) -> f64 {
        self.weight
            .iter()
            .zip(values)
            .map(|(weight, value)| weight * value)
            .sum()
    }

    /// Calls `each` with every row, its linear predictor at `beta`.
    pub(super) fn each(&self, state: &GlmState, beta: &[f64], mut each: impl FnMut(Line<'_>)) {
        // A model of the intercept alone looks at no column.
        let alone = Moments::default();
        let moments = if beta.len() == 1 {
            &alone
        } else {
            &state.moments
        };
        let mut sides = self.offset.iter().zip(&self.weight);
        derivatives::each_row(
            self.x.view(),
            self.y.view(),
            moments,
            beta,
            |z, predictor, y| {
                if let Some((offset, weight)) = sides.next() {
                    let predictor = predictor + (offset - state.offset);
                    each(Line {
                        z,
                        predictor,
                        y: state.scaled(y),
                        weight: *weight,
                    });
                }
            },
        );
    }
}

/// The rows that one of this weight is: as many as it says, or one unless it says nothing.
pub(super) fn rows(weight: f64, kind: Option<WeightKind>) -> f64 {
    match kind {
        Some(WeightKind::Frequency) => weight,
        _ => f64::from(u8::from(weight > 0.0)),
    }
}

/// A column beside the table, or `absent` where the recipe names none.
fn side(
    given: Option<ArrayView1<'_, f64>>,
    named: bool,
    count: usize,
    absent: f64,
    (role, must, good): (&'static str, &'static str, fn(f64) -> bool),
) -> Result<Array1<f64>, RecipeError> {
    if !named {
        return Ok(Array1::from_elem(count, absent));
    }
    let values = given
        .filter(|values| values.len() == count)
        .ok_or(RecipeError::Side {
            role,
            must,
            rows: count,
        })?;
    match values.iter().filter(|value| !good(**value)).count() {
        0 => Ok(values.to_owned()),
        rows => Err(RecipeError::Side { role, must, rows }),
    }
}

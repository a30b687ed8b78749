//! Why a Cox fit has no answer.

use crate::error::{RecipeError, of_column};
use crate::linear::largest;
use crate::newton::NoMaximum;
use motet_secagg::canonical;

/// A column takes part in a direction without end if it moves by this part of the largest.
const PART: f64 = 0.1;

canonical! {
    /// The sums themselves show that this fit has no answer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum CoxStuck {
        /// This column has the same value in every row.
        1 => Constant(u32),
        /// This column is a linear combination of others.
        2 => Collinear(u32),
        /// No event within the horizon.
        3 => NoEvents,
        /// The likelihood keeps rising while the coefficients of these columns grow without end.
        4 => Monotone(Vec<u32>),
        /// Fewer than two rows.
        5 => TooFewRows,
        /// This column is the same for all who are at risk whenever there is an event.
        6 => Silent(u32),
        /// Sums at that many event points are too many for one vector.
        7 => TooManyPoints(u32),
    }
}

impl From<NoMaximum> for CoxStuck {
    fn from(why: NoMaximum) -> Self {
        match why {
            NoMaximum::Dependent(column) => Self::Collinear(column as u32),
            NoMaximum::Endless(along) => monotone(&along),
        }
    }
}

impl CoxStuck {
    pub(super) fn error(&self, columns: &[String], event: &str) -> RecipeError {
        match self {
            Self::Constant(at) => {
                of_column(columns, *at, |column| RecipeError::Constant { column })
            }
            Self::Collinear(at) => {
                of_column(columns, *at, |column| RecipeError::Collinear { column })
            }
            Self::NoEvents => RecipeError::NoEvents {
                event: event.to_owned(),
            },
            Self::Monotone(at) => {
                let quoted: Vec<String> = at
                    .iter()
                    .filter_map(|at| columns.get(*at as usize))
                    .map(|column| format!("`{column}`"))
                    .collect();
                RecipeError::Monotone {
                    columns: quoted.join(", "),
                }
            }
            Self::TooFewRows => RecipeError::TooFewRows,
            Self::Silent(at) => of_column(columns, *at, |column| RecipeError::Silent { column }),
            Self::TooManyPoints(points) => RecipeError::TooManyPoints { points: *points },
        }
    }
}

/// The columns that a step moves.
fn monotone(step: &[f64]) -> CoxStuck {
    let most = largest(step);
    let moved = step
        .iter()
        .enumerate()
        .filter(|(_, part)| part.abs() >= PART * most);
    CoxStuck::Monotone(moved.map(|(at, _)| at as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_without_end_names_its_columns() {
        assert_eq!(
            monotone(&[0.01, -1.0, 0.2, 0.05]),
            CoxStuck::Monotone(vec![1, 2])
        );
    }
}

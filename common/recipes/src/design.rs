//! The columns a regression is fitted on, made from the columns of the table: each is a product of
//! functions of columns. A site expands its rows in `answer`. Nothing of a design is learned from
//! data but knots that the formula leaves open ([`Shape::Sought`]): [`Design::placed`] has them.
//!
//! ```text
//! table     age   male   sbp                              design.columns
//! design    age | male | ns(sbp)[120] | ns(sbp)[..] | age:male     design.terms, in the order of the coefficients
//! ```
//!
//! [`Design::plain`] takes the columns as they are; [`crate::Formula`] makes others.

use crate::error::{MOST_COLUMNS, RecipeError, check_columns, require};
use crate::rows::Rows;
use crate::spline::{Placed, Sought, Spline};
use motet_secagg::canonical;
use ndarray::{Array2, ArrayView1};

canonical! {
    /// Terms over the columns of a table. The intercept is not among them: every regression has its
    /// own.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Design {
        /// Columns of the table.
        pub columns: Vec<String>,
        /// What the coefficients belong to.
        pub terms: Vec<Term>,
    }
}

canonical! {
    /// The product of its factors.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Term {
        /// The name of the coefficient.
        pub name: String,
        /// At least one.
        pub factors: Vec<Factor>,
    }
}

canonical! {
    /// A function of one column.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Factor {
        /// Index of the column in [`Design::columns`].
        pub column: u32,
        /// The function.
        pub shape: Shape,
    }
}

canonical! {
    /// What is done with a value.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Shape {
        /// Taken as it is.
        1 => Plain,
        /// Raised to a whole power, 2 to 9.
        2 => Power(u32),
        /// Natural logarithm.
        3 => Log,
        /// One function of a natural cubic spline.
        4 => Spline(Spline),
        /// The same with knots that are not known yet: it has no value.
        5 => Sought(Sought),
    }
}

impl Factor {
    /// A function of the column at this place.
    pub(crate) fn new(column: usize, shape: Shape) -> Self {
        Self {
            column: column as u32,
            shape,
        }
    }
}

impl Design {
    /// The columns themselves.
    pub fn plain(columns: Vec<String>) -> Self {
        let terms = columns
            .iter()
            .enumerate()
            .map(|(at, name)| Term {
                name: name.clone(),
                factors: vec![Factor::new(at, Shape::Plain)],
            })
            .collect();
        Self { columns, terms }
    }

    /// The splines whose knots have to be found: column and degrees, each once.
    pub fn sought(&self) -> Vec<(u32, u32)> {
        let mut all = Vec::new();
        for factor in self.terms.iter().flat_map(|term| &term.factors) {
            if let Shape::Sought(sought) = &factor.shape
                && !all.contains(&(factor.column, sought.degrees))
            {
                all.push((factor.column, sought.degrees));
            }
        }
        all
    }

    /// The same design with the knots that were found.
    pub fn placed(&self, all: &[Placed]) -> Self {
        let mut design = self.clone();
        for term in &mut design.terms {
            for factor in &mut term.factors {
                let Shape::Sought(sought) = factor.shape else {
                    continue;
                };
                let Some(column) = self.columns.get(factor.column as usize) else {
                    continue;
                };
                let found = all
                    .iter()
                    .find(|placed| {
                        (placed.column, placed.degrees) == (factor.column, sought.degrees)
                    })
                    .and_then(|placed| placed.function(sought.at, column));
                if let Some((name, spline)) = found {
                    term.name = term.name.replacen(&sought.name(column), &name, 1);
                    factor.shape = Shape::Spline(spline);
                }
            }
        }
        design
    }

    /// Names of the coefficients, without the intercept.
    pub fn names(&self) -> Vec<String> {
        self.terms.iter().map(|term| term.name.clone()).collect()
    }

    /// Checks columns, terms and knots. Call it in a recipe's `check`.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        let names: std::collections::BTreeSet<&String> =
            self.terms.iter().map(|term| &term.name).collect();
        require(
            !self.terms.is_empty()
                && self.terms.len() <= MOST_COLUMNS
                && names.len() == self.terms.len()
                && self.terms.iter().all(|term| {
                    !term.factors.is_empty()
                        && term.factors.iter().all(|factor| {
                            let shape = match &factor.shape {
                                Shape::Plain | Shape::Log => true,
                                Shape::Power(power) => (2..=9).contains(power),
                                Shape::Spline(spline) => spline.good(),
                                Shape::Sought(sought) => sought.good(),
                            };
                            shape && (factor.column as usize) < self.columns.len()
                        })
                }),
            "formula",
            "1 to 1024 different terms over the columns",
        )
    }

    /// A site's rows as the regression sees them: one line a row, one column a term.
    ///
    /// # Errors
    /// The table has other columns, or values that are missing, infinite or outside of a function's
    /// range.
    pub fn expand(&self, rows: &Rows<'_>) -> Result<Array2<f64>, RecipeError> {
        let x = rows.of(&self.columns)?;
        for (values, column) in x.columns().into_iter().zip(&self.columns) {
            finite(values, column)?;
        }
        let mut expanded = Array2::zeros((x.nrows(), self.terms.len()));
        for (from, mut to) in x.rows().into_iter().zip(expanded.rows_mut()) {
            for (cell, term) in to.iter_mut().zip(&self.terms) {
                *cell = term.value(from);
            }
        }
        for (values, term) in expanded.columns().into_iter().zip(&self.terms) {
            finite(values, &term.name)?;
        }
        Ok(expanded)
    }
}

fn finite(values: ArrayView1<'_, f64>, column: &str) -> Result<(), RecipeError> {
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        rows => Err(RecipeError::NotFinite {
            column: column.to_owned(),
            rows,
        }),
    }
}

impl Term {
    fn value(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.factors
            .iter()
            .map(|factor| {
                let x = row.get(factor.column as usize).copied().unwrap_or(f64::NAN);
                factor.shape.value(x)
            })
            .product()
    }
}

impl Shape {
    fn value(&self, x: f64) -> f64 {
        match self {
            Self::Plain => x,
            Self::Power(power) => (0..*power).map(|_| x).product(),
            Self::Log => libm::log(x),
            Self::Spline(spline) => spline.value(x),
            Self::Sought(_) => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(terms: Vec<Term>) -> Design {
        Design {
            columns: vec!["a".into(), "b".into()],
            terms,
        }
    }

    fn factor(column: u32, shape: Shape) -> Factor {
        Factor { column, shape }
    }

    #[test]
    fn a_row_is_expanded_term_by_term() {
        let product = Term {
            name: "a:I(b^3)".into(),
            factors: vec![factor(0, Shape::Plain), factor(1, Shape::Power(3))],
        };
        let log = Term {
            name: "log(b)".into(),
            factors: vec![factor(1, Shape::Log)],
        };
        let design = design(vec![product, log]);
        let x = ndarray::arr2(&[[3.0, 2.0], [1.0, 1.0]]);
        let got = design.expand(&Rows::new(x.view())).unwrap();
        assert_eq!(got, ndarray::arr2(&[[24.0, 2.0_f64.ln()], [1.0, 0.0]]));
        let zero = ndarray::arr2(&[[3.0, 0.0], [1.0, 1.0]]);
        assert_eq!(
            design.expand(&Rows::new(zero.view())).unwrap_err(),
            RecipeError::NotFinite {
                column: "log(b)".into(),
                rows: 1
            }
        );
    }

    #[test]
    fn a_design_that_cannot_be_is_refused() {
        let good = Design::plain(vec!["a".into(), "b".into()]);
        assert_eq!(good.check(), Ok(()));
        assert_eq!(good.names(), ["a", "b"]);
        let bad = |terms: Vec<Term>| design(terms).check().is_err();
        let term = |factors: Vec<Factor>| Term {
            name: "t".into(),
            factors,
        };
        assert!(bad(vec![]));
        assert!(bad(vec![term(vec![])]));
        assert!(bad(vec![term(vec![factor(2, Shape::Plain)])]));
        assert!(bad(vec![term(vec![factor(0, Shape::Power(1))])]));
        assert!(bad(vec![
            term(vec![factor(0, Shape::Plain)]),
            term(vec![factor(1, Shape::Plain)])
        ]));
    }
}

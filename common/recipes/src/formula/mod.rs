//! A formula in the manner of R, and the design it stands for.
//!
//! ```text
//! dead14 ~ age + male + ns(sbp, knots = c(120, 140, 160), boundary = c(80, 220)) + age:male + country
//! ```
//!
//! | written | means |
//! |---|---|
//! | `a + b`, `a:b`, `a*b`, `(a+b+c)^2`, `- a:b` | as in R; terms stand by their degree, main effects first |
//! | a category | its columns, one for each level but the first |
//! | `log(x)`, `I(x^2)` | natural logarithm, a power from 2 to 9 |
//! | `ns(x, knots = c(..), boundary = c(low, high))` | a natural cubic spline, see `spline` for its basis |
//! | `ns(x, 3)`, `ns(x, df = 3)` | the same with knots at quantiles of all sites' patients, see `glm::knots` |
//!
//! The intercept is always there.

mod error;
mod parse;
mod read; // the key of a study file

use crate::design::{Design, Factor, Shape, Term};
use crate::error::MOST_COLUMNS;
use crate::spline::{Sought, Spline};
pub use error::FormulaError;
use parse::{Function, Part, Product};
pub(crate) use read::{read, written};

/// A formula that has been read; its features are not looked up yet.
#[derive(Debug, Clone)]
pub struct Formula {
    /// What stands before `~`.
    pub outcome: Option<String>,
    terms: Vec<Product>,
}

/// A function of a column with its name.
type Named = (String, Factor);

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// The character and what to write there.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        let (outcome, terms) = parse::parse(text)?;
        Ok(Self { outcome, terms })
    }

    /// The features it names, each once, in the order of the terms.
    pub fn features(&self) -> Vec<&str> {
        let mut features: Vec<&str> = Vec::new();
        for part in self.terms.iter().flatten() {
            if !features.contains(&part.feature.as_str()) {
                features.push(&part.feature);
            }
        }
        features
    }

    /// The design over the columns of the table. `columns` gives the columns of a feature: itself,
    /// or those of a category's levels but the first; nothing for a feature that the study does not
    /// have.
    ///
    /// # Errors
    /// An unknown feature, a function of a category, or an interaction of a category without its
    /// main effects.
    pub fn design(
        &self,
        columns: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Design, FormulaError> {
        let mut table = Vec::new();
        let mut terms = Vec::new();
        for product in &self.terms {
            let mut sides = Vec::new();
            for part in product {
                let names = columns(&part.feature).ok_or_else(|| unknown(part))?;
                if names.as_slice() != [part.feature.clone()] {
                    self.category(part, product)?;
                }
                sides.push(part.functions(&names, &mut table));
            }
            terms.extend(expand(&sides));
            if terms.len() > MOST_COLUMNS {
                let at = product.first().map_or(1, |part| part.at);
                return Err(FormulaError::at(
                    at,
                    "the formula has more than 1024 coefficients",
                ));
            }
        }
        Ok(Design {
            columns: table,
            terms,
        })
    }

    /// R codes a category by its levels but the first only where the term without it is in the
    /// model too.
    fn category(&self, part: &Part, product: &Product) -> Result<(), FormulaError> {
        if part.function != Function::Plain {
            let what = format!(
                "`{}` is a category: it has no logarithm, power or spline",
                part.feature
            );
            return Err(FormulaError::at(part.at, what));
        }
        let others: Product = product
            .iter()
            .filter(|other| other.at != part.at)
            .cloned()
            .collect();
        if others.is_empty() || self.terms.iter().any(|term| parse::same(term, &others)) {
            return Ok(());
        }
        let what = format!(
            "an interaction with category `{}` needs the terms it is made of: write `*` for `:`",
            part.feature
        );
        Err(FormulaError::at(part.at, what))
    }
}

fn unknown(part: &Part) -> FormulaError {
    FormulaError::at(
        part.at,
        format!(
            "`{}` is no feature of the study: add it to `features`",
            part.feature
        ),
    )
}

impl Part {
    /// The functions that this part stands for; a column that is new is added to the table.
    fn functions(&self, names: &[String], table: &mut Vec<String>) -> Vec<Named> {
        let mut named = Vec::new();
        for name in names {
            let column = table
                .iter()
                .position(|known| known == name)
                .unwrap_or_else(|| {
                    table.push(name.clone());
                    table.len() - 1
                });
            match &self.function {
                Function::Plain => named.push((name.clone(), Factor::new(column, Shape::Plain))),
                Function::Power(power) => named.push((
                    format!("I({name}^{power})"),
                    Factor::new(column, Shape::Power(*power)),
                )),
                Function::Log => {
                    named.push((format!("log({name})"), Factor::new(column, Shape::Log)))
                }
                Function::Ns(knots) => named.extend(
                    Spline::basis(knots)
                        .into_iter()
                        .zip(knots.iter().skip(1))
                        .map(|(spline, knot)| {
                            (
                                format!("ns({name})[{knot}]"),
                                Factor::new(column, Shape::Spline(spline)),
                            )
                        }),
                ),
                Function::Sought(degrees) => named.extend(
                    (1..=*degrees)
                        .map(|at| Sought {
                            degrees: *degrees,
                            at,
                        })
                        .map(|sought| {
                            (
                                sought.name(name),
                                Factor::new(column, Shape::Sought(sought)),
                            )
                        }),
                ),
            }
        }
        named
    }
}

/// All products of one function from each side; the first side changes fastest, as in R.
fn expand(sides: &[Vec<Named>]) -> Vec<Term> {
    let mut terms = vec![Term {
        name: String::new(),
        factors: Vec::new(),
    }];
    for side in sides {
        terms = side
            .iter()
            .flat_map(|(name, factor)| {
                terms
                    .iter()
                    .map(|term| {
                        let colon = if term.name.is_empty() { "" } else { ":" };
                        let mut factors = term.factors.clone();
                        factors.push(factor.clone());
                        Term {
                            name: format!("{}{colon}{name}", term.name),
                            factors,
                        }
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    terms
}

//! The result of a finished fit, in the units of the columns. Outside the chain.

use super::family::Family;
use super::{Errors, Glm, GlmPhase, GlmState};
use crate::data::WeightKind;
use crate::error::{RecipeError, Stuck};
use crate::linear::{Factor, dot, square};
use crate::method::{Finished, Method as _, Pass, with_and_without};
use crate::newton::Step;
use crate::normal::{self, Z_95};
use crate::score::{CalibrationBin, Metrics};
use crate::spline::Placed;
use crate::student;
use crate::units;

/// A fitted coefficient in the units of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// `(intercept)` or the term of the design.
    pub name: String,
    /// Change of the linear predictor for one unit.
    pub estimate: f64,
    /// How well it is known; nothing with a lasso, or where a robust error vanishes.
    pub uncertainty: Option<Uncertainty>,
}

/// How well a coefficient is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertainty {
    /// Standard error.
    pub se: f64,
    /// estimate / se: Student's t with [`GlmOutcome::df`] where the dispersion is estimated, else
    /// normal.
    pub statistic: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// Lower end of the 95 % interval.
    pub ci_low: f64,
    /// Upper end of the 95 % interval.
    pub ci_high: f64,
}

/// The model as a classifier, on the rows it was fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Discrimination and calibration.
    pub metrics: Metrics,
    /// (false positive rate, true positive rate), rising.
    pub roc: Vec<(f64, f64)>,
    /// Ten groups of rising risk.
    pub calibration: Vec<CalibrationBin>,
}

/// The knots of a natural spline that were found in the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Knots {
    /// The column.
    pub column: String,
    /// Degrees of freedom: `ns(column, degrees)` stands in the formula.
    pub degrees: u32,
    /// Rising; the first and the last are the boundary.
    pub knots: Vec<f64>,
    /// Of each knot, how far the pooled quantile may be from it.
    pub within: Vec<f64>,
}

impl Knots {
    /// The spline with its knots written out, as R (`library(splines)`) and a formula here take it.
    pub fn formula(&self) -> String {
        let knots: Vec<String> = self.knots.iter().map(f64::to_string).collect();
        let (inner, ends) = match knots.as_slice() {
            [low, inner @ .., high] => (inner.join(", "), format!("{low}, {high}")),
            // A spline has two knots at least.
            few => (String::new(), few.join(", ")),
        };
        let column = &self.column;
        format!("ns({column}, knots = c({inner}), Boundary.knots = c({ends}))")
    }
}

/// A finished fit.
#[derive(Debug, Clone, PartialEq)]
pub struct GlmOutcome {
    /// The distribution.
    pub family: Family,
    /// Where standard errors come from.
    pub errors: Errors,
    /// Rounds of the run, all passes and phases.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Their rows with a weight above 0; with frequencies as many as these say.
    pub rows: u64,
    /// What the weights say, where there are any.
    pub weight_kind: Option<WeightKind>,
    /// Sum of the weights; the rows where there are none.
    pub weight: f64,
    /// Weighted mean of the outcome; of outcome less offset if linear.
    pub mean: f64,
    /// Rows with outcome 1, if logistic.
    pub events: Option<u64>,
    /// Whether the last step was within the tolerance.
    pub converged: bool,
    /// Log-likelihood, without penalties, as R's `logLik`; none for quasi families.
    pub loglik: Option<f64>,
    /// The same of the model of intercept and offset alone.
    pub null_loglik: Option<f64>,
    /// Deviance; if linear the residual sum of squares.
    pub deviance: f64,
    /// The same of the model of intercept and offset alone.
    pub null_deviance: f64,
    /// Sum of squared Pearson residuals.
    pub pearson: f64,
    /// pearson / df where the family estimates it (linear: the residual variance), else 1.
    pub dispersion: f64,
    /// Rows less coefficients; with a lasso less those that are not zero.
    pub df: u64,
    /// Share of the variance of the outcome that the columns explain, if linear.
    pub r_squared: Option<f64>,
    /// Of splines whose knots the formula left open.
    pub knots: Vec<Knots>,
    /// Intercept first, then the terms of the design.
    pub coefficients: Vec<Estimate>,
    /// If logistic and without weights.
    pub evaluation: Option<Evaluation>,
    /// The Newton rounds of the last pass.
    pub history: Vec<Step>,
}

impl Finished for GlmOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, yes_no: bool) -> Vec<u64> {
        let whole = yes_no && self.weight_kind != Some(WeightKind::Precision);
        let events = self
            .events
            .or_else(|| whole.then(|| libm::round(self.mean * self.rows as f64) as u64));
        with_and_without(self.rows, events)
    }
}

impl Glm {
    /// That there is a model.
    ///
    /// # Errors
    /// Why there is none, or none yet.
    pub(crate) fn finished(&self, state: &GlmState) -> Result<(), RecipeError> {
        match state.phase {
            GlmPhase::Finished => Ok(()),
            GlmPhase::Stuck(stuck) => Err(self.error(state, stuck)),
            _ => Err(RecipeError::Unfinished {
                phase: Self::standing(state).phase(),
            }),
        }
    }

    /// The finished fit.
    pub(super) fn fit(&self, state: &GlmState, pass: &Pass) -> Result<GlmOutcome, RecipeError> {
        self.finished(state)?;
        let kernel = state.check.kernel;
        let null = self.null(state);
        let deviance = self.deviance(state, kernel);
        let null_deviance = self.deviance(state, null);
        let df = state.moments.rows.saturating_sub(self.fitted(state));
        let pearson = state.check.pearson
            * match self.family {
                Family::Linear => state.scale * state.scale,
                Family::Quasipoisson => state.scale,
                _ => 1.0,
            };
        let evaluation = self.scored().then(|| Evaluation {
            metrics: state.score.metrics(),
            roc: state.score.roc(),
            calibration: state.score.calibration(),
        });
        Ok(GlmOutcome {
            family: self.family,
            errors: self.errors,
            rounds: pass.rounds,
            sites: pass.sites,
            rows: state.moments.rows,
            weight_kind: self.weight,
            weight: state.total,
            mean: state.mean,
            events: (self.family == Family::Logistic).then_some(state.moments.events),
            converged: state.newton.converged,
            loglik: self.loglik(state, kernel),
            null_loglik: self.loglik(state, null),
            deviance,
            null_deviance,
            pearson,
            dispersion: if self.family.disperses() {
                pearson / df as f64
            } else {
                1.0
            },
            df,
            r_squared: (self.family == Family::Linear && null_deviance > 0.0)
                .then(|| 1.0 - deviance / null_deviance),
            knots: state
                .placed
                .iter()
                .filter_map(|placed| self.knots(placed))
                .collect(),
            coefficients: self.coefficients(state, df)?,
            evaluation,
            history: state.newton.history.clone(),
        })
    }

    /// Nothing of a column that the design does not have.
    fn knots(&self, placed: &Placed) -> Option<Knots> {
        let column = self.design.columns.get(placed.column as usize)?.clone();
        let Placed {
            degrees,
            knots,
            within,
            ..
        } = placed.clone();
        Some(Knots {
            column,
            degrees,
            knots,
            within,
        })
    }

    fn error(&self, state: &GlmState, stuck: Stuck) -> RecipeError {
        stuck.error(
            &self.design.placed(&state.placed).names(),
            &self.outcome,
            &state.newton.growing(1),
        )
    }

    /// R's `logLik`. Linear: `(sum ln w - n (ln 2 pi + 1 - ln n + ln RSS)) / 2`. Gamma: the density
    /// of shape a and mean m, where 1/a is deviance / sum w. The others have no further parameter.
    fn loglik(&self, state: &GlmState, kernel: f64) -> Option<f64> {
        let n = state.moments.rows as f64;
        let total = state.total;
        let constant = state.constant(0);
        let deviance = self.deviance(state, kernel);
        match self.family {
            // Not positive only where a site scores the model of all on its own rows: that has no
            // likelihood.
            Family::Linear | Family::Gamma if deviance <= 0.0 => None,
            Family::Linear => {
                let two_pi = 2.0 * std::f64::consts::PI;
                let variance = deviance / n;
                Some(0.5 * (constant - n * (libm::log(two_pi) + 1.0 + libm::log(variance))))
            }
            Family::Gamma => {
                let a = total / deviance;
                let rows = (a - 1.0) * constant + a * kernel - total * libm::log(state.scale);
                Some(rows + total * (a * libm::log(a) - libm::lgamma(a)))
            }
            Family::Poisson => Some(kernel + state.constant(1)),
            Family::Logistic => Some(kernel),
            Family::Quasipoisson | Family::Quasibinomial => None,
        }
    }

    fn coefficients(&self, state: &GlmState, df: u64) -> Result<Vec<Estimate>, RecipeError> {
        let covariance = if self.lasso > 0.0 {
            Vec::new()
        } else {
            self.covariance(state, df)?
        };
        let linear = self.family == Family::Linear;
        let factor = if linear { state.scale } else { 1.0 };
        let shift = match self.family {
            Family::Linear => state.mean,
            Family::Gamma | Family::Quasipoisson => libm::log(state.scale) - state.offset,
            _ => -state.offset,
        };
        let wide = if self.family.disperses() && self.lasso == 0.0 {
            student::t_95(df as f64)
        } else {
            Z_95
        };
        let names = std::iter::once("(intercept)".to_owned())
            .chain(self.design.placed(&state.placed).names());
        let figures = units::own(
            &state.newton.beta,
            &covariance,
            &state.moments,
            &state.newton.basis,
        );
        Ok(names
            .zip(figures)
            .enumerate()
            .map(|(at, (name, (estimate, se)))| {
                let estimate = factor * estimate + if at == 0 { shift } else { 0.0 };
                let se = factor * se;
                let statistic = estimate / se;
                let p = if self.family.disperses() {
                    student::two_sided(statistic, df as f64)
                } else {
                    normal::two_sided(statistic)
                };
                let ci_low = estimate - wide * se;
                let ci_high = estimate + wide * se;
                let known = Uncertainty {
                    se,
                    statistic,
                    p,
                    ci_low,
                    ci_high,
                };
                // An error that is zero or no number is none: robust errors can be so in a cell of one
                // row.
                Estimate {
                    name,
                    estimate,
                    uncertainty: (se > 0.0 && self.lasso == 0.0).then_some(known),
                }
            })
            .collect())
    }

    /// Covariance of the coefficients on the scale of the fit, in the columns of its basis, a full
    /// square.
    fn covariance(&self, state: &GlmState, df: u64) -> Result<Vec<f64>, RecipeError> {
        let terms = self.terms();
        let observed = &state.newton.information;
        let information = if self.family == Family::Gamma {
            &state.check.expected
        } else {
            observed
        };
        let bread = Factor::of(information, terms, self.ridge)
            .map_err(|_| self.error(state, Stuck::Separated))?
            .inverse();
        let free = df as f64;
        Ok(match self.errors {
            Errors::Model if self.family.disperses() => times(state.check.pearson / free, bread),
            Errors::Model => bread,
            Errors::Hc0 => sandwich(&bread, &state.check.meat, terms),
            Errors::Hc1 => times(
                state.moments.rows as f64 / free,
                sandwich(&bread, &state.check.meat, terms),
            ),
        })
    }
}

fn times(factor: f64, cells: Vec<f64>) -> Vec<f64> {
    cells.into_iter().map(|cell| factor * cell).collect()
}

/// `bread * meat * bread`; the meat as an upper triangle.
fn sandwich(bread: &[f64], meat: &[f64], size: usize) -> Vec<f64> {
    product(&product(bread, &square(meat, size), size), bread, size)
}

/// The product of two squares, row by row; the right one is symmetric.
fn product(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    left.chunks_exact(size)
        .flat_map(|row| -> Vec<f64> {
            right
                .chunks_exact(size)
                .map(|column| dot(row, column))
                .collect()
        })
        .collect()
}

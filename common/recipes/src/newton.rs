//! Newton's method for the penalised log-likelihood of a regression on standardised columns: shared
//! by `verdict`, which answers with the sums below, and by `glm`, which brings its own.
//!
//! One round asks for `[ log-likelihood | gradient (p+1) | information, upper triangle ]` at a
//! point. The point moves by the whole Newton step; where the objective fell, by half of it, then a
//! quarter. With a lasso the step is that of the quadratic model with the lasso's corner (proximal
//! Newton, see `lasso`).
//!
//! Why the pooled number of rows n bounds each site's gradient and information in the logistic
//! model. The columns are standardised by the pooled mean and standard deviation (ddof 1), so over
//! all rows sum z_j^2 = n - 1, and the intercept's z is 1. Residuals are below 1 and weights p(1-p)
//! at most 1/4. By Cauchy and Schwarz
//!
//! ```text
//! |gradient_j|     <= sum |z_j|         <= sqrt(n (n - 1))     < n         (n for the intercept)
//! |information_jk| <= sum |z_j z_k| / 4 <= max(n, n - 1) / 4   < n
//! ```
//!
//! and a site's part of a sum of absolute values is no larger than the whole. The log-likelihood
//! has no such bound: limbs.

use crate::basis::Basis;
use crate::error::{RecipeError, Stuck};
use crate::lasso;
use crate::linear::{Factor, dot, largest, triangle};
use crate::moments::Moments;
use crate::rows::Values;
use crate::score::{log_likelihood, logistic};
use motet_secagg::canonical;
use motet_secagg::layout::Sum;
use ndarray::{ArrayView1, ArrayView2};

/// The objective may fall by this part of its size before a step counts as too long: rounding of
/// the sums.
const SLACK: f64 = 1e-10;

/// Signs that the likelihood has no maximum: it cannot rise noticeably any more (Newton decrement
/// below `LITTLE_GAIN`; near a maximum the decrement then falls quadratically), and yet the
/// coefficients go on by a step that is no shorter than half the last. In separated rows |z| <=
/// sqrt n, so the steps, about 1 in the linear predictor, stay above `REAL_STEP` for any number of
/// rows that can be added up; rounding of the sums moves coefficients by less.
///
/// The farthest the linear predictor moves in one round, on average over the rows: from the model
/// of the intercept alone whole steps may go 20 far, and are then halved round by round.
const LONG: f64 = 5.0;

/// A likelihood that would rise by less than `STILL` a row does not rise: the linear predictor then
/// moves by less than 1e-10 on average, and no coefficient by more than 1e-10 of its standard error
/// times the root of the rows.
pub(crate) const STILL: f64 = 1e-20;
const LITTLE_GAIN: f64 = 1e-4;
const REAL_STEP: f64 = 1e-6;

/// When Newton's method ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) ridge: f64,
    pub(crate) lasso: f64,
    pub(crate) tolerance: f64,
    pub(crate) max_rounds: u32,
    /// Mean weight of a row: what the likelihood is measured in.
    pub(crate) unit: f64,
    /// Rows of all sites.
    pub(crate) rows: u64,
    /// Whether the likelihood can rise without end. That of a linear model cannot.
    pub(crate) separable: bool,
}

impl Limits {
    fn penalty(&self, beta: &[f64]) -> f64 {
        let squares = beta.iter().skip(1).fold(0.0, |sum, b| sum + b * b);
        let sizes = beta.iter().skip(1).fold(0.0, |sum, b| sum + b.abs());
        0.5 * self.ridge * squares + self.lasso * sizes
    }
}

canonical! {
    /// One Newton round.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Step {
        /// Round of the run.
        pub round: u32,
        /// Log-likelihood at the point the round asked for.
        pub loglik: f64,
        /// Largest coefficient of the step from there, standardised; for a step that was too long,
        /// of the step that led there.
        pub step: f64,
    }
}

canonical! {
    /// The climb so far, on standardised columns.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Newton {
        /// Rounds of this pass.
        pub taken: u32,
        /// The best point: intercept first.
        pub beta: Vec<f64>,
        /// The whole Newton step from there.
        pub direction: Vec<f64>,
        /// The part of it that is tried.
        pub shrink: f64,
        /// Penalised log-likelihood at `beta`; minus infinity before the first round.
        pub objective: f64,
        /// Information without the ridge at the last point with a Newton step, upper triangle, in
        /// the columns of `basis`.
        pub information: Vec<f64>,
        /// In which columns gradient and information are asked for.
        pub basis: Basis,
        /// Largest coefficient of the last whole step; 0 before the first.
        pub stride: f64,
        /// Whether that was within the tolerance.
        pub converged: bool,
        /// One entry a round.
        pub history: Vec<Step>,
    }
}

/// What a Newton round led to.
pub(crate) enum Climb {
    /// Ask for another point.
    On(Newton),
    /// Converged, or out of rounds.
    End(Newton),
    /// There is no maximum.
    Stuck(Stuck),
}

/// Calls `each` with every standardised row, intercept first, its linear predictor and its outcome.
pub(crate) fn each_row(
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    moments: &Moments,
    beta: &[f64],
    mut each: impl FnMut(&[f64], f64, f64),
) {
    let mut z = vec![1.0; beta.len()];
    for (row, y) in x.rows().into_iter().zip(y) {
        if let Some((_, features)) = z.split_first_mut() {
            moments.standardise(row, features);
        }
        each(&z, dot(&z, beta), *y);
    }
}

pub(crate) fn answer(
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    moments: &Moments,
    beta: &[f64],
    basis: &Basis,
) -> Vec<f64> {
    let mut sums = Sums::new(beta.len());
    let mut turned = Vec::new();
    each_row(x, y, moments, beta, |z, predictor, y| {
        let p = logistic(predictor);
        sums.add(
            basis.turn(z, &mut turned),
            log_likelihood(predictor, y),
            y - p,
            p * (1.0 - p),
        );
    });
    sums.values()
}

/// A site's sums of one round.
pub(crate) struct Sums {
    loglik: f64,
    gradient: Vec<f64>,
    information: Vec<f64>,
}

impl Sums {
    pub(crate) fn new(terms: usize) -> Self {
        Self {
            loglik: 0.0,
            gradient: vec![0.0; terms],
            information: vec![0.0; triangle(terms)],
        }
    }

    /// Adds a row: its part of the log-likelihood, and first and (negative) second derivative by
    /// the linear predictor.
    pub(crate) fn add(&mut self, z: &[f64], loglik: f64, rest: f64, weight: f64) {
        self.loglik += loglik;
        for (sum, z_j) in self.gradient.iter_mut().zip(z) {
            *sum += rest * z_j;
        }
        add_square(&mut self.information, z, weight);
    }

    pub(crate) fn values(self) -> Vec<f64> {
        [vec![self.loglik], self.gradient, self.information].concat()
    }
}

/// The diagonal of a packed triangle, packed.
fn diagonal(packed: &[f64], size: usize) -> Vec<f64> {
    let mut cells = packed.to_vec();
    let mut rest = cells.as_mut_slice();
    for row in 0..size {
        let Some((line, after)) = rest.split_at_mut_checked(size - row) else {
            break;
        };
        line.iter_mut().skip(1).for_each(|cell| *cell = 0.0);
        rest = after;
    }
    cells
}

/// Adds `weight * z z'`, upper triangle.
pub(crate) fn add_square(cells: &mut [f64], z: &[f64], weight: f64) {
    let mut cells = cells.iter_mut();
    let mut left = z;
    while let Some((z_j, rest)) = left.split_first() {
        let part = weight * z_j;
        // `left` is shorter and must stand first: zip takes from its first side before it finds the
        // second at its end.
        for (z_k, cell) in left.iter().zip(&mut cells) {
            *cell += part * z_k;
        }
        left = rest;
    }
}

impl Newton {
    /// Before the first round, at zero.
    pub(crate) fn new(columns: usize) -> Self {
        Self::at(0.0, columns)
    }

    /// Before the first round, at a model of this intercept alone.
    pub(crate) fn at(intercept: f64, columns: usize) -> Self {
        let mut beta = vec![0.0; columns + 1];
        if let Some(first) = beta.first_mut() {
            *first = intercept;
        }
        Self {
            taken: 0,
            beta,
            direction: vec![0.0; columns + 1],
            shrink: 1.0,
            objective: f64::NEG_INFINITY,
            information: Vec::new(),
            basis: Basis::default(),
            stride: 0.0,
            converged: false,
            history: Vec::new(),
        }
    }

    /// Without a finite maximum: the columns along which the coefficients grow, those with the
    /// largest part of the last step first. Standardised, so that units do not decide; the
    /// intercept and what merely follows (below a hundredth of the largest part) are left out.
    pub(crate) fn growing(&self) -> Vec<usize> {
        let columns = self.direction.get(1..).unwrap_or_default();
        let least = 0.01 * largest(columns);
        let mut growing: Vec<(usize, f64)> = columns
            .iter()
            .map(|step| step.abs())
            .enumerate()
            .filter(|(_, size)| *size > 0.0 && *size >= least)
            .collect();
        growing.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        growing.into_iter().map(|(at, _)| at).collect()
    }

    /// The point the next round asks for.
    pub(crate) fn point(&self) -> Vec<f64> {
        self.beta
            .iter()
            .zip(&self.direction)
            .map(|(beta, step)| beta + self.shrink * step)
            .collect()
    }

    /// Takes in one round; `round` counts the rounds of the run.
    pub(crate) fn absorb(
        &self,
        sum: &Sum,
        round: u32,
        limits: Limits,
    ) -> Result<Climb, RecipeError> {
        let point = self.point();
        let terms = point.len();
        let mut values = Values::of(sum);
        let loglik = values.one()?;
        let gradient = values.take(terms)?;
        let information = values.take(triangle(terms))?;
        values.end()?;

        let objective = loglik - limits.penalty(&point);
        if !objective.is_finite() {
            return Ok(Climb::Stuck(Stuck::Separated));
        }
        let mut next = Self {
            taken: self.taken + 1,
            ..self.clone()
        };
        if objective < self.objective - SLACK * (1.0 + self.objective.abs()) {
            next.history.push(Step {
                round,
                loglik,
                step: self.shrink * self.stride,
            });
            next.shrink = 0.5 * self.shrink;
            return Ok(if next.taken >= limits.max_rounds {
                Climb::End(next)
            } else {
                Climb::On(next)
            });
        }

        let slope =
            |(at, (g, b)): (usize, (&f64, &f64))| if at == 0 { *g } else { g - limits.ridge * b };
        let slope: Vec<f64> = gradient.iter().zip(&point).enumerate().map(slope).collect();
        let unbound = limits.ridge == 0.0 && limits.lasso == 0.0;
        let step = if limits.lasso > 0.0 {
            lasso::step(information, gradient, &point, limits.ridge, limits.lasso)
        } else {
            match Factor::of(information, terms, limits.ridge) {
                Ok(factor) => {
                    if self.taken == 0 && unbound {
                        next.basis = Basis::of(&factor);
                    }
                    factor.solve(&slope)
                }
                // At the start the weights are far from zero: only the columns themselves can be at
                // fault.
                Err(at) if (self.taken == 0 || !limits.separable) && at > 0 => {
                    return Ok(Climb::Stuck(Stuck::Collinear(at as u32 - 1)));
                }
                Err(_) => return Ok(Climb::Stuck(Stuck::Separated)),
            }
        };
        let (stride, gain) = (largest(&step), dot(&step, &slope));
        if !stride.is_finite() {
            return Ok(Climb::Stuck(Stuck::Separated));
        }
        next.history.push(Step {
            round,
            loglik,
            step: stride,
        });
        next.objective = objective;
        next.information = information.to_vec();
        if next.basis != self.basis {
            // What the columns are turned by leaves of their products the diagonal alone.
            next.information = diagonal(information, terms);
        }
        let told = limits.lasso == 0.0 && gain <= STILL * limits.rows as f64 * limits.unit;
        let still = stride <= limits.tolerance || told;
        let goes_on = self.stride > 0.0 && stride > 0.5 * self.stride;
        let step = self.basis.back(step);
        // A first step is not yet known in columns that tell it.
        if still && (self.basis == next.basis) {
            next.beta = point.iter().zip(&step).map(|(b, step)| b + step).collect();
            next.converged = true;
            return Ok(Climb::End(next));
        }
        if unbound
            && limits.separable
            && gain < LITTLE_GAIN * limits.unit
            && stride > REAL_STEP
            && goes_on
        {
            return Ok(Climb::Stuck(Stuck::Separated));
        }
        next.beta = point;
        // How far the linear predictor moves, on average: a likelihood that is no square is not
        // followed farther at once.
        let moves = information
            .first()
            .map_or(0.0, |whole| (gain / whole).sqrt());
        let shrink = if limits.separable && moves > LONG {
            LONG / moves
        } else {
            1.0
        };
        (next.direction, next.shrink, next.stride) = (step, shrink, stride);
        Ok(if next.taken >= limits.max_rounds {
            Climb::End(next)
        } else {
            Climb::On(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -sqrt(1 + (b - 2)^2) at the point asked for, with its slope and curvature: from zero Newton
    /// jumps ever farther.
    fn sum(newton: &Newton) -> Sum {
        let distance = newton.point()[0] - 2.0;
        let root = (1.0 + distance * distance).sqrt();
        let values = vec![-root, -distance / root, 1.0 / (root * root * root)];
        Sum {
            sites: 1,
            set: Default::default(),
            weight: 1,
            values,
        }
    }

    #[test]
    fn a_step_that_lowers_the_likelihood_is_halved_until_it_does_not() {
        let limits = Limits {
            ridge: 0.0,
            lasso: 0.0,
            tolerance: 1e-9,
            max_rounds: 40,
            unit: 1.0,
            rows: 1,
            separable: false,
        };
        let mut newton = Newton::new(0);
        let mut asked = Vec::new();
        for round in 1.. {
            asked.push(newton.point()[0]);
            match newton.absorb(&sum(&newton), round, limits).unwrap() {
                Climb::On(next) => newton = next,
                Climb::End(end) => {
                    newton = end;
                    break;
                }
                Climb::Stuck(stuck) => panic!("{stuck:?}"),
            }
        }
        // The whole first step is 10 long (to 8 beyond the maximum), its half too; a quarter is
        // taken.
        let first: Vec<f64> = asked[..4]
            .iter()
            .map(|point| (point * 1e9).round() / 1e9)
            .collect();
        assert_eq!(first, [0.0, 10.0, 5.0, 2.5]);
        assert!(newton.converged && (newton.beta[0] - 2.0).abs() < 1e-9);
        assert_eq!(newton.history.len(), asked.len());
        assert_eq!(newton.history[1].step, 10.0);

        // Out of rounds in the middle of halving: the best point so far stands.
        let short = Limits {
            max_rounds: 2,
            ..limits
        };
        let Climb::On(one) = Newton::new(0)
            .absorb(&sum(&Newton::new(0)), 1, short)
            .unwrap()
        else {
            panic!("one round is left")
        };
        let Climb::End(end) = one.absorb(&sum(&one), 2, short).unwrap() else {
            panic!("no round is left")
        };
        assert!(!end.converged && end.beta == [0.0]);
    }

    #[test]
    fn the_columns_that_grow_are_named_by_their_part_of_the_step() {
        let mut newton = Newton::new(5);
        newton.direction = vec![9.0, 0.3, -2.0, 0.001, 0.0, 0.5];
        assert_eq!(
            newton.growing(),
            [1, 4, 0],
            "not the intercept, not what merely follows"
        );
        assert!(Newton::new(0).growing().is_empty() && Newton::new(3).growing().is_empty());
    }
}

//! Newton's method for a penalised log-likelihood on standardised columns: the climb of every fit.
//! `derivatives` feeds it for the regressions, `cox` for the partial likelihood.
//!
//! A round brings log-likelihood, gradient and information at the point asked for. The point moves
//! by the whole Newton step; where the objective fell or hardly rose, or could not be told, by half
//! of it, then a quarter. With a lasso the step is that of the quadratic model with the lasso's corner (proximal
//! Newton, see `lasso`). What the penalty binds and what is done about columns that nearly depend
//! on each other the fit says in its [`Limits`].
//!
//! A round may bring the log-likelihood alone (with risk sets over all sites the information comes
//! a round later): [`Newton::fell`] then says first whether that point is left again.

use crate::basis::Basis;
use crate::lasso;
use crate::linear::{Factor, diagonal, dot, largest};
use motet_secagg::canonical;

/// The objective may fall by this part of its size before a step counts as too long: rounding of
/// the sums.
const SLACK: f64 = 1e-10;
/// A step must bring this part of what its slope promises (Armijo's rule; a good step brings half).
/// One that brings less went far over the summit: the likelihood may be flat there, and then it
/// looks as if it had none. A tenth of all rows that nearly always have a rare outcome are enough
/// for that.
const ENOUGH: f64 = 0.25;
/// The farthest the linear predictor moves in one round, on average over the rows: from the model
/// of the intercept alone whole steps may go a million far, and are then halved round by round.
const LONG: f64 = 2.0;
/// A likelihood that would rise by less than `STILL` a row does not rise: the linear predictor then
/// moves by less than 1e-10 on average, and no coefficient by more than 1e-10 of its standard error
/// times the root of the rows.
const STILL: f64 = 1e-20;
/// Signs that the likelihood has no maximum: it cannot rise noticeably any more (Newton decrement
/// below `LITTLE_GAIN`; near a maximum the decrement then falls quadratically), and yet the
/// coefficients go on by a step that is no shorter than half the last. In separated rows |z| <=
/// sqrt n, so the steps, about 1 in the linear predictor, stay above `REAL_STEP` for any number of
/// rows that can be added up; rounding of the sums moves coefficients by less.
const LITTLE_GAIN: f64 = 1e-4;
const REAL_STEP: f64 = 1e-6;
/// What must be left of a column beside those before it, as a part of its square, where columns are
/// not turned: sums then tell standard errors to a hundred-millionth down to here.
const ALIKE: f64 = 2e-6;

/// What a fit asks of its climb, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) ridge: f64,
    pub(crate) lasso: f64,
    pub(crate) tolerance: f64,
    pub(crate) max_rounds: u32,
    /// Mean weight of a row: what the likelihood is measured in.
    pub(crate) unit: f64,
    /// Rows of all sites; in a partial likelihood, which only events add to, events.
    pub(crate) rows: u64,
    /// Whether the likelihood can rise without end. That of a linear model cannot.
    pub(crate) separable: bool,
    /// Terms that no penalty binds and that stand first: 1 with an intercept, several with one for
    /// each cut of an outcome, else 0.
    pub(crate) intercepts: usize,
    pub(crate) near: Near,
}

/// What is done about columns that nearly depend on each other, where no penalty binds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    /// The points after the first are asked for in turned columns, see `basis`.
    Turned,
    /// Such columns are refused.
    Refused,
}

impl Limits {
    fn penalty(&self, beta: &[f64]) -> f64 {
        let bound = beta.iter().skip(self.intercepts);
        let squares = bound.clone().fold(0.0, |sum, b| sum + b * b);
        let sizes = bound.fold(0.0, |sum, b| sum + b.abs());
        0.5 * self.ridge * squares + self.lasso * sizes
    }

    fn free(&self) -> bool {
        self.ridge == 0.0 && self.lasso == 0.0
    }
}

canonical! {
    /// One round of a climb.
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
        /// Points asked for in this pass.
        pub taken: u32,
        /// The best point: intercept first, if there is one.
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
        /// What the slope promises of the last whole step; 0 before the first, and where a lasso
        /// bends the slope.
        pub gain: f64,
        /// Whether that was within the tolerance.
        pub converged: bool,
        /// One entry a point whose likelihood could be told.
        pub history: Vec<Step>,
    }
}

/// What the sums tell of the point asked for.
pub(crate) struct Told<'a> {
    /// Counts the rounds of the run.
    pub(crate) round: u32,
    /// None where a score or a risk set was out of range.
    pub(crate) loglik: Option<f64>,
    /// Read only where the objective did not fall.
    pub(crate) gradient: &'a [f64],
    /// As `gradient`; without the ridge, upper triangle.
    pub(crate) information: &'a [f64],
}

/// What a round led to.
pub(crate) enum Climb {
    /// Ask for another point.
    On(Newton),
    /// Converged, or out of rounds.
    End(Newton),
    /// There is no maximum.
    Stuck(NoMaximum),
}

/// Why a likelihood has no maximum.
#[derive(Debug)]
pub(crate) enum NoMaximum {
    /// This column depends on those before it, or almost.
    Dependent(usize),
    /// It rises without end along this direction.
    Endless(Vec<f64>),
}

impl Newton {
    /// Before the first round, at zero, with an intercept.
    pub(crate) fn new(columns: usize) -> Self {
        Self::begin(vec![0.0; columns + 1])
    }

    /// Before the first round, at a model of this intercept alone.
    pub(crate) fn at(intercept: f64, columns: usize) -> Self {
        let mut beta = vec![0.0; columns + 1];
        if let Some(first) = beta.first_mut() {
            *first = intercept;
        }
        Self::begin(beta)
    }

    /// Before the first round, at this point.
    pub(crate) fn begin(beta: Vec<f64>) -> Self {
        Self {
            taken: 0,
            direction: vec![0.0; beta.len()],
            beta,
            shrink: 1.0,
            objective: f64::NEG_INFINITY,
            information: Vec::new(),
            basis: Basis::default(),
            stride: 0.0,
            gain: 0.0,
            converged: false,
            history: Vec::new(),
        }
    }

    /// Without a finite maximum: the columns along which the coefficients grow, those with the
    /// largest part of the last step first. Standardised, so that units do not decide; the
    /// `intercepts` and what merely follows (below a hundredth of the largest part) are left out.
    pub(crate) fn growing(&self, intercepts: usize) -> Vec<usize> {
        // Shorter where no step was taken.
        let columns = self.direction.get(intercepts..).unwrap_or(&[]);
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

    /// The objective at the point asked for.
    pub(crate) fn objective_of(&self, loglik: f64, limits: Limits) -> f64 {
        loglik - limits.penalty(&self.point())
    }

    /// Whether the step to [`Newton::point`] was too long.
    pub(crate) fn fell(&self, loglik: Option<f64>, limits: Limits) -> bool {
        let promised = ENOUGH * self.shrink * self.gain;
        let least = self.objective + promised - SLACK * (1.0 + self.objective.abs());
        loglik.is_none_or(|loglik| self.objective_of(loglik, limits) < least)
    }

    /// Takes in what the sums tell of the point.
    pub(crate) fn climb(&self, told: &Told<'_>, limits: Limits) -> Climb {
        let moved = match told.loglik {
            Some(loglik) if !self.fell(told.loglik, limits) => self.step(told, loglik, limits),
            _ => Ok(self.halve(told)),
        };
        match moved {
            Ok(next) if next.converged || next.taken >= limits.max_rounds => Climb::End(next),
            Ok(next) => Climb::On(next),
            Err(why) => Climb::Stuck(why),
        }
    }

    /// Half the step, which was too long.
    fn halve(&self, told: &Told<'_>) -> Self {
        let mut next = Self {
            taken: self.taken + 1,
            shrink: 0.5 * self.shrink,
            ..self.clone()
        };
        next.history.extend(told.loglik.map(|loglik| Step {
            round: told.round,
            loglik,
            step: self.shrink * self.stride,
        }));
        next
    }

    /// The whole step from the point, whose objective did not fall.
    fn step(&self, told: &Told<'_>, loglik: f64, limits: Limits) -> Result<Self, NoMaximum> {
        let point = self.point();
        let slope = told.gradient.iter().zip(&point).enumerate();
        let slope: Vec<f64> = slope
            .map(|(at, (g, b))| match at < limits.intercepts {
                true => *g,
                false => g - limits.ridge * b,
            })
            .collect();
        let (step, basis) = self.whole(told, &point, &slope, limits)?;
        let stride = largest(&step);
        let gain = dot(&step, &slope);
        if !stride.is_finite() {
            return Err(NoMaximum::Endless(self.direction.clone()));
        }
        let step = self.basis.back(step);
        let turns = basis != self.basis;
        let mut next = Self {
            taken: self.taken + 1,
            objective: self.objective_of(loglik, limits),
            information: told.information.to_vec(),
            basis,
            ..self.clone()
        };
        next.history.push(Step {
            round: told.round,
            loglik,
            step: stride,
        });
        if turns {
            // What the columns are turned by leaves of their products the diagonal alone.
            next.information = alone(told.information, point.len());
        }
        let still = limits.lasso == 0.0 && gain <= STILL * limits.rows as f64 * limits.unit;
        // A first step is not yet known in columns that tell it.
        if (stride <= limits.tolerance || still) && !turns {
            next.beta = point.iter().zip(&step).map(|(b, step)| b + step).collect();
            next.converged = true;
            return Ok(next);
        }
        let goes_on = self.stride > 0.0 && stride > 0.5 * self.stride;
        let little = gain < LITTLE_GAIN * limits.unit && stride > REAL_STEP;
        if limits.free() && limits.separable && little && goes_on {
            return Err(NoMaximum::Endless(step));
        }
        next.shrink = shorter(told.information, point.len(), gain, limits);
        (next.beta, next.direction, next.stride) = (point, step, stride);
        next.gain = if limits.lasso > 0.0 { 0.0 } else { gain };
        Ok(next)
    }

    /// The step to the maximum of the quadratic model, in the columns of this round, and the
    /// columns of the next.
    fn whole(
        &self,
        told: &Told<'_>,
        point: &[f64],
        slope: &[f64],
        limits: Limits,
    ) -> Result<(Vec<f64>, Basis), NoMaximum> {
        let Limits { ridge, lasso, .. } = limits;
        let basis = self.basis.clone();
        if lasso > 0.0 {
            let step = lasso::step(told.information, told.gradient, point, ridge, lasso);
            return Ok((step, basis));
        }
        let first = self.taken == 0;
        let factor = Factor::bound(told.information, point.len(), ridge, limits.intercepts)
            .map_err(|at| match at.checked_sub(limits.intercepts) {
                // At the start the weights are far from zero: only the columns themselves can be
                // at fault.
                Some(column) if first || !limits.separable => NoMaximum::Dependent(column),
                _ => NoMaximum::Endless(unit(at, point.len())),
            })?;
        let step = factor.solve(slope);
        if !(first && limits.free()) {
            return Ok((step, basis));
        }
        let (left, at) = factor.least();
        match limits.near {
            Near::Turned => Ok((step, Basis::of(&factor))),
            Near::Refused if left < ALIKE => {
                Err(NoMaximum::Dependent(at.saturating_sub(limits.intercepts)))
            }
            Near::Refused => Ok((step, basis)),
        }
    }
}

/// The part of a step that is tried first: of a likelihood that is no square no more than moves the
/// linear predictor by [`LONG`], on average over the rows, which the information of all intercepts
/// together counts.
fn shorter(information: &[f64], terms: usize, gain: f64, limits: Limits) -> f64 {
    let mut rows = 0.0;
    for (row, start) in diagonal(terms).enumerate().take(limits.intercepts) {
        // What two intercepts share stands in the triangle once.
        let others = information.iter().skip(start + 1);
        let shared = others.take(limits.intercepts - row - 1);
        rows = information.get(start).map_or(rows, |cell| rows + cell);
        rows = shared.fold(rows, |sum, cell| sum + 2.0 * cell);
    }
    let moves = if limits.intercepts > 0 {
        (gain / rows).sqrt()
    } else {
        0.0
    };
    if limits.separable && moves > LONG {
        LONG / moves
    } else {
        1.0
    }
}

/// The direction of one term.
fn unit(at: usize, terms: usize) -> Vec<f64> {
    (0..terms)
        .map(|term| f64::from(u8::from(term == at)))
        .collect()
}

/// The diagonal of a packed triangle, packed.
fn alone(packed: &[f64], size: usize) -> Vec<f64> {
    let mut cells = vec![0.0; packed.len()];
    for at in diagonal(size) {
        if let Some((cell, own)) = cells.get_mut(at).zip(packed.get(at)) {
            *cell = *own;
        }
    }
    cells
}

#[cfg(test)]
mod tests;

//! What a round of a regression's climb asks: log-likelihood, gradient and information, sums over the
//! rows. `verdict` answers with the sums below, `glm` brings its own.
//!
//! ```text
//! [ log-likelihood | gradient (p+1) | information, upper triangle ]
//! ```
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
use crate::linear::{dot, triangle};
use crate::moments::Moments;
use crate::newton::{Climb, Limits, Newton, NoMaximum, Told};
use crate::rows::Values;
use crate::score::{log_likelihood, logistic};
use motet_secagg::layout::Sum;
use ndarray::{ArrayView1, ArrayView2};

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

/// The climb after a round; `round` counts the rounds of the run.
pub(crate) fn absorb(
    newton: &Newton,
    sum: &Sum,
    round: u32,
    limits: Limits,
) -> Result<Climb, RecipeError> {
    let mut values = Values::of(sum);
    let told = read(newton, &mut values, round)?;
    values.end()?;
    Ok(climb(newton, &told, limits))
}

/// What a sum tells of the point asked for; it may hold more after that.
pub(crate) fn read<'a>(
    newton: &Newton,
    values: &mut Values<'a>,
    round: u32,
) -> Result<Told<'a>, RecipeError> {
    let terms = newton.beta.len();
    Ok(Told {
        round,
        loglik: Some(values.one()?),
        gradient: values.take(terms)?,
        information: values.take(triangle(terms))?,
    })
}

/// The climb after it.
pub(crate) fn climb(newton: &Newton, told: &Told<'_>, limits: Limits) -> Climb {
    let is_known = |loglik| newton.objective_of(loglik, limits).is_finite();
    if told.loglik.is_none_or(is_known) {
        newton.climb(told, limits)
    } else {
        Climb::Stuck(NoMaximum::Endless(newton.direction.clone()))
    }
}

impl From<NoMaximum> for Stuck {
    fn from(why: NoMaximum) -> Self {
        match why {
            NoMaximum::Dependent(column) => Self::Collinear(column as u32),
            NoMaximum::Endless(_) => Self::Separated,
        }
    }
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

/// Sums of `weight * z z'` over rows, upper triangle, each with what rounding took off it kept beside
/// (Neumaier 1974, Zeitschrift fuer Angewandte Mathematik und Mechanik 54, 39): a column that says
/// yes or no has two values, whose rounding adds up with the rows instead of going out.
pub(crate) struct Products {
    /// A sum, and what is to be added to it at the end.
    cells: Vec<(f64, f64)>,
}

impl Products {
    pub(crate) fn new(terms: usize) -> Self {
        Self {
            cells: vec![(0.0, 0.0); triangle(terms)],
        }
    }

    /// Adds `weight * z z'` of a row.
    pub(crate) fn add(&mut self, z: &[f64], weight: f64) {
        let mut cells = self.cells.iter_mut();
        let mut left = z;
        while let Some((z_j, rest)) = left.split_first() {
            let part = weight * z_j;
            // The shorter one first, as below.
            for (z_k, (sum, lost)) in left.iter().zip(&mut cells) {
                let more = part * z_k;
                let all = *sum + more;
                *lost += if sum.abs() >= more.abs() {
                    (*sum - all) + more
                } else {
                    (more - all) + *sum
                };
                *sum = all;
            }
            left = rest;
        }
    }

    pub(crate) fn values(self) -> Vec<f64> {
        let cells = self.cells.into_iter();
        cells.map(|(sum, lost)| sum + lost).collect()
    }
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

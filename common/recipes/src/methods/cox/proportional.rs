//! Whether hazards stay proportional: the score test of Grambsch and Therneau (1994) in the form of
//! R's `cox.zph` since survival 3.0, for each column and for all together.
//!
//! The model is widened by coefficients theta of `g(t) z`. At theta = 0 their score and information
//! come from the same terms as the fit's own, with means and variances of the risk set at each
//! event weighted by g and g^2:
//!
//! ```text
//! score  = sum over events of g z - sum_kl g mean_l            u
//! cross  = sum_kl g   V_kl                                     between b and theta
//! square = sum_kl g^2 V_kl                                     of theta
//! one column j:  u_j^2 / (square_jj - cross_j' information^-1 cross_j)
//! all:           u' (square - cross information^-1 cross)^-1 u
//! ```
//!
//! The tests do not change when g is moved or stretched, so that a clock from 0 to 1 serves all
//! units of time.

use super::points::EventPoint;
use super::risk::{Patients, RiskSets};
use crate::error::RecipeError;
use crate::linear::{Factor, difference, dot, square, triangle};
use crate::rows::Values;
use crate::tails::ChiSquare;
use motet_secagg::canonical;

canonical! {
    /// The clock g(t) by which hazards may drift apart.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Clock {
        /// No check.
        1 => Off,
        /// Time itself.
        2 => Identity,
        /// One minus the Kaplan-Meier curve just before: every event moves it about equally. R's
        /// default.
        3 => Km,
    }
}

canonical! {
    /// Score and information of theta.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Drift {
        /// The score.
        pub score: Vec<f64>,
        /// Upper triangle, as those below.
        pub cross: Vec<f64>,
        /// Of theta itself.
        pub square: Vec<f64>,
    }
}

/// The check of a finished fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Proportionality {
    /// The clock.
    pub clock: Clock,
    /// Each column with its test on one degree of freedom; none where risk sets say too little.
    pub columns: Vec<(String, Option<ChiSquare>)>,
    /// All columns together.
    pub global: Option<ChiSquare>,
}

/// g at each event point; `at_risk` are the rows at risk there.
pub(super) fn clock(kind: Clock, points: &[EventPoint], last: u32, at_risk: &[f64]) -> Vec<f64> {
    match kind {
        Clock::Off => Vec::new(),
        Clock::Identity => points
            .iter()
            .map(|point| f64::from(point.cell) / f64::from(last.max(1)))
            .collect(),
        Clock::Km => {
            let mut survival = 1.0;
            points
                .iter()
                .zip(at_risk)
                .map(|(point, n)| {
                    let before = 1.0 - survival;
                    // What comes from the sum is a count, give or take its last digits.
                    let n = libm::round(*n).max(point.events as f64);
                    survival *= (n - point.events as f64) / n;
                    before
                })
                .collect()
        }
    }
}

/// Elements of an answer.
pub(super) fn elements(columns: usize) -> usize {
    columns + 2 * triangle(columns)
}

/// `[ sum of g z over events | sum of z z' r (W - v) with weights g w | with weights g^2 w ]`
pub(super) fn answer(
    patients: &Patients<'_>,
    beta: &[f64],
    sets: &RiskSets,
    clock: &[f64],
) -> Vec<f64> {
    let mut score = vec![0.0; beta.len()];
    patients.each(beta, |z, _, follow, at_risk| {
        let g = at_risk
            .last()
            .filter(|_| follow.event)
            .and_then(|last| clock.get(last));
        if let Some(g) = g {
            score.iter_mut().zip(z).for_each(|(sum, z)| *sum += g * z);
        }
    });
    let weighings = [
        sets.weighing(patients.points, clock.iter().copied()),
        sets.weighing(patients.points, clock.iter().map(|g| g * g)),
    ];
    [score, patients.triangles(beta, &weighings)].concat()
}

impl Drift {
    /// Reads the sum, from which the terms of the means are still to be taken.
    pub(super) fn read(values: &mut Values<'_>, sets: &RiskSets) -> Result<Self, RecipeError> {
        let columns = sets.drift.len();
        let [_, cross, square] = sets.outer.as_slice() else {
            return Err(RecipeError::Mismatch { what: "state" });
        };
        Ok(Self {
            score: difference(values.take(columns)?, &sets.drift),
            cross: difference(values.take(triangle(columns))?, cross),
            square: difference(values.take(triangle(columns))?, square),
        })
    }

    pub(super) fn test(
        &self,
        clock: Clock,
        names: &[String],
        information: &[f64],
    ) -> Proportionality {
        let size = names.len();
        let left = Factor::of(information, size, 0.0)
            .ok()
            .map(|factor| self.left(&factor, size));
        let tests = match &left {
            Some(left) => self.tests(left, size),
            None => vec![None; size],
        };
        let global = left
            .and_then(|left| Factor::of(&packed(&left, size), size, 0.0).ok())
            .map(|factor| {
                ChiSquare::new(dot(&self.score, &factor.solve(&self.score)), size as u32)
            });
        Proportionality {
            clock,
            columns: names.iter().cloned().zip(tests).collect(),
            global,
        }
    }

    /// Each column's own test; none at all where no check was made.
    fn tests(&self, left: &[f64], size: usize) -> Vec<Option<ChiSquare>> {
        if self.score.len() != size {
            return vec![None; size];
        }
        let square = square(&self.square, size);
        let on_diagonal = left.iter().zip(&square).step_by(size + 1);
        self.score
            .iter()
            .zip(on_diagonal)
            .map(|(score, (variance, whole))| {
                // Written so that a variance that rounding makes of nothing gives no test.
                (*variance > 1e-9 * whole).then(|| ChiSquare::new(score * score / variance, 1))
            })
            .collect()
    }

    /// square - cross information^-1 cross, row by row as a full square.
    fn left(&self, information: &Factor, size: usize) -> Vec<f64> {
        let cross = square(&self.cross, size);
        let rows: Vec<&[f64]> = cross.chunks_exact(size.max(1)).collect();
        let solved: Vec<Vec<f64>> = rows.iter().map(|row| information.solve(row)).collect();
        let parts: Vec<f64> = rows
            .iter()
            .flat_map(|row| solved.iter().map(|solved| dot(row, solved)))
            .collect();
        difference(&square(&self.square, size), &parts)
    }
}

/// The upper triangle of a full square.
fn packed(square: &[f64], size: usize) -> Vec<f64> {
    square
        .chunks_exact(size.max(1))
        .enumerate()
        .flat_map(|(at, row)| row.iter().skip(at).copied())
        .collect()
}

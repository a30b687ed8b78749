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
use crate::linear::{Factor, dot, triangle};
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
            let mut before = |(point, n): (&EventPoint, &f64)| {
                let g = 1.0 - survival;
                // What comes from the sum is a count, give or take its last digits.
                let n = libm::round(*n).max(point.events as f64);
                survival *= (n - point.events as f64) / n;
                g
            };
            points.iter().zip(at_risk).map(&mut before).collect()
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
    let g = |k: usize| clock.get(k).copied().unwrap_or_default();
    let weighings = [
        sets.weighing(patients.points, g),
        sets.weighing(patients.points, |k| g(k) * g(k)),
    ];
    [score, patients.triangles(beta, &weighings)].concat()
}

impl Drift {
    /// Reads the sum, from which the terms of the means are still to be taken.
    pub(super) fn read(values: &mut Values<'_>, sets: &RiskSets) -> Result<Self, RecipeError> {
        let columns = sets.drift.len();
        let less = |whole: &[f64], part: Option<&Vec<f64>>| -> Vec<f64> {
            whole
                .iter()
                .zip(part.into_iter().flatten())
                .map(|(whole, part)| whole - part)
                .collect()
        };
        Ok(Self {
            score: less(values.take(columns)?, Some(&sets.drift)),
            cross: less(values.take(triangle(columns))?, sets.outer.get(1)),
            square: less(values.take(triangle(columns))?, sets.outer.get(2)),
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
        let columns = names.iter().enumerate().map(|(at, name)| {
            let variance = left
                .as_ref()
                .and_then(|left| left.get(at * size + at).copied());
            let score = self.score.get(at).copied().unwrap_or_default();
            // Written so that a variance that rounding makes of nothing gives no test.
            let whole = full(&self.square, size)
                .get(at * size + at)
                .copied()
                .unwrap_or_default();
            let variance = variance.filter(|variance| *variance > 1e-9 * whole);
            (
                name.clone(),
                variance.map(|variance| ChiSquare::new(score * score / variance, 1)),
            )
        });
        let packed = |left: &Vec<f64>| -> Vec<f64> {
            left.chunks_exact(size.max(1))
                .enumerate()
                .flat_map(|(at, row)| row.iter().skip(at).copied())
                .collect()
        };
        let global = left
            .as_ref()
            .and_then(|left| Factor::of(&packed(left), size, 0.0).ok());
        let global = global.map(|factor| {
            ChiSquare::new(dot(&self.score, &factor.solve(&self.score)), size as u32)
        });
        Proportionality {
            clock,
            columns: columns.collect(),
            global,
        }
    }

    /// square - cross information^-1 cross, row by row as a full square.
    fn left(&self, information: &Factor, size: usize) -> Vec<f64> {
        let (cross, square) = (full(&self.cross, size), full(&self.square, size));
        let rows: Vec<&[f64]> = cross.chunks_exact(size.max(1)).collect();
        let solved: Vec<Vec<f64>> = rows.iter().map(|row| information.solve(row)).collect();
        let parts = rows
            .iter()
            .flat_map(|row| solved.iter().map(|solved| dot(row, solved)));
        square
            .iter()
            .zip(parts)
            .map(|(square, part)| square - part)
            .collect()
    }
}

/// The full square of an upper triangle.
fn full(packed: &[f64], size: usize) -> Vec<f64> {
    let at = |row: usize, column: usize| triangle(size) - triangle(size - row) + column - row;
    let cell = |row: usize, column: usize| {
        packed
            .get(at(row.min(column), row.max(column)))
            .copied()
            .unwrap_or_default()
    };
    (0..size)
        .flat_map(|row| (0..size).map(move |column| cell(row, column)))
        .collect()
}

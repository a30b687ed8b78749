//! What a site answers in each phase.

use super::patients::Patients;
use super::row::Beside;
use super::{Ordinal, OrdinalPhase, OrdinalState, parallel};
use crate::derivatives::{Products, add_square};
use crate::error::RecipeError;
use crate::leverage::{self, Whole};
use crate::linear::{dot, triangle};
use crate::moments;
use crate::rows::Rows;

impl Ordinal {
    /// What a site answers.
    pub(super) fn values(
        &self,
        state: &OrdinalState,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let patients = Patients::of(self, rows)?;
        let names = self.design.names();
        Ok(match state.phase {
            OrdinalPhase::Moments => {
                let sums: Vec<f64> = patients.x.columns().into_iter().map(|x| x.sum()).collect();
                moments::within(&sums, &names)?;
                let counts = (0..self.levels.len()).map(|level| {
                    let own = patients.levels.iter().filter(|own| **own == level);
                    own.count() as f64
                });
                counts.chain(sums).collect()
            }
            OrdinalPhase::Spread => {
                let values = state.moments.answer_spread(patients.x.view());
                moments::within(&values, &names)?;
                values
            }
            OrdinalPhase::Fit => {
                let mut values = self.answer_step(state, &patients);
                if state.newton.taken == 0 {
                    values.extend(self.answer_products(state, &patients));
                } else if !state.products.is_empty() {
                    values.extend(self.answer_alone(state, &patients));
                }
                values
            }
            OrdinalPhase::Parallel => {
                let (thresholds, slopes) = self.parts(&state.newton.beta)?;
                let mut values = parallel::answer(&patients, &state.moments, thresholds, slopes);
                let last = self.answer_last(state, &patients, (thresholds, slopes));
                values.extend(if state.products.is_empty() {
                    last
                } else {
                    leverage::either(last, self.answer_alone(state, &patients))
                });
                values
            }
            OrdinalPhase::Finished | OrdinalPhase::Stuck(_) | OrdinalPhase::Empty(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    fn answer_products(&self, state: &OrdinalState, patients: &Patients) -> Vec<f64> {
        let mut products = Products::new(self.columns() + 1);
        patients.with_intercept(&state.moments, |z| products.add(z, 1.0));
        products.values()
    }

    /// Whether a row of this site, and the site itself, decides alone among the columns.
    fn answer_alone(&self, state: &OrdinalState, patients: &Patients) -> [f64; 2] {
        let terms = self.columns() + 1;
        let Ok(whole) = Whole::of(&state.products, terms, state.moments.rows) else {
            return [1.0; 2];
        };
        let mut site = whole.site();
        patients.with_intercept(&state.moments, |z| {
            site.add(1.0, z, 1.0);
        });
        site.answer()
    }

    /// Whether a row, and the site itself, has nearly all at the last point: what a row has of the
    /// two cuts beside it is added up, which is what it has of a direction or more.
    fn answer_last(
        &self,
        state: &OrdinalState,
        patients: &Patients,
        (thresholds, slopes): (&[f64], &[f64]),
    ) -> [f64; 2] {
        let cuts = self.cuts();
        let terms = cuts + self.columns();
        let information = &state.newton.information;
        let Ok(whole) = Whole::of(information, terms, state.moments.rows) else {
            return [1.0; 2];
        };
        let mut site = whole.site_at_last();
        let mut line = vec![0.0; terms];
        patients.each(&state.moments, |z, level| {
            let beside = Beside::of(level, thresholds, dot(z, slopes));
            for (to, z) in line.iter_mut().skip(cuts).zip(z) {
                *to = -z;
            }
            let mut leverage = 0.0;
            for (cut, first, other) in beside.of_cuts(level) {
                for (at, to) in line.iter_mut().take(cuts).enumerate() {
                    *to = leverage::said(at == cut);
                }
                leverage += site.part(first.abs() * other, &line);
            }
            site.row(leverage, 1.0);
        });
        site.answer()
    }

    /// Thresholds and slopes of a point.
    pub(super) fn parts<'p>(
        &self,
        point: &'p [f64],
    ) -> Result<(&'p [f64], &'p [f64]), RecipeError> {
        point
            .split_at_checked(self.cuts())
            .filter(|(_, slopes)| slopes.len() == self.columns())
            .ok_or(RecipeError::Mismatch { what: "state" })
    }

    fn answer_step(&self, state: &OrdinalState, patients: &Patients) -> Vec<f64> {
        let point = state.newton.point();
        let cuts = self.cuts();
        let columns = self.columns();
        let (thresholds, slopes) = point.split_at_checked(cuts).unwrap_or((&point, &[]));
        let mut sums = Step {
            kernel: 0.0,
            of_cuts: vec![(0.0, 0.0); cuts],
            slopes: vec![0.0; columns],
            mixed: vec![0.0; cuts * columns],
            of_columns: vec![0.0; triangle(columns)],
        };
        patients.each(&state.moments, |z, level| {
            let beside = Beside::of(level, thresholds, dot(z, slopes));
            sums.add(z, level, &beside);
        });
        sums.values()
    }
}

/// A site's sums of one round.
struct Step {
    kernel: f64,
    /// Gradient and curvature.
    of_cuts: Vec<(f64, f64)>,
    slopes: Vec<f64>,
    mixed: Vec<f64>,
    of_columns: Vec<f64>,
}

impl Step {
    fn add(&mut self, z: &[f64], level: usize, beside: &Beside) {
        self.kernel += beside.kernel();
        let mut slope = 0.0;
        let mut curvature = 0.0;
        for (cut, first, other) in beside.of_cuts(level) {
            let second = first.abs() * other;
            slope -= first;
            curvature += second;
            if let Some((gradient, own)) = self.of_cuts.get_mut(cut) {
                *gradient += first;
                *own += second;
            }
            let mixed = self.mixed.chunks_mut(z.len().max(1)).nth(cut);
            for (cell, z) in mixed.into_iter().flatten().zip(z) {
                *cell -= second * z;
            }
        }
        for (cell, z) in self.slopes.iter_mut().zip(z) {
            *cell += slope * z;
        }
        add_square(&mut self.of_columns, z, curvature);
    }

    fn values(self) -> Vec<f64> {
        let (gradient, own): (Vec<f64>, Vec<f64>) = self.of_cuts.into_iter().unzip();
        let kernel = vec![self.kernel];
        [
            kernel,
            gradient,
            self.slopes,
            own,
            self.mixed,
            self.of_columns,
        ]
        .concat()
    }
}

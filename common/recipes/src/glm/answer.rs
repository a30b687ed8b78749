//! What a site answers in each phase.

use super::family::{FAR, Family};
use super::table::{self, Table};
use super::{Glm, GlmPhase, GlmState};
use crate::design::Design;
use crate::error::RecipeError;
use crate::linear::triangle;
use crate::newton::{Sums, add_square};
use crate::rows::Rows;
use crate::score;

impl Glm {
    pub(crate) fn answer(&self, state: &GlmState, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        if let GlmPhase::Place(search) = &state.phase {
            // What the fit will refuse is refused now.
            let table = Table::of(self, &Design::plain(self.design.columns.clone()), rows)?;
            return Ok(search.answer(&self.sought(), &table.x, table.weight.view()));
        }
        let table = Table::of(self, &self.design.placed(&state.placed), rows)?;
        Ok(match state.phase {
            GlmPhase::Moments => self.answer_moments(&table),
            GlmPhase::Spread => self.answer_spread(state, &table),
            GlmPhase::Null | GlmPhase::Fit => self.answer_newton(state, &table),
            GlmPhase::Evaluate => self.answer_check(state, &table),
            GlmPhase::Calibrate => {
                let line = state.score.line.unwrap_or_default();
                score::answer_line(&pairs(state, &table), line).to_vec()
            }
            GlmPhase::Place(_) | GlmPhase::Finished | GlmPhase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    fn answer_moments(&self, table: &Table) -> Vec<f64> {
        let mut values = vec![table.rows(self.weight)];
        if self.family == Family::Logistic {
            let events = table.y.iter().zip(&table.weight).filter(|(y, _)| **y == 1.0);
            values.push(events.map(|(_, weight)| table::rows(*weight, self.weight)).sum());
        }
        if self.precise() {
            values.push(table.weight.sum());
        }
        if self.shifted() {
            values.push(table.total(table.offset.iter().copied()));
        }
        values.push(table.total(table.y.iter().copied()));
        values.extend(table.x.columns().into_iter().map(|column| table.total(column.iter().copied())));
        values
    }

    fn answer_spread(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let square = |x: &f64, mean: f64| (x - mean) * (x - mean);
        let columns = table.x.columns().into_iter().zip(&state.moments.mean);
        let mut values: Vec<f64> =
            columns.map(|(column, mean)| table.total(column.iter().map(|x| square(x, *mean)))).collect();
        let centred = table.offset.iter().map(|offset| (offset - state.offset).clamp(-FAR, FAR));
        if self.family == Family::Linear {
            values.push(table.total(table.y.iter().map(|y| square(y, state.mean))));
        } else if self.shifted() && self.family == Family::Gamma {
            values.push(table.total(centred.zip(&table.y).map(|(offset, y)| y * (-offset).exp())));
        } else if self.shifted() && self.family.log_link() {
            values.push(table.total(centred.map(f64::exp)));
        }
        values
    }

    fn answer_newton(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let point = state.newton.point();
        let mut sums = Sums::new(point.len());
        table.each(state, &point, |line| {
            let part = self.family.part(line.predictor, line.y);
            let weight = line.weight;
            sums.add(line.z, weight * part.kernel, weight * part.first, weight * part.second);
        });
        sums.values()
    }

    fn answer_check(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let size = triangle(self.terms());
        let (mut kernel, mut pearson, mut constants) = (0.0, 0.0, [0.0; 2]);
        let (mut expected, mut meat) = (vec![0.0; size], vec![0.0; size]);
        table.each(state, &state.newton.beta, |line| {
            let part = self.family.part(line.predictor, line.y);
            let weight = line.weight;
            kernel += weight * part.kernel;
            pearson += weight * part.pearson;
            for (sum, constant) in constants.iter_mut().zip(self.family.constant(line.y, weight)) {
                *sum += constant;
            }
            if self.family == Family::Gamma {
                add_square(&mut expected, line.z, weight * part.expected);
            }
            if self.robust() {
                // Of equal rows each has the residual of one, and an imprecise row a share of it.
                let times = if self.precise() { weight * weight } else { weight };
                add_square(&mut meat, line.z, times * part.first * part.first);
            }
        });
        let mut values = vec![kernel, pearson];
        values.extend(constants.into_iter().take(self.family.constants(self.precise())));
        if self.family == Family::Gamma {
            values.extend(expected);
        }
        if self.robust() {
            values.extend(meat);
        }
        if self.scored() {
            values.extend(score::answer(&pairs(state, table), state.moments.base()));
        }
        values
    }
}

impl Glm {
    /// Of every row the outcome on the scale of the fit, and what the model says of it: the log odds if logistic, else the
    /// mean.
    pub(crate) fn predictions(
        &self,
        state: &GlmState,
        rows: &Rows<'_>,
    ) -> Result<Vec<(f64, f64)>, RecipeError> {
        let table = Table::of(self, &self.design.placed(&state.placed), rows)?;
        let mut pairs = pairs(state, &table);
        if self.family != Family::Logistic {
            pairs.iter_mut().for_each(|(predictor, _)| *predictor = self.family.mean(*predictor));
        }
        Ok(pairs)
    }
}

/// Linear predictor and outcome of every row.
fn pairs(state: &GlmState, table: &Table) -> Vec<(f64, f64)> {
    let mut pairs = Vec::with_capacity(table.y.len());
    table.each(state, &state.newton.beta, |line| pairs.push((line.predictor, line.y)));
    pairs
}

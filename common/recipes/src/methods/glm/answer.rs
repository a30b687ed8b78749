//! What a site answers in each phase.

use super::family::{FAR, Family, OFFSET_FAR};
use super::table::{self, Table};
use super::{Glm, GlmPhase, GlmState};
use crate::derivatives::{Products, Sums, add_square};
use crate::design::Design;
use crate::error::RecipeError;
use crate::leverage::{self, Whole};
use crate::linear::triangle;
use crate::moments;
use crate::rows::Rows;
use crate::score;
use ndarray::{Array1, Array2};

impl Glm {
    /// What a site answers.
    pub(super) fn values(
        &self,
        state: &GlmState,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        if let GlmPhase::Place(search) = &state.phase {
            // What the fit will refuse is refused now.
            let table = Table::of(self, &Design::plain(self.design.columns.clone()), rows)?;
            return search.answer(&self.sought(), &table.x, table.weight.view());
        }
        let table = Table::of(self, &self.design.placed(&state.placed), rows)?;
        Ok(match state.phase {
            GlmPhase::Moments => self.named(self.answer_moments(&table), state)?,
            GlmPhase::Spread => self.named(self.answer_spread(state, &table), state)?,
            GlmPhase::Null => self.answer_newton(state, &table),
            GlmPhase::Fit => {
                let mut values = self.answer_newton(state, &table);
                if state.newton.taken == 0 {
                    values.extend(self.answer_products(state, &table));
                } else if !state.products.is_empty() {
                    values.extend(self.answer_alone(state, &table));
                }
                values
            }
            GlmPhase::Evaluate => self.answer_check(state, &table),
            GlmPhase::Calibrate => {
                let line = state.score.line_so_far()?;
                score::answer_line(&pairs(state, &table), line).to_vec()
            }
            GlmPhase::Place(_) | GlmPhase::Finished | GlmPhase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    /// The values, unless one is beyond what can be added up: that is the sum of a term, or else of
    /// the outcome.
    fn named(&self, values: Vec<f64>, state: &GlmState) -> Result<Vec<f64>, RecipeError> {
        let terms = self.design.placed(&state.placed).names();
        let own = match state.phase {
            GlmPhase::Moments => values.len() - terms.len(),
            _ => 0,
        };
        let (before, columns) = values
            .split_at_checked(own)
            .ok_or(RecipeError::Mismatch { what: "table" })?;
        moments::within(before, std::slice::from_ref(&self.outcome))?;
        let all: Vec<String> = terms
            .into_iter()
            .chain((self.family == Family::Linear).then(|| self.outcome.clone()))
            .collect();
        moments::within(
            columns,
            if own == 0 {
                &all
            } else {
                all.get(..columns.len()).unwrap_or(&all)
            },
        )?;
        Ok(values)
    }

    fn answer_moments(&self, table: &Table) -> Vec<f64> {
        let mut values = vec![table.rows(self.weight)];
        if self.family == Family::Logistic {
            let events = table
                .y
                .iter()
                .zip(&table.weight)
                .filter(|(y, _)| **y == 1.0);
            values.push(
                events
                    .map(|(_, weight)| table::rows(*weight, self.weight))
                    .sum(),
            );
        }
        if self.precise() {
            values.push(table.weight.sum());
        }
        if self.shifted() {
            values.push(table.total(table.offset.iter().copied()));
        }
        values.push(table.total(table.y.iter().copied()));
        values.extend(
            table
                .x
                .columns()
                .into_iter()
                .map(|column| table.total(column.iter().copied())),
        );
        values
    }

    fn answer_spread(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let moments = &state.moments;
        let mut values = moments.units.answer(&moments.mean, |at, figure| {
            match table.x.columns().into_iter().nth(at) {
                Some(column) => table.total(column.iter().map(|x| figure(*x))),
                None => table.total(table.y.iter().map(|y| figure(*y))),
            }
        });
        values.extend(self.answer_base(state, table));
        values
    }

    /// `[ sum w y / scale | sum w exp offset, or w y / scale exp -offset (gamma) | 1 where an
    /// offset is far out ]`
    fn answer_base(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let mut values = Vec::new();
        if self.family.scales() {
            values.push(table.total(table.y.iter().map(|y| y / state.scale)));
        }
        if self.shifted() && self.family.log_link() {
            let centred: Vec<f64> = table
                .offset
                .iter()
                .map(|offset| offset - state.offset)
                .collect();
            let near = centred.iter().map(|offset| offset.clamp(-FAR, FAR));
            values.push(if self.family == Family::Gamma {
                table.total(
                    near.zip(&table.y)
                        .map(|(offset, y)| y / state.scale * (-offset).exp()),
                )
            } else {
                table.total(near.map(f64::exp))
            });
            let far = centred
                .iter()
                .zip(&table.weight)
                .any(|(offset, weight)| *weight > 0.0 && offset.abs() > OFFSET_FAR);
            values.push(f64::from(u8::from(far)));
        }
        values
    }

    fn answer_newton(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let point = state.newton.point();
        let mut sums = Sums::new(point.len());
        let mut turned = Vec::new();
        table.each(state, &point, |line| {
            let part = self.family.part(line.predictor, line.y);
            let weight = line.weight;
            sums.add(
                state.newton.basis.turn(line.z, &mut turned),
                weight * part.kernel,
                weight * part.first,
                weight * part.second,
            );
        });
        sums.values()
    }

    fn answer_check(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let size = triangle(self.terms());
        let mut kernel = 0.0;
        let mut pearson = 0.0;
        let mut constants = [0.0; 2];
        let mut expected = vec![0.0; size];
        let mut meat = vec![0.0; size];
        let mut turned = Vec::new();
        table.each(state, &state.newton.beta, |line| {
            let part = self.family.part(line.predictor, line.y);
            let weight = line.weight;
            kernel += weight * part.kernel;
            pearson += weight * part.pearson;
            for (sum, constant) in constants
                .iter_mut()
                .zip(self.family.constant(line.y, weight))
            {
                *sum += constant;
            }
            let z = state.newton.basis.turn(line.z, &mut turned);
            if self.family == Family::Gamma {
                add_square(&mut expected, z, weight * part.expected);
            }
            if self.robust() {
                // Of equal rows each has the residual of one, and an imprecise row a share of it.
                let times = if self.precise() {
                    weight * weight
                } else {
                    weight
                };
                add_square(&mut meat, z, times * part.first * part.first);
            }
        });
        let mut values = vec![kernel, pearson];
        values.extend(
            constants
                .into_iter()
                .take(self.family.constants(self.precise())),
        );
        if self.family == Family::Gamma {
            values.extend(expected);
        }
        if self.robust() {
            values.extend(meat);
        }
        if self.scored() {
            values.extend(score::answer(&pairs(state, table), state.moments.base()));
        }
        values.extend(self.answer_last(state, table));
        values
    }

    /// Calls `each` with every row, what its products count for, and the patients it stands for. An
    /// imprecise row has a share of a coefficient, of whose square the error is made, in the mean
    /// weight as unit, so that small weights keep their digits. A count has an exposure, but counts as
    /// a row at least: an event of who was followed for short moves a coefficient as any other.
    fn each_product(
        &self,
        state: &GlmState,
        table: &Table,
        mut each: impl FnMut(&[f64], f64, f64),
    ) {
        let exposed = self.exposed();
        let mut offsets = table.offset.iter();
        table.each(state, &state.newton.beta, |line| {
            let offset = offsets.next().map_or(0.0, |offset| offset - state.offset);
            let weight = if self.precise() {
                let share = line.weight / state.unit();
                share * share
            } else {
                line.weight
            };
            let exposure = if exposed {
                offset.clamp(0.0, FAR).exp()
            } else {
                1.0
            };
            let patients = table::rows(line.weight, self.weight);
            each(line.z, weight * exposure, patients);
        });
    }

    fn answer_products(&self, state: &GlmState, table: &Table) -> Vec<f64> {
        let mut products = Products::new(self.terms());
        self.each_product(state, table, |z, times, _| products.add(z, times));
        products.values()
    }

    /// Whether a row of this site, and the site itself, decides alone among the columns.
    fn answer_alone(&self, state: &GlmState, table: &Table) -> [f64; 2] {
        let Ok(whole) = Whole::of(&state.products, self.terms(), state.moments.rows) else {
            return [1.0; 2];
        };
        let mut site = whole.site();
        self.each_product(state, table, |z, times, patients| {
            site.add(times, z, patients);
        });
        site.answer()
    }

    /// Whether a row, and the site itself, has nearly all at the last point; among the columns, too,
    /// where no second step asked it.
    fn answer_last(&self, state: &GlmState, table: &Table) -> [f64; 2] {
        let information = &state.newton.information;
        let Ok(whole) = Whole::of(information, self.terms(), state.moments.rows) else {
            return [1.0; 2];
        };
        let mut site = whole.site_at_last();
        let mut turned = Vec::new();
        table.each(state, &state.newton.beta, |line| {
            let part = self.family.part(line.predictor, line.y);
            let z = state.newton.basis.turn(line.z, &mut turned);
            let patients = table::rows(line.weight, self.weight);
            site.add(line.weight * part.second, z, patients);
        });
        let last = site.answer();
        if state.products.is_empty() {
            last
        } else {
            leverage::either(last, self.answer_alone(state, table))
        }
    }
}

impl Glm {
    /// Of every row the outcome on the scale of the fit, and what the model says of it: the log
    /// odds if logistic, else the mean.
    pub(super) fn predictions(
        &self,
        state: &GlmState,
        rows: &Rows<'_>,
    ) -> Result<Vec<(f64, f64)>, RecipeError> {
        let table = Table::of(self, &self.design.placed(&state.placed), rows)?;
        let mut pairs = pairs(state, &table);
        if self.family != Family::Logistic {
            pairs
                .iter_mut()
                .for_each(|(predictor, _)| *predictor = self.family.mean(*predictor));
        }
        Ok(pairs)
    }
}

impl Glm {
    /// The terms of the design and the outcome of every row.
    pub(crate) fn terms_and_outcome(
        &self,
        state: &GlmState,
        rows: &Rows<'_>,
    ) -> Result<(Array2<f64>, Array1<f64>), RecipeError> {
        let table = Table::of(self, &self.design.placed(&state.placed), rows)?;
        Ok((table.x, table.y))
    }
}

/// Linear predictor and outcome of every row.
fn pairs(state: &GlmState, table: &Table) -> Vec<(f64, f64)> {
    let mut pairs = Vec::with_capacity(table.y.len());
    table.each(state, &state.newton.beta, |line| {
        pairs.push((line.predictor, line.y))
    });
    pairs
}

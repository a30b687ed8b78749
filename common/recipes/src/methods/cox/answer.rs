//! What each phase asks, and what a site answers from its rows.

use super::concordance::{self, Pairs};
use super::model::Cox;
use super::points::{self, EventPoint};
use super::proportional::{self, Clock, Drift};
use super::risk::{self, Patients, RiskSets};
use super::state::{CoxPhase, CoxState};
use crate::error::RecipeError;
use crate::followup::{Follow, follow};
use crate::linear::triangle;
use crate::moments::{self, counts, exact, limbs};
use crate::rows::{Rows, Values};
use motet_secagg::layout::Layout;
use ndarray::ArrayView2;
use std::iter;

impl Cox {
    /// What is asked; nothing when the run is over.
    pub(super) fn question(&self, state: &CoxState) -> Option<Layout> {
        let columns = self.columns.len();
        let rows = state.moments.rows as f64;
        Some(match state.phase {
            CoxPhase::Moments => moments::ask_sums(columns),
            CoxPhase::Spread => {
                let mut blocks = vec![state.moments.ask_spread()];
                if !self.by_site() && !state.moments.units.again {
                    blocks.push(counts(
                        self.strata() * self.grid.cells(),
                        state.moments.events as f64,
                    ));
                }
                exact(blocks)
            }
            CoxPhase::RiskSets => exact(vec![
                counts(1, rows),
                limbs(risk::elements(&state.points, columns, self.ties)),
            ]),
            CoxPhase::Information => exact(vec![limbs(triangle(columns))]),
            CoxPhase::Newton => exact(vec![
                counts(1, rows),
                limbs(1 + columns + triangle(columns)),
            ]),
            CoxPhase::Evaluate => {
                let drift = if self.clock() == Clock::Off {
                    0
                } else {
                    proportional::elements(columns)
                };
                if self.by_site() {
                    exact(vec![limbs(3 + drift)])
                } else {
                    let others = usize::from(concordance::looks_yes_no(&state.moments));
                    exact(vec![
                        counts(concordance::elements(&state.points, self.strata()), rows),
                        counts(others, 1.0),
                        limbs(drift),
                    ])
                }
            }
            CoxPhase::Finished | CoxPhase::Stuck(_) => return None,
        })
    }

    /// What a site answers.
    pub(super) fn values(
        &self,
        state: &CoxState,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.event)?;
        let follow = follow(rows, y, &self.grid, &self.time, self.grouping())?;
        let patients = Patients {
            x,
            moments: &state.moments,
            follow: &follow,
            points: &state.points,
        };
        let point = state.newton.point();
        let beta = &state.newton.beta;
        Ok(match state.phase {
            CoxPhase::Moments => {
                let values = sums(x, &follow);
                let [_rows, _events, totals @ ..] = values.as_slice() else {
                    return Err(RecipeError::Mismatch { what: "table" });
                };
                moments::within(totals, &self.columns)?;
                values
            }
            CoxPhase::Spread => {
                let mut values = state.moments.answer_spread(x);
                moments::within(&values, &self.columns)?;
                if !self.by_site() && !state.moments.units.again {
                    let events = points::events(&follow, self.strata(), self.grid.cells());
                    values.extend(events.iter().map(|count| *count as f64));
                }
                values
            }
            CoxPhase::RiskSets => patients.risk_sets(&point, self.ties),
            CoxPhase::Information => patients.triangles(
                &point,
                &[state.sets.weighing(&state.points, iter::repeat(1.0))],
            ),
            CoxPhase::Newton => self.step_alone(state, &patients, &point)?,
            CoxPhase::Evaluate if self.by_site() => self.evaluate_alone(state, &patients, beta)?,
            CoxPhase::Evaluate => {
                let mut values =
                    concordance::histogram(&patients, beta, state.spread, self.strata());
                if concordance::looks_yes_no(&state.moments) {
                    values.push(f64::from(u8::from(concordance::has_others(x))));
                }
                if self.clock() != Clock::Off {
                    values.extend(proportional::answer(
                        &patients,
                        beta,
                        &state.sets,
                        &state.clock,
                    ));
                }
                values
            }
            CoxPhase::Finished | CoxPhase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    /// Score of every row, and how long it was followed on the grid.
    pub(super) fn predictions(
        &self,
        state: &CoxState,
        rows: &Rows<'_>,
    ) -> Result<Vec<(f64, Follow)>, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.event)?;
        let follow = follow(rows, y, &self.grid, &self.time, self.grouping())?;
        let patients = Patients {
            x,
            moments: &state.moments,
            follow: &follow,
            points: &[],
        };
        let mut scores = Vec::with_capacity(follow.len());
        patients.each(&state.newton.beta, |_, score, follow, _| {
            scores.push((score, *follow))
        });
        Ok(scores)
    }

    /// One site's risk sets at `beta`, taken in as the sum's would be; its first value is how many
    /// rows lie beyond.
    fn sets_alone(
        &self,
        patients: &Patients<'_>,
        beta: &[f64],
        clock: Option<&[f64]>,
    ) -> Result<(f64, Option<RiskSets>), RecipeError> {
        let values = patients.risk_sets(beta, self.ties);
        let mut values = Values::from(&values);
        let beyond = values.one()?;
        Ok((
            beyond,
            RiskSets::read(&mut values, patients.points, beta, self.ties, clock, 0.0)?,
        ))
    }

    /// `[ beyond | loglik | gradient | information ]` of one site's own risk sets.
    fn step_alone(
        &self,
        state: &CoxState,
        patients: &Patients<'_>,
        beta: &[f64],
    ) -> Result<Vec<f64>, RecipeError> {
        let own = self.own_points(patients.follow);
        let patients = Patients {
            points: &own,
            moments: &state.moments,
            ..*patients
        };
        let (beyond, sets) = self.sets_alone(&patients, beta, None)?;
        let Some(sets) = sets else {
            // A risk set that cannot be divided by makes the step too long just as a score out of
            // range does.
            return Ok([
                vec![beyond.max(1.0)],
                vec![0.0; 1 + beta.len() + triangle(beta.len())],
            ]
            .concat());
        };
        let whole = patients.triangles(beta, &[sets.weighing(&own, iter::repeat(1.0))]);
        let means = sets.outer.first().into_iter().flatten();
        let information = whole
            .iter()
            .zip(means)
            .map(|(whole, means)| whole - means)
            .collect();
        Ok([vec![beyond, sets.loglik], sets.gradient, information].concat())
    }

    /// `[ concordant, discordant, tied pairs | score, cross, square of the drift ]` of one site's
    /// own risk sets.
    fn evaluate_alone(
        &self,
        state: &CoxState,
        patients: &Patients<'_>,
        beta: &[f64],
    ) -> Result<Vec<f64>, RecipeError> {
        let own = self.own_points(patients.follow);
        let patients = Patients {
            points: &own,
            moments: &state.moments,
            ..*patients
        };
        let mut scores = Vec::with_capacity(patients.follow.len());
        patients.each(beta, |_, score, follow, _| scores.push((score, *follow)));
        let pairs = Pairs::exact(&scores);
        let mut values = vec![pairs.concordant, pairs.discordant, pairs.tied];
        if self.clock() != Clock::Off {
            let clock = proportional::clock(self.clock(), &own, self.grid.last(), &[]);
            let (_, sets) = self.sets_alone(&patients, beta, Some(&clock))?;
            let sets = sets.ok_or(RecipeError::Implausible { what: "risk sets" })?;
            let sums = proportional::answer(&patients, beta, &sets, &clock);
            let drift = Drift::read(&mut Values::from(&sums), &sets)?;
            values.extend([drift.score, drift.cross, drift.square].concat());
        }
        Ok(values)
    }

    /// A site's own sums are not added to others': they need no scale.
    fn own_points(&self, follow: &[Follow]) -> Vec<EventPoint> {
        let mut own = points::points(
            &points::events(follow, 1, self.grid.cells()),
            self.grid.cells(),
        );
        own.iter_mut().for_each(|point| point.scale = 1.0);
        own
    }
}

/// `[ rows, events | sum of each column ]`
fn sums(x: ArrayView2<'_, f64>, follow: &[Follow]) -> Vec<f64> {
    let events = follow.iter().filter(|row| row.event).count();
    let mut values = vec![x.nrows() as f64, events as f64];
    values.extend(x.columns().into_iter().map(|column| column.sum()));
    values
}

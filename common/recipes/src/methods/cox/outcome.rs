//! What a finished Cox fit says, in the units of its columns.

use super::concordance::Concordance;
use super::model::{Cox, Strata};
use super::proportional::{Clock, Proportionality};
use super::state::{CoxPhase, CoxState};
use super::stuck::CoxStuck;
use crate::error::RecipeError;
use crate::linear::Factor;
use crate::method::{Finished, Method as _, Pass};
use crate::newton::Step;
use crate::normal::{Z_95, two_sided};
use crate::tails::ChiSquare;

/// The baseline hazard of one stratum.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// The level, or `all`.
    pub stratum: String,
    /// Event times, each `min_cell` events or more after the last, and the cumulative hazard up to
    /// it of a patient with the pooled mean of every column. Survival is `exp(-hazard * exp(sum b
    /// (x - mean)))`.
    pub hazard: Vec<(f64, f64)>,
}

/// A fitted coefficient in the units of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// The column.
    pub name: String,
    /// Log hazard ratio for one unit.
    pub estimate: f64,
    /// Standard error: root of the diagonal of the inverse (penalised) information.
    pub se: f64,
    /// estimate / se.
    pub z: f64,
    /// Two-sided p-value of z.
    pub p: f64,
    /// Lower end of the 95 % interval.
    pub ci_low: f64,
    /// Upper end of the 95 % interval.
    pub ci_high: f64,
}

/// A finished fit.
#[derive(Debug, Clone, PartialEq)]
pub struct CoxOutcome {
    /// Rounds of the run, all passes and phases.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Events up to the horizon.
    pub events: u64,
    /// Whether the last step was within the tolerance.
    pub converged: bool,
    /// Log partial likelihood (without the ridge) at the estimates.
    pub loglik: f64,
    /// Log partial likelihood with all coefficients 0.
    pub null_loglik: f64,
    /// Twice their difference, the likelihood-ratio test of all columns; none with a ridge.
    pub likelihood_ratio: Option<ChiSquare>,
    /// Log hazard ratios.
    pub coefficients: Vec<Coefficient>,
    /// Pooled mean of each column: where the baseline stands.
    pub means: Vec<f64>,
    /// Within strata.
    pub concordance: Concordance,
    /// None where the study switched it off, and with a ridge.
    pub proportionality: Option<Proportionality>,
    /// One a stratum; none where each site has its own risk sets, whose times stay there.
    pub baseline: Vec<Baseline>,
    /// The points of the last pass.
    pub history: Vec<Step>,
}

impl Finished for CoxOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        vec![self.events]
    }
}

impl Coefficient {
    /// With Wald's test and interval.
    fn of(name: &str, estimate: f64, se: f64) -> Self {
        let z = estimate / se;
        Self {
            name: name.to_owned(),
            estimate,
            se,
            z,
            p: two_sided(z),
            ci_low: estimate - Z_95 * se,
            ci_high: estimate + Z_95 * se,
        }
    }
}

impl Cox {
    /// The finished fit.
    pub(super) fn fit(&self, state: &CoxState, pass: &Pass) -> Result<CoxOutcome, RecipeError> {
        match &state.phase {
            CoxPhase::Finished => {}
            CoxPhase::Stuck(stuck) => return Err(stuck.error(&self.columns, &self.event)),
            _ => {
                return Err(RecipeError::Unfinished {
                    phase: Self::standing(state).phase(),
                });
            }
        }
        let newton = &state.newton;
        // The climb began with all coefficients 0.
        let null_loglik = newton.history.first().map_or(0.0, |first| first.loglik);
        let ratio = 2.0 * (state.loglik - null_loglik);
        let concordance = if self.by_site() {
            state.pairs.unbinned()
        } else {
            state.pairs.concordance()
        };
        let check = (self.clock() != Clock::Off).then(|| {
            state
                .drift
                .test(self.clock(), &self.columns, &newton.information)
        });
        Ok(CoxOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: state.moments.rows,
            events: state.moments.events,
            converged: newton.converged,
            loglik: state.loglik,
            null_loglik,
            likelihood_ratio: (self.ridge == 0.0)
                .then(|| ChiSquare::new(ratio.max(0.0), self.columns.len() as u32)),
            coefficients: self.coefficients(state)?,
            means: state.moments.mean.clone(),
            concordance,
            proportionality: check,
            baseline: self.baseline(state),
            history: newton.history.clone(),
        })
    }

    /// Estimates and standard errors for one unit: both divided by the column's standard deviation.
    fn coefficients(&self, state: &CoxState) -> Result<Vec<Coefficient>, RecipeError> {
        let size = self.columns.len();
        let covariance = Factor::bound(&state.newton.information, size, self.ridge, 0)
            .map_err(|at| CoxStuck::Monotone(vec![at as u32]).error(&self.columns, &self.event))?
            .inverse();
        let variances = covariance
            .chunks_exact(size)
            .enumerate()
            .filter_map(|(at, row)| row.get(at).copied());
        let figures = state
            .newton
            .beta
            .iter()
            .zip(variances)
            .zip(&state.moments.sd);
        Ok(self
            .columns
            .iter()
            .zip(figures)
            .map(|(name, ((b, variance), sd))| Coefficient::of(name, b / sd, variance.sqrt() / sd))
            .collect())
    }

    /// The weights w_k are the steps of the hazard at z = 0, the pooled mean; at the last point
    /// asked for, from which the estimates are within the tolerance.
    fn baseline(&self, state: &CoxState) -> Vec<Baseline> {
        let names: Vec<String> = match &self.strata {
            Strata::Site => return Vec::new(),
            Strata::None => vec!["all".to_owned()],
            Strata::Group(grouping) => grouping.levels.clone(),
        };
        (0..)
            .zip(names)
            .map(|(number, stratum)| Baseline {
                stratum,
                hazard: self.hazard(state, number),
            })
            .collect()
    }

    /// Time and hazard up to it of each step of a stratum that may be printed.
    fn hazard(&self, state: &CoxState, stratum: u32) -> Vec<(f64, f64)> {
        let mut sum = 0.0;
        let mut gathered = 0;
        let steps = state.points.iter().zip(&state.sets.weights);
        let own = steps.filter(|(point, _)| point.stratum == stratum);
        // A step for each event would print the day of every death.
        own.filter_map(|(point, weight)| {
            sum += weight;
            gathered += point.events;
            let enough = gathered >= u64::from(self.min_cell);
            gathered = if enough { 0 } else { gathered };
            enough.then(|| (self.grid.time(point.cell), sum))
        })
        .collect()
    }
}

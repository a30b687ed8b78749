//! The result of a finished fit, in the units of the columns. Outside the
//! chain.

use super::{Ordinal, OrdinalPhase, OrdinalState, cuts};
use crate::error::{RecipeError, Stuck, of_column};
use crate::linear::{Factor, dot};
use crate::method::{Finished, Method as _, Pass};
use crate::newton::Step;
use crate::normal::{Z_95, two_sided};
use crate::tails::ChiSquare;

/// A fitted figure in the units of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The term of the design; of a threshold the levels that it parts, `2|3`.
    pub name: String,
    /// Of a term: log odds ratio of being above any cut, for one unit. Of a threshold: log odds of
    /// being below it where every term is 0.
    pub estimate: f64,
    /// Standard error: root of the diagonal of the inverse information.
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

/// How many rows are at a level.
#[derive(Debug, Clone, PartialEq)]
pub struct AtLevel {
    /// The level.
    pub level: String,
    /// Its rows; nothing where they are withheld, and then those of no level are told.
    pub rows: Option<u64>,
}

/// The tests of proportionality: whether terms have the same effect at every cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// All terms together; nothing where it cannot be told.
    pub all: Option<ChiSquare>,
    /// Each term with its own test, the others having the same effect at every cut.
    pub terms: Vec<(String, Option<ChiSquare>)>,
}

/// A finished fit.
#[derive(Debug, Clone, PartialEq)]
pub struct OrdinalOutcome {
    /// Rounds of the run, all passes and phases.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// The levels, the lowest first.
    pub levels: Vec<AtLevel>,
    /// Whether the last step was within the tolerance.
    pub converged: bool,
    /// Log-likelihood, as R's `logLik`.
    pub loglik: f64,
    /// The same without any column.
    pub null_loglik: f64,
    /// Twice their difference, the likelihood-ratio test of all columns.
    pub likelihood_ratio: Option<ChiSquare>,
    /// Rising; R's `zeta`.
    pub thresholds: Vec<Effect>,
    /// Log odds ratios, the terms of the design in order.
    pub coefficients: Vec<Effect>,
    /// Nothing of two levels, between which there is one cut.
    pub parallel: Option<Parallel>,
    /// The Newton rounds of the last pass.
    pub history: Vec<Step>,
}

impl Finished for OrdinalOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        self.levels.iter().filter_map(|level| level.rows).collect()
    }
}

impl Effect {
    /// With Wald's test and interval.
    fn of(name: String, estimate: f64, se: f64) -> Self {
        let z = estimate / se;
        Self {
            name,
            estimate,
            se,
            z,
            p: two_sided(z),
            ci_low: estimate - Z_95 * se,
            ci_high: estimate + Z_95 * se,
        }
    }
}

impl Ordinal {
    /// The finished fit.
    pub(super) fn fit(
        &self,
        state: &OrdinalState,
        pass: &Pass,
    ) -> Result<OrdinalOutcome, RecipeError> {
        match state.phase {
            OrdinalPhase::Finished => {}
            OrdinalPhase::Stuck(stuck) => return Err(self.error(state, stuck)),
            OrdinalPhase::Empty(level) => {
                let outcome = self.outcome.clone();
                return Err(of_column(&self.levels, level, |level| {
                    RecipeError::EmptyLevel {
                        outcome: outcome.clone(),
                        level,
                    }
                }));
            }
            _ => {
                return Err(RecipeError::Unfinished {
                    phase: Self::standing(state).phase(),
                });
            }
        }
        let null_loglik = cuts::null(&state.counts);
        let ratio = 2.0 * (state.loglik - null_loglik);
        let mut effects = self.effects(state)?;
        let coefficients = effects.split_off(self.cuts().min(effects.len()));
        let levels = self.levels.iter().zip(&state.counts);
        Ok(OrdinalOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: state.moments.rows,
            levels: levels
                .map(|(level, rows)| AtLevel {
                    level: level.clone(),
                    rows: Some(*rows),
                })
                .collect(),
            converged: state.newton.converged,
            loglik: state.loglik,
            null_loglik,
            likelihood_ratio: Some(ChiSquare::new(ratio.max(0.0), self.columns() as u32)),
            thresholds: effects,
            coefficients,
            parallel: self.parallel(state),
            history: state.newton.history.clone(),
        })
    }

    fn error(&self, state: &OrdinalState, stuck: Stuck) -> RecipeError {
        let growing = state.newton.growing(self.cuts());
        stuck.error(&self.design.names(), &self.outcome, &growing)
    }

    /// Thresholds, then coefficients: with `b` and `t` on the standardised scale, `b / sd` and
    /// `t + sum b mean / sd`.
    fn effects(&self, state: &OrdinalState) -> Result<Vec<Effect>, RecipeError> {
        let newton = &state.newton;
        let size = newton.beta.len();
        let cuts = self.cuts();
        let covariance = Factor::bound(&newton.information, size, 0.0, cuts)
            .map_err(|_| self.error(state, Stuck::Separated))?
            .inverse();
        let pairs = self.levels.windows(2);
        let names = pairs.map(|pair| pair.join("|")).chain(self.design.names());
        let effects = names.enumerate().map(|(at, name)| {
            let direction = self.direction(state, at);
            let moved: Vec<f64> = covariance
                .chunks_exact(size)
                .map(|line| dot(line, &direction))
                .collect();
            let estimate = dot(&direction, &newton.beta);
            Effect::of(name, estimate, dot(&direction, &moved).sqrt())
        });
        Ok(effects.collect())
    }

    /// The combination of standardised figures that is the one at this place.
    fn direction(&self, state: &OrdinalState, at: usize) -> Vec<f64> {
        let cuts = self.cuts();
        let scale = state.moments.mean.iter().zip(&state.moments.sd);
        let slopes = scale.enumerate().map(|(column, (mean, sd))| {
            if at < cuts {
                mean / sd
            } else {
                one(cuts + column == at) / sd
            }
        });
        (0..cuts).map(|cut| one(cut == at)).chain(slopes).collect()
    }

    fn parallel(&self, state: &OrdinalState) -> Option<Parallel> {
        let df = self.cuts().checked_sub(1).filter(|df| *df > 0)? as u32;
        let (all, each) = state.tests.split_first()?;
        let names = self.design.names().into_iter();
        Some(Parallel {
            all: test(*all, df * self.columns() as u32),
            terms: names
                .zip(each)
                .map(|(name, statistic)| (name, test(*statistic, df)))
                .collect(),
        })
    }
}

/// A statistic below zero stands for one that is not known.
fn test(statistic: f64, df: u32) -> Option<ChiSquare> {
    (statistic >= 0.0).then(|| ChiSquare::new(statistic, df))
}

fn one(is: bool) -> f64 {
    f64::from(u8::from(is))
}

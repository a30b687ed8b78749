//! Exact logistic regression: the maximum-likelihood (or ridge) fit that one table of all rows
//! would give. Its family in `glm` is the same fit with an offset, weights, a lasso, robust errors
//! or a formula.
//!
//! ```text
//! moments -> spread -> newton (until the largest step <= tolerance) -> evaluate -> [calibrate ..] -> finished
//!    ^          |         |                                              |            |
//!    +----------+---------+----- a sum of another set of sites ----------+------------+
//! ```
//!
//! **One set of sites.** The state remembers the set of its first sum. When a sum comes from
//! another set (a site was lost), that sum is laid aside and the pass begins again at `moments`:
//! coefficients, errors, log-likelihood, rows and metrics of an outcome all come from one set.
//! Rounds keep counting; `max_rounds` limits the Newton rounds of one pass.

use crate::derivatives;
use crate::error::{RecipeError, Stuck, check_columns, require};
use crate::linear::Factor;
use crate::moments::{self, Moments, Spread, exact, limbs};
use crate::newton::{Climb, Limits, Near, Newton, Step};
use crate::normal::{Z_95, two_sided};
use crate::phase::Phase;
use crate::rows::{Rows, Values};
use crate::score::{self, CalibrationBin, Metrics, Score};
use crate::units;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{Layout, Sum};
use ndarray::{ArrayView1, ArrayView2};

canonical! {
    /// `P(outcome = 1) = 1 / (1 + exp(-(b_0 + sum b_j x_j)))`, maximising `loglik - ridge / 2 * sum
    /// b_j^2` on columns standardised by the pooled standard deviation, intercept free.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Logistic {
        /// Columns of the table, in the order of the coefficients.
        pub columns: Vec<String>,
        /// The outcome, 0 or 1.
        pub outcome: String,
        /// Strength of the ridge; 0 for maximum likelihood.
        pub ridge: f64,
        /// Largest coefficient of the last Newton step, on the standardised scale.
        pub tolerance: f64,
        /// Newton rounds after which the fit ends without having converged.
        pub max_rounds: u32,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LogisticState {
        /// Sums absorbed so far: no two states of a run are equal.
        pub rounds: u32,
        /// The set of sites that every figure below comes from.
        pub set: Digest,
        /// How many sites that is.
        pub sites: u32,
        /// Where the fit stands.
        pub phase: Phase,
        /// Pooled moments.
        pub moments: Moments,
        /// The climb.
        pub newton: Newton,
        /// Log-likelihood at the final coefficients.
        pub loglik: f64,
        /// The evaluation.
        pub score: Score,
    }
}

/// What this recipe calls the rounds of [`Phase::Fit`].
pub(crate) const FIT: &str = "newton";

/// A fitted coefficient in the units of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// `(intercept)` or the column.
    pub name: String,
    /// Log odds ratio for one unit; in a Cox fit the log hazard ratio.
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
pub struct LogisticOutcome {
    /// Rounds of the run, all passes and phases.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Rows with outcome 1.
    pub events: u64,
    /// Whether the last step was within the tolerance.
    pub converged: bool,
    /// Log-likelihood (without the ridge) at the estimates.
    pub loglik: f64,
    /// Log-likelihood of the intercept alone.
    pub null_loglik: f64,
    /// Intercept first, then the columns.
    pub coefficients: Vec<Coefficient>,
    /// On the same rows.
    pub metrics: Metrics,
    /// (false positive rate, true positive rate), rising.
    pub roc: Vec<(f64, f64)>,
    /// Ten groups of rising risk.
    pub calibration: Vec<CalibrationBin>,
    /// The Newton rounds of the last pass.
    pub history: Vec<Step>,
}

impl Logistic {
    /// Maximum likelihood with the usual limits: tolerance 1e-10, at most 30 Newton rounds.
    pub fn new(columns: Vec<String>, outcome: String) -> Self {
        Self {
            columns,
            outcome,
            ridge: 0.0,
            tolerance: 1e-10,
            max_rounds: 30,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        require(
            self.ridge.is_finite() && self.ridge >= 0.0,
            "ridge",
            "0 or more",
        )?;
        require(
            self.tolerance.is_finite() && self.tolerance > 0.0,
            "tolerance",
            "above 0",
        )?;
        require(self.max_rounds > 0, "max_rounds", "1 or more")
    }

    pub(crate) fn start(&self, rounds: u32) -> LogisticState {
        LogisticState {
            rounds,
            set: Digest::default(),
            sites: 0,
            phase: Phase::Moments,
            moments: Moments::default(),
            newton: Newton::new(self.columns.len()),
            loglik: 0.0,
            score: Score::default(),
        }
    }

    pub(crate) fn ask(&self, state: &LogisticState, sites: u32) -> Option<Layout> {
        let columns = self.columns.len();
        Some(match state.phase {
            Phase::Moments => moments::ask_sums(columns),
            Phase::Spread => exact(vec![state.moments.ask_spread()]),
            Phase::Fit => derivatives::ask(columns, sites, state.moments.rows, &state.newton.basis),
            Phase::Evaluate => {
                let mut blocks = score::ask(sites, state.moments.rows);
                blocks.push(limbs(1));
                exact(blocks)
            }
            Phase::Calibrate => exact(vec![limbs(score::LINE)]),
            Phase::Finished | Phase::Stuck(_) => return None,
        })
    }

    pub(crate) fn answer(
        &self,
        state: &LogisticState,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.outcome)?;
        let pairs = || pairs(state, x, y);
        Ok(match state.phase {
            Phase::Moments => {
                let values = moments::answer_sums(x, y);
                moments::within(values.get(2..).unwrap_or_default(), &self.columns)?;
                values
            }
            Phase::Spread => {
                let values = state.moments.answer_spread(x);
                moments::within(&values, &self.columns)?;
                values
            }
            Phase::Fit => derivatives::answer(
                x,
                y,
                &state.moments,
                &state.newton.point(),
                &state.newton.basis,
            ),
            Phase::Evaluate => {
                let pairs = pairs();
                let mut values = score::answer(&pairs, state.moments.base());
                values.push(
                    pairs
                        .iter()
                        .map(|(predictor, y)| score::log_likelihood(*predictor, *y))
                        .sum(),
                );
                values
            }
            Phase::Calibrate => {
                score::answer_line(&pairs(), state.score.line.unwrap_or_default()).to_vec()
            }
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    /// Log odds and outcome of every row.
    pub(crate) fn predictions(
        &self,
        state: &LogisticState,
        rows: &Rows<'_>,
    ) -> Result<Vec<(f64, f64)>, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.outcome)?;
        Ok(pairs(state, x, y))
    }

    pub(crate) fn absorb(
        &self,
        state: &LogisticState,
        sum: &Sum,
    ) -> Result<LogisticState, RecipeError> {
        let rounds = state.rounds + 1;
        if state.phase != Phase::Moments && state.set != sum.set {
            return Ok(self.start(rounds));
        }
        let mut next = LogisticState {
            rounds,
            set: sum.set,
            sites: sum.sites,
            ..state.clone()
        };
        match state.phase {
            Phase::Moments => match moments::absorb_sums(self.columns.len(), sum)? {
                Ok(moments) => (next.moments, next.phase) = (moments, Phase::Spread),
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            Phase::Spread => match moments::absorb_spread(&state.moments, sum)? {
                Ok(Spread::Known(moments)) => {
                    next.newton = Newton::at(score::start(moments.base()), self.columns.len());
                    (next.moments, next.phase) = (moments, Phase::Fit);
                }
                Ok(Spread::Again(moments)) => next.moments = moments,
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            Phase::Fit => match derivatives::absorb(
                &state.newton,
                sum,
                rounds,
                self.limits(state.moments.rows),
            )? {
                Climb::On(newton) => next.newton = newton,
                Climb::End(newton) => (next.newton, next.phase) = (newton, Phase::Evaluate),
                Climb::Stuck(why) => next.phase = Phase::Stuck(why.into()),
            },
            Phase::Evaluate => {
                let mut values = Values::of(sum);
                next.score = Score::absorb(&mut values, state.moments.base())?;
                next.loglik = values.one()?;
                values.end()?;
                // The same sites have the same rows. A site that scores the final model on its own
                // rows alone, for its own steward, brings a sum of fewer sites.
                let same_sites = sum.sites == state.sites;
                if same_sites && next.score.rows() != (state.moments.rows, state.moments.events) {
                    return Err(RecipeError::Implausible {
                        what: "the histogram",
                    });
                }
            }
            Phase::Calibrate => {
                let mut values = Values::of(sum);
                next.score.absorb_line(&mut values)?;
                values.end()?;
            }
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        if matches!(state.phase, Phase::Evaluate | Phase::Calibrate) {
            next.phase = if next.score.settled {
                Phase::Finished
            } else {
                Phase::Calibrate
            };
        }
        Ok(next)
    }

    fn limits(&self, rows: u64) -> Limits {
        let Self {
            ridge,
            tolerance,
            max_rounds,
            ..
        } = *self;
        Limits {
            ridge,
            lasso: 0.0,
            tolerance,
            max_rounds,
            unit: 1.0,
            rows,
            separable: true,
            intercepts: 1,
            near: Near::Turned,
        }
    }

    pub(crate) fn outcome(&self, state: &LogisticState) -> Result<LogisticOutcome, RecipeError> {
        match state.phase {
            Phase::Finished => {}
            Phase::Stuck(stuck) => return Err(self.error(state, stuck)),
            _ => {
                return Err(RecipeError::Unfinished {
                    phase: state.phase.name(FIT),
                });
            }
        }
        let (rows, events) = (state.moments.rows, state.moments.events);
        let part = |count: u64| count as f64 * (count as f64 / rows as f64).ln();
        Ok(LogisticOutcome {
            rounds: state.rounds,
            sites: state.sites,
            rows,
            events,
            converged: state.newton.converged,
            loglik: state.loglik,
            null_loglik: part(events) + part(rows - events),
            coefficients: self.coefficients(state)?,
            metrics: state.score.metrics(),
            roc: state.score.roc(),
            calibration: state.score.calibration(),
            history: state.newton.history.clone(),
        })
    }

    fn coefficients(&self, state: &LogisticState) -> Result<Vec<Coefficient>, RecipeError> {
        let beta = &state.newton.beta;
        let terms = beta.len();
        let covariance = Factor::of(&state.newton.information, terms, self.ridge)
            .map_err(|_| self.error(state, Stuck::Separated))?
            .inverse();
        let names = std::iter::once("(intercept)").chain(self.columns.iter().map(String::as_str));
        let figures = units::own(beta, &covariance, &state.moments, &state.newton.basis);
        let coefficient = |(name, (estimate, se)): (&str, (f64, f64))| {
            let z = estimate / se;
            Coefficient {
                name: name.to_owned(),
                estimate,
                se,
                z,
                p: two_sided(z),
                ci_low: estimate - Z_95 * se,
                ci_high: estimate + Z_95 * se,
            }
        };
        Ok(names.zip(figures).map(coefficient).collect())
    }

    fn error(&self, state: &LogisticState, stuck: Stuck) -> RecipeError {
        stuck.error(&self.columns, &self.outcome, &state.newton.growing())
    }
}

/// Log odds and outcome of every row.
fn pairs(state: &LogisticState, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Vec<(f64, f64)> {
    let mut pairs = Vec::with_capacity(y.len());
    derivatives::each_row(
        x,
        y,
        &state.moments,
        &state.newton.beta,
        |_, predictor, y| pairs.push((predictor, y)),
    );
    pairs
}

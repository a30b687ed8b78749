//! Cox's proportional hazards model: the maximum of the partial likelihood (or ridge fit) that one table of all rows would
//! give.
//!
//! ```text
//! strata none or a column                                    strata = site: each site its own risk sets
//! moments     [ rows, events | sum x a column ]              the same
//! spread      [ sum (x - mean)^2 | events a grid point ]     [ sum (x - mean)^2 ]
//! risk sets   [ beyond | S0, S1 a point | D0, D1 a tied
//!               point | sum of z over events ]               newton   [ beyond | loglik | gradient | information ]
//! information [ sum of z z' r (W - v) ]                               until the step is small
//!             back to risk sets until the step is small
//! evaluate    [ score x time histogram | drift ]             evaluate [ pairs | drift ]
//! ```
//!
//! z is the row standardised by the pooled mean and standard deviation, r = exp(b z), a point a grid point (of a stratum) at
//! which there are events; `risk.rs` has the formulas. With p columns, K grid points, M event points, T of them with ties and
//! t = p (p + 1) / 2: risk sets are (M + T) (p + 1) + p numbers in limbs, information t, evaluate at most 20,000 counts
//! (4,000 a stratum where there are more than five) and p + 2 t numbers. A step that lowered the likelihood is seen after `risk sets`; no information is asked there.
//!
//! **What it shows**, to the coordinator and to all sites, of the sum of all sites: at which grid points (of which stratum)
//! there were how many events, single ones included; and at each, for the coefficients of every step, the weight and the mean
//! covariates of those at risk. At the last event times these may be few patients, and the difference of two neighbouring
//! risk sets is those who left between: **with few patients at risk their covariates can be worked out from the sums**, though
//! not at which site they are. A coarser `step` and an earlier `horizon` are the remedy, or `strata = site`: then no event
//! time and no risk set leaves a site, one round makes a step, and there is no baseline hazard.
//!
//! **One set of sites**, as in the logistic fit: a sum of another set begins the pass again.
//!
//! Sources: R's package survival 3.5 (`coxph`, `basehaz`, `concordance`, `cox.zph`); Therneau & Grambsch, Modeling Survival
//! Data, 2000.

mod climb;
mod concordance;
mod outcome;
mod points;
mod proportional;
mod risk;
mod state;

pub use climb::{Climb, CoxStuck};
pub use concordance::{Concordance, Pairs};
pub use outcome::{Baseline, CoxOutcome};
pub use points::{EventPoint, Ties};
pub use proportional::{Clock, Drift, Proportionality};
pub use risk::RiskSets;
pub use state::{CoxPhase, CoxState};

use crate::error::{RecipeError, check_columns, require};
use crate::followup::{Follow, Grid, Grouping, follow};
use crate::linear::triangle;
use crate::moments::{self, counts, exact, limbs};
use crate::rows::{Rows, Values};
use motet_secagg::canonical;
use motet_secagg::layout::Layout;
use ndarray::ArrayView2;
use risk::Patients;

/// Numbers in one vector of risk sets, at the most: 32 MB of limbs.
const MOST_NUMBERS: usize = 1_000_000;
/// Coefficients, hazards and tests are told at points that differ by the last step: it must be small.
const MOST_TOLERANCE: f64 = 1e-6;

canonical! {
    /// Which patients are compared with each other.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Strata {
        /// All with all.
        1 => None,
        /// Those of one level of a column: each level has a baseline hazard of its own.
        2 => Group(Grouping),
        /// Those of one site: no event times are shown.
        3 => Site,
    }
}

canonical! {
    /// `hazard(t | x) = hazard_0(t) exp(sum b_j x_j)`, maximising the log partial likelihood less `ridge / 2 * sum b_j^2` on
    /// columns standardised by the pooled standard deviation.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Cox {
        /// Columns of the table, in the order of the coefficients.
        pub columns: Vec<String>,
        /// The column of times.
        pub time: String,
        /// Whether the event was seen, 0 or 1.
        pub event: String,
        /// The grid of times.
        pub grid: Grid,
        /// Which patients are compared.
        pub strata: Strata,
        /// How tied events are treated.
        pub ties: Ties,
        /// Strength of the ridge; 0 for maximum likelihood.
        pub ridge: f64,
        /// Largest coefficient of the last Newton step, on the standardised scale.
        pub tolerance: f64,
        /// Points at which the likelihood is asked for before the fit ends without having converged.
        pub max_rounds: u32,
        /// The check of proportional hazards; left out with a ridge, for which the test does not hold.
        pub clock: Clock,
    }
}

const STATE: RecipeError = RecipeError::Mismatch { what: "state" };

impl Cox {
    /// Maximum likelihood over one set of risk sets with Efron's ties, tolerance 1e-10, at most 30 points, and R's check.
    pub fn new(columns: Vec<String>, time: String, event: String, grid: Grid) -> Self {
        Self {
            columns,
            time,
            event,
            grid,
            strata: Strata::None,
            ties: Ties::Efron,
            ridge: 0.0,
            tolerance: 1e-10,
            max_rounds: 30,
            clock: Clock::Km,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        if let Strata::Group(grouping) = &self.strata {
            grouping.check("strata")?;
        }
        self.grid.check(self.strata())?;
        let numbers =
            if self.by_site() { 0 } else { self.strata() * self.grid.cells() * (1 + self.columns.len()) };
        let must =
            "so short that strata times steps times features is at most a million: or use a larger step";
        require(numbers <= MOST_NUMBERS, "horizon", must)?;
        require(self.ridge.is_finite() && self.ridge >= 0.0, "ridge", "0 or more")?;
        let tolerance = self.tolerance > 0.0 && self.tolerance <= MOST_TOLERANCE;
        require(tolerance, "tolerance", "above 0 and at most 0.000001")?;
        require(self.max_rounds > 0, "max_rounds", "1 or more")?;
        let clock = self.clock != Clock::Km || self.strata == Strata::None;
        require(
            clock,
            "proportional_hazards",
            "`identity` or `off` with strata: no curve of all rows is known",
        )
    }

    fn by_site(&self) -> bool {
        self.strata == Strata::Site
    }

    fn grouping(&self) -> Option<&Grouping> {
        match &self.strata {
            Strata::Group(grouping) => Some(grouping),
            Strata::None | Strata::Site => None,
        }
    }

    /// How many strata with grid points of their own the sums know.
    fn strata(&self) -> usize {
        self.grouping().map_or(1, |grouping| grouping.levels.len())
    }

    fn clock(&self) -> Clock {
        if self.ridge > 0.0 { Clock::Off } else { self.clock }
    }

    pub(crate) fn ask(&self, state: &CoxState) -> Option<Layout> {
        let columns = self.columns.len();
        let rows = state.moments.rows as f64;
        Some(match state.phase {
            CoxPhase::Moments => moments::ask_sums(columns),
            CoxPhase::Spread => {
                let mut blocks = vec![limbs(columns)];
                if !self.by_site() {
                    blocks.push(counts(self.strata() * self.grid.cells(), state.moments.events as f64));
                }
                exact(blocks)
            }
            CoxPhase::RiskSets => {
                exact(vec![counts(1, rows), limbs(risk::elements(&state.points, columns, self.ties))])
            }
            CoxPhase::Information => exact(vec![limbs(triangle(columns))]),
            CoxPhase::Newton => exact(vec![counts(1, rows), limbs(1 + columns + triangle(columns))]),
            CoxPhase::Evaluate => {
                let drift = if self.clock() == Clock::Off { 0 } else { proportional::elements(columns) };
                if self.by_site() {
                    exact(vec![limbs(3 + drift)])
                } else {
                    exact(vec![
                        counts(concordance::elements(&state.points, self.strata()), rows),
                        limbs(drift),
                    ])
                }
            }
            CoxPhase::Finished | CoxPhase::Stuck(_) => return None,
        })
    }

    pub(crate) fn answer(&self, state: &CoxState, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.event)?;
        let follow = follow(rows, y, &self.grid, &self.time, self.grouping())?;
        let patients = Patients { x, moments: &state.moments, follow: &follow, points: &state.points };
        let (point, beta) = (state.climb.point(), &state.climb.beta);
        let one = |_: usize| 1.0;
        Ok(match state.phase {
            CoxPhase::Moments => sums(x, &follow),
            CoxPhase::Spread => {
                let mut values = moments::answer_spread(x, &state.moments.mean);
                if !self.by_site() {
                    let events = points::events(&follow, self.strata(), self.grid.cells());
                    values.extend(events.iter().map(|count| *count as f64));
                }
                values
            }
            CoxPhase::RiskSets => patients.risk_sets(&point, self.ties),
            CoxPhase::Information => patients.triangles(&point, &[state.sets.weighing(&state.points, one)]),
            CoxPhase::Newton => self.step_alone(state, &patients, &point)?,
            CoxPhase::Evaluate if self.by_site() => self.evaluate_alone(state, &patients, beta)?,
            CoxPhase::Evaluate => {
                let mut values = concordance::histogram(&patients, beta, state.spread, self.strata());
                if self.clock() != Clock::Off {
                    values.extend(proportional::answer(&patients, beta, &state.sets, &state.clock));
                }
                values
            }
            CoxPhase::Finished | CoxPhase::Stuck(_) => return Err(STATE),
        })
    }

    /// One site's risk sets at `beta`, taken in as the sum's would be; its first value is how many rows lie beyond.
    fn sets_alone(
        &self,
        patients: &Patients<'_>,
        beta: &[f64],
        clock: &[f64],
    ) -> Result<(f64, Option<RiskSets>), RecipeError> {
        let values = patients.risk_sets(beta, self.ties);
        let mut values = Values::from(&values);
        let beyond = values.one()?;
        Ok((beyond, RiskSets::read(&mut values, patients.points, beta, self.ties, clock)?))
    }

    /// `[ beyond | loglik | gradient | information ]` of one site's own risk sets.
    fn step_alone(
        &self,
        state: &CoxState,
        patients: &Patients<'_>,
        beta: &[f64],
    ) -> Result<Vec<f64>, RecipeError> {
        let own = self.own_points(patients.follow);
        let patients = Patients { points: &own, moments: &state.moments, ..*patients };
        let (beyond, sets) = self.sets_alone(&patients, beta, &[])?;
        let Some(sets) = sets else {
            // A risk set that cannot be divided by makes the step too long just as a score out of range does.
            return Ok([vec![beyond.max(1.0)], vec![0.0; 1 + beta.len() + triangle(beta.len())]].concat());
        };
        let whole = patients.triangles(beta, &[sets.weighing(&own, |_| 1.0)]);
        let means = sets.outer.first().into_iter().flatten();
        let information = whole.iter().zip(means).map(|(whole, means)| whole - means).collect();
        Ok([vec![beyond, sets.loglik], sets.gradient, information].concat())
    }

    /// `[ concordant, discordant, tied pairs | score, cross, square of the drift ]` of one site's own risk sets.
    fn evaluate_alone(
        &self,
        state: &CoxState,
        patients: &Patients<'_>,
        beta: &[f64],
    ) -> Result<Vec<f64>, RecipeError> {
        let own = self.own_points(patients.follow);
        let patients = Patients { points: &own, moments: &state.moments, ..*patients };
        let mut scores = Vec::with_capacity(patients.follow.len());
        patients.each(beta, |_, score, follow, _| scores.push((score, *follow)));
        let pairs = Pairs::exact(&scores);
        let mut values = vec![pairs.concordant, pairs.discordant, pairs.tied];
        if self.clock() != Clock::Off {
            let clock = proportional::clock(self.clock(), &own, self.grid.last(), &[]);
            let (_, sets) = self.sets_alone(&patients, beta, &clock)?;
            let sets = sets.ok_or(RecipeError::Implausible { what: "risk sets" })?;
            let sums = proportional::answer(&patients, beta, &sets, &clock);
            let drift = Drift::read(&mut Values::from(&sums), &sets)?;
            values.extend([drift.score, drift.cross, drift.square].concat());
        }
        Ok(values)
    }

    fn own_points(&self, follow: &[Follow]) -> Vec<EventPoint> {
        points::points(&points::events(follow, 1, self.grid.cells()), self.grid.cells())
    }
}

/// `[ rows, events | sum of each column ]`
fn sums(x: ArrayView2<'_, f64>, follow: &[Follow]) -> Vec<f64> {
    let events = follow.iter().filter(|row| row.event).count();
    let mut values = vec![x.nrows() as f64, events as f64];
    values.extend(x.columns().into_iter().map(|column| column.sum()));
    values
}

/// Spread of the score within risk sets, over all events: what the score bins are made for.
fn spread(beta: &[f64], information: &[f64], events: u64) -> f64 {
    let mut cells = information.iter();
    let mut sum = 0.0;
    for (at, b) in beta.iter().enumerate() {
        for (column, (other, cell)) in beta.iter().skip(at).zip(&mut cells).enumerate() {
            sum += if column == 0 { 1.0 } else { 2.0 } * b * other * cell;
        }
    }
    let spread = libm::sqrt(sum / events as f64);
    // All coefficients may be 0; the score is then 0 in every row.
    if spread.is_finite() && spread > 0.0 { spread } else { 1.0 }
}

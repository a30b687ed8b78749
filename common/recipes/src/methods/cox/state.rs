//! Where a Cox fit stands, and the sum that moves it on.

use super::concordance::{self, Pairs};
use super::model::Cox;
use super::points::{self, EventPoint};
use super::proportional::{self, Clock, Drift};
use super::risk::{self, RiskSets};
use super::stuck::CoxStuck;
use crate::error::{RecipeError, Stuck};
use crate::linear::{diagonal, triangle};
use crate::method::Pass;
use crate::moments::{Moments, Spread};
use crate::newton::{Climb, Limits, Near, Newton, NoMaximum, Told};
use crate::rows::Values;
use motet_secagg::canonical;
use motet_secagg::layout::Sum;

/// Numbers in one vector of risk sets, at the most: 64 MB of limbs.
const MOST_NUMBERS: usize = 2_000_000;
/// Information of a column, an event, below which risk sets do not tell its values apart.
const SILENT: f64 = 1e-10;
/// This many times since the last step a point lay out of range, halved each time: no step of this
/// direction is short enough.
const OUT_OF_RANGE: u32 = 10;

canonical! {
    /// The question of the next round.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum CoxPhase {
        /// Rows, events and sums.
        1 => Moments,
        /// Centred squares, and events at each grid point.
        2 => Spread,
        /// Log-likelihood and gradient: sums over risk sets.
        3 => RiskSets,
        /// The information at the same point.
        4 => Information,
        /// All three at once, where each site has its own risk sets.
        5 => Newton,
        /// Concordance and proportionality of the final model.
        6 => Evaluate,
        /// An outcome is ready.
        7 => Finished,
        /// There is none to be had.
        8 => Stuck(CoxStuck),
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CoxState {
        /// Where the fit stands.
        pub phase: CoxPhase,
        /// Pooled moments.
        pub moments: Moments,
        /// Grid points with events; empty where each site has its own.
        pub points: Vec<EventPoint>,
        /// g of each of them for the check of proportional hazards; empty without.
        pub clock: Vec<f64>,
        /// The climb.
        pub newton: Newton,
        /// Log-likelihood at the last point where it did not fall; 0 before.
        pub loglik: f64,
        /// Points out of range since then.
        pub beyond: u32,
        /// The risk sets at the last point whose likelihood did not fall.
        pub sets: RiskSets,
        /// Spread of the final score.
        pub spread: f64,
        /// Pairs of the evaluation.
        pub pairs: Pairs,
        /// Its check of proportional hazards.
        pub drift: Drift,
    }
}

impl Cox {
    /// There is no intercept, and the ridge binds all. Risk sets are not asked for in turned columns.
    fn limits(&self, events: u64) -> Limits {
        Limits {
            ridge: self.ridge,
            lasso: 0.0,
            tolerance: self.tolerance,
            max_rounds: self.max_rounds,
            unit: 1.0,
            rows: events,
            separable: true,
            intercepts: 0,
            near: Near::Refused,
        }
    }

    /// The state after a sum.
    pub(super) fn moved(
        &self,
        state: &CoxState,
        before: &Pass,
        sum: &Sum,
    ) -> Result<CoxState, RecipeError> {
        let round = before.rounds + 1;
        let mut next = state.clone();
        let mut values = Values::of(sum);
        match state.phase {
            CoxPhase::Moments => self.take_sums(&mut next, &mut values)?,
            CoxPhase::Spread => self.take_spread(&mut next, &mut values, sum)?,
            CoxPhase::RiskSets => self.take_risk_sets(&mut next, &mut values, round)?,
            CoxPhase::Information => {
                let whole = values.take(triangle(self.columns.len()))?;
                let means = state.sets.outer.first().into_iter().flatten();
                let information: Vec<f64> = whole
                    .iter()
                    .zip(means)
                    .map(|(whole, means)| whole - means)
                    .collect();
                let told = Told {
                    round,
                    loglik: Some(state.sets.loglik),
                    gradient: &state.sets.gradient,
                    information: &information,
                };
                self.climb(&mut next, &told)?;
            }
            CoxPhase::Newton => {
                let usable = values.one()? == 0.0;
                let loglik = values.one()?;
                let told = Told {
                    round,
                    loglik: usable.then_some(loglik),
                    gradient: values.take(self.columns.len())?,
                    information: values.take(triangle(self.columns.len()))?,
                };
                self.climb(&mut next, &told)?;
            }
            CoxPhase::Evaluate => {
                self.take_evaluation(&mut next, &mut values, sum.sites == before.sites)?
            }
            CoxPhase::Finished | CoxPhase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        values.end()?;
        Ok(next)
    }

    /// Rows, events and means.
    fn take_sums(&self, next: &mut CoxState, values: &mut Values<'_>) -> Result<(), RecipeError> {
        let rows = values.count("rows")?;
        let events = values.count("events")?;
        let totals = values.take(self.columns.len())?;
        if events > rows {
            return Err(RecipeError::Implausible { what: "events" });
        }
        next.phase = match (rows, events) {
            (0 | 1, _) => CoxPhase::Stuck(CoxStuck::TooFewRows),
            (_, 0) => CoxPhase::Stuck(CoxStuck::NoEvents),
            _ => {
                let mean = totals.iter().map(|total| total / rows as f64).collect();
                next.moments = Moments::new(rows, events, mean);
                CoxPhase::Spread
            }
        };
        Ok(())
    }

    /// Standard deviations and event points.
    fn take_spread(
        &self,
        next: &mut CoxState,
        values: &mut Values<'_>,
        sum: &Sum,
    ) -> Result<(), RecipeError> {
        let moments = next.moments.clone();
        let squares = values.take(moments.units.len(self.columns.len()))?;
        if !self.by_site() && !moments.units.again {
            let events = values.counts(self.strata() * self.grid.cells(), "events")?;
            if events.iter().sum::<u64>() != next.moments.events {
                return Err(RecipeError::Implausible { what: "events" });
            }
            next.points = points::points(&events, self.grid.cells());
        }
        next.phase = match moments.absorb_spread(squares, sum.sites, moments.rows as f64) {
            Ok(Spread::Again(moments)) => {
                next.moments = moments;
                CoxPhase::Spread
            }
            Ok(_) if risk::elements(&next.points, self.columns.len(), self.ties) > MOST_NUMBERS => {
                CoxPhase::Stuck(CoxStuck::TooManyPoints(next.points.len() as u32))
            }
            Ok(Spread::Known(moments)) => {
                next.moments = moments;
                if self.by_site() {
                    CoxPhase::Newton
                } else {
                    CoxPhase::RiskSets
                }
            }
            Err(Stuck::Constant(at)) => CoxPhase::Stuck(CoxStuck::Constant(at)),
            Err(_) => CoxPhase::Stuck(CoxStuck::TooFewRows),
        };
        Ok(())
    }

    /// Log-likelihood and gradient; and, at zero, where every r is 1, the rows at risk.
    fn take_risk_sets(
        &self,
        next: &mut CoxState,
        values: &mut Values<'_>,
        round: u32,
    ) -> Result<(), RecipeError> {
        let columns = self.columns.len();
        let beyond = values.one()?;
        let point = next.newton.point();
        let sums = values.clone().take(next.points.len() * (1 + columns))?;
        let at_risk = risk::masses(sums, &next.points, columns);
        if next.newton.taken == 0 {
            next.clock =
                proportional::clock(self.clock(), &next.points, self.grid.last(), &at_risk);
        }
        let clock = (self.clock() != Clock::Off).then_some(next.clock.as_slice());
        let sets = RiskSets::read(values, &next.points, &point, self.ties, clock, risk::LEAST)?;
        // Where the sums say too little the rest of the vector is of no use.
        let sets = sets.filter(|_| beyond == 0.0);
        let loglik = sets.as_ref().map(|sets| sets.loglik);
        let limits = self.limits(next.moments.events);
        let kept = sets.filter(|_| !next.newton.fell(loglik, limits));
        let Some(sets) = kept else {
            let told = Told {
                round,
                loglik,
                gradient: &[],
                information: &[],
            };
            return self.climb(next, &told);
        };
        next.points = risk::rescaled(&next.points, &at_risk);
        (next.sets, next.phase) = (sets, CoxPhase::Information);
        Ok(())
    }

    /// The first column whose values the risk sets do not tell apart, where no ridge binds it.
    fn silent(&self, information: &[f64], events: u64) -> Option<usize> {
        let least = SILENT * events as f64;
        diagonal(self.columns.len())
            .position(|at| information.get(at).is_none_or(|cell| *cell <= least))
            .filter(|_| self.ridge == 0.0)
    }

    /// What a round tells of the point moves the climb.
    fn climb(&self, next: &mut CoxState, told: &Told<'_>) -> Result<(), RecipeError> {
        let events = next.moments.events;
        if next.newton.taken == 0 {
            if told.loglik.is_none() {
                // At zero every r is 1.
                return Err(RecipeError::Implausible { what: "risk sets" });
            }
            if let Some(column) = self.silent(told.information, events) {
                next.phase = CoxPhase::Stuck(CoxStuck::Silent(column as u32));
                return Ok(());
            }
        }
        let limits = self.limits(events);
        match told.loglik {
            None => next.beyond += 1,
            Some(_) if next.newton.fell(told.loglik, limits) => {}
            Some(loglik) => (next.loglik, next.beyond) = (loglik, 0),
        }
        if self.ridge == 0.0 && next.beyond >= OUT_OF_RANGE {
            let along = next.newton.direction.clone();
            next.phase = CoxPhase::Stuck(NoMaximum::Endless(along).into());
            return Ok(());
        }
        next.phase = match next.newton.climb(told, limits) {
            Climb::On(newton) => {
                next.newton = newton;
                if self.by_site() {
                    CoxPhase::Newton
                } else {
                    CoxPhase::RiskSets
                }
            }
            Climb::End(newton) => {
                next.spread = spread(&newton.beta, &newton.information, events);
                next.newton = newton;
                CoxPhase::Evaluate
            }
            Climb::Stuck(why) => CoxPhase::Stuck(why.into()),
        };
        Ok(())
    }

    /// A site that scores the final model on its own rows alone, for its own steward, brings a sum
    /// of fewer sites: it has pairs, but no check of its own, for the means within risk sets are
    /// those of all sites.
    fn take_evaluation(
        &self,
        next: &mut CoxState,
        values: &mut Values<'_>,
        same_sites: bool,
    ) -> Result<(), RecipeError> {
        let columns = self.columns.len();
        next.pairs = if self.by_site() {
            let concordant = values.one()?;
            let discordant = values.one()?;
            let tied = values.one()?;
            Pairs {
                concordant,
                discordant,
                tied,
                ..Pairs::default()
            }
        } else {
            let elements = concordance::elements(&next.points, self.strata());
            let histogram = values.counts(elements, "the histogram")?;
            let known = concordance::looks_yes_no(&next.moments)
                && values.counts(1, "sites with other values")? == [0];
            let equal = if known {
                concordance::equal_bins(&next.moments, &next.newton.beta, next.spread)
            } else {
                concordance::MIXED.to_vec()
            };
            Pairs::of(&histogram, &next.points, self.strata(), &equal)
        };
        if self.clock() != Clock::Off {
            next.drift = if self.by_site() {
                Drift {
                    score: values.take(columns)?.to_vec(),
                    cross: values.take(triangle(columns))?.to_vec(),
                    square: values.take(triangle(columns))?.to_vec(),
                }
            } else {
                Drift::read(values, &next.sets)?
            };
            if !same_sites {
                next.drift = Drift::default();
            }
        }
        next.phase = CoxPhase::Finished;
        Ok(())
    }
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
    if spread.is_finite() && spread > 0.0 {
        spread
    } else {
        1.0
    }
}

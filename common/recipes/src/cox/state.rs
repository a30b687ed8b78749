//! Where a Cox fit stands, and the sum that moves it on.

use super::climb::{Climb, CoxStuck, Move};
use super::concordance::{self, Pairs};
use super::model::Cox;
use super::points::{self, EventPoint};
use super::proportional::{self, Clock, Drift};
use super::risk::{self, RiskSets};
use crate::error::{RecipeError, Stuck};
use crate::linear::triangle;
use crate::moments::{Moments, Spread};
use crate::newton::Limits;
use crate::rows::Values;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::Sum;

/// Numbers in one vector of risk sets, at the most: 64 MB of limbs.
const MOST_NUMBERS: usize = 2_000_000;

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
        /// Sums absorbed so far: no two states of a run are equal.
        pub rounds: u32,
        /// The set of sites that every figure below comes from.
        pub set: Digest,
        /// How many sites that is.
        pub sites: u32,
        /// Where the fit stands.
        pub phase: CoxPhase,
        /// Pooled moments.
        pub moments: Moments,
        /// Grid points with events; empty where each site has its own.
        pub points: Vec<EventPoint>,
        /// g of each of them for the check of proportional hazards; empty without.
        pub clock: Vec<f64>,
        /// The climb.
        pub climb: Climb,
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

impl CoxPhase {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Moments => "moments",
            Self::Spread => "spread",
            Self::RiskSets => "risk sets",
            Self::Information => "information",
            Self::Newton => "newton",
            Self::Evaluate => "evaluate",
            Self::Finished => "finished",
            Self::Stuck(_) => "no finite estimate",
        }
    }
}

impl Cox {
    pub(crate) fn start(&self, rounds: u32) -> CoxState {
        CoxState {
            rounds,
            set: Digest::default(),
            sites: 0,
            phase: CoxPhase::Moments,
            moments: Moments::default(),
            points: Vec::new(),
            clock: Vec::new(),
            climb: Climb::new(self.columns.len()),
            sets: RiskSets::default(),
            spread: 1.0,
            pairs: Pairs::default(),
            drift: Drift::default(),
        }
    }

    fn limits(&self, rows: u64) -> Limits {
        Limits {
            ridge: self.ridge,
            lasso: 0.0,
            tolerance: self.tolerance,
            max_rounds: self.max_rounds,
            unit: 1.0,
            rows,
            separable: true,
        }
    }

    pub(crate) fn absorb(&self, state: &CoxState, sum: &Sum) -> Result<CoxState, RecipeError> {
        let rounds = state.rounds + 1;
        if state.phase != CoxPhase::Moments && state.set != sum.set {
            return Ok(self.start(rounds));
        }
        let mut next = CoxState {
            rounds,
            set: sum.set,
            sites: sum.sites,
            ..state.clone()
        };
        let mut values = Values::of(sum);
        match state.phase {
            CoxPhase::Moments => self.take_sums(&mut next, &mut values)?,
            CoxPhase::Spread => self.take_spread(&mut next, &mut values, sum)?,
            CoxPhase::RiskSets => self.take_risk_sets(&mut next, &mut values)?,
            CoxPhase::Information => {
                let whole = values.take(triangle(self.columns.len()))?;
                let means = state.sets.outer.first().into_iter().flatten();
                let information = whole
                    .iter()
                    .zip(means)
                    .map(|(whole, means)| whole - means)
                    .collect();
                let (loglik, gradient) = (state.sets.loglik, &state.sets.gradient);
                self.take_step(&mut next, loglik, gradient, information);
            }
            CoxPhase::Newton => {
                let usable = values.one()? == 0.0;
                let loglik = values.one()?;
                let gradient = values.take(self.columns.len())?;
                let information = values.take(triangle(self.columns.len()))?.to_vec();
                let loglik = usable.then_some(loglik);
                match loglik.filter(|_| !state.climb.fell(loglik, self.ridge)) {
                    Some(loglik) => self.take_step(&mut next, loglik, gradient, information),
                    None => self.halve(&mut next, loglik)?,
                }
            }
            CoxPhase::Evaluate => {
                self.take_evaluation(&mut next, &mut values, sum.sites == state.sites)?
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
        let rows = values
            .counts(1, "rows")?
            .first()
            .copied()
            .unwrap_or_default();
        let events = values
            .counts(1, "events")?
            .first()
            .copied()
            .unwrap_or_default();
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
    ) -> Result<(), RecipeError> {
        let columns = self.columns.len();
        let beyond = values.one()?;
        let point = next.climb.point();
        let sums = values.clone().take(next.points.len() * (1 + columns))?;
        let at_risk = risk::masses(sums, &next.points, columns);
        if next.climb.taken == 0 {
            next.clock =
                proportional::clock(self.clock(), &next.points, self.grid.last(), &at_risk);
        }
        let clock = (self.clock() != Clock::Off).then_some(next.clock.as_slice());
        let sets = RiskSets::read(values, &next.points, &point, self.ties, clock, risk::LEAST)?;
        // Where the sums say too little the rest of the vector is of no use.
        let Some(sets) = sets.filter(|_| beyond == 0.0) else {
            return self.halve(next, None);
        };
        if next.climb.fell(Some(sets.loglik), self.ridge) {
            return self.halve(next, Some(sets.loglik));
        }
        next.points = risk::rescaled(&next.points, &at_risk);
        (next.sets, next.phase) = (sets, CoxPhase::Information);
        Ok(())
    }

    fn take_step(&self, next: &mut CoxState, loglik: f64, gradient: &[f64], information: Vec<f64>) {
        let events = next.moments.events;
        let moved = next.climb.step(
            next.rounds,
            loglik,
            gradient,
            information,
            events,
            self.limits(events),
        );
        self.moved(next, moved);
    }

    fn halve(&self, next: &mut CoxState, loglik: Option<f64>) -> Result<(), RecipeError> {
        let moved = next
            .climb
            .halve(next.rounds, loglik, self.limits(next.moments.events))?;
        self.moved(next, moved);
        Ok(())
    }

    fn moved(&self, next: &mut CoxState, moved: Move) {
        next.phase = match moved {
            Move::On(climb) => {
                next.climb = climb;
                if self.by_site() {
                    CoxPhase::Newton
                } else {
                    CoxPhase::RiskSets
                }
            }
            Move::End(climb) => {
                next.spread = spread(&climb.beta, &climb.information, next.moments.events);
                next.climb = climb;
                CoxPhase::Evaluate
            }
            Move::Stuck(stuck) => CoxPhase::Stuck(stuck),
        };
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
            let (concordant, discordant, tied) = (values.one()?, values.one()?, values.one()?);
            Pairs {
                concordant,
                discordant,
                tied,
                undecided: 0.0,
            }
        } else {
            let elements = concordance::elements(&next.points, self.strata());
            let histogram = values.counts(elements, "the histogram")?;
            Pairs::of(&histogram, &next.points, self.strata())
        };
        if self.clock() != Clock::Off {
            next.drift = if self.by_site() {
                let mut take = |count: usize| values.take(count).map(<[f64]>::to_vec);
                let (score, cross) = (take(columns)?, take(triangle(columns))?);
                Drift {
                    score,
                    cross,
                    square: take(triangle(columns))?,
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

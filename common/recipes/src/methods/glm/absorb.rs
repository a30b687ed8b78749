//! How a sum moves the state: the same bits at the coordinator and at every node.

use super::family::Family;
use super::knots::{Found, Search};
use super::{Check, Errors, Glm, GlmPhase, GlmState};
use crate::derivatives;
use crate::design::Shape;
use crate::error::{RecipeError, Stuck};
use crate::leverage::{self, Whole};
use crate::linear::{diagonal, triangle};
use crate::method::Pass;
use crate::moments::{Moments, Spread};
use crate::newton::{Climb, Limits, Near, Newton, Told};
use crate::nobody::Nobody;
use crate::rows::Values;
use crate::score::{self, Score};
use crate::squares;
use motet_secagg::layout::Sum;

/// Sums are known to 2^-41 a site: of an outcome that adds up to less than this, a site, no unit
/// can be told.
const LEAST_TOTAL: f64 = 1e-9;
/// Shares that add up to less leave too few digits of their sums.
const LEAST_SHARES: f64 = 0.01;
/// Mean weight below which sums lose the weights.
const LEAST_WEIGHT: f64 = 1e-3;
/// A sum of squared residuals, on the scale of the fit and for each site, that cannot be told from
/// rounding.
const NO_ERROR: f64 = 1e-10;

/// The term at this place of the coefficients follows from those before it.
fn dependent(at: usize) -> Stuck {
    Stuck::Collinear(at.saturating_sub(1) as u32)
}

impl Glm {
    /// The state after a sum.
    pub(super) fn moved(
        &self,
        state: &GlmState,
        before: &Pass,
        sum: &Sum,
    ) -> Result<GlmState, RecipeError> {
        let round = before.rounds + 1;
        let mut next = state.clone();
        let mut values = Values::of(sum);
        let done = match &state.phase {
            GlmPhase::Place(search) => return self.absorb_knots(next, search, sum),
            GlmPhase::Moments => self.absorb_moments(&mut next, &mut values, sum.sites)?,
            GlmPhase::Spread => self.absorb_spread(&mut next, &mut values, sum.sites)?,
            GlmPhase::Null => return self.absorb_null(next, sum, round),
            GlmPhase::Fit => self.absorb_fit(&mut next, &mut values, (sum.sites, round))?,
            GlmPhase::Evaluate => {
                self.absorb_check(&mut next, &mut values, (sum.sites, before.sites))?
            }
            GlmPhase::Calibrate => {
                next.score.absorb_line(&mut values)?;
                Ok(())
            }
            GlmPhase::Finished | GlmPhase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        };
        values.end()?;
        if let Err(stuck) = done {
            next.phase = GlmPhase::Stuck(stuck);
        } else if matches!(state.phase, GlmPhase::Evaluate | GlmPhase::Calibrate) {
            let settled = !self.scored() || next.score.settled;
            next.phase = if settled {
                GlmPhase::Finished
            } else {
                GlmPhase::Calibrate
            };
        }
        Ok(next)
    }

    fn absorb_knots(
        &self,
        mut next: GlmState,
        search: &Search,
        sum: &Sum,
    ) -> Result<GlmState, RecipeError> {
        let sought = self.sought();
        next.phase = match search.absorb(&sought, sum)? {
            Ok(Found::On(search)) => GlmPhase::Place(search),
            Ok(Found::Knots(placed)) => {
                next.placed = placed;
                GlmPhase::Moments
            }
            Err(Stuck::Constant(at)) => {
                let column = sought.columns().get(at as usize).copied();
                let term = self.term_of(|own, _| Some(own) == column)?;
                GlmPhase::Stuck(Stuck::Constant(term))
            }
            Err(Stuck::Bunched(at)) => {
                let pair = sought.0.get(at as usize).copied();
                let term = self.term_of(|column, degrees| Some((column, degrees)) == pair)?;
                GlmPhase::Stuck(Stuck::Bunched(term))
            }
            Err(stuck) => GlmPhase::Stuck(stuck),
        };
        Ok(next)
    }

    /// The first term that is made of what is looked for, given column and degrees: the search
    /// counts what it looks for, and a reason names a term.
    fn term_of(&self, is_found: impl Fn(u32, u32) -> bool) -> Result<u32, RecipeError> {
        let term = self.design.terms.iter().position(|term| {
            term.factors.iter().any(|factor| match factor.shape {
                Shape::Sought(sought) => is_found(factor.column, sought.degrees),
                _ => false,
            })
        });
        term.map(|at| at as u32)
            .ok_or(RecipeError::Mismatch { what: "state" })
    }

    fn absorb_moments(
        &self,
        next: &mut GlmState,
        values: &mut Values<'_>,
        sites: u32,
    ) -> Result<Result<(), Stuck>, RecipeError> {
        let rows = values.count("rows")?;
        let events = if self.family == Family::Logistic {
            values.count("events")?
        } else {
            0
        };
        let total = if self.precise() {
            values.one()?
        } else {
            rows as f64
        };
        let offset = if self.shifted() { values.one()? } else { 0.0 };
        let y = values.one()?;
        let sums = values.take(self.terms() - 1)?;
        if events > rows {
            return Err(RecipeError::Implausible { what: "events" });
        }
        if rows < 2 {
            return Ok(Err(Stuck::TooFewRows));
        }
        if self.ridge == 0.0 && self.lasso == 0.0 && rows <= self.terms() as u64 {
            return Ok(Err(Stuck::Saturated));
        }
        if total < LEAST_WEIGHT * rows as f64 {
            return Ok(Err(Stuck::Light));
        }
        (next.total, next.offset, next.mean) = (total, offset / total, y / total);
        let standardised = (self.family == Family::Linear).then_some(next.mean);
        let mean = sums
            .iter()
            .map(|sum| sum / total)
            .chain(standardised)
            .collect();
        next.moments = Moments::new(rows, events, mean);
        next.phase = GlmPhase::Spread;
        let inside = next.mean > 0.0 && next.mean < 1.0;
        let one_class = match self.family {
            Family::Linear | Family::Gamma => false,
            Family::Poisson | Family::Quasipoisson => next.mean <= 0.0,
            Family::Logistic => events == 0 || events == rows,
            Family::Quasibinomial => !inside,
        };
        if self.family == Family::Logistic && !one_class && !inside {
            return Err(RecipeError::Implausible {
                what: "the outcome",
            });
        }
        if one_class {
            return Ok(Err(Stuck::OneClass));
        }
        let faint = match self.family {
            // The mean is where a unit comes from, and is asked for again in it.
            family if family.scales() => y < f64::from(sites) * LEAST_TOTAL,
            // A share has no unit that could be another.
            Family::Quasibinomial => next.mean.min(1.0 - next.mean) * rows as f64 <= LEAST_SHARES,
            _ => false,
        };
        if faint {
            return Ok(Err(Stuck::Faint));
        }
        if self.family.scales() {
            next.scale = squares::power(next.mean);
        }
        Ok(Ok(()))
    }

    fn absorb_spread(
        &self,
        next: &mut GlmState,
        values: &mut Values<'_>,
        sites: u32,
    ) -> Result<Result<(), Stuck>, RecipeError> {
        let squares = values.take(next.moments.units.len(self.spread()))?;
        let share = if self.family.scales() {
            Some(values.one()?)
        } else {
            None
        };
        let offsets = if self.shifted() && self.family.log_link() {
            Some((values.one()?, values.one()?))
        } else {
            None
        };
        let mut moments = match next.moments.absorb_spread(squares, sites, next.total) {
            Ok(Spread::Known(moments)) => moments,
            Ok(Spread::Again(moments)) => {
                next.moments = moments;
                return Ok(Ok(()));
            }
            Err(Stuck::Constant(at)) if at as usize >= self.terms() - 1 => {
                return Ok(Err(Stuck::Flat));
            }
            Err(stuck) => return Ok(Err(stuck)),
        };
        if self.family == Family::Linear
            && let Some((mean, sd)) = moments.mean.pop().zip(moments.sd.pop())
        {
            (next.mean, next.centre, next.scale) = (mean, mean, sd);
        }
        next.moments = moments;
        let base = match offsets {
            Some((_, far)) if far > 0.0 => return Ok(Err(Stuck::FarOffset)),
            Some((base, _)) if base <= 0.0 => {
                return Err(RecipeError::Implausible { what: "the offset" });
            }
            offsets => offsets.map(|(base, _)| base),
        };
        if let Some(share) = share {
            if share <= 0.0 {
                return Err(RecipeError::Implausible {
                    what: "the outcome",
                });
            }
            next.mean = next.scale * (share / next.total);
        }
        let null = self.shifted() && self.family.logit_link();
        next.phase = if null { GlmPhase::Null } else { GlmPhase::Fit };
        next.newton = Newton::at(
            self.beginning(next, base),
            if null { 0 } else { self.terms() - 1 },
        );
        Ok(Ok(()))
    }

    /// The intercept of the model without columns; with a logit link only where a climb begins.
    /// `base` is the sum that an offset under a log link makes necessary.
    fn beginning(&self, next: &GlmState, base: Option<f64>) -> f64 {
        let sum = next.total * (next.mean / next.scale);
        match self.family {
            Family::Linear => 0.0,
            Family::Poisson | Family::Quasipoisson => libm::log(sum / base.unwrap_or(next.total)),
            Family::Gamma => libm::log(base.unwrap_or(sum) / next.total),
            Family::Logistic | Family::Quasibinomial => {
                let odds = libm::log(next.mean / (1.0 - next.mean));
                if self.shifted() {
                    odds
                } else {
                    score::start(odds)
                }
            }
        }
    }

    fn absorb_null(
        &self,
        mut next: GlmState,
        sum: &Sum,
        round: u32,
    ) -> Result<GlmState, RecipeError> {
        let limits = Limits {
            ridge: 0.0,
            lasso: 0.0,
            ..self.limits(&next)
        };
        match derivatives::absorb(&next.newton, sum, round, limits)? {
            Climb::On(newton) => next.newton = newton,
            Climb::End(newton) => {
                let [intercept, ..] = *newton.beta.as_slice() else {
                    return Err(RecipeError::Mismatch { what: "state" });
                };
                next.newton = Newton::at(intercept, self.terms() - 1);
                next.phase = GlmPhase::Fit;
            }
            Climb::Stuck(why) => next.phase = GlmPhase::Stuck(why.into()),
        }
        Ok(next)
    }

    fn absorb_fit(
        &self,
        next: &mut GlmState,
        values: &mut Values<'_>,
        (sites, round): (u32, u32),
    ) -> Result<Result<(), Stuck>, RecipeError> {
        let limits = self.limits(next);
        let told = derivatives::read(&next.newton, values, round)?;
        if next.newton.taken == 0 {
            next.products = values.take(triangle(self.terms()))?.to_vec();
            match self.nobodys(next, sites) {
                Ok(nobody) => next.nobody = nobody,
                Err(stuck) => return Ok(Err(stuck)),
            }
        } else if !next.products.is_empty() {
            if let Err(stuck) = leverage::absorb(values, sites)? {
                return Ok(Err(stuck));
            }
            next.products.clear();
        }
        let told = Told {
            gradient: &next.nobody.line(told.gradient),
            information: &next.nobody.triangle(told.information),
            ..told
        };
        match derivatives::climb(&next.newton, &told, limits) {
            Climb::On(newton) => next.newton = newton,
            Climb::End(newton) => {
                // The last look is at this matrix: where it cannot be factored no site is to blame.
                let rows = next.moments.rows;
                if let Err(at) = Whole::of(&newton.information, self.terms(), rows) {
                    return Ok(Err(dependent(at)));
                }
                (next.newton, next.phase) = (newton, GlmPhase::Evaluate);
            }
            Climb::Stuck(why) => return Ok(Err(why.into())),
        }
        Ok(Ok(()))
    }

    /// The directions that nobody has; that they are told from those that somebody nearly has not.
    fn nobodys(&self, state: &GlmState, sites: u32) -> Result<Nobody, Stuck> {
        // A column's own cell is about the rows that have it; of what is less than one a site,
        // as of rows of next to no weight, the sums have too few digits.
        let mut own = diagonal(self.terms()).filter_map(|at| state.products.get(at));
        if own.any(|cell| *cell < f64::from(sites)) {
            return Err(Stuck::Light);
        }
        let whole = Whole::of(&state.products, self.terms(), state.moments.rows);
        whole.map(|whole| Nobody::of(&whole)).map_err(dependent)
    }

    /// The same sites have the same rows. A site that scores the final model on its own rows alone,
    /// for its own steward, brings a sum of fewer sites.
    fn absorb_check(
        &self,
        next: &mut GlmState,
        values: &mut Values<'_>,
        (sites, before): (u32, u32),
    ) -> Result<Result<(), Stuck>, RecipeError> {
        let size = triangle(self.terms());
        let is_gamma = self.family == Family::Gamma;
        next.check = Check {
            kernel: values.one()?,
            pearson: values.one()?,
            constants: values.take(self.family.constants(self.precise()))?.to_vec(),
            expected: next
                .nobody
                .triangle(values.take(if is_gamma { size } else { 0 })?),
            meat: next
                .nobody
                .triangle(values.take(if self.robust() { size } else { 0 })?),
        };
        if self.scored() {
            next.score = Score::absorb(values, next.moments.base())?;
            if sites == before && next.score.rows() != (next.moments.rows, next.moments.events) {
                return Err(RecipeError::Implausible {
                    what: "the histogram",
                });
            }
        }
        if let Err(stuck) = leverage::absorb(values, sites)? {
            return Ok(Err(stuck));
        }
        let divides = self.family.disperses() || self.errors == Errors::Hc1;
        if divides && next.moments.rows <= self.fitted(next) {
            return Ok(Err(Stuck::Saturated));
        }
        let least = NO_ERROR * f64::from(sites) * next.unit();
        if self.family.disperses() && next.check.pearson <= least {
            return Ok(Err(Stuck::Perfect));
        }
        next.products.clear();
        Ok(Ok(()))
    }

    /// Coefficients that the degrees of freedom pay for: with a lasso those that are not zero (Zou,
    /// Hastie and Tibshirani 2007, Annals of Statistics 35, 2173).
    pub(super) fn fitted(&self, state: &GlmState) -> u64 {
        if self.lasso > 0.0 {
            1 + state
                .newton
                .beta
                .iter()
                .skip(1)
                .filter(|b| **b != 0.0)
                .count() as u64
        } else {
            self.terms() as u64
        }
    }

    fn limits(&self, state: &GlmState) -> Limits {
        Limits {
            ridge: self.ridge,
            lasso: self.lasso,
            tolerance: self.tolerance,
            max_rounds: self.max_rounds,
            unit: state.unit(),
            rows: state.moments.rows,
            separable: self.family != Family::Linear,
            intercepts: 1,
            near: Near::Turned,
        }
    }
}

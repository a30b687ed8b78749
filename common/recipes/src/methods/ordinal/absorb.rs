//! How a sum moves the state: the same bits at the coordinator and at every
//! node.

use super::cuts::{Known, beginning, in_order};
use super::parallel;
use super::{Ordinal, OrdinalPhase, OrdinalState};
use crate::error::{RecipeError, Stuck};
use crate::leverage;
use crate::linear::triangle;
use crate::method::Pass;
use crate::moments::{self, Moments, Spread};
use crate::newton::{Climb, Limits, Near, Newton, Told};
use crate::rows::Values;
use motet_secagg::layout::Sum;

impl Ordinal {
    /// The state after a sum.
    pub(super) fn moved(
        &self,
        state: &OrdinalState,
        before: &Pass,
        sum: &Sum,
    ) -> Result<OrdinalState, RecipeError> {
        let mut next = state.clone();
        next.phase = match state.phase {
            OrdinalPhase::Moments => self.absorb_moments(&mut next, sum)?,
            OrdinalPhase::Spread => match moments::absorb_spread(&state.moments, sum)? {
                Ok(Spread::Known(moments)) => {
                    let slopes = std::iter::repeat_n(0.0, self.columns());
                    let start = beginning(&state.counts).into_iter().chain(slopes);
                    next.newton = Newton::begin(start.collect());
                    next.moments = moments;
                    OrdinalPhase::Fit
                }
                Ok(Spread::Again(moments)) => {
                    next.moments = moments;
                    OrdinalPhase::Spread
                }
                Err(stuck) => OrdinalPhase::Stuck(stuck),
            },
            OrdinalPhase::Fit => self.absorb_step(&mut next, before.rounds + 1, sum)?,
            OrdinalPhase::Parallel => self.absorb_last(&mut next, sum)?,
            OrdinalPhase::Finished | OrdinalPhase::Stuck(_) | OrdinalPhase::Empty(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        };
        Ok(next)
    }

    fn absorb_moments(
        &self,
        next: &mut OrdinalState,
        sum: &Sum,
    ) -> Result<OrdinalPhase, RecipeError> {
        let mut values = Values::of(sum);
        next.counts = values.counts(self.levels.len(), "rows of the levels")?;
        let sums = values.take(self.columns())?;
        values.end()?;
        // Each is exact in an f64, and there are few.
        let rows = next
            .counts
            .iter()
            .fold(0_u64, |all, level| all.saturating_add(*level));
        let mean = sums.iter().map(|sum| sum / rows as f64).collect();
        next.moments = Moments::new(rows, 0, mean);
        let empty = next.counts.iter().position(|level| *level == 0);
        Ok(match empty {
            _ if rows < 2 => OrdinalPhase::Stuck(Stuck::TooFewRows),
            Some(level) => OrdinalPhase::Empty(level as u32),
            None if rows <= (self.cuts() + self.columns()) as u64 => {
                OrdinalPhase::Stuck(Stuck::Saturated)
            }
            None => OrdinalPhase::Spread,
        })
    }

    fn absorb_step(
        &self,
        next: &mut OrdinalState,
        round: u32,
        sum: &Sum,
    ) -> Result<OrdinalPhase, RecipeError> {
        let point = next.newton.point();
        let cuts = self.cuts();
        let columns = self.columns();
        let (thresholds, _) = self.parts(&point)?;
        let known = Known::at(thresholds, &next.counts);
        let mut values = Values::of(sum);
        let loglik = values.one()? + known.loglik;
        let summed = values.take(cuts + columns)?;
        let of_cuts = values.take(cuts)?;
        let mixed = values.take(cuts * columns)?;
        let of_columns = values.take(triangle(columns))?;
        if next.newton.taken == 0 {
            next.products = values.take(self.products())?.to_vec();
        } else if !next.products.is_empty() {
            if let Err(stuck) = leverage::absorb(&mut values, sum.sites)? {
                return Ok(OrdinalPhase::Stuck(stuck));
            }
            next.products.clear();
        }
        values.end()?;
        let beside = known.gradient.iter().copied().chain(std::iter::repeat(0.0));
        let gradient: Vec<f64> = summed
            .iter()
            .zip(beside)
            .map(|(sum, known)| sum + known)
            .collect();
        let told = Told {
            round,
            loglik: Some(loglik),
            gradient: &gradient,
            information: &known.information(of_cuts, mixed, of_columns),
        };
        Ok(match next.newton.climb(&told, self.limits(next)) {
            Climb::On(newton) => {
                next.newton = self.ordered(newton)?;
                OrdinalPhase::Fit
            }
            Climb::End(newton) => {
                let (last, _) = self.parts(&newton.beta)?;
                let settled = in_order(last);
                next.newton = newton;
                if !settled {
                    // A last step so long is none: what was asked for stands.
                    next.newton.beta = point;
                    next.newton.converged = false;
                }
                OrdinalPhase::Parallel
            }
            Climb::Stuck(why) => OrdinalPhase::Stuck(why.into()),
        })
    }

    /// The same climb with a step short enough that thresholds stay in order: beyond, levels have no
    /// probability, and nobody need be asked to know that.
    fn ordered(&self, mut newton: Newton) -> Result<Newton, RecipeError> {
        // Of a step of 2^-60 nothing is left.
        for _ in 0..60 {
            let point = newton.point();
            let (thresholds, _) = self.parts(&point)?;
            if in_order(thresholds) {
                break;
            }
            newton.shrink *= 0.5;
        }
        Ok(newton)
    }

    fn absorb_last(&self, next: &mut OrdinalState, sum: &Sum) -> Result<OrdinalPhase, RecipeError> {
        let (thresholds, _) = self.parts(&next.newton.beta)?;
        let mut values = Values::of(sum);
        next.loglik = values.one()? + Known::at(thresholds, &next.counts).loglik;
        if self.cuts() > 1 {
            next.tests = parallel::tests(&mut values, self.cuts(), self.columns())?;
        }
        let alone = leverage::absorb(&mut values, sum.sites)?;
        values.end()?;
        if alone.is_ok() {
            next.products.clear();
        }
        Ok(alone.map_or_else(OrdinalPhase::Stuck, |()| OrdinalPhase::Finished))
    }

    fn limits(&self, state: &OrdinalState) -> Limits {
        Limits {
            ridge: 0.0,
            lasso: 0.0,
            tolerance: self.tolerance,
            max_rounds: self.max_rounds,
            unit: 1.0,
            rows: state.moments.rows,
            separable: true,
            intercepts: self.cuts(),
            near: Near::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Design;

    #[test]
    fn a_step_that_carries_a_threshold_over_the_next_is_shortened_before_anybody_is_asked() {
        let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let recipe = Ordinal::new(Design::plain(vec!["x".into()]), "y".into(), levels);
        let with = |first: f64| Newton {
            direction: vec![first, 0.0, 0.0],
            ..Newton::begin(vec![-1.0, 0.0, 0.5])
        };
        let shrink = |first: f64| recipe.ordered(with(first)).unwrap().shrink;
        // From -1 beyond 0, where half the way ends on it.
        assert_eq!(shrink(2.0), 0.25);
        assert_eq!(shrink(0.5), 1.0);
        assert!(recipe.ordered(Newton::begin(vec![0.0])).is_err());
    }
}

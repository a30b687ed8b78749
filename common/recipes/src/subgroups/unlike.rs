//! Whether one patient alone makes the figures of a part:
//! each site asks it of its own rows and says a yes or a
//! no, before any figure is asked for.
//!
//! ```text
//! t   = what the model says of a row: log odds, or a number less the middle of the outcome
//! h_i = 1/n + (t_i - mean)^2 / sum (t - mean)^2      the row's leverage on a line over t, see `leverage`
//!
//! predictions  of each part that is shown:  [ sites whose own sums are beyond what limbs hold | sum t, sum t^2 ]
//! unlike       of each part that is left:   [ sites that have a row with h_i > 0.45 ]
//! ```
//!
//! No answer depends on an outcome, but where the squares
//! of a site's outcomes are beyond those limbs, too: then
//! the second sum could not be made. In a small part a line
//! of calibration, which has two coefficients, and a mean
//! squared error are mostly those of a patient whose
//! prediction is far from all others, and tell that
//! patient's outcome. The question that ends a fit for such
//! a patient is asked of fitted rows alone, and of the
//! exact regressions; this one is asked of both parts,
//! whatever the method. A C-index counts each patient of a
//! time in as many pairs as any other: of it nothing is
//! asked.

use super::hide::Why;
use super::model::{Measure, Model};
use super::{Judgement, Stage, Subgroups};
use crate::error::RecipeError;
use crate::leverage::{NEARLY_HALF, said};
use crate::moments::{counts, exact, limbs};
use crate::rows::Values;
use motet_secagg::layout::{Layout, Sum};

/// Numbers that are kept of a part: sum of t, and of t^2.
const KEPT: usize = 2;
/// The largest squares that a site may have of a part, on
/// the scale of the fit: 2^80, where a limb ends at 2^86
/// and errors are squared, too.
const REACH: f64 = 1_208_925_819_614_629_174_706_176.0;
/// What is closer to the mean than a millionth of the usual
/// prediction, or of the fit's unit, is not told apart from
/// rounding: no error shows it, and a line over such
/// predictions is singular.
const ROUNDING: f64 = 1e-12;

/// What the predictions of a part add up to.
struct Spread {
    rows: f64,
    sum: f64,
    squares: f64,
}

impl Spread {
    /// Whether a row with this prediction has about as much of
    /// the line as all others together.
    fn is_unlike(&self, t: f64) -> bool {
        let mean = self.sum / self.rows;
        let about_mean = (self.squares - self.sum * mean).max(0.0);
        let share = NEARLY_HALF - 1.0 / self.rows;
        let least = ROUNDING * (1.0 + self.squares / self.rows);
        let off = t - mean;
        // Written so that what is no number is unlike, too.
        let is_like = off * off <= share * about_mean + least;
        !is_like
    }
}

/// What is taken off predictions before they are squared.
fn middle(model: &dyn Model) -> f64 {
    match model.measure() {
        Measure::Number => model.scale().0,
        Measure::Risk | Measure::Time => 0.0,
    }
}

/// A site's rows of each part: what the model says of each,
/// and the outcome.
type Rows = [Vec<(f64, f64)>];

/// A site's answer to the first question.
pub(super) fn predictions(parts: &Rows, model: &dyn Model) -> Vec<f64> {
    let centre = middle(model);
    let mut beyond = Vec::with_capacity(parts.len());
    let mut sums = Vec::with_capacity(KEPT * parts.len());
    for part in parts {
        let (mut sum, mut squares, mut of_outcomes) = (0.0, 0.0, 0.0);
        for (t, y) in part.iter().map(|(t, y)| (t - centre, y - centre)) {
            sum += t;
            squares += t * t;
            of_outcomes += y * y;
        }
        // Written so that what is no number is beyond, too.
        let is_within = squares < REACH && of_outcomes < REACH;
        beyond.push(said(!is_within));
        sums.extend(if is_within {
            [sum, squares]
        } else {
            [0.0; KEPT]
        });
    }
    [beyond, sums].concat()
}

impl Subgroups {
    /// What the sums before it say of each part that is shown.
    fn spreads(&self, judgement: &Judgement) -> Result<Vec<Spread>, RecipeError> {
        let [_, parts] = self.shown(judgement);
        if judgement.limbs.len() != KEPT * parts.len() {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        let kept = judgement.limbs.chunks(KEPT).zip(parts);
        let spreads = kept.filter_map(|(sums, part)| match *sums {
            [sum, squares] => Some(Spread {
                rows: part.rows as f64,
                sum,
                squares,
            }),
            _ => None,
        });
        Ok(spreads.collect())
    }

    /// A site's answer to the second question.
    pub(super) fn unlike(
        &self,
        judgement: &Judgement,
        parts: &Rows,
        model: &dyn Model,
    ) -> Result<Vec<f64>, RecipeError> {
        let centre = middle(model);
        let spreads = self.spreads(judgement)?;
        debug_assert_eq!(spreads.len(), parts.len());
        let parts = parts.iter().zip(spreads);
        let yes =
            parts.map(|(part, spread)| part.iter().any(|(t, _)| spread.is_unlike(t - centre)));
        Ok(yes.map(said).collect())
    }

    pub(super) fn ask_predictions(&self, judgement: &Judgement) -> Layout {
        let parts = self.shown_parts(judgement).len();
        exact(vec![counts(parts, 1.0), limbs(KEPT * parts)])
    }

    pub(super) fn absorb_predictions(
        &self,
        judgement: &Judgement,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let parts = self.shown_parts(judgement);
        let mut values = Values::of(sum);
        let beyond = yes(&mut values, parts.len(), sum.sites)?;
        let sums = values.take(KEPT * parts.len())?;
        values.end()?;
        let left = sums.chunks(KEPT).zip(&beyond).filter(|(_, yes)| **yes == 0);
        let limbs = left.flat_map(|(sums, _)| sums).copied().collect();
        let mut next = self.without(judgement, &beyond);
        if self.shown_parts(&next).is_empty() {
            return Ok(self.before_figures(next));
        }
        next.limbs = limbs;
        next.stage = Stage::Unlike;
        Ok(next)
    }

    pub(super) fn ask_unlike(&self, judgement: &Judgement) -> Layout {
        exact(vec![counts(self.shown_parts(judgement).len(), 1.0)])
    }

    pub(super) fn absorb_unlike(
        &self,
        judgement: &Judgement,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let mut values = Values::of(sum);
        let unlike = yes(&mut values, self.shown_parts(judgement).len(), sum.sites)?;
        values.end()?;
        Ok(self.before_figures(self.without(judgement, &unlike)))
    }

    /// Without what a part was asked for: those of the parts
    /// that are shown are hidden of which a site says yes.
    fn without(&self, judgement: &Judgement, yes: &[u64]) -> Judgement {
        let mut next = Judgement {
            limbs: Vec::new(),
            ..judgement.clone()
        };
        let parts = next.groups.iter_mut().skip(self.in_columns().count());
        let shown = parts.flatten().filter(|part| part.is_shown());
        for (part, yes) in shown.zip(yes) {
            if *yes > 0 {
                part.hidden = Some(Why::Unlike);
            }
        }
        next
    }
}

/// How many sites say yes, of each part.
fn yes(values: &mut Values<'_>, parts: usize, sites: u32) -> Result<Vec<u64>, RecipeError> {
    const WHAT: &str = "sites with a patient unlike all others";
    let said = values.counts(parts, WHAT)?;
    if said.iter().any(|yes| *yes > u64::from(sites)) {
        return Err(RecipeError::Implausible { what: WHAT });
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(all: &[f64]) -> Spread {
        Spread {
            rows: all.len() as f64,
            sum: all.iter().sum(),
            squares: all.iter().map(|t| t * t).sum(),
        }
    }

    #[test]
    fn a_prediction_far_from_all_others_is_unlike_and_so_is_each_of_two() {
        let near: Vec<f64> = (0..30).map(|at| f64::from(at % 10) / 4.0 - 5.0).collect();
        for (times, is_unlike) in [(1, true), (2, true), (3, false)] {
            let all = [near.clone(), vec![20.0; times]].concat();
            assert_eq!(spread(&all).is_unlike(20.0), is_unlike, "{times}");
            assert!(!near.iter().any(|t| spread(&all).is_unlike(*t)));
        }
        assert!(!near.iter().any(|t| spread(&near).is_unlike(*t)));
        assert!(spread(&near).is_unlike(f64::NAN));
    }

    #[test]
    fn predictions_that_are_all_alike_are_nobodys() {
        for t in [0.0, 0.1, -7.3, 1e9] {
            assert!(!spread(&[t; 31]).is_unlike(t), "{t}");
        }
    }
}

//! Whether the common model serves one site's own patients:
//! the common model, a model of this site's rows alone and
//! the common model tuned to this site, each on rows of
//! this site that the last two have not seen. It runs at
//! the site, on its rows, for its own report; nothing of it
//! leaves.
//!
//! ```text
//! rows --seed--> 5 folds with equal shares of events; for each fold, from the other four:
//!   common    the common model less the fold: one Newton step with the fold's gradient and information taken out of the
//!             pooled ones. Averaging knows no pooled information: that of this site's rows stands in, enlarged to the whole
//!             by what the site counts for. A network with hidden layers stays as it is: it has seen the rows.
//!   local     ridge regression (strength 1) of these rows
//!   personal  gradient descent from the common model with a pull back to it (Li et al. 2021, Ditto)
//! ```
//!
//! **Verdict.** The Brier score decides, because it counts
//! rank and calibration and needs no ranking across folds:
//! the mean over rows of the difference of squared errors,
//! with a normal interval. `gains` where it lies above 0,
//! `harmed` where it lies below. The AUC, with DeLong's
//! variance, stands beside it. The intervals count each row
//! once and not that models of different folds share rows:
//! they are a little too narrow.

mod folds; // the models, each on rows it has not seen

use crate::auc::{Interval, Placements};
use crate::compared::{Common, Compared};
use crate::error::RecipeError;
use crate::layer::{Layer, layers};
use crate::network::{Network, shuffle};
use crate::recipe::{Recipe, State};
use crate::rows::Rows;
use folds::{HeldOut, Part};
use motet_secagg::digest::Digest;
use ndarray::Array1;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// Fewer rows with the outcome, or without it, than this
/// say nothing that a patient could rely on.
const LEAST_OF_A_CLASS: usize = 10;
/// Rows beyond this change no verdict and take long: that
/// many are drawn by the seed.
const MOST_ROWS_JUDGED: usize = 20_000;

/// What a site has of one model in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its patients are predicted better.
    Gains,
    /// They are predicted worse.
    Harmed,
    /// The interval holds 0.
    NoClearDifference,
    /// Fewer than ten rows with the outcome, or without it.
    TooSmall,
}

/// A model on rows of this site.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Area under the ROC curve; none where a class has fewer
    /// than two rows.
    pub auc: Option<Interval>,
    /// Mean of (p - y)^2.
    pub brier: Interval,
}

/// Two models on the same rows; above 0 the first is
/// better.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// AUC of the first less that of the second.
    pub auc: Interval,
    /// Brier score of the second less that of the first.
    pub brier: Interval,
}

/// The models that a site large enough has of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnModels {
    /// The local model on rows it has not seen.
    pub local: Quality,
    /// The personal model on rows it has not seen.
    pub personal: Quality,
    /// The common model against the local one.
    pub common_to_local: Difference,
    /// The personal model against the common one.
    pub personal_to_common: Difference,
    /// The local model of all rows.
    pub local_model: Vec<Layer>,
    /// The personal model of all rows.
    pub personal_model: Vec<Layer>,
}

/// What a site learns for itself from a finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Rows judged.
    pub rows: u64,
    /// Those with the outcome.
    pub events: u64,
    /// Whether the common model is judged less the rows it is
    /// judged on. Where not, it looks the better the larger the
    /// part of this site is.
    pub held_out: bool,
    /// The common model.
    pub common: Quality,
    /// The site's own models; none where it is too small to
    /// judge.
    pub own: Option<OwnModels>,
    /// What the common model is to this site, beside what it
    /// could do alone.
    pub verdict: Verdict,
    /// What tuning the common model to this site adds.
    pub personal_verdict: Verdict,
}

impl Verdict {
    /// As a report says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::Harmed => "harmed",
            Self::NoClearDifference => "no clear difference",
            Self::TooSmall => "too small to judge",
        }
    }

    /// Of two models; without them there were too few rows to
    /// compare.
    fn of(difference: Option<&Difference>) -> Self {
        match difference.map(|difference| difference.brier) {
            None => Self::TooSmall,
            Some(Interval { low, .. }) if low > 0.0 => Self::Gains,
            Some(Interval { high, .. }) if high < 0.0 => Self::Harmed,
            Some(_) => Self::NoClearDifference,
        }
    }
}

/// Judges the model of a finished run on one site's rows;
/// `seed` draws the folds. Nothing for a recipe whose
/// outcome is not binary, and for a logistic fit with an
/// offset, weights or a lasso.
///
/// # Errors
/// The run is not finished or ended without a model, or the
/// table does not fit the recipe.
pub fn compare(
    recipe: &Recipe,
    state: &State,
    rows: &Rows<'_>,
    seed: Digest,
) -> Result<Option<Comparison>, RecipeError> {
    let compared = recipe
        .method
        .compared(&state.method, state.pass.sites, &rows.fitted())?;
    let Some(Compared { common, x, y }) = compared else {
        return Ok(None);
    };
    let mut rng = ChaCha20Rng::from_seed(Digest::of("recipes/folds", &[&seed.0]).0);
    let mut order: Vec<usize> = (0..y.len()).collect();
    shuffle(&mut order, &mut rng);
    order.truncate(MOST_ROWS_JUDGED);
    Ok(Some(common.judge(&Part::of(x.view(), y.view(), &order))))
}

impl Common<'_> {
    fn judge(&self, all: &Part) -> Comparison {
        let events = all.y.iter().filter(|y| **y == 1.0).count();
        let too_small = events.min(all.y.len() - events) < LEAST_OF_A_CLASS;
        let held = if too_small { None } else { self.held_out(all) };
        let common = Predicted::new(
            held.as_ref().map_or_else(
                || self.risks(&self.network, &self.parameters, all),
                |held| held.common.clone(),
            ),
            &all.y,
        );
        let own = held.as_ref().and_then(|held| self.own(all, &common, held));
        Comparison {
            rows: all.y.len() as u64,
            events: events as u64,
            held_out: held.is_some() && self.pooled.is_some(),
            common: common.quality(),
            verdict: Verdict::of(own.as_ref().map(|own| &own.common_to_local)),
            personal_verdict: Verdict::of(own.as_ref().map(|own| &own.personal_to_common)),
            own,
        }
    }

    fn own(&self, all: &Part, common: &Predicted, held: &HeldOut) -> Option<OwnModels> {
        let local = Predicted::new(held.local.clone(), &all.y);
        let personal = Predicted::new(held.personal.clone(), &all.y);
        let flat_network = Network::new(all.x.ncols(), &[]);
        Some(OwnModels {
            local: local.quality(),
            personal: personal.quality(),
            common_to_local: common.less(&local)?,
            personal_to_common: personal.less(common)?,
            local_model: layers(&flat_network, self.moments, None, &self.local(all)?),
            personal_model: layers(
                &self.network,
                self.moments,
                None,
                &self.personal(&self.parameters, all),
            ),
        })
    }
}

/// One model's risks beside the outcome.
struct Predicted {
    placements: Option<Placements>,
    /// (p - y)^2 of each row.
    squares: Vec<f64>,
}

impl Predicted {
    fn new(risks: Vec<f64>, y: &Array1<f64>) -> Self {
        let squares = risks
            .iter()
            .zip(y)
            .map(|(p, y)| (p - y) * (p - y))
            .collect();
        Self {
            placements: Placements::of(&risks, &y.to_vec()),
            squares,
        }
    }

    fn quality(&self) -> Quality {
        Quality {
            auc: self.placements.as_ref().map(|placements| placements.area()),
            brier: Interval::of_mean(&self.squares).within_one(),
        }
    }

    /// Above 0 where this model is better than the other.
    fn less(&self, other: &Self) -> Option<Difference> {
        let better: Vec<f64> = other
            .squares
            .iter()
            .zip(&self.squares)
            .map(|(b, a)| b - a)
            .collect();
        let here = self.placements.as_ref()?;
        let there = other.placements.as_ref()?;
        Some(Difference {
            auc: here.less(there),
            brier: Interval::of_mean(&better),
        })
    }
}

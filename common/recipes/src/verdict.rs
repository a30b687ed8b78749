//! Whether the common model serves one site's own patients: the common model, a model of this site's rows alone and the
//! common model tuned to this site, each on rows of this site that the last two have not seen. It runs at the site, on its
//! rows, for its own report; nothing of it leaves.
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
//! **Verdict.** The Brier score decides, because it counts rank and calibration and needs no ranking across folds: the mean
//! over rows of the difference of squared errors, with a normal interval. `gains` where it lies above 0, `harmed` where it
//! lies below. The AUC, with DeLong's interval, stands beside it. The intervals count each row once and not that models of
//! different folds share rows: they are a little too narrow.

use crate::auc::{Interval, Placements};
use crate::error::RecipeError;
use crate::fedavg::{self, FedAvg, FedAvgState, Layer, Weight, layers};
use crate::linear::Factor;
use crate::logistic::{self, Logistic, LogisticState};
use crate::loss::{Loss, Table};
use crate::moments::Moments;
use crate::network::{Network, Training, shuffle};
use crate::newton::{self, Climb, Limits, Newton};
use crate::phase::Phase;
use crate::recipe::{Recipe, State};
use crate::rows::Rows;
use crate::score::logistic as risk;
use motet_secagg::digest::Digest;
use motet_secagg::layout::Sum;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// Parts of the rows.
const FOLDS: usize = 5;
/// Fewer rows with the outcome, or without it, than this say nothing that a patient could rely on.
const LEAST_OF_A_CLASS: usize = 10;
/// Rows beyond this change no verdict and take long: so many are drawn by the seed.
const MOST_ROWS_JUDGED: usize = 20_000;
/// The local model: strength of the ridge on standardised columns, largest last step, most steps.
const LOCAL: Limits = Limits { ridge: 1.0, tolerance: 1e-9, max_rounds: 50 };
/// The personal model: steps of the whole table, their length, strength of the pull.
const STEPS: u32 = 200;
const RATE: f64 = 0.2;
const PULL: f64 = 0.1;

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
    /// Area under the ROC curve; none where a class has fewer than two rows.
    pub auc: Option<Interval>,
    /// Mean of (p - y)^2.
    pub brier: Interval,
}

/// Two models on the same rows; above 0 the first is better.
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
    /// Whether the common model is judged less the rows it is judged on. Where not, it looks the better the larger the part
    /// of this site is.
    pub held_out: bool,
    /// The common model.
    pub common: Quality,
    /// The site's own models; none where it is too small to judge.
    pub own: Option<OwnModels>,
    /// What the common model is to this site, beside what it could do alone.
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

    fn of(difference: &Difference) -> Self {
        match difference.brier {
            Interval { low, .. } if low > 0.0 => Self::Gains,
            Interval { high, .. } if high < 0.0 => Self::Harmed,
            _ => Self::NoClearDifference,
        }
    }
}

/// Judges the model of a finished run on one site's rows; `seed` draws the folds. Nothing for a recipe whose outcome is not
/// binary.
///
/// # Errors
/// The run is not finished or ended without a model, or the table does not fit the recipe.
pub fn compare(
    recipe: &Recipe,
    state: &State,
    rows: &Rows<'_>,
    seed: Digest,
) -> Result<Option<Comparison>, RecipeError> {
    let (mut common, columns, outcome) = match (recipe, state) {
        (Recipe::Logistic(recipe), State::Logistic(state)) => {
            (Common::exact(recipe, state)?, &recipe.columns, &recipe.outcome)
        }
        (Recipe::FedAvg(recipe), State::FedAvg(state)) if recipe.loss == Loss::Binary => {
            (Common::averaged(recipe, state)?, &recipe.columns, &recipe.outcome)
        }
        _ => return Ok(None),
    };
    let (x, y) = rows.complete(columns, outcome)?;
    if let (Recipe::FedAvg(recipe), State::FedAvg(state)) = (recipe, state) {
        common.pooled = Pooled::guess(recipe, state, x, y);
    }
    let mut dice = ChaCha20Rng::from_seed(Digest::of("recipes/folds", &[&seed.0]).0);
    let mut order: Vec<usize> = (0..y.len()).collect();
    shuffle(&mut order, &mut dice);
    order.truncate(MOST_ROWS_JUDGED);
    common.judge(&Part::of(x, y, &order)).map(Some)
}

/// A model that all sites have, on columns standardised by the pooled moments.
struct Common<'a> {
    network: Network,
    parameters: Vec<f64>,
    moments: &'a Moments,
    /// What it takes to leave rows out; nothing for hidden layers.
    pooled: Option<Pooled>,
}

/// A regression as its sums know it, intercept first.
struct Pooled {
    beta: Vec<f64>,
    /// Information without the ridge, upper triangle.
    information: Vec<f64>,
    ridge: f64,
}

impl Pooled {
    /// Of averaging without hidden layers: the information of this site's rows, over the site's part of the mean. A ridge of
    /// 1 keeps columns that do not vary here from leaving it singular.
    fn guess(
        recipe: &FedAvg,
        state: &FedAvgState,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
    ) -> Option<Self> {
        let (intercept, slopes) = state.parameters.split_last().filter(|_| recipe.hidden.is_empty())?;
        let beta: Vec<f64> = std::iter::once(intercept).chain(slopes).copied().collect();
        let part = match recipe.weight {
            Weight::Rows => (y.len() as f64 / state.moments.rows as f64).min(recipe.weight_cap),
            Weight::Equal => 1.0 / f64::from(state.sites.max(1)),
        };
        let sums = newton::answer(x, y, &state.moments, &beta);
        let information = sums.get(1 + beta.len()..)?.iter().map(|sum| sum / part.min(1.0)).collect();
        Some(Self { beta, information, ridge: 1.0 })
    }
}

/// Some rows of the site.
struct Part {
    x: Array2<f64>,
    y: Array1<f64>,
}

impl Part {
    fn of(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, rows: &[usize]) -> Self {
        Self { x: x.select(Axis(0), rows), y: y.select(Axis(0), rows) }
    }

    fn pick(&self, rows: &[usize]) -> Self {
        Self::of(self.x.view(), self.y.view(), rows)
    }

    /// Places of each fold: events and others are dealt in turn, each from the first fold on.
    fn folds(&self) -> Vec<Vec<usize>> {
        let mut folds = vec![Vec::new(); FOLDS];
        for class in [1.0, 0.0] {
            let places = self.y.iter().enumerate().filter(|(_, y)| **y == class).map(|(place, _)| place);
            for (turn, place) in places.enumerate() {
                if let Some(fold) = folds.get_mut(turn % FOLDS) {
                    fold.push(place);
                }
            }
        }
        folds
    }
}

/// Parameters of a network without hidden layers: the intercept stands last.
fn flat(beta: &[f64]) -> Vec<f64> {
    let (intercept, slopes) = beta.split_first().map_or((0.0, beta), |(first, rest)| (*first, rest));
    slopes.iter().copied().chain([intercept]).collect()
}

impl<'a> Common<'a> {
    fn exact(recipe: &Logistic, state: &'a LogisticState) -> Result<Self, RecipeError> {
        finished(&state.phase, &recipe.columns, &recipe.outcome, logistic::FIT)?;
        Ok(Self {
            network: Network::new(recipe.columns.len(), &[]),
            parameters: flat(&state.newton.beta),
            moments: &state.moments,
            pooled: Some(Pooled {
                beta: state.newton.beta.clone(),
                information: state.newton.information.clone(),
                ridge: recipe.ridge,
            }),
        })
    }

    fn averaged(recipe: &FedAvg, state: &'a FedAvgState) -> Result<Self, RecipeError> {
        finished(&state.phase, &recipe.columns, &recipe.outcome, fedavg::FIT)?;
        let network = recipe.network();
        if !network.fits(&state.parameters) {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        Ok(Self { network, parameters: state.parameters.clone(), moments: &state.moments, pooled: None })
    }

    fn judge(&self, all: &Part) -> Result<Comparison, RecipeError> {
        let events = all.y.iter().filter(|y| **y == 1.0).count();
        let too_small = events.min(all.y.len() - events) < LEAST_OF_A_CLASS;
        let held = if too_small { None } else { self.held_out(all) };
        let alone = || self.risks(&self.network, &self.parameters, all);
        let common = Predicted::new(held.as_ref().map_or_else(alone, |held| held.common.clone()), &all.y);
        let own = match &held {
            Some(held) => self.own(all, &common, held),
            None => None,
        };
        let verdict = |pick: fn(&OwnModels) -> &Difference| {
            own.as_ref().map_or(Verdict::TooSmall, |own| Verdict::of(pick(own)))
        };
        Ok(Comparison {
            rows: all.y.len() as u64,
            events: events as u64,
            held_out: held.is_some() && self.pooled.is_some(),
            common: common.quality(),
            verdict: verdict(|own| &own.common_to_local),
            personal_verdict: verdict(|own| &own.personal_to_common),
            own,
        })
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
            personal_model: layers(&self.network, self.moments, None, &self.personal(&self.parameters, all)),
        })
    }

    /// Risks of every row from models that have not seen it; nothing where a local model has no fit.
    fn held_out(&self, all: &Part) -> Option<HeldOut> {
        let zeros = vec![0.0; all.y.len()];
        let mut held = HeldOut { common: zeros.clone(), local: zeros.clone(), personal: zeros };
        let flat_network = Network::new(all.x.ncols(), &[]);
        let folds = all.folds();
        for (at, fold) in folds.iter().enumerate() {
            let others = folds.iter().enumerate().filter(|(other, _)| *other != at);
            let rest = all.pick(&others.flat_map(|(_, fold)| fold.iter().copied()).collect::<Vec<_>>());
            let part = all.pick(fold);
            let common = self.without(&part);
            let personal = self.personal(&common, &rest);
            let local = self.local(&rest)?;
            let risks = [
                (&mut held.common, self.risks(&self.network, &common, &part)),
                (&mut held.local, self.risks(&flat_network, &local, &part)),
                (&mut held.personal, self.risks(&self.network, &personal, &part)),
            ];
            for (all, some) in risks {
                for (place, risk) in fold.iter().zip(some) {
                    if let Some(cell) = all.get_mut(*place) {
                        *cell = risk;
                    }
                }
            }
        }
        Some(held)
    }

    /// The common model without these rows, where it can be had: their gradient and information leave the pooled ones.
    fn without(&self, part: &Part) -> Vec<f64> {
        let step = || {
            let pooled = self.pooled.as_ref()?;
            let terms = pooled.beta.len();
            let sums = newton::answer(part.x.view(), part.y.view(), self.moments, &pooled.beta);
            let (gradient, information) = sums.get(1..)?.split_at_checked(terms)?;
            let left: Vec<f64> =
                pooled.information.iter().zip(information).map(|(all, part)| all - part).collect();
            let step = Factor::of(&left, terms, pooled.ridge).ok()?.solve(gradient);
            let beta: Vec<f64> = pooled.beta.iter().zip(&step).map(|(beta, step)| beta - step).collect();
            Some(flat(&beta)).filter(|beta| beta.iter().all(|value| value.is_finite()))
        };
        step().unwrap_or_else(|| self.parameters.clone())
    }

    /// Ridge regression of these rows.
    fn local(&self, part: &Part) -> Option<Vec<f64>> {
        let mut climb = Newton::new(part.x.ncols());
        for round in 1.. {
            let values = newton::answer(part.x.view(), part.y.view(), self.moments, &climb.point());
            let sum = Sum { sites: 1, set: Digest::default(), weight: 1, values };
            match climb.absorb(&sum, round, LOCAL).ok()? {
                Climb::On(next) => climb = next,
                Climb::End(end) => return Some(flat(&end.beta)),
                Climb::Stuck(_) => return None,
            }
        }
        None
    }

    /// The common model tuned to these rows.
    fn personal(&self, common: &[f64], part: &Part) -> Vec<f64> {
        let z = fedavg::standard::columns(self.moments, part.x.view());
        let table = Table { z: &z, y: &part.y.to_vec(), time: &[] };
        let training = Training {
            loss: &Loss::Binary,
            epochs: STEPS,
            batch: 0,
            rate: RATE,
            clip: 0.0,
            pull: PULL,
            correction: &[],
        };
        // The whole table is not shuffled: no dice are rolled.
        self.network.train(common, &table, training, &mut ChaCha20Rng::from_seed([0; 32])).0
    }

    fn risks(&self, network: &Network, parameters: &[f64], part: &Part) -> Vec<f64> {
        let z = fedavg::standard::columns(self.moments, part.x.view());
        network.predict(parameters, &z).into_iter().map(risk).collect()
    }
}

fn finished(phase: &Phase, columns: &[String], outcome: &str, fit: &'static str) -> Result<(), RecipeError> {
    match phase {
        Phase::Finished => Ok(()),
        Phase::Stuck(stuck) => Err(stuck.error(columns, outcome)),
        _ => Err(RecipeError::Unfinished { phase: phase.name(fit) }),
    }
}

/// Risks of all rows, each from models that have not seen the row.
struct HeldOut {
    common: Vec<f64>,
    local: Vec<f64>,
    personal: Vec<f64>,
}

/// One model's risks beside the outcome.
struct Predicted {
    placements: Option<Placements>,
    /// (p - y)^2 of each row.
    squares: Vec<f64>,
}

impl Predicted {
    fn new(risks: Vec<f64>, y: &Array1<f64>) -> Self {
        let squares = risks.iter().zip(y).map(|(p, y)| (p - y) * (p - y)).collect();
        Self { placements: Placements::of(&risks, &y.to_vec()), squares }
    }

    fn quality(&self) -> Quality {
        Quality {
            auc: self.placements.as_ref().map(|placements| placements.area().within_one()),
            brier: Interval::of_mean(&self.squares).within_one(),
        }
    }

    /// Above 0 where this model is better than the other.
    fn less(&self, other: &Self) -> Option<Difference> {
        let better: Vec<f64> = other.squares.iter().zip(&self.squares).map(|(b, a)| b - a).collect();
        let (here, there) = (self.placements.as_ref()?, other.placements.as_ref()?);
        Some(Difference { auc: here.less(there), brier: Interval::of_mean(&better) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 rows with two columns; the outcome leans on both.
    fn rows() -> Part {
        let value = |at: usize, by: usize| (at * by % 61) as f64 / 30.0 - 1.0;
        let x = Array2::from_shape_fn((60, 2), |(row, column)| value(row + 1, [17, 23][column]));
        let y = (0..60).map(|row| {
            let noise = value(row + 1, 37);
            f64::from(u8::from(x[[row, 0]] - 0.7 * x[[row, 1]] + noise > 0.2))
        });
        Part { y: y.collect(), x }
    }

    fn fit(part: &Part, moments: &Moments) -> Newton {
        let mut climb = Newton::new(2);
        for round in 1.. {
            let values = newton::answer(part.x.view(), part.y.view(), moments, &climb.point());
            let sum = Sum { sites: 1, set: Digest::default(), weight: 1, values };
            let limits = Limits { ridge: 0.5, tolerance: 1e-12, max_rounds: 50 };
            match climb.absorb(&sum, round, limits).unwrap() {
                Climb::On(next) => climb = next,
                Climb::End(end) => return end,
                Climb::Stuck(stuck) => panic!("{stuck:?}"),
            }
        }
        unreachable!()
    }

    #[test]
    fn an_exact_model_without_some_rows_is_almost_the_fit_of_the_others() {
        let (all, moments) = (rows(), Moments { rows: 60, events: 30, mean: vec![0.0; 2], sd: vec![1.0; 2] });
        let newton = fit(&all, &moments);
        let pooled =
            |ridge| Pooled { beta: newton.beta.clone(), information: newton.information.clone(), ridge };
        let common = Common {
            network: Network::new(2, &[]),
            parameters: flat(&newton.beta),
            moments: &moments,
            pooled: Some(pooled(0.5)),
        };
        let folds = all.folds();
        let others: Vec<usize> = folds[1..].concat();
        let want = flat(&fit(&all.pick(&others), &moments).beta);
        let got = common.without(&all.pick(&folds[0]));
        let far = |a: &[f64]| a.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far(&got) < 0.15 * far(&common.parameters), "{got:?} {want:?} {:?}", common.parameters);
        // Without all rows there is no information left: the common model itself stands in.
        let nothing = Common { pooled: Some(pooled(0.0)), ..common };
        assert_eq!(nothing.without(&all), nothing.parameters);
    }

    #[test]
    fn folds_hold_every_row_once_and_equal_shares_of_events() {
        let all = rows();
        let folds = all.folds();
        let mut places = folds.concat();
        places.sort_unstable();
        assert_eq!(places, (0..60).collect::<Vec<_>>());
        let events: Vec<f64> = folds.iter().map(|fold| all.pick(fold).y.sum()).collect();
        let (most, least) =
            (events.iter().copied().fold(0.0, f64::max), events.iter().copied().fold(99.0, f64::min));
        assert!(most - least <= 1.0, "{events:?}");
    }
}

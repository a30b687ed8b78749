//! Federated averaging and its family: every round each site trains the common model on its own
//! rows for a while, and the common model moves by a [`Rule`] from the weighted mean of the sites'
//! changes. The model is a regression or a small network with tanh units, on columns standardised
//! by the pooled mean and standard deviation; [`Loss`] says what it predicts.
//!
//! ```text
//! moments -> spread -> train (`rounds` times) -> evaluate -> [calibrate ..] -> finished
//! train    = [ loss at the start of the round
//!            | change of the parameters
//!            | scaffold: the site's next control variate, one number a parameter ]
//! ```
//!
//! `standard.rs` has the vectors of the first two rounds, `evaluation.rs` those of the last,
//! `rule.rs` the formulas and their sources. The sum shows the mean change of all sites, never one
//! site's; `scaffold` shows their mean gradient too.
//!
//! **Weights.** `rows`: a site counts by its rows (by its events where the outcome is a time, 1
//! where it has none), and the mean is over patients; with a `weight_cap` below 1 no site counts
//! for more than that part of all rows. `equal`: every site counts once.
//!
//! **Loss of a site.** A study keeps its sites, but for one where it was approved to go on without
//! it. Training then goes on with the others: an average over fewer sites is still an average, and
//! the standardisation of the first two rounds is part of the model and stays. Rows, events and all
//! metrics of the outcome come from the `evaluate` and `calibrate` rounds alone, and these start
//! again when their set of sites changes. So one release tells of the lost site: rows and means of
//! all less those that are left (the card of such a study says so). In `history` each round stands for the sites of that
//! round.
//!
//! **Bounds.** A change of a parameter above [`DELTA_BOUND`], a control variate above
//! [`CONTROL_BOUND`] or a mean loss above [`LOSS_BOUND`] is refused at the site and never cut off
//! silently: training has diverged, `lr` or `local_epochs` is too large. So is a site with more
//! rows than all sites of the first round together, because row counts are weights and the largest
//! is fixed then.
//!
//! **Precision.** `ring` is the width of a word of the update. Every site rounds each change at
//! random to `2^-f`, with `f` from [`fraction_bits`]: the mean of ten sites is off by about `1.6 *
//! 2^-f`, which averages out over the rounds. What the study cannot know is whether the pooled
//! rows, which bound the weights, fit the ring too; where they do not, the update travels in the
//! next wider ring that has room.

mod compared; //    the model beside a site's own
mod evaluation; //  what the final model is worth, by the kind of outcome
mod keys; // its keys in a study file
mod outcome; //     the result
mod rule; //        how the mean change moves the common model
mod standard; // the standardisation of the first two rounds
mod training; //    one round of training

pub use evaluation::{Evaluation, Ranking, Residuals};
pub use outcome::{Averaged, FedAvgOutcome, FedNumberOutcome, FedTimeOutcome};
pub use rule::{Adaptive, Carried, Rule};

use crate::census::Beside;
use crate::compared::Compared;
use crate::error::{RecipeError, check_wide, require};
use crate::loss::{Loss, Table};
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::{Moments, Spread, exact, limbs};
use crate::network::Network;
use crate::phase::Phase;
use crate::rows::Rows;
use crate::score::{self, Score};
use crate::subgroups::{Fitted, Measure, Model, Predictions};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Ring, Sum};
use motet_secagg::quantise::fixed_bits;
use ndarray::{ArrayView1, ArrayView2};
use rand_core::CryptoRng;

/// What this recipe calls the rounds of [`Phase::Fit`].
pub(crate) const FIT: &str = "train";
/// No parameter of a site moves further than this in one round. Columns are standardised, so
/// weights of useful models are of the order of 1.
pub const DELTA_BOUND: u32 = 4;
/// No site's mean loss is above this; log 2 = 0.69 is the cross-entropy of a coin, and 16 the
/// partial likelihood of an event among nine million patients at risk.
pub const LOSS_BOUND: u32 = 16;
/// No control variate is above this: it is a mean gradient on standardised columns.
pub const CONTROL_BOUND: u32 = 16;
/// A model that stands still asks every round the same, so that two rounds differ by who answered
/// and by nothing else.
const LEAST_STEP: f64 = 1e-4;
/// Fewer fractional bits of a parameter than this would drown small changes in rounding (2^-8 =
/// 0.004).
const LEAST_BITS: u8 = 8;
/// Fewer fractional bits of the loss than this would hide whether it falls.
const LEAST_LOSS_BITS: u8 = 6;
/// More fractional bits than this say nothing more: changes are sums over noisy minibatches.
const MOST_BITS: u8 = 40;
/// The most parameters of a model (32-bit words: 400 MB an update).
const MOST_PARAMETERS: usize = 100_000_000;

canonical! {
    /// What a site counts for in the mean.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Weight {
        /// Its rows.
        1 => Rows,
        /// One, like every other.
        2 => Equal,
    }
}

canonical! {
    /// Federated averaging of a model of `outcome`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct FedAvg {
        /// Columns of the table.
        pub columns: Vec<String>,
        /// The outcome, of the kind that `loss` names.
        pub outcome: String,
        /// What the outcome is and what training makes small.
        pub loss: Loss,
        /// Units of each hidden layer; empty for a regression.
        pub hidden: Vec<u32>,
        /// Rounds of training.
        pub rounds: u32,
        /// Passes over its own table that a site makes in a round.
        pub local_epochs: u32,
        /// Rows of a minibatch; 0 for the whole table, as a time to an event needs.
        pub batch: u32,
        /// Step length of the sites' gradient descent in the first round.
        pub lr: f64,
        /// The step length is multiplied by this ..
        pub lr_decay: f64,
        /// .. each time that many rounds are over.
        pub lr_step: u32,
        /// The longest gradient of a local step, all parameters together; longer ones are
        /// shortened. 0 for any length.
        pub clip: f64,
        /// How the mean change moves the common model.
        pub rule: Rule,
        /// The step length of that; 1 for plain averaging.
        pub server_lr: f64,
        /// What a site counts for.
        pub weight: Weight,
        /// No site counts for more than this part of all rows; 1 for no limit.
        pub weight_cap: f64,
        /// The narrowest ring in which updates travel; 64 bits are not asked for but taken where
        /// rows need them.
        pub ring: Ring,
    }
}

canonical! {
    /// One round of training, seen from its start.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Epoch {
        /// Round of training, from 1.
        pub round: u32,
        /// Mean loss of the common model at the start of the round, weighted like the update.
        pub loss: f64,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct FedAvgState {
        /// Where the run stands.
        pub phase: Phase,
        /// The standardisation and the rows of the first two rounds.
        pub moments: Moments,
        /// The common model.
        pub parameters: Vec<f64>,
        /// What the rule remembers.
        pub carried: Carried,
        /// One entry a round of training.
        pub history: Vec<Epoch>,
        /// The evaluation.
        pub evaluation: Evaluation,
    }
}

/// Fractional bits that a ring leaves each change of a parameter when the updates of that many
/// sites are added; nothing where they, or those of the loss, are too few to train with.
pub fn fraction_bits(ring: Ring, sites: u32) -> Option<u8> {
    fixed_bits(
        ring,
        sites,
        u64::from(LOSS_BOUND),
        MOST_BITS,
        LEAST_LOSS_BITS,
    )?;
    fixed_bits(ring, sites, u64::from(DELTA_BOUND), MOST_BITS, LEAST_BITS)
}

/// The most pooled rows whose counts and weights a ring can add up for that many sites.
pub(crate) fn most_rows(ring: Ring, sites: u32) -> u64 {
    (1_u64 << (ring.bits() - 2)) / u64::from(sites.max(1))
}

impl MethodTypes for FedAvg {
    type State = FedAvgState;
    type Outcome = Averaged;
}

impl Method for FedAvg {
    fn exact(&self) -> bool {
        false
    }

    fn tells_counts(&self) -> bool {
        true
    }

    /// Mean and standard deviation of each column are in the model.
    fn beside(&self) -> Beside {
        Beside {
            common: 3,
            ..Beside::default()
        }
    }

    fn check(&self) -> Result<(), RecipeError> {
        check_wide(&self.columns)?;
        require(
            self.hidden.iter().all(|units| *units > 0),
            "model.hidden",
            "layers of 1 or more units",
        )?;
        let widths = self.hidden.iter().map(|units| *units as usize).chain([1]);
        let sizes = widths
            .clone()
            .zip(std::iter::once(self.columns.len()).chain(widths));
        let total = sizes.fold(0_usize, |sum, (units, inputs)| {
            sum.saturating_add((inputs + 1).saturating_mul(units))
        });
        require(
            total <= MOST_PARAMETERS,
            "model.hidden",
            "small enough for 100 million parameters",
        )?;
        require(self.rounds > 0, "rounds", "1 or more")?;
        require(self.local_epochs > 0, "local_epochs", "1 or more")?;
        require(
            self.lr.is_finite() && self.lr >= LEAST_STEP,
            "lr",
            "1e-4 or more",
        )?;
        require(
            self.lr_decay > 0.0 && self.lr_decay <= 1.0,
            "lr_decay",
            "above 0 and at most 1",
        )?;
        require(self.lr_step > 0, "lr_step", "1 or more")?;
        let last = self.rate((self.rounds as usize).saturating_sub(1));
        require(
            last >= LEAST_STEP,
            "lr_decay",
            "so large that `lr` is 1e-4 or more in the last round, too",
        )?;
        require(
            self.clip.is_finite() && self.clip >= 0.0,
            "clip",
            "0 or more",
        )?;
        require(
            self.server_lr.is_finite() && self.server_lr >= LEAST_STEP,
            "server_lr",
            "1e-4 or more",
        )?;
        require(
            self.weight_cap > 0.0 && self.weight_cap <= 1.0,
            "weight_cap",
            "above 0 and at most 1",
        )?;
        self.rule.check(self.lr)?;
        if let Loss::Time(time) = &self.loss {
            require(
                self.batch == 0,
                "batch",
                "0 (the whole table) where the outcome is a time to an event",
            )?;
            let apart = !time.is_empty() && *time != self.outcome && !self.columns.contains(time);
            require(
                apart,
                "time",
                "a column that is neither the outcome nor a feature",
            )?;
        }
        require(self.ring != Ring::Bits64, "ring", "16, 20, 24 or 32")
    }

    fn start(&self, seed: &Digest) -> FedAvgState {
        let parameters = self.network().start(seed);
        FedAvgState {
            phase: Phase::Moments,
            moments: Moments::default(),
            carried: self.rule.start(parameters.len()),
            parameters,
            history: Vec::new(),
            evaluation: Evaluation::default(),
        }
    }

    /// Two halves of a standardisation must fit together, as two rounds of the evaluation; an
    /// average over other sites is still an average.
    fn again(&self, state: &FedAvgState) -> Option<FedAvgState> {
        let mut next = state.clone();
        match state.phase {
            Phase::Spread => (next.moments, next.phase) = (Moments::default(), Phase::Moments),
            Phase::Calibrate | Phase::Finished => {
                (next.evaluation, next.phase) = (Evaluation::default(), Phase::Evaluate);
            }
            Phase::Moments | Phase::Fit | Phase::Evaluate | Phase::Stuck(_) => return None,
        }
        Some(next)
    }

    fn ask(&self, state: &FedAvgState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        let columns = self.columns.len();
        Ok(Some(match state.phase {
            Phase::Moments => standard::ask_sums(&self.loss, columns),
            Phase::Spread => exact(vec![state.moments.ask_spread()]),
            Phase::Fit => self.ask_training(state, sites)?,
            Phase::Evaluate => evaluation::ask(&self.loss, sites, state.moments.rows),
            Phase::Calibrate => exact(vec![limbs(score::LINE)]),
            Phase::Finished | Phase::Stuck(_) => return Ok(None),
        }))
    }

    fn answer(
        &self,
        state: &FedAvgState,
        rows: &Rows<'_>,
        memory: &Memory,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        let (x, y, time) = self.loss.check(rows, &self.columns, &self.outcome)?;
        match state.phase {
            Phase::Moments => return plain(standard::answer_sums(&self.loss, x, y)),
            Phase::Spread => {
                return plain(standard::answer_spread(&self.loss, x, y, &state.moments));
            }
            Phase::Fit | Phase::Evaluate | Phase::Calibrate => {}
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        let [predictors, y, z] = self.predictors(state, x, y)?;
        let table = Table {
            z: &z,
            y: &y,
            time: &time,
        };
        match state.phase {
            Phase::Evaluate => plain(evaluation::answer(
                &self.loss,
                &predictors,
                &table,
                state.moments.base(),
            )),
            Phase::Calibrate => {
                let line = state.evaluation.line()?;
                plain(score::answer_line(&evaluation::pairs(&predictors, &table), line).to_vec())
            }
            _ => self.answer_training(state, &predictors, &table, memory, rng),
        }
    }

    fn absorb(
        &self,
        state: &FedAvgState,
        _before: &Pass,
        sum: &Sum,
    ) -> Result<FedAvgState, RecipeError> {
        let mut next = state.clone();
        let columns = self.columns.len();
        match state.phase {
            Phase::Moments => match standard::absorb_sums(&self.loss, columns, sum)? {
                Ok(moments) => (next.moments, next.phase) = (moments, Phase::Spread),
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            Phase::Spread => match standard::absorb_spread(columns, &state.moments, sum)? {
                Ok(Spread::Known(moments)) => (next.moments, next.phase) = (moments, Phase::Fit),
                Ok(Spread::Again(moments)) => next.moments = moments,
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            Phase::Fit => self.absorb_training(state, sum, &mut next)?,
            Phase::Evaluate => {
                next.evaluation = Evaluation::absorb(&self.loss, sum, state.moments.base())?;
                next.phase = Phase::Calibrate;
            }
            Phase::Calibrate => next.evaluation.absorb_line(sum)?,
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        if next.evaluation.settled() {
            next.phase = Phase::Finished;
        }
        Ok(next)
    }

    fn outcome(&self, state: &FedAvgState, pass: &Pass) -> Result<Averaged, RecipeError> {
        self.finished(state, pass)
    }

    fn standing(state: &FedAvgState) -> Standing {
        state.phase.standing(FIT)
    }

    fn watched(state: &FedAvgState) -> Option<(&'static str, f64)> {
        state.history.last().map(|epoch| ("loss", epoch.loss))
    }

    fn measure(&self) -> Option<Measure> {
        Some(self.measured())
    }

    fn compared<'a>(
        &'a self,
        state: &'a FedAvgState,
        sites: u32,
        rows: &Rows<'_>,
    ) -> Result<Option<Compared<'a>>, RecipeError> {
        self.to_compare(state, sites, rows)
    }

    fn model<'a>(&'a self, state: &'a FedAvgState) -> Option<Box<dyn Model + 'a>> {
        Some(Box::new(Fitted {
            method: self,
            state,
        }))
    }
}

impl Model for Fitted<'_, FedAvg, FedAvgState> {
    fn measure(&self) -> Measure {
        self.method.measured()
    }

    fn score(&self) -> Option<&Score> {
        match &self.state.evaluation {
            Evaluation::Binary(score) => Some(score),
            _ => None,
        }
    }

    fn rows(&self) -> (u64, u64) {
        match &self.state.evaluation {
            Evaluation::Binary(score) => score.rows(),
            Evaluation::Number(sums) => (sums.rows, 0),
            Evaluation::Time(sums) => (sums.rows, sums.events),
            Evaluation::Nothing => (0, 0),
        }
    }

    fn scale(&self) -> (f64, f64) {
        let scale = standard::outcome_scale(&self.method.loss, &self.state.moments);
        (0.0, scale.map_or(1.0, |(_, sd)| sd))
    }

    fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        let (x, y, time) =
            self.method
                .loss
                .check(rows, &self.method.columns, &self.method.outcome)?;
        let [scores, y, _] = self.method.predictors(self.state, x, y)?;
        Ok(Predictions {
            times: time.into_iter().map(|time| (time, 0)).collect(),
            ..Predictions::of(scores.into_iter().zip(y))
        })
    }
}

impl FedAvg {
    /// Plain averaging of logistic regression that suits tables of some hundred to some ten
    /// thousand rows a site: 20 rounds of one pass each, minibatches of 64 rows, step length 0.1,
    /// weights by rows, words of 32 bits.
    pub fn new(columns: Vec<String>, outcome: String) -> Self {
        Self {
            columns,
            outcome,
            loss: Loss::Binary,
            hidden: Vec::new(),
            rounds: 20,
            local_epochs: 1,
            batch: 64,
            lr: 0.1,
            lr_decay: 1.0,
            lr_step: 1,
            clip: 0.0,
            rule: Rule::Average,
            server_lr: 1.0,
            weight: Weight::Rows,
            weight_cap: 1.0,
            ring: Ring::Bits32,
        }
    }
    fn measured(&self) -> Measure {
        match self.loss {
            Loss::Binary => Measure::Risk,
            Loss::Number => Measure::Number,
            Loss::Time(_) => Measure::Time,
        }
    }

    pub(crate) fn network(&self) -> Network {
        Network::new(self.columns.len(), &self.hidden)
    }
    /// Predictor of every row, and what it comes from: the outcome (standardised if it is a number)
    /// and the standardised columns.
    fn predictors(
        &self,
        state: &FedAvgState,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
    ) -> Result<[Vec<f64>; 3], RecipeError> {
        let network = self.network();
        if !network.fits(&state.parameters) {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        let (mean, sd) = standard::outcome_scale(&self.loss, &state.moments).unwrap_or((0.0, 1.0));
        let y: Vec<f64> = y.iter().map(|y| (y - mean) / sd).collect();
        let z = state.moments.standardised(x);
        Ok([network.predict(&state.parameters, &z), y, z])
    }
}

/// An answer in which each site counts the same.
fn plain(values: Vec<f64>) -> Result<Answer, RecipeError> {
    Ok(ClearUpdate::new(1, values).into())
}

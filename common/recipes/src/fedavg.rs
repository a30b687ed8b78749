//! Federated averaging (McMahan et al. 2017): every round each site trains the common model on its own rows for a while,
//! and the common model moves by the weighted mean of the sites' changes. The model is logistic regression or a small
//! network with tanh units, on columns standardised by the pooled mean and standard deviation.
//!
//! ```text
//! moments -> spread -> train (`rounds` times) -> evaluate -> [calibrate ..] -> finished
//! train    = [ loss at the start of the round | histogram of its scores, 2 x 100 bins | change of the parameters ]
//! ```
//!
//! **Weights.** `rows`: a site counts by its rows, and the mean is over patients. `equal`: every site counts once.
//!
//! **Loss of a site.** Training goes on with the sites that are there: an average over other sites is still an average,
//! and the standardisation of the first two rounds is part of the model and stays. Rows, events and all metrics of the
//! outcome come from the `evaluate` and `calibrate` rounds alone, and these start again when their set of sites changes. In
//! `history` each round stands for the sites of that round.
//!
//! **Bounds.** A change of a parameter above [`DELTA_BOUND`] or a mean loss above [`LOSS_BOUND`] is refused at the site and
//! never cut off silently: training has diverged, `lr` or `local_epochs` is too large. So is a site with more rows than all
//! sites of the first round together, because row counts are weights and the largest is fixed then.
//!
//! **Precision.** `ring` is the width of a word of the update. Every site rounds each change at random to `2^-f`, with `f`
//! from [`fraction_bits`]: the mean of ten sites is off by about `1.6 * 2^-f`, which averages out over the rounds. What the
//! study cannot know is whether the pooled rows, which bound the weights, fit the ring too; where they do not, the update
//! travels in the next wider ring that has room.

use crate::error::{RecipeError, check_columns, require};
use crate::moments::{self, Moments, counts, exact, limbs};
use crate::network::{Network, Training};
use crate::phase::Phase;
use crate::rows::{Rows, Values};
use crate::score::{self, CalibrationBin, Metrics, Score, area, bin};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale, Sum};
use motet_secagg::quantise::fixed_bits;
use rand_core::CryptoRng;

/// What this recipe calls the rounds of [`Phase::Fit`].
pub(crate) const FIT: &str = "train";
/// No parameter of a site moves further than this in one round. Columns are standardised, so weights of useful models are
/// of the order of 1.
pub const DELTA_BOUND: u32 = 4;
/// No site's mean cross-entropy is above this; log 2 = 0.69 is the loss of a coin.
pub const LOSS_BOUND: u32 = 16;
/// Bins of the histogram that shows progress.
const PROGRESS_BINS: usize = 100;
/// Fewer fractional bits of a parameter than this would drown small changes in rounding (2^-8 = 0.004).
const LEAST_BITS: u8 = 8;
/// Fewer fractional bits of the loss than this would hide whether it falls.
const LEAST_LOSS_BITS: u8 = 6;
/// More fractional bits than this say nothing more: changes are sums over noisy minibatches.
const MOST_BITS: u8 = 40;
/// From the narrowest ring to the widest.
const RINGS: [Ring; 5] = [Ring::Bits16, Ring::Bits20, Ring::Bits24, Ring::Bits32, Ring::Bits64];
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
    /// Federated averaging of a model of the risk of `outcome`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct FedAvg {
        /// Columns of the table.
        pub columns: Vec<String>,
        /// The outcome, 0 or 1.
        pub outcome: String,
        /// Units of each hidden layer; empty for logistic regression.
        pub hidden: Vec<u32>,
        /// Rounds of training.
        pub rounds: u32,
        /// Passes over its own table that a site makes in a round.
        pub local_epochs: u32,
        /// Rows of a minibatch; 0 for the whole table.
        pub batch: u32,
        /// Step length of the sites' gradient descent.
        pub lr: f64,
        /// The part of the mean change by which the common model moves; 1 for plain averaging.
        pub server_lr: f64,
        /// What a site counts for.
        pub weight: Weight,
        /// The narrowest ring in which updates travel; 64 bits are not asked for but taken where rows need them.
        pub ring: Ring,
    }
}

canonical! {
    /// One round of training, seen from its start.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Epoch {
        /// Round of training, from 1.
        pub round: u32,
        /// Mean cross-entropy of the common model at the start of the round, weighted like the update.
        pub loss: f64,
        /// Its area under the ROC curve from 100 bins; 0.5 where a class is empty.
        pub auc: f64,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct FedAvgState {
        /// Sums absorbed so far: no two states of a run are equal.
        pub rounds: u32,
        /// The set of sites of the last sum.
        pub set: Digest,
        /// How many sites that is.
        pub sites: u32,
        /// Where the run stands.
        pub phase: Phase,
        /// The standardisation and the rows of the first two rounds.
        pub moments: Moments,
        /// The common model.
        pub parameters: Vec<f64>,
        /// One entry a round of training.
        pub history: Vec<Epoch>,
        /// The evaluation.
        pub score: Score,
    }
}

/// A named array of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `standardise.mean`, `standardise.sd`, `layers.0.weight`, `layers.0.bias`, ...
    pub name: String,
    /// `[units, inputs]` of weights, `[units]` of biases, `[columns]` of the standardisation.
    pub shape: Vec<usize>,
    /// Row by row.
    pub values: Vec<f64>,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct FedAvgOutcome {
    /// Rounds of the run, all phases.
    pub rounds: u32,
    /// Sites of the evaluation.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Rows with outcome 1.
    pub events: u64,
    /// The model: standardise, then `tanh(W x + b)` a hidden layer, then the log odds.
    pub layers: Vec<Layer>,
    /// On the rows of the evaluation.
    pub metrics: Metrics,
    /// (false positive rate, true positive rate), rising.
    pub roc: Vec<(f64, f64)>,
    /// Ten groups of rising risk.
    pub calibration: Vec<CalibrationBin>,
    /// The rounds of training.
    pub history: Vec<Epoch>,
}

/// Fractional bits that a ring leaves each change of a parameter when the updates of so many sites are added; nothing
/// where they, or those of the loss, are too few to train with.
pub fn fraction_bits(ring: Ring, sites: u32) -> Option<u8> {
    fixed_bits(ring, sites, u64::from(LOSS_BOUND), MOST_BITS, LEAST_LOSS_BITS)?;
    fixed_bits(ring, sites, u64::from(DELTA_BOUND), MOST_BITS, LEAST_BITS)
}

/// The most pooled rows whose counts and weights a ring can add up for so many sites.
pub fn most_rows(ring: Ring, sites: u32) -> u64 {
    (1_u64 << (ring.bits() - 2)) / u64::from(sites.max(1))
}

impl FedAvg {
    /// Plain averaging of logistic regression that suits tables of some hundred to some ten thousand rows a site: 20 rounds
    /// of one pass each, minibatches of 64 rows, step length 0.1, weights by rows, words of 32 bits.
    pub fn new(columns: Vec<String>, outcome: String) -> Self {
        Self {
            columns,
            outcome,
            hidden: Vec::new(),
            rounds: 20,
            local_epochs: 1,
            batch: 64,
            lr: 0.1,
            server_lr: 1.0,
            weight: Weight::Rows,
            ring: Ring::Bits32,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        require(self.hidden.iter().all(|units| *units > 0), "model.hidden", "layers of 1 or more units")?;
        let widths = self.hidden.iter().map(|units| *units as usize).chain([1]);
        let sizes = widths.clone().zip(std::iter::once(self.columns.len()).chain(widths));
        let total = sizes
            .fold(0_usize, |sum, (units, inputs)| sum.saturating_add((inputs + 1).saturating_mul(units)));
        require(total <= MOST_PARAMETERS, "model.hidden", "small enough for 100 million parameters")?;
        require(self.rounds > 0, "rounds", "1 or more")?;
        require(self.local_epochs > 0, "local_epochs", "1 or more")?;
        require(self.lr.is_finite() && self.lr > 0.0, "lr", "above 0")?;
        require(self.server_lr.is_finite() && self.server_lr > 0.0, "server_lr", "above 0")?;
        require(self.ring != Ring::Bits64, "ring", "16, 20, 24 or 32")
    }

    fn network(&self) -> Network {
        Network::new(self.columns.len(), &self.hidden)
    }

    pub(crate) fn start(&self, seed: &Digest) -> FedAvgState {
        FedAvgState {
            rounds: 0,
            set: Digest::default(),
            sites: 0,
            phase: Phase::Moments,
            moments: Moments::default(),
            parameters: self.network().start(seed),
            history: Vec::new(),
            score: Score::default(),
        }
    }

    pub(crate) fn ask(&self, state: &FedAvgState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        let columns = self.columns.len();
        Ok(Some(match state.phase {
            Phase::Moments => moments::ask_sums(columns),
            Phase::Spread => moments::ask_spread(columns),
            Phase::Fit => self.ask_training(state, sites)?,
            Phase::Evaluate => exact(score::ask(sites, state.moments.rows)),
            Phase::Calibrate => exact(vec![limbs(score::LINE)]),
            Phase::Finished | Phase::Stuck(_) => return Ok(None),
        }))
    }

    /// The recipe's ring, or the next wider one with room for the pooled rows and for enough fractional bits.
    fn ask_training(&self, state: &FedAvgState, sites: u32) -> Result<Layout, RecipeError> {
        let rows = state.moments.rows;
        let most = u64::from(u32::MAX);
        let weight_max = match self.weight {
            Weight::Equal => 1,
            Weight::Rows => u32::try_from(rows).map_err(|_| RecipeError::TooManyRows { rows, most })?,
        };
        let room = |ring: &Ring| rows <= most_rows(*ring, sites) && fraction_bits(*ring, sites).is_some();
        let wide_enough = RINGS.into_iter().filter(|ring| ring.bits() >= self.ring.bits()).find(room);
        let ring = wide_enough.ok_or(RecipeError::TooManySites { sites })?;
        let weighted = |len: usize, bound: u32| -> Result<Block, RecipeError> {
            let bits = fixed_bits(ring, sites, u64::from(bound), MOST_BITS, 0)
                .ok_or(RecipeError::TooManySites { sites })?;
            Ok(Block { len: len as u32, scale: Scale::Weighted(bits), bound: f64::from(bound) })
        };
        let blocks = vec![
            weighted(1, LOSS_BOUND)?,
            counts(2 * PROGRESS_BINS, rows as f64),
            weighted(state.parameters.len(), DELTA_BOUND)?,
        ];
        Ok(Layout { ring, weight_max, blocks })
    }

    pub(crate) fn answer(
        &self,
        state: &FedAvgState,
        rows: &Rows<'_>,
        dice: &mut impl CryptoRng,
    ) -> Result<ClearUpdate, RecipeError> {
        let (x, y) = rows.complete(&self.columns, &self.outcome)?;
        let network = self.network();
        if !network.fits(&state.parameters) {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        let standardised = || {
            let mut z = vec![0.0; x.len()];
            for (row, z) in x.rows().into_iter().zip(z.chunks_exact_mut(self.columns.len())) {
                state.moments.standardise(row, z);
            }
            z
        };
        let y_list = y.to_vec();
        let score = |z: &[f64]| network.score(&state.parameters, z, &y_list);
        let values = match state.phase {
            Phase::Moments => moments::answer_sums(x, y),
            Phase::Spread => moments::answer_spread(x, &state.moments.mean),
            Phase::Fit => {
                let z = standardised();
                let (pairs, loss) = score(&z);
                let training =
                    Training { epochs: self.local_epochs, batch: self.batch as usize, rate: self.lr };
                let trained = network.train(&state.parameters, &z, &y_list, training, dice);
                let mut values = vec![loss];
                values.extend(progress(&pairs));
                values.extend(trained.iter().zip(&state.parameters).map(|(to, from)| to - from));
                let weight = match self.weight {
                    Weight::Rows => x.nrows() as u32,
                    Weight::Equal => 1,
                };
                return Ok(ClearUpdate::new(weight, values));
            }
            Phase::Evaluate => score::answer(&score(&standardised()).0),
            Phase::Calibrate => {
                let line = state.score.line.unwrap_or_default();
                score::answer_line(&score(&standardised()).0, line).to_vec()
            }
            Phase::Finished | Phase::Stuck(_) => return Err(RecipeError::Mismatch { what: "state" }),
        };
        Ok(ClearUpdate::new(1, values))
    }

    pub(crate) fn absorb(&self, state: &FedAvgState, sum: &Sum) -> Result<FedAvgState, RecipeError> {
        let rounds = state.rounds + 1;
        let mut next = FedAvgState { rounds, set: sum.set, sites: sum.sites, ..state.clone() };
        let columns = self.columns.len();
        match state.phase {
            Phase::Moments => match moments::absorb_sums(columns, sum)? {
                Ok(moments) => (next.moments, next.phase) = (moments, Phase::Spread),
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            // Two halves of a standardisation must fit together.
            Phase::Spread if state.set != sum.set => {
                (next.moments, next.phase) = (Moments::default(), Phase::Moments);
            }
            Phase::Spread => match moments::absorb_spread(&state.moments, sum)? {
                Ok(moments) => (next.moments, next.phase) = (moments, Phase::Fit),
                Err(stuck) => next.phase = Phase::Stuck(stuck),
            },
            Phase::Fit => self.absorb_training(state, sum, &mut next)?,
            Phase::Calibrate if state.set != sum.set => {
                (next.score, next.phase) = (Score::default(), Phase::Evaluate);
            }
            Phase::Evaluate => {
                let mut values = Values::of(sum);
                next.score = Score::absorb(&mut values)?;
                values.end()?;
            }
            Phase::Calibrate => {
                let mut values = Values::of(sum);
                next.score.absorb_line(&mut values)?;
                values.end()?;
            }
            Phase::Finished | Phase::Stuck(_) => return Err(RecipeError::Mismatch { what: "state" }),
        }
        if next.score.settled {
            next.phase = Phase::Finished;
        } else if state.phase == Phase::Evaluate {
            next.phase = Phase::Calibrate;
        }
        Ok(next)
    }

    fn absorb_training(
        &self,
        state: &FedAvgState,
        sum: &Sum,
        next: &mut FedAvgState,
    ) -> Result<(), RecipeError> {
        if sum.weight == 0 {
            return Err(RecipeError::Implausible { what: "weights" });
        }
        let weight = sum.weight as f64;
        let mut values = Values::of(sum);
        let loss = values.one()? / weight;
        let negatives = values.counts(PROGRESS_BINS, "the histogram")?;
        let positives = values.counts(PROGRESS_BINS, "the histogram")?;
        let change = values.take(state.parameters.len())?;
        values.end()?;
        let moved = state.parameters.iter().zip(change);
        next.parameters = moved.map(|(from, change)| from + self.server_lr * (change / weight)).collect();
        let round = state.history.len() as u32 + 1;
        next.history.push(Epoch { round, loss, auc: area(&negatives, &positives).0 });
        if round >= self.rounds {
            next.phase = Phase::Evaluate;
        }
        Ok(())
    }

    pub(crate) fn outcome(&self, state: &FedAvgState) -> Result<FedAvgOutcome, RecipeError> {
        match state.phase {
            Phase::Finished => {}
            Phase::Stuck(stuck) => return Err(stuck.error(&self.columns, &self.outcome, &[])),
            _ => {
                return Err(RecipeError::Unfinished { phase: state.phase.name(FIT) });
            }
        }
        let (rows, events) = state.score.rows();
        Ok(FedAvgOutcome {
            rounds: state.rounds,
            sites: state.sites,
            rows,
            events,
            layers: self.layers(state),
            metrics: state.score.metrics(),
            roc: state.score.roc(),
            calibration: state.score.calibration(),
            history: state.history.clone(),
        })
    }

    fn layers(&self, state: &FedAvgState) -> Vec<Layer> {
        let layer =
            |name: String, shape: Vec<usize>, values: &[f64]| Layer { name, shape, values: values.to_vec() };
        let columns = vec![self.columns.len()];
        let mut layers = vec![
            layer("standardise.mean".into(), columns.clone(), &state.moments.mean),
            layer("standardise.sd".into(), columns, &state.moments.sd),
        ];
        let mut rest = state.parameters.as_slice();
        for (at, (inputs, units)) in self.network().layers().enumerate() {
            let (weights, after) = rest.split_at_checked(inputs * units).unwrap_or_default();
            let (biases, after) = after.split_at_checked(units).unwrap_or_default();
            layers.push(layer(format!("layers.{at}.weight"), vec![units, inputs], weights));
            layers.push(layer(format!("layers.{at}.bias"), vec![units], biases));
            rest = after;
        }
        layers
    }
}

/// Rows in each bin of risk, first those without the outcome.
fn progress(pairs: &[(f64, f64)]) -> Vec<f64> {
    let mut cells = vec![0.0; 2 * PROGRESS_BINS];
    for &(predictor, y) in pairs {
        let at = bin(score::logistic(predictor), PROGRESS_BINS) + if y == 1.0 { PROGRESS_BINS } else { 0 };
        if let Some(cell) = cells.get_mut(at) {
            *cell += 1.0;
        }
    }
    cells
}

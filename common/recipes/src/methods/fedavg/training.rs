//! One round of training: its question, a site's answer, and what the sum makes of the common
//! model.

use super::{
    CONTROL_BOUND, DELTA_BOUND, Epoch, FedAvg, FedAvgState, LOSS_BOUND, MOST_BITS, Rule, Weight,
    fraction_bits, most_rows,
};
use crate::error::RecipeError;
use crate::loss::{Loss, Table};
use crate::memory::{Answer, Memory};
use crate::moments::Moments;
use crate::network::Training;
use crate::phase::Phase;
use crate::rows::Values;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale, Sum};
use motet_secagg::quantise::fixed_bits;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// From the narrowest ring to the widest.
const RINGS: [Ring; 5] = [
    Ring::Bits16,
    Ring::Bits20,
    Ring::Bits24,
    Ring::Bits32,
    Ring::Bits64,
];

impl FedAvg {
    /// The recipe's ring, or the next wider one with room for the pooled rows and for enough
    /// fractional bits.
    pub(super) fn ask_training(
        &self,
        state: &FedAvgState,
        sites: u32,
    ) -> Result<Layout, RecipeError> {
        let rows = state.moments.rows;
        let weight_max = self.weight_max(&state.moments)?;
        let wide_enough = RINGS
            .into_iter()
            .filter(|ring| ring.bits() >= self.ring.bits())
            .find(|ring| rows <= most_rows(*ring, sites) && fraction_bits(*ring, sites).is_some());
        let ring = wide_enough.ok_or(RecipeError::TooManySites { sites })?;
        let parameters = state.parameters.len();
        let mut blocks = vec![
            weighted(1, LOSS_BOUND, ring, sites)?,
            weighted(parameters, DELTA_BOUND, ring, sites)?,
        ];
        if self.rule == Rule::Scaffold {
            blocks.push(weighted(parameters, CONTROL_BOUND, ring, sites)?);
        }
        Ok(Layout {
            ring,
            weight_max,
            blocks,
        })
    }

    /// The most that one site counts for.
    fn weight_max(&self, moments: &Moments) -> Result<u32, RecipeError> {
        let counted = match (self.weight, &self.loss) {
            (Weight::Equal, _) => return Ok(1),
            (Weight::Rows, Loss::Time(_)) => moments.events,
            (Weight::Rows, Loss::Binary | Loss::Number) => moments.rows,
        };
        let most = RecipeError::TooManyRows {
            rows: moments.rows,
            most: u64::from(u32::MAX),
        };
        let counted = u32::try_from(counted).map_err(|_| most)?;
        if self.weight_cap >= 1.0 {
            return Ok(counted.max(1));
        }
        Ok(libm::floor(self.weight_cap * f64::from(counted)).max(1.0) as u32)
    }

    pub(super) fn answer_training(
        &self,
        state: &FedAvgState,
        predictors: &[f64],
        table: &Table<'_>,
        memory: &Memory,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        let common = &state.carried.first;
        let own = if self.rule == Rule::Scaffold {
            memory.read(state.parameters.len())?
        } else {
            Zeroizing::default()
        };
        let correction: Vec<f64> = common
            .iter()
            .zip(own.iter())
            .map(|(common, own)| common - own)
            .collect();
        let rate = self.rate(state.history.len());
        let training = Training {
            loss: &self.loss,
            epochs: self.local_epochs,
            batch: self.batch as usize,
            rate,
            clip: self.clip,
            pull: self.rule.pull(),
            correction: &correction,
        };
        let (trained, steps) = self
            .network()
            .train(&state.parameters, table, training, rng);
        let change: Vec<f64> = trained
            .iter()
            .zip(&state.parameters)
            .map(|(to, from)| to - from)
            .collect();
        let mut values = vec![self.loss.mean(predictors, table)];
        values.extend(&change);
        let memory = (self.rule == Rule::Scaffold).then(|| {
            let way = steps as f64 * rate;
            let control: Vec<f64> = change
                .iter()
                .zip(&correction)
                .map(|(change, ahead)| -change / way - ahead)
                .collect();
            values.extend(&control);
            Memory::new(control)
        });
        let counted = match self.weight {
            Weight::Rows if self.weight_cap < 1.0 => {
                (self.loss.counted(table.y) as u32).min(self.weight_max(&state.moments)?)
            }
            Weight::Rows => self.loss.counted(table.y) as u32,
            Weight::Equal => 1,
        };
        Ok(Answer {
            update: ClearUpdate::new(counted, values),
            memory,
        })
    }

    /// The sites' step length after that many rounds of training.
    pub(super) fn rate(&self, rounds: usize) -> f64 {
        let times = rounds / (self.lr_step as usize).max(1);
        self.lr * libm::pow(self.lr_decay, times as f64)
    }

    pub(super) fn absorb_training(
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
        let parameters = state.parameters.len();
        let controls = if self.rule == Rule::Scaffold {
            parameters
        } else {
            0
        };
        let change = means(values.take(parameters)?, weight);
        let control = means(values.take(controls)?, weight);
        values.end()?;
        (next.parameters, next.carried) = self.rule.step(
            &state.parameters,
            &state.carried,
            &change,
            &control,
            self.server_lr,
        );
        // A state holds numbers only: a server's step that is far too long ends the run here.
        let numbers = next
            .parameters
            .iter()
            .chain(&next.carried.first)
            .chain(&next.carried.second);
        if !numbers.copied().all(f64::is_finite) {
            return Err(RecipeError::Implausible {
                what: "the changes, times `server_lr`,",
            });
        }
        let round = state.history.len() as u32 + 1;
        next.history.push(Epoch { round, loss });
        if round >= self.rounds {
            next.phase = Phase::Evaluate;
        }
        Ok(())
    }
}

/// Numbers up to `bound`, weighted by the rows of their site.
fn weighted(len: usize, bound: u32, ring: Ring, sites: u32) -> Result<Block, RecipeError> {
    let bits = fixed_bits(ring, sites, u64::from(bound), MOST_BITS, 0)
        .ok_or(RecipeError::TooManySites { sites })?;
    Ok(Block {
        len: len as u32,
        scale: Scale::Weighted(bits),
        bound: f64::from(bound),
    })
}

fn means(totals: &[f64], weight: f64) -> Vec<f64> {
    totals.iter().map(|total| total / weight).collect()
}
